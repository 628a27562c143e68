//! What only SQLite does: full files, foreign keys that are turned off, long scripts.

use lockgate::{Atomicity, Database, ErrorKind, Migrations, Migrator};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use super::told;
use crate::support::database::Db;
use crate::support::set::migrations;

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");

async fn borrowed(db: &Db) -> SqliteConnection {
    SqliteConnection::connect(&db.url()).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let fill = "CREATE TABLE b (note TEXT);\n\
                INSERT INTO b WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT hex(randomblob(2000)) FROM n;";
    let set = migrations(&[
        A,
        ("0002_b.sql", "CREATE TABLE small (id INTEGER);"),
        ("0003_fill.sql", fill),
        ("0004_d.sql", "CREATE TABLE d (id INTEGER);"),
    ]);
    // At every size from nothing to nearly enough: wherever the room ends, history and schema agree.
    let mut failed_at = std::collections::BTreeSet::new();
    for pages in [2, 4, 5, 6, 7, 8, 9, 10, 20, 100] {
        let db = Db::sqlite().unwrap();
        db.execute("CREATE TABLE before (id INTEGER); INSERT INTO before VALUES (1)").await;
        let mut connection = borrowed(&db).await;
        connection.execute(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).await.unwrap();
        let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
        told(
            &error,
            ErrorKind::Failed,
            &[
                "database or disk is full (SQLite code 13)",
                "free some space, then run again: nothing needs to be repaired",
            ],
        );
        let shown = error.report().to_string();
        failed_at.insert(error.report().summary().to_owned());
        assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM before").await, ["1"]);
        let objects = db.objects().await;
        let history = match objects.len() {
            1 => Vec::new(),
            _ => db.history().await,
        };
        match history.len() {
            0 => assert_eq!(objects, ["before"], "{pages}"),
            1 => assert_eq!(objects, ["a", "before"]),
            2 => assert_eq!(objects, ["a", "before", "small"]),
            more => panic!("{more} are recorded"),
        }
        let committed = if history.is_empty() { "nothing " } else { "applied and committed before it: 0001_a" };
        assert!(shown.contains(committed), "{pages} pages, {history:?}:\n{shown}");
        // Room again, on the same connection.
        connection.execute("PRAGMA max_page_count = 100000").await.unwrap();
        let report = Migrator::new(set).apply(&mut connection).await.unwrap();
        assert_eq!(report.steps.len(), 4 - history.len());
    }
    assert!(failed_at.len() > 2, "the room ended at different places: {failed_at:?}");
}

/// Two tables, the second of which goes with the first one's rows.
const TREE: (&str, &str) = (
    "0001_tree.sql",
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);\n\
     CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);\n\
     INSERT INTO parent VALUES (1, 'ann'), (2, 'bo');\nINSERT INTO child VALUES (10, 1), (20, 2), (21, 2);",
);
const REBUILD: (&str, &str) = (
    "0002_rebuild.sql",
    "-- lockgate: foreign-keys off\n\
     CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO parent_new SELECT * FROM parent;\n\
     DROP TABLE parent;\nALTER TABLE parent_new RENAME TO parent;",
);
const LOSES: (&str, &str) = (
    "0003_loses.sql",
    "-- lockgate: foreign-keys off\n\
     CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO parent_new SELECT * FROM parent WHERE id = 1;\n\
     DROP TABLE parent;\nALTER TABLE parent_new RENAME TO parent;",
);
const FAILS: (&str, &str) =
    ("0003_fails.sql", "-- lockgate: foreign-keys off\nDROP TABLE child;\nDROP TABLE nothing_of_the_kind;");
const LAST: (&str, &str) = ("0004_last.sql", "CREATE TABLE last (id INTEGER);");

async fn enforces(connection: &mut SqliteConnection) -> bool {
    let on: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&mut *connection).await.unwrap();
    let refused = sqlx::query("INSERT INTO child VALUES (99, 99)").execute(&mut *connection).await.is_err();
    assert_eq!(on == 1, refused);
    refused
}

async fn children(connection: &mut SqliteConnection) -> Vec<i64> {
    sqlx::query_scalar("SELECT id FROM child ORDER BY id").fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn a_rebuild_without_foreign_keys_keeps_the_rows_that_point_to_it() {
    let db = Db::sqlite().unwrap();
    let mut connection = borrowed(&db).await;
    Migrator::new(migrations(&[TREE, REBUILD, LAST])).apply(&mut connection).await.unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(children(&mut connection).await, [10, 20, 21], "a table that goes takes no rows with it");
    assert!(enforces(&mut connection).await, "and enforcement is on again");
    connection.execute("DELETE FROM parent WHERE id = 2").await.unwrap();
    assert_eq!(children(&mut connection).await, [10], "for the new table");

    // A connection that does not enforce them is left as it is.
    let db = Db::sqlite().unwrap();
    let mut connection = SqliteConnection::connect(&db.url()).await.unwrap();
    connection.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    Migrator::new(migrations(&[TREE, REBUILD, LAST])).apply(&mut connection).await.unwrap();
    assert_eq!(children(&mut connection).await, [10, 20, 21]);
    assert!(!enforces(&mut connection).await);
}

#[tokio::test]
async fn foreign_keys_that_a_rebuild_breaks_are_found_and_undone() {
    let db = Db::sqlite().unwrap();
    let mut connection = borrowed(&db).await;
    let error = Migrator::new(migrations(&[TREE, REBUILD, LOSES, LAST])).apply(&mut connection).await.unwrap_err();
    told(
        &error,
        ErrorKind::Failed,
        &[
            "`0003_loses` left broken foreign keys behind",
            "2 foreign keys point to rows that are not there: row 20 of child to parent (key 0); row 21 of child to parent (key 0)",
            "`0003_loses` was rolled back: nothing of it is in the database",
            "applied and committed before it: 0001_tree, 0002_rebuild",
            "1 more was not tried",
            "correct migrations/0003_loses.sql, then run again",
        ],
    );
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    assert_eq!(children(&mut connection).await, [10, 20, 21]);
    assert!(enforces(&mut connection).await);

    // What was broken before is not the migration's doing.
    let mut other = borrowed(&db).await;
    other.execute("PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (30, 77)").await.unwrap();
    let again = ("0003_again.sql", REBUILD.1);
    Migrator::new(migrations(&[TREE, REBUILD, again, LAST])).apply(&mut connection).await.unwrap();
    assert_eq!(children(&mut connection).await, [10, 20, 21, 30]);
}

#[tokio::test]
async fn a_failure_without_foreign_keys_turns_them_on_again() {
    let db = Db::sqlite().unwrap();
    let mut connection = borrowed(&db).await;
    let error = Migrator::new(migrations(&[TREE, REBUILD, FAILS, LAST])).apply(&mut connection).await.unwrap_err();
    told(
        &error,
        ErrorKind::Failed,
        &["`0003_fails` failed at statement 2 of 2", "0003_fails.sql:3:1", "was rolled back"],
    );
    assert_eq!(children(&mut connection).await, [10, 20, 21]);
    assert!(enforces(&mut connection).await);

    let error = Migrator::new(migrations(&[TREE, REBUILD, FAILS]))
        .set("whole")
        .atomicity(Atomicity::WholeRun)
        .apply(&mut connection)
        .await
        .unwrap_err();
    told_refused(&error);
}

#[track_caller]
fn told_refused(error: &lockgate::Error) {
    assert_eq!(error.kind(), ErrorKind::Refused);
    let shown = error.report().to_string();
    assert!(shown.contains("`0002_rebuild` turns foreign keys off, which takes a transaction of its own"), "{shown}");
}

#[tokio::test]
async fn a_seed_of_five_megabytes_takes_seconds() {
    let mut seed = String::with_capacity(6 << 20);
    for n in 0..100_000 {
        seed.push_str(&format!("INSERT INTO a (id, note) VALUES ({n}, 'note {n} ü');\n"));
    }
    assert!(seed.len() > 5_000_000);
    let set: &Migrations =
        migrations(&[("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY, note TEXT);"), ("0002_seed.sql", &seed)]);
    let db = Db::sqlite().unwrap();
    let mut database = Database::connect(&db.url()).await.unwrap();
    let migrator = Migrator::new(set);
    let run = migrator.apply(&mut database);
    // Sent as one string, each statement would copy all that is left: minutes, not seconds.
    tokio::time::timeout(std::time::Duration::from_secs(120), run).await.expect("it takes seconds").unwrap();
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a").await, ["100000"]);
    assert_eq!(
        db.texts("SELECT CAST(statements_done AS TEXT) FROM lockgate_history WHERE version = 2").await,
        ["100000"]
    );
}

/// SQLite has no lock while a script runs outside a transaction: a second run that comes then takes the
/// script for one that was broken off, finishes it and goes on. The first must notice when it is back.
#[tokio::test]
async fn a_run_that_is_overtaken_outside_its_transaction_notices() {
    let set = migrations(&[
        A,
        ("0002_space.sql", "-- lockgate: no-transaction\nVACUUM;\nANALYZE;"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    let db = Db::sqlite().unwrap();
    let url = db.url();
    let overtake = move |event: &lockgate::Event| {
        if let lockgate::Event::StatementFinished { statements_done: 1, .. } = event {
            let url = url.clone();
            let other = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut database = Database::connect(&url).await.unwrap();
                    Migrator::new(set).apply(&mut database).await.unwrap()
                })
            });
            assert_eq!(other.join().unwrap().steps.len(), 2);
        }
    };
    let mut first = db.open().await;
    let report = Migrator::new(set).on_event(overtake).apply(&mut first).await.unwrap();
    assert_eq!(report.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["0001_a"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert_eq!(db.log().await, ["1:applied", "2:applied", "3:applied"]);
}

#[tokio::test]
async fn a_database_of_another_tool_is_not_an_empty_one() {
    let set = migrations(&[("0001_a.sql", "CREATE TABLE IF NOT EXISTS a (n INTEGER);\nINSERT INTO a VALUES (1);")]);
    for table in ["_sqlx_migrations", "refinery_schema_history", "Alembic_Version"] {
        let db = Db::sqlite().unwrap();
        db.execute(&format!(
            "CREATE TABLE {table} (version INTEGER); CREATE TABLE a (n INTEGER); INSERT INTO a VALUES (1)"
        ))
        .await;
        let mut database = db.open().await;
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        let shown = error.report().to_string();
        assert_eq!(error.kind(), ErrorKind::Refused, "{shown}");
        for says in [&format!("table `{table}`"), "baseline", "--beside-other-tools", "nothing was changed"] {
            assert!(shown.contains(says), "no «{says}» in:\n{shown}");
        }
        assert!(!db.objects().await.iter().any(|name| name.starts_with("lockgate")));
        assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a").await, ["1"]);
        // Both ways out.
        let other = Migrator::new(set).set("other").history_table("other_history");
        assert_eq!(other.beside_other_tools().apply(&mut database).await.unwrap().steps.len(), 1);
        let version = lockgate::Version::new(1).unwrap();
        Migrator::new(set).baseline(&mut database, version).await.unwrap();
        assert!(Migrator::new(set).apply(&mut database).await.unwrap().is_empty());
        assert_eq!(db.history().await, ["1:applied"]);
    }
}
