//! Lints flag SQL that is valid but dangerous in production. Each rule has a row in [`RULES`], a page in
//! the catalogue of diagnostics, and a function in one of the modules below.
//!
//! The rules assume how the runner works: a script runs in a transaction, each lock is held until the
//! commit, and waiting for a lock has a timeout. They treat a table as *new* if a script that is not yet
//! released creates it. Nobody uses a new table, so rules about tables in use skip it. The lockfile says
//! which scripts are released. Without a lockfile, only the tables that a script itself creates are new,
//! and only the rules marked `certain` report anything by default.

mod change;
mod column;
mod constraint_name;
mod context;
mod domains;
mod down;
mod empty;
pub mod enums;
mod locks;
mod loss;
mod no_effect;
mod nulls;
pub mod raise;
mod rebuild;
mod runs_once;
mod schema_events;
#[cfg(test)]
mod tests;
mod types;

use std::ops::Range;

use lockgate_core::{Dialect, Dialects, Statement, StatementKind};

use self::context::{Context, NewObjects};
use self::schema_events::SchemaEvents;
use super::cursor;
use crate::LintLevel;
use crate::Release;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in a policy and in `allow`, in kebab-case.
    pub name: &'static str,
    /// The level of its findings where the policy does not set one. A finding may override it.
    pub level: LintLevel,
    /// Whether what it finds is certain to go wrong. Such a rule also reports in a folder without a lockfile.
    pub certain: bool,
    /// Whether the danger, or the safe alternative, exists only in PostgreSQL. Such a rule reports in a
    /// folder for PostgreSQL alone, or where the policy names the rule.
    pub postgres_only: bool,
}

const fn rule(name: &'static str, level: LintLevel) -> Rule {
    Rule { name, level, certain: false, postgres_only: false }
}

const fn postgres(name: &'static str) -> Rule {
    Rule { postgres_only: true, ..rule(name, LintLevel::Warn) }
}

const fn certain(name: &'static str, level: LintLevel) -> Rule {
    Rule { certain: true, ..rule(name, level) }
}

/// Every rule.
pub const RULES: [Rule; 22] = [
    postgres("add-column-rewrite"),
    postgres("blocking-constraint"),
    postgres("blocking-drop-index"),
    postgres("blocking-index"),
    postgres("blocking-refresh"),
    postgres("blocking-unique"),
    postgres("change-type"),
    rule("drop-cascade", LintLevel::Warn),
    rule("drop-column", LintLevel::Warn),
    rule("drop-table", LintLevel::Warn),
    certain("empty-script", LintLevel::Warn),
    rule("empty-table", LintLevel::Warn),
    certain("enum-value-used", LintLevel::Deny),
    certain("filled-table", LintLevel::Warn),
    certain("incomplete-down", LintLevel::Warn),
    rule("lossy-down", LintLevel::Allow),
    certain("rebuild-foreign-keys", LintLevel::Warn),
    rule("rename", LintLevel::Warn),
    certain("runs-once", LintLevel::Warn),
    postgres("set-not-null"),
    postgres("table-rewrite"),
    certain("unsupported-alter", LintLevel::Deny),
];

/// Returns the rule of this name.
pub fn find(name: &str) -> Option<Rule> {
    RULES.into_iter().find(|rule| rule.name == name)
}

/// Returns every name that `[lint]` and `allow` accept: the rules here and those of the grammar check.
pub fn names() -> impl Iterator<Item = &'static str> {
    super::check::RULES.into_iter().chain(RULES.into_iter().map(|rule| rule.name))
}

/// One script to lint, or to read for what it has created.
#[derive(Clone, Debug)]
pub struct SqlFile<'a> {
    /// The version and name of its migration: `0001_create_users`.
    pub id: &'a str,
    /// Its path as messages show it.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The dialect in which `text` was split into `statements`.
    pub reads_as: Dialect,
    /// The statements of `text`.
    pub statements: &'a [Statement],
    /// Whether it is a down script. Its up script comes right before it.
    pub is_down: bool,
    /// Whether it is not yet released. Released scripts are not linted; they only say what exists.
    pub is_draft: bool,
    /// Whether it runs in a transaction.
    pub is_transactional: bool,
    /// Whether foreign keys are off while it runs.
    pub foreign_keys_off: bool,
}

/// What [`lint`] works on: the scripts of a folder in the order in which they run, each down script right
/// after its up script.
#[derive(Clone, Debug)]
pub struct LintInput<'a> {
    /// The scripts.
    pub files: Vec<SqlFile<'a>>,
    /// The dialects that the policy names, if it names any.
    pub dialects: Option<Dialects>,
    /// The release of the PostgreSQL servers, if the policy names it.
    pub release: Option<Release>,
    /// Whether a lockfile says which scripts are released.
    pub has_lockfile: bool,
    /// The texts of Rust steps that are not released. They may create tables too.
    pub steps: Vec<&'a str>,
}

/// A problem that a rule found in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The index of the script in [`LintInput::files`].
    pub file: usize,
    /// The rule.
    pub rule: &'static str,
    /// Its level where the policy does not set one.
    pub level: LintLevel,
    /// The bytes of the script to point at.
    pub range: Range<usize>,
    /// What is wrong; for a lock, which lock and how long it is held.
    pub message: String,
    /// The safe alternatives, best first.
    pub help: Vec<String>,
}

impl LintInput<'_> {
    /// Whether the policy names this dialect.
    fn names(&self, dialect: Dialect) -> bool {
        self.dialects.is_some_and(|dialects| dialects.contains(dialect))
    }

    /// Whether the folder may be for this dialect: the policy names it, or names none.
    fn may_be(&self, dialect: Dialect) -> bool {
        self.dialects.is_none_or(|dialects| dialects.contains(dialect))
    }
}

/// Runs every rule on the scripts that are drafts. The findings are in the order of the scripts.
pub fn lint(input: &LintInput<'_>) -> Vec<Finding> {
    let events = SchemaEvents::new(input);
    let mut new_objects = NewObjects::default();
    let mut found = Vec::new();
    let mut up = None;
    for (index, file) in input.files.iter().enumerate() {
        if !file.is_draft {
            up = if file.is_down { None } else { Some(index) };
            continue;
        }
        new_objects.begin_script(input, file);
        // The scripts after a down script run without it: what it drops still exists for them.
        let kept = file.is_down.then(|| new_objects.clone());
        // An INSERT matters only if the script also drops or empties a table whose rows it may have copied.
        let removing = [StatementKind::DropTable, StatementKind::Truncate, StatementKind::Delete];
        let copies = file.statements.iter().any(|statement| removing.contains(&statement.kind));
        let is_read = |statement: &&Statement| copies || statement.kind != StatementKind::Insert;
        let tokens = file.statements.iter().map(|statement| {
            let read = Some(statement).filter(is_read);
            read.map_or_else(Vec::new, |statement| change::tokens_of(file.reads_as, file.text, statement))
        });
        let tokens: Vec<_> = tokens.collect();
        let changes = tokens.iter().enumerate().map(|(at, tokens)| {
            let change = change::read(file.text, tokens)?;
            if file.is_down { Some(change) } else { no_effect::remove(change, (index, at), &events) }
        });
        let changes: Vec<_> = changes.collect();
        let mut cx = Context {
            input,
            file,
            index,
            new_objects: &mut new_objects,
            events: &events,
            changes: &changes,
            at: 0,
            found: &mut found,
        };
        empty::check(&mut cx);
        if file.is_down {
            if let Some(up) = up.filter(|up| input.files[*up].id == file.id) {
                down::check(&mut cx, (up, &input.files[up]));
            }
        } else {
            up = Some(index);
            enums::check(&mut cx);
            runs_once::check(&mut cx);
            rebuild::check(&mut cx);
            rebuild::renamed_away(&mut cx);
        }
        for (at, change) in changes.iter().enumerate() {
            cx.at = at;
            if let Some(change) = change {
                column::check(&mut cx, change);
                loss::check(&mut cx, change);
                if !file.is_down {
                    locks::check(&mut cx, change);
                    types::check(&mut cx, change);
                    domains::check(&mut cx, change);
                }
                cx.new_objects.apply(change);
            }
        }
        if let Some(kept) = kept {
            new_objects = kept;
        }
    }
    found
}
