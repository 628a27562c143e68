//! Prepares the database that a walk starts on: all earlier migrations applied, with the rows of each `fill`. It is
//! copied from a template where there is one.

use lockgate::{Dialect, Migration, Version};

use crate::Throwaway;
use crate::database::TestDatabase;
use crate::migrated_template::{MigratedTemplate, Reach};
use crate::migration_test::Tests;
use crate::problem::{Phase, Problem};

/// Whether the server, and with it every template, outlives the tests.
fn outlives_tests(dialect: Dialect) -> bool {
    #[cfg(feature = "postgres")]
    if dialect == Dialect::Postgres {
        return crate::postgres::is_given();
    }
    false
}

impl TestDatabase {
    /// Makes a database with every migration before this one applied, or all of them for `None`. Each `fill` was run
    /// right before its migration. Returns `None` if this machine has no server of the dialect.
    pub(crate) async fn before_migration(
        tests: &'static Tests,
        dialect: Dialect,
        migration: Option<&Migration>,
    ) -> Result<Option<Self>, Problem> {
        let all: Vec<Migration> = tests.migrations.iter().collect();
        let end = migration.map_or(all.len(), Migration::index);
        if let Some(database) = Self::copied(tests, dialect, &all[..end]).await? {
            return Ok(Some(database));
        }
        let fills = |migration: &Migration| tests.test_of(migration.version()).and_then(|test| test.fill);
        // The state before the first `fill` is the same for every test.
        let bare = all[..end].iter().position(|migration| fills(migration).is_some()).unwrap_or(end);
        let start = bare.checked_sub(1).map(|last| all[last].version());
        let Some(database) = Self::at(tests, dialect, start).await? else { return Ok(None) };
        database.apply_with_fills(&all[..end], bare).await?;
        Ok(Some(database))
    }

    /// Makes it from a template that has the rows of each `fill`. Returns `None` if the template cannot be made: the
    /// caller then applies one migration after the other, and reports which one fails. A template that depends on
    /// this build of the test program is not left on a server of the user's own, as nothing would ever drop it.
    async fn copied(tests: &'static Tests, dialect: Dialect, all: &[Migration]) -> Result<Option<Self>, Problem> {
        let template = MigratedTemplate::filled(tests, all.len());
        let Some(template) = template.filter(|template| !(template.is_of_this_program() && outlives_tests(dialect)))
        else {
            return Ok(None);
        };
        let Ok(Some(throwaway)) = Throwaway::like(Some(template), dialect).await else { return Ok(None) };
        let database = Self::new(tests, throwaway);
        database.apply_with_fills(all, template.count()).await?;
        Ok(Some(database))
    }

    /// Makes a database at this version, without the rows of any `fill`. `None` is an empty database.
    pub(crate) async fn at(
        tests: &'static Tests,
        dialect: Dialect,
        version: Option<Version>,
    ) -> Result<Option<Self>, Problem> {
        let throwaway = Throwaway::reaching(tests.migrations, version, Reach::Migrations, dialect).await;
        let throwaway = throwaway
            .map_err(|e| Problem::new(Phase::Setup, "the test database cannot be made").detail(format!("{e:?}")))?;
        Ok(throwaway.map(|throwaway| Self::new(tests, throwaway)))
    }
}
