//! A loan has one fine, which can be paid in several parts.

use lockgate_harness::{Db, Fails, TestResult};

pub async fn fill(db: &mut Db) -> TestResult {
    db.execute("INSERT INTO reservations (book_id, member_id, reserved_on) VALUES (100, 100, '2024-02-03')").await?;
    Ok(())
}

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_no_table("fines").await?;
    db.expect_no_table("payments").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.expect_primary_key("fines", &["loan_id"]).await?;
    db.expect_foreign_key("payments", &["loan_id"], "fines").await?;
    db.execute("INSERT INTO fines (loan_id, cents) VALUES (100, 60)").await?;
    db.fails_with(Fails::Unique, "INSERT INTO fines (loan_id, cents) VALUES (100, 20)").await?;
    db.execute("INSERT INTO payments (receipt, loan_id, cents) VALUES ('R1', 100, 20), ('R2', 100, 40)").await?;
    db.fails_with(Fails::ForeignKey, "DELETE FROM fines").await?;
    db.fails_with(Fails::ForeignKey, "INSERT INTO payments (receipt, loan_id, cents) VALUES ('R3', 101, 20)").await
}
