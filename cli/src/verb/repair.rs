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

/// What is true, and the history does not say.
#[derive(clap::Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Truth {
    /// The database is as the edited or renamed migrations of this program say: record their names and texts
    #[arg(long)]
    pub accept_edited: bool,
    /// What this migration does was finished by hand: record it as applied, with the text of this program
    #[arg(long, value_name = "VERSION")]
    pub mark_applied: Option<Wanted>,
    /// What this migration did was undone by hand: take its row out of the history
    #[arg(long, value_name = "VERSION")]
    pub forget: Option<Wanted>,
    /// The statement of this migration that is in doubt has taken effect: record it, and go on after it
    #[arg(long, value_name = "VERSION")]
    pub finished: Option<Wanted>,
    /// It has not: the next run sends it again
    #[arg(long, value_name = "VERSION")]
    pub again: Option<Wanted>,
}

impl Truth {
    fn repair(&self, context: &Context<'_>) -> Result<Repair, Problem> {
        let version = |wanted: &Wanted| wanted.version(context.migrations());
        if let Some(wanted) = &self.mark_applied {
            Ok(Repair::MarkApplied(version(wanted)?))
        } else if let Some(wanted) = &self.forget {
            Ok(Repair::Forget(version(wanted)?))
        } else if let Some(wanted) = &self.finished {
            Ok(Repair::Finished(version(wanted)?))
        } else if let Some(wanted) = &self.again {
            Ok(Repair::Again(version(wanted)?))
        } else if self.accept_edited {
            Ok(Repair::AcceptEdited)
        } else {
            Err(Problem::usage(
                "`repair` was not told what is true",
                "say it with `--accept-edited`, `--mark-applied 7`, `--forget 7`, `--finished 7` or `--again 7`",
            ))
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
