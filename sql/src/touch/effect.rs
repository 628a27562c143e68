//! What one statement does to tables, as the readers of statements collect it.

use lockgate_core::{TableLock, Touch};

use crate::cursor::Cursor;

/// What a statement does, whatever went before it.
#[derive(Debug, Default)]
pub(super) struct TableEffects {
    /// Their statement is not set.
    pub(super) touches: Vec<Touch<String>>,
    /// Whether it destroys data in tables that it does not name.
    pub(super) destroys: bool,
    /// Whether it drops the tables whose data it destroys.
    pub(super) drops: bool,
    /// A table and its new name.
    pub(super) renames: Option<(String, String)>,
    /// The tables whose rows it writes to another one.
    pub(super) copies: Vec<String>,
    /// An index that it builds, and the table.
    pub(super) index: Option<(String, String)>,
}

/// A table that is made.
pub(super) fn made(table: String) -> Touch<String> {
    Touch { statement: 0, table, of_index: false, lock: None, makes: true, destroys: false }
}

impl TableEffects {
    pub(super) fn touch(&mut self, table: String, lock: TableLock) -> &mut Touch<String> {
        self.touches.push(Touch { lock: Some(lock), makes: false, ..made(table) });
        self.touches.last_mut().expect("it was just pushed")
    }

    pub(super) fn lock(&mut self, tables: impl IntoIterator<Item = String>, lock: TableLock) {
        for table in tables {
            self.touch(table, lock);
        }
    }

    /// Locks tables by the names of their indexes.
    pub(super) fn lock_of_index(&mut self, indexes: impl IntoIterator<Item = String>, lock: TableLock) {
        for index in indexes {
            self.touch(index, lock).of_index = true;
        }
    }

    pub(super) fn lose(&mut self, tables: impl IntoIterator<Item = String>, lock: TableLock) {
        for table in tables {
            self.touch(table, lock).destroys = true;
        }
    }
}

/// The tables behind each REFERENCES, at any level.
pub(super) fn references(at: Cursor<'_>) -> impl Iterator<Item = String> {
    (0..at.tokens.len()).filter_map(move |index| {
        let mut here = at.on(&at.tokens[index..]);
        here.take("references").then(|| here.path()).flatten()
    })
}
