//! A member can reserve a book once. A reservation is deleted with its book and with its member.

use lockgate_harness::{Db, Fails, TestResult};

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_no_table("reservations").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.expect_primary_key("reservations", &["book_id", "member_id"]).await?;
    db.expect_index("reservations_member").await?;
    db.execute("INSERT INTO reservations (book_id, member_id) VALUES (2, 100), (2, 3), (3, 3)").await?;
    db.is_true("SELECT reserved_on = CURRENT_DATE FROM reservations").await?;
    db.fails_with(Fails::Unique, "INSERT INTO reservations (book_id, member_id) VALUES (2, 3)").await?;
    db.execute("DELETE FROM members WHERE id = 3").await?;
    db.expect_value(1, "SELECT count(*) FROM reservations").await
}
