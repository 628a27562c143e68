//! How a part of a test runs: it is rolled back, a panic is a failure, and a broken connection is not.

use lockgate::Dialect;
use lockgate_harness::__private::{MigrationTest, TestPart};
use lockgate_harness::{Db, Failure, Phase, TestResult};

use super::{caught, on_each, passes, tests, walk};

const FILES: &[(&str, &str)] = &[
    ("0001_users.up.sql", "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY);"),
    ("0001_users.down.sql", "DROP TABLE users;"),
];

on_each! {
    changes_of_a_suite_are_rolled_back,
    a_panic_is_a_failure_at_its_line,
    a_suite_that_ends_its_transaction_proves_nothing,
    a_suite_that_begins_another_transaction_proves_nothing,
    a_suite_that_passes_and_ends_its_transaction_is_refused,
    a_fill_that_ends_its_transaction_is_refused,
    a_lost_connection_proves_nothing,
    each_of_several_functions_is_rolled_back,
}

fn migration_test(before: TestPart, after: TestPart) -> MigrationTest {
    let file = "tests/migrations/0001_users.rs";
    MigrationTest {
        version: 1,
        file,
        before: Some(before),
        after: Some(after),
        fill: None,
        loses_rows: &[],
        changes_values: &[],
        loses_values: &[],
    }
}

const NO_TABLE: TestPart = TestPart::Rust(|db| Box::pin(async { db.expect_no_table("users").await }));
const TABLE: TestPart = TestPart::Rust(|db| Box::pin(async { db.expect_table("users").await }));

/// `after` inserts a row and runs twice: the second run must not find the row of the first.
async fn changes_of_a_suite_are_rolled_back(dialect: Dialect) {
    let after = TestPart::Rust(|db| {
        Box::pin(async {
            db.expect_value(0, "SELECT count(*) FROM users").await?;
            db.execute("INSERT INTO users (id) VALUES (1)").await?;
            db.expect_value(1, "SELECT count(*) FROM users").await
        })
    });
    passes(tests(FILES, vec![migration_test(NO_TABLE, after)]), dialect, 1).await;
}

async fn a_panic_is_a_failure_at_its_line(dialect: Dialect) {
    let after = TestPart::Rust(|db| {
        Box::pin(async {
            let rows: i64 = db.value("SELECT count(*) FROM users").await?;
            assert_eq!(rows, 3, "there should be three");
            Ok(())
        })
    });
    let words = ["there should be three", "tests/it/walk/test_runs.rs:"];
    caught(tests(FILES, vec![migration_test(NO_TABLE, after)]), dialect, 1, Phase::After, &words).await;
}

/// The error must not count as the failure that is expected of `after` before the migration.
async fn a_suite_that_ends_its_transaction_proves_nothing(dialect: Dialect) {
    let after = TestPart::Rust(|db| {
        Box::pin(async {
            db.execute("COMMIT").await?;
            db.expect_table("users").await
        })
    });
    let words = ["the test ended its transaction"];
    caught(tests(FILES, vec![migration_test(NO_TABLE, after)]), dialect, 1, Phase::AfterMustFail, &words).await;
}

/// The test ends in a transaction, but not in the one that the harness began.
async fn a_suite_that_begins_another_transaction_proves_nothing(dialect: Dialect) {
    let after = TestPart::Rust(|db| {
        Box::pin(async {
            db.execute("COMMIT").await?;
            db.execute("BEGIN").await?;
            db.expect_table("users").await
        })
    });
    let words = ["the test ended its transaction"];
    caught(tests(FILES, vec![migration_test(NO_TABLE, after)]), dialect, 1, Phase::AfterMustFail, &words).await;
}

const COMMITS: TestPart = TestPart::Rust(|db| {
    Box::pin(async {
        db.execute("COMMIT").await?;
        Ok(())
    })
});

/// Its changes were not rolled back.
async fn a_suite_that_passes_and_ends_its_transaction_is_refused(dialect: Dialect) {
    let words = ["`before` fails before the migration [before]", "the test ended its transaction"];
    caught(tests(FILES, vec![migration_test(COMMITS, TABLE)]), dialect, 1, Phase::Before, &words).await;
}

async fn a_fill_that_ends_its_transaction_is_refused(dialect: Dialect) {
    let migration_test = MigrationTest { fill: Some(COMMITS), ..migration_test(NO_TABLE, TABLE) };
    let words = ["its `fill` fails [fill]", "the test ended its transaction"];
    caught(tests(FILES, vec![migration_test]), dialect, 1, Phase::Fill, &words).await;
}

async fn a_lost_connection_proves_nothing(dialect: Dialect) {
    let after = TestPart::Rust(|_| Box::pin(async { Err(Failure::from(sqlx::Error::PoolTimedOut)) }));
    let words = ["the test could not be run"];
    caught(tests(FILES, vec![migration_test(NO_TABLE, after)]), dialect, 1, Phase::AfterMustFail, &words).await;
}

#[tokio::test]
async fn a_server_that_ends_the_session_proves_nothing() {
    let after = TestPart::Rust(|db| {
        Box::pin(async {
            db.execute("SELECT pg_terminate_backend(pg_backend_pid())").await?;
            Ok(())
        })
    });
    let tests = tests(FILES, vec![migration_test(NO_TABLE, after)]);
    let words = ["the test could not be run", "terminating connection due to administrator command"];
    caught(tests, Dialect::Postgres, 1, Phase::AfterMustFail, &words).await;
}

/// The test ignores the lost connection. The message must not say that it ended its transaction.
#[tokio::test]
async fn a_session_lost_at_the_end_is_reported() {
    let before = TestPart::Rust(|db| {
        Box::pin(async {
            let _ = db.execute("SELECT pg_terminate_backend(pg_backend_pid())").await;
            Ok(())
        })
    });
    let walked = walk(tests(FILES, vec![migration_test(before, TABLE)]), Dialect::Postgres, 1).await;
    let Some(problem) = walked.map(|walked| walked.expect_err("there is no session").to_string()) else { return };
    assert!(problem.contains("[before]") && !problem.contains("ended its transaction"), "{problem}");
}

/// Several functions run in their own transactions: the second one does not find the row of the first.
async fn each_of_several_functions_is_rolled_back(dialect: Dialect) {
    async fn first(db: &mut Db) -> TestResult {
        db.execute("INSERT INTO users (id) VALUES (1)").await.map(drop)
    }
    async fn second(db: &mut Db) -> TestResult {
        db.expect_value(0, "SELECT count(*) FROM users").await
    }
    async fn stands_on_it(db: &mut Db) -> TestResult {
        db.expect_value(1, "SELECT count(*) FROM users").await
    }
    const GOOD: TestPart = TestPart::Several(&[
        ("after_first", |db| Box::pin(first(db))),
        ("after_second", |db| Box::pin(second(db))),
        ("after_first_again", |db| Box::pin(first(db))),
    ]);
    passes(tests(FILES, vec![migration_test(NO_TABLE, GOOD)]), dialect, 1).await;
    const BAD: TestPart = TestPart::Several(&[
        ("after_first", |db| Box::pin(first(db))),
        ("after_second", |db| Box::pin(stands_on_it(db))),
    ]);
    let words = ["`after_second`: expected 1, found 0", "test_runs.rs:"];
    caught(tests(FILES, vec![migration_test(NO_TABLE, BAD)]), dialect, 1, Phase::After, &words).await;
}

#[tokio::test]
async fn a_good_pair_passes() {
    passes(tests(FILES, vec![migration_test(NO_TABLE, TABLE)]), Dialect::Sqlite, 1).await;
}
