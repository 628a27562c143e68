//! `embed_migrations!`: a folder of migrations, checked while compiling, as one constant value.
//!
//! Use it through the crate `lockgate`. What is right and wrong in a folder is decided in
//! `lockgate-source`; here is only what the compiler is told: `args` reads the macro's arguments,
//! `expand` writes its output, `fallback` what stands there after an error.

#![deny(missing_docs)]

mod args;
mod expand;
mod fallback;

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
/// * `database = "billing"`: which database's migrations are embedded, of a folder with `numbering =
///   "encoded"` that has those of several.
/// * `crate = ::some::path`: where the crate `lockgate` is, if it is not `::lockgate`.
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
#[proc_macro]
pub fn embed_migrations(input: TokenStream) -> TokenStream {
    // Nothing in here panics on purpose. Should it happen, the user gets an error and a value like
    // after any other error.
    catch_unwind(AssertUnwindSafe(|| expand::embed(input.into()))).unwrap_or_else(fallback::after_panic).into()
}
