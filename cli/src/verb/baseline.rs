//! `baseline`: records migrations as applied without running them, for a database that has what they do.

use super::watched;
use crate::context::{Access, Context};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::render;
use crate::wanted::Wanted;

/// What `baseline` understands.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The last migration that the database has: `7` or `0007_create_reservations`
    #[arg(value_name = "VERSION")]
    pub version: Wanted,
}

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Problem> {
    let version = arguments.version.version(context.migrations())?;
    let mut database = context.connect(Access::Write).await?;
    let report = watched(context, false).baseline(&mut database, version).await?;
    context.screen().out(&render::report(&report));
    Ok(Exit::Done)
}
