//! Reading what is in a database, as a value.

use lockgate_schema::Schema;

use crate::error::Error;
use crate::history_table::TableName;
use crate::target::Target;

/// What is in the database but for its rows: schemas, types, sequences, tables, views and everything
/// else that was made in it.
///
/// It is read in one snapshot and nothing is written. PostgreSQL takes for the length of the reading
/// the lock that every SELECT takes on what views and rules name, and so waits behind an `ALTER TABLE`
/// that is under way.
///
/// Left out: Lockgate's own tables (`lockgate_history` and `lockgate_log`; where a migrator names them
/// otherwise, [`Migrator::read_schema`](crate::Migrator::read_schema) knows), what an extension owns,
/// what the server brings, temporary objects of other sessions, and what no schema is: rows, where a
/// sequence stands, large objects, roles, settings of the database.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mut database = lockgate::Database::connect("sqlite::memory:").await?;
/// assert_eq!(database.dialect(), lockgate::Dialect::Sqlite);
/// let schema = lockgate::read_schema(&mut database).await?;
/// assert!(schema.tables.is_empty());
/// # Ok::<(), lockgate::Error>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where something is in the database that
/// this release does not know, or the server is too old; [`ErrorKind::Usage`](crate::ErrorKind::Usage)
/// for a PostgreSQL connection that is inside a transaction;
/// [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable),
/// [`ErrorKind::Denied`](crate::ErrorKind::Denied) and
/// [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted).
pub async fn read_schema(target: impl Target) -> Result<Schema, Error> {
    let own = TableName::parse("lockgate_history").expect("it is the default name");
    read(target, &own).await
}

/// The same, without the tables that a migrator names so.
pub(crate) async fn read(target: impl Target, own: &TableName) -> Result<Schema, Error> {
    let mut backend =
        target.open().await.map_err(|cause| Error::from_cause("the database cannot be reached", cause))?;
    let read = backend.read_schema(own).await;
    read.map_err(|cause| Error::from_cause("the schema cannot be read", cause))
}
