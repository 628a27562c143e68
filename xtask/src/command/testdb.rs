//! `cargo xtask testdb`: a database for people, made by the package's test program, which alone has
//! the migrations and the functions that fill it compiled in.

use std::env;

use anstream::println;
use lockgate_harness::testdb::URL;

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
    let (place, request) = match &arguments.verb {
        Verb::Create { seed, place } => (place, format!("testdb create {seed}")),
        Verb::Mark { place } => (place, "testdb mark".to_owned()),
    };
    let package = Project::find()?.package(place.package.as_deref())?;
    println!("{}", program::ask(&package, &request, &[(URL, &from_here(&place.url))])?);
    Ok(())
}

/// The test program runs in the package's directory: a file is meant from ours.
fn from_here(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':').filter(|(scheme, _)| *scheme == "sqlite") else {
        return url.to_owned();
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    match env::current_dir() {
        Ok(here) if !path.starts_with('/') => format!("{scheme}://{}", here.join(path).display()),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_meant_from_here() {
        let here = env::current_dir().unwrap().display().to_string();
        assert_eq!(from_here("sqlite://dev.db?mode=rwc"), format!("sqlite://{here}/dev.db?mode=rwc"));
        assert_eq!(from_here("sqlite:dev.db"), format!("sqlite://{here}/dev.db"));
        assert_eq!(from_here("sqlite:///tmp/dev.db"), "sqlite:///tmp/dev.db");
        assert_eq!(from_here("sqlite:/tmp/dev.db"), "sqlite:/tmp/dev.db");
        assert_eq!(from_here("postgres://h/d"), "postgres://h/d");
    }
}
