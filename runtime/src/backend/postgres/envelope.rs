//! What a run sends around its scripts: settings, tables, guards, and the bookkeeping of each.

use lockgate_core::{Action, State, StatementFlags};

use super::message::{Message, Slot};
use super::{Backing, Lock, sql};
use crate::backend::{Job, Sql, Work};
use crate::store::{Store, identifier, literal};

/// The scripts of one message, in bytes and in number: bounded, so that what the server parses at once
/// is, and what is sent again when it cannot parse one of them.
const MESSAGE_BYTES: usize = 256 * 1024;
pub(super) const MESSAGE_JOBS: usize = 1024;

pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// What a message prepares: how things stood before it, and behind how many results its settings and
/// its tables are there.
pub(super) struct Prepared {
    before: (bool, bool),
    pub(super) settings: usize,
    pub(super) tables: usize,
}

impl Backing<'_> {
    /// What comes before the first thing that a run writes: the session's settings, the tables.
    pub(super) fn prepare(&mut self, store: &Store, message: &mut Message) -> Prepared {
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
    pub(super) fn unprepare(&mut self, prepared: &Prepared, results: usize) {
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
    pub(super) fn own_settings(&self, set: &str) -> Vec<String> {
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

    /// What lets other runs in and puts the session back as it was.
    pub(super) fn farewell(&self) -> Vec<String> {
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
        statements
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

    pub(super) fn begin(&self, store: &Store, index: usize, job: &Job, message: &mut Message) {
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

    pub(super) fn synchronous(&self) -> String {
        format!("SET LOCAL synchronous_commit = {}", literal(&self.facts().synchronous_commit))
    }

    /// What the head of a script asks of its transaction.
    pub(super) fn begin_script(&self, index: usize, sql: &Sql, message: &mut Message) {
        let slot = Slot::Begin(index);
        if let Some(timeout) = sql.script.lock_timeout() {
            message.push(slot, &format!("SET LOCAL lock_timeout = {}", timeout.as_millis()));
        }
        if let Some(timeout) = sql.script.statement_timeout() {
            message.push(slot, &format!("SET LOCAL statement_timeout = {}", timeout.as_millis()));
        }
        if let Some(role) = sql.script.role() {
            message.push(slot, &format!("SET LOCAL ROLE {}", identifier(role)));
        }
    }

    /// What must be put back behind a script, before it is recorded.
    pub(super) fn end_script(&self, index: usize, job: &Job, sql: &Sql, message: &mut Message) {
        let restore = self.restore(sql);
        for statement in &restore {
            message.push(Slot::Bookkeeping(index), statement);
        }
        if job.last && !restore.is_empty() && !self.whole_run {
            message.push(Slot::Bookkeeping(index), &self.synchronous());
        }
    }

    /// What puts the session back behind a script that changed it, or that asked for limits or a
    /// role of its own; nothing else costs anything.
    pub(super) fn restore(&self, sql: &Sql) -> Vec<String> {
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
    pub(super) fn restore_session(&self) -> Vec<String> {
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

    pub(super) fn role(&self) -> String {
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
    pub(super) fn message(
        &mut self,
        store: &Store,
        jobs: &[Job],
        first: usize,
        most: usize,
    ) -> (Message, Prepared, usize) {
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
            if matches!(&job.work, Work::Script(sql) if sql.has_data()) {
                break;
            }
            if taken > 0 && bytes + size > MESSAGE_BYTES {
                break;
            }
            bytes += size;
            taken += 1;
            self.begin(store, index, job, &mut message);
            if let Work::Script(sql) = &job.work {
                self.begin_script(index, sql, &mut message);
                message.push_script(index, sql, 0..sql.statements.len());
                self.end_script(index, job, sql, &mut message);
            }
            self.finish(store, index, job, behind, &mut message);
            behind = matches!(job.action, Action::Apply | Action::Record).then(|| job.entry.version.get());
        }
        let ends = taken > 0 && jobs.get(first + taken - 1).is_some_and(|job| job.last);
        if ends && !self.whole_run {
            // Behind the last commit, and so on the same way; after a failure it is not heard.
            for statement in self.farewell() {
                message.push(Slot::Farewell, &statement);
            }
        }
        (message, prepared, taken)
    }

    pub(super) fn finish(&self, store: &Store, index: usize, job: &Job, behind: Option<i64>, message: &mut Message) {
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
}
