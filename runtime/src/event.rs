//! What happens during a run, as values. Libraries never print: whoever wants to see a run asks
//! for its events with [`Migrator::on_event`](crate::Migrator::on_event).

use std::sync::Arc;
use std::time::Duration;

use lockgate_core::{Action, Drift};

/// Who is told of what happens.
pub(crate) type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;

/// Something that happened during a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another run holds the lock; this one waits.
    LockWaiting {
        /// Who holds it, as far as the database says.
        holder: Option<String>,
    },
    /// A difference between set and history that does not stand in the way.
    Tolerated(Drift),
    /// The lock is held, and so many steps will run.
    Planned {
        /// The number of steps.
        steps: usize,
    },
    /// A step begins. Several steps that travel in one message begin together, and what was rolled back or could
    /// not be parsed begins again.
    Started {
        /// The migration.
        id: String,
        /// What is done to it.
        action: Action,
    },
    /// A statement of a script is sent. This is said of scripts outside a transaction, and of all where
    /// [`Migrator::each_statement`](crate::Migrator::each_statement) asks for it.
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
    /// A migration could not get a lock on what it changes; it was rolled back and is tried again.
    Retrying {
        /// The migration.
        id: String,
        /// The number of the attempt that begins, counted from 2.
        attempt: u32,
        /// How long is waited before it.
        delay: Duration,
        /// Sessions that may hold what it needs, as far as the database says.
        blockers: Vec<String>,
    },
    /// The script of a step ran, and its row in the history was written. It is not in the database for good
    /// yet: a failure or a crash may still take it back.
    Ran {
        /// The migration.
        id: String,
        /// What was done to it.
        action: Action,
    },
    /// A step is in the database for good. It is said of each once, in the order in which they ran, perhaps
    /// only when the run ends.
    Committed {
        /// The migration.
        id: String,
        /// What was done to it.
        action: Action,
        /// How long it took; as the history says, where it was sent together with others. None where that
        /// does not say it either: of what was reverted together.
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
    /// A value for tests of what shows it.
    #[doc(hidden)]
    pub fn of(phase: &str, done: u64, total: Option<u64>, unit: &'static str) -> Self {
        Self { phase: phase.to_owned(), done, total, unit }
    }
}
