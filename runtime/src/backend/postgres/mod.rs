//! PostgreSQL: several migrations travel in one simple-query message, each its own transaction with
//! its history row, and only the last commit of a run waits for the disk.

mod cause;
mod copy;
mod envelope;
mod message;
mod run;
#[cfg(feature = "schema")]
mod schema;
mod sql;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::TryStreamExt;
use lockgate_core::{Atomicity, Dialect, History};
use sqlx::postgres::{PgQueryResult, PgRow};
use sqlx::{AssertSqlSafe, Column, Connection, Either, PgConnection, Postgres, Row};
use tokio::time::Instant;

use self::envelope::BEGIN;
use self::message::{Message, Slot};
use super::{Backend, BoxFuture, Ending, Failure, Job, Limits, LockFailure, LockRequest, OnProgress, backoff};
use crate::error::{Cause, Class};
use crate::session::Held;
use crate::store::{self, Entry, Store, Table, literal};

pub(crate) use cause::cause;

pub(crate) struct Backing<'a> {
    held: Held<'a, Postgres>,
    facts: Option<Facts>,
    lock: Lock,
    limits: Option<Limits>,
    whole_run: bool,
    /// Whether the tables are to be created before anything is written.
    create: bool,
    /// Whether they were not there when the lock was had.
    absent: bool,
    /// Whether the session's own settings were changed.
    configured: bool,
    /// Settings of this session to put back behind what changes some; none if nothing that runs does.
    settings: Option<Vec<(String, String)>>,
    /// In one transaction: whether it has begun.
    open: bool,
    /// Whether the connection is of no more use.
    lost: bool,
    /// Whether an answer is still to be read.
    asked: bool,
    /// Whether the data of a COPY are on their way.
    copying: bool,
    /// The indexes that were INVALID before the last statement that builds some by and by.
    invalid: Option<Vec<i64>>,
}

/// How other runs are kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    None,
    /// By the session, which is ours to close.
    Session(i64),
    /// By each transaction, as the session is the caller's and could not be made to let go.
    Transaction(i64),
}

struct Facts {
    database: String,
    in_transaction: bool,
    read_only: bool,
    replica: bool,
    /// The history table, with the schema in which it is or will be.
    table: Table,
    /// Whether it is there.
    present: bool,
    lock_timeout: String,
    statement_timeout: String,
    synchronous_commit: String,
    client_min_messages: String,
    role: String,
}

impl<'a> Backing<'a> {
    pub(crate) fn new(held: Held<'a, Postgres>) -> Self {
        Self {
            held,
            facts: None,
            lock: Lock::None,
            limits: None,
            whole_run: false,
            create: false,
            absent: false,
            configured: false,
            settings: None,
            open: false,
            lost: false,
            asked: false,
            copying: false,
            invalid: None,
        }
    }

    fn facts(&self) -> &Facts {
        self.facts.as_ref().expect("the history is read before anything is written")
    }

    fn table(&self) -> &Table {
        &self.facts().table
    }

    /// Sends a message and gives each result to `on`. An error comes with the number of results
    /// before it.
    async fn send(&mut self, sql: String, mut on: impl FnMut(usize)) -> Result<(), (usize, Cause)> {
        let mut results = 0;
        let each = |result| {
            if let Either::Left(_) = result {
                on(results);
                results += 1;
            }
            Ok(())
        };
        let sent = self.ask(sql, each).await;
        sent.map_err(|cause| (results, cause))
    }

    /// Sends a message and gives all that is answered to `on`.
    async fn ask(
        &mut self,
        sql: String,
        mut on: impl FnMut(Either<PgQueryResult, PgRow>) -> Result<(), Cause>,
    ) -> Result<(), Cause> {
        if self.lost {
            return Err(Cause::new(Class::Lost, "the connection was lost before"));
        }
        self.asked = true;
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(self.held.connection());
        let answered = loop {
            match stream.try_next().await {
                Ok(None) => break Ok(()),
                Ok(Some(answer)) => {
                    if let Err(cause) = on(answer) {
                        break Err(cause);
                    }
                }
                Err(error) => break Err(cause(&error)),
            }
        };
        drop(stream);
        self.asked = false;
        self.lost |= answered.as_ref().is_err_and(|cause| cause.class == Class::Lost);
        answered
    }

    async fn rows(&mut self, sql: String) -> Result<Vec<PgRow>, Cause> {
        let mut rows = Vec::new();
        let each = |answer: Either<PgQueryResult, PgRow>| {
            rows.extend(answer.right());
            Ok(())
        };
        self.ask(sql, each).await?;
        Ok(rows)
    }

    async fn execute(&mut self, sql: String) -> Result<(), Cause> {
        self.send(sql, |_| ()).await.map_err(|(_, cause)| cause)
    }

    /// Reads the history, with the facts in front unless they are known, and an attempt to get the
    /// session's lock in front of that if a key is given. The absence of the table is no error.
    async fn look(&mut self, store: &Store, lock: Option<i64>) -> Result<(bool, History), Cause> {
        let mut message = String::new();
        if let Some(key) = lock {
            // A transaction of its own, so that the rows are read with a snapshot taken behind the
            // lock, whatever the session's default isolation level is.
            message.push_str(&format!("BEGIN; SELECT pg_catalog.pg_try_advisory_lock({key}) AS locked; COMMIT;\n"));
        }
        let table = match &self.facts {
            Some(facts) => facts.table.clone(),
            None => {
                // What a future that was dropped left unread on a connection of the caller's is an
                // answer to a question of its own.
                while let Err(sqlx::Error::Database(_)) = self.held.connection().flush().await {}
                message.push_str(&sql::facts(&store.table));
                message.push_str(";\n");
                if lock.is_none() && self.held.connection().is_in_transaction() {
                    // To ask for a table that is not there would end the caller's transaction.
                    for row in self.rows(std::mem::take(&mut message)).await? {
                        self.facts = Some(Facts::read(&row, &store.table).map_err(|error| cause(&error))?);
                    }
                    if !self.facts().present {
                        return Ok((false, History::Absent));
                    }
                }
                store.table.clone()
            }
        };
        message.push_str(&sql::history(&table, &store.set));

        let mut locked = false;
        let mut rows = Vec::new();
        let mut facts = None;
        let mut absent = false;
        let each = |answer: Either<_, PgRow>| {
            let Either::Right(row) = answer else { return Ok(()) };
            let read = |error| cause(&error);
            match row.columns().first().map(Column::name) {
                Some("locked") => locked = row.try_get("locked").map_err(read)?,
                Some("database") => facts = Some(Facts::read(&row, &store.table).map_err(read)?),
                _ => {
                    if let Some(text) = row.try_get::<Option<&str>, _>(0).map_err(read)? {
                        rows = store::rows(text, &table)?;
                    }
                }
            }
            Ok(())
        };
        match self.ask(message, each).await {
            Ok(()) => {}
            Err(cause) if cause.class == Class::Absent => absent = true,
            Err(cause) if cause.code.as_deref() == Some("SQLSTATE 42703") => {
                let message = format!("{table} is not a history table of Lockgate: {}", cause.message);
                return Err(Cause { class: Class::HistoryFormat, message, ..cause });
            }
            Err(cause) => return Err(cause),
        }
        if facts.is_some() {
            self.facts = facts;
        }
        Ok((locked, if absent { History::Absent } else { History::Present(rows) }))
    }

    async fn acquire(
        &mut self,
        request: LockRequest<'_>,
        on_wait: &mut (dyn FnMut(Option<String>) + Send),
    ) -> Result<History, LockFailure> {
        let facts = self.facts();
        if facts.read_only {
            let what = if facts.replica { "the server is a read-only replica" } else { "the session is read-only" };
            return Err(Cause::new(Class::ReadOnly, what).into());
        }
        if facts.table.schema.is_none() {
            let message = "no schema of the search path exists, so the history table has no place";
            return Err(Cause::new(Class::Usage, message).into());
        }
        if facts.in_transaction || self.held.connection().is_in_transaction() {
            let message = "the connection is inside a transaction of its own: end it first";
            return Err(Cause::new(Class::Usage, message).into());
        }
        let key = key(self.facts(), &request.store.set);
        let session = !self.held.is_borrowed() || request.outside;
        let deadline = Instant::now() + request.limits.lock_wait;
        let mut told = false;
        let mut attempt = 0;
        let history = loop {
            // Set before the message: should this future be dropped while the answer is on its way,
            // the lock may be held already.
            self.lock = if session { Lock::Session(key) } else { Lock::Transaction(key) };
            let (free, history) = if session {
                self.look(request.store, Some(key)).await?
            } else {
                let history = self.look(request.store, None).await?.1;
                (self.holder(key).await?.is_none(), history)
            };
            if free {
                break history;
            }
            self.lock = Lock::None;
            let holder = if !told || Instant::now() >= deadline { self.holder(key).await? } else { None };
            if Instant::now() >= deadline {
                return Err(LockFailure::Held { holder });
            }
            if !told {
                told = true;
                on_wait(holder);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(backoff(attempt, Duration::from_millis(50), Duration::from_millis(500)).min(left)).await;
            attempt += 1;
        };
        self.absent = history == History::Absent;
        self.create = self.absent;
        self.limits = Some(request.limits);
        self.whole_run = request.atomicity == Atomicity::WholeRun;
        if request.session_state {
            self.settings = Some(self.session_settings().await?);
        }
        Ok(history)
    }

    async fn holder(&mut self, key: i64) -> Result<Option<String>, Cause> {
        let rows = self.rows(sql::holder(key)).await?;
        Ok(rows.first().and_then(|row| row.try_get("holder").ok()))
    }

    /// The indexes that are INVALID: by their oid, their name, and as SQL names them.
    async fn invalid_indexes(&mut self) -> Result<Vec<(i64, String, String)>, Cause> {
        let rows = self.rows(sql::INVALID.to_owned()).await?;
        let read =
            |row: &PgRow| Some((row.try_get("oid").ok()?, row.try_get("name").ok()?, row.try_get("shown").ok()?));
        Ok(rows.iter().filter_map(read).collect())
    }

    async fn session_settings(&mut self) -> Result<Vec<(String, String)>, Cause> {
        let rows = self.rows(sql::SESSION_SETTINGS.to_owned()).await?;
        let read = |row: &PgRow| Some((row.try_get("name").ok()?, row.try_get("setting").ok()?));
        Ok(rows.iter().filter_map(read).collect())
    }

    async fn let_go(&mut self, ending: Ending) -> Result<(), Cause> {
        let mut committed = Ok(());
        if self.open {
            self.open = false;
            let end = match ending {
                Ending::Keep => "COMMIT",
                Ending::Stop => "ROLLBACK",
            };
            committed = self.execute(end.to_owned()).await;
        }
        let statements = self.farewell();
        // Where this fails, dropping the value closes the session, and all of it goes with that.
        if statements.is_empty() || self.execute(statements.join("; ")).await.is_ok() {
            self.configured = false;
            self.lock = Lock::None;
        }
        committed
    }
}

/// The key of the advisory lock: made of the database, the history table and the set.
fn key(facts: &Facts, set: &str) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in format!("lockgate\0{}\0{}\0{set}", facts.database, facts.table).bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash.cast_signed()
}

impl Facts {
    fn read(row: &PgRow, table: &Table) -> Result<Self, sqlx::Error> {
        let schema: Option<String> = row.try_get("schema")?;
        let history_schema: Option<String> = row.try_get("history_schema")?;
        let place = history_schema.as_ref().or(schema.as_ref());
        Ok(Self {
            present: history_schema.is_some(),
            database: row.try_get("database")?,
            table: place.map_or_else(|| table.clone(), |schema| table.within(schema)),
            in_transaction: row.try_get::<String, _>("in_transaction")? == "true",
            read_only: row.try_get::<String, _>("read_only")? == "true",
            replica: row.try_get::<String, _>("replica")? == "true",
            lock_timeout: row.try_get("lock_timeout")?,
            statement_timeout: row.try_get("statement_timeout")?,
            synchronous_commit: row.try_get("synchronous_commit")?,
            client_min_messages: row.try_get("client_min_messages")?,
            role: row.try_get("role")?,
        })
    }
}

impl Backend for Backing<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn read<'a>(&'a mut self, store: &'a Store) -> BoxFuture<'a, Result<History, Cause>> {
        Box::pin(async move { Ok(self.look(store, None).await?.1) })
    }

    fn lock<'a>(
        &'a mut self,
        request: LockRequest<'a>,
        on_wait: &'a mut (dyn FnMut(Option<String>) + Send),
    ) -> BoxFuture<'a, Result<History, LockFailure>> {
        Box::pin(self.acquire(request, on_wait))
    }

    fn run<'a>(
        &'a mut self,
        store: &'a Store,
        jobs: &'a [Job],
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.run_jobs(store, jobs, progress))
    }

    fn run_outside<'a>(
        &'a mut self,
        store: &'a Store,
        job: &'a Job,
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.run_alone(store, job, progress))
    }

    fn log_failure<'a>(
        &'a mut self,
        store: &'a Store,
        entry: &'a Entry,
        message: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(async move {
            let log = sql::log(store, self.table(), entry, store::LogEvent::Failed, Some(message));
            // What was one transaction is undone; this is another.
            self.whole_run = false;
            let mut message = Message::default();
            self.prepare(store, &mut message);
            // Its commit waits for the disk, and so makes durable what was committed before.
            for statement in [BEGIN, &self.synchronous(), &log, "COMMIT"] {
                message.push(Slot::Setup, statement);
            }
            let sent = self.execute(message.sql).await;
            if let Err(cause) = &sent {
                self.undo(cause).await;
            }
            sent
        })
    }

    fn release(&mut self, ending: Ending) -> BoxFuture<'_, Result<(), Cause>> {
        Box::pin(self.let_go(ending))
    }

    fn invalid<'a>(&'a mut self, message: &'a str) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let Some(before) = self.invalid.take() else { return Vec::new() };
            let mut found = self.invalid_indexes().await.unwrap_or_default();
            found.retain(|(oid, name, _)| !before.contains(oid) || message.contains(&format!("\"{name}\"")));
            found.into_iter().map(|(_, _, shown)| shown).collect()
        })
    }

    #[cfg(feature = "schema")]
    fn read_schema<'a>(&'a mut self, own: &'a Table) -> BoxFuture<'a, Result<lockgate_schema::Schema, Cause>> {
        Box::pin(self.schema(own))
    }

    fn blockers(&mut self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let rows = self.rows(sql::BLOCKERS.to_owned()).await.unwrap_or_default();
            rows.iter().filter_map(|row| row.try_get("blocker").ok()).collect()
        })
    }
}

/// Whether it is unlocked cannot be proven without waiting: the connection goes, and the lock with
/// it. A connection of the caller's is sent the words that put it back, behind whatever is under way.
impl Drop for Backing<'_> {
    fn drop(&mut self) {
        let changed = self.lock != Lock::None || self.configured;
        if !self.held.is_borrowed() {
            if changed || self.lost || self.asked {
                self.held.abandon();
            }
            return;
        }
        if !changed || self.lost {
            return;
        }
        let mut words = vec!["ROLLBACK".to_owned()];
        if self.copying {
            // sqlx does not count the answer to a COPY that is broken off, and from then on whoever
            // asks is given the answer to the question before. No connection is better than that one.
            words.push("RESET SESSION AUTHORIZATION; SET ROLE NONE".to_owned());
            words.push("SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())".to_owned());
        }
        if let Lock::Session(key) = self.lock {
            // First, as the words behind a failing one are not heard. Taken more than once it is not.
            words.push(format!("SELECT pg_catalog.pg_advisory_unlock({key})"));
            if self.settings.is_some() {
                words.extend(self.restore_session());
            }
            words.push(format!("SET ROLE {}", self.role()));
            words.push(self.messages("SET", false));
            words.push(format!("SET lock_timeout = {}", literal(&self.facts().lock_timeout)));
            words.push(format!("SET statement_timeout = {}", literal(&self.facts().statement_timeout)));
        }
        // Of all that sqlx sends, the beginning of a transaction alone is queued before anything is
        // waited for. The first poll queues it and hands it to the socket; the answer is read by
        // whoever uses the connection next.
        let mut sent = pin!(self.held.connection().begin_with(AssertSqlSafe(words.join("; "))));
        let _ = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// A connection by URL.
pub(crate) async fn connect(options: &sqlx::postgres::PgConnectOptions) -> Result<PgConnection, Cause> {
    PgConnection::connect_with(options).await.map_err(|error| {
        let mut cause = cause(&error);
        if cause.class == Class::Lost {
            cause.class = Class::Unreachable;
        }
        cause
    })
}
