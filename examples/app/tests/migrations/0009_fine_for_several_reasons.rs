//! Both tables are rebuilt, and no fine, no payment and no cent is lost.

use lockgate_harness::{Db, Fails, TestResult};

/// A fine that is half paid.
pub async fn fill(db: &mut Db) -> TestResult {
    db.execute(
        "INSERT INTO fines (loan_id, cents, charged_on) VALUES (100, 60, '2024-02-02'), (101, 20, '2024-03-01');
         INSERT INTO payments (receipt, loan_id, cents, paid_on) VALUES ('R100', 100, 30, '2024-02-02')",
    )
    .await?;
    Ok(())
}

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_primary_key("fines", &["loan_id"]).await?;
    db.expect_no_column("payments", "reason").await?;
    everything_is_there(db).await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.expect_primary_key("fines", &["loan_id", "reason"]).await?;
    everything_is_there(db).await?;
    // All earlier fines and payments were for being late.
    db.is_true("SELECT reason = 'late' FROM fines").await?;
    db.is_true("SELECT reason = 'late' FROM payments").await?;

    db.execute("INSERT INTO fines (loan_id, reason, cents) VALUES (100, 'damaged', 500)").await?;
    db.fails_with(Fails::Unique, "INSERT INTO fines (loan_id, reason, cents) VALUES (100, 'late', 20)").await?;
    db.fails_with(Fails::Check, "INSERT INTO fines (loan_id, reason, cents) VALUES (101, 'loud', 20)").await?;
    let unpaid = "INSERT INTO payments (receipt, loan_id, reason, cents) VALUES ('R2', 101, 'lost', 20)";
    db.fails_with(Fails::ForeignKey, unpaid).await
}

async fn everything_is_there(db: &mut Db) -> TestResult {
    db.expect_index("payments_loan").await?;
    db.expect_value(80, "SELECT sum(cents) FROM fines").await?;
    db.is_true("SELECT cents = 60 AND charged_on = '2024-02-02' FROM fines WHERE loan_id = 100").await?;
    db.is_true("SELECT loan_id = 100 AND cents = 30 AND paid_on = '2024-02-02' FROM payments").await
}
