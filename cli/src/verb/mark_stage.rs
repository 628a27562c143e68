//! `mark-stage`: marks the database with its stage.

use lockgate::Stage;

use crate::answer::{Answer, Body, Marked};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};

/// The arguments of `mark-stage`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What the database is for: `development`, `test`, `staging` or `production`
    // Not the identifier of the flag `--stage`, which is another value.
    #[arg(id = "new_stage", value_name = "STAGE")]
    pub stage: Stage,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let stage = arguments.stage;
    let mut database = invocation.connect(Access::Write).await?;
    let before = invocation.migrator().mark_stage(&mut database, stage).await?;
    Ok(Answer::done(Body::Marked(Marked { stage, before })))
}
