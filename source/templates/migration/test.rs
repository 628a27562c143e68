//! The test of the migration `{{id}}`.
//!
//! It is walked on every database of the folder: `fill`, `before`, up, `after`, down, `before`, up, `after`. Each of
//! `before` and `after` must fail as a whole on the other side of the migration, and what it does is rolled
//! back. What there is to ask: `expect_table`, `expect_column`, `expect_column_type`, `expect_index`,
//! `expect_primary_key`, `expect_foreign_key`, `expect_constraint`, `expect_view`, `expect_type`, `expect_trigger`,
//! and `expect_no_…` of each; `execute`, `value`, `rows`, `expect_value`, `is_true`; `fails_with(Fails::NotNull, "…")`;
//! and the connection itself, `db.postgres()` or `db.sqlite()`. `assert!` and `?` fail at their line.

use lockgate_harness::{Db, TestResult};

/// What is so before the migration, and no longer after it.
pub async fn before(db: &mut Db) -> TestResult {
    db.is_true("SELECT 'what is so before {{id}}' = 'not written yet'").await
}

/// What is so after the migration, and not yet before it.
pub async fn after(db: &mut Db) -> TestResult {
    db.is_true("SELECT 'what is so after {{id}}' = 'not written yet'").await
}

// Rows that are there when the migration runs, and must survive it and its way back.
// pub async fn fill(db: &mut Db) -> TestResult {
//     db.execute("INSERT INTO …").await?;
//     Ok(())
// }
