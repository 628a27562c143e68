//! Reads the schema of real SQLite files, and compares schemas.

use lockgate::schema::{Schema, compare, report};
use lockgate::{ErrorKind, Migrator, read_schema};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::support::set::migrations;
use crate::support::text;

struct File {
    connection: SqliteConnection,
    _folder: tempfile::TempDir,
}

impl File {
    async fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("test.db")).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
        Self { connection, _folder: folder }
    }

    async fn read(&mut self) -> Schema {
        let schema = read_schema(&mut self.connection).await.unwrap_or_else(|error| panic!("{}", error.report()));
        text::says_all(&schema);
        schema
    }
}

async fn read(sql: &str) -> Schema {
    File::new(sql).await.read().await
}

/// Checks how the schemas that two scripts create differ.
async fn differ(before: &str, after: &str, expected: &str) {
    let (one, other) = (read(before).await, read(after).await);
    let found = compare(&one, &other);
    assert_eq!(report(&found), expected, "\n{before}\n{after}\n{}\n{}", one.to_text(), other.to_text());
    assert_eq!(compare(&other, &one).len(), found.len());
}

const SAME: &str = "";

#[tokio::test]
async fn equivalent_schemas_are_equal() {
    for (before, after) in [
        // White space, comments, quotes, case.
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL)",
            "create table \"t\"(\n  [id] integer primary key -- it\n, `a` /* , */ text not null)",
        ),
        ("CREATE TABLE t (a VARCHAR(40), b DECIMAL(10, 2))", "CREATE TABLE t (a varchar ( 40 ), b decimal(10,2))"),
        // A constraint after its column, or at the end.
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, CHECK (a > 0))",
            "CREATE TABLE t (id INTEGER, a CHECK (\"a\">0), PRIMARY KEY (id), UNIQUE (a))",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)",
            "CREATE TABLE t (id INTEGER, PRIMARY KEY (id AUTOINCREMENT))",
        ),
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a REFERENCES p)",
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a, FOREIGN KEY (\"a\") REFERENCES P (ID) ON DELETE NO ACTION NOT DEFERRABLE)",
        ),
        (
            "CREATE TABLE t (a REFERENCES t(a) ON DELETE CASCADE ON UPDATE SET NULL)",
            "CREATE TABLE t (a REFERENCES t(a) ON UPDATE SET NULL MATCH FULL ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE)",
        ),
        ("CREATE TABLE t (a UNIQUE ON CONFLICT ABORT, b NULL)", "CREATE TABLE t (a, b, UNIQUE (a ASC))"),
        // Table constraints need no commas, and a constraint may be only a name.
        (
            "CREATE TABLE t (a, b, UNIQUE (a), CHECK (b))",
            "CREATE TABLE t (a, b, UNIQUE (a) CHECK (b) CONSTRAINT alone)",
        ),
        (
            "CREATE TABLE t (a DEFAULT 1, b DEFAULT 'x', c DEFAULT (-1))",
            "CREATE TABLE t (a DEFAULT (1), b DEFAULT ( 'x' ), c DEFAULT -1)",
        ),
        ("CREATE TABLE t (a DEFAULT CURRENT_TIMESTAMP)", "CREATE TABLE t (a DEFAULT current_timestamp)"),
        ("CREATE TABLE t (a COLLATE BINARY, b COLLATE nocase)", "CREATE TABLE t (a, b COLLATE NOCASE)"),
        ("CREATE TABLE t (a, b GENERATED ALWAYS AS (a + 1) VIRTUAL)", "CREATE TABLE t (a, b AS (\"A\"+1))"),
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT, WITHOUT ROWID",
            "CREATE TABLE t (a INTEGER NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT",
        ),
        // The text that ALTER TABLE leaves.
        (
            "CREATE TABLE t (a INT, b TEXT DEFAULT 'x' CHECK (b != ''))",
            "CREATE TABLE t (a INT); ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x' CHECK (b <> '')",
        ),
        ("CREATE TABLE t (a INT, c TEXT)", "CREATE TABLE t (a INT, b BLOB, c TEXT); ALTER TABLE t DROP COLUMN b"),
        (
            "CREATE TABLE t (a INT, b AS (a), CHECK (a > 0)); CREATE INDEX i ON t (a) WHERE a > 1",
            "CREATE TABLE t (old INT, b AS (old), CHECK (old > 0)); CREATE INDEX i ON t (old) WHERE old > 1; ALTER TABLE t RENAME old TO a",
        ),
        (
            "CREATE TABLE t (a INT); CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT a FROM t; END",
            "CREATE TABLE s (a INT); CREATE INDEX i ON s (a); CREATE VIEW v AS SELECT a FROM s; CREATE TRIGGER g AFTER INSERT ON s BEGIN SELECT a FROM s; END; ALTER TABLE s RENAME TO t",
        ),
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p)",
            "CREATE TABLE q (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES q(id)); ALTER TABLE q RENAME TO p",
        ),
        // Names that are words.
        (
            "CREATE TABLE t (\"key\", \"desc\", CHECK (\"key\" > \"desc\"))",
            "CREATE TABLE t (key, \"desc\", CHECK (KEY > [desc]))",
        ),
        (
            "CREATE TABLE t (a); CREATE INDEX i ON t (a ASC, lower(a))",
            "CREATE TABLE t (a); CREATE INDEX IF NOT EXISTS i ON \"t\" (\"a\", LOWER( A ))",
        ),
        (
            "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t WHERE a = 1",
            "CREATE TABLE t (a); CREATE VIEW IF NOT EXISTS v AS\nselect a\nfrom t -- all\nwhere a == 1",
        ),
        (
            "CREATE TABLE t (a); CREATE TRIGGER g BEFORE DELETE ON t FOR EACH ROW WHEN old.a > 0 BEGIN SELECT 1; END",
            "CREATE TABLE t (a); CREATE TRIGGER g delete on t when old.a>0 begin select 1;end",
        ),
        // A quoted word that is no column is a string, and a check may mention its table.
        (
            "CREATE TABLE t (a DEFAULT 'x', CHECK (a IN ('y', 'z'))); CREATE INDEX i ON t (a) WHERE a != 'y'",
            "CREATE TABLE t (a DEFAULT x, CHECK (t.\"a\" IN (\"y\", 'z'))); CREATE INDEX i ON t (a) WHERE \"t\".a <> \"y\"",
        ),
        (
            "CREATE TABLE t (a); CREATE VIEW v AS SELECT a, 'x' AS b FROM t WHERE a = 'y' ORDER BY b",
            "CREATE TABLE t (a); CREATE VIEW v AS SELECT \"a\", \"x\" AS \"b\" FROM t WHERE \"a\" = \"y\" ORDER BY \"b\"",
        ),
        ("CREATE TEMP TABLE t (a)", "CREATE TEMPORARY TABLE IF NOT EXISTS temp.t (a)"),
        ("CREATE TABLE t (a, b)", "CREATE TABLE t AS SELECT 1 AS a, 2 AS b; DROP TABLE t; CREATE TABLE t (a, b)"),
        // SQLite's internal tables.
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)",
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t DEFAULT VALUES; ANALYZE",
        ),
    ] {
        differ(before, after, SAME).await;
    }
}

#[tokio::test]
async fn different_schemas_differ() {
    for (before, after, expected) in [
        ("CREATE TABLE t (a)", "CREATE TABLE T (a)", "table t: is gone (real)\ntable \"T\": is new (real)\n"),
        (
            "CREATE TABLE t (a TEXT NOT NULL DEFAULT 'x')",
            "CREATE TABLE t (a INT)",
            "table t: column a: DEFAULT 'x' is lost (real)\ntable t: column a: NOT NULL is lost (real)\ntable t: column a: type was TEXT, is INT (real)\n",
        ),
        (
            "CREATE TABLE t (a, b, c)",
            "CREATE TABLE t (a, b, c); ALTER TABLE t DROP b; ALTER TABLE t ADD b",
            "table t: column b stands at another place (column-order)\n",
        ),
        ("CREATE TABLE t (a UNIQUE)", "CREATE TABLE t (a)", "table t: constraint UNIQUE (a) is gone (real)\n"),
        (
            "CREATE TABLE t (a CONSTRAINT once UNIQUE)",
            "CREATE TABLE t (a UNIQUE)",
            "table t: constraint once has no name any more (constraint-name)\n",
        ),
        (
            "CREATE TABLE t (a CONSTRAINT one CHECK (a > 0))",
            "CREATE TABLE t (a, CONSTRAINT other CHECK (a > 0))",
            "table t: constraint one is now called other (constraint-name)\n",
        ),
        (
            "CREATE TABLE t (a CHECK (a > 0))",
            "CREATE TABLE t (a CHECK (a >= 0))",
            "table t: constraint CHECK (a > 0) is gone (real)\ntable t: constraint CHECK (a >= 0) is new (real)\n",
        ),
        (
            "CREATE TABLE t (a CHECK (a != 'x'))",
            "CREATE TABLE t (a CHECK (a != 'X'))",
            "table t: constraint CHECK (a != 'x') is gone (real)\ntable t: constraint CHECK (a != 'X') is new (real)\n",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY)",
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)",
            "table t: constraint PRIMARY KEY (id) is gone (real)\ntable t: constraint PRIMARY KEY (id) AUTOINCREMENT is new (real)\n",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY DESC)",
            "CREATE TABLE t (id INTEGER, PRIMARY KEY (id DESC))",
            "table t: constraint PRIMARY KEY (id DESC) BESIDE THE ROWID is gone (real)\ntable t: constraint PRIMARY KEY (id DESC) is new (real)\n",
        ),
        (
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY DESC)",
            "CREATE TABLE t (id INTEGER NOT NULL, PRIMARY KEY (id DESC))",
            "table t: constraint PRIMARY KEY (id DESC) BESIDE THE ROWID is gone (real)\ntable t: constraint PRIMARY KEY (id DESC) is new (real)\n",
        ),
        (
            "CREATE TABLE t (a COLLATE NOCASE)",
            "CREATE TABLE t (a)",
            "table t: column a: COLLATE NOCASE is lost (real)\n",
        ),
        (
            "CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE, b NOT NULL ON CONFLICT IGNORE)",
            "CREATE TABLE t (a UNIQUE, b NOT NULL)",
            "table t: column b: with NULL on conflict = IGNORE is lost (real)\ntable t: constraint UNIQUE (a) ON CONFLICT REPLACE is gone (real)\ntable t: constraint UNIQUE (a) is new (real)\n",
        ),
        (
            "CREATE TABLE t (a, b AS (a) STORED)",
            "CREATE TABLE t (a, b AS (a))",
            "table t: column b: GENERATED was AS (a) STORED, is AS (a) VIRTUAL (real)\n",
        ),
        (
            "CREATE TABLE t (a REFERENCES t(a) ON DELETE CASCADE)",
            "CREATE TABLE t (a REFERENCES t(a) ON DELETE SET NULL)",
            "table t: constraint FOREIGN KEY (a) REFERENCES t (a) ON DELETE CASCADE is gone (real)\ntable t: constraint FOREIGN KEY (a) REFERENCES t (a) ON DELETE SET NULL is new (real)\n",
        ),
        (
            "CREATE TABLE t (a REFERENCES t(a) DEFERRABLE INITIALLY DEFERRED)",
            "CREATE TABLE t (a REFERENCES t(a))",
            "table t: constraint FOREIGN KEY (a) REFERENCES t (a) DEFERRABLE INITIALLY DEFERRED is gone (real)\ntable t: constraint FOREIGN KEY (a) REFERENCES t (a) is new (real)\n",
        ),
        (
            "CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID",
            "CREATE TABLE t (a TEXT PRIMARY KEY)",
            "table t: with WITHOUT ROWID is lost (real)\ntable t: column a: NOT NULL is lost (real)\n",
        ),
        (
            "CREATE TABLE t (a); CREATE INDEX i ON t (a)",
            "CREATE TABLE t (a); CREATE INDEX j ON t (a)",
            "table t: index i is now called j (index-name)\n",
        ),
        ("CREATE TABLE t (a); CREATE INDEX i ON t (a)", "CREATE TABLE t (a)", "table t: index i is gone (real)\n"),
        (
            "CREATE TABLE t (a); CREATE UNIQUE INDEX i ON t (a)",
            "CREATE TABLE t (a); CREATE INDEX i ON t (a)",
            "table t: index i: UNIQUE is lost (real)\n",
        ),
        (
            "CREATE TABLE t (a); CREATE INDEX i ON t (a) WHERE a > 1",
            "CREATE TABLE t (a); CREATE INDEX i ON t (a DESC)",
            "table t: index i: definition was (a) WHERE a > 1, is (a DESC) (real)\n",
        ),
        (
            "CREATE TABLE t (a); CREATE INDEX i ON t (lower(a), a COLLATE NOCASE)",
            "CREATE TABLE t (a); CREATE INDEX i ON t (lower(a), a)",
            "table t: index i: definition was (lower(a), a COLLATE NOCASE), is (lower(a), a) (real)\n",
        ),
        (
            "CREATE TABLE t (a); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TABLE t (a)",
            "trigger g on t: is gone (real)\n",
        ),
        (
            "CREATE TABLE t (a); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END",
            "CREATE TABLE t (a); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 3; END",
            "trigger g on t: definition is another (real)\n    -   SELECT 2;\n    +   SELECT 3;\n",
        ),
        (
            "CREATE VIEW v AS SELECT 1 AS a",
            "CREATE VIEW v (b) AS SELECT 1 AS a",
            "view v: definition is another (real)\n    + (b) AS\n",
        ),
        (
            "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t",
            "CREATE TABLE t (a); CREATE TEMP VIEW v AS SELECT a FROM t",
            "view v: is gone (real)\nview temp.v: is new (real)\n",
        ),
        ("CREATE TABLE t (a)", "CREATE TEMP TABLE t (a)", "table t: is gone (real)\ntable temp.t: is new (real)\n"),
        (
            "CREATE VIRTUAL TABLE f USING fts5(a)",
            "CREATE VIRTUAL TABLE f USING fts5(a, tokenize = 'porter')",
            "table f: virtual, using was fts5(a), is fts5(a, tokenize = 'porter') (real)\n",
        ),
        (
            "CREATE VIRTUAL TABLE f USING fts5(a)",
            "CREATE TABLE f (a)",
            "table f: virtual, using fts5(a) is lost (real)\n",
        ),
    ] {
        differ(before, after, expected).await;
    }
}

#[tokio::test]
async fn all_of_a_database_is_read() {
    let mut file = File::new(
        "CREATE TABLE users (
           id INTEGER PRIMARY KEY AUTOINCREMENT,
           \"e-mail\" TEXT NOT NULL COLLATE NOCASE CONSTRAINT has_at CHECK (\"e-mail\" LIKE '%@%'),
           age INT DEFAULT (1 + 1), next_age INT GENERATED ALWAYS AS (age + 1) STORED,
           UNIQUE (age DESC, \"e-mail\")
         ) STRICT;
         CREATE TABLE posts (
           author INTEGER NOT NULL REFERENCES users ON DELETE CASCADE, slug TEXT, at TEXT DEFAULT current_timestamp,
           PRIMARY KEY (author, slug)
         ) WITHOUT ROWID;
         CREATE TABLE likes (a INTEGER, s TEXT, FOREIGN KEY (a, s) REFERENCES posts);
         CREATE UNIQUE INDEX users_mail ON users (lower(\"e-mail\"), age DESC) WHERE age IS NOT NULL;
         CREATE VIEW adults AS SELECT id FROM users WHERE age >= 18 ORDER BY id;
         CREATE VIEW orphan AS SELECT * FROM nowhere;
         CREATE TRIGGER audit AFTER UPDATE OF age ON users BEGIN INSERT INTO likes VALUES (new.id, 'x'); END;
         CREATE VIRTUAL TABLE search USING fts5(body, tokenize='porter');
         CREATE TEMP TABLE scratch (id);
         CREATE TEMP TRIGGER watch AFTER INSERT ON main.likes BEGIN SELECT 1; END;",
    )
    .await;
    let text = file.read().await.to_text();
    let expected = r#"-- lockgate schema 1 (sqlite)

table likes
  column a INTEGER
  column s TEXT
  constraint FOREIGN KEY (a, s) REFERENCES posts (author, slug)

table posts
  with WITHOUT ROWID
  column author INTEGER NOT NULL
  column slug TEXT NOT NULL
  column at TEXT DEFAULT CURRENT_TIMESTAMP
  constraint PRIMARY KEY (author, slug)
  constraint FOREIGN KEY (author) REFERENCES users (id) ON DELETE CASCADE

table search
  virtual, using fts5(body, tokenize = 'porter')
  column body

table temp.scratch TEMPORARY
  column id

table users
  with STRICT
  column id INTEGER
  column "e-mail" TEXT COLLATE NOCASE NOT NULL
  column age INT DEFAULT 1 + 1
  column next_age INT GENERATED AS (age + 1) STORED
  constraint PRIMARY KEY (id) AUTOINCREMENT
  constraint UNIQUE (age DESC, "e-mail")
  constraint has_at CHECK ("e-mail" LIKE '%@%')
  index users_mail UNIQUE (lower("e-mail"), age DESC) WHERE age IS NOT NULL

view adults
  | SELECT id
  | FROM users
  | WHERE age >= 18
  | ORDER BY id

view orphan
  | SELECT *
  | FROM nowhere

trigger audit on users
  | AFTER UPDATE OF age ON users BEGIN
  |   INSERT INTO likes VALUES (new.id, 'x');
  | END

trigger temp.watch on likes
  | AFTER INSERT ON main.likes BEGIN
  |   SELECT 1;
  | END
"#;
    assert_eq!(text, expected);
    let before = file.read().await;
    for _ in 0..100 {
        assert_eq!(compare(&before, &file.read().await), []);
    }
}

#[tokio::test]
async fn the_callers_transaction_is_read_and_left_open() {
    let mut file = File::new("CREATE TABLE t (a)").await;
    let mut transaction = file.connection.begin().await.unwrap();
    sqlx::raw_sql("CREATE TABLE u (b)").execute(&mut *transaction).await.unwrap();
    assert_eq!(read_schema(&mut *transaction).await.unwrap().tables.len(), 2);
    transaction.rollback().await.unwrap();
    assert_eq!(file.read().await.tables.len(), 1);
}

#[tokio::test]
async fn lockgates_own_tables_are_left_out() {
    let set = migrations(&[("0001_t.sql", "CREATE TABLE t (a);")]);
    let mut file = File::new("CREATE TABLE other_log (a)").await;
    Migrator::new(set).apply(&mut file.connection).await.unwrap();
    let names = |schema: &Schema| schema.tables.iter().map(|table| table.name.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&file.read().await), ["other_log", "t"]);
    let mut file = File::new("CREATE TABLE lockgate_log (a)").await;
    let migrator = Migrator::new(set).history_table("other_history");
    migrator.apply(&mut file.connection).await.unwrap();
    let read = migrator.read_schema(&mut file.connection).await.unwrap();
    assert_eq!(names(&read), ["lockgate_log", "t"], "what has the usual name is someone else's here");
}

#[tokio::test]
async fn an_unknown_object_is_named() {
    let mut file = File::new(
        "CREATE TABLE t (a); PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema VALUES ('cube', 'sugar', 'sugar', 0, 'CREATE CUBE sugar');",
    )
    .await;
    let error = read_schema(&mut file.connection).await.expect_err("nobody knows what a cube is");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let report = error.report().to_string();
    assert!(report.contains("cube `sugar` is not understood: this release knows tables, indexes"), "{report}");
}
