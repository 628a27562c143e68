//! What is read besides the history: the log, and the sizes of tables.

use lockgate::{Migrator, UpTo};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    the_log_says_who_did_what_when_and_for_how_long,
    a_database_without_a_history_has_no_log,
    the_sizes_are_those_of_the_tables_that_exist,
}

const A: [(&str, &str); 2] =
    [("0001_a.up.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"), ("0001_a.down.sql", "DROP TABLE a;")];

async fn the_log_says_who_did_what_when_and_for_how_long(db: Db) {
    let set = migrations(&A);
    let migrator = Migrator::new(set);
    let mut database = db.open().await;
    migrator.apply(&mut database).await.unwrap();
    migrator.redo(&mut database, 1).await.unwrap();
    let broken = migrations(&[A[0], A[1], ("0002_b.sql", "INSERT INTO nowhere VALUES (1);")]);
    Migrator::new(broken).apply(&mut database).await.unwrap_err();

    let log = Migrator::new(set).log(&mut database, 100).await.unwrap();
    let events: Vec<_> = log.iter().map(|entry| (entry.event.as_str(), entry.name.as_str())).collect();
    assert_eq!(events, [("applied", "a"), ("reverted", "a"), ("applied", "a"), ("failed", "b")]);
    let elapsed: Vec<_> = log.iter().map(|entry| entry.elapsed.is_some()).collect();
    assert_eq!(elapsed, [false, false, true, false], "the history knows how long it took what is applied");
    let status = migrator.status(&mut database).await.unwrap();
    let row = status.entries[0].row.as_ref().unwrap();
    assert_eq!(log[2].elapsed, Some(row.elapsed));
    assert_eq!(log[2].by, row.applied_by);
    assert_eq!((log[2].application.as_str(), &log[2].lockgate), ("tests 1.2.3", &row.lockgate));
    assert_eq!(log[2].at[..13], row.applied_at[..13], "both are RFC 3339 in UTC");
    assert!(log[3].detail.as_ref().unwrap().contains("nowhere"), "{log:?}");
    assert!(log.is_sorted_by(|one, next| one.at <= next.at));

    let last = migrator.log(&mut database, 2).await.unwrap();
    assert_eq!(last, log[2..]);
    let other = Migrator::new(set).set_name("other").log(&mut database, 100).await.unwrap();
    assert!(other.is_empty(), "another set has its own: {other:?}");
}

async fn a_database_without_a_history_has_no_log(db: Db) {
    let log = Migrator::new(migrations(&A)).log(&mut db.open().await, 10).await.unwrap();
    assert!(log.is_empty());
    assert!(db.objects().await.is_empty());
}

async fn the_sizes_are_those_of_the_tables_that_exist(db: Db) {
    let change = "INSERT INTO a (id) VALUES (-1);\nCREATE TABLE b (id INTEGER);\nDROP TABLE b;\nDELETE FROM \"Big\";";
    let set = migrations(&[A[0], A[1], ("0002_change.sql", change)]);
    db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE \"Big\" (id INTEGER)").await;
    let numbers = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 5000)";
    db.execute(&format!("INSERT INTO \"Big\" {numbers} SELECT id FROM n")).await;
    let migrator = Migrator::new(set);
    let mut database = db.open().await;
    migrator.baseline(&mut database, lockgate::Version::new(1).unwrap()).await.unwrap();
    let plan = migrator.plan(&mut database, UpTo::Latest).await.unwrap();
    let sizes = migrator.sizes(&mut database, &plan).await.unwrap();
    let names: Vec<_> = sizes.iter().map(|size| size.table.as_str()).collect();
    // What takes no lock of its own in SQLite and destroys nothing is not known there.
    let expected: &[&str] = if db.is_sqlite() { &["Big"] } else { &["a", "Big"] };
    assert_eq!(names, expected, "what the plan makes has no size");
    if !db.is_sqlite() {
        assert!(sizes.iter().all(|size| size.rows.is_none()), "nobody has analyzed them: {sizes:?}");
    }
    // In SQLite, only a table with an index has statistics.
    db.execute("CREATE INDEX big_id ON \"Big\" (id); ANALYZE").await;
    let sizes = migrator.sizes(&mut database, &plan).await.unwrap();
    let big = sizes.last().unwrap();
    assert_eq!(big.rows, Some(5_000), "{sizes:?}");
    let bytes = big.bytes.unwrap();
    assert!((20_000..1_000_000).contains(&bytes), "{bytes}");
}
