//! Tests of the harness: it must catch bad migrations and bad tests, each in the right phase, and pass good ones. Migration
//! tests are values here, so that no case needs its own build.

mod bad;
mod fills;
mod good;
mod helpers;
mod set_tests;
mod test_runs;

use lockgate::{Dialect, Migrations, Version};
use lockgate_harness::__private::{MigrationTest, Statements, TestPart, Tests, WalkOutcome, walk_migration};
use lockgate_harness::{Phase, Problem};

use crate::support::{on_each, set};

const USERS: (&str, &str) = (
    "0001_create_users.up.sql",
    "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, city VARCHAR(40) DEFAULT 'Ulm');\n\
     CREATE UNIQUE INDEX users_name ON users (name);\nCREATE INDEX users_city ON users (city);",
);
const NO_USERS: (&str, &str) = ("0001_create_users.down.sql", "DROP TABLE users;");
const EMAIL: &[(&str, &str)] = &[
    USERS,
    NO_USERS,
    ("0002_add_email.up.sql", "ALTER TABLE users ADD COLUMN email VARCHAR(40);"),
    ("0002_add_email.down.sql", "ALTER TABLE users DROP COLUMN email;"),
];
/// Inserts two users.
const FILL: &[&str] = &["INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Grace')"];

/// A migration test in SQL.
#[derive(Clone, Copy, Default)]
struct Sql {
    before: &'static [&'static str],
    after: &'static [&'static str],
    fill: &'static [&'static str],
    loses_rows: &'static [&'static str],
    changes_values: &'static [&'static str],
    loses_values: &'static [&'static str],
}

impl Sql {
    fn of(self, version: i64) -> MigrationTest {
        MigrationTest {
            version,
            file: "tests/migrations/x.sql",
            before: statements(self.before),
            after: statements(self.after),
            fill: statements(self.fill),
            loses_rows: self.loses_rows,
            changes_values: self.changes_values,
            loses_values: self.loses_values,
        }
    }
}

/// Makes a part of a test from statements, one per line; `None` if there are none.
fn statements(statements: &'static [&'static str]) -> Option<TestPart> {
    const BOTH: &[Dialect] = &[Dialect::Sqlite, Dialect::Postgres];
    let lines: Vec<(u32, &'static str)> = (1..).zip(statements.iter().copied()).collect();
    let group: Statements = (BOTH, lines.leak());
    (!statements.is_empty()).then(|| TestPart::Sql { file: "tests/migrations/x.sql", statements: vec![group].leak() })
}

/// The tests of a folder with these files.
fn tests(files: &[(&str, &str)], migration_tests: Vec<MigrationTest>) -> &'static Tests {
    of(set::migrations(files), migration_tests)
}

/// The tests of a set.
fn of(migrations: &'static Migrations, migration_tests: Vec<MigrationTest>) -> &'static Tests {
    Box::leak(Box::new(Tests {
        migrations,
        folder: "migrations",
        directory: "tests/migrations",
        files: &[],
        migration_tests: migration_tests.leak(),
        empty_tables: &[],
        desired: None,
        seed: None,
        tolerate: &[],
    }))
}

/// Walks one migration, and returns the result. `None` if this machine has no server of the dialect.
async fn walk(tests: &'static Tests, dialect: Dialect, version: i64) -> Option<Result<WalkOutcome, Problem>> {
    match walk_migration(tests, dialect, Version::new(version).expect("a version")).await {
        Ok(WalkOutcome::Skipped) => None,
        walked => Some(walked),
    }
}

/// The walk must fail in this phase, with a message that contains these words.
async fn caught(tests: &'static Tests, dialect: Dialect, version: i64, step: Phase, words: &[&str]) {
    let Some(walked) = walk(tests, dialect, version).await else { return };
    let problem = walked.expect_err("the harness has passed what is bad");
    let text = problem.to_string();
    assert_eq!(problem.phase, step, "{text}");
    assert_eq!(format!("{problem:?}"), text, "a test runner shows what people read");
    for words in words {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
}

/// The walk must pass.
async fn passes(tests: &'static Tests, dialect: Dialect, version: i64) {
    if let Some(walked) = walk(tests, dialect, version).await {
        assert_eq!(walked.unwrap_or_else(|problem| panic!("{problem}")), WalkOutcome::Complete);
    }
}

/// Thirty good migrations pass. Then the down script of one of them forgets the index that its `before` checks.
#[tokio::test]
async fn thirty_good_ones_and_one_that_forgets_an_index() {
    let with_downs = |forgets: Option<i64>| {
        let mut files = Vec::new();
        for n in 1..=30 {
            let up = format!("CREATE TABLE IF NOT EXISTS t{n} (id INTEGER);\nCREATE INDEX t{n}_id ON t{n} (id);");
            let index = if forgets == Some(n) { "SELECT 1;".to_owned() } else { format!("DROP TABLE t{n};") };
            files.push((format!("{n:04}_t{n}.up.sql"), up));
            files.push((format!("{n:04}_t{n}.down.sql"), index));
        }
        let migration_tests = (1..=30).map(|n| {
            let count = format!("(SELECT count(*) FROM sqlite_schema WHERE name = 't{n}_id')");
            let [before, after] = [0, 1].map(|there| {
                let statement: &'static str = format!("SELECT {count} = {there}").leak();
                &*vec![statement].leak()
            });
            Sql { before, after, ..Sql::default() }.of(n)
        });
        let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (&**file, &**text)).collect();
        tests(&files, migration_tests.collect())
    };
    let good = with_downs(None);
    for n in 1..=30 {
        passes(good, Dialect::Sqlite, n).await;
    }
    let words = ["`0017_t17` on SQLite", "table t17: is new (real)", "0017_t17.down.sql"];
    caught(with_downs(Some(17)), Dialect::Sqlite, 17, Phase::SchemaAfterRevert, &words).await;
}
