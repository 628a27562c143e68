//! The history: what a database has recorded about the migrations that were applied to it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::companion::is_of_repeatable;
use crate::patch::Patch;
use crate::{Checksum, Version};

/// The rows of one set in the history table, if there is such a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// There is no history table: Lockgate has applied nothing.
    Absent,
    /// There is no history table, but another tool has one.
    Foreign {
        /// The name of the tool.
        tool: String,
        /// Its history table.
        table: String,
    },
    /// The rows of the set, and of its repeatable scripts, in ascending order of their versions.
    Present(Vec<Row>),
}

impl History {
    /// The rows. Empty if there is no table.
    pub fn rows(&self) -> &[Row] {
        match self {
            Self::Absent | Self::Foreign { .. } => &[],
            Self::Present(rows) => rows,
        }
    }

    /// Whether the history table does not exist yet.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent | Self::Foreign { .. } => true,
            Self::Present(_) => false,
        }
    }

    /// This history without the rows of repeatable scripts, and those rows.
    pub(crate) fn divided(&self) -> (Cow<'_, Self>, Vec<&Row>) {
        let repeatable: Vec<&Row> = self.rows().iter().filter(|row| row.is_repeatable()).collect();
        if repeatable.is_empty() {
            return (Cow::Borrowed(self), repeatable);
        }
        let rows = self.rows().iter().filter(|row| !row.is_repeatable()).cloned().collect();
        (Cow::Owned(Self::Present(rows)), repeatable)
    }

    /// The row of this version.
    pub fn row(&self, version: Version) -> Option<&Row> {
        let rows = self.rows();
        rows.binary_search_by_key(&version, |row| row.version).ok().map(|i| &rows[i])
    }

    /// Returns a digest of everything that a plan depends on: versions, names, checksums, states, finished statements,
    /// and the owners of migrations that are not fully applied.
    ///
    /// A missing table and an empty one have the same digest, because they lead to the same plan.
    pub fn digest(&self) -> Digest {
        let mut hash = Fnv::default();
        for row in self.rows() {
            hash.write(&row.version.get().to_le_bytes());
            hash.write(row.name.as_bytes());
            hash.write(&[0]);
            hash.write(row.checksum.digest());
            hash.write(row.state.as_str().as_bytes());
            hash.write(&row.statements_done.to_le_bytes());
            if let Some(finished) = &row.finished {
                hash.write(finished.digest());
            }
            // The owner of a fully applied migration does not matter.
            if row.state != State::Applied {
                if let Some(owner) = &row.owner {
                    hash.write(owner.as_bytes());
                    hash.write(&[0]);
                }
                if let Some(under_way) = row.under_way {
                    hash.write(&under_way.to_le_bytes());
                }
            }
        }
        Digest(hash.0)
    }
}

/// The separator between two fields of a row, where a whole history is one text.
pub const FIELD: char = '\u{1f}';
/// The separator between two rows, where a whole history is one text.
pub const ROW: char = '\u{1e}';

/// One row of the history table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The migration's version.
    pub version: Version,
    /// Its name when it was applied.
    pub name: String,
    /// The checksum of its up script when it was applied.
    pub checksum: Checksum,
    /// Whether it is fully applied.
    pub state: State,
    /// How many statements of the script have finished.
    pub statements_done: u32,
    /// The checksum of those statements, if the migration is not fully applied.
    pub finished: Option<Checksum>,
    /// Who is working on a migration that is not fully applied. On PostgreSQL this is the server process and its start
    /// time (`4711/2026-11-29T13:24:05.123456Z`); the database knows whether it is still alive.
    pub owner: Option<String>,
    /// The statement, counted from 1, that was recorded as started and not as finished. Its outcome is unknown from
    /// here.
    pub under_way: Option<u32>,
    /// When it was applied, by the database's clock: RFC 3339 in UTC.
    pub applied_at: String,
    /// How long it took.
    pub elapsed: Duration,
    /// The database role or operating system user that applied it.
    pub applied_by: String,
    /// Name and version of the program that applied it.
    pub application: String,
    /// The version of Lockgate that applied it.
    pub lockgate: String,
}

impl Row {
    /// Whether it is of a repeatable script, whose version follows from its name.
    pub fn is_repeatable(&self) -> bool {
        is_of_repeatable(&self.name, self.version)
    }

    /// The statement, counted from 1, that was sent and whose end was not recorded, if the migration stopped there.
    pub fn in_doubt(&self) -> Option<u32> {
        self.under_way.filter(|number| self.state != State::Applied && *number > self.statements_done)
    }

    /// Version and name: `7_add_tags`. The name alone if the version is in it, or follows from it.
    pub fn id(&self) -> String {
        let is_in_name = Patch::parse(&self.name).is_some_and(|patch| patch.version() == self.version);
        // No other name has a slash than that of a file of `create/`.
        if is_in_name || self.version.is_of_name(&self.name) || self.name.contains('/') {
            return self.name.clone();
        }
        format!("{}_{}", self.version, self.name)
    }
}

/// Whether a recorded migration is fully applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is fully applied.
    Applied,
    /// It does not run in a transaction, and its up script stopped half way.
    Partial,
    /// It does not run in a transaction, and its down script stopped half way.
    Reverting,
}

impl State {
    /// Its name in the history table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Partial => "partial",
            Self::Reverting => "reverting",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseStateError(pub String);

impl fmt::Display for ParseStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this release does not know the state `{}`", self.0)
    }
}

impl std::error::Error for ParseStateError {}

impl FromStr for State {
    type Err = ParseStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Applied, Self::Partial, Self::Reverting]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| ParseStateError(text.to_owned()))
    }
}

/// A short fingerprint of a history. A plan keeps the digest of the history that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// FNV-1a. It detects changes, not attacks; the standard library's hashers may change between releases.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
