//! Which migrated databases are alike: the key of a template, and how one comes to the version that
//! is asked for.
//!
//! A template is a database that was migrated once and is copied for each test. There is one of the
//! head, and one after every sixteenth migration: a database at version 100 is a copy of the one
//! after 96 migrations with four more applied. One of every version would fill the disk. Walks have
//! theirs with the rows of the fills on the way.

use lockgate::{Body, Database, Dialect, Migration, Migrations, Migrator, UpTo, Version};
use sha2::{Digest, Sha256};

use crate::database::TestDatabase;
use crate::migration_test::{TestPart, Tests};
use crate::template::Template;
use crate::{Error, Throwaway};

/// How many migrations are between two templates.
const STRIDE: usize = 16;

/// What a template holds: the first so many migrations of a set.
#[derive(Clone, Copy)]
pub(crate) struct MigratedTemplate {
    migrations: &'static Migrations,
    /// At least one.
    count: usize,
    /// Whose fills were run, each right before its migration.
    fills: Option<&'static Tests>,
}

impl MigratedTemplate {
    /// The template to begin with for this version, which is known; `None` for an empty database.
    pub(crate) fn nearest(migrations: &'static Migrations, version: Version) -> Option<Self> {
        let end = migrations.set().find(version)?.index() + 1;
        let count = if end == migrations.len() { end } else { end / STRIDE * STRIDE };
        let count = count.min(copied(migrations));
        (count > 0).then_some(Self { migrations, count, fills: None })
    }

    /// The template to begin with for so many migrations with the rows of their fills; `None` where it
    /// would have none.
    pub(crate) fn filled(tests: &'static Tests, end: usize) -> Option<Self> {
        let migrations = tests.migrations;
        let count = if end == migrations.len() { end } else { end / STRIDE * STRIDE };
        let filled = Self { migrations, count: count.min(copied(migrations)), fills: Some(tests) }.with_rows();
        filled.fills.is_some().then_some(filled)
    }

    /// Without a fill it is like any other.
    fn with_rows(self) -> Self {
        let fills = self.fills.filter(|_| self.checks().next().is_some());
        Self { fills, ..self }
    }

    /// The fills that were run.
    fn checks(self) -> impl Iterator<Item = TestPart> {
        let migrations = self.migrations.iter().take(self.count);
        migrations.filter_map(move |migration| self.fills?.test_of(migration.version())?.fill)
    }

    /// How many migrations it holds.
    pub(crate) fn count(self) -> usize {
        self.count
    }

    /// Whether it holds what Rust code did.
    pub(crate) fn is_of_this_program(self) -> bool {
        let step = |migration: Migration| matches!(migration.up().body(), Body::Rust);
        self.migrations.iter().take(self.count).any(step)
            || self.checks().any(|fill| !matches!(fill, TestPart::Sql { .. }))
    }

    /// The newest migration that it holds.
    fn version(self) -> Version {
        self.migrations.set().get(self.count - 1).expect("a template holds what is in its set").version()
    }
}

impl Template for MigratedTemplate {
    /// Equal for what is equal: the scripts and their order, the program's name, which the history
    /// records, and this release, which writes it. What a Rust step or a fill does is not only in its
    /// file, so that the test program itself counts where there is one.
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
        for migration in self.migrations.iter().take(self.count) {
            let fill = self.fills.and_then(|tests| tests.test_of(migration.version())).and_then(|test| test.fill);
            let Some(fill) = fill else { continue };
            add(b"fill");
            add(migration.id().as_bytes());
            match fill {
                TestPart::Rust(function) => add(&place_in_program(function as *const ())),
                TestPart::Several(functions) => {
                    functions.iter().for_each(|(_, function)| add(&place_in_program(*function as *const ())));
                }
                TestPart::Seed(function, seed) => {
                    add(&place_in_program(function as *const ()));
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

    /// The one that this one is made from.
    fn base(self) -> Option<Self> {
        let count = (self.count - 1) / STRIDE * STRIDE;
        (count > 0).then(|| Self { count, ..self }.with_rows())
    }

    /// Makes an empty database, or a copy of [`base`](Self::base), be like this.
    async fn build(self, url: &str, dialect: Dialect) -> Result<(), Error> {
        if let Some(tests) = self.fills {
            return self.fill_with_rows(tests, url.to_owned(), dialect).await;
        }
        migrate(self.migrations, self.version(), url).await
    }
}

/// How many migrations of a set a copy of a database can hold: a subscription belongs to the database in which it was
/// made, and a copy has none.
fn copied(migrations: &'static Migrations) -> usize {
    let subscribes = |migration: Migration| match migration.up().body() {
        Body::Sql(text) => text.to_ascii_uppercase().contains("SUBSCRIPTION"),
        Body::Rust => false,
    };
    migrations.iter().position(subscribes).unwrap_or(migrations.len())
}

/// Which function of this program it is, the same in each of its processes: they have the program at another
/// address, but as a whole.
fn place_in_program(function: *const ()) -> [u8; size_of::<usize>()] {
    let anchor = place_in_program as *const ();
    (function as usize).wrapping_sub(anchor as usize).to_le_bytes()
}

impl MigratedTemplate {
    /// On a thread of its own, as a user's future may be one that must stay on its thread.
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

/// Applies a set up to this version.
async fn migrate(migrations: &'static Migrations, version: Version, url: &str) -> Result<(), Error> {
    let failed = |e| Error::because("a throwaway database cannot be migrated", e);
    let mut database = Database::connect(url).await.map_err(failed)?;
    let migrator = Migrator::new(migrations);
    migrator.apply_to(&mut database, UpTo::Version(version)).await.map_err(failed)?;
    database.close().await.map_err(failed)
}

impl Throwaway {
    /// A database to which all of a set has been applied: once, by the first test of a run that asks
    /// for it. The others get copies.
    ///
    /// # Errors
    ///
    /// As for [`empty`](Self::empty), and where a migration fails or a version is not in the set.
    pub async fn at_head(migrations: &'static Migrations, dialect: Dialect) -> Result<Option<Self>, Error> {
        Self::at(migrations, migrations.set().last().map(|last| last.version()), dialect).await
    }

    /// A database to which a set has been applied up to this version, and nothing of it for `None`.
    ///
    /// # Errors
    ///
    /// As for [`at_head`](Self::at_head).
    pub async fn at(
        migrations: &'static Migrations,
        version: Option<Version>,
        dialect: Dialect,
    ) -> Result<Option<Self>, Error> {
        let Some(version) = version else { return Self::empty(dialect).await };
        let template = MigratedTemplate::nearest(migrations, version);
        let Some(made) = Self::like(template, dialect).await? else { return Ok(None) };
        // A copy of the head has nothing left to do.
        if template.is_none_or(|template| template.count() < migrations.len()) {
            migrate(migrations, version, &made.url()).await?;
        }
        Ok(Some(made))
    }
}
