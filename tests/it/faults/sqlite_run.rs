//! SQLite: which history is read, the first run on a database, and readers that stay.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate::{Atomicity, Error, ErrorKind, Event, Migrations, Migrator};
use sqlx::{Connection, Executor, SqliteConnection};

use super::reports;
use crate::support::database::Db;
use crate::support::polled;
use crate::support::set::migrations;

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
const B: (&str, &str) = ("0002_b.sql", "INSERT INTO a VALUES (1);");

async fn lent(db: &Db) -> SqliteConnection {
    SqliteConnection::connect(&db.url()).await.unwrap()
}

/// Counts how often a run waits for its driver.
async fn waits(db: &Db, set: &'static Migrations) -> usize {
    let mut connection = lent(db).await;
    let migrator = Migrator::new(set);
    let mut run = Box::pin(migrator.apply(&mut connection));
    let mut waits = 0;
    let report = std::future::poll_fn(|context| {
        let polled = run.as_mut().poll(context);
        waits += 1;
        polled
    });
    report.await.unwrap_or_else(|error| panic!("{error:?}"));
    waits
}

#[tokio::test]
async fn a_database_without_a_history_gets_hundreds_in_a_few_messages() {
    let many = |count: usize| {
        let files: Vec<(String, String)> = (1..=count)
            .map(|n| {
                (format!("{n:04}_t.sql"), format!("CREATE TABLE t{n} (id INTEGER);\nINSERT INTO t{n} VALUES ({n});"))
            })
            .collect();
        migrations(&files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect::<Vec<_>>())
    };
    let db = Db::sqlite().unwrap();
    let waited = waits(&db, many(300)).await;
    assert!(waited < 60, "{waited} waits for 600 statements");
    assert_eq!(db.history().await.len(), 300);
    assert_eq!(db.log().await, (1..=300).map(|n| format!("{n}:applied")).collect::<Vec<_>>());
    let message = "SELECT CAST(count(*) AS TEXT) FROM lockgate_history WHERE statements_done = 2 AND elapsed_ms BETWEEN 0 AND 600000 \
                AND applied_at GLOB '20??-??-??T??:??:??.???Z' AND applied_by <> '' AND application <> ''";
    assert_eq!(db.texts(message).await, ["300"]);
    assert!(db.objects().await.iter().all(|name| name.starts_with('t')));
    assert!(waits(&db, many(300)).await < 10, "and to find that nothing is to do is one message");
}

#[tokio::test]
async fn a_failure_without_a_history_is_reported_as_usual() {
    let n = ("0001_n.sql", "CREATE TABLE n (n INTEGER);\nINSERT INTO n VALUES (0);");
    let more = ("0002_more.sql", "UPDATE n SET n = n + 1;");
    for bad in [
        "INSERT INTO n VALUES (5);\nINSERT INTO gone VALUES (1);",
        // Its COMMIT fails.
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\nINSERT INTO n VALUES (5);\n\
         CREATE TABLE k (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO k VALUES (7);",
    ] {
        let files = [n, more, ("0003_bad.sql", bad), ("0004_d.sql", "CREATE TABLE d (id INTEGER);")];
        let set = migrations(&files);
        let db = Db::sqlite().unwrap();
        let mut database = db.open().await;
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Failed,
            &[
                "0003_bad",
                "was rolled back",
                "applied and committed before it: 0001_n, 0002_more",
                "1 more was not tried",
            ],
        );
        assert_eq!(db.history().await, ["1:applied", "2:applied"], "{bad}");
        assert_eq!(db.texts("SELECT CAST(n AS TEXT) FROM n").await, ["1"], "{bad}");
        assert_eq!(db.log().await, ["1:applied", "2:applied", "3:failed"]);
        let good = [n, more, ("0003_bad.sql", "INSERT INTO n VALUES (5);")];
        Migrator::new(migrations(&good)).apply(&mut database).await.unwrap();
        assert_eq!(db.texts("SELECT CAST(n AS TEXT) FROM n ORDER BY n").await, ["1", "5"]);
    }
}

/// A script that reads the history finds the migrations before it.
#[tokio::test]
async fn earlier_migrations_are_recorded_while_a_script_runs() {
    let looks = "CREATE TABLE seen AS SELECT count(*) AS n FROM LockGate_History;\nINSERT INTO seen SELECT count(*) FROM lockgate_log;";
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A, B, ("0003_looks.sql", looks), ("0004_d.sql", "CREATE TABLE d (id INTEGER);")])).await;
    assert_eq!(db.texts("SELECT CAST(n AS TEXT) FROM seen").await, ["2", "2"]);
    assert_eq!(db.history().await.len(), 4);
}

/// Only columns and keys identify a history, and only codes identify an error.
#[tokio::test]
async fn another_object_named_like_the_history_is_refused() {
    let columns = "set_name, version, name, checksum, state, statements_done, finished_checksum, applied_at, elapsed_ms, \
                   applied_by, application, lockgate, owner, under_way";
    let ours = format!("SELECT 'default' AS {}", columns.replace(", ", ", '1' AS "));
    for (made, says) in [
        (format!("CREATE VIEW lockgate_history AS {ours} WHERE 0"), "it is a view, or a copy"),
        (format!("CREATE TABLE lockgate_history AS {ours} WHERE 0"), "it is a view, or a copy"),
        ("CREATE TABLE lockgate_history (set_name TEXT, version INTEGER)".to_owned(), "it has no column name"),
        ("CREATE VIEW lockgate_history AS SELECT 1 AS version".to_owned(), "it has no column set_name"),
        ("CREATE TABLE Lockgate_History (a INTEGER)".to_owned(), "it has no column set_name"),
    ] {
        let db = Db::sqlite().unwrap();
        db.execute(&made).await;
        let mut database = db.open().await;
        let error = Migrator::new(migrations(&[A, B])).apply(&mut database).await.unwrap_err();
        reports(&error, ErrorKind::HistoryFormat, &[says, "history_table"]);
        let error = Migrator::new(migrations(&[A, B])).status(&mut database).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HistoryFormat);
        assert_eq!(
            db.texts("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'lockgate!_history' ESCAPE '!'").await,
            [""; 0],
            "{made}"
        );
    }
}

/// The database itself decides that nothing is to do; manual changes are still read and reported.
#[tokio::test]
async fn a_start_with_nothing_to_do_sees_each_cell_that_was_changed() {
    let set = migrations(&[A, B, ("0003_c.sql", "CREATE TABLE c (id INTEGER);")]);
    let sound = "CREATE TABLE sound AS SELECT * FROM lockgate_history";
    let db = Db::sqlite().unwrap();
    db.apply(set).await;
    db.execute(sound).await;
    let mut database = db.open().await;
    let in_a_row = [
        "UPDATE lockgate_history SET version = 4",
        "UPDATE lockgate_history SET name = 'x'",
        "UPDATE lockgate_history SET name = ''",
        "UPDATE lockgate_history SET checksum = (SELECT checksum FROM sound s WHERE s.version = lockgate_history.version % 3 + 1)",
        "UPDATE lockgate_history SET checksum = 'v1:' || replace(hex(zeroblob(32)), '00', '11')",
        "UPDATE lockgate_history SET checksum = checksum || 'x'",
        "UPDATE lockgate_history SET checksum = ''",
        "UPDATE lockgate_history SET state = 'partial'",
        "UPDATE lockgate_history SET state = 'gone'",
        "UPDATE lockgate_history SET statements_done = -1",
        "UPDATE lockgate_history SET statements_done = 'x'",
        "DELETE FROM lockgate_history",
    ];
    let mut changes: Vec<String> = Vec::new();
    for version in 1..=3 {
        changes.extend(in_a_row.iter().map(|change| format!("{change} WHERE version = {version}")));
    }
    let extra = |version: u32, checksum: &str, state: &str| {
        format!(
            "INSERT INTO lockgate_history SELECT set_name, {version}, name, {checksum}, {state}, 0, NULL, '', 0, '', '', '', \
             NULL, NULL FROM sound LIMIT 1"
        )
    };
    changes.extend([
        extra(4, "checksum", "state"),
        extra(0, "checksum", "state"),
        extra(4, "checksum", "'partial'"),
        extra(4, "''", "state"),
        "UPDATE lockgate_history SET name = CASE version WHEN 2 THEN 'c' ELSE 'b' END WHERE version > 1".to_owned(),
    ]);
    for changed in &changes {
        assert!(Migrator::new(set).apply(&mut database).await.unwrap().is_empty());
        db.execute(changed).await;
        let lines = |report: lockgate::Report| format!("{:?} {:?}", report.steps, report.tolerated);
        let seen = match Migrator::new(set).apply(&mut database).await {
            Ok(report) => lines(report),
            Err(error) => error.report().to_string(),
        };
        assert_ne!(seen, "[] []", "not seen: {changed}");
        db.execute("DELETE FROM lockgate_history; INSERT INTO lockgate_history SELECT * FROM sound").await;
    }
    // Rows of another set do not matter.
    db.execute("INSERT INTO lockgate_history SELECT 'other', version, name, checksum, state, 1, NULL, '', 0, '', '', '', NULL, NULL FROM sound").await;
    assert!(waits(&db, set).await < 10);
}

/// A script's error that looks like one of ours is reported as the script's.
#[tokio::test]
async fn nothing_is_decided_by_the_words_of_an_error() {
    let set_name =
        "CREATE TABLE own (set_name TEXT PRIMARY KEY);\nINSERT INTO own VALUES ('x');\nINSERT INTO own VALUES ('x');";
    for (bad, says) in [
        (set_name, "UNIQUE constraint failed: own.set_name"),
        ("SELECT owner FROM a;", "no such column"),
        ("SELECT * FROM lockgate_histories;", "no such table"),
    ] {
        let db = Db::sqlite().unwrap();
        db.apply(migrations(&[A])).await;
        let mut database = db.open().await;
        let set = migrations(&[A, ("0002_bad.sql", bad)]);
        let error = Migrator::new(set).lock_wait(Duration::ZERO).apply(&mut database).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &[says, "`0002_bad` failed at statement", "was rolled back"]);
    }
}

/// Holds a read lock, in a journal mode in which COMMIT waits for it.
async fn reader(db: &Db) -> SqliteConnection {
    let mut reader = lent(db).await;
    reader.execute("BEGIN; SELECT * FROM a").await.unwrap();
    reader
}

/// The COMMIT of a script's own transaction also waits for a reader, because nothing else retries the script.
#[tokio::test(flavor = "multi_thread")]
async fn g_a_reader_delays_the_commit_of_a_scripts_own_block() {
    let db = Db::sqlite().unwrap();
    db.execute("PRAGMA journal_mode = DELETE").await;
    db.apply(migrations(&[A])).await;
    let block = ("0002_b.sql", "-- lockgate: no-transaction\nBEGIN;\nINSERT INTO a VALUES (1);\nCOMMIT;");
    let url = db.url();
    let reading = reader(&db).await;
    let run = tokio::spawn(async move {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        // Only our own wait counts.
        connection.execute("PRAGMA busy_timeout = 0").await.unwrap();
        Migrator::new(migrations(&[A, block])).apply(&mut connection).await.map(|report| report.steps.len())
    });
    let mut probe = lent(&db).await;
    probe.execute("PRAGMA busy_timeout = 0").await.unwrap();
    // New readers are blocked once a COMMIT was tried and refused: first for the script's row, then for its block.
    while probe.execute("SELECT * FROM a").await.is_ok() {
        tokio::task::yield_now().await;
    }
    drop(reading);
    assert_eq!(run.await.unwrap().unwrap_or_else(|error| panic!("{error:?}")), 1);
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a").await, ["1"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

/// Counts the waits for the driver, which once handed over a row for each broken key.
#[tokio::test]
async fn h_twenty_thousand_old_violations_are_counted_by_the_database() {
    let db = Db::sqlite().unwrap();
    let tree = (
        "0001_tree.sql",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id));",
    );
    db.apply(migrations(&[tree])).await;
    let mut connection = lent(&db).await;
    let broken = "PRAGMA foreign_keys = OFF; INSERT INTO c WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                  WHERE i < 20000) SELECT i, i FROM n; PRAGMA foreign_keys = ON";
    connection.execute(broken).await.unwrap();
    let rebuild = (
        "0002_rebuild.sql",
        "-- lockgate: foreign-keys off\nCREATE TABLE c_new (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id));\n\
         INSERT INTO c_new SELECT id, p FROM c;\nDROP TABLE c;\nALTER TABLE c_new RENAME TO c;",
    );
    let set = migrations(&[tree, rebuild]);
    let run = polled(Migrator::new(set).apply(&mut connection), 400).await;
    run.expect("a few messages are enough").unwrap_or_else(|error| panic!("{error:?}"));
    let one_more = ("0003_more.sql", "-- lockgate: foreign-keys off\nINSERT INTO c VALUES (20001, 5);");
    let error = Migrator::new(migrations(&[tree, rebuild, one_more])).apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["1 foreign key points", "where 20000 did before"]);
}

/// If the caller's connection cannot be restored, everything is committed and the report says so.
#[tokio::test]
async fn a_lent_connection_that_cannot_be_restored_is_reported() {
    for drops in [
        "DROP TABLE temp.theirs;",
        "-- lockgate: no-transaction\nDROP TABLE temp.theirs;\nPRAGMA recursive_triggers = OFF;",
    ] {
        let db = Db::sqlite().unwrap();
        db.apply(migrations(&[A])).await;
        let mut connection = lent(&db).await;
        connection.execute("CREATE TEMP TABLE theirs (id INTEGER)").await.unwrap();
        let set = migrations(&[A, ("0002_drops.sql", drops)]);
        let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
        let says = [
            "the connection is not as it was before the run",
            "applied and committed: 0002_drops",
            "close the connection",
        ];
        reports(&error, ErrorKind::Failed, &says);
        assert!(!error.report().to_string().contains("nothing of"), "{error:?}");
        assert_eq!(db.history().await, ["1:applied", "2:applied"]);
        assert!(Migrator::new(set).apply(&mut connection).await.unwrap().is_empty());
        // A following migration does not run there, and the error says so.
        let next = ("0003_c.sql", "CREATE TABLE c (id INTEGER);");
        let set = migrations(&[A, ("0002_drops.sql", drops), next]);
        let db = Db::sqlite().unwrap();
        let mut connection = lent(&db).await;
        connection.execute("CREATE TEMP TABLE theirs (id INTEGER)").await.unwrap();
        let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Failed,
            &["`0003_c` could not begin", "applied and committed before it: 0001_a, 0002_drops"],
        );
        assert_eq!(db.objects().await, ["a"]);
    }
}

/// In a whole run, a connection that cannot be restored rolls everything back.
#[tokio::test]
async fn e_a_whole_run_on_a_connection_that_cannot_be_put_back_leaves_nothing() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let mut connection = lent(&db).await;
    connection.execute("CREATE TEMP TABLE theirs (id INTEGER); INSERT INTO theirs VALUES (7)").await.unwrap();
    let set =
        migrations(&[A, ("0002_drops.sql", "DROP TABLE temp.theirs;"), ("0003_c.sql", "CREATE TABLE c (id INTEGER);")]);
    let error = Migrator::new(set).atomicity(Atomicity::WholeRun).apply(&mut connection).await.unwrap_err();
    let says = ["`0003_c` could not begin", "the whole run was one transaction: nothing of it was committed"];
    reports(&error, ErrorKind::Failed, &says);
    assert_eq!(db.objects().await, ["a"]);
    assert_eq!(db.history().await, ["1:applied"]);
    assert_eq!(db.log().await, ["1:applied", "3:failed"]);
    let theirs: i64 = sqlx::query_scalar("SELECT id FROM temp.theirs").fetch_one(&mut connection).await.unwrap();
    assert_eq!(theirs, 7, "it went with the rest of the run");
}

/// Settings from before a script stopped are set again before it resumes.
#[tokio::test]
async fn a_resumed_script_has_its_pragmas_and_attached_databases() {
    let db = Db::sqlite().unwrap();
    let ground = ("0001_a.sql", "CREATE TABLE a (id INTEGER CHECK (id > 0));");
    let other = Db::sqlite().unwrap();
    other.execute("CREATE TABLE far (id INTEGER)").await;
    let file = other.texts("SELECT file FROM pragma_database_list WHERE name = 'main'").await.remove(0);
    let script = |fails: &str| {
        format!(
            "-- lockgate: no-transaction\nPRAGMA ignore_check_constraints = ON;\nATTACH '{file}' AS other;\n{fails}\n\
             INSERT INTO a VALUES (-1);\nINSERT INTO other.far VALUES (1);"
        )
    };
    let set = |fails: &str| migrations(&[ground, ("0002_x.sql", &script(fails))]);
    let mut connection = lent(&db).await;
    let error = Migrator::new(set("SELECT * FROM gone;")).apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["2 of its 5 statements have finished"]);
    let resumed = Migrator::new(set("SELECT 1;")).apply(&mut connection).await;
    resumed.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a").await, ["-1"]);
    assert_eq!(other.texts("SELECT CAST(id AS TEXT) FROM far").await, ["1"]);
    let left: i64 = sqlx::query_scalar("PRAGMA ignore_check_constraints").fetch_one(&mut connection).await.unwrap();
    assert_eq!(left, 0);
}

#[track_caller]
fn inside(error: &Error) {
    let shown = error.report().to_string();
    assert_eq!(error.kind(), ErrorKind::Usage, "{shown}");
    for says in ["the connection is inside a transaction: end it first", "nothing was changed"] {
        assert!(shown.contains(says), "{shown}");
    }
}

/// A run that cannot work on this connection is refused immediately, and the connection stays usable.
#[tokio::test]
async fn a_transaction_of_the_callers_and_a_schema_are_refused() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let set = migrations(&[A, B]);
    let mut connection = lent(&db).await;
    let error = Migrator::new(set).history_table("app.history").apply(&mut connection).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.report().to_string().contains("SQLite knows no schemas: name the history table without one"));
    let mut theirs = connection.begin().await.unwrap();
    theirs.execute("INSERT INTO a VALUES (9)").await.unwrap();
    let error = Migrator::new(set).apply(&mut *theirs).await.unwrap_err();
    inside(&error);
    theirs.commit().await.unwrap();
    // A transaction that the driver does not know.
    connection.execute("BEGIN; INSERT INTO a VALUES (10)").await.unwrap();
    let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
    inside(&error);
    connection.execute("COMMIT").await.unwrap();
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a ORDER BY id").await, ["9", "10"]);
    assert_eq!(db.history().await, ["1:applied"]);
}

/// A reader that comes during a script blocks the COMMIT of the script's block. The run waits for it as long as it may.
#[tokio::test(flavor = "multi_thread")]
async fn g_a_reader_that_comes_late_keeps_a_scripts_own_block_waiting() {
    for stays in [false, true] {
        let db = Db::sqlite().unwrap();
        db.execute("PRAGMA journal_mode = DELETE").await;
        db.apply(migrations(&[A])).await;
        let block = (
            "0002_b.sql",
            "-- lockgate: no-transaction\nINSERT INTO a VALUES (1);\nBEGIN;\nINSERT INTO a VALUES (2);\nCOMMIT;",
        );
        let (url, reading) = (db.url(), Arc::new(Mutex::new(None)));
        let held = Arc::clone(&reading);
        let wait = if stays { Duration::from_millis(50) } else { Duration::from_secs(60) };
        let migrator = Migrator::new(migrations(&[A, block])).lock_wait(wait).on_event(move |event| {
            if matches!(event, Event::StatementFinished { statements_done: 1, .. }) {
                let reader = tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(async {
                        let mut reader = SqliteConnection::connect(&url).await.unwrap();
                        reader.execute("BEGIN; SELECT * FROM a").await.unwrap();
                        reader
                    })
                });
                *held.lock().unwrap() = Some(reader);
            }
        });
        let mut connection = lent(&db).await;
        let run = tokio::spawn(async move { migrator.apply(&mut connection).await.map(|report| report.steps.len()) });
        if stays {
            let error = run.await.unwrap().unwrap_err();
            let says = [
                "`0002_b` failed at statement 4 of 4",
                "database is locked",
                "1 of its 4 statements",
                "`Migrator::lock_wait`",
            ];
            reports(&error, ErrorKind::Failed, &says);
            drop(reading.lock().unwrap().take());
            db.apply(migrations(&[A, block])).await;
        } else {
            let mut probe = lent(&db).await;
            probe.execute("PRAGMA busy_timeout = 0").await.unwrap();
            // New readers are blocked once a COMMIT was tried and refused.
            while reading.lock().unwrap().is_none() || probe.execute("SELECT * FROM a").await.is_ok() {
                tokio::task::yield_now().await;
            }
            drop(reading.lock().unwrap().take());
            assert_eq!(run.await.unwrap().unwrap_or_else(|error| panic!("{error:?}")), 1);
        }
        assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a ORDER BY id").await, ["1", "2"]);
    }
}

/// A migration may change the journal mode of a file, on the caller's connection too.
#[tokio::test]
async fn a_script_may_change_the_journal_of_the_file() {
    let db = Db::sqlite().unwrap();
    db.execute("PRAGMA journal_mode = DELETE").await;
    db.apply(migrations(&[A])).await;
    let mut connection = lent(&db).await;
    let wal = ("0002_wal.sql", "-- lockgate: no-transaction\nPRAGMA journal_mode = WAL;");
    let back = ("0003_back.sql", "-- lockgate: no-transaction\nPRAGMA journal_mode = DELETE;");
    for (set, mode) in [(migrations(&[A, wal]), "wal"), (migrations(&[A, wal, back]), "delete")] {
        Migrator::new(set).apply(&mut connection).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(db.texts("PRAGMA journal_mode").await, [mode]);
    }
}

/// The same number of broken keys in another column counts as new, and so does a key that cannot be checked.
#[tokio::test]
async fn broken_keys_of_another_column_and_keys_to_nothing_are_reported() {
    let ground = (
        "0001_g.sql",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO p VALUES (1, 'a');\n\
         CREATE TABLE c (one INTEGER REFERENCES p (id), two INTEGER REFERENCES p (id));",
    );
    for (script, says) in [
        ("UPDATE c SET one = 1, two = 9;", "1 foreign key points to rows that are not there"),
        (
            "CREATE TABLE d (name TEXT REFERENCES p (name));\nINSERT INTO d VALUES ('a');",
            "a foreign key of d points to columns that are not there or not unique",
        ),
    ] {
        let db = Db::sqlite().unwrap();
        db.apply(migrations(&[ground])).await;
        db.execute("PRAGMA foreign_keys = OFF; INSERT INTO c VALUES (9, 1)").await;
        let set = migrations(&[ground, ("0002_x.sql", &format!("-- lockgate: foreign-keys off\n{script}"))]);
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["`0002_x` left broken foreign keys behind", says, "was rolled back"]);
        assert_eq!(db.texts("SELECT one || ' ' || two FROM c").await, ["9 1"]);
        assert_eq!(db.history().await, ["1:applied"]);
    }
}

/// A trigger that drops later records but not the first row.
#[tokio::test]
async fn a_trigger_that_drops_progress_is_reported() {
    for drops in ["NEW.statements_done > 0 AND NEW.state = 'partial'", "NEW.state = 'applied'"] {
        let db = Db::sqlite().unwrap();
        db.apply(migrations(&[A])).await;
        let trigger =
            format!("CREATE TRIGGER t BEFORE UPDATE ON lockgate_history WHEN {drops} BEGIN SELECT RAISE(IGNORE); END");
        db.execute(&trigger).await;
        let script = "-- lockgate: no-transaction\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);";
        let set = migrations(&[A, ("0002_x.sql", script)]);
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["the history does not have the row that was written"]);
        db.execute("DROP TRIGGER t").await;
        db.apply(set).await;
        assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a ORDER BY id").await, ["1", "2"], "{drops}");
    }
}

/// Without a journal, SQLite reports a rollback that did not happen.
#[tokio::test]
async fn a_connection_without_a_journal_is_refused_and_the_way_out_works() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let fails = ("0003_c.sql", "INSERT INTO a VALUES (2);\nINSERT INTO a VALUES (1);");
    let set = migrations(&[A, B, fails]);
    for atomicity in [Atomicity::PerMigration, Atomicity::WholeRun] {
        let mut connection = lent(&db).await;
        connection.execute("PRAGMA journal_mode = OFF").await.unwrap();
        let migrator = Migrator::new(set).atomicity(atomicity);
        let error = migrator.apply(&mut connection).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Usage,
            &["keeps no journal", "what fails could not be undone", "nothing was changed"],
        );
        assert_eq!(db.history().await, ["1:applied"]);
        connection.execute("PRAGMA journal_mode = DELETE").await.unwrap();
        let error = migrator.apply(&mut connection).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["`0003_c` was rolled back: nothing of it is in the database"]);
        assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a WHERE id = 2").await, ["0"]);
        db.execute("DELETE FROM a; DELETE FROM lockgate_history WHERE version = 2").await;
    }
}

#[tokio::test]
async fn the_cause_of_a_refused_write_is_reported() {
    for head in ["", "-- lockgate: no-transaction\n"] {
        let db = Db::sqlite().unwrap();
        let script = format!("{head}CREATE TABLE b (id INTEGER);\nPRAGMA query_only = ON;\nSELECT 1;");
        let set = migrations(&[A, ("0002_b.sql", &script)]);
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Failed,
            &["`0002_b` could not be recorded", "`PRAGMA query_only` is on: switch it off"],
        );
    }
    // A file that was replaced meanwhile.
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let mut connection = lent(&db).await;
    let _: i64 = sqlx::query_scalar("SELECT count(*) FROM a").fetch_one(&mut connection).await.unwrap();
    let url = db.url();
    let file = url.trim_start_matches("sqlite://").split('?').next().unwrap();
    std::fs::rename(file, format!("{file}.old")).unwrap();
    std::fs::copy(format!("{file}.old"), file).unwrap();
    let error = Migrator::new(migrations(&[A, B])).apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::ReadOnly, &["the file was moved, replaced or deleted", "connect again"]);
    assert_eq!(db.history().await, ["1:applied"]);
}

/// A column that was added by hand is NOT NULL. The report blames no trigger.
#[tokio::test]
async fn a_column_of_others_is_named() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let table = db.texts("SELECT sql FROM sqlite_schema WHERE name = 'lockgate_history'").await.remove(0);
    let table = table.replace("owner TEXT", "team TEXT NOT NULL, owner TEXT").replace("lockgate_history", "copy");
    let columns = "set_name, version, name, checksum, state, statements_done, applied_at, elapsed_ms, applied_by, \
                   application, lockgate";
    db.execute(&format!(
        "{table}; INSERT INTO copy ({columns}, team) SELECT {columns}, 'x' FROM lockgate_history; \
         DROP TABLE lockgate_history; ALTER TABLE copy RENAME TO lockgate_history"
    ))
    .await;
    let error = Migrator::new(migrations(&[A, B])).apply(&mut db.open().await).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &["NOT NULL constraint failed: lockgate_history.team", "columns that others added"],
    );
    assert!(!error.report().to_string().contains("a trigger on its table"), "{error:?}");
}
