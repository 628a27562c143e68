//! Lints: statements that the grammar takes and that would hurt. Each rule is a row of [`RULES`], a
//! page of the catalogue, and a function in one of the files below, with its tests.
//!
//! A rule knows what the runner does: a script runs in a transaction, waits for a lock only so long,
//! and a lock is held until the commit. It knows which tables are *new*, that is made by a script
//! that is not released yet: nobody uses them, so what is done to them is no danger. Which scripts
//! are released the lockfile says; without one only what the script itself makes is new, and only the
//! rules that are certain speak unasked.

mod change;
mod column;
mod down;
mod empty;
pub mod enums;
mod facts;
mod locks;
mod loss;
pub mod raise;
mod rebuild;
#[cfg(test)]
mod tests;
mod types;
mod world;

use std::ops::Range;

use lockgate_core::{Dialect, Dialects, Statement, StatementKind};

use self::facts::Facts;
use self::world::{View, World};
use super::cursor;
use super::lexer::{Kind, Lexer};
use crate::LintLevel;
use crate::Release;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in a policy and in `allow`, in kebab-case.
    pub name: &'static str,
    /// How grave its finding is where the policy does not say, unless the finding itself knows better.
    pub level: LintLevel,
    /// Whether what it finds goes wrong for sure: such a rule speaks in a folder without a lockfile too.
    pub certain: bool,
    /// Whether the danger, or the way around it, is PostgreSQL's alone: such a rule speaks in a folder
    /// for PostgreSQL and nothing else, or where the policy names the rule.
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
pub const RULES: [Rule; 21] = [
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
    postgres("set-not-null"),
    postgres("table-rewrite"),
    certain("unsupported-alter", LintLevel::Deny),
];

/// The rule of this name.
pub fn find(name: &str) -> Option<Rule> {
    RULES.into_iter().find(|rule| rule.name == name)
}

/// Everything that can be named below `[lint]` and in `allow`: the rules here and those of the grammar
/// gate.
pub fn names() -> impl Iterator<Item = &'static str> {
    super::check::RULES.into_iter().chain(RULES.into_iter().map(|rule| rule.name))
}

/// One script of a folder.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Version and name of its migration.
    pub id: &'a str,
    /// Its file as messages name it.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The dialect in which it is read.
    pub reads_as: Dialect,
    /// Its statements in that dialect.
    pub statements: &'a [Statement],
    /// Whether it reverts: the script that stands before it applies.
    pub is_down: bool,
    /// Whether it is looked at: what was released is not, but tells what there is.
    pub is_draft: bool,
    /// Whether it runs in a transaction.
    pub is_transactional: bool,
    /// Whether foreign keys are off while it runs.
    pub foreign_keys_off: bool,
}

/// The scripts of a folder in the order in which they run; a down script follows its up script.
#[derive(Clone, Debug)]
pub struct Set<'a> {
    /// The scripts.
    pub sources: Vec<Source<'a>>,
    /// The dialects of the folder, where it names them.
    pub dialects: Option<Dialects>,
    /// The release of the PostgreSQL servers, where it is known.
    pub release: Option<Release>,
    /// Whether it is known which scripts are released.
    pub has_lockfile: bool,
    /// The texts of Rust steps that are not released: tables may be made in them.
    pub steps: Vec<&'a str>,
}

/// What a rule has to say of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The script, by its place in the set.
    pub source: usize,
    /// The rule.
    pub rule: &'static str,
    /// How grave it is where the policy does not say.
    pub level: LintLevel,
    /// The bytes of the script to point at.
    pub range: Range<usize>,
    /// The fact, and for a lock which one and how long.
    pub message: String,
    /// The safe way, best first.
    pub help: Vec<String>,
}

impl Set<'_> {
    /// Whether the folder is said to be for this dialect.
    fn names(&self, dialect: Dialect) -> bool {
        self.dialects.is_some_and(|dialects| dialects.contains(dialect))
    }

    /// Whether nothing speaks against the folder being for this dialect.
    fn may_be(&self, dialect: Dialect) -> bool {
        self.dialects.is_none_or(|dialects| dialects.contains(dialect))
    }
}

impl Source<'_> {
    /// Whether it has words or marks that MySQL alone knows; backticks SQLite knows too.
    pub fn speaks_mysql(&self) -> bool {
        const WORDS: [&str; 7] =
            ["auto_increment", "unsigned", "tinyint", "mediumtext", "longtext", "fulltext", "charset"];
        let mut lexer = Lexer::new(self.reads_as, self.text, 0);
        let mut engine = false;
        loop {
            let token = lexer.next();
            let is_mysql = WORDS.iter().any(|word| lexer.is(token, word))
                || lexer.bytes(token).starts_with(b"`")
                || (engine && lexer.is_byte(token, b'='));
            if is_mysql || token.kind == Kind::End {
                return is_mysql;
            }
            engine = lexer.is(token, "engine");
        }
    }
}

/// What the rules find in the drafts of a set, in the order of the scripts.
pub fn lint(set: &Set<'_>) -> Vec<Finding> {
    let facts = Facts::new(set);
    let mut world = World::default();
    let mut found = Vec::new();
    let mut up = None;
    for (index, source) in set.sources.iter().enumerate() {
        if !source.is_draft {
            up = if source.is_down { None } else { Some(index) };
            continue;
        }
        world.enter(set);
        // What a way back takes away is there for the scripts behind it.
        let ahead = source.is_down.then(|| world.clone());
        // Rows are copied in order to drop or empty where they come from; others need not be looked at.
        let takes = [StatementKind::DropTable, StatementKind::Truncate, StatementKind::Delete];
        let copies = source.statements.iter().any(|statement| takes.contains(&statement.kind));
        let is_read = |statement: &&Statement| copies || statement.kind != StatementKind::Insert;
        let tokens = source.statements.iter().map(|statement| {
            let read = Some(statement).filter(is_read);
            read.map_or_else(Vec::new, |statement| change::tokens_of(source.reads_as, source.text, statement))
        });
        let tokens: Vec<_> = tokens.collect();
        let changes: Vec<_> = tokens.iter().map(|tokens| change::read(source.text, tokens)).collect();
        let mut view =
            View { set, source, index, world: &world, facts: &facts, changes: &changes, at: 0, found: &mut found };
        empty::check(&mut view);
        if source.is_down {
            if let Some(up) = up.filter(|up| set.sources[*up].id == source.id) {
                down::check(&mut view, (up, &set.sources[up]));
            }
        } else {
            up = Some(index);
            enums::check(&mut view);
            rebuild::check(&mut view);
        }
        for (at, change) in changes.iter().enumerate() {
            if let Some(change) = change {
                let mut view =
                    View { set, source, index, world: &world, facts: &facts, changes: &changes, at, found: &mut found };
                column::check(&mut view, change);
                loss::check(&mut view, change);
                if !source.is_down {
                    locks::check(&mut view, change);
                    types::check(&mut view, change);
                }
                world.after(change);
            }
        }
        if let Some(ahead) = ahead {
            world = ahead;
        }
    }
    found
}
