//! PostgreSQL for tests: one server for all of them, and one database for each.
//!
//! ```text
//! #[tokio::test]
//! async fn a_second_run_does_nothing() {
//!     let Some(database) = postgres::database() else { return };
//!     let pool = database.pool().await;
//! ```

use std::borrow::Borrow;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_harness::server::{Error, ErrorKind, Options, Postgres, Shared, locate, require};
use sqlx::{Connection, Executor, PgConnection, PgPool};

/// A database for one test. It is dropped at the end, even if the test panics.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    server: String,
}

/// Creates an empty database on the server that `cargo xtask test` names in `LOCKGATE_TEST_POSTGRES`. Without that
/// variable, a server is started for all processes of the test run.
///
/// Returns `None` and reports the test as skipped if this machine has no PostgreSQL. Panics instead if
/// `LOCKGATE_REQUIRE` names it.
pub(crate) fn database() -> Option<Database> {
    let server = match std::env::var("LOCKGATE_TEST_POSTGRES") {
        Ok(url) if !url.is_empty() => url,
        _ => shared()?,
    };
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let name = format!("lockgate_test_{}_{nanoseconds:x}_{count}", std::process::id());
    administer(&server, vec![format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")])
        .unwrap_or_else(|e| panic!("no database for a test on the server of LOCKGATE_TEST_POSTGRES: {e}"));
    Some(Database { name, server })
}

/// Starts a server for one test that kills it, or needs it durable or with other settings.
pub(crate) fn cluster(options: &Options) -> Option<Postgres> {
    started(Postgres::start(options))
}

/// Returns a folder with a server's programs and this client, which some distributions lack.
pub(crate) fn folder_with(client: &str) -> Option<PathBuf> {
    let found = locate::folders().into_iter().find(|folder| folder.join(client).is_file());
    if found.is_none() {
        assert!(!require::requires("postgres").unwrap(), "no `{client}` beside a PostgreSQL server on this machine");
        skip(&format!("no `{client}` beside the server"));
    }
    found
}

/// Runs a client program of PostgreSQL in this folder, and returns what it writes.
pub(crate) fn client(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(folder.join(program)).args(arguments).output().expect("the program starts");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it writes UTF-8")
}

impl Database {
    /// Returns its URL, `postgres://…`.
    pub(crate) fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Opens a pool of connections to it.
    pub(crate) async fn pool(&self) -> PgPool {
        PgPool::connect(&self.url()).await.expect("a database that was just made can be connected to")
    }

    /// Opens a connection to it.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("a database that was just made can be connected to")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = &self.name;
        // DROP DATABASE … WITH (FORCE) needs PostgreSQL 13. This does the same.
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        let outcome = administer(&self.server, vec![end, format!("DROP DATABASE IF EXISTS {name}")]);
        // A test may have killed the server. A second panic while one unwinds would hide the first.
        if let Err(e) = outcome
            && !std::thread::panicking()
            && !matches!(e, sqlx::Error::Io(_))
        {
            panic!("the database `{name}` cannot be dropped: {e}");
        }
    }
}

/// Returns the URL of the server of this test run. The static is never dropped; the server ends with the last process.
fn shared() -> Option<String> {
    static SHARED: OnceLock<Result<Shared, Error>> = OnceLock::new();
    let server = SHARED.get_or_init(|| Shared::join(&Options::default()));
    started(server.as_ref()).map(|server| server.url("postgres"))
}

fn started<T, E: Borrow<Error>>(outcome: Result<T, E>) -> Option<T> {
    match outcome.map_err(|e| (e.borrow().kind(), e.borrow().to_string())) {
        Ok(server) => Some(server),
        Err((ErrorKind::NotFound, why)) if !require::requires("postgres").unwrap() => {
            skip(&why);
            None
        }
        Err((_, why)) => panic!("{why}"),
    }
}

/// Reports that the current test is skipped, on standard error, which a test runner may hide, and in the file that
/// `cargo xtask test` prints at its end.
pub(crate) fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("postgres: {test}: {why}\n");
    let file = std::env::var_os("LOCKGATE_SKIPPED");
    if let Some(mut file) = file.and_then(|path| File::options().create(true).append(true).open(path).ok()) {
        let _ = file.write_all(line.as_bytes());
    }
    let _ = write!(std::io::stderr(), "skipped: {line}");
}

/// Runs statements on the server's own database. It uses a thread, because a test's runtime cannot wait in `drop`.
fn administer(server: &str, statements: Vec<String>) -> Result<(), sqlx::Error> {
    let work = async || {
        let mut connection = PgConnection::connect(server).await?;
        for statement in statements {
            connection.execute(sqlx::AssertSqlSafe(statement)).await?;
        }
        connection.close().await
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(work())
        });
        thread.join().expect("nothing in it panics")
    })
}

/// Returns the URL of another database on the same server.
fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, None), |(address, rest)| (address, Some(rest)));
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find('/').map_or(address.len(), |at| start + at);
    let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    format!("{}/{database}{parameters}", &address[..end])
}

#[test]
fn the_database_in_a_url_is_replaced() {
    assert_eq!(with_database("postgres://u:p@h:1/a?x=y/z", "b"), "postgres://u:p@h:1/b?x=y/z");
    assert_eq!(with_database("postgres://h", "b"), "postgres://h/b");
}

#[tokio::test]
async fn a_database_is_dropped_after_its_test() {
    let Some(database) = database() else { return };
    let (server, name) = (database.server.clone(), database.name.clone());
    let question = "SELECT current_database()::text";
    let pool = database.pool().await;
    let of_pool: String = sqlx::query_scalar(question).fetch_one(&pool).await.unwrap();
    let of_connection: String = sqlx::query_scalar(question).fetch_one(&mut database.connect().await).await.unwrap();
    assert_eq!([of_pool, of_connection], [name.clone(), name.clone()]);
    let panics = std::thread::spawn(move || {
        let _database = database;
        panic!("on purpose");
    });
    panics.join().unwrap_err();
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let question = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    let exists: bool = sqlx::query_scalar(question).bind(name).fetch_one(&mut connection).await.unwrap();
    assert!(!exists);
}
