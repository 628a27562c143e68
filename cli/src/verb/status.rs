//! `status`: shows what is applied, what is pending and what differs.

use lockgate::{ErrorKind, UpTo};

use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};
use crate::render;

/// The arguments of `status`; there are none.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {}

/// Shows the status. Ends with [`Exit::Refused`] if `up` would refuse to run, so that a script can check before it
/// acts. Pending migrations are no reason for that.
pub(super) async fn run(invocation: &Invocation<'_>, _: &Arguments) -> Result<Exit, CommandError> {
    let mut database = invocation.connect(Access::Read).await?;
    let migrator = invocation.migrator();
    let status = migrator.status(&mut database).await?;
    let output = invocation.output();
    output.out(&render::status(&status, output.width()));
    if status.drift.is_empty() {
        return Ok(Exit::Done);
    }
    for drift in &status.drift {
        output.out(&format!("\n{}", render::drift(drift)));
    }
    match migrator.plan(&mut database, UpTo::Latest).await {
        Ok(_) => Ok(Exit::Done),
        Err(error) if error.kind() == ErrorKind::Refused => {
            output.out(&format!("\n{}", render::remark("`up` refuses to run until this is fixed")));
            Ok(Exit::Refused)
        }
        Err(error) => Err(error.into()),
    }
}
