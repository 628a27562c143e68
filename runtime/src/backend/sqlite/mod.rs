//! SQLite. Each run is one write transaction, which is also the lock. Each migration is a savepoint in it, so that a
//! failure keeps the migrations before it and one flush is enough for all.

#[cfg(feature = "adopt")]
mod adopt;
mod cause;
mod depth;
#[cfg(feature = "operations")]
mod doctor;
mod foreign_keys;
#[cfg(feature = "operations")]
mod look;
mod outside_transaction;
mod owner;
mod run;
#[cfg(feature = "schema")]
mod schema;
mod session;
mod sql;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::TryStreamExt;
#[cfg(feature = "databases")]
use lockgate_core::mirror::Identity;
use lockgate_core::{Atomicity, Dialect, History, Set, Stage, State, other_tools};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Either, Row, Sqlite, SqliteConnection};

use super::{
    Backend, BoxFuture, Deadline, FailedAt, Failure, Intent, Job, LockFailure, LockRequest, OnProgress, Pace, RunEnd,
    backoff, chance,
};
use crate::error::{Cause, Class};
#[cfg(feature = "operations")]
use crate::finding::{Examination, Finding};
use crate::history_table::{self, HistoryEntry, HistoryTable, LogEvent};
#[cfg(feature = "operations")]
use crate::log::LogEntry;
use crate::session::HeldConnection;
#[cfg(feature = "operations")]
use crate::table_size::TableSize;

pub(crate) use cause::cause;
#[cfg(feature = "operations")]
pub(crate) use doctor::missing;

/// SQLite copies the rest of the text each time it prepares a statement, so longer texts are sent in pieces of this
/// size.
const PIECE_BYTES: usize = 16 * 1024;

/// The busy timeout that sqlx gives a connection.
const USUAL_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `SQLITE_ERROR`, for example for a statement that cannot be prepared.
const WRONG: &str = "SQLite code 1";

/// The message if the caller's connection is inside a transaction.
const INSIDE: &str = "the connection is inside a transaction: end it first";

/// Where a job failed, and why.
type JobError = (FailedAt, Cause);

/// Hears which statement of a script, counted from 0, is sent.
type OnStatement<'a> = &'a mut (dyn FnMut(usize) + Send);

pub(crate) struct SqliteBackend<'a> {
    held: HeldConnection<'a, Sqlite>,
    /// The name of our savepoints, random so that no script can release them. It is also the owner of a script outside
    /// a transaction.
    savepoint: String,
    /// Whether the write transaction is open.
    open: bool,
    /// Whether a script may have its own transaction open.
    block: bool,
    /// Whether foreign keys are off for now and must be turned on again.
    foreign_keys_off: bool,
    /// Whether the tables must be created before anything is written.
    create: bool,
    /// Whether no committed transaction has created them yet.
    absent: bool,
    /// Whether there was no history at the last read.
    fresh: bool,
    /// The history table that was read last, if it could be.
    #[cfg(feature = "operations")]
    read_table: Option<history_table::TableName>,
    /// Whether the history table has the columns that the first releases lacked.
    later: bool,
    atomicity: Atomicity,
    pace: Pace,
    /// Until when reading may wait, until the write transaction begins.
    reads_until: Option<Deadline>,
    /// How long to wait for another writer.
    lock_wait: Duration,
    /// The connection's own busy timeout in milliseconds, while another is set.
    busy_timeout: Option<i64>,
    /// The claim that keeps other runs from running scripts outside a transaction.
    claim: Option<owner::Claim>,
    /// The saved state of the connection, while a job may change it.
    session: Option<session::Session>,
    /// What that job may change.
    changed: session::Changed,
    /// Why the connection could not be restored.
    unclean: Option<Cause>,
    /// Whether a job that may change the connection ran.
    dirty: bool,
    /// The file of the database, once known. The inner value is `None` for a database without a file.
    file: Option<Option<String>>,
    /// Whether the history table has a trigger, once known.
    triggers: Option<bool>,
    /// Whether the connection is lost.
    lost: bool,
}

/// The backend on this connection.
pub(crate) fn backend<'a>(held: HeldConnection<'a, Sqlite>) -> Box<dyn Backend + 'a> {
    Box::new(SqliteBackend::new(held))
}

impl<'a> SqliteBackend<'a> {
    fn new(held: HeldConnection<'a, Sqlite>) -> Self {
        Self {
            held,
            savepoint: format!("lockgate_{:016x}{:016x}", chance(), chance()),
            open: false,
            block: false,
            foreign_keys_off: false,
            create: false,
            absent: false,
            fresh: false,
            #[cfg(feature = "operations")]
            read_table: None,
            later: true,
            atomicity: Atomicity::PerMigration,
            pace: Pace::Whole,
            reads_until: None,
            lock_wait: Duration::ZERO,
            busy_timeout: None,
            claim: None,
            session: None,
            changed: session::Changed::default(),
            unclean: None,
            dirty: false,
            file: None,
            triggers: None,
            lost: false,
        }
    }

    /// Whether the whole run is one transaction.
    fn is_one_transaction(&self) -> bool {
        self.atomicity == Atomicity::WholeRun
    }

    /// Runs SQL and returns the last text that it answered. An error comes with the number of results before it.
    async fn send(&mut self, sql: String) -> Result<Option<String>, (usize, Cause)> {
        let (mut results, mut answer) = (0, None);
        let mut stream = self.held.driver().fetch(sql);
        loop {
            match stream.try_next().await {
                Ok(None) => return Ok(answer),
                Ok(Some(Either::Right(row))) => answer = row.try_get(0).ok(),
                Ok(Some(Either::Left(_))) => results += 1,
                Err(error) => {
                    let cause = cause(&error);
                    self.lost |= cause.class == Class::Lost;
                    return Err((results, cause));
                }
            }
        }
    }

    async fn execute(&mut self, sql: impl Into<String>) -> Result<(), Cause> {
        self.send(sql.into()).await.map(|_| ()).map_err(|(_, cause)| cause)
    }

    async fn read_history(&mut self, history_table: &HistoryTable) -> Result<History, Cause> {
        if self.fresh {
            return self.diagnose(history_table, None).await;
        }
        match self.history(history_table, true).await {
            Ok(row) => {
                self.later = true;
                answered(history_table, &row)
            }
            Err(error) => self.diagnose(history_table, Some(cause(&error))).await,
        }
    }

    /// Like [`read_history`](Self::read_history), but returns `None` if exactly the migrations of this set are applied.
    async fn read_history_unless(&mut self, history_table: &HistoryTable, set: &Set) -> Result<Option<History>, Cause> {
        let sql = AssertSqlSafe(sql::head(&history_table.table.within("main"), &sql::in_sets(history_table)));
        match sqlx::raw_sql(sql).fetch_one(self.held.connection()).await {
            Ok(row) if is_head(&row, set) => Ok(None),
            Ok(_) => self.read_history(history_table).await.map(Some),
            Err(error) => self.diagnose(history_table, Some(cause(&error))).await.map(Some),
        }
    }

    /// Reads the history if it was missing or could not be read; looks into the catalogue to find out why.
    async fn diagnose(&mut self, history_table: &HistoryTable, cause: Option<Cause>) -> Result<History, Cause> {
        if let Some(cause) = cause.filter(|cause| cause.code.as_deref() != Some(WRONG)) {
            return Err(cause);
        }
        let (columns, other) = self.facts(history_table).await?;
        let Some(columns) = columns else {
            (self.later, self.fresh) = (true, true);
            return Ok(match other {
                None => History::Absent,
                Some(table) => {
                    let tool = other_tools::tool(&table).unwrap_or_default().to_owned();
                    History::Foreign { tool, table }
                }
            });
        };
        self.fresh = false;
        let lacks = |names: &'static str| {
            let mut names = names.split(", ");
            names.find(|name| !columns.to_lowercase().contains(&format!(",{name},")))
        };
        if let Some(column) = lacks("set_name").or_else(|| lacks(sql::COLUMNS)) {
            return Err(not_ours(history_table, &format!("it has no column {column}")));
        }
        self.later = lacks(sql::LATER).is_none();
        // Another run may have created the table meanwhile.
        let row = self.history(history_table, self.later).await.map_err(|error| self::cause(&error))?;
        answered(history_table, &row)
    }

    async fn history(&mut self, history_table: &HistoryTable, later: bool) -> Result<SqliteRow, sqlx::Error> {
        let sql = sql::history(&history_table.table.within("main"), &sql::in_sets(history_table), later);
        sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(self.held.connection()).await
    }

    /// The columns of the history table, and another tool's history table: see [`sql::facts`].
    async fn facts(&mut self, history_table: &HistoryTable) -> Result<(Option<String>, Option<String>), Cause> {
        let sql = AssertSqlSafe(sql::facts(&history_table.table));
        let row = sqlx::raw_sql(sql).fetch_one(self.held.connection()).await;
        row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?))).map_err(|error| cause(&error))
    }

    /// The file of the database, if it has one.
    async fn file(&mut self) -> Result<Option<String>, Cause> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let sql = "SELECT file FROM pragma_database_list WHERE name = 'main'";
        let row = sqlx::raw_sql(sql).fetch_one(self.held.connection()).await;
        let file: Option<String> = row.and_then(|row| row.try_get(0)).map_err(|error| cause(&error))?;
        let file = file.filter(|file| !file.is_empty());
        self.file = Some(file.clone());
        Ok(file)
    }

    /// Begins the write transaction, which only one connection can have.
    async fn begin(&mut self, on_wait: &mut (dyn FnMut(Option<String>) + Send)) -> Result<(), LockFailure> {
        self.begin_until(Deadline::after(self.lock_wait), false, on_wait).await
    }

    /// The same with a deadline. The driver learns of an `uncounted` transaction later: see [`depth::adopt`].
    async fn begin_until(
        &mut self,
        until: Deadline,
        uncounted: bool,
        on_wait: &mut (dyn FnMut(Option<String>) + Send),
    ) -> Result<(), LockFailure> {
        self.wait_at_most(Duration::ZERO).await?;
        let begun = self.begin_with_retries(until, uncounted, on_wait).await;
        self.wait_as_before().await;
        begun
    }

    /// Limits the connection's busy timeout for a read that may not wait as long.
    async fn hurry(&mut self) -> Result<(), Cause> {
        match self.reads_until {
            Some(deadline) if deadline.left() < USUAL_BUSY_TIMEOUT => self.wait_at_most(deadline.left()).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Limits the connection's busy timeout, so that the run waits by its own rules and can report the wait.
    async fn wait_at_most(&mut self, most: Duration) -> Result<(), Cause> {
        let own = self.number("PRAGMA busy_timeout").await?;
        self.busy_timeout = Some(own);
        let most = own.min(i64::try_from(most.as_millis()).unwrap_or(i64::MAX));
        self.execute(format!("PRAGMA busy_timeout = {most}")).await
    }

    /// Restores the connection's busy timeout. If this fails, `drop` tries again or closes the connection.
    async fn wait_as_before(&mut self) {
        let Some(own) = self.busy_timeout else { return };
        if self.execute(format!("PRAGMA busy_timeout = {own}")).await.is_ok() {
            self.busy_timeout = None;
        }
    }

    async fn begin_with_retries(
        &mut self,
        until: Deadline,
        uncounted: bool,
        on_wait: &mut (dyn FnMut(Option<String>) + Send),
    ) -> Result<(), LockFailure> {
        let mut attempt = 0;
        loop {
            let begun = if uncounted {
                // If this future is dropped, our `drop` rolls it back.
                self.open = true;
                self.execute("BEGIN IMMEDIATE").await
            } else {
                // If this future is dropped, the driver rolls it back.
                depth::begin(self.held.connection()).await.map_err(|error| cause(&error))
            };
            self.open = begun.is_ok();
            let Err(cause) = begun else { return Ok(()) };
            self.lost |= cause.class == Class::Lost;
            if cause.code.as_deref() == Some(WRONG) {
                // A transaction that the driver does not know is open. BEGIN has no other reason to fail so.
                return Err(Cause::new(Class::Usage, INSIDE).into());
            }
            if cause.class != Class::LockTimeout {
                return Err(cause.into());
            }
            if until.is_over() {
                return Err(LockFailure::Held { holder: None });
            }
            if attempt == 0 {
                on_wait(None);
            }
            let delay = backoff(attempt, Duration::from_millis(10), Duration::from_millis(250)).min(until.left());
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
    }

    async fn acquire(
        &mut self,
        request: LockRequest<'_>,
        on_wait: &mut (dyn FnMut(Option<String>) + Send),
    ) -> Result<History, LockFailure> {
        if request.history_table.table.schema.is_some() {
            let message = "SQLite knows no schemas: name the history table without one";
            return Err(Cause::new(Class::Usage, message).into());
        }
        if depth::depth(self.held.connection()) != 0 {
            return Err(Cause::new(Class::Usage, INSIDE).into());
        }
        self.lock_wait = request.limits.lock_wait;
        // From here on, the run waits by its own rules.
        self.reads_until = None;
        self.atomicity = request.atomicity;
        self.pace = request.pace;
        let until = request.deadline;
        let mut outside = request.outside;
        loop {
            if outside {
                self.wait_for_claim(until, on_wait).await?;
            }
            self.begin_until(until, self.fresh, on_wait).await?;
            self.check_journal().await?;
            let history = self.read_history(request.history_table).await?;
            // The owner of a script that stopped half way may still be running it.
            let stopped = history.rows().iter().any(|row| row.state != State::Applied);
            if !stopped || self.claimed().await? {
                self.absent = history.is_absent();
                self.create = self.absent;
                return Ok(history);
            }
            self.roll_back().await;
            outside = true;
        }
    }

    /// Checks that the connection has a journal. Without one SQLite rolls nothing back, and still reports success.
    async fn check_journal(&mut self) -> Result<(), Cause> {
        let journal = self.send("PRAGMA main.journal_mode".to_owned()).await.map_err(|(_, cause)| cause)?;
        if journal.is_none_or(|journal| !journal.eq_ignore_ascii_case("off")) {
            return Ok(());
        }
        self.roll_back().await;
        let message = "the connection keeps no journal (`PRAGMA journal_mode = OFF`): what fails could not be undone";
        Err(Cause::new(Class::Usage, message)
            .with_advice("run `PRAGMA journal_mode = DELETE` on it, or `WAL`, then run again"))
    }

    /// Makes the driver count the write transaction, if it does not yet.
    pub(super) async fn count(&mut self) -> Result<(), Cause> {
        if !self.open || depth::depth(self.held.connection()) != 0 {
            return Ok(());
        }
        depth::adopt(self.held.connection(), "SELECT 1".to_owned()).await.map_err(|error| cause(&error))
    }

    /// Commits the write transaction. If this fails, it is still open.
    async fn commit(&mut self) -> Result<(), Cause> {
        if !self.open {
            return Ok(());
        }
        self.count().await?;
        self.wait_at_most(Duration::ZERO).await?;
        let committed = self.commit_with_retries().await;
        self.wait_as_before().await;
        committed
    }

    async fn commit_with_retries(&mut self) -> Result<(), Cause> {
        let mut readers = Readers::outwaited(self.lock_wait);
        loop {
            let Err(error) = depth::commit(self.held.connection()).await else {
                (self.open, self.absent) = (false, self.create);
                return Ok(());
            };
            let cause = cause(&error);
            self.lost |= cause.class == Class::Lost;
            readers.pause(cause).await?;
        }
    }

    /// Rolls back the write transaction, and whatever else is open.
    async fn roll_back(&mut self) {
        for _ in 0..16 {
            let within = depth::depth(self.held.connection());
            if within == 0 {
                break;
            }
            if depth::roll_back(self.held.connection()).await.is_err() {
                // SQLite or a script has ended it, but the driver still counts it: give it something to roll back.
                let begin = match within {
                    1 => "BEGIN".to_owned(),
                    deep => format!("SAVEPOINT {}", depth::savepoint(deep - 1)),
                };
                let _ = self.execute(begin).await;
            }
        }
        self.lost |= depth::depth(self.held.connection()) != 0;
        // The driver does not know a transaction that a script began.
        let _ = self.execute("ROLLBACK").await;
        (self.open, self.block, self.create) = (false, false, self.absent);
    }

    async fn number(&mut self, asked: impl Into<String>) -> Result<i64, Cause> {
        let row = sqlx::raw_sql(AssertSqlSafe(asked.into())).fetch_one(self.held.connection()).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| cause(&error))
    }

    async fn log_failed(
        &mut self,
        history_table: &HistoryTable,
        entry: &HistoryEntry,
        message: &str,
    ) -> Result<(), Cause> {
        // The rollback at the end of the run would also remove the log row.
        if self.is_one_transaction() && self.open {
            self.roll_back().await;
        }
        let log = sql::log(history_table, entry, LogEvent::Failed, Some(message), None);
        if self.open {
            return self.execute(log).await;
        }
        let create = if self.create { sql::create(&history_table.table) } else { String::new() };
        self.wait_at_most(self.lock_wait).await?;
        let logged = self.execute(format!("BEGIN IMMEDIATE; {create}; {log}; COMMIT")).await;
        if logged.is_err() {
            let _ = self.execute("ROLLBACK").await;
        }
        self.wait_as_before().await;
        logged
    }

    /// Logs within the write transaction of the run that follows: neither is there without the other.
    async fn log_overridden(
        &mut self,
        history_table: &HistoryTable,
        entry: &HistoryEntry,
        why: &str,
    ) -> Result<(), Cause> {
        if self.create {
            self.execute(sql::create(&history_table.table)).await?;
        }
        self.execute(sql::log(history_table, entry, LogEvent::Overridden, Some(why), None)).await
    }

    async fn application_id(&mut self) -> Result<i32, Cause> {
        let id = self.number("PRAGMA main.application_id").await?;
        Ok(i32::try_from(id).unwrap_or_default())
    }

    async fn set_application_id(&mut self, stage: Stage) -> Result<(), Cause> {
        let id = self.application_id().await?;
        if id != 0 && Stage::of_application_id(id).is_none() {
            let message = format!("the file already has the `application_id` {id}, which another program has set");
            return Err(Cause::new(Class::Usage, message)
                .with_advice("if no program needs it, run `PRAGMA application_id = 0`, then mark the database again"));
        }
        self.execute(format!("PRAGMA main.application_id = {}", stage.application_id())).await
    }

    async fn end_run(&mut self, run_end: RunEnd) -> Result<(), Cause> {
        if run_end == RunEnd::Stopped && self.is_one_transaction() && self.open {
            self.roll_back().await;
        }
        let committed = self.commit().await;
        if committed.is_err() {
            self.roll_back().await;
        }
        self.restore_session().await;
        self.claim = None;
        if self.dirty {
            // `must_close` needs to know whether there is a file.
            let _ = self.file().await;
        }
        committed?;
        // No other job will run on it, but the caller goes on using it.
        match self.unclean.take_if(|_| self.held.is_borrowed()) {
            Some(cause) => Err(Cause { class: Class::Unclean, ..cause }),
            None => Ok(()),
        }
    }

    /// Whether our own connection must be closed instead of reused.
    fn must_close(&self) -> bool {
        let under_way = self.open || self.block || self.foreign_keys_off || self.busy_timeout.is_some();
        let in_file = matches!(self.file, Some(Some(_)));
        under_way || self.lost || self.session.is_some() || ((self.dirty || self.unclean.is_some()) && in_file)
    }
}

/// Waits for readers that keep a COMMIT from writing.
struct Readers {
    until: Deadline,
    attempt: u32,
}

impl Readers {
    /// Waits this long in all.
    fn outwaited(wait: Duration) -> Self {
        Self { until: Deadline::after(wait), attempt: 0 }
    }

    /// Waits a moment if readers are the cause. Fails for any other cause, and when the wait is over.
    async fn pause(&mut self, cause: Cause) -> Result<(), Cause> {
        if cause.class != Class::LockTimeout {
            return Err(cause);
        }
        if self.until.is_over() {
            return Err(Cause { class: Class::Held, ..cause });
        }
        let delay = backoff(self.attempt, Duration::from_millis(10), Duration::from_millis(250));
        tokio::time::sleep(delay.min(self.until.left())).await;
        self.attempt += 1;
        Ok(())
    }
}

/// Whether the answer of [`sql::head`] is that of a history in which exactly this set is applied.
fn is_head(row: &SqliteRow, set: &Set) -> bool {
    let text = |column: usize| row.try_get::<&str, _>(column);
    let (Ok(versions), Ok(names), Ok(checksums)) = (text(0), text(1), text(2)) else { return false };
    let has_key = row.try_get::<i64, _>(3).is_ok_and(|columns| columns == 2);
    has_key && set.applied_digest().is_some_and(|digest| sql::is_head(digest, versions, names, checksums))
}

/// Parses the answer of [`SqliteBackend::history`].
fn answered(history_table: &HistoryTable, row: &SqliteRow) -> Result<History, Cause> {
    let key: i64 = row.try_get(1).map_err(|error| cause(&error))?;
    if key != 2 {
        return Err(not_ours(history_table, "set and version are not its key: it is a view, or a copy"));
    }
    let text: Option<String> = row.try_get(0).map_err(|error| cause(&error))?;
    let rows = text.map_or(Ok(Vec::new()), |text| history_table::rows(&text, &history_table.table))?;
    Ok(History::Present(rows))
}

/// The error for another table with the name of the history table.
fn not_ours(history_table: &HistoryTable, why: &str) -> Cause {
    Cause::history_format(format!("{} is not a history table of Lockgate: {why}", history_table.table))
}

/// The same table in the schema `main`: not in an attached database, and not a temporary table.
fn main(history_table: &HistoryTable) -> HistoryTable {
    HistoryTable { table: history_table.table.within("main"), ..history_table.clone() }
}

impl Backend for SqliteBackend<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn expect(&mut self, _: Intent, deadline: Deadline) {
        self.reads_until = Some(deadline);
    }

    fn read<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<History, Cause>> {
        Box::pin(async move {
            self.hurry().await?;
            let history = self.read_history(history_table).await;
            self.wait_as_before().await;
            let history = history?;
            #[cfg(feature = "operations")]
            self.read_table.replace(history_table.table.clone());
            Ok(history)
        })
    }

    fn read_unless<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        set: &'a Set,
    ) -> BoxFuture<'a, Result<Option<History>, Cause>> {
        Box::pin(async move {
            self.hurry().await?;
            let history = self.read_history_unless(history_table, set).await;
            self.wait_as_before().await;
            history
        })
    }

    fn read_with_stage<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        _: &'a Set,
    ) -> BoxFuture<'a, Result<(History, Option<Stage>), Cause>> {
        Box::pin(async move {
            let history = self.read(history_table).await?;
            Ok((history, self.stage().await?))
        })
    }

    fn at_work<'a>(
        &'a mut self,
        _: &'a HistoryTable,
        _: &'a lockgate_core::Row,
    ) -> BoxFuture<'a, Result<Option<String>, Cause>> {
        Box::pin(async move { Ok(self.file().await?.and_then(|file| owner::holder(&file))) })
    }

    #[cfg(feature = "operations")]
    fn read_log<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        last: usize,
    ) -> BoxFuture<'a, Result<Vec<LogEntry>, Cause>> {
        Box::pin(async move { self.log(&main(history_table), last).await })
    }

    #[cfg(feature = "operations")]
    fn sizes<'a>(&'a mut self, tables: &'a [&'a str]) -> BoxFuture<'a, Result<Vec<TableSize>, Cause>> {
        Box::pin(self.table_sizes(tables))
    }

    #[cfg(feature = "operations")]
    fn objects<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<Vec<String>, Cause>> {
        Box::pin(self.other_objects(history_table))
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
        history_table: &'a HistoryTable,
        jobs: &'a [Job],
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.run_jobs(&main(history_table), jobs, progress).await })
    }

    fn run_outside<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        job: &'a Job,
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.run_alone(&main(history_table), job, progress).await })
    }

    fn log_failure<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        message: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(async move { self.log_failed(&main(history_table), entry, message).await })
    }

    fn log_override<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        why: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(async move { self.log_overridden(&main(history_table), entry, why).await })
    }

    #[cfg(feature = "operations")]
    fn drop_invalid_index<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<super::Dropped, Cause>> {
        Box::pin(async {
            let why = "SQLite leaves no INVALID index behind".to_owned();
            Ok(super::Dropped::Kept { why, help: crate::error::Wording::each(|_| "use `DROP INDEX`".to_owned()) })
        })
    }

    #[cfg(feature = "operations")]
    fn log_index_dropped<'a>(
        &'a mut self,
        _: &'a HistoryTable,
        _: &'a HistoryEntry,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(async { unreachable!("it drops none") })
    }

    fn stage(&mut self) -> BoxFuture<'_, Result<Option<Stage>, Cause>> {
        Box::pin(async move {
            self.hurry().await?;
            let id = self.application_id().await;
            self.wait_as_before().await;
            id.map(Stage::of_application_id)
        })
    }

    #[cfg(feature = "databases")]
    fn identity(&mut self) -> BoxFuture<'_, Result<Option<(String, Identity)>, Cause>> {
        Box::pin(async { Ok(None) })
    }

    #[cfg(feature = "operations")]
    fn examine(&mut self, examination: Examination) -> BoxFuture<'_, Result<Vec<Finding>, Cause>> {
        Box::pin(self.findings(examination))
    }

    fn mark(&mut self, stage: Stage) -> BoxFuture<'_, Result<(), Cause>> {
        Box::pin(async move {
            self.hurry().await?;
            let marked = self.set_application_id(stage).await;
            self.wait_as_before().await;
            marked
        })
    }

    fn release(&mut self, run_end: RunEnd) -> BoxFuture<'_, Result<(), Cause>> {
        Box::pin(self.end_run(run_end))
    }

    fn invalid(&mut self) -> BoxFuture<'_, Vec<String>> {
        // SQLite never leaves an invalid index.
        Box::pin(async { Vec::new() })
    }

    #[cfg(feature = "schema")]
    fn read_schema<'a>(
        &'a mut self,
        own: &'a history_table::TableName,
    ) -> BoxFuture<'a, Result<crate::backend::ReadSchema, Cause>> {
        Box::pin(self.schema(own))
    }

    fn blockers(&mut self) -> BoxFuture<'_, Vec<String>> {
        // SQLite does not know who has a file open.
        Box::pin(async { Vec::new() })
    }

    #[cfg(feature = "adopt")]
    fn tables(&mut self) -> BoxFuture<'_, Result<Vec<super::ForeignTable>, Cause>> {
        Box::pin(self.foreign_tables())
    }

    #[cfg(feature = "adopt")]
    fn table_rows<'a>(&'a mut self, table: &'a super::ForeignTable) -> BoxFuture<'a, Result<super::TextRows, Cause>> {
        Box::pin(self.foreign_rows(table))
    }

    #[cfg(feature = "adopt")]
    fn keep_out<'a>(
        &'a mut self,
        _: &'a HistoryTable,
        _: Option<&'a super::ForeignTable>,
        _: &'a (dyn Fn(&str) -> Vec<i64> + Send + Sync),
    ) -> BoxFuture<'a, Result<(), Cause>> {
        // The write transaction, which `lock` has begun, keeps everybody out.
        Box::pin(async { Ok(()) })
    }

    #[cfg(feature = "adopt")]
    fn last_events<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
    ) -> BoxFuture<'a, Result<Vec<(i64, String)>, Cause>> {
        Box::pin(self.last_logged(history_table))
    }

    #[cfg(feature = "adopt")]
    fn drop_if_empty<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.drop_empty_history(history_table))
    }
}

/// Rolls back what is open and restores the connection: by closing it, or, if it is the caller's, by queueing
/// statements for its worker thread without waiting for the answers.
impl Drop for SqliteBackend<'_> {
    fn drop(&mut self) {
        if !self.held.is_borrowed() {
            if self.must_close() {
                self.held.abandon();
            }
            return;
        }
        if self.open {
            for _ in 0..depth::depth(self.held.connection()) {
                depth::start_roll_back(self.held.connection());
            }
            // If a script ended the transaction, the driver still counts it: give it something to roll back.
            self.queue(["BEGIN".to_owned()]);
            depth::start_roll_back(self.held.connection());
        }
        if self.open || self.block {
            self.queue(["ROLLBACK".to_owned()]);
        }
        let words = [
            self.foreign_keys_off.then(|| "PRAGMA foreign_keys = ON".to_owned()),
            self.busy_timeout.map(|timeout| format!("PRAGMA busy_timeout = {timeout}")),
        ];
        self.queue(words.into_iter().flatten());
        if let Some(session) = self.session.take() {
            let words = session.blind(&self.changed);
            self.queue(words);
        }
    }
}

impl SqliteBackend<'_> {
    /// Queues statements for the connection's worker without waiting for the answers. Each is its own text: of several
    /// in one, the worker would run only the first.
    fn queue(&mut self, words: impl IntoIterator<Item = String>) {
        for sql in words {
            // The first poll puts the command into the worker's queue, where it runs whether or not anybody waits for
            // it.
            let mut sent = pin!(sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.held.connection()));
            let _ = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// Connects with these options.
pub(crate) async fn connect(options: &sqlx::sqlite::SqliteConnectOptions) -> Result<SqliteConnection, Cause> {
    SqliteConnection::connect_with(options).await.map_err(|error| cause(&error))
}
