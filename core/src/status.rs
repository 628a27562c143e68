//! The status of a database: one entry for each migration.

use std::fmt;

use crate::drift::{self, Drift};
use crate::{History, Row, Set, Stage, State, Version};

/// The status of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Every migration that is embedded or recorded, in ascending order of versions.
    pub entries: Vec<Entry>,
    /// Every repeatable script that is embedded or recorded: those that are embedded in the order in which they run.
    pub repeatables: Vec<RepeatableEntry>,
    /// Every difference between the set and the history.
    pub drift: Vec<Drift>,
    /// The stage that the database is marked with. [`status`] does not know it; `lockgate` fills it in.
    pub stage: Option<Stage>,
    /// The run that is working on a migration at this moment, outside a transaction, so that the migration looks as if it
    /// had stopped half way. [`status`] does not know it; `lockgate` fills it in.
    pub at_work: Option<AtWork>,
}

/// A run that is working on a migration outside a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtWork {
    /// The migration, as in its file name.
    pub id: String,
    /// The run, for messages: `pid 7, connected since 2026-11-30T15:00:00Z`.
    pub by: String,
}

impl fmt::Display for AtWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is working on `{}`", self.by, self.id)
    }
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
    /// The profiles of which one must be chosen for it to run. It always runs if there are none.
    pub profiles: Vec<&'static str>,
    /// Whether it is not recorded and no run applies it, because none of its profiles is chosen.
    pub skipped: bool,
    /// Its history row.
    pub row: Option<Row>,
}

/// One repeatable script: embedded, recorded or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatableEntry {
    /// The version that follows from its name.
    pub version: Version,
    /// Its name, as in the file name.
    pub id: String,
    /// How it stands.
    pub state: RepeatableState,
    /// The profiles of which one must be chosen for it to run. It always runs if there are none.
    pub profiles: Vec<&'static str>,
    /// Its history row.
    pub row: Option<Row>,
}

/// How a repeatable script stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepeatableState {
    /// It has not run: the next run does it.
    New,
    /// It, or something that it depends on, has changed since it ran: the next run does it again.
    Changed,
    /// It has run as it is.
    Current,
    /// It has run, and the program does not embed it any more.
    Gone,
    /// It has not run as it is, and will not, because none of its profiles is chosen.
    Skipped,
    /// It has not run as it is, and will not, because a newer build has migrated the database.
    Ahead,
}

impl RepeatableState {
    /// Its name: `new`, `changed`, `current`, `gone`, `skipped`, `ahead`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Current => "current",
            Self::Gone => "gone",
            Self::Skipped => "skipped",
            Self::Ahead => "ahead",
        }
    }

    /// Whether the next run that reaches the last migration runs it.
    pub const fn is_pending(self) -> bool {
        match self {
            Self::New | Self::Changed => true,
            Self::Current | Self::Gone | Self::Skipped | Self::Ahead => false,
        }
    }
}

impl Status {
    /// The entries without a history row, but for those that are skipped.
    pub fn pending(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.row.is_none() && !entry.skipped)
    }

    /// The repeatable scripts that the next run will run.
    pub fn pending_repeatables(&self) -> impl Iterator<Item = &RepeatableEntry> {
        self.repeatables.iter().filter(|script| script.state.is_pending())
    }

    /// The newest recorded entry.
    pub fn current(&self) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.row.is_some())
    }

    /// Whether every embedded migration is fully applied, every repeatable script has run as it is, and nothing differs. The
    /// database may be ahead, and then the repeatable scripts do not matter. Neither do those that have run and are gone.
    pub fn is_up_to_date(&self) -> bool {
        let is_done = |entry: &Entry| entry.row.as_ref().map_or(entry.skipped, |row| row.state == State::Applied);
        self.entries.iter().all(is_done)
            && self.drift.iter().all(Drift::is_harmless)
            && self.pending_repeatables().next().is_none()
    }
}

/// Returns the status of a database with this history.
pub fn status(set: &Set, history: &History) -> Status {
    let (versioned, rows) = history.divided();
    let mut entries: Vec<Entry> = set
        .iter()
        .map(|migration| Entry {
            version: migration.version(),
            id: migration.id().to_owned(),
            embedded: true,
            reversible: Some(migration.down().is_some()),
            profiles: migration.profiles(),
            skipped: migration.is_skipped() && versioned.row(migration.version()).is_none(),
            row: versioned.row(migration.version()).cloned(),
        })
        .collect();
    entries.extend(versioned.rows().iter().filter(|row| set.find(row.version).is_none()).map(|row| Entry {
        version: row.version,
        id: row.id(),
        embedded: false,
        reversible: None,
        profiles: Vec::new(),
        skipped: false,
        row: Some(row.clone()),
    }));
    entries.sort_by_key(|entry| entry.version);
    let drift = drift::drift(set, history);
    let mut repeatables = repeatables(set, &rows);
    if drift::is_ahead(&drift) {
        let others = repeatables.iter_mut().filter(|script| script.state != RepeatableState::Current);
        others.for_each(|script| script.state = RepeatableState::Ahead);
    }
    Status { entries, repeatables, drift, stage: None, at_work: None }
}

fn repeatables(set: &Set, rows: &[&Row]) -> Vec<RepeatableEntry> {
    let scripts = set.repeatables();
    let mut entries: Vec<RepeatableEntry> = scripts
        .iter()
        .map(|script| {
            let row = rows.iter().find(|row| row.version == script.version());
            let state = match row {
                Some(row) if row.checksum == script.checksum() => RepeatableState::Current,
                _ if script.is_skipped() => RepeatableState::Skipped,
                Some(_) => RepeatableState::Changed,
                None => RepeatableState::New,
            };
            RepeatableEntry {
                version: script.version(),
                id: script.id().to_owned(),
                state,
                profiles: script.profiles(),
                row: row.map(|row| Row::clone(row)),
            }
        })
        .collect();
    let gone = rows.iter().filter(|row| scripts.iter().all(|script| script.version() != row.version));
    entries.extend(gone.map(|row| RepeatableEntry {
        version: row.version,
        id: row.name.clone(),
        state: RepeatableState::Gone,
        profiles: Vec::new(),
        row: Some(Row::clone(row)),
    }));
    entries
}
