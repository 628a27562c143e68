//! PostgreSQL's eight table locks: how they are called, how strong they are, and what they keep waiting.

use std::fmt;

/// A lock on a table, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lock {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Lock {
    /// The lock that `pg_locks` calls so.
    pub(super) fn named(mode: &str) -> Option<Self> {
        Some(match mode {
            "AccessShareLock" => Self::AccessShare,
            "RowShareLock" => Self::RowShare,
            "RowExclusiveLock" => Self::RowExclusive,
            "ShareUpdateExclusiveLock" => Self::ShareUpdateExclusive,
            "ShareLock" => Self::Share,
            "ShareRowExclusiveLock" => Self::ShareRowExclusive,
            "ExclusiveLock" => Self::Exclusive,
            "AccessExclusiveLock" => Self::AccessExclusive,
            _ => return None,
        })
    }

    /// What others cannot do while it is held, from the table of conflicts in PostgreSQL's manual.
    pub(crate) fn blocks(self) -> &'static str {
        match self {
            Self::AccessShare => "DROP, TRUNCATE, most ALTER TABLE",
            Self::RowShare => "DROP, TRUNCATE, ALTER TABLE",
            Self::RowExclusive => "CREATE INDEX, ALTER TABLE",
            Self::ShareUpdateExclusive => "VACUUM, CREATE INDEX, ALTER TABLE",
            Self::Share | Self::ShareRowExclusive => "writes",
            Self::Exclusive => "writes and SELECT FOR UPDATE",
            Self::AccessExclusive => "reads and writes",
        }
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        })
    }
}
