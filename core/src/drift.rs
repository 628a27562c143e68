//! Every way in which a history can differ from the set that a program embeds.

use std::fmt;

use crate::{Checksum, History, Set, State, Version};

/// One difference between a set and a history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drift {
    /// Applied with another text than the embedded one.
    Edited {
        /// The migration, as its file names it.
        id: String,
        /// What the database recorded.
        recorded: Checksum,
        /// What the program embeds.
        embedded: Checksum,
    },
    /// Applied under another name.
    Renamed {
        /// The migration, as its file names it.
        id: String,
        /// The name that the database recorded.
        recorded: String,
    },
    /// Recorded, older than the newest embedded migration, and not embedded.
    Unknown {
        /// Version and name as recorded.
        id: String,
        /// The version.
        version: Version,
        /// The embedded migration with exactly its text, if there is one: it was renumbered.
        same_text_as: Option<String>,
    },
    /// Recorded and newer than every embedded migration: the program may be an old build.
    Ahead {
        /// Version and name as recorded.
        id: String,
        /// The version.
        version: Version,
    },
    /// Frozen and embedded, but not recorded although a newer one is.
    Missing {
        /// The migration, as its file names it.
        id: String,
        /// The newest recorded one.
        newest: String,
    },
    /// Embedded as a draft, but not recorded although a newer one is: it was added late.
    OutOfOrder {
        /// The migration, as its file names it.
        id: String,
        /// The newest recorded one.
        newest: String,
    },
    /// Stopped half way.
    Partial {
        /// The migration, as its file names it, or as recorded where it is not embedded.
        id: String,
        /// The direction in which it stopped: [`State::Partial`] or [`State::Reverting`].
        state: State,
        /// How many of its statements have finished.
        statements_done: u32,
    },
}

impl Drift {
    /// A stable word for it: `edited`, `renamed`, `unknown`, `ahead`, `missing`, `out-of-order`,
    /// `partial`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Edited { .. } => "edited",
            Self::Renamed { .. } => "renamed",
            Self::Unknown { .. } => "unknown",
            Self::Ahead { .. } => "ahead",
            Self::Missing { .. } => "missing",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::Partial { .. } => "partial",
        }
    }

    /// The migration that it is about, as its file or its row names it.
    pub fn id(&self) -> &str {
        match self {
            Self::Edited { id, .. }
            | Self::Renamed { id, .. }
            | Self::Unknown { id, .. }
            | Self::Ahead { id, .. }
            | Self::Missing { id, .. }
            | Self::OutOfOrder { id, .. }
            | Self::Partial { id, .. } => id,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Edited { id, .. } => format!(
                "put the applied text of `{id}` back and write the change as a new migration; if the database already \
                 is as the new text says, record that with `repair`"
            ),
            Self::Renamed { id, recorded } => {
                format!("give `{id}` its old name `{recorded}` back, or record the new one with `repair`")
            }
            Self::Unknown { same_text_as: Some(now), .. } => {
                format!("`{now}` has exactly its text: an applied migration keeps its version, so number it back")
            }
            Self::Unknown { id, .. } => {
                format!("bring the file of `{id}` back: what was applied somewhere is never deleted or renumbered")
            }
            Self::Ahead { .. } => "is this an old build? run the build that applied it".to_owned(),
            Self::Missing { id, .. } => {
                format!(
                    "if the database already has what `{id}` does, record it with `baseline`; else allow out of order"
                )
            }
            Self::OutOfOrder { id, .. } => {
                format!("give it a number above the newest one (`cargo xtask renumber {id}`), or allow out of order")
            }
            Self::Partial { state: State::Reverting, .. } => "run `down` again: it goes on where it stopped".to_owned(),
            Self::Partial { .. } => "run `up` again: it goes on where it stopped".to_owned(),
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { id, recorded, embedded } => write!(
                f,
                "`{id}` was applied with another text: the database recorded {}, the program embeds {}",
                short(recorded),
                short(embedded)
            ),
            Self::Renamed { id, recorded } => write!(f, "`{id}` was applied under the name `{recorded}`"),
            Self::Unknown { id, .. } => {
                write!(f, "`{id}` is recorded as applied, and the program does not embed it")
            }
            Self::Ahead { id, .. } => {
                write!(f, "`{id}` is recorded as applied, and newer than all that the program embeds")
            }
            Self::Missing { id, newest } => {
                write!(f, "`{id}` was released before `{newest}`, which is applied, and is not recorded itself")
            }
            Self::OutOfOrder { id, newest } => {
                write!(f, "`{id}` is pending, and sorts before `{newest}`, which is applied")
            }
            Self::Partial { id, state: State::Reverting, statements_done } => {
                write!(f, "`{id}` stopped half way down, after {statements_done} finished statements")
            }
            Self::Partial { id, statements_done, .. } => {
                write!(f, "`{id}` stopped half way, after {statements_done} finished statements")
            }
        }
    }
}

fn short(checksum: &Checksum) -> String {
    checksum.to_string().chars().take("v1:".len() + 8).chain(['…']).collect()
}

/// All differences, in ascending order of the versions they are about. Pure.
pub fn drift(set: &Set, history: &History) -> Vec<Drift> {
    let newest = history.rows().last();
    let head = set.last().map(|migration| migration.version());
    let mut found = Vec::new();

    for row in history.rows() {
        let embedded = set.find(row.version);
        if let Some(migration) = embedded {
            let id = migration.id().to_owned();
            if row.checksum != migration.checksum() {
                let (recorded, embedded) = (row.checksum, migration.checksum());
                found.push((row.version, Drift::Edited { id: id.clone(), recorded, embedded }));
            }
            if row.name != migration.name() {
                found.push((row.version, Drift::Renamed { id, recorded: row.name.clone() }));
            }
        } else if head.is_some_and(|head| row.version < head) {
            let same = set
                .iter()
                .find(|migration| migration.checksum() == row.checksum && history.row(migration.version()).is_none());
            let same_text_as = same.map(|migration| migration.id().to_owned());
            found.push((row.version, Drift::Unknown { id: row.id(), version: row.version, same_text_as }));
        } else {
            found.push((row.version, Drift::Ahead { id: row.id(), version: row.version }));
        }
        if row.state != State::Applied {
            let id = embedded.map_or_else(|| row.id(), |migration| migration.id().to_owned());
            let partial = Drift::Partial { id, state: row.state, statements_done: row.statements_done };
            found.push((row.version, partial));
        }
    }

    if let Some(newest) = newest {
        for migration in set.iter().take_while(|migration| migration.version() < newest.version) {
            if history.row(migration.version()).is_none() {
                let id = migration.id().to_owned();
                let newest = set.find(newest.version).map_or_else(|| newest.id(), |known| known.id().to_owned());
                let hole = if migration.is_frozen() {
                    Drift::Missing { id, newest }
                } else {
                    Drift::OutOfOrder { id, newest }
                };
                found.push((migration.version(), hole));
            }
        }
    }

    found.sort_by_key(|(version, _)| *version);
    found.into_iter().map(|(_, drift)| drift).collect()
}
