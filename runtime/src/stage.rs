//! Checks the stage of the database before a run, and marks a database with its stage.

use lockgate_core::{Guard, History, Plan, Refusal, Stage, plan::Reason};

use crate::backend::{Backend, Deadline, Intent, Job, RunEnd};
use crate::error::{Cause, Error, UNCHANGED};
use crate::failure;
use crate::history_table::HistoryEntry;
use crate::precondition;
use crate::run::{Run, patiently};

/// Decides what runs on a database with this history. Asks for the stage only if a stage is demanded, or if something
/// would run.
pub(crate) async fn decide(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    history: &History,
    decide: &(dyn Fn(&History) -> Result<Plan, Error> + Send + Sync),
) -> Result<Plan, Error> {
    check(backend, run).await?;
    let plan = decide(history)?;
    if plan.is_empty() {
        return Ok(plan);
    }
    precondition::check(backend, run, history).await?;
    if run.is_bookkeeping {
        return Ok(plan);
    }
    let guard = guard(backend, run).await?;
    guard.check(run.migrations.set(), Ok(plan)).map_err(|refusal| refused(&refusal))
}

/// Refuses a database of another stage than the one that is demanded.
pub(crate) async fn check(backend: &mut dyn Backend, run: &Run<'_>) -> Result<(), Error> {
    if run.stage.asked.is_none() {
        return Ok(());
    }
    check_found(guard(backend, run).await?.database, run)
}

/// The same, for a database whose stage was read.
pub(crate) fn check_found(database: Option<Stage>, run: &Run<'_>) -> Result<(), Error> {
    let guard = Guard { database, asked: run.stage.asked, overridden: run.stage.why.is_some() };
    match guard.mismatch() {
        None => Ok(()),
        Some(reason) => Err(refused(&Refusal { reasons: vec![reason] })),
    }
}

/// Logs that this run overrides the stage of the database, and why.
pub(crate) async fn log_override(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    plan: &Plan,
    jobs: &[Job],
) -> Result<(), Error> {
    let (Some(why), Some(first)) = (&run.stage.why, jobs.first()) else { return Ok(()) };
    let guard = guard(backend, run).await?;
    if guard.forbidden(run.migrations.set(), &plan.steps).is_empty() {
        return Ok(());
    }
    let stage = guard.database.map_or("", Stage::as_str);
    let logged = backend.log_override(&run.history_table, &first.entry, &format!("{stage}: {why}")).await;
    logged.map_err(unlogged)
}

/// Marks a database that has this history with a stage, and returns the stage that it had before.
pub(crate) async fn mark(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    history: &History,
    stage: Stage,
) -> Result<Option<Stage>, Error> {
    let guard = guard(backend, run).await?;
    let before = guard.database;
    // It is consistent to demand the stage that the database is about to get.
    let will_have = before.is_none() && guard.asked == Some(stage);
    if let Some(reason) = guard.mismatch().filter(|_| !will_have) {
        return Err(refused(&Refusal { reasons: vec![reason] }));
    }
    if before == Some(stage) {
        return Ok(before);
    }
    if let Some(protected) = before.filter(|stage| stage.is_protected()) {
        let Some(why) = &run.stage.why else {
            let reasons = vec![Reason::MarkedOtherwise { asked: stage, database: protected }];
            return Err(refused(&Refusal { reasons }));
        };
        log_overridden(backend, run, history, &format!("{protected}, now marked as {stage}: {why}")).await?;
    }
    let deadline = Deadline::after(run.limits.lock_wait);
    let marked = patiently(backend, run, Intent::Write, deadline, |backend| backend.mark(stage)).await;
    marked.map_err(|cause| Error::of_read("the database cannot be marked", cause))?;
    Ok(before)
}

/// Logs an override of the stage that is not about one migration.
async fn log_overridden(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    history: &History,
    detail: &str,
) -> Result<(), Error> {
    // The log is about migrations. If none is applied, there is nothing to protect yet.
    let Some(row) = history.rows().last() else { return Ok(()) };
    let (version, name, checksum) = (row.version, row.name.clone(), row.checksum);
    let entry = HistoryEntry { version, name, checksum, adopted: None, reason: None };
    let locked = backend.lock(run.lock_request(), &mut |_| ()).await;
    locked.map_err(|failure| failure::no_lock(failure, run))?;
    let logged = backend.log_override(&run.history_table, &entry, detail).await;
    let end = if logged.is_ok() { RunEnd::Completed } else { RunEnd::Stopped };
    let released = backend.release(end).await;
    logged.and(released).map_err(unlogged)
}

/// Returns the stage of a database that is about to be replaced or dropped as a whole, or an error if that is not
/// allowed.
pub(crate) async fn may_replace(backend: &mut dyn Backend, run: &Run<'_>) -> Result<Option<Stage>, Error> {
    let guard = guard(backend, run).await?;
    match guard.mismatch().or_else(|| guard.keeps()) {
        Some(reason) => Err(refused(&Refusal { reasons: vec![reason] })),
        None => Ok(guard.database),
    }
}

/// Logs the reason for replacing a protected database, in the database that replaced it.
pub(crate) async fn log_replaced(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    history: &History,
    detail: &str,
) -> Result<(), Error> {
    match &run.stage.why {
        Some(why) => log_overridden(backend, run, history, &format!("{detail}: {why}")).await,
        None => Ok(()),
    }
}

pub(crate) async fn guard(backend: &mut dyn Backend, run: &Run<'_>) -> Result<Guard, Error> {
    let deadline = Deadline::after(run.limits.lock_wait);
    let database = patiently(backend, run, Intent::Write, deadline, |backend| backend.stage()).await;
    let database = database.map_err(|cause| Error::of_read("the stage of the database cannot be read", cause))?;
    Ok(Guard { database, asked: run.stage.asked, overridden: run.stage.why.is_some() })
}

pub(crate) fn refused(refusal: &Refusal) -> Error {
    Error::refused("the stage of the database does not allow this", refusal).with_state(UNCHANGED)
}

pub(crate) fn unlogged(cause: Cause) -> Error {
    Error::from_cause("the reason for the override could not be logged", cause).with_state(UNCHANGED)
}
