//! Runs one test on every backend: a new database with the same methods for each.

use lockgate::{Database, Migrations, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use super::postgres;

/// A database for one test.
pub(crate) enum Db {
    Sqlite(tempfile::TempDir),
    Postgres(postgres::Database),
}

impl Db {
    pub(crate) fn sqlite() -> Option<Self> {
        Some(Self::Sqlite(tempfile::tempdir().expect("a folder for a database")))
    }

    pub(crate) fn postgres() -> Option<Self> {
        postgres::database().map(Self::Postgres)
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(place) => format!("sqlite://{}?mode=rwc", place.path().join("test.db").display()),
            Self::Postgres(database) => database.url(),
        }
    }

    pub(crate) async fn open(&self) -> Database {
        Database::connect(&self.url()).await.expect("a fresh database can be connected to")
    }

    /// Runs SQL on a new connection.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url()).await.expect("a connection");
                sqlx::raw_sql(sql).execute(&mut connection).await.expect("the test's own SQL is right");
                connection.close().await.expect("a connection can be closed");
            }
            Self::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url()).await.expect("a connection");
                sqlx::raw_sql(sql).execute(&mut connection).await.expect("the test's own SQL is right");
                connection.close().await.expect("a connection can be closed");
            }
        }
    }

    /// Returns the rows of a query with a single text column, run on a new connection.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url()).await.expect("a connection");
                let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await.expect("the test's own SQL is right");
                rows.iter().map(|row| row.try_get(0).expect("a text")).collect()
            }
            Self::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url()).await.expect("a connection");
                let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await.expect("the test's own SQL is right");
                rows.iter().map(|row| row.try_get(0).expect("a text")).collect()
            }
        }
    }

    /// Returns the names of tables and indexes, without Lockgate's own tables.
    pub(crate) async fn objects(&self) -> Vec<String> {
        self.texts(match self {
            Self::Sqlite(_) => {
                "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'lockgate%' AND name NOT LIKE 'sqlite%' ORDER BY name"
            }
            Self::Postgres(_) => {
                "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                 AND relname NOT LIKE 'lockgate%' AND relkind IN ('r', 'i', 'v') AND relname NOT LIKE '%_pkey' \
                 ORDER BY relname"
            }
        })
        .await
    }

    /// Returns the history as `version:state`, in order.
    pub(crate) async fn history(&self) -> Vec<String> {
        self.texts("SELECT CAST(version AS TEXT) || ':' || state FROM lockgate_history ORDER BY version").await
    }

    /// Returns the log as `version:event`, in order.
    pub(crate) async fn log(&self) -> Vec<String> {
        self.texts("SELECT CAST(version AS TEXT) || ':' || event FROM lockgate_log ORDER BY id").await
    }

    /// Applies all of a set, which must succeed.
    pub(crate) async fn apply(&self, migrations: &'static Migrations) -> lockgate::Report {
        let mut database = self.open().await;
        Migrator::new(migrations).apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"))
    }
}

/// Makes a test for each backend from each function: `backends! { twice_is_once, … }` makes `twice_is_once::sqlite`
/// and `twice_is_once::postgres`.
macro_rules! backends {
    ($($test:ident),+ $(,)?) => {
        mod each {
            $(
                mod $test {
                    #[tokio::test]
                    async fn sqlite() {
                        let Some(db) = crate::support::database::Db::sqlite() else { return };
                        super::super::$test(db).await;
                    }

                    #[tokio::test]
                    async fn postgres() {
                        let Some(db) = crate::support::database::Db::postgres() else { return };
                        super::super::$test(db).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use backends;
