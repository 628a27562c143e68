//! The test of the migration `{{id}}`.
//!
//! It runs on every database of the folder: `fill`, `before`, up, `after`, down, `before`, up, `after`. `before` must
//! fail after the migration, and `after` before it: otherwise they prove nothing. Their changes are rolled back.
//! Available on `db`: `expect_table`, `expect_column`, `expect_column_type`, `expect_index`,
//! `expect_primary_key`, `expect_foreign_key`, `expect_constraint`, `expect_view`, `expect_type`, `expect_trigger`,
//! and `expect_no_…` of each; `execute`, `value`, `rows`, `expect_value`, `is_true`; `fails_with(Fails::NotNull, "…")`;
//! and the connection itself, `db.postgres()` or `db.sqlite()`. `assert!` and `?` fail at their line.

use lockgate_harness::{Db, TestResult};

/// What is true before the migration, and not after it.
pub async fn before(db: &mut Db) -> TestResult {
    db.is_true("SELECT 'what is true before {{id}}' = 'not written yet'").await
}

/// What is true after the migration, and not before it.
pub async fn after(db: &mut Db) -> TestResult {
    db.is_true("SELECT 'what is true after {{id}}' = 'not written yet'").await
}

// Rows that exist when the migration runs. They must survive it and its down script.
// pub async fn fill(db: &mut Db) -> TestResult {
//     db.execute("INSERT INTO …").await?;
//     Ok(())
// }
