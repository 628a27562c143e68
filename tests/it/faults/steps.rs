//! Misbehaving Rust steps.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use lockgate::__private::RustStep;
use lockgate::{Atomicity, ErrorKind, Migrator, StepResult, Transaction};
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::reports;
use crate::support::database::{Db, backends};
use crate::support::set::with_steps;

backends! {
    a_step_that_commits_by_itself_is_caught,
    a_step_that_leaves_a_transaction_open_is_caught,
    a_step_that_panics_leaves_no_lock_and_no_record,
    a_step_that_fails_in_the_database_reports_the_error,
    a_step_that_loses_another_connection_has_not_lost_ours,
    a_step_that_changes_the_session_does_not_affect_later_ones,
}

const RUST: (&str, &str) =
    ("0002_step.rs", "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n");
const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
const C: (&str, &str) = ("0003_c.sql", "CREATE TABLE c (id INTEGER PRIMARY KEY);");

async fn commits(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("CREATE TABLE made (id INTEGER)").await?;
    tx.execute("COMMIT").await?;
    Ok(())
}
static COMMITS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(commits(tx)), down: None }];

async fn forgets(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("CREATE TABLE made (id INTEGER)").await?;
    if let Some(connection) = tx.sqlite() {
        std::mem::forget(connection.begin().await?);
    } else if let Some(connection) = tx.postgres() {
        std::mem::forget(connection.begin().await?);
    }
    Ok(())
}
static FORGETS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(forgets(tx)), down: None }];

async fn panics(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("CREATE TABLE made (id INTEGER)").await?;
    panic!("on purpose");
}
static PANICS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(panics(tx)), down: None }];

async fn fails(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("INSERT INTO a (id) VALUES (1)").await?;
    tx.execute("INSERT INTO a (id) VALUES (1)").await?;
    Ok(())
}
static FAILS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(fails(tx)), down: None }];

async fn wanders(tx: &mut Transaction<'_>) -> StepResult {
    if tx.dialect() == lockgate::Dialect::Postgres {
        tx.execute("CREATE SCHEMA elsewhere; SET search_path = elsewhere; SET lock_timeout = '7s'").await?;
    }
    Ok(())
}
static WANDERS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(wanders(tx)), down: None }];

async fn works(_: &mut Transaction<'_>) -> StepResult {
    Ok(())
}
static WORKS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(works(tx)), down: None }];

/// The driver takes our COMMIT for that of the inner transaction, which it still counts.
async fn a_step_that_leaves_a_transaction_open_is_caught(db: Db) {
    for atomicity in [Atomicity::PerMigration, Atomicity::WholeRun] {
        let whole = atomicity == Atomicity::WholeRun;
        let set = format!("of {whole}");
        let mut database = db.open().await;
        let ground: &[(&str, &str)] = if whole { &[("0001_b.sql", "CREATE TABLE b (id INTEGER);")] } else { &[A] };
        let files = [ground, &[RUST, C]].concat();
        let migrator = Migrator::new(with_steps(&files, FORGETS)).set_name(set.clone()).atomicity(atomicity);
        let error = migrator.apply(&mut database).await.unwrap_err();
        let says = [
            "the Rust function of `0002_step` failed",
            "it left a transaction open that it began",
            "`0002_step` was rolled back: nothing of it is in the database",
            if whole { "nothing of it was committed" } else { "applied and committed before it: 0001_a" },
        ];
        reports(&error, ErrorKind::Failed, &says);
        drop(database);
        assert_eq!(db.objects().await, ["a"]);
        assert_eq!(db.history().await, ["1:applied"]);
    }
    let mut database = db.open().await;
    let report =
        Migrator::new(with_steps(&[A, RUST, C], WORKS)).set_name("of false").apply(&mut database).await.unwrap();
    assert_eq!(report.steps.len(), 2);
    assert_eq!(db.objects().await, ["a", "c"]);
}

async fn a_step_that_commits_by_itself_is_caught(db: Db) {
    let mut database = db.open().await;
    let error = Migrator::new(with_steps(&[A, RUST, C], COMMITS)).apply(&mut database).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "the Rust function of `0002_step` ended Lockgate's transaction",
            if db.is_sqlite() {
                "it is unknown whether anything of `0002_step` is in the database; it is not recorded"
            } else {
                "before it ended the transaction is committed"
            },
            "applied and committed before it: 0001_a",
            "undo that by hand",
        ],
    );
    assert!(!error.report().to_string().contains("was rolled back"), "{error:?}");
    assert_eq!(db.history().await, ["1:applied"]);
    assert_eq!(db.objects().await, ["a", "made"]);
    db.execute("DROP TABLE made").await;
    Migrator::new(with_steps(&[A, RUST, C], WORKS)).apply(&mut database).await.unwrap();
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
}

async fn a_step_that_panics_leaves_no_lock_and_no_record(db: Db) {
    let panicking = Migrator::new(with_steps(&[A, RUST, C], PANICS));
    let working = Migrator::new(with_steps(&[A, RUST, C], WORKS));
    let mut database = db.open().await;
    AssertUnwindSafe(panicking.apply(&mut database)).catch_unwind().await.unwrap_err();
    working.apply(&mut db.open().await).await.unwrap();
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert_eq!(db.objects().await, ["a", "c"]);
    assert!(working.apply(&mut database).await.unwrap().is_empty(), "the value is good again");

    // The same on a connection of the caller's.
    let other = panicking.set_name("other").history_table("other_history");
    let other_works = working.set_name("other").history_table("other_history");
    db.execute("DROP TABLE a; DROP TABLE c").await;
    match &db {
        Db::Sqlite(_) => {
            let mut borrowed = SqliteConnection::connect(&db.url()).await.unwrap();
            AssertUnwindSafe(other.apply(&mut borrowed)).catch_unwind().await.unwrap_err();
            other_works.apply(&mut database).await.unwrap();
            assert!(other_works.apply(&mut borrowed).await.unwrap().is_empty());
        }
        Db::Postgres(_) => {
            let mut borrowed = PgConnection::connect(&db.url()).await.unwrap();
            AssertUnwindSafe(other.apply(&mut borrowed)).catch_unwind().await.unwrap_err();
            other_works.apply(&mut database).await.unwrap();
            assert!(other_works.apply(&mut borrowed).await.unwrap().is_empty());
        }
    }
    assert_eq!(db.objects().await.iter().filter(|name| *name == "made").count(), 0);
}

async fn a_step_that_fails_in_the_database_reports_the_error(db: Db) {
    let mut database = db.open().await;
    let error = Migrator::new(with_steps(&[A, RUST, C], FAILS)).apply(&mut database).await.unwrap_err();
    assert_step_reported(&error, if db.is_sqlite() { "UNIQUE constraint failed: a.id" } else { "duplicate key value" });
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a").await, ["0"]);
}

async fn calls_another(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("INSERT INTO a (id) VALUES (1)").await?;
    // No server listens on port 1.
    PgConnection::connect("postgres://nobody@127.0.0.1:1/nothing").await?;
    Ok(())
}
static CALLS_ANOTHER: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(calls_another(tx)), down: None }];

async fn a_step_that_loses_another_connection_has_not_lost_ours(db: Db) {
    for atomicity in [Atomicity::PerMigration, Atomicity::WholeRun] {
        let mut database = db.open().await;
        let migrator = Migrator::new(with_steps(&[A, RUST, C], CALLS_ANOTHER)).atomicity(atomicity);
        let error = migrator.apply(&mut database).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Failed,
            &["the Rust function of `0002_step` failed", "refused", "`0002_step` was rolled back: nothing of it"],
        );
        if atomicity == Atomicity::PerMigration {
            reports(&error, ErrorKind::Failed, &["applied and committed before it: 0001_a"]);
            assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a").await, ["0"]);
        }
        assert_eq!(db.log().await.last().unwrap(), "2:failed");
    }
}

async fn only_reads(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("SET TRANSACTION READ ONLY").await?;
    tx.execute("INSERT INTO a (id) VALUES (1)").await?;
    Ok(())
}
static ONLY_READS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(only_reads(tx)), down: None }];

/// The help for a session that may write does not advise another server.
#[tokio::test]
async fn a_step_that_makes_its_transaction_read_only_is_reported() {
    let Some(db) = Db::postgres() else { return };
    let migrator = Migrator::new(with_steps(&[A, RUST, C], ONLY_READS));
    let error = migrator.apply(&mut db.open().await).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &["the Rust function of `0002_step` failed", "what ran made its transaction read-only"],
    );
}

#[track_caller]
fn assert_step_reported(error: &lockgate::Error, cause: &str) {
    reports(
        error,
        ErrorKind::Failed,
        &[
            "the Rust function of `0002_step` failed",
            cause,
            "`0002_step` was rolled back",
            "applied and committed before it: 0001_a",
            "correct migrations/0002_step.rs, build again, then run again",
        ],
    );
}

async fn a_step_that_changes_the_session_does_not_affect_later_ones(db: Db) {
    let mut database = db.open().await;
    Migrator::new(with_steps(&[A, RUST, C], WANDERS)).apply(&mut database).await.unwrap();
    assert_eq!(db.objects().await, ["a", "c"], "in the schema where the session looks");
    assert_eq!(db.history().await.len(), 3);
    if let Some(connection) = database.postgres() {
        let path: String = sqlx::query_scalar("SHOW search_path").fetch_one(&mut *connection).await.unwrap();
        let timeout: String = sqlx::query_scalar("SHOW lock_timeout").fetch_one(&mut *connection).await.unwrap();
        assert_eq!((path.as_str(), timeout.as_str()), ("\"$user\", public", "0"));
    }
}

async fn copies(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("COPY a FROM STDIN").await?;
    Ok(())
}
static COPIES: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(copies(tx)), down: None }];

/// The server waits for data that never come, and so never reads what is sent next.
#[tokio::test]
async fn a_step_that_breaks_the_conversation_does_not_hang() {
    let Some(db) = Db::postgres() else { return };
    let mut database = db.open().await;
    let migrator = Migrator::new(with_steps(&[A, RUST, C], COPIES));
    let run = tokio::time::timeout(Duration::from_secs(120), migrator.apply(&mut database));
    let error = run.await.expect("it does not hang").unwrap_err();
    reports(
        &error,
        ErrorKind::Interrupted,
        &["the connection was lost at `0002_step`", "the conversation with the server broke down", "then run again"],
    );
    Migrator::new(with_steps(&[A, RUST, C], WORKS)).apply(&mut database).await.unwrap();
    assert_eq!(db.history().await.len(), 3);
}
