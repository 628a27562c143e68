//! Real databases for tests: throwaway servers, a database of its own for each test, and tests of
//! migrations.
//!
//! # Tests of migrations
//!
//! `tests/migrations/main.rs` is one line, and beside it stands a file for each migration:
//!
//! ```ignore
//! lockgate_harness::migration_tests!();
//! ```
//!
//! ```
//! // tests/migrations/0002_add_email.rs
//! use lockgate_harness::{Db, Fails, TestResult};
//!
//! /// What is so before the migration, and no longer after it.
//! pub async fn before(db: &mut Db) -> TestResult {
//!     db.expect_no_column("users", "email").await
//! }
//!
//! /// Rows that are there when it runs. Optional.
//! pub async fn fill(db: &mut Db) -> TestResult {
//!     db.execute("INSERT INTO users (id, name) VALUES (2, 'Ada')").await?;
//!     Ok(())
//! }
//!
//! /// What is so after it, and not yet before it.
//! pub async fn after(db: &mut Db) -> TestResult {
//!     db.is_true("SELECT email = '' FROM users").await?;
//!     db.fails_with(Fails::NotNull, "UPDATE users SET email = NULL").await
//! }
//! # fn main() {}
//! ```
//!
//! Or, in SQL, `0002_add_email.before.sql`, `.after.sql` and `.fill.sql`: in the first two the first column
//! of each statement must be true in every row, and there must be a row.
//!
//! Each migration is walked on each database: fill, before, apply, after, revert, before, apply, after. `before`
//! and `after` must pass where they belong and fail as a whole where they do not; what they do is rolled
//! back. The rows of all fills below are there too, in the order of the migrations. Teardown the way back the
//! schema must be what it was, and the second time, in a session with other settings, must give what the first
//! gave. A migration without a way back is walked up to `after`, and once more, on another database, in the session with
//! other settings.
//!
//! # What becomes of rows
//!
//! No table that is there on both sides may have fewer rows after a step. The rows that stay keep their values, in every
//! column that is there before and after, and after the way back each row is what it was. What a migration
//! means to do is said by its test:
//!
//! * `pub const LOSES_ROWS: &[&str] = &["sessions"];`: rows of these tables go;
//! * `pub const CHANGES_VALUES: &[&str] = &["users.name"];`: the values of these columns are others after it, and come back;
//! * `pub const LOSES_VALUES: &[&str] = &["users.city"];`: the values of these columns do not come back.
//!
//! In SQL these are lines in one of the files: `-- lockgate: loses-rows sessions`, `-- lockgate: changes-values users.name`,
//! `-- lockgate: loses-values users.city`. Columns that the database computes are not compared, and a value in a wider type is what it
//! was. Values are compared where a `fill` has put rows in, or the migration has a test.
//!
//! # Several functions
//!
//! A file may have several functions of each kind, `before_…` and `after_…`, beside or instead of `before` and `after`. Each runs in
//! a transaction of its own. All of them must pass where they belong; on the other side one that fails is enough.
//!
//! # Tests of the set
//!
//! Beside them are the tests of the set: a fresh install, step by step against all at once, a second run,
//! two and eight runners at once, one transaction for all, all the way back, and that every table has a row which a tested migration makes and another migration has met. Tables of another
//! server, whose rows nobody can count, are left out and named.
//!
//! This is a dev-dependency of whoever uses the crate `lockgate`; its features `sqlite` and
//! `postgres` are those of `lockgate`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(
        dead_code,
        unused_variables,
        unreachable_code,
        unreachable_patterns,
        reason = "what one database alone needs is dead without it"
    )
)]

/// The chapter of the guide that is about this crate, so that its code is compiled.
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

/// Makes a test of an asynchronous function that asks for a database: it gets one of its own, with
/// all migrations applied.
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
/// The argument is `sqlx::PgPool` or `sqlx::SqlitePool`, or a [`lockgate::Database`] or
/// [`Throwaway`], which need the option `dialect`. Options stand in brackets by name:
///
/// * `migrations = crate::MIGRATIONS`: the static of `embed_migrations!()`. Without it the folder
///   `migrations` of the crate is embedded, which many tests should not each do;
///   `migrations = "../db/migrations"` embeds another one.
/// * `at = 7`, `at = "0007_tags"`: as far as this migration, that one included.
/// * `before = 7`, `before = "0007_tags"`: as far as the migration before it.
/// * `dialect = "sqlite"` or `"postgres"`, where the type does not say it.
/// * `crate = ::some::path`: where this crate is, if it is not `::lockgate_harness`.
///
/// The test runs on a runtime of its own thread, as under `#[tokio::test]`. It may return what any
/// test may; the attributes `ignore` and `should_panic` stay what they are. Teardown it the pool is closed and
/// the database dropped. A test that fails keeps it, and its place is printed, without a password.
/// Where this machine has no server of the kind, the test is skipped and says so, unless
/// `LOCKGATE_REQUIRE` names it.
pub use lockgate_macros::test;

/// What the output of the macros names. Not for use by hand, and free to change.
#[doc(hidden)]
pub mod __private {
    pub use lockgate::{self, Dialect, Migrations, embed_migrations};

    pub use crate::macro_api::*;
    pub use crate::test::{Stop, Test, run};
    pub use crate::walk::{Moment, Observer, WalkOutcome, walk as walk_migration, walk_observed};
}

/// NoTemplate, as this build can test on SQLite.
#[cfg(feature = "sqlite")]
#[doc(hidden)]
#[macro_export]
macro_rules! __requires_sqlite {
    () => {};
}

/// An error, as this build cannot test on SQLite.
#[cfg(not(feature = "sqlite"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __requires_sqlite {
    () => {
        ::core::compile_error! {
            "the folder is for SQLite, and this build of `lockgate-harness` is not: write `lockgate-harness = { version = \"…\", features = [\"sqlite\"] }` into `[dev-dependencies]`, or name the others: `migration_tests!(dialects = […])`"
        }
    };
}

/// NoTemplate, as this build can test on PostgreSQL.
#[cfg(feature = "postgres")]
#[doc(hidden)]
#[macro_export]
macro_rules! __requires_postgres {
    () => {};
}

/// An error, as this build cannot test on PostgreSQL.
#[cfg(not(feature = "postgres"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __requires_postgres {
    () => {
        ::core::compile_error! {
            "the folder is for PostgreSQL, and this build of `lockgate-harness` is not: write `lockgate-harness = { version = \"…\", features = [\"postgres\"] }` into `[dev-dependencies]`, or name the others: `migration_tests!(dialects = […])`"
        }
    };
}
