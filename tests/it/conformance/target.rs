//! Every verb on every kind of target: pools, connections and `Database`.

use lockgate::{Database, DownTo, Migrator, Repair, UpTo, Version};
use sqlx::{Connection, PgConnection, SqliteConnection, SqlitePool};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    every_verb_accepts_a_database,
    every_verb_accepts_a_pool,
    every_verb_accepts_a_connection,
}

const TWO: &[(&str, &str)] = &[
    ("0001_a.up.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"),
    ("0001_a.down.sql", "DROP TABLE a;"),
    ("0002_b.up.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);"),
    ("0002_b.down.sql", "DROP TABLE b;"),
];

fn is_send<T: Send>(future: T) -> T {
    future
}

/// `$target` is evaluated again for each verb, as in a user's code.
macro_rules! every_verb {
    ($db:expr, $target:expr) => {{
        let migrator = Migrator::new(migrations(TWO));
        let one = Version::new(1).unwrap();
        assert_eq!(is_send(migrator.status($target)).await.unwrap().pending().count(), 2);
        assert_eq!(is_send(migrator.plan($target, UpTo::Latest)).await.unwrap().steps.len(), 2);
        assert!(is_send(migrator.drift($target)).await.unwrap().is_empty());
        assert_eq!(is_send(migrator.apply_to($target, UpTo::Version(one))).await.unwrap().steps.len(), 1);
        assert_eq!(is_send(migrator.apply($target)).await.unwrap().steps.len(), 1);
        assert!(migrator.apply($target).await.unwrap().is_empty());
        assert!(migrator.status($target).await.unwrap().is_up_to_date());
        let plan = is_send(migrator.plan_revert($target, DownTo::Steps(1))).await.unwrap();
        assert_eq!(is_send(migrator.apply_plan($target, &plan)).await.unwrap().steps[0].id, "0002_b");
        assert_eq!(is_send(migrator.revert($target, DownTo::Empty)).await.unwrap().steps.len(), 1);
        assert!($db.objects().await.is_empty());
        assert_eq!(is_send(migrator.baseline($target, one)).await.unwrap().steps.len(), 1);
        assert_eq!(is_send(migrator.repair($target, Repair::Forget(one))).await.unwrap().steps.len(), 1);
        assert_eq!(migrator.apply($target).await.unwrap().steps.len(), 2);
        assert_eq!($db.objects().await, ["a", "b"]);
        assert_eq!(
            $db.log().await,
            [
                "1:applied",
                "2:applied",
                "2:reverted",
                "1:reverted",
                "1:baselined",
                "1:forgotten",
                "1:applied",
                "2:applied"
            ]
        );
    }};
}

async fn every_verb_accepts_a_database(db: Db) {
    let mut database = Database::connect(&db.url()).await.unwrap();
    every_verb!(db, &mut database);
    database.close().await.unwrap();
}

async fn every_verb_accepts_a_pool(db: Db) {
    match &db {
        Db::Sqlite(_) => {
            let pool = SqlitePool::connect(&db.url()).await.unwrap();
            every_verb!(db, &pool);
        }
        Db::Postgres(database) => {
            let pool = database.pool().await;
            every_verb!(db, &pool);
        }
    }
}

async fn every_verb_accepts_a_connection(db: Db) {
    match &db {
        Db::Sqlite(_) => {
            let mut connection = SqliteConnection::connect(&db.url()).await.unwrap();
            every_verb!(db, &mut connection);
        }
        Db::Postgres(_) => {
            let mut connection = PgConnection::connect(&db.url()).await.unwrap();
            every_verb!(db, &mut connection);
        }
    }
}

#[tokio::test]
async fn a_verb_can_be_spawned() {
    let db = Db::sqlite().unwrap();
    let mut database = db.open().await;
    let set = migrations(TWO);
    let run =
        tokio::spawn(async move { Migrator::new(set).apply(&mut database).await.map(|report| report.steps.len()) });
    assert_eq!(run.await.unwrap().unwrap(), 2);
}
