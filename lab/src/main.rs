//! `cargo xtask` in Lockgate's own workspace: the developers' commands that every project has, and research on Lockgate
//! itself.

mod corpus;
mod faults;
mod oracle;
mod workspace;

use std::env;
use std::process::ExitCode;

use clap::Parser;

/// Research on Lockgate itself.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Research {
    /// Try published sets of migrations.
    Corpus(corpus::Arguments),
    /// Hold the grammar check against PostgreSQL's own grammar.
    Oracle(oracle::Arguments),
    /// Kill, cut off and starve runs of migrations, and look at what is left.
    Faults(faults::Arguments),
}

fn main() -> ExitCode {
    let is_research = |word: String| matches!(word.as_str(), "corpus" | "oracle" | "faults");
    if !env::args().nth(1).is_some_and(is_research) {
        return lockgate_xtask::main();
    }
    lockgate_xtask::__private::end(match Research::parse() {
        Research::Corpus(arguments) => corpus::run(&arguments),
        Research::Oracle(arguments) => oracle::run(&arguments),
        Research::Faults(arguments) => faults::run(&arguments),
    })
}
