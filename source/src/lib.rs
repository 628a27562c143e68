//! Reads and checks what the user wrote: a folder of migrations, its policy and its lockfile.
//!
//! Runs while compiling (`embed_migrations!`, the build script) and in the xtask; it never reaches
//! the user's program. [`folder::load`] is the way in: it gives a [`folder::Folder`] and every
//! [`Diagnostic`] at once. Files are read in `folder/read.rs` alone, and nothing here knows a clock
//! or a database.

#![deny(missing_docs)]

pub mod checksum;
pub mod convert;
pub mod diagnostic;
pub mod folder;
pub mod id;
pub mod lockfile;
pub mod renumber;
pub mod said;
pub mod scaffold;
pub mod scripts;
mod time;

pub use diagnostic::{Diagnostic, Severity, Style};
pub use folder::policy::{self, Policy};
pub use folder::{Folder, Loaded};
pub use id::Id;
pub use lockfile::Lockfile;

pub use lockgate_core as core;
pub use lockgate_sql as sql;
