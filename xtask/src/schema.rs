//! The schema that a folder's migrations make, read from a throwaway database on which they were run, and
//! the schema of a database that is there. Here the runtime is known: it runs and reads.

use lockgate::schema::Schema;
use lockgate::{Database, Error, Migrations, Migrator, UpTo, read_schema};
use lockgate_source::core::{Dialect, Version};
use lockgate_source::folder::Folder;
use lockgate_testing::server::{self, Options, Postgres};

use crate::role;

/// Why there is no schema.
#[derive(Debug)]
pub(crate) enum NoSchema {
    /// There is no server to be had, or it cannot be started.
    Server(server::Error),
    /// What the database or the runtime says.
    Error(Box<Error>),
    /// The runtime of ours did not start, a file is gone.
    Other(String),
}

impl From<Error> for NoSchema {
    fn from(error: Error) -> Self {
        Self::Error(Box::new(error))
    }
}

/// Runs the first so many migrations of a folder without errors on a throwaway database, and reads what
/// they have made. None of them may be a Rust step.
pub(crate) fn of_folder(folder: &Folder, count: usize, dialect: Dialect) -> Result<Schema, NoSchema> {
    let _server;
    let url = match dialect {
        Dialect::Sqlite => "sqlite::memory:".to_owned(),
        Dialect::Postgres => {
            let server = Postgres::start(&Options::default()).map_err(NoSchema::Server)?;
            let url = server.url("postgres");
            _server = server;
            url
        }
        Dialect::Mysql => return Err(NoSchema::Other("this release has no backend for mysql".to_owned())),
    };
    let set = folder.leak("cargo xtask schema");
    run(async {
        let mut database = Database::connect(&url).await?;
        if let Some(last) = count.checked_sub(1).and_then(|last| folder.migrations.get(last)) {
            let all = Box::leak(Box::new(Migrations::from(set)));
            apply(&mut database, &Migrator::new(all), last.version(), dialect).await?;
        }
        let schema = read_schema(&mut database).await?;
        database.close().await?;
        Ok(schema)
    })
}

/// Applies as often as another role is missing: that a throwaway server has none of yours is no news.
async fn apply(
    database: &mut Database,
    migrator: &Migrator,
    version: Version,
    dialect: Dialect,
) -> Result<(), NoSchema> {
    let mut made = Vec::new();
    loop {
        let Err(error) = migrator.apply_to(&mut *database, UpTo::Version(version)).await else { return Ok(()) };
        let said = error.report().database_code().zip(error.report().database_message());
        let missing = said.and_then(|(code, message)| role::missing(code.strip_prefix("SQLSTATE ")?, message));
        let missing = missing.map(str::to_owned);
        match (missing, database.postgres()) {
            (Some(role), Some(connection)) if dialect == Dialect::Postgres && !made.contains(&role) => {
                role::make(connection, &role).await.map_err(|e| NoSchema::Other(e.to_string()))?;
                made.push(role);
            }
            _ => return Err(error.into()),
        }
    }
}

/// Reads what is in a database.
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
