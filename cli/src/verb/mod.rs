//! The verbs, one file each: the arguments of a verb, and the call of the migrator.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use lockgate::{Event, Migrator, UpTo};

use crate::answer::Answer;
use crate::command_error::CommandError;
use crate::format::Format;
use crate::invocation::Invocation;
use crate::migration_ref::MigrationRef;
use crate::render;
use crate::render::{Line, Shown};

pub mod baseline;
pub mod down;
#[cfg(feature = "json-schema")]
pub mod json_schema;
pub mod mark_stage;
pub mod plan;
pub mod repair;
pub mod status;
pub mod up;
pub mod wait;

/// A command of Lockgate.
#[derive(clap::Subcommand, Clone, Debug)]
#[non_exhaustive]
pub enum Verb {
    /// Apply what is pending
    Up(up::Arguments),
    /// Revert applied migrations: a number of them, or all above one
    Down(down::Arguments),
    /// Show what is applied, what is pending and what differs
    Status(status::Arguments),
    /// Show what `up` would run, and execute nothing
    Plan(plan::Arguments),
    /// Wait until another run has applied every migration; ask the database alone, and change nothing
    Wait(wait::Arguments),
    /// Record everything up to a migration as applied, and execute nothing
    Baseline(baseline::Arguments),
    /// Correct the history, and execute nothing
    Repair(repair::Arguments),
    /// Mark the database with its stage: development, test, staging or production
    MarkStage(mark_stage::Arguments),
    /// Print the JSON Schema of what `--format json` writes
    #[cfg(feature = "json-schema")]
    JsonSchema(json_schema::Arguments),
}

impl Verb {
    /// The word that is typed for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Up(_) => "up",
            Self::Down(_) => "down",
            Self::Status(_) => "status",
            Self::Plan(_) => "plan",
            Self::Wait(_) => "wait",
            Self::Baseline(_) => "baseline",
            Self::Repair(_) => "repair",
            Self::MarkStage(_) => "mark-stage",
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(_) => "json-schema",
        }
    }

    /// The answer of a verb that needs no database; none if it needs one.
    pub(crate) fn without_database(&self) -> Option<Answer> {
        match self {
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(arguments) => Some(json_schema::run(arguments)),
            Self::Up(_)
            | Self::Down(_)
            | Self::Status(_)
            | Self::Plan(_)
            | Self::Wait(_)
            | Self::Baseline(_)
            | Self::Repair(_)
            | Self::MarkStage(_) => None,
        }
    }

    /// Whether it may change the database.
    pub(crate) fn writes(&self) -> bool {
        match self {
            Self::Up(_) | Self::Baseline(_) | Self::Repair(_) | Self::MarkStage(_) => true,
            Self::Down(arguments) => !arguments.dry_run,
            Self::Status(_) | Self::Plan(_) | Self::Wait(_) => false,
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(_) => false,
        }
    }

    pub(crate) async fn run(&self, invocation: &Invocation<'_>) -> Result<Answer, CommandError> {
        match self {
            Self::Up(arguments) => up::run(invocation, arguments).await,
            Self::Down(arguments) => down::run(invocation, arguments).await,
            Self::Status(arguments) => status::run(invocation, arguments).await,
            Self::Plan(arguments) => plan::run(invocation, arguments).await,
            Self::Baseline(arguments) => baseline::run(invocation, arguments).await,
            Self::Repair(arguments) => repair::run(invocation, arguments).await,
            Self::MarkStage(arguments) => mark_stage::run(invocation, arguments).await,
            Self::Wait(arguments) => wait::run(invocation, arguments).await,
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(arguments) => Ok(json_schema::run(arguments)),
        }
    }
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

/// The migrator, with its progress shown.
fn watched(invocation: &Invocation<'_>, verbose: bool) -> Migrator {
    let output = invocation.output().clone();
    let migrations = invocation.migrations();
    let progress = Mutex::new(render::Progress::default());
    invocation.migrator().on_event(move |event: &Event| {
        if output.format() == Format::Json {
            Line::event(event).iter().for_each(|line| output.line(line));
            return;
        }
        if verbose
            && let Event::Started { id, action } = event
            && let Some(script) = render::script_of(migrations, id, *action)
        {
            output.out(&script);
        }
        let shown = progress.lock().unwrap_or_else(PoisonError::into_inner).show(event, SystemTime::now());
        match shown {
            Some(Shown::Line(line)) => output.out(&line),
            Some(Shown::Passing(line)) => output.passing(&line),
            None => {}
        }
    })
}
