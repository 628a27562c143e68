//! What scripts do to tables, in a short notation.

use lockgate_core::{Dialect, StatementFlags};

use super::{Catalogue, touches_after};
use crate::split;

/// What each statement of a script does to tables, if it does anything: `users SHARE`,
/// `users ACCESS EXCLUSIVE destroys`, `tags makes`, and only `destroys` if no table is named.
fn described(dialect: Dialect, text: &str) -> String {
    let mut statements = split(dialect, text).statements;
    let touches = super::touches(dialect, text, &mut statements);
    let mut lines = Vec::new();
    for (at, statement) in statements.iter().enumerate() {
        let mut words = Vec::new();
        for touch in touches.iter().filter(|touch| touch.statement == at) {
            let mut word = if touch.of_index { format!("[{}]", touch.table) } else { touch.table.clone() };
            touch.lock.iter().for_each(|lock| word.push_str(&format!(" {lock}")));
            [(touch.makes, " makes"), (touch.destroys, " destroys")]
                .into_iter()
                .filter(|(is, _)| *is)
                .for_each(|(_, what)| word.push_str(what));
            words.push(word);
        }
        let flagged = statement.flags.contains(StatementFlags::DESTROYS_DATA);
        if flagged && !words.iter().any(|word| word.ends_with("destroys")) {
            words.push("destroys".to_owned());
        }
        assert!(flagged || !words.iter().any(|word| word.ends_with("destroys")), "{text}");
        if !words.is_empty() {
            lines.push(words.join(", "));
        }
    }
    lines.join("; ")
}

#[track_caller]
fn check(dialect: Dialect, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(described(dialect, text), *expected, "{text}");
    }
}

#[test]
fn what_destroys_data_in_postgres() {
    check(
        Dialect::Postgres,
        &[
            ("DROP TABLE a, app.b", "a ACCESS EXCLUSIVE destroys, app.b ACCESS EXCLUSIVE destroys"),
            ("DROP FOREIGN TABLE far", "far ACCESS EXCLUSIVE"),
            ("DROP VIEW a; DROP MATERIALIZED VIEW b CASCADE", "a ACCESS EXCLUSIVE; b ACCESS EXCLUSIVE"),
            ("DROP INDEX a; DROP FUNCTION f() CASCADE", "[a] ACCESS EXCLUSIVE"),
            ("DROP SCHEMA app", ""),
            ("DROP SCHEMA app CASCADE", "destroys"),
            ("DROP TYPE mood; DROP TYPE mood CASCADE", "destroys"),
            ("DROP DATABASE old", "destroys"),
            ("DROP OWNED BY gone", "destroys"),
            ("ALTER TYPE pair DROP ATTRIBUTE second", "destroys"),
            ("TRUNCATE ONLY a *, b", "a ACCESS EXCLUSIVE destroys, b ACCESS EXCLUSIVE destroys"),
            ("DELETE FROM ONLY a WHERE false", "a ROW EXCLUSIVE destroys"),
            ("WITH g AS (DELETE FROM a RETURNING *) SELECT * FROM g", "a ROW EXCLUSIVE destroys"),
            ("UPDATE a SET b = NULL; INSERT INTO c VALUES (1)", "a ROW EXCLUSIVE; c ROW EXCLUSIVE"),
            ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", "a ROW EXCLUSIVE destroys"),
            ("ALTER TABLE a DROP b", "a ACCESS EXCLUSIVE destroys"),
            ("ALTER TABLE a ADD c int, DROP COLUMN IF EXISTS b", "a ACCESS EXCLUSIVE destroys"),
            ("ALTER TABLE a DROP CONSTRAINT b", "a ACCESS EXCLUSIVE"),
        ],
    );
}

#[test]
fn a_table_that_may_exist_or_that_hides_one_is_not_new() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        for (create, destroys) in [
            ("CREATE TABLE IF NOT EXISTS users (id int)", true),
            ("CREATE TEMP TABLE users (id int)", true),
            ("CREATE TABLE IF NOT EXISTS visits (id int)", false),
            ("CREATE TEMPORARY TABLE visits (id int)", false),
            ("CREATE TABLE IF NOT EXISTS gone (id int)", false),
            ("ALTER TABLE users RENAME TO old; CREATE TABLE IF NOT EXISTS users (id int)", false),
        ] {
            let mut catalogue = Catalogue::default();
            let before = "CREATE TABLE users (id int); CREATE TABLE gone (id int); DROP TABLE gone;";
            touches_after(dialect, before, &mut split(dialect, before).statements, &mut catalogue);
            let table = create.split(' ').rev().nth(2).unwrap();
            let text = format!("{create}; DELETE FROM {table};");
            let mut statements = split(dialect, &text).statements;
            touches_after(dialect, &text, &mut statements, &mut catalogue);
            let flagged = statements.last().unwrap().flags.contains(StatementFlags::DESTROYS_DATA);
            assert_eq!(flagged, destroys, "{dialect:?}: {text}");
        }
    }
}

#[test]
fn a_type_that_cuts_values_off_destroys_data() {
    for (change, destroys) in [
        ("TYPE bigint", false),
        ("TYPE text USING b::text", false),
        ("TYPE varchar(10)", false),
        ("TYPE numeric", false),
        ("TYPE jsonb USING (b::jsonb)", false),
        ("TYPE uuid USING CAST(b AS uuid)", false),
        ("TYPE timestamptz", false),
        ("SET DATA TYPE date", true),
        ("TYPE int", true),
        ("TYPE numeric(10, 2)", true),
        ("TYPE timestamptz(3)", true),
        ("TYPE timestamp(3) without time zone", true),
        ("TYPE text USING lower(b)", true),
        ("TYPE bigint USING b::bigint / 100", true),
        ("TYPE boolean USING b > 0", true),
    ] {
        let expected = if destroys { "a ACCESS EXCLUSIVE destroys" } else { "a ACCESS EXCLUSIVE" };
        assert_eq!(
            described(Dialect::Postgres, &format!("ALTER TABLE a ALTER COLUMN b {change}")),
            expected,
            "{change}"
        );
    }
}

#[test]
fn tables_that_the_script_creates_are_exempt() {
    check(
        Dialect::Postgres,
        &[
            (
                "CREATE TABLE a (b int); ALTER TABLE a DROP b; CREATE INDEX ON a (b); DELETE FROM a; DROP TABLE a",
                "a makes",
            ),
            ("CREATE TEMP TABLE t AS SELECT * FROM a; TRUNCATE t", ""),
            ("SELECT * INTO t FROM a; DROP TABLE t", "t makes"),
            ("CREATE VIEW v AS SELECT 1; COMMENT ON VIEW v IS ''", "v makes"),
            ("CREATE TABLE a (b int REFERENCES a, c int REFERENCES \"B c\")", "B c SHARE ROW EXCLUSIVE, a makes"),
            ("CREATE TABLE public.a (b int); ALTER TABLE a RENAME TO c; DROP TABLE c", "a makes; c makes"),
            ("CREATE INDEX i ON a (b); DROP INDEX i", "[i] makes, a SHARE; a ACCESS EXCLUSIVE"),
            ("CREATE TABLE a (b int); CREATE INDEX i ON a (b); DROP INDEX i", "a makes; [i] makes, a makes"),
            (
                "ALTER TABLE a RENAME TO b; CREATE TABLE a (c int); DROP TABLE a; DROP TABLE b",
                "a ACCESS EXCLUSIVE; a ACCESS EXCLUSIVE destroys",
            ),
            (
                "ALTER TABLE a RENAME TO b; ALTER TABLE b RENAME TO c; CREATE INDEX ON c (d)",
                "a ACCESS EXCLUSIVE; a ACCESS EXCLUSIVE; a SHARE",
            ),
            // A table that takes the name of another one is not new.
            ("DROP TABLE a; CREATE TABLE a (b int); DROP TABLE a", "a ACCESS EXCLUSIVE destroys"),
            (
                "CREATE TABLE app.a (b int); DROP TABLE app.a; DROP TABLE old.a",
                "app.a makes; old.a ACCESS EXCLUSIVE destroys",
            ),
        ],
    );
}

#[test]
fn a_rebuild_keeps_what_it_copies() {
    let rebuild = "CREATE TABLE new (a int); INSERT INTO new (a) SELECT a FROM old; DROP TABLE old; ALTER TABLE new RENAME TO old;";
    check(
        Dialect::Sqlite,
        &[
            (rebuild, "new makes"),
            ("CREATE TABLE new AS SELECT * FROM main.old; DROP TABLE old", "new makes"),
            ("INSERT INTO new SELECT * FROM other; DROP TABLE old", "old destroys"),
            // Rows that are deleted are not brought along by a copy of the others.
            ("INSERT INTO new SELECT * FROM old; DELETE FROM old", "old destroys"),
        ],
    );
}

#[test]
fn no_lock_is_reported_for_other_databases() {
    let text =
        "CREATE INDEX i ON a (b); ALTER TABLE a ADD c int; DELETE FROM a; ALTER TABLE a DROP COLUMN c; DROP TABLE a";
    let expected = "a destroys; a destroys; a destroys";
    check(Dialect::Sqlite, &[(text, expected)]);
    check(
        Dialect::Mysql,
        &[
            (text, expected),
            ("DROP SCHEMA app", "destroys"),
            ("ALTER TABLE `a` DROP INDEX i", ""),
            ("ALTER TABLE `a` TRUNCATE PARTITION p", "a destroys"),
            ("SELECT a INTO @x FROM b", ""),
        ],
    );
}

#[test]
fn statements_with_their_own_transactions_take_weaker_locks() {
    check(
        Dialect::Postgres,
        &[
            ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", "a SHARE UPDATE EXCLUSIVE, b ACCESS EXCLUSIVE"),
            ("ALTER TABLE a DETACH PARTITION b FINALIZE", "a SHARE UPDATE EXCLUSIVE, b ACCESS EXCLUSIVE"),
            ("VACUUM FULL a, b (c)", "a ACCESS EXCLUSIVE, b ACCESS EXCLUSIVE"),
            ("VACUUM; ANALYZE; CLUSTER; REINDEX DATABASE app", ""),
            ("REINDEX (VERBOSE, CONCURRENTLY off) TABLE a", "a SHARE"),
        ],
    );
}

#[test]
fn names_are_those_of_the_database() {
    check(
        Dialect::Postgres,
        &[
            ("CREATE INDEX ON PUBLIC.Users (a)", "users SHARE"),
            ("CREATE INDEX ON \"Users\" (a)", "Users SHARE"),
            ("CREATE INDEX ON app.\"a \"\"b\"\"\" (a)", "app.a \"b\" SHARE"),
            ("COMMENT ON COLUMN app.users.a IS 'x'", "app.users SHARE UPDATE EXCLUSIVE"),
            ("LOCK a, b IN ROW SHARE MODE", "a ROW SHARE, b ROW SHARE"),
            ("SELECT * FROM a FOR UPDATE", "a ROW SHARE"),
            ("COPY a (b) FROM stdin;\n1\n\\.\n", "a ROW EXCLUSIVE"),
            ("COPY a TO '/tmp/x'; COPY (SELECT 1) TO '/tmp/x'", ""),
            ("", ""),
        ],
    );
}

/// A typo, and two tables that have one name here although the server knows two.
#[test]
fn tables_that_are_partitions_of_each_other_end_every_search() {
    let circles = [
        "CREATE TABLE a (id int) PARTITION BY RANGE (id); ALTER TABLE a ATTACH PARTITION a DEFAULT; ALTER TABLE a DETACH PARTITION a;",
        "SET search_path = archive; CREATE TABLE t (id int) PARTITION BY RANGE (id); \
         CREATE TABLE public.t (id int); ALTER TABLE archive.t ATTACH PARTITION public.t FOR VALUES FROM (1) TO (5); \
         ALTER TABLE archive.t DETACH PARTITION public.t;",
        "CREATE TABLE a (id int); CREATE TABLE b () INHERITS (a); ALTER TABLE a INHERIT b; \
         ALTER TABLE a ADD COLUMN c int; LOCK TABLE a; TRUNCATE b CASCADE; DROP TABLE a CASCADE;",
        "CREATE TABLE a (id int) PARTITION BY RANGE (id); CREATE TABLE b PARTITION OF a DEFAULT PARTITION BY RANGE (id); \
         ALTER TABLE b ATTACH PARTITION a DEFAULT; ALTER TABLE a DETACH PARTITION b; CREATE INDEX i ON a (id); \
         ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES b; DROP TABLE b;",
        "CREATE VIEW v AS SELECT 1; CREATE OR REPLACE VIEW w AS SELECT * FROM v; CREATE OR REPLACE VIEW v AS SELECT * FROM w; \
         DROP VIEW v CASCADE;",
    ];
    for text in circles {
        assert!(!described(Dialect::Postgres, text).is_empty(), "{text}");
    }
}
