//! The status of a database: one entry for each migration.

use crate::drift::{self, Drift};
use crate::{History, Row, Set, Stage, State, Version};

/// The status of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Every migration that is embedded or recorded, in ascending order of versions.
    pub entries: Vec<Entry>,
    /// Every difference between the set and the history.
    pub drift: Vec<Drift>,
    /// The stage that the database is marked with. [`status`] does not know it; `lockgate` fills it in.
    pub stage: Option<Stage>,
}

/// One migration: embedded, recorded or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its version.
    pub version: Version,
    /// Version and name, as in the file name, or as recorded if it is not embedded.
    pub id: String,
    /// Whether the program embeds it.
    pub embedded: bool,
    /// Whether it has a down script. `None` if it is not embedded.
    pub reversible: Option<bool>,
    /// Its history row.
    pub row: Option<Row>,
}

impl Status {
    /// The entries without a history row.
    pub fn pending(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.row.is_none())
    }

    /// The newest recorded entry.
    pub fn current(&self) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.row.is_some())
    }

    /// Whether every embedded migration is fully applied and nothing differs. The database may be ahead.
    pub fn is_up_to_date(&self) -> bool {
        self.entries.iter().all(|entry| entry.row.as_ref().is_some_and(|row| row.state == State::Applied))
            && self.drift.iter().all(|drift| matches!(drift, Drift::Ahead { .. }))
    }
}

/// Returns the status of a database with this history.
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
    Status { entries, drift: drift::drift(set, history), stage: None }
}
