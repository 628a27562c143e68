//! What the log of a database says: every step of every run, also of those that failed.

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
    /// How long it took. Only of migrations that are applied now, because the history knows it and the log does not.
    pub elapsed: Option<Duration>,
    /// Name and version of the program.
    pub application: String,
    /// The version of Lockgate.
    pub lockgate: String,
    /// What the database said of a failure; of an overridden stage, which one, and why; why the history was corrected;
    /// what another tool had recorded.
    pub detail: Option<String>,
}

/// The events after which a migration has another row in the history than before.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) const CHANGES: [&str; 4] = ["applied", "reverted", "baselined", "forgotten"];
