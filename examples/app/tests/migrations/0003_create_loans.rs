//! A copy is lent to one member at a time.

use lockgate_harness::{Db, Fails, TestResult};

pub async fn fill(db: &mut Db) -> TestResult {
    db.execute(
        "INSERT INTO books (id, title, author, published) VALUES (100, 'Emma', 'Jane Austen', 1815);
         INSERT INTO copies (id, book_id, shelf) VALUES (100, 100, 'A1'), (101, 100, 'A1')",
    )
    .await?;
    Ok(())
}

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_no_table("loans").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.expect_constraint("loans", "loans_due_after_lent").await?;
    db.expect_foreign_key("loans", &["copy_id"], "copies").await?;
    db.expect_foreign_key("loans", &["member_id"], "members").await?;
    let lend = |id: i32, due: &str| {
        format!(
            "INSERT INTO loans (id, copy_id, member_id, lent_on, due_on) VALUES ({id}, 100, 100, '2024-03-01', '{due}')"
        )
    };
    db.fails_with(Fails::Check, &lend(1, "2024-02-01")).await?;
    db.execute(&lend(1, "2024-03-29")).await?;
    db.fails_with(Fails::Unique, &lend(2, "2024-03-29")).await?;
    db.execute("UPDATE loans SET returned_on = '2024-03-05'").await?;
    db.execute(&lend(2, "2024-03-29")).await?;
    Ok(())
}
