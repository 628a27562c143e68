//! How far a statement is that runs long, as the server says.

use crate::event::ServerProgress;
use crate::{Database, Error};

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
