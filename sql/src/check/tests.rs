//! What the grammar check reports for valid and invalid statements, and that it always returns in time.

use std::collections::BTreeSet;

use lockgate_core::Dialect;

use super::{Finding, FindingKind, Release, check};
use crate::split;

fn findings(dialect: Dialect, text: &str) -> Vec<Finding> {
    check(dialect, text, &split(dialect, text).statements, None)
}

fn rendered(dialect: Dialect, text: &str) -> String {
    let lines = findings(dialect, text).into_iter().map(|finding| {
        let before = &text[..finding.range.start];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
        let repair = finding.repair.as_ref().map_or(String::new(), |repair| format!("; {repair}"));
        format!("{line}:{column} {}{repair}", finding.kind)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn postgres(text: &str, expected: &str) {
    assert_eq!(rendered(Dialect::Postgres, text), expected, "{text}");
}

#[track_caller]
fn sqlite(text: &str, expected: &str) {
    assert_eq!(rendered(Dialect::Sqlite, text), expected, "{text}");
}

#[test]
fn values_of_sqlite_are_neither_ordered_nor_limited() {
    for text in [
        "SELECT * FROM (VALUES (1), (2)) ORDER BY 1 LIMIT 1;",
        "SELECT * FROM t WHERE a IN (VALUES (1)) ORDER BY 1;",
        "INSERT INTO t VALUES (1), ((SELECT 1 ORDER BY 1)) ON CONFLICT DO NOTHING;",
        "VALUES (1) UNION SELECT 2 ORDER BY 1;",
        "WITH x AS (VALUES (1)) SELECT * FROM x LIMIT 1;",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO u VALUES (1); SELECT 1 ORDER BY 1; END;",
    ] {
        sqlite(text, "");
    }
    let repair = "; write `SELECT * FROM (VALUES …)` with it";
    for (text, expected) in [
        ("VALUES (1), (2) ORDER BY 1;", "1:17 `VALUES` cannot have `ORDER BY` in SQLite"),
        ("SELECT 1 UNION VALUES (2) LIMIT 1;", "1:27 `VALUES` cannot have `LIMIT` in SQLite"),
        ("INSERT INTO t VALUES (f(1), 2) ORDER BY 1;", "1:32 `VALUES` cannot have `ORDER BY` in SQLite"),
        ("SELECT (VALUES (1) LIMIT 1);", "1:20 `VALUES` cannot have `LIMIT` in SQLite"),
        ("VALUES ((VALUES (1) LIMIT 1));", "1:21 `VALUES` cannot have `LIMIT` in SQLite"),
    ] {
        sqlite(text, &format!("{expected}{repair}"));
    }
}

#[test]
fn a_character_that_only_looks_like_a_blank_or_a_quote_is_named() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql] {
        let check = |text: &str, expected: &str| assert_eq!(rendered(dialect, text), expected, "{dialect:?}: {text:?}");
        let letter = "and databases take it for a letter of a name";
        let blank = format!("1:15 the character U+00A0 looks like a blank, {letter}; write a space instead");
        check("CREATE TABLE b\u{a0}(id int);", &blank);
        let nothing = format!("1:15 the character U+200B cannot be seen, {letter}; delete it");
        check("CREATE TABLE b\u{200b} (id int);", &nothing);
        let quote = format!(
            "1:23 the character U+2018 is a quotation mark of text, not of SQL, {letter}; write `'` around a string, and `\"` around a name"
        );
        check("INSERT INTO a VALUES (\u{2018}x\u{2019});", &quote);
        check("SELECT 'a\u{a0}b\u{201c}'; -- \u{feff}\nSELECT größe FROM l\u{2019}âge;", "");
    }
    let mark = "the character U+FEFF cannot be seen, and databases take it for a letter of a name; delete it";
    postgres("SELECT 1;\n\u{feff}SELECT 2;", &format!("2:1 {mark}"));
    postgres("\u{feff}SELECT 2;", "");
    sqlite("SELECT 1;\n\u{feff}SELECT 2;", "");
}

/// `cargo xtask oracle --names` tries every keyword at every place.
#[test]
fn a_reserved_word_is_no_name_without_quotes() {
    for (text, at, word) in [
        ("ALTER TABLE t ADD COLUMN order int;", 26, "order"),
        ("ALTER TABLE t RENAME TO user;", 25, "user"),
        ("ALTER TABLE t RENAME COLUMN a TO Select;", 34, "Select"),
        ("ALTER TABLE t ADD CONSTRAINT check CHECK (a > 0);", 30, "check"),
        ("CREATE TRIGGER user AFTER INSERT ON t EXECUTE FUNCTION f();", 16, "user"),
        ("CREATE POLICY order ON t USING (true);", 15, "order"),
        ("SAVEPOINT select;", 11, "select"),
        ("CREATE TABLE t (id int, user text);", 25, "user"),
        ("CREATE INDEX end ON t (a);", 14, "end"),
        ("INSERT INTO t (id, limit) VALUES (1, 2);", 20, "limit"),
        ("CREATE SCHEMA analyze;", 15, "analyze"),
        ("CREATE DATABASE table;", 17, "table"),
        // These name functions.
        ("CREATE TABLE left (a int);", 14, "left"),
        ("CREATE VIEW full AS SELECT 1;", 13, "full"),
        ("ALTER VIEW v RENAME TO right;", 24, "right"),
        ("INSERT INTO authorization VALUES (1);", 13, "authorization"),
        ("ALTER FUNCTION f(int) RENAME TO left;", 33, "left"),
        // These name columns.
        ("CREATE FUNCTION between() RETURNS int LANGUAGE sql AS 'SELECT 1';", 17, "between"),
        ("CREATE TABLE t (a coalesce);", 19, "coalesce"),
    ] {
        let quoted = word.to_lowercase();
        let found = rendered(Dialect::Postgres, text);
        let fact = format!("1:{at} expected a name, found `{word}`");
        assert!(found.starts_with(&fact), "{text}: {found}");
        let repair = format!("; write `\"{quoted}\"`, here and wherever it is used, or choose another name");
        assert!(found.ends_with(&repair), "{text}: {found}");
        postgres(&text.replace(word, &format!("\"{quoted}\"")), "");
    }
    // With several of them, one after the other.
    let first = rendered(Dialect::Postgres, "CREATE TABLE t (id int, user text, end date);");
    assert!(first.starts_with("1:25 expected a name, found `user`; write"), "{first}");
    for text in [
        "SELECT a AS order, t.select FROM s.user AS t;",
        "CREATE TABLE s.order (left_id int, between int);",
        "CREATE FUNCTION left(full int) RETURNS TABLE (right text) LANGUAGE sql AS 'SELECT 1';",
        "DROP FUNCTION between;",
        "CREATE TABLE t (a int) WITH (user = 1);",
        "ALTER TABLE t DISABLE TRIGGER user, ENABLE TRIGGER all;",
        "SELECT * FROM current_date, current_user;",
        "GRANT SELECT ON t TO current_user;",
        "DROP OPERATOR # (int4, NONE);",
        "DEALLOCATE all; CLOSE all; SET CONSTRAINTS all DEFERRED;",
        "ALTER TABLE t OWNER TO session_user;",
    ] {
        postgres(text, "");
    }
    let repair = "write `\"order\"`, here and wherever it is used, or choose another name";
    sqlite("ALTER TABLE t RENAME TO order;", &format!("1:25 expected a name, found `order`; {repair}"));
    sqlite("CREATE TABLE t (a int, \"order\" int);", "");
}

#[test]
fn a_misspelt_keyword_is_corrected() {
    let both = |text: &str, expected: &str| {
        postgres(text, expected);
        sqlite(text, expected);
    };
    both("CRAETE TABLE a (b int);", "1:1 no statement begins with `CRAETE`; did you mean `CREATE`?");
    both("CREATE TABEL a (b int);", "1:8 expected `TABLE`, found `TABEL`; did you mean `TABLE`?");
    both("SELECT * FORM a WHERE b = 1;", "1:10 expected `FROM`, found `FORM`; did you mean `FROM`?");
    both("DROP INDEX IF EXIST i;", "1:15 expected `EXISTS`, found `EXIST`; did you mean `EXISTS`?");
    both("UPDATE a SET b = 1 WEHRE c = 2;", "1:20 expected `WHERE`, found `WEHRE`; did you mean `WHERE`?");
    both("ALTER TABLE a DELETE COLUMN b;", "1:15 expected `DROP`, found `DELETE`; did you mean `DROP`?");
    postgres("DROP FUCNTION a();", "1:6 expected `FUNCTION`, found `FUCNTION`; did you mean `FUNCTION`?");
    postgres("CREATE TABLE a (id INT PRIMRY KEY);", "1:24 expected `PRIMARY`, found `PRIMRY`; did you mean `PRIMARY`?");
    // The mistake stands before the place where the parser stops.
    postgres("ALTER TABLE a ADD COLUM b int;", "1:27 `int` is not allowed here; did you mean `COLUMN`?");
    // Two mistakes: the first is reported, with its help.
    postgres("CREATE TABEL a (b int;);", "1:8 expected `TABLE`, found `TABEL`; did you mean `TABLE`?");
}

#[test]
fn statements_that_only_the_server_accepts_pass() {
    for text in [
        "CREATE TRUSTED LANGUAGE l;",
        "CREATE PROCEDURAL LANGUAGE l;",
        "CREATE OR REPLACE TRUSTED PROCEDURAL LANGUAGE l HANDLER h INLINE i VALIDATOR v;",
        "CREATE TRUSTED /* é */ PROCEDURAL\nLANGUAGE l HANDLER a.h NO VALIDATOR;",
        "ALTER PROCEDURAL LANGUAGE l RENAME TO m;",
        "DROP PROCEDURAL LANGUAGE IF EXISTS l, m CASCADE;",
        "DROP LANGUAGE a, b;",
        "DROP EVENT TRIGGER IF EXISTS a, \"b\";",
        "DROP TEXT SEARCH CONFIGURATION a.b, c.d, e RESTRICT;",
        "DROP TEXT SEARCH DICTIONARY a, b;",
        "DROP CONVERSION a, b;",
        "DROP ACCESS METHOD a, b CASCADE;",
        "ALTER ROLE app SET TIME ZONE 'UTC';",
        "ALTER ROLE ALL IN DATABASE d SET TIME ZONE LOCAL;",
        "ALTER USER app SET ROLE owner;",
        "ALTER ROLE app SET SESSION AUTHORIZATION b;",
        "ALTER ROLE app RESET TIME ZONE;",
        "ALTER DATABASE d SET TIME ZONE INTERVAL '1:00' HOUR TO MINUTE;",
        "ALTER DATABASE d SET NAMES 'UTF8';",
        "ALTER DATABASE d SET SCHEMA 's';",
        "ALTER FUNCTION f() SET TIME ZONE 'UTC' SET xml OPTION content;",
        "ALTER SYSTEM SET TIME ZONE DEFAULT;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET TIME ZONE 'UTC' SET role = 'x' AS 'SELECT 1';",
        "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql SET TIME ZONE -7 AS 'SELECT 1';",
        "SET NAMES 'UTF8';",
        "SET LOCAL NAMES DEFAULT;",
        "SET NAMES;",
        "SET SESSION NAMES;",
        "ALTER ROLE app SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY;",
        "ALTER DATABASE d SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE NOT DEFERRABLE;",
        "DROP TYPE IF EXISTS a[], s.b ARRAY, c(3), SETOF d CASCADE;",
        "DROP DOMAIN a[];",
        "COMMENT ON TYPE a[] IS 'x';",
        "ALTER EXTENSION e ADD TYPE s.a[];",
        "SECURITY LABEL FOR p ON TYPE a[] IS 'x';",
        "ALTER INDEX i OWNER TO app;",
        "ALTER INDEX IF EXISTS s.i OWNER TO app;",
        "ALTER INDEX i ALTER lower SET STATISTICS 100;",
        "ALTER INDEX s.i ALTER COLUMN \"Lower\" SET STATISTICS 100;",
        "FETCH FORWARD c;",
        "MOVE BACKWARD c;",
        "FETCH FORWARD 5 FROM c;",
        "IMPORT FOREIGN SCHEMA s LIMIT TO (s.t, u) FROM SERVER w INTO s;",
        "IMPORT FOREIGN SCHEMA s EXCEPT (s.\"T\") FROM SERVER w INTO s;",
        "SELECT a in, b like FROM t;",
        "SELECT (SELECT a ilike) FROM t WHERE a IN (1);",
        "CREATE SERVER s VERSION NULL FOREIGN DATA WRAPPER w;",
        "ALTER SERVER s VERSION NULL OPTIONS (SET a 'b');",
        "EXPLAIN (ANALYZE) REFRESH MATERIALIZED VIEW v;",
        "CREATE TABLE r (network inet, EXCLUDE USING gist (network inet_ops WITH &&));",
        "CREATE TABLE r (a int, EXCLUDE (a WITH =), EXCLUDE USING gist (b s.o (x = 1, y) WITH =, f(c) o DESC WITH &&));",
        "ALTER TABLE r ADD EXCLUDE USING gist (room WITH =, during range_ops WITH &&) WHERE (NOT cancelled);",
        "ALTER TABLE r ADD CONSTRAINT c EXCLUDE USING btree (a COLLATE \"C\" text_ops ASC NULLS LAST WITH =);",
        "ALTER TABLE r ADD EXCLUDE (lower(a) COLLATE s.c WITH =, (b || c) DESC NULLS FIRST WITH OPERATOR(pg_catalog.=));",
        "CREATE TABLE t (a int, exclude boolean);",
        "CREATE TABLE t (LIKE x, exclude int);",
        "ALTER TABLE t ADD exclude int;",
        "UPDATE t SET a = 1 WHERE current;",
        "DELETE FROM t WHERE current = false;",
        "DELETE FROM t WHERE CURRENT OF c;",
        "INSERT INTO t (values) VALUES (1);",
        "SELECT count(*) ignore FROM t;",
        "SELECT count(*) respect FROM t;",
        "SELECT json_query(1), json_value(a, b, c) FROM t;",
        "SELECT a uescape, 'x'::uescape FROM t;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE t SET a = 1 WHERE current $$;",
        "CREATE FUNCTION f(a int) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO t (values) VALUES (1); END;",
        "SET role = app;",
        "SET LOCAL role = 'app';",
        "SET session_authorization = app;",
        "SET ROLE TO app;",
        "SELECT * FROM ONLY (x) TABLESAMPLE system (1);",
        "DELETE FROM ONLY (s.x) WHERE a = 1;",
        "COPY x FROM '/x' USING DELIMITERS ',';",
        "COPY x (a) TO '/x' DELIMITERS ',' WITH NULL AS 'n';",
        "COPY BINARY x FROM stdin USING DELIMITERS ',';",
    ] {
        postgres(text, "");
    }
    // What is wrong in them is found all the same, at its place.
    postgres(
        "CREATE TRUSTED LANGUAGE l HANDELR h;",
        "1:27 expected `HANDLER`, found `HANDELR`; did you mean `HANDLER`?",
    );
    postgres("DROP EVENT TRIGGER a, b CASCDE;", "1:25 expected `CASCADE`, found `CASCDE`; did you mean `CASCADE`?");
    postgres("CREATE TABLE t (exclude int, b int c int);", "1:36 expected `,`, found `c`; write a `,` before it");
    postgres(
        "CREATE TABLE t (a int, left int);",
        "1:24 expected a name, found `left`; write `\"left\"`, here and wherever it is used, or choose another name",
    );
    postgres(
        "ALTER TABLE r ADD EXCLUDE USING gist (a range_ops WIHT &&);",
        "1:51 expected `WITH`, found `WIHT`; did you mean `WITH`?",
    );
    postgres(
        "CREATE TABLE a (b int)\nINSERT INTO a VALUES (1);",
        "2:1 `INSERT` is not allowed here; end the statement before it with `;`",
    );
    // No keyword is a name here.
    postgres("UPDATE t SET SET a = 1;", "1:18 expected `=`, found `a`");
    postgres("DROP FUNCTION f(int int);", "1:21 expected `,`, found `int`; write a `,` before it");
    postgres("SELECT 1 hour;", "1:10 expected `,`, found `hour`; write a `,` before it");
    postgres("DROP LANGUAGE a,;", "1:16 `,` is not allowed here; delete it");
    postgres("DROP TYPE a[] CASCDE;", "1:15 expected `CASCADE`, found `CASCDE`; did you mean `CASCADE`?");
    postgres("ALTER ROLE a SET TRANSACTION READ ONLYY;", "1:30 expected `=`, found `READ`");
    postgres("UPDATE a SET b = 1 WHERE >= 2;", "1:26 expected an expression, found `>=`");
    postgres("CREATE TYPE a AS (b, c text);", "1:20 expected a type, found `,`");
    postgres("REVOKE FROM a;", "1:8 expected a privilege or a role, found `FROM`");
    let function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET TIME ZONE 'UTC' IMMUTABEL AS 'SELECT 1';";
    postgres(function, "1:66 expected `IMMUTABLE`, found `IMMUTABEL`; did you mean `IMMUTABLE`?");
}

#[test]
fn a_message_says_what_was_expected() {
    postgres("SELECT * FROM a WHERE;", "1:22 the statement ends too early: expected an expression");
    postgres("CREATE TABLE a (b);", "1:18 expected a type, found `)`");
    postgres("CREATE INDEX ON a b;", "1:19 expected `(`, found `b`");
    postgres("SELECT a FROM b JOIN c;", "1:23 the statement ends too early: expected `ON` or `USING`");
    postgres("DROP TABLE;", "1:11 the statement ends too early: expected a name");
    postgres(
        "CREATE TABLE a (b int) PARTITION BY MAGIC (b);",
        "1:37 expected `RANGE`, `LIST` or `HASH`, found `MAGIC`",
    );
    postgres("CREATE ROLE a LOGNI;", "1:15 expected an option of a role, found `LOGNI`");
    sqlite("SELECT * FROM a WHERE;", "1:22 the statement ends too early: expected an expression");
    sqlite("ALTER TABLE a FROB b;", "1:15 expected `ADD`, `ALTER`, `DROP` or `RENAME`, found `FROB`");
    sqlite("CREATE INDEX ON a (b);", "1:14 expected a name, found `ON`");
    sqlite("CREATE TABLE a (b) WITHOUT ROWIDS;", "1:28 unknown table option: ROWIDS; did you mean `ROWID`?");
}

#[test]
fn common_mistakes_that_only_the_server_would_find() {
    postgres(
        "CREATE INDEX i ON t (b, a -> 'b');",
        "1:25 an expression in an index needs parentheses of its own; write `(a -> 'b')`",
    );
    let index = |item: &str| {
        let expected = format!("1:21 an expression in an index needs parentheses of its own; write `({item})`");
        postgres(&format!("CREATE INDEX ON t ( {item} DESC);"), &expected);
    };
    for item in [
        "a || b",
        "a + 1",
        "a::text",
        "1",
        "'x'",
        "CASE WHEN a THEN b END",
        "lower(a) || 'x'",
        "f(a)::date",
        "a[1]",
        "-a",
        "a IS NULL",
        "NOT a",
        "a AT TIME ZONE 'utc'",
    ] {
        index(item);
    }
    postgres(
        "CREATE TABLE t (a int) PARTITION BY RANGE (a::date);",
        "1:44 an expression in a partition key needs parentheses of its own; write `(a::date)`",
    );
    postgres(
        "INSERT INTO t VALUES (1) ON CONFLICT (a || b) DO NOTHING;",
        "1:39 an expression in `ON CONFLICT` needs parentheses of its own; write `(a || b)`",
    );
    postgres(
        "CREATE TABLE t (a int(11));",
        "1:22 `int` has no length in PostgreSQL: `(11)` is a display width of MySQL; write `int`",
    );
    postgres(
        "ALTER TABLE t ADD a BIGINT(20) NOT NULL;",
        "1:27 `BIGINT` has no length in PostgreSQL: `(20)` is a display width of MySQL; write `BIGINT`",
    );
    postgres(
        "SELECT a::smallint(3);",
        "1:19 `smallint` has no length in PostgreSQL: `(3)` is a display width of MySQL; write `smallint`",
    );
    postgres(
        "CREATE TABLE t (a varchar(MAX));",
        "1:27 the length of a type is a number in PostgreSQL: `max` is SQL Server's; write `text`, which has no limit",
    );
    postgres("CREATE TABLE t (a text(10));", "1:23 `text` has no length: found `(10)`; write `text`, or `varchar(10)`");
    postgres("CREATE TABLE t (a json(10));", "1:23 `json` has no length: found `(10)`; write `json`");
    let combined = "write each in an `ALTER TABLE` of its own";
    postgres(
        "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN c TO d;",
        &format!("1:15 `RENAME` cannot be combined with other actions; {combined}"),
    );
    postgres(
        "ALTER TABLE t ADD a int, SET SCHEMA s;",
        &format!("1:26 `SET SCHEMA` cannot be combined with other actions; {combined}"),
    );
    for table in ["ALTER TABLE t", "ALTER VIEW t", "ALTER SEQUENCE t", "ALTER TYPE t", "ALTER INDEX t"] {
        let expected = format!(
            "1:{} `RENAME TO` takes a name without a schema; write `RENAME TO x`, and move it to another schema with `SET SCHEMA`",
            table.len() + 12
        );
        postgres(&format!("{table} RENAME TO s.x;"), &expected);
    }
    postgres("SELECT 1 LIMIT 1 LIMIT 2;", "1:18 a query has one `LIMIT` at most; delete one of them");
    postgres("SELECT 1 LIMIT 1 OFFSET 2 LIMIT 3;", "1:27 a query has one `LIMIT` at most; delete one of them");
    postgres("VALUES (1) OFFSET 1 OFFSET 2;", "1:21 a query has one `OFFSET` at most; delete one of them");
    postgres(
        "CREATE TABLE x (a int) AS SELECT 1;",
        "1:17 `CREATE TABLE … AS` takes the columns from the query, and lists their names only; \
         delete the types and constraints, or create the table first and fill it with `INSERT`",
    );
    postgres(
        "CREATE TABLE t (a int, b text DEFAULT \"x\" NOT NULL);",
        "1:39 `\"x\"` is a column, and a default cannot name one; write `'x'`: quotation marks of this kind are for names",
    );
    postgres(
        "CREATE TABLE t (a timestamp DEFAULT now() AT TIME ZONE 'utc' NOT NULL);",
        "1:37 a default with `AT TIME ZONE` needs parentheses; write `(now() AT TIME ZONE 'utc')`",
    );
    postgres(
        "ALTER TABLE t ADD a boolean DEFAULT true AND false;",
        "1:37 a default with `AND` needs parentheses; write `(true AND false)`",
    );
    let chained = "comparisons cannot be chained; join two comparisons with `AND`, or put one of them in parentheses";
    postgres("SELECT * FROM t WHERE a = b = c;", &format!("1:23 {chained}"));
    postgres("ALTER TABLE t ADD CHECK (0 < a <= 10);", &format!("1:26 {chained}"));
    postgres(
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN INSERT (a) VALUES (1);",
        "1:53 only `WHEN NOT MATCHED` inserts; write `WHEN NOT MATCHED`, or `UPDATE` or `DELETE`",
    );
    postgres(
        "MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN DELETE;",
        "1:57 `WHEN NOT MATCHED` has no row to update or delete; write `WHEN MATCHED`, or `INSERT`",
    );
    postgres("CREATE TABLE t (a text COLLATE, b int);", "1:31 expected a name, found `,`");
    postgres(
        "CREATE TABLE t (a float(10, 2));",
        "1:24 `float` takes one number, its binary digits; write `double precision`, or `numeric(10, 2)` for decimal digits",
    );
    for (length, at) in [("varchar(10, 2)", 26), ("char('10')", 23), ("character varying(-1)", 36), ("varchar(n)", 26)]
    {
        let found = &length[length.find('(').expect("a length")..];
        postgres(
            &format!("CREATE TABLE t (a {length});"),
            &format!("1:{at} the length of a type is one number: found `{found}`; write `(10)`, for example"),
        );
    }
    let is = "`IS` takes `NULL`, `TRUE`, `FALSE`, `UNKNOWN` or `DISTINCT FROM`, and no value; write";
    postgres("SELECT a IS 1;", &format!("1:13 {is} `=`, or `IS NOT DISTINCT FROM` if it may be NULL"));
    postgres("DELETE FROM t WHERE a IS NOT 'x';", &format!("1:30 {is} `<>`, or `IS DISTINCT FROM` if it may be NULL"));
    postgres(
        "SELECT a FROM t WHERE a ESCAPE 'x';",
        "1:25 `ESCAPE` follows the pattern of `LIKE`, `ILIKE` or `SIMILAR TO`; write `LIKE` and the pattern before it",
    );
    postgres("INSERT INTO t (a) DEFAULT VALUES;", "1:15 `DEFAULT VALUES` takes no list of columns; delete the list");
    postgres(
        "CREATE TABLE t (a int REFERENCES b ON DELETE CASCADE ON UPDATE CASCADE ON DELETE SET NULL);",
        "1:72 a foreign key has one `ON DELETE` at most; delete one of them",
    );
    postgres(
        "CREATE TABLE t (a int GENERATED BY DEFAULT AS (b + 1) STORED);",
        "1:33 a column that is generated from an expression is `GENERATED ALWAYS`; write `ALWAYS`, or `DEFAULT (…)` for a \
         value that can be given",
    );
    postgres(
        "INSERT INTO server.db.dbo.t VALUES (1);",
        "1:13 the name `server.db.dbo.t` has too many parts; write the schema and the table: PostgreSQL reads no other \
         server's tables by their names",
    );
    postgres(
        "SELECT sum(a) OVER FROM t;",
        "1:20 expected a name, found `FROM`, which is a reserved word; write `\"from\"`, here and wherever it is used, or choose another name",
    );
    postgres("SELECT sum(a) FILTER WHERE a > 1;", "1:22 expected `(`, found `WHERE`");
    for good in [
        "SELECT a IS NULL, b IS NOT TRUE, c IS UNKNOWN, d IS NOT DISTINCT FROM 1, e IS DOCUMENT, f IS NFC NORMALIZED;",
        "SELECT a LIKE b ESCAPE '!', c NOT SIMILAR TO d ESCAPE '!', a AS over, b AS year, c \"year\", d label;",
        "SELECT a FROM f(1) over, (SELECT 1) filter WHERE a > 1;",
        "CREATE TABLE t (a varchar(10), b \"char\", c char, d float, e float(3), f bit(3), g numeric(10, 2), h varchar(0x10));",
        "CREATE TABLE d.s.t (a int REFERENCES d.s.u (b) ON DELETE CASCADE ON UPDATE CASCADE);",
        "INSERT INTO t DEFAULT VALUES;",
        "CREATE INDEX i ON t (a, lower(b) text_pattern_ops DESC, (c || 'x'), s.f(d), CAST(e AS text), coalesce(f, g));",
        "CREATE INDEX i ON t (current_date, EXTRACT(year FROM a), a COLLATE \"C\" text_ops, (a -> 'b'));",
        "CREATE TABLE t (a int) PARTITION BY RANGE (a, (b::date), f(c));",
        "INSERT INTO t VALUES (1) ON CONFLICT (lower(a), (b || c)) DO NOTHING;",
        "CREATE TABLE t (a int, b varchar(10), c s.text(10), d float(3), e timestamp(3), f \"text\"(3), g tinyint(1));",
        "ALTER TABLE t ADD a int, DROP b, ADD COLUMN IF NOT EXISTS c s.d[] NOT NULL, ADD e double precision;",
        "ALTER TABLE t ADD a interval year to month, ADD b timestamp with time zone, ADD c bit varying(3), ADD d char(2);",
        "ALTER TABLE t ADD a national character varying(3), ADD b setof int, ADD c time(3), ADD d int ARRAY[3], ADD e xml;",
        "ALTER TABLE t RENAME TO x;",
        "ALTER TABLE s.t SET SCHEMA x;",
        "(SELECT 1 LIMIT 1) UNION (SELECT 2 LIMIT 1) LIMIT 3 OFFSET 1;",
        "SELECT (SELECT 1 LIMIT 1) FROM (SELECT 2 LIMIT 2) x LIMIT 3;",
        "CREATE TABLE x (a, b) AS SELECT 1, 2;",
        "CREATE TABLE t (a timestamp DEFAULT (now() AT TIME ZONE 'utc') NOT NULL, b boolean DEFAULT 1 > 2);",
        "CREATE TABLE t (a boolean DEFAULT b IS DISTINCT FROM c, d text DEFAULT 'a' COLLATE \"C\", e int DEFAULT f(x IN (1)));",
        "ALTER TABLE t ALTER a SET DEFAULT now() AT TIME ZONE 'utc';",
        "CREATE FUNCTION f(a timestamp DEFAULT now() AT TIME ZONE 'utc') RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "SELECT (a = b) = c, a = (b = c), a <> b AND c = d, a = NOT b = c, a == b == c;",
        "SELECT a = ANY (b) = c, a = b IN (c), a IN (b) = c, a OPERATOR(pg_catalog.=) b = c;",
        "SELECT a = b IS TRUE = c, a = CASE WHEN b = c THEN d = e END, f(x => a = b);",
        "UPDATE t SET a = b = c WHERE d = e;",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT DEFAULT VALUES;",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND b THEN DELETE WHEN NOT MATCHED THEN DO NOTHING;",
        "SELECT a COLLATE FROM t;",
    ] {
        postgres(good, "");
    }
}

#[test]
fn missing_and_extra_punctuation_is_reported() {
    postgres("CREATE TABLE a (b int,);", "1:22 `,` is not allowed here; delete it");
    sqlite("CREATE TABLE a (b int,);", "1:23 expected a name, found `)`; delete the `,` before it");
    postgres("CREATE TABLE a (b int c int);", "1:23 expected `,`, found `c`; write a `,` before it");
    postgres("SELECT f(1;", "1:11 the statement ends too early: expected `)`; close a parenthesis with `)`");
    postgres(
        "CREATE TABLE a (b int)\nCREATE TABLE c (d int);",
        "2:1 `CREATE` is not allowed here; end the statement before it with `;`",
    );
    sqlite(
        "CREATE TABLE a (b int)\n\nCREATE TABLE c (d int);",
        "3:1 expected a name, found `CREATE`; end the statement before it with `;`",
    );
    postgres("ALTER TABLE a DROP COLUMN b BYTEA;", "1:29 `BYTEA` is not allowed here; delete it");
}

#[test]
fn syntax_of_other_databases_and_of_psql_is_named() {
    postgres(
        "CREATE TABLE :schema.a (b int);",
        "1:14 expected a name, found `:`; write what it stands for: `:name` is a variable of psql, and means nothing to the server",
    );
    postgres(
        "CREATE TABLE `a` (b INT);",
        "1:14 expected a name, found a backtick; write the name in `\"`, or without quotes: backticks mean nothing to PostgreSQL",
    );
    postgres(
        "CREATE TABLE a (b INT AUTO_INCREMENT);",
        "1:23 expected `,`, found `AUTO_INCREMENT`; write `GENERATED BY DEFAULT AS IDENTITY` instead",
    );
}

#[test]
fn each_statement_gives_its_first_mistake_and_ten_are_enough() {
    postgres(
        "CREATE TABEL a (b int);\nSELECT 1;\nDROP TABEL a, , b;",
        "1:8 expected `TABLE`, found `TABEL`; did you mean `TABLE`?\n3:6 expected `TABLE`, found `TABEL`; did you mean `TABLE`?",
    );
    assert_eq!(findings(Dialect::Postgres, &"SELECT FROM WHERE;\n".repeat(1_000)).len(), 10);
}

#[test]
fn psql_lines_and_copy_data_are_not_checked() {
    postgres("\\restrict abc\nCOPY a (b) FROM stdin;\nSELECT FROM WHERE\n\\.\nSELECT 1;\n\\unrestrict abc\n", "");
    postgres("COPY a (b,) FROM stdin;\n1\n\\.\n", "1:10 `,` is not allowed here; delete it");
    postgres("COPY a FRM stdin;", "1:8 expected `FROM`, found `FRM`; did you mean `FROM`?");
}

#[test]
fn bodies_of_functions_are_checked() {
    postgres(
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n  SELEC 1\n$$;",
        "2:3 expected `SELECT`, found `SELEC`; did you mean `SELECT`?",
    );
    let body = |text: &str| format!("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\n{text}\n$$;");
    let found = findings(Dialect::Postgres, &body("BEGIN\n  IF a THEN NULL;\nEND"));
    assert!(matches!(found.as_slice(), [Finding { kind: FindingKind::Body(_), .. }]), "{found:?}");
    for good in [
        "DECLARE a int; DECLARE b int; BEGIN SELECT 1 INTO a; END",
        "BEGIN INSERT INTO t VALUES (1) RETURNING a INTO b; END",
        "BEGIN RETURN QUERY SELECT 1; EXCEPTION WHEN others THEN NULL; END",
    ] {
        assert_eq!(findings(Dialect::Postgres, &body(good)), [], "{good}");
    }
}

#[test]
fn statements_that_only_postgres_accepts_pass() {
    for good in [
        "ALTER USER MAPPING FOR user SERVER s OPTIONS (SET a 'b');",
        "SET ROLE TO DEFAULT;",
        "ALTER STATISTICS IF EXISTS a SET STATISTICS 0;",
        "COMMENT ON CONSTRAINT c ON domain IS 'x';",
        "SELECT * FROM JSON_SCALAR(123);",
        "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f(order, default);",
        "CREATE RULE r AS ON DELETE TO a DO ALSO (DELETE FROM b; ; DELETE FROM c;);",
        "DROP TABLE if;",
    ] {
        postgres(good, "");
    }
    for good in [
        "SELECT $::name;",
        "UPDATE a SET (b, b) = (SELECT 1, 2);",
        "CREATE TABLE a (b REFERENCES c ON DELETE SET NULL NOT NULL);",
        "CREATE TABLE a (b NOT NULL DEFERRABLE INITIALLY DEFERRED);",
        "CREATE TABLE a (b, c) STRICT, WITHOUT ROWID;",
        "SELECT 1 /* to the end",
    ] {
        sqlite(good, "");
    }
}

#[test]
fn brackets_of_mysql_are_checked() {
    let mysql = |text: &str, expected: &str| assert_eq!(rendered(Dialect::Mysql, text), expected, "{text}");
    mysql("CREATE TABLE a (b INT;", "1:16 this `(` is not closed");
    mysql("CREATE TABLE a (b INT));", "1:23 this `)` closes nothing");
    mysql("CREATE TABEL a (b INT AUTO_INCREMENT, c VARCHAR(3)) ENGINE=InnoDB;", "");
    mysql("DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT (1); END//\nDELIMITER ;\n", "");
    mysql("/*!50100 PARTITION BY RANGE (a) (PARTITION b VALUES LESS THAN (1)) */;", "");
}

/// What came with which release, and how it is written.
const NEWER: &[(&str, u16, &str)] = &[
    ("MERGE", 15, "MERGE INTO a USING b ON a.c = b.c WHEN MATCHED THEN DELETE;"),
    ("NULLS NOT DISTINCT", 15, "CREATE UNIQUE INDEX i ON a (b) NULLS NOT DISTINCT;"),
    ("NULLS NOT DISTINCT", 15, "CREATE TABLE a (b int UNIQUE NULLS NOT DISTINCT);"),
    ("NULLS DISTINCT", 15, "CREATE TABLE a (b int UNIQUE NULLS DISTINCT);"),
    ("ON DELETE SET NULL (…)", 15, "CREATE TABLE a (b int REFERENCES c ON DELETE SET NULL (b));"),
    ("ON DELETE SET NULL (…)", 15, "CREATE TABLE a (b int REFERENCES c ON DELETE SET DEFAULT (b));"),
    ("SET ACCESS METHOD", 15, "ALTER TABLE a SET ACCESS METHOD heap;"),
    ("SET ACCESS METHOD DEFAULT", 17, "ALTER TABLE a SET ACCESS METHOD DEFAULT;"),
    ("UNLOGGED SEQUENCE", 15, "CREATE UNLOGGED SEQUENCE s;"),
    ("TABLES IN SCHEMA in a publication", 15, "CREATE PUBLICATION p FOR TABLES IN SCHEMA s;"),
    ("GRANT … ON PARAMETER", 15, "GRANT SET ON PARAMETER work_mem TO a;"),
    ("security_invoker", 15, "CREATE VIEW v WITH (security_invoker = true) AS SELECT 1;"),
    ("security_invoker", 15, "ALTER VIEW v SET (security_invoker);"),
    ("the columns of a publication", 15, "CREATE PUBLICATION p FOR TABLE a (b, c);"),
    ("WHERE in a publication", 15, "ALTER PUBLICATION p ADD TABLE a WHERE (b > 1);"),
    ("ALTER SEQUENCE … SET LOGGED", 15, "ALTER SEQUENCE s SET LOGGED;"),
    ("ALTER SEQUENCE … SET UNLOGGED", 15, "ALTER SEQUENCE s SET UNLOGGED;"),
    ("DETACH PARTITION … FINALIZE", 14, "ALTER TABLE a DETACH PARTITION b FINALIZE;"),
    ("REINDEX (CONCURRENTLY)", 14, "REINDEX (CONCURRENTLY) TABLE a;"),
    ("REINDEX (TABLESPACE)", 14, "REINDEX (TABLESPACE s) TABLE a;"),
    ("JSON_OBJECT with keys or clauses", 16, "SELECT JSON_OBJECT('a': 1);"),
    ("JSON_OBJECT with keys or clauses", 16, "SELECT JSON_OBJECT('a' VALUE 1 ABSENT ON NULL);"),
    ("SET STORAGE DEFAULT", 16, "ALTER TABLE a ALTER b SET STORAGE DEFAULT;"),
    ("VACUUM (PROCESS_MAIN)", 16, "VACUUM (PROCESS_MAIN FALSE) a;"),
    ("VACUUM (BUFFER_USAGE_LIMIT)", 16, "VACUUM (ANALYZE, BUFFER_USAGE_LIMIT '1 GB') a;"),
    ("VACUUM (SKIP_DATABASE_STATS)", 16, "VACUUM (SKIP_DATABASE_STATS) a;"),
    ("VACUUM (ONLY_DATABASE_STATS)", 16, "VACUUM (ONLY_DATABASE_STATS);"),
    ("VACUUM ONLY, ANALYZE ONLY", 18, "VACUUM ONLY a;"),
    ("VACUUM ONLY, ANALYZE ONLY", 18, "ANALYZE ONLY a (b);"),
    ("COPY (REJECT_LIMIT)", 18, "COPY a FROM '/tmp/a' (REJECT_LIMIT 3);"),
    ("COPY (ON_ERROR)", 17, "COPY a FROM '/tmp/a' (ON_ERROR ignore, FORMAT csv);"),
    ("COPY (LOG_VERBOSITY)", 17, "COPY a FROM '/tmp/a' (FORMAT csv, LOG_VERBOSITY verbose);"),
    ("EVENT TRIGGER … ON login", 17, "CREATE EVENT TRIGGER e ON login EXECUTE FUNCTION f();"),
    ("GRANT MAINTAIN", 17, "GRANT SELECT, MAINTAIN ON a TO b;"),
    ("GRANT MAINTAIN", 17, "REVOKE MAINTAIN ON a FROM b;"),
    ("SET STATISTICS DEFAULT", 17, "ALTER TABLE a ALTER b SET STATISTICS DEFAULT;"),
    ("REPACK", 19, "REPACK a;"),
    ("CREATE PROPERTY GRAPH", 19, "CREATE PROPERTY GRAPH g VERTEX TABLES (a);"),
    ("GRAPH_TABLE", 19, "SELECT * FROM GRAPH_TABLE (g MATCH (a IS b) COLUMNS (a.c));"),
    ("FOR PORTION OF", 19, "UPDATE a FOR PORTION OF b FROM '2026-01-01' TO '2027-01-01' SET c = 1;"),
    ("ON CONFLICT DO SELECT", 19, "INSERT INTO a VALUES (1) ON CONFLICT (b) DO SELECT RETURNING b;"),
    ("MERGE PARTITIONS", 19, "ALTER TABLE a MERGE PARTITIONS (b, c) INTO d;"),
    (
        "SPLIT PARTITION",
        19,
        "ALTER TABLE a SPLIT PARTITION b INTO (PARTITION c FOR VALUES FROM (1) TO (2), PARTITION d FOR VALUES FROM (2) TO (3));",
    ),
    ("IGNORE NULLS", 19, "SELECT lag(a) IGNORE NULLS OVER (ORDER BY b) FROM c;"),
    ("RESPECT NULLS", 19, "SELECT lag(a) RESPECT NULLS OVER (ORDER BY b) FROM c;"),
    ("WITHOUT OVERLAPS", 18, "CREATE TABLE a (b daterange, PRIMARY KEY (b WITHOUT OVERLAPS));"),
    ("PERIOD", 18, "CREATE TABLE a (b int, c daterange, FOREIGN KEY (b, PERIOD c) REFERENCES d (b, PERIOD c));"),
    ("GENERATED ALWAYS AS … VIRTUAL", 18, "CREATE TABLE a (b int, c int GENERATED ALWAYS AS (b) VIRTUAL);"),
    ("GENERATED ALWAYS AS … VIRTUAL", 18, "CREATE TABLE a (b int, c int GENERATED ALWAYS AS (b));"),
    ("NOT ENFORCED", 18, "CREATE TABLE a (b int CHECK (b > 0) NOT ENFORCED);"),
    ("ENFORCED", 18, "CREATE TABLE a (b int CHECK (b > 0) ENFORCED);"),
    ("RETURNING WITH (OLD AS …)", 18, "UPDATE a SET b = 1 RETURNING WITH (OLD AS o, NEW AS n) o.b, n.b;"),
    ("NOT NULL as a constraint of a table", 18, "ALTER TABLE a ADD CONSTRAINT c NOT NULL b;"),
    ("NOT NULL NO INHERIT", 18, "CREATE TABLE a (b int NOT NULL NO INHERIT);"),
    ("AT LOCAL", 17, "SELECT now() AT LOCAL;"),
    ("JSON_TABLE", 17, "SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a int)) t;"),
    ("JSON_EXISTS with clauses", 17, "SELECT JSON_EXISTS(a, '$.b' PASSING 1 AS x) FROM c;"),
    ("JSON_QUERY with clauses", 17, "SELECT JSON_QUERY(a, '$.b' WITH WRAPPER) FROM c;"),
    ("JSON_VALUE with clauses", 17, "SELECT JSON_VALUE(a, '$.b' RETURNING int) FROM c;"),
    ("MERGE … RETURNING", 17, "MERGE INTO a USING b ON a.c = b.c WHEN MATCHED THEN DELETE RETURNING a.c;"),
    ("WHEN NOT MATCHED BY SOURCE", 17, "MERGE INTO a USING b ON a.c = b.c WHEN NOT MATCHED BY SOURCE THEN DELETE;"),
    ("ALTER COLUMN … SET EXPRESSION", 17, "ALTER TABLE a ALTER COLUMN b SET EXPRESSION AS (c + 1);"),
    ("IS JSON", 16, "SELECT a IS JSON FROM b;"),
    ("IS JSON", 16, "SELECT a IS JSON ARRAY FROM b;"),
    ("IS JSON", 16, "SELECT a IS JSON OBJECT FROM b;"),
    ("IS JSON", 16, "SELECT a IS JSON SCALAR FROM b;"),
    ("IS JSON", 16, "SELECT a IS JSON VALUE FROM b;"),
    ("IS NOT JSON", 16, "SELECT a IS NOT JSON FROM b;"),
    ("IS NOT JSON", 16, "SELECT a IS NOT JSON ARRAY FROM b;"),
    ("IS NOT JSON", 16, "SELECT a IS NOT JSON OBJECT FROM b;"),
    ("IS NOT JSON", 16, "SELECT a IS NOT JSON SCALAR FROM b;"),
    ("IS NOT JSON", 16, "SELECT a IS NOT JSON VALUE FROM b;"),
    ("JSON_ARRAY", 16, "SELECT JSON_ARRAY(1, 2 NULL ON NULL);"),
    ("JSON_ARRAYAGG", 16, "SELECT JSON_ARRAYAGG(a ORDER BY a) FROM b;"),
    ("JSON_OBJECTAGG", 16, "SELECT JSON_OBJECTAGG(a : b) FROM c;"),
    ("GRANT … WITH INHERIT, SET or ADMIN TRUE", 16, "GRANT a TO b WITH INHERIT TRUE;"),
    ("a number with `_`, `0x`, `0o` or `0b`", 16, "SELECT 1_000;"),
    ("a number with `_`, `0x`, `0o` or `0b`", 16, "SELECT 0xff;"),
    ("a number with `_`, `0x`, `0o` or `0b`", 16, "SELECT 0o17;"),
    ("a number with `_`, `0x`, `0o` or `0b`", 16, "SELECT 0b11;"),
    ("a subquery in FROM without an alias", 16, "SELECT * FROM (SELECT 1);"),
    ("CREATE STATISTICS without a name", 16, "CREATE STATISTICS ON a, b FROM c;"),
    ("STORAGE in ADD COLUMN", 16, "ALTER TABLE a ADD b text STORAGE EXTERNAL;"),
    ("COMPRESSION", 14, "ALTER TABLE a ADD COLUMN IF NOT EXISTS b text COMPRESSION lz4 NOT NULL, DROP c;"),
    ("STORAGE in CREATE TABLE", 16, "CREATE TABLE a (b text STORAGE EXTERNAL);"),
    (
        "CREATE OR REPLACE TRIGGER",
        14,
        "CREATE OR REPLACE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f();",
    ),
    ("COMPRESSION", 14, "CREATE TABLE a (b text COMPRESSION lz4);"),
    ("SET COMPRESSION", 14, "ALTER TABLE a ALTER COLUMN b SET COMPRESSION lz4;"),
    ("DETACH PARTITION … CONCURRENTLY", 14, "ALTER TABLE a DETACH PARTITION b CONCURRENTLY;"),
    (
        "SEARCH",
        14,
        "WITH RECURSIVE a AS (SELECT 1 AS b UNION ALL SELECT b FROM a) SEARCH DEPTH FIRST BY b SET o SELECT * FROM a;",
    ),
    (
        "CYCLE",
        14,
        "WITH RECURSIVE a AS (SELECT 1 AS b UNION ALL SELECT b FROM a) CYCLE b SET c USING p SELECT * FROM a;",
    ),
    ("a function's body as RETURN", 14, "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1;"),
    ("BEGIN ATOMIC", 14, "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;"),
    ("GROUP BY DISTINCT", 14, "SELECT a FROM b GROUP BY DISTINCT a;"),
    ("JOIN … USING (…) AS", 14, "SELECT * FROM a JOIN b USING (c) AS d;"),
    ("FETCH FIRST … WITH TIES", 13, "SELECT * FROM a ORDER BY b FETCH FIRST 1 ROW WITH TIES;"),
    ("DROP DATABASE … WITH (FORCE)", 13, "DROP DATABASE a WITH (FORCE);"),
    ("DROP EXPRESSION", 13, "ALTER TABLE a ALTER COLUMN b DROP EXPRESSION;"),
    ("IS NORMALIZED", 13, "SELECT a IS NORMALIZED FROM b;"),
    ("IS NOT NORMALIZED", 13, "SELECT a IS NOT NORMALIZED FROM b;"),
    ("GENERATED ALWAYS AS … STORED", 12, "CREATE TABLE a (b int, c int GENERATED ALWAYS AS (b) STORED);"),
    ("AS MATERIALIZED", 12, "WITH a AS MATERIALIZED (SELECT 1) SELECT * FROM a;"),
    ("AS NOT MATERIALIZED", 12, "WITH a AS NOT MATERIALIZED (SELECT 1) SELECT * FROM a;"),
    ("REINDEX CONCURRENTLY", 12, "REINDEX TABLE CONCURRENTLY a;"),
    ("COPY … FROM … WHERE", 12, "COPY a FROM '/tmp/a' WHERE b > 1;"),
    ("CREATE PROCEDURE", 11, "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';"),
    ("CALL", 11, "CALL p();"),
    ("INCLUDE", 11, "CREATE INDEX i ON a (b) INCLUDE (c);"),
    ("INCLUDE", 11, "ALTER TABLE a ADD UNIQUE (b) INCLUDE (c);"),
    ("PARTITION BY HASH", 11, "CREATE TABLE a PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 0);"),
    ("a default partition", 11, "CREATE TABLE a PARTITION OF b DEFAULT;"),
    ("EXCLUDE in a window", 11, "SELECT sum(a) OVER (ORDER BY b ROWS UNBOUNDED PRECEDING EXCLUDE TIES) FROM c;"),
    ("GROUPS in a window", 11, "SELECT sum(a) OVER (ORDER BY b GROUPS UNBOUNDED PRECEDING) FROM c;"),
];

#[test]
fn syntax_newer_than_the_server_is_reported() {
    let newer = |release: u16, text: &str| {
        let statements = split(Dialect::Postgres, text).statements;
        let found = check(Dialect::Postgres, text, &statements, Some(Release::new(release)));
        found.iter().map(|finding| finding.kind.to_string()).collect::<Vec<_>>().join("\n")
    };
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for (what, since, text) in NEWER {
        let (at, before) = (newer(*since, text), newer(since - 1, text));
        if !at.is_empty() || !before.contains(&format!("`{what}` came with PostgreSQL {since}, ")) {
            wrong.push(format!("{text}\n  at {since}: {at:?}\n  before: {before:?}"));
        }
        seen.insert((*what, *since));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all: BTreeSet<_> = super::postgres::releases::newer_names().collect();
    let missing: Vec<_> = all.difference(&seen).collect();
    assert!(missing.is_empty(), "without an example at the release before: {missing:?}");
    for old in [
        "CREATE TABLE a (b int NOT NULL, c int UNIQUE, d int REFERENCES e ON DELETE SET NULL);",
        "SELECT * FROM (SELECT 1) a, (VALUES (1)) b (c);",
        "SELECT * FROM ((SELECT 1) UNION (SELECT 2)) a;",
        "SELECT * FROM (a JOIN b USING (c));",
        "WITH a AS (SELECT 1) SELECT * FROM a;",
        "CREATE STATISTICS s ON a, b FROM c;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE PROCEDURE f();",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
        "CREATE INDEX CONCURRENTLY i ON a (b);",
        "SELECT json_object('{a,b}'), json_object(a, b);",
        "GRANT maintain TO b;",
        "ALTER TABLE a ALTER b SET STATISTICS 100;",
        "ALTER TABLE a ALTER b SET STORAGE EXTERNAL;",
        "CREATE VIEW v WITH (security_barrier) AS SELECT security_invoker FROM a;",
        "CREATE PUBLICATION p FOR TABLE a, ONLY b;",
        "VACUUM (FULL, ANALYZE) a (b);",
        "CREATE EVENT TRIGGER login ON ddl_command_end EXECUTE PROCEDURE f();",
        "REINDEX (VERBOSE) TABLE a;",
    ] {
        assert_eq!(newer(10, old), "", "{old}");
    }
}

/// Scripts that would overflow a parser's stack or take it minutes. The check of each ends, and reports what was not
/// parsed.
#[test]
fn huge_scripts_have_an_answer() {
    let deep = 1_000_000;
    for (text, read) in [
        (format!("SELECT {}1{};", "(".repeat(deep), ")".repeat(deep)), false),
        (format!("SELECT {}", "(".repeat(deep)), false),
        (format!("SELECT 1{};", "+1".repeat(deep)), false),
        (format!("SELECT {}1;", "NOT ".repeat(deep)), false),
        (format!("SELECT 1{};", ",1".repeat(deep)), false),
        (format!("INSERT INTO a VALUES (1, 'x'){};", ", (2, 'it''s')".repeat(deep)), true),
        ("INSERT INTO a (b) VALUES (1, 'x');\n".repeat(deep / 10), true),
        ("CREATE TABLE a (b int);\n".repeat(deep / 10), false),
        (format!("SELECT '{}", "x".repeat(10 * deep)), false),
        (format!("SELECT 1 -- {}", "x".repeat(10 * deep)), true),
        (format!("DO $$ BEGIN {} END $$;", "IF a THEN x := 1; ".repeat(deep)), false),
        ("\0".repeat(deep), false),
        (";".repeat(deep), true),
    ] {
        for dialect in Dialect::ALL {
            let found = findings(dialect, &text);
            let shown = text.get(..40).unwrap_or_default();
            if dialect == Dialect::Postgres {
                let unread =
                    found.iter().any(|finding| matches!(finding.kind, FindingKind::TooDeep | FindingKind::TooLong));
                assert_eq!(unread, !read, "{shown}: {found:?}");
            }
        }
    }
}

/// The deepest statements that are parsed fit on the stack.
#[test]
fn the_deepest_that_is_parsed_fits_on_the_stack() {
    for (text, fine) in [
        (format!("SELECT {}1;", "NOT ".repeat(3_990)), true),
        (format!("SELECT {}1{};", "CASE WHEN ".repeat(750), " THEN 1 END".repeat(750)), true),
        (format!("SELECT * FROM {}a{};", "(SELECT * FROM ".repeat(240), ") b".repeat(240)), true),
        (format!("DO $$ BEGIN {} NULL; {} END $$;", "IF a THEN ".repeat(190), "END IF; ".repeat(190)), true),
        (format!("SELECT {}1;", "NOT ".repeat(4_010)), false),
    ] {
        let found = findings(Dialect::Postgres, &text);
        assert_eq!(found.is_empty(), fine, "{found:?}");
        findings(Dialect::Sqlite, &text);
    }
}

/// A small generator (xorshift), so that each run tries the same scripts.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn random_words_never_panic_and_findings_point_into_the_text() {
    let words: Vec<&str> = "SELECT INSERT INTO VALUES UPDATE SET DELETE FROM WHERE CREATE TABLE FUNCTION TRIGGER VIEW AS INDEX ON \
        ALTER ADD DROP COLUMN IF NOT EXISTS NULL DEFAULT PRIMARY KEY REFERENCES CHECK UNIQUE BEGIN END CASE WHEN THEN \
        ELSE AND OR IN IS LIKE JOIN LEFT USING GROUP BY ORDER LIMIT UNION ALL WITH RECURSIVE RETURNING CONFLICT DO \
        GRANT TO EXECUTE LANGUAGE sql plpgsql $$ $a$ 'x' ' '' \" \"x\" ( ) ( ) [ ] , , ; ; . :: = <> || + - * / 1 2.5 1e \
        $1 :a @ # ~ ! ? ` é 日本 -- /* */ a b c \n \t E'\\' U&'x' B'0' MERGE JSON_TABLE COPY stdin \\. PRAGMA"
        .split(' ')
        .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..1_500 {
        let length = 1 + random.below(if round % 10 == 0 { 120 } else { 14 });
        let mut text = String::new();
        for _ in 0..length {
            text.push_str(words[random.below(words.len())]);
            if random.below(8) > 0 {
                text.push(' ');
            }
        }
        for dialect in Dialect::ALL {
            for finding in findings(dialect, &text) {
                assert!(text.get(finding.range.clone()).is_some(), "{dialect}: {text:?}: {finding:?}");
                let shown = finding.kind.to_string();
                assert!(!shown.contains("_KW") && !shown.contains("L_PAREN"), "{text:?}: {shown}");
                assert!(!shown.ends_with('.') && !shown.contains('\n'), "{text:?}: {shown}");
            }
        }
    }
}

/// The wrong statement, and what its help says, typed. It is empty where the help says to delete it or to write something else.
#[test]
fn the_help_for_what_another_database_writes_works() {
    let known: Vec<&str> = super::foreign::helps().collect();
    let (mut shown, mut failed) = (BTreeSet::new(), Vec::new());
    for (dialect, wrong, right) in [
        (Dialect::Postgres, "CREATE EXTENSION uuid-ossp;", "CREATE EXTENSION \"uuid-ossp\";"),
        (
            Dialect::Postgres,
            "CREATE EXTENSION IF NOT EXISTS uuid-ossp;",
            "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\";",
        ),
        (Dialect::Postgres, "DROP EXTENSION IF EXISTS uuid-ossp;", "DROP EXTENSION IF EXISTS \"uuid-ossp\";"),
        (Dialect::Postgres, "GRANT SELECT a TO b;", "GRANT SELECT ON a TO b;"),
        (Dialect::Postgres, "GRANT INSERT, SELECT a TO b;", "GRANT INSERT, SELECT ON a TO b;"),
        (Dialect::Postgres, "GRANT ALL PRIVILEGES a TO b;", "GRANT ALL PRIVILEGES ON a TO b;"),
        (Dialect::Postgres, "REVOKE EXECUTE FUNCTION f() FROM b;", "REVOKE EXECUTE ON FUNCTION f() FROM b;"),
        (Dialect::Postgres, "INSERT IGNORE INTO a VALUES (1);", "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING;"),
        (Dialect::Postgres, "INSERT OR IGNORE INTO a VALUES (1);", "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING;"),
        (
            Dialect::Postgres,
            "REPLACE INTO a VALUES (1);",
            "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET x = excluded.x;",
        ),
        (
            Dialect::Postgres,
            "INSERT OR REPLACE INTO a VALUES (1);",
            "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET x = excluded.x;",
        ),
        (
            Dialect::Postgres,
            "INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE x = 1;",
            "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET x = excluded.x;",
        ),
        (Dialect::Postgres, "CREATE TABLE a (x int UNSIGNED);", "CREATE TABLE a (x int CHECK (x >= 0));"),
        (Dialect::Postgres, "ALTER TABLE a ADD COLUMN b int AFTER c;", "ALTER TABLE a ADD COLUMN b int;"),
        (Dialect::Postgres, "ALTER TABLE a ADD COLUMN b int FIRST;", "ALTER TABLE a ADD COLUMN b int;"),
        (Dialect::Postgres, "ALTER TABLE a MODIFY COLUMN b int;", "ALTER TABLE a ALTER COLUMN b TYPE int;"),
        (Dialect::Postgres, "ALTER TABLE a MODIFY b int;", "ALTER TABLE a ALTER COLUMN b TYPE int;"),
        (Dialect::Postgres, "ALTER TABLE a CHANGE b c int;", "ALTER TABLE a RENAME COLUMN b TO c;"),
        (Dialect::Postgres, "CREATE TABLE a (t timestamp ON UPDATE CURRENT_TIMESTAMP);", ""),
        (
            Dialect::Postgres,
            "CREATE TABLE a (id int COMMENT 'x');",
            "CREATE TABLE a (id int);\nCOMMENT ON COLUMN a.id IS 'x';",
        ),
        (Dialect::Postgres, "USE mydb;", ""),
        (Dialect::Postgres, "PRAGMA foreign_keys = ON;", ""),
        (Dialect::Postgres, "CREATE TABLE a (id int) ENGINE=InnoDB DEFAULT CHARSET=utf8;", "CREATE TABLE a (id int);"),
        (Dialect::Postgres, "CREATE TABLE a (id int) AUTO_INCREMENT=5;", "CREATE TABLE a (id int);"),
        (
            Dialect::Postgres,
            "CREATE TABLE a (id int AUTO_INCREMENT PRIMARY KEY);",
            "CREATE TABLE a (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);",
        ),
        (Dialect::Postgres, "CREATE TABLE a (id int) WITHOUT ROWID;", "CREATE TABLE a (id int);"),
        (Dialect::Postgres, "SELECT TOP 1 * FROM a;", "SELECT * FROM a LIMIT 1;"),
        (
            Dialect::Postgres,
            "IF NOT EXISTS (SELECT 1) CREATE TABLE a (id int);",
            "CREATE TABLE IF NOT EXISTS a (id int);",
        ),
        (Dialect::Postgres, "DECLARE @x INT = 1;", ""),
        (Dialect::Postgres, "SET @x = 1;", ""),
        (
            Dialect::Postgres,
            "CREATE TABLE a (id INT IDENTITY(1,1));",
            "CREATE TABLE a (id INT GENERATED BY DEFAULT AS IDENTITY);",
        ),
        (Dialect::Postgres, "CREATE TABLE [dbo].[a] (id int);", "CREATE TABLE \"dbo\".\"a\" (id int);"),
        (Dialect::Postgres, "ALTER TABLE a DROP FOREIGN KEY fk;", "ALTER TABLE a DROP CONSTRAINT fk;"),
        (Dialect::Postgres, "ALTER TABLE a DROP INDEX i;", "DROP INDEX i;"),
        (Dialect::Postgres, "DROP INDEX i ON a;", "DROP INDEX i;"),
        (Dialect::Postgres, "SELECT * FROM a WHERE b = ?;", "SELECT * FROM a WHERE b = 1;"),
        (Dialect::Postgres, "SELECT * FROM a LIMIT 1, 2;", "SELECT * FROM a LIMIT 2 OFFSET 1;"),
        (
            Dialect::Postgres,
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = 1; END;",
            "CREATE FUNCTION name() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE a SET x = 1; RETURN NULL; END $$;\nCREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION name();",
        ),
        (Dialect::Postgres, "CREATE USER 'x'@'localhost' IDENTIFIED BY 'y';", "CREATE USER x PASSWORD 'y';"),
        (Dialect::Postgres, "CREATE USER x IDENTIFIED BY 'y';", "CREATE USER x PASSWORD 'y';"),
        (Dialect::Postgres, "ALTER USER x IDENTIFIED BY y;", "ALTER USER x PASSWORD 'y';"),
        (Dialect::Postgres, "CREATE ROLE x LOGIN IDENTIFIED BY 'y';", "CREATE ROLE x LOGIN PASSWORD 'y';"),
        (Dialect::Postgres, "ALTER ROLE x IDENTIFIED BY 'y';", "ALTER ROLE x PASSWORD 'y';"),
        (
            Dialect::Postgres,
            "CREATE USER x IDENTIFIED WITH mysql_native_password BY 'y';",
            "CREATE USER x PASSWORD 'y';",
        ),
        (Dialect::Postgres, "ALTER USER x IDENTIFIED EXTERNALLY;", "ALTER USER x PASSWORD 'y';"),
        (Dialect::Postgres, "CREATE USER x ACCOUNT LOCK;", "CREATE USER x NOLOGIN;"),
        (Dialect::Postgres, "ALTER USER x ACCOUNT LOCK;", "ALTER USER x NOLOGIN;"),
        (Dialect::Postgres, "ALTER USER x ACCOUNT UNLOCK;", "ALTER USER x LOGIN;"),
        (
            Dialect::Postgres,
            "GRANT SELECT ON t TO x IDENTIFIED BY 'y';",
            "ALTER ROLE x PASSWORD 'y';\nGRANT SELECT ON t TO x;",
        ),
        (Dialect::Postgres, "FLUSH PRIVILEGES;", ""),
        (Dialect::Postgres, "SET NAMES utf8mb4;", ""),
        (Dialect::Postgres, "CREATE LOGIN x WITH PASSWORD = 'y';", "CREATE ROLE x LOGIN PASSWORD 'y';"),
        (Dialect::Postgres, "UNLOCK TABLES;", ""),
        (Dialect::Postgres, "DESCRIBE a;", ""),
        (Dialect::Postgres, "DELIMITER //\n", ""),
        (Dialect::Postgres, "PRINT 'x';", ""),
        (Dialect::Postgres, "EXEC sp_rename 'a', 'b';", ""),
        (Dialect::Postgres, "CREATE TABLE a (id int)\nGO\n", "CREATE TABLE a (id int);"),
        (Dialect::Postgres, "CREATE TABLE a (id int);\nGO\n", "CREATE TABLE a (id int);"),
        (Dialect::Postgres, "CREATE TABLE a (id int);\n/\n", "CREATE TABLE a (id int);"),
        (Dialect::Postgres, "CREATE INDEX IF NOT EXISTS ON a (b);", "CREATE INDEX IF NOT EXISTS a_b ON a (b);"),
        (Dialect::Postgres, "SELECT 1 FROM dual CONNECT BY 1=1;", ""),
        (Dialect::Postgres, "CREATE UNIQUE NONCLUSTERED INDEX i ON a (b);", "CREATE UNIQUE INDEX i ON a (b);"),
        (Dialect::Postgres, "CREATE DATABASE IF NOT EXISTS a;", "CREATE DATABASE a;"),
        (Dialect::Postgres, "CREATE TYPE IF NOT EXISTS m AS ENUM ('a');", "CREATE TYPE m AS ENUM ('a');"),
        (Dialect::Postgres, "CREATE ROLE IF NOT EXISTS r;", "CREATE ROLE r;"),
        (Dialect::Postgres, "CREATE POLICY IF NOT EXISTS p ON a;", "CREATE POLICY p ON a;"),
        (
            Dialect::Postgres,
            "CREATE TRIGGER IF NOT EXISTS t AFTER INSERT ON a EXECUTE FUNCTION f();",
            "CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f();",
        ),
        (
            Dialect::Postgres,
            "ALTER TABLE a ADD CONSTRAINT IF NOT EXISTS c CHECK (true);",
            "ALTER TABLE a ADD CONSTRAINT c CHECK (true);",
        ),
        (Dialect::Postgres, "CREATE OR REPLACE TABLE a (id int);", "CREATE TABLE a (id int);"),
        (
            Dialect::Postgres,
            "CREATE OR REPLACE PROCEDURE p AS\nBEGIN\n  NULL;\nEND;",
            "CREATE OR REPLACE PROCEDURE p() AS $$\nBEGIN\n  NULL;\nEND;\n$$ LANGUAGE plpgsql;",
        ),
        (Dialect::Postgres, "# a comment\n", "-- a comment"),
        (Dialect::Postgres, "SELECT :name;", ""),
        (
            Dialect::Postgres,
            "CREATE FUNCTION f() RETURNS int AS $$ SELECT $$1$$ $$ LANGUAGE sql;",
            "CREATE FUNCTION f() RETURNS int AS $body$ SELECT $$1$$ $body$ LANGUAGE sql;",
        ),
        (Dialect::Postgres, "CREATE TABLE `a` (id int);", "CREATE TABLE \"a\" (id int);"),
        (Dialect::Postgres, "CREATE TABLE {0} (id int);", "CREATE TABLE a (id int);"),
        (Dialect::Sqlite, "INSERT IGNORE INTO a VALUES (1);", "INSERT OR IGNORE INTO a VALUES (1);"),
        (
            Dialect::Sqlite,
            "INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE x = 1;",
            "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET x = excluded.x;",
        ),
        (Dialect::Sqlite, "ALTER TABLE a MODIFY COLUMN b int;", ""),
        (Dialect::Sqlite, "ALTER TABLE a ALTER COLUMN b TYPE text;", ""),
        (Dialect::Sqlite, "ALTER TABLE a ADD COLUMN IF NOT EXISTS b int;", "ALTER TABLE a ADD COLUMN b int;"),
        (
            Dialect::Sqlite,
            "ALTER TABLE a ADD COLUMN b int, ADD COLUMN c int;",
            "ALTER TABLE a ADD COLUMN b int;\nALTER TABLE a ADD COLUMN c int;",
        ),
        (
            Dialect::Sqlite,
            "ALTER TABLE a RENAME b TO c, RENAME d TO e;",
            "ALTER TABLE a RENAME b TO c;\nALTER TABLE a RENAME d TO e;",
        ),
        (Dialect::Sqlite, "ALTER TABLE a DROP COLUMN IF EXISTS b;", "ALTER TABLE a DROP COLUMN b;"),
        (Dialect::Sqlite, "USE mydb;", ""),
        (Dialect::Sqlite, "CREATE TABLE a (id int) ENGINE=InnoDB;", "CREATE TABLE a (id int);"),
        (Dialect::Sqlite, "TRUNCATE TABLE a;", "DELETE FROM a;"),
        (Dialect::Sqlite, "CREATE EXTENSION x;", ""),
        (Dialect::Sqlite, "COMMENT ON TABLE a IS 'x';", "-- x"),
        (Dialect::Sqlite, "CREATE TYPE m AS ENUM ('a');", "CREATE TABLE a (x TEXT CHECK (x IN ('a', 'b')));"),
        (Dialect::Sqlite, "DO $$ BEGIN END $$;", ""),
        (Dialect::Sqlite, "SELECT '1'::int;", "SELECT CAST('1' AS int);"),
        (Dialect::Sqlite, "CREATE SEQUENCE s;", ""),
        (Dialect::Sqlite, "CREATE INDEX i ON a USING btree (b);", "CREATE INDEX i ON a (b);"),
        (Dialect::Sqlite, "CREATE INDEX CONCURRENTLY i ON a (b);", "CREATE INDEX i ON a (b);"),
        (
            Dialect::Sqlite,
            "CREATE OR REPLACE VIEW v AS SELECT 1;",
            "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT 1;",
        ),
        (Dialect::Sqlite, "CREATE SCHEMA app;", ""),
        (Dialect::Sqlite, "SET search_path = x;", ""),
        (Dialect::Sqlite, "CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql;", ""),
        (Dialect::Sqlite, "GRANT ALL ON a TO b;", ""),
        (Dialect::Sqlite, "CREATE PROCEDURE p() AS $$ SELECT 1 $$;", ""),
        (Dialect::Sqlite, "SELECT * FROM a FOR SHARE;", "SELECT * FROM a;"),
        (
            Dialect::Sqlite,
            "CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY);",
            "CREATE TABLE a (id INTEGER PRIMARY KEY);",
        ),
        (Dialect::Sqlite, "CREATE TABLE a (t text DEFAULT random());", "CREATE TABLE a (t text DEFAULT (random()));"),
        (Dialect::Sqlite, "INSERT INTO a VALUES (E'\\n');", "INSERT INTO a VALUES ('\n');"),
        (Dialect::Sqlite, "LOCK TABLE a;", ""),
        (Dialect::Sqlite, "GO\n", ""),
        (Dialect::Sqlite, "DELIMITER //\n", ""),
        (Dialect::Sqlite, ".mode csv\n", ""),
        (
            Dialect::Sqlite,
            "CREATE TABLE a (id int NOT NULL AUTO_INCREMENT, PRIMARY KEY (id));",
            "CREATE TABLE a (id INTEGER PRIMARY KEY);",
        ),
        (Dialect::Sqlite, "DELETE FROM a USING b;", "DELETE FROM a WHERE x IN (SELECT y FROM b);"),
        (Dialect::Sqlite, "SELECT * FROM a FOR UPDATE;", "SELECT * FROM a;"),
        (Dialect::Sqlite, "CREATE TABLE a (t TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);", ""),
        (Dialect::Sqlite, "SELECT TOP 1 * FROM a;", "SELECT * FROM a LIMIT 1;"),
        (Dialect::Sqlite, "DROP INDEX i ON a;", "DROP INDEX i;"),
        (Dialect::Sqlite, "RENAME TABLE a TO b;", "ALTER TABLE a RENAME TO b;"),
        (
            Dialect::Sqlite,
            "CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f();",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;",
        ),
        (Dialect::Sqlite, "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE;", ""),
        (Dialect::Sqlite, "CREATE TEMP TABLE a (id int) ON COMMIT DROP;", "CREATE TEMP TABLE a (id int);"),
        (Dialect::Sqlite, "SELECT DISTINCT ON (a) b FROM c;", "SELECT b FROM c GROUP BY a;"),
        (Dialect::Sqlite, "SHOW TABLES;", ""),
        (Dialect::Sqlite, "DESC a;", ""),
        (Dialect::Sqlite, "# a comment\n", "-- a comment"),
    ] {
        let found = findings(dialect, wrong);
        let repair = found.into_iter().next().and_then(|finding| finding.repair).unwrap_or_default();
        if !known.contains(&repair.as_str()) {
            failed.push(format!("{dialect:?}: {wrong}: {repair:?}"));
        }
        shown.insert(repair);
        if let Some(finding) = findings(dialect, right).first() {
            failed.push(format!("{dialect:?}: {right}: {finding:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let unseen: Vec<&&str> = known.iter().filter(|help| !shown.contains(**help)).collect();
    assert!(unseen.is_empty(), "no statement above shows {unseen:#?}");
}
