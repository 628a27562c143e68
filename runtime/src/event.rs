//! The events of a run, as values. The library never prints anything. A program that wants to show a run subscribes to
//! its events with [`Migrator::on_event`](crate::Migrator::on_event).

use std::sync::Arc;
use std::time::Duration;

use lockgate_core::{Action, Drift};

/// A function that receives the events of a run.
pub(crate) type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A run on one of several databases begins, as this role.
    DatabaseStarted {
        /// The database.
        database: String,
        /// The role in the names of the patches that follow. `None` if the user of the URL runs them all.
        role: Option<String>,
    },
    /// No password was given for a role, so its name is tried as the password.
    PasswordAssumed {
        /// The role.
        role: String,
        /// The environment variable that may hold the password, if passwords are read from the environment.
        variable: Option<String>,
    },
    /// A bootstrap that is not recorded does not run, because its database exists.
    BootstrapSkipped {
        /// The bootstrap.
        id: String,
        /// The database.
        database: String,
    },
    /// There was no mirror, so this run has created it.
    MirrorCreated {
        /// The database of the mirror.
        mirror: String,
        /// The number of databases whose histories it has copied.
        databases: usize,
    },
    /// A run has ended on a database, but its mirror could not be updated. The next run updates it.
    MirrorBehind {
        /// The database.
        database: String,
        /// Why.
        reason: String,
    },
    /// Another run holds the lock; this one waits.
    LockWaiting {
        /// Who holds it, if the database says so.
        holder: Option<String>,
    },
    /// A difference between set and history that does not block the run.
    DriftTolerated(Drift),
    /// This run holds the lock, and will run this many steps.
    Planned {
        /// The number of steps.
        steps: usize,
    },
    /// A step begins. Steps that are sent in one message begin together. A step that was rolled back or could not be
    /// parsed begins again when it is sent again.
    Started {
        /// The migration.
        id: String,
        /// What is done to it.
        action: Action,
    },
    /// A statement of a script is sent. This is reported for scripts outside a transaction, and for all scripts if
    /// [`Migrator::each_statement`](crate::Migrator::each_statement) is set.
    StatementStarted {
        /// The migration.
        id: String,
        /// Which of its statements, counted from 1.
        statement: u32,
        /// How many it has.
        statements: u32,
        /// Its file and line: `migrations/0004_x.up.sql:3`.
        place: String,
        /// Its text.
        sql: &'static str,
    },
    /// A statement of a script that is not transactional has finished.
    StatementFinished {
        /// The migration.
        id: String,
        /// How many of its statements have finished.
        statements_done: u32,
        /// How many it has.
        statements: u32,
    },
    /// A script has a line `\echo`. The event comes after the statements before that line, or, if the script is sent as
    /// a whole, after the script ran. If a script is rolled back and tried again, the event comes again.
    Echo {
        /// The migration.
        id: String,
        /// The text. It does not contain values of variables that come from outside the script.
        text: String,
    },
    /// A migration could not get a lock that it needs. It was rolled back and will be tried again.
    Retrying {
        /// The migration.
        id: String,
        /// The number of the attempt that begins, counted from 2.
        attempt: u32,
        /// The delay before it.
        delay: Duration,
        /// Sessions that may hold the lock, if the database says so.
        blockers: Vec<String>,
    },
    /// The script of a step ran, and its row in the history was written. The step is not durable yet: a failure or a
    /// crash may still undo it.
    Ran {
        /// The migration.
        id: String,
        /// What was done to it.
        action: Action,
    },
    /// A step is durable. This is reported once for each step, in the order in which the steps ran, and possibly only
    /// when the run ends.
    Committed {
        /// The migration.
        id: String,
        /// What was done to it.
        action: Action,
        /// How long it took. If the step was sent together with others, this is the time in the history. `None` for
        /// migrations that were reverted together, because the history has no time for them.
        elapsed: Option<Duration>,
    },
}

/// The server's progress with a statement that another session of this program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerProgress {
    /// What it does: `building index: scanning table`, `copying`.
    pub phase: String,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do in total, if the server knows.
    pub total: Option<u64>,
    /// What is counted: `blocks`, `rows`, `bytes`, `lockers`.
    pub unit: &'static str,
}

impl ServerProgress {
    /// Makes a value, for tests of code that shows progress.
    #[doc(hidden)]
    pub fn of(phase: &str, done: u64, total: Option<u64>, unit: &'static str) -> Self {
        Self { phase: phase.to_owned(), done, total, unit }
    }
}
