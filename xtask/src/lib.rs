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
//! So all who work on it have the same release. Or the program is installed on the machine, as
//! `cargo lockgate` (`cargo install lockgate-xtask`), and `cargo lockgate init` writes the alias
//! `xtask = "lockgate xtask"`.
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
//!
//! # Features
//!
//! By default this crate has what daily work needs, and compiles in a third of the time. `full` is all of these:
//!
//! * `grammar`: `check` parses SQL by the grammars of PostgreSQL and SQLite, as the compiler does in any case.
//! * `replay`: where `migrations.toml` names `sqlite` among its dialects, `check` runs the whole set on an SQLite
//!   in memory and shows what fails there as `replay` (`cargo xtask explain replay`). It is the SQLite that the
//!   workspace's programs embed, as a workspace has one `libsqlite3-sys`. `--no-replay` leaves it out. A build script
//!   replays with `lockgate_build::replay`.
//! * `schema`: the command of this name.
//! * `trace`: `check --trace`.
//!
//! # What `check` says to programs
//!
//! With `--format json` or `--format sarif` stdout carries one document and nothing else, and what is
//! for people goes to stderr. The exit codes are the same; after a 2 there is no document.
//!
//! `sarif` is [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html): every
//! code is a rule with its page, every finding a result with its region, and paths are relative to
//! the root of the workspace, which is `%SRCROOT%`. Columns count Unicode code points.
//!
//! `json` is Lockgate's own. Keys are only ever added while `version` is 1, and so are codes:
//!
//! ```json
//! {
//!   "version": 1,
//!   "errors": 1,
//!   "warnings": 0,
//!   "notes": 0,
//!   "folders": [
//!     { "folder": "migrations", "package": "app", "migrations": 2, "released": 1, "replay": null, "trace": null }
//!   ],
//!   "problems": [
//!     {
//!       "code": "unknown-directive",
//!       "severity": "error",
//!       "file": "migrations/0002_tags.up.sql",
//!       "line": 1,
//!       "column": 14,
//!       "end_line": 1,
//!       "end_column": 27,
//!       "message": "there is no directive `no-transation`",
//!       "label": null,
//!       "help": ["did you mean `no-transaction`?"]
//!     }
//!   ]
//! }
//! ```
//!
//! `severity` is `error`, `warning` or `note`. `replay` is what a replay did, for people. `trace` is what `--trace` found:
//!
//! ```json
//! {
//!   "summary": "traced on PostgreSQL 17.2: 2 up",
//!   "server": "17.2",
//!   "migrations": [
//!     {
//!       "id": "0002_add_token",
//!       "file": "migrations/0002_add_token.up.sql",
//!       "transactional": true,
//!       "effects": [
//!         {
//!           "line": 1,
//!           "column": 1,
//!           "relation": "public.users",
//!           "kind": "table",
//!           "lock": "ACCESS EXCLUSIVE",
//!           "blocks": "reads and writes",
//!           "rewritten": true,
//!           "scanned": true,
//!           "indexes": []
//!         }
//!       ]
//!     }
//!   ]
//! }
//! ```
//!
//! It has the drafts that ran, and what they did to relations that were there before each. `lock` is the strongest
//! one that is held on the relation behind the statement, and `null` with `blocks` where it could not be seen; `indexes`
//! are those that were built. `server` is `null` where nothing ran, and `summary` says why. The tables are empty there: a
//! scan of one still counts as a scan, and a table that is rewritten is read for it.
//!
//! `file` is relative to the root of the workspace, with forward
//! slashes. Lines and columns count from 1, columns in characters, and the end is behind the last one;
//! the four are `null` where a finding is about a file as a whole, `label` where there is nothing to say
//! beside the caret, and `package` where a folder belongs to none.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod called;
mod changes;
mod cli;
mod command;
mod failure;
mod git;
mod program;
mod project;
#[cfg(any(feature = "schema", feature = "trace"))]
mod role;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "trace")]
mod trace;

pub use cli::{cargo_main, main};
#[cfg(any(feature = "schema", feature = "trace"))]
use lockgate_source::scripts;

/// What the research commands of Lockgate's own workspace share with these. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::cli::end;
    pub use crate::failure::Failure;
    #[cfg(feature = "trace")]
    pub use crate::trace::{Difference, Draft, Effect, Traced, trace};
}
