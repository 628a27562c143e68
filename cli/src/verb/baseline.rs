//! `baseline`: records migrations as applied without running them, for a database that has what they do.

use super::watched;
use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::migration_ref::MigrationRef;

/// The arguments of `baseline`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The last migration that the database has: `7` or `0007_create_reservations`
    #[arg(value_name = "VERSION")]
    pub version: MigrationRef,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let version = arguments.version.version(invocation.migrations())?;
    let mut database = invocation.connect(Access::Write).await?;
    let report = watched(invocation, false).baseline(&mut database, version).await?;
    Ok(Answer::done(Body::Run(report)))
}
