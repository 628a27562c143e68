//! `cargo xtask` of Lockgate's own workspace: the developers' commands of every project, and research on Lockgate itself.

mod corpus;
mod drafts;
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
    /// Run published sets of migrations.
    Corpus(corpus::Arguments),
    /// Draft each migration of published sets from the schemas before and after it, and back.
    Drafts(drafts::Arguments),
    /// Compare the grammar check with PostgreSQL's own grammar.
    Oracle(oracle::Arguments),
    /// Cause faults in runs of migrations, and check the databases afterwards.
    Faults(faults::Arguments),
}

fn main() -> ExitCode {
    let is_research = |word: String| matches!(word.as_str(), "corpus" | "drafts" | "oracle" | "faults");
    if !env::args().nth(1).is_some_and(is_research) {
        return lockgate_xtask::main();
    }
    lockgate_xtask::__private::end(match Research::parse() {
        Research::Corpus(arguments) => corpus::run(&arguments),
        Research::Drafts(arguments) => drafts::run(&arguments),
        Research::Oracle(arguments) => oracle::run(&arguments),
        Research::Faults(arguments) => faults::run(&arguments),
    })
}
