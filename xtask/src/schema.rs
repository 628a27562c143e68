//! Reads the schema that the migrations of a folder make, by running them on a throwaway database; and the schema of an
//! existing database. This module uses the runtime.

use lockgate::__private::{of_every_profile, of_migrations, read_with_release};
use lockgate::schema::{Schema, docs};
use lockgate::{Database, Migrations, Migrator, read_schema};
use lockgate_schema::snapshot;
use lockgate_source::core::{Dialect, Version};
use lockgate_source::folder::Folder;

use crate::throwaway::{self, Made, NoDatabase, Replay, Throwaway, apply, block_on};

/// A schema that was read from a database.
#[derive(Debug)]
pub(crate) struct ReadSchema {
    pub(crate) schema: Schema,
    /// The major release of the PostgreSQL that wrote it.
    pub(crate) release: Option<u32>,
}

impl ReadSchema {
    /// Its text for a file.
    pub(crate) fn text(&self) -> String {
        snapshot::text(&self.schema, self.release)
    }
}

/// Runs the first `count` migrations of a folder on a throwaway database, one after the other, and gives the schema after
/// each. The same holds for the folder as in [`of_folder`].
pub(crate) fn step_by_step(
    folder: &Folder,
    count: usize,
    dialect: Dialect,
    after: &mut dyn FnMut(&str, &Schema),
) -> Result<Schema, NoDatabase> {
    let mut throwaway = Throwaway::start(dialect)?;
    // Repeatable scripts run after the last migration, in the same run. They get one of their own.
    let whole = throwaway::migrator(folder.leak("cargo xtask schema"));
    let versioned = of_migrations(&whole);
    let run_migrations = &folder.migrations[..count];
    run(async {
        let mut database = throwaway.empty().await?;
        let mut schema = read_schema(&mut database).await?;
        for migration in run_migrations {
            apply(&mut database, &versioned, Made::UpTo(migration.version())).await?;
            schema = read_schema(&mut database).await?;
            after(migration.id.as_str(), &schema);
        }
        if count == folder.migrations.len() && !folder.repeatables().is_empty() {
            let last = run_migrations.last().map_or(Made::ByNothing, |last| Made::UpTo(last.version()));
            apply(&mut database, &whole, last).await?;
            schema = read_schema(&mut database).await?;
            after(docs::REPEATABLES, &schema);
        }
        database.close().await?;
        Ok(schema)
    })
}

/// Runs the first `count` migrations of a folder on a throwaway database, and the repeatable scripts if these are all of
/// them, and reads the schema. The folder must have no errors, and none of these migrations may be a Rust step.
pub(crate) fn of_folder(folder: &Folder, count: usize, dialect: Dialect) -> Result<ReadSchema, NoDatabase> {
    let made = match count.checked_sub(1).and_then(|last| folder.migrations.get(last)) {
        _ if count == folder.migrations.len() => Made::ByAll,
        Some(last) => Made::UpTo(last.version()),
        None => Made::ByNothing,
    };
    let mut throwaway = Throwaway::start(dialect)?;
    let mut replay = Replay::new(folder.leak("cargo xtask schema"), made);
    run(async {
        let mut database = throwaway.replayed(&mut replay).await?;
        let read = read(&mut database, None).await?;
        database.close().await?;
        Ok(read)
    })
}

/// Reads the schema of an existing database, without the history table of this name.
pub(crate) fn of_database(url: &str, table: Option<&str>) -> Result<ReadSchema, NoDatabase> {
    run(async { read(&mut Database::connect(url).await?, table).await })
}

async fn read(database: &mut Database, table: Option<&str>) -> Result<ReadSchema, NoDatabase> {
    let migrator = Migrator::new(&Migrations::EMPTY);
    let migrator = match table {
        Some(table) => migrator.history_table(table),
        None => migrator,
    };
    let (schema, release) = read_with_release(&migrator, database).await?;
    Ok(ReadSchema { schema, release })
}

/// Applies the migrations of a set up to this version to a database of a throwaway server, and reads the schema.
///
/// # Errors
///
/// The report of what failed.
pub fn migrated(url: &str, all: &'static Migrations, last: Version) -> Result<Schema, String> {
    let result = run(async {
        let mut database = Database::connect(url).await?;
        let migrator = of_every_profile(&Migrator::new(all).stand_in_for_variables());
        apply(&mut database, &migrator, Made::UpTo(last)).await?;
        let schema = read_schema(&mut database).await?;
        database.close().await?;
        Ok(schema)
    });
    result.map_err(|error| match error {
        NoDatabase::Server(error) => error.to_string(),
        NoDatabase::Error(error) => error.report().to_string(),
        NoDatabase::Other(error) => error,
    })
}

fn run<T>(work: impl Future<Output = Result<T, NoDatabase>>) -> Result<T, NoDatabase> {
    block_on(work, NoDatabase::Other)
}
