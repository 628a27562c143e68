//! The events of a run, as values. The library never prints: a program that wants to show a run subscribes
//! to its events with [`Migrator::on_event`](crate::Migrator::on_event).

use std::sync::Arc;
use std::time::Duration;

use lockgate_core::{Action, Drift};

/// A function that receives the events of a run.
pub(crate) type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A run in one of several databases begins, as this role.
    Entered {
        /// The database.
        database: String,
        /// The role in the names of the patches that follow. `None` if the user of the URL runs them all.
        role: Option<String>,
    },
    /// No password was given for a role, and its name is tried.
    PasswordAssumed {
        /// The role.
        role: String,
        /// The environment variable that may hold it, if passwords are read from such.
        variable: Option<String>,
    },
    /// A bootstrap that is not recorded does not run, because its database exists.
    BootstrapLeftOut {
        /// The bootstrap.
        id: String,
        /// The database.
        database: String,
    },
    /// There was no mirror, and this run has made it.
    MirrorMade {
        /// The database of the mirror.
        mirror: String,
        /// How many databases it has taken over as they are.
        databases: usize,
    },
    /// A run has ended in a database, and its mirror could not be told. The next run tells it.
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
    Tolerated(Drift),
    /// The lock is held, and this many steps will run.
    Planned {
        /// The number of steps.
        steps: usize,
    },
    /// A step begins. Several steps in one message begin together, and a step that was rolled back or could
    /// not be parsed begins again.
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
    /// A script says something with `\echo`: after the statements before that line, or, where the script is sent whole,
    /// after the script ran. A script that is rolled back and tried again says it again.
    Echo {
        /// The migration.
        id: String,
        /// Its text. The value of a variable that comes from outside of the script is not in it.
        text: String,
    },
    /// A migration could not get a lock on what it changes; it was rolled back and is tried again.
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
    /// The script of a step ran, and its row in the history was written. It is not in the database for good
    /// yet: a failure or a crash may still undo it.
    Ran {
        /// The migration.
        id: String,
        /// What was done to it.
        action: Action,
    },
    /// A step is in the database for good. This is reported once for each step, in the order in which they ran, perhaps
    /// only when the run ends.
    Committed {
        /// The migration.
        id: String,
        /// What was done to it.
        action: Action,
        /// How long it took, according to the history if it was sent together with others. `None` if the history
        /// does not say it either: for migrations that were reverted together.
        elapsed: Option<Duration>,
    },
}

/// How far the server is with a statement of another session of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerProgress {
    /// What it does: `building index: scanning table`, `copying`.
    pub phase: String,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do, if the server knows.
    pub total: Option<u64>,
    /// What is counted: `blocks`, `rows`, `bytes`, `lockers`.
    pub unit: &'static str,
}

impl ServerProgress {
    /// A value for tests of code that shows progress.
    #[doc(hidden)]
    pub fn of(phase: &str, done: u64, total: Option<u64>, unit: &'static str) -> Self {
        Self { phase: phase.to_owned(), done, total, unit }
    }
}
