//! PostgreSQL: several migrations travel in one simple-query message, each its own transaction with
//! its history row, and only the last commit of a run waits for the disk.

mod cause;
mod message;
mod sql;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::TryStreamExt;
use lockgate_core::{Action, Dialect, History, State, StatementFlags};
use sqlx::postgres::{PgQueryResult, PgRow};
use sqlx::{AssertSqlSafe, Column, Connection, Either, PgConnection, Postgres, Row};
use tokio::time::Instant;

use self::message::{Message, Slot};
use super::{
    Backend, BoxFuture, FailedAt, Failure, Job, Limits, LockFailure, LockRequest, OnProgress, Progress, Sql, Work,
    backoff,
};
use crate::Transaction;
use crate::error::{Cause, Class, chain};
use crate::migrations::StepFn;
use crate::session::Held;
use crate::store::{Entry, RawRow, Store, Table, identifier, literal};

pub(crate) use cause::cause;

/// The scripts of one message: bounded, so that the server never parses more than this at once, and
/// in number, so that an error in the parsing of one sends few again.
const MESSAGE_BYTES: usize = 256 * 1024;
const MESSAGE_JOBS: usize = 256;

/// The `SQLSTATE` of a guard that does not hold: its check divides by zero.
const GUARD: &str = "SQLSTATE 22012";

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
    role: String,
}

/// What a message prepares: how things stood before it, and behind how many results its settings and
/// its tables are there.
struct Prepared {
    before: (bool, bool),
    settings: usize,
    tables: usize,
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
                _ => rows.push(raw_row(&row).map_err(read)?.read(&table)?),
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
        self.whole_run = request.whole_run;
        if request.session_state {
            self.settings = Some(self.session_settings().await?);
        }
        Ok(history)
    }

    async fn holder(&mut self, key: i64) -> Result<Option<String>, Cause> {
        let rows = self.rows(sql::holder(key)).await?;
        Ok(rows.first().and_then(|row| row.try_get("holder").ok()))
    }

    async fn session_settings(&mut self) -> Result<Vec<(String, String)>, Cause> {
        let rows = self.rows(sql::SESSION_SETTINGS.to_owned()).await?;
        let read = |row: &PgRow| Some((row.try_get("name").ok()?, row.try_get("setting").ok()?));
        Ok(rows.iter().filter_map(read).collect())
    }

    /// What comes before the first thing that a run writes: the session's settings, the tables.
    fn prepare(&mut self, store: &Store, message: &mut Message) -> Prepared {
        let mut prepared = Prepared { before: (self.configured, self.create), settings: 0, tables: 0 };
        if !self.configured && !self.held.is_borrowed() {
            self.configured = true;
            // In a transaction of their own: else they would belong to the first one of the message,
            // and be gone if that one fails.
            message.push(Slot::Setup, "BEGIN");
            for setting in self.own_settings("SET") {
                message.push(Slot::Setup, &setting);
            }
            message.push(Slot::Setup, "COMMIT");
        }
        prepared.settings = message.slots.len();
        let opens = self.whole_run && !self.open;
        if opens {
            self.open = true;
            self.open_transaction(Slot::Setup, message);
        }
        if self.create {
            self.create = false;
            if !self.whole_run {
                self.open_transaction(Slot::Setup, message);
            }
            for statement in sql::create(self.table(), store.table.schema.is_some()) {
                message.push(Slot::Setup, &statement);
            }
            if !self.whole_run {
                message.push(Slot::Setup, "COMMIT");
            }
        }
        prepared.tables = message.slots.len();
        prepared
    }

    /// Takes back what a message was to prepare and did not, as it failed behind so many results.
    fn unprepare(&mut self, prepared: &Prepared, results: usize) {
        let (configured, create) = prepared.before;
        if results < prepared.settings {
            self.configured = configured;
        }
        if results < prepared.tables {
            self.create = create;
        }
    }

    fn open_transaction(&self, slot: Slot, message: &mut Message) {
        message.push(slot, BEGIN);
        if let Some(guard) = self.guard() {
            message.push(Slot::Guard(slot.job().unwrap_or(0)), &guard);
        }
        if self.held.is_borrowed() {
            for setting in self.own_settings("SET LOCAL") {
                message.push(slot, &setting);
            }
        }
    }

    /// The settings of the run: of the session, one statement each and not one a migration, where
    /// the session is ours to close; else of each transaction.
    fn own_settings(&self, set: &str) -> Vec<String> {
        let limits = self.limits.expect("the lock is had before anything is written");
        let mut settings = vec![format!("{set} lock_timeout = {}", limits.lock_timeout.as_millis())];
        if let Some(timeout) = limits.statement_timeout {
            settings.push(format!("{set} statement_timeout = {}", timeout.as_millis()));
        }
        // The write-ahead log is sequential: the last commit of the run, which waits for the disk,
        // makes all earlier ones durable.
        if !self.whole_run && self.facts().synchronous_commit != "off" {
            settings.push(format!("{set} synchronous_commit = off"));
        }
        settings
    }

    /// A statement that fails unless this transaction has the lock; none where the session has it.
    fn guard(&self) -> Option<String> {
        match self.lock {
            Lock::Transaction(key) => Some(format!("SELECT 1 / pg_catalog.pg_try_advisory_xact_lock({key})::integer")),
            Lock::Session(_) | Lock::None => None,
        }
    }

    /// A statement that fails if another run came first; none where the session has the lock.
    fn unchanged(&self, store: &Store, job: &Job) -> Option<String> {
        self.guard()?;
        let there = if matches!(job.action, Action::Apply | Action::Record) { "NOT EXISTS" } else { "EXISTS" };
        Some(format!(
            "SELECT 1 / ({there} (SELECT FROM {} WHERE set_name = {} AND version = {}))::integer",
            self.table(),
            literal(&store.set),
            job.entry.version
        ))
    }

    fn begin(&self, store: &Store, index: usize, job: &Job, message: &mut Message) {
        if !self.whole_run {
            self.open_transaction(Slot::Begin(index), message);
            if job.last {
                message.push(Slot::Begin(index), &self.synchronous());
            }
        }
        if let Some(unchanged) = self.unchanged(store, job) {
            message.push(Slot::Guard(index), &unchanged);
        }
    }

    fn synchronous(&self) -> String {
        format!("SET LOCAL synchronous_commit = {}", literal(&self.facts().synchronous_commit))
    }

    /// What the head of a script asks of its transaction.
    fn directives(&self, sql: &Sql) -> Vec<String> {
        let mut settings = Vec::new();
        if let Some(timeout) = sql.script.lock_timeout() {
            settings.push(format!("SET LOCAL lock_timeout = {}", timeout.as_millis()));
        }
        if let Some(timeout) = sql.script.statement_timeout() {
            settings.push(format!("SET LOCAL statement_timeout = {}", timeout.as_millis()));
        }
        if let Some(role) = sql.script.role() {
            settings.push(format!("SET LOCAL ROLE {}", identifier(role)));
        }
        settings
    }

    /// What puts the session back behind a script that changed it, or that asked for limits or a
    /// role of its own; nothing else costs anything.
    fn restore(&self, sql: &Sql) -> Vec<String> {
        let mut statements = Vec::new();
        if sql.statements.iter().any(|statement| statement.flags.contains(StatementFlags::SESSION_STATE)) {
            statements.extend(self.restore_session());
            if self.held.is_borrowed() {
                statements.extend(self.own_settings("SET LOCAL"));
            }
        } else if sql.script.role().is_some() {
            statements.push(format!("SET LOCAL ROLE {}", self.role()));
        }
        // In one transaction, a limit that one script asked for must not bind the next.
        if self.whole_run && (sql.script.lock_timeout().is_some() || sql.script.statement_timeout().is_some()) {
            statements.push(format!("SET LOCAL statement_timeout = {}", literal(&self.facts().statement_timeout)));
            statements.extend(self.own_settings("SET LOCAL"));
        }
        statements
    }

    /// What puts back all that a session can be made to be.
    fn restore_session(&self) -> Vec<String> {
        let role = format!("SET ROLE {}", self.role());
        let mut statements = vec!["RESET SESSION AUTHORIZATION".to_owned(), role, sql::RESET_SETTINGS.to_owned()];
        for (name, value) in self.settings.iter().flatten() {
            let (name, value) = (literal(name), literal(value));
            statements.push(format!("SELECT pg_catalog.set_config({name}, {value}, false)"));
        }
        if !self.held.is_borrowed() {
            statements.extend(self.own_settings("SET"));
        }
        statements
    }

    fn role(&self) -> String {
        match self.facts().role.as_str() {
            "none" => "NONE".to_owned(),
            role => identifier(role),
        }
    }

    fn bookkeeping(&self, store: &Store, job: &Job, behind: Option<i64>) -> Vec<String> {
        let (table, entry) = (self.table(), &job.entry);
        let done = match &job.work {
            Work::Script(sql) => u32::try_from(sql.statements.len()).unwrap_or(u32::MAX),
            Work::Nothing | Work::Step(_) => 0,
        };
        let row = match job.action {
            Action::Apply | Action::Record | Action::ResumeApply { .. } => {
                sql::insert(store, table, entry, State::Applied, done, behind)
            }
            Action::Rewrite => sql::rewrite(store, table, entry),
            Action::Revert | Action::ResumeRevert { .. } | Action::Forget => sql::delete(store, table, entry),
        };
        vec![row, sql::log(store, table, entry, job.log_event(), None)]
    }

    /// The message for as many of the jobs as fit, and how many those are.
    fn message(&mut self, store: &Store, jobs: &[Job], first: usize, most: usize) -> (Message, Prepared, usize) {
        let mut message = Message::default();
        let prepared = self.prepare(store, &mut message);
        let mut bytes = 0;
        let mut taken = 0;
        let mut behind = None;
        for (index, job) in jobs.iter().enumerate().skip(first).take(most) {
            let size = match &job.work {
                Work::Nothing => 0,
                Work::Script(sql) => sql.code().len(),
                Work::Step(_) => break,
            };
            if taken > 0 && bytes + size > MESSAGE_BYTES {
                break;
            }
            bytes += size;
            taken += 1;
            self.begin(store, index, job, &mut message);
            if let Work::Script(sql) = &job.work {
                for setting in self.directives(sql) {
                    message.push(Slot::Begin(index), &setting);
                }
                message.push_script(index, sql);
                let restore = self.restore(sql);
                for statement in &restore {
                    message.push(Slot::Bookkeeping(index), statement);
                }
                if job.last && !restore.is_empty() && !self.whole_run {
                    message.push(Slot::Bookkeeping(index), &self.synchronous());
                }
            }
            self.finish(store, index, job, behind, &mut message);
            behind = matches!(job.action, Action::Apply | Action::Record).then(|| job.entry.version.get());
        }
        (message, prepared, taken)
    }

    fn finish(&self, store: &Store, index: usize, job: &Job, behind: Option<i64>, message: &mut Message) {
        for statement in self.bookkeeping(store, job, behind) {
            message.push(Slot::Bookkeeping(index), &statement);
        }
        if self.whole_run {
            if let Some(slot) = message.slots.last_mut() {
                *slot = Slot::End(index);
            }
        } else {
            message.push(Slot::End(index), "COMMIT");
        }
    }

    async fn run_jobs(&mut self, store: &Store, jobs: &[Job], progress: OnProgress<'_>) -> Result<(), Failure> {
        let mut at = 0;
        // Up to where jobs are sent one by one, behind a message that could not be parsed.
        let mut singly_until = 0;
        while let Some(job) = jobs.get(at) {
            if let Work::Step(function) = job.work {
                self.run_step(store, at, job, function, progress).await?;
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
                Ok(()) => at += taken,
                Err((0, cause)) if taken > 1 && cause.class != Class::Lost => {
                    // The server parses a whole message before it runs any of it: what stands
                    // before the script that it cannot parse is sent again, one by one.
                    self.unprepare(&prepared, 0);
                    self.open = open;
                    singly_until = at + taken;
                }
                Err((results, cause)) => {
                    let slot = message.slots.get(results).copied().unwrap_or(Slot::Bookkeeping(at));
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
    async fn undo(&mut self, cause: &Cause) {
        if self.whole_run {
            (self.open, self.create) = (false, self.absent);
        }
        if cause.class != Class::Lost {
            // A failure here shows again, and with more to say, in whatever is sent next.
            let _ = self.execute("ROLLBACK".to_owned()).await;
        }
    }

    /// Runs a Rust function between two messages of its transaction.
    async fn run_step(
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

    async fn run_alone(&mut self, store: &Store, job: &Job, progress: OnProgress<'_>) -> Result<(), Failure> {
        let Work::Script(sql) = &job.work else { return Ok(()) };
        progress(Progress::Started(0));
        let going_up = matches!(job.action, Action::Apply | Action::ResumeApply { .. });
        let state = if going_up { State::Partial } else { State::Reverting };
        let done = job.statements_done();
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
            _ => sql::advance(store, &table, &job.entry, state, done),
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
            // Alone in its message: together with anything else it would be in a transaction.
            let code = sql.text[statement.range.clone()].to_owned();
            if let Err((_, cause)) = self.send(code.clone(), |_| ()).await {
                let byte = cause
                    .position
                    .and_then(|position| code.char_indices().nth(position.saturating_sub(1)))
                    .map(|(byte, _)| statement.range.start + byte);
                self.undo(&cause).await;
                self.put_back(sql).await;
                return Err(Failure { job: 0, at: FailedAt::Statement { index, byte }, cause });
            }
            finished += 1;
            if finished < total {
                let advance = sql::advance(store, &table, &job.entry, state, finished);
                self.bookkeep(sql, vec![advance]).await.map_err(bookkeeping)?;
            }
            progress(Progress::Statement(0, finished));
        }
        let row = match going_up {
            true => sql::advance(store, &table, &job.entry, State::Applied, total),
            false => sql::delete(store, &table, &job.entry),
        };
        let log = sql::log(store, &table, &job.entry, job.log_event(), None);
        self.put_back(sql).await;
        self.bookkeep(sql, vec![row, log]).await.map_err(bookkeeping)?;
        progress(Progress::Finished(0));
        Ok(())
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
        if !self.held.is_borrowed() {
            statements.extend(self.own_settings("SET"));
        }
        // A failure here shows again in the bookkeeping that follows.
        let _ = self.execute(statements.join("; ")).await;
    }

    async fn let_go(&mut self, failed: bool) -> Result<(), Cause> {
        let mut committed = Ok(());
        if self.open {
            self.open = false;
            committed = self.execute(if failed { "ROLLBACK" } else { "COMMIT" }.to_owned()).await;
        }
        let mut statements = Vec::new();
        if self.configured {
            let facts = self.facts();
            statements.push(format!("SET lock_timeout = {}", literal(&facts.lock_timeout)));
            statements.push(format!("SET statement_timeout = {}", literal(&facts.statement_timeout)));
            statements.push(format!("SET synchronous_commit = {}", literal(&facts.synchronous_commit)));
        }
        if let Lock::Session(key) = self.lock {
            statements.push(format!("SELECT pg_catalog.pg_advisory_unlock({key})"));
        }
        // Where this fails, dropping the value closes the session, and all of it goes with that.
        if statements.is_empty() || self.execute(statements.join("; ")).await.is_ok() {
            self.configured = false;
            self.lock = Lock::None;
        }
        committed
    }
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// What a message's error is about.
fn failure(message: &Message, slot: Slot, jobs: &[Job], first: usize, cause: Cause) -> Failure {
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
        Slot::Setup => FailedAt::Preparation,
        Slot::Begin(_) => FailedAt::Begin,
        Slot::Guard(_) | Slot::Bookkeeping(_) => FailedAt::Bookkeeping,
        Slot::End(_) => FailedAt::Commit,
    };
    Failure { job, at, cause }
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
            role: row.try_get("role")?,
        })
    }
}

fn raw_row(row: &PgRow) -> Result<RawRow, sqlx::Error> {
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
            let log = sql::log(store, self.table(), entry, crate::store::LogEvent::Failed, Some(message));
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

    fn release(&mut self, failed: bool) -> BoxFuture<'_, Result<(), Cause>> {
        Box::pin(self.let_go(failed))
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
        if let Lock::Session(key) = self.lock {
            // First, as the words behind a failing one are not heard. Taken more than once it is not.
            words.push(format!("SELECT pg_catalog.pg_advisory_unlock({key})"));
            if self.settings.is_some() {
                words.extend(self.restore_session());
            }
            words.push(format!("SET ROLE {}", self.role()));
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
