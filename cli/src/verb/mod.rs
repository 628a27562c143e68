//! The verbs, one file each: the arguments of a verb, and the call of the migrator.

use lockgate::{Database, Migrations, Migrator, Plan, Stage, UpTo};

use crate::answer::Answer;
use crate::command_error::CommandError;
#[cfg(feature = "backup")]
use crate::command_error::DataCommand;
use crate::confirm;
use crate::invocation::Invocation;
use crate::migration_ref::MigrationRef;
use crate::render;
use crate::url::DatabaseUrl;

#[cfg(feature = "adopt")]
pub mod adopt;
#[cfg(feature = "backup")]
pub mod backup;
pub mod baseline;
pub mod bootstrap;
#[cfg(feature = "completions")]
pub mod completions;
#[cfg(feature = "backup")]
pub mod deploy;
pub mod doctor;
pub mod down;
pub mod drift;
#[cfg(feature = "backup")]
pub mod dump;
pub mod history;
#[cfg(feature = "json-schema")]
pub mod json_schema;
#[cfg(feature = "backup")]
pub mod load;
#[cfg(feature = "man")]
pub mod man;
pub mod manual;
pub mod mark_stage;
#[cfg(feature = "postgres")]
pub mod mirror;
pub mod plan;
pub mod ready;
pub mod redo;
#[cfg(feature = "backup")]
pub mod refresh;
pub mod repair;
#[cfg(feature = "backup")]
pub mod restore;
#[cfg(feature = "backup")]
pub mod schedule;
pub mod seed;
pub mod sql;
pub mod status;
pub mod up;
pub mod wait;

/// A command of Lockgate.
#[derive(clap::Subcommand, Clone, Debug)]
#[non_exhaustive]
pub enum Verb {
    /// Apply what is pending
    Up(up::Arguments),
    /// Revert applied migrations: a number of them, or all that are newer than one
    Down(down::Arguments),
    /// Revert the newest migrations and apply them again
    Redo(redo::Arguments),
    /// Show what is applied, what is pending and what differs
    Status(status::Arguments),
    /// Show what `up` would run, with the SQL, and execute nothing
    Plan(plan::Arguments),
    /// List every difference between program and database
    Drift(drift::Arguments),
    /// Show what was done to the database, when and by whom
    History(history::Arguments),
    /// Wait until another run has applied every migration, without changing anything
    Wait(wait::Arguments),
    /// Check whether the database has every migration, without waiting
    Ready(ready::Arguments),
    /// List the scripts in `manual-deployment/`, or run one of them once
    Manual(manual::Arguments),
    /// List the seeds, or load the newest one into a new database and apply the later migrations
    Seed(seed::Arguments),
    /// Write all or some of the rows of the database to a file
    #[cfg(feature = "backup")]
    Dump(dump::Arguments),
    /// Load a file that `dump` has written into empty tables
    #[cfg(feature = "backup")]
    Load(load::Arguments),
    /// Replace the rows of the database by those of another stage
    #[cfg(feature = "backup")]
    Refresh(refresh::Arguments),
    /// Record all migrations up to one as applied, without executing anything
    Baseline(baseline::Arguments),
    /// Compare the history of another tool with the migrations, and take it over with `--write`
    #[cfg(feature = "adopt")]
    Adopt(adopt::Arguments),
    /// Correct the history without running a migration, or drop an INVALID index
    Repair(repair::Arguments),
    /// Check the database for everything that could stop a run, without changing anything
    Doctor(doctor::Arguments),
    /// Mark the database with its stage: development, test, staging or production
    MarkStage(mark_stage::Arguments),
    /// Make, list, fetch, verify and delete backups of the database
    #[cfg(feature = "backup")]
    Backup(backup::Arguments),
    /// Replace the database by a backup, and keep the old database under another name
    #[cfg(feature = "backup")]
    Restore(restore::Arguments),
    /// Make a backup, apply the pending migrations, and make another backup
    #[cfg(feature = "backup")]
    Deploy(deploy::Arguments),
    /// Make backups at fixed times, with cron or a systemd timer
    #[cfg(feature = "backup")]
    Schedule(schedule::Arguments),
    /// Compare the database with its mirror, or accept it as it is (PostgreSQL)
    #[cfg(feature = "postgres")]
    Mirror(mirror::Arguments),
    /// Create the role and the database of the URL on a server that lacks them (PostgreSQL)
    Bootstrap(bootstrap::Arguments),
    /// Open `psql` or `sqlite3` on the database, with the role and the settings of a run
    Sql(sql::Arguments),
    /// Print a completion script for a shell
    #[cfg(feature = "completions")]
    Completions(completions::Arguments),
    /// Print a manual page, for `man`
    #[cfg(feature = "man")]
    Man(man::Arguments),
    /// Print the JSON Schema of what `--format json` writes
    #[cfg(feature = "json-schema")]
    JsonSchema(json_schema::Arguments),
}

impl Verb {
    /// The verb as it is typed.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Up(_) => "up",
            Self::Down(_) => "down",
            Self::Redo(_) => "redo",
            Self::Status(_) => "status",
            Self::Plan(_) => "plan",
            Self::Drift(_) => "drift",
            Self::History(_) => "history",
            Self::Wait(_) => "wait",
            Self::Ready(_) => "ready",
            Self::Manual(_) => "manual",
            Self::Seed(_) => "seed",
            #[cfg(feature = "backup")]
            Self::Dump(_) => "dump",
            #[cfg(feature = "backup")]
            Self::Load(_) => "load",
            #[cfg(feature = "backup")]
            Self::Refresh(_) => "refresh",
            Self::Baseline(_) => "baseline",
            #[cfg(feature = "adopt")]
            Self::Adopt(_) => "adopt",
            Self::Repair(_) => "repair",
            Self::Doctor(_) => "doctor",
            Self::MarkStage(_) => "mark-stage",
            #[cfg(feature = "backup")]
            Self::Backup(_) => "backup",
            #[cfg(feature = "backup")]
            Self::Restore(_) => "restore",
            #[cfg(feature = "backup")]
            Self::Deploy(_) => "deploy",
            #[cfg(feature = "backup")]
            Self::Schedule(_) => "schedule",
            #[cfg(feature = "postgres")]
            Self::Mirror(_) => "mirror",
            Self::Bootstrap(_) => "bootstrap",
            Self::Sql(_) => "sql",
            #[cfg(feature = "completions")]
            Self::Completions(_) => "completions",
            #[cfg(feature = "man")]
            Self::Man(_) => "man",
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(_) => "json-schema",
        }
    }

    /// Returns the answer of a verb that needs no database, and `None` for the others. `program` is the whole command
    /// line.
    pub(crate) fn without_database(
        &self,
        #[cfg_attr(not(any(feature = "completions", feature = "man")), expect(unused, reason = "these alone show it"))]
        program: impl FnOnce() -> clap::Command,
    ) -> Option<Result<Answer, CommandError>> {
        match self {
            #[cfg(feature = "completions")]
            Self::Completions(arguments) => Some(Ok(completions::run(program(), arguments))),
            #[cfg(feature = "man")]
            Self::Man(arguments) => Some(man::run(program(), arguments)),
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(arguments) => Some(Ok(json_schema::run(arguments))),
            #[cfg(feature = "adopt")]
            Self::Adopt(_) => None,
            #[cfg(feature = "backup")]
            Self::Backup(_)
            | Self::Deploy(_)
            | Self::Dump(_)
            | Self::Load(_)
            | Self::Refresh(_)
            | Self::Restore(_)
            | Self::Schedule(_) => None,
            #[cfg(feature = "postgres")]
            Self::Mirror(_) => None,
            Self::Up(_)
            | Self::Down(_)
            | Self::Redo(_)
            | Self::Status(_)
            | Self::Plan(_)
            | Self::Drift(_)
            | Self::History(_)
            | Self::Wait(_)
            | Self::Ready(_)
            | Self::Manual(_)
            | Self::Seed(_)
            | Self::Baseline(_)
            | Self::Repair(_)
            | Self::Doctor(_)
            | Self::MarkStage(_)
            | Self::Bootstrap(_)
            | Self::Sql(_) => None,
        }
    }

    /// Whether the verb says what is known after a signal: it may change the database, leave an unfinished file, or wait.
    pub(crate) fn is_stoppable(&self) -> bool {
        match self {
            Self::Up(_) | Self::Baseline(_) | Self::Repair(_) | Self::MarkStage(_) | Self::Wait(_) => true,
            #[cfg(feature = "adopt")]
            Self::Adopt(arguments) => arguments.write || arguments.undo,
            #[cfg(feature = "backup")]
            Self::Backup(arguments) => arguments.writes(),
            #[cfg(feature = "backup")]
            Self::Restore(_) | Self::Deploy(_) => true,
            #[cfg(feature = "backup")]
            Self::Schedule(_) => false,
            #[cfg(feature = "postgres")]
            Self::Mirror(arguments) => arguments.writes(),
            Self::Manual(arguments) => arguments.writes(),
            Self::Seed(arguments) => arguments.writes(),
            #[cfg(feature = "backup")]
            Self::Dump(_) | Self::Load(_) | Self::Refresh(_) => true,
            Self::Down(arguments) => !arguments.dry_run,
            Self::Redo(arguments) => !arguments.dry_run,
            Self::Status(_) | Self::Plan(_) | Self::Drift(_) | Self::History(_) | Self::Ready(_) | Self::Doctor(_) => {
                false
            }
            // A signal ends it at once, and another call makes what is missing then. The client of `sql` hears its own.
            Self::Bootstrap(_) | Self::Sql(_) => false,
            #[cfg(feature = "completions")]
            Self::Completions(_) => false,
            #[cfg(feature = "man")]
            Self::Man(_) => false,
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(_) => false,
        }
    }

    /// The error after a signal, on the database of this URL.
    pub(crate) fn stopped(&self, signal: &'static str, url: impl FnOnce() -> Option<DatabaseUrl>) -> CommandError {
        match self {
            #[cfg(feature = "backup")]
            Self::Backup(_) => CommandError::StoppedData { signal, what: DataCommand::Backup, flags: Vec::new() },
            #[cfg(feature = "backup")]
            Self::Dump(_) => CommandError::StoppedData { signal, what: DataCommand::Dump, flags: Vec::new() },
            #[cfg(feature = "backup")]
            Self::Load(_) | Self::Refresh(_) => {
                CommandError::StoppedData { signal, what: DataCommand::Load, flags: Vec::new() }
            }
            #[cfg(feature = "backup")]
            Self::Restore(_) => {
                let names = url().and_then(|url| lockgate_backup::restore::names(url.reveal()).ok());
                CommandError::StoppedData { signal, what: DataCommand::Restore(names), flags: Vec::new() }
            }
            #[cfg(feature = "backup")]
            Self::Deploy(_) => CommandError::StoppedData { signal, what: DataCommand::Deploy, flags: Vec::new() },
            Self::Wait(_) => CommandError::StoppedWaiting { signal },
            _ => {
                let postgres = url().is_some_and(|url| url.reveal().starts_with("postgres"));
                CommandError::Stopped { signal, postgres, flags: Vec::new() }
            }
        }
    }

    pub(crate) async fn run(&self, invocation: &Invocation<'_>) -> Result<Answer, CommandError> {
        match self {
            Self::Up(arguments) => up::run(invocation, arguments).await,
            Self::Down(arguments) => down::run(invocation, arguments).await,
            Self::Redo(arguments) => redo::run(invocation, arguments).await,
            Self::Status(arguments) => status::run(invocation, arguments).await,
            Self::Plan(arguments) => plan::run(invocation, arguments).await,
            Self::Drift(arguments) => drift::run(invocation, arguments).await,
            Self::History(arguments) => history::run(invocation, arguments).await,
            Self::Manual(arguments) => manual::run(invocation, arguments).await,
            Self::Seed(arguments) => seed::run(invocation, arguments).await,
            #[cfg(feature = "backup")]
            Self::Dump(arguments) => dump::run(invocation, arguments).await,
            #[cfg(feature = "backup")]
            Self::Load(arguments) => load::run(invocation, arguments).await,
            #[cfg(feature = "backup")]
            Self::Refresh(arguments) => refresh::run(invocation, arguments).await,
            Self::Baseline(arguments) => baseline::run(invocation, arguments).await,
            #[cfg(feature = "adopt")]
            Self::Adopt(arguments) => adopt::run(invocation, arguments).await,
            Self::Repair(arguments) => repair::run(invocation, arguments).await,
            Self::Doctor(arguments) => doctor::run(invocation, arguments).await,
            Self::MarkStage(arguments) => mark_stage::run(invocation, arguments).await,
            #[cfg(feature = "backup")]
            Self::Backup(arguments) => backup::run(invocation, arguments).await,
            #[cfg(feature = "backup")]
            Self::Restore(arguments) => restore::run(invocation, arguments).await,
            #[cfg(feature = "backup")]
            Self::Deploy(arguments) => deploy::run(invocation, arguments).await,
            #[cfg(feature = "backup")]
            Self::Schedule(arguments) => schedule::run(invocation, arguments),
            #[cfg(feature = "postgres")]
            Self::Mirror(arguments) => mirror::run(invocation, arguments).await,
            Self::Bootstrap(arguments) => bootstrap::run(invocation, arguments).await,
            Self::Sql(arguments) => sql::run(invocation, arguments).await,
            Self::Wait(arguments) => wait::run(invocation, arguments).await,
            Self::Ready(arguments) => ready::run(invocation, arguments).await,
            #[cfg(feature = "completions")]
            Self::Completions(_) => unreachable!("it needs no database"),
            #[cfg(feature = "man")]
            Self::Man(_) => unreachable!("it needs no database"),
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(_) => unreachable!("it needs no database"),
        }
    }
}

/// Whether a verb asks first: one that destroys something, and `up` on a protected stage.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Caution {
    /// Do not ask first. At a terminal, `down` and `redo` ask, and `up` on the stages staging and production
    #[arg(short, long)]
    pub yes: bool,
}

impl Caution {
    /// Whether to ask.
    pub(crate) fn asks(self, invocation: &Invocation<'_>) -> bool {
        !self.yes && confirm::is_possible(invocation)
    }

    /// Shows what would run on which database, and continues only if the answer is yes.
    pub(crate) async fn ask(
        self,
        invocation: &Invocation<'_>,
        plan: &Plan,
        database: &Database,
    ) -> Result<(), CommandError> {
        self.ask_about(invocation, invocation.migrations(), plan, database).await
    }

    /// The same for a plan with other scripts than the migrations.
    async fn ask_about(
        self,
        invocation: &Invocation<'_>,
        migrations: &Migrations,
        plan: &Plan,
        database: &Database,
    ) -> Result<(), CommandError> {
        if plan.is_empty() {
            return Ok(());
        }
        confirm::confirm(invocation, &render::question(migrations, plan, database)).await
    }
}

/// Whether the database is marked with a protected stage.
async fn is_protected(migrator: &Migrator, database: &mut Database) -> Result<bool, CommandError> {
    Ok(migrator.stage_of(database).await?.is_some_and(Stage::is_protected))
}

/// How far up.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Upward {
    /// Stop at this migration, which is applied: `7` or `0007_create_reservations`
    #[arg(long, value_name = "VERSION")]
    pub to: Option<MigrationRef>,
    /// Apply at most this many migrations
    #[arg(long, value_name = "N", conflicts_with = "to", value_parser = at_least_one)]
    pub steps: Option<usize>,
}

impl Upward {
    pub(crate) fn destination(&self, invocation: &Invocation<'_>) -> Result<UpTo, CommandError> {
        match (&self.to, self.steps) {
            (Some(migration), _) => Ok(UpTo::Version(migration.version(invocation.migrations())?)),
            (None, Some(steps)) => Ok(UpTo::Steps(steps)),
            (None, None) => Ok(UpTo::Latest),
        }
    }
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("write a whole number, at least 1".to_owned()),
    }
}
