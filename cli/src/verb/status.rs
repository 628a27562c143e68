//! `status`: shows what is applied, what is pending and what differs.

use lockgate::{Audience, CompanionKind, ErrorKind, Reason, UpTo};

use crate::answer::{Answer, Body, Stand};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};

/// The arguments of `status`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// Show every migration; a terminal shows only the first and the last of many
    #[arg(long)]
    pub all: bool,
}

/// Shows the status. Ends with [`Exit::Refused`] if `up` would refuse to run, so that a script can check before it
/// acts. Pending migrations alone do not cause it.
pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut database = invocation.connect(Access::Read).await?;
    let migrator = invocation.migrator();
    let status = migrator.status(&mut database).await?;
    // A database that was begun from `create/` has no row yet.
    let set = invocation.migrations().set();
    let may_have_begun = status.current().is_none() && set.companion(CompanionKind::Create).is_some();
    // What is pending may be refused on a protected stage.
    let is_protected = status.stage.is_some_and(|stage| stage.is_protected());
    let may_be_refused = !status.drift.is_empty() || may_have_begun || (is_protected && !status.is_up_to_date());
    let mut refusals = Vec::new();
    let up_refuses = match may_be_refused {
        false => false,
        true => match migrator.plan(&mut database, UpTo::Latest).await {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::Refused => {
                // The differences are shown with their own ways out.
                let others = error.reasons().iter().filter(|reason| !matches!(reason, Reason::Drift(_)));
                refusals.extend(others.map(|reason| format!("{reason}: {}", reason.help_for(Audience::CommandLine))));
                true
            }
            Err(error) => return Err(error.into()),
        },
    };
    #[cfg(feature = "postgres")]
    let mirror = migrator.mirror_status(&mut database).await?;
    #[cfg(feature = "postgres")]
    let up_refuses = up_refuses || mirror.as_ref().is_some_and(|mirror| mirror.mismatch.is_some());
    let exit = if up_refuses { Exit::Refused } else { Exit::Done };
    Ok(Answer {
        exit,
        body: Body::Status(Stand {
            status,
            up_refuses,
            refusals,
            #[cfg(feature = "postgres")]
            mirror,
            all: arguments.all,
        }),
    })
}
