//! Reverting migrations.

use lockgate::{Action, DownTo, ErrorKind, Migrator, Repair, Version};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    a_draft_that_was_edited_can_be_reverted,
    baseline_records_without_running,
    an_irreversible_one_is_refused_with_its_name,
    repair_accepts_forgets_and_marks,
    one_step_back_is_recorded,
}

const TWO: &[(&str, &str)] = &[
    ("0001_a.up.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"),
    ("0001_a.down.sql", "DROP TABLE a;"),
    ("0002_b.up.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);"),
    ("0002_b.down.sql", "DROP TABLE b;"),
];

async fn one_step_back_is_recorded(db: Db) {
    db.apply(migrations(TWO)).await;
    let migrator = Migrator::new(migrations(TWO));
    let mut database = db.open().await;
    let report = migrator.revert(&mut database, DownTo::Steps(1)).await.unwrap();
    assert_eq!((report.steps[0].id.as_str(), report.steps[0].action), ("0002_b", Action::Revert));
    assert_eq!(db.objects().await, ["a"]);
    assert_eq!(db.history().await, ["1:applied"]);
    assert_eq!(db.log().await, ["1:applied", "2:applied", "2:reverted"]);

    let error = migrator.revert(&mut database, DownTo::Steps(2)).await.unwrap_err();
    assert_eq!(error.to_string(), "`revert` refuses: 2 migrations cannot be reverted: only 1 is applied");
    migrator.apply(&mut database).await.unwrap();
    let one = DownTo::Version(Version::new(1).unwrap());
    assert_eq!(migrator.revert(&mut database, one).await.unwrap().steps.len(), 1);
    migrator.revert(&mut database, DownTo::Empty).await.unwrap();
    assert!(db.objects().await.is_empty());
    assert!(db.history().await.is_empty());
    migrator.apply(&mut database).await.unwrap();
    assert_eq!(db.objects().await, ["a", "b"]);
}

async fn an_irreversible_one_is_refused_with_its_name(db: Db) {
    let set = migrations(&[
        TWO[0],
        TWO[1],
        ("0002_seed.sql", "-- lockgate: irreversible \"rows cannot be told apart\"\nINSERT INTO a (id) VALUES (1);"),
        ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);"),
        ("0003_c.down.sql", "DROP TABLE c;"),
    ]);
    db.apply(set).await;
    let mut database = db.open().await;
    let error = Migrator::new(set).revert(&mut database, DownTo::Empty).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.to_string(), "`revert` refuses: `0002_seed` is irreversible: rows cannot be told apart");
    assert_eq!(db.objects().await, ["a", "c"], "nothing was reverted before the refusal");
}

async fn a_draft_that_was_edited_can_be_reverted(db: Db) {
    db.apply(migrations(TWO)).await;
    let edited = migrations(&[
        TWO[0],
        TWO[1],
        ("0002_b.up.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY, more INTEGER);"),
        TWO[3],
    ]);
    let mut database = db.open().await;
    let migrator = Migrator::new(edited);
    assert_eq!(migrator.apply(&mut database).await.unwrap_err().kind(), ErrorKind::Refused);
    let report = migrator.revert(&mut database, DownTo::Steps(1)).await.unwrap();
    assert_eq!(report.tolerated.len(), 1);
    migrator.apply(&mut database).await.unwrap();
    assert_eq!(db.history().await.len(), 2);
}

async fn baseline_records_without_running(db: Db) {
    db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)").await;
    let migrator = Migrator::new(migrations(TWO));
    let mut database = db.open().await;
    let report = migrator.baseline(&mut database, Version::new(1).unwrap()).await.unwrap();
    assert_eq!(report.steps[0].action, Action::Record);
    assert_eq!(migrator.apply(&mut database).await.unwrap().steps.len(), 1);
    assert_eq!(db.objects().await, ["a", "b"]);
    assert_eq!(db.log().await, ["1:baselined", "2:applied"]);
    let error = migrator.baseline(&mut database, Version::new(5).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

async fn repair_accepts_forgets_and_marks(db: Db) {
    db.apply(migrations(TWO)).await;
    let edited = migrations(&[
        TWO[0],
        TWO[1],
        ("0002_b.up.sql", "-- the same in other words\nCREATE TABLE b (id INTEGER PRIMARY KEY);"),
        TWO[3],
    ]);
    let migrator = Migrator::new(edited);
    let mut database = db.open().await;
    assert_eq!(migrator.drift(&mut database).await.unwrap().len(), 1);
    let report = migrator.repair(&mut database, Repair::AcceptEdited).await.unwrap();
    assert_eq!(report.steps[0].action, Action::Rewrite);
    assert!(migrator.drift(&mut database).await.unwrap().is_empty());

    db.execute("DROP TABLE b").await;
    migrator.repair(&mut database, Repair::Forget(Version::new(2).unwrap())).await.unwrap();
    assert_eq!(migrator.apply(&mut database).await.unwrap().steps[0].id, "0002_b");
    assert_eq!(db.log().await, ["1:applied", "2:applied", "2:repaired", "2:forgotten", "2:applied"]);
    let error = migrator.repair(&mut database, Repair::Forget(Version::new(9).unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}
