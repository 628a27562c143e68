//! `wait`: waits for a database that somebody else migrates.

use std::time::Duration;

use lockgate::wait;

use crate::context::Context;
use crate::duration;
use crate::exit::Exit;
use crate::problem::Problem;

/// What `wait` understands.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How long to wait before giving up
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = duration::parse)]
    pub timeout: Duration,
}

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Problem> {
    wait::until_migrated(&context.migrator(), context.url(), arguments.timeout).await?;
    context.screen().out("the database has every migration");
    Ok(Exit::Done)
}
