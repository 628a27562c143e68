//! `cargo xtask testdb`: a database for people, made by the package's test program, which alone has
//! the migrations and the functions that fill it compiled in.

use std::env;

use anstream::println;
use lockgate_testing::request::{Request, TESTDB_URL};

use crate::failure::Failure;
use crate::program;
use crate::project::Project;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A database is dropped only if it is marked for development: on PostgreSQL by the line `lockgate: \
                  development` in its comment, in SQLite by the `application_id` of the file. One that `create` makes \
                  has the mark."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Drop it, make it anew, migrate it to the head, and fill it by the functions `fill` of
    /// `tests/migrations` and by `seed(db, random)` of `tests/migrations/seed.rs`.
    Create {
        /// The seed of all chance: the same gives the same rows
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        place: Place,
    },
    /// Mark a database that is there for development, so that `create` may drop it.
    Mark {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The database: `sqlite://dev.db`, `postgres://user@host/database`. DATABASE_URL says it where others must not
    /// read a password
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    url: String,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The test program runs in the package's directory: a file is meant from ours.
    let from = env::current_dir().map_err(|error| Failure::impossible(format!("the current directory: {error}")))?;
    let (place, request) = match &arguments.verb {
        Verb::Create { seed, place } => (place, Request::CreateTestdb { seed: *seed, from }),
        Verb::Mark { place } => (place, Request::MarkTestdb { from }),
    };
    let package = Project::find()?.package(place.package.as_deref())?;
    println!("{}", program::ask(&package, &request, &[(TESTDB_URL, &place.url)])?);
    Ok(())
}
