//! `drift`: lists every difference between program and database: in the history, or in the schema.

use lockgate::Drift;
#[cfg(feature = "schema")]
use lockgate::{SchemaDrift, SchemaVerdict};

use crate::answer::{Answer, Body, Differences};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};

/// The arguments of `drift`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// Compare the schema of the database with the one that the migrations make (`schema.txt` beside them), and not the
    /// history
    #[cfg(feature = "schema")]
    #[arg(long)]
    pub schema: bool,
}

/// Lists the differences. Ends with [`Exit::Drift`] if there are any, but not because the database is ahead: a newer build
/// has migrated it.
pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut database = invocation.connect(Access::Read).await?;
    let migrator = invocation.migrator();
    #[cfg(feature = "schema")]
    if arguments.schema {
        let drift = migrator.schema_drift(&mut database).await?;
        return Ok(Answer { exit: exit(&drift), body: Body::SchemaDrift(Box::new(drift)) });
    }
    #[cfg(not(feature = "schema"))]
    let Arguments {} = arguments;
    let drift = migrator.drift(&mut database).await?;
    // A migration that a run is working on looks as if it had stopped half way.
    if drift.iter().any(|drift| matches!(drift, Drift::Partial { .. }))
        && let Some(at_work) = migrator.status(&mut database).await?.at_work
    {
        invocation.output().remark(&at_work.to_string());
    }
    let differs = drift.iter().any(|drift| !matches!(drift, Drift::Ahead { .. }));
    let exit = if differs { Exit::Drift } else { Exit::Done };
    Ok(Answer { exit, body: Body::Drift(Differences::from(drift)) })
}

/// How a comparison of schemas ends. Where the answer is not known, that is neither drift nor peace.
#[cfg(feature = "schema")]
fn exit(drift: &SchemaDrift) -> Exit {
    match drift.verdict {
        SchemaVerdict::Same => Exit::Done,
        SchemaVerdict::Differs => Exit::Drift,
        // A newer runtime may have other reasons.
        _ => Exit::Refused,
    }
}
