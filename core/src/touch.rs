//! What a statement does to tables, as far as its own text tells: the lock that it takes, whether it
//! makes the table, and whether it destroys what is in it. `lockgate-sql` reads it at compile time.

use std::fmt;

/// One of PostgreSQL's eight locks on a table, the weakest first.
///
/// The discriminants are part of the embedded table: they are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TableLock {
    /// Reading.
    AccessShare = 1,
    /// `SELECT … FOR UPDATE`.
    RowShare = 2,
    /// Writing rows.
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

    /// The lock that the server's view `pg_locks` calls so: `AccessExclusiveLock`.
    pub fn from_mode(mode: &str) -> Option<Self> {
        let words = mode.strip_suffix("Lock")?;
        Self::ALL.into_iter().find(|lock| {
            let name = lock.as_str().bytes().filter(|byte| *byte != b' ');
            name.map(|byte| byte.to_ascii_lowercase()).eq(words.bytes().map(|byte| byte.to_ascii_lowercase()))
        })
    }

    /// What others cannot do while it is held, from the table of conflicts in PostgreSQL's manual.
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

    /// Whether it is stronger than what programs take that read and write rows.
    pub fn exceeds_writes(self) -> bool {
        self > Self::RowExclusive
    }
}

impl fmt::Display for TableLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one statement does to one table, or to a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Touch<N = &'static str> {
    /// The statement, by its place in the script.
    pub statement: usize,
    /// The table as the script names it: without quotes, in lower case where the database makes it so,
    /// and without the schema that everybody has (`public`, SQLite's `main`).
    pub table: N,
    /// Whether the name is that of an index, and the table is the one that it is on. Where the statement
    /// makes the index, the next touch names the table.
    pub of_index: bool,
    /// The strongest lock that it takes. Only PostgreSQL has them.
    pub lock: Option<TableLock>,
    /// Whether it makes the table. Nobody uses it before the migration is done, so what else the
    /// script does to it is not told.
    pub makes: bool,
    /// Whether it destroys data that are in the table.
    pub destroys: bool,
}

const LOCK: u8 = 15;
const MAKES: u8 = 16;
const DESTROYS: u8 = 32;
const OF_INDEX: u8 = 64;

impl<N> Touch<N> {
    /// The number that stands for all but the names in the embedded table.
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

/// Whether two names are of one table: where only one of them has a schema, what stands behind it counts.
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
    fn every_touch_survives_its_code() {
        for lock in TableLock::ALL.into_iter().map(Some).chain([None]) {
            for bits in 0..8 {
                let (of_index, makes, destroys) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                let touch = Touch { statement: 3, table: "t", of_index, lock, makes, destroys };
                assert_eq!(Touch::from_code(3, "t", touch.code()), touch);
            }
        }
    }

    #[test]
    fn a_schema_counts_where_both_names_have_one() {
        assert!(is_same_table("users", "app.users") && is_same_table("app.users", "users"));
        assert!(!is_same_table("app.users", "old.users") && !is_same_table("users", "app.user"));
    }
}
