//! The developers' commands of Lockgate: make, freeze, renumber and check migrations, and run tests
//! on real servers.
//!
//! A workspace gets them as a member crate `xtask` that depends on this one, whose `main` is
//!
//! ```no_run
//! # mod xtask {
//! fn main() -> std::process::ExitCode {
//!     lockgate_xtask::main()
//! }
//! # }
//! ```
//!
//! and by an alias in `.cargo/config.toml`:
//!
//! ```toml
//! [alias]
//! xtask = "run --quiet --package xtask --"
//! ```
//!
//! # Which migrations
//!
//! The commands work on the package whose directory has a `migrations/` folder; `--package` chooses
//! where there are several. A package that embeds a folder elsewhere says so in its `Cargo.toml`,
//! with the path that it gives to `embed_migrations!`:
//!
//! ```toml
//! [package.metadata.lockgate]
//! migrations = "../../migrations"
//! ```
//!
//! Tests of migrations are in `tests/migrations/` of the package.
//!
//! # Exit codes
//!
//! 0: done, nothing found. 1: problems were found, or a request was refused; nothing was changed.
//! 2: the command line was not understood, or the work could not be done (no such package, a file
//! that cannot be written). `test` passes on the code of the test runner.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod changes;
mod cli;
mod command;
mod failure;
mod project;
pub mod server;

pub use cli::main;
