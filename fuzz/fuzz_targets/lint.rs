//! Fuzzes the lints in each dialect, on folders of one and of two scripts. Each finding is of a rule in the
//! table, points into a draft and can be rendered, and a second run finds the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::can_be_shown;
use lockgate_source::Diagnostic;
use lockgate_source::core::{Dialect, Dialects};
use lockgate_source::sql::Release;
use lockgate_source::sql::lint::{LintInput, SqlFile, find, lint};
use lockgate_source::sql::split;

/// The migration of a script, whether it is a down script, and whether it is a draft.
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

/// Lints these scripts with and without a lockfile, a policy and directives.
fn folder(dialect: Dialect, scripts: &[(&str, Role)]) {
    let splits: Vec<_> = scripts.iter().map(|(text, _)| split(dialect, text).statements).collect();
    for (has_lockfile, is_declared, bare) in [(true, true, false), (false, false, true)] {
        let files = scripts.iter().zip(&splits).map(|((text, (id, is_down, is_draft)), statements)| SqlFile {
            id,
            path: if *is_down { "x.down.sql" } else { "x.up.sql" },
            text,
            reads_as: dialect,
            statements,
            is_down: *is_down,
            is_draft: *is_draft,
            is_transactional: !bare,
            foreign_keys_off: bare && dialect == Dialect::Sqlite,
        });
        let input = LintInput {
            files: files.collect(),
            dialects: is_declared.then(|| Dialects::NONE.with(dialect)),
            release: (dialect == Dialect::Postgres && is_declared).then(|| Release::new(13)),
            has_lockfile,
            steps: if bare { vec![scripts[0].0] } else { Vec::new() },
        };
        let found = lint(&input);
        assert_eq!(found, lint(&input));
        let shown: Vec<_> = found
            .into_iter()
            .map(|finding| {
                let file = &input.files[finding.file];
                assert!(file.is_draft, "{finding:?} is about a released script");
                let rule = find(finding.rule).expect("each finding is of a rule of the table");
                let diagnostic = Diagnostic::warning(rule.name.parse().expect("each rule has a code"), file.path, finding.message);
                let diagnostic = diagnostic.at(file.text, finding.range, "");
                finding.help.into_iter().fold(diagnostic, Diagnostic::help)
            })
            .collect();
        can_be_shown(&shown);
    }
}
