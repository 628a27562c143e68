//! How long the statements of a dump or a load may wait and run.

use std::time::Duration;

use crate::error::Error;

/// A limit on a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// At most this long.
    After(Duration),
    /// Without a limit.
    Never,
}

/// How long the statements of a dump or a load may take. `None` leaves what the database says; but without a limit on
/// statements on PostgreSQL, because the rows of a table are one statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long a statement may wait for a lock.
    pub lock_timeout: Option<Limit>,
    /// How long a statement may run (PostgreSQL).
    pub statement_timeout: Option<Limit>,
}

impl Limit {
    /// The limit in milliseconds, or this number for none.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn milliseconds(self, never: i32) -> i32 {
        match self {
            // 0 would be something else on each database.
            Self::After(time) => i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1),
            Self::Never => never,
        }
    }
}

const LOCKED: &str = "end what holds the lock, or wait longer: `--lock-timeout 1min`";

/// What PostgreSQL says of a statement that its limit has ended.
const STATEMENT_TIMEOUT: &str = "canceling statement due to statement timeout";

/// The error of a dump or a load. If a limit ended it, it says how to have another one.
pub(super) fn explained(error: Error) -> Error {
    let says = |text: &str| error.summary().contains(text);
    if says("canceling statement due to lock timeout") || says("database is locked") {
        error.help(LOCKED)
    } else if says(STATEMENT_TIMEOUT) {
        error.help("allow more time: `--statement-timeout 10min`")
    } else {
        error
    }
}

/// The same for the dump of a schema. `pg_dump` itself sets the limit on statements to that on locks.
pub(super) fn schema_explained(error: Error) -> Error {
    match error.summary().contains(STATEMENT_TIMEOUT) {
        true => error.help(LOCKED),
        false => explained(error),
    }
}

impl Limits {
    /// The settings of a transaction of PostgreSQL.
    #[cfg(feature = "postgres")]
    pub(super) fn settings(self) -> Vec<String> {
        let limits = [("lock_timeout", self.lock_timeout), ("statement_timeout", self.statement_timeout)];
        let setting =
            |(name, limit): (&str, Option<Limit>)| Some(format!("SET LOCAL {name} = {}", limit?.milliseconds(0)));
        limits.into_iter().filter_map(setting).collect()
    }
}
