//! `#[lockgate_harness::test]`: the database that a test gets, and what remains after the test.

use std::process::Command;

use lockgate::{Database, Migrations, Migrator};
use lockgate_harness::Throwaway;
use sqlx::{PgPool, Row, SqlitePool};

use crate::support::app::wait;

static MIGRATIONS: Migrations = lockgate::embed_migrations!("fixtures/attribute");

const TABLES: &str = "SELECT count(*) FROM lockgate_history";

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn a_pool_of_sqlite(db: SqlitePool) {
    let count: i64 = sqlx::query_scalar(TABLES).fetch_one(&db).await.unwrap();
    assert_eq!(count, MIGRATIONS.len() as i64);
}

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn a_pool_of_postgres(db: PgPool) -> Result<(), sqlx::Error> {
    let count: i64 = sqlx::query_scalar(TABLES).fetch_one(&db).await?;
    assert_eq!(count, MIGRATIONS.len() as i64);
    Ok(())
}

#[lockgate_harness::test(migrations = "fixtures/attribute", dialect = "postgres")]
async fn a_database(mut db: Database) {
    assert!(Migrator::new(&MIGRATIONS).apply(&mut db).await.unwrap().is_empty());
}

#[lockgate_harness::test(migrations = "fixtures/attribute", dialect = "sqlite", at = 1)]
async fn a_throwaway_at_a_version(db: Throwaway) -> Result<(), lockgate::Error> {
    let mut connection = db.connect().await.unwrap();
    let report = Migrator::new(&MIGRATIONS).apply(&mut connection).await?;
    assert_eq!(report.steps.len(), MIGRATIONS.len() - 1);
    Ok(())
}

#[lockgate_harness::test(migrations = MIGRATIONS, before = 1)]
async fn before_the_first_there_is_nothing(db: SqlitePool) {
    let rows = sqlx::query("SELECT name FROM sqlite_schema").fetch_all(&db).await.unwrap();
    assert!(rows.is_empty());
}

#[lockgate_harness::test(migrations = MIGRATIONS, at = "9999_nothing")]
#[should_panic(expected = "no migration `9999_nothing` is embedded from `tests/fixtures/attribute`")]
async fn an_unknown_migration_is_reported(_db: SqlitePool) {}

#[lockgate_harness::test(migrations = MIGRATIONS)]
#[should_panic(expected = "as it should")]
async fn a_test_may_be_there_to_panic(_db: SqlitePool) {
    panic!("as it should");
}

/// Makes the tests below fail. Another test runs them.
const FAILS: &str = "LOCKGATE_TEST_FAILS";

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn fails_by_a_panic(db: PgPool) {
    sqlx::query("CREATE TABLE why (reason TEXT)").execute(&db).await.unwrap();
    assert!(std::env::var_os(FAILS).is_none(), "on purpose");
}

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn fails_by_an_error(db: SqlitePool) -> Result<(), std::num::ParseIntError> {
    sqlx::query("CREATE TABLE why (reason TEXT)").execute(&db).await.unwrap();
    if std::env::var_os(FAILS).is_some() { "on purpose".parse::<u8>().map(drop) } else { Ok(()) }
}

#[test]
fn a_failed_test_keeps_and_names_its_database() {
    let output = failing("attribute::fails_by_an_error");
    assert!(output.contains("ParseIntError"), "{output}");
    let url = kept(&output, "sqlite:");
    let file = url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
    let folder = std::path::Path::new(file).parent().expect("a file is in a folder").to_owned();
    let there = wait(async {
        use sqlx::Connection;
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let row = sqlx::query("SELECT count(*) FROM why").fetch_one(&mut connection).await.unwrap();
        row.get::<i64, _>(0)
    });
    assert_eq!(there, 0);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_test_that_should_panic_keeps_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "attribute::a_test_may_be_there_to_panic"]).env("TMPDIR", place.path());
    let output = command.env("LOCKGATE_LINGER", "0").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The folder that the run shares goes by itself.
    let names = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| !name.to_string_lossy().starts_with("lockgate-run-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The password of the server is never shown.
#[test]
fn a_failure_on_postgres_shows_no_password() {
    let Some(database) = crate::support::postgres::database() else { return };
    let output = failing("attribute::fails_by_a_panic");
    assert!(output.contains("on purpose"), "{output}");
    let shown = kept(&output, "postgres:");
    let (_, password) = database.url().split_once("postgres:").map(|(_, rest)| ((), rest.to_owned())).unwrap();
    let password = password.split(':').nth(1).and_then(|rest| rest.split('@').next()).unwrap_or_default().to_owned();
    assert!(password.is_empty() || !output.contains(&password), "{output}");
    let name = shown.trim_end_matches(',').rsplit('/').next().expect("a URL has a path").to_owned();
    wait(async {
        use sqlx::Connection;
        let mut connection = database.connect().await;
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await.expect("it was kept");
        connection.close().await.unwrap();
    });
}

/// Returns what one of the tests above prints when it fails.
fn failing(test: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(FAILS, "1").output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Returns the URL in the message about a kept database.
fn kept(output: &str, scheme: &str) -> String {
    let line = output.lines().find(|line| line.contains("its database is kept")).unwrap_or_else(|| panic!("{output}"));
    line.split(' ').find(|word| word.starts_with(scheme)).unwrap_or_else(|| panic!("{line}")).to_owned()
}
