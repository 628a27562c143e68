//! `seed`: lists the seeds of the program, and loads the newest one into a new database.

use super::{Caution, is_protected};
use crate::answer::{Answer, Body, NothingToDo};
use crate::command_error::CommandError;
use crate::confirm;
use crate::invocation::{Access, Invocation};
use crate::render::Counts;
use crate::watch::{View, attended, watched};

/// The arguments of `seed`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// What to do; without a command, the seeds are listed.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// A command below `seed`.
#[derive(clap::Subcommand, Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// List the seeds, and show which one `load` would load (this is what `seed` alone does)
    List,
    /// Apply the migrations up to that of the newest seed, load it, and apply the rest
    Load(LoadArguments),
}

/// The arguments of `seed load`.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct LoadArguments {
    /// Show each statement before it runs
    #[arg(short, long)]
    pub verbose: bool,
    /// Whether to ask first.
    #[command(flatten)]
    pub caution: Caution,
    /// The exit code after the seed is loaded and all migrations are applied.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

impl Arguments {
    /// Whether it may change the database.
    pub(super) fn writes(&self) -> bool {
        match &self.command {
            None | Some(Command::List) => false,
            Some(Command::Load(_)) => true,
        }
    }
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let arguments = match &arguments.command {
        None | Some(Command::List) => {
            let mut database = invocation.connect(Access::Read).await?;
            return Ok(Answer::done(Body::Seeds(invocation.migrator().seeds(&mut database).await?)));
        }
        Some(Command::Load(arguments)) => arguments,
    };
    let mut database = invocation.connect(Access::Create).await?;
    let view = View { verbose: arguments.verbose, counts: Counts::of_up(invocation.migrations()) };
    let migrator = watched(invocation, invocation.migrator(), view);
    if arguments.caution.asks(invocation) && is_protected(&migrator, &mut database).await? {
        confirm::confirm(invocation, "this loads a seed into a database of a protected stage").await?;
    }
    let report = attended(invocation, migrator.load_seed(&mut database)).await?;
    Ok(Answer::ran(report, arguments.nothing))
}
