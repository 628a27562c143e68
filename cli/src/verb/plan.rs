//! `plan`: what `up` would run. Nothing is executed.

use lockgate::{Dialect, Plan};

use super::Upward;
use crate::context::{Access, Context};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::render;

/// What `plan` understands.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// How far.
    #[command(flatten)]
    pub upward: Upward,
    /// Show the SQL too
    #[arg(short, long)]
    pub verbose: bool,
}

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Problem> {
    show_up(context, &arguments.upward, arguments.verbose).await
}

/// What the way up would run.
pub(super) async fn show_up(context: &Context<'_>, upward: &Upward, verbose: bool) -> Result<Exit, Problem> {
    let destination = upward.destination(context)?;
    let mut database = context.connect(Access::Read).await?;
    let planned = context.migrator().plan(&mut database, destination).await?;
    show(context, &planned, database.dialect(), verbose)
}

/// Shows a plan.
pub(super) fn show(context: &Context<'_>, planned: &Plan, dialect: Dialect, verbose: bool) -> Result<Exit, Problem> {
    let screen = context.screen();
    screen.out(&render::plan(context.migrations(), planned, dialect, screen.width()));
    if verbose && !planned.is_empty() {
        screen.out(&render::scripts(context.migrations(), planned));
    }
    for drift in &planned.tolerated {
        screen.note(&render::remark(&drift.to_string()));
    }
    Ok(Exit::Done)
}
