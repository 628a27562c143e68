//! The argument of a Rust step: a connection inside the transaction that also records the migration.

use std::fmt;

use lockgate_core::Dialect;
use sqlx::AssertSqlSafe;

/// The transaction of a Rust step, on the database that is being migrated.
///
/// Everything that is done through it is committed together with the migration's history row, or not at
/// all. It is an error to end the transaction from inside.
pub struct Transaction<'c> {
    inner: Inner<'c>,
}

enum Inner<'c> {
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut sqlx::SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'c mut sqlx::PgConnection),
    #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
    Never(std::convert::Infallible, std::marker::PhantomData<&'c ()>),
}

impl<'c> Transaction<'c> {
    #[cfg(feature = "sqlite")]
    pub(crate) fn on_sqlite(connection: &'c mut sqlx::SqliteConnection) -> Self {
        Self { inner: Inner::Sqlite(connection) }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn on_postgres(connection: &'c mut sqlx::PgConnection) -> Self {
        Self { inner: Inner::Postgres(connection) }
    }

    /// The dialect of the database.
    pub fn dialect(&self) -> Dialect {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => Dialect::Postgres,
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            Inner::Never(never, _) => match *never {},
        }
    }

    /// Runs one or more statements without parameters, and returns the number of rows affected by
    /// all of them.
    ///
    /// For parameters and results use the connection: [`sqlite`](Self::sqlite) or
    /// [`postgres`](Self::postgres).
    ///
    /// # Errors
    ///
    /// The database's error for the first statement that fails.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &mut self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(connection) => Ok(sqlx::raw_sql(sql).execute(&mut **connection).await?.rows_affected()),
            #[cfg(feature = "postgres")]
            Inner::Postgres(connection) => Ok(sqlx::raw_sql(sql).execute(&mut **connection).await?.rows_affected()),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            Inner::Never(never, _) => {
                let _ = sql;
                match *never {}
            }
        }
    }

    /// The connection, if the database is SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut sqlx::SqliteConnection> {
        match &mut self.inner {
            Inner::Sqlite(connection) => Some(connection),
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => None,
        }
    }

    /// The connection, if the database is PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut sqlx::PgConnection> {
        match &mut self.inner {
            Inner::Postgres(connection) => Some(connection),
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(_) => None,
        }
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transaction").field(&self.dialect()).finish()
    }
}
