//! The database cannot be reached, or is not what the URL says.

use std::time::Duration;

use lockgate::{Database, ErrorKind, Migrator};
use lockgate_harness::server::Options;
use sqlx::Connection;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;

use super::reports;
use crate::support::postgres;
use crate::support::set::migrations;

async fn refused(url: &str) -> lockgate::Error {
    let error = Database::connect(url).await.expect_err("there is nothing to connect to");
    let shown = format!("{error}\n{error:?}");
    for secret in ["s3cret", "s%33cret"] {
        assert!(!shown.contains(secret), "a secret is shown:\n{shown}");
    }
    error
}

#[tokio::test]
async fn a_wrong_url_shows_the_right_form() {
    reports(
        &refused("shop.db").await,
        ErrorKind::Usage,
        &["the database URL has no scheme", "write `sqlite://shop.db`"],
    );
    // Parts that may contain a password are not repeated.
    reports(&refused("s3cret@host/db").await, ErrorKind::Usage, &["write `sqlite://app.db`"]);
    reports(&refused("").await, ErrorKind::Usage, &["the database URL has no scheme"]);
    reports(
        &refused("oracle://ann:s3cret@host/db").await,
        ErrorKind::Usage,
        &["Lockgate does not support `oracle:` databases", "or `postgres://"],
    );
    reports(
        &refused("\"postgres://ann:s3cret@host/db\"").await,
        ErrorKind::Usage,
        &["the database URL is in quotation marks", "write it without them"],
    );
    reports(
        &refused("localhost:5432/shop").await,
        ErrorKind::Usage,
        &["the database URL has no scheme", "begin it with `postgres://`"],
    );
    reports(&refused("mysql://ann:s3cret@host/db").await, ErrorKind::Usage, &["`mysql:`"]);
    reports(
        &refused("postgres://ann:s3cret@host:notaport/db").await,
        ErrorKind::Usage,
        &["the database URL is invalid", "invalid port number", "is written %XX"],
    );
    reports(&refused("postgres://ann:s3/cr#et@host/db").await, ErrorKind::Usage, &["is written %XX"]);
    reports(
        &refused("postgres://ann:s3cret@host/db?sslmode=perhaps").await,
        ErrorKind::Usage,
        &["`sslmode=perhaps`", "`verify-full`"],
    );
    reports(&refused("sqlite://app.db?mode=perhaps").await, ErrorKind::Usage, &["mode"]);
}

#[tokio::test]
async fn a_missing_file_is_not_made_in_silence() {
    let place = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/none.db", place.path().display());
    reports(&refused(&url).await, ErrorKind::Unreachable, &["cannot connect to sqlite:", "none.db?mode=rwc`"]);
    let existing = format!("{url}?mode=rw");
    reports(&refused(&existing).await, ErrorKind::Unreachable, &["create it with", "none.db?mode=rwc`"]);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    let url = format!("sqlite://{}/no/folder/a.db?mode=rwc", place.path().display());
    reports(
        &refused(&url).await,
        ErrorKind::Unreachable,
        &["unable to open database file", "there is no folder", "create it"],
    );
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_not_changed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notes.txt");
    let text = "these are notes and no database at all, but long enough to be looked at; ".repeat(40);
    std::fs::write(&path, &text).unwrap();
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let error = match Database::connect(&url).await {
        Err(error) => error,
        Ok(mut database) => {
            let set = migrations(&[("0001_a.sql", "CREATE TABLE a (id INTEGER);")]);
            Migrator::new(set).apply(&mut database).await.unwrap_err()
        }
    };
    reports(&error, ErrorKind::Unreachable, &["file is not a database", "the file is not a SQLite database"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url = format!("postgres://ann:s3cret@127.0.0.1:{port}/db");
    reports(
        &refused(&url).await,
        ErrorKind::Unreachable,
        &["cannot connect to postgres://ann:***@127.0.0.1", "refused", "check that the server runs"],
    );
    let url = "postgres://ann:s3cret@no-such-host.invalid/db";
    reports(
        &refused(url).await,
        ErrorKind::Unreachable,
        &["cannot connect to postgres://ann:***@no-such-host.invalid"],
    );

    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1));
    let pool = pool.connect_lazy(&format!("postgres://ann:s3cret@127.0.0.1:{port}/db")).unwrap();
    let set = migrations(&[("0001_a.sql", "CREATE TABLE a (id INTEGER);")]);
    let error = Migrator::new(set).apply(&pool).await.unwrap_err();
    reports(&error, ErrorKind::Unreachable, &["all are in use, or none can be made", "check that the server"]);
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up_at_the_deadline() {
    // It accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://ann:s3cret@{}/db", silent.local_addr().unwrap());
    let error = Database::connect_within(&url, Duration::from_millis(1200)).await.unwrap_err();
    reports(&error, ErrorKind::Unreachable, &["no answer within", "check that the server runs"]);
}

#[tokio::test]
async fn a_wrong_password_role_or_database_is_reported() {
    let Some(database) = postgres::database() else { return };
    let url = database.url();
    let start = url.find("://").unwrap() + 3;
    let at = url.find('@').unwrap();
    let host = &url[at..url.rfind('/').unwrap()];
    let user = url[start..at].split_once(':').unwrap().0;

    let wrong = format!("postgres://{user}:s3cret{host}/postgres");
    let error = refused(&wrong).await;
    reports(&error, ErrorKind::Denied, &[":***@", "password authentication failed", "check user and password"]);
    assert_eq!(error.report().database_code(), Some("SQLSTATE 28P01"));
    // Waiting would not help.
    let long = Duration::from_secs(3600);
    let error = Database::connect_within(&wrong, long).await.unwrap_err();
    reports(&error, ErrorKind::Denied, &["password authentication failed"]);
    let error = Database::connect_within("postgres://ann@host:0x/db", long).await.unwrap_err();
    reports(&error, ErrorKind::Usage, &[]);

    let nobody = format!("postgres://nobody_at_all:s3cret{host}/postgres");
    reports(&refused(&nobody).await, ErrorKind::Denied, &["nobody_at_all"]);

    let missing = format!("{}/no_such_database", &url[..url.rfind('/').unwrap()]);
    let error = refused(&missing).await;
    reports(
        &error,
        ErrorKind::Unreachable,
        &["database \"no_such_database\" does not exist", "create the database first"],
    );
}

#[tokio::test]
async fn a_server_that_is_coming_up_is_waited_for() {
    let Some(mut server) = postgres::cluster(&Options::default()) else { return };
    let url = server.url("postgres");
    server.kill_9().unwrap();

    let error = Database::connect_within(&url, Duration::from_millis(300)).await.unwrap_err();
    reports(&error, ErrorKind::Unreachable, &["refused"]);
    assert!(!format!("{error:?}").contains(server.password()));

    let waiting = tokio::spawn(async move { Database::connect_within(&url, Duration::from_secs(120)).await });
    let server = tokio::task::spawn_blocking(move || {
        server.restart().unwrap();
        server
    });
    let server = server.await.unwrap();
    let mut database = waiting.await.unwrap().unwrap();
    database.postgres().unwrap().ping().await.unwrap();
    drop(server);
}
