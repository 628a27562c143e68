//! `embed_migrations!`: a folder of migrations, checked while compiling, as one constant value; and
//! `migration_tests!`: a test for each of them.
//!
//! Use the one through the crate `lockgate` and the other through `lockgate-harness`. What is right and
//! wrong in a folder is decided in `lockgate-source`; here is only what the compiler is told: `args`
//! reads the arguments, `expand` writes what is embedded, `tests` the tests, `fallback` what stands
//! there after an error.

#![deny(missing_docs)]

mod args;
mod attribute;
mod expand;
mod fallback;
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proc_macro::TokenStream;

/// Embeds a folder of migrations: one value of `'static` data that can initialise a `static`.
///
/// ```ignore
/// use lockgate::{Migrations, embed_migrations};
///
/// static MIGRATIONS: Migrations = embed_migrations!();               // ./migrations of this crate
/// static OTHERS: Migrations = embed_migrations!("../db/migrations"); // relative to this crate's Cargo.toml
/// ```
///
/// Behind the path stand options by name:
///
/// * `crate = ::some::path`: where the crate `lockgate` is, if it is not `::lockgate`;
/// * `database = "billing"`: which database's migrations are embedded, of a folder with `numbering =
///   "encoded"` that has those of several;
/// * `tests = "path"`: where the tests of the migrations are, if it is not `tests/migrations`.
///
/// # Errors
///
/// Each problem of the folder is a compile error that shows file, line and column, the line itself
/// and the way out; all of them are reported at once. After an error the value is an empty set, so
/// that one mistake is not reported again wherever the value is used.
///
/// # Rebuilding
///
/// An edit of an embedded file, of `migrations.toml` or of `migrations.lock` builds the crate again.
/// A file that is new does so if the crate has a build script that calls `lockgate_build::watch()`,
/// or if the lockfile was changed with it, as `cargo xtask new-migration` does.
///
/// Cargo goes by the time at which a file was changed. One that is replaced by a file with an older time
/// (`cp -p`, a cache that is restored in CI) builds nothing, with a build script or without: type
/// `find migrations -type f -exec touch {} +` after such a copy. The test `embedded_is_what_is_on_disk` of
/// `lockgate_harness::migration_tests!` compares the contents.
#[proc_macro]
pub fn embed_migrations(input: TokenStream) -> TokenStream {
    // Nothing in here panics on purpose. Should it happen, the user gets an error and a value like
    // after any other error.
    catch_unwind(AssertUnwindSafe(|| expand::embed(input.into()))).unwrap_or_else(fallback::after_panic).into()
}

/// Tests of migrations: one for each of a folder and each database, and those of the folder as a whole.
///
/// It stands in `tests/migrations/main.rs`, beside one file for each migration:
///
/// ```ignore
/// lockgate_harness::migration_tests!();                       // ./migrations of this crate
/// lockgate_harness::migration_tests!("../db/migrations");     // relative to this crate's Cargo.toml
/// ```
///
/// Behind the path stand options by name:
///
/// * `dialects = ["sqlite"]`: the databases to test on, where `migrations.toml` names none, or fewer of them;
/// * `database = "billing"`: which database's migrations are tested, of a folder with those of several;
/// * `empty_tables = ["sessions"]`: tables that have no row at the end on purpose;
/// * `tolerate = [ColumnOrder]`: classes of differences that the way back may leave;
/// * `tests = "path"`: where the tests are, if it is not `tests/migrations`;
/// * `crate = ::some::path`: where the crate `lockgate_harness` is.
///
/// What a test of a migration is made of, the crate `lockgate-harness` says.
///
/// # Errors
///
/// As for [`embed_migrations!`], and each problem of a test's file: all of them at once.
#[proc_macro]
pub fn migration_tests(input: TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(|| tests::tests(input.into()))).unwrap_or_else(fallback::items_after_panic).into()
}

/// Makes a test of a function that asks for a database: see `lockgate_harness::test`, through which
/// it is used.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(|| attribute::test(arguments.into(), item.into())))
        .unwrap_or_else(fallback::after_panic_in_attribute)
        .into()
}
