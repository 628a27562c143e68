//! What nobody may see: the words of a driver and of a server are shown without the secrets of the URL, as they are
//! written there and as they are meant.

use std::sync::Mutex;

use lockgate::{Database, Migrator};
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::support::database::Db;
use crate::support::postgres;
use crate::support::set::migrations;

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
async fn the_words_of_the_driver_are_masked() {
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
async fn the_words_of_the_server_are_masked() {
    let Some(database) = postgres::database() else { return };
    let url = database.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let (_, password) = server.rsplit_once('@').unwrap().0.rsplit_once(':').unwrap();
    let shown = shown(&format!("{server}/{password}")).await;
    // If the URL names a database, its name is shown.
    assert!(!shown.contains(&format!("\"{password}")), "{shown}");
    assert!(shown.contains("database \"***\" does not exist"), "{shown}");
}

/// The statements that the drivers log, of all tests in this process.
struct Heard(Mutex<Vec<String>>);

static HEARD: Heard = Heard(Mutex::new(Vec::new()));

impl Heard {
    fn listen() {
        // Another test of this process may have begun already.
        let _ = log::set_logger(&HEARD);
        log::set_max_level(log::LevelFilter::Trace);
    }

    fn says(&self, word: &str) -> bool {
        self.0.lock().unwrap().iter().any(|line| line.contains(word))
    }
}

impl log::Log for Heard {
    fn enabled(&self, about: &log::Metadata<'_>) -> bool {
        about.target() == "sqlx::query"
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// A slow message is logged whole, at a level that every program shows, and a quick one at another.
#[tokio::test]
async fn g_the_drivers_log_nothing_of_what_runs_on_a_connection_of_ours() {
    Heard::listen();
    let script = "CREATE TABLE heard (a TEXT DEFAULT 'over_ours');";
    let db = Db::sqlite().unwrap();
    let set = migrations(&[("0001_a.sql", script)]);
    Migrator::new(set).apply(&mut Database::connect(&db.url()).await.unwrap()).await.unwrap();
    let mut connection = SqliteConnection::connect(&db.url()).await.unwrap();
    sqlx::raw_sql("SELECT 'over_lent_sqlite'").execute(&mut connection).await.unwrap();
    assert!(HEARD.says("over_lent_sqlite"), "the test would hear it");
    assert!(!HEARD.says("over_ours"));

    let Some(db) = Db::postgres() else { return };
    Migrator::new(set).apply(&mut Database::connect(&db.url()).await.unwrap()).await.unwrap();
    let mut connection = PgConnection::connect(&db.url()).await.unwrap();
    sqlx::raw_sql("SELECT 'over_lent_postgres'").execute(&mut connection).await.unwrap();
    assert!(HEARD.says("over_lent_postgres"), "the test would hear it");
    assert!(!HEARD.says("over_ours"));
}
