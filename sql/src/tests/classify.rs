//! What statements are, and which flags they carry.

use super::*;

const OUTSIDE: StatementFlags = StatementFlags::OUTSIDE_TRANSACTION;
const CONTROLS: StatementFlags = StatementFlags::CONTROLS_TRANSACTION;
const SESSION: StatementFlags = StatementFlags::SESSION_STATE;
const DATA: StatementFlags = StatementFlags::COPY_DATA;
const CLIENT: StatementFlags = StatementFlags::CLIENT_ONLY;
const CODE: StatementFlags = StatementFlags::RUNS_CODE;

#[track_caller]
fn one(dialect: Dialect, text: &str) -> (StatementKind, StatementFlags) {
    let split = split(dialect, text);
    assert_eq!(split.statements.len(), 1, "{dialect}: {text}: {split:?}");
    (split.statements[0].kind, split.statements[0].flags)
}

#[track_caller]
fn flags(dialect: Dialect, flags: StatementFlags, texts: &[&str]) {
    for text in texts {
        assert_eq!(one(dialect, text).1, flags, "{dialect}: {text}");
    }
}

#[test]
fn kinds_by_the_first_words() {
    use StatementKind::*;
    let everywhere = [
        (Select, "select 1; values (1); /* a */ (SELECT 1); ((SELECT 1) UNION SELECT 2)"),
        (
            Select,
            "WITH insert AS (SELECT 1), b (x) AS (DELETE FROM t) SELECT * FROM t; with a as (select 1) (select 2)",
        ),
        (Insert, "INSERT INTO t VALUES (1); REPLACE INTO t VALUES (1); WITH a AS (SELECT 1) INSERT INTO t SELECT 1"),
        (Update, "UPDATE t SET a = 1; WITH RECURSIVE a AS (SELECT 1), b AS (SELECT 2) UPDATE t SET a = 1"),
        (Delete, "DELETE FROM t; WITH a AS (SELECT 1) DELETE FROM t"),
        (CreateTable, "CREATE TABLE t (a int); CREATE TEMPORARY TABLE t (a int); create table if not exists t (a int)"),
        (CreateIndex, "CREATE INDEX i ON t (a); CREATE UNIQUE INDEX i ON t (a)"),
        (CreateView, "CREATE VIEW v AS SELECT 1; CREATE TEMP VIEW v AS SELECT 1"),
        (AlterTable, "ALTER TABLE t ADD COLUMN a int"),
        (DropTable, "DROP TABLE t; drop table if exists t"),
        (DropIndex, "DROP INDEX i"),
        (DropOther, "DROP VIEW v; DROP TRIGGER x"),
        (Transaction, "BEGIN; COMMIT; ROLLBACK; SAVEPOINT a; RELEASE SAVEPOINT a; ROLLBACK TO a"),
        (Other, "EXPLAIN SELECT 1; foo bar; *; 'a'; WITH; GRANT SELECT ON t TO x"),
    ];
    for (kind, text) in everywhere {
        for dialect in Dialect::ALL {
            for statement in split(dialect, text).statements {
                assert_eq!(statement.kind, kind, "{dialect}: {}", &text[statement.range]);
            }
        }
    }
    let postgres = [
        (Select, "TABLE t; WITH a AS (SELECT 1) SEARCH DEPTH FIRST BY x SET y SELECT 1"),
        (CreateTable, "CREATE UNLOGGED TABLE t (a int); CREATE GLOBAL TEMP TABLE t AS SELECT 1"),
        (CreateView, "CREATE MATERIALIZED VIEW v AS SELECT 1; CREATE OR REPLACE RECURSIVE VIEW v (a) AS SELECT 1"),
        (CreateTrigger, "CREATE CONSTRAINT TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()"),
        (
            CreateFunction,
            "CREATE OR REPLACE FUNCTION f() RETURNS int RETURN 1; CREATE PROCEDURE p() LANGUAGE sql AS ''",
        ),
        (CreateType, "CREATE TYPE t AS ENUM ('a'); CREATE DOMAIN d AS int"),
        (
            CreateOther,
            "CREATE EVENT TRIGGER x ON sql_drop EXECUTE FUNCTION f(); CREATE SCHEMA s CREATE TABLE t (a int)",
        ),
        (
            CreateOther,
            "CREATE EXTENSION hstore; CREATE FOREIGN TABLE t (a int) SERVER s; CREATE SEQUENCE s; CREATE ROLE r",
        ),
        (AlterOther, "ALTER INDEX i RENAME TO j; ALTER TYPE t ADD VALUE 'b'"),
        (Truncate, "TRUNCATE t"),
        (Session, "SET a = 1; RESET a; DISCARD PLANS; SET TRANSACTION READ ONLY; SET LOCAL a = 1"),
        (Copy, "COPY t FROM 'file'; COPY t TO stdout"),
        (Do, "DO $$ BEGIN END $$"),
        (Maintenance, "VACUUM; ANALYZE t; REINDEX TABLE t; CLUSTER t"),
        (Transaction, "START TRANSACTION; END; ABORT; PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'"),
        (Other, "PREPARE q AS SELECT 1; MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE; LOCK TABLE t"),
        (
            Other,
            "WITH a AS (SELECT 1) MERGE INTO t USING a ON true WHEN MATCHED THEN DELETE; COMMENT ON TABLE t IS 'x'",
        ),
        (PsqlLine, "\\restrict x"),
    ];
    for (kind, text) in postgres {
        for statement in split(Postgres, text).statements {
            assert_eq!(statement.kind, kind, "{}", &text[statement.range]);
        }
    }
    for (kind, text) in [
        (CreateTable, "CREATE VIRTUAL TABLE t USING fts5(a)"),
        (CreateTrigger, "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"),
        (Pragma, "PRAGMA foreign_keys"),
        (Transaction, "END TRANSACTION"),
        (Maintenance, "VACUUM"),
    ] {
        assert_eq!(one(Sqlite, text).0, kind, "{text}");
    }
    for (kind, text) in [
        (CreateIndex, "CREATE FULLTEXT INDEX i ON t (a)"),
        (CreateView, "CREATE ALGORITHM = MERGE DEFINER = CURRENT_USER() SQL SECURITY DEFINER VIEW v AS SELECT 1"),
        (
            CreateTrigger,
            "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t AFTER DELETE ON a FOR EACH ROW CALL p() */",
        ),
        (CreateFunction, "CREATE DEFINER = a@localhost PROCEDURE p() SELECT 1"),
        (CreateOther, "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1"),
        (DropTable, "DROP TEMPORARY TABLE t"),
        (AlterTable, "ALTER ONLINE TABLE t ADD a INT"),
        (Session, "USE db"),
        (Session, "/*!40101 SET NAMES utf8 */"),
        (Maintenance, "OPTIMIZE TABLE t"),
        (Transaction, "XA START 'x'"),
        (Other, "START REPLICA"),
        (Other, "BEGIN NOT ATOMIC SELECT 1; END"),
        (ClientCommand, "DELIMITER //"),
    ] {
        assert_eq!(one(Mysql, text).0, kind, "{text}");
    }
}

#[test]
fn postgres_refuses_these_inside_a_transaction() {
    flags(
        Postgres,
        OUTSIDE,
        &[
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "CREATE UNIQUE INDEX /* a */ concurrently IF NOT EXISTS i ON t (a)",
            "DROP INDEX CONCURRENTLY IF EXISTS i",
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
            "REINDEX (CONCURRENTLY true) INDEX i",
            "REINDEX DATABASE d",
            "REINDEX (VERBOSE) SYSTEM d",
            "REINDEX SCHEMA s",
            "VACUUM",
            "VACUUM (ANALYZE) t",
            "CREATE DATABASE d",
            "DROP DATABASE IF EXISTS d",
            "ALTER DATABASE d SET TABLESPACE x",
            "CREATE TABLESPACE x LOCATION '/x'",
            "DROP TABLESPACE x",
            "ALTER SYSTEM SET a = 1",
            "CLUSTER",
            "CLUSTER VERBOSE",
            "CLUSTER (VERBOSE)",
            "ALTER TABLE IF EXISTS ONLY a.t DETACH PARTITION b.p CONCURRENTLY",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (copy_data = false)",
            "DROP SUBSCRIPTION s",
            "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
            "ALTER SUBSCRIPTION s ADD PUBLICATION p",
            "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = true)",
        ],
    );
    flags(Postgres, OUTSIDE.union(CODE), &["DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$"]);
    flags(Postgres, OUTSIDE.union(SESSION), &["DISCARD ALL"]);
    flags(Postgres, OUTSIDE.union(CONTROLS), &["COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'"]);
}

#[test]
fn postgres_allows_these_inside_a_transaction() {
    flags(
        Postgres,
        StatementFlags::NONE,
        &[
            "CREATE INDEX i ON t (concurrently)",
            "DROP INDEX i",
            "REINDEX TABLE t",
            "REINDEX (CONCURRENTLY false) TABLE t",
            "REINDEX (CONCURRENTLY = off, VERBOSE) TABLE t",
            "ANALYZE",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "ALTER TYPE t ADD VALUE 'a'",
            "ALTER DATABASE d SET work_mem = '1MB'",
            "ALTER DATABASE tablespace RENAME TO d",
            "ALTER TABLESPACE x RENAME TO y",
            "ALTER TABLE t SET TABLESPACE x",
            "ALTER TABLE t DETACH PARTITION p",
            "ALTER TABLE t DETACH PARTITION p FINALIZE",
            "CLUSTER t USING i",
            "CLUSTER (VERBOSE) t",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)",
            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = 'off', slot_name = NONE)",
            "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
            "ALTER SUBSCRIPTION s DISABLE",
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COMMIT; SET a = 1; END $$",
        ],
    );
    let text = "ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s;";
    assert!(split(Postgres, text).statements.iter().all(|statement| statement.flags == StatementFlags::NONE));
}

#[test]
fn statements_that_end_a_transaction_or_stay_inside() {
    for dialect in Dialect::ALL {
        flags(dialect, CONTROLS, &["BEGIN", "COMMIT", "ROLLBACK", "rollback work", "COMMIT AND CHAIN"]);
        flags(
            dialect,
            StatementFlags::NONE,
            &["SAVEPOINT a", "RELEASE a", "ROLLBACK TO a", "ROLLBACK TRANSACTION TO SAVEPOINT a", "SELECT 1 AS begin"],
        );
    }
    flags(Postgres, CONTROLS, &["START TRANSACTION READ ONLY", "END", "ABORT", "PREPARE TRANSACTION 'x'"]);
    flags(Postgres, StatementFlags::NONE, &["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END"]);
    flags(Sqlite, CONTROLS, &["END TRANSACTION", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE TRANSACTION"]);
    flags(Sqlite, StatementFlags::NONE, &["CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"]);
    flags(Mysql, CONTROLS, &["START TRANSACTION", "XA COMMIT 'x'"]);
}

#[test]
fn statements_that_change_the_postgres_session() {
    flags(
        Postgres,
        SESSION,
        &[
            "SET search_path = a",
            "SET SESSION a = 1",
            "SET ROLE x",
            "SET SESSION AUTHORIZATION x",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET local.a = 1",
            "RESET ALL",
            "DISCARD TEMP",
            "SELECT pg_catalog.set_config('search_path', '', false)",
            "SELECT Set_Config('a', b, c)",
            "SELECT set_config('a', 'b', true), set_config('a', abs(1), false)",
            "UPDATE t SET a = set_config('a', 'b', true AND false)",
            "LISTEN a",
            "UNLISTEN *",
            "LOAD 'auto_explain'",
            "PREPARE q (int) AS SELECT $1",
            "DEALLOCATE ALL",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "CREATE TEMP TABLE t (a int)",
            "CREATE LOCAL TEMPORARY TABLE t (a int) ON COMMIT DELETE ROWS",
            "CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
            "CREATE TEMP SEQUENCE s",
            "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
            "CREATE UNLOGGED TABLE IF NOT EXISTS pg_temp.t (a int)",
            "CREATE TYPE pg_temp.mood AS ENUM ('a')",
            "CREATE OR REPLACE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SELECT 1 AS a INTO TEMP t",
            "SELECT 1 AS a INTO pg_temp.t",
        ],
    );
    flags(
        Postgres,
        SESSION.union(CODE),
        &[
            "DO $$ BEGIN SET search_path = a; END $$",
            "DO LANGUAGE plpgsql $x$ BEGIN IF true THEN RESET a; END IF; END $x$",
            "DO $$ BEGIN PERFORM set_config('a', 'b', false); END $$",
            "DO $$ BEGIN EXECUTE 'SET ROLE ' || x; END $$",
            "DO 'BEGIN SET a = 1; END'",
        ],
    );
    flags(
        Postgres,
        StatementFlags::NONE,
        &[
            "SET LOCAL search_path = a",
            "SET CONSTRAINTS ALL DEFERRED",
            "SET TRANSACTION READ ONLY",
            "SELECT set_config('a', 'b', true)",
            "SELECT pg_catalog.set_config ('a', concat('b', 'c'), TRUE)",
            "SELECT 'set_config(a, b, false)', set_config FROM t",
            "CREATE FUNCTION f() RETURNS text RETURN set_config('a', 'b', false)",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a AS 'SELECT 1'",
            "ALTER ROLE x SET search_path = a",
            "UPDATE t SET a = 1",
            "NOTIFY a",
            "DECLARE c CURSOR FOR SELECT 1 AS with, 2 AS hold",
            "CREATE TABLE temp (a int)",
            "CREATE FUNCTION temp() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SELECT temp FROM t",
        ],
    );
    flags(
        Postgres,
        CODE,
        &[
            "DO $$ BEGIN CREATE TEMP TABLE t (a int) ON COMMIT DROP; END $$",
            "DO $$ BEGIN UPDATE t SET a = 1; ALTER TABLE t ALTER a SET NOT NULL; RAISE NOTICE 'set'; END $$",
            "DO $$ BEGIN SET LOCAL a = 1; PERFORM set_config('a', 'b', true); EXECUTE 'SET LOCAL a = 1'; END $$",
        ],
    );
}

#[test]
fn statements_that_run_user_code() {
    flags(
        Postgres,
        CODE,
        &[
            "CALL p()",
            "EXECUTE q (1)",
            "SELECT f()",
            "SELECT app.lower('A')",
            "SELECT \"Lower\"('A')",
            "SELECT 1 FROM t, g(t.a)",
            "SELECT pg_advisory_unlock_all()",
            "SELECT pg_catalog.pg_advisory_lock(1)",
            "WITH x (a) AS (SELECT f()) INSERT INTO t SELECT a FROM x",
            "INSERT INTO t (a) VALUES (lower('A')), (f(2))",
            "UPDATE t SET a = f /* a */ (a)",
            "DELETE FROM t WHERE f(a)",
            "MERGE INTO t USING u ON f(t.a) WHEN MATCHED THEN DELETE",
            "EXPLAIN ANALYZE SELECT f()",
            "ALTER TABLE t ALTER a TYPE text USING f(a)",
            "CREATE TABLE t AS SELECT f() AS a",
            "CREATE TABLE t AS EXECUTE q",
            "COPY (SELECT f()) TO '/x'",
        ],
    );
    flags(
        Postgres,
        StatementFlags::NONE,
        &[
            "SELECT lower('A'), PG_CATALOG.Now(), count(*) FILTER (WHERE a IN (1)) OVER (PARTITION BY b) FROM t",
            "SELECT CAST(a AS numeric(10, 2)), a::app.mood(3), f FROM t AS x (a, f) WHERE EXISTS (SELECT 1) AND (a) = ANY (b)",
            "INSERT INTO app.t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET (a, b) = (1, 2) RETURNING (a)",
            "INSERT INTO \"T\"(a) SELECT generate_series(1, 9)",
            "WITH x (a) AS MATERIALIZED (SELECT 1) SELECT a FROM x JOIN y USING (a)",
            "ALTER TABLE t ADD COLUMN a varchar(10) DEFAULT now() REFERENCES u (id) CHECK (a > 1)",
            "ALTER TABLE t ADD CONSTRAINT x FOREIGN KEY (a) REFERENCES app.u(id), ADD UNIQUE (b)",
            "CREATE TABLE t (a numeric(10, 2) DEFAULT f(), b int GENERATED ALWAYS AS (f(a)) STORED)",
            "CREATE TABLE t AS SELECT count(*) AS a FROM u",
            "CREATE INDEX i ON t (f(a))",
            "CREATE VIEW v AS SELECT f()",
            "COPY t (a, b) FROM '/x'",
            "GRANT EXECUTE ON FUNCTION f(int) TO x",
            "COMMENT ON FUNCTION f(int) IS 'x'",
        ],
    );
    flags(Mysql, CODE, &["CALL p()"]);
    assert_eq!(one(Postgres, "CALL p()").0, StatementKind::Call);
    assert_eq!(one(Sqlite, "CALL p()").0, StatementKind::Other);
}

#[test]
fn pragmas_of_sqlite() {
    flags(
        Sqlite,
        OUTSIDE.union(SESSION),
        &[
            "PRAGMA foreign_keys = ON",
            "pragma main.\"foreign_keys\"(0)",
            "PRAGMA journal_mode = wal",
            "PRAGMA synchronous = off",
        ],
    );
    flags(Sqlite, OUTSIDE, &["VACUUM", "VACUUM INTO 'x'", "PRAGMA wal_checkpoint(truncate)"]);
    flags(
        Sqlite,
        SESSION,
        &[
            "PRAGMA recursive_triggers = 1",
            "PRAGMA case_sensitive_like(1)",
            "PRAGMA legacy_alter_table = ON",
            "PRAGMA writable_schema = 1",
            "ATTACH 'x' AS y",
            "DETACH y",
            "CREATE TEMP TABLE t (a)",
            "CREATE TABLE temp.t (a)",
            "CREATE TEMPORARY TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TEMP VIEW v AS SELECT 1",
        ],
    );
    flags(
        Sqlite,
        StatementFlags::NONE,
        &[
            "PRAGMA foreign_keys",
            "PRAGMA journal_mode",
            "PRAGMA defer_foreign_keys = ON",
            "PRAGMA user_version = 3",
            "PRAGMA table_info(foreign_keys)",
            "PRAGMA foreign_key_check",
            "ANALYZE",
            "REINDEX t",
        ],
    );
}

#[test]
fn the_session_of_mysql() {
    flags(Mysql, SESSION, &["SET @a = 1", "SET NAMES utf8", "USE db", "/*!40101 SET NAMES utf8 */"]);
    flags(Mysql, StatementFlags::NONE, &["SET TRANSACTION READ ONLY", "CREATE TABLE t (a INT)", "OPTIMIZE TABLE t"]);
}

#[test]
fn data_and_lines_for_clients() {
    flags(Postgres, DATA, &["COPY t FROM stdin;\n1\n\\."]);
    flags(Postgres, StatementFlags::NONE, &["COPY t FROM 'x'", "COPY t (stdout) TO 'stdout'", "COPY t TO PROGRAM 'x'"]);
    let out = StatementFlags::COPY_OUT;
    flags(Postgres, out, &["COPY t TO stdout", "COPY (SELECT a FROM stdin) TO STDOUT (FORMAT csv)", "COPY t TO stdin"]);
    flags(Postgres, DATA.union(out), &["COPY t FROM stdout;\n1\n\\."]);
    flags(Postgres, CLIENT, &["\\connect db", "\\unrestrict x", "\\copy t to 'x'"]);
    flags(Postgres, CLIENT.union(DATA), &["\\copy t from stdin csv\n1\n\\."]);
    flags(Mysql, CLIENT, &["DELIMITER //"]);
}
