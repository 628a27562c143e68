//! Checks what a run asks of a database besides its own history: nothing else runs on a database that was begun from
//! `create/` and is not complete, and one that is not empty is not begun.

use lockgate_core::{Audience, History, Refusal, create};

use crate::backend::{Backend, Deadline, Intent};
use crate::error::{Error, UNCHANGED, Wording};
use crate::failure;
use crate::history_table::HistoryTable;
use crate::run::{Precondition, Run, patiently};

/// Refuses a run whose precondition does not hold, on a database with this history of its own.
pub(crate) async fn check(backend: &mut dyn Backend, run: &Run<'_>, history: &History) -> Result<(), Error> {
    let (verb, reason): (fn(Audience) -> &'static str, _) = match &run.precondition {
        Precondition::Nothing => return Ok(()),
        Precondition::NotBegun { files, migrations, verb } => {
            let other;
            let history = match migrations {
                Some(migrations) => {
                    other = read(backend, run, migrations).await?;
                    &other
                }
                None => history,
            };
            if !history.rows().is_empty() {
                return Ok(());
            }
            (*verb, create::unfinished(history, &read(backend, run, files).await?))
        }
        #[cfg(feature = "operations")]
        Precondition::Empty { set, migrations, beside_others } => {
            let reason = create::refusal(set, &read(backend, run, migrations).await?);
            let begun = !history.rows().is_empty() || *beside_others;
            let reason = match reason {
                None if !begun => {
                    let deadline = Deadline::after(run.limits.lock_wait);
                    let objects =
                        patiently(backend, run, Intent::Write, deadline, |backend| backend.objects(&run.history_table));
                    let found = objects.await;
                    let found = found.map_err(|cause| Error::from_cause("the database cannot be examined", cause))?;
                    (!found.is_empty()).then_some(lockgate_core::plan::Reason::NotEmpty { found })
                }
                reason => reason,
            };
            (Audience::from_create, reason)
        }
    };
    match reason {
        Some(reason) => {
            let refusal = Refusal { reasons: vec![reason] };
            Err(Error::refused(Wording::each(|audience| format!("{} refuses", verb(audience))), &refusal)
                .with_state(UNCHANGED))
        }
        None => Ok(()),
    }
}

/// Reads another history than that of the run.
async fn read(backend: &mut dyn Backend, run: &Run<'_>, other: &HistoryTable) -> Result<History, Error> {
    let unread = |cause| failure::unread(cause, run);
    let deadline = Deadline::after(run.limits.lock_wait);
    let history =
        patiently(backend, run, Intent::Write, deadline, |backend| backend.read(other)).await.map_err(unread)?;
    // A backend holds what it writes against the history that it has read last.
    let own = patiently(backend, run, Intent::Write, deadline, |backend| backend.read(&run.history_table));
    own.await.map_err(unread)?;
    Ok(history)
}
