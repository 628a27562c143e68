//! The effects of one statement on tables, as `read` collects them.

use lockgate_core::{TableLock, Touch};

use crate::cursor::Cursor;

/// The effects of a statement, without regard to earlier statements.
#[derive(Debug, Default)]
pub(super) struct TableEffects {
    /// The touched tables; their statement is not set yet.
    pub(super) touches: Vec<Touch<String>>,
    /// Whether it destroys data in tables that it does not name.
    pub(super) destroys: bool,
    /// Whether the table that it creates may exist already: `IF NOT EXISTS`.
    pub(super) may_exist: bool,
    /// Whether the table that it creates ends with the session.
    pub(super) is_temporary: bool,
    /// Whether it drops the tables whose data it destroys.
    pub(super) drops: bool,
    /// A table and its new name.
    pub(super) renames: Option<(String, String)>,
    /// The tables whose rows it writes to another one.
    pub(super) copies: Vec<String>,
    /// An index that it builds, and the table.
    pub(super) index: Option<(String, String)>,
}

/// A table that is created.
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

/// Returns the table after each REFERENCES, at any nesting level.
pub(super) fn references(at: Cursor<'_>) -> impl Iterator<Item = String> {
    (0..at.tokens.len()).filter_map(move |index| {
        let mut here = at.on(&at.tokens[index..]);
        here.take("references").then(|| here.path()).flatten()
    })
}
