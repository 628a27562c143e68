//! Reads the schema of a database.

use lockgate_schema::Schema;

use crate::backend::ReadSchema;
use crate::error::Error;
use crate::history_table::TableName;
use crate::target::Target;

/// Reads the schema of a database: schemas, types, sequences, tables, views and every other kind of object, but no
/// rows.
///
/// It reads one snapshot and writes nothing. On PostgreSQL it takes the lock of a SELECT on the objects that views and
/// rules name, and so waits for a running `ALTER TABLE`.
///
/// Left out are Lockgate's own tables (`lockgate_history` and `lockgate_log`; if a migrator uses other names, call
/// [`Migrator::read_schema`](crate::Migrator::read_schema)), objects that belong to an extension or to the server,
/// temporary objects of other sessions, and what is not part of a schema: rows, the position of sequences, large
/// objects, roles and settings of the database.
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
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the database contains an object that
/// this release does not know, or the server is too old; [`ErrorKind::Usage`](crate::ErrorKind::Usage)
/// for a PostgreSQL connection that is inside a transaction;
/// [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable),
/// [`ErrorKind::Denied`](crate::ErrorKind::Denied) and
/// [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted).
pub async fn read_schema(target: impl Target) -> Result<Schema, Error> {
    let own = TableName::parse("lockgate_history").expect("it is the default name");
    Ok(read(target, &own).await?.schema)
}

/// The same, without these tables of a migrator.
pub(crate) async fn read(target: impl Target, own: &TableName) -> Result<ReadSchema, Error> {
    let mut backend =
        target.open().await.map_err(|cause| Error::from_cause("the database cannot be reached", cause))?;
    let read = backend.read_schema(own).await;
    read.map_err(|cause| Error::from_cause("the schema cannot be read", cause))
}
