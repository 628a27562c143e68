//! What a draft says, and what it does not lose.

use lockgate::schema::draft::{Draft, Hazard, Mode, Statement, Step, draft};
use sqlx::{Connection, Row, SqliteConnection};

use super::{execute, made, written};

/// Checks the text of a draft.
#[track_caller]
fn shown(draft: &Draft) -> String {
    let mut text = String::new();
    for script in &draft.scripts {
        if script.foreign_keys_off {
            text.push_str("-- foreign keys off\n");
        }
        for step in &script.steps {
            let Step::Statement(Statement { sql, hazards, question }) = step else { panic!("{step:?}") };
            hazards.iter().for_each(|hazard: &Hazard| text.push_str(&format!("-- {hazard}\n")));
            question.iter().for_each(|question| text.push_str(&format!("-- decide {question}\n")));
            text.push_str(&format!("{sql};\n"));
        }
    }
    text
}

async fn drafts(before: &str, after: &str, expected: &str) {
    let drafted = draft(&made(before).await, &made(after).await, Mode::Online);
    assert_eq!(shown(&drafted), expected, "\n{before}\n{after}");
}

#[tokio::test]
async fn a_draft_reads_as_people_write_it() {
    drafts(
        "",
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INT NOT NULL REFERENCES users ON DELETE CASCADE, title TEXT NOT NULL UNIQUE, at TEXT DEFAULT CURRENT_TIMESTAMP, size INT DEFAULT (1 + 1), UNIQUE (author, title), CHECK (title != '')) STRICT; CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT);",
        "CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT
);
CREATE TABLE posts (
  id INTEGER PRIMARY KEY,
  author INT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  title TEXT NOT NULL UNIQUE,
  at TEXT DEFAULT CURRENT_TIMESTAMP,
  size INT DEFAULT (1 + 1),
  UNIQUE (author, title),
  CHECK (title != '')
) STRICT;
",
    )
    .await;
    drafts(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT, name TEXT NOT NULL DEFAULT '', boss INT REFERENCES users)",
        "ALTER TABLE users ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN boss INT REFERENCES users (id);
",
    )
    .await;
    drafts(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT); CREATE INDEX mails ON users (mail)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
        "DROP INDEX mails;
-- deletes data (drop-column)
-- rewrites the table
ALTER TABLE users DROP COLUMN mail;
",
    )
    .await;
}

#[tokio::test]
async fn a_rebuild_keeps_what_refers_to_the_table() {
    drafts(
        "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, mail TEXT, old);
         CREATE TABLE posts (author INT REFERENCES users ON DELETE CASCADE);
         CREATE INDEX mails ON users (mail);
         CREATE VIEW known AS SELECT mail FROM users;
         CREATE TRIGGER greet AFTER INSERT ON users BEGIN SELECT 1; END;",
        "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, mail TEXT NOT NULL UNIQUE);
         CREATE TABLE posts (author INT REFERENCES users ON DELETE CASCADE);
         CREATE INDEX mails ON users (mail);
         CREATE VIEW known AS SELECT mail FROM users;
         CREATE TRIGGER greet AFTER INSERT ON users BEGIN SELECT 1; END;",
        "-- foreign keys off
PRAGMA legacy_alter_table = ON;
CREATE TABLE new_users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  mail TEXT NOT NULL UNIQUE
);
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_users', seq FROM sqlite_sequence WHERE name = 'users';
-- rewrites the table
-- fails if two rows of users have the same mail
-- decide the value of users.mail in rows where it is NULL
INSERT INTO new_users (id, mail)
SELECT id, coalesce(mail, '')
FROM users;
-- deletes data (drop-column)
DROP TABLE users;
ALTER TABLE new_users RENAME TO users;
PRAGMA legacy_alter_table = OFF;
-- creates it again, as what it needs changes
CREATE INDEX mails ON users (mail);
-- creates it again, as what it needs changes
CREATE TRIGGER greet AFTER INSERT ON users BEGIN
  SELECT 1;
END;
",
    )
    .await;
}

#[tokio::test]
async fn a_number_that_was_given_is_never_given_again() {
    let before = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a);";
    let after = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE);";
    let text = written(&draft(&made(before).await, &made(after).await, Mode::Online));
    for (rows, expected) in [("INSERT INTO t (a) VALUES (1), (2), (3); DELETE FROM t;", 4), ("", 1)] {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        execute(&mut connection, &format!("{before}{rows}{text}INSERT INTO t (a) VALUES (9);")).await.unwrap();
        let id: i64 = sqlx::query("SELECT id FROM t").fetch_one(&mut connection).await.unwrap().get(0);
        assert_eq!(id, expected);
    }
}

#[tokio::test]
async fn a_row_that_does_not_fit_is_never_left_out() {
    let before = "CREATE TABLE t (a); INSERT INTO t VALUES (1), (1);";
    let after = "CREATE TABLE t (a UNIQUE ON CONFLICT IGNORE);";
    let text = written(&draft(&made("CREATE TABLE t (a)").await, &made(after).await, Mode::Online));
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    execute(&mut connection, before).await.unwrap();
    let error = execute(&mut connection, &text).await.expect_err("two rows are the same");
    assert!(error.to_string().contains("UNIQUE constraint failed"), "{error}");
}

#[tokio::test]
async fn the_target_of_a_foreign_key_can_go() {
    drafts(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (p INT REFERENCES p)",
        "CREATE TABLE t (p INT)",
        "-- foreign keys off
CREATE TABLE new_t (
  p INT
);
-- rewrites the table
INSERT INTO new_t (p)
SELECT p
FROM t;
DROP TABLE t;
ALTER TABLE new_t RENAME TO t;
-- deletes data (drop-table)
DROP TABLE p;
",
    )
    .await;
}

#[tokio::test]
async fn a_search_finds_the_rows_that_were_there() {
    let before =
        "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('one'), ('two'), ('three'); DELETE FROM t WHERE a = 'one';";
    let after = "CREATE TABLE t (b, a TEXT); CREATE VIRTUAL TABLE f USING fts5(a, content='t');";
    let text = written(&draft(&made("CREATE TABLE t (a TEXT)").await, &made(after).await, Mode::Online));
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    execute(&mut connection, &format!("{before}{text}")).await.unwrap();
    let rows = sqlx::query("SELECT rowid FROM f WHERE f MATCH 'three'").fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<i64, _>(0)).collect::<Vec<_>>(), [3]);
}

/// The number of a row has other names where a column has one of them.
#[tokio::test]
async fn a_search_finds_its_rows_whatever_the_columns_are_called() {
    for (name, other) in [("oid", "rowid"), ("\"rowid\"", "_rowid_"), ("_rowid_", "oid")] {
        let search = "CREATE VIRTUAL TABLE f USING fts5(a, content='t');";
        let before = format!("CREATE TABLE t ({name} INTEGER, a TEXT); {search}");
        let after = format!("CREATE TABLE t (b, {name} INTEGER, a TEXT); {search}");
        let rows =
            format!("INSERT INTO t ({other}, {name}, a) VALUES (7, 8, 'one'); INSERT INTO f (f) VALUES ('rebuild');");
        let text = written(&draft(&made(&before).await, &made(&after).await, Mode::Online));
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        execute(&mut connection, &format!("{before}{rows}{text}")).await.unwrap();
        let found: String =
            sqlx::query_scalar("SELECT a FROM f WHERE f MATCH 'one'").fetch_one(&mut connection).await.unwrap();
        assert_eq!(found, "one");
        let number: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT {other} FROM t")))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(number, 7, "{text}");
    }
}
