//! A command line for your own program, with commands for the migrations that are embedded in it.
//!
//! The shortest program:
//!
//! ```no_run
//! # static MIGRATIONS: lockgate::Migrations = lockgate::Migrations::EMPTY;
//! use std::process::ExitCode;
//!
//! // static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!();
//!
//! fn main() -> ExitCode {
//!     lockgate_cli::main(&MIGRATIONS)
//! }
//! ```
//!
//! A program can also add these commands (verbs) to its own; [`Cli`] shows how.
//!
//! # Exit codes
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, or nothing to do |
//! | 1 | failed: a migration, or the connection in the middle of a run |
//! | 2 | usage: the arguments or the database URL are invalid |
//! | 3 | refused: nothing ran, because the program and the history differ, the requested version cannot be reached, or a person must decide; or `drift --schema` cannot tell. `status` also ends so if `up` would be refused |
//! | 4 | unreachable: the database does not answer or does not exist |
//! | 5 | busy: another run holds the lock or went first; try again |
//! | 6 | denied: wrong credentials, a missing privilege, or a read-only database |
//! | 7 | not ready: `wait` gave up, or `ready` found that not every migration is applied |
//! | 8 | partial: `wait` gave up, or `ready` found that a migration has stopped half way |
//! | 9 | drift: the database differs from the program, as `drift` found |
//! | 10 | nothing to do, if `--exit-code` asks for this code |
//!
//! `sql` ends with the exit code of the client, once the client has started.
//!
//! # Output
//!
//! With `--format json`, standard output contains only JSON lines: the events of a run, and at the end exactly one line
//! of the type `result` or `error`. The format has a version, and fields are only added. The feature `json-schema` adds
//! the command `json-schema`, which prints the JSON Schema of a line.
//!
//! With the default format, text, the result goes to standard output, and notes and errors go to standard error.
//! Colours and progress lines appear only on terminals, and `NO_COLOR` turns colours off. If the reader of a pipe ends
//! early (`app up | head -1`), the run continues. No password is ever shown: not in the URL, not in an error, not in
//! the help.

#![deny(missing_docs)]

mod answer;
mod bar;
mod cli;
mod command_error;
mod confirm;
mod connect;
#[cfg(feature = "postgres")]
pub mod databases;
mod duration;
mod exit;
#[cfg(feature = "files")]
mod files;
mod format;
mod invocation;
#[cfg(feature = "backup")]
mod kept;
mod migration_ref;
mod options;
mod output;
mod render;
mod signal;
#[cfg(feature = "backup")]
mod tunnel;
mod url;
pub mod verb;
mod watch;

use std::process::ExitCode;

use lockgate::Migrations;

/// The clap release that this crate uses, for programs with commands of their own.
pub use clap;

pub use cli::Cli;
#[cfg(feature = "postgres")]
pub use databases::DatabasesCli;
pub use exit::Exit;
pub use format::Format;
pub use migration_ref::MigrationRef;
pub use options::{Options, TimeLimit};
pub use url::DatabaseUrl;
pub use verb::Verb;

/// Runs the whole program: reads the arguments, runs the command and returns the exit code.
///
/// It starts its own asynchronous runtime and blocks. In asynchronous code, use [`Cli::run`].
pub fn main(migrations: &'static Migrations) -> ExitCode {
    Cli::new(migrations).main()
}
