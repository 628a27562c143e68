//! Runs a test of `#[lockgate_harness::test]`: makes its database, runs it, and drops or keeps the database.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{ExitCode, Termination};
use std::time::Duration;

use lockgate::{Database, Dialect, Migration, Migrations, Version};

use crate::{Error, Throwaway};

/// How long closing a pool may take before the database is dropped anyway.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The size of a test's pool. It is small, as many tests run at once.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
const CONNECTIONS: u32 = 5;

/// The types that the argument of a test can have: `sqlx::PgPool`, `sqlx::SqlitePool`, [`lockgate::Database`] or
/// [`Throwaway`].
#[diagnostic::on_unimplemented(
    message = "a test cannot be given a `{Self}`",
    label = "not a database that `#[lockgate_harness::test]` knows",
    note = "ask for `sqlx::PgPool` (feature `postgres` of lockgate-harness), `sqlx::SqlitePool` (feature `sqlite`), \
            `lockgate::Database` or `lockgate_harness::Throwaway`"
)]
pub trait Argument: Sized + sealed::Sealed {
    /// The dialect, if the type determines it.
    #[doc(hidden)]
    const DIALECT: Option<Dialect>;

    /// Opens the argument of the test, and returns what must be closed after the test.
    #[doc(hidden)]
    fn open(database: Throwaway) -> impl Future<Output = Result<(Self, Teardown), Error>>;
}

mod sealed {
    pub trait Sealed {}
}

/// What is closed and dropped after the test.
#[doc(hidden)]
#[derive(Debug)]
pub struct Teardown {
    shown: String,
    /// `None` if the test owns the database.
    database: Option<Throwaway>,
    pool: Pool,
}

#[derive(Debug)]
enum Pool {
    None,
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

impl Teardown {
    fn of(database: Throwaway, pool: Pool) -> Self {
        Self { shown: database.shown(), database: Some(database), pool }
    }

    async fn close(&self) {
        let closed = async {
            match &self.pool {
                Pool::None => {}
                #[cfg(feature = "sqlite")]
                Pool::Sqlite(pool) => pool.close().await,
                #[cfg(feature = "postgres")]
                Pool::Postgres(pool) => pool.close().await,
            }
        };
        // A connection that is still open is terminated when the database is dropped.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closed).await;
    }
}

#[cfg(feature = "sqlite")]
impl sealed::Sealed for sqlx::SqlitePool {}
#[cfg(feature = "sqlite")]
impl Argument for sqlx::SqlitePool {
    const DIALECT: Option<Dialect> = Some(Dialect::Sqlite);

    async fn open(database: Throwaway) -> Result<(Self, Teardown), Error> {
        let options = sqlx::sqlite::SqlitePoolOptions::new().max_connections(CONNECTIONS);
        let pool = options.connect(&database.url()).await.map_err(not_connected)?;
        Ok((pool.clone(), Teardown::of(database, Pool::Sqlite(pool))))
    }
}

#[cfg(feature = "postgres")]
impl sealed::Sealed for sqlx::PgPool {}
#[cfg(feature = "postgres")]
impl Argument for sqlx::PgPool {
    const DIALECT: Option<Dialect> = Some(Dialect::Postgres);

    async fn open(database: Throwaway) -> Result<(Self, Teardown), Error> {
        let options = sqlx::postgres::PgPoolOptions::new().max_connections(CONNECTIONS);
        let pool = options.connect(&database.url()).await.map_err(not_connected)?;
        Ok((pool.clone(), Teardown::of(database, Pool::Postgres(pool))))
    }
}

impl sealed::Sealed for Database {}
impl Argument for Database {
    const DIALECT: Option<Dialect> = None;

    async fn open(database: Throwaway) -> Result<(Self, Teardown), Error> {
        let connected = database.connect().await?;
        Ok((connected, Teardown::of(database, Pool::None)))
    }
}

impl sealed::Sealed for Throwaway {}
impl Argument for Throwaway {
    const DIALECT: Option<Dialect> = None;

    async fn open(database: Throwaway) -> Result<(Self, Teardown), Error> {
        let behind = Teardown { shown: database.shown(), database: None, pool: Pool::None };
        Ok((database, behind))
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn not_connected(error: sqlx::Error) -> Error {
    Error::because("cannot connect to a throwaway database", error)
}

/// A test, as the attribute describes it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Test {
    pub name: &'static str,
    pub migrations: &'static Migrations,
    pub stop: Stop,
    pub dialect: Option<Dialect>,
    /// Whether the test must panic.
    pub panics: bool,
}

/// How far to migrate the database.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    Head,
    At(&'static str),
    AtVersion(i64),
    Before(&'static str),
    BeforeVersion(i64),
}

/// Runs a test on its own database.
#[doc(hidden)]
pub fn run<A: Argument, F: Future<Output: Termination>>(test: &Test, body: impl FnOnce(A) -> F) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let dialect = A::DIALECT.or(test.dialect).expect("the attribute asks for a dialect where the type says none");
    let version = test.stop.version(test.migrations).unwrap_or_else(|why| panic!("{why}"));
    let made = runtime.block_on(async {
        match Throwaway::at(test.migrations, version, dialect).await? {
            Some(database) => A::open(database).await.map(Some),
            None => Ok(None),
        }
    });
    let Some((argument, mut behind)) = made.unwrap_or_else(|e| panic!("{e:?}")) else {
        assert!(!test.panics, "the test is skipped: a test that must panic can report that only by a panic");
        return ExitCode::SUCCESS;
    };
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(body(argument)).report()));
    runtime.block_on(behind.close());
    let is_good = match &ended {
        Ok(code) => *code == ExitCode::SUCCESS && !test.panics,
        Err(_) => test.panics,
    };
    if !is_good {
        keep(test, &mut behind);
    }
    // Drop it before the panic resumes: during a panic, the database of a test that must panic would be kept.
    drop(behind);
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Keeps the database of a failed test, and prints where it is.
#[expect(clippy::print_stderr, reason = "a test runner shows this output of a test that fails")]
fn keep(test: &Test, behind: &mut Teardown) {
    let Some(database) = &mut behind.database else { return };
    database.keep();
    eprintln!("{}: its database is kept: {}", test.name, behind.shown);
}

impl Stop {
    /// Returns the version to stop at, `None` for an empty database.
    fn version(self, migrations: &Migrations) -> Result<Option<Version>, String> {
        let version = |migration: Migration| migration.version();
        let found = match self {
            Self::Head => return Ok(migrations.set().last().map(version)),
            Self::At(name) | Self::Before(name) => migrations.iter().find(|migration| migration.id() == name),
            Self::AtVersion(number) | Self::BeforeVersion(number) => {
                migrations.iter().find(|migration| migration.version().get() == number)
            }
        };
        let Some(found) = found else {
            let wanted = match self {
                Self::At(name) | Self::Before(name) => name.to_owned(),
                Self::AtVersion(number) | Self::BeforeVersion(number) => number.to_string(),
                Self::Head => String::new(),
            };
            let last = migrations.set().last().map_or("nothing", |last| last.id());
            return Err(format!(
                "no migration `{wanted}` is embedded from `{}`: the last one is `{last}`",
                migrations.set().folder()
            ));
        };
        Ok(match self {
            Self::Before(_) | Self::BeforeVersion(_) => {
                let before = found.index().checked_sub(1).and_then(|index| migrations.set().get(index));
                before.map(version)
            }
            Self::Head | Self::At(_) | Self::AtVersion(_) => Some(found.version()),
        })
    }
}
