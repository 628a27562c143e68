//! Reads the schema that the migrations of a folder make, by running them on a throwaway database; and the schema of an
//! existing database. This module uses the runtime.

use lockgate::__private::{of_every_profile, of_migrations};
use lockgate::schema::{Schema, docs};
use lockgate::{Database, Error, Migrations, Migrator, UpTo, read_schema};
use lockgate_source::core::{Dialect, Version};
use lockgate_source::folder::Folder;
use lockgate_testing::server::{self, Options, Postgres};

use crate::missing_role;

/// Why a schema cannot be read.
#[derive(Debug)]
pub(crate) enum NoSchema {
    /// There is no server, or it cannot be started.
    Server(server::Error),
    /// An error of the database or of a migration.
    Error(Box<Error>),
    /// Another failure: the async runtime does not start, or a file is gone.
    Other(String),
}

impl From<Error> for NoSchema {
    fn from(error: Error) -> Self {
        Self::Error(Box::new(error))
    }
}

/// Runs the files of `create/` on a throwaway database, and reads the schema.
pub(crate) fn of_create(folder: &Folder, dialect: Dialect) -> Result<Schema, NoSchema> {
    made(folder, dialect, Made::ByCreate)
}

/// Runs the first `count` migrations of a folder on a throwaway database, and reads the schema. The folder must have no
/// errors, and none of these migrations may be a Rust step.
pub(crate) fn of_folder(folder: &Folder, count: usize, dialect: Dialect) -> Result<Schema, NoSchema> {
    let last = count.checked_sub(1).and_then(|last| folder.migrations.get(last));
    made(folder, dialect, last.map_or(Made::ByNothing, |last| Made::UpTo(last.version())))
}

/// What makes the schema of a throwaway database.
enum Made {
    ByNothing,
    UpTo(Version),
    ByCreate,
}

/// Runs the first `count` migrations of a folder on a throwaway database, one after the other, and gives the schema after
/// each. The same holds for the folder as in [`of_folder`].
pub(crate) fn step_by_step(
    folder: &Folder,
    count: usize,
    dialect: Dialect,
    after: &mut dyn FnMut(&str, &Schema),
) -> Result<Schema, NoSchema> {
    let (url, _server) = throwaway(dialect)?;
    // Repeatable scripts run after the last migration, in the same run. They get one of their own.
    let whole = migrator(folder);
    let versioned = of_migrations(&whole);
    let run_migrations = &folder.migrations[..count];
    run(async {
        let mut database = Database::connect(&url).await?;
        let mut schema = read_schema(&mut database).await?;
        for migration in run_migrations {
            apply(&mut database, &versioned, &Made::UpTo(migration.version()), dialect).await?;
            schema = read_schema(&mut database).await?;
            after(migration.id.as_str(), &schema);
        }
        if count == folder.migrations.len() && !folder.repeatables().is_empty() {
            let last = run_migrations.last().map_or(Made::ByNothing, |last| Made::UpTo(last.version()));
            apply(&mut database, &whole, &last, dialect).await?;
            schema = read_schema(&mut database).await?;
            after(docs::REPEATABLES, &schema);
        }
        database.close().await?;
        Ok(schema)
    })
}

/// Returns the URL of a database that nobody else uses, and the server that it is on.
fn throwaway(dialect: Dialect) -> Result<(String, Option<Postgres>), NoSchema> {
    match dialect {
        Dialect::Sqlite => Ok(("sqlite::memory:".to_owned(), None)),
        Dialect::Postgres => {
            let server = Postgres::start(&Options::default()).map_err(NoSchema::Server)?;
            Ok((server.url("postgres"), Some(server)))
        }
        Dialect::Mysql => Err(NoSchema::Other("this release has no backend for mysql".to_owned())),
    }
}

fn migrator(folder: &Folder) -> Migrator {
    let all = Box::leak(Box::new(Migrations::from(folder.leak("cargo xtask schema"))));
    of_every_profile(&Migrator::new(all).stand_in_for_variables())
}

fn made(folder: &Folder, dialect: Dialect, made: Made) -> Result<Schema, NoSchema> {
    let (url, _server) = throwaway(dialect)?;
    let migrator = migrator(folder);
    run(async {
        let mut database = Database::connect(&url).await?;
        apply(&mut database, &migrator, &made, dialect).await?;
        let schema = read_schema(&mut database).await?;
        database.close().await?;
        Ok(schema)
    })
}

/// Applies the migrations, and creates each role that is missing, as a throwaway server has none of the user's roles.
async fn apply(database: &mut Database, migrator: &Migrator, made_by: &Made, dialect: Dialect) -> Result<(), NoSchema> {
    let mut made = Vec::new();
    loop {
        let ran = match made_by {
            Made::ByNothing => return Ok(()),
            Made::UpTo(version) => migrator.apply_to(&mut *database, UpTo::Version(*version)).await,
            Made::ByCreate => migrator.create(&mut *database).await,
        };
        let Err(error) = ran else { return Ok(()) };
        let reported = error.report().database_code().zip(error.report().database_message());
        let missing =
            reported.and_then(|(code, message)| missing_role::named_in(code.strip_prefix("SQLSTATE ")?, message));
        let missing = missing.map(str::to_owned);
        match (missing, database.postgres()) {
            (Some(role), Some(connection)) if dialect == Dialect::Postgres && !made.contains(&role) => {
                missing_role::create(connection, &role).await.map_err(|e| NoSchema::Other(e.to_string()))?;
                made.push(role);
            }
            _ => return Err(error.into()),
        }
    }
}

/// Applies the migrations of a set up to this version to a database of a throwaway server, and reads the schema.
///
/// # Errors
///
/// The report of what failed.
pub fn migrated(url: &str, all: &'static Migrations, last: Version) -> Result<Schema, String> {
    let result = run(async {
        let mut database = Database::connect(url).await?;
        let dialect = database.dialect();
        let migrator = of_every_profile(&Migrator::new(all).stand_in_for_variables());
        apply(&mut database, &migrator, &Made::UpTo(last), dialect).await?;
        let schema = read_schema(&mut database).await?;
        database.close().await?;
        Ok(schema)
    });
    result.map_err(|error| match error {
        NoSchema::Server(error) => error.to_string(),
        NoSchema::Error(error) => error.report().to_string(),
        NoSchema::Other(error) => error,
    })
}

/// Reads the schema of an existing database.
pub(crate) fn of_database(url: &str) -> Result<Schema, NoSchema> {
    run(async {
        let mut database = Database::connect(url).await?;
        Ok(read_schema(&mut database).await?)
    })
}

fn run<T>(work: impl Future<Output = Result<T, NoSchema>>) -> Result<T, NoSchema> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| NoSchema::Other(error.to_string()))?.block_on(work)
}
