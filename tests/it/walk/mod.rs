//! The harness must be able to fail: bad migrations and bad tests, each caught at its step and by its
//! name. Tests are values here, so that no case needs a build of its own.

mod bad;
mod ground;
mod helpers;
mod suites;
mod whole;

use lockgate::{Dialect, Version};
use lockgate_harness::__private::{Check, Statements, Suite, Tests, Walked, walked};
use lockgate_harness::{Problem, Step};

use crate::support::set;

/// Makes one test a database of each function: `l10_x::sqlite` and `l10_x::postgres`.
macro_rules! on_each {
    ($($test:ident),+ $(,)?) => {
        mod each {
            $(
                mod $test {
                    #[tokio::test]
                    async fn sqlite() {
                        super::super::$test(lockgate::Dialect::Sqlite).await;
                    }

                    #[tokio::test]
                    async fn postgres() {
                        super::super::$test(lockgate::Dialect::Postgres).await;
                    }
                }
            )+
        }
    };
}
use on_each;

/// A test of SQL: what `before`, `after` and `fill` say of a migration.
#[derive(Clone, Copy, Default)]
struct Sql {
    before: &'static [&'static str],
    after: &'static [&'static str],
    fill: &'static [&'static str],
    loses_rows: &'static [&'static str],
}

impl Sql {
    fn of(self, version: i64) -> Suite {
        Suite {
            version,
            file: "tests/migrations/x.sql",
            before: statements(self.before),
            after: statements(self.after),
            fill: statements(self.fill),
            loses_rows: self.loses_rows,
        }
    }
}

/// Statements as a part of a test, one a line; none of them is no part.
fn statements(statements: &'static [&'static str]) -> Option<Check> {
    const BOTH: &[Dialect] = &[Dialect::Sqlite, Dialect::Postgres];
    let lines: Vec<(u32, &'static str)> = (1..).zip(statements.iter().copied()).collect();
    let group: Statements = (BOTH, lines.leak());
    (!statements.is_empty()).then(|| Check::Sql { file: "tests/migrations/x.sql", statements: vec![group].leak() })
}

/// The tests of a folder with these files.
fn tests(files: &[(&str, &str)], suites: Vec<Suite>) -> &'static Tests {
    Box::leak(Box::new(Tests {
        migrations: set::migrations(files),
        folder: "migrations",
        directory: "tests/migrations",
        files: &[],
        suites: suites.leak(),
        empty_tables: &[],
        seed: None,
        tolerate: &[],
    }))
}

/// Walks one migration: what was caught, or how far it came. `None` where there is no such database.
async fn walk(tests: &'static Tests, dialect: Dialect, version: i64) -> Option<Result<Walked, Problem>> {
    match walked(tests, dialect, Version::new(version).expect("a version")).await {
        Ok(Walked::Skipped) => None,
        walked => Some(walked),
    }
}

/// The walk must end at this step, and say these words.
async fn caught(tests: &'static Tests, dialect: Dialect, version: i64, step: Step, words: &[&str]) {
    let Some(walked) = walk(tests, dialect, version).await else { return };
    let problem = walked.expect_err("the harness has passed what is bad");
    let text = problem.to_string();
    assert_eq!(problem.step, step, "{text}");
    for words in words {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
}

/// The walk must go all the way.
async fn passes(tests: &'static Tests, dialect: Dialect, version: i64) {
    if let Some(walked) = walk(tests, dialect, version).await {
        assert_eq!(walked.unwrap_or_else(|problem| panic!("{problem}")), Walked::There);
    }
}
