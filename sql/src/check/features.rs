//! What is said with some of the grammars, or none, compiled in. `.ci/run` tests
//! this with each.

use lockgate_core::Dialect;

use super::{Fact, check};
use crate::split;

/// What is told of a script that is no SQL, of one that is nested too deep to be parsed and of one that is
/// too long.
fn said(dialect: Dialect) -> Vec<Fact> {
    let deep = format!("SELECT {}1{};", "(".repeat(500), ")".repeat(500));
    let long = format!("SELECT {};", "1, ".repeat(1 << 19));
    let texts = ["CREATE TABEL a (b int);", deep.as_str(), long.as_str()];
    let found = texts.map(|text| check(dialect, text, &split(dialect, text).statements, None));
    found.into_iter().flatten().map(|finding| finding.fact).collect()
}

#[test]
fn a_dialect_is_looked_at_where_its_grammar_is_compiled_in() {
    let grammars =
        [(Dialect::Postgres, cfg!(feature = "grammar-postgres")), (Dialect::Sqlite, cfg!(feature = "grammar-sqlite"))];
    for (dialect, is_there) in grammars {
        let said = said(dialect);
        if is_there {
            assert!(said.contains(&Fact::TooDeep) && said.contains(&Fact::TooLong), "{dialect:?}: {said:?}");
            assert!(said.iter().any(Fact::is_refusal), "{dialect:?}: {said:?}");
        } else {
            assert_eq!(said, [], "{dialect:?}");
        }
    }
    // No parser: brackets are looked at in any case.
    let text = "CREATE TABLE a (b int;";
    assert!(!check(Dialect::Mysql, text, &split(Dialect::Mysql, text).statements, None).is_empty());
}
