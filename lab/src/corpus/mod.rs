//! `cargo xtask corpus`: runs published sets of migrations through the real macro on real servers, and compares the
//! result with the result of the plain database shell.
//!
//! Packages are downloaded by name and version with cargo into `.corpus/`, and are not committed.

mod build;
mod database;
mod fetch;
mod run;
mod shell;
mod split;
mod table;
mod trace;
mod walk;

use std::path::PathBuf;

use anstream::{eprintln, println};

use crate::workspace;
use build::Purpose;
pub(crate) use database::Dialect;
use lockgate_testing::server::{Error, ErrorKind, Options, Postgres, require};
use lockgate_xtask::__private::Failure;

/// The published packages that run if none is named.
const PACKAGES: [(&str, &str, Dialect); 8] = [
    ("zksync_dal", "29.13.0-non-semver-compat", Dialect::Postgres),
    ("atuin-server-postgres", "18.20.1", Dialect::Postgres),
    ("apalis-postgres", "1.0.0", Dialect::Postgres),
    ("underway", "0.2.0", Dialect::Postgres),
    ("sqlxmq", "0.6.0", Dialect::Postgres),
    ("atuin-client", "18.24.4", Dialect::Sqlite),
    ("atuin-server-sqlite", "18.20.1", Dialect::Sqlite),
    ("apalis-sqlite", "1.0.0", Dialect::Sqlite),
];

/// The packages that are also walked and traced. One of their views contains the time of its creation, so that no two
/// databases are equal after it. It needs PostgreSQL 16.
const WALKED: [(&str, &str, Dialect); 1] = [("lemmy_db_schema", "1.0.0-test-fix-publish-3", Dialect::Postgres)];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Packages of the built-in list, all of them if none is named; or others as NAME@VERSION
    names: Vec<String>,
    /// The dialect of packages that are not in the list
    #[arg(long, value_enum, default_value = "postgres")]
    dialect: Dialect,
    /// Run only the plain shell, without Lockgate
    #[arg(long)]
    shell_only: bool,
    /// Walk each migration instead: up, down and up again, with the schemas compared
    #[arg(long, conflicts_with = "shell_only")]
    walk: bool,
    /// Trace each set for PostgreSQL instead: less than 1 % of the locks may differ from the prediction
    #[arg(long, conflicts_with_all = ["shell_only", "walk"])]
    trace: bool,
    /// With `--walk`: check each comparison against two dumps of `pg_dump`
    #[arg(long, requires = "walk")]
    dump: bool,
}

/// One folder of migrations of a package.
#[derive(Debug)]
pub(crate) struct Set {
    /// `atuin-client`, or `atuin-client/record-migrations` for a folder that is not `migrations`.
    pub(crate) name: String,
    pub(crate) dialect: Dialect,
    /// Our copy of it.
    pub(crate) folder: PathBuf,
    /// The up scripts, in order.
    ups: Vec<Script>,
    /// The down scripts, also in ascending order.
    downs: Vec<Script>,
    /// The number of statements in all of them.
    statements: usize,
    /// A note for the reader of the result.
    notes: Vec<String>,
    /// What its own runner does before the first script, as statements.
    prepare: Vec<String>,
}

/// One file of a set.
#[derive(Clone, Debug)]
struct Script {
    version: i64,
    /// From the set's folder.
    path: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let corpus = workspace::root().join(".corpus");
    let all = arguments.walk || arguments.trace;
    let mut sets = fetched(wanted(&arguments.names, arguments.dialect, all)?)?;

    if arguments.trace {
        sets.iter_mut().try_for_each(fetch::prepare)?;
        return traced(&sets);
    }
    let server = if sets.iter().any(|set| set.dialect == Dialect::Postgres) { postgres()? } else { None };
    let programs = database::Programs::find(server.as_ref());
    if arguments.walk {
        sets.iter_mut().try_for_each(fetch::prepare)?;
        let runner = build::runner(Purpose::Walk, &corpus, &sets)?;
        return walk::run(&sets, server.as_ref(), &programs, &runner, arguments.dump);
    }
    let runner = match arguments.shell_only {
        true => None,
        false => Some(build::runner(Purpose::Run, &corpus, &sets)?),
    };

    let mut results = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        eprintln!("{}", set.name);
        results.push(run::set(index, set, server.as_ref(), &programs, runner.as_ref())?);
    }
    println!("{}", table::render(&results));
    for result in &results {
        table::notes(result).iter().for_each(|note| println!("{note}"));
    }
    let different = results.iter().filter(|result| result.is_different()).count();
    if different > 0 {
        return Err(Failure::refused(format!(
            "{different} of {} sets differ from what the plain shell makes",
            sets.len()
        )));
    }
    Ok(())
}

/// Downloads all sets of these packages of the built-in list, or of NAME@VERSION, with what their own runner does before the
/// first script as their first migration.
pub(crate) fn prepared(names: &[String], dialect: Dialect) -> Result<Vec<Set>, Failure> {
    let mut sets = fetched(wanted(names, dialect, true)?)?;
    sets.iter_mut().try_for_each(fetch::prepare)?;
    Ok(sets)
}

fn fetched(packages: Vec<(String, String, Dialect)>) -> Result<Vec<Set>, Failure> {
    let corpus = workspace::root().join(".corpus");
    let mut sets = Vec::new();
    for (name, version, dialect) in packages {
        eprintln!("{name} {version}");
        sets.extend(fetch::sets(&corpus, &name, &version, dialect)?);
    }
    Ok(sets)
}

fn traced(sets: &[Set]) -> Result<(), Failure> {
    trace::run(sets)
}

fn wanted(names: &[String], dialect: Dialect, all: bool) -> Result<Vec<(String, String, Dialect)>, Failure> {
    let known = |(name, version, dialect): &(&str, &str, Dialect)| (name.to_string(), version.to_string(), *dialect);
    if names.is_empty() {
        let walked = WALKED.iter().filter(|_| all);
        return Ok(PACKAGES.iter().chain(walked).map(known).collect());
    }
    let find = |wanted: &String| match wanted.split_once('@') {
        Some((name, version)) => Ok((name.to_owned(), version.to_owned(), dialect)),
        None => PACKAGES.iter().chain(&WALKED).find(|package| package.0 == wanted).map(known).ok_or_else(|| {
            let names: Vec<_> = PACKAGES.iter().chain(&WALKED).map(|package| package.0).collect();
            let names = names.join(", ");
            Failure::impossible(format!(
                "`{wanted}` is not in the list ({names}): name a version, as in `{wanted}@1.0.0`"
            ))
        }),
    };
    names.iter().map(find).collect()
}

/// Starts a server. If there is none and none is required, prints a line and returns `None`.
pub(crate) fn postgres() -> Result<Option<Postgres>, Failure> {
    let skipped = |e: Error| {
        eprintln!("skipped: postgres: {e}");
        Ok(None)
    };
    match Postgres::start(&Options::default()) {
        Ok(server) => Ok(Some(server)),
        Err(e) if e.kind() == ErrorKind::NotFound && !require::requires("postgres")? => skipped(e),
        Err(e) => Err(e.into()),
    }
}
