//! The test of the migration `{{id}}`.

/// What is so before the migration, and no longer after it.
async fn before() {
    panic!("write here what is so before `{{id}}` and no longer after it");
}

/// What is so after the migration, and not yet before it.
async fn after() {
    panic!("write here what is so after `{{id}}` and not yet before it");
}

#[tokio::test]
async fn before_and_after() {
    before().await;
    after().await;
}
