//! What a rule can ask about the statement that it checks: which tables, columns and other objects are
//! new, and what earlier scripts say about a table or a column.

use std::collections::HashSet;
use std::ops::Range;

use lockgate_core::{Dialect, TableLock};

use super::change::{Action, Change};
use super::cursor::{self, Cursor, Name, TEMPORARY, last_of};
use super::schema_events::{SchemaEvent, SchemaEvents};
use super::{Finding, LintInput, SqlFile, find};
use crate::touch;

/// What the drafts before a statement have created and not yet dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct NewObjects {
    tables: HashSet<String>,
    columns: HashSet<(String, String)>,
    /// Schemas, types and domains, as kind and name.
    others: HashSet<(&'static str, String)>,
    /// Tables whose rows the script has deleted.
    emptied: HashSet<String>,
    /// Whether the script sets the search path, so that a name without a schema may be in any.
    sets_search_path: bool,
}

impl NewObjects {
    /// Whether the table with this [`Name::key`] is new.
    pub(super) fn has(&self, table: &str) -> bool {
        self.knows(&self.tables, table)
    }

    fn knows(&self, tables: &HashSet<String>, table: &str) -> bool {
        let has_schema = table.contains('.');
        let may_be = |known: &String| last_of(known) == last_of(table) && known.contains('.') != has_schema;
        tables.contains(table) || (self.sets_search_path && tables.iter().any(may_be))
    }

    /// The [`Name::key`] of the table that a name means: a temporary one hides the others, unless a schema is written.
    fn key_of(&self, name: &Name) -> String {
        let hidden = format!("{TEMPORARY}.{}", name.key);
        if name.written.has_schema() || !self.tables.contains(&hidden) { name.key.clone() } else { hidden }
    }

    /// Prepares for the next script. Without a lockfile, objects count as new only within their own script.
    pub(super) fn begin_script(&mut self, input: &LintInput<'_>, file: &SqlFile<'_>) {
        self.emptied.clear();
        if !input.has_lockfile {
            *self = Self::default();
        }
        self.sets_search_path = file.text.to_lowercase().contains("search_path");
    }

    /// Records that a table was renamed.
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

    /// Records what a statement has changed.
    pub(super) fn apply(&mut self, change: &Change<'_>) {
        match change {
            Change::CreateTable(table) => {
                self.tables.insert(table.name.key.clone());
            }
            Change::Create { what: "view" | "materialized view", name, .. } => {
                self.tables.insert(name.key.clone());
            }
            Change::Create { what, name, tables, .. } => {
                self.tables.extend(tables.iter().map(|table| table.name.key.clone()));
                self.others.insert((what, name.key.clone()));
            }
            Change::Drop { what: "table" | "view", names, .. } => {
                for name in names {
                    let key = self.key_of(name);
                    self.tables.remove(&key);
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

/// The statement that a rule checks, and everything that it may ask about it.
pub(super) struct Context<'v, 'a> {
    pub(super) input: &'v LintInput<'a>,
    pub(super) file: &'v SqlFile<'a>,
    /// The index of the script in the input.
    pub(super) index: usize,
    pub(super) new_objects: &'v mut NewObjects,
    pub(super) events: &'v SchemaEvents<'v, 'a>,
    /// What each statement of the script changes; `None` where that is not understood.
    pub(super) changes: &'v [Option<Change<'v>>],
    /// The index of the statement in the script.
    pub(super) at: usize,
    pub(super) found: &'v mut Vec<Finding>,
}

impl Context<'_, '_> {
    pub(super) fn is_new(&self, table: &Name) -> bool {
        self.new_objects.has(&self.new_objects.key_of(table))
    }

    /// Whether this schema, type or domain is new.
    pub(super) fn is_new_other(&self, what: &'static str, name: &Name) -> bool {
        self.new_objects.others.contains(&(what, name.key.clone()))
    }

    pub(super) fn is_new_column(&self, table: &Name, column: &Name) -> bool {
        self.is_new(table) || self.new_objects.columns.contains(&(table.key.clone(), column.key.clone()))
    }

    pub(super) fn is_empty(&self, table: &Name) -> bool {
        self.is_new(table) || self.new_objects.knows(&self.new_objects.emptied, &self.new_objects.key_of(table))
    }

    /// Whether a table that is not new is certainly a released one. A draft in Rust may have created it,
    /// if its text contains the table's name.
    pub(super) fn is_released(&self, table: &Name) -> bool {
        self.input.has_lockfile
            && self.input.dialects.is_some()
            && !self.input.steps.iter().any(|step| step.to_lowercase().contains(last_of(&table.key)))
    }

    /// The changes that the script makes before this statement.
    pub(super) fn before(&self) -> impl Iterator<Item = &Change<'_>> {
        self.changes[..self.at].iter().flatten()
    }

    /// The changes that the script makes up to and including this statement.
    pub(super) fn up_to_here(&self) -> impl Iterator<Item = &Change<'_>> {
        self.changes[..=self.at].iter().flatten()
    }

    /// The changes that the script makes after this statement.
    pub(super) fn following(&self) -> impl Iterator<Item = &Change<'_>> {
        self.changes[self.at + 1..].iter().flatten()
    }

    /// The byte range of the statement, without its terminator.
    pub(super) fn statement(&self) -> Range<usize> {
        let range = self.file.statements[self.at].range.clone();
        let text = self.file.text[range.clone()].trim_end_matches(';').trim_end();
        range.start..range.start + text.len()
    }

    /// The lock that the statement takes on the first table it names.
    pub(super) fn lock(&self) -> TableLock {
        let statement = &self.file.statements[self.at];
        touch::lock_of(self.file.text, statement).unwrap_or(TableLock::AccessExclusive)
    }

    /// The lock that one action of an `ALTER TABLE` takes; `action` is its byte range.
    pub(super) fn lock_of(&self, action: &Range<usize>) -> TableLock {
        let tokens = cursor::tokens(Dialect::Postgres, self.file.text, action.clone(), ACTION_MAX);
        touch::lock_of_action(Cursor::new(self.file.text, &tokens))
    }

    /// The columns of a table, in order, as far as the statements before `index` define them.
    pub(super) fn columns_of(&self, index: usize, of: &Name) -> Vec<String> {
        let mut columns = Vec::new();
        self.events.earlier((self.index, index), &of.key, |event, of| -> Option<()> {
            match event {
                SchemaEvent::ColumnDefined { table, column, .. } if table == of && !columns.contains(column) => {
                    columns.push(column.clone());
                }
                SchemaEvent::TableCreated { table, .. } if table == of => return Some(()),
                _ => {}
            }
            None
        });
        // Events come latest first.
        columns.reverse();
        columns
    }

    /// The SQL in this byte range as one line, to be quoted in a help.
    pub(super) fn written(&self, range: Range<usize>) -> String {
        let tokens = cursor::tokens(Dialect::Postgres, &self.file.text[..range.end], range, usize::MAX);
        Cursor::new(self.file.text, &tokens).written()
    }

    /// Adds a finding at the rule's own level.
    pub(super) fn report(&mut self, rule: &'static str, range: Range<usize>, message: String, help: Vec<String>) {
        let level = find(rule).expect("a rule reports with a name of the table").level;
        self.found.push(Finding { file: self.index, rule, level, range, message, help });
    }

    /// Searches the events before this statement: see [`SchemaEvents::earlier`].
    pub(super) fn earlier<R>(&self, name: &str, look: impl FnMut(&SchemaEvent, &str) -> Option<R>) -> Option<R> {
        self.events.earlier((self.index, self.at), name, look)
    }

    /// The type that a column has before this statement, if a script says so.
    pub(super) fn type_of(&self, of: &Name, wanted: &Name) -> Option<String> {
        self.events.type_of((self.index, self.at), &of.key, &wanted.key)
    }

    /// Whether a constraint already requires the column to be not null.
    pub(super) fn has_null_check(&self, of: &Name, column: &Name) -> bool {
        let wanted = format!("{} is not null", column.key);
        let found = self.earlier(&of.key, |event, of| match event {
            SchemaEvent::ConstraintText { table, text } if table == of && text.contains(&wanted) => Some(()),
            _ => None,
        });
        found.is_some()
    }

    /// Whether this is an index on a partitioned table.
    pub(super) fn is_index_of_partitioned(&self, name: &Name) -> bool {
        let table = self.earlier(&name.key, |event, _| match event {
            SchemaEvent::IndexCreated { name: known, table, .. } if *known == name.key => Some(table.clone()),
            _ => None,
        });
        table.is_some_and(|table| self.has_partitions(&table))
    }

    /// Whether a table is partitioned.
    pub(super) fn is_partitioned(&self, name: &Name) -> bool {
        self.has_partitions(&name.key)
    }

    fn has_partitions(&self, name: &str) -> bool {
        let found = self.earlier(name, |event, name| match event {
            SchemaEvent::TableCreated { table, partitioned } if table == name => Some(*partitioned),
            _ => None,
        });
        found == Some(true)
    }
}

/// The first so many tokens of an action decide which lock it takes.
const ACTION_MAX: usize = 400;

/// The lock with its article: `a SHARE lock`.
pub(super) fn a_lock(lock: TableLock) -> String {
    let article = if lock.as_str().starts_with(['A', 'E']) { "an" } else { "a" };
    format!("{article} {lock} lock")
}
