//! Reads and checks a folder of migrations, its policy (`migrations.toml`) and its lockfile.
//!
//! Start with [`folder::load`]: it returns a [`folder::Folder`] and every [`Diagnostic`] at once. This
//! crate runs at compile time (`embed_migrations!`, the build script) and in the xtask. It is not linked
//! into the user's program. Only `folder/read.rs` reads files, and nothing here uses a clock or a database.

#![deny(missing_docs)]

pub mod build_warnings;
pub mod checksum;
#[cfg(feature = "tools")]
pub mod convert;
pub mod desired;
pub mod diagnostic;
pub mod folder;
pub mod id;
pub mod lockfile;
#[cfg(feature = "tools")]
pub mod renumber;
#[cfg(feature = "tools")]
pub mod scaffold;
pub mod scripts;
mod time;

pub use diagnostic::{Code, Color, Diagnostic, Severity};
pub use folder::policy::{self, Policy};
pub use folder::{Folder, Loaded};
pub use id::Id;
pub use lockfile::Lockfile;

pub use lockgate_core as core;
pub use lockgate_sql as sql;
