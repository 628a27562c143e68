//! Makes a snapshot of a SQLite database in a file.
//!
//! `VACUUM INTO` makes it, in one read transaction: programs go on reading and writing (in WAL mode; otherwise they
//! wait). SQLite's backup functions would copy the pages unchanged, but they start again whenever another process
//! writes, and can only be called through unsafe code. No second crate may link the driver's SQLite library.

use std::path::Path;

use lockgate::{Database, ErrorKind, Migrator, Status};
use sqlx::SqliteConnection;

use crate::error::Error;
use crate::meta::TableRows;
use crate::names::identifier;

/// A snapshot, and the facts about it.
pub(crate) struct Snapshot {
    pub(crate) status: Status,
    pub(crate) server_version: String,
    pub(crate) tables: Vec<TableRows>,
    pub(crate) schema_sha256: Option<String>,
}

pub(crate) fn connection(database: &mut Database) -> Result<&mut SqliteConnection, Error> {
    let lost = || Error::new(ErrorKind::Interrupted, "the connection was lost");
    database.sqlite().ok_or_else(lost)
}

/// The URL of an existing file.
pub(crate) fn url_of(file: &Path) -> String {
    // Escapes only the characters that are special in a URL.
    let escaped = file.to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("sqlite://{escaped}?mode=rw")
}

/// Writes a snapshot of the database into this file, which must not exist.
pub(crate) async fn snapshot(url: &str, migrator: &Migrator, file: &Path) -> Result<(), Error> {
    let mut database = Database::connect(&lockgate::__private::existing(url)).await?;
    // This refuses a wrong stage.
    migrator.stage_of(&mut database).await?;
    let made = sqlx::query("VACUUM INTO ?").bind(file.to_string_lossy().into_owned());
    made.execute(connection(&mut database)?).await.map_err(|error| {
        // SQLITE_CORRUPT and SQLITE_NOTADB.
        let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        let is_damaged = matches!(code.as_deref(), Some("11" | "26" | "267" | "523" | "779"));
        Error::of_driver("cannot make a snapshot of the database", &error).help(match is_damaged {
            true => "the database is damaged: restore a backup from before the damage: `backup list` lists them",
            false => "it is written to the folder for temporary files: free some space there, or name another folder in TMPDIR",
        })
    })?;
    database.close().await?;
    Ok(())
}

/// Checks a snapshot, and reads the facts about it.
pub(crate) async fn examine(migrator: &Migrator, file: &Path) -> Result<Snapshot, Error> {
    let mut database = Database::connect(&url_of(file)).await?;
    let session = connection(&mut database)?;
    let read = |error: sqlx::Error| Error::of_driver("the snapshot cannot be read", &error);
    let found: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *session).await.map_err(read)?;
    if found != ["ok"] {
        let error = Error::failed("the database is damaged: `PRAGMA integrity_check` reports errors");
        let error = found.into_iter().take(10).fold(error, Error::state);
        return Err(error.help("restore a backup from before the damage: `backup list` lists them"));
    }
    let server_version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *session).await.map_err(read)?;
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' \
         ESCAPE '\\' ORDER BY name",
    )
    .fetch_all(&mut *session)
    .await
    .map_err(read)?;
    let mut tables = Vec::new();
    for name in names {
        let table = identifier(&name);
        let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows = sqlx::query_scalar(query).fetch_one(&mut *session).await.map_err(read)?;
        tables.push(TableRows { table, rows });
    }
    let status = migrator.status(&mut database).await?;
    let schema_sha256 = crate::schema::digest(migrator, &mut database).await?;
    database.close().await?;
    Ok(Snapshot { status, server_version, tables, schema_sha256 })
}
