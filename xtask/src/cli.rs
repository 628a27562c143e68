//! The command line, and the dispatch to the commands.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anstream::eprintln;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::command;
use crate::failure::Failure;
use crate::invocation::{self, Invocation};

/// Lockgate's commands for developers.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 success; 1 problems were found, or the command refused; 2 the command failed."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The documentation of a command is its short help. Longer text belongs into the `after_help` of its arguments.
#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a package for migrations.
    Init(command::init::Arguments),
    /// Rename and split the files of another tool, and write tests for them.
    Adopt(command::adopt::Arguments),
    /// Write the files of a new migration, its test, and its line in the lockfile.
    NewMigration(command::new_migration::Arguments),
    /// Draft the migration that leads to the desired schema, and prove it on a throwaway database.
    #[cfg(feature = "schema")]
    Generate(command::generate::Arguments),
    /// Draft the migration that leads to the desired schema. (Not in this build.)
    #[cfg(not(feature = "schema"))]
    Generate(NotBuilt),
    /// Write the test of a migration that has none.
    NewTest(command::new_test::Arguments),
    /// Check everything that the compiler checks, and run the migrations on an in-memory SQLite.
    Check(command::check::Arguments),
    /// Explain a code, a directive or a key of the policy; without an argument, list all of them.
    Explain(command::explain::Arguments),
    /// Record in the lockfile that all migrations are released.
    Freeze(command::freeze::Arguments),
    /// Give drafts new numbers after a merge.
    Renumber(command::renumber::Arguments),
    /// Record the new text of a released migration that no database has applied.
    Amend(command::amend::Arguments),
    /// Merge two versions of a lockfile; git runs this, once `init` has set it up.
    MergeLockfile(command::merge_lockfile::Arguments),
    /// Show the schema that the migrations create, as a text to check in or as a picture, or write its documentation.
    #[cfg(feature = "schema")]
    Schema(command::schema::Arguments),
    /// Show the schema that the migrations create. (Not in this build.)
    #[cfg(not(feature = "schema"))]
    Schema(NotBuilt),
    /// Compare a live database with what the migrations make, and draft both ways out of a difference.
    #[cfg(feature = "schema")]
    Drift(command::drift::Arguments),
    /// Compare a live database with what the migrations make. (Not in this build.)
    #[cfg(not(feature = "schema"))]
    Drift(NotBuilt),
    /// Run all tests, with a throwaway PostgreSQL server where the workspace needs one.
    Test(command::test::Arguments),
    /// Write the files that run the migrations on Kubernetes, with compose, by systemd, or in CI.
    Deploy(command::deploy::Arguments),
    /// Start a development database with all migrations and test rows, and print its URL.
    Dev(command::dev::Arguments),
    /// Create a development database, or mark one as such.
    Testdb(command::testdb::Arguments),
}

/// Runs the command line. This is the whole `main` of a workspace's own `xtask`.
pub fn main() -> ExitCode {
    run(Invocation::Xtask, std::env::args_os())
}

/// Runs the command line of the program `cargo-lockgate`, which cargo runs for `cargo lockgate`.
pub fn cargo_main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let invocation = Invocation::take(&mut arguments);
    run(invocation, arguments.into_iter())
}

/// The arguments of a command that this build does not have.
#[cfg(not(feature = "schema"))]
#[derive(Debug, clap::Args)]
struct NotBuilt {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _arguments: Vec<OsString>,
}

fn run(invocation: Invocation, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    invocation.set();
    let command = Cli::command().name(invocation.program()).bin_name(invocation.program());
    let cli = Cli::from_arg_matches(&command.get_matches_from(arguments)).unwrap_or_else(|error| error.exit());
    let outcome = match cli.command {
        Command::Init(arguments) => command::init::run(&arguments, invocation),
        Command::Adopt(arguments) => command::adopt::run(&arguments, invocation),
        Command::NewMigration(arguments) => command::new_migration::run(&arguments),
        #[cfg(feature = "schema")]
        Command::Generate(arguments) => command::generate::run(&arguments),
        #[cfg(not(feature = "schema"))]
        Command::Generate(_) => Err(Failure::impossible(
            "this build has no `generate`: type `cargo install --path lockgate/xtask --features full`, where `lockgate` is your clone",
        )),
        Command::NewTest(arguments) => command::new_test::run(&arguments),
        Command::Check(arguments) => command::check::run(&arguments),
        Command::Explain(arguments) => command::explain::run(&arguments),
        Command::Freeze(arguments) => command::freeze::run(&arguments),
        Command::Renumber(arguments) => command::renumber::run(&arguments),
        Command::Amend(arguments) => command::amend::run(&arguments),
        Command::MergeLockfile(arguments) => command::merge_lockfile::run(&arguments),
        #[cfg(feature = "schema")]
        Command::Schema(arguments) => command::schema::run(&arguments),
        #[cfg(not(feature = "schema"))]
        Command::Schema(_) => Err(Failure::impossible(
            "this build has no `schema`: type `cargo install --path lockgate/xtask --features full`, where `lockgate` is your clone",
        )),
        #[cfg(feature = "schema")]
        Command::Drift(arguments) => command::drift::run(&arguments),
        #[cfg(not(feature = "schema"))]
        Command::Drift(_) => Err(Failure::impossible(
            "this build has no `drift`: type `cargo install --path lockgate/xtask --features full`, where `lockgate` is your clone",
        )),
        Command::Test(arguments) => command::test::run(&arguments),
        Command::Deploy(arguments) => command::deploy::run(&arguments),
        Command::Dev(arguments) => command::dev::run(&arguments),
        Command::Testdb(arguments) => command::testdb::run(&arguments),
    };
    end(outcome)
}

/// Prints why a command failed, if it did, and returns the exit code.
pub fn end(outcome: Result<(), Failure>) -> ExitCode {
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Refused(message) | Failure::Impossible(message) = &failure {
                let message = invocation::with_command_name(message);
                let (red, plain) = (anstyle::AnsiColor::Red.on_default().bold(), anstyle::Reset);
                eprintln!("{red}error{plain}: {message}");
            }
            failure.exit_code()
        }
    };
    // A closed pipe is not a failure of the command.
    let _ = std::io::stdout().flush();
    code
}
