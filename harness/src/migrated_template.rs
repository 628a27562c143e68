//! Templates that hold the first migrations of a set, with or without the rows of fills.
//!
//! There is a template with all migrations, and one after every sixteenth: a database with 100 migrations is a copy of
//! the template with 96, and four more are applied. A template for each version would fill the disk. Walks use templates
//! with the rows of each `fill`.

use lockgate::__private::{of_every_profile, of_migrations};
use lockgate::{Body, Database, Dialect, Migration, Migrations, Migrator, UpTo, Version};
use sha2::{Digest, Sha256};

use crate::database::TestDatabase;
use crate::migration_test::{TestPart, Tests};
use crate::template::Template;
use crate::{Error, Throwaway};

/// The number of migrations between two templates.
const STRIDE: usize = 16;

/// A template with the first `count` migrations of a set.
#[derive(Clone, Copy)]
pub(crate) struct MigratedTemplate {
    migrations: &'static Migrations,
    /// At least one.
    count: usize,
    /// The tests whose fills were run, each right before its migration.
    fills: Option<&'static Tests>,
    /// Whether the repeatable scripts have run.
    repeatables: bool,
}

impl MigratedTemplate {
    /// Returns the nearest template at or before this version; `None` if that is an empty database.
    pub(crate) fn nearest(migrations: &'static Migrations, version: Version, reach: Reach) -> Option<Self> {
        let end = migrations.set().find(version)?.index() + 1;
        let count = if end == migrations.len() { end } else { end / STRIDE * STRIDE };
        let count = count.min(migrations_before_subscriptions(migrations));
        let repeatables = reach == Reach::Repeatables && count == migrations.len();
        (count > 0).then_some(Self { migrations, count, fills: None, repeatables })
    }

    /// Returns the nearest template with at most `end` migrations and the rows of their fills; `None` if it would have no
    /// such rows.
    pub(crate) fn filled(tests: &'static Tests, end: usize) -> Option<Self> {
        let migrations = tests.migrations;
        let count = if end == migrations.len() { end } else { end / STRIDE * STRIDE };
        let filled = Self {
            migrations,
            count: count.min(migrations_before_subscriptions(migrations)),
            fills: Some(tests),
            repeatables: false,
        }
        .with_rows();
        filled.fills.is_some().then_some(filled)
    }

    /// Drops the tests if none of these migrations has a `fill`, so that the plain template is used.
    fn with_rows(self) -> Self {
        let fills = self.fills.filter(|_| self.fill_parts().next().is_some());
        Self { fills, ..self }
    }

    /// Returns the fills that were run.
    fn fill_parts(self) -> impl Iterator<Item = TestPart> {
        let migrations = self.migrations.iter().take(self.count);
        migrations.filter_map(move |migration| self.fills?.test_of(migration.version())?.fill)
    }

    /// Returns how many migrations it holds.
    pub(crate) fn count(self) -> usize {
        self.count
    }

    /// Whether Rust code of the test program made part of it.
    pub(crate) fn is_of_this_program(self) -> bool {
        let step = |migration: Migration| matches!(migration.up().body(), Body::Rust);
        self.migrations.iter().take(self.count).any(step)
            || self.fill_parts().any(|fill| !matches!(fill, TestPart::Sql { .. }))
    }

    /// The repeatable scripts that have run.
    fn repeatable_scripts(self) -> Vec<Migration> {
        if self.repeatables { self.migrations.set().repeatables() } else { Vec::new() }
    }

    /// Returns the newest migration that it holds.
    fn version(self) -> Version {
        self.migrations.set().get(self.count - 1).expect("a template holds what is in its set").version()
    }
}

impl Template for MigratedTemplate {
    /// Hashes everything that the database depends on: the scripts in order, the name of the program and this release,
    /// which are in the history. A Rust step or `fill` can call any code, so with one the test program itself is hashed
    /// too.
    fn key(self, dialect: Dialect) -> String {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        add(dialect.as_str().as_bytes());
        add(self.migrations.set().application().as_bytes());
        for migration in self.migrations.iter().take(self.count) {
            add(migration.id().as_bytes());
            add(migration.up().checksum().digest());
            add(migration.down().map_or(&[][..], |_| b"down"));
        }
        for script in self.repeatable_scripts() {
            add(b"repeatable");
            add(script.id().as_bytes());
            add(script.checksum().digest());
        }
        for migration in self.migrations.iter().take(self.count) {
            let fill = self.fills.and_then(|tests| tests.test_of(migration.version())).and_then(|test| test.fill);
            let Some(fill) = fill else { continue };
            add(b"fill");
            add(migration.id().as_bytes());
            match fill {
                TestPart::Rust(function) => add(&offset_in_program(function as *const ())),
                TestPart::Several(functions) => {
                    functions.iter().for_each(|(_, function)| add(&offset_in_program(*function as *const ())));
                }
                TestPart::Seed(function, seed) => {
                    add(&offset_in_program(function as *const ()));
                    add(&seed.to_le_bytes());
                }
                TestPart::Sql { statements, .. } => {
                    let of_dialect = statements.iter().filter(|(dialects, _)| dialects.contains(&dialect));
                    of_dialect.flat_map(|(_, statements)| *statements).for_each(|(_, sql)| add(sql.as_bytes()));
                }
            }
        }
        if self.is_of_this_program() {
            let program = std::env::current_exe().unwrap_or_default();
            add(program.as_os_str().as_encoded_bytes());
            let made = program.metadata().and_then(|data| data.modified());
            add(format!("{made:?}").as_bytes());
        }
        hash.finalize()[..10].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The template sixteen migrations earlier.
    fn base(self) -> Option<Self> {
        let count = (self.count - 1) / STRIDE * STRIDE;
        (count > 0).then(|| Self { count, repeatables: false, ..self }.with_rows())
    }

    /// Turns an empty database, or a copy of [`base`](Self::base), into this template.
    async fn build(self, url: &str, dialect: Dialect) -> Result<(), Error> {
        if let Some(tests) = self.fills {
            return self.fill_with_rows(tests, url.to_owned(), dialect).await;
        }
        let reach = if self.repeatables { Reach::Repeatables } else { Reach::Migrations };
        migrate(self.migrations, Some(self.version()), reach, url).await
    }
}

/// What a throwaway database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Migrations alone: migrations are tested on it.
    Migrations,
    /// The repeatable scripts too, if it has every migration: a program is tested on it.
    Repeatables,
}

/// Returns how many migrations of a set a template can hold: a copy of a database has none of its subscriptions.
fn migrations_before_subscriptions(migrations: &'static Migrations) -> usize {
    let subscribes = |migration: Migration| match migration.up().body() {
        Body::Sql(text) => text.to_ascii_uppercase().contains("SUBSCRIPTION"),
        Body::Rust => false,
    };
    migrations.iter().position(subscribes).unwrap_or(migrations.len())
}

/// Identifies a function of this program by its offset, which is the same in each process.
fn offset_in_program(function: *const ()) -> [u8; size_of::<usize>()] {
    let anchor = offset_in_program as *const ();
    (function as usize).wrapping_sub(anchor as usize).to_le_bytes()
}

impl MigratedTemplate {
    /// Runs on its own thread, as a user's future may not be `Send`.
    async fn fill_with_rows(self, tests: &'static Tests, url: String, dialect: Dialect) -> Result<(), Error> {
        let failed = |e| Error::because("a template cannot be filled", e);
        let work = move || {
            let all: Vec<_> = self.migrations.iter().take(self.count).collect();
            let start = self.base().map_or(0, Self::count);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
            let database = TestDatabase::new(tests, Throwaway::given(url, dialect));
            let brought = runtime.block_on(database.apply_with_fills(&all, start));
            brought.map_err(|problem| Error::new(problem.to_string()))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(filled) => filled,
            Err(panicked) => Err(Error::because("a template cannot be filled", panicked)),
        }
    }
}

/// Applies the migrations of a set up to this version, those of every profile.
async fn migrate(
    migrations: &'static Migrations,
    version: Option<Version>,
    reach: Reach,
    url: &str,
) -> Result<(), Error> {
    let failed = |e| Error::because("a throwaway database cannot be migrated", e);
    let mut database = Database::connect(url).await.map_err(failed)?;
    let migrator = Migrator::new(migrations).stand_in_for_variables();
    let migrator = match reach {
        Reach::Migrations => of_migrations(&migrator),
        Reach::Repeatables => of_every_profile(&migrator),
    };
    let destination = version.map_or(UpTo::Latest, UpTo::Version);
    migrator.apply_to(&mut database, destination).await.map_err(failed)?;
    database.close().await.map_err(failed)
}

impl Throwaway {
    /// Makes a database with all migrations of a set, those of every profile, and with its repeatable scripts. The first
    /// test of a run applies them; the others get copies.
    ///
    /// # Errors
    ///
    /// As for [`empty`](Self::empty), and if a migration fails or the version is not in the set.
    pub async fn at_head(migrations: &'static Migrations, dialect: Dialect) -> Result<Option<Self>, Error> {
        Self::at(migrations, migrations.set().last().map(|last| last.version()), dialect).await
    }

    /// Makes a database with the migrations of a set up to this version, or an empty one for `None`. If these are all, its
    /// repeatable scripts have run.
    ///
    /// # Errors
    ///
    /// As for [`at_head`](Self::at_head).
    pub async fn at(
        migrations: &'static Migrations,
        version: Option<Version>,
        dialect: Dialect,
    ) -> Result<Option<Self>, Error> {
        let has_scripts = !migrations.set().repeatables().is_empty();
        let reach = if has_scripts { Reach::Repeatables } else { Reach::Migrations };
        Self::reaching(migrations, version, reach, dialect).await
    }

    /// Makes a database like [`at`](Self::at).
    pub(crate) async fn reaching(
        migrations: &'static Migrations,
        version: Option<Version>,
        reach: Reach,
        dialect: Dialect,
    ) -> Result<Option<Self>, Error> {
        let Some(version) = version else {
            let made = Self::empty(dialect).await?;
            if let (Some(made), Reach::Repeatables, true) = (&made, reach, migrations.is_empty()) {
                migrate(migrations, None, reach, &made.url()).await?;
            }
            return Ok(made);
        };
        let template = MigratedTemplate::nearest(migrations, version, reach);
        let Some(made) = Self::like(template, dialect).await? else { return Ok(None) };
        // A template with all migrations has nothing pending.
        if template.is_none_or(|template| template.count() < migrations.len()) {
            migrate(migrations, Some(version), reach, &made.url()).await?;
        }
        Ok(Some(made))
    }
}
