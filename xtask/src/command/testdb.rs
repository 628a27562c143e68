//! `cargo xtask testdb`: creates a development database. The package's test program does the work, as the migrations and
//! the functions that insert rows are compiled into it.

use std::env;

use anstream::println;
use lockgate_testing::request::{Request, TESTDB_URL};

use crate::failure::Failure;
use crate::program;
use crate::project::Project;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A database is dropped only if it is marked as a development database: on PostgreSQL by the line \
                  `lockgate: development` in its comment, in SQLite by the `application_id` of the file. `create` marks \
                  the databases that it makes."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Drop and create the database, apply all migrations, and insert the rows of each `fill` in
    /// `tests/migrations` and of `seed(db, random)` in `tests/migrations/seed.rs`.
    Create {
        /// The seed of the random numbers: the same seed gives the same rows
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        target: Target,
    },
    /// Mark an existing database as a development database, so that `create` may drop it.
    Mark {
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The database: `sqlite://dev.db`, `postgres://user@host/database`. Use DATABASE_URL to keep a password out of the
    /// command line
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    url: String,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The test program runs in the package's directory, but a relative file is meant from the current one.
    let from = env::current_dir().map_err(|error| Failure::impossible(format!("the current directory: {error}")))?;
    let (target, request) = match &arguments.verb {
        Verb::Create { seed, target } => (target, Request::CreateTestdb { seed: *seed, from }),
        Verb::Mark { target } => (target, Request::MarkTestdb { from }),
    };
    let package = Project::find()?.package(target.package.as_deref())?;
    println!("{}", program::ask(&package, &request, &[(TESTDB_URL, &target.url)])?);
    Ok(())
}
