//! Measures Lockgate and other migrators: fresh apply, up-to-date start, round trips, compile time, binary size, and
//! databases for tests. Prints one Markdown table. Progress goes to standard error.

mod apply;
mod arguments;
mod backup;
mod compile;
mod contender;
mod migrations;
mod server;
mod startup;
mod table;
mod tests;
#[allow(dead_code, reason = "the tests use what the benchmarks do not")]
#[path = "../../../tests/it/support/wire.rs"]
mod wire;

use std::error::Error;
use std::process::ExitCode;

use arguments::{Arguments, Mode};

/// The result of a step; the error is a message for the person who started the run.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", arguments::HELP);
            return ExitCode::from(2);
        }
    };
    let outcome = match arguments.mode {
        Mode::Apply => apply::run(&arguments),
        Mode::Startup => startup::run(&arguments),
        Mode::Compile => compile::run(&arguments),
        Mode::Tests => tests::run(&arguments),
        Mode::Backup => backup::run(&arguments),
    };
    match outcome {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
