//! The operators' command line of Lockgate, embedded in your own program: the migrations that it
//! runs are the ones that the program was compiled with.
//!
//! The shortest program is nothing but Lockgate:
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
//! A program with commands of its own puts them beside Lockgate's; [`Cli`] shows how.
//!
//! # Exit codes
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, also where there was nothing to do |
//! | 1 | failed: a migration, or the connection in the middle of a run |
//! | 2 | usage: the arguments or the database URL make no sense |
//! | 3 | refused: nothing ran; set and history differ, or there is no way to the destination. `status` ends so too where `up` would be refused |
//! | 4 | unreachable: the database does not answer or does not exist |
//! | 5 | busy: another run holds the lock or went first; try again |
//! | 6 | denied: wrong credentials, a missing privilege, or a read-only database |
//!
//! # Output
//!
//! The answer goes to standard output, remarks and errors to standard error. Colours and lines
//! that are written over are for terminals alone, and `NO_COLOR` is honoured. A reader that goes
//! away (`app up | head -1`) does not stop a run. No password is ever shown: not that of the URL,
//! not in an error, not in the help.

#![deny(missing_docs)]

mod cli;
mod context;
mod duration;
mod exit;
mod options;
mod problem;
mod render;
mod screen;
mod signal;
mod url;
pub mod verb;
mod wanted;

use std::process::ExitCode;

use lockgate::Migrations;

/// The parser of command lines, so that a program with commands of its own uses the same release.
pub use clap;

pub use cli::Cli;
pub use exit::Exit;
pub use options::{Options, TimeLimit};
pub use url::DatabaseUrl;
pub use verb::Verb;
pub use wanted::Wanted;

/// A whole program: reads the arguments, runs the verb and says how it ended.
///
/// It makes its own asynchronous runtime and waits for it; asynchronous code uses [`Cli::run`].
pub fn main(migrations: &'static Migrations) -> ExitCode {
    Cli::new(migrations).main()
}
