//! Tests on real databases: throwaway servers, a database for each test, and tests of migrations.
//!
//! # Tests of migrations
//!
//! `tests/migrations/main.rs` is one line, and each migration has a file next to it:
//!
//! ```ignore
//! lockgate_harness::migration_tests!();
//! ```
//!
//! ```
//! // tests/migrations/0002_add_email.rs
//! use lockgate_harness::{Db, Fails, TestResult};
//!
//! /// Must pass before the migration, and fail after it.
//! pub async fn before(db: &mut Db) -> TestResult {
//!     db.expect_no_column("users", "email").await
//! }
//!
//! /// Inserts rows before the migration runs. Optional.
//! pub async fn fill(db: &mut Db) -> TestResult {
//!     db.execute("INSERT INTO users (id, name) VALUES (2, 'Ada')").await?;
//!     Ok(())
//! }
//!
//! /// Must pass after the migration, and fail before it.
//! pub async fn after(db: &mut Db) -> TestResult {
//!     db.is_true("SELECT email = '' FROM users").await?;
//!     db.fails_with(Fails::NotNull, "UPDATE users SET email = NULL").await
//! }
//! # fn main() {}
//! ```
//!
//! The same in SQL: `0002_add_email.before.sql`, `.after.sql` and `.fill.sql`. In the first two, each statement must
//! return a row, and its first column must be true in every row.
//!
//! Each migration is tested on a database that has all earlier migrations and the rows of their fills:
//!
//! 1. Run `fill`. Then `before` must pass, and `after` must fail. The changes that these two make are rolled back.
//! 2. Apply the migration. Now `after` must pass, and `before` must fail.
//! 3. Revert it. The schema must be the same as before, and `before` must pass again.
//! 4. Apply it again, in a session with other settings. The result must be the same as the first time.
//!
//! A migration without a down script is not reverted; instead it is applied to a second database, in a session with
//! other settings.
//!
//! # Rows and values
//!
//! A migration must not lose rows or change values, and its down script must restore every row. Columns that the
//! migration drops or adds are not compared, nor are columns that the database computes. A value that was only
//! converted to a wider type counts as unchanged. Values are compared if the migration has a test, or if a `fill`
//! inserted rows. If a migration is meant to lose rows or change values, its test declares that:
//!
//! * `pub const LOSES_ROWS: &[&str] = &["sessions"];`: these tables lose rows.
//! * `pub const CHANGES_VALUES: &[&str] = &["users.name"];`: the migration changes these columns, and its down script
//!   restores them.
//! * `pub const LOSES_VALUES: &[&str] = &["users.city"];`: the down script cannot restore these columns.
//!
//! A test in SQL has one of these lines in any of its files: `-- lockgate: loses-rows sessions`,
//! `-- lockgate: changes-values users.name`, `-- lockgate: loses-values users.city`.
//!
//! # Several functions
//!
//! A file may have several functions `before_…` and `after_…`, next to or instead of `before` and `after`. Each runs in
//! its own transaction. Before the migration, all `before_…` must pass, and at least one `after_…` must fail. After it,
//! all `after_…` must pass, and at least one `before_…` must fail.
//!
//! # Tests of the whole set
//!
//! All migrations are also tested together: applied to an empty database; applied in one run, compared with one run for
//! each; a second run; two and eight runs at the same time; all migrations in one transaction; and all of them
//! reverted. If there are repeatable scripts, they run a second time. A last test checks that each table has a row if a
//! tested migration creates it and a later migration runs on it. It does not check tables on another server, and names
//! them.
//!
//! Use this crate as a dev-dependency next to `lockgate`, with the same features `sqlite` and `postgres`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(
        dead_code,
        unused_variables,
        unreachable_code,
        unreachable_patterns,
        reason = "code for one database is unused in a build without it"
    )
)]

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!(
    "lockgate-harness does not know on which database to test: enable its feature `sqlite` or `postgres`, as for `lockgate`"
);

/// The chapter of the guide about this crate, so that its code is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../guide/testing.md")]
mod guide {}

#[cfg(feature = "postgres")]
mod admin;
mod database;
mod db;
mod error;
mod failing_set;
mod failure;
mod macro_api;
mod migrated_template;
mod migration_test;
mod panic;
#[cfg(feature = "postgres")]
mod postgres;
mod prepare;
mod problem;
#[doc(hidden)]
pub mod request;
mod session;
mod set_tests;
mod skipped;
#[cfg(feature = "sqlite")]
mod sqlite;
mod template;
mod test;
#[doc(hidden)]
pub mod testdb;
mod throwaway;
mod value_changes;
mod walk;

pub use lockgate;
pub use lockgate::schema::Class;
pub use lockgate_macros::migration_tests;
pub use lockgate_testing::server;

pub use db::{Db, Fails, FromText, TextRow};
pub use error::Error;
pub use failure::{Failure, TestResult};
pub use migration_test::Random;
pub use problem::{Phase, Problem};
pub use skipped::skipped;
pub use test::Argument;
pub use throwaway::Throwaway;

/// Turns an async function with one argument, a database, into a test. Each test gets its own database, with all
/// migrations applied.
///
/// ```ignore
/// use sqlx::PgPool;
///
/// #[lockgate_harness::test]
/// async fn a_loan_is_counted(db: PgPool) -> Result<(), sqlx::Error> {
///     sqlx::query("INSERT INTO loan …").execute(&db).await?;
///     Ok(())
/// }
/// ```
///
/// The argument is a `sqlx::PgPool` or `sqlx::SqlitePool`; or a [`lockgate::Database`] or [`Throwaway`], which need the
/// option `dialect`. The options:
///
/// * `migrations = crate::MIGRATIONS`: the static of `embed_migrations!()`. Without this option each test embeds the
///   crate's folder `migrations` itself, which costs compile time if there are many tests.
///   `migrations = "../db/migrations"` embeds another folder.
/// * `at = 7`, `at = "0007_tags"`: apply the migrations up to this one, inclusive.
/// * `before = 7`, `before = "0007_tags"`: apply the migrations before this one.
/// * `dialect = "sqlite"` or `"postgres"`: the kind of database, if the type of the argument does not determine it.
/// * `crate = ::some::path`: the path of this crate, if it is not `::lockgate_harness`.
///
/// The test runs on a current-thread runtime, as under `#[tokio::test]`. It may return what any test may, and the
/// attributes `ignore` and `should_panic` work as usual. After the test the pool is closed and the database dropped. A
/// test that fails keeps its database and prints where it is, without the password. If this machine has no server for
/// that kind of database, the test is reported as skipped, or fails if `LOCKGATE_REQUIRE` names it.
pub use lockgate_macros::test;

/// Names for the output of the macros. Do not use them directly; they may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use lockgate::{self, Dialect, Migrations, embed_migrations};

    pub use crate::macro_api::*;
    pub use crate::test::{Stop, Test, run};
    pub use crate::walk::{Moment, Observer, WalkOutcome, walk as walk_migration, walk_observed};
}

/// Expands to nothing: this build can test on SQLite.
#[cfg(feature = "sqlite")]
#[doc(hidden)]
#[macro_export]
macro_rules! __requires_sqlite {
    () => {};
}

/// A compile error: this build cannot test on SQLite.
#[cfg(not(feature = "sqlite"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __requires_sqlite {
    () => {
        ::core::compile_error! {
            "the folder is for SQLite, but this build of `lockgate-harness` is not: write `lockgate-harness = { version = \"…\", features = [\"sqlite\"] }` into `[dev-dependencies]`, or name the other dialects: `migration_tests!(dialects = […])`"
        }
    };
}

/// Expands to nothing: this build can test on PostgreSQL.
#[cfg(feature = "postgres")]
#[doc(hidden)]
#[macro_export]
macro_rules! __requires_postgres {
    () => {};
}

/// A compile error: this build cannot test on PostgreSQL.
#[cfg(not(feature = "postgres"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __requires_postgres {
    () => {
        ::core::compile_error! {
            "the folder is for PostgreSQL, but this build of `lockgate-harness` is not: write `lockgate-harness = { version = \"…\", features = [\"postgres\"] }` into `[dev-dependencies]`, or name the other dialects: `migration_tests!(dialects = […])`"
        }
    };
}
