//! The plan of making a database from `create/`, the tree of the desired schema.
//!
//! Its files have a history of their own while they run, so that an interrupted run is resumed. When all have run, every
//! migration is recorded, and those rows are removed: a row in it means that the database is not complete.

use crate::drift::{self, Drift};
use crate::plan::{Plan, Reason, Refusal, Request, Step, plan};
use crate::{History, Set, State, UpTo, Version};

/// Plans to run the files that have not run, in their order, without those of these versions, which have failed.
///
/// # Errors
///
/// Returns a [`Refusal`] if a file that has run was changed or moved since, or if the request forbids a file. The
/// destination of the request does not matter.
pub fn files(set: &Set, history: &History, request: &Request, failed: &[Version]) -> Result<Plan, Refusal> {
    let mut changed: Vec<String> = drift::drift(set, history)
        .into_iter()
        .filter(|drift| match drift {
            // A file that failed comes before others that did not.
            Drift::Missing { .. } | Drift::OutOfOrder { .. } | Drift::Changed { .. } | Drift::Gone { .. } => false,
            Drift::Partial { state, .. } => *state == State::Reverting,
            Drift::Edited { .. }
            | Drift::Renamed { .. }
            | Drift::Replaced { .. }
            | Drift::Unknown { .. }
            | Drift::OtherDatabase { .. }
            | Drift::ManualEdited { .. }
            | Drift::Ahead { .. }
            | Drift::FinishedEdited { .. } => true,
        })
        .map(|drift| drift.id().to_owned())
        .collect();
    changed.dedup();
    if !changed.is_empty() {
        return Err(Refusal { reasons: vec![Reason::CreateChanged { files: changed }] });
    }
    let out_of_order = crate::plan::OutOfOrder::Allow;
    let request = Request { destination: UpTo::Latest.into(), out_of_order, ..*request };
    let mut planned = plan(set, history, &request)?;
    planned.steps.retain(|step: &Step| !failed.contains(&step.version));
    planned.tolerated.clear();
    Ok(planned)
}

/// Returns the reason why a database may not be made from `create/`, if a migration of this set is recorded already.
pub fn refusal(migrations: &Set, history: &History) -> Option<Reason> {
    let newest = history.rows().last()?;
    let id = migrations.find(newest.version).map_or_else(|| newest.id(), |migration| migration.id().to_owned());
    Some(Reason::AlreadyCreated { newest: id })
}

/// The reason why no migration may run, if a database was begun from `create/` and is not complete: `files` is the history
/// of the files.
pub fn unfinished(deployments: &History, files: &History) -> Option<Reason> {
    let has_begun = deployments.rows().is_empty() && !files.rows().is_empty();
    has_begun.then_some(Reason::UnfinishedCreate { files: files.rows().len() })
}
