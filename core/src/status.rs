//! Where a database stands, as a value that renders well: one entry a migration.

use crate::drift::{self, Drift};
use crate::{History, Row, Set, State, Version};

/// Where a database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Every migration that is embedded or recorded, in ascending order of the versions.
    pub entries: Vec<Entry>,
    /// Every difference between set and history.
    pub drift: Vec<Drift>,
}

/// One migration, embedded, recorded or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its version.
    pub version: Version,
    /// Version and name, as the file names it, or as recorded where it is not embedded.
    pub id: String,
    /// Whether the program embeds it.
    pub embedded: bool,
    /// Whether it can be reverted; unknown where it is not embedded.
    pub reversible: Option<bool>,
    /// What the history says of it.
    pub row: Option<Row>,
}

impl Status {
    /// The entries that are embedded and not recorded.
    pub fn pending(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.row.is_none())
    }

    /// The newest recorded entry.
    pub fn current(&self) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.row.is_some())
    }

    /// Whether all that is embedded is wholly applied, and nothing differs but that the database
    /// may be ahead.
    pub fn is_up_to_date(&self) -> bool {
        self.entries.iter().all(|entry| entry.row.as_ref().is_some_and(|row| row.state == State::Applied))
            && self.drift.iter().all(|drift| matches!(drift, Drift::Ahead { .. }))
    }
}

/// Where a database with this history stands.
pub fn status(set: &Set, history: &History) -> Status {
    let mut entries: Vec<Entry> = set
        .iter()
        .map(|migration| Entry {
            version: migration.version(),
            id: migration.id().to_owned(),
            embedded: true,
            reversible: Some(migration.down().is_some()),
            row: history.row(migration.version()).cloned(),
        })
        .collect();
    entries.extend(history.rows().iter().filter(|row| set.find(row.version).is_none()).map(|row| Entry {
        version: row.version,
        id: row.id(),
        embedded: false,
        reversible: None,
        row: Some(row.clone()),
    }));
    entries.sort_by_key(|entry| entry.version);
    Status { entries, drift: drift::drift(set, history) }
}
