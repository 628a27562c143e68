//! Seeds: the newest that fits is loaded at its migration, and the rest is applied to its rows.

use lockgate::{ErrorKind, Migrations, Migrator, Stage, UpTo};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    the_newest_seed_is_loaded_and_migrated_on,
    a_chosen_profile_has_its_own_seed,
    a_seed_that_fails_leaves_nothing,
    a_run_that_stopped_after_the_seed_goes_on,
    a_database_past_the_seed_is_refused,
    a_protected_stage_gets_no_seed,
}

const USERS: (&str, &str) = ("0001_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n");
const KIND: (&str, &str) = ("0004_kind.sql", "ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'reader';\n");
const UPPER: (&str, &str) = ("0006_upper.sql", "UPDATE users SET name = upper(name);\n");
const FIRST: (&str, &str) = ("../seeds/0001_first.sql", "INSERT INTO users (id, name) VALUES (1, 'ada');\n");
const SECOND: (&str, &str) =
    ("../seeds/0004_second.sql", "INSERT INTO users (id, name, kind) VALUES (1, 'eve', 'author');\n");
const TESTNET: (&str, &str) = (
    "../seeds/0001_testnet.sql",
    "-- lockgate: profile testnet\nINSERT INTO users (id, name) VALUES (7, 'test'), (8, 'net');\n",
);

fn set() -> &'static Migrations {
    migrations(&[USERS, KIND, UPPER, FIRST, SECOND, TESTNET])
}

async fn users(db: &Db) -> Vec<String> {
    db.texts("SELECT name || ' ' || kind FROM users ORDER BY id").await
}

async fn the_newest_seed_is_loaded_and_migrated_on(db: Db) {
    let migrator = Migrator::new(set());
    let mut database = db.open().await;
    let before = migrator.seeds(&mut database).await.unwrap();
    let next: Vec<_> = before.iter().filter(|seed| seed.is_next).map(|seed| seed.id.as_str()).collect();
    assert_eq!((before.len(), next), (3, vec!["0004_second"]));

    let report = migrator.load_seed(&mut database).await.unwrap();
    let ran: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ran, ["0001_users", "0004_kind", "0004_second", "0006_upper"]);
    assert_eq!(users(&db).await, ["EVE author"]);
    assert!(migrator.load_seed(&mut database).await.unwrap().is_empty(), "it is loaded once");
    let after = migrator.seeds(&mut database).await.unwrap();
    assert!(after.iter().all(|seed| seed.row.is_some() == seed.is_next), "{after:?}");
    // To those who only migrate, a seed is nothing.
    assert!(migrator.status(&mut database).await.unwrap().is_up_to_date());
    assert!(migrator.drift(&mut database).await.unwrap().is_empty());
}

async fn a_chosen_profile_has_its_own_seed(db: Db) {
    let migrator = Migrator::new(set()).profile("testnet");
    migrator.load_seed(&mut db.open().await).await.unwrap();
    assert_eq!(users(&db).await, ["TEST reader", "NET reader"]);
}

async fn a_seed_that_fails_leaves_nothing(db: Db) {
    let bad = "INSERT INTO users (id, name) VALUES (1, 'ada');\nINSERT INTO users (id, name) VALUES (1, 'eve');\n";
    let migrator = Migrator::new(migrations(&[USERS, KIND, ("../seeds/0001_twice.sql", bad)]));
    let mut database = db.open().await;
    let error = migrator.load_seed(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let report = error.report().to_string();
    assert!(report.contains("seeds/0001_twice.sql:2"), "{report}");
    drop(database);
    // It stopped: no later migration ran, and nothing of the seed is there.
    assert_eq!(db.texts("SELECT name FROM users").await, Vec::<String>::new());
    assert_eq!(db.history().await, ["1:applied"]);
}

async fn a_run_that_stopped_after_the_seed_goes_on(db: Db) {
    let later = ("0006_upper.sql", "UPDATE nowhere SET name = 1;\n");
    let broken = Migrator::new(migrations(&[USERS, KIND, later, SECOND]));
    let mut database = db.open().await;
    broken.load_seed(&mut database).await.unwrap_err();
    drop(database);
    assert_eq!(users(&db).await, ["eve author"], "seed and history row are committed together");
    let mended = Migrator::new(migrations(&[USERS, KIND, UPPER, SECOND]));
    mended.load_seed(&mut db.open().await).await.unwrap();
    assert_eq!(users(&db).await, ["EVE author"]);
}

async fn a_database_past_the_seed_is_refused(db: Db) {
    let migrator = Migrator::new(set());
    let mut database = db.open().await;
    migrator.apply_to(&mut database, UpTo::Latest).await.unwrap();
    let error = migrator.load_seed(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let report = error.report().to_string();
    assert!(
        report.contains("the database is at `0006_upper`, past the migration 4 of the seed `0004_second`"),
        "{report}"
    );
    assert!(report.contains("load it into a new database"), "{report}");
    assert_eq!(users(&db).await, Vec::<String>::new());
}

async fn a_protected_stage_gets_no_seed(db: Db) {
    let migrator = Migrator::new(set());
    let mut database = db.open().await;
    migrator.mark_stage(&mut database, Stage::Production).await.unwrap();
    let error = migrator.load_seed(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let report = error.report().to_string();
    assert!(
        report.contains("the database is marked as production, and seeds are not loaded at this stage"),
        "{report}"
    );
    assert!(report.contains("Migrator::override_stage"), "{report}");
    assert!(db.objects().await.is_empty(), "nothing ran");
    migrator.override_stage("the first start").load_seed(&mut database).await.unwrap();
    assert_eq!(users(&db).await, ["EVE author"]);
}
