//! Fuzzes the grammar check in each dialect: it returns, and its findings can be rendered. libFuzzer's
//! `-timeout` checks that it returns in time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::can_be_shown;
use lockgate_source::Diagnostic;
use lockgate_source::core::Dialect;
use lockgate_source::sql::Release;
use lockgate_source::sql::check::check;
use lockgate_source::sql::split;

fuzz_target!(|text: &str| {
    for dialect in Dialect::ALL {
        let statements = split(dialect, text).statements;
        let release = (dialect == Dialect::Postgres).then(|| Release::new(13));
        let mut findings = check(dialect, text, &statements, release);
        if release.is_some() {
            findings.extend(check(dialect, text, &statements, None));
        }
        let shown: Vec<_> = findings
            .into_iter()
            .map(|finding| {
                let (rule, _) = finding.kind.rule();
                let rule = rule.parse().expect("each rule has a code");
                let diagnostic = Diagnostic::error(rule, "migrations/0001_x.up.sql", finding.kind.to_string());
                let diagnostic = diagnostic.at(text, finding.range, "");
                finding.repair.into_iter().fold(diagnostic, Diagnostic::help)
            })
            .collect();
        can_be_shown(&shown);
    }
});
