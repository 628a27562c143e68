//! The verbs, one file each: what a verb understands and which of the migrator's own it calls.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use lockgate::{Event, Migrator, UpTo};

use crate::context::Context;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::render;
use crate::render::Shown;
use crate::wanted::Wanted;

pub mod baseline;
pub mod down;
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
    /// Revert what is applied: so many migrations, or down to one that stays
    Down(down::Arguments),
    /// Show what is applied, what is pending and what differs
    Status(status::Arguments),
    /// Show what `up` would run, and execute nothing
    Plan(plan::Arguments),
    /// Wait until another run has applied every migration; ask the database alone, and change nothing
    Wait(wait::Arguments),
    /// Record everything up to a migration as applied, and execute nothing
    Baseline(baseline::Arguments),
    /// Make the history say what is true, and execute nothing
    Repair(repair::Arguments),
}

impl Verb {
    /// Whether it may change the database.
    pub(crate) fn writes(&self) -> bool {
        match self {
            Self::Up(_) | Self::Baseline(_) | Self::Repair(_) => true,
            Self::Down(arguments) => !arguments.dry_run,
            Self::Status(_) | Self::Plan(_) | Self::Wait(_) => false,
        }
    }

    pub(crate) async fn run(&self, context: &Context<'_>) -> Result<Exit, Problem> {
        match self {
            Self::Up(arguments) => up::run(context, arguments).await,
            Self::Down(arguments) => down::run(context, arguments).await,
            Self::Status(arguments) => status::run(context, arguments).await,
            Self::Plan(arguments) => plan::run(context, arguments).await,
            Self::Wait(arguments) => wait::run(context, arguments).await,
            Self::Baseline(arguments) => baseline::run(context, arguments).await,
            Self::Repair(arguments) => repair::run(context, arguments).await,
        }
    }
}

/// How far up.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Upward {
    /// Stop at this migration, which is applied: `7` or `0007_create_reservations`
    #[arg(long, value_name = "VERSION")]
    pub to: Option<Wanted>,
    /// Apply so many migrations at most
    #[arg(long, value_name = "N", conflicts_with = "to", value_parser = at_least_one)]
    pub steps: Option<usize>,
}

impl Upward {
    pub(crate) fn destination(&self, context: &Context<'_>) -> Result<UpTo, Problem> {
        match (&self.to, self.steps) {
            (Some(wanted), _) => Ok(UpTo::Version(wanted.version(context.migrations())?)),
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

/// The migrator, showing on the screen what happens.
fn watched(context: &Context<'_>, verbose: bool) -> Migrator {
    let screen = context.screen().clone();
    let migrations = context.migrations();
    let progress = Mutex::new(render::Progress::default());
    context.migrator().on_event(move |event: &Event| {
        if verbose
            && let Event::Started { id, action } = event
            && let Some(script) = render::script_of(migrations, id, *action)
        {
            screen.out(&script);
        }
        let shown = progress.lock().unwrap_or_else(PoisonError::into_inner).show(event, SystemTime::now());
        match shown {
            Some(Shown::Line(line)) => screen.out(&line),
            Some(Shown::Passing(line)) => screen.passing(&line),
            None => {}
        }
    })
}
