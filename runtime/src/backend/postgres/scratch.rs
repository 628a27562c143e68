//! Makes and drops the scratch database of a comparison.

use sqlx::{AssertSqlSafe, PgConnection};

use super::cause::cause;
use crate::error::Cause;
use crate::history_table::identifier;

/// Creates an empty database, with the encoding of the database of this connection.
pub(crate) async fn create(connection: &mut PgConnection, name: &str) -> Result<(), Cause> {
    let encoding = sqlx::raw_sql("SELECT pg_catalog.current_setting('server_encoding') AS encoding");
    let encoding = encoding.fetch_one(&mut *connection).await.map_err(|error| cause(&error))?;
    let encoding: String = sqlx::Row::try_get(&encoding, "encoding").map_err(|error| cause(&error))?;
    // Other templates may have objects of their own.
    let sql = format!("CREATE DATABASE {} TEMPLATE template0 ENCODING '{encoding}'", identifier(name));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop).map_err(|error| cause(&error))
}

/// Drops it.
pub(crate) async fn remove(connection: &mut PgConnection, name: &str) -> Result<(), Cause> {
    let sql = format!("DROP DATABASE {}", identifier(name));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop).map_err(|error| cause(&error))
}
