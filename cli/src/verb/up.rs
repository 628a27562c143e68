//! `up`: applies pending migrations.

use lockgate::Atomicity;

use super::{Upward, plan};
use crate::answer::{Answer, NothingToDo};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::render::Counts;
use crate::watch::{View, attended, watched};

/// The arguments of `up`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// How far.
    #[command(flatten)]
    pub upward: Upward,
    /// Show what would run, with the SQL, and execute nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Show each statement before it runs
    #[arg(short, long)]
    pub verbose: bool,
    /// All of the run is one transaction, as with `--atomicity whole-run`: a failure leaves nothing
    #[arg(long)]
    pub atomic: bool,
    /// Ask nothing
    #[arg(short, long)]
    pub yes: bool,
    /// How to end without anything to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut migrator = invocation.migrator();
    if arguments.atomic {
        migrator = migrator.atomicity(Atomicity::WholeRun);
    }
    if arguments.dry_run {
        return plan::of_up(invocation, &migrator, &arguments.upward, true, arguments.nothing).await;
    }
    let destination = arguments.upward.destination(invocation)?;
    let mut database = invocation.connect(Access::Create).await?;
    let migrator = watched(invocation, migrator, View { verbose: arguments.verbose, counts: Counts::Migrations });
    let report = attended(invocation, migrator.apply_to(&mut database, destination)).await?;
    Ok(Answer::ran(report, arguments.nothing))
}
