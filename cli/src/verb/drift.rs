//! `drift`: lists every difference between program and database.

use lockgate::Drift;

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};

/// The arguments of `drift`; there are none.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {}

/// Lists the differences. Ends with [`Exit::Drift`] if there are any, but not because the database is ahead: a newer build
/// has migrated it.
pub(super) async fn run(invocation: &Invocation<'_>, _: &Arguments) -> Result<Answer, CommandError> {
    let mut database = invocation.connect(Access::Read).await?;
    let drift = invocation.migrator().drift(&mut database).await?;
    let differs = drift.iter().any(|drift| !matches!(drift, Drift::Ahead { .. }));
    let exit = if differs { Exit::Drift } else { Exit::Done };
    Ok(Answer { exit, body: Body::Drift(drift, None) })
}
