//! `down`: reverts applied migrations. The user must say how far.

use lockgate::DownTo;

use super::{Caution, at_least_one, plan};
use crate::answer::{Answer, NothingToDo};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::migration_ref::MigrationRef;
use crate::render::Counts;
use crate::watch::{View, attended, watched};

/// The arguments of `down`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How far.
    #[command(flatten)]
    pub downward: Downward,
    /// Show what would run, with the SQL, without executing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Show each statement before it runs; with `--dry-run`, show everything, however much it is
    #[arg(short, long)]
    pub verbose: bool,
    /// Whether to ask first.
    #[command(flatten)]
    pub caution: Caution,
    /// How to end if there is nothing to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

/// How far to go down. There is no default.
#[derive(clap::Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Downward {
    /// Revert this many migrations
    #[arg(value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub steps: Option<usize>,
    /// Revert all migrations newer than this one, which stays: `7` or `0007_create_reservations`
    #[arg(long, value_name = "VERSION")]
    pub to: Option<MigrationRef>,
    /// Revert every migration
    #[arg(long)]
    pub all: bool,
}

impl Downward {
    pub(crate) fn destination(&self, invocation: &Invocation<'_>) -> Result<DownTo, CommandError> {
        match (&self.to, self.steps, self.all) {
            (Some(migration), _, _) => Ok(DownTo::Version(migration.version(invocation.migrations())?)),
            (None, Some(steps), _) => Ok(DownTo::Steps(steps)),
            (None, None, true) => Ok(DownTo::Empty),
            (None, None, false) => Err(CommandError::usage(
                "`down` needs to know how far",
                "say how many migrations (`down 1`), which one stays (`down --to 7`), or `down --all`",
            )),
        }
    }
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let destination = arguments.downward.destination(invocation)?;
    let migrator = invocation.migrator();
    if arguments.dry_run {
        let mut database = invocation.connect(Access::Read).await?;
        let planned = migrator.plan_revert(&mut database, destination).await?;
        let exit = arguments.nothing.exit(planned.is_empty());
        return Ok(Answer { exit, ..plan::answer(invocation, planned, &mut database, arguments.verbose).await? });
    }
    let mut database = invocation.connect(Access::Write).await?;
    let migrator = watched(invocation, migrator, View { verbose: arguments.verbose, counts: Counts::Reversals });
    let report = if arguments.caution.asks(invocation) {
        let planned = migrator.plan_revert(&mut database, destination).await?;
        arguments.caution.ask(invocation, &planned, &database).await?;
        attended(invocation, migrator.apply_plan(&mut database, &planned)).await?
    } else {
        attended(invocation, migrator.revert(&mut database, destination)).await?
    };
    Ok(Answer::ran(report, arguments.nothing))
}
