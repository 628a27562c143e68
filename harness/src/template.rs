//! Which migrated databases are alike: the key of a template, and how one comes to the version that
//! is asked for.
//!
//! A template is a database that was migrated once and is copied for each test. There is one of the
//! head, and one after every thirty-second migration: a database at version 100 is a copy of the one
//! after 96 migrations with four more applied. One of every version would fill the disk.

use lockgate::{Body, Database, Destination, Dialect, Migrations, Migrator, Version};
use sha2::{Digest, Sha256};

use crate::Error;

/// How many migrations are between two templates.
const STRIDE: usize = 32;

/// What a template holds: the first so many migrations of a set.
#[derive(Clone, Copy)]
pub(crate) struct Template {
    migrations: &'static Migrations,
    /// At least one.
    count: usize,
}

impl Template {
    /// The template to begin with for this version, which is known; `None` for an empty database.
    pub(crate) fn below(migrations: &'static Migrations, version: Version) -> Option<Self> {
        let index = migrations.set().find(version)?.index();
        let count = if index + 1 == migrations.len() { migrations.len() } else { (index + 1) / STRIDE * STRIDE };
        (count > 0).then_some(Self { migrations, count })
    }

    /// The one that this one is made from.
    pub(crate) fn before(self) -> Option<Self> {
        let count = (self.count - 1) / STRIDE * STRIDE;
        (count > 0).then_some(Self { count, ..self })
    }

    /// Equal for what is equal: the scripts and their order, the program's name, which the history
    /// records, and this release, which writes it. What a Rust step does is not only in its file,
    /// so that the test program itself counts where there is one.
    pub(crate) fn key(self, dialect: Dialect) -> String {
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
        if self.migrations.iter().take(self.count).any(|migration| matches!(migration.up().body(), Body::Rust)) {
            let program = std::env::current_exe().unwrap_or_default();
            add(program.as_os_str().as_encoded_bytes());
            let made = program.metadata().and_then(|data| data.modified());
            add(format!("{made:?}").as_bytes());
        }
        hash.finalize()[..10].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The newest migration that it holds.
    fn version(self) -> Version {
        self.migrations.set().get(self.count - 1).expect("a template holds what is in its set").version()
    }

    /// Makes an empty database, or a copy of [`before`](Self::before), be like this.
    pub(crate) async fn fill(self, url: &str) -> Result<(), Error> {
        migrate(self.migrations, self.version(), url).await
    }
}

/// Applies a set up to this version.
pub(crate) async fn migrate(migrations: &'static Migrations, version: Version, url: &str) -> Result<(), Error> {
    let failed = |e| Error::because("a throwaway database cannot be migrated", e);
    let mut database = Database::connect(url).await.map_err(failed)?;
    let migrator = Migrator::new(migrations);
    migrator.apply_to(&mut database, Destination::Version(version)).await.map_err(failed)?;
    database.close().await.map_err(failed)
}
