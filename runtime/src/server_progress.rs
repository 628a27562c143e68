//! The progress of a long statement, from the server.

use crate::event::ServerProgress;
use crate::{Database, Error};

/// Returns the server's progress of the index build or COPY that another session of this program runs, in this database
/// and with this role. `database` is a second connection, with the same URL. PostgreSQL reports this from version 12
/// on, and for COPY from 14 on.
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
