//! `up`: applies pending migrations.

use lockgate::{Atomicity, CompanionKind, Migrations, Migrator};

use super::{Caution, Upward, is_protected, plan};
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
    /// Show what would run, with the SQL, without executing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Show each statement before it runs; with `--dry-run`, show everything, however much it is
    #[arg(short, long)]
    pub verbose: bool,
    /// Run everything in one transaction, as with `--atomicity whole-run`: a failure leaves nothing
    #[arg(long)]
    pub atomic: bool,
    /// Make an empty database from this tree, the desired schema, and record all migrations as applied
    #[arg(long, value_enum, value_name = "TREE", conflicts_with_all = ["to", "steps"])]
    pub from: Option<Tree>,
    /// Whether to ask first.
    #[command(flatten)]
    pub caution: Caution,
    /// How to end without anything to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

/// A tree that makes a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tree {
    /// `create/`
    Create,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut migrator = invocation.migrator();
    if arguments.atomic {
        migrator = migrator.atomicity(Atomicity::WholeRun);
    }
    if let Some(Tree::Create) = arguments.from {
        return create(invocation, arguments, migrator).await;
    }
    if arguments.dry_run {
        return plan::of_up(invocation, &migrator, &arguments.upward, arguments.verbose, arguments.nothing).await;
    }
    let destination = arguments.upward.destination(invocation)?;
    let mut database = invocation.connect(Access::Create).await?;
    let migrator = watched(
        invocation,
        migrator,
        View { verbose: arguments.verbose, counts: Counts::of_up(invocation.migrations()) },
    );
    let report = if arguments.caution.asks(invocation) && is_protected(&migrator, &mut database).await? {
        let planned = migrator.plan(&mut database, destination).await?;
        arguments.caution.ask(invocation, &planned, &database).await?;
        attended(invocation, migrator.apply_plan(&mut database, &planned)).await?
    } else {
        attended(invocation, migrator.apply_to(&mut database, destination)).await?
    };
    Ok(Answer::ran(report, arguments.nothing))
}

/// Makes an empty database from `create/`.
async fn create(
    invocation: &Invocation<'_>,
    arguments: &Arguments,
    migrator: Migrator,
) -> Result<Answer, CommandError> {
    let set = invocation.migrations().set().companion(CompanionKind::Create);
    let files = set.map_or(Migrations::EMPTY, Migrations::from);
    if arguments.dry_run {
        let mut database = invocation.connect(Access::Read).await?;
        let planned = migrator.plan_create(&mut database).await?;
        let exit = arguments.nothing.exit(planned.is_empty());
        return Ok(Answer { exit, ..plan::of_companion(files, planned, &database, arguments.verbose) });
    }
    let mut database = invocation.connect(Access::Create).await?;
    let migrator = watched(invocation, migrator, View { verbose: arguments.verbose, counts: Counts::Files });
    if arguments.caution.asks(invocation) && is_protected(&migrator, &mut database).await? {
        let planned = migrator.plan_create(&mut database).await?;
        arguments.caution.ask_about(invocation, &files, &planned, &database).await?;
    }
    let report = attended(invocation, migrator.create(&mut database)).await?;
    Ok(Answer::ran(report, arguments.nothing))
}
