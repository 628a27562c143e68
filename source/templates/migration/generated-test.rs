//! The test of the migration `{{id}}`, which was generated with it.
//! Add what it is for: rows that must fit, and rows that must be refused.
//!
//! It runs on every database of the folder: `fill`, `before`, up, `after`, down, `before`, up, `after`. `before` must
//! fail after the migration, and `after` before it: otherwise they prove nothing. Their changes are rolled back.

use lockgate_harness::{Db, TestResult};

{{declares}}/// What is true before the migration, and not after it.
pub async fn before(db: &mut Db) -> TestResult {
{{before}}
}

/// What is true after the migration, and not before it.
pub async fn after(db: &mut Db) -> TestResult {
{{after}}
}

{{fill}}
