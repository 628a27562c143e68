//! Runs the lints on the drafts of a folder, and turns their findings into diagnostics.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_core::table::{BodyData, Reading};
use lockgate_core::{Dialect, Dialects};

use super::model::{Folder, ScriptState};
use super::name::{Kind, Name};
use super::repeatable;
use super::script::ReadScript;
use crate::sql::LintLevel;
use crate::sql::lint::{self, Finding, LintInput, SqlFile};
use crate::sql::looks_like_mysql;
use crate::{Code, Diagnostic, Severity};

/// Lints the drafts of a folder. Released scripts were linted before their release.
pub(super) fn check(folder: &Folder, files: &[(Name, ReadScript)]) -> Vec<Diagnostic> {
    // The databases of a folder share no tables.
    let databases: BTreeSet<Option<&str>> = files.iter().map(|(name, _)| name.id.database()).collect();
    databases.into_iter().flat_map(|database| check_database(folder, files, database)).collect()
}

fn check_database(folder: &Folder, files: &[(Name, ReadScript)], database: Option<&str>) -> Vec<Diagnostic> {
    let files = files.iter().filter(|(name, _)| name.id.database() == database);
    // A released script that was edited has an error of its own.
    let is_draft = |read: &ReadScript| read.script.state == ScriptState::Draft;
    let mut ordered: Vec<(&Name, &ReadScript, bool)> = files.map(|(name, read)| (name, read, is_draft(read))).collect();
    if !ordered.iter().any(|(_, _, is_draft)| *is_draft) {
        return Vec::new();
    }
    ordered.sort_by_key(|(name, read, _)| (name.id.version(), &name.id, name.kind == Kind::Down, &read.script.path));
    let (steps, scripts): (Vec<_>, Vec<_>) = ordered.into_iter().partition(|(name, _, _)| name.kind == Kind::Rust);
    let input = LintInput {
        files: scripts.iter().map(|(name, read, is_draft)| sql_file(folder, name, read, *is_draft)).collect(),
        dialects: folder.policy.dialects,
        release: folder.policy.postgres,
        has_lockfile: folder.lockfile.is_some(),
        steps: steps
            .iter()
            .filter(|(_, _, is_draft)| *is_draft)
            .map(|(_, read, _)| read.script.text.as_str())
            .collect(),
    };
    let mut found = lint::lint(&input);
    // A folder that names no dialect may be for MySQL, where these two rules do not apply.
    let looks_like_mysql = |file: &SqlFile<'_>| looks_like_mysql(file.reads_as, file.text);
    if folder.policy.dialects.is_none() && found.iter().any(is_of_rows) && input.files.iter().any(looks_like_mysql) {
        found.retain(|finding| !is_of_rows(finding));
    }
    let is_usual =
        |finding: &Finding| scripts[finding.file].0.is_repeatable() && repeatable::IS_USUAL.contains(&finding.rule);
    found.retain(|finding| !is_usual(finding));
    limit_per_rule(found.into_iter().filter_map(|finding| diagnostic(folder, scripts[finding.file], finding)))
}

/// Keeps the first warnings of each rule in a script, and says in the last one how many more there are.
fn limit_per_rule(reported: impl Iterator<Item = Diagnostic>) -> Vec<Diagnostic> {
    const SHOWN_MAX: usize = 3;
    let mut shown: Vec<Diagnostic> = Vec::new();
    // For each file and rule: how many were found, how many of them are hidden, and the last that is shown.
    let mut rules: BTreeMap<(String, Code), (usize, usize, usize)> = BTreeMap::new();
    for diagnostic in reported {
        let (count, hidden, last) = rules.entry((diagnostic.file.clone(), diagnostic.code)).or_default();
        if diagnostic.severity == Severity::Error || *count < SHOWN_MAX {
            *last = shown.len();
            shown.push(diagnostic);
        } else {
            *hidden += 1;
        }
        *count += 1;
    }
    for (_, hidden, last) in rules.into_values().filter(|(_, hidden, _)| *hidden > 0) {
        let are = if hidden == 1 { "is" } else { "are" };
        shown[last].help.insert(0, format!("there {are} {hidden} more of this kind in the file"));
    }
    shown
}

fn is_of_rows(finding: &Finding) -> bool {
    matches!(finding.rule, "filled-table" | "rebuild-foreign-keys")
}

fn sql_file<'a>(folder: &Folder, name: &'a Name, read: &'a ReadScript, is_draft: bool) -> SqlFile<'a> {
    let script = &read.script;
    let readings: &[Reading] = match &script.body {
        BodyData::Sql { readings, .. } => readings,
        BodyData::Rust => &[],
    };
    let dialects = folder.policy.dialects();
    let reads_as = dialects.iter().find(|dialect| read.clear.contains(*dialect));
    let reading = readings.iter().find(|reading| reads_as.is_some_and(|dialect| reading.dialects.contains(dialect)));
    SqlFile {
        id: &name.id,
        path: &script.path,
        text: script.parsed_text(),
        reads_as: reads_as.unwrap_or(Dialect::Postgres),
        statements: reading.map_or(&[], |reading| &reading.statements),
        is_down: name.kind == Kind::Down,
        // A script that cannot be read has an error of its own.
        is_draft: is_draft && reading.is_some(),
        is_transactional: script.options.transactional,
        foreign_keys_off: script.options.foreign_keys_off,
    }
}

fn diagnostic(folder: &Folder, (name, read, _): (&Name, &ReadScript, bool), finding: Finding) -> Option<Diagnostic> {
    let script = &read.script;
    let code = Code::of_sql(finding.rule);
    if script.allow.iter().any(|(allowed, _)| *allowed == code) {
        return None;
    }
    let rule = lint::find(finding.rule).expect("each finding is of a rule of the table");
    let only_postgres = folder.policy.dialects == Some(Dialects::NONE.with(Dialect::Postgres));
    let reports = (rule.certain || folder.lockfile.is_some()) && (!rule.postgres_only || only_postgres);
    // A statement that the database never accepts cannot be silenced.
    let is_impossible = rule.level == LintLevel::Deny && finding.level == LintLevel::Deny;
    let default = match finding.level {
        _ if !reports => LintLevel::Allow,
        LintLevel::Deny if folder.policy.dialects.is_none() => LintLevel::Warn,
        level => level,
    };
    let severity = folder.policy.severity(code, default)?;
    let diagnostic = Diagnostic { severity, ..Diagnostic::error(code, folder.show(&script.path), finding.message) };
    let mut diagnostic = diagnostic.at(&script.text, finding.range, "");
    diagnostic.help = finding.help;
    // A repeatable script is never released: it runs whenever its text changes.
    if folder.lockfile.is_none() && !name.is_repeatable() {
        diagnostic.help.push(
            "if this migration is released, do not edit it: run `cargo xtask freeze` to record it, and it is not linted again"
                .to_owned(),
        );
    }
    if is_impossible {
        return Some(diagnostic);
    }
    let silence =
        format!("or, if it does no harm, write `-- lockgate: allow({}) \"why\"` as the first line", rule.name);
    Some(diagnostic.help(silence))
}
