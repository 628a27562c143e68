//! Runs a script outside a transaction, unit by unit. Each unit is recorded in its own transaction if that is possible.

use std::io::ErrorKind;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use lockgate_core::unit::{self, Control, control};
use lockgate_core::{Action, Dialect, State, StatementKind, UnitKind};

use super::run::failure;
use super::session::contains_any;
use super::sql::Advance;
use super::{JobError, Readers, SqliteBackend, owner, sql};
use crate::backend::backoff;
use crate::backend::{ALTERED, Deadline, FailedAt, Failure, Job, JobBody, LockFailure, OnProgress, Progress, Sql};
use crate::error::{Cause, Class};
use crate::history_table::HistoryTable;

impl SqliteBackend<'_> {
    /// Waits until this run is the only one that may run scripts outside a transaction.
    pub(super) async fn wait_for_claim(
        &mut self,
        until: Deadline,
        on_wait: &mut (dyn FnMut(Option<String>) + Send),
    ) -> Result<(), LockFailure> {
        let holder = || Some("another run, in the middle of a script outside a transaction".to_owned());
        let mut attempt = 0;
        while !self.claimed().await? {
            if until.is_over() {
                return Err(LockFailure::Held { holder: holder() });
            }
            if attempt == 0 {
                on_wait(holder());
            }
            let delay = backoff(attempt, Duration::from_millis(10), Duration::from_millis(250)).min(until.left());
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
        Ok(())
    }

    /// Whether this run is, or now becomes, the only one that may run scripts outside a transaction.
    pub(super) async fn claimed(&mut self) -> Result<bool, Cause> {
        if self.claim.is_some() {
            return Ok(true);
        }
        // Nobody else can see a database without a file.
        let Some(file) = self.file().await? else { return Ok(true) };
        let path = owner::beside(&file);
        self.claim = owner::claim(&path).map_err(|error| {
            let message = format!("{}, the lock file for scripts outside a transaction: {error}", path.display());
            let class = match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Class::ReadOnly,
                _ => Class::NoFile,
            };
            Cause::new(class, message).with_advice("make its folder writable for this user, then run again")
        })?;
        Ok(self.claim.is_some())
    }

    pub(super) async fn run_alone(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let JobBody::Sql(sql) = &job.body else { return Ok(()) };
        progress(Progress::Started(0..1));
        if let Some(cause) = self.unclean.take() {
            return Err(Failure::new(0, FailedAt::Begin, cause));
        }
        self.save_session(job).await.map_err(|cause| Failure::new(0, FailedAt::Begin, cause))?;
        let mut ran = self.run_units(history_table, job, sql, progress).await;
        if let Err((_, cause)) = &mut ran {
            self.blame_connection(cause).await;
            self.roll_back().await;
        }
        self.restore_session().await;
        // Another run may resume it now.
        self.claim = None;
        ran.map_err(|(at, cause)| failure(0, at, cause))
    }

    async fn run_units(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        sql: &Sql,
        progress: OnProgress<'_>,
    ) -> Result<(), JobError> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        let done = job.action.statements_done();
        let owner = self.savepoint.clone();
        let row = Recorded { job, sql, owner: &owner };

        // The plan at the start had no such script, so the run has no claim yet.
        if !self.claimed().await.map_err(bookkeeping)? {
            return Err((FailedAt::Begin, Cause::new(Class::Overtaken, "another run is working on it")));
        }
        self.reopen(history_table, job).await?;
        if job.action != Action::Apply {
            let history = self.read_history(history_table).await.map_err(bookkeeping)?;
            let under_way = history.row(job.entry.version).and_then(|row| row.under_way);
            if let Some(number) = under_way.filter(|number| *number > done) {
                let at = FailedAt::Statement { index: number as usize - 1, byte: None };
                return Err((at, Cause::in_doubt()));
            }
        }
        let lost = unit::lost(Dialect::Sqlite, &sql.text, &sql.statements, &sql.units(), 0..done as usize);
        if let Some(lost) = lost {
            return Err((FailedAt::Begin, Cause::new(Class::Other, lost.message(Dialect::Sqlite))));
        }
        let rows = self.rows_before(history_table, job).await.map_err(bookkeeping)?;
        let insert = match job.action {
            Action::Apply => {
                format!("{};", sql::insert(history_table, &job.entry, State::Partial, 0, SystemTime::now()))
            }
            _ => String::new(),
        };
        let advance = sql::advance(history_table, &job.entry, &row.at(done, None));
        self.execute(format!("{insert} {advance}")).await.map_err(bookkeeping)?;
        // Nobody else can write in between, so a missing row means that a trigger removed it.
        self.check_row(history_table, &row, done)
            .await
            .map_err(|(at, cause)| (at, Cause { class: Class::Other, ..cause }))?;
        self.check_row_count(history_table, rows.map(|rows| rows + i64::from(job.action == Action::Apply))).await?;
        self.commit().await.map_err(bookkeeping)?;

        for unit in sql.units() {
            let Range { start, end } = unit.statements.clone();
            let finished = u32::try_from(end).unwrap_or(u32::MAX);
            if finished <= done {
                // A new session needs these settings again.
                if unit.kind == UnitKind::Session {
                    self.statements(sql, start..end).await?;
                }
                continue;
            }
            progress(Progress::StatementStarted(0, start));
            match unit.kind {
                UnitKind::Transaction => {
                    self.open_again().await.map_err(bookkeeping)?;
                    let inner = format!("{owner}_script");
                    let rows = self.rows_before(history_table, job).await.map_err(bookkeeping)?;
                    self.execute(format!("SAVEPOINT {inner}")).await.map_err(bookkeeping)?;
                    self.statements(sql, start..end).await?;
                    self.execute(format!("RELEASE {inner}")).await.map_err(|cause| (FailedAt::Ended, cause))?;
                    self.check_row_count(history_table, rows).await?;
                    self.record_progress(history_table, &row, finished).await?;
                    self.check_row_count(history_table, rows.map(|rows| rows - row.gone(finished))).await?;
                    self.commit().await.map_err(|cause| (FailedAt::Commit, cause))?;
                }
                UnitKind::Block => self.run_block(history_table, &row, start..end).await?,
                UnitKind::Session | UnitKind::Alone => {
                    let again = unit.kind == UnitKind::Session || may_be_sent_again(sql, end - 1);
                    let before = u32::try_from(start).unwrap_or(u32::MAX);
                    if !again {
                        self.announce(history_table, &row, before, Some(finished)).await?;
                    }
                    if let Err(failed) = self.statements(sql, start..end).await {
                        if !again && failed.1.class != Class::Lost {
                            // It has certainly not taken effect.
                            self.announce(history_table, &row, before, None).await?;
                        }
                        return Err(failed);
                    }
                    self.open_again().await.map_err(bookkeeping)?;
                    self.record_progress(history_table, &row, finished).await?;
                    self.commit().await.map_err(bookkeeping)?;
                }
            }
            progress(Progress::Statement(0, finished));
        }
        if sql.statements.is_empty() {
            self.open_again().await.map_err(bookkeeping)?;
            self.record_progress(history_table, &row, 0).await?;
            self.commit().await.map_err(bookkeeping)?;
        }
        progress(Progress::Ran(0));
        progress(Progress::Committed(1));
        Ok(())
    }

    /// Records which statement is started next, or that none is.
    async fn announce(
        &mut self,
        history_table: &HistoryTable,
        row: &Recorded<'_>,
        done: u32,
        next: Option<u32>,
    ) -> Result<(), JobError> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        self.open_again().await.map_err(bookkeeping)?;
        self.execute(sql::advance(history_table, &row.job.entry, &row.at(done, next))).await.map_err(bookkeeping)?;
        self.check_row(history_table, row, done).await?;
        self.commit().await.map_err(bookkeeping)
    }

    /// Runs a transaction of the script's own, and records it before its COMMIT.
    async fn run_block(
        &mut self,
        history_table: &HistoryTable,
        row: &Recorded<'_>,
        statements: Range<usize>,
    ) -> Result<(), JobError> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        let Range { start, end } = statements;
        let finished = u32::try_from(end).unwrap_or(u32::MAX);
        let (sql, last) = (row.sql, &row.sql.statements[end - 1]);
        let commits = matches!(control(Dialect::Sqlite, &sql.text, last), Some(Control::Commit | Control::Release(_)));
        self.block = true;
        let body = if commits { start..end - 1 } else { start..end };
        let rows = self.rows_before(history_table, row.job).await.map_err(bookkeeping)?;
        self.statements(sql, body).await?;
        if commits {
            self.check_row_count(history_table, rows).await?;
            self.record_progress(history_table, row, finished).await?;
            self.check_row_count(history_table, rows.map(|rows| rows - row.gone(finished))).await?;
            self.wait_at_most(Duration::ZERO).await.map_err(bookkeeping)?;
            let ended = self.end_block(sql, end - 1).await;
            self.wait_as_before().await;
            return ended;
        }
        self.block = false;
        self.open_again().await.map_err(bookkeeping)?;
        self.record_progress(history_table, row, finished).await?;
        self.commit().await.map_err(bookkeeping)
    }

    /// Sends the statement that ends the script's transaction, until no reader blocks it.
    async fn end_block(&mut self, sql: &Sql, last: usize) -> Result<(), JobError> {
        let mut readers = Readers::outwaited(self.lock_wait);
        while let Err((at, cause)) = self.statements(sql, last..last + 1).await {
            readers.pause(cause).await.map_err(|cause| (at, cause))?;
        }
        self.block = false;
        Ok(())
    }

    /// Sends these statements, one by one.
    async fn statements(&mut self, sql: &Sql, which: Range<usize>) -> Result<(), JobError> {
        for index in which {
            let code = &sql.text[sql.statements[index].range.clone()];
            self.execute(code).await.map_err(|cause| (FailedAt::Statement { index, byte: None }, cause))?;
        }
        Ok(())
    }

    async fn open_again(&mut self) -> Result<(), Cause> {
        match self.begin(&mut |_| ()).await {
            Ok(()) => Ok(()),
            Err(LockFailure::Cause(cause)) => Err(cause),
            Err(LockFailure::Held { .. }) => Err(Cause::new(Class::Held, "another connection holds the write lock")),
        }
    }

    /// Records that `done` statements have finished.
    async fn record_progress(
        &mut self,
        history_table: &HistoryTable,
        row: &Recorded<'_>,
        done: u32,
    ) -> Result<(), JobError> {
        let job = row.job;
        let words = if !row.is_all(done) {
            sql::advance(history_table, &job.entry, &row.at(done, None))
        } else if row.job.goes_up() {
            sql::advance(
                history_table,
                &job.entry,
                &Advance { state: State::Applied, owner: None, finished: None, ..row.at(done, None) },
            )
        } else {
            sql::delete(history_table, &job.entry)
        };
        // The owner was checked when the script was claimed. Never update another owner's row.
        let words = format!("{words} AND owner IS '{}'", row.owner);
        self.execute(words).await.map_err(|cause| (FailedAt::Bookkeeping, cause))?;
        self.check_row(history_table, row, done).await?;
        if row.is_all(done) {
            let log = sql::log(history_table, &job.entry, job.log_event(), None, None);
            self.execute(log).await.map_err(|cause| (FailedAt::Bookkeeping, cause))?;
        }
        Ok(())
    }

    /// Checks that the history has this number of rows.
    async fn check_row_count(&mut self, history_table: &HistoryTable, rows: Option<i64>) -> Result<(), JobError> {
        let Some(rows) = rows else { return Ok(()) };
        let now = self.number(format!("SELECT {}", sql::count(history_table))).await;
        match now.map_err(|cause| (FailedAt::Bookkeeping, cause))? == rows {
            true => Ok(()),
            false => Err((FailedAt::Bookkeeping, Cause::new(Class::Altered, ALTERED))),
        }
    }

    /// Checks that the history says that `done` statements have finished.
    async fn check_row(&mut self, history_table: &HistoryTable, row: &Recorded<'_>, done: u32) -> Result<(), JobError> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        let history = self.read_history(history_table).await.map_err(bookkeeping)?;
        let found = history.row(row.job.entry.version);
        let proven = match (row.is_all(done) && done > 0, row.job.goes_up()) {
            (true, true) => found.is_some_and(|found| found.state == State::Applied),
            (true, false) => found.is_none(),
            (false, _) => {
                found.is_some_and(|found| found.statements_done == done && found.owner.as_deref() == Some(row.owner))
            }
        };
        if proven {
            return Ok(());
        }
        let theirs = found.is_none_or(|found| found.owner.as_deref() != Some(row.owner));
        let class = if theirs { Class::Overtaken } else { Class::Other };
        let message =
            "the history does not have the row that was written: another run, or a trigger on its table, changed it";
        Err(bookkeeping(Cause::new(class, message)))
    }
}

/// Whether a statement can safely run twice, like VACUUM and ANALYZE. VACUUM INTO cannot: it refuses an existing file.
fn may_be_sent_again(sql: &Sql, index: usize) -> bool {
    let statement = &sql.statements[index];
    match statement.kind {
        StatementKind::Maintenance => !contains_any(&sql.text[statement.range.clone()], &["into"]),
        StatementKind::Pragma => true,
        _ => false,
    }
}

/// The row of a script that runs outside a transaction.
struct Recorded<'a> {
    job: &'a Job,
    sql: &'a Sql,
    owner: &'a str,
}

impl Recorded<'_> {
    /// The number of rows that are removed once `done` statements have finished.
    fn gone(&self, done: u32) -> i64 {
        i64::from(self.is_all(done) && !self.job.goes_up())
    }

    fn is_all(&self, done: u32) -> bool {
        done as usize == self.sql.statements.len()
    }

    fn at(&self, done: u32, under_way: Option<u32>) -> Advance<'_> {
        let state = if self.job.goes_up() { State::Partial } else { State::Reverting };
        Advance { state, done, finished: self.sql.finished(done), owner: Some(self.owner), under_way }
    }
}
