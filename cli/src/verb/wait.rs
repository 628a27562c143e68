//! `wait`: waits for a database that somebody else migrates.

use std::time::Duration;

use lockgate::wait::{self, Readiness};

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::duration;
use crate::invocation::Invocation;

/// The arguments of `wait`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How long to wait before giving up
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = duration::parse)]
    pub timeout: Duration,
    /// The longest pause between two checks of the database
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    pub interval: Duration,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let (migrator, url) = (invocation.migrator(), invocation.url());
    wait::until_migrated_polling(&migrator, url, arguments.timeout, arguments.interval).await?;
    Ok(Answer::done(Body::Ready(Readiness::Ready)))
}
