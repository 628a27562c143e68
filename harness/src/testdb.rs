//! Creates the development databases of `cargo xtask testdb` and `cargo xtask dev`: applies all migrations, and inserts
//! the rows of each `fill` and of `tests/migrations/seed.rs`. `testdb` drops an old one first, `dev` applies new
//! migrations to it. It runs in the test program, where these are compiled in.
//!
//! A database is dropped only if its stage is marked as development (see [`Stage`]).

use std::fmt::Display;
#[cfg(feature = "sqlite")]
use std::fs;

use lockgate::{Audience, Dialect, Stage, UpTo, mask_secrets};

use crate::Throwaway;
use crate::database::{Session, TestDatabase};
use crate::migration_test::{self, TestPart, Tests};

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

/// Brings a database up to date. If it does not exist, or with `fresh`, creates it with rows as [`create`] does;
/// otherwise applies the new migrations, each after its `fill`. The answer says what was done, one fact a line.
///
/// # Errors
///
/// Returns the reason as a text, for example that an applied migration was edited since.
#[doc(hidden)]
pub async fn develop(tests: &'static Tests, url: &str, seed: u64, fresh: bool) -> Result<String, String> {
    let (url, dialect) = understood(url)?;
    if fresh || !exists(&url, dialect).await? {
        return create(tests, &url, seed).await;
    }
    bring_to_head(tests, &url, dialect).await
}

/// Applies the new migrations to a database that someone works with. A `fill` that conflicts with its rows is left out,
/// because those rows matter more.
async fn bring_to_head(tests: &'static Tests, url: &str, dialect: Dialect) -> Result<String, String> {
    let database = TestDatabase::new(tests, Throwaway::given(url.to_owned(), dialect));
    let mut connection = database.connect().await.map_err(text)?;
    let planned = database.migrator.plan(&mut connection, UpTo::Latest).await;
    connection.close().await.map_err(text)?;
    let planned = planned.map_err(|e| stuck(e.report_for(Audience::CommandLine).to_string()))?;
    let mut facts = Vec::new();
    for step in &planned.steps {
        if let Some(fill) = tests.test_of(step.version).and_then(|test| test.fill)
            && let Err(failure) = database.fill(fill).await
        {
            facts.push(format!("the rows of the `fill` of {} are left out, because it fails: {failure}", step.id));
        }
        let applied = database.apply(step.version, Session::Plain).await;
        applied.map_err(|failure| stuck(format!("{} fails: {failure}", step.id)))?;
        facts.push(format!("{} applied", step.id));
    }
    repeat(&database).await.map_err(stuck)?;
    if facts.is_empty() {
        facts.push(format!("{} has all migrations", mask_secrets(url)));
    }
    Ok(facts.join("\n"))
}

fn stuck(why: impl Display) -> String {
    format!("{why}\n`cargo xtask dev up --fresh` drops the database and creates it again")
}

async fn exists(url: &str, dialect: Dialect) -> Result<bool, String> {
    match dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            let mut server = crate::postgres::NamedDatabase::connect(url).await.map_err(|e| not_reached(url, &e))?;
            Ok(server.comment().await.map_err(text)?.is_some())
        }
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => Ok(fs::metadata(file(url)?).is_ok_and(|data| data.len() > 0)),
        _ => only_development(url, None).map(|()| false),
    }
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
    let url = lockgate::__private::understood(url).map_err(|e| e.report_for(Audience::CommandLine).to_string())?;
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
    repeat(&database).await?;
    if let Some(function) = tests.seed {
        let seeded = migration_test::fill(&database.throwaway, TestPart::Seed(function, seed)).await;
        seeded.map_err(|failure| format!("`seed` fails: {failure}"))?;
    }
    Ok(())
}

/// Runs the repeatable scripts, if there are any.
async fn repeat(database: &TestDatabase) -> Result<(), String> {
    if !database.tests.migrations.set().repeatables().is_empty() {
        let mut connection = database.connect().await.map_err(text)?;
        database.whole.apply(&mut connection).await.map_err(text)?;
        connection.close().await.map_err(text)?;
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
            if let Some(comment) = comment {
                only_development(url, Stage::of_comment(&comment))?;
            }
            server.recreate(Stage::Development.comment()).await.map_err(text)
        }
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => {
            let file = file(url)?;
            if fs::metadata(&file).is_ok_and(|data| data.len() > 0) {
                only_development(url, Stage::of_application_id(application_id(url).await?))?;
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
        _ => only_development(url, None),
    }
}

async fn set_mark(url: &str, dialect: Dialect) -> Result<(), String> {
    match dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            let mut server = crate::postgres::NamedDatabase::connect(url).await.map_err(|e| not_reached(url, &e))?;
            match server.comment().await.map_err(text)? {
                None => Err(format!("{} does not exist: `testdb create` makes it", mask_secrets(url))),
                Some(comment) => match Stage::of_comment(&comment) {
                    Some(Stage::Development) => Ok(()),
                    Some(other) => Err(marked_otherwise(url, other)),
                    None => server.set_comment(&Stage::Development.marked(&comment)).await.map_err(text),
                },
            }
        }
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => {
            if !file(url)?.exists() {
                return Err(format!("{} does not exist: `testdb create` makes it", mask_secrets(url)));
            }
            let id = application_id(url).await?;
            match (Stage::of_application_id(id), id) {
                (Some(Stage::Development), _) => Ok(()),
                (Some(other), _) => Err(marked_otherwise(url, other)),
                (None, 0) => set_application_id(url).await,
                (None, other) => Err(format!(
                    "{} already has the `application_id` {other}, so it cannot be marked",
                    mask_secrets(url)
                )),
            }
        }
        _ => only_development(url, None),
    }
}

/// Refuses to drop a database of another stage.
fn only_development(url: &str, stage: Option<Stage>) -> Result<(), String> {
    let url = mask_secrets(url);
    match stage {
        Some(Stage::Development) => Ok(()),
        Some(other) => Err(format!(
            "{url} is marked as {other}, not as a development database, and `testdb create` would drop it: name another \
             database"
        )),
        None => Err(format!(
            "{url} is not marked as a development database, and `testdb create` would drop it: name another database, or \
             mark this one with `cargo xtask testdb mark`"
        )),
    }
}

fn marked_otherwise(url: &str, stage: Stage) -> String {
    format!("{} is marked as {stage}, so it cannot be marked as a development database", mask_secrets(url))
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
    let statement = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {}", Stage::Development.application_id()));
    sqlx::raw_sql(statement).execute(&mut connection).await.map_err(text)?;
    connection.close().await.map_err(text)
}
