//! The tests of a set as a whole, each with a set that it must pass and one that it must not.

use lockgate::Dialect;
use lockgate_harness::__private::{self as harness, Outcome, Tests};

use super::{Sql, on_each, tests};

const GOOD: &[(&str, &str)] = &[
    ("0001_a.up.sql", "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY);"),
    ("0001_a.down.sql", "DROP TABLE a;"),
    ("0002_b.up.sql", "CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY);"),
    ("0002_b.down.sql", "DROP TABLE b;"),
];

const FILL: Sql = Sql { before: &[], after: &[], fill: &["INSERT INTO a (id) VALUES (1)"], loses_rows: &[] };

on_each! {
    a_good_set_passes_all_of_them,
    every_table_needs_a_row,
    a_table_that_is_said_to_be_empty_is,
    the_way_back_from_a_filled_head,
    what_works_all_at_once_and_not_step_by_step,
}

type Test = fn(&'static Tests, Dialect) -> Outcome;

/// They start a runtime of their own, as tests that the macro makes do.
async fn run(test: Test, tests: &'static Tests, dialect: Dialect) -> Outcome {
    tokio::task::spawn_blocking(move || test(tests, dialect)).await.expect("it does not panic")
}

async fn refused(test: Test, tests: &'static Tests, dialect: Dialect, words: &[&str]) {
    // Without a server there is nothing to refuse.
    let empty = lockgate_harness::Throwaway::empty(dialect).await.expect("a database, or a reported skip");
    if empty.is_none() {
        return;
    }
    let problem = run(test, tests, dialect).await.expect_err("the harness has passed what is bad").to_string();
    for words in words {
        assert!(problem.contains(words), "`{words}` is not in:\n{problem}");
    }
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

async fn every_table_needs_a_row(dialect: Dialect) {
    let with = |more: &[(&'static str, &'static str)]| tests(&[GOOD, more].concat(), vec![FILL.of(2)]);
    // No migration has met what the newest one makes.
    let passed = run(harness::every_table_has_a_row, with(&[]), dialect).await;
    passed.unwrap_or_else(|problem| panic!("{problem}"));
    let more =
        [("0003_c.up.sql", "ALTER TABLE b ADD COLUMN x INTEGER;"), ("0003_c.down.sql", "ALTER TABLE b DROP COLUMN x;")];
    let words = ["the set` on ", "`b` has no row", "empty_tables"];
    refused(harness::every_table_has_a_row, with(&more), dialect, &words).await;
}

async fn a_table_that_is_said_to_be_empty_is(dialect: Dialect) {
    let with = |empty_tables| {
        let Tests { migrations, suites, .. } = tests(GOOD, vec![FILL.of(2)]);
        let (folder, directory) = ("migrations", "tests/migrations");
        &*Box::leak(Box::new(Tests {
            migrations,
            folder,
            directory,
            files: &[],
            suites,
            empty_tables,
            seed: None,
            tolerate: &[],
        }))
    };
    run(harness::every_table_has_a_row, with(&["b"]), dialect).await.unwrap_or_else(|problem| panic!("{problem}"));
    let words = ["`a` is said to be empty, and has rows: 1", "`c` is said to be empty, and is not there"];
    refused(harness::every_table_has_a_row, with(&["a", "b", "c"]), dialect, &words).await;
}

/// The rows that the fill put in stand in the way of the second down script.
async fn the_way_back_from_a_filled_head(dialect: Dialect) {
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
    let words = ["the way back fails, from head and with rows"];
    refused(harness::back_to_nothing, tests(&files, vec![FILL.of(2)]), dialect, &words).await;
}

async fn what_works_all_at_once_and_not_step_by_step(dialect: Dialect) {
    let files = [
        ("0001_a.up.sql", "CREATE TEMPORARY TABLE scratch (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE IF EXISTS scratch;"),
        ("0002_b.up.sql", "CREATE TABLE b AS SELECT id FROM scratch;"),
        ("0002_b.down.sql", "DROP TABLE b;"),
    ];
    let words = ["`0002_b` on ", "it fails in a run of its own", "scratch"];
    refused(harness::step_by_step_equals_all_at_once, tests(&files, vec![]), dialect, &words).await;
}

#[test]
fn l12_what_is_on_disk_and_not_embedded_is_named() {
    let place = tempfile::tempdir().expect("a folder");
    for (path, text) in [(GOOD[0].0, GOOD[0].1), (GOOD[1].0, "DROP TABLE other;"), ("0002_b.sql", "SELECT 1;")] {
        std::fs::write(place.path().join(path), text).expect("a file");
    }
    let Tests { migrations, .. } = tests(&GOOD[..2], vec![]);
    let folder: &'static str = place.path().display().to_string().leak();
    let tests = Tests {
        migrations,
        folder,
        directory: "no such folder",
        files: &[],
        suites: &[],
        empty_tables: &[],
        seed: None,
        tolerate: &[],
    };
    let problem = harness::embedded_is_what_is_on_disk(Box::leak(Box::new(tests))).expect_err("it differs").to_string();
    assert!(problem.contains("0001_a.down.sql is not what is embedded"), "{problem}");
    assert!(problem.contains("0002_b.sql is in the folder and is not embedded"), "{problem}");
    assert!(!problem.contains("0001_a.up.sql"), "{problem}");
}
