//! `wait` for a database that something else migrates.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate::wait::{self, Readiness};
use lockgate::{Audience, Database, ErrorKind, Event, Migrations, Migrator, UpTo};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    an_empty_database_is_not_ready_and_nothing_is_made_of_it,
    a_wait_ends_when_another_run_has_applied_the_last_one,
    a_database_that_is_ahead_is_ready,
    a_partial_migration_has_its_own_error,
    a_run_that_is_working_is_not_called_stopped,
    an_edited_migration_is_not_what_is_waited_for,
    a_database_that_is_not_there_is_waited_for,
}

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER);");
const B: (&str, &str) = ("0002_b.sql", "CREATE TABLE b (id INTEGER);");
const SHORT: Duration = Duration::from_millis(50);

async fn until(set: &'static Migrations, url: &str, patience: Duration) -> Result<(), lockgate::Error> {
    wait::until_migrated(&Migrator::new(set), url, patience).await
}

async fn an_empty_database_is_not_ready_and_nothing_is_made_of_it(db: Db) {
    let set = migrations(&[A, B]);
    let mut database = db.open().await;
    assert!(!wait::is_ready(&Migrator::new(set), &mut database).await.unwrap());
    let error = until(set, &db.url(), SHORT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "2 of 2 migrations are not applied after 50ms");
    assert_eq!(error.report().state(), ["`0001_a` is not applied", "`0002_b` is not applied"]);
    assert!(db.objects().await.is_empty());
    Migrator::new(set).apply_to(&mut database, UpTo::Steps(1)).await.unwrap();
    let error = until(set, &db.url(), SHORT).await.unwrap_err();
    assert_eq!(error.to_string(), "1 of 2 migrations is not applied after 50ms");
}

async fn a_wait_ends_when_another_run_has_applied_the_last_one(db: Db) {
    let set = migrations(&[A, B]);
    db.apply(migrations(&[A])).await;
    let mut database = db.open().await;
    let url = db.url();
    let (waited, applied) = tokio::join!(until(set, &url, Duration::from_secs(60)), async {
        tokio::time::sleep(SHORT).await;
        Migrator::new(set).apply(&mut database).await
    });
    assert_eq!(applied.unwrap().steps.len(), 1);
    waited.unwrap();
    // The success of an earlier deployment is none of a later one.
    let next = migrations(&[A, B, ("0003_c.sql", "CREATE TABLE c (id INTEGER);")]);
    assert_eq!(until(next, &db.url(), SHORT).await.unwrap_err().kind(), ErrorKind::TimedOut);
}

async fn a_database_that_is_ahead_is_ready(db: Db) {
    db.apply(migrations(&[A, B])).await;
    until(migrations(&[A]), &db.url(), SHORT).await.unwrap();
}

async fn a_partial_migration_has_its_own_error(db: Db) {
    let stops = "-- lockgate: no-transaction\nCREATE TABLE b (id INTEGER);\nINSERT INTO nowhere VALUES (1);";
    let set = migrations(&[A, ("0002_b.sql", stops)]);
    let mut database = db.open().await;
    Migrator::new(set).apply(&mut database).await.unwrap_err();
    let error = until(set, &db.url(), SHORT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Partial);
    assert_eq!(error.to_string(), "`0002_b` stopped half way, and nobody has resumed it within 50ms");
    db.execute("CREATE TABLE nowhere (id INTEGER)").await;
    Migrator::new(set).apply(&mut database).await.unwrap();
    until(set, &db.url(), SHORT).await.unwrap();
}

/// Its row looks the same as that of a run that died. The process, or the session, tells them apart.
async fn a_run_that_is_working_is_not_called_stopped(db: Db) {
    let slow = "-- lockgate: no-transaction\nCREATE TABLE b (id INTEGER);\nCREATE TABLE c (id INTEGER);";
    let set = migrations(&[A, ("0002_b.sql", slow)]);
    let url = db.url();
    let seen = Arc::new(Mutex::new(Vec::new()));
    // Whoever looks between two statements, in another session.
    let look = {
        let seen = Arc::clone(&seen);
        move |event: &Event| {
            if let Event::StatementFinished { statements_done: 1, .. } = event {
                let looked = std::thread::scope(|scope| {
                    let look = async {
                        let mut database = Database::connect(&url).await.unwrap();
                        let ready = wait::readiness(&Migrator::new(set), &mut database).await.unwrap();
                        (ready, until(set, &url, SHORT).await.unwrap_err())
                    };
                    scope.spawn(|| crate::support::app::wait(look)).join().unwrap()
                });
                seen.lock().unwrap().push(looked);
            }
        }
    };
    Migrator::new(set).on_event(look).apply(&mut db.open().await).await.unwrap();
    let seen = seen.lock().unwrap();
    let [(Readiness::Working { id, by }, error)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(id, "0002_b");
    assert!(by.starts_with("pid "), "{by}");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error:?}");
    assert_eq!(error.to_string(), "`0002_b` is still being worked on after 50ms");
}

async fn an_edited_migration_is_not_what_is_waited_for(db: Db) {
    db.apply(migrations(&[A])).await;
    let edited = migrations(&[("0001_a.sql", "CREATE TABLE a (id INTEGER, more TEXT);")]);
    let error = until(edited, &db.url(), SHORT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.report().state()[0].contains("`0001_a`"), "{error:?}");
    // No run that only has to start makes this right.
    let help = error.report_for(Audience::CommandLine).help().join("; ");
    assert_eq!(help, "`drift` shows the way out of each difference");
}

async fn a_database_that_is_not_there_is_waited_for(db: Db) {
    let set = migrations(&[A]);
    let url = db.url();
    let (elsewhere, create) = match db.is_sqlite() {
        true => (url.replace("test.db", "later.db"), None),
        false => {
            let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
            (url.replace(name, &format!("{name}_later")), Some(format!("CREATE DATABASE {name}_later")))
        }
    };
    let error = until(set, &elsewhere, SHORT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    let (waited, ()) = tokio::join!(until(set, &elsewhere, Duration::from_secs(60)), async {
        if let Some(create) = create {
            db.execute(&create).await;
        }
        let mut database = Database::connect(&elsewhere).await.unwrap();
        Migrator::new(set).apply(&mut database).await.unwrap();
    });
    waited.unwrap();
}
