//! Which scripts of a folder the lints look at, and how grave what they find is.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_core::table::{BodyData, Reading};
use lockgate_core::{Dialect, Dialects};

use super::model::{Folder, ScriptState};
use super::name::{Kind, Name};
use super::script::Read;
use crate::sql::LintLevel;
use crate::sql::lint::{self, Finding, Set, Source};
use crate::{Diagnostic, Severity};

/// What the lints say of the drafts. What the lockfile vouches for was looked at before its release.
pub(super) fn check(folder: &Folder, files: &[(Name, Read)]) -> Vec<Diagnostic> {
    // What is new in one database is nothing to another.
    let databases: BTreeSet<Option<&str>> = files.iter().map(|(name, _)| name.id.database()).collect();
    databases.into_iter().flat_map(|database| of_database(folder, files, database)).collect()
}

fn of_database(folder: &Folder, files: &[(Name, Read)], database: Option<&str>) -> Vec<Diagnostic> {
    let files = files.iter().filter(|(name, _)| name.id.database() == database);
    // One that was edited since its release has an error of its own.
    let is_draft = |read: &Read| read.script.state == ScriptState::Draft;
    let mut ordered: Vec<(&Name, &Read, bool)> = files.map(|(name, read)| (name, read, is_draft(read))).collect();
    if !ordered.iter().any(|(_, _, is_draft)| *is_draft) {
        return Vec::new();
    }
    ordered.sort_by_key(|(name, read, _)| (name.id.version(), &name.id, name.kind == Kind::Down, &read.script.path));
    let (steps, scripts): (Vec<_>, Vec<_>) = ordered.into_iter().partition(|(name, _, _)| name.kind == Kind::Rust);
    let set = Set {
        sources: scripts.iter().map(|(name, read, is_draft)| source(folder, name, read, *is_draft)).collect(),
        dialects: folder.policy.dialects,
        release: folder.policy.postgres,
        has_lockfile: folder.lockfile.is_some(),
        steps: steps
            .iter()
            .filter(|(_, _, is_draft)| *is_draft)
            .map(|(_, read, _)| read.script.text.as_str())
            .collect(),
    };
    let mut found = lint::lint(&set);
    // A folder that names no dialect may be MySQL's, for which none of this holds.
    if folder.policy.dialects.is_none() && found.iter().any(is_of_rows) && set.sources.iter().any(Source::speaks_mysql)
    {
        found.retain(|finding| !is_of_rows(finding));
    }
    let mut told: Vec<(&'static str, usize, Diagnostic)> = Vec::new();
    for finding in found {
        let (rule, source) = (finding.rule, finding.source);
        told.extend(diagnostic(folder, scripts[source].1, finding).map(|diagnostic| (rule, source, diagnostic)));
    }
    few(told)
}

/// Of many warnings of one rule in one script the first ones, and how many more there are.
fn few(told: Vec<(&'static str, usize, Diagnostic)>) -> Vec<Diagnostic> {
    const SHOWN_MAX: usize = 3;
    let mut shown: Vec<(&'static str, usize, Diagnostic)> = Vec::with_capacity(told.len());
    let mut more: BTreeMap<(usize, &'static str), (usize, usize)> = BTreeMap::new();
    for (rule, source, diagnostic) in told {
        let (count, last) = more.entry((source, rule)).or_default();
        if diagnostic.severity == Severity::Error || *count < SHOWN_MAX {
            *last = shown.len();
            shown.push((rule, source, diagnostic));
        }
        *count += 1;
    }
    for ((source, rule), (count, last)) in more {
        let here = shown.iter().filter(|(known, of, _)| (*known, *of) == (rule, source)).count();
        if count > here {
            let more = count - here;
            let are = if more == 1 { "is" } else { "are" };
            shown[last].2.help.insert(0, format!("there {are} {more} more of this kind in the file"));
        }
    }
    shown.into_iter().map(|(_, _, diagnostic)| diagnostic).collect()
}

fn is_of_rows(finding: &Finding) -> bool {
    matches!(finding.rule, "filled-table" | "rebuild-foreign-keys")
}

fn source<'a>(folder: &Folder, name: &'a Name, read: &'a Read, is_draft: bool) -> Source<'a> {
    let script = &read.script;
    let readings: &[Reading] = match &script.body {
        BodyData::Sql { readings, .. } => readings,
        BodyData::Rust => &[],
    };
    let dialects = folder.policy.dialects();
    let reads_as = dialects.iter().find(|dialect| read.clear.contains(*dialect));
    let reading = readings.iter().find(|reading| reads_as.is_some_and(|dialect| reading.dialects.contains(dialect)));
    Source {
        id: &name.id,
        file: &script.path,
        text: &script.text,
        reads_as: reads_as.unwrap_or(Dialect::Postgres),
        statements: reading.map_or(&[], |reading| &reading.statements),
        is_down: name.kind == Kind::Down,
        // What cannot be read has an error of its own.
        is_draft: is_draft && reading.is_some(),
        is_transactional: script.options.transactional,
        foreign_keys_off: script.options.foreign_keys_off,
    }
}

fn diagnostic(folder: &Folder, read: &Read, finding: Finding) -> Option<Diagnostic> {
    let script = &read.script;
    if script.allow.iter().any(|(allowed, _)| allowed == finding.rule) {
        return None;
    }
    let rule = lint::find(finding.rule).expect("each finding is of a rule of the table");
    let only_postgres = folder.policy.dialects == Some(Dialects::NONE.with(Dialect::Postgres));
    let speaks = (rule.certain || folder.lockfile.is_some()) && (!rule.postgres_only || only_postgres);
    // What the database never takes is not to be silenced.
    let is_impossible = rule.level == LintLevel::Deny && finding.level == LintLevel::Deny;
    let default = match finding.level {
        _ if !speaks => LintLevel::Allow,
        LintLevel::Deny if folder.policy.dialects.is_none() => LintLevel::Warn,
        level => level,
    };
    let severity = match folder.policy.level(rule.name, default) {
        LintLevel::Deny => Severity::Error,
        LintLevel::Warn => Severity::Warning,
        LintLevel::Allow => return None,
    };
    let diagnostic =
        Diagnostic { severity, ..Diagnostic::error(rule.name, folder.show(&script.path), finding.message) };
    let mut diagnostic = diagnostic.at(&script.text, finding.range, "");
    diagnostic.help = finding.help;
    if folder.lockfile.is_none() {
        diagnostic.help.push(
            "if it is released, leave it as it is: `cargo xtask freeze` records it, and it is not looked at again"
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
