//! `baseline`: records migrations as applied without running them, for a database that already has their changes.

use crate::answer::{Answer, NothingToDo};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::migration_ref::MigrationRef;
use crate::render::Counts;
use crate::watch::{View, attended, watched};

/// The arguments of `baseline`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The last migration that the database has: `7` or `0007_create_reservations`
    #[arg(value_name = "VERSION")]
    pub version: MigrationRef,
    /// How to end if there is nothing to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let version = arguments.version.version(invocation.migrations())?;
    let mut database = invocation.connect(Access::Write).await?;
    let migrator = watched(invocation, invocation.migrator(), View { verbose: false, counts: Counts::Records });
    let report = attended(invocation, migrator.baseline(&mut database, version)).await?;
    Ok(Answer::ran(report, arguments.nothing))
}
