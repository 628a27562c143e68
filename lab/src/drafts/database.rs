//! The databases on which drafts run: created, copied, and asked for rows as text.

use lockgate::schema::Schema;
use lockgate::{Database, read_schema};
use lockgate_testing::server::Postgres;
use sqlx::{AssertSqlSafe, Row};
use tempfile::TempDir;

/// Where databases can be created.
#[derive(Debug)]
pub(super) enum Place<'a> {
    Postgres(&'a Postgres),
    Sqlite(TempDir),
}

impl<'a> Place<'a> {
    /// On this server, or as SQLite files if there is none.
    pub(super) fn new(server: Option<&'a Postgres>) -> Result<Self, String> {
        match server {
            Some(server) => Ok(Self::Postgres(server)),
            None => Ok(Self::Sqlite(tempfile::tempdir().map_err(|error| error.to_string())?)),
        }
    }

    pub(super) fn url(&self, name: &str) -> String {
        match self {
            Self::Postgres(server) => server.url(name),
            Self::Sqlite(folder) => format!("sqlite:{}?mode=rwc", folder.path().join(name).display()),
        }
    }

    /// Creates an empty database, and replaces one with the same name.
    pub(super) async fn create(&self, name: &str) -> Result<(), String> {
        self.copy("template0", name).await
    }

    /// Copies a database, and replaces one with the same name. Nobody may be connected to it.
    pub(super) async fn copy(&self, from: &str, to: &str) -> Result<(), String> {
        match self {
            Self::Postgres(server) => {
                let mut database = connect(&server.url("postgres")).await?;
                execute(&mut database, &format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)")).await?;
                // The connection of the last reader may still be ending.
                let create = format!("CREATE DATABASE {to} TEMPLATE {from} STRATEGY file_copy");
                let mut created = execute(&mut database, &create).await;
                for _ in 0..50 {
                    if !created.as_ref().is_err_and(|error| error.contains("being accessed by other users")) {
                        break;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    created = execute(&mut database, &create).await;
                }
                created?;
                close(database).await
            }
            Self::Sqlite(folder) => {
                for suffix in ["", "-wal", "-shm", "-journal"] {
                    let _ = std::fs::remove_file(folder.path().join(format!("{to}{suffix}")));
                }
                let source = folder.path().join(from);
                if source.is_file() {
                    std::fs::copy(source, folder.path().join(to)).map_err(|error| error.to_string())?;
                }
                Ok(())
            }
        }
    }
}

pub(super) async fn connect(url: &str) -> Result<Database, String> {
    Database::connect(url).await.map_err(|error| error.report().to_string())
}

pub(super) async fn close(database: Database) -> Result<(), String> {
    database.close().await.map_err(|error| error.report().to_string())
}

pub(super) async fn read(database: &mut Database) -> Result<Schema, String> {
    read_schema(database).await.map_err(|error| error.report().to_string())
}

/// Runs statements.
pub(super) async fn execute(database: &mut Database, sql: &str) -> Result<(), String> {
    let sql = AssertSqlSafe(sql.to_owned());
    let done = if database.sqlite().is_some() {
        let connection = database.sqlite().expect("as was just asked");
        sqlx::raw_sql(sql).execute(connection).await.map(drop)
    } else {
        let connection = database.postgres().expect("there are two backends");
        sqlx::raw_sql(sql).execute(connection).await.map(drop)
    };
    done.map_err(|error| error.to_string())
}

/// Returns the first column of each row of a query. It must be a text.
pub(super) async fn texts(database: &mut Database, sql: &str) -> Result<Vec<Option<String>>, String> {
    let sql = AssertSqlSafe(sql.to_owned());
    let read = if database.sqlite().is_some() {
        let connection = database.sqlite().expect("as was just asked");
        let rows = sqlx::raw_sql(sql).fetch_all(connection).await;
        rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
    } else {
        let connection = database.postgres().expect("there are two backends");
        let rows = sqlx::raw_sql(sql).fetch_all(connection).await;
        rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
    };
    read.map_err(|error: sqlx::Error| error.to_string())
}
