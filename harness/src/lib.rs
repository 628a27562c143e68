//! Real databases for tests: throwaway servers, and a database of its own for each test.
//!
//! This is a dev-dependency of whoever uses the crate `lockgate`; its features `sqlite` and
//! `postgres` are those of `lockgate`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(dead_code, reason = "what one database alone needs is dead without it")
)]

mod error;
#[cfg(feature = "postgres")]
mod postgres;
pub mod server;
mod skip;
#[cfg(feature = "sqlite")]
mod sqlite;
mod template;
mod test;
mod throwaway;

pub use error::Error;
pub use skip::skipped;
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
/// test may; `#[ignore]` and `#[should_panic]` stay what they are. Behind it the pool is closed and
/// the database dropped. A test that fails keeps it, and its place is printed, without a password.
/// Where this machine has no server of the kind, the test is skipped and says so, unless
/// `LOCKGATE_REQUIRE` names it.
pub use lockgate_macros::test;

/// What the attribute's output names. Not for use by hand, and free to change.
#[doc(hidden)]
pub mod __private {
    pub use lockgate::{self, Dialect, Migrations, embed_migrations};

    pub use crate::test::{Stop, Test, run};
}
