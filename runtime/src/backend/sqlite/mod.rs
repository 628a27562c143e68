//! SQLite: one write transaction a run, which is also the lock; a savepoint a migration, so that a
//! failure keeps the ones before it and one flush pays for all.

mod cause;
#[cfg(feature = "schema")]
mod schema;
mod sql;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use lockgate_core::{Action, Atomicity, Dialect, Direction, History, State, other};
use sqlx::{AssertSqlSafe, Connection, Either, Row, Sqlite, SqliteConnection};
use tokio::time::Instant;

use super::{
    Backend, BoxFuture, Ending, FailedAt, Failure, Job, LockFailure, LockRequest, OnProgress, Progress, Sql, Work,
    backoff,
};
use crate::Transaction;
use crate::error::{Cause, Class, chain};
use crate::migrations::StepFn;
use crate::session::Held;
use crate::store::{self, Entry, LogEvent, Store};

pub(crate) use cause::cause;

/// SQLite copies all of the text that is left each time it prepares a statement of it: what is
/// longer than this is sent in pieces.
const PIECE_BYTES: usize = 16 * 1024;

const SAVEPOINT: &str = "lockgate_migration";

/// `SQLITE_CONSTRAINT_FOREIGNKEY`: of a COMMIT, a deferred key.
const DEFERRED: &str = "SQLite code 787";

pub(crate) struct Backing<'a> {
    held: Held<'a, Sqlite>,
    /// Whether the write transaction is open.
    open: bool,
    /// Whether the connection enforced foreign keys and does not for the moment.
    unenforced: bool,
    /// Whether the tables are to be created before anything is written.
    create: bool,
    /// Whether no committed transaction has created them yet.
    absent: bool,
    whole_run: bool,
    /// How long to wait for another writer.
    lock_wait: Duration,
    /// How long the connection itself waits, in ms, while that is set aside.
    busy_timeout: Option<i64>,
    /// Whether the connection is of no more use.
    lost: bool,
}

impl<'a> Backing<'a> {
    pub(crate) fn new(held: Held<'a, Sqlite>) -> Self {
        Self {
            held,
            open: false,
            unenforced: false,
            create: false,
            absent: false,
            whole_run: false,
            lock_wait: Duration::ZERO,
            busy_timeout: None,
            lost: false,
        }
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
                Err(error) => {
                    let cause = cause(&error);
                    self.lost |= cause.class == Class::Lost;
                    return Err((results, cause));
                }
            }
        }
    }

    async fn execute(&mut self, sql: impl Into<String>) -> Result<(), Cause> {
        self.send(sql.into(), |_| ()).await.map_err(|(_, cause)| cause)
    }

    async fn look(&mut self, store: &Store) -> Result<History, Cause> {
        let sql = sql::history(&store.table, &store.set);
        let row = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(self.held.connection()).await {
            Ok(row) => row,
            Err(error) => {
                let cause = cause(&error);
                if cause.class == Class::Absent {
                    return self.others().await;
                }
                if cause.message.starts_with("no such column") {
                    let message = format!("{} is not a history table of Lockgate: {}", store.table, cause.message);
                    return Err(Cause { class: Class::HistoryFormat, message, ..cause });
                }
                return Err(cause);
            }
        };
        let text: Option<String> = row.try_get(0).map_err(|error| cause(&error))?;
        let rows = text.map_or(Ok(Vec::new()), |text| store::rows(&text, &store.table))?;
        Ok(History::Present(rows))
    }

    /// What a database without a history of ours has: none, or another tool's.
    async fn others(&mut self) -> Result<History, Cause> {
        let row = sqlx::raw_sql(AssertSqlSafe(sql::others())).fetch_optional(self.held.connection()).await;
        let row = row.map_err(|error| cause(&error))?;
        let Some(table) = row.map(|row| row.try_get::<String, _>(0)).transpose().map_err(|error| cause(&error))? else {
            return Ok(History::Absent);
        };
        let tool = other::tool(&table).unwrap_or_default().to_owned();
        Ok(History::Foreign { tool, table })
    }

    /// Opens the write transaction, which no one else can have at the same time.
    async fn begin(&mut self, on_wait: &mut (dyn FnMut(Option<String>) + Send)) -> Result<(), LockFailure> {
        // How long the connection itself would wait is not what was asked for, and nobody could be
        // told meanwhile.
        let busy_timeout = self.number("PRAGMA busy_timeout").await?;
        self.busy_timeout = Some(busy_timeout);
        self.execute("PRAGMA busy_timeout = 0").await?;
        let begun = self.begin_within(on_wait).await;
        self.execute(format!("PRAGMA busy_timeout = {busy_timeout}")).await?;
        self.busy_timeout = None;
        begun
    }

    async fn begin_within(&mut self, on_wait: &mut (dyn FnMut(Option<String>) + Send)) -> Result<(), LockFailure> {
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
        self.whole_run = request.atomicity == Atomicity::WholeRun;
        self.begin(on_wait).await?;
        let history = self.look(request.store).await?;
        self.absent = history.is_absent();
        self.create = self.absent;
        Ok(history)
    }

    /// Opens the write transaction again if a script had to run outside of it.
    async fn reopen(&mut self, store: &Store, job: &Job) -> Result<(), (FailedAt, Cause)> {
        let begin = |cause| (FailedAt::Begin, cause);
        if !self.open {
            match self.begin(&mut |_| ()).await {
                Ok(()) => {}
                Err(LockFailure::Cause(cause)) => return Err(begin(cause)),
                Err(LockFailure::Held { .. }) => {
                    return Err(begin(Cause::new(Class::LockTimeout, "another connection holds the write lock")));
                }
            }
            // In between, another run may have come first.
            let history = self.look(store).await.map_err(begin)?;
            let recorded = history.row(job.entry.version).is_some();
            if recorded == matches!(job.action, Action::Apply | Action::Record) {
                return Err(begin(Cause::new(Class::Overtaken, "another run came first")));
            }
        }
        if self.create {
            // Both tables or none: a history table without its log would be one of an unknown format.
            let create = sql::create(&store.table);
            let created = self.execute(format!("SAVEPOINT {SAVEPOINT}; {create}; RELEASE {SAVEPOINT}")).await;
            if let Err(cause) = created {
                self.undo().await;
                return Err((FailedAt::Preparation, cause));
            }
            self.create = false;
        }
        Ok(())
    }

    /// Ends the write transaction. Where this fails, what is left of it is still open.
    async fn commit(&mut self) -> Result<(), Cause> {
        if !self.open {
            return Ok(());
        }
        let deadline = Instant::now() + self.lock_wait;
        let mut attempt = 0;
        loop {
            match self.execute("COMMIT").await {
                Ok(()) => {
                    (self.open, self.absent) = (false, self.create);
                    return Ok(());
                }
                // Somebody still reads what is to be written over.
                Err(cause) if cause.class == Class::LockTimeout && Instant::now() < deadline => {
                    tokio::time::sleep(backoff(attempt, Duration::from_millis(10), Duration::from_millis(250))).await;
                    attempt += 1;
                }
                Err(cause) => return Err(cause),
            }
        }
    }

    /// Undoes what stands in the savepoint; all of it, if all of the run is one.
    async fn undo(&mut self) {
        let undone = self.execute(format!("ROLLBACK TO {SAVEPOINT}; RELEASE {SAVEPOINT}")).await;
        // Some failures (a full disk, for one) end the whole transaction by themselves.
        if undone.is_err() || self.whole_run {
            self.roll_back().await;
        }
    }

    /// Undoes the write transaction, if SQLite has not done so by itself.
    async fn roll_back(&mut self) {
        let _ = self.execute("ROLLBACK").await;
        (self.open, self.create) = (false, self.absent);
    }

    /// Commits these jobs, the first of which has the index `first`. A deferred foreign key that
    /// points nowhere shows only now, and would take all of them with it: then each is run again
    /// with a commit of its own, so that those before the culprit stay.
    async fn settle(&mut self, store: &Store, jobs: &[Job], first: usize) -> Result<(), Failure> {
        let Err(cause) = self.commit().await else { return Ok(()) };
        self.roll_back().await;
        if cause.code.as_deref() != Some(DEFERRED) {
            return Err(Failure { job: first, at: FailedAt::Commit, cause });
        }
        for (index, job) in jobs.iter().enumerate() {
            let fail = |at, cause| Failure { job: first + index, at, cause };
            self.run_job(store, job).await.map_err(|(at, cause)| fail(at, cause))?;
            if let Err(cause) = self.commit().await {
                let broken = self.violations().await.unwrap_or_default();
                self.roll_back().await;
                let detail = (!broken.is_empty()).then(|| shown(&broken).into());
                return Err(fail(FailedAt::Commit, Cause { detail, ..cause }));
            }
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
        // The first job that is not committed.
        let mut first = 0;
        for (index, job) in jobs.iter().enumerate() {
            progress(Progress::Started(index));
            let fail = |(at, cause)| Failure { job: index, at, cause };
            let wants_off = matches!(&job.work, Work::Script(sql) if sql.script.foreign_keys_off());
            let ran = if wants_off && self.enforces().await.map_err(|cause| fail((FailedAt::Begin, cause)))? {
                self.settle(store, &jobs[first..index], first).await?;
                first = index + 1;
                self.run_unenforced(store, job).await
            } else {
                self.run_job(store, job).await
            };
            if let Err(failed) = ran {
                if let Some(before) = jobs.get(first..index)
                    && !self.whole_run
                {
                    self.settle(store, before, first).await?;
                }
                return Err(fail(failed));
            }
            progress(Progress::Finished(index));
        }
        if self.whole_run { Ok(()) } else { self.settle(store, &jobs[first..], first).await }
    }

    /// Runs a job in a savepoint of the write transaction.
    async fn run_job(&mut self, store: &Store, job: &Job) -> Result<(), (FailedAt, Cause)> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        self.reopen(store, job).await?;
        let done = match &job.work {
            Work::Nothing => {
                let sql = self.bookkeeping(store, job, SystemTime::now());
                self.execute(format!("SAVEPOINT {SAVEPOINT}; {sql}; RELEASE {SAVEPOINT}")).await.map_err(bookkeeping)
            }
            Work::Script(sql) => self.run_script(store, job, sql).await,
            Work::Step(function) => self.run_step(store, job, *function).await,
        };
        if done.is_err() {
            self.undo().await;
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
            let message = "its savepoint is gone";
            (FailedAt::StepEnded, Cause { message: message.to_owned(), ..cause })
        })?;
        self.execute(format!("{sql}; RELEASE {SAVEPOINT}")).await.map_err(bookkeeping)
    }

    /// Runs a job while foreign keys are not enforced, the only safe way: the pragma has no effect
    /// inside a transaction, so the job gets one of its own, and what it breaks is found before it
    /// is committed.
    async fn run_unenforced(&mut self, store: &Store, job: &Job) -> Result<(), (FailedAt, Cause)> {
        let begin = |cause| (FailedAt::Begin, cause);
        self.unenforced = true;
        self.execute("PRAGMA foreign_keys = OFF").await.map_err(begin)?;
        let done = self.run_checked(store, job).await;
        if done.is_err() && self.open {
            // Only this job is in the transaction.
            self.roll_back().await;
        }
        self.execute("PRAGMA foreign_keys = ON").await.map_err(begin)?;
        self.unenforced = false;
        done
    }

    async fn run_checked(&mut self, store: &Store, job: &Job) -> Result<(), (FailedAt, Cause)> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        self.reopen(store, job).await?;
        let before = self.violations().await.map_err(bookkeeping)?;
        self.run_job(store, job).await?;
        let after = self.violations().await.map_err(bookkeeping)?;
        let new: Vec<String> = after.into_iter().filter(|violation| !before.contains(violation)).collect();
        if !new.is_empty() {
            return Err((FailedAt::ForeignKeys, Cause::new(Class::Other, shown(&new))));
        }
        self.commit().await.map_err(|cause| (FailedAt::Commit, cause))
    }

    async fn enforces(&mut self) -> Result<bool, Cause> {
        Ok(self.number("PRAGMA foreign_keys").await? != 0)
    }

    async fn number(&mut self, pragma: &'static str) -> Result<i64, Cause> {
        let row = sqlx::raw_sql(pragma).fetch_one(self.held.connection()).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| cause(&error))
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
        let going_up = job.action.direction() == Some(Direction::Up);
        let state = if going_up { State::Partial } else { State::Reverting };
        let done = job.action.statements_done();
        let total = u32::try_from(sql.statements.len()).unwrap_or(u32::MAX);

        self.reopen(store, job).await.map_err(|(at, cause)| Failure { job: 0, at, cause })?;
        let first = match job.action {
            Action::Apply => sql::insert(store, &job.entry, State::Partial, 0, SystemTime::now()),
            _ => sql::advance(store, &job.entry, state, done, sql.finished(done)),
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
                // Nothing keeps another run from finishing it meanwhile, and what is applied stays so.
                let advance = sql::advance(store, &job.entry, state, finished, sql.finished(finished));
                self.execute(format!("{advance} AND state = '{}'", state.as_str())).await.map_err(bookkeeping)?;
            }
            progress(Progress::Statement(0, finished));
        }
        let row = match going_up {
            true => sql::advance(store, &job.entry, State::Applied, total, None),
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
        // What comes next runs in this transaction: the history must be the one that it was planned for.
        let history = self.look(store).await.map_err(bookkeeping)?;
        if history.row(job.entry.version).is_none_or(|row| row.state != state) {
            self.roll_back().await;
            return Err(bookkeeping(Cause::new(Class::Overtaken, "another run came first")));
        }
        self.execute(format!("{row}; {log}")).await.map_err(bookkeeping)?;
        progress(Progress::Finished(0));
        Ok(())
    }

    async fn let_go(&mut self, ending: Ending) -> Result<(), Cause> {
        if ending == Ending::Stop && self.whole_run && self.open {
            self.roll_back().await;
        }
        if let Err(cause) = self.commit().await {
            self.roll_back().await;
            return Err(cause);
        }
        Ok(())
    }
}

/// Foreign keys that point to rows that are not there, in one line.
fn shown(broken: &[String]) -> String {
    let first: Vec<&str> = broken.iter().take(5).map(String::as_str).collect();
    let more = if broken.len() > first.len() { "; …" } else { "" };
    let (count, keys) = (broken.len(), if broken.len() == 1 { "foreign key points" } else { "foreign keys point" });
    format!("{count} {keys} to rows that are not there: {}{more}", first.join("; "))
}

/// The statement behind the last one of the piece that begins with this one.
fn piece(sql: &Sql, first: usize) -> usize {
    let Some(start) = sql.statements.get(first).map(|statement| statement.range.start) else { return first };
    let rest = &sql.statements[first..];
    first + rest.partition_point(|statement| statement.range.end - start <= PIECE_BYTES).max(1)
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
            let log = sql::log(store, entry, LogEvent::Failed, Some(message));
            let create = if self.create { sql::create(&store.table) } else { String::new() };
            if self.open {
                return self.execute(log).await;
            }
            let logged = self.execute(format!("BEGIN IMMEDIATE; {create}; {log}; COMMIT")).await;
            if logged.is_err() {
                let _ = self.execute("ROLLBACK").await;
            }
            logged
        })
    }

    fn release(&mut self, ending: Ending) -> BoxFuture<'_, Result<(), Cause>> {
        Box::pin(self.let_go(ending))
    }

    fn invalid<'a>(&'a mut self, _message: &'a str) -> BoxFuture<'a, Vec<String>> {
        // SQLite builds an index whole or not at all.
        Box::pin(async { Vec::new() })
    }

    #[cfg(feature = "schema")]
    fn read_schema<'a>(&'a mut self, own: &'a store::Table) -> BoxFuture<'a, Result<lockgate_schema::Schema, Cause>> {
        Box::pin(self.schema(own))
    }

    fn blockers(&mut self) -> BoxFuture<'_, Vec<String>> {
        // A file does not know who has it open.
        Box::pin(async { Vec::new() })
    }
}

/// What is open is rolled back, and the connection is put back as it was: by closing it, or, where it
/// is the caller's, by handing its worker thread the words without waiting for the answer.
impl Drop for Backing<'_> {
    fn drop(&mut self) {
        let changed = self.open || self.unenforced || self.busy_timeout.is_some();
        if !self.held.is_borrowed() && (changed || self.lost) {
            self.held.abandon();
            return;
        }
        let words = [
            self.open.then(|| "ROLLBACK".to_owned()),
            self.unenforced.then(|| "PRAGMA foreign_keys = ON".to_owned()),
            self.busy_timeout.map(|timeout| format!("PRAGMA busy_timeout = {timeout}")),
        ];
        for sql in words.into_iter().flatten() {
            // The first poll puts the command into the worker's queue, where it runs in its turn
            // whether or not anybody waits for it.
            let mut sent = pin!(sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.held.connection()));
            let _ = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// A connection by URL.
pub(crate) async fn connect(options: &sqlx::sqlite::SqliteConnectOptions) -> Result<SqliteConnection, Cause> {
    SqliteConnection::connect_with(options).await.map_err(|error| cause(&error))
}
