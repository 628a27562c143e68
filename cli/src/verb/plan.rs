//! `plan`: shows what `up` would run, and executes nothing.

use lockgate::{Dialect, Plan};

use super::Upward;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};
use crate::render;

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

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Exit, CommandError> {
    show_up(invocation, &arguments.upward, arguments.verbose).await
}

/// Shows what `up` would run.
pub(super) async fn show_up(invocation: &Invocation<'_>, upward: &Upward, verbose: bool) -> Result<Exit, CommandError> {
    let destination = upward.destination(invocation)?;
    let mut database = invocation.connect(Access::Read).await?;
    let planned = invocation.migrator().plan(&mut database, destination).await?;
    show(invocation, &planned, database.dialect(), verbose)
}

/// Shows a plan.
pub(super) fn show(
    invocation: &Invocation<'_>,
    planned: &Plan,
    dialect: Dialect,
    verbose: bool,
) -> Result<Exit, CommandError> {
    let output = invocation.output();
    output.out(&render::plan(invocation.migrations(), planned, dialect, output.width()));
    if verbose && !planned.is_empty() {
        output.out(&render::scripts(invocation.migrations(), planned));
    }
    for drift in &planned.tolerated {
        output.note(&render::remark(&drift.to_string()));
    }
    Ok(Exit::Done)
}
