//! `plan`: shows what `up` would run, and executes nothing.

use lockgate::{Dialect, Plan};

use super::Upward;
use crate::answer::{Answer, Body, Planned};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};

/// The arguments of `plan`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// How far.
    #[command(flatten)]
    pub upward: Upward,
    /// Show the SQL too
    #[arg(short, long)]
    pub verbose: bool,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    of_up(invocation, &arguments.upward, arguments.verbose).await
}

/// What `up` would run.
pub(super) async fn of_up(invocation: &Invocation<'_>, upward: &Upward, sql: bool) -> Result<Answer, CommandError> {
    let destination = upward.destination(invocation)?;
    let mut database = invocation.connect(Access::Read).await?;
    let plan = invocation.migrator().plan(&mut database, destination).await?;
    Ok(answer(invocation, plan, database.dialect(), sql))
}

/// A plan as an answer.
pub(super) fn answer(invocation: &Invocation<'_>, plan: Plan, dialect: Dialect, sql: bool) -> Answer {
    Answer::done(Body::Plan(Planned { migrations: invocation.migrations(), plan, dialect, sql }))
}
