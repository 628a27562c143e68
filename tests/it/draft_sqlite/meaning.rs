//! What a draft creates does the same as what was read: SQLite compiles both to the same program.

use lockgate::schema::Schema;
use lockgate::schema::draft::{Mode, draft};
use lockgate::{Dialect, read_schema};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::{execute, quoted, written};

/// Schemas as people write them, each in the order in which a draft creates it: tables, indexes by name, views, triggers.
const SCHEMAS: [&str; 14] = [
    r#"CREATE TABLE `t` ([id] integer not null primary key autoincrement, "a b" varchar(255) default (datetime('now')) /* no */ , `c` tinyint(1) NOT NULL DEFAULT '0', d text DEFAULT "it's" -- yes
       , e real default -1.5e-3, f blob default x'0aFF', g default +5, h default (strftime('%s', 'now') * 1000), i default null, j boolean default false, k date default current_date);"#,
    "CREATE TABLE t (x TEXT CHECK (x IN ('a', 'b''c') OR x LIKE '%\\_' ESCAPE '\\' OR x GLOB '[0-9]*'), y INT CHECK (y BETWEEN 1 AND 2 OR y NOT BETWEEN -5 AND - -5), z CHECK (typeof(z) = 'text' AND length(z) <= 10 AND json_valid(z) AND z ->> '$.a' IS NOT NULL AND z -> 'b' <> 1));",
    "CREATE TABLE t (a INT, b INT, CHECK (a IS b), CHECK (a is not b or not a = b), CHECK (a IS NOT DISTINCT FROM b), CHECK (a << 2 | b & ~a > 0xFF), CHECK (-a + -b * (a - -b) / 2 % 3 != 1), CHECK (CASE a WHEN 1 THEN b ELSE CASE WHEN b THEN 2 END END), CHECK (a ISNULL OR b NOTNULL OR a NOT NULL), CHECK (CAST(a AS TEXT) || b || 'x' COLLATE NOCASE = 'y'), CHECK (coalesce(a, b, 1_000) > 1e3), CHECK ((a, b) > (1, 2)), CHECK (a IN (1, 2, 3) AND b NOT IN (4)));",
    r#"CREATE TABLE t (status TEXT CHECK (status IN ("new", "old", 'status')), "order" INT, "group" INT, CHECK ("order" > "group"), CHECK (t."order" <> t.status));"#,
    "CREATE TABLE t (a INT, b INT, c INT GENERATED ALWAYS AS (a + b) STORED, d TEXT AS (lower(a) || upper(substr(b, 1, 2))) VIRTUAL NOT NULL); CREATE INDEX i ON t (abs(a), b COLLATE NOCASE DESC, c) WHERE a > 0 AND b IS NOT NULL OR c IN (1, 2); CREATE UNIQUE INDEX j ON t (lower(d), (a + b));",
    "CREATE TABLE p (a TEXT COLLATE NOCASE, b INT, PRIMARY KEY (a, b DESC)) WITHOUT ROWID; CREATE TABLE t (x TEXT, y INT, FOREIGN KEY (x, y) REFERENCES p (a, b) ON UPDATE CASCADE ON DELETE SET NULL MATCH SIMPLE DEFERRABLE INITIALLY DEFERRED);",
    "CREATE TABLE t (a INT UNIQUE ON CONFLICT REPLACE, b TEXT NOT NULL ON CONFLICT IGNORE, c ANY) STRICT;",
    "CREATE TABLE t (a INT, b TEXT); CREATE VIEW v AS SELECT DISTINCT a AS \"A b\", count(*) FILTER (WHERE b IS NOT NULL) n, group_concat(b, ', ') FROM t GROUP BY a HAVING count(DISTINCT b) > 1 UNION ALL SELECT 1, 2, 'x' EXCEPT SELECT * FROM t AS u CROSS JOIN (SELECT 3 AS c) INTERSECT SELECT 1, 2, 3 ORDER BY 1 DESC, 2 COLLATE NOCASE NULLS LAST LIMIT 10 OFFSET 5;",
    "CREATE TABLE s (a INT, c INT); CREATE TABLE t (a INT, b TEXT); CREATE VIEW v (x, y, z) AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10), m AS MATERIALIZED (SELECT a FROM t) SELECT n.i, sum(c) OVER w, row_number() OVER (PARTITION BY s.a ORDER BY c DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM n LEFT OUTER JOIN s ON s.a = n.i NATURAL JOIN t INNER JOIN m USING (a) WHERE EXISTS (SELECT 1 FROM t t2 WHERE t2.a = s.a) AND s.c NOT IN (SELECT a FROM m) AND (s.a, s.c) IN (VALUES (1, 2)) WINDOW w AS (PARTITION BY s.a);",
    "CREATE TABLE t (a TEXT, \"key\" TEXT); CREATE VIEW v AS SELECT t.*, j.\"key\" AS k, \"fullkey\", j.value ->> '$.x' FROM t, json_each(t.a) AS j WHERE j.type = \"object\" OR t.\"key\" = \"none\";",
    "CREATE TABLE t (a TEXT, b TEXT); CREATE VIEW v AS SELECT CASE WHEN a = \"yes\" THEN \"b\" ELSE \"no\" END AS \"Answer\", \"a\" \"plain\" FROM \"t\" WHERE \"plain\" <> \"Answer\" AND a NOT LIKE \"x%\" ORDER BY \"Answer\";",
    "CREATE TABLE log (at TEXT DEFAULT CURRENT_TIMESTAMP, what TEXT, n INT UNIQUE); CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT); CREATE TRIGGER g AFTER UPDATE OF a, \"b\" ON t FOR EACH ROW WHEN new.a IS NOT old.a AND EXISTS (SELECT 1 FROM log WHERE what = new.a) BEGIN INSERT OR REPLACE INTO log (what, n) VALUES (\"changed\" || new.id, -1), ('x', - -2); INSERT INTO log (what, n) SELECT a, b FROM t WHERE id = new.id ON CONFLICT (n) DO UPDATE SET what = excluded.what || 'END;' WHERE n > 0; UPDATE OR IGNORE t SET b = b - 1, a = (SELECT max(what) FROM log) WHERE id <> new.id; DELETE FROM log WHERE at < datetime('now', '-1 day'); SELECT CASE WHEN new.b < 0 THEN RAISE(ABORT, 'b is negative') WHEN new.b > 9 THEN RAISE(IGNORE) END; END;",
    "CREATE TABLE t (a INT, b INT); CREATE VIEW v AS SELECT a, b FROM t; CREATE TRIGGER g INSTEAD OF UPDATE ON v BEGIN UPDATE t SET a = new.a, b = new.b WHERE a IS old.a AND b IS old.b; END; CREATE TRIGGER h INSTEAD OF DELETE ON v WHEN old.a > 0 BEGIN DELETE FROM t WHERE a = old.a; END;",
    "CREATE TABLE \"Mixed Case\" (\"Id\" INTEGER PRIMARY KEY DESC, \"it's\" TEXT, \"a\"\"b\" TEXT, CONSTRAINT \"my check\" CHECK (\"a\"\"b\" <> \"it's\")); CREATE INDEX \"Mixed Index\" ON \"Mixed Case\" (\"it's\", \"a\"\"b\" DESC) WHERE \"it's\" NOT NULL; CREATE VIEW \"Mixed View\" AS SELECT \"Mixed Case\".\"Id\" FROM \"Mixed Case\" AS \"Mixed Case\";",
];

#[tokio::test]
async fn what_is_created_does_the_same() {
    for sql in SCHEMAS {
        let mut one = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        execute(&mut one, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let schema = read_schema(&mut one).await.unwrap();
        let text = written(&draft(&Schema::empty(Dialect::Sqlite), &schema, Mode::Online));
        let mut other = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        execute(&mut other, &text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        for question in questions(&schema) {
            let (one, other) = (program(&mut one, &question).await, program(&mut other, &question).await);
            assert_eq!(one, other, "{question}\n{sql}\n{text}");
        }
    }
}

/// Returns statements whose programs contain every expression of a schema.
fn questions(schema: &Schema) -> Vec<String> {
    let mut questions = Vec::new();
    for table in &schema.tables {
        let name = quoted(&table.name.name);
        let first = &table.columns[0].name;
        questions.push(format!("INSERT INTO {name} DEFAULT VALUES"));
        questions.push(format!("SELECT * FROM {name}"));
        questions.push(format!("DELETE FROM {name}"));
        for column in table.columns.iter().filter(|column| column.generated.is_none()) {
            questions.push(format!("UPDATE {name} SET {0} = {0}", quoted(&column.name)));
        }
        questions
            .extend(table.indexes.iter().map(|_| format!("SELECT count(*) FROM {name} WHERE {} = 1", quoted(first))));
    }
    for view in &schema.views {
        questions.push(format!("SELECT * FROM {}", quoted(&view.name.name)));
    }
    for trigger in &schema.objects {
        if let Some(on) = schema.views.iter().find(|view| Some(&view.name) == trigger.on.as_ref()) {
            questions.push(format!("DELETE FROM {}", quoted(&on.name.name)));
            questions.push(format!("UPDATE {} SET a = a", quoted(&on.name.name)));
        }
    }
    questions
}

/// Returns the program of a statement, without the pages on which tables begin.
async fn program(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(connection).await;
    let explain = match explain {
        Ok(rows) => rows,
        // A view cannot be written without a trigger, in both.
        Err(error) => return vec![error.to_string()],
    };
    let step = |row: &sqlx::sqlite::SqliteRow| {
        let number = |column: &str| row.get::<i64, _>(column);
        let opcode: String = row.get("opcode");
        // Texts are in messages, and an open virtual table has an address.
        let more: Option<String> = row
            .try_get("p4")
            .ok()
            .flatten()
            .filter(|more: &String| !["Halt", "Trace"].contains(&&*opcode) && !more.starts_with("vtab:"));
        let page = if opcode.starts_with("Open") || opcode == "Transaction" { 0 } else { number("p2") };
        let cookie = if opcode == "Transaction" || opcode == "Clear" { 0 } else { number("p3") };
        let first = if opcode == "Clear" { 0 } else { number("p1") };
        format!("{opcode} {first} {page} {cookie} {} {}", more.unwrap_or_default(), number("p5"))
    };
    explain.iter().map(step).collect()
}
