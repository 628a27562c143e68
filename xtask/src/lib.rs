//! The developers' commands of Lockgate: create, check, freeze and renumber migrations, and run their tests on real
//! servers.
//!
//! Add a member crate `xtask` to your workspace that depends on this crate, with this `main`:
//!
//! ```no_run
//! # mod xtask {
//! fn main() -> std::process::ExitCode {
//!     lockgate_xtask::main()
//! }
//! # }
//! ```
//!
//! and an alias in `.cargo/config.toml`:
//!
//! ```toml
//! [alias]
//! xtask = "run --quiet --package xtask --"
//! ```
//!
//! Then everyone who works on the workspace uses the same release. Or install the program on your machine, with
//! `cargo install lockgate-xtask`, and run it as `cargo lockgate`. `cargo lockgate init` then writes the alias
//! `xtask = "lockgate xtask"`.
//!
//! # Which migrations
//!
//! The commands work on the package whose directory has a `migrations/` folder. If there are several, choose one with
//! `--package`. If a package embeds another folder, its `Cargo.toml` must name it, with the path that
//! `embed_migrations!` has:
//!
//! ```toml
//! [package.metadata.lockgate]
//! migrations = "../../migrations"
//! ```
//!
//! The tests of migrations are in `tests/migrations/` of the package.
//!
//! # Exit codes
//!
//! 0: success. 1: problems were found, or the command refused to run; nothing was changed. 2: the command line is wrong,
//! or the command failed (no such package, a file that cannot be written). `test` exits with the code of the test runner.
//!
//! # Features
//!
//! The default features are enough for daily work, and compile in a third of the time. `full` enables all of these:
//!
//! * `grammar`: `check` parses SQL with the grammars of PostgreSQL and SQLite, as the compiler always does.
//! * `replay`: if `migrations.toml` names `sqlite` among its dialects, `check` runs the whole set on an in-memory SQLite,
//!   and reports failures as `replay` (`cargo xtask explain replay`). A workspace has one `libsqlite3-sys`, so this is the
//!   SQLite that its programs embed. `--no-replay` turns it off. A build script replays with `lockgate_build::replay`.
//! * `schema`: the command `schema`.
//! * `trace`: `check --trace`.
//!
//! # Machine-readable output of `check`
//!
//! With `--format json` or `--format sarif`, stdout is one document, and messages for people go to stderr. The exit codes
//! are the same; with exit code 2 there is no document.
//!
//! `sarif` is [SARIF 2.1.0](https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html): each code is a rule with
//! its page, each finding is a result with its region, and paths are relative to the root of the workspace, `%SRCROOT%`.
//! Columns count Unicode code points.
//!
//! `json` is Lockgate's own format. While `version` is 1, keys and codes may be added but are never removed:
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
//! `severity` is `error`, `warning` or `note`. `replay` is a summary of the replay, for people. `trace` has the results of
//! `--trace`:
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
//! It lists the drafts that ran, and what they did to relations that existed before each. `lock` is the strongest lock
//! that is held on the relation after the statement; `lock` and `blocks` are `null` if it could not be observed. `indexes`
//! are the indexes that were built. `server` is `null` if nothing ran, and `summary` says why. The tables are empty: a
//! scan of an empty table still counts as a scan, as does the read of a table that is rewritten.
//!
//! `file` is relative to the root of the workspace, with forward slashes. Lines and columns count from 1, columns in
//! characters, and the end is exclusive. Some values can be `null`: the four positions, if a finding is about a whole file;
//! `label`, if there is no text at the caret; and `package`, if no package embeds the folder.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod changes;
mod cli;
mod command;
#[cfg(feature = "schema")]
mod desired;
mod failure;
mod git;
mod invocation;
#[cfg(any(feature = "schema", feature = "trace"))]
mod missing_role;
mod program;
mod project;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "schema")]
mod structs;
#[cfg(feature = "schema")]
mod throwaway;
#[cfg(feature = "trace")]
mod trace;

pub use cli::{cargo_main, main};
use lockgate_source::scripts;

/// Shared with the research commands of Lockgate's own workspace. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use crate::cli::end;
    #[cfg(feature = "schema")]
    pub use crate::command::generate::rows;
    pub use crate::failure::Failure;
    #[cfg(feature = "schema")]
    pub use crate::schema::migrated;
    #[cfg(feature = "trace")]
    pub use crate::trace::{Difference, Draft, Effect, Traced, trace};
}
