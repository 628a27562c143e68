//! The tests of a whole set, each with a set that passes and one that does not.

use lockgate::Dialect;
use lockgate_harness::__private::{self as harness, Tests};
use lockgate_harness::Problem;

use super::{Sql, on_each, tests};

const GOOD: &[(&str, &str)] = &[
    ("0001_a.up.sql", "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY);"),
    ("0001_a.down.sql", "DROP TABLE a;"),
    ("0002_b.up.sql", "CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY);"),
    ("0002_b.down.sql", "DROP TABLE b;"),
];

const FILL: Sql = Sql {
    before: &[],
    after: &[],
    fill: &["INSERT INTO a (id) VALUES (1)"],
    loses_rows: &[],
    changes_values: &[],
    loses_values: &[],
};

on_each! {
    a_good_set_passes_all_of_them,
    repeatable_scripts_must_run_twice,
    seeds_must_load_and_survive,
    every_table_needs_a_row,
    a_table_declared_empty_is_empty,
    reverting_everything_with_rows,
    only_the_tables_of_tested_migrations_need_a_row,
}

pub(super) type Test = fn(&'static Tests, Dialect) -> Result<(), Problem>;

/// Set tests start their own runtime, as those of the macro do.
async fn run(test: Test, tests: &'static Tests, dialect: Dialect) -> Result<(), Problem> {
    tokio::task::spawn_blocking(move || test(tests, dialect)).await.expect("it does not panic")
}

pub(super) async fn refused(test: Test, tests: &'static Tests, dialect: Dialect, words: &[&str]) {
    // Without a server the test would be skipped.
    let empty = lockgate_harness::Throwaway::empty(dialect).await.expect("a database, or a reported skip");
    if empty.is_none() {
        return;
    }
    let problem = run(test, tests, dialect).await.expect_err("the harness has passed what is bad").to_string();
    for words in words {
        assert!(problem.contains(words), "`{words}` is not in:\n{problem}");
    }
}

async fn seeds_must_load_and_survive(dialect: Dialect) {
    let with = |seed: &'static str| {
        let mut files = GOOD.to_vec();
        files.push(("0003_c.up.sql", "DELETE FROM b;\nINSERT INTO a (id) VALUES (7);"));
        files.push(("0003_c.down.sql", "DELETE FROM a WHERE id = 7;"));
        files.push(("../seeds/0002_old.sql", seed));
        files.push(("../seeds/0003_new.sql", "-- lockgate: profile x\nINSERT INTO a (id) VALUES (9);"));
        tests(&files, vec![])
    };
    let test: Test = harness::seeds_load_and_survive;
    run(test, with("INSERT INTO a (id) VALUES (1);\nINSERT INTO b (id) VALUES (1);"), dialect).await.unwrap();
    let words = ["`seeds/0002_old.sql` does not load", "nowhere"];
    refused(test, with("INSERT INTO nowhere (id) VALUES (1);"), dialect, &words).await;
    let words = ["a migration after it fails on its rows", "0003_c", "write the seed as of a later migration"];
    refused(test, with("INSERT INTO a (id) VALUES (7);"), dialect, &words).await;
}

async fn a_good_set_passes_all_of_them(dialect: Dialect) {
    let tests = tests(GOOD, vec![]);
    for test in [
        harness::fresh_install,
        harness::step_by_step_equals_all_at_once,
        harness::second_run_does_nothing,
        harness::two_runners_apply_once,
        harness::eight_runners_apply_once,
        harness::whole_run_is_all_or_nothing,
        harness::back_to_nothing,
        harness::every_table_has_a_row,
    ] as [Test; 8]
    {
        run(test, tests, dialect).await.unwrap_or_else(|problem| panic!("{problem}"));
    }
}

/// Every test of a set passes beside repeatable scripts, and one that cannot run twice is refused.
async fn repeatable_scripts_must_run_twice(dialect: Dialect) {
    let view = ("R__view.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT id FROM a;\n");
    let seed = (
        "R__seed.sql",
        "-- lockgate: profile demo\nINSERT INTO a SELECT 77 WHERE NOT EXISTS (SELECT 1 FROM a WHERE id = 77);\n",
    );
    let with = |more: &[(&'static str, &'static str)]| tests(&[GOOD, more].concat(), vec![FILL.of(2)]);
    for test in [
        harness::fresh_install,
        harness::step_by_step_equals_all_at_once,
        harness::second_run_does_nothing,
        harness::two_runners_apply_once,
        harness::whole_run_is_all_or_nothing,
        harness::back_to_nothing,
        harness::every_table_has_a_row,
        harness::repeatable_scripts_run_twice,
    ] as [Test; 8]
    {
        run(test, with(&[view, seed]), dialect).await.unwrap_or_else(|problem| panic!("{problem}"));
    }
    let again = ("R__view.sql", "CREATE VIEW v AS SELECT id FROM a;\n");
    let words = ["fails when it runs a second time", "R__view", "`DROP … IF EXISTS` before `CREATE`"];
    refused(harness::repeatable_scripts_run_twice, with(&[again]), dialect, &words).await;
    let rows = ("R__seed.sql", "INSERT INTO a SELECT max(id) + 1 FROM a;\n");
    let words = ["insert or delete rows when they run a second time", "`a` has "];
    refused(harness::repeatable_scripts_run_twice, with(&[rows]), dialect, &words).await;
    let missing = ("R__view.sql", "CREATE VIEW v AS SELECT id FROM nowhere;\nSELECT * FROM v;\n");
    let words = ["a repeatable script fails after the last migration", "R__view"];
    refused(harness::repeatable_scripts_run_twice, with(&[missing]), dialect, &words).await;
}

async fn every_table_needs_a_row(dialect: Dialect) {
    let with = |more: &[(&'static str, &'static str)]| tests(&[GOOD, more].concat(), vec![FILL.of(2)]);
    // No migration has run on the tables of the newest one.
    let passed = run(harness::every_table_has_a_row, with(&[]), dialect).await;
    passed.unwrap_or_else(|problem| panic!("{problem}"));
    let more =
        [("0003_c.up.sql", "ALTER TABLE b ADD COLUMN x INTEGER;"), ("0003_c.down.sql", "ALTER TABLE b DROP COLUMN x;")];
    let words = ["the set` on ", "`b` has no row", "empty_tables"];
    refused(harness::every_table_has_a_row, with(&more), dialect, &words).await;
}

async fn a_table_declared_empty_is_empty(dialect: Dialect) {
    let with = |empty_tables| {
        let Tests { migrations, migration_tests, .. } = tests(GOOD, vec![FILL.of(2)]);
        let (folder, directory) = ("migrations", "tests/migrations");
        &*Box::leak(Box::new(Tests {
            migrations,
            folder,
            directory,
            files: &[],
            migration_tests,
            empty_tables,
            desired: None,
            seed: None,
            tolerate: &[],
        }))
    };
    run(harness::every_table_has_a_row, with(&["b"]), dialect).await.unwrap_or_else(|problem| panic!("{problem}"));
    let words = ["`a` is in `empty_tables` but has rows: 1", "`c` is in `empty_tables` but does not exist"];
    refused(harness::every_table_has_a_row, with(&["a", "b", "c"]), dialect, &words).await;
}

/// Tables that cannot be filled directly are not checked.
#[tokio::test]
async fn tables_of_virtual_tables_need_no_row() {
    let files = [
        (
            "0001_a.up.sql",
            "CREATE VIRTUAL TABLE a USING fts5(body);\nCREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);",
        ),
        ("0001_a.down.sql", "DROP TABLE boxes;\nDROP TABLE a;"),
        GOOD[2],
        GOOD[3],
    ];
    let fill = Sql { fill: &["INSERT INTO a VALUES ('x')", "INSERT INTO boxes VALUES (1, 0, 1)"], ..FILL };
    let tests = tests(&files, vec![Sql::default().of(1), fill.of(2)]);
    let passed = run(harness::every_table_has_a_row, tests, Dialect::Sqlite).await;
    passed.unwrap_or_else(|problem| panic!("{problem}"));
}

/// The author of one test need not know the tables of the other migrations.
async fn only_the_tables_of_tested_migrations_need_a_row(dialect: Dialect) {
    let more = [
        ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);"),
        ("0003_c.down.sql", "DROP TABLE c;"),
        ("0004_d.up.sql", "ALTER TABLE c ADD COLUMN x INTEGER;"),
        ("0004_d.down.sql", "ALTER TABLE c DROP COLUMN x;"),
    ];
    let files = [GOOD, &more].concat();
    let passed = run(harness::every_table_has_a_row, tests(&files, vec![FILL.of(4)]), dialect).await;
    passed.unwrap_or_else(|problem| panic!("{problem}"));
    let words = ["`c` has no row"];
    refused(harness::every_table_has_a_row, tests(&files, vec![FILL.of(3)]), dialect, &words).await;
}

/// A copy of a database has none of its subscriptions, so a template must stop before them.
#[tokio::test]
async fn a_subscription_exists_when_its_migration_is_reverted() {
    let files = [
        GOOD[0],
        GOOD[1],
        (
            "0002_b.up.sql",
            "CREATE SUBSCRIPTION sub CONNECTION 'dbname=nowhere' PUBLICATION pub WITH (connect = false, slot_name = NONE);",
        ),
        ("0002_b.down.sql", "-- lockgate: no-transaction\nDROP SUBSCRIPTION sub;"),
        ("0003_c.up.sql", "ALTER SUBSCRIPTION sub SET (synchronous_commit = on);"),
        ("0003_c.down.sql", "ALTER SUBSCRIPTION sub SET (synchronous_commit = off);"),
    ];
    for migration_tests in [vec![], vec![FILL.of(2)]] {
        let tests = tests(&files, migration_tests);
        let passed = run(harness::back_to_nothing, tests, Dialect::Postgres).await;
        passed.unwrap_or_else(|problem| panic!("{problem}"));
        super::passes(tests, Dialect::Postgres, 3).await;
    }
}

/// The second down script fails on the rows of the fill.
async fn reverting_everything_with_rows(dialect: Dialect) {
    let files = [
        GOOD[0],
        (
            "0001_a.down.sql",
            "CREATE TABLE c (id INTEGER NOT NULL);\nINSERT INTO c SELECT NULL FROM a;\nDROP TABLE c;\nDROP TABLE a;",
        ),
        GOOD[2],
        GOOD[3],
    ];
    run(harness::back_to_nothing, tests(&files, vec![]), dialect).await.unwrap_or_else(|problem| panic!("{problem}"));
    let words = ["reverting all migrations fails, with the rows of each `fill`"];
    refused(harness::back_to_nothing, tests(&files, vec![FILL.of(2)]), dialect, &words).await;
}

#[test]
fn files_that_are_not_embedded_are_named() {
    let place = tempfile::tempdir().expect("a folder");
    // Another checkout may have another byte order mark and other line ends.
    let same = format!("\u{feff}{}", GOOD[0].1.replace('\n', "\r\n"));
    for (path, text) in [(GOOD[0].0, &*same), (GOOD[1].0, "DROP TABLE other;"), ("0002_b.sql", "SELECT 1;")] {
        std::fs::write(place.path().join(path), text).expect("a file");
    }
    let Tests { migrations, .. } = tests(&GOOD[..2], vec![]);
    let folder: &'static str = place.path().display().to_string().leak();
    let tests = Tests {
        migrations,
        folder,
        directory: "no such folder",
        files: &[],
        migration_tests: &[],
        empty_tables: &[],
        desired: None,
        seed: None,
        tolerate: &[],
    };
    let problem = harness::embedded_is_what_is_on_disk(Box::leak(Box::new(tests))).expect_err("it differs").to_string();
    assert!(problem.contains("0001_a.down.sql differs from what is embedded"), "{problem}");
    assert!(problem.contains("0002_b.sql is in the folder but is not embedded"), "{problem}");
    assert!(!problem.contains("0001_a.up.sql"), "{problem}");
    let touch = format!("run `touch {}` and build again", place.path().join(GOOD[1].0).display());
    assert!(problem.contains(&touch), "{problem}");
}
