//! Runs jobs: many in one message where they are SQL in transactions, else one by one.

use lockgate_core::{Action, Direction, State, StatementFlags, StatementKind};

use super::envelope::{BEGIN, MESSAGE_JOBS};
use super::message::{self, Message, Slot};
use super::{Backing, Lock, cause, sql};
use crate::Transaction;
use crate::backend::{FailedAt, Failure, Job, OnProgress, Progress, Sql, Work};
use crate::error::{Cause, Class, chain};
use crate::migrations::StepFn;
use crate::store::{Store, identifier, literal};

/// The `SQLSTATE` of a guard that does not hold: its check divides by zero.
const GUARD: &str = "SQLSTATE 22012";

impl Backing<'_> {
    pub(super) async fn run_jobs(
        &mut self,
        store: &Store,
        jobs: &[Job],
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let mut at = 0;
        // Up to where jobs are sent one by one, behind a message that could not be parsed.
        let mut singly_until = 0;
        while let Some(job) = jobs.get(at) {
            if let Work::Step(function) = job.work {
                self.run_step(store, at, job, function, progress).await?;
                at += 1;
                continue;
            }
            if matches!(&job.work, Work::Script(sql) if sql.has_data()) {
                self.run_in_pieces(store, jobs, at, progress).await?;
                at += 1;
                continue;
            }
            let most = if at < singly_until { 1 } else { MESSAGE_JOBS };
            let open = self.open;
            let (message, prepared, taken) = self.message(store, jobs, at, most);
            progress(Progress::Started(at));
            let (slots, last) = (&message.slots, at + taken);
            let sent = self.send(message.sql.clone(), |result| {
                if let Some(Slot::End(job)) = slots.get(result) {
                    progress(Progress::Finished(*job));
                    if job + 1 < last {
                        progress(Progress::Started(job + 1));
                    }
                }
            });
            match sent.await {
                Ok(()) => {
                    if message.slots.last() == Some(&Slot::Farewell) {
                        (self.configured, self.lock) = (false, Lock::None);
                    }
                    at += taken;
                }
                Err((0, cause)) if taken > 1 && cause.class != Class::Lost => {
                    // The server parses a whole message before it runs any of it: what stands
                    // before the script that it cannot parse is sent again, one by one.
                    self.unprepare(&prepared, 0);
                    self.open = open;
                    singly_until = at + taken;
                }
                Err((results, cause)) => {
                    let slot = message.slots.get(results).copied().unwrap_or(Slot::Bookkeeping(at));
                    if slot == Slot::Farewell {
                        // All is committed. What is still held goes with the session.
                        return Ok(());
                    }
                    let failure = failure(&message, slot, jobs, at, cause);
                    self.unprepare(&prepared, results);
                    self.undo(&failure.cause).await;
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    /// Ends the transaction of a job that failed. What it left open dies with a lost connection.
    pub(super) async fn undo(&mut self, cause: &Cause) {
        if self.whole_run {
            (self.open, self.create) = (false, self.absent);
        }
        if cause.class != Class::Lost {
            // A failure here shows again, and with more to say, in whatever is sent next.
            let _ = self.execute("ROLLBACK".to_owned()).await;
        }
    }

    /// Runs a Rust function between two messages of its transaction.
    pub(super) async fn run_step(
        &mut self,
        store: &Store,
        index: usize,
        job: &Job,
        function: StepFn,
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let fail = |at, cause| Failure { job: index, at, cause };
        progress(Progress::Started(index));
        let mut message = Message::default();
        let prepared = self.prepare(store, &mut message);
        self.begin(store, index, job, &mut message);
        message.push(Slot::Begin(index), "SET LOCAL lockgate.step = 'open'");
        let sent = self.send(message.sql.clone(), |_| ()).await;
        if let Err((results, cause)) = sent {
            let slot = message.slots.get(results).copied().unwrap_or(Slot::Begin(index));
            self.unprepare(&prepared, results);
            self.undo(&cause).await;
            return Err(failure(&message, slot, &[], index, cause));
        }
        let mut transaction = Transaction::on_postgres(self.held.connection());
        if let Err(error) = function(&mut transaction).await {
            let cause = match error.downcast_ref::<sqlx::Error>() {
                Some(error) => cause(error),
                None => Cause::new(Class::Other, chain(&*error)),
            };
            self.lost |= cause.class == Class::Lost;
            self.undo(&cause).await;
            return Err(fail(FailedAt::Step, cause));
        }
        let mut message = Message::default();
        // The setting is gone if the function ended the transaction that was to hold its history row.
        let check = "SELECT 1 / (COALESCE(pg_catalog.current_setting('lockgate.step', true), '') = 'open')::integer";
        message.push(Slot::Guard(index), check);
        for statement in self.restore_session() {
            message.push(Slot::Bookkeeping(index), &statement);
        }
        if self.held.is_borrowed() {
            for setting in self.own_settings("SET LOCAL") {
                message.push(Slot::Bookkeeping(index), &setting);
            }
        }
        if job.last && !self.whole_run {
            message.push(Slot::Bookkeeping(index), &self.synchronous());
        }
        self.finish(store, index, job, None, &mut message);
        if let Err((results, cause)) = self.send(message.sql.clone(), |_| ()).await {
            self.undo(&cause).await;
            if results == 0 && cause.code.as_deref() == Some(GUARD) {
                let message = "what marked its transaction is gone";
                return Err(fail(FailedAt::StepEnded, Cause::new(Class::Other, message)));
            }
            let slot = message.slots.get(results).copied().unwrap_or(Slot::Bookkeeping(index));
            return Err(failure(&message, slot, &[], index, cause));
        }
        progress(Progress::Finished(index));
        Ok(())
    }

    pub(super) async fn run_alone(
        &mut self,
        store: &Store,
        job: &Job,
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let Work::Script(sql) = &job.work else { return Ok(()) };
        progress(Progress::Started(0));
        let going_up = job.action.direction() == Some(Direction::Up);
        let state = if going_up { State::Partial } else { State::Reverting };
        let done = job.action.statements_done();
        let total = u32::try_from(sql.statements.len()).unwrap_or(u32::MAX);
        let table = self.table().clone();
        let bookkeeping = |cause| Failure { job: 0, at: FailedAt::Bookkeeping, cause };

        let mut message = Message::default();
        let prepared = self.prepare(store, &mut message);
        // CREATE INDEX CONCURRENTLY waits for every older transaction as if for a lock: a timeout
        // that nobody asked for would leave an invalid index behind.
        let wait = sql.script.lock_timeout().map_or(0, |timeout| timeout.as_millis());
        message.push(Slot::Setup, &format!("SET lock_timeout = {wait}"));
        if let Some(timeout) = sql.script.statement_timeout() {
            message.push(Slot::Setup, &format!("SET statement_timeout = {}", timeout.as_millis()));
        }
        message.push(Slot::Setup, BEGIN);
        message.push(Slot::Setup, &self.synchronous());
        let first = match job.action {
            Action::Apply => sql::insert(store, &table, &job.entry, State::Partial, 0, None),
            _ => sql::advance(store, &table, &job.entry, state, done, sql.finished(done)),
        };
        message.push(Slot::Bookkeeping(0), &first);
        message.push(Slot::Setup, "COMMIT");
        if let Some(role) = sql.script.role() {
            message.push(Slot::Setup, &format!("SET ROLE {}", identifier(role)));
        }
        if let Err((results, cause)) = self.send(message.sql.clone(), |_| ()).await {
            self.unprepare(&prepared, results);
            self.undo(&cause).await;
            self.put_back(sql).await;
            let at = if results < prepared.tables { FailedAt::Preparation } else { FailedAt::Begin };
            return Err(Failure { job: 0, at, cause });
        }

        let mut finished = done;
        for (index, statement) in sql.statements.iter().enumerate().skip(done as usize) {
            finished += 1;
            if statement.flags.contains(StatementFlags::CLIENT_ONLY) {
                continue;
            }
            if let Err((at, cause)) = self.run_statement(sql, index).await {
                self.undo(&cause).await;
                self.put_back(sql).await;
                return Err(Failure { job: 0, at, cause });
            }
            if finished < total {
                let advance = sql::advance(store, &table, &job.entry, state, finished, sql.finished(finished));
                self.bookkeep(sql, vec![advance]).await.map_err(bookkeeping)?;
            }
            progress(Progress::Statement(0, finished));
        }
        let row = match going_up {
            true => sql::advance(store, &table, &job.entry, State::Applied, total, None),
            false => sql::delete(store, &table, &job.entry),
        };
        let log = sql::log(store, &table, &job.entry, job.log_event(), None);
        self.put_back(sql).await;
        self.bookkeep(sql, vec![row, log]).await.map_err(bookkeeping)?;
        progress(Progress::Finished(0));
        Ok(())
    }

    /// Runs one statement of a script outside a transaction.
    async fn run_statement(&mut self, sql: &Sql, index: usize) -> Result<(), (FailedAt, Cause)> {
        let statement = &sql.statements[index];
        if statement.data.is_some() {
            let hide = self.messages("SET", true);
            self.execute(hide).await.map_err(|cause| (FailedAt::Statement { index, byte: None }, cause))?;
            return self.copy(sql, index).await;
        }
        let builds = matches!(statement.kind, StatementKind::CreateIndex | StatementKind::Maintenance);
        self.invalid = None;
        if builds && statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION) {
            let found =
                self.invalid_indexes().await.map_err(|cause| (FailedAt::Statement { index, byte: None }, cause))?;
            self.invalid = Some(found.into_iter().map(|(oid, _, _)| oid).collect());
        }
        // Alone in its message: together with anything else it would be in a transaction.
        let code = sql.text[statement.range.clone()].to_owned();
        self.send(code.clone(), |_| ()).await.map_err(|(_, cause)| {
            let byte = cause
                .position
                .and_then(|position| code.char_indices().nth(position.saturating_sub(1)))
                .map(|(byte, _)| statement.range.start + byte);
            (FailedAt::Statement { index, byte }, cause)
        })?;
        let untouched = match &self.invalid {
            Some(before) if !before.is_empty() => self.left_invalid(&code).await,
            Some(_) | None => None,
        };
        match untouched {
            Some(name) => {
                let message = format!("the index \"{name}\" was INVALID before, and IF NOT EXISTS leaves it so");
                Err((FailedAt::Statement { index, byte: None }, Cause::new(Class::Other, message)))
            }
            None => Ok(()),
        }
    }

    /// The index that `IF NOT EXISTS` found and left alone, INVALID as it is. The server says so in a
    /// notice only, so the name is looked for in the statement.
    async fn left_invalid(&mut self, code: &str) -> Option<String> {
        let words = |text: &str| -> Vec<String> {
            let inside = |c: char| !c.is_alphanumeric() && c != '_';
            text.split(inside).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
        };
        let said = words(code);
        let says = |wanted: &[String]| !wanted.is_empty() && said.windows(wanted.len()).any(|part| part == wanted);
        if !says(&["if", "not", "exists"].map(str::to_owned)) {
            return None;
        }
        let before = self.invalid.clone().unwrap_or_default();
        let now = self.invalid_indexes().await.ok()?;
        let found = now.into_iter().find(|(oid, name, _)| before.contains(oid) && says(&words(name)));
        found.map(|(_, name, _)| name)
    }

    /// Writes the row of a script that runs outside, as the role that the run began with.
    async fn bookkeep(&mut self, sql: &Sql, statements: Vec<String>) -> Result<(), Cause> {
        let mut message = format!("{BEGIN}; {}; ", self.synchronous());
        if sql.script.role().is_some() {
            message.push_str(&format!("SET LOCAL ROLE {}; ", self.role()));
        }
        message.push_str(&statements.join("; "));
        message.push_str("; COMMIT");
        let sent = self.execute(message).await;
        if let Err(cause) = &sent {
            self.undo(cause).await;
        }
        sent
    }

    /// Puts the session back behind a script that ran outside a transaction.
    async fn put_back(&mut self, sql: &Sql) {
        let mut statements = self.restore(sql);
        statements.push(format!("SET ROLE {}", self.role()));
        statements.push(format!("SET lock_timeout = {}", literal(&self.facts().lock_timeout)));
        statements.push(format!("SET statement_timeout = {}", literal(&self.facts().statement_timeout)));
        if sql.has_data() {
            statements.push(self.messages("SET", false));
        }
        if !self.held.is_borrowed() {
            statements.extend(self.own_settings("SET"));
        }
        // A failure here shows again in the bookkeeping that follows.
        let _ = self.execute(statements.join("; ")).await;
    }
}

/// What a message's error is about.
pub(super) fn failure(message: &Message, slot: Slot, jobs: &[Job], first: usize, cause: Cause) -> Failure {
    let located = cause.position.and_then(|position| message.locate(position));
    let script = |index: usize| match jobs.get(index).map(|job| &job.work) {
        Some(Work::Script(sql)) => Some(sql),
        Some(Work::Nothing | Work::Step(_)) | None => None,
    };
    if let Some((job, byte)) = located
        && slot.job().is_none_or(|of| of == job || cause.class == Class::Syntax)
        && let Some(sql) = script(job)
    {
        return Failure { job, at: message::statement_at(sql, byte), cause };
    }
    let job = slot.job().unwrap_or(first);
    let at = match slot {
        Slot::Guard(_) if cause.code.as_deref() == Some(GUARD) => {
            let cause = Cause::new(Class::Overtaken, "another run came first");
            return Failure { job, at: FailedAt::Bookkeeping, cause };
        }
        Slot::Statement(_, index) => FailedAt::Statement { index, byte: None },
        // Where it fails, the run has ended well: `run_jobs` never asks.
        Slot::Farewell => FailedAt::Commit,
        Slot::Setup => FailedAt::Preparation,
        Slot::Begin(_) => FailedAt::Begin,
        Slot::Guard(_) | Slot::Bookkeeping(_) => FailedAt::Bookkeeping,
        Slot::End(_) => FailedAt::Commit,
    };
    Failure { job, at, cause }
}
