//! The argument of a test function: a connection inside a transaction, with checks that work the same on every database.

mod catalog;
mod contents;
mod expect;
mod fails;
mod value;

use std::fmt;
use std::future::Future;
use std::panic::Location;

use lockgate::{Database, Dialect};
use sqlx::AssertSqlSafe;

pub(crate) use contents::{Content, decoded};
pub use fails::Fails;
pub use value::FromText;

use crate::failure::{Failure, TestResult, shortened};

/// The database of a test function, inside its transaction.
///
/// The checks work the same on every database. Write the names of tables, indexes and types without quotes, and on
/// PostgreSQL with the schema if it is not on the search path: `audit.events`.
///
/// ```no_run
/// use lockgate_harness::{Db, Fails, TestResult};
///
/// pub async fn before(db: &mut Db) -> TestResult {
///     db.expect_no_column("users", "email").await
/// }
///
/// pub async fn after(db: &mut Db) -> TestResult {
///     db.expect_column("users", "email").await?;
///     db.execute("INSERT INTO users (id, email) VALUES (1, 'ada@example.org')").await?;
///     db.fails_with(Fails::Unique, "INSERT INTO users (id, email) VALUES (2, 'ada@example.org')").await
/// }
/// ```
pub struct Db {
    database: Database,
}

/// A row of a query as text: each value as the database writes it, `None` for NULL.
pub type TextRow = Vec<Option<String>>;

impl Db {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Returns the dialect of the database.
    pub fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    /// Runs one or more statements without parameters, and returns the number of affected rows.
    ///
    /// # Errors
    ///
    /// If the database returns an error. The failure names the line of the call.
    #[track_caller]
    pub fn execute(&mut self, sql: &str) -> impl Future<Output = TestResult<u64>> {
        let place = Location::caller();
        async move { self.run(sql).await.map_err(|e| Failure::of(&e, sql).at(place)) }
    }

    /// Returns the rows of a query, each value as text.
    ///
    /// # Errors
    ///
    /// As for [`execute`](Self::execute).
    #[track_caller]
    pub fn rows(&mut self, sql: &str) -> impl Future<Output = TestResult<Vec<TextRow>>> {
        let place = Location::caller();
        async move { self.ask(sql).await.map_err(|e| e.at(place)) }
    }

    /// Returns the first value of a query with exactly one row: a number, a `String`, a `bool`, or an `Option` of one.
    ///
    /// # Errors
    ///
    /// As for [`execute`](Self::execute), and if there is not exactly one row, or the value has another type.
    #[track_caller]
    pub fn value<T: FromText>(&mut self, sql: &str) -> impl Future<Output = TestResult<T>> {
        let place = Location::caller();
        async move { self.one(sql).await.map_err(|e| e.at(place)) }
    }

    /// Checks that a query with exactly one row returns this value.
    ///
    /// # Errors
    ///
    /// If it returns another value; otherwise as for [`value`](Self::value).
    #[track_caller]
    pub fn expect_value<T>(&mut self, expected: T, sql: &str) -> impl Future<Output = TestResult>
    where
        T: FromText + PartialEq + fmt::Debug,
    {
        let place = Location::caller();
        async move {
            let found: T = self.one(sql).await.map_err(|e| e.at(place))?;
            if found == expected {
                return Ok(());
            }
            let message = format!("expected {expected:?}, found {found:?}\n  in {}", shortened(sql));
            Err(Failure::without_place(message).at(place))
        }
    }

    /// Checks that a query returns at least one row, and that its first column is true in every row.
    ///
    /// # Errors
    ///
    /// If there is no row, or a row that is not true; otherwise as for [`execute`](Self::execute).
    #[track_caller]
    pub fn is_true(&mut self, sql: &str) -> impl Future<Output = TestResult> {
        let place = Location::caller();
        async move { self.holds(sql).await.map_err(|e| e.at(place)) }
    }

    /// Returns the connection, if the database is SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut sqlx::SqliteConnection> {
        self.database.sqlite()
    }

    /// Returns the connection, if the database is PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut sqlx::PgConnection> {
        self.database.postgres()
    }

    pub(crate) fn into_database(self) -> Database {
        self.database
    }

    pub(crate) async fn close(self) {
        // An error does not matter: the connection is not used any more.
        let _ = self.database.close().await;
    }

    /// Checks that there is a row, and that the first column is true in every row.
    pub(crate) async fn holds(&mut self, sql: &str) -> TestResult {
        let rows = self.ask(sql).await?;
        if rows.is_empty() {
            return Err(Failure::without_place(format!("expected a row, found none\n  in {}", shortened(sql))));
        }
        for (at, row) in rows.iter().enumerate() {
            let first = row.first().and_then(Option::as_deref);
            if !first.is_some_and(value::is_true) {
                let found = first.unwrap_or("NULL");
                let of = if rows.len() > 1 { format!(" in row {}", at + 1) } else { String::new() };
                let message = format!("expected true, found {found}{of}\n  in {}", shortened(sql));
                return Err(Failure::without_place(message));
            }
        }
        Ok(())
    }

    async fn one<T: FromText>(&mut self, sql: &str) -> TestResult<T> {
        let rows = self.ask(sql).await?;
        let [row] = rows.as_slice() else {
            let message = format!("expected one row, found {}\n  in {}", rows.len(), shortened(sql));
            return Err(Failure::without_place(message));
        };
        let value = row.first().and_then(Option::as_deref);
        T::from_text(value).ok_or_else(|| {
            let found = value.unwrap_or("NULL");
            Failure::without_place(format!("expected {}, found {found}\n  in {}", T::NAME, shortened(sql)))
        })
    }

    pub(crate) async fn run(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        #[cfg(feature = "sqlite")]
        if let Some(connection) = self.database.sqlite() {
            return Ok(sqlx::raw_sql(sql).execute(connection).await?.rows_affected());
        }
        #[cfg(feature = "postgres")]
        if let Some(connection) = self.database.postgres() {
            return Ok(sqlx::raw_sql(sql).execute(connection).await?.rows_affected());
        }
        drop(sql);
        Err(sqlx::Error::PoolClosed)
    }

    /// Returns all rows of a query as text: PostgreSQL sends its values so, and those of SQLite are converted.
    pub(crate) async fn ask(&mut self, sql: &str) -> TestResult<Vec<TextRow>> {
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        let (query, failed) = (AssertSqlSafe(sql.to_owned()), |e: sqlx::Error| Failure::of(&e, sql));
        #[cfg(feature = "sqlite")]
        if let Some(connection) = self.database.sqlite() {
            let rows = sqlx::raw_sql(query).fetch_all(connection).await.map_err(failed)?;
            return rows.iter().map(sqlite_row).collect::<Result<_, _>>().map_err(failed);
        }
        #[cfg(feature = "postgres")]
        if let Some(connection) = self.database.postgres() {
            let rows = sqlx::raw_sql(query).fetch_all(connection).await.map_err(failed)?;
            return rows.iter().map(postgres_row).collect::<Result<_, _>>().map_err(failed);
        }
        Err(Failure::broken(format!("the connection is gone\n  in {}", shortened(sql))))
    }
}

#[cfg(feature = "sqlite")]
fn sqlite_row(row: &sqlx::sqlite::SqliteRow) -> Result<TextRow, sqlx::Error> {
    use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

    let mut values = Vec::with_capacity(row.columns().len());
    for column in row.columns() {
        let at = column.ordinal();
        let raw = row.try_get_raw(at)?;
        let kind = raw.type_info().name().to_owned();
        values.push(match kind.as_str() {
            _ if raw.is_null() => None,
            "INTEGER" | "BOOLEAN" | "INT8" => Some(row.try_get_unchecked::<i64, _>(at)?.to_string()),
            "REAL" => Some(row.try_get_unchecked::<f64, _>(at)?.to_string()),
            "BLOB" => {
                let bytes: Vec<u8> = row.try_get_unchecked(at)?;
                Some(bytes.iter().fold(String::from("\\x"), |text, byte| format!("{text}{byte:02x}")))
            }
            _ => Some(row.try_get_unchecked::<String, _>(at)?),
        });
    }
    Ok(values)
}

#[cfg(feature = "postgres")]
fn postgres_row(row: &sqlx::postgres::PgRow) -> Result<TextRow, sqlx::Error> {
    use sqlx::{Column as _, Row as _, ValueRef as _};

    let mut values = Vec::with_capacity(row.columns().len());
    for column in row.columns() {
        let raw = row.try_get_raw(column.ordinal())?;
        // PostgreSQL sends the values of a simple query as text.
        let text = || raw.as_str().map(str::to_owned).map_err(sqlx::Error::Decode);
        values.push(if raw.is_null() { None } else { Some(text()?) });
    }
    Ok(values)
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Db").field(&self.database.url()).finish()
    }
}
