//! SQL migrations that the Rust compiler checks.
//!
//! [`embed_migrations!`] checks a folder of SQL files while your program compiles, and embeds them in it. A
//! [`Migrator`] applies each of them to a database exactly once.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # use lockgate::{Migrations, Migrator};
//! # /*
//! use lockgate::{Migrations, Migrator, embed_migrations};
//!
//! static MIGRATIONS: Migrations = embed_migrations!(); // the folder `migrations/` of this crate
//! # */
//! # static MIGRATIONS: Migrations = Migrations::EMPTY;
//!
//! let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
//! let report = Migrator::new(&MIGRATIONS).apply(&pool).await?;
//! println!("{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! The [guide] explains everything from an empty project to production.
//!
//! # Features
//!
//! A program that only migrates its database needs `sqlite` or `postgres`. Only `grammar` is on by default.
//!
//! * `sqlite`, `postgres`: support for these databases.
//! * `psql`: scripts with `-- lockgate: psql`, which use psql's variables and commands.
//! * `databases`: several databases of one PostgreSQL server, with their roles and a mirror of their histories.
//!   Includes `operations` and `psql`.
//! * `operations`: functions for operators: `doctor`, `bootstrap`, `Console`, the methods `log`, `sizes`,
//!   `drop_invalid_index` and `create` of [`Migrator`], manual scripts, and seeds. `lockgate-cli` enables it.
//! * `schema`: reads the schema of a database (`read_schema`), and compares it with what the migrations create.
//!   `schema-snapshot` also embeds the schema as text.
//! * `adopt`: takes over the history of another migration tool.
//! * `tracing`: reports runs as spans and events in a service's log.
//! * `tls-native-tls`, `tls-rustls`: TLS for PostgreSQL; they enable the same features of sqlx.
//!
//! If migrations need a feature that is not enabled, they do not compile, and the error names the feature.
//!
//! The feature `grammar`, on by default, lets [`embed_migrations!`] check the SQL against the grammars of PostgreSQL
//! (`grammar-postgres`) and SQLite (`grammar-sqlite`). The parsers take a large part of the time of a full build, but
//! are not part of the program. `default-features = false` leaves them out: a script with a syntax error in its SQL
//! then compiles, and fails when it is applied. Names, order, the lockfile and lints are still checked.
//! `cargo xtask check` also checks the grammar if `lockgate-xtask` has its feature `grammar`, and so does a build
//! script with the feature `check` of `lockgate-build`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "databases")),
    allow(dead_code, reason = "code for one backend or one feature is unused without it")
)]

#[cfg(feature = "adopt")]
pub mod adopt;
mod backend;
#[cfg(feature = "operations")]
pub mod bootstrap;
#[cfg(feature = "operations")]
mod console;
#[cfg(feature = "operations")]
mod create;
mod database;
mod databases;
#[cfg(all(feature = "schema", any(feature = "sqlite", feature = "postgres")))]
mod desired;
#[cfg(feature = "operations")]
pub mod doctor;
mod error;
mod event;
mod executor;
mod failure;
#[cfg(feature = "operations")]
mod finding;
#[cfg(any(doc, doctest))]
pub mod guide;
mod history_table;
#[cfg(feature = "operations")]
mod invalid_index;
#[cfg(feature = "operations")]
mod log;
#[cfg(feature = "operations")]
mod manual;
mod migrations;
mod migrator;
#[cfg(feature = "databases")]
mod mirror;
mod parts;
mod precondition;
#[cfg(feature = "psql")]
mod psql;
#[cfg(not(feature = "psql"))]
#[path = "no_psql.rs"]
mod psql;
#[cfg(feature = "schema")]
mod reader;
mod report;
mod run;
#[cfg(feature = "schema")]
mod schema_drift;
mod secret;
#[cfg(feature = "operations")]
mod seed;
#[cfg(feature = "operations")]
mod server_progress;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod session;
#[cfg(feature = "tracing")]
mod spans;
mod stage;
#[cfg(feature = "operations")]
mod table_size;
mod target;
mod transaction;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod url;
#[cfg(feature = "schema")]
mod verify;
pub mod wait;

pub use lockgate_core::Action;
#[doc(hidden)]
pub use lockgate_core::audience::{on_bootstraps, on_database, shell_word, with_flags};
#[doc(hidden)]
pub use lockgate_core::companion;
pub use lockgate_core::patch;
pub use lockgate_core::plan::Reason;
pub use lockgate_core::{
    Ahead, AtWork, Atomicity, Audience, Body, Checksum, CompanionKind, Dialect, Dialects, Direction, DownTo, Drift,
    Effects, ManualScript, ManualState, Migration, OutOfOrder, Plan, RepeatableEntry, RepeatableState, Row, Script,
    Set, Stage, State, Statement, StatementFlags, StatementKind, Status, Step, TableLock, Touch, UnknownProfile, UpTo,
    Version, plan::Repair, status::Entry,
};

pub use lockgate_macros::{Table, embed_migrations};

/// The schema of a database as a value, as [`read_schema`] returns it.
#[cfg(feature = "schema")]
#[doc(inline)]
pub use lockgate_schema as schema;

#[cfg(feature = "operations")]
pub use console::Console;
pub use database::Database;
#[cfg(feature = "databases")]
pub use databases::{
    BootstrapDifference, DatabasePlan, DatabaseReport, DatabaseStatus, DatabasesMigrator, DatabasesReport,
};
pub use databases::{DatabaseMigrations, Databases};
pub use error::{Error, ErrorKind, ErrorReport};
pub use event::{Event, ServerProgress};
#[cfg(feature = "operations")]
pub use log::LogEntry;
pub use migrations::{BoxError, Migrations, StepResult};
pub use migrator::Migrator;
#[cfg(feature = "databases")]
pub use mirror::{MirrorMismatch, MirrorStatus};
pub use parts::DatabaseParts;
#[cfg(feature = "schema")]
pub use reader::read_schema;
pub use report::{FinishedStep, Report};
#[cfg(feature = "schema")]
pub use schema_drift::{SchemaDrift, SchemaVerdict};
pub use secret::mask_secrets;
#[cfg(feature = "operations")]
pub use seed::Seed;
#[cfg(feature = "operations")]
pub use server_progress::server_progress;
#[cfg(feature = "operations")]
pub use table_size::TableSize;
pub use target::Target;
pub use transaction::Transaction;

/// Names for the output of the macros. Do not use them directly; they may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::migrations::{Migrations, RustStep, StepFn, StepFuture};
    #[cfg(feature = "operations")]
    pub use crate::table_size::readable_size;
    pub use lockgate_core::date::Date;
    pub use lockgate_core::limit::duration;
    pub use lockgate_core::{Companion, CompanionKind, Set};

    #[cfg(all(feature = "schema", any(feature = "sqlite", feature = "postgres")))]
    pub use crate::desired::{Desired, Refused, execute, make, rows};

    use crate::Migrator;

    /// A migrator that leaves in a lent session what migrations leave there, so that a test can find it.
    #[must_use]
    pub fn leaving(migrator: &Migrator) -> Migrator {
        migrator.leaving()
    }

    /// The schema of a database without the tables of this migrator, and the major release of the server that wrote it.
    ///
    /// # Errors
    ///
    /// Those of [`Migrator::read_schema`].
    #[cfg(feature = "schema")]
    pub async fn read_with_release(
        migrator: &Migrator,
        target: impl crate::Target,
    ) -> Result<(lockgate_schema::Schema, Option<u32>), crate::Error> {
        migrator.read_with_release(target).await
    }

    /// A migrator of one of these databases: profiles and variables may be those of another one.
    #[cfg(feature = "databases")]
    #[must_use]
    pub fn among(migrator: Migrator, databases: &'static crate::Databases) -> Migrator {
        migrator.among(databases)
    }

    /// A migrator that runs the scripts of every profile: on a throwaway database.
    #[must_use]
    pub fn of_every_profile(migrator: &Migrator) -> Migrator {
        migrator.with_set(|set| set.with_all_profiles())
    }

    /// The names of the tables that a migrator keeps: the history and its log.
    pub fn history_tables(migrator: &Migrator) -> Vec<String> {
        migrator.history_tables()
    }

    /// Loads the seed with this id, even if another one is newer.
    ///
    /// # Errors
    ///
    /// As for `Migrator::load_seed`.
    #[cfg(feature = "operations")]
    pub async fn load_seed(
        migrator: &Migrator,
        database: &mut crate::Database,
        id: &str,
    ) -> Result<crate::Report, crate::Error> {
        migrator.load_seed_of(database, Some(id)).await
    }

    /// A migrator that runs the migrations of every profile, and no repeatable script: to test the migrations alone.
    #[must_use]
    pub fn of_migrations(migrator: &Migrator) -> Migrator {
        migrator.with_set(|set| set.with_all_profiles().with_companions(&[]))
    }

    /// The URL of the same database, which does not create a missing SQLite file.
    pub fn existing(url: &str) -> String {
        crate::wait::existing(url)
    }

    /// The URL with these parts instead of its own. `None` if it is not a valid URL of PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn with_parts(url: &str, parts: &crate::DatabaseParts) -> Option<String> {
        crate::url::with_parts(url, parts)
    }

    /// The same, in a build without PostgreSQL.
    #[cfg(not(feature = "postgres"))]
    pub fn with_parts(_: &str, _: &crate::DatabaseParts) -> Option<String> {
        None
    }

    /// The password in a file that this option or variable names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the file cannot be read, or does not hold one line.
    pub fn password_in(file: &std::path::Path, source: &str) -> Result<String, crate::Error> {
        crate::parts::password_in(file, source)
    }

    /// A URL as the driver understands it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the driver would not understand a part of it, or ignore it.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub fn understood(url: &str) -> Result<String, crate::Error> {
        crate::url::understood(url)
    }

    /// The same, in a build without a database.
    #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
    pub fn understood(url: &str) -> Result<String, crate::Error> {
        Ok(url.to_owned())
    }

    /// The same text, with `***` for each secret of this URL.
    pub fn masked(text: &str, url: &str) -> String {
        crate::secret::secrets(url).iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    /// The file of a SQLite URL. `None` if the database is in memory, or of another kind.
    #[cfg(feature = "sqlite")]
    pub fn file_of(url: &str) -> Option<std::path::PathBuf> {
        let (path, parameters) = url.starts_with("sqlite:").then(|| crate::url::file(url))?;
        let is_in_memory = parameters.iter().any(|(key, value)| key == "mode" && value == "memory");
        (!path.is_empty() && path != ":memory:" && !is_in_memory).then(|| path.into())
    }

    /// The name under which a migrator records its set.
    pub fn name_of_set(migrator: &Migrator) -> &str {
        migrator.name_of_set()
    }

    /// The same migrator without a required stage: for a copy of a database, which is not marked yet.
    #[must_use]
    pub fn of_any_stage(migrator: &Migrator) -> Migrator {
        migrator.of_any_stage()
    }

    /// The stage of a database whose content is about to be replaced or dropped as a whole.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) at a protected stage without an override, and if the migrator
    /// requires another stage.
    pub async fn may_replace(
        migrator: &Migrator,
        target: impl crate::Target,
    ) -> Result<Option<crate::Stage>, crate::Error> {
        migrator.may_replace(target).await
    }

    /// Logs that a database was replaced because of an override. If the database has no log, this does nothing.
    ///
    /// # Errors
    ///
    /// As for [`Migrator::apply`].
    pub async fn log_replaced(
        migrator: &Migrator,
        target: impl crate::Target,
        detail: &str,
    ) -> Result<(), crate::Error> {
        migrator.log_replaced(target, detail).await
    }

    /// The value of `embed_migrations!(databases)`.
    pub const fn databases(
        each: &'static [crate::DatabaseMigrations],
        mirror: Option<&'static str>,
    ) -> crate::Databases {
        crate::Databases::from_parts(each).with_mirror(mirror)
    }

    /// The patches of one database, for [`databases`].
    pub const fn database(
        name: &'static str,
        bootstraps: Migrations,
        migrations: Migrations,
    ) -> crate::DatabaseMigrations {
        crate::DatabaseMigrations::from_parts(name, bootstraps, migrations)
    }

    /// The value of `embed_migrations!()`.
    pub const fn migrations(set: Set, steps: &'static [RustStep]) -> Migrations {
        Migrations::from_parts(set, steps)
    }
}
