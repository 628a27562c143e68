//! What nobody may see: the words of a driver and of a server are shown without the secrets of the URL, as they are
//! written there and as they are meant.

use lockgate::Database;

use crate::support::postgres;

/// Everything that can be seen of the error.
async fn shown(url: &str) -> String {
    let error = Database::connect(url).await.expect_err("there is no such database");
    let mut shown = format!("{error}\n{error:?}\n{}", error.report());
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        shown.push_str(&format!("\n{cause}\n{cause:?}"));
        source = cause.source();
    }
    shown
}

#[tokio::test]
async fn t6_the_words_of_the_driver_are_masked() {
    for url in [
        "postgres://ann:s3cret@127.0.0.1/library?sslmode=s3cret",
        "postgres://ann:s%33cret@127.0.0.1/library?sslmode=s3cret",
        "postgres://127.0.0.1/library?password=s3cret&sslmode=s3cret",
        "sqlite://library.db?mode=s3cret&key=s3cret",
    ] {
        let shown = shown(url).await;
        assert!(!shown.contains("s3cret"), "{url}:\n{shown}");
        assert!(shown.contains("***") && shown.contains("mode"), "the driver quotes it: {shown}");
    }
}

#[tokio::test]
async fn t6_the_words_of_the_server_are_masked() {
    let Some(database) = postgres::database() else { return };
    let url = database.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let (_, password) = server.rsplit_once('@').unwrap().0.rsplit_once(':').unwrap();
    let shown = shown(&format!("{server}/{password}")).await;
    // Where the URL names a database, its name is shown.
    assert!(!shown.contains(&format!("\"{password}")), "{shown}");
    assert!(shown.contains("database \"***\" does not exist"), "{shown}");
}
