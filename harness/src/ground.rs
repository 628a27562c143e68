//! The database that a test of migrations walks on: brought to a version with the rows of every fill
//! on the way, and asked what is in it. How one comes to be is in `below`.

use std::sync::Mutex;

use lockgate::schema::{Difference, Policy, Schema, compare, report};
use lockgate::{Database, Dialect, DownTo, Migration, Migrator, UpTo, Version};

use crate::db::{Content, Db};
use crate::failure::{Failure, TestResult};
use crate::problem::{Problem, Step};
use crate::suite::{self, Check, Tests};
use crate::{Throwaway, session};

/// A database on the way, and the set that it is on the way with.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) tests: &'static Tests,
    /// Reads between the steps. Stands before the place, as it has to go first.
    reader: Mutex<Option<Database>>,
    pub(crate) place: Throwaway,
    pub(crate) migrator: Migrator,
}

/// In which session a migration runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// As the driver opens it.
    Plain,
    /// Set up otherwise.
    Varied,
}

impl Ground {
    /// Applies these migrations from this one on, and runs each fill right before its migration.
    pub(crate) async fn bring(&self, all: &[Migration], start: usize) -> Result<(), Problem> {
        let (ground, dialect, end) = (self, self.dialect(), all.len());
        let fills = |migration: &Migration| self.tests.suite(migration.version()).and_then(|suite| suite.fill);
        let mut next = start;
        while next < end {
            let filled = &all[next];
            if let Some(fill) = fills(filled) {
                let failed = |failure| Problem::new(Step::Fill, "its `fill` fails").detail(failure);
                ground.fill(fill).await.map_err(|failure| failed(failure).about(filled.id(), dialect))?;
            }
            // Up to the next one with a fill.
            let stop = (next + 1..end).find(|&at| fills(&all[at]).is_some()).unwrap_or(end);
            let last = &all[stop - 1];
            let failed =
                |failure| Problem::new(Step::Ground, "it fails on the way, on a database with rows").detail(failure);
            let subject = if stop - next == 1 { filled.id() } else { last.id() };
            ground
                .apply(last.version(), Session::Plain)
                .await
                .map_err(|failure| failed(failure).about(subject, dialect))?;
            next = stop;
        }
        Ok(())
    }

    pub(crate) fn on(tests: &'static Tests, place: Throwaway) -> Self {
        Self { tests, reader: Mutex::new(None), place, migrator: Migrator::new(tests.migrations) }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.place.dialect()
    }

    pub(crate) async fn connect(&self) -> TestResult<Database> {
        self.place.connect().await.map_err(|e| Failure::broken(format!("{e:?}")))
    }

    /// Puts rows in.
    pub(crate) async fn fill(&self, check: Check) -> TestResult {
        suite::fill(&self.place, check).await.map_err(|failure| failure.seen_from(self.tests.base()))
    }

    /// Asks a suite.
    pub(crate) async fn ask(&self, check: Check) -> TestResult {
        suite::ask(&self.place, check).await.map_err(|failure| failure.seen_from(self.tests.base()))
    }

    /// Applies what is pending up to this version, as a program would, and gives what is left in the
    /// session behind it.
    pub(crate) async fn apply(&self, version: Version, session: Session) -> TestResult<Vec<String>> {
        let mut db = Db::new(self.connect().await?);
        if session == Session::Varied {
            session::vary(&mut db).await?;
        }
        let before = session::left(&mut db).await?;
        let mut database = db.into_database();
        // The session is lent, as a run replaces one of its own behind what may have changed it: what a migration
        // leaves would be gone before it could be told.
        let to = UpTo::Version(version);
        let applied = lent(&self.migrator, &mut database, to).await;
        applied.map_err(|e| Failure::without_place(format!("{e:?}")))?;
        let mut db = Db::new(database);
        let left = session::left(&mut db).await?;
        db.close().await;
        Ok(left.into_iter().filter(|line| !before.contains(line)).collect())
    }

    /// Reverts so far.
    pub(crate) async fn revert(&self, destination: DownTo) -> TestResult {
        let mut database = self.connect().await?;
        let reverted = self.migrator.revert(&mut database, destination).await;
        reverted.map_err(|e| Failure::without_place(format!("{e:?}")))?;
        let _ = database.close().await;
        Ok(())
    }

    pub(crate) async fn schema(&self) -> TestResult<Schema> {
        let mut database = self.reader().await?;
        let schema = self.migrator.read_schema(&mut database).await;
        let schema = schema.map_err(|e| Failure::broken(format!("{e:?}")))?;
        self.keep(database).await;
        Ok(schema)
    }

    /// How many rows each table has.
    pub(crate) async fn counts(&self) -> TestResult<Vec<(String, u64)>> {
        let mut db = Db::new(self.reader().await?);
        let counts = db.row_counts().await?;
        self.keep(db.into_database()).await;
        Ok(counts)
    }

    /// What is in each table that has rows, as digests.
    pub(crate) async fn contents(&self) -> TestResult<Vec<Content>> {
        let mut db = Db::new(self.reader().await?);
        let contents = db.contents().await?;
        self.keep(db.into_database()).await;
        Ok(contents)
    }

    /// The tables whose rows cannot be counted.
    pub(crate) async fn uncounted(&self) -> TestResult<Vec<String>> {
        let mut db = Db::new(self.reader().await?);
        let uncounted = db.uncounted().await?;
        self.keep(db.into_database()).await;
        Ok(uncounted)
    }

    /// A connection that only reads. It asks whole statements, of which nothing is kept that a migration
    /// could make stale, and PostgreSQL has its catalogues at hand the second time: four times as fast.
    async fn reader(&self) -> TestResult<Database> {
        let kept = self.reader.lock().expect("nobody panics with it").take();
        match kept {
            Some(database) => Ok(database),
            None => self.connect().await,
        }
    }

    /// SQLite may refuse a migration something while another connection is open.
    async fn keep(&self, database: Database) {
        match database.dialect() {
            Dialect::Postgres => *self.reader.lock().expect("nobody panics with it") = Some(database),
            Dialect::Sqlite | Dialect::Mysql => drop(database.close().await),
        }
    }

    /// The differences that count, as a text; `None` where there are none.
    pub(crate) fn differences(&self, before: &Schema, after: &Schema) -> Option<String> {
        let differences = self.minded(before, after);
        (!differences.is_empty()).then(|| report(&differences))
    }

    /// The differences that count.
    pub(crate) fn minded(&self, before: &Schema, after: &Schema) -> Vec<Difference> {
        let policy = Policy::tolerating(self.tests.tolerate.iter().copied());
        let mut differences = compare(before, after);
        differences.retain(|difference| policy.minds(difference.class));
        differences
    }
}

/// Applies on the session of a database, without replacing it.
pub(crate) async fn lent(migrator: &Migrator, database: &mut Database, to: UpTo) -> Result<(), lockgate::Error> {
    #[cfg(feature = "postgres")]
    if let Some(connection) = database.postgres() {
        return lockgate::__private::leaving(migrator).apply_to(connection, to).await.map(drop);
    }
    migrator.apply_to(database, to).await.map(drop)
}
