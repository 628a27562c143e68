//! Runs the grammar check on the drafts of a folder, and turns its findings into diagnostics.

use lockgate_core::table::{BodyData, Reading};
use lockgate_core::{Dialect, Dialects, Statement, StatementFlags};

use super::model::{Folder, ScriptFile, ScriptState};
use super::name::{Kind, Name};
use super::script::{ReadScript, product};
use crate::sql::LintLevel;
use crate::sql::check::{self, Finding, FindingKind, big_stack};
use crate::sql::looks_like_mysql;
use crate::{Code, Diagnostic};

/// Checks the scripts of a folder with the grammars of its dialects. Released scripts were checked before
/// their release and are not parsed again.
pub(super) fn check(folder: &Folder, files: &[(Name, ReadScript)]) -> Vec<Diagnostic> {
    let mut drafts: Vec<&(Name, ReadScript)> = files
        .iter()
        .filter(|(name, read)| name.kind != Kind::Rust && read.script.state != ScriptState::Frozen)
        .collect();
    drafts.sort_by_key(|(name, _)| name.id.version());
    let mut drafts: Vec<&ReadScript> = drafts.into_iter().map(|(_, read)| read).collect();
    if folder.policy.dialects.is_none() {
        keep_newest(&mut drafts);
    }
    let found = big_stack::for_each(&drafts, |read| read.script.text.len(), |read| script(folder, read));
    found.into_iter().flatten().flatten().collect()
}

/// The number of bytes that are parsed of a folder that names no dialect. Such a folder may hold thousands
/// of old scripts without a lockfile, and a finding in them is rarely certain.
const UNDECLARED_BYTES: usize = 128 * 1024;

/// Keeps the newest scripts, up to [`UNDECLARED_BYTES`].
fn keep_newest(drafts: &mut Vec<&ReadScript>) {
    let mut left = UNDECLARED_BYTES;
    let kept = drafts.iter().rev().take_while(|read| {
        let len = read.script.text.len();
        let fits = len <= left;
        left = left.saturating_sub(len);
        fits
    });
    let first = drafts.len() - kept.count();
    drafts.drain(..first);
}

fn script(folder: &Folder, read: &ReadScript) -> Vec<Diagnostic> {
    let BodyData::Sql { readings, .. } = &read.script.body else { return Vec::new() };
    let in_dialect = |dialect: Dialect| -> Vec<Finding> {
        let reads = |reading: &&Reading| reading.dialects.contains(dialect) && read.clear.contains(dialect);
        let reading = readings.iter().find(reads);
        let statements = reading.map_or(&[] as &[Statement], |reading| &reading.statements);
        let mut found = check::check(dialect, read.script.parsed_text(), statements, folder.policy.postgres);
        if let Some(program) = &read.script.options.psql {
            // What a plain variable makes of a statement is not known.
            found.retain(|finding| {
                let at = finding.range.start;
                let of = statements.iter().find(|statement| statement.range.start <= at && at <= statement.range.end);
                !of.is_some_and(|statement| program.is_open(&statement.range))
            });
        }
        found
    };
    let mut found: Vec<(Finding, Dialects)> = Vec::new();
    match folder.policy.dialects {
        Some(dialects) => {
            // If one dialect reads a line as a client's command or as data, the others cannot read the script.
            let known = |statement: &Statement| {
                [StatementFlags::CLIENT_ONLY, StatementFlags::COPY_DATA]
                    .into_iter()
                    .any(|flag| statement.flags.contains(flag))
            };
            let knowing: Vec<Dialects> = readings
                .iter()
                .filter(|reading| reading.statements.iter().any(known))
                .map(|reading| reading.dialects)
                .collect();
            let reads =
                |dialect: &Dialect| knowing.is_empty() || knowing.iter().any(|dialects| dialects.contains(*dialect));
            for dialect in dialects.iter().filter(reads) {
                for finding in in_dialect(dialect) {
                    match found.iter_mut().find(|(known, _)| is_same(known, &finding)) {
                        Some((_, dialects)) => *dialects = dialects.with(dialect),
                        None => found.push((finding, Dialects::NONE.with(dialect))),
                    }
                }
            }
        }
        None => {
            // MySQL splits the script differently, so the folder may be for MySQL.
            let alone = readings.iter().any(|reading| reading.dialects == Dialects::NONE.with(Dialect::Mysql));
            found.extend(undeclared(read, alone, in_dialect));
        }
    }
    found.into_iter().filter_map(|(finding, dialects)| diagnostic(folder, &read.script, finding, dialects)).collect()
}

/// Whether two grammars found the same mistake, which is reported once.
fn is_same(a: &Finding, b: &Finding) -> bool {
    a.range.start == b.range.start && a.kind.rule() == b.kind.rule()
}

/// The findings in a script of a folder that names no dialect. The script is wrong only if PostgreSQL and
/// SQLite both reject it and nothing in it looks like MySQL, for which there is no parser.
fn undeclared(
    read: &ReadScript,
    alone: bool,
    in_dialect: impl Fn(Dialect) -> Vec<Finding>,
) -> Vec<(Finding, Dialects)> {
    let mut refusals = Vec::new();
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        if !read.clear.contains(dialect) {
            continue;
        }
        let mut found = in_dialect(dialect);
        if !found.iter().any(|finding| finding.kind.is_refusal()) {
            // The script may be for another dialect, so only findings in function bodies are kept.
            found.retain(|finding| matches!(finding.kind, FindingKind::Body(_)));
            return found.into_iter().map(|finding| (finding, Dialects::NONE.with(dialect))).collect();
        }
        found.retain(|finding| finding.kind.is_refusal());
        refusals.push((found, dialect));
    }
    // The script may be for MySQL, all the more if another dialect cannot even tokenize it.
    let clear = |dialect| read.clear.contains(dialect);
    if clear(Dialect::Mysql)
        && (alone || read.clear != Dialects::ALL || looks_like_mysql(Dialect::Postgres, &read.script.text))
    {
        return Vec::new();
    }
    // Report for the dialect with fewer errors.
    let nearest = refusals.into_iter().min_by_key(|(found, _)| found.len());
    nearest.into_iter().flat_map(|(found, _)| found).map(|finding| (finding, Dialects::NONE)).collect()
}

fn diagnostic(folder: &Folder, script: &ScriptFile, finding: Finding, dialects: Dialects) -> Option<Diagnostic> {
    let (rule, default) = finding.kind.rule();
    let code = Code::of_sql(rule);
    if script.allow.iter().any(|(allowed, _)| *allowed == code) {
        return None;
    }
    let declared = folder.policy.dialects.is_some();
    // A misspelt first word is an error in every dialect.
    let is_misspelt = matches!(finding.kind, FindingKind::NoStatement { .. }) && finding.repair.is_some();
    let default = if declared || is_misspelt { default } else { LintLevel::Warn };
    let severity = folder.policy.severity(code, default)?;
    let policy = folder.show(super::policy::FILE);
    let take = if dialects.iter().count() > 1 { "do" } else { "does" };
    let (label, help) = match &finding.kind {
        _ if !declared && finding.kind.is_refusal() => (
            "neither PostgreSQL nor SQLite takes this".to_owned(),
            format!("say in `{policy}` what the folder is for, such as `dialects = [\"postgres\"]`, and it is checked as that"),
        ),
        FindingKind::Unexpected { .. } | FindingKind::Ends { .. } | FindingKind::NoStatement { .. } | FindingKind::Refused(_) => (
            format!("{} {take} not take this", product(dialects)),
            "correct it; if the server takes it as it is, write `-- lockgate: allow(syntax) \"why\"` as the first line"
                .to_owned(),
        ),
        FindingKind::Body(_) => (
            String::new(),
            "look at it; if it is right, write `-- lockgate: allow(plpgsql-syntax) \"why\"` as the first line".to_owned(),
        ),
        FindingKind::Newer { since, .. } => (
            String::new(),
            format!("write it in the older way, or say `postgres = \"{since}\"` in `{policy}` once the servers are that new"),
        ),
        FindingKind::TooDeep | FindingKind::TooLong => (
            String::new(),
            "split it; or write `-- lockgate: allow(not-parsed) \"why\"` as the first line, and let the server say what is wrong"
                .to_owned(),
        ),
    };
    let (file, message) = (folder.show(&script.path), finding.kind.to_string());
    let diagnostic = Diagnostic { severity, ..Diagnostic::error(code, file, message) };
    let diagnostic = diagnostic.at(&script.text, finding.range, label);
    Some(match finding.repair {
        Some(repair) => diagnostic.help(repair),
        None => diagnostic.help(help),
    })
}
