//! Connections to a PostgreSQL server that create and drop the databases of tests.
//!
//! They are kept for the next test: opening one takes half as long as copying a template. A connection belongs to the
//! runtime that opened it, and each test has its own runtime. So these connections have a runtime too, on a thread that
//! lives as long as the process.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, Row};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// How many idle connections to a server are kept.
const IDLE: usize = 4;

/// How often, and at which interval, to check whether terminated sessions are gone.
const POLLS: u32 = 50;
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A connection for administration.
pub(crate) struct Admin {
    connection: PgConnection,
    server: String,
    /// The copy strategy: copy files instead of writing every page to the log. With `fsync` on, the checkpoints that
    /// this needs would cost more than it saves.
    strategy: &'static str,
    /// How many test databases existed when the connection was taken.
    databases: i64,
}

impl Admin {
    /// Takes a kept connection, or opens one.
    pub(crate) async fn take(server: &str) -> Result<Self, sqlx::Error> {
        loop {
            let kept = idle().get_mut(server).and_then(Vec::pop);
            let Some(connection) = kept else {
                let connection = PgConnection::connect(server).await?;
                return Self::with(connection, server).await;
            };
            // The server may have stopped or restarted since.
            if let Ok(admin) = Self::with(connection, server).await {
                return Ok(admin);
            }
        }
    }

    async fn with(mut connection: PgConnection, server: &str) -> Result<Self, sqlx::Error> {
        const QUESTION: &str = "SELECT current_setting('fsync') = 'off' AND \
             current_setting('server_version_num')::int >= 150000, \
             (SELECT count(*) FROM pg_catalog.pg_database WHERE datname LIKE 'lockgate\\_test\\_%')";
        let row = sqlx::raw_sql(QUESTION).fetch_one(&mut connection).await?;
        let strategy = if row.try_get::<bool, _>(0)? { " STRATEGY file_copy" } else { "" };
        let databases = row.try_get(1)?;
        Ok(Self { connection, server: server.to_owned(), strategy, databases })
    }

    /// Keeps the connection for the next test. Do not give back one that failed: dropping it releases its locks.
    pub(crate) fn give_back(self) {
        let mut idle = idle();
        let kept = idle.entry(self.server).or_default();
        if kept.len() < IDLE {
            kept.push(self.connection);
        }
    }

    /// Returns how many test databases existed when the connection was taken.
    pub(crate) fn databases(&self) -> i64 {
        self.databases
    }

    pub(crate) async fn execute(&mut self, statement: String) -> Result<(), sqlx::Error> {
        self.connection.execute(sqlx::AssertSqlSafe(statement)).await.map(drop)
    }

    pub(crate) async fn create_empty(&mut self, name: &str) -> Result<(), sqlx::Error> {
        let strategy = self.strategy;
        self.execute(format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'{strategy}")).await
    }

    /// Copies a template. Returns `false` if the template does not exist.
    pub(crate) async fn create_like(&mut self, name: &str, template: &str) -> Result<bool, sqlx::Error> {
        let strategy = self.strategy;
        let made = self.execute(format!("CREATE DATABASE {name} TEMPLATE {template}{strategy}")).await;
        match made {
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some("3D000") => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Drops a database, if it exists.
    ///
    /// It terminates the sessions of the database first, and waits until they are gone. `DROP DATABASE` itself would
    /// sleep a tenth of a second before it checks again, and a pool that was just closed often still has a session.
    pub(crate) async fn drop(&mut self, name: &str) -> Result<(), sqlx::Error> {
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        for _ in 0..POLLS {
            let question = sqlx::AssertSqlSafe(end.clone());
            if sqlx::raw_sql(question).fetch_all(&mut self.connection).await?.is_empty() {
                break;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let drop = format!("DROP DATABASE IF EXISTS {name}");
        match self.execute(drop.clone()).await {
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some("55006") => {}
            dropped => return dropped,
        }
        // 55006: the database has subscriptions.
        self.unsubscribe(name).await?;
        self.execute(drop).await
    }

    /// Drops the subscriptions of a database. Their slots on the publisher stay, as it may not answer any more.
    async fn unsubscribe(&mut self, name: &str) -> Result<(), sqlx::Error> {
        let mut inside = PgConnection::connect(&with_database(&self.server, name)).await?;
        const QUESTION: &str = "SELECT quote_ident(subname) FROM pg_catalog.pg_subscription \
             WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";
        let subscriptions: Vec<String> = sqlx::query_scalar(QUESTION).fetch_all(&mut inside).await?;
        for name in subscriptions {
            for rest in [
                format!("ALTER SUBSCRIPTION {name} DISABLE"),
                format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
                format!("DROP SUBSCRIPTION {name}"),
            ] {
                inside.execute(sqlx::AssertSqlSafe(rest)).await?;
            }
        }
        inside.close().await
    }

    /// Takes an advisory lock, until [`unlock`](Self::unlock) or the end of the connection.
    pub(crate) async fn lock(&mut self, what: &str) -> Result<(), sqlx::Error> {
        self.execute(format!("SELECT pg_advisory_lock(hashtext('{what}'))")).await
    }

    pub(crate) async fn unlock(&mut self, what: &str) -> Result<(), sqlx::Error> {
        self.execute(format!("SELECT pg_advisory_unlock(hashtext('{what}'))")).await
    }
}

/// The idle connections, by the URL of their server.
fn idle() -> std::sync::MutexGuard<'static, HashMap<String, Vec<PgConnection>>> {
    static IDLE: OnceLock<Mutex<HashMap<String, Vec<PgConnection>>>> = OnceLock::new();
    IDLE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a future on the thread of the connections. Dropping this future cancels it.
pub(crate) async fn on_admin_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut tasks = JoinSet::new();
    tasks.spawn_on(work, runtime().handle());
    match tasks.join_next().await.expect("it was spawned") {
        Ok(done) => done,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}

/// Runs a future on the thread of the connections, and blocks until it ends: `drop` cannot await.
pub(crate) fn block_on_admin_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (done, result) = mpsc::sync_channel(1);
    runtime().spawn(async move {
        let _ = done.send(work.await);
    });
    result.recv().expect("nothing in it panics")
}

/// A static is never dropped: it ends with the process.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("lockgate-databases").enable_all().build().expect("a runtime starts")
    })
}

/// Returns the URL of another database on the same server.
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
