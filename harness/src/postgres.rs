//! Throwaway databases of PostgreSQL: which server they are on, how they are made and dropped.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{Connection, Executor, PgConnection};

use crate::server::{self, ErrorKind, Options, Shared};
use crate::{Error, skipped};

/// The variable that names a server of the user's own.
const SERVER: &str = "LOCKGATE_TEST_POSTGRES";

pub(crate) struct Place {
    name: String,
    server: String,
    kept: bool,
}

impl Place {
    pub(crate) async fn empty() -> Result<Option<Self>, Error> {
        let Some(server) = server()? else { return Ok(None) };
        let name = name();
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
        administer(&server, vec![create])
            .await
            .map_err(|e| Error::because(format!("no database for a test can be made on the server of {SERVER}"), e))?;
        Ok(Some(Self { name, server, kept: false }))
    }

    pub(crate) fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let name = &self.name;
        // WITH (FORCE) needs PostgreSQL 13; this is what it does.
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        let work = administer(&self.server, vec![end, format!("DROP DATABASE IF EXISTS {name}")]);
        // A test may have stopped the server. While a panic unwinds, a second one would hide it.
        if let Err(e) = elsewhere(work)
            && !std::thread::panicking()
            && !matches!(e, sqlx::Error::Io(_))
        {
            panic!("the database `{name}` cannot be dropped: {e}");
        }
    }
}

/// The URL of the server; `None` where this machine has none, which has been reported.
fn server() -> Result<Option<String>, Error> {
    if let Some(url) = std::env::var(SERVER).ok().filter(|url| !url.is_empty()) {
        return Ok(Some(url));
    }
    // A static is never dropped: our part in it ends with this process.
    static SHARED: OnceLock<Result<Shared, server::Error>> = OnceLock::new();
    match SHARED.get_or_init(|| Shared::join(&Options::default())) {
        Ok(server) => Ok(Some(server.url("postgres"))),
        Err(e) if e.kind() == ErrorKind::NotFound => skipped("postgres", &e.to_string()).map(|()| None),
        Err(e) => Err(Error::new(e.to_string())),
    }
}

/// A name that no other test of any process has.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    format!("lockgate_test_{}_{nanoseconds:x}_{count}", std::process::id())
}

/// Runs statements on the server's own database.
async fn administer(server: &str, statements: Vec<String>) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(server).await?;
    for statement in statements {
        connection.execute(sqlx::AssertSqlSafe(statement)).await?;
    }
    connection.close().await
}

/// Waits for work on a thread and a runtime of its own: a test's runtime cannot wait in `drop`.
fn elsewhere<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(work)
        });
        thread.join().expect("nothing in it panics")
    })
}

/// The same server's URL for another database.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, None), |(address, rest)| (address, Some(rest)));
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find('/').map_or(address.len(), |at| start + at);
    let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    format!("{}/{database}{parameters}", &address[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_another_database() {
        assert_eq!(with_database("postgres://u:p@h:1/a?x=y/z", "b"), "postgres://u:p@h:1/b?x=y/z");
        assert_eq!(with_database("postgres://h", "b"), "postgres://h/b");
    }
}
