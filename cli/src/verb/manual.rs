//! `manual`: lists the scripts that an operator runs, and runs one of them once.

use lockgate::{CompanionKind, Migrations};

use super::{Caution, is_protected, plan};
use crate::answer::{Answer, Body, NothingToDo};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::migration_ref::{MigrationRef, ParseMigrationRefError};
use crate::render::Counts;
use crate::watch::{View, attended, watched};

/// The arguments of `manual`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// What to do; without a command, the scripts are listed.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// A command below `manual`.
#[derive(clap::Subcommand, Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// List the scripts, and which of them have run (this is what `manual` does alone)
    List,
    /// Run one script, unless it has run
    Run(RunArguments),
}

/// The arguments of `manual run`.
#[derive(clap::Args, Clone, Debug)]
pub struct RunArguments {
    /// The script, by its number or its name: `7` or `00007-fix_totals`
    #[arg(value_name = "SCRIPT", value_parser = script)]
    pub script: MigrationRef,
    /// Show what would run, with the SQL, without executing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Show each statement before it runs
    #[arg(short, long)]
    pub verbose: bool,
    /// Whether to ask first.
    #[command(flatten)]
    pub caution: Caution,
    /// How to end if the script has run.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

/// Reads the name of a script. `status`, which other references follow, does not list these scripts.
fn script(text: &str) -> Result<MigrationRef, String> {
    text.parse().map_err(|error: ParseMigrationRefError| error.of_manual())
}

impl Arguments {
    /// Whether it may change the database.
    pub(super) fn writes(&self) -> bool {
        match &self.command {
            None | Some(Command::List) => false,
            Some(Command::Run(arguments)) => !arguments.dry_run,
        }
    }
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    match &arguments.command {
        None | Some(Command::List) => {
            let mut database = invocation.connect(Access::Read).await?;
            Ok(Answer::done(Body::Manual(invocation.migrator().manual_scripts(&mut database).await?)))
        }
        Some(Command::Run(arguments)) => run_one(invocation, arguments).await,
    }
}

async fn run_one(invocation: &Invocation<'_>, arguments: &RunArguments) -> Result<Answer, CommandError> {
    // If there are none, the migrator says what is wrong.
    let scripts = invocation.migrations().set().companion(CompanionKind::Manual);
    let scripts = scripts.map_or(Migrations::EMPTY, Migrations::from);
    let number = arguments.script.version(&scripts)?;
    if arguments.dry_run {
        let mut database = invocation.connect(Access::Read).await?;
        let planned = invocation.migrator().plan_manual(&mut database, number).await?;
        let exit = arguments.nothing.exit(planned.is_empty());
        return Ok(Answer { exit, ..plan::of_companion(scripts, planned, &database, arguments.verbose) });
    }
    let mut database = invocation.connect(Access::Write).await?;
    let view = View { verbose: arguments.verbose, counts: Counts::ManualScripts };
    let migrator = watched(invocation, invocation.migrator(), view);
    if arguments.caution.asks(invocation) && is_protected(&migrator, &mut database).await? {
        let planned = migrator.plan_manual(&mut database, number).await?;
        arguments.caution.ask_about(invocation, &scripts, &planned, &database).await?;
    }
    let report = attended(invocation, migrator.run_manual(&mut database, number)).await?;
    if report.is_empty() {
        let scripts = migrator.manual_scripts(&mut database).await?;
        let ran = scripts.into_iter().find(|script| script.version == number);
        return Ok(Answer { exit: arguments.nothing.exit(true), body: Body::HasRun(ran.into_iter().collect()) });
    }
    Ok(Answer::done(Body::RanManual(report)))
}
