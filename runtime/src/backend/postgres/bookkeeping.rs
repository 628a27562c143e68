//! Builds the SQL around scripts: settings, tables, checks of the history, and the history row of each job.
//!
//! All of it, the lock included, belongs to one transaction and ends with it. Nothing of a run stays in the session.

use std::time::Duration;

use lockgate_core::{Action, StatementKind};

use super::message::{Message, Slot};
use super::session_state;
use super::sql::{self, BEGIN, Fields, Write, literal};
use super::{Expected, PostgresBackend, RunTransaction};
use crate::backend::{Job, JobBody, Sql};
use crate::history_table::{HistoryTable, identifier};

/// The limits of one message, in bytes and in migrations. They bound what the server parses at once, and what is sent
/// again if it cannot parse a script.
const MESSAGE_BYTES: usize = 256 * 1024;
/// The number of migrations in the first message. It grows if messages are quick and shrinks if they are slow.
pub(super) const FIRST_JOBS: usize = 128;
const MESSAGE_JOBS: usize = 1024;
/// A server that goes on after its client was killed should stop within seconds, not minutes.
const QUICK: Duration = Duration::from_millis(500);
const SLOW: Duration = Duration::from_secs(2);
/// From this number of jobs on, a prepared statement is faster.
const PREPARED_JOBS: usize = 4;
/// How soon the server notices that its client is gone, in milliseconds.
const HANG_UP_MS: &str = "250";

/// How many migrations the next message may hold, after one of `batch` migrations that took `elapsed`.
pub(super) fn next_batch(batch: usize, elapsed: Duration) -> usize {
    if elapsed < QUICK {
        (batch * 2).min(MESSAGE_JOBS)
    } else if elapsed > SLOW {
        (batch / 2).max(1)
    } else {
        batch
    }
}

/// What is recorded before a job when its row is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behind {
    /// The previous version in the same message.
    pub(super) version: Option<i64>,
    /// The number of rows of the set.
    pub(super) rows: i64,
}

impl PostgresBackend<'_> {
    /// What is recorded before a job that is the first of its message.
    pub(super) fn behind(&self) -> Behind {
        Behind { version: None, rows: self.rows }
    }

    /// Adds the SQL that creates the tables, before anything else is written. Returns the number of results after which
    /// they exist.
    pub(super) fn prepare(&self, history_table: &HistoryTable, message: &mut Message) -> usize {
        let facts = self.facts();
        let (present, extended) =
            (facts.candidates.present(&history_table.table), facts.candidates.extended(&history_table.table));
        if present && extended && facts.advisory {
            return 0;
        }
        let own = !self.is_one_transaction();
        if own {
            message.push(Slot::Setup, BEGIN);
            // The last commit of the run makes this durable.
            if facts.synchronous_commit != "off" {
                message.push(Slot::Setup, "SELECT pg_catalog.set_config('synchronous_commit', 'off', true)");
            }
        }
        if !present {
            if let Some(alone) = sql::create_alone(self.table(), &self.mutex(history_table)) {
                message.push(Slot::Lock(0), &alone);
            }
            for statement in sql::create(self.table(), &history_table.table, &self.mutex(history_table)) {
                message.push(Slot::Tables, &statement);
            }
        } else if !extended {
            message.push(Slot::Setup, &sql::extend(self.table()));
        }
        if !facts.advisory {
            message.push(Slot::Setup, &sql::make_lock_row(history_table, self.table()));
        }
        if own {
            message.push(Slot::Setup, "COMMIT");
        }
        message.slots.len()
    }

    /// Notes that the tables exist.
    pub(super) fn prepared(&mut self, history_table: &HistoryTable) {
        let name = history_table.table.name.clone();
        let schema = self.table().schema.clone().unwrap_or_default();
        if let Some(facts) = &mut self.facts {
            facts.candidates.made(schema, name);
        }
    }

    /// The settings of a migration's transaction: its timeouts, and whether its commit waits for the disk.
    fn settings(&self, script: Option<&Sql>, durable: bool) -> Vec<(&'static str, String)> {
        let (facts, limits) = (self.facts(), self.limits.expect("the lock is had before anything is written"));
        let script = script.map(|sql| &sql.script);
        let own_lock = script.and_then(|script| script.lock_timeout()).map(|timeout| timeout.as_millis().to_string());
        let own = script.and_then(|script| script.statement_timeout()).map(|timeout| timeout.as_millis().to_string());
        let general = || limits.statement_timeout.map(|timeout| timeout.as_millis().to_string());
        let mut settings = vec![
            ("lock_timeout", own_lock.unwrap_or_else(|| limits.lock_timeout.as_millis().to_string())),
            ("statement_timeout", own.or_else(general).unwrap_or_else(|| facts.statement_timeout.clone())),
        ];
        // The write-ahead log is sequential: the last commit of the run waits for the disk and makes all earlier ones
        // durable.
        if facts.synchronous_commit != "off" {
            let value = if durable { facts.synchronous_commit.as_str() } else { "off" };
            settings.push(("synchronous_commit", value.to_owned()));
        }
        if facts.notices_hang_up {
            settings.push(("client_connection_check_interval", HANG_UP_MS.to_owned()));
        }
        settings
    }

    /// The statement that follows BEGIN: settings, mark and lock.
    pub(super) fn begins(&self, history_table: &HistoryTable, script: Option<&Sql>, durable: bool) -> String {
        sql::begin(&self.settings(script, durable), &self.mutex(history_table), self.table())
    }

    /// The statement that fails unless the history is the expected one.
    pub(super) fn guard(&self, history_table: &HistoryTable) -> String {
        match &self.expected {
            Expected::Digest(digest) => sql::unchanged(history_table, self.table(), digest),
            Expected::Step(version, recorded) => sql::follows(history_table, self.table(), *version, *recorded),
        }
    }

    /// Adds the beginning of a job's transaction. `first` says that the job is the first of its message, so that the
    /// history must be checked.
    pub(super) fn begin(
        &self,
        history_table: &HistoryTable,
        index: usize,
        job: &Job,
        first: bool,
        message: &mut Message,
    ) {
        let script = match &job.body {
            JobBody::Sql(sql) => Some(&**sql),
            JobBody::HistoryOnly | JobBody::Rust(..) => None,
        };
        if !self.is_one_transaction() {
            message.push(Slot::Begin(index), BEGIN);
            if let Some(keep) = self.restores_session(job).then(|| self.save_session_statement()).flatten() {
                message.push(Slot::Begin(index), &keep);
            }
        }
        message.push(Slot::Lock(index), &self.begins(history_table, script, job.last || self.is_one_transaction()));
        if first {
            message.push(Slot::Guard(index), &self.guard(history_table));
        }
        if self.may_alter(history_table, job) {
            message.push(Slot::Begin(index), &sql::count(history_table, self.table()));
        }
        if let Some(role) = job.role() {
            message.push(Slot::Begin(index), &format!("SET LOCAL ROLE {}", identifier(role)));
        }
    }

    /// Whether the job, or a trigger on the history table, may change rows of the history.
    pub(super) fn may_alter(&self, history_table: &HistoryTable, job: &Job) -> bool {
        let names = matches!(&job.body, JobBody::Sql(sql) if contains_word(sql, &history_table.table.name));
        names || self.changes_session(job) || self.facts().candidates.has_triggers(&history_table.table)
    }

    /// The statements that restore the run's role before the row is written, if the job may have changed it.
    pub(super) fn restore_role(&self, job: &Job) -> Vec<String> {
        let may = self.changes_session(job) || sets(job) || job.role().is_some();
        if !may {
            return Vec::new();
        }
        let login = format!("SET LOCAL SESSION AUTHORIZATION {}", literal(&self.facts().login));
        vec![login, format!("SET LOCAL ROLE {}", self.role())]
    }

    /// Whether a job may change the session: by what it says, or by code of the database that it reaches through a
    /// trigger, a view, a rule or a default.
    pub(super) fn changes_session(&self, job: &Job) -> bool {
        job.may_change_session() || (self.reaches_session_code && job.runs_sql())
    }

    /// Whether the session is restored in the transaction of this job.
    pub(super) fn restores_session(&self, job: &Job) -> bool {
        let within = self.is_one_transaction() && (sets(job) || calls_set_config(job));
        self.facts().plpgsql && (within || self.changes_session(job))
    }

    /// The statement that saves the session's state, before any setting is changed.
    pub(super) fn save_session_statement(&self) -> Option<String> {
        self.facts().plpgsql.then(|| session_state::save(self.session_cleanup))
    }

    /// The statements that restore the session in the transaction that changed it. The next user of the session may be
    /// another migration, the caller or another client of a pooler.
    pub(super) fn restore_within(&self) -> Vec<String> {
        vec![
            format!("SET SESSION AUTHORIZATION {}", literal(&self.facts().login)),
            format!("SET ROLE {}", self.role()),
            // In a whole run, the state that was queried at its beginning is used: a script cannot lose it.
            self.saved_session
                .as_deref()
                .filter(|_| self.is_one_transaction())
                .map_or_else(session_state::restore, session_state::restore_from),
        ]
    }

    /// The statements that restore the session after everything that ran in it.
    pub(super) fn restore_statements(&self) -> Vec<String> {
        let facts = self.facts();
        let mut words = vec![
            format!("SET SESSION AUTHORIZATION {}", literal(&facts.login)),
            format!("SET ROLE {}", self.role()),
            format!("SET lock_timeout = {}", literal(&facts.lock_timeout)),
            format!("SET statement_timeout = {}", literal(&facts.statement_timeout)),
        ];
        words.extend(self.saved_session.as_deref().map(session_state::restore_from));
        words
    }

    pub(super) fn role(&self) -> String {
        match self.facts().role.as_str() {
            "none" => "NONE".to_owned(),
            role => identifier(role),
        }
    }

    /// How a job changes its row.
    pub(super) fn write(job: &Job) -> Write {
        match job.action {
            Action::Apply | Action::Record | Action::ResumeApply { .. } => Write::Insert,
            Action::ApplyAgain => Write::Replace,
            Action::Rewrite => Write::Rewrite,
            Action::Settle { finished, .. } => Write::Settle { finished },
            Action::Revert | Action::ResumeRevert { .. } | Action::Forget => Write::Delete,
        }
    }

    /// By how much a job changes the number of rows.
    fn more_rows(job: &Job) -> i64 {
        match job.action {
            Action::Apply | Action::Record => 1,
            Action::ApplyAgain | Action::Rewrite | Action::Settle { .. } | Action::ResumeApply { .. } => 0,
            Action::Revert | Action::ResumeRevert { .. } | Action::Forget => -1,
        }
    }

    /// Notes that these jobs are done.
    pub(super) fn note_done(&mut self, jobs: &[Job]) {
        let Some(job) = jobs.last() else { return };
        self.reaches_session_code |= jobs.iter().any(|job| job.defines_session_code);
        self.rows += jobs.iter().map(Self::more_rows).sum::<i64>();
        self.expected = Expected::Step(job.entry.version.get(), Self::write(job) != Write::Delete);
        self.unflushed = !job.last && !job.is_outside() && !self.is_one_transaction();
    }

    fn fields(job: &Job, behind: Option<i64>) -> Fields {
        let done = job.statements();
        let done = match job.action {
            Action::Settle { statements_done, .. } => statements_done,
            _ => done,
        };
        Fields::of(&job.entry, done, job.log_event(), behind)
    }

    /// Builds the message for as many jobs as fit, and returns their number.
    pub(super) fn message(
        &self,
        history_table: &HistoryTable,
        jobs: &[Job],
        first: usize,
        most: usize,
    ) -> (Message, usize) {
        let taken = self.fitting(jobs, first, most);
        let mut message = Message::default();
        message.tables = if self.run_transaction == RunTransaction::WithTables {
            0
        } else {
            self.prepare(history_table, &mut message)
        };
        // A new name for each message, because a pooler may give the session to anyone afterwards.
        let has_details = jobs[first..].iter().take(taken).any(|job| job.entry.detail().is_some());
        let name = (taken >= PREPARED_JOBS && !has_details && !self.held.is_borrowed() && !self.is_one_transaction())
            .then(|| format!("lockgate_{:016x}", crate::backend::chance()));
        // A prepared statement is for one kind of row.
        let kind = |job: &Job| (Self::write(job), job.entry.is_repeatable());
        let writes = jobs.get(first).map(kind);
        if let (Some(name), Some(job)) = (&name, jobs.get(first)) {
            let (mutex, set) = (self.mutex(history_table), history_table.set_of(&job.entry));
            let prepare = sql::prepare(name, history_table, self.table(), &mutex, Self::write(job), &set);
            message.push(Slot::Setup, &prepare);
            message.prepared = Some(name.clone());
        }
        let (mut behind, mut before) = (None, self.rows);
        for (index, job) in jobs.iter().enumerate().skip(first).take(taken) {
            self.begin(history_table, index, job, index == first, &mut message);
            if let JobBody::Sql(sql) = &job.body {
                message.push_script(index, sql, 0..sql.statements.len());
            }
            let prepared = name.as_deref().filter(|_| Some(kind(job)) == writes && !self.changes_session(job));
            self.finish(history_table, index, job, Behind { version: behind, rows: before }, prepared, &mut message);
            before += Self::more_rows(job);
            behind = matches!(Self::write(job), Write::Insert | Write::Replace).then(|| job.entry.version.get());
        }
        if let Some(name) = &name {
            message.push(Slot::Farewell, &format!("DEALLOCATE {name}"));
        }
        (message, taken)
    }

    /// How many of the jobs fit into one message. A job that may change the session is the last of its message.
    fn fitting(&self, jobs: &[Job], first: usize, most: usize) -> usize {
        let (mut bytes, mut taken) = (0, 0);
        for job in jobs.iter().skip(first).take(most) {
            let size = match &job.body {
                JobBody::HistoryOnly => 0,
                JobBody::Sql(sql) if sql.has_data() => break,
                JobBody::Sql(sql) => sql.code().len(),
                JobBody::Rust(..) => break,
            };
            if taken > 0 && bytes + size > MESSAGE_BYTES {
                break;
            }
            bytes += size;
            taken += 1;
            if self.changes_session(job) {
                break;
            }
        }
        taken
    }

    /// Adds the end of a job's transaction: its row and the commit.
    pub(super) fn finish(
        &self,
        history_table: &HistoryTable,
        index: usize,
        job: &Job,
        behind: Behind,
        prepared: Option<&str>,
        message: &mut Message,
    ) {
        for statement in self.restore_role(job) {
            message.push(Slot::Bookkeeping(index), &statement);
        }
        let fields = Self::fields(job, behind.version);
        let record = match prepared {
            Some(name) => sql::execute(name, &fields),
            None => {
                let (mutex, set) = (self.mutex(history_table), history_table.set_of(&job.entry));
                sql::record(history_table, self.table(), &mutex, Self::write(job), &set, &fields)
            }
        };
        message.push(Slot::Record(index), &record);
        if self.may_alter(history_table, job) {
            let counted = sql::counted(history_table, self.table(), behind.rows, Self::more_rows(job));
            message.push(Slot::Record(index), &counted);
        }
        if self.restores_session(job) {
            for statement in self.restore_within() {
                message.push(Slot::Bookkeeping(index), &statement);
            }
        }
        // Settings of a script end with it, and the commit is Lockgate's. Those for its transaction alone matter only
        // for the last commit, which makes the others durable.
        let has_data = matches!(&job.body, JobBody::Sql(sql) if sql.has_data());
        if job.last || self.changes_session(job) || has_data {
            for (name, value) in self.settings(None, job.last || self.is_one_transaction()) {
                let set = format!("SELECT pg_catalog.set_config('{name}', {}, true)", literal(&value));
                message.push(Slot::Bookkeeping(index), &set);
            }
        }
        if self.is_one_transaction() {
            if let Some(slot) = message.slots.last_mut() {
                *slot = if *slot == Slot::Record(index) { Slot::RecordEnd(index) } else { Slot::End(index) };
            }
        } else {
            message.push(Slot::End(index), "COMMIT");
        }
    }
}

/// Whether a script has a `SET` statement.
fn sets(job: &Job) -> bool {
    let session = |sql: &Sql| sql.statements.iter().any(|statement| statement.kind == StatementKind::Session);
    matches!(&job.body, JobBody::Sql(sql) if session(sql))
}

/// Whether a script may set something with `set_config`.
fn calls_set_config(job: &Job) -> bool {
    matches!(&job.body, JobBody::Sql(sql) if contains_word(sql, "set_config"))
}

/// Whether a script contains this text, in either case.
fn contains_word(sql: &Sql, word: &str) -> bool {
    sql.code().as_bytes().windows(word.len()).any(|found| found.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_migrations_are_sent_in_short_messages() {
        assert_eq!(next_batch(128, Duration::ZERO), 256);
        assert_eq!(next_batch(1024, Duration::ZERO), 1024, "bounded");
        assert_eq!(next_batch(128, QUICK), 128);
        assert_eq!(next_batch(128, SLOW), 128);
        assert_eq!(next_batch(128, SLOW + Duration::from_millis(1)), 64);
        assert_eq!(next_batch(1, SLOW * 2), 1, "one at least");
    }
}
