//! The view shows who has which copy, without loans that were returned.

use lockgate_harness::{Db, TestResult};

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_no_view("open_loans").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.expect_view("open_loans").await?;
    let rows = db.rows("SELECT id, title, member FROM open_loans ORDER BY id").await?;
    let open = ["101", "Emma", "Max"].map(|text| Some(text.to_owned()));
    assert_eq!(rows, [open]);
    db.execute("UPDATE loans SET returned_on = '2024-02-10' WHERE id = 101").await?;
    db.expect_value(0, "SELECT count(*) FROM open_loans").await
}
