//! `each_statement`: each statement is announced before it runs, and everything else is as in a run that sends scripts
//! whole.

use std::sync::{Arc, Mutex};

use lockgate::{Atomicity, ErrorKind, Event, Migrations, Migrator};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    each_statement_is_announced_before_it_runs,
    a_run_of_more_statements_is_sent_whole,
    a_failure_is_that_of_the_statement_announced_last,
    a_whole_run_is_still_one_transaction,
    what_runs_outside_a_transaction_is_announced_without_asking,
}

const UP: &str =
    "CREATE TABLE a (id INTEGER PRIMARY KEY);\n\n-- two\nINSERT INTO a (id) VALUES (1);\nUPDATE a SET id = 2;";
const B: (&str, &str) = ("0002_b.sql", "CREATE TABLE b (id INTEGER);");

/// Hears `path:line sql`, and what is committed.
fn listening(set: &'static Migrations) -> (Migrator, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let migrator = Migrator::new(set).on_event(move |event| {
        let line = match event {
            Event::StatementStarted { place, statement, statements, sql, .. } => {
                format!("{statement}/{statements} {place} {}", sql.split('(').next().unwrap().trim())
            }
            Event::Committed { id, .. } => format!("committed {id}"),
            _ => return,
        };
        heard.lock().unwrap().push(line);
    });
    (migrator, events)
}

async fn each_statement_is_announced_before_it_runs(db: Db) {
    let set = migrations(&[("0001_a.sql", UP), B]);
    let (migrator, events) = listening(set);
    migrator.each_statement().apply(&mut db.open().await).await.unwrap();
    let mut events = events.lock().unwrap().clone();
    let committed: Vec<_> = events.extract_if(.., |event| event.starts_with("committed")).collect();
    assert_eq!(committed, ["committed 0001_a", "committed 0002_b"]);
    let expected = [
        "1/3 migrations/0001_a.sql:1 CREATE TABLE a",
        "2/3 migrations/0001_a.sql:4 INSERT INTO a",
        "3/3 migrations/0001_a.sql:5 UPDATE a SET id = 2;",
        "1/1 migrations/0002_b.sql:1 CREATE TABLE b",
    ];
    assert_eq!(events, expected);
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a").await, ["2"]);
    assert!(migrator_is_done(set, &db).await);
}

/// The statements of all scripts count: a migration may have thousands.
async fn a_run_of_more_statements_is_sent_whole(db: Db) {
    let set = migrations(&[("0001_a.sql", UP), B]);
    let (migrator, events) = listening(set);
    migrator.each_statement_of_at_most(3).apply(&mut db.open().await).await.unwrap();
    assert_eq!(*events.lock().unwrap(), ["committed 0001_a", "committed 0002_b"]);
    let more =
        migrations(&[("0001_a.sql", UP), B, ("0003_c.sql", "CREATE TABLE c (id INTEGER);\nSELECT 1;\nSELECT 2;")]);
    let (migrator, events) = listening(more);
    migrator.each_statement_of_at_most(3).apply(&mut db.open().await).await.unwrap();
    assert_eq!(events.lock().unwrap().len(), 4, "three statements and a commit");
}

async fn migrator_is_done(set: &'static Migrations, db: &Db) -> bool {
    Migrator::new(set).status(&mut db.open().await).await.unwrap().is_up_to_date()
}

async fn a_failure_is_that_of_the_statement_announced_last(db: Db) {
    let wrong = "CREATE TABLE b (id INTEGER);\nINSERT INTO nowhere VALUES (1);\nCREATE TABLE c (id INTEGER);";
    let (migrator, events) = listening(migrations(&[("0001_a.sql", UP), ("0002_b.sql", wrong)]));
    let migrator = migrator.each_statement();
    let error = migrator.apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let place = error.report().place().unwrap();
    assert!(place.starts_with("migrations/0002_b.sql:2:"), "{place}");
    let events = events.lock().unwrap().clone();
    assert!(events.contains(&"2/3 migrations/0002_b.sql:2 INSERT INTO nowhere VALUES".to_owned()), "{events:?}");
    assert!(!events.iter().any(|event| event.contains("CREATE TABLE c")), "{events:?}");
    assert_eq!(db.objects().await, ["a"]);
    assert_eq!(db.history().await, ["1:applied"]);
}

async fn a_whole_run_is_still_one_transaction(db: Db) {
    let set = migrations(&[("0001_a.sql", UP), ("0002_b.sql", "INSERT INTO nowhere VALUES (1);")]);
    let whole = Migrator::new(set).atomicity(Atomicity::WholeRun).each_statement();
    whole.apply(&mut db.open().await).await.unwrap_err();
    assert!(db.objects().await.is_empty());
    let good = migrations(&[("0001_a.sql", UP), B]);
    let whole = Migrator::new(good).atomicity(Atomicity::WholeRun).each_statement();
    whole.apply(&mut db.open().await).await.unwrap();
    assert!(migrator_is_done(good, &db).await);
}

async fn what_runs_outside_a_transaction_is_announced_without_asking(db: Db) {
    let outside = "-- lockgate: no-transaction\nCREATE TABLE a (id INTEGER);\nVACUUM;";
    let (migrator, events) = listening(migrations(&[("0001_a.sql", outside)]));
    migrator.apply(&mut db.open().await).await.unwrap();
    let expected =
        ["1/2 migrations/0001_a.sql:2 CREATE TABLE a", "2/2 migrations/0001_a.sql:3 VACUUM;", "committed 0001_a"];
    assert_eq!(*events.lock().unwrap(), expected);
}
