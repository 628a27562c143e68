//! Connections to a PostgreSQL server's own database, by which the databases of tests are made and dropped.
//!
//! They are kept for the next test: to open one takes the server as long as half a copy of a template. A
//! connection belongs to the runtime that opened it, and each test has a runtime of its own, so that
//! these have one too, on a thread that lives as long as the process.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, Row};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// How many connections to one server wait for the next test.
const IDLE: usize = 4;

/// How many looks, and how far apart, sessions that were ended may take to go.
const POLLS: u32 = 50;
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A connection to the server's own database.
pub(crate) struct Admin {
    connection: PgConnection,
    server: String,
    /// Copies files instead of writing every page to the log. With `fsync` on, the checkpoints that
    /// this takes would cost more than it saves.
    strategy: &'static str,
    /// How many databases of tests there were when it was taken.
    databases: i64,
}

impl Admin {
    /// One that was kept, or a new one.
    pub(crate) async fn take(server: &str) -> Result<Self, sqlx::Error> {
        loop {
            let kept = idle().get_mut(server).and_then(Vec::pop);
            let Some(connection) = kept else {
                let connection = PgConnection::connect(server).await?;
                return Self::with(connection, server).await;
            };
            // A server may have gone or been started anew since.
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

    /// Keeps it for the next one. Only what is in good order may come back: a lock that was not let go
    /// of ends with the connection.
    pub(crate) fn give_back(self) {
        let mut idle = idle();
        let kept = idle.entry(self.server).or_default();
        if kept.len() < IDLE {
            kept.push(self.connection);
        }
    }

    /// How many databases of tests there were when it was taken.
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

    /// `false` where there is no such template.
    pub(crate) async fn create_like(&mut self, name: &str, template: &str) -> Result<bool, sqlx::Error> {
        let strategy = self.strategy;
        let made = self.execute(format!("CREATE DATABASE {name} TEMPLATE {template}{strategy}")).await;
        match made {
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some("3D000") => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Drops a database, if it is there.
    ///
    /// Who is still connected is sent away, and waited for: a server that finds somebody sleeps for a
    /// tenth of a second before it looks again, and a pool that was just closed is often still there.
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
        // It has subscriptions.
        self.unsubscribe(name).await?;
        self.execute(drop).await
    }

    /// Drops the subscriptions of a database. What they keep on the publisher is left there, as nobody can tell
    /// whether it still answers.
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

    /// Keeps other processes away until it is let go of, or this connection ends.
    pub(crate) async fn lock(&mut self, what: &str) -> Result<(), sqlx::Error> {
        self.execute(format!("SELECT pg_advisory_lock(hashtext('{what}'))")).await
    }

    pub(crate) async fn unlock(&mut self, what: &str) -> Result<(), sqlx::Error> {
        self.execute(format!("SELECT pg_advisory_unlock(hashtext('{what}'))")).await
    }
}

/// The connections that wait, by the URL of their server.
fn idle() -> std::sync::MutexGuard<'static, HashMap<String, Vec<PgConnection>>> {
    static IDLE: OnceLock<Mutex<HashMap<String, Vec<PgConnection>>>> = OnceLock::new();
    IDLE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does work on the thread of the connections. Dropped, it ends there too.
pub(crate) async fn on_admin_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut tasks = JoinSet::new();
    tasks.spawn_on(work, runtime().handle());
    match tasks.join_next().await.expect("it was spawned") {
        Ok(done) => done,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}

/// Does work on the thread of the connections, and waits for it: a test's runtime cannot wait in `drop`.
pub(crate) fn block_on_admin_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (done, told) = mpsc::sync_channel(1);
    runtime().spawn(async move {
        let _ = done.send(work.await);
    });
    told.recv().expect("nothing in it panics")
}

/// A static is never dropped: it ends with the process.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("lockgate-databases").enable_all().build().expect("a runtime starts")
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
