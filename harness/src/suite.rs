//! The tests of a set as values, and how one suite runs: in a transaction of its own, which is rolled
//! back, on a connection of its own.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use lockgate::schema::Class;
use lockgate::{Dialect, Migrations, Version};

use crate::db::Db;
use crate::failure::{Failure, TestResult};
use crate::{Throwaway, panic};

/// The source of all chance in `tests/migrations/seed.rs`: with the same seed it says the same again.
pub use fastrand::Rng as Random;

/// What `migration_tests!` makes of a folder and its tests.
#[derive(Debug)]
pub struct Tests {
    /// The set.
    pub migrations: &'static Migrations,
    /// Where its files are.
    pub folder: &'static str,
    /// Where the tests are.
    pub directory: &'static str,
    /// The files of tests that were compiled in, by name.
    pub files: &'static [&'static str],
    /// The tests of single migrations.
    pub suites: &'static [Suite],
    /// Tables that have no row at the end on purpose.
    pub empty_tables: &'static [&'static str],
    /// What makes up rows for people.
    pub seed: Option<SeedFn>,
    /// Differences that the way back may leave.
    pub tolerate: &'static [Class],
}

/// The test of one migration.
#[derive(Debug)]
pub struct Suite {
    /// The migration.
    pub version: i64,
    /// The file, as messages name it.
    pub file: &'static str,
    /// What is so before and no longer after.
    pub before: Option<Check>,
    /// What is so after and not yet before.
    pub after: Option<Check>,
    /// The rows that are put in before.
    pub fill: Option<Check>,
    /// Tables of which the migration, or its way back, takes rows away on purpose.
    pub loses_rows: &'static [&'static str],
    /// Columns whose values the migration changes on purpose, and its way back brings back.
    pub changes_values: &'static [&'static str],
    /// Columns whose values do not come back.
    pub loses_values: &'static [&'static str],
}

/// The future of a suite.
pub type SuiteFuture<'a> = Pin<Box<dyn Future<Output = TestResult> + 'a>>;

/// A function of a test.
pub type SuiteFn = for<'a> fn(&'a mut Db) -> SuiteFuture<'a>;

/// The function of `seed.rs`.
pub type SeedFn = for<'a> fn(&'a mut Db, &'a mut Random) -> SuiteFuture<'a>;

/// One of the three parts of a test.
#[derive(Clone, Copy)]
pub enum Check {
    /// A function.
    Rust(SuiteFn),
    /// Functions, each by its name and in a transaction of its own.
    Several(&'static [(&'static str, SuiteFn)]),
    /// What makes up rows, and the seed of its chance.
    Seed(SeedFn, u64),
    /// Statements, each with its line.
    Sql {
        /// The file, as messages name it.
        file: &'static str,
        /// The statements of each group of dialects.
        statements: &'static [Statements],
    },
}

/// Dialects, and the statements of a file as these read it, each with its line.
pub type Statements = (&'static [Dialect], &'static [(u32, &'static str)]);

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rust(_) => f.write_str("Rust"),
            Self::Several(functions) => f.debug_list().entries(functions.iter().map(|(name, _)| name)).finish(),
            Self::Seed(_, seed) => f.debug_tuple("Seed").field(seed).finish(),
            Self::Sql { file, .. } => f.debug_tuple("Sql").field(file).finish(),
        }
    }
}

impl Tests {
    /// The folder from which all messages see files: the one that the path of the migrations begins at.
    pub(crate) fn base(&self) -> &'static Path {
        let (mut base, shown) = (Path::new(self.folder), Path::new(self.migrations.set().folder()));
        for part in shown.components().rev() {
            match base.parent() {
                Some(parent) if base.file_name() == Some(part.as_os_str()) => base = parent,
                // It is not below it, and so nothing is shown from there.
                Some(_) | None => return Path::new(self.folder),
            }
        }
        base
    }

    pub(crate) fn suite(&self, version: Version) -> Option<&'static Suite> {
        self.suites.iter().find(|suite| suite.version == version.get())
    }
}

/// What becomes of what a suite does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    RolledBack,
    Kept,
}

/// Around all of a suite, so that it is noticed when the suite ends the transaction by itself.
const SAVEPOINT: &str = "lockgate_suite";

/// Runs `before` or `after`: what it does is rolled back.
pub(crate) async fn ask(place: &Throwaway, check: Check) -> TestResult {
    let Check::Several(functions) = check else { return run(place, check, Outcome::RolledBack).await };
    for (name, function) in functions {
        let asked = run(place, Check::Rust(*function), Outcome::RolledBack).await;
        asked.map_err(|failure| failure.within(name))?;
    }
    Ok(())
}

/// Runs `fill`: what it does stays.
pub(crate) async fn fill(place: &Throwaway, check: Check) -> TestResult {
    run(place, check, Outcome::Kept).await
}

async fn run(place: &Throwaway, check: Check, wanted: Outcome) -> TestResult {
    let database = place.connect().await.map_err(|e| Failure::broken(format!("{e:?}")))?;
    let mut db = Db::new(database);
    let broken = |e: sqlx::Error| Failure::broken(Failure::of(&e, "").to_string());
    db.run(&format!("BEGIN; SAVEPOINT {SAVEPOINT}")).await.map_err(broken)?;
    let outcome = call(&mut db, check, wanted).await;
    let stays = wanted == Outcome::Kept && outcome.is_ok();
    let end = if stays {
        format!("RELEASE SAVEPOINT {SAVEPOINT}; COMMIT")
    } else {
        format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}; ROLLBACK")
    };
    let ended = db.run(&end).await;
    db.close().await;
    match (outcome, ended) {
        (outcome, Ok(_)) => outcome,
        (Err(failure), Err(_)) if failure.is_broken() => Err(failure),
        // Rows that a deferred constraint refuses.
        (Ok(()), Err(error)) if stays && !is_no_savepoint(&error) => Err(Failure::of(&error, "COMMIT")),
        // What was asked behind it was not asked in the suite, and what it did is still there.
        (_, Err(error)) if is_no_savepoint(&error) => Err(Failure::broken(
            "the suite ended its transaction: leave BEGIN, COMMIT and ROLLBACK to the walk, which rolls it back",
        )),
        (_, Err(error)) => Err(broken(error)),
    }
}

fn is_no_savepoint(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    matches!(error.code().as_deref(), Some("25P01" | "3B001")) || error.message().contains("no such savepoint")
}

async fn call(db: &mut Db, check: Check, wanted: Outcome) -> TestResult {
    match check {
        Check::Rust(function) => panic::caught(function(db)).await,
        Check::Several(functions) => {
            for (name, function) in functions {
                panic::caught(function(db)).await.map_err(|failure| failure.within(name))?;
            }
            Ok(())
        }
        Check::Seed(function, seed) => panic::caught(function(db, &mut Random::with_seed(seed))).await,
        Check::Sql { file, statements } => {
            let dialect = db.dialect();
            let group = statements.iter().find(|(dialects, _)| dialects.contains(&dialect));
            for (line, sql) in group.map_or(&[][..], |(_, statements)| statements) {
                let outcome = match wanted {
                    Outcome::RolledBack => db.holds(sql).await,
                    Outcome::Kept => db.run(sql).await.map(|_| ()).map_err(|e| Failure::of(&e, sql)),
                };
                outcome.map_err(|failure| failure.at_line(file, *line))?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_says_what_it_is() {
        let rust = Check::Rust(|_| Box::pin(async { Ok(()) }));
        let seed = Check::Seed(|_, _| Box::pin(async { Ok(()) }), 42);
        let sql = Check::Sql { file: "a.sql", statements: &[] };
        assert_eq!(format!("{rust:?} {seed:?} {sql:?}"), "Rust Seed(42) Sql(\"a.sql\")");
    }
}
