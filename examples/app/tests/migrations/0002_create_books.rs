//! A book is a title; a copy is what a member carries home.

use lockgate_harness::{Db, Fails, TestResult};

/// Members exist before the first book.
pub async fn fill(db: &mut Db) -> TestResult {
    db.execute(
        "INSERT INTO members (id, name, email) VALUES
            (100, 'Ida', 'ida@example.org'), (101, 'Max', 'max@example.org')",
    )
    .await?;
    Ok(())
}

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_no_table("books").await?;
    db.expect_no_table("copies").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.expect_index("books_author").await?;
    db.expect_index("copies_book").await?;
    db.expect_foreign_key("copies", &["book_id"], "books").await?;
    db.execute("INSERT INTO books (id, title, author) VALUES (1, 'Emma', 'Jane Austen')").await?;
    db.execute("INSERT INTO copies (id, book_id, shelf) VALUES (1, 1, 'A1')").await?;
    db.fails_with(Fails::ForeignKey, "INSERT INTO copies (id, book_id, shelf) VALUES (2, 2, 'A1')").await
}
