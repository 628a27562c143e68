//! `up`: applies pending migrations.

use super::{Upward, plan, watched};
use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};

/// The arguments of `up`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// How far.
    #[command(flatten)]
    pub upward: Upward,
    /// Show what would run, with the SQL, and execute nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Show the SQL too
    #[arg(short, long)]
    pub verbose: bool,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    if arguments.dry_run {
        return plan::of_up(invocation, &arguments.upward, true).await;
    }
    let destination = arguments.upward.destination(invocation)?;
    let mut database = invocation.connect(Access::Create).await?;
    let report = watched(invocation, arguments.verbose).apply_to(&mut database, destination).await?;
    Ok(Answer::done(Body::Run(report)))
}
