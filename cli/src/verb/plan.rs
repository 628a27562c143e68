//! `plan`: shows what `up` would run, with the SQL, and executes nothing.

use lockgate::{Database, Migrations, Migrator, Plan};

use super::Upward;
use crate::answer::{Answer, Body, NothingToDo, Planned};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};

/// The arguments of `plan`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// How far.
    #[command(flatten)]
    pub upward: Upward,
    /// Show everything; a terminal shows only the beginning of much
    #[arg(short, long)]
    pub verbose: bool,
    /// How to end if there is nothing to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let migrator = invocation.migrator();
    of_up(invocation, &migrator, &arguments.upward, arguments.verbose, arguments.nothing).await
}

/// Plans what `up` would run.
pub(super) async fn of_up(
    invocation: &Invocation<'_>,
    migrator: &Migrator,
    upward: &Upward,
    all: bool,
    nothing: NothingToDo,
) -> Result<Answer, CommandError> {
    let destination = upward.destination(invocation)?;
    let mut database = invocation.connect(Access::Read).await?;
    let plan = migrator.plan(&mut database, destination).await?;
    let exit = nothing.exit(plan.is_empty());
    Ok(Answer { exit, ..answer(invocation, plan, &mut database, all).await? })
}

/// Returns the answer that shows a plan with other scripts than the migrations.
pub(super) fn of_companion(migrations: Migrations, plan: Plan, database: &Database, all: bool) -> Answer {
    let (dialect, sizes) = (database.dialect(), Vec::new());
    Answer::done(Body::Plan(Planned { migrations, plan, dialect, sizes, all }))
}

/// Returns the answer that shows a plan.
pub(crate) async fn answer(
    invocation: &Invocation<'_>,
    plan: Plan,
    database: &mut Database,
    all: bool,
) -> Result<Answer, CommandError> {
    let sizes = if plan.is_empty() { Vec::new() } else { invocation.migrator().sizes(&mut *database, &plan).await? };
    let (migrations, dialect) = (*invocation.migrations(), database.dialect());
    Ok(Answer::done(Body::Plan(Planned { migrations, plan, dialect, sizes, all })))
}
