//! `mirror`: compares databases with their mirror, and accepts one as it is.

use lockgate::MirrorStatus;

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};

/// The arguments of `mirror`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What to do. Without it, the comparison is shown.
    #[command(subcommand)]
    pub what: Option<What>,
}

/// What to do with the mirror.
#[derive(clap::Subcommand, Clone, Debug)]
#[command(about = None)]
pub enum What {
    /// Accept a database that differs from its mirror: the mirror takes it over as it is, and runs continue
    Accept(Accept),
}

/// The arguments of `mirror accept`.
#[derive(clap::Args, Clone, Debug)]
pub struct Accept {
    /// The database
    // Not the identifier of the flag `--database`, which is another value.
    #[arg(id = "accepted_database", value_name = "DATABASE")]
    pub database: String,
    /// Say why the database is right as it is; the mirror keeps it
    #[arg(long, value_name = "WHY")]
    pub reason: String,
}

impl Arguments {
    pub(super) fn writes(&self) -> bool {
        self.what.is_some()
    }
}

/// The answer of a comparison. Ends with [`Exit::Refused`] if `up` would refuse to run.
pub(crate) fn compared(statuses: Vec<MirrorStatus>) -> Answer {
    let differs = statuses.iter().any(|status| status.mismatch.is_some());
    let exit = if differs { Exit::Refused } else { Exit::Done };
    Answer { exit, body: Body::Mirror(statuses) }
}

/// The answer after a database was accepted.
pub(crate) fn accepted(status: MirrorStatus) -> Answer {
    Answer::done(Body::MirrorAccepted(status))
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let migrator = invocation.migrator();
    let mut database = invocation.connect(Access::Read).await?;
    let status = migrator.mirror_status(&mut database).await?;
    let Some(What::Accept(Accept { database: named, reason })) = &arguments.what else {
        return Ok(compared(status.into_iter().collect()));
    };
    if let Some(status) = status.filter(|status| status.database != *named) {
        return Err(CommandError::usage(
            format!("this is the database `{}`, and not `{named}`", status.database),
            "name the database that you have looked at, or connect to the other one",
        ));
    }
    Ok(accepted(migrator.accept_in_mirror(&mut database, reason).await?))
}
