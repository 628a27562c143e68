//! `down`: revert what is applied, never without saying how much.

use lockgate::DownTo;

use super::{at_least_one, plan, watched};
use crate::context::{Access, Context};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::render;
use crate::wanted::Wanted;

/// What `down` understands.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How far.
    #[command(flatten)]
    pub downward: Downward,
    /// Show what would run, and execute nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Show the SQL too
    #[arg(short, long)]
    pub verbose: bool,
}

/// How far down: there is no default.
#[derive(clap::Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Downward {
    /// Revert so many migrations
    #[arg(value_name = "N", value_parser = at_least_one)]
    pub steps: Option<usize>,
    /// Revert all above this migration, which stays: `7` or `0007_create_reservations`
    #[arg(long, value_name = "VERSION")]
    pub to: Option<Wanted>,
    /// Revert every migration
    #[arg(long)]
    pub all: bool,
}

impl Downward {
    fn destination(&self, context: &Context<'_>) -> Result<DownTo, Problem> {
        match (&self.to, self.steps, self.all) {
            (Some(wanted), _, _) => Ok(DownTo::Version(wanted.version(context.migrations())?)),
            (None, Some(steps), _) => Ok(DownTo::Steps(steps)),
            (None, None, true) => Ok(DownTo::Empty),
            (None, None, false) => Err(Problem::usage(
                "`down` was not told how far",
                "say how many migrations (`down 1`), which one stays (`down --to 7`), or `down --all`",
            )),
        }
    }
}

pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Problem> {
    let destination = arguments.downward.destination(context)?;
    if arguments.dry_run {
        let mut database = context.connect(Access::Read).await?;
        let planned = context.migrator().plan_revert(&mut database, destination).await?;
        return plan::show(context, &planned, database.dialect(), arguments.verbose);
    }
    let mut database = context.connect(Access::Write).await?;
    let report = watched(context, arguments.verbose).revert(&mut database, destination).await?;
    context.screen().out(&render::report(&report));
    Ok(Exit::Done)
}
