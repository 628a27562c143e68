//! Runs jobs in the write transaction, each in a savepoint with a random name. A job is recorded only if its savepoint
//! is still there.

use std::time::SystemTime;

use lockgate_core::{Action, State};
use sqlx::AssertSqlSafe;

use super::session::{contains_any, is_dirty};
use super::{JobError, OnStatement, PIECE_BYTES, SqliteBackend, cause, depth, sql};
use crate::Transaction;
use crate::backend::{
    ALTERED, FailedAt, Failure, Job, JobBody, LEFT_OPEN, LockFailure, OnProgress, Pace, Progress, Sql,
    TransactionStatus,
};
use crate::error::{Cause, Class, chain};
use crate::history_table::HistoryTable;
use crate::migrations::StepFn;

/// `SQLITE_CONSTRAINT_FOREIGNKEY`: a deferred key failed at the COMMIT.
const DEFERRED: &str = "SQLite code 787";
/// Every statement that ends a transaction contains one of these words.
const ENDS: &[&str] = &["commit", "end", "rollback", "release"];
/// `SQLITE_TOOBIG`: the check that the history has the right number of rows failed.
const OTHER_ROWS: &str = "SQLite code 18";
/// `SQLITE_CONSTRAINT_NOTNULL`: the check that the history has the written row failed.
const UNPROVEN: &str = "SQLite code 1299";

/// The maximum size of the scripts that run in one go on a database without a history.
const FRESH_BYTES: usize = 1 << 20;

impl SqliteBackend<'_> {
    pub(super) async fn run_jobs(
        &mut self,
        history_table: &HistoryTable,
        jobs: &[Job],
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        // The first job that is not committed.
        let mut first = 0;
        let each = self.pace == Pace::EachStatement;
        let fresh = if each { 0 } else { self.run_fresh(history_table, jobs, progress).await? };
        for (index, job) in jobs.iter().enumerate().skip(fresh) {
            progress(Progress::Started(index..index + 1));
            let fail = |(at, cause)| failure(index, at, cause);
            let unenforced = matches!(&job.body, JobBody::Sql(sql) if sql.script.foreign_keys_off());
            if unenforced {
                self.settle(history_table, jobs, first..index, progress).await?;
                first = index;
            }
            let mut on_statement = |statement| {
                if each {
                    progress(Progress::StatementStarted(index, statement));
                }
            };
            let ran = self.run_clean(history_table, job, unenforced, &mut on_statement).await;
            if let Err(failed) = ran {
                if !self.is_one_transaction() && self.open {
                    self.settle(history_table, jobs, first..index, progress).await?;
                } else if failed.1.class == Class::LockTimeout {
                    // SQLite rolled back the earlier jobs of the transaction too, so they must run again.
                    return Err(Failure::new(first, failed.0, failed.1));
                }
                return Err(fail(failed));
            }
            progress(Progress::Ran(index));
            // Some changes of the connection can be restored only after the transaction.
            if unenforced || (self.session.is_some() && !self.is_one_transaction()) {
                let settled = self.settle(history_table, jobs, first..index + 1, progress).await;
                self.restore_session().await;
                settled?;
                first = index + 1;
            }
        }
        if self.is_one_transaction() {
            return Ok(());
        }
        self.settle(history_table, jobs, first..jobs.len(), progress).await
    }

    /// On a database without a history, runs as many of these jobs as possible in one go, and returns their number. The
    /// driver takes longer to report a statement than SQLite to run it. If anything fails, everything is rolled back
    /// and the number is 0.
    async fn run_fresh(
        &mut self,
        history_table: &HistoryTable,
        jobs: &[Job],
        progress: OnProgress<'_>,
    ) -> Result<usize, Failure> {
        let counted = depth::depth(self.held.connection()) != 0;
        if !self.open || !self.create || counted {
            return Ok(0);
        }
        let (notes, began) = (format!("{}_notes", self.savepoint), SystemTime::now());
        let mut text = format!("{};\n{}", sql::create(&history_table.table), sql::notes(&notes));
        let (mut ran, mut bytes) = (0, 0);
        for job in jobs {
            let Some(script) = plain(history_table, job) else { break };
            bytes += script.code().len();
            if bytes > FRESH_BYTES {
                break;
            }
            let done = u32::try_from(script.statements.len()).unwrap_or(u32::MAX);
            text.push_str(";\n");
            text.push_str(script.code());
            text.push_str("\n;");
            text.push_str(&sql::note(&notes, &job.entry, done));
            ran += 1;
        }
        if ran == 0 {
            return Ok(0);
        }
        text.push_str(&format!(";\n{}", sql::record(history_table, &notes, began)));
        progress(Progress::Started(0..ran));
        let done = self.run_text(history_table, &jobs[..ran], text).await;
        let Err(cause) = done else {
            (self.create, self.later) = (false, true);
            (0..ran).for_each(|job| progress(Progress::Ran(job)));
            return Ok(ran);
        };
        self.roll_back().await;
        if self.lost {
            return Err(Failure::new(0, FailedAt::Begin, cause));
        }
        Ok(0)
    }

    async fn run_text(&mut self, history_table: &HistoryTable, jobs: &[Job], text: String) -> Result<(), Cause> {
        let ran = depth::adopt(self.held.connection(), text).await;
        // An unterminated comment or string would hide the rest, so only the history proves that everything ran.
        let log = AssertSqlSafe(sql::log_all(history_table, jobs.iter().map(|job| &job.entry)));
        let logged = match ran {
            Ok(()) => sqlx::raw_sql(log).execute(self.held.connection()).await,
            Err(error) => Err(error),
        };
        match logged {
            Ok(done) if usize::try_from(done.rows_affected()) == Ok(jobs.len()) => Ok(()),
            Ok(_) => Err(Cause::new(Class::Other, "the history does not have the row that was written")),
            Err(error) => {
                let cause = cause(&error);
                self.lost |= cause.class == Class::Lost;
                Err(cause)
            }
        }
    }

    /// Runs a job on a clean connection.
    async fn run_clean(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        unenforced: bool,
        on_statement: OnStatement<'_>,
    ) -> Result<(), JobError> {
        let begin = |cause| (FailedAt::Begin, cause);
        if let Some(cause) = self.unclean.take() {
            return Err(begin(cause));
        }
        self.save_session(job).await.map_err(begin)?;
        let ran = if unenforced {
            self.run_unenforced(history_table, job, on_statement).await
        } else {
            self.run_job(history_table, job, on_statement).await
        };
        if self.is_one_transaction() || ran.is_err() {
            self.restore_session().await;
        }
        ran
    }

    /// Restores the connection to its state before the last job that may have changed it.
    pub(super) async fn restore_session(&mut self) {
        // Kept until it is restored, so that `drop` can do it if this future is dropped.
        let Some(before) = self.session.clone() else { return };
        let in_file = matches!(self.file().await, Ok(Some(_)));
        let tidied = if self.open || self.held.is_borrowed() || !in_file {
            self.put_back(&before).await
        } else {
            // Changes that no pragma shows, such as custom functions, end with the connection.
            let renewed = self.held.renew().await.map_err(|error| cause(&error));
            self.dirty = false;
            renewed
        };
        self.session = None;
        self.unclean = tidied.err();
    }

    /// Commits these jobs. A broken deferred foreign key shows only now and would roll back all of them. In that case
    /// each job runs again with its own commit, so that the ones before the culprit stay.
    async fn settle(
        &mut self,
        history_table: &HistoryTable,
        jobs: &[Job],
        which: std::ops::Range<usize>,
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let Err(cause) = self.commit().await else {
            progress(Progress::Committed(which.end));
            return Ok(());
        };
        self.roll_back().await;
        if cause.code.as_deref() != Some(DEFERRED) {
            return Err(Failure::new(which.start, FailedAt::Commit, cause));
        }
        for index in which {
            let fail = |at, cause| failure(index, at, cause);
            let again = self.run_job(history_table, &jobs[index], &mut |_| ()).await;
            again.map_err(|(at, cause)| fail(at, cause))?;
            if let Err(cause) = self.commit().await {
                let broken = match self.violations().await {
                    Ok(now) => self.broken_since(&Default::default(), &now).await.unwrap_or_default(),
                    Err(_) => None,
                };
                self.roll_back().await;
                return Err(fail(FailedAt::Commit, Cause { detail: broken.map(Into::into), ..cause }));
            }
            progress(Progress::Committed(index + 1));
        }
        Ok(())
    }

    /// Begins the write transaction again if a script outside a transaction ended it, and creates the tables.
    pub(super) async fn reopen(&mut self, history_table: &HistoryTable, job: &Job) -> Result<(), JobError> {
        let begin = |cause| (FailedAt::Begin, cause);
        self.count().await.map_err(begin)?;
        if !self.open {
            match self.begin(&mut |_| ()).await {
                Ok(()) => {}
                Err(LockFailure::Cause(cause)) => return Err(begin(cause)),
                Err(LockFailure::Held { .. }) => {
                    return Err(begin(Cause::new(Class::Held, "another connection holds the write lock")));
                }
            }
            // Another run may have come in between.
            let history = self.read_history(history_table).await.map_err(begin)?;
            let recorded = history.row(job.entry.version).is_some();
            if recorded == matches!(job.action, Action::Apply | Action::Record) {
                return Err(begin(Cause::new(Class::Overtaken, "another run came first")));
            }
        }
        let words = match (self.create, self.later) {
            (true, _) => sql::create(&history_table.table),
            (false, false) => sql::extend(&history_table.table),
            (false, true) => return Ok(()),
        };
        // Both tables or none: a history table without its log would have an unknown format.
        let savepoint = &self.savepoint;
        let words = format!("SAVEPOINT {savepoint}; {words}; RELEASE {savepoint}");
        if let Err(cause) = self.execute(words).await {
            self.undo().await;
            return Err((FailedAt::Preparation, cause));
        }
        (self.create, self.later) = (false, true);
        Ok(())
    }

    /// Rolls back the savepoint, or everything in a whole run. Returns whether the savepoint was still there.
    async fn undo(&mut self) -> bool {
        // A transaction that a Rust function began through the driver and left open.
        while depth::depth(self.held.connection()) > 1 && depth::roll_back(self.held.connection()).await.is_ok() {}
        let savepoint = &self.savepoint;
        let undone = self.execute(format!("ROLLBACK TO {savepoint}; RELEASE {savepoint}")).await.is_ok();
        // Some failures, such as a full disk, end the whole transaction.
        if !undone || self.is_one_transaction() || depth::depth(self.held.connection()) != 1 {
            self.roll_back().await;
        }
        undone
    }

    /// The SQL that records a job and fails if the history then lacks the row.
    pub(super) fn bookkeeping(&self, history_table: &HistoryTable, job: &Job, began: SystemTime) -> String {
        let applied = Some(State::Applied);
        let (row, state) = match job.action {
            Action::Apply | Action::Record | Action::ResumeApply { .. } => {
                let done = job.statements();
                (sql::insert(history_table, &job.entry, State::Applied, done, began), applied)
            }
            Action::ApplyAgain => (sql::replace(history_table, &job.entry, job.statements(), began), applied),
            Action::Rewrite => (sql::rewrite(history_table, &job.entry, self.later), applied),
            Action::Settle { statements_done, finished } => {
                let row = sql::settle(history_table, &job.entry, statements_done, finished.as_ref());
                return format!("{row}; {}", sql::log(history_table, &job.entry, job.log_event(), None, None));
            }
            Action::Revert | Action::ResumeRevert { .. } | Action::Forget => {
                (sql::delete(history_table, &job.entry), None)
            }
        };
        let proof = sql::proof(history_table, &job.entry, state);
        format!("{row}; {}", sql::log(history_table, &job.entry, job.log_event(), None, Some(&proof)))
    }

    /// The statement that proves that a job is recorded, after all triggers: its row is right, and, if the job or a
    /// trigger may have written into the history, the number of other rows has not changed.
    async fn proof(&mut self, history_table: &HistoryTable, job: &Job) -> Result<String, Cause> {
        let (state, more) = match job.action {
            Action::Apply | Action::Record | Action::ResumeApply { .. } => (Some(State::Applied), 1),
            Action::ApplyAgain | Action::Rewrite => (Some(State::Applied), 0),
            Action::Settle { .. } => return Ok("SELECT 1".to_owned()),
            Action::Revert | Action::ResumeRevert { .. } | Action::Forget => (None, -1),
        };
        let mut proof = sql::proof(history_table, &job.entry, state);
        if let Some(rows) = self.rows_before(history_table, job).await? {
            proof.push_str(&format!(" AND {} = {rows} + {more}", sql::count(history_table)));
        }
        Ok(sql::answer(&self.savepoint, &proof))
    }

    /// The number of rows in the history, if this job or a trigger may change it.
    pub(super) async fn rows_before(&mut self, history_table: &HistoryTable, job: &Job) -> Result<Option<i64>, Cause> {
        let may = match &job.body {
            JobBody::HistoryOnly => false,
            JobBody::Sql(sql) => contains_any(&sql.text, &[&history_table.table.name]),
            JobBody::Rust(..) => true,
        };
        if !may && !self.has_triggers(history_table).await? {
            return Ok(None);
        }
        self.number(format!("SELECT {}", sql::count(history_table))).await.map(Some)
    }

    /// Explains a failed check of the bookkeeping.
    async fn unproven(&mut self, history_table: &HistoryTable, cause: Cause) -> Cause {
        match cause.code.as_deref() {
            Some(OTHER_ROWS) => Cause::new(Class::Altered, ALTERED),
            // A column that somebody has added may also refuse NULL.
            Some(UNPROVEN) if self.has_triggers(history_table).await.unwrap_or(true) => {
                let message = "the history does not have the row that was written: a trigger on its table changes or \
                               drops rows";
                let hint = Some("drop the trigger on the history table, then run again".into());
                Cause { message: message.to_owned(), hint, ..cause }
            }
            _ => self.of_log(history_table, cause),
        }
    }

    /// Explains that the log table is missing, with the statement that creates it.
    fn of_log(&self, history_table: &HistoryTable, cause: Cause) -> Cause {
        let log = history_table.table.log();
        if !cause.message.contains("no such table") || !cause.message.contains(&log.name) {
            return cause;
        }
        let advice = format!(
            "check what the migration does to the history table and its log (DROP, RENAME); if it leaves them alone, run \
             `{}` on the database, then run again",
            sql::create_log(&history_table.table)
        );
        let message = format!("the log table {log} does not exist");
        Cause { class: Class::Unwritten, message, ..cause }.with_advice(advice)
    }

    async fn has_triggers(&mut self, history_table: &HistoryTable) -> Result<bool, Cause> {
        if let Some(has) = self.triggers {
            return Ok(has);
        }
        let has = self.number(format!("SELECT {}", sql::has_triggers(history_table))).await? != 0;
        self.triggers = Some(has);
        Ok(has)
    }

    /// Marks a read-only error as the connection's, not the file's, if `query_only` is on.
    pub(super) async fn blame_connection(&mut self, cause: &mut Cause) {
        if cause.class == Class::ReadOnly && self.number("PRAGMA query_only").await.is_ok_and(|only| only != 0) {
            cause.made_read_only();
        }
    }

    /// Runs a job in a savepoint of the write transaction.
    pub(super) async fn run_job(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        on_statement: OnStatement<'_>,
    ) -> Result<(), JobError> {
        self.reopen(history_table, job).await?;
        let proof = self.proof(history_table, job).await.map_err(|cause| (FailedAt::Bookkeeping, cause))?;
        let done = match &job.body {
            JobBody::HistoryOnly => {
                let (sql, savepoint) = (self.bookkeeping(history_table, job, SystemTime::now()), &self.savepoint);
                let sql = format!("SAVEPOINT {savepoint}; {sql}; {proof}; RELEASE {savepoint}");
                self.execute(sql).await.map_err(|cause| (FailedAt::Bookkeeping, cause))
            }
            JobBody::Sql(sql) => self.run_script(history_table, job, sql, &proof, on_statement).await,
            JobBody::Rust(function, _) => self.run_step(history_table, job, *function, &proof).await,
        };
        let Err((at, mut cause)) = done else { return Ok(()) };
        self.blame_connection(&mut cause).await;
        let undone = self.undo().await;
        if at == FailedAt::Bookkeeping {
            cause = self.unproven(history_table, cause).await;
        }
        let ends = match &job.body {
            JobBody::HistoryOnly => false,
            JobBody::Rust(..) => true,
            JobBody::Sql(sql) => contains_any(&sql.text, ENDS),
        };
        if undone || !ends || cause.class == Class::Lost {
            return Err((at, cause));
        }
        // The job failed after the transaction had ended, so nothing was rolled back.
        Err((FailedAt::Ended, cause))
    }

    async fn run_script(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        sql: &Sql,
        proof: &str,
        on_statement: OnStatement<'_>,
    ) -> Result<(), JobError> {
        let began = SystemTime::now();
        let (outer, inner) = (self.savepoint.clone(), format!("{}_script", self.savepoint));
        let mut first = 0;
        let mut text = format!("SAVEPOINT {outer}; SAVEPOINT {inner};");
        let mut own = 2;
        loop {
            let last = piece(sql, first, self.pace);
            if first < last {
                on_statement(first);
            }
            if let (Some(from), Some(to)) = (sql.statements.get(first), sql.statements[..last].last()) {
                text.push('\n');
                text.push_str(&sql.text[from.range.start..to.range.end]);
            }
            let ends = last == sql.statements.len();
            if ends {
                // The inner savepoint is gone if the script ended the transaction. An unterminated comment or string in
                // the script may hide all of this, so only an answer proves that it ran.
                let bookkeeping = self.bookkeeping(history_table, job, began);
                text.push_str(&format!("\n; RELEASE {inner}; {bookkeeping}; {proof}; RELEASE {outer}"));
            }
            match self.send(std::mem::take(&mut text)).await {
                Ok(answer) if ends && answer.as_deref() != Some(&*outer) => {
                    let message = "the script hides the SQL after it: it ends in an unterminated comment or string";
                    return Err((FailedAt::Bookkeeping, Cause::new(Class::Other, message)));
                }
                Ok(_) => {}
                Err((results, cause)) => {
                    return Err(match results.checked_sub(own) {
                        Some(index) if first + index < last => {
                            (FailedAt::Statement { index: first + index, byte: None }, cause)
                        }
                        Some(_) | None => (FailedAt::Bookkeeping, cause),
                    });
                }
            }
            if ends {
                return Ok(());
            }
            (first, own) = (last, 0);
        }
    }

    async fn run_step(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        function: StepFn,
        proof: &str,
    ) -> Result<(), JobError> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        let began = SystemTime::now();
        let (outer, inner) = (self.savepoint.clone(), format!("{}_script", self.savepoint));
        self.execute(format!("SAVEPOINT {outer}; SAVEPOINT {inner}")).await.map_err(bookkeeping)?;
        let mut transaction = Transaction::on_sqlite(self.held.connection());
        if let Err(error) = function(&mut transaction).await {
            let mut cause = match error.downcast_ref::<sqlx::Error>() {
                Some(error) => cause(error),
                None => Cause::new(Class::Other, chain(&*error)),
            };
            // The function may use other databases and have lost one of those.
            if cause.class == Class::Lost && self.execute("SELECT 1").await.is_ok() {
                cause.class = Class::Other;
            }
            return Err((FailedAt::Step, cause.caused_by(error)));
        }
        if depth::depth(self.held.connection()) != 1 {
            // The driver rolls back a dropped transaction at the next query.
            self.execute("SELECT 1").await.map_err(bookkeeping)?;
        }
        if depth::depth(self.held.connection()) != 1 {
            return Err((FailedAt::Step, Cause::new(Class::Other, LEFT_OPEN)));
        }
        // If its savepoint is gone, the work of the function may already be committed.
        self.execute(format!("RELEASE {inner}")).await.map_err(|cause| {
            let message = "its savepoint is gone";
            (FailedAt::Ended, Cause { message: message.to_owned(), ..cause })
        })?;
        let sql = self.bookkeeping(history_table, job, began);
        self.execute(format!("{sql}; {proof}; RELEASE {outer}")).await.map_err(bookkeeping)
    }
}

/// Returns the script of an apply job if it certainly cannot end a transaction, change its connection or touch the
/// history: it contains none of the words for that, not even inside other words.
fn plain<'a>(history_table: &HistoryTable, job: &'a Job) -> Option<&'a Sql> {
    let JobBody::Sql(sql) = &job.body else { return None };
    let own = [history_table.table.name.as_str(), &history_table.table.log().name];
    let apart = sql.script.foreign_keys_off()
        || is_dirty(job)
        || contains_any(&sql.text, ENDS)
        || contains_any(&sql.text, &own);
    // They are recorded together, under the name of one set.
    (job.action == Action::Apply && !job.entry.is_repeatable() && !apart).then_some(sql)
}

/// Makes a failure. The status of the transaction is unknown if the job ended it.
pub(super) fn failure(job: usize, at: FailedAt, cause: Cause) -> Failure {
    let transaction_status =
        if at == FailedAt::Ended { TransactionStatus::Unknown } else { TransactionStatus::RolledBack };
    Failure { job, at, cause, transaction_status }
}

/// The end of the piece that begins with this statement.
fn piece(sql: &Sql, first: usize, pace: Pace) -> usize {
    let bytes = match pace {
        Pace::Whole => PIECE_BYTES,
        Pace::EachStatement => 0,
    };
    let Some(start) = sql.statements.get(first).map(|statement| statement.range.start) else { return first };
    let rest = &sql.statements[first..];
    first + rest.partition_point(|statement| statement.range.end - start <= bytes).max(1)
}
