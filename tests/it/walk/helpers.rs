//! The checks that a test can make, each passing and failing, on every database.

use lockgate::Dialect;
use lockgate_harness::__private::{MigrationTest, TestPart};
use lockgate_harness::{Db, Fails, Phase, TestResult};

use super::{caught, on_each, passes, tests};

const FILES: &[(&str, &str)] = &[
    (
        "0001_library.up.sql",
        "CREATE TABLE books (id INTEGER NOT NULL PRIMARY KEY, title VARCHAR(40) NOT NULL, pages INTEGER,\n    \
         CONSTRAINT books_thick CHECK (pages > 10));\n\
         CREATE TABLE copies (book_id INTEGER NOT NULL REFERENCES books (id), shelf VARCHAR(9) NOT NULL,\n    \
         PRIMARY KEY (book_id, shelf));\n\
         CREATE UNIQUE INDEX books_title ON books (title);\n\
         CREATE VIEW titles AS SELECT title FROM books;",
    ),
    ("0001_library.down.sql", "DROP VIEW titles;\nDROP TABLE copies;\nDROP TABLE books;"),
];

on_each! {
    existing_objects_are_found_and_others_are_not,
    a_statement_fails_for_the_reason_that_was_meant,
    a_failure_shows_expected_and_actual_values,
}

/// This is the after-test, and the walk goes all the way.
async fn holds(dialect: Dialect, after: TestPart) {
    passes(tests(FILES, vec![migration_test(after)]), dialect, 1).await;
}

fn migration_test(after: TestPart) -> MigrationTest {
    let before = Some(TestPart::Rust(|db| Box::pin(async { db.expect_no_table("books").await })));
    MigrationTest {
        version: 1,
        file: "tests/migrations/x.rs",
        before,
        after: Some(after),
        fill: None,
        loses_rows: &[],
        changes_values: &[],
        loses_values: &[],
    }
}

async fn existing_objects_are_found_and_others_are_not(dialect: Dialect) {
    async fn after(db: &mut Db) -> TestResult {
        db.expect_table("books").await?;
        db.expect_no_table("titles").await?;
        db.expect_view("titles").await?;
        db.expect_no_view("books").await?;
        db.expect_column("books", "title").await?;
        db.expect_column("titles", "title").await?;
        db.expect_no_column("books", "shelf").await?;
        let title = if db.dialect() == Dialect::Sqlite { "VARCHAR(40)" } else { "character varying(40)" };
        db.expect_column_type("books", "title", title).await?;
        db.expect_index("books_title").await?;
        db.expect_no_index("books_shelf").await?;
        db.expect_primary_key("copies", &["book_id", "shelf"]).await?;
        db.expect_no_primary_key("titles").await?;
        db.expect_foreign_key("copies", &["book_id"], "books").await?;
        db.expect_no_foreign_key("books", &["id"], "copies").await?;
        db.expect_constraint("books", "books_thick").await?;
        db.expect_no_constraint("books", "books_thin").await?;
        db.expect_no_type("mood").await?;
        db.expect_no_trigger("books_lent").await?;
        db.execute("INSERT INTO books (id, title) VALUES (1, 'Emma'), (2, 'Dune')").await?;
        db.expect_value("Emma".to_owned(), "SELECT title FROM books WHERE id = 1").await?;
        db.expect_value(None::<i64>, "SELECT pages FROM books WHERE id = 1").await?;
        db.expect_value(true, "SELECT count(*) = 2 FROM books").await?;
        let rows = db.rows("SELECT id, pages FROM books ORDER BY id").await?;
        assert_eq!(rows, [[Some("1".to_owned()), None], [Some("2".to_owned()), None]]);
        db.is_true("SELECT title <> '' FROM books").await
    }
    holds(dialect, TestPart::Rust(|db| Box::pin(after(db)))).await;
}

async fn a_statement_fails_for_the_reason_that_was_meant(dialect: Dialect) {
    async fn after(db: &mut Db) -> TestResult {
        db.execute("INSERT INTO books (id, title) VALUES (1, 'Emma')").await?;
        for (reason, sql) in [
            (Fails::NotNull, "INSERT INTO books (id) VALUES (2)"),
            (Fails::Unique, "INSERT INTO books (id, title) VALUES (2, 'Emma')"),
            (Fails::Unique, "INSERT INTO books (id, title) VALUES (1, 'Dune')"),
            (Fails::Check, "UPDATE books SET pages = 3"),
            (Fails::ForeignKey, "INSERT INTO copies VALUES (7, 'A')"),
            ("23502".into(), "UPDATE books SET title = NULL"),
        ] {
            db.fails_with(reason, sql).await?;
        }
        // The suite continues as if nothing had happened.
        db.expect_value(1, "SELECT count(*) FROM books").await?;
        let code = if db.dialect() == Dialect::Sqlite { "SQLITE_ERROR" } else { "42P01" };
        db.fails_with(code, "SELECT * FROM no_such_table").await
    }
    holds(dialect, TestPart::Rust(|db| Box::pin(after(db)))).await;
}

async fn a_failure_shows_expected_and_actual_values(dialect: Dialect) {
    let cases: [(TestPart, &[&str]); 9] = [
        (
            TestPart::Rust(|db| Box::pin(async { db.expect_table("book").await })),
            &["expected a table `book`, found `books`, `copies`"],
        ),
        (
            TestPart::Rust(|db| {
                Box::pin(async {
                    db.expect_table("books").await?;
                    db.expect_no_index("books_title").await
                })
            }),
            &["expected no index `books_title`, but there is one"],
        ),
        (
            TestPart::Rust(|db| Box::pin(async { db.expect_no_column("book", "title").await })),
            &["there is no table `book`, found `books`, `copies`, `titles`"],
        ),
        (
            TestPart::Rust(|db| Box::pin(async { db.expect_column("books", "isbn").await })),
            &["expected a column `isbn` in `books`, found `id`, `title`, `pages`"],
        ),
        (
            TestPart::Rust(|db| Box::pin(async { db.expect_primary_key("copies", &["shelf"]).await })),
            &["expected the primary key of `copies` to be shelf, found book_id, shelf"],
        ),
        (
            TestPart::Rust(|db| Box::pin(async { db.expect_foreign_key("copies", &["shelf"], "books").await })),
            &["expected a foreign key of `copies` (shelf) to `books`, found `(book_id) to books (id)`"],
        ),
        (
            TestPart::Rust(|db| Box::pin(async { db.expect_value(3, "SELECT count(*) FROM books").await })),
            &["expected 3, found 0", "in `SELECT count(*) FROM books`"],
        ),
        (
            TestPart::Rust(|db| {
                Box::pin(async { db.fails_with(Fails::Check, "INSERT INTO books (id, title) VALUES (1, 'x')").await })
            }),
            &["expected it to fail with CHECK, but it succeeded"],
        ),
        (
            TestPart::Rust(|db| {
                Box::pin(async { db.fails_with(Fails::Check, "INSERT INTO books (id) VALUES (1)").await })
            }),
            &["expected it to fail with CHECK, but it failed with "],
        ),
    ];
    for (after, words) in cases {
        let tests = tests(FILES, vec![migration_test(after)]);
        let here = ["tests/it/walk/helpers.rs:"];
        let words: Vec<&str> = words.iter().chain(&here).copied().collect();
        caught(tests, dialect, 1, Phase::After, &words).await;
    }
}
