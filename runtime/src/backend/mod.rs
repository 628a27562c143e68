//! The interface between the executor and a database: the trait [`Backend`], and the jobs and failures that it deals
//! in. Backends do not know each other. Each implements the trait over one connection.

use std::borrow::Cow;
use std::collections::HashSet;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use lockgate_core::{
    Action, Atomicity, Body, Checksum, Dialect, Direction, History, Limit, Plan, Row, Script, Set, Stage, State,
    Statement, StatementFlags, Step, Touch, Unit, unit,
};

#[cfg(feature = "databases")]
use lockgate_core::mirror::Identity;
use lockgate_core::patch::Patch;
use tokio::time::Instant;

use crate::error::{Cause, Error};
#[cfg(feature = "operations")]
use crate::finding::{Examination, Finding};
use crate::history_table::{HistoryEntry, HistoryTable, LogEvent};
#[cfg(feature = "operations")]
use crate::log::LogEntry;
use crate::migrations::{Migrations, StepFn};
use crate::psql::{PsqlScript, Variables};
#[cfg(feature = "operations")]
use crate::table_size::TableSize;

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod session_code;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The message if a migration changes rows of the history table that are not its own.
pub(crate) const ALTERED: &str =
    "the history table has other rows than this run found and wrote: the migration, or a trigger, changes them";

/// The timeouts that the caller asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a statement may wait for a lock.
    pub(crate) lock_timeout: Limit,
    /// How long a statement may run. `None` keeps the session's setting.
    pub(crate) statement_timeout: Option<Limit>,
    /// How long to wait for another run to end.
    pub(crate) lock_wait: Duration,
}

/// What a verb does with the history, by which its advice about missing rights differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Read,
    Write,
}

/// How a session of the caller's is cleaned up after a migration changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionCleanup {
    /// Everything that the migration left in the session is removed.
    Restore,
    /// Only settings are restored. The rest stays, for a test that looks for it.
    SettingsOnly,
}

/// In what pieces scripts are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As large as possible, in few round trips.
    Whole,
    /// Each statement by itself, so that somebody can see which one runs.
    EachStatement,
}

/// The arguments of [`Backend::lock`].
pub(crate) struct LockRequest<'a> {
    pub(crate) history_table: &'a HistoryTable,
    pub(crate) limits: Limits,
    pub(crate) session_cleanup: SessionCleanup,
    pub(crate) pace: Pace,
    /// Whether the whole run is one transaction.
    pub(crate) atomicity: Atomicity,
    /// Whether a job of the run may change the session.
    pub(crate) session_state: bool,
    /// Whether a job of the run cannot run in a transaction.
    pub(crate) outside: bool,
    /// How long to wait for another run to end.
    pub(crate) deadline: Deadline,
}

/// What became of an index that was to be dropped.
#[cfg(feature = "operations")]
pub(crate) enum Dropped {
    /// It is gone. As SQL names it.
    Index(String),
    /// Nothing was changed, for this reason.
    Kept { why: String, help: crate::error::Wording },
}

/// A schema that was read.
#[cfg(feature = "schema")]
#[derive(Debug)]
pub(crate) struct ReadSchema {
    pub(crate) schema: lockgate_schema::Schema,
    /// The major release of the server, if that may write the same schema differently from another one.
    pub(crate) release: Option<u32>,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// Every job ran: commit what is not committed yet.
    Completed,
    /// It stopped: commit the jobs that ran, or roll everything back if the whole run is one transaction.
    Stopped,
}

/// Why the lock was not acquired.
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

/// One step of a plan, with everything needed to run it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) action: Action,
    pub(crate) entry: HistoryEntry,
    pub(crate) body: JobBody,
    /// Whether it is the last job of the run.
    pub(crate) last: bool,
    /// Whether its script defines code that may change a session, and that any later statement may run: in a trigger, a
    /// view, a rule or a default.
    pub(crate) defines_session_code: bool,
}

/// What a job runs.
#[derive(Clone, Debug)]
pub(crate) enum JobBody {
    /// Nothing: only the history changes.
    HistoryOnly,
    /// An SQL script.
    Sql(Box<Sql>),
    /// A Rust function, and the role that it runs as, if it is not the one of the run.
    Rust(StepFn, Option<&'static str>),
}

/// An SQL script with its statements in the dialect of this database.
#[derive(Clone, Debug)]
pub(crate) struct Sql {
    pub(crate) script: Script,
    /// Its text, as it is sent.
    pub(crate) text: Cow<'static, str>,
    pub(crate) statements: Vec<Statement>,
    /// What the text was made from, if it had psql's lines.
    pub(crate) psql: Option<Box<PsqlScript>>,
    /// The checksums of its first statement, of its first two, and so on, if it runs outside a transaction.
    finished: Vec<Checksum>,
    dialect: Dialect,
    role: Option<&'static str>,
}

impl Sql {
    /// The role that it runs as, if it is not the one of the run.
    pub(crate) fn role(&self) -> Option<&'static str> {
        self.role
    }

    /// What a statement, counted from 0, does to tables.
    pub(crate) fn touches(&self, statement: usize) -> impl Iterator<Item = Touch> {
        self.script.touches(self.dialect).into_iter().filter(move |touch| touch.statement == statement)
    }

    /// The checksum of its first `done` statements, which have finished.
    pub(crate) fn finished(&self, done: u32) -> Option<&Checksum> {
        self.finished.get(usize::try_from(done).ok()?.checked_sub(1)?)
    }

    /// The `\connect` line after which a statement runs, and its database. `None` before the first such line.
    pub(crate) fn connect_before(&self, statement: usize) -> Option<(usize, &str)> {
        self.psql.as_ref()?.connect_before(statement)
    }

    /// Its units, if it runs outside a transaction.
    pub(crate) fn units(&self) -> Vec<Unit> {
        unit::units(self.dialect, &self.text, &self.statements)
    }

    /// Whether one of its statements has data lines.
    pub(crate) fn has_data(&self) -> bool {
        self.statements.iter().any(|statement| statement.data.is_some())
    }

    /// Its text from the first statement to the last, without a byte order mark or an unterminated comment at its end.
    pub(crate) fn code(&self) -> &str {
        match (self.statements.first(), self.statements.last()) {
            (Some(first), Some(last)) => &self.text[first.range.start..last.range.end],
            _ => "",
        }
    }
}

impl Job {
    /// Makes the job of a step on a migration with this history row. Fails if the step does not fit it, because
    /// callers can make plans themselves.
    pub(crate) fn new(
        migrations: &Migrations,
        step: &Step,
        row: Option<&Row>,
        dialect: Dialect,
        variables: &Variables,
    ) -> Result<Self, Error> {
        let (id, action) = (&step.id, step.action);
        let migration = migrations.set().find_any(step.version);
        let entry = match (migration, row) {
            (Some(migration), _) => HistoryEntry {
                version: step.version,
                name: migration.name().to_owned(),
                checksum: migration.checksum(),
                adopted: None,
                reason: None,
            },
            (None, Some(row)) => HistoryEntry {
                version: step.version,
                name: row.name.clone(),
                checksum: row.checksum,
                adopted: None,
                reason: None,
            },
            (None, None) => {
                return Err(Error::usage(format!("the plan names `{id}`, which is neither embedded nor recorded")));
            }
        };
        if !action.fits(row) {
            let state = row.map_or("is not recorded", |row| match row.state {
                State::Applied => "is applied",
                State::Partial | State::Reverting => "stopped half way",
            });
            return Err(Error::usage(format!("the plan has the step `{action}` for `{id}`, which {state}")));
        }
        let body = match action.direction() {
            None => JobBody::HistoryOnly,
            Some(direction) => {
                let script = migration.and_then(|migration| migration.script(action)).ok_or_else(|| {
                    Error::usage(format!(
                        "the plan has the step `{action}` for `{id}`, which has no script for that in this program"
                    ))
                })?;
                match script.body() {
                    Body::Sql(source) => {
                        let (mut text, mut statements) = (Cow::Borrowed(source), script.statements(dialect));
                        let mut psql = None;
                        if script.has_psql() {
                            let made = PsqlScript::expand(id, &script, source, statements, variables)?;
                            (psql, text, statements) = (Some(Box::new(made.0)), Cow::Owned(made.1), made.2);
                        }
                        let finished = script.finished(dialect);
                        let role = script.role();
                        JobBody::Sql(Box::new(Sql { script, text, statements, psql, finished, dialect, role }))
                    }
                    Body::Rust => {
                        let functions = migrations.step(step.version);
                        let function = functions.and_then(|functions| match direction {
                            Direction::Up => Some(functions.up),
                            Direction::Down => functions.down,
                        });
                        let none = || Error::usage(format!("`{id}` has no Rust function to {action} it"));
                        JobBody::Rust(function.ok_or_else(none)?, None)
                    }
                }
            }
        };
        let defines_session_code = matches!(&body, JobBody::Sql(sql) if session_code::is_defined_in(sql));
        Ok(Self { id: id.clone(), action, entry, body, last: false, defines_session_code })
    }

    /// Makes it run as the role in the name of its patch, unless its script names another one.
    pub(crate) fn become_role_of_name(&mut self, migrations: &Migrations) {
        let Some(migration) = migrations.set().find_any(self.entry.version) else { return };
        let of_name = Patch::parse(migration.id()).map(|patch| patch.user());
        match &mut self.body {
            JobBody::HistoryOnly => {}
            JobBody::Sql(sql) => sql.role = sql.role.or(of_name),
            JobBody::Rust(_, role) => *role = role.or(of_name),
        }
    }

    /// The role that its script or its function runs as, if it is not the one of the run.
    pub(crate) fn role(&self) -> Option<&'static str> {
        match &self.body {
            JobBody::HistoryOnly => None,
            JobBody::Sql(sql) => sql.role,
            JobBody::Rust(_, role) => *role,
        }
    }

    /// Makes the jobs of a plan, on the history that it was made for.
    pub(crate) fn all(
        migrations: &Migrations,
        plan: &Plan,
        history: &History,
        dialect: Dialect,
        variables: &Variables,
    ) -> Result<Vec<Self>, Error> {
        let mut jobs: Vec<Self> = Vec::with_capacity(plan.steps.len());
        let mut seen = HashSet::new();
        for step in &plan.steps {
            // An earlier step of the plan may revert it.
            let row = history.row(step.version).filter(|_| seen.insert(step.version));
            jobs.push(Self::new(migrations, step, row, dialect, variables)?);
        }
        if let Some(last) = jobs.last_mut() {
            last.last = true;
        }
        Ok(jobs)
    }

    /// Whether it must run outside a transaction.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(&self.body, JobBody::Sql(sql) if !sql.script.is_transactional())
    }

    /// Whether it may change the session. A function may do anything, in Rust or in the database.
    pub(crate) fn may_change_session(&self) -> bool {
        let may = |flags: StatementFlags| {
            flags.contains(StatementFlags::SESSION_STATE) || flags.contains(StatementFlags::RUNS_CODE)
        };
        match &self.body {
            JobBody::Sql(sql) => {
                self.defines_session_code || sql.statements.iter().any(|statement| may(statement.flags))
            }
            JobBody::Rust(..) => true,
            JobBody::HistoryOnly => false,
        }
    }

    /// Whether it sends the statements of a script.
    pub(crate) fn runs_sql(&self) -> bool {
        matches!(&self.body, JobBody::Sql(_))
    }

    /// The number of statements in its script.
    pub(crate) fn statements(&self) -> u32 {
        match &self.body {
            JobBody::Sql(sql) => u32::try_from(sql.statements.len()).unwrap_or(u32::MAX),
            JobBody::HistoryOnly | JobBody::Rust(..) => 0,
        }
    }

    /// Whether it applies its migration or resumes applying it.
    pub(crate) fn goes_up(&self) -> bool {
        self.action.direction() == Some(Direction::Up)
    }

    /// The event that the log records when it is done.
    pub(crate) fn log_event(&self) -> LogEvent {
        match self.action {
            Action::Apply | Action::ApplyAgain | Action::ResumeApply { .. } => LogEvent::Applied,
            Action::Revert | Action::ResumeRevert { .. } => LogEvent::Reverted,
            Action::Record if self.entry.adopted.is_some() => LogEvent::Adopted,
            Action::Record => LogEvent::Baselined,
            Action::Rewrite | Action::Settle { .. } => LogEvent::Repaired,
            Action::Forget if self.entry.adopted.is_some() => LogEvent::Disowned,
            Action::Forget => LogEvent::Forgotten,
        }
    }
}

/// Why a job failed, and whether its transaction was rolled back.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The index of the job in the slice that was passed.
    pub(crate) job: usize,
    pub(crate) at: FailedAt,
    pub(crate) cause: Cause,
    /// The status of the transaction in which it ran.
    pub(crate) transaction_status: TransactionStatus,
}

impl Failure {
    /// A failure whose transaction was rolled back.
    pub(crate) fn new(job: usize, at: FailedAt, cause: Cause) -> Self {
        Self { job, at, cause, transaction_status: TransactionStatus::RolledBack }
    }
}

/// The status of a transaction, as the database reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionStatus {
    /// It was rolled back.
    RolledBack,
    /// It was committed early, by something in it that ended it.
    Committed,
    /// The database could not be asked, or does not know.
    Unknown,
}

/// Where in a job it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailedAt {
    /// Before anything ran: the history table could not be created.
    Preparation,
    /// While its role and its timeouts were set.
    Begin,
    /// At a statement of the script, counted from 0, perhaps at a byte of the script's text.
    Statement { index: usize, byte: Option<usize> },
    /// In the Rust function.
    Step,
    /// The script or the Rust function ended Lockgate's transaction.
    Ended,
    /// While its history row was written.
    Bookkeeping,
    /// It ran and was recorded, and its commit failed.
    Commit,
    /// After its script: foreign keys point to missing rows.
    ForeignKeys,
}

/// The progress that a backend reports while jobs run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The jobs at these indexes were sent, all at once. Some may be sent again.
    Started(Range<usize>),
    /// A statement, counted from 0, of the job at this index is sent.
    StatementStarted(usize, usize),
    /// This many statements of the job at this index have finished.
    Statement(usize, u32),
    /// The job at this index ran and its row was written, but is perhaps not committed.
    Ran(usize),
    /// Every job before this index is durable. A backend that does not report this makes its jobs durable in `release`.
    Committed(usize),
}

pub(crate) type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// A database, as the executor uses it.
///
/// Dropping a backend while it is locked releases the lock: it closes its connection, or, if that is the caller's,
/// ends the transaction that holds the lock.
pub(crate) trait Backend: Send {
    /// The dialect of the database.
    fn dialect(&self) -> Dialect;

    /// Says what the verb is about to do, and how long reading may wait for a lock of another connection until a run has
    /// the lock. SQLite would wait as long as the connection's own setting says.
    fn expect(&mut self, intent: Intent, deadline: Deadline);

    /// Reads the history in one round trip, without a lock and without writing.
    fn read<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<History, Cause>>;

    /// Like [`read`](Self::read), but returns `None` if exactly the migrations of this set are applied. The database
    /// checks that itself and sends no rows.
    fn read_unless<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        set: &'a Set,
    ) -> BoxFuture<'a, Result<Option<History>, Cause>>;

    /// Like [`read`](Self::read), with the stage of the database, for whoever wants to know nothing else: `read` has to
    /// run before anything that needs more. It is faster if exactly the migrations of this set are applied.
    fn read_with_stage<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        set: &'a Set,
    ) -> BoxFuture<'a, Result<(History, Option<Stage>), Cause>>;

    /// Describes the run that is working on the script of this row outside a transaction, if it is alive. Takes no lock.
    /// `read` or `read_with_stage` has run before.
    fn at_work<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        row: &'a Row,
    ) -> BoxFuture<'a, Result<Option<String>, Cause>>;

    /// Reads the last entries of the log, the oldest first. `read` has run before, and found a history.
    #[cfg(feature = "operations")]
    fn read_log<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        last: usize,
    ) -> BoxFuture<'a, Result<Vec<LogEntry>, Cause>>;

    /// How large these tables are, as the database estimates it, in one round trip and without a lock. A table that does
    /// not exist is left out.
    #[cfg(feature = "operations")]
    fn sizes<'a>(&'a mut self, tables: &'a [&'a str]) -> BoxFuture<'a, Result<Vec<TableSize>, Cause>>;

    /// Names some of what is in the database besides the history and its log; nothing if it is empty. Schemas and what
    /// belongs to an extension do not count.
    #[cfg(feature = "operations")]
    fn objects<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<Vec<String>, Cause>>;

    /// Keeps all other runs out, and reads the history again. `read` has run before.
    fn lock<'a>(
        &'a mut self,
        request: LockRequest<'a>,
        on_wait: &'a mut (dyn FnMut(Option<String>) + Send),
    ) -> BoxFuture<'a, Result<History, LockFailure>>;

    /// Runs transactional jobs in order, each with its bookkeeping. Stops at the first failure and leaves nothing of
    /// that job.
    fn run<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        jobs: &'a [Job],
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Runs one script outside a transaction, and records each statement.
    fn run_outside<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        job: &'a Job,
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Logs that a migration failed.
    fn log_failure<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        message: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>>;

    /// Logs before a run that the stage of the database was overridden, and why. The lock is held.
    fn log_override<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        why: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>>;

    /// Drops this index, if it is INVALID and no session is building it. `lock` has run before, and the run is not one
    /// transaction.
    #[cfg(feature = "operations")]
    fn drop_invalid_index<'a>(&'a mut self, name: &'a str) -> BoxFuture<'a, Result<Dropped, Cause>>;

    /// Logs that this index was dropped, and why.
    #[cfg(feature = "operations")]
    fn log_index_dropped<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        detail: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>>;

    /// The stage that the database is marked with. After a `read` it takes no round trip.
    fn stage(&mut self) -> BoxFuture<'_, Result<Option<Stage>, Cause>>;

    /// The name of the database, and which one it is. `None` if this kind of database cannot say so.
    #[cfg(feature = "databases")]
    fn identity(&mut self) -> BoxFuture<'_, Result<Option<(String, Identity)>, Cause>>;

    /// What could stop a run, and what is as it should be. A `read` has run before, and may have failed.
    #[cfg(feature = "operations")]
    fn examine(&mut self, examination: Examination) -> BoxFuture<'_, Result<Vec<Finding>, Cause>>;

    /// Marks the database with a stage.
    fn mark(&mut self, stage: Stage) -> BoxFuture<'_, Result<(), Cause>>;

    /// Ends the run: commits or rolls back as `run_end` says, releases the lock and restores the session.
    fn release(&mut self, run_end: RunEnd) -> BoxFuture<'_, Result<(), Cause>>;

    /// The invalid indexes that the last statement outside a transaction left behind or names, as SQL names them.
    fn invalid(&mut self) -> BoxFuture<'_, Vec<String>>;

    /// Reads the schema of the database without the history table and its log, in one snapshot, without writing.
    #[cfg(feature = "schema")]
    fn read_schema<'a>(
        &'a mut self,
        own: &'a crate::history_table::TableName,
    ) -> BoxFuture<'a, Result<ReadSchema, Cause>>;

    /// Describes the sessions that may hold the lock that a migration could not get.
    fn blockers(&mut self) -> BoxFuture<'_, Vec<String>>;

    /// The tables that may be the history of another tool. `read` has run before.
    #[cfg(feature = "adopt")]
    fn tables(&mut self) -> BoxFuture<'_, Result<Vec<ForeignTable>, Cause>>;

    /// The rows of such a table, in no order, with each value as text: bytes in hexadecimal, times in UTC where the
    /// database knows that they are times.
    #[cfg(feature = "adopt")]
    fn table_rows<'a>(&'a mut self, table: &'a ForeignTable) -> BoxFuture<'a, Result<TextRows, Cause>>;

    /// Begins the transaction of the whole run after `lock`, and keeps the other tool out until it ends: by its own
    /// locks, whose keys depend on the name of the database, and by a lock on its table.
    #[cfg(feature = "adopt")]
    fn keep_out<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        table: Option<&'a ForeignTable>,
        keys: &'a (dyn Fn(&str) -> Vec<i64> + Send + Sync),
    ) -> BoxFuture<'a, Result<(), Cause>>;

    /// The last event in the log for each version of the set. `read` has run before.
    #[cfg(feature = "adopt")]
    fn last_events<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
    ) -> BoxFuture<'a, Result<Vec<(i64, String)>, Cause>>;

    /// Drops the history table if no set has a row in it.
    #[cfg(feature = "adopt")]
    fn drop_if_empty<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<(), Cause>>;
}

/// The rows of a table as texts; NULL is `None`.
#[cfg(feature = "adopt")]
pub(crate) type TextRows = Vec<Vec<Option<String>>>;

/// Reads a row of the log: version and event.
#[cfg(feature = "adopt")]
fn event(row: Vec<Option<String>>) -> Option<(i64, String)> {
    let mut texts = row.into_iter().flatten();
    Some((texts.next()?.parse().ok()?, texts.next()?))
}

/// A table that may be the history of another tool.
#[cfg(feature = "adopt")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignTable {
    /// PostgreSQL only.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) columns: Vec<ForeignColumn>,
}

/// One column of such a table.
#[cfg(feature = "adopt")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignColumn {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
}

/// How a column is read.
#[cfg(feature = "adopt")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// A time with a time zone.
    Moment,
    /// A time without a time zone.
    LocalTime,
    Bytes,
    Text,
    /// Something else, such as a number.
    Other,
}

#[cfg(feature = "adopt")]
impl ForeignTable {
    /// The name for messages, with its schema if that is not `public`.
    pub(crate) fn shown(&self) -> String {
        match self.schema.as_deref() {
            Some(schema) if schema != "public" => format!("{schema}.{}", self.name),
            Some(_) | None => self.name.clone(),
        }
    }
}

/// The message for a Rust function that left a transaction open.
pub(crate) const LEFT_OPEN: &str = "it left a transaction open that it began";

/// A random number.
pub(crate) fn chance() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}

/// When a wait ends. `None` if that is too far in the future to represent: never.
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

/// The delay before the next attempt: doubled each time from `first` up to `most`, and shortened at random, so that
/// runs that began together do not keep colliding.
pub(crate) fn backoff(attempt: u32, first: Duration, most: Duration) -> Duration {
    let full = first.saturating_mul(1 << attempt.min(16)).min(most);
    full.mul_f64(1.0 - (chance() % 512) as f64 / 1024.0)
}
