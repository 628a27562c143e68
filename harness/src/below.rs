//! Databases to begin a walk with: below a migration, with the rows of every fill, copied from a template
//! where there is one.

use lockgate::{Dialect, Migration, Version};

use crate::Throwaway;
use crate::ground::Ground;
use crate::problem::{Problem, Step};
use crate::suite::Tests;
use crate::template::Template;

/// Whether templates outlive the tests.
fn is_lasting(dialect: Dialect) -> bool {
    #[cfg(feature = "postgres")]
    if dialect == Dialect::Postgres {
        return crate::postgres::is_given();
    }
    false
}

impl Ground {
    /// A database with every migration below this one, and all of them for `None`; each fill was run
    /// right before its migration. `None` where this machine has no such database.
    pub(crate) async fn below(
        tests: &'static Tests,
        dialect: Dialect,
        migration: Option<&Migration>,
    ) -> Result<Option<Self>, Problem> {
        let all: Vec<Migration> = tests.migrations.iter().collect();
        let end = migration.map_or(all.len(), Migration::index);
        if let Some(ground) = Self::copied(tests, dialect, &all[..end]).await? {
            return Ok(Some(ground));
        }
        let fills = |migration: &Migration| tests.suite(migration.version()).and_then(|suite| suite.fill);
        // What is below the first fill has no rows but its own: that is the same for every test.
        let bare = all[..end].iter().position(|migration| fills(migration).is_some()).unwrap_or(end);
        let start = bare.checked_sub(1).map(|last| all[last].version());
        let Some(ground) = Self::at(tests, dialect, start).await? else { return Ok(None) };
        ground.bring(&all[..end], bare).await?;
        Ok(Some(ground))
    }

    /// The same, from a template that has the rows of the fills. `None` where there is none to be had: the
    /// long way says why, at its place. On a server of the user's own, what each build of a test
    /// program leaves there would never go.
    async fn copied(tests: &'static Tests, dialect: Dialect, all: &[Migration]) -> Result<Option<Self>, Problem> {
        let template = Template::filled(tests, all.len());
        let Some(template) = template.filter(|template| !(template.is_of_this_program() && is_lasting(dialect))) else {
            return Ok(None);
        };
        let Ok(Some(place)) = Throwaway::like(Some(template), dialect).await else { return Ok(None) };
        let ground = Self::on(tests, place);
        ground.bring(all, template.count()).await?;
        Ok(Some(ground))
    }

    /// A database at a version, without the rows of any fill.
    pub(crate) async fn at(
        tests: &'static Tests,
        dialect: Dialect,
        version: Option<Version>,
    ) -> Result<Option<Self>, Problem> {
        let place = Throwaway::at(tests.migrations, version, dialect).await;
        let place = place.map_err(|e| Problem::new(Step::Ground, "no database to test on").detail(format!("{e:?}")))?;
        Ok(place.map(|place| Self::on(tests, place)))
    }
}
