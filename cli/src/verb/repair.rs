//! `repair`: corrects the history without running any migration, and drops an INVALID index.

use lockgate::{Migrator, Repair, Report};

use crate::answer::{Answer, Body, NothingToDo};
use crate::command_error::CommandError;
use crate::confirm;
use crate::invocation::{Access, Invocation};
use crate::migration_ref::MigrationRef;
use crate::render::{self, Counts};
use crate::watch::{View, attended, watched};

/// The arguments of `repair`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The correction.
    #[command(flatten)]
    pub correction: Correction,
    /// Say why; the log keeps it. `--accept-edited` needs a reason, and asks for it at a terminal
    #[arg(long, value_name = "WHY")]
    pub reason: Option<String>,
    /// How to end without anything to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

/// The correction.
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
    /// The statement with an unknown outcome has not taken effect: the next run sends it again
    #[arg(long, value_name = "VERSION")]
    pub again: Option<MigrationRef>,
    /// Drop this INVALID index, which a failed CREATE INDEX CONCURRENTLY has left (PostgreSQL)
    #[arg(long, value_name = "[SCHEMA.]INDEX")]
    pub drop_invalid_index: Option<String>,
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
                "say it with `--accept-edited`, `--mark-applied 7`, `--forget 7`, `--finished 7`, `--again 7` or `--drop-invalid-index loans_due`",
            ))
        }
    }
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut migrator = invocation.migrator();
    let reason = arguments.reason.as_deref().or(invocation.overrides());
    if let Some(why) = reason {
        migrator = migrator.repair_reason(why);
    }
    if let Some(index) = &arguments.correction.drop_invalid_index {
        let mut database = invocation.connect(Access::Write).await?;
        let dropped = migrator.drop_invalid_index(&mut database, index).await?;
        return Ok(Answer::done(Body::IndexDropped(dropped)));
    }
    let repair = arguments.correction.repair(invocation)?;
    if reason.is_none() && repair == Repair::AcceptEdited {
        if !confirm::is_possible(invocation) {
            return Err(CommandError::usage(
                "`repair --accept-edited` needs a reason, which the log keeps",
                "say why the edited files are right: `repair --accept-edited --reason \"why\"`",
            ));
        }
        let mut database = invocation.connect(Access::Write).await?;
        let planned = migrator.plan_repair(&mut database, repair).await?;
        if planned.is_empty() {
            return Ok(Answer::ran(Report::default(), arguments.nothing));
        }
        let question = render::question(invocation.migrations(), &planned, &database);
        let why = confirm::reason(invocation, &question).await?;
        let migrator = corrects(invocation, migrator.repair_reason(why));
        let report = attended(invocation, migrator.apply_plan(&mut database, &planned)).await?;
        return Ok(Answer::ran(report, arguments.nothing));
    }
    let mut database = invocation.connect(Access::Write).await?;
    let report = attended(invocation, corrects(invocation, migrator).repair(&mut database, repair)).await?;
    Ok(Answer::ran(report, arguments.nothing))
}

fn corrects(invocation: &Invocation<'_>, migrator: Migrator) -> Migrator {
    watched(invocation, migrator, View { verbose: false, counts: Counts::Corrections })
}
