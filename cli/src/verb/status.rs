//! `status`: what is applied, what is pending and what differs.

use lockgate::{ErrorKind, UpTo};

use crate::context::{Access, Context};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::render;

/// What `status` understands: so far nothing of its own.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {}

/// Pending migrations are a fine answer. Differences that make `up` refuse end with
/// [`Exit::Refused`], so that a script can ask before it acts; which ones do is the plan's to say.
pub(super) async fn run(context: &Context<'_>, _: &Arguments) -> Result<Exit, Problem> {
    let mut database = context.connect(Access::Read).await?;
    let migrator = context.migrator();
    let status = migrator.status(&mut database).await?;
    let screen = context.screen();
    screen.out(&render::status(&status, screen.width()));
    if status.drift.is_empty() {
        return Ok(Exit::Done);
    }
    for drift in &status.drift {
        screen.out(&format!("\n{}", render::drift(drift)));
    }
    match migrator.plan(&mut database, UpTo::Latest).await {
        Ok(_) => Ok(Exit::Done),
        Err(error) if error.kind() == ErrorKind::Refused => {
            screen.out(&format!("\n{}", render::remark("`up` refuses to run until this is put right")));
            Ok(Exit::Refused)
        }
        Err(error) => Err(error.into()),
    }
}
