//! `ready`: checks once whether the database has every migration, for a readiness probe.

use lockgate::wait::{self, Readiness};

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};

/// The arguments of `ready`; there are none.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {}

pub(super) async fn run(invocation: &Invocation<'_>, _: &Arguments) -> Result<Answer, CommandError> {
    let mut database = invocation.connect(Access::Read).await?;
    let readiness = wait::readiness(&invocation.migrator(), &mut database).await?;
    let exit = match &readiness {
        Readiness::Ready => Exit::Done,
        Readiness::Partial { .. } => Exit::Partial,
        // A newer runtime may have other results; none of them means ready.
        Readiness::Behind { .. } | Readiness::Drifted(_) | _ => Exit::TimedOut,
    };
    Ok(Answer { exit, body: Body::Ready(readiness) })
}
