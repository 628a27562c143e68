//! Creates the development database of `cargo xtask testdb`: drops an old one, applies all migrations, and inserts the
//! rows of each `fill` and of `tests/migrations/seed.rs`. It runs in the test program, where these are compiled in.
//!
//! A database is dropped only if it is marked as a development database: on PostgreSQL by a line of its comment, in
//! SQLite by the `application_id` of the file.

use std::fmt::Display;
#[cfg(feature = "sqlite")]
use std::fs;

use lockgate::{Dialect, Front, mask_secrets};

use crate::Throwaway;
use crate::database::TestDatabase;
use crate::migration_test::{self, TestPart, Tests};

/// The mark of a PostgreSQL database: a line of its comment.
#[cfg(feature = "postgres")]
pub(crate) const COMMENT: &str = "lockgate: development";
/// The mark of a SQLite file: its `application_id`, `LkDv`.
#[cfg(feature = "sqlite")]
pub(crate) const APPLICATION_ID: i32 = 0x4c6b_4476;

/// Drops the database if it is marked as a development database, and creates it again: with all migrations, and the
/// rows of this seed.
///
/// # Errors
///
/// Returns the reason as a text, for example that an existing database is not marked.
#[doc(hidden)]
pub async fn create(tests: &'static Tests, url: &str, seed: u64) -> Result<String, String> {
    let (url, dialect) = understood(url)?;
    make_empty(&url, dialect).await?;
    fill(tests, &url, dialect, seed).await?;
    Ok(format!("{} has all migrations and the rows of seed {seed}", mask_secrets(&url)))
}

/// Marks an existing database as a development database.
///
/// # Errors
///
/// Returns the reason as a text.
#[doc(hidden)]
pub async fn mark(url: &str) -> Result<String, String> {
    let (url, dialect) = understood(url)?;
    set_mark(&url, dialect).await?;
    Ok(format!("{} is marked as a development database: `testdb create` may drop it", mask_secrets(&url)))
}

/// Checks the URL: an option that the driver would ignore is an error.
fn understood(url: &str) -> Result<(String, Dialect), String> {
    let dialect = dialect(url)?;
    let url = lockgate::__private::understood(url).map_err(|e| e.report_for(Front::CommandLine).to_string())?;
    Ok((url, dialect))
}

fn dialect(url: &str) -> Result<Dialect, String> {
    match url.split(':').next() {
        #[cfg(feature = "sqlite")]
        Some("sqlite") => Ok(Dialect::Sqlite),
        #[cfg(feature = "postgres")]
        Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
        _ => Err(format!("{} is not a URL of a database that the tests are built for", mask_secrets(url))),
    }
}

async fn fill(tests: &'static Tests, url: &str, dialect: Dialect, seed: u64) -> Result<(), String> {
    let throwaway = Throwaway::given(url.to_owned(), dialect);
    let database = TestDatabase::new(tests, throwaway);
    let all: Vec<_> = tests.migrations.iter().collect();
    database.apply_with_fills(&all, 0).await.map_err(|problem| problem.to_string())?;
    if let Some(function) = tests.seed {
        let seeded = migration_test::fill(&database.throwaway, TestPart::Seed(function, seed)).await;
        seeded.map_err(|failure| format!("`seed` fails: {failure}"))?;
    }
    Ok(())
}

/// Drops an existing database if it is marked, and creates an empty one with the mark.
async fn make_empty(url: &str, dialect: Dialect) -> Result<(), String> {
    match dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            let mut server = crate::postgres::NamedDatabase::connect(url).await.map_err(|e| not_reached(url, &e))?;
            let comment = server.comment().await.map_err(text)?;
            if comment.is_some_and(|comment| !comment.lines().any(|line| line == COMMENT)) {
                return Err(refusal(url));
            }
            server.recreate(COMMENT).await.map_err(text)
        }
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => {
            let file = file(url)?;
            if fs::metadata(&file).is_ok_and(|data| data.len() > 0) {
                if application_id(url).await? != APPLICATION_ID {
                    return Err(refusal(url));
                }
                for ending in ["", "-wal", "-shm", "-journal"] {
                    let path = format!("{}{ending}", file.display());
                    match fs::remove_file(&path) {
                        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                            return Err(format!("{path} cannot be removed: {e}"));
                        }
                        _ => {}
                    }
                }
            }
            set_application_id(url).await
        }
        _ => Err(refusal(url)),
    }
}

async fn set_mark(url: &str, dialect: Dialect) -> Result<(), String> {
    match dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            let mut server = crate::postgres::NamedDatabase::connect(url).await.map_err(|e| not_reached(url, &e))?;
            match server.comment().await.map_err(text)? {
                None => Err(format!("{} does not exist: `testdb create` makes it", mask_secrets(url))),
                Some(comment) if comment.lines().any(|line| line == COMMENT) => Ok(()),
                Some(comment) => {
                    let lines = comment.lines().chain([COMMENT]).collect::<Vec<_>>();
                    server.set_comment(&lines.join("\n")).await.map_err(text)
                }
            }
        }
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => {
            if !file(url)?.exists() {
                return Err(format!("{} does not exist: `testdb create` makes it", mask_secrets(url)));
            }
            match application_id(url).await? {
                APPLICATION_ID => Ok(()),
                0 => set_application_id(url).await,
                other => Err(format!(
                    "{} already has the `application_id` {other}, so it cannot be marked",
                    mask_secrets(url)
                )),
            }
        }
        _ => Err(refusal(url)),
    }
}

fn refusal(url: &str) -> String {
    format!(
        "{} is not marked as a development database, and `testdb create` would drop it: name another database, or mark \
         this one with `cargo xtask testdb mark`",
        mask_secrets(url)
    )
}

fn not_reached(url: &str, error: &dyn Display) -> String {
    format!("the server of {} cannot be reached: {error}", mask_secrets(url))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Returns the file of a SQLite URL, as sqlx reads it.
#[cfg(feature = "sqlite")]
fn file(url: &str) -> Result<std::path::PathBuf, String> {
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().map_err(text)?;
    let file = options.get_filename().to_owned();
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err("an in-memory database ends with this command: name a file, `sqlite://dev.db`".to_owned());
    }
    Ok(file)
}

#[cfg(feature = "sqlite")]
async fn application_id(url: &str) -> Result<i32, String> {
    let mut database = lockgate::Database::connect(url).await.map_err(text)?;
    let connection = database.sqlite().ok_or("it is not SQLite")?;
    let id = sqlx::query_scalar("PRAGMA application_id").fetch_one(connection).await.map_err(text)?;
    database.close().await.map_err(text)?;
    Ok(id)
}

/// Writes the mark, and creates the file if it does not exist.
#[cfg(feature = "sqlite")]
async fn set_application_id(url: &str) -> Result<(), String> {
    use sqlx::Connection;

    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().map_err(text)?;
    let options = options.create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.map_err(text)?;
    let statement = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
    sqlx::raw_sql(statement).execute(&mut connection).await.map_err(text)?;
    connection.close().await.map_err(text)
}
