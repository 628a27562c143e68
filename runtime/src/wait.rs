//! Waiting for a database that somebody else migrates: a job of the deployment, another instance, an operator.
//!
//! A service that does not migrate itself calls [`until_migrated`] before it serves, and answers its readiness probe
//! with [`is_ready`]. Both ask the database and nothing else, take no lock, write nothing, and need only SELECT.

use std::time::Duration;

use lockgate_core::{Drift, State, Status};

use crate::backend::{Deadline, backoff};
use crate::{Database, Error, ErrorKind, Migrator, Target};

/// The first pause between two looks at the database, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// However little time is left, the database has so long to answer.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
/// How many migrations an error lists.
const SHOWN: usize = 5;

/// Whether the database has every embedded migration: recorded with the same checksum, and none of them partial. A
/// database that is ahead of the program has them too.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use lockgate::{Database, Migrations, Migrator, wait};
///
/// # static MIGRATIONS: Migrations = Migrations::EMPTY;
/// let mut database = Database::connect("sqlite::memory:").await?;
/// assert!(wait::is_ready(&Migrator::new(&MIGRATIONS), &mut database).await?);
/// # Ok::<(), lockgate::Error>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// As for [`Migrator::status`].
pub async fn is_ready(migrator: &Migrator, target: impl Target) -> Result<bool, Error> {
    Ok(is_done(&migrator.status(target).await?))
}

/// Waits until the database has every embedded migration, as [`is_ready`] defines it. A database that is not there
/// yet, or does not answer, is waited for too.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use std::time::Duration;
/// use lockgate::{Migrations, Migrator, wait};
///
/// # static MIGRATIONS: Migrations = Migrations::EMPTY;
/// let migrator = Migrator::new(&MIGRATIONS);
/// wait::until_migrated(&migrator, "sqlite::memory:", Duration::from_secs(60)).await?;
/// # Ok::<(), lockgate::Error>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// When the time is over: [`ErrorKind::Partial`] where a migration has stopped half way,
/// [`ErrorKind::Unreachable`] where the database does not answer, and else [`ErrorKind::TimedOut`]. What waiting
/// cannot change is an error at once: [`ErrorKind::Usage`], [`ErrorKind::Denied`], [`ErrorKind::HistoryFormat`].
pub async fn until_migrated(migrator: &Migrator, url: &str, patience: Duration) -> Result<(), Error> {
    let (url, deadline) = (existing(url), Deadline::after(patience));
    let mut database: Option<Database> = None;
    for attempt in 0.. {
        // A host that swallows packets answers nothing for minutes.
        let longest = deadline.left().max(SHORTEST_LOOK);
        let looked = tokio::time::timeout(longest, look(migrator, &url, &mut database)).await;
        let looked = looked.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unreachable, format!("the database gives no answer within {longest:?}")))
        });
        let error = match looked {
            Ok(status) if is_done(&status) => return Ok(()),
            Ok(status) => unfinished(&status, patience),
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Interrupted) => {
                database = None;
                error
            }
            Err(error) => return Err(error),
        };
        if deadline.is_over() {
            return Err(error);
        }
        tokio::time::sleep(backoff(attempt, PAUSES.0, PAUSES.1).min(deadline.left())).await;
    }
    unreachable!("the loop ends at the deadline")
}

/// Where the database stands. The connection is kept for the next look.
async fn look(migrator: &Migrator, url: &str, database: &mut Option<Database>) -> Result<Status, Error> {
    let connection = match database {
        Some(connection) => connection,
        None => database.insert(Database::connect(url).await?),
    };
    migrator.status(connection).await
}

/// The URL of the same database, which does not create a missing SQLite file.
pub(crate) fn existing(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) if path.starts_with("sqlite:") => {
            let pairs = query.split('&').map(|pair| if pair == "mode=rwc" { "mode=rw" } else { pair });
            format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
        }
        Some(_) | None => url.to_owned(),
    }
}

fn is_done(status: &Status) -> bool {
    let mut embedded = status.entries.iter().filter(|entry| entry.embedded);
    embedded.all(|entry| entry.row.as_ref().is_some_and(|row| row.state == State::Applied))
        && status.drift.iter().all(|drift| matches!(drift, Drift::Ahead { .. }))
}

/// Why the wait was for nothing.
fn unfinished(status: &Status, patience: Duration) -> Error {
    let embedded = status.entries.iter().filter(|entry| entry.embedded);
    let partial = embedded.clone().find(|entry| entry.row.as_ref().is_some_and(|row| row.state != State::Applied));
    if let Some(partial) = partial {
        let summary = format!("`{}` stopped half way, and nobody has resumed it within {patience:?}", partial.id);
        return Error::new(ErrorKind::Partial, summary)
            .with_help("look at the log of the run that stopped, correct what failed, and run again: it resumes");
    }
    let total = embedded.clone().count();
    let missing: Vec<&str> = embedded.filter(|entry| entry.row.is_none()).map(|entry| entry.id.as_str()).collect();
    let mut error = match missing.len() {
        0 => Error::new(ErrorKind::TimedOut, format!("the database still differs from the program after {patience:?}")),
        count => {
            let summary = format!("{count} of {total} migrations are not applied after {patience:?}");
            Error::new(ErrorKind::TimedOut, summary)
        }
    };
    for id in missing.iter().take(SHOWN) {
        error = error.with_state(format!("`{id}` is not applied"));
    }
    if missing.len() > SHOWN {
        error = error.with_state(format!("and {} more", missing.len() - SHOWN));
    }
    for drift in status.drift.iter().take(SHOWN) {
        error = error.with_state(drift.to_string());
    }
    error.with_help("look whether the run that applies them has started, and at its log")
}
