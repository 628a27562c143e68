//! What a statement does to tables, judged by its text alone: the lock that it takes, and whether it creates the
//! table or destroys its data. `lockgate-sql` computes this at compile time.

use std::fmt;

/// PostgreSQL's eight table locks, the weakest first.
///
/// The discriminants are part of the embedded table and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TableLock {
    /// `SELECT`.
    AccessShare = 1,
    /// `SELECT … FOR UPDATE`.
    RowShare = 2,
    /// `INSERT`, `UPDATE`, `DELETE`.
    RowExclusive = 3,
    /// `VACUUM`, `ANALYZE`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`.
    ShareUpdateExclusive = 4,
    /// `CREATE INDEX`.
    Share = 5,
    /// `CREATE TRIGGER`, `ADD FOREIGN KEY`.
    ShareRowExclusive = 6,
    /// `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
    Exclusive = 7,
    /// `DROP TABLE`, `TRUNCATE`, most of `ALTER TABLE`.
    AccessExclusive = 8,
}

impl TableLock {
    /// Every lock, the weakest first.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// Its name as PostgreSQL's manual and `LOCK TABLE` write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// The lock with this name in the view `pg_locks`: `AccessExclusiveLock`.
    pub fn from_mode(mode: &str) -> Option<Self> {
        let words = mode.strip_suffix("Lock")?;
        Self::ALL.into_iter().find(|lock| {
            let name = lock.as_str().bytes().filter(|byte| *byte != b' ');
            name.map(|byte| byte.to_ascii_lowercase()).eq(words.bytes().map(|byte| byte.to_ascii_lowercase()))
        })
    }

    /// What others cannot do while it is held, from the conflict table in PostgreSQL's manual.
    pub const fn blocks(self) -> &'static str {
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

    /// Whether it is stronger than the locks for reading and writing rows.
    pub fn exceeds_writes(self) -> bool {
        self > Self::RowExclusive
    }
}

impl fmt::Display for TableLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one statement does to one table or view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Touch<N = &'static str> {
    /// The index of the statement in the script.
    pub statement: usize,
    /// The table's name as in the script: unquoted, in lower case where the database folds case, and without the
    /// default schema (`public`, SQLite's `main`).
    pub table: N,
    /// Whether the name is that of an index, and the table is the one it belongs to. If the statement creates the
    /// index, the next touch names the table.
    pub of_index: bool,
    /// The strongest lock that it takes. PostgreSQL only.
    pub lock: Option<TableLock>,
    /// Whether it creates the table. Nobody else uses a new table, so later touches of it by the same script are
    /// left out.
    pub makes: bool,
    /// Whether it destroys data in the table.
    pub destroys: bool,
}

const LOCK: u8 = 15;
const MAKES: u8 = 16;
const DESTROYS: u8 = 32;
const OF_INDEX: u8 = 64;

impl<N> Touch<N> {
    /// Everything but the names as one number, for the embedded table.
    #[cfg(feature = "encode")]
    pub(crate) fn code(&self) -> u8 {
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        self.lock.map_or(0, |lock| lock as u8)
            | bit(self.makes, MAKES)
            | bit(self.destroys, DESTROYS)
            | bit(self.of_index, OF_INDEX)
    }

    pub(crate) fn from_code(statement: usize, table: N, code: u8) -> Self {
        Self {
            statement,
            table,
            of_index: code & OF_INDEX != 0,
            lock: TableLock::ALL.into_iter().find(|lock| *lock as u8 == code & LOCK),
            makes: code & MAKES != 0,
            destroys: code & DESTROYS != 0,
        }
    }
}

/// Whether two names mean the same table. Schemas are compared only if both names have one.
pub fn is_same_table(one: &str, other: &str) -> bool {
    match (one.rsplit_once('.'), other.rsplit_once('.')) {
        (None, Some((_, other))) => one == other,
        (Some((_, one)), None) => one == other,
        (None, None) | (Some(_), Some(_)) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lock_has_the_name_that_the_server_shows() {
        for lock in TableLock::ALL {
            let words = lock.as_str().split(' ').map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()));
            let mode = format!("{}Lock", words.collect::<String>());
            assert_eq!(TableLock::from_mode(&mode), Some(lock), "{mode}");
        }
        assert_eq!(TableLock::from_mode("SIReadLock"), None);
        assert!(TableLock::ALL.is_sorted());
    }

    #[test]
    fn every_touch_round_trips_through_its_code() {
        for lock in TableLock::ALL.into_iter().map(Some).chain([None]) {
            for bits in 0..8 {
                let (of_index, makes, destroys) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                let touch = Touch { statement: 3, table: "t", of_index, lock, makes, destroys };
                assert_eq!(Touch::from_code(3, "t", touch.code()), touch);
            }
        }
    }

    #[test]
    fn schemas_are_compared_only_if_both_names_have_one() {
        assert!(is_same_table("users", "app.users") && is_same_table("app.users", "users"));
        assert!(!is_same_table("app.users", "old.users") && !is_same_table("users", "app.user"));
    }
}
