//! SQLite: one write transaction a run, which is also the lock; a savepoint a migration, so that a
//! failure keeps the ones before it and one flush pays for all.

mod cause;
mod sql;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use lockgate_core::{Action, Dialect, History, State};
use sqlx::{AssertSqlSafe, Connection, Either, Row, Sqlite, SqliteConnection};
use tokio::time::Instant;

use super::{
    Backend, BoxFuture, FailedAt, Failure, Job, LockFailure, LockRequest, OnProgress, Progress, Sql, Work, backoff,
};
use crate::Transaction;
use crate::error::{Cause, Class, chain};
use crate::migrations::StepFn;
use crate::session::Held;
use crate::store::{Entry, LogEvent, RawRow, Store};

pub(crate) use cause::cause;

/// SQLite copies all of the text that is left each time it prepares a statement of it: what is
/// longer than this is sent in pieces.
const PIECE_BYTES: usize = 16 * 1024;

const SAVEPOINT: &str = "lockgate_migration";

pub(crate) struct Backing<'a> {
    held: Held<'a, Sqlite>,
    /// Whether the write transaction is open.
    open: bool,
    /// Whether the connection enforced foreign keys and does not for the moment.
    unenforced: bool,
    /// Whether the tables are to be created before anything is written.
    create: bool,
    whole_run: bool,
    /// How long to wait for another writer.
    lock_wait: Duration,
}

impl<'a> Backing<'a> {
    pub(crate) fn new(held: Held<'a, Sqlite>) -> Self {
        Self { held, open: false, unenforced: false, create: false, whole_run: false, lock_wait: Duration::ZERO }
    }

    /// Runs SQL and gives each result to `on`. An error comes with the number of results before it.
    async fn send(&mut self, sql: String, mut on: impl FnMut(usize)) -> Result<(), (usize, Cause)> {
        let mut results = 0;
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(self.held.connection());
        loop {
            match stream.try_next().await {
                Ok(None) => return Ok(()),
                Ok(Some(Either::Right(_))) => {}
                Ok(Some(Either::Left(_))) => {
                    on(results);
                    results += 1;
                }
                Err(error) => return Err((results, cause(&error))),
            }
        }
    }

    async fn execute(&mut self, sql: impl Into<String>) -> Result<(), Cause> {
        self.send(sql.into(), |_| ()).await.map_err(|(_, cause)| cause)
    }

    async fn look(&mut self, store: &Store) -> Result<History, Cause> {
        let sql = sql::history(&store.table, &store.set);
        let rows = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(self.held.connection()).await {
            Ok(rows) => rows,
            Err(error) => {
                let cause = cause(&error);
                if cause.class == Class::Absent {
                    return Ok(History::Absent);
                }
                if cause.message.starts_with("no such column") {
                    let message = format!("{} is not a history table of Lockgate: {}", store.table, cause.message);
                    return Err(Cause { class: Class::HistoryFormat, message, ..cause });
                }
                return Err(cause);
            }
        };
        let read = |row| raw_row(row).map_err(|error| cause(&error))?.read(&store.table);
        Ok(History::Present(rows.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Opens the write transaction, which no one else can have at the same time.
    async fn begin(&mut self, on_wait: &mut (dyn FnMut(Option<String>) + Send)) -> Result<(), LockFailure> {
        let deadline = Instant::now() + self.lock_wait;
        let mut attempt = 0;
        loop {
            // Set before: should this future be dropped, the transaction may have begun already.
            self.open = true;
            let begun = self.execute("BEGIN IMMEDIATE").await;
            let Err(cause) = begun else { return Ok(()) };
            self.open = false;
            if cause.class != Class::LockTimeout {
                return Err(cause.into());
            }
            if Instant::now() >= deadline {
                return Err(LockFailure::Held { holder: None });
            }
            if attempt == 0 {
                on_wait(None);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(backoff(attempt, Duration::from_millis(10), Duration::from_millis(250)).min(left)).await;
            attempt += 1;
        }
    }

    async fn acquire(
        &mut self,
        request: LockRequest<'_>,
        on_wait: &mut (dyn FnMut(Option<String>) + Send),
    ) -> Result<History, LockFailure> {
        if request.store.table.schema.is_some() {
            let message = "SQLite knows no schemas: name the history table without one";
            return Err(Cause::new(Class::Usage, message).into());
        }
        if self.held.connection().is_in_transaction() {
            let message = "the connection is inside a transaction of its own: end it first";
            return Err(Cause::new(Class::Usage, message).into());
        }
        self.lock_wait = request.limits.lock_wait;
        self.whole_run = request.whole_run;
        self.begin(on_wait).await?;
        let history = self.look(request.store).await?;
        self.create = history == History::Absent;
        Ok(history)
    }

    /// Opens the write transaction again if a script had to run outside of it.
    async fn reopen(&mut self, store: &Store, job: &Job) -> Result<(), Cause> {
        if !self.open {
            match self.begin(&mut |_| ()).await {
                Ok(()) => {}
                Err(LockFailure::Cause(cause)) => return Err(cause),
                Err(LockFailure::Held { .. }) => {
                    return Err(Cause::new(Class::LockTimeout, "another connection holds the write lock"));
                }
            }
            // In between, another run may have come first.
            let history = self.look(store).await?;
            let recorded = history.row(job.entry.version).is_some();
            if recorded == matches!(job.action, Action::Apply | Action::Record) {
                return Err(Cause::new(Class::Overtaken, "another run came first"));
            }
        }
        if self.create {
            self.execute(sql::create(&store.table)).await?;
            self.create = false;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Cause> {
        if self.open {
            self.execute("COMMIT").await?;
            self.open = false;
        }
        Ok(())
    }

    fn bookkeeping(&self, store: &Store, job: &Job, began: SystemTime) -> String {
        let row = match job.action {
            Action::Apply | Action::Record | Action::ResumeApply { .. } => {
                let done = match &job.work {
                    Work::Script(sql) => u32::try_from(sql.statements.len()).unwrap_or(u32::MAX),
                    Work::Nothing | Work::Step(_) => 0,
                };
                sql::insert(store, &job.entry, State::Applied, done, began)
            }
            Action::Rewrite => sql::rewrite(store, &job.entry),
            Action::Revert | Action::ResumeRevert { .. } | Action::Forget => sql::delete(store, &job.entry),
        };
        format!("{row}; {}", sql::log(store, &job.entry, job.log_event(), None))
    }

    async fn run_jobs(&mut self, store: &Store, jobs: &[Job], progress: OnProgress<'_>) -> Result<(), Failure> {
        for (index, job) in jobs.iter().enumerate() {
            progress(Progress::Started(index));
            let fail = |(at, cause)| Failure { job: index, at, cause };
            let unenforced = matches!(&job.work, Work::Script(sql) if sql.script.foreign_keys_off());
            if unenforced {
                self.run_unenforced(store, job).await.map_err(fail)?;
            } else {
                self.run_job(store, job).await.map_err(fail)?;
            }
            progress(Progress::Finished(index));
        }
        Ok(())
    }

    /// Runs a job in a savepoint of the write transaction.
    async fn run_job(&mut self, store: &Store, job: &Job) -> Result<(), (FailedAt, Cause)> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        self.reopen(store, job).await.map_err(bookkeeping)?;
        let done = match &job.work {
            Work::Nothing => {
                let sql = self.bookkeeping(store, job, SystemTime::now());
                self.execute(format!("SAVEPOINT {SAVEPOINT}; {sql}; RELEASE {SAVEPOINT}")).await.map_err(bookkeeping)
            }
            Work::Script(sql) => self.run_script(store, job, sql).await,
            Work::Step(function) => self.run_step(store, job, *function).await,
        };
        if done.is_err() {
            let undone = self.execute(format!("ROLLBACK TO {SAVEPOINT}; RELEASE {SAVEPOINT}")).await;
            // Some failures (a full disk, for one) end the whole transaction by themselves.
            if undone.is_err() || self.whole_run {
                let _ = self.execute("ROLLBACK").await;
                self.open = false;
            }
        }
        done
    }

    async fn run_script(&mut self, store: &Store, job: &Job, sql: &Sql) -> Result<(), (FailedAt, Cause)> {
        let began = SystemTime::now();
        let mut first = 0;
        let mut text = format!("SAVEPOINT {SAVEPOINT};");
        let mut own = 1;
        loop {
            let last = piece(sql, first);
            if let (Some(from), Some(to)) = (sql.statements.get(first), sql.statements[..last].last()) {
                text.push('\n');
                text.push_str(&sql.text[from.range.start..to.range.end]);
            }
            let ends = last == sql.statements.len();
            if ends {
                let bookkeeping = self.bookkeeping(store, job, began);
                text.push_str(&format!("\n; {bookkeeping}; RELEASE {SAVEPOINT}"));
            }
            if let Err((results, cause)) = self.send(std::mem::take(&mut text), |_| ()).await {
                let at = match results.checked_sub(own) {
                    Some(index) if first + index < last => FailedAt::Statement { index: first + index, byte: None },
                    Some(_) | None => FailedAt::Bookkeeping,
                };
                return Err((at, cause));
            }
            if ends {
                return Ok(());
            }
            (first, own) = (last, 0);
        }
    }

    async fn run_step(&mut self, store: &Store, job: &Job, function: StepFn) -> Result<(), (FailedAt, Cause)> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        let began = SystemTime::now();
        self.execute(format!("SAVEPOINT {SAVEPOINT}")).await.map_err(bookkeeping)?;
        let mut transaction = Transaction::on_sqlite(self.held.connection());
        if let Err(error) = function(&mut transaction).await {
            let cause = match error.downcast_ref::<sqlx::Error>() {
                Some(error) => cause(error),
                None => Cause::new(Class::Other, chain(&*error)),
            };
            return Err((FailedAt::Step, cause));
        }
        // Without its savepoint, what the function did may be committed already.
        let sql = self.bookkeeping(store, job, began);
        self.execute(format!("RELEASE {SAVEPOINT}; SAVEPOINT {SAVEPOINT}")).await.map_err(|cause| {
            let message = "the function ended the transaction that it was given: what it did may be committed";
            (FailedAt::Step, Cause { message: message.to_owned(), ..cause })
        })?;
        self.execute(format!("{sql}; RELEASE {SAVEPOINT}")).await.map_err(bookkeeping)
    }

    /// Runs a job while foreign keys are not enforced, the only safe way: the pragma has no effect
    /// inside a transaction, so the job gets one of its own, and what it breaks is found before it
    /// is committed.
    async fn run_unenforced(&mut self, store: &Store, job: &Job) -> Result<(), (FailedAt, Cause)> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        self.reopen(store, job).await.map_err(bookkeeping)?;
        if !self.enforces().await.map_err(bookkeeping)? {
            return self.run_job(store, job).await;
        }
        self.commit().await.map_err(bookkeeping)?;
        self.unenforced = true;
        self.execute("PRAGMA foreign_keys = OFF").await.map_err(bookkeeping)?;
        let done = self.run_checked(store, job).await;
        if done.is_err() && self.open {
            // Only this job is in the transaction.
            let _ = self.execute("ROLLBACK").await;
            self.open = false;
        }
        self.execute("PRAGMA foreign_keys = ON").await.map_err(bookkeeping)?;
        self.unenforced = false;
        done
    }

    async fn run_checked(&mut self, store: &Store, job: &Job) -> Result<(), (FailedAt, Cause)> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        self.reopen(store, job).await.map_err(bookkeeping)?;
        let before = self.violations().await.map_err(bookkeeping)?;
        self.run_job(store, job).await?;
        let after = self.violations().await.map_err(bookkeeping)?;
        let new: Vec<&String> = after.iter().filter(|violation| !before.contains(violation)).collect();
        if !new.is_empty() {
            let shown: Vec<&str> = new.iter().take(5).map(|violation| violation.as_str()).collect();
            let message = format!("{} foreign keys point to rows that are not there: {}", new.len(), shown.join("; "));
            return Err((FailedAt::ForeignKeys, Cause::new(Class::Other, message)));
        }
        self.commit().await.map_err(bookkeeping)
    }

    async fn enforces(&mut self) -> Result<bool, Cause> {
        let row = sqlx::raw_sql("PRAGMA foreign_keys").fetch_one(self.held.connection()).await;
        row.and_then(|row| row.try_get::<i64, _>(0)).map(|on| on != 0).map_err(|error| cause(&error))
    }

    async fn violations(&mut self) -> Result<Vec<String>, Cause> {
        let rows = sqlx::raw_sql("PRAGMA foreign_key_check").fetch_all(self.held.connection()).await;
        let rows = rows.map_err(|error| cause(&error))?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<String, sqlx::Error> {
            let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
            let row_id: Option<i64> = row.try_get(1)?;
            let key: i64 = row.try_get(3)?;
            let row_id = row_id.map_or_else(|| "a row".to_owned(), |id| format!("row {id}"));
            Ok(format!("{row_id} of {table} to {parent} (key {key})"))
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| cause(&error))
    }

    async fn run_alone(&mut self, store: &Store, job: &Job, progress: OnProgress<'_>) -> Result<(), Failure> {
        let Work::Script(sql) = &job.work else { return Ok(()) };
        progress(Progress::Started(0));
        let bookkeeping = |cause| Failure { job: 0, at: FailedAt::Bookkeeping, cause };
        let going_up = matches!(job.action, Action::Apply | Action::ResumeApply { .. });
        let state = if going_up { State::Partial } else { State::Reverting };
        let done = job.statements_done();
        let total = u32::try_from(sql.statements.len()).unwrap_or(u32::MAX);

        self.reopen(store, job).await.map_err(bookkeeping)?;
        let first = match job.action {
            Action::Apply => sql::insert(store, &job.entry, State::Partial, 0, SystemTime::now()),
            _ => sql::advance(store, &job.entry, state, done),
        };
        self.execute(first).await.map_err(bookkeeping)?;
        self.commit().await.map_err(bookkeeping)?;

        let mut finished = done;
        for (index, statement) in sql.statements.iter().enumerate().skip(done as usize) {
            let code = &sql.text[statement.range.clone()];
            let at = FailedAt::Statement { index, byte: None };
            self.execute(code).await.map_err(|cause| Failure { job: 0, at, cause })?;
            finished += 1;
            if finished < total {
                let advance = sql::advance(store, &job.entry, state, finished);
                self.execute(advance).await.map_err(bookkeeping)?;
            }
            progress(Progress::Statement(0, finished));
        }
        let row = match going_up {
            true => sql::advance(store, &job.entry, State::Applied, total),
            false => sql::delete(store, &job.entry),
        };
        let log = sql::log(store, &job.entry, job.log_event(), None);
        match self.begin(&mut |_| ()).await {
            Ok(()) => {}
            Err(LockFailure::Cause(cause)) => return Err(bookkeeping(cause)),
            Err(LockFailure::Held { .. }) => {
                let message = "another connection holds the write lock";
                return Err(bookkeeping(Cause::new(Class::LockTimeout, message)));
            }
        }
        self.execute(format!("{row}; {log}")).await.map_err(bookkeeping)?;
        progress(Progress::Finished(0));
        Ok(())
    }

    async fn let_go(&mut self, failed: bool) -> Result<(), Cause> {
        if failed && self.whole_run && self.open {
            let _ = self.execute("ROLLBACK").await;
            self.open = false;
        }
        if let Err(cause) = self.commit().await {
            let _ = self.execute("ROLLBACK").await;
            self.open = false;
            return Err(cause);
        }
        Ok(())
    }
}

/// The statement behind the last one of the piece that begins with this one.
fn piece(sql: &Sql, first: usize) -> usize {
    let Some(start) = sql.statements.get(first).map(|statement| statement.range.start) else { return first };
    let rest = &sql.statements[first..];
    first + rest.partition_point(|statement| statement.range.end - start <= PIECE_BYTES).max(1)
}

fn raw_row(row: &sqlx::sqlite::SqliteRow) -> Result<RawRow, sqlx::Error> {
    Ok(RawRow {
        version: row.try_get("version")?,
        name: row.try_get("name")?,
        checksum: row.try_get("checksum")?,
        state: row.try_get("state")?,
        statements_done: row.try_get("statements_done")?,
        applied_at: row.try_get("applied_at")?,
        elapsed_ms: row.try_get("elapsed_ms")?,
        applied_by: row.try_get("applied_by")?,
        application: row.try_get("application")?,
        lockgate: row.try_get("lockgate")?,
    })
}

impl Backend for Backing<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn read<'a>(&'a mut self, store: &'a Store) -> BoxFuture<'a, Result<History, Cause>> {
        Box::pin(self.look(store))
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
            if self.create {
                self.execute(sql::create(&store.table)).await?;
                self.create = false;
            }
            self.execute(sql::log(store, entry, LogEvent::Failed, Some(message))).await
        })
    }

    fn release(&mut self, failed: bool) -> BoxFuture<'_, Result<(), Cause>> {
        Box::pin(self.let_go(failed))
    }

    fn blockers(&mut self) -> BoxFuture<'_, Vec<String>> {
        // A file does not know who has it open.
        Box::pin(async { Vec::new() })
    }
}

/// What is open is rolled back, and foreign keys are enforced again: by closing the connection, or,
/// where it is the caller's, by handing its worker thread the words without waiting for the answer.
impl Drop for Backing<'_> {
    fn drop(&mut self) {
        if !self.open && !self.unenforced {
            return;
        }
        if !self.held.is_borrowed() {
            self.held.abandon();
            return;
        }
        for sql in [self.open.then_some("ROLLBACK"), self.unenforced.then_some("PRAGMA foreign_keys = ON")] {
            let Some(sql) = sql else { continue };
            // The first poll puts the command into the worker's queue, where it runs in its turn
            // whether or not anybody waits for it.
            let mut sent = pin!(sqlx::raw_sql(sql).execute(self.held.connection()));
            let _ = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// A connection by URL.
pub(crate) async fn connect(options: &sqlx::sqlite::SqliteConnectOptions) -> Result<SqliteConnection, Cause> {
    SqliteConnection::connect_with(options).await.map_err(|error| cause(&error))
}
