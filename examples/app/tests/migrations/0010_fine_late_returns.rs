//! The database charges for a late return: 20 cents a day, and at most 10.00.

use lockgate_harness::{Db, TestResult};

pub async fn fill(db: &mut Db) -> TestResult {
    db.execute(
        "INSERT INTO loans (id, copy_id, member_id, lent_on, due_on) VALUES
            (102, 101, 100, '2024-03-01', '2024-03-29'), (103, 1, 101, '2024-03-01', '2024-03-29')",
    )
    .await?;
    Ok(())
}

pub async fn before(db: &mut Db) -> TestResult {
    give_back(db, 102, "2024-04-01").await?;
    db.expect_value(0, CHARGED).await
}

pub async fn after_a_late_return_is_charged(db: &mut Db) -> TestResult {
    give_back(db, 103, "2024-03-29").await?;
    db.expect_value(0, CHARGED).await?;
    give_back(db, 102, "2024-04-01").await?;
    db.expect_value(60, CHARGED).await?;
    // Correcting the date of a return charges nothing.
    give_back(db, 102, "2024-04-02").await?;
    db.expect_value(60, CHARGED).await
}

/// Each `after` function is rolled back, so the other one's returns are not visible here.
pub async fn after_a_very_late_one_costs_ten(db: &mut Db) -> TestResult {
    db.expect_trigger("loans_fine_late").await?;
    give_back(db, 103, "2024-12-24").await?;
    db.expect_value(1000, "SELECT cents FROM fines WHERE loan_id = 103").await
}

const CHARGED: &str = "SELECT coalesce(sum(cents), 0) FROM fines WHERE loan_id IN (102, 103) AND reason = 'late'";

async fn give_back(db: &mut Db, loan: i32, day: &str) -> TestResult {
    db.execute(&format!("UPDATE loans SET returned_on = '{day}' WHERE id = {loan}")).await?;
    Ok(())
}
