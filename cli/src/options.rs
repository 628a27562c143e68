//! What every verb understands.

use std::str::FromStr;
use std::time::Duration;

use lockgate::{Atomicity, Migrator, OutOfOrder};

use crate::duration;
use crate::format::Format;
use crate::url::DatabaseUrl;

/// Which database, and how patiently.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options for every command")]
pub struct Options {
    /// The database: `sqlite://library.db` or `postgres://user@host/library`
    // Its value is hidden in the help, as it may hold a password.
    #[arg(long, global = true, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<DatabaseUrl>,

    /// How to show the answer
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,

    /// How long to wait for a server that is still coming up; not at all by default
    #[arg(long, global = true, value_name = "TIME", value_parser = duration::parse)]
    pub connect_wait: Option<Duration>,

    /// The table that records what was applied
    #[arg(long, global = true, value_name = "[SCHEMA.]TABLE")]
    pub history_table: Option<String>,

    /// How long to wait for another run to end: `500ms`, `5s`, `10min`
    #[arg(long, global = true, value_name = "TIME", value_parser = duration::parse)]
    pub lock_wait: Option<Duration>,

    /// How long a statement may wait for a lock on what it changes; `none` is without a limit
    #[arg(long, global = true, value_name = "TIME")]
    pub lock_timeout: Option<TimeLimit>,

    /// How long a statement may run; `none` is without a limit
    #[arg(long, global = true, value_name = "TIME")]
    pub statement_timeout: Option<TimeLimit>,

    /// How much of a run is one transaction
    #[arg(long, global = true, value_name = "WHAT", value_enum)]
    pub atomicity: Option<Whole>,

    /// The name of these migrations in the history table, where several programs share a database
    #[arg(long, global = true, value_name = "NAME")]
    pub set: Option<String>,

    /// Go up although a migration is pending that is older than one that is applied, and apply it late
    #[arg(long, global = true)]
    pub out_of_order: bool,

    /// Go up although another tool has migrated this database and Lockgate never has
    #[arg(long, global = true)]
    pub beside_other_tools: bool,
}

/// How long something may take: a length of time, or `none` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit(pub Option<Duration>);

impl FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            text => duration::parse(text).map(|duration| Self(Some(duration))),
        }
    }
}

/// How much of a run is one transaction.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Each migration: the ones before a failure stay
    PerMigration,
    /// All of the run: a failure leaves nothing
    WholeRun,
}

impl Options {
    /// The migrator with what was asked for; the rest stays as the program has set it.
    pub(crate) fn configure(&self, mut migrator: Migrator) -> Migrator {
        if let Some(table) = &self.history_table {
            migrator = migrator.history_table(table);
        }
        if let Some(wait) = self.lock_wait {
            migrator = migrator.lock_wait(wait);
        }
        if let Some(timeout) = self.lock_timeout {
            migrator = migrator.lock_timeout(timeout.0);
        }
        if let Some(timeout) = self.statement_timeout {
            migrator = migrator.statement_timeout(timeout.0);
        }
        if let Some(whole) = self.atomicity {
            migrator = migrator.atomicity(match whole {
                Whole::PerMigration => Atomicity::PerMigration,
                Whole::WholeRun => Atomicity::WholeRun,
            });
        }
        if let Some(set) = &self.set {
            migrator = migrator.set(set);
        }
        if self.out_of_order {
            migrator = migrator.out_of_order(OutOfOrder::Allow);
        }
        if self.beside_other_tools {
            migrator = migrator.beside_other_tools();
        }
        migrator
    }
}
