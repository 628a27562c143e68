//! Sets that are bad as a whole: what works all at once and not step by step.

use lockgate::Dialect;
use lockgate_harness::__private as harness;

use super::super::{on_each, tests, whole};

on_each! {
    what_works_all_at_once_and_not_step_by_step,
}

async fn refused(files: &[(&str, &str)], dialect: Dialect, words: &[&str]) {
    whole::refused(harness::step_by_step_equals_all_at_once, tests(files, vec![]), dialect, words).await;
}

async fn what_works_all_at_once_and_not_step_by_step(dialect: Dialect) {
    let files = [
        ("0001_a.up.sql", "CREATE TEMPORARY TABLE scratch (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE IF EXISTS scratch;"),
        ("0002_b.up.sql", "CREATE TABLE b AS SELECT id FROM scratch;"),
        ("0002_b.down.sql", "DROP TABLE b;"),
    ];
    // On SQLite the run puts the connection back behind each migration, also within one run.
    let words = match dialect {
        Dialect::Sqlite => ["`0002_b` failed", "all at once fails", "scratch"],
        Dialect::Postgres | Dialect::Mysql => ["`0002_b` on ", "it fails in a run of its own", "scratch"],
    };
    refused(&files, dialect, &words).await;
}

/// The second migration looks whether the first one was in its session.
#[tokio::test]
async fn rows_that_are_others_step_by_step() {
    let there = "SELECT 1 FROM pg_class WHERE relnamespace = pg_my_temp_schema()";
    let files = [
        ("0001_a.up.sql", "CREATE TABLE b (id INTEGER);\nCREATE TEMPORARY TABLE scratch (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE b;"),
        ("0002_b.up.sql", &*format!("INSERT INTO b SELECT 1 WHERE EXISTS ({there});")),
        ("0002_b.down.sql", "DELETE FROM b;"),
    ];
    refused(&files, Dialect::Postgres, &["gives other rows", "`b` has 1 rows at once and 0 step by step"]).await;
}

/// A path that is set for the database holds from the next session on.
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
    let words = ["gives another schema", "table app.b: is new (real)", "table public.b: is gone (real)"];
    refused(&files, Dialect::Postgres, &words).await;
}
