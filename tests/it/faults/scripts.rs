//! Failing scripts: where, why, and what stays.

use lockgate::{Atomicity, ErrorKind, Migrations, Migrator};

use super::reports;
use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    a_failing_commit_does_not_undo_earlier_migrations,
    a_whole_run_that_cannot_be_committed_leaves_nothing,
    the_third_statement_fails,
    a_parse_error_keeps_earlier_migrations,
    a_failure_is_found_after_many_bytes,
    a_failure_while_reverting_is_reported_as_such,
    a_large_script_is_one_migration,
    the_first_of_all_fails,
}

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
const D: (&str, &str) = ("0004_d.sql", "CREATE TABLE d (id INTEGER PRIMARY KEY);");

async fn fails(db: &Db, set: &'static Migrations) -> lockgate::Error {
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    // The value still works, and its next run gets the lock.
    assert_eq!(Migrator::new(set).apply(&mut database).await.unwrap_err().to_string(), error.to_string());
    error
}

async fn the_third_statement_fails(db: Db) {
    let divide = "CREATE TABLE b (id INTEGER);\n\
                  /* größer als — 一二三 🚢 */\n\
                  INSERT INTO b VALUES (1); -- ü\n  \
                  INSERT INTO b SELECT '🚢ü', 1 FROM a;\n\
                  CREATE TABLE c (id INTEGER);\n";
    let error = fails(&db, migrations(&[A, ("0002_b.sql", divide), D])).await;
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "error[failed]: `0002_b` failed at statement 3 of 4",
            "4 |   INSERT INTO b SELECT '🚢ü', 1 FROM a;",
            "`0002_b` was rolled back: nothing of it is in the database",
            "correct migrations/0002_b.sql, build again, then run again",
            "1 more was not tried",
        ],
    );
    assert_eq!(db.objects().await, ["a"]);
    assert_eq!(db.history().await, ["1:applied"]);
    assert_eq!(db.log().await, ["1:applied", "2:failed", "2:failed"]);

    // A runtime error has no position, so the beginning of the statement is shown.
    let run_time = match db.is_sqlite() {
        true => "SELECT 'ü';\n\nSELECT abs(-9223372036854775807 - 1);",
        false => "SELECT 'ü';\n\nSELECT 1 / (SELECT count(*) FROM a);",
    };
    let error = fails(&db, migrations(&[A, ("0002_b.sql", run_time), D])).await;
    let says = if db.is_sqlite() { "integer overflow (SQLite code 1)" } else { "division by zero (SQLSTATE 22012)" };
    reports(&error, ErrorKind::Failed, &["at statement 2 of 2", "--> migrations/0002_b.sql:3:1", says]);
}

async fn a_parse_error_keeps_earlier_migrations(db: Db) {
    let b = ("0002_b.sql", "CREATE TABLE b (note TEXT DEFAULT 'ä🚢');");
    let c = ("0003_c.sql", "-- ö\nCREATE TABLE c (id INTEGER);\nSELECT 'ü', FROM FROM c;\n");
    let error = fails(&db, migrations(&[A, b, c, D])).await;
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "`0003_c` failed at statement 2 of 2",
            if db.is_sqlite() { "--> migrations/0003_c.sql:3:1" } else { "--> migrations/0003_c.sql:3:13" },
            "syntax error",
            "nothing of it is in the database",
            "1 more was not tried",
            "correct migrations/0003_c.sql",
        ],
    );
    assert_eq!(db.objects().await, ["a", "b"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    let first = db.log().await;
    assert_eq!(first, ["1:applied", "2:applied", "3:failed", "3:failed"]);
}

async fn the_first_of_all_fails(db: Db) {
    let wrong = ("0001_a.sql", "CREATE TABEL a (id INTEGER);");
    let error = fails(&db, migrations(&[wrong, D])).await;
    reports(
        &error,
        ErrorKind::Failed,
        &["`0001_a` failed at statement 1 of 1", "0001_a.sql:1:", "nothing was committed before it in this run"],
    );
    assert!(db.objects().await.is_empty());
    assert!(db.history().await.is_empty());
    assert_eq!(db.log().await, ["1:failed", "1:failed"], "what failed is on record, also if nothing else is");
}

async fn a_failure_while_reverting_is_reported_as_such(db: Db) {
    let set = migrations(&[
        ("0001_a.up.sql", "CREATE TABLE a (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);"),
        ("0002_b.down.sql", "DROP TABLE b;\nDROP TABLE nothing_of_the_kind;"),
        ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);"),
        ("0003_c.down.sql", "DROP TABLE c;"),
    ]);
    db.apply(set).await;
    let mut database = db.open().await;
    let error = Migrator::new(set).revert(&mut database, lockgate::DownTo::Empty).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "`0002_b` failed at statement 2 of 2",
            "migrations/0002_b.down.sql:2:1",
            "reverted and committed before it: 0003_c",
            "correct migrations/0002_b.down.sql",
        ],
    );
    assert_eq!(db.objects().await, ["a", "b"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

async fn a_large_script_is_one_migration(db: Db) {
    let text = "x".repeat(300 * 1024);
    let b = format!("CREATE TABLE b (id INTEGER, note TEXT);\nINSERT INTO b VALUES (1, '{text}');");
    db.apply(migrations(&[
        A,
        ("0002_b.sql", &b),
        ("0003_c.sql", &b.replace("b (", "c (").replace("INTO b", "INTO c")),
        D,
    ]))
    .await;
    assert_eq!(db.objects().await, ["a", "b", "c", "d"]);
    assert_eq!(db.texts("SELECT CAST(length(note) AS TEXT) FROM b").await, [(300 * 1024).to_string()]);
}

async fn a_failure_is_found_after_many_bytes(db: Db) {
    let mut script = "CREATE TABLE b (id INTEGER PRIMARY KEY, note TEXT);\n".to_owned();
    for n in 1..=5000 {
        script.push_str(&format!("INSERT INTO b VALUES ({n}, 'größe {n}');\n"));
    }
    script.push_str("INSERT INTO b (id, ni) VALUES (0, 'ü');\nINSERT INTO b VALUES (-1, '');\n");
    let error = fails(&db, migrations(&[A, ("0002_b.sql", &script), D])).await;
    let place = if db.is_sqlite() { "0002_b.sql:5002:1" } else { "0002_b.sql:5002:20" };
    reports(&error, ErrorKind::Failed, &["`0002_b` failed at statement 5002 of 5003", place]);
    assert_eq!(db.objects().await, ["a"]);
}

async fn a_failing_commit_does_not_undo_earlier_migrations(db: Db) {
    let parent = ("0002_p.sql", "CREATE TABLE p (id INTEGER PRIMARY KEY);");
    let child = (
        "0003_c.sql",
        "CREATE TABLE c (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO c VALUES (7);",
    );
    let error = fails(&db, migrations(&[A, parent, child, D])).await;
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "`0003_c` ran, but could not be committed",
            if db.is_sqlite() { "FOREIGN KEY constraint failed" } else { "violates foreign key constraint" },
            if db.is_sqlite() { "row 1 of c to p" } else { "Key (p)=(7) is not present in table \"p\"" },
            "`0003_c` was rolled back: nothing of it is in the database",
            "1 more was not tried",
            "correct migrations/0003_c.sql, build again, then run again",
        ],
    );
    assert_eq!(db.objects().await, ["a", "p"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    // If a later one also fails, the first culprit is reported.
    let broken = ("0004_d.sql", "INSERT INTO nowhere VALUES (1);");
    let error = fails(&db, migrations(&[A, parent, child, broken])).await;
    reports(&error, ErrorKind::Failed, &["`0003_c` ran, but could not be committed"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

async fn a_whole_run_that_cannot_be_committed_leaves_nothing(db: Db) {
    let set = migrations(&[
        ("0001_p.sql", "CREATE TABLE p (id INTEGER PRIMARY KEY);"),
        (
            "0002_c.sql",
            "CREATE TABLE c (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO c VALUES (7);",
        ),
        ("0003_d.sql", "CREATE TABLE d (id INTEGER);"),
    ]);
    let mut database = db.open().await;
    let migrator = Migrator::new(set).atomicity(Atomicity::WholeRun);
    let error = migrator.apply(&mut database).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "the run could not be committed",
            if db.is_sqlite() { "FOREIGN KEY constraint failed" } else { "violates foreign key constraint" },
            "nothing of this run is in the database",
            "then run again",
        ],
    );
    assert!(db.objects().await.is_empty());
    assert_eq!(migrator.status(&mut database).await.unwrap().pending().count(), 3);
}
