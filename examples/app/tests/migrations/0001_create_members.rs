//! Members are people with an address of their own.

use lockgate_harness::{Db, Fails, TestResult};

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_no_table("members").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.expect_primary_key("members", &["id"]).await?;
    db.expect_index("members_email").await?;
    db.execute("INSERT INTO members (id, name, email) VALUES (1, 'Ida', 'ida@example.org')").await?;
    db.is_true("SELECT joined_on = CURRENT_DATE FROM members").await?;
    db.fails_with(Fails::NotNull, "INSERT INTO members (id, name) VALUES (2, 'Max')").await?;
    db.fails_with(Fails::Unique, "INSERT INTO members (id, name, email) VALUES (2, 'Max', 'ida@example.org')").await
}
