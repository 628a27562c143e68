//! The library's opening stock. The migration is irreversible, so it is tested up to `after`.

use lockgate_harness::{Db, TestResult};

/// One loan that was returned and one that was not.
pub async fn fill(db: &mut Db) -> TestResult {
    db.execute(
        "INSERT INTO loans (id, copy_id, member_id, lent_on, due_on, returned_on) VALUES
            (100, 100, 100, '2024-01-02', '2024-01-30', '2024-01-20'),
            (101, 100, 101, '2024-02-01', '2024-02-29', NULL)",
    )
    .await?;
    Ok(())
}

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_value(0, "SELECT count(*) FROM books WHERE id < 100").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.expect_value(3, "SELECT count(*) FROM members WHERE id < 100").await?;
    db.expect_value(4, "SELECT count(*) FROM books WHERE id < 100").await?;
    db.expect_value(5, "SELECT count(*) FROM copies WHERE id < 100").await?;
    // Every book can be lent.
    db.is_true("SELECT EXISTS (SELECT 1 FROM copies WHERE copies.book_id = books.id) FROM books").await
}
