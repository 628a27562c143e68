//! `cargo xtask drafts`: drafts each migration of published sets from the schemas before and after it, and back, and runs each
//! draft on a real database with rows.

mod database;
mod fill;
mod pair;
mod table;

use std::time::Instant;

use anstream::{eprintln, println};
use lockgate::Migrations;
use lockgate::schema::draft::Mode;
use lockgate_source::Severity;
use lockgate_source::core::Version;
use lockgate_source::folder::{self, Tests};
use lockgate_testing::server::Postgres;
use lockgate_xtask::__private::{Failure, migrated};

use crate::corpus::{self, Dialect, Set};
use database::{Place, close, connect, read};
use pair::{Pair, Verdict};
use table::Results;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 each pair is drafted whole; 1 some are not; 2 the command failed.")]
pub(crate) struct Arguments {
    /// Packages of the list of `corpus`, all of them if none is named; or others as NAME@VERSION
    names: Vec<String>,
    /// The dialect of packages that are not in the list
    #[arg(long, value_enum, default_value = "postgres")]
    dialect: Dialect,
    /// Draft the short form, without scripts that run outside a transaction
    #[arg(long)]
    offline: bool,
    /// Only the pair that ends with this version
    #[arg(long, value_name = "VERSION")]
    only: Option<Version>,
    /// Show the statements of drafts that are not whole
    #[arg(long)]
    show: bool,
    /// Show the statements of every draft
    #[arg(long)]
    show_all: bool,
}

impl Arguments {
    fn mode(&self) -> Mode {
        if self.offline { Mode::Offline } else { Mode::Online }
    }

    fn shows(&self, verdict: &Verdict) -> bool {
        self.show_all || self.show && !verdict.is_whole()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let sets = corpus::prepared(&arguments.names, arguments.dialect)?;
    let server = if sets.iter().any(|set| set.dialect == Dialect::Postgres) { corpus::postgres()? } else { None };
    let mut results = Vec::new();
    for set in &sets {
        eprintln!("{}", set.name);
        if set.dialect == Dialect::Postgres && server.is_none() {
            println!("{}: not drafted: no PostgreSQL server", set.name);
            continue;
        }
        results.push(of_set(set, server.as_ref(), arguments)?);
    }
    println!("\n{}", table::render(&results));
    let stopped = results.iter().filter(|results| results.stopped.is_some()).count();
    match (results.iter().map(Results::broken).sum::<usize>(), stopped) {
        (0, 0) => Ok(()),
        (0, stopped) => Err(Failure::refused(format!("{stopped} sets stopped before their end"))),
        (broken, 0) => Err(Failure::refused(format!("{broken} drafts are not whole"))),
        (broken, stopped) => {
            Err(Failure::refused(format!("{broken} drafts are not whole, and {stopped} sets stopped before their end")))
        }
    }
}

/// Drafts each pair of consecutive versions of a set, there and back.
fn of_set(set: &Set, server: Option<&Postgres>, arguments: &Arguments) -> Result<Results, Failure> {
    let failed = |error: String| Failure::impossible(format!("{}: {error}", set.name));
    let tests = Tests { directory: set.folder.join("tests"), shown: "tests".to_owned() };
    let loaded = folder::load_with(&set.folder, &set.name, tests);
    if let Some(error) = loaded.diagnostics.iter().find(|found| found.severity == Severity::Error) {
        return Err(failed(error.message.clone()));
    }
    let all: &'static Migrations = Box::leak(Box::new(Migrations::from(loaded.folder.leak("cargo xtask drafts"))));
    let place = Place::new(server.filter(|_| set.dialect == Dialect::Postgres)).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;

    let start = Instant::now();
    let mut results = Results::new(set);
    runtime.block_on(place.create("whole")).map_err(failed)?;
    // An empty database of PostgreSQL has the schema `public`.
    let before = runtime.block_on(async {
        let mut empty = connect(&place.url("whole")).await?;
        let schema = read(&mut empty).await?;
        close(empty).await?;
        Ok(schema)
    });
    let mut before = before.map_err(failed)?;
    for migration in &loaded.folder.migrations {
        let version = migration.version();
        let title = migration.up.path.clone();
        runtime.block_on(place.copy("whole", "before")).map_err(failed)?;
        let after = match migrated(&place.url("whole"), all, version) {
            Ok(after) => after,
            Err(error) => {
                results.stopped = Some(format!("{title} does not run: {error}"));
                break;
            }
        };
        if arguments.only.is_none_or(|only| only == version) {
            let there = Pair { from: &before, to: &after, mode: arguments.mode() };
            let back = Pair { from: &after, to: &before, mode: arguments.mode() };
            for (pair, copied, direction) in [(there, "before", "up"), (back, "whole", "down")] {
                runtime.block_on(place.copy(copied, "drafted")).map_err(failed)?;
                let verdict = runtime.block_on(pair.tried(&place, "drafted")).map_err(failed)?;
                if arguments.shows(&verdict) {
                    println!("-- {}: {title} {direction}\n{}", set.name, verdict.script);
                }
                results.add(format!("{title} {direction}"), verdict);
            }
        }
        before = after;
    }
    results.elapsed = start.elapsed();
    Ok(results)
}
