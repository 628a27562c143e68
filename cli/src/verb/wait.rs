//! `wait`: waits for a database that somebody else migrates.

use std::time::Duration;

use lockgate::wait;

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::duration;
use crate::invocation::Invocation;

/// What `wait` understands.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How long to wait before giving up
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = duration::parse)]
    pub timeout: Duration,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    wait::until_migrated(&invocation.migrator(), invocation.url(), arguments.timeout).await?;
    Ok(Answer::done(Body::Migrated))
}
