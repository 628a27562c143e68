//! The check with only some of the grammars compiled in, or none. `.ci/run` tests each combination.

use lockgate_core::Dialect;

use super::{FindingKind, check};
use crate::split;

/// The findings in an invalid script, in one that is nested too deep and in one that is too long.
fn findings(dialect: Dialect) -> Vec<FindingKind> {
    let deep = format!("SELECT {}1{};", "(".repeat(500), ")".repeat(500));
    let long = format!("SELECT {};", "1, ".repeat(1 << 19));
    let texts = ["CREATE TABEL a (b int);", deep.as_str(), long.as_str()];
    let found = texts.map(|text| check(dialect, text, &split(dialect, text).statements, None));
    found.into_iter().flatten().map(|finding| finding.kind).collect()
}

#[test]
fn a_dialect_is_checked_if_its_grammar_is_compiled_in() {
    let grammars =
        [(Dialect::Postgres, cfg!(feature = "grammar-postgres")), (Dialect::Sqlite, cfg!(feature = "grammar-sqlite"))];
    for (dialect, is_compiled_in) in grammars {
        let found = findings(dialect);
        if is_compiled_in {
            assert!(
                found.contains(&FindingKind::TooDeep) && found.contains(&FindingKind::TooLong),
                "{dialect:?}: {found:?}"
            );
            assert!(found.iter().any(FindingKind::is_refusal), "{dialect:?}: {found:?}");
        } else {
            assert_eq!(found, [], "{dialect:?}");
        }
    }
    // MySQL has no parser, so its brackets are always checked.
    let text = "CREATE TABLE a (b int;";
    assert!(!check(Dialect::Mysql, text, &split(Dialect::Mysql, text).statements, None).is_empty());
}
