//! Existing members have no telephone number, and need none.

use lockgate_harness::{Db, TestResult};

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_no_column("members", "phone").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.is_true("SELECT phone IS NULL FROM members").await?;
    db.execute("UPDATE members SET phone = '+49 731 1234' WHERE id = 100").await?;
    Ok(())
}
