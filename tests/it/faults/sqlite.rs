//! Specific to SQLite: full files, foreign keys that are off, long scripts.

use std::time::{Duration, Instant};

use lockgate::doctor::{self, Examination};
use lockgate::{Atomicity, Database, ErrorKind, Event, Migrations, Migrator, Stage, wait};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

use super::reports;
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
    // At every size up to nearly enough: history and schema agree wherever the space ends.
    let mut failed_at = std::collections::BTreeSet::new();
    for pages in [2, 4, 5, 6, 7, 8, 9, 10, 20, 100] {
        let db = Db::sqlite().unwrap();
        db.execute("CREATE TABLE before (id INTEGER); INSERT INTO before VALUES (1)").await;
        let mut connection = borrowed(&db).await;
        connection.execute(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).await.unwrap();
        let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
        reports(
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
        // Space again, on the same connection.
        connection.execute("PRAGMA max_page_count = 100000").await.unwrap();
        let report = Migrator::new(set).apply(&mut connection).await.unwrap();
        assert_eq!(report.steps.len(), 4 - history.len());
    }
    assert!(failed_at.len() > 2, "the room ended at different places: {failed_at:?}");
}

/// Two tables. Deleting rows of the first deletes those of the second.
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

    // A connection that does not enforce keys is left so.
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
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "`0003_loses` left broken foreign keys behind",
            "2 foreign keys point to rows that are not there: row 20 of child to parent (key 0); row 21 of child to parent (key 0)",
            "`0003_loses` was rolled back: nothing of it is in the database",
            "applied and committed before it: 0001_tree, 0002_rebuild",
            "1 more was not tried",
            "correct migrations/0003_loses.sql, build again, then run again",
        ],
    );
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    assert_eq!(children(&mut connection).await, [10, 20, 21]);
    assert!(enforces(&mut connection).await);

    // Keys that were broken before are not the migration's fault.
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
    reports(
        &error,
        ErrorKind::Failed,
        &["`0003_fails` failed at statement 2 of 2", "0003_fails.sql:3:1", "was rolled back"],
    );
    assert_eq!(children(&mut connection).await, [10, 20, 21]);
    assert!(enforces(&mut connection).await);

    let error = Migrator::new(migrations(&[TREE, REBUILD, FAILS]))
        .set_name("whole")
        .atomicity(Atomicity::WholeRun)
        .apply(&mut connection)
        .await
        .unwrap_err();
    assert_refusal_reported(&error);
}

#[track_caller]
fn assert_refusal_reported(error: &lockgate::Error) {
    assert_eq!(error.kind(), ErrorKind::Refused);
    let shown = error.report().to_string();
    assert!(shown.contains("`0002_rebuild` turns foreign keys off and so needs its own transaction"), "{shown}");
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
    // In one string, each statement would copy the rest: minutes instead of seconds.
    tokio::time::timeout(Duration::from_secs(120), run).await.expect("it takes seconds").unwrap();
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a").await, ["100000"]);
    assert_eq!(
        db.texts("SELECT CAST(statements_done AS TEXT) FROM lockgate_history WHERE version = 2").await,
        ["100000"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b_four_runners_run_a_script_outside_a_transaction_once() {
    let set = migrations(&[
        ("0001_n.sql", "CREATE TABLE n (n INTEGER);\nINSERT INTO n VALUES (0);"),
        ("0002_more.sql", "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nVACUUM;\nUPDATE n SET n = n + 10;"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    let db = Db::sqlite().unwrap();
    let runs = (0..4).map(|_| {
        let url = db.url();
        tokio::spawn(async move {
            let mut database = Database::connect(&url).await.unwrap();
            Migrator::new(set).apply(&mut database).await.unwrap_or_else(|e| panic!("{e:?}")).steps.len()
        })
    });
    let mut steps = 0;
    for run in runs.collect::<Vec<_>>() {
        steps += run.await.unwrap();
    }
    assert_eq!(steps, 3);
    assert_eq!(db.texts("SELECT CAST(n AS TEXT) FROM n").await, ["11"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert_eq!(db.log().await, ["1:applied", "2:applied", "3:applied"]);
    let Db::Sqlite(place) = &db else { unreachable!() };
    assert!(!place.path().join("test.db-lockgate").exists() || cfg!(not(unix)));
}

#[tokio::test]
async fn b_a_live_owner_is_waited_for_and_a_dead_one_is_not() {
    let set = migrations(&[
        ("0001_n.sql", "CREATE TABLE n (n INTEGER);\nINSERT INTO n VALUES (0);"),
        ("0002_more.sql", "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nINSERT INTO gone VALUES (1);"),
    ]);
    let db = Db::sqlite().unwrap();
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["1 of its 2 statements have finished and stay"]);
    let Db::Sqlite(place) = &db else { unreachable!() };
    let file = std::fs::File::create(place.path().join("test.db-lockgate")).unwrap();
    file.lock().unwrap();
    let hasty = Migrator::new(set).lock_wait(Duration::from_millis(1));
    let error = hasty.apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Locked, &["in the middle of a script outside a transaction"]);
    drop(file);
    db.execute("CREATE TABLE gone (n INTEGER)").await;
    Migrator::new(set).apply(&mut database).await.unwrap();
    assert_eq!(db.texts("SELECT CAST(n AS TEXT) FROM n").await, ["1"]);
}

#[tokio::test]
async fn a_the_scripts_own_block_is_one_unit() {
    let block = |last: &str| {
        format!(
            "-- lockgate: no-transaction\nBEGIN;\nUPDATE n SET n = n + 1;\nUPDATE n SET n = n + 10;\n{last}\nCOMMIT;\n\
             SAVEPOINT x;\nUPDATE n SET n = n + 100;\nRELEASE x;"
        )
    };
    let set = |last: &str| {
        migrations(&[
            ("0001_n.sql", "CREATE TABLE n (n INTEGER);\nINSERT INTO n VALUES (0);"),
            ("0002_more.sql", &block(last)),
        ])
    };
    let db = Db::sqlite().unwrap();
    let mut database = db.open().await;
    let error = Migrator::new(set("INSERT INTO gone VALUES (1);")).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["at statement 4 of 8", "0 of its 8 statements have finished and stay"]);
    assert_eq!(db.texts("SELECT CAST(n AS TEXT) FROM n").await, ["0"]);
    Migrator::new(set("SELECT 1;")).apply(&mut database).await.unwrap();
    assert_eq!(db.texts("SELECT CAST(n AS TEXT) FROM n").await, ["111"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

#[tokio::test]
async fn a_commit_that_the_splitter_misses_is_reported() {
    let hidden = [
        "INSERT INTO a VALUES (7);\nSELECT '\\'; COMMIT; -- ';\n",
        "INSERT INTO a VALUES (7);\n/* /* */ ; COMMIT; -- */ */\n",
    ];
    for (whole, script) in hidden.into_iter().flat_map(|script| [(false, script), (true, script)]) {
        let Some(set) = loaded(&[A, ("0002_hidden.sql", script), ("0003_c.sql", "CREATE TABLE c (id INTEGER);")])
        else {
            continue;
        };
        let db = Db::sqlite().unwrap();
        let mut database = db.open().await;
        let mut migrator = Migrator::new(set);
        if whole {
            migrator = migrator.atomicity(Atomicity::WholeRun);
        }
        let error = migrator.apply(&mut database).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Failed,
            &[
                "the script of `0002_hidden` ended Lockgate's transaction",
                "it is unknown whether anything of",
                "0001_a",
            ],
        );
        let shown = error.report().to_string();
        assert!(!shown.contains("nothing of"), "{shown}");
        assert_eq!(db.history().await, ["1:applied"], "{script}");
        assert_eq!(db.objects().await, ["a"]);
        assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a").await, ["7"]);
    }
}

/// The set of these files, unless the splitter reports an error.
fn loaded(files: &[(&str, &str)]) -> Option<&'static Migrations> {
    std::panic::catch_unwind(|| migrations(files)).ok()
}

async fn nests(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {
    let connection = tx.sqlite().unwrap();
    let mut inner = connection.begin().await?;
    sqlx::query("INSERT INTO a VALUES (1)").execute(&mut *inner).await?;
    inner.commit().await?;
    let mut inner = connection.begin().await?;
    sqlx::query("INSERT INTO a VALUES (2)").execute(&mut *inner).await?;
    inner.rollback().await?;
    let mut dropped = connection.begin().await?;
    sqlx::query("INSERT INTO a VALUES (3)").execute(&mut *dropped).await?;
    Ok(())
}
static NESTS: &[lockgate::__private::RustStep] =
    &[lockgate::__private::RustStep { version: 2, up: |tx| Box::pin(nests(tx)), down: None }];

async fn commits_and_fails(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {
    tx.execute("INSERT INTO a VALUES (1); COMMIT; INSERT INTO nowhere VALUES (1)").await?;
    Ok(())
}
static COMMITS_AND_FAILS: &[lockgate::__private::RustStep] =
    &[lockgate::__private::RustStep { version: 2, up: |tx| Box::pin(commits_and_fails(tx)), down: None }];

const STEP: (&str, &str) =
    ("0002_step.rs", "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n");

#[tokio::test]
async fn c_a_step_may_begin_a_transaction_within_ours() {
    let db = Db::sqlite().unwrap();
    let set = crate::support::set::with_steps(&[A, STEP, ("0003_c.sql", "CREATE TABLE c (id INTEGER);")], NESTS);
    db.apply(set).await;
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a").await, ["1"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
}

#[tokio::test]
async fn c_a_step_that_commits_and_fails_is_not_called_rolled_back() {
    let set = crate::support::set::with_steps(&[A, STEP], COMMITS_AND_FAILS);
    for whole in [Atomicity::PerMigration, Atomicity::WholeRun] {
        let db = Db::sqlite().unwrap();
        let mut database = db.open().await;
        let error = Migrator::new(set).atomicity(whole).apply(&mut database).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Failed,
            &["ended Lockgate's transaction", "it is unknown whether anything of", "0001_a"],
        );
        assert!(!error.report().to_string().contains("nothing of it"), "{error:?}");
        assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a").await, ["1"]);
        assert_eq!(db.history().await, ["1:applied"]);
        assert_eq!(db.log().await, ["1:applied", "2:failed"]);
    }
}

#[tokio::test]
async fn c_a_trigger_that_swallows_the_history_is_noticed() {
    let triggers = [
        "CREATE TRIGGER t BEFORE INSERT ON lockgate_history BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER t AFTER INSERT ON lockgate_history BEGIN DELETE FROM lockgate_history WHERE version = NEW.version; END",
        "CREATE TRIGGER t AFTER INSERT ON lockgate_history BEGIN UPDATE lockgate_history SET state = 'partial' WHERE version = NEW.version; END",
    ];
    let b = ("0002_b.sql", "INSERT INTO a VALUES (1);");
    let outside = ("0002_b.sql", "-- lockgate: no-transaction\nINSERT INTO a VALUES (1);");
    for (trigger, b) in triggers.into_iter().flat_map(|trigger| [(trigger, b), (trigger, outside)]) {
        if b == outside && trigger.contains("state") {
            // The first form of such a script's row.
            continue;
        }
        let db = Db::sqlite().unwrap();
        db.apply(migrations(&[A])).await;
        db.execute(trigger).await;
        let mut database = db.open().await;
        let error = Migrator::new(migrations(&[A, b])).apply(&mut database).await.unwrap_err();
        let shown = error.report().to_string();
        assert!(shown.contains("trigger") || error.kind() == ErrorKind::Locked, "{shown}");
        assert!(db.texts("SELECT CAST(id AS TEXT) FROM a").await.is_empty(), "{trigger}: {shown}");
        assert_eq!(db.history().await, ["1:applied"]);
    }
    // And when a row is deleted.
    let db = Db::sqlite().unwrap();
    let set = migrations(&[("0001_a.up.sql", "CREATE TABLE a (id INTEGER);"), ("0001_a.down.sql", "DROP TABLE a;")]);
    db.apply(set).await;
    db.execute("CREATE TRIGGER t BEFORE DELETE ON lockgate_history BEGIN SELECT RAISE(IGNORE); END").await;
    let mut database = db.open().await;
    let error = Migrator::new(set).revert(&mut database, lockgate::DownTo::Empty).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["trigger", "was rolled back", "drop the trigger"]);
    assert_eq!(db.objects().await, ["a", "t"]);
}

#[tokio::test]
async fn d_another_table_of_the_historys_name_is_not_it() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let mut connection = borrowed(&db).await;
    connection.execute("CREATE TEMP TABLE lockgate_history (x)").await.unwrap();
    let b = ("0002_b.sql", "CREATE TABLE b (id INTEGER);");
    Migrator::new(migrations(&[A, b])).apply(&mut connection).await.unwrap();
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

#[tokio::test]
async fn settings_of_a_migration_do_not_stay_in_the_connection() {
    let leaves = "PRAGMA ignore_check_constraints = ON;\nPRAGMA recursive_triggers = ON;\nPRAGMA case_sensitive_like = ON;\n\
                  ATTACH ':memory:' AS other;\nCREATE TABLE other.x (id INTEGER);\nCREATE TEMP TABLE left_behind (id INTEGER);";
    let set = migrations(&[
        ("0001_a.sql", "CREATE TABLE a (id INTEGER CHECK (id > 0));"),
        ("0002_leaves.sql", leaves),
        ("0003_c.sql", "CREATE TABLE c AS SELECT 'a' LIKE 'A' AS l;\nINSERT OR IGNORE INTO a VALUES (-1);"),
    ]);
    let db = Db::sqlite().unwrap();
    let mut connection = borrowed(&db).await;
    Migrator::new(set).apply(&mut connection).await.unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(db.texts("SELECT CAST(l AS TEXT) FROM c").await, ["1"]);
    assert!(db.texts("SELECT CAST(id AS TEXT) FROM a").await.is_empty());
    let question = "SELECT count(*) FROM pragma_database_list WHERE name = 'other'";
    assert_eq!(sqlx::query_scalar::<_, i64>(question).fetch_one(&mut connection).await.unwrap(), 0);
    let question = "SELECT count(*) FROM temp.sqlite_schema";
    assert_eq!(sqlx::query_scalar::<_, i64>(question).fetch_one(&mut connection).await.unwrap(), 0);
    let question = "PRAGMA ignore_check_constraints";
    assert_eq!(sqlx::query_scalar::<_, i64>(question).fetch_one(&mut connection).await.unwrap(), 0);

    // An in-memory database.
    let mut memory = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    Migrator::new(set).apply(&mut memory).await.unwrap_or_else(|e| panic!("{e:?}"));
    let mut memory = Database::connect("sqlite::memory:").await.unwrap();
    Migrator::new(set).apply(&mut memory).await.unwrap();
    assert!(Migrator::new(set).apply(&mut memory).await.unwrap().is_empty());
}

/// The state of the caller's connection that a migration could have changed.
async fn stands(connection: &mut SqliteConnection) -> Vec<String> {
    let pragma = |name: &str| format!("SELECT '{name} ' || {name} FROM pragma_{name}");
    let mut asks: Vec<String> =
        ["ignore_check_constraints", "recursive_triggers", "temp_store", "foreign_keys", "journal_mode"]
            .map(pragma)
            .into();
    asks.push("SELECT 'busy ' || timeout FROM pragma_busy_timeout".to_owned());
    asks.push("SELECT 'database ' || name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')".to_owned());
    asks.push("SELECT 'temporary ' || name FROM temp.sqlite_schema".to_owned());
    asks.push("SELECT 'like ' || ('a' LIKE 'A')".to_owned());
    let sql = AssertSqlSafe(asks.join(" UNION ALL "));
    let found = sqlx::query_scalar(sql).fetch_all(&mut *connection).await.unwrap();
    connection.execute("BEGIN; ROLLBACK").await.expect("no transaction is left open");
    found
}

#[tokio::test]
async fn a_dropped_run_leaves_a_lent_connection_unchanged() {
    let leaves = "PRAGMA ignore_check_constraints = ON;\nPRAGMA recursive_triggers = ON;\nPRAGMA case_sensitive_like = ON;\n\
                  ATTACH ':memory:' AS 'other';\nINSERT INTO n VALUES (";
    // At the end: a script whose temporary table is gone is not resumed without an answer.
    let temporary = "CREATE TEMP TABLE left_behind (id INTEGER);";
    let outside = format!(
        "-- lockgate: no-transaction\nPRAGMA journal_mode = TRUNCATE;\n{leaves}2);\nINSERT INTO n VALUES (3);\n{temporary}"
    );
    let inside = format!("{leaves}1);\n{temporary}");
    let set = migrations(&[
        ("0001_n.sql", "CREATE TABLE n (n INTEGER);"),
        ("0002_leaves.sql", &inside),
        ("0003_leaves.sql", &outside),
        ("0004_block.sql", "-- lockgate: no-transaction\nBEGIN;\nINSERT INTO n VALUES (4);\nCOMMIT;"),
        ("0005_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    let mut polls = 1;
    loop {
        let db = Db::sqlite().unwrap();
        let mut connection = borrowed(&db).await;
        let before = stands(&mut connection).await;
        let ran = crate::support::polled(Migrator::new(set).apply(&mut connection), polls).await;
        assert_eq!(stands(&mut connection).await, before, "dropped at await {polls}");
        connection.close().await.unwrap();
        db.apply(set).await;
        assert_eq!(db.history().await.len(), 5);
        assert_eq!(db.texts("SELECT CAST(n AS TEXT) FROM n ORDER BY n").await, ["1", "2", "3", "4"], "{polls}");
        if let Some(ran) = ran {
            ran.unwrap_or_else(|error| panic!("{error:?}"));
            break;
        }
        polls += 1;
    }
    assert!(polls > 50, "the run was dropped at {polls} places");
}

/// A reader blocks COMMIT: the run waits for it, and no migration runs again.
#[tokio::test(flavor = "multi_thread")]
async fn g_a_reader_delays_the_commit_and_repeats_nothing() {
    let db = Db::sqlite().unwrap();
    db.execute("PRAGMA journal_mode = DELETE; CREATE TABLE before (id INTEGER); INSERT INTO before VALUES (1)").await;
    let mut reader = borrowed(&db).await;
    reader.execute("BEGIN; SELECT * FROM before").await.unwrap();
    let message = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hears = message.clone();
    let mut lent = borrowed(&db).await;
    // Otherwise SQLite itself would wait.
    lent.execute("PRAGMA busy_timeout = 0").await.unwrap();
    let run = tokio::spawn(async move {
        let migrator = Migrator::new(migrations(&[A])).on_event(move |event| hears.lock().unwrap().push(event.clone()));
        migrator.apply(&mut lent).await.map(|report| report.steps.len())
    });
    // New readers are blocked once a COMMIT was tried and refused.
    let mut probe = borrowed(&db).await;
    probe.execute("PRAGMA busy_timeout = 0").await.unwrap();
    while probe.execute("SELECT * FROM before").await.is_ok() {
        tokio::task::yield_now().await;
    }
    reader.execute("COMMIT").await.unwrap();
    assert_eq!(run.await.unwrap().unwrap(), 1);
    let message = message.lock().unwrap();
    assert!(!message.iter().any(|event| matches!(event, Event::Retrying { .. })), "{message:?}");
    let started = message.iter().filter(|event| matches!(event, Event::Started { .. })).count();
    assert_eq!(started, 1, "{message:?}");
}

#[tokio::test]
async fn h_broken_keys_are_counted_and_not_numbered() {
    let db = Db::sqlite().unwrap();
    let without = (
        "0001_t.sql",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\nINSERT INTO p VALUES (1);\n\
         CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id)) WITHOUT ROWID;\nINSERT INTO c VALUES (1, 1), (2, 1), (3, 1);",
    );
    let mut connection = borrowed(&db).await;
    connection.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    Migrator::new(migrations(&[without])).apply(&mut connection).await.unwrap();
    connection.execute("INSERT INTO c VALUES (4, 77)").await.unwrap();
    let breaks = ("0002_b.sql", "-- lockgate: foreign-keys off\nUPDATE c SET p = 78 WHERE id < 3;");
    let error = Migrator::new(migrations(&[without, breaks])).apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["left broken foreign keys behind", "2 foreign keys point"]);
    let rebuild = (
        "0002_b.sql",
        "-- lockgate: foreign-keys off\nCREATE TABLE c_new (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id));\n\
         INSERT INTO c_new SELECT id + 100, p FROM c;\nDROP TABLE c;\nALTER TABLE c_new RENAME TO c;",
    );
    Migrator::new(migrations(&[without, rebuild])).apply(&mut connection).await.unwrap();
}

#[tokio::test]
async fn h_an_old_mismatch_does_not_block_what_mends_it() {
    let db = Db::sqlite().unwrap();
    let bad = ("0001_t.sql", "CREATE TABLE p (name TEXT);\nCREATE TABLE c (p TEXT REFERENCES p (name));");
    let mends = ("0002_m.sql", "-- lockgate: foreign-keys off\nCREATE UNIQUE INDEX p_name ON p (name);");
    let set = migrations(&[bad, mends]);
    db.apply(migrations(&[bad])).await;
    let mut connection = borrowed(&db).await;
    connection
        .execute("PRAGMA foreign_keys = OFF; INSERT INTO c VALUES ('x'); PRAGMA foreign_keys = ON")
        .await
        .unwrap();
    Migrator::new(set).apply(&mut connection).await.unwrap_or_else(|e| panic!("{e:?}"));
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
        for says in [&format!("table `{table}`"), "baseline", "Migrator::allow_other_tools", "nothing was changed"] {
            assert!(shown.contains(says), "no «{says}» in:\n{shown}");
        }
        assert!(!db.objects().await.iter().any(|name| name.starts_with("lockgate")));
        assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a").await, ["1"]);
        // Both fixes.
        let other = Migrator::new(set).set_name("other").history_table("other_history");
        assert_eq!(other.allow_other_tools().apply(&mut database).await.unwrap().steps.len(), 1);
        let version = lockgate::Version::new(1).unwrap();
        Migrator::new(set).baseline(&mut database, version).await.unwrap();
        assert!(Migrator::new(set).apply(&mut database).await.unwrap().is_empty());
        assert_eq!(db.history().await, ["1:applied"]);
    }
}

/// VACUUM, for one, keeps everybody even from reading.
#[tokio::test]
async fn a_locked_file_is_waited_for_as_long_as_the_caller_says() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let mut other = SqliteConnection::connect(&db.url()).await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    // Without patience, every verb says at once that the file is locked.
    let hasty = Migrator::new(set).lock_wait(Duration::from_millis(20));
    let began = Instant::now();
    let mut failures = vec![
        hasty.apply(&mut db.open().await).await.unwrap_err(),
        hasty.status(&mut db.open().await).await.unwrap_err(),
        hasty.drift(&mut db.open().await).await.unwrap_err(),
        hasty.mark_stage(&mut db.open().await, Stage::Test).await.unwrap_err(),
        hasty.stage_of(&mut db.open().await).await.unwrap_err(),
        doctor::examine(&hasty, &mut db.open().await, Examination::default()).await.unwrap_err(),
    ];
    assert!(began.elapsed() < Duration::from_secs(5), "the connection's own wait is 5 s");
    failures.push(wait::until_migrated(&Migrator::new(set), &db.url(), Duration::from_millis(20)).await.unwrap_err());
    for error in &failures {
        assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
        assert!(error.to_string().contains("database is locked"), "{error:?}");
    }
    // With patience, each waits. The connection itself would give up at once.
    let options = db.url().parse::<SqliteConnectOptions>().unwrap().busy_timeout(Duration::ZERO);
    let waiting = |event: &Event| {
        if let Event::LockWaiting { .. } = event {
            WAITS.add_permits(1);
        }
    };
    let patient = Migrator::new(set).lock_wait(Duration::MAX).on_event(waiting);
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(SqliteConnection::connect_with(&options).await.unwrap());
    }
    let [first, second, third, fourth] = &mut connections[..] else { unreachable!() };
    let (status, marked, examined, applied, ()) = tokio::join!(
        patient.status(first),
        patient.mark_stage(second, Stage::Test),
        doctor::examine(&patient, third, Examination::default()),
        patient.apply(fourth),
        async {
            WAITS.acquire_many(4).await.unwrap().forget();
            other.execute("ROLLBACK").await.unwrap();
        }
    );
    status.unwrap();
    marked.unwrap();
    examined.unwrap();
    applied.unwrap();
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

static WAITS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);
