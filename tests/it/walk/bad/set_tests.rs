//! Sets that fail a test of the whole set.

use std::sync::Mutex;

use lockgate::__private::RustStep;
use lockgate::{Dialect, StepResult, Transaction};
use lockgate_harness::__private as harness;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor};

use super::super::{on_each, set_tests, tests};
use crate::support::set;

on_each! {
    a_set_that_works_only_in_one_run,
    a_set_that_fails_on_an_empty_database,
    a_migration_that_deletes_a_history_row,
    a_set_with_work_for_a_second_run,
    a_set_that_fails_with_concurrent_runners,
    a_set_that_logs_twice,
    a_set_that_fails_in_a_single_transaction,
}

async fn refused(files: &[(&str, &str)], dialect: Dialect, words: &[&str]) {
    set_tests::refused(harness::step_by_step_equals_all_at_once, tests(files, vec![]), dialect, words).await;
}

async fn a_set_that_works_only_in_one_run(dialect: Dialect) {
    let files = [
        ("0001_a.up.sql", "CREATE TEMPORARY TABLE scratch (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE IF EXISTS scratch;"),
        ("0002_b.up.sql", "CREATE TABLE b AS SELECT id FROM scratch;"),
        ("0002_b.down.sql", "DROP TABLE b;"),
    ];
    // On SQLite, a run restores the connection after each migration.
    let words = match dialect {
        Dialect::Sqlite => ["`0002_b` failed", "one run of all migrations fails", "scratch"],
        Dialect::Postgres | Dialect::Mysql => ["`0002_b` on ", "it fails in a run of its own", "scratch"],
    };
    refused(&files, dialect, &words).await;
}

/// The second migration checks whether the first one ran in its session.
#[tokio::test]
async fn rows_that_differ_step_by_step() {
    let there = "SELECT 1 FROM pg_class WHERE relnamespace = pg_my_temp_schema()";
    let files = [
        ("0001_a.up.sql", "CREATE TABLE b (id INTEGER);\nCREATE TEMPORARY TABLE scratch (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE b;"),
        ("0002_b.up.sql", &*format!("INSERT INTO b SELECT 1 WHERE EXISTS ({there});")),
        ("0002_b.down.sql", "DELETE FROM b;"),
    ];
    refused(
        &files,
        Dialect::Postgres,
        &["makes other rows", "`b` has 1 rows after one run and 0 after a run for each"],
    )
    .await;
}

/// A search path that is set for the database applies from the next session on.
#[tokio::test]
async fn a_table_that_lands_in_another_schema_step_by_step() {
    let path = "CREATE SCHEMA app;\n\
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = app, public', current_database()); END $$;";
    let files = [
        ("0001_app.up.sql", path),
        ("0001_app.down.sql", "DROP SCHEMA app CASCADE;"),
        ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);"),
        ("0002_b.down.sql", "DROP TABLE b;"),
    ];
    let words = ["makes another schema", "table app.b: is new (real)", "table public.b: is gone (real)"];
    refused(&files, Dialect::Postgres, &words).await;
}

const A: (&str, &str) = ("0001_a.up.sql", "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY);");
const NO_A: (&str, &str) = ("0001_a.down.sql", "DROP TABLE a;");

/// A set whose second migration is this one.
fn second(up: &str) -> &'static harness::Tests {
    tests(&[A, NO_A, ("0002_b.up.sql", up), ("0002_b.down.sql", "SELECT 1;")], vec![])
}

/// A row of a later migration, as a newer program would have written it.
const LATER: &str = "INSERT INTO lockgate_history (set_name, version, name, checksum, state, statements_done, applied_at, \
     elapsed_ms, applied_by, application, lockgate) SELECT set_name, 99, 'later', checksum, state, statements_done, \
     applied_at, elapsed_ms, applied_by, application, lockgate FROM lockgate_history WHERE version = 1;";

async fn a_set_that_fails_on_an_empty_database(dialect: Dialect) {
    let set = second("INSERT INTO nowhere VALUES (1);");
    set_tests::refused(
        harness::fresh_install,
        set,
        dialect,
        &["the set` on ", "it fails on an empty database", "`0002_b`"],
    )
    .await;
}

async fn a_migration_that_deletes_a_history_row(dialect: Dialect) {
    let set = second("DELETE FROM lockgate_history WHERE version = 1;");
    let words = ["it fails on an empty database", "`0002_b` could not be recorded"];
    set_tests::refused(harness::fresh_install, set, dialect, &words).await;
    let words = ["the test database cannot be made", "`0002_b` could not be recorded"];
    set_tests::refused(harness::second_run_does_nothing, set, dialect, &words).await;
}

async fn a_set_with_work_for_a_second_run(dialect: Dialect) {
    // On PostgreSQL, a row of a later version does not matter; on SQLite, each row is counted.
    let words = match dialect {
        Dialect::Sqlite => ["the test database cannot be made", "`0002_b` could not be recorded"],
        Dialect::Postgres | Dialect::Mysql => ["a second run does something", "99_later"],
    };
    set_tests::refused(harness::second_run_does_nothing, second(LATER), dialect, &words).await;
}

async fn a_set_that_fails_with_concurrent_runners(dialect: Dialect) {
    let fails = second("INSERT INTO nowhere VALUES (1);");
    // A migration that would leave a history without one of the others.
    let loses = second("DELETE FROM lockgate_history WHERE version = 1;");
    for test in [harness::two_runners_apply_once, harness::eight_runners_apply_once] as [set_tests::Test; 2] {
        set_tests::refused(test, fails, dialect, &["one of several concurrent runners fails", "`0002_b`"]).await;
        set_tests::refused(
            test,
            loses,
            dialect,
            &["one of several concurrent runners fails", "`0002_b` could not be recorded"],
        )
        .await;
    }
}

async fn a_set_that_logs_twice(dialect: Dialect) {
    let again = match dialect {
        Dialect::Sqlite => "logged_at, logged_by, ",
        Dialect::Postgres | Dialect::Mysql => "",
    };
    let columns = format!("{again}set_name, version, name, event, application, lockgate");
    let set = second(&format!("INSERT INTO lockgate_log ({columns}) SELECT {columns} FROM lockgate_log;"));
    for test in [harness::two_runners_apply_once, harness::eight_runners_apply_once] as [set_tests::Test; 2] {
        set_tests::refused(test, set, dialect, &["`lockgate_log` has 3 rows for 2 migrations"]).await;
    }
}

async fn a_set_that_fails_in_a_single_transaction(dialect: Dialect) {
    let set = match dialect {
        Dialect::Sqlite => second("INSERT INTO nowhere VALUES (1);"),
        // A value of an enum that is used in the transaction that adds it.
        Dialect::Postgres | Dialect::Mysql => tests(
            &[
                ("0001_a.up.sql", "CREATE TYPE mood AS ENUM ('sad');"),
                ("0001_a.down.sql", "DROP TYPE mood;"),
                ("0002_b.up.sql", "ALTER TYPE mood ADD VALUE 'glad';"),
                ("0002_b.down.sql", "SELECT 1;"),
                ("0003_c.up.sql", "CREATE TABLE c (m mood NOT NULL);\nINSERT INTO c VALUES ('glad');"),
                ("0003_c.down.sql", "DROP TABLE c;"),
            ],
            vec![],
        ),
    };
    let failed = if dialect == Dialect::Sqlite { "`0002_b`" } else { "`0003_c`" };
    let words = ["it fails in one transaction for all migrations, but not in a transaction for each", failed];
    set_tests::refused(harness::whole_run_is_all_or_nothing, set, dialect, &words).await;
}

/// Work on another connection is not rolled back with the migration's transaction.
#[tokio::test]
async fn a_change_that_outlives_a_rollback() {
    static STEPS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(elsewhere(tx)), down: None }];
    async fn elsewhere(tx: &mut Transaction<'_>) -> StepResult {
        let connection = tx.postgres().expect("it is for PostgreSQL");
        let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(connection).await?;
        let options = OPTIONS.lock().expect("nobody panics").clone();
        let options = options.ok_or("the test says where the server is")?;
        let mut other = sqlx::PgConnection::connect_with(&options.database(&name)).await?;
        other.execute("CREATE TABLE IF NOT EXISTS elsewhere (id INTEGER)").await?;
        Ok(())
    }
    let Some(server) = lockgate_harness::Throwaway::empty(Dialect::Postgres).await.expect("a database, or a skip")
    else {
        return;
    };
    *OPTIONS.lock().expect("nobody panics") = Some(server.url().parse().expect("a URL"));
    let files = [
        A,
        NO_A,
        (
            "0002_step.rs",
            "// lockgate: irreversible \"a test\"\npub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n",
        ),
    ];
    let set = super::super::of(set::with_steps(&files, STEPS), vec![]);
    let words = ["was not rolled back as a whole", "elsewhere"];
    set_tests::refused(harness::whole_run_is_all_or_nothing, set, Dialect::Postgres, &words).await;
}

static OPTIONS: Mutex<Option<PgConnectOptions>> = Mutex::new(None);
