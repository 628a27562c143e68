//! Waits until somebody else has migrated a database: a deployment job, another instance, or an operator.
//!
//! A service that does not run migrations itself calls [`until_migrated`] before it accepts requests, and answers its
//! readiness probe with [`is_ready`]. Both only read the database: they take no lock and need only SELECT.

use std::time::Duration;

use lockgate_core::status::Entry;
use lockgate_core::{Audience, Drift, RepeatableState, State, Status};

use crate::backend::{Deadline, backoff};
use crate::error::Wording;
use crate::{Database, Error, ErrorKind, Migrator, Target};

/// The first and the longest pause between two reads of the database.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// The database has at least this long to answer, even if less time is left.
const SHORTEST_READ: Duration = Duration::from_secs(1);
/// The number of migrations that an error lists.
const SHOWN: usize = 5;

/// Whether a service may use a database, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// The database has every embedded migration.
    Ready,
    /// Some of the embedded migrations are not applied.
    Behind {
        /// The missing migrations, in their order.
        missing: Vec<String>,
        /// The number of embedded migrations.
        embedded: usize,
    },
    /// A run is working on a migration at this moment, outside a transaction.
    Working {
        /// The migration.
        id: String,
        /// The run, for messages: `pid 7, connected since 2026-11-30T15:00:00Z`.
        by: String,
    },
    /// A migration stopped halfway.
    Partial {
        /// The migration.
        id: String,
    },
    /// Every migration is applied, but a recorded one differs from the embedded one.
    Drifted(Vec<Drift>),
}

/// Returns whether a service may use the database, and if not, why. See [`is_ready`].
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use lockgate::wait::{self, Readiness};
/// use lockgate::{Database, Migrations, Migrator};
///
/// # static MIGRATIONS: Migrations = Migrations::EMPTY;
/// let mut database = Database::connect("sqlite::memory:").await?;
/// assert_eq!(wait::readiness(&Migrator::new(&MIGRATIONS), &mut database).await?, Readiness::Ready);
/// # Ok::<(), lockgate::Error>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// As for [`Migrator::status`].
pub async fn readiness(migrator: &Migrator, target: impl Target) -> Result<Readiness, Error> {
    Ok(judge(&migrator.status(target).await?))
}

/// Returns whether the database has every embedded migration: each is recorded with the same checksum, and none of them
/// stopped halfway. A database that is ahead of the program is ready too.
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
    Ok(readiness(migrator, target).await? == Readiness::Ready)
}

// rustc builds every public `async fn` that is not generic with this crate, together with everything that it awaits,
// such as the driver's handshake. In this form, the function is built only in a program that calls it.
/// Waits until the database has every embedded migration, as [`is_ready`] defines it. It also waits for a
/// database that does not exist yet or does not answer.
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
/// When `patience` has passed: [`ErrorKind::Partial`] if a migration has stopped halfway, [`ErrorKind::Unreachable`] if
/// the database does not answer, otherwise [`ErrorKind::TimedOut`]. Immediately, because waiting would not help:
/// [`ErrorKind::Usage`], [`ErrorKind::Denied`] and [`ErrorKind::HistoryFormat`].
pub fn until_migrated(
    migrator: &Migrator,
    url: &str,
    patience: Duration,
) -> impl Future<Output = Result<(), Error>> + Send {
    until_migrated_polling(migrator, url, patience, PAUSES.1)
}

/// Does the same as [`until_migrated`], with a pause of at most `interval` between two reads of the database. The first
/// pauses are shorter.
///
/// # Errors
///
/// As for [`until_migrated`].
pub fn until_migrated_polling(
    migrator: &Migrator,
    url: &str,
    patience: Duration,
    interval: Duration,
) -> impl Future<Output = Result<(), Error>> + Send {
    poll(migrator, url, patience, interval)
}

async fn poll(migrator: &Migrator, url: &str, patience: Duration, interval: Duration) -> Result<(), Error> {
    let (url, deadline) = (existing(url), Deadline::after(patience));
    // A lock on the database is waited for here, with a pause between two reads.
    let migrator = &migrator.clone().lock_wait(Duration::ZERO);
    let mut database: Option<Database> = None;
    for attempt in 0.. {
        // A host that drops packets gives no answer for minutes.
        let longest = deadline.left().max(SHORTEST_READ);
        let read = tokio::time::timeout(longest, read_status(migrator, &url, &mut database)).await;
        let read = read.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unreachable, format!("the database did not answer within {}", shown(longest))))
        });
        let error = match read {
            Ok(status) => match judge(&status) {
                Readiness::Ready => return Ok(()),
                readiness => unfinished(&readiness, &status.drift, patience),
            },
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Interrupted) => {
                database = None;
                error
            }
            Err(error) if error.kind() == ErrorKind::Locked => locked(error, patience),
            Err(error) => return Err(error),
        };
        if deadline.is_over() {
            return Err(error);
        }
        tokio::time::sleep(backoff(attempt, PAUSES.0, interval).min(deadline.left())).await;
    }
    unreachable!("the loop ends at the deadline")
}

/// Reads the status of the database. Keeps the connection for the next time.
async fn read_status(migrator: &Migrator, url: &str, database: &mut Option<Database>) -> Result<Status, Error> {
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

/// The embedded migration that is half way, if there is one: a run works on it, or has stopped there.
pub(crate) fn half_way(status: &Status) -> Option<Readiness> {
    let is_half_way = |entry: &&Entry| entry.row.as_ref().is_some_and(|row| row.state != State::Applied);
    let entry = status.entries.iter().filter(|entry| entry.embedded).find(is_half_way)?;
    Some(match status.at_work.as_ref().filter(|at_work| at_work.id == entry.id) {
        Some(at_work) => Readiness::Working { id: at_work.id.clone(), by: at_work.by.clone() },
        None => Readiness::Partial { id: entry.id.clone() },
    })
}

/// Whether a database with this status has every embedded migration.
pub(crate) fn judge(status: &Status) -> Readiness {
    if let Some(half_way) = half_way(status) {
        return half_way;
    }
    let embedded = || status.entries.iter().filter(|entry| entry.embedded);
    let missing = embedded().filter(|entry| entry.row.is_none() && !entry.skipped).map(|entry| entry.id.clone());
    let missing: Vec<String> = missing.chain(status.pending_repeatables().map(|script| script.id.clone())).collect();
    // A repeatable script that has changed needs the next run and nobody's attention.
    let differences =
        || status.drift.iter().filter(|drift| !drift.is_harmless() && !matches!(drift, Drift::Changed { .. }));
    if !missing.is_empty() {
        let repeatables = status.repeatables.iter().filter(|script| script.state != RepeatableState::Gone);
        Readiness::Behind { missing, embedded: embedded().count() + repeatables.count() }
    } else if differences().next().is_some() {
        Readiness::Drifted(differences().cloned().collect())
    } else {
        Readiness::Ready
    }
}

/// Says of a lock that kept everybody from reading the database how long was waited for it.
fn locked(error: Error, patience: Duration) -> Error {
    error.in_front(&format!("waited for {}", shown(patience))).with_help_instead(Wording::each(|audience| {
        let longer = longer(audience);
        format!("end what keeps the database locked (`VACUUM`, or a run that is writing), or {longer}")
    }))
}

fn longer(audience: Audience) -> &'static str {
    match audience {
        Audience::Rust => "wait longer",
        Audience::CommandLine => "wait longer with `--timeout 10min`",
    }
}

/// A wait for messages, without digits that say nothing.
fn shown(wait: Duration) -> String {
    let digits = if wait < Duration::from_secs(1) { wait.as_millis() } else { wait.as_millis() / 100 * 100 };
    format!("{:?}", Duration::from_millis(u64::try_from(digits).unwrap_or(u64::MAX)))
}

/// Returns the error of a wait that ended without success.
fn unfinished(readiness: &Readiness, drift: &[Drift], patience: Duration) -> Error {
    let missing = match readiness {
        Readiness::Working { id, by } => {
            let summary = format!("`{id}` is still being worked on after {}", shown(patience));
            return Error::new(ErrorKind::TimedOut, summary)
                .with_state(format!("by {by}"))
                .with_help(Wording::each(|audience| longer(audience).to_owned()));
        }
        Readiness::Partial { id } => {
            let summary = format!("`{id}` stopped half way, and nobody has resumed it within {}", shown(patience));
            return Error::new(ErrorKind::Partial, summary)
                .with_help("read the log of the run that stopped, correct what failed, and run again: it resumes");
        }
        Readiness::Behind { missing, .. } => missing.as_slice(),
        Readiness::Drifted(_) | Readiness::Ready => &[],
    };
    let mut error = match readiness {
        Readiness::Behind { missing, embedded } => {
            let is = if missing.len() == 1 { "is" } else { "are" };
            let summary =
                format!("{} of {embedded} migrations {is} not applied after {}", missing.len(), shown(patience));
            Error::new(ErrorKind::TimedOut, summary)
        }
        Readiness::Working { .. } | Readiness::Partial { .. } | Readiness::Drifted(_) | Readiness::Ready => Error::new(
            ErrorKind::TimedOut,
            format!("the database still differs from the program after {}", shown(patience)),
        ),
    };
    for id in missing.iter().take(SHOWN) {
        error = error.with_state(format!("`{id}` is not applied"));
    }
    if missing.len() > SHOWN {
        error = error.with_state(format!("and {} more", missing.len() - SHOWN));
    }
    for drift in drift.iter().take(SHOWN) {
        error = error.with_state(drift.to_string());
    }
    if !missing.is_empty() {
        error = error.with_help("check whether the run that applies them has started, and read its log");
    }
    if drift.iter().any(|drift| !drift.is_harmless()) {
        error = error.with_help(Wording::each(|audience| match audience {
            Audience::Rust => {
                "`Migrator::drift` returns each difference, and `Drift::help` the way out of it".to_owned()
            }
            Audience::CommandLine => "`drift` shows the way out of each difference".to_owned(),
        }));
    }
    error
}
