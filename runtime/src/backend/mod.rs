//! What the executor asks of a database, and nothing about any one of them.
//!
//! The backends do not know each other. Each implements [`Backend`] over one held connection.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use lockgate_core::{Action, Body, Checksum, Dialect, History, Migration, Script, Statement, Step, Touch};

use crate::error::Cause;
use crate::migrations::StepFn;
use crate::store::{Entry, LogEvent, Store};

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the caller asked of the database's own limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a statement may wait for a lock on what it changes.
    pub(crate) lock_timeout: Duration,
    /// How long a statement may run; for ever if absent.
    pub(crate) statement_timeout: Option<Duration>,
    /// How long to wait for another run to end.
    pub(crate) lock_wait: Duration,
}

/// What [`Backend::lock`] is asked for.
pub(crate) struct LockRequest<'a> {
    pub(crate) store: &'a Store,
    pub(crate) limits: Limits,
    /// Whether all that follows is one transaction.
    pub(crate) whole_run: bool,
    /// Whether a script that will run changes what the session is.
    pub(crate) session_state: bool,
    /// Whether a script that will run cannot run in a transaction.
    pub(crate) outside: bool,
}

/// Why the lock was not had.
pub(crate) enum LockFailure {
    /// Another run held it until the deadline.
    Held { holder: Option<String> },
    /// Something else went wrong.
    Cause(Cause),
}

impl From<Cause> for LockFailure {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

/// One step, with all that running it needs.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) action: Action,
    pub(crate) entry: Entry,
    pub(crate) work: Work,
    /// Whether nothing follows it in this run.
    pub(crate) last: bool,
}

/// What a job runs.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Bookkeeping alone.
    Nothing,
    /// SQL.
    Script(Box<Sql>),
    /// A Rust function.
    Step(StepFn),
}

/// An SQL script with the statements that this database sees in it.
#[derive(Clone, Debug)]
pub(crate) struct Sql {
    pub(crate) script: Script,
    pub(crate) text: &'static str,
    pub(crate) statements: Vec<Statement>,
    /// For a script that runs outside a transaction: the checksum of all statements up to each.
    finished: Vec<Checksum>,
    dialect: Dialect,
}

impl Sql {
    /// What its n-th statement, counted from 0, does to tables.
    pub(crate) fn touches(&self, statement: usize) -> impl Iterator<Item = Touch> {
        self.script.touches(self.dialect).into_iter().filter(move |touch| touch.statement == statement)
    }

    /// The checksum of its first so many statements, which have finished.
    pub(crate) fn finished(&self, done: u32) -> Option<&Checksum> {
        self.finished.get(usize::try_from(done).ok()?.checked_sub(1)?)
    }

    /// Whether a statement of it is followed by data.
    pub(crate) fn has_data(&self) -> bool {
        self.statements.iter().any(|statement| statement.data.is_some())
    }

    /// The text from the first statement to the last: no byte order mark, no comment without an end.
    pub(crate) fn code(&self) -> &'static str {
        match (self.statements.first(), self.statements.last()) {
            (Some(first), Some(last)) => &self.text[first.range.start..last.range.end],
            _ => "",
        }
    }
}

impl Job {
    /// The job of a step whose migration the program embeds, or whose row alone is changed.
    pub(crate) fn new(
        step: &Step,
        migration: Option<Migration>,
        entry: Entry,
        rust: Option<StepFn>,
        dialect: Dialect,
    ) -> Self {
        let script = migration.and_then(|migration| match step.action {
            Action::Apply | Action::ResumeApply { .. } => Some(migration.up()),
            Action::Revert | Action::ResumeRevert { .. } => migration.down(),
            Action::Record | Action::Rewrite | Action::Forget => None,
        });
        let work = match (script, rust) {
            (None, _) => Work::Nothing,
            (Some(_), Some(function)) => Work::Step(function),
            (Some(script), None) => match script.body() {
                Body::Sql(text) => Work::Script(Box::new(Sql {
                    script,
                    text,
                    statements: script.statements(dialect),
                    finished: script.finished(dialect),
                    dialect,
                })),
                Body::Rust => Work::Nothing,
            },
        };
        Self { id: step.id.clone(), action: step.action, entry, work, last: false }
    }

    /// Whether it must run outside a transaction.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(&self.work, Work::Script(sql) if !sql.script.is_transactional())
    }

    /// What the log says when it is done.
    pub(crate) fn log_event(&self) -> LogEvent {
        match self.action {
            Action::Apply | Action::ResumeApply { .. } => LogEvent::Applied,
            Action::Revert | Action::ResumeRevert { .. } => LogEvent::Reverted,
            Action::Record => LogEvent::Baselined,
            Action::Rewrite => LogEvent::Repaired,
            Action::Forget => LogEvent::Forgotten,
        }
    }

    /// How many statements of a script that is not transactional have finished before.
    pub(crate) fn statements_done(&self) -> u32 {
        match self.action {
            Action::ResumeApply { statements_done } | Action::ResumeRevert { statements_done } => statements_done,
            Action::Apply | Action::Revert | Action::Record | Action::Rewrite | Action::Forget => 0,
        }
    }
}

/// Why a job failed, and what became of it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The job's place in the slice that was to run.
    pub(crate) job: usize,
    pub(crate) at: FailedAt,
    pub(crate) cause: Cause,
}

/// Where in a job it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailedAt {
    /// Before anything ran: where the history table is made.
    Preparation,
    /// Where its head is obeyed: a role, a limit.
    Begin,
    /// At a statement of the script (counted from 0), perhaps at a byte of the script's text.
    Statement { index: usize, byte: Option<usize> },
    /// In the Rust function.
    Step,
    /// The Rust function ended the transaction that it was given.
    StepEnded,
    /// While it was recorded.
    Bookkeeping,
    /// It ran and was recorded, and its commit failed.
    Commit,
    /// Behind its script: foreign keys point to rows that are not there.
    ForeignKeys,
}

/// What a backend tells while jobs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The job at this place has begun.
    Started(usize),
    /// So many statements of the job at this place have finished.
    Statement(usize, u32),
    /// The job at this place is done and recorded.
    Finished(usize),
}

pub(crate) type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// What the executor asks of a database.
///
/// A value of this type dropped while it is locked leaves no lock behind: it closes its connection,
/// or, where that is the caller's, ends the transaction that holds the lock.
pub(crate) trait Backend: Send {
    /// What it speaks.
    fn dialect(&self) -> Dialect;

    /// The history, in one round trip, without a lock and without writing.
    fn read<'a>(&'a mut self, store: &'a Store) -> BoxFuture<'a, Result<History, Cause>>;

    /// Keeps every other run out, and reads the history again. `read` has run before.
    fn lock<'a>(
        &'a mut self,
        request: LockRequest<'a>,
        on_wait: &'a mut (dyn FnMut(Option<String>) + Send),
    ) -> BoxFuture<'a, Result<History, LockFailure>>;

    /// Runs transactional jobs in order, each with its bookkeeping, and stops at the first failure,
    /// which leaves nothing of its job.
    fn run<'a>(
        &'a mut self,
        store: &'a Store,
        jobs: &'a [Job],
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Runs the statements of one script outside a transaction, recording each.
    fn run_outside<'a>(
        &'a mut self,
        store: &'a Store,
        job: &'a Job,
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Writes to the log that a migration failed.
    fn log_failure<'a>(
        &'a mut self,
        store: &'a Store,
        entry: &'a Entry,
        message: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>>;

    /// Makes durable what is done, or, if `failed` and all of the run is one transaction, undoes it;
    /// lets other runs in and puts the session back as it was.
    fn release(&mut self, failed: bool) -> BoxFuture<'_, Result<(), Cause>>;

    /// The indexes that the last statement of a script outside a transaction left INVALID behind, or
    /// that were so before and that this message of its failure names: as SQL names them.
    fn invalid<'a>(&'a mut self, message: &'a str) -> BoxFuture<'a, Vec<String>>;

    /// Sessions that may hold what a migration could not lock.
    fn blockers(&mut self) -> BoxFuture<'_, Vec<String>>;
}

/// A delay before the next attempt: doubled with each from `first` up to `most`, and less by chance,
/// so that runs that began together do not try together for ever.
pub(crate) fn backoff(attempt: u32, first: Duration, most: Duration) -> Duration {
    let full = first.saturating_mul(1 << attempt.min(16)).min(most);
    let chance = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), attempt) % 512;
    full.mul_f64(1.0 - chance as f64 / 1024.0)
}
