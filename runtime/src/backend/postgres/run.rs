//! Runs transactional jobs: SQL scripts many in one message, others one by one.

use std::slice;

use lockgate_core::Action;
use sqlx::Row;
use sqlx::postgres::PgTransactionManager;
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::Instant;

use super::bookkeeping::next_batch;
use super::cause::with_grant;
use super::message::{self, Message, Slot};
use super::sql::{BEGIN, MADE, UNIQUE, check};
use super::{ConnectionState, PostgresBackend, RunTransaction, cause, is_busy, session_state, sql};
use crate::Transaction;
use crate::backend::{
    ALTERED, FailedAt, Failure, Job, JobBody, LEFT_OPEN, OnProgress, Pace, Progress, Sql, TransactionStatus,
};
use crate::error::{Cause, Class, chain};
use crate::history_table::HistoryTable;
use crate::migrations::StepFn;

/// How often to try to reach the pooler's session that has a prepared statement.
const SESSIONS: u32 = 16;
impl PostgresBackend<'_> {
    pub(super) async fn run_jobs(
        &mut self,
        history_table: &HistoryTable,
        jobs: &[Job],
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let mut at = 0;
        // Jobs before this index are sent one by one, after a message that the server could not parse.
        let mut singly_until = 0;
        while let Some(job) = jobs.get(at) {
            if self.dirty {
                self.renew().await.map_err(|cause| Failure::new(at, FailedAt::Begin, cause))?;
            }
            if self.is_one_transaction() && self.run_transaction == RunTransaction::None {
                self.open_run(history_table, at).await?;
            }
            if let Some(holder) = self.at_work(history_table, job).await {
                // The check in its transaction makes sure that nobody begins meanwhile.
                let cause = Cause::new(Class::Busy, holder);
                return Err(Failure::new(at, FailedAt::Bookkeeping, cause));
            }
            if let JobBody::Rust(function, _) = job.body {
                self.run_step(history_table, at, job, function, progress).await?;
                at += 1;
                continue;
            }
            let in_pieces = self.pace == Pace::EachStatement;
            if matches!(&job.body, JobBody::Sql(sql) if sql.has_data() || in_pieces) {
                self.run_in_pieces(history_table, jobs, at, progress).await?;
                at += 1;
                continue;
            }
            let most = if at < singly_until { 1 } else { self.batch };
            let (message, taken) = self.message(history_table, jobs, at, most);
            let (slots, last) = (&message.slots, at + taken);
            progress(Progress::Started(at..last));
            // Set first, in case this future is dropped.
            self.dirty |= jobs[at..last].iter().any(|job| self.changes_session(job));
            let began = Instant::now();
            if !self.is_one_transaction() {
                self.transaction = None;
            }
            let mut on_result = |result| {
                if let Some(Slot::End(job) | Slot::RecordEnd(job)) = slots.get(result) {
                    progress(Progress::Ran(*job));
                }
            };
            match self.send(message.sql.clone(), &mut on_result).await {
                Ok(()) => {
                    self.note_results(history_table, &message, message.slots.len());
                    self.note_done(&jobs[at..last]);
                    self.batch = next_batch(self.batch, began.elapsed());
                    at = last;
                }
                Err((0, cause)) if taken > 1 && !self.is_one_transaction() && cause.class != Class::Lost => {
                    // The server parses a whole message before it runs any of it. The scripts before the one that it
                    // cannot parse are sent again, one by one.
                    singly_until = last;
                }
                Err((results, cause)) => {
                    self.note_results(history_table, &message, results);
                    let ended = message.slots[..results].iter().rev().find_map(|slot| match slot {
                        Slot::End(job) => Some(*job),
                        _ => None,
                    });
                    if let Some(job) = ended {
                        self.note_done(&jobs[at..=job]);
                    }
                    let slot = message.slots.get(results).copied().unwrap_or(Slot::Bookkeeping(at));
                    if slot == Slot::Farewell && cause.class != Class::Lost {
                        // The whole message is committed. More jobs may follow.
                        self.dirty = true;
                        at = last;
                        continue;
                    }
                    if matches!(slot, Slot::Lock(_)) && !self.is_one_transaction() {
                        // The previous transaction is over, and this one has no id yet.
                        self.transaction = None;
                    }
                    let mut failure = self.failure(&message, slot, jobs, at, cause);
                    self.undo(&mut failure).await;
                    if let Some(name) = message.prepared.as_ref().filter(|_| results > message.tables) {
                        self.deallocate(name).await;
                    }
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    /// Returns the run that is working on a script outside a transaction, if this job would repair its row.
    async fn at_work(&mut self, history_table: &HistoryTable, job: &Job) -> Option<String> {
        let repairs = match job.action {
            Action::Rewrite | Action::Forget | Action::Settle { .. } => true,
            Action::Apply
            | Action::ApplyAgain
            | Action::Record
            | Action::Revert
            | Action::ResumeApply { .. }
            | Action::ResumeRevert { .. } => false,
        };
        if !repairs || self.run_transaction != RunTransaction::None {
            return None;
        }
        let rows = self
            .rows(super::outside_transaction::select_row(history_table, self.table(), job.entry.version))
            .await
            .ok()?;
        let holder: Option<String> = rows.first()?.try_get("holder").ok().flatten();
        holder.map(|holder| format!("{holder}, which is working on `{}`", job.id))
    }

    /// Deallocates the prepared statement of a message that failed. A pooler may have several sessions for us; one of
    /// them has it.
    async fn deallocate(&mut self, name: &str) {
        for _ in 0..SESSIONS {
            if self.connection_state != ConnectionState::Ready
                || self.execute(format!("DEALLOCATE {name}")).await.is_ok()
            {
                return;
            }
        }
    }

    /// Notes that the tables exist, if the message came so far.
    pub(super) fn note_results(&mut self, history_table: &HistoryTable, message: &Message, results: usize) {
        if message.tables == 0 || results < message.tables {
            return;
        }
        if self.is_one_transaction() {
            self.run_transaction = RunTransaction::WithTables;
        } else {
            self.prepared(history_table);
        }
    }

    /// Begins the transaction of the whole run, through the driver, so that the driver knows about it.
    pub(super) async fn open_run(&mut self, history_table: &HistoryTable, index: usize) -> Result<(), Failure> {
        self.begin_known(index).await?;
        self.run_transaction = RunTransaction::Begun;
        let mut message = Message::default();
        if self.facts().plpgsql {
            message.push(Slot::Begin(index), &session_state::query(self.session_cleanup));
        }
        message.push(Slot::Lock(index), &self.begins(history_table, None, true));
        let guard = match self.facts().candidates.present(&history_table.table) {
            true => self.guard(history_table),
            false => sql::still_absent(&history_table.table),
        };
        message.push(Slot::Guard(index), &guard);
        let Err((results, cause)) = self.send(message.sql.clone(), &mut |_| ()).await else { return Ok(()) };
        let mut failure =
            self.failure(&message, message.slots[results.min(message.slots.len() - 1)], &[], index, cause);
        self.undo(&mut failure).await;
        Err(failure)
    }

    /// Begins a transaction through the driver. A transaction that a Rust step begins in it becomes a savepoint.
    async fn begin_known(&mut self, index: usize) -> Result<(), Failure> {
        self.connection_state = ConnectionState::Asked;
        let begun = self.held.driver().begin(BEGIN.to_owned()).await;
        self.connection_state = ConnectionState::Ready;
        begun.map_err(|error| self.note_lost(Failure::new(index, FailedAt::Begin, super::began(&error))))
    }

    /// Notes that the connection is lost, if it is.
    fn note_lost(&mut self, failure: Failure) -> Failure {
        if matches!(failure.cause.class, Class::Lost | Class::Pooler) {
            self.connection_state = ConnectionState::Lost;
        }
        failure
    }

    /// Rolls back the transaction of a failed job, and asks for its status.
    pub(super) async fn undo(&mut self, failure: &mut Failure) {
        self.run_transaction = RunTransaction::None;
        self.busy = failure.cause.class == Class::Busy && failure.at == FailedAt::Begin;
        if failure.cause.class == Class::Lost {
            failure.transaction_status = TransactionStatus::Unknown;
            return;
        }
        // If this fails, the next statement fails too, with a better message.
        let _ = self.roll_back().await;
        failure.transaction_status = self.transaction_status().await;
        if failure.transaction_status == TransactionStatus::Committed && failure.cause.class != Class::Lost {
            failure.at = FailedAt::Ended;
        }
    }

    /// Rolls back any open transaction, whether the driver knows it or not.
    pub(super) async fn roll_back(&mut self) -> Result<(), Cause> {
        while PgTransactionManager::get_transaction_depth(self.held.connection()) > 0 {
            self.connection_state = ConnectionState::Asked;
            let undone = self.held.driver().roll_back().await;
            self.connection_state = ConnectionState::Ready;
            if let Err(error) = undone {
                let cause = cause(&error);
                PgTransactionManager::start_rollback(self.held.connection());
                if cause.class == Class::Lost {
                    self.connection_state = ConnectionState::Lost;
                    return Err(cause);
                }
            }
        }
        self.execute("ROLLBACK".to_owned()).await
    }

    /// Runs a Rust function between two messages of its transaction.
    pub(super) async fn run_step(
        &mut self,
        history_table: &HistoryTable,
        index: usize,
        job: &Job,
        function: StepFn,
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        progress(Progress::Started(index..index + 1));
        self.dirty = true;
        let mut message = Message::default();
        if !self.is_one_transaction() {
            message.tables = self.prepare(history_table, &mut message);
            if let Err((results, cause)) = self.send_unless_empty(&message).await {
                let slot = message.slots.get(results).copied().unwrap_or(Slot::Tables);
                let mut failure = self.failure(&message, slot, &[], index, cause);
                self.undo(&mut failure).await;
                return Err(failure);
            }
            self.note_results(history_table, &message, message.slots.len());
            self.begin_known(index).await?;
            message = Message::default();
        } else if self.run_transaction == RunTransaction::Begun {
            message.tables = self.prepare(history_table, &mut message);
        }
        self.begin(history_table, index, job, true, &mut message);
        // The driver has begun the transaction.
        message.drop_begin();
        if let Err((results, cause)) = self.send(message.sql.clone(), &mut |_| ()).await {
            let slot = message.slots.get(results).copied().unwrap_or(Slot::Begin(index));
            let mut failure = self.failure(&message, slot, &[], index, cause);
            self.undo(&mut failure).await;
            return Err(failure);
        }
        self.note_results(history_table, &message, message.slots.len());
        self.connection_state = ConnectionState::Asked;
        let mut transaction = Transaction::on_postgres(self.held.connection());
        let ran = function(&mut transaction).await;
        self.connection_state = ConnectionState::Ready;
        if let Err(error) = ran {
            let mut failure = Failure::new(index, FailedAt::Step, self.step_cause(&*error).await.caused_by(error));
            self.undo(&mut failure).await;
            return Err(failure);
        }
        if PgTransactionManager::get_transaction_depth(self.held.connection()) != 1 {
            // The driver would take our commit for that of the inner transaction, and commit nothing.
            let cause = Cause::new(Class::Other, LEFT_OPEN);
            let mut failure = Failure::new(index, FailedAt::Step, cause);
            self.undo(&mut failure).await;
            return Err(failure);
        }
        let mut message = Message::default();
        self.finish(history_table, index, job, self.behind(), None, &mut message);
        if !self.is_one_transaction() {
            message.drop_end();
        }
        if let Err((results, cause)) = self.send(message.sql.clone(), &mut |_| ()).await {
            let slot = message.slots.get(results).copied().unwrap_or(Slot::Bookkeeping(index));
            let mut failure = self.failure(&message, slot, &[], index, cause);
            self.undo(&mut failure).await;
            return Err(failure);
        }
        if !self.is_one_transaction() {
            self.connection_state = ConnectionState::Asked;
            let committed = self.held.driver().commit().await;
            self.connection_state = ConnectionState::Ready;
            if let Err(error) = committed {
                let mut failure = self.note_lost(Failure::new(index, FailedAt::Commit, cause(&error)));
                self.undo(&mut failure).await;
                return Err(failure);
            }
        }
        self.note_done(slice::from_ref(job));
        progress(Progress::Ran(index));
        Ok(())
    }

    async fn send_unless_empty(&mut self, message: &Message) -> Result<(), (usize, Cause)> {
        if message.slots.is_empty() { Ok(()) } else { self.send(message.sql.clone(), &mut |_| ()).await }
    }

    /// Turns the error of a message into a failure of the job that caused it.
    pub(super) fn failure(&self, message: &Message, slot: Slot, jobs: &[Job], first: usize, cause: Cause) -> Failure {
        let counts_bytes = self.facts().counts_bytes;
        let located = cause.position.and_then(|position| message.locate(position.get(), counts_bytes));
        let script = |index: usize| match jobs.get(index).map(|job| &job.body) {
            Some(JobBody::Sql(sql)) => Some(sql),
            Some(JobBody::HistoryOnly | JobBody::Rust(..)) | None => None,
        };
        let own_role = jobs.get(slot.job().unwrap_or(first)).and_then(Job::role);
        let cause = match own_role.filter(|_| matches!(slot, Slot::Statement(..))) {
            Some(role) => with_grant(cause, role, &self.own_tables()),
            None => cause,
        };
        if let Some((job, byte)) = located
            && slot.job().is_none_or(|of| of == job || cause.class == Class::Syntax)
            && let Some(sql) = script(job)
        {
            return Failure::new(job, message::statement_at(sql, byte), cause);
        }
        let job = slot.job().unwrap_or(first);
        if is_untranslatable(&cause)
            && let Some(sql) = script(job)
            && let Some(byte) = untranslatable(sql, &cause.message)
        {
            // The server converts a whole message before it parses it, and reports only that it could not.
            return Failure::new(job, message::statement_at(sql, byte), cause);
        }
        let code = cause.code.as_deref().unwrap_or_default();
        if cause.class == Class::Pooler {
            return Failure::new(job, FailedAt::Begin, cause);
        }
        if !matches!(slot, Slot::Statement(..))
            && let Some(cause) = self.of_log(&cause)
        {
            return Failure::new(job, FailedAt::Bookkeeping, cause);
        }
        let is_new = |class, message: &str| Cause { class, message: message.to_owned(), ..cause.clone() };
        let checked = match slot {
            Slot::Lock(_) if is_busy(&cause) => Some((FailedAt::Begin, is_new(Class::Busy, "another run is working"))),
            Slot::Guard(_) | Slot::Tables | Slot::Record(_) | Slot::RecordEnd(_) if code == check::OVERTAKEN => {
                Some((FailedAt::Bookkeeping, is_new(Class::Overtaken, "another run came first")))
            }
            // Another run created the same schema or table.
            Slot::Tables if MADE.contains(&code) => {
                Some((FailedAt::Bookkeeping, is_new(Class::Overtaken, "another run came first")))
            }
            Slot::Record(_) | Slot::RecordEnd(_) if code == UNIQUE && Self::is_of_history_key(&cause) => {
                Some((FailedAt::Bookkeeping, is_new(Class::Overtaken, "another run came first")))
            }
            Slot::Record(_) | Slot::RecordEnd(_) if code == check::UNWRITTEN => {
                Some((FailedAt::Bookkeeping, is_new(Class::Unwritten, "the history table did not take its row")))
            }
            Slot::Record(_) | Slot::RecordEnd(_) if code == check::ALTERED => {
                Some((FailedAt::Bookkeeping, is_new(Class::Altered, ALTERED)))
            }
            Slot::Record(_) | Slot::RecordEnd(_) if code == check::ENDED => {
                let message = "Lockgate's transaction is over";
                Some((FailedAt::Ended, is_new(Class::Other, message)))
            }
            _ => None,
        };
        if let Some((at, checked)) = checked {
            let plain = Cause::new(checked.class, checked.message);
            return Failure::new(job, at, plain);
        }
        let at = match slot {
            Slot::Statement(_, index) => FailedAt::Statement { index, byte: None },
            // Never asked for: `run_jobs` ignores a failure here.
            Slot::Farewell => FailedAt::Commit,
            Slot::Setup | Slot::Tables => FailedAt::Preparation,
            Slot::Begin(_) | Slot::Lock(_) | Slot::Guard(_) => FailedAt::Begin,
            Slot::Bookkeeping(_) | Slot::Record(_) | Slot::RecordEnd(_) => FailedAt::Bookkeeping,
            Slot::End(_) => FailedAt::Commit,
        };
        Failure::new(job, at, cause)
    }
}

impl PostgresBackend<'_> {
    /// Whether the history has a row with this key already. Another unique key on the history, or one of a table that a
    /// trigger writes to, says nothing about other runs.
    fn is_of_history_key(cause: &Cause) -> bool {
        // A role that may not read the columns gets no detail.
        cause.detail.as_deref().is_none_or(|detail| detail.contains("(set_name, version)="))
    }

    /// Explains an error of the log table, with the statement that mends the table. `None` if it is another error.
    pub(super) fn of_log(&self, cause: &Cause) -> Option<Cause> {
        let log = self.table().log();
        let owner = "let the owner of the history table, or a superuser, run";
        let (message, advice) = match cause.code.as_deref()? {
            // In every language, the message has the name of the constraint.
            UNIQUE if cause.message.contains(&log.name) => {
                let statement = sql::advance_log(self.table());
                (
                    format!("the sequence of the log table {log} is behind its rows"),
                    format!("{owner} `{statement}`, then run again"),
                )
            }
            "SQLSTATE 42P01" if cause.message.contains(&log.name) => {
                let statement = sql::create_log(self.table());
                let advice = format!(
                    "check what the migration does to the history table and its log (DROP, RENAME); if it leaves them alone, \
                     {owner} `{statement}`, then run again"
                );
                (format!("the log table {log} does not exist"), advice)
            }
            _ => return None,
        };
        Some(Cause { class: Class::Unwritten, message, ..cause.clone() }.with_advice(advice))
    }
}

/// Whether the server could not convert the characters of a message.
fn is_untranslatable(cause: &Cause) -> bool {
    matches!(cause.code.as_deref(), Some("SQLSTATE 22P05" | "SQLSTATE 22021"))
}

/// Finds the character that the server could not convert. Its message names the bytes in hexadecimal.
fn untranslatable(sql: &Sql, message: &str) -> Option<usize> {
    let hex = |word: &str| u8::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let named: Vec<u8> = message.split_whitespace().filter_map(hex).collect();
    let sent = sql.statements.first()?.range.start..sql.statements.last()?.range.end;
    let mut sent = sql.text[sent.clone()].char_indices().map(|(byte, c)| (sent.start + byte, c));
    let is_named = |c: char| c.encode_utf8(&mut [0; 4]).as_bytes() == named;
    let found = if named.is_empty() { sent.find(|(_, c)| !c.is_ascii()) } else { sent.find(|(_, c)| is_named(*c)) };
    found.map(|(byte, _)| byte)
}

impl PostgresBackend<'_> {
    /// The cause of a Rust function's failure: the database's error, if there is one among its sources.
    async fn step_cause(&mut self, error: &(dyn std::error::Error + Send + Sync + 'static)) -> Cause {
        let Some(driver_error) = of_driver(error) else { return Cause::new(Class::Other, chain(error)) };
        let mut cause = cause(driver_error);
        cause.made_read_only();
        if cause.class != Class::Lost {
            return cause;
        }
        // The function may use other databases and have lost one of those. After a protocol error on our connection,
        // nothing can be asked any more.
        if matches!(driver_error, sqlx::Error::Protocol(_)) || self.roll_back().await.is_err() {
            self.connection_state = ConnectionState::Lost;
            return cause;
        }
        Cause { class: Class::Other, ..cause }
    }
}

/// The driver's error among the sources of an error.
fn of_driver<'e>(error: &'e (dyn std::error::Error + Send + Sync + 'static)) -> Option<&'e sqlx::Error> {
    let mut source: Option<&'e (dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            return Some(error);
        }
        source = error.source();
    }
    None
}
