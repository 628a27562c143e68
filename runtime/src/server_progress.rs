//! How far a statement is that runs long, as the server says.

use crate::{Database, Error};

/// How far the server is with a statement of another session of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerProgress {
    /// What it does: `building index: scanning table`, `copying`.
    pub phase: String,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do, if the server knows.
    pub total: Option<u64>,
    /// What is counted: `blocks`, `rows`, `bytes`, `lockers`.
    pub unit: &'static str,
}

impl ServerProgress {
    /// A value for tests of what shows it.
    #[doc(hidden)]
    pub fn of(phase: &str, done: u64, total: Option<u64>, unit: &'static str) -> Self {
        Self { phase: phase.to_owned(), done, total, unit }
    }
}

/// What the server says of the index build or the COPY that another session of this program runs now, in this database and
/// as this role. `database` is a second connection, with the same URL. Only PostgreSQL has this, from version 12 on, and
/// for COPY from 14 on.
///
/// # Errors
///
/// As for [`Migrator::status`](crate::Migrator::status).
pub async fn server_progress(database: &mut Database) -> Result<Option<ServerProgress>, Error> {
    #[cfg(feature = "postgres")]
    if let Some(connection) = database.postgres() {
        let progress = crate::backend::postgres::progress(connection).await;
        return progress.map_err(|cause| Error::from_cause("the progress cannot be read", cause));
    }
    let _ = database;
    Ok(None)
}
