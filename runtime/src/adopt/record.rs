//! What another tool has recorded of one migration, in the same form for every tool.

use std::time::Duration;

use crate::backend::{ForeignColumn, ForeignTable, TextRows};

/// One recorded migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: Key,
    /// As the tool names it, for messages.
    pub(super) shown: String,
    /// Its name without the version, if the tool records it.
    pub(super) name: Option<String>,
    pub(super) checksum: Option<String>,
    /// RFC 3339 in UTC.
    pub(super) applied_at: Option<String>,
    pub(super) elapsed: Option<Duration>,
    pub(super) applied_by: Option<String>,
    /// Why it is not fully applied.
    pub(super) unfinished: Option<Unfinished>,
}

/// The key by which a recorded migration is found among the embedded ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Number(i64),
    /// A version such as `1.2`.
    Parts(Vec<u64>),
    /// A name, with or without a number before it and an ending after it.
    Name(String),
    /// Everything up to this number, which must be embedded.
    UpTo(i64),
    /// Everything up to this number, whether it is embedded or not.
    Baseline(i64),
    /// The first migrations, this many.
    Count(usize),
    /// Everything up to the migration that names this revision.
    Revision(String),
}

/// A placeholder in a statement, for the version before the unfinished one, or −1 if there is none.
pub(super) const BEFORE: &str = "VERSION_BEFORE";

/// A migration that another tool has begun and not finished, or that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    /// Where the tool says so: `success` is false.
    pub(super) why: String,
    /// The statement after which it counts as applied.
    pub(super) finished: String,
    /// The statement after which it counts as not applied.
    pub(super) undone: String,
}

impl Record {
    pub(super) fn new(key: Key, shown: impl Into<String>) -> Self {
        Self {
            key,
            shown: shown.into(),
            name: None,
            checksum: None,
            applied_at: None,
            elapsed: None,
            applied_by: None,
            unfinished: None,
        }
    }
}

/// A table of another tool with its rows.
#[derive(Clone, Debug)]
pub(super) struct Rows<'a> {
    pub(super) table: &'a ForeignTable,
    pub(super) rows: &'a TextRows,
}

/// One of its rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    columns: &'a [ForeignColumn],
    values: &'a [Option<String>],
}

impl<'a> Rows<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let columns = &self.table.columns;
        self.rows.iter().map(move |values| Row { columns, values })
    }

    /// The rows in the order of a column of numbers.
    pub(super) fn ordered(&self, column: &str) -> Vec<Row<'a>> {
        let mut rows: Vec<Row<'a>> = self.iter().collect();
        rows.sort_by_key(|row| row.number(column));
        rows
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.table.columns.iter().any(|found| found.name.eq_ignore_ascii_case(column))
    }
}

impl<'a> Row<'a> {
    pub(super) fn get(&self, column: &str) -> Option<&'a str> {
        let index = self.columns.iter().position(|found| found.name.eq_ignore_ascii_case(column))?;
        self.values.get(index)?.as_deref()
    }

    pub(super) fn number(&self, column: &str) -> Option<i64> {
        self.get(column)?.trim().parse().ok()
    }

    /// A truth value, as PostgreSQL and SQLite write it.
    pub(super) fn is(&self, column: &str) -> bool {
        matches!(self.get(column), Some("true" | "t" | "1"))
    }

    /// A time, as RFC 3339 in UTC.
    pub(super) fn time(&self, column: &str) -> Option<String> {
        super::time::utc(self.get(column)?)
    }
}

/// Rows of a table for the tests of the tools: the first line has the names of the columns.
#[cfg(test)]
pub(super) fn table(name: &str, text: &str) -> (ForeignTable, TextRows) {
    use crate::backend::ColumnKind;
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).map(cells);
    let columns = lines.next().expect("the names of the columns");
    let columns = columns.into_iter().map(|name| ForeignColumn { name, kind: ColumnKind::Text }).collect();
    let value = |cell: String| Some(cell).filter(|cell| cell != "NULL");
    let rows = lines.map(|line| line.into_iter().map(value).collect()).collect();
    (ForeignTable { schema: None, name: name.to_owned(), columns }, rows)
}
