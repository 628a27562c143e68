//! What is there when a statement runs, as far as the scripts tell: which tables are new, and what
//! earlier scripts made of a column.

use std::collections::HashSet;
use std::ops::Range;

use lockgate_core::{Dialect, TableLock};

use super::change::{Action, Change};
use super::cursor::{self, Cursor, Name};
use super::facts::{Fact, Facts};
use super::{Finding, Set, Source, find};
use crate::LintLevel;
use crate::touch;

/// What the drafts up to here have made.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    tables: HashSet<String>,
    columns: HashSet<(String, String)>,
    /// Schemas, types and domains, each with what it is.
    others: HashSet<(&'static str, String)>,
    /// Tables whose rows the script has deleted.
    emptied: HashSet<String>,
}

impl World {
    /// Whether the table is new.
    pub(super) fn has(&self, table: &str) -> bool {
        self.tables.contains(table)
    }

    /// A script begins.
    pub(super) fn enter(&mut self, set: &Set<'_>) {
        self.emptied.clear();
        if !set.has_lockfile {
            *self = Self::default();
        }
    }

    /// What had one name has the other.
    fn rename(&mut self, from: &str, to: &str) {
        match self.tables.remove(from) {
            true => self.tables.insert(to.to_owned()),
            false => self.tables.remove(to),
        };
        let columns = self.columns.extract_if(|(table, _)| table == from);
        let columns: Vec<_> = columns.map(|(_, column)| (to.to_owned(), column)).collect();
        self.columns.extend(columns);
        if self.emptied.remove(from) {
            self.emptied.insert(to.to_owned());
        }
    }

    /// A statement has run.
    pub(super) fn after(&mut self, change: &Change<'_>) {
        match change {
            Change::CreateTable(table) => {
                self.tables.insert(table.name.key.clone());
            }
            Change::Create { what: "view" | "materialized view", name, .. } => {
                self.tables.insert(name.key.clone());
            }
            Change::Create { what, name, .. } => {
                self.others.insert((what, name.key.clone()));
            }
            Change::Drop { what: "table" | "view", names, .. } => {
                for name in names {
                    self.tables.remove(&name.key);
                }
            }
            Change::Empty { tables, .. } => self.emptied.extend(tables.iter().map(|table| table.key.clone())),
            Change::AlterTable { table, actions } => {
                for (_, action) in actions {
                    match action {
                        Action::AddColumn(column) => {
                            self.columns.insert((table.key.clone(), column.name.key.clone()));
                        }
                        Action::RenameTable(to) => self.rename(&table.key, &to.key),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// One script, and one statement of it, for a rule.
pub(super) struct View<'v, 'a> {
    pub(super) set: &'v Set<'a>,
    pub(super) source: &'v Source<'a>,
    pub(super) index: usize,
    pub(super) world: &'v World,
    pub(super) facts: &'v Facts<'v, 'a>,
    pub(super) changes: &'v [Option<Change<'v>>],
    /// The statement.
    pub(super) at: usize,
    pub(super) found: &'v mut Vec<Finding>,
}

impl View<'_, '_> {
    pub(super) fn is_new(&self, table: &Name) -> bool {
        self.world.tables.contains(&table.key)
    }

    /// Whether this schema, type or domain is new.
    pub(super) fn is_new_other(&self, what: &'static str, name: &Name) -> bool {
        self.world.others.contains(&(what, name.key.clone()))
    }

    pub(super) fn is_new_column(&self, table: &Name, column: &Name) -> bool {
        self.is_new(table) || self.world.columns.contains(&(table.key.clone(), column.key.clone()))
    }

    pub(super) fn is_empty(&self, table: &Name) -> bool {
        self.is_new(table) || self.world.emptied.contains(&table.key)
    }

    /// Whether a table that is not new was surely released: a Rust step may make tables too.
    pub(super) fn is_released(&self, table: &Name) -> bool {
        self.set.has_lockfile
            && self.set.dialects.is_some()
            && !self.set.steps.iter().any(|step| step.to_lowercase().contains(&table.key))
    }

    /// The changes of the script before the statement.
    pub(super) fn before(&self) -> impl Iterator<Item = &Change<'_>> {
        self.changes[..self.at].iter().flatten()
    }

    /// The changes of the script up to the statement, with it.
    pub(super) fn up_to_here(&self) -> impl Iterator<Item = &Change<'_>> {
        self.changes[..=self.at].iter().flatten()
    }

    /// The changes of the script behind the statement.
    pub(super) fn behind(&self) -> impl Iterator<Item = &Change<'_>> {
        self.changes[self.at + 1..].iter().flatten()
    }

    /// The bytes of the statement, without its terminator.
    pub(super) fn statement(&self) -> Range<usize> {
        let range = self.source.statements[self.at].range.clone();
        let text = self.source.text[range.clone()].trim_end_matches(';').trim_end();
        range.start..range.start + text.len()
    }

    /// The lock that the statement takes on the first table that it names.
    pub(super) fn lock(&self) -> TableLock {
        let statement = &self.source.statements[self.at];
        touch::lock_of(self.source.text, statement).unwrap_or(TableLock::AccessExclusive)
    }

    /// The lock that the action of an `ALTER TABLE` takes that stands in these bytes.
    pub(super) fn lock_of(&self, action: &Range<usize>) -> TableLock {
        let tokens = cursor::tokens(Dialect::Postgres, self.source.text, action.clone(), ACTION_MAX);
        touch::lock_of_action(Cursor::new(self.source.text, &tokens))
    }

    /// The columns of a table, in their order, as far as earlier scripts tell.
    pub(super) fn columns_of(&self, index: usize, of: &Name) -> Vec<String> {
        let mut columns = Vec::new();
        self.facts.earlier((self.index, index), &of.key, |fact, of| -> Option<()> {
            match fact {
                Fact::Column { table, column, .. } if table == of && !columns.contains(column) => {
                    columns.push(column.clone());
                }
                Fact::Table { table, .. } if table == of => return Some(()),
                _ => {}
            }
            None
        });
        // The latest was seen first.
        columns.reverse();
        columns
    }

    /// The SQL of these bytes on one line, for a statement of a help.
    pub(super) fn written(&self, range: Range<usize>) -> String {
        let tokens = cursor::tokens(Dialect::Postgres, &self.source.text[..range.end], range, usize::MAX);
        Cursor::new(self.source.text, &tokens).written()
    }

    pub(super) fn tell(&mut self, rule: &'static str, range: Range<usize>, message: String, help: Vec<String>) {
        let level = find(rule).map_or(LintLevel::Warn, |rule| rule.level);
        self.found.push(Finding { source: self.index, rule, level, range, message, help });
    }

    /// Looks at what earlier scripts and statements have left behind: see [`Facts::earlier`].
    pub(super) fn earlier<R>(&self, name: &str, look: impl FnMut(&Fact, &str) -> Option<R>) -> Option<R> {
        self.facts.earlier((self.index, self.at), name, look)
    }

    /// The type that a column had until now.
    pub(super) fn type_of(&self, of: &Name, wanted: &Name) -> Option<String> {
        self.facts.type_of((self.index, self.at), &of.key, &wanted.key)
    }

    /// Whether a constraint already says that the column is never null.
    pub(super) fn has_null_check(&self, of: &Name, column: &Name) -> bool {
        let wanted = format!("{} is not null", column.key);
        let found = self.earlier(&of.key, |fact, of| match fact {
            Fact::Checked { table, says } if table == of && says.contains(&wanted) => Some(()),
            _ => None,
        });
        found.is_some()
    }

    /// Whether this is the index of a table that has partitions.
    pub(super) fn is_index_of_partitioned(&self, name: &Name) -> bool {
        let table = self.earlier(&name.key, |fact, _| match fact {
            Fact::Index { name: known, table, .. } if *known == name.key => Some(table.clone()),
            _ => None,
        });
        table.is_some_and(|table| self.has_partitions(&table))
    }

    /// Whether a table has partitions.
    pub(super) fn is_partitioned(&self, name: &Name) -> bool {
        self.has_partitions(&name.key)
    }

    fn has_partitions(&self, name: &str) -> bool {
        let found = self.earlier(name, |fact, name| match fact {
            Fact::Table { table, partitioned } if table == name => Some(*partitioned),
            _ => None,
        });
        found == Some(true)
    }
}

/// As many tokens say which lock an action takes.
const ACTION_MAX: usize = 400;

/// In a sentence: `a SHARE lock`.
pub(super) fn a_lock(lock: TableLock) -> String {
    let article = if lock.as_str().starts_with(['A', 'E']) { "an" } else { "a" };
    format!("{article} {lock} lock")
}
