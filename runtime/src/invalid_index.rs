//! Drops an INVALID index, which a failed `CREATE INDEX CONCURRENTLY` has left, and logs that.

use lockgate_core::{Atomicity, Dialect, History, Refusal, State};

use crate::backend::{Backend, Dropped, LockRequest, RunEnd};
use crate::error::{Error, Wording};
use crate::failure;
use crate::history_table::HistoryEntry;
use crate::run::Run;
use crate::stage;

/// Drops this index of a database that has this history, and gives it as SQL names it.
pub(crate) async fn drop(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    history: &History,
    name: &str,
) -> Result<String, Error> {
    let guard = stage::guard(backend, run).await?;
    if let Some(reason) = guard.mismatch().or_else(|| guard.keeps()) {
        return Err(stage::refused(&Refusal { reasons: vec![reason] }));
    }
    let entry = about(history);
    if backend.dialect() == Dialect::Sqlite {
        let dropped = backend.drop_invalid_index(name).await;
        return dropped.map_err(|cause| undone(name, cause)).and_then(taken);
    }
    let request = LockRequest { atomicity: Atomicity::PerMigration, ..run.lock_request() };
    let locked = backend.lock(request, &mut |_| ()).await;
    locked.map_err(|failure| failure::no_lock(failure, run))?;
    let result = async {
        if let (Some(entry), Some(why), Some(stage)) =
            (&entry, &run.stage.why, guard.database.filter(|stage| stage.is_protected()))
        {
            let logged = backend.log_override(&run.history_table, entry, &format!("{stage}: {why}")).await;
            logged.map_err(stage::unlogged)?;
        }
        let dropped = backend.drop_invalid_index(name).await.map_err(|cause| undone(name, cause))?;
        let shown = taken(dropped)?;
        if let Some(entry) = &entry {
            let detail = match &run.reason {
                Some(why) => format!("{shown}: {why}"),
                None => shown.clone(),
            };
            let logged = backend.log_index_dropped(&run.history_table, entry, &detail).await;
            logged.map_err(|cause| {
                Error::from_cause("what was done could not be logged", cause)
                    .with_state(format!("the index {shown} is dropped"))
            })?;
        }
        Ok(shown)
    }
    .await;
    let end = if result.is_ok() { RunEnd::Completed } else { RunEnd::Stopped };
    let released = backend.release(end).await;
    let shown = result?;
    released.map_err(|cause| {
        Error::from_cause("the connection could not be put back as it was", cause)
            .with_state(format!("the index {shown} is dropped"))
    })?;
    Ok(shown)
}

/// The log is about migrations: the one that stopped half way, or else the newest. Without any there is no log.
fn about(history: &History) -> Option<HistoryEntry> {
    let rows = history.rows();
    let row = rows.iter().find(|row| row.state != State::Applied).or(rows.last())?;
    let (version, name, checksum) = (row.version, row.name.clone(), row.checksum);
    Some(HistoryEntry { version, name, checksum, adopted: None, reason: None })
}

fn taken(dropped: Dropped) -> Result<String, Error> {
    match dropped {
        Dropped::Index(shown) => Ok(shown),
        Dropped::Kept { why, help } => Err(Error::refused_for(
            Wording::each(|audience| match audience {
                lockgate_core::Audience::Rust => "`drop_invalid_index` refuses".to_owned(),
                lockgate_core::Audience::CommandLine => "`repair` refuses".to_owned(),
            }),
            &[(why, help)],
        )),
    }
}

fn undone(name: &str, cause: crate::error::Cause) -> Error {
    // Names with too many parts, and invalid names.
    if matches!(cause.code.as_deref(), Some("SQLSTATE 0A000" | "SQLSTATE 42601" | "SQLSTATE 42602")) {
        return Error::usage(format!("`{name}` does not name an index"))
            .with_help("write `index` or `schema.index`, as `doctor` lists them");
    }
    Error::from_cause(format!("the index {name} could not be dropped"), cause)
}
