//! The database that migrations are tested on: applies and reverts migrations, runs the parts of a test, and reads
//! schemas and rows. `prepare` makes one.

use std::sync::Mutex;

use lockgate::__private::{of_every_profile, of_migrations};
use lockgate::schema::{Difference, Policy, Schema, compare, report};
use lockgate::{Database, Dialect, DownTo, Migration, Migrator, UpTo, Version};

use crate::db::{Content, Db};
use crate::failure::{Failure, TestResult};
use crate::migration_test::{self, TestPart, Tests};
use crate::problem::{Phase, Problem};
use crate::{Throwaway, session};

/// A throwaway database, and the set of migrations that is tested on it.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    pub(crate) tests: &'static Tests,
    /// Reads between the phases of a walk. It is declared before the database, so that it is dropped first.
    reader: Mutex<Option<Database>>,
    pub(crate) throwaway: Throwaway,
    /// Runs migrations alone.
    pub(crate) migrator: Migrator,
    /// Runs the repeatable scripts too.
    pub(crate) whole: Migrator,
}

/// The session in which a migration runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// As the driver opens it.
    Plain,
    /// With other settings: see [`session::vary`].
    Varied,
}

impl TestDatabase {
    /// Applies these migrations from the index `start` on, and runs each `fill` right before its migration.
    pub(crate) async fn apply_with_fills(&self, all: &[Migration], start: usize) -> Result<(), Problem> {
        let (database, dialect, end) = (self, self.dialect(), all.len());
        let fills = |migration: &Migration| self.tests.test_of(migration.version()).and_then(|test| test.fill);
        let mut next = start;
        while next < end {
            let filled = &all[next];
            if let Some(fill) = fills(filled) {
                let failed = |failure| Problem::new(Phase::Fill, "its `fill` fails").detail(failure);
                database.fill(fill).await.map_err(|failure| failed(failure).about(filled.id(), dialect))?;
            }
            // Apply up to the next migration with a `fill`.
            let stop = (next + 1..end).find(|&at| fills(&all[at]).is_some()).unwrap_or(end);
            let last = &all[stop - 1];
            let failed = |failure| {
                Problem::new(Phase::Setup, "it fails while the test database is prepared, with the rows of each `fill`")
                    .detail(failure)
            };
            let subject = if stop - next == 1 { filled.id() } else { last.id() };
            database
                .apply(last.version(), Session::Plain)
                .await
                .map_err(|failure| failed(failure).about(subject, dialect))?;
            next = stop;
        }
        Ok(())
    }

    pub(crate) fn new(tests: &'static Tests, throwaway: Throwaway) -> Self {
        let migrator = Migrator::new(tests.migrations).stand_in_for_variables();
        let (migrator, whole) = (of_migrations(&migrator), of_every_profile(&migrator));
        Self { tests, reader: Mutex::new(None), throwaway, migrator, whole }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.throwaway.dialect()
    }

    pub(crate) async fn connect(&self) -> TestResult<Database> {
        self.throwaway.connect().await.map_err(|e| Failure::broken(format!("{e:?}")))
    }

    /// Runs a `fill` and keeps its rows.
    pub(crate) async fn fill(&self, part: TestPart) -> TestResult {
        migration_test::fill(&self.throwaway, part).await.map_err(|failure| failure.seen_from(self.tests.base()))
    }

    /// Runs `before` or `after` and rolls it back.
    pub(crate) async fn check(&self, part: TestPart) -> TestResult {
        migration_test::check(&self.throwaway, part).await.map_err(|failure| failure.seen_from(self.tests.base()))
    }

    /// Applies what is pending up to this version, as a program would. Returns what it left in the session.
    pub(crate) async fn apply(&self, version: Version, session: Session) -> TestResult<Vec<String>> {
        let mut db = Db::new(self.connect().await?);
        if session == Session::Varied {
            session::vary(&mut db).await?;
        }
        let before = session::state(&mut db).await?;
        let mut connection = db.into_database();
        // A run opens a new session after a migration that may have changed its own. Keep this one, so that what a
        // migration leaves in it can be found.
        let to = UpTo::Version(version);
        let applied = apply_in_session(&self.migrator, &mut connection, to).await;
        applied.map_err(|e| Failure::without_place(format!("{e:?}")))?;
        let mut db = Db::new(connection);
        let left = session::state(&mut db).await?;
        db.close().await;
        Ok(left.into_iter().filter(|line| !before.contains(line)).collect())
    }

    /// Reverts down to this destination.
    pub(crate) async fn revert(&self, destination: DownTo) -> TestResult {
        let mut connection = self.connect().await?;
        let reverted = self.migrator.revert(&mut connection, destination).await;
        reverted.map_err(|e| Failure::without_place(format!("{e:?}")))?;
        let _ = connection.close().await;
        Ok(())
    }

    pub(crate) async fn schema(&self) -> TestResult<Schema> {
        let mut connection = self.reader().await?;
        let schema = self.migrator.read_schema(&mut connection).await;
        let schema = schema.map_err(|e| Failure::broken(format!("{e:?}")))?;
        self.keep(connection).await;
        Ok(schema)
    }

    /// Counts the rows of each table.
    pub(crate) async fn counts(&self) -> TestResult<Vec<(String, u64)>> {
        let mut db = Db::new(self.reader().await?);
        let counts = db.row_counts().await?;
        self.keep(db.into_database()).await;
        Ok(counts)
    }

    /// Reads digests of each table that has rows.
    pub(crate) async fn contents(&self) -> TestResult<Vec<Content>> {
        let mut db = Db::new(self.reader().await?);
        let contents = db.contents().await?;
        self.keep(db.into_database()).await;
        Ok(contents)
    }

    /// Returns the tables whose rows cannot be counted.
    pub(crate) async fn uncounted(&self) -> TestResult<Vec<String>> {
        let mut db = Db::new(self.reader().await?);
        let uncounted = db.uncounted().await?;
        self.keep(db.into_database()).await;
        Ok(uncounted)
    }

    /// Returns a connection for reading. PostgreSQL answers four times as fast on a connection that has its catalogs
    /// cached. Nothing is prepared on it that a migration could invalidate.
    async fn reader(&self) -> TestResult<Database> {
        let kept = self.reader.lock().expect("nobody panics with it").take();
        match kept {
            Some(connection) => Ok(connection),
            None => self.connect().await,
        }
    }

    /// Keeps the connection for the next read. On SQLite it is closed, as another open connection can block a
    /// migration.
    async fn keep(&self, connection: Database) {
        match connection.dialect() {
            Dialect::Postgres => *self.reader.lock().expect("nobody panics with it") = Some(connection),
            Dialect::Sqlite | Dialect::Mysql => drop(connection.close().await),
        }
    }

    /// Describes the differences that are not tolerated; `None` if there are none.
    pub(crate) fn difference_report(&self, before: &Schema, after: &Schema) -> Option<String> {
        let differences = self.differences_that_count(before, after);
        (!differences.is_empty()).then(|| report(&differences))
    }

    /// Compares two schemas, without the differences that the tests tolerate.
    pub(crate) fn differences_that_count(&self, before: &Schema, after: &Schema) -> Vec<Difference> {
        let policy = Policy::tolerating(self.tests.tolerate.iter().copied());
        let mut differences = compare(before, after);
        differences.retain(|difference| policy.minds(difference.class));
        differences
    }
}

/// Applies migrations on the session of this connection, without opening a new one.
pub(crate) async fn apply_in_session(
    migrator: &Migrator,
    connection: &mut Database,
    to: UpTo,
) -> Result<(), lockgate::Error> {
    #[cfg(feature = "postgres")]
    if let Some(connection) = connection.postgres() {
        return lockgate::__private::leaving(migrator).apply_to(connection, to).await.map(drop);
    }
    migrator.apply_to(connection, to).await.map(drop)
}
