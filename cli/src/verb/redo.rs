//! `redo`: reverts the newest migrations and applies them again, as one plan under one lock.

use super::{Caution, at_least_one, plan};
use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::render::Counts;
use crate::watch::{View, attended, watched};

/// The arguments of `redo`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How many of the newest migrations to redo
    #[arg(value_name = "N", default_value = "1", value_parser = at_least_one, allow_negative_numbers = true)]
    pub steps: usize,
    /// Show what would run, with the SQL, without executing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Show each statement before it runs; with `--dry-run`, show everything, however much it is
    #[arg(short, long)]
    pub verbose: bool,
    /// Whether to ask first.
    #[command(flatten)]
    pub caution: Caution,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let (migrator, steps) = (invocation.migrator(), arguments.steps);
    if arguments.dry_run {
        let mut database = invocation.connect(Access::Read).await?;
        let planned = migrator.plan_redo(&mut database, steps).await?;
        return plan::answer(invocation, planned, &mut database, arguments.verbose).await;
    }
    let mut database = invocation.connect(Access::Write).await?;
    let migrator = watched(invocation, migrator, View { verbose: arguments.verbose, counts: Counts::Steps });
    let report = if arguments.caution.asks(invocation) {
        let planned = migrator.plan_redo(&mut database, steps).await?;
        arguments.caution.ask(invocation, &planned, &database).await?;
        attended(invocation, migrator.apply_plan(&mut database, &planned)).await?
    } else {
        attended(invocation, migrator.redo(&mut database, steps)).await?
    };
    Ok(Answer::done(Body::Run(report)))
}
