//! What one database says was applied to it.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;

use crate::patch::Patch;
use crate::{Checksum, Version};

/// The rows of one set in the history table, or the absence of that table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// There is no history table: nothing was ever applied by Lockgate.
    Absent,
    /// There is no history table, but one in which another tool keeps its history.
    Foreign {
        /// The tool.
        tool: String,
        /// Its table.
        table: String,
    },
    /// The rows of the set, in ascending order of their versions.
    Present(Vec<Row>),
}

impl History {
    /// The rows; none where the table is absent.
    pub fn rows(&self) -> &[Row] {
        match self {
            Self::Absent | Self::Foreign { .. } => &[],
            Self::Present(rows) => rows,
        }
    }

    /// Whether the table is still to be made.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent | Self::Foreign { .. } => true,
            Self::Present(_) => false,
        }
    }

    /// The row of this version.
    pub fn row(&self, version: Version) -> Option<&Row> {
        let rows = self.rows();
        rows.binary_search_by_key(&version, |row| row.version).ok().map(|i| &rows[i])
    }

    /// A digest of what decisions rest on: versions, names, checksums, states, which statements have
    /// finished, and who is at work on what is not wholly there.
    ///
    /// An absent table and an empty one have equal digests, since the same plan follows.
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
            // Of what is wholly there nobody asks who made it.
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

/// What stands between two fields of a row, and between two rows, where a history is one text.
pub const FIELD: char = '\u{1f}';
/// See [`FIELD`].
pub const ROW: char = '\u{1e}';

/// What a history says of these where all of them are applied: see [`Set::applied_text`](crate::Set::applied_text).
pub fn applied_text<N: AsRef<str>>(rows: impl Iterator<Item = (Version, N, Checksum)>) -> String {
    let mut text = String::with_capacity(128 * rows.size_hint().0);
    for (version, name, checksum) in rows {
        if !text.is_empty() {
            text.push(ROW);
        }
        let name = name.as_ref();
        write!(text, "{version}{FIELD}{name}{FIELD}{checksum}{FIELD}applied").expect("a text takes whatever comes");
    }
    text
}

/// One row of the history table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The migration's version.
    pub version: Version,
    /// Its name when it was applied.
    pub name: String,
    /// The checksum of its up script when it was applied.
    pub checksum: Checksum,
    /// Whether it is wholly there.
    pub state: State,
    /// How many statements of the script have finished.
    pub statements_done: u32,
    /// The checksum of those statements, for what is not wholly there.
    pub finished: Option<Checksum>,
    /// Who is at work on what is not wholly there: on PostgreSQL the process of the server and when it
    /// began (`4711/2026-11-29T13:24:05.123456Z`). Whether it still lives, the database is asked.
    pub owner: Option<String>,
    /// The statement, counted from 1, that was announced before it was sent and whose end is not
    /// recorded: whether it took effect is not known from here.
    pub under_way: Option<u32>,
    /// When it was applied by the database's clock: RFC 3339, in UTC.
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
    /// The way people speak of it: `7_add_tags`, or the name alone where the version stands in it:
    /// `billing.00000001.0007.billing_owner.add_tags`.
    pub fn id(&self) -> String {
        if Patch::parse(&self.name).is_some_and(|patch| patch.version() == self.version) {
            return self.name.clone();
        }
        format!("{}_{}", self.version, self.name)
    }
}

/// Whether a recorded migration is wholly there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// All of it is.
    Applied,
    /// It could not be transactional and stopped half way up.
    Partial,
    /// Its down script could not be transactional and stopped half way.
    Reverting,
}

impl State {
    /// The word in the history table.
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

/// The text is not one of the words of [`State::as_str`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseStateError(pub String);

impl fmt::Display for ParseStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no state that this release knows", self.0)
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

/// A short fingerprint of a history, by which a plan knows the history it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// FNV-1a: a change is to be noticed, not an attack withstood, and the standard library's hashers
/// may differ from one release to the next.
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
