//! What a statement does to tables, as far as its own text tells: the lock that it takes, whether it
//! makes the table, and whether it destroys what is in it. `lockgate-sql` reads it at compile time.

use std::fmt;

use crate::plan::Plan;
use crate::{Dialect, Set, StatementFlags};

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

/// What a step of a plan does to what was there before the plan's first step, as far as its SQL tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The strongest lock that it takes on each table, the strongest first. Locks that do not
    /// [exceed writes](TableLock::exceeds_writes) are left out.
    pub locks: Vec<Touch>,
    /// Whether it destroys data.
    pub destroys: bool,
    /// The tables whose data it destroys, where it names them.
    pub loses: Vec<&'static str>,
}

impl Plan {
    /// What each of its steps does to tables that were there before the first one, on a database of
    /// this dialect.
    pub fn effects(&self, set: &Set, dialect: Dialect) -> Vec<Effects> {
        let mut made: Vec<&'static str> = Vec::new();
        let mut indexes = None;
        let mut all = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let script = set.find(step.version).and_then(|migration| migration.script(step.action));
            let done = step.action.statements_done();
            let mut effects = Effects::default();
            if let Some(script) = script {
                let mut touches = script.touches(dialect);
                for touch in touches.iter_mut().filter(|touch| touch.of_index && !touch.makes) {
                    let indexes = indexes.get_or_insert_with(|| indexes_of(set, dialect));
                    if let Some((_, table)) = indexes.iter().rfind(|(index, _)| is_same_table(index, touch.table)) {
                        (touch.table, touch.of_index) = (table, false);
                    }
                }
                let rest = || touches.iter().filter(|touch| touch.statement >= done as usize && !touch.makes);
                for touch in rest().filter(|touch| !made.iter().any(|made| is_same_table(made, touch.table))) {
                    effects.add(touch);
                }
                let flagged = script.statements(dialect).into_iter().enumerate().skip(done as usize);
                let flagged = flagged.filter(|(_, statement)| statement.flags.contains(StatementFlags::DESTROYS_DATA));
                // One that names no table destroys whatever is there.
                effects.destroys = !effects.loses.is_empty()
                    || flagged.map(|(at, _)| at).any(|at| !rest().any(|touch| touch.statement == at && touch.destroys));
                made.extend(touches.iter().filter(|touch| touch.makes && !touch.of_index).map(|touch| touch.table));
            }
            effects.locks.sort_by(|a, b| b.lock.cmp(&a.lock).then_with(|| a.table.cmp(b.table)));
            all.push(effects);
        }
        all
    }
}

/// Every index that a script of the set makes, with its table.
fn indexes_of(set: &Set, dialect: Dialect) -> Vec<(&'static str, &'static str)> {
    let mut indexes = Vec::new();
    for migration in set.iter() {
        let touches = migration.up().touches(dialect);
        let pairs = touches.windows(2).filter(|pair| pair[0].of_index && pair[0].makes);
        indexes.extend(pairs.map(|pair| (pair[0].table, pair[1].table)));
    }
    indexes
}

impl Effects {
    fn add(&mut self, touch: &Touch) {
        if touch.destroys && !self.loses.contains(&touch.table) {
            self.loses.push(touch.table);
        }
        if !touch.lock.is_some_and(TableLock::exceeds_writes) {
            return;
        }
        match self.locks.iter_mut().find(|known| known.table == touch.table && known.of_index == touch.of_index) {
            Some(known) if known.lock >= touch.lock => {}
            Some(known) => *known = *touch,
            None => self.locks.push(*touch),
        }
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
