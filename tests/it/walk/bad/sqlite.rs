//! What goes wrong on SQLite, where most changes of a table rebuild it, and a word is easily left
//! out on the way.

use lockgate::Dialect;
use lockgate_harness::Phase;

use super::super::{Sql, caught, tests};

/// On a database in this state, a migration whose down script does not restore the schema.
async fn lost(before: &str, up: &str, down: &str, words: &[&str]) {
    let before = format!("-- lockgate: irreversible \"the ground\"\n{before}");
    let files = [("0001_ground.sql", &*before), ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let words: Vec<&str> = ["`0002_x` on SQLite", "0002_x.down.sql"].iter().chain(words).copied().collect();
    caught(tests(&files, vec![]), Dialect::Sqlite, 2, Phase::SchemaAfterRevert, &words).await;
}

/// Adds a column, and removes it with a rebuild of the table that is created like this.
async fn rebuilt(made: &str, anew: &str, words: &[&str]) {
    let up = "ALTER TABLE t ADD COLUMN extra INTEGER;";
    let down = format!(
        "CREATE TABLE {};\nINSERT INTO new SELECT a, b FROM t;\nDROP TABLE t;\nALTER TABLE new RENAME TO t;",
        anew.replacen("t ", "new ", 1)
    );
    lost(&format!("CREATE TABLE {made};"), up, &down, words).await;
}

#[tokio::test]
async fn strict() {
    let (made, anew) = ("t (a INTEGER, b TEXT) STRICT", "t (a INTEGER, b TEXT)");
    rebuilt(made, anew, &["table t: with STRICT is lost (real)"]).await;
}

#[tokio::test]
async fn without_rowid() {
    let (made, anew) = ("t (a INTEGER PRIMARY KEY, b TEXT) WITHOUT ROWID", "t (a INTEGER PRIMARY KEY, b TEXT)");
    rebuilt(made, anew, &["table t: with WITHOUT ROWID is lost (real)"]).await;
}

#[tokio::test]
async fn autoincrement() {
    let (made, anew) = ("t (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT)", "t (a INTEGER PRIMARY KEY, b TEXT)");
    rebuilt(made, anew, &["AUTOINCREMENT", "(real)"]).await;
}

#[tokio::test]
async fn the_affinity_of_a_column() {
    let (made, anew) = ("t (a INTEGER, b TEXT)", "t (a INTEGER, b STRING)");
    rebuilt(made, anew, &["table t: column b: type was TEXT, is STRING (real)"]).await;
}

#[tokio::test]
async fn a_column_s_collation() {
    let (made, anew) = ("t (a INTEGER, b TEXT COLLATE NOCASE)", "t (a INTEGER, b TEXT)");
    rebuilt(made, anew, &["column b: COLLATE NOCASE is lost (real)"]).await;
}

#[tokio::test]
async fn a_check() {
    let (made, anew) = ("t (a INTEGER CHECK (a > 0), b TEXT)", "t (a INTEGER CHECK (a >= 0), b TEXT)");
    rebuilt(made, anew, &["table t: constraint CHECK ", "(real)"]).await;
}

#[tokio::test]
async fn on_delete_cascade() {
    let made = "t (a INTEGER PRIMARY KEY, b INTEGER REFERENCES t (a) ON DELETE CASCADE)";
    let anew = "t (a INTEGER PRIMARY KEY, b INTEGER REFERENCES t (a))";
    rebuilt(made, anew, &["table t: constraint FOREIGN KEY ", "ON DELETE CASCADE", "(real)"]).await;
}

#[tokio::test]
async fn an_on_conflict_clause() {
    let (made, anew) = ("t (a INTEGER UNIQUE ON CONFLICT REPLACE, b TEXT)", "t (a INTEGER UNIQUE, b TEXT)");
    rebuilt(made, anew, &["ON CONFLICT REPLACE", "(real)"]).await;
}

#[tokio::test]
async fn a_generated_expression() {
    let before = "CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) VIRTUAL);";
    let up = "ALTER TABLE t DROP COLUMN b;";
    let down = "ALTER TABLE t ADD COLUMN b INTEGER GENERATED ALWAYS AS (a * 3) VIRTUAL;";
    lost(before, up, down, &["column b: GENERATED was ", "(a * 2)", "(a * 3)", "(real)"]).await;
}

/// A rebuilt table has only the indexes and triggers that are created again.
const ANEW: &str = "CREATE TABLE new (a INTEGER, b TEXT);\nINSERT INTO new SELECT a, b FROM t;\nDROP TABLE t;\n\
     ALTER TABLE new RENAME TO t;";

#[tokio::test]
async fn an_index_of_a_rebuilt_table() {
    let before = "CREATE TABLE t (a INTEGER, b TEXT);\nCREATE INDEX t_a ON t (a) WHERE a > 0;";
    lost(before, "ALTER TABLE t ADD COLUMN c;", ANEW, &["table t: index t_a is gone (real)"]).await;
}

#[tokio::test]
async fn a_trigger_of_a_rebuilt_table() {
    let before = "CREATE TABLE t (a INTEGER, b TEXT);\n\
         CREATE TRIGGER t_b AFTER INSERT ON t BEGIN UPDATE t SET b = 'x' WHERE a = NEW.a; END;";
    lost(before, "ALTER TABLE t ADD COLUMN c;", ANEW, &["trigger t_b on t: is gone (real)"]).await;
}

#[tokio::test]
async fn a_view() {
    let before = "CREATE TABLE t (a INTEGER, b TEXT);\nCREATE VIEW v AS SELECT a FROM t;";
    let up = "DROP VIEW v;\nALTER TABLE t ADD COLUMN c;";
    lost(before, up, ANEW, &["view v: is gone (real)"]).await;
}

/// `DROP TABLE` deletes the rows first, and with each its referring rows. The rows of the table itself
/// were copied; the others are lost.
#[tokio::test]
async fn rows_that_refer_to_a_rebuilt_table() {
    let before = "-- lockgate: irreversible \"the ground\"\nCREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);\n\
         CREATE TABLE child (t INTEGER REFERENCES t (a) ON DELETE CASCADE);";
    let up = "-- lockgate: irreversible \"x\"\nCREATE TABLE new (a INTEGER PRIMARY KEY, b TEXT NOT NULL);\n\
         INSERT INTO new SELECT a, b FROM t;\nDROP TABLE t;\nALTER TABLE new RENAME TO t;";
    let fill = Sql {
        fill: &["INSERT INTO t VALUES (1, 'x'), (2, 'y')", "INSERT INTO child VALUES (1), (2), (2)"],
        ..Sql::default()
    };
    let tests = tests(&[("0001_ground.sql", before), ("0002_x.sql", up)], vec![fill.of(2)]);
    let words = ["the migration loses rows", "`child` had 3 rows and has 0", "loses-rows child"];
    caught(tests, Dialect::Sqlite, 2, Phase::RowsAfterApply, &words).await;
}

/// The run itself restores the connection, so the next migration does not find what this one attaches.
#[tokio::test]
async fn an_attached_database_that_the_next_one_counts_on() {
    let up = "-- lockgate: no-transaction\nATTACH ':memory:' AS scratch;";
    let next = "CREATE TABLE scratch.b (id INTEGER);";
    let files = [
        ("0001_x.up.sql", up),
        ("0001_x.down.sql", "SELECT 1;"),
        ("0002_y.up.sql", next),
        ("0002_y.down.sql", "SELECT 1;"),
    ];
    caught(tests(&files, vec![]), Dialect::Sqlite, 2, Phase::Apply, &["unknown database scratch"]).await;
}
