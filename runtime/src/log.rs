//! The log of a database: every step of every run, including failed steps.

use std::time::Duration;

use lockgate_core::Version;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// When it was written, by the database's clock: RFC 3339 in UTC.
    pub at: String,
    /// The database role or operating system user that wrote it.
    pub by: String,
    /// The migration's version.
    pub version: Version,
    /// Its name at that time.
    pub name: String,
    /// What happened: `applied`, `reverted`, `baselined`, `repaired`, `forgotten`, `failed`, `overridden`,
    /// `adopted`, `disowned`, `index-dropped`. A newer release may write others.
    pub event: String,
    /// How long it took. `None` unless the migration is applied at present, because the time is in the history and not
    /// in the log.
    pub elapsed: Option<Duration>,
    /// The name and version of the program.
    pub application: String,
    /// The version of Lockgate.
    pub lockgate: String,
    /// For a failure, the database's message; for an overridden stage, the stage and the reason; for a correction, its
    /// reason; for an adopted migration, what the other tool had recorded.
    pub detail: Option<String>,
}

/// The events that change a migration's row in the history.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) const CHANGES: [&str; 4] = ["applied", "reverted", "baselined", "forgotten"];
