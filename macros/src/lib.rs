//! The macros of Lockgate: `embed_migrations!` checks a folder of migrations at compile time and embeds it as a constant;
//! `migration_tests!` makes a test for each migration; `#[test]` gives a test its own database.
//!
//! Use them through the crates `lockgate` and `lockgate-harness`. `lockgate-source` reads and checks the folder. This crate
//! only turns the result into code: `args` parses the arguments, `expand` emits the embedded migrations, `tests` the tests,
//! `attribute` a single test, and `fallback` the output after an error.

#![deny(missing_docs)]

mod args;
mod attribute;
mod expand;
mod fallback;
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proc_macro::TokenStream;

/// Embeds a folder of migrations as a constant that can initialize a `static`.
///
/// ```ignore
/// use lockgate::{Migrations, embed_migrations};
///
/// static MIGRATIONS: Migrations = embed_migrations!();               // ./migrations of this crate
/// static OTHERS: Migrations = embed_migrations!("../db/migrations"); // relative to this crate's Cargo.toml
/// ```
///
/// Options follow the path, by name:
///
/// * `crate = ::some::path`: the path of the crate `lockgate`, if it is not `::lockgate`.
/// * `database = "billing"`: the database whose migrations are embedded, if a folder with `numbering = "encoded"` has
///   those of several.
/// * `databases`, without a value: a folder with `numbering = "encoded"` is embedded whole, and the value is a
///   `lockgate::Databases` with the migrations of each database.
/// * `tests = "path"`: the folder of the migrations' tests, if it is not `tests/migrations`.
///
/// # Errors
///
/// Each problem in the folder is a compile error with file, line and column, the line itself, and what to do. All problems
/// are reported at once. After an error the value is an empty set, so that the error does not cause others where the value
/// is used.
///
/// # Rebuilding
///
/// Cargo rebuilds the crate after an edit of an embedded file, of `migrations.toml` or of `migrations.lock`. It notices a
/// new file if the crate has a build script that calls `lockgate_build::watch()`, or if the lockfile has changed too, as
/// with `cargo xtask new-migration`.
///
/// Cargo compares modification times. A file that is replaced by one with an older time (`cp -p`, a cache that is restored
/// in CI) does not cause a rebuild, even with a build script. After such a copy, run
/// `find migrations -type f -exec touch {} +`. The test `embedded_is_what_is_on_disk` of
/// `lockgate_harness::migration_tests!` compares the contents.
#[proc_macro]
pub fn embed_migrations(input: TokenStream) -> TokenStream {
    // A panic is a bug of this macro. The user gets the same output as after any other error.
    catch_unwind(AssertUnwindSafe(|| expand::embed(input.into()))).unwrap_or_else(fallback::after_panic).into()
}

/// Makes the tests of a folder of migrations: one for each migration and database, and those of the whole set.
///
/// Call it in `tests/migrations/main.rs`, next to a file for each migration:
///
/// ```ignore
/// lockgate_harness::migration_tests!();                       // ./migrations of this crate
/// lockgate_harness::migration_tests!("../db/migrations");     // relative to this crate's Cargo.toml
/// ```
///
/// Options follow the path, by name:
///
/// * `dialects = ["sqlite"]`: the dialects to test on, if `migrations.toml` names none, or fewer of those that it names.
/// * `database = "billing"`: the database whose migrations are tested, if the folder has those of several.
/// * `empty_tables = ["sessions"]`: tables that are meant to have no row after the last migration.
/// * `tolerate = [ColumnOrder]`: classes of differences that a down script may leave.
/// * `tests = "path"`: the folder of the tests, if it is not `tests/migrations`.
/// * `crate = ::some::path`: the path of the crate `lockgate_harness`.
///
/// The documentation of `lockgate-harness` says how to write a test.
///
/// # Errors
///
/// As for [`embed_migrations!`], and for each problem in a test file. All problems are reported at once.
#[proc_macro]
pub fn migration_tests(input: TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(|| tests::tests(input.into()))).unwrap_or_else(fallback::items_after_panic).into()
}

/// Makes a test of an async function that takes a database: see `lockgate_harness::test`.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(|| attribute::test(arguments.into(), item.into())))
        .unwrap_or_else(fallback::after_panic_in_attribute)
        .into()
}
