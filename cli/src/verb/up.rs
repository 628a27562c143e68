//! `up`: apply what is pending.

use super::{Upward, plan, watched};
use crate::context::{Access, Context};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::render;

/// What `up` understands.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// How far.
    #[command(flatten)]
    pub upward: Upward,
    /// Show what would run, and execute nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Show the SQL too
    #[arg(short, long)]
    pub verbose: bool,
}

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Problem> {
    if arguments.dry_run {
        return plan::show_up(context, &arguments.upward, arguments.verbose).await;
    }
    let destination = arguments.upward.destination(context)?;
    let mut database = context.connect(Access::Create).await?;
    let report = watched(context, arguments.verbose).apply_to(&mut database, destination).await?;
    context.screen().out(&render::report(&report));
    Ok(Exit::Done)
}
