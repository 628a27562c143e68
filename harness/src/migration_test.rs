//! The tests of a set as values, and how one part of a test runs: on its own connection, in its own transaction.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use lockgate::schema::Class;
use lockgate::{Dialect, Migrations, Version};

use crate::db::Db;
use crate::failure::{Failure, TestResult};
use crate::{Throwaway, panic};

/// The random number generator of `tests/migrations/seed.rs`. The same seed gives the same numbers.
pub use fastrand::Rng as Random;

/// A folder of migrations and its tests, as `migration_tests!` compiles them in.
#[derive(Debug)]
pub struct Tests {
    /// The migrations.
    pub migrations: &'static Migrations,
    /// The folder of the migrations.
    pub folder: &'static str,
    /// The folder of the tests.
    pub directory: &'static str,
    /// The names of the test files that were compiled in.
    pub files: &'static [&'static str],
    /// The tests of single migrations.
    pub migration_tests: &'static [MigrationTest],
    /// Tables that are meant to have no row after the last migration.
    pub empty_tables: &'static [&'static str],
    /// The function of `seed.rs`, which makes up rows for development databases.
    pub seed: Option<SeedFn>,
    /// Classes of differences that a down script may leave.
    pub tolerate: &'static [Class],
    /// What the migrations lead to, if that is written beside them.
    pub desired: Option<DesiredSchema>,
}

/// The desired schema of a folder: the SQL files in `schema/`.
#[derive(Debug)]
pub struct DesiredSchema {
    /// Its folder.
    pub directory: &'static str,
    /// The same, as messages name it.
    pub shown: &'static str,
    /// The files that were compiled in, each with its length.
    pub files: &'static [(&'static str, usize)],
    /// The statements of each dialect, in an order that should work.
    pub statements: &'static [(Dialect, &'static [DesiredStatement])],
}

/// A statement with its place, and the statements that must have set the session before it.
pub type DesiredStatement = (&'static str, &'static str, &'static [&'static str]);

/// The test of one migration.
#[derive(Debug)]
pub struct MigrationTest {
    /// The version of the migration.
    pub version: i64,
    /// The file, as messages name it.
    pub file: &'static str,
    /// Must pass before the migration and fail after it.
    pub before: Option<TestPart>,
    /// Must pass after the migration and fail before it.
    pub after: Option<TestPart>,
    /// Inserts rows before the migration.
    pub fill: Option<TestPart>,
    /// Tables that are meant to lose rows, by the migration or its down script.
    pub loses_rows: &'static [&'static str],
    /// Columns whose values the migration is meant to change, and its down script restores.
    pub changes_values: &'static [&'static str],
    /// Columns whose values the down script cannot restore.
    pub loses_values: &'static [&'static str],
}

/// The future of a test function.
pub type TestFuture<'a> = Pin<Box<dyn Future<Output = TestResult> + 'a>>;

/// A test function.
pub type TestFn = for<'a> fn(&'a mut Db) -> TestFuture<'a>;

/// The function of `seed.rs`.
pub type SeedFn = for<'a> fn(&'a mut Db, &'a mut Random) -> TestFuture<'a>;

/// One of the three parts of a test: `before`, `after` or `fill`.
#[derive(Clone, Copy)]
pub enum TestPart {
    /// One function.
    Rust(TestFn),
    /// Several functions with their names, each run in its own transaction.
    Several(&'static [(&'static str, TestFn)]),
    /// The function of `seed.rs`, and the seed of its random numbers.
    Seed(SeedFn, u64),
    /// A file of SQL.
    Sql {
        /// The file, as messages name it.
        file: &'static str,
        /// The statements for each group of dialects.
        statements: &'static [Statements],
    },
}

/// Dialects, and the statements of a file as these dialects split it, each with its line.
pub type Statements = (&'static [Dialect], &'static [(u32, &'static str)]);

impl std::fmt::Debug for TestPart {
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
    /// Returns the folder to which messages show paths relatively: the one where the shown path of the migrations
    /// starts.
    pub(crate) fn base(&self) -> &'static Path {
        let (mut base, shown) = (Path::new(self.folder), Path::new(self.migrations.set().folder()));
        for part in shown.components().rev() {
            match base.parent() {
                Some(parent) if base.file_name() == Some(part.as_os_str()) => base = parent,
                // The shown path does not end the real one: show paths relative to the migrations.
                Some(_) | None => return Path::new(self.folder),
            }
        }
        base
    }

    /// Returns the test of a migration, if it has one.
    pub(crate) fn test_of(&self, version: Version) -> Option<&'static MigrationTest> {
        self.migration_tests.iter().find(|test| test.version == version.get())
    }
}

/// How the transaction of a part ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    RollBack,
    Commit,
}

/// A savepoint around a part. It is missing at the end if the part ended the transaction itself.
const SAVEPOINT: &str = "lockgate_test";

/// Runs `before` or `after`, and rolls it back.
pub(crate) async fn check(throwaway: &Throwaway, part: TestPart) -> TestResult {
    let TestPart::Several(functions) = part else { return run(throwaway, part, AtEnd::RollBack).await };
    for (name, function) in functions {
        let outcome = run(throwaway, TestPart::Rust(*function), AtEnd::RollBack).await;
        outcome.map_err(|failure| failure.within(name))?;
    }
    Ok(())
}

/// Runs `fill`, and commits it if it succeeds.
pub(crate) async fn fill(throwaway: &Throwaway, part: TestPart) -> TestResult {
    run(throwaway, part, AtEnd::Commit).await
}

async fn run(throwaway: &Throwaway, part: TestPart, end: AtEnd) -> TestResult {
    let database = throwaway.connect().await.map_err(|e| Failure::broken(format!("{e:?}")))?;
    let mut db = Db::new(database);
    let broken = |e: sqlx::Error| Failure::broken(Failure::of(&e, "").to_string());
    db.run(&format!("BEGIN; SAVEPOINT {SAVEPOINT}")).await.map_err(broken)?;
    let outcome = call(&mut db, part, end).await;
    let commits = end == AtEnd::Commit && outcome.is_ok();
    let statement = if commits {
        format!("RELEASE SAVEPOINT {SAVEPOINT}; COMMIT")
    } else {
        format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}; ROLLBACK")
    };
    let ended = db.run(&statement).await;
    db.close().await;
    match (outcome, ended) {
        (outcome, Ok(_)) => outcome,
        (Err(failure), Err(_)) if failure.is_broken() => Err(failure),
        // A deferred constraint refuses the rows.
        (Ok(()), Err(error)) if commits && !is_no_savepoint(&error) => Err(Failure::of(&error, "COMMIT")),
        // What ran after its COMMIT was outside the transaction, and was not rolled back.
        (_, Err(error)) if is_no_savepoint(&error) => Err(Failure::broken(
            "the test ended its transaction: remove BEGIN, COMMIT and ROLLBACK, as the harness begins and ends it",
        )),
        (_, Err(error)) => Err(broken(error)),
    }
}

fn is_no_savepoint(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    matches!(error.code().as_deref(), Some("25P01" | "3B001")) || error.message().contains("no such savepoint")
}

async fn call(db: &mut Db, part: TestPart, end: AtEnd) -> TestResult {
    match part {
        TestPart::Rust(function) => panic::caught(function(db)).await,
        TestPart::Several(functions) => {
            for (name, function) in functions {
                panic::caught(function(db)).await.map_err(|failure| failure.within(name))?;
            }
            Ok(())
        }
        TestPart::Seed(function, seed) => panic::caught(function(db, &mut Random::with_seed(seed))).await,
        TestPart::Sql { file, statements } => {
            let dialect = db.dialect();
            let group = statements.iter().find(|(dialects, _)| dialects.contains(&dialect));
            for (line, sql) in group.map_or(&[][..], |(_, statements)| statements) {
                let outcome = match end {
                    AtEnd::RollBack => db.holds(sql).await,
                    AtEnd::Commit => db.run(sql).await.map(|_| ()).map_err(|e| Failure::of(&e, sql)),
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
    fn the_debug_form_of_a_part_names_its_kind() {
        let rust = TestPart::Rust(|_| Box::pin(async { Ok(()) }));
        let seed = TestPart::Seed(|_, _| Box::pin(async { Ok(()) }), 42);
        let sql = TestPart::Sql { file: "a.sql", statements: &[] };
        assert_eq!(format!("{rust:?} {seed:?} {sql:?}"), "Rust Seed(42) Sql(\"a.sql\")");
    }
}
