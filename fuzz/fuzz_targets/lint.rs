//! The lints, for each dialect, over folders of one and of two scripts: what they find is a rule of the
//! table, points into a draft, and can be shown; asked again they say the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::can_be_shown;
use lockgate_source::Diagnostic;
use lockgate_source::core::{Dialect, Dialects};
use lockgate_source::sql::Release;
use lockgate_source::sql::lint::{Set, Source, find, lint};
use lockgate_source::sql::split;

/// What a script is: of which migration, whether down, whether a draft.
type Role = (&'static str, bool, bool);

const UP: Role = ("0001_a", false, true);
const DOWN: Role = ("0001_a", true, true);
const RELEASED: Role = ("0001_a", false, false);
const NEXT: Role = ("0002_b", false, true);

fuzz_target!(|text: &str| {
    let middle = text.floor_char_boundary(text.len() / 2);
    let end = text[middle..].find('\n').map_or(text.len(), |line| middle + line + 1);
    let (first, second) = text.split_at(end);
    for dialect in Dialect::ALL {
        folder(dialect, &[(text, UP)]);
        folder(dialect, &[(first, UP), (second, DOWN)]);
        folder(dialect, &[(second, UP), (first, DOWN)]);
        folder(dialect, &[(first, RELEASED), (second, NEXT)]);
    }
});

/// A folder of these scripts, as the lockfile, the policy and the heads of the files may have it.
fn folder(dialect: Dialect, scripts: &[(&str, Role)]) {
    let splits: Vec<_> = scripts.iter().map(|(text, _)| split(dialect, text).statements).collect();
    for (has_lockfile, is_declared, bare) in [(true, true, false), (false, false, true)] {
        let sources = scripts.iter().zip(&splits).map(|((text, (id, is_down, is_draft)), statements)| Source {
            id,
            file: if *is_down { "x.down.sql" } else { "x.up.sql" },
            text,
            reads_as: dialect,
            statements,
            is_down: *is_down,
            is_draft: *is_draft,
            is_transactional: !bare,
            foreign_keys_off: bare && dialect == Dialect::Sqlite,
        });
        let set = Set {
            sources: sources.collect(),
            dialects: is_declared.then(|| Dialects::NONE.with(dialect)),
            release: (dialect == Dialect::Postgres && is_declared).then(|| Release::new(13)),
            has_lockfile,
            steps: if bare { vec![scripts[0].0] } else { Vec::new() },
        };
        let found = lint(&set);
        assert_eq!(found, lint(&set));
        let shown: Vec<_> = found
            .into_iter()
            .map(|finding| {
                let source = &set.sources[finding.source];
                assert!(source.is_draft, "{finding:?} is about what is released");
                let rule = find(finding.rule).expect("each finding is of a rule of the table");
                let diagnostic = Diagnostic::warning(rule.name, source.file, finding.message);
                let diagnostic = diagnostic.at(source.text, finding.range, "");
                finding.help.into_iter().fold(diagnostic, Diagnostic::help)
            })
            .collect();
        can_be_shown(&shown);
    }
}
