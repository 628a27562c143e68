//! `repair`: answers what only a person can know, without running any migration.

use lockgate::Repair;

use super::watched;
use crate::context::{Access, Context};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::render;
use crate::wanted::Wanted;

/// What `repair` understands.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What is true.
    #[command(flatten)]
    pub truth: Truth,
}

/// What is true of the statement that was sent and whose end was not recorded.
#[derive(clap::Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Truth {
    /// The statement of this migration that is in doubt has taken effect: record it, and go on after it
    #[arg(long, value_name = "VERSION")]
    pub finished: Option<Wanted>,
    /// It has not: the next run sends it again
    #[arg(long, value_name = "VERSION")]
    pub again: Option<Wanted>,
}

impl Truth {
    fn repair(&self, context: &Context<'_>) -> Result<Repair, Problem> {
        match (&self.finished, &self.again) {
            (Some(wanted), _) => Ok(Repair::Finished(wanted.version(context.migrations())?)),
            (None, Some(wanted)) => Ok(Repair::Again(wanted.version(context.migrations())?)),
            (None, None) => Err(Problem::usage(
                "`repair` was not told what is true",
                "say which migration's statement has taken effect (`repair --finished 7`), or has not (`repair --again 7`)",
            )),
        }
    }
}

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Problem> {
    let repair = arguments.truth.repair(context)?;
    let mut database = context.connect(Access::Write).await?;
    let report = watched(context, false).repair(&mut database, repair).await?;
    context.screen().out(&render::report(&report));
    Ok(Exit::Done)
}
