//! What the executor asks of a database, and nothing about any one of them.
//!
//! The backends do not know each other. Each implements [`Backend`] over one held connection.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use lockgate_core::{
    Action, Atomicity, Body, Checksum, Dialect, Direction, History, Limit, Plan, Script, Set, State, Statement,
    StatementFlags, Step, Touch,
};

use tokio::time::Instant;

use crate::error::{Cause, Error};
use crate::history_table::{HistoryEntry, HistoryTable, LogEvent};
use crate::migrations::{Migrations, StepFn};

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is said of a history that has other rows than it should have once a job is recorded.
pub(crate) const ALTERED: &str = "after it the history table has other rows than this run found and wrote: the migration, or a trigger, changes them";

/// What the caller asked of the database's own limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a statement may wait for a lock on what it changes.
    pub(crate) lock_timeout: Limit,
    /// How long a statement may run; as the session has it if absent.
    pub(crate) statement_timeout: Option<Limit>,
    /// How long to wait for another run to end.
    pub(crate) lock_wait: Duration,
}

/// What becomes of what a migration left in a session of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionCleanup {
    /// It goes.
    Restore,
    /// But for settings it stays, for whoever looks for it.
    SettingsOnly,
}

/// What [`Backend::lock`] is asked for.
pub(crate) struct LockRequest<'a> {
    pub(crate) history_table: &'a HistoryTable,
    pub(crate) limits: Limits,
    pub(crate) session_cleanup: SessionCleanup,
    /// Whether all that follows is one transaction.
    pub(crate) atomicity: Atomicity,
    /// Whether a script that will run changes what the session is.
    pub(crate) session_state: bool,
    /// Whether a script that will run cannot run in a transaction.
    pub(crate) outside: bool,
    /// Until when to wait for another run to end.
    pub(crate) deadline: Deadline,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// All of it ran: what is not durable yet becomes so.
    Completed,
    /// It stopped: of what is not durable yet, the jobs that ran become so, or none where all of the run is one
    /// transaction.
    Stopped,
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
    pub(crate) entry: HistoryEntry,
    pub(crate) body: JobBody,
    /// Whether nothing follows it in this run.
    pub(crate) last: bool,
}

/// What a job runs.
#[derive(Clone, Debug)]
pub(crate) enum JobBody {
    /// Bookkeeping alone.
    HistoryOnly,
    /// SQL.
    Sql(Box<Sql>),
    /// A Rust function.
    Rust(StepFn),
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
    /// The job of a step on a database with this history. A plan is a value that anybody can make: a step that
    /// cannot be done as it says is an error.
    pub(crate) fn new(
        migrations: &Migrations,
        step: &Step,
        history: &History,
        dialect: Dialect,
    ) -> Result<Self, Error> {
        let (id, action) = (&step.id, step.action);
        let migration = migrations.set().find(step.version);
        let row = history.row(step.version);
        let entry = match (migration, row) {
            (Some(migration), _) => HistoryEntry {
                version: step.version,
                name: migration.name().to_owned(),
                checksum: migration.checksum(),
            },
            (None, Some(row)) => HistoryEntry { version: step.version, name: row.name.clone(), checksum: row.checksum },
            (None, None) => {
                return Err(Error::usage(format!("the plan names `{id}`, which is neither embedded nor recorded")));
            }
        };
        if !action.fits(row) {
            let state = row.map_or("is not recorded", |row| match row.state {
                State::Applied => "is applied",
                State::Partial | State::Reverting => "stopped half way",
            });
            return Err(Error::usage(format!("the plan is to {action} `{id}`, which {state}")));
        }
        let body = match action.direction() {
            None => JobBody::HistoryOnly,
            Some(direction) => {
                let script = migration.and_then(|migration| migration.script(action)).ok_or_else(|| {
                    Error::usage(format!(
                        "the plan is to {action} `{id}`, which has no script for that in this program"
                    ))
                })?;
                match script.body() {
                    Body::Sql(text) => JobBody::Sql(Box::new(Sql {
                        script,
                        text,
                        statements: script.statements(dialect),
                        finished: script.finished(dialect),
                        dialect,
                    })),
                    Body::Rust => {
                        let functions = migrations.step(step.version);
                        let function = functions.and_then(|functions| match direction {
                            Direction::Up => Some(functions.up),
                            Direction::Down => functions.down,
                        });
                        let none = || Error::usage(format!("`{id}` has no Rust function to {action} it"));
                        JobBody::Rust(function.ok_or_else(none)?)
                    }
                }
            }
        };
        Ok(Self { id: id.clone(), action, entry, body, last: false })
    }

    /// The jobs of a plan, on the history that it was made for.
    pub(crate) fn all(
        migrations: &Migrations,
        plan: &Plan,
        history: &History,
        dialect: Dialect,
    ) -> Result<Vec<Self>, Error> {
        let jobs = plan.steps.iter().map(|step| Self::new(migrations, step, history, dialect));
        let mut jobs: Vec<Self> = jobs.collect::<Result<_, _>>()?;
        if let Some(last) = jobs.last_mut() {
            last.last = true;
        }
        Ok(jobs)
    }

    /// Whether it must run outside a transaction.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(&self.body, JobBody::Sql(sql) if !sql.script.is_transactional())
    }

    /// Whether it may leave the session other than it found it. What a function does is not known, be it
    /// Rust or one of the database's.
    pub(crate) fn may_change_session(&self) -> bool {
        let may = |flags: StatementFlags| {
            flags.contains(StatementFlags::SESSION_STATE) || flags.contains(StatementFlags::RUNS_CODE)
        };
        match &self.body {
            JobBody::Sql(sql) => sql.statements.iter().any(|statement| may(statement.flags)),
            JobBody::Rust(_) => true,
            JobBody::HistoryOnly => false,
        }
    }

    /// What the log says when it is done.
    pub(crate) fn log_event(&self) -> LogEvent {
        match self.action {
            Action::Apply | Action::ResumeApply { .. } => LogEvent::Applied,
            Action::Revert | Action::ResumeRevert { .. } => LogEvent::Reverted,
            Action::Record => LogEvent::Baselined,
            Action::Rewrite | Action::Settle { .. } => LogEvent::Repaired,
            Action::Forget => LogEvent::Forgotten,
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
    /// What became of the transaction that it ran in.
    pub(crate) transaction_status: TransactionStatus,
}

impl Failure {
    /// A failure of a transaction that is known to be rolled back.
    pub(crate) fn new(job: usize, at: FailedAt, cause: Cause) -> Self {
        Self { job, at, cause, transaction_status: TransactionStatus::RolledBack }
    }
}

/// What the database says has become of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionStatus {
    /// Nothing of it is there.
    RolledBack,
    /// What it did until something in it ended it is there.
    Committed,
    /// The database could not be asked, or does not know.
    Unknown,
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
    /// The script or the Rust function ended the transaction that it was given.
    Ended,
    /// While it was recorded.
    Bookkeeping,
    /// It ran and was recorded, and its commit failed.
    Commit,
    /// Behind its script: foreign keys point to rows that are not there.
    ForeignKeys,
}

/// What a backend tells while jobs run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The jobs at these places were sent, all at once; some perhaps once more.
    Started(Range<usize>),
    /// So many statements of the job at this place have finished.
    Statement(usize, u32),
    /// The script of the job at this place ran, and its row; whether that stays is not said.
    Ran(usize),
    /// All that ran before this place is in the database for good, whatever becomes of the machine. What a
    /// backend does not tell is so when it was let go of.
    Committed(usize),
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
    fn read<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<History, Cause>>;

    /// As [`read`](Self::read), and nothing where the history is the one in which all of this set is applied:
    /// then it is the database that says so, and no row of it is sent.
    fn read_unless<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        set: &'a Set,
    ) -> BoxFuture<'a, Result<Option<History>, Cause>>;

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
        history_table: &'a HistoryTable,
        jobs: &'a [Job],
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Runs the statements of one script outside a transaction, recording each.
    fn run_outside<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        job: &'a Job,
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Writes to the log that a migration failed.
    fn log_failure<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        message: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>>;

    /// Makes durable what is done, or undoes it, as the run_end says; lets other runs in and puts the session back
    /// as it was.
    fn release(&mut self, run_end: RunEnd) -> BoxFuture<'_, Result<(), Cause>>;

    /// The indexes that the last statement of a script outside a transaction left INVALID behind, or
    /// that were so before and that it names: as SQL names them.
    fn invalid(&mut self) -> BoxFuture<'_, Vec<String>>;

    /// What is in the database, without these history table and log: in one snapshot, without writing.
    #[cfg(feature = "schema")]
    fn read_schema<'a>(
        &'a mut self,
        own: &'a crate::history_table::TableName,
    ) -> BoxFuture<'a, Result<lockgate_schema::Schema, Cause>>;

    /// Sessions that may hold what a migration could not lock.
    fn blockers(&mut self) -> BoxFuture<'_, Vec<String>>;
}

/// Of a Rust function.
pub(crate) const LEFT_OPEN: &str = "it left a transaction open that it had begun";

/// A number that nobody can guess.
pub(crate) fn chance() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}

/// When a wait is over. One that is longer than time can be counted never is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(wait: Duration) -> Self {
        Self(Instant::now().checked_add(wait))
    }

    pub(crate) fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

/// A delay before the next attempt: doubled with each from `first` up to `most`, and less by chance,
/// so that runs that began together do not try together for ever.
pub(crate) fn backoff(attempt: u32, first: Duration, most: Duration) -> Duration {
    let full = first.saturating_mul(1 << attempt.min(16)).min(most);
    full.mul_f64(1.0 - (chance() % 512) as f64 / 1024.0)
}
