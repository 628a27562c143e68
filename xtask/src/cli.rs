//! The command line: what can be typed, and which command it goes to.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anstream::eprintln;
use clap::{Parser, Subcommand};

use crate::command;
use crate::failure::Failure;

/// The developers' commands of Lockgate.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all tests, with a throwaway PostgreSQL server where the workspace needs one.
    Test(command::test::Arguments),
}

/// Reads the command line and does what it says. This is all that a workspace's own `xtask` needs.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let outcome = match Cli::parse_from(arguments).command {
        Command::Test(arguments) => command::test::run(&arguments),
    };
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Refused(message) | Failure::Impossible(message) = &failure {
                let (red, plain) = (anstyle::AnsiColor::Red.on_default().bold(), anstyle::Reset);
                eprintln!("{red}error{plain}: {message}");
            }
            failure.exit_code()
        }
    };
    // A closed pipe is the reader's wish, not our failure.
    let _ = std::io::stdout().flush();
    code
}
