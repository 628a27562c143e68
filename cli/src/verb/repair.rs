//! `repair`: corrects the history without running any migration.

use lockgate::Repair;

use crate::answer::{Answer, NothingToDo};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::migration_ref::MigrationRef;
use crate::render::Counts;
use crate::watch::{View, attended, watched};

/// The arguments of `repair`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The correction.
    #[command(flatten)]
    pub correction: Correction,
    /// How to end without anything to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

/// The correction of the history.
#[derive(clap::Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Correction {
    /// The database already matches the edited or renamed migrations: record their names and texts
    #[arg(long)]
    pub accept_edited: bool,
    /// You have finished this migration by hand: record it as applied, with the text of this program
    #[arg(long, value_name = "VERSION")]
    pub mark_applied: Option<MigrationRef>,
    /// You have undone this migration by hand: remove its row from the history
    #[arg(long, value_name = "VERSION")]
    pub forget: Option<MigrationRef>,
    /// The statement with an unknown outcome has taken effect: record that, and resume after it
    #[arg(long, value_name = "VERSION")]
    pub finished: Option<MigrationRef>,
    /// It has not taken effect: the next run sends it again
    #[arg(long, value_name = "VERSION")]
    pub again: Option<MigrationRef>,
}

impl Correction {
    fn repair(&self, invocation: &Invocation<'_>) -> Result<Repair, CommandError> {
        let version = |migration: &MigrationRef| migration.version(invocation.migrations());
        if let Some(migration) = &self.mark_applied {
            Ok(Repair::MarkApplied(version(migration)?))
        } else if let Some(migration) = &self.forget {
            Ok(Repair::Forget(version(migration)?))
        } else if let Some(migration) = &self.finished {
            Ok(Repair::Finished(version(migration)?))
        } else if let Some(migration) = &self.again {
            Ok(Repair::Again(version(migration)?))
        } else if self.accept_edited {
            Ok(Repair::AcceptEdited)
        } else {
            Err(CommandError::usage(
                "`repair` was not told what is true",
                "say it with `--accept-edited`, `--mark-applied 7`, `--forget 7`, `--finished 7` or `--again 7`",
            ))
        }
    }
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let repair = arguments.correction.repair(invocation)?;
    let mut database = invocation.connect(Access::Write).await?;
    let migrator = watched(invocation, invocation.migrator(), View { verbose: false, counts: Counts::Corrections });
    let report = attended(invocation, migrator.repair(&mut database, repair)).await?;
    Ok(Answer::ran(report, arguments.nothing))
}
