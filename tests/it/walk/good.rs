//! Good migrations that are easily mistaken for bad ones: each walk must pass, and no class of
//! differences is tolerated.

use std::sync::Mutex;

use lockgate::Dialect;
use lockgate_harness::__private::{MigrationTest, TestPart};
use lockgate_harness::{Db, Failure, Phase, TestResult};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

use super::{EMAIL, FILL, NO_USERS, Sql, USERS, caught, on_each, passes, tests};

on_each! {
    without_a_down_script_only_the_up_script_is_walked,
    a_migration_without_a_test_is_walked_all_the_same,
    rows_may_be_lost_if_the_test_declares_it,
    a_table_dropped_on_purpose_is_allowed,
    random_values_are_allowed,
    a_column_that_is_called_otherwise,
    a_table_that_is_called_otherwise,
    a_temporary_table_that_is_dropped_again,
    views_on_views,
    rows_that_come_and_go,
    an_object_created_if_missing,
    values_that_change_and_come_back,
    a_key_that_is_called_otherwise,
    a_table_that_gets_a_key,
    rows_that_are_kept_in_another_order,
}

/// On tables with rows, and with a test that checks nothing.
async fn goes_well(dialect: Dialect, up: &str, down: &str) {
    goes_well_with(Sql::default(), dialect, up, down).await;
}

/// The same, with the declarations of the test.
async fn goes_well_with(says: Sql, dialect: Dialect, up: &str, down: &str) {
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let fill = Sql { fill: FILL, ..says };
    passes(tests(&files, vec![fill.of(2)]), dialect, 2).await;
}

/// The migration changes cities, and its down script does not restore them.
const CITY: Sql =
    Sql { loses_values: &["users.city"], before: &[], after: &[], fill: &[], loses_rows: &[], changes_values: &[] };

/// The same on a database with this schema.
async fn goes_well_on(dialect: Dialect, before: &str, fill: &'static [&'static str], up: &str, down: &str) {
    let before = format!("-- lockgate: irreversible \"the ground\"\n{before}");
    let files = [("0001_ground.sql", &*before), ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let fill = Sql { fill, ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), dialect, 2).await;
}

async fn without_a_down_script_only_the_up_script_is_walked(dialect: Dialect) {
    let files = [USERS, NO_USERS, ("0002_x.sql", "-- lockgate: irreversible \"x\"\nCREATE TABLE x (id INTEGER);")];
    let walked = super::walk(tests(&files, vec![]), dialect, 2).await;
    let walked = walked.map(|walked| walked.unwrap_or_else(|problem| panic!("{problem}")));
    assert!(matches!(walked, None | Some(lockgate_harness::__private::WalkOutcome::Irreversible)), "{walked:?}");
}

async fn a_migration_without_a_test_is_walked_all_the_same(dialect: Dialect) {
    passes(tests(EMAIL, vec![]), dialect, 2).await;
    let migration_test =
        Sql { before: &["SELECT count(*) = 0 FROM lockgate_history WHERE version = 2"], fill: FILL, ..Sql::default() };
    passes(tests(EMAIL, vec![migration_test.of(2)]), dialect, 2).await;
    passes(tests(EMAIL, vec![migration_test.of(2)]), dialect, 1).await;
}

async fn rows_may_be_lost_if_the_test_declares_it(dialect: Dialect) {
    let files =
        [USERS, NO_USERS, ("0002_x.up.sql", "DELETE FROM users WHERE id = 2;"), ("0002_x.down.sql", "SELECT 1;")];
    let fill = Sql { fill: FILL, loses_rows: &["users"], ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), dialect, 2).await;
}

async fn a_table_dropped_on_purpose_is_allowed(dialect: Dialect) {
    let files = [USERS, NO_USERS, ("0002_x.up.sql", "DROP TABLE users;"), ("0002_x.down.sql", USERS.1)];
    let fill = Sql { fill: FILL, loses_rows: &["users"], ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), dialect, 2).await;
    // A table without rows, and a table whose rows were copied to another table.
    passes(tests(&files, vec![Sql { before: &[], ..Sql::default() }.of(2)]), dialect, 2).await;
    let up = "CREATE TABLE kept AS SELECT * FROM users;\nDROP TABLE users;";
    let down = format!("{}\nINSERT INTO users SELECT * FROM kept;\nDROP TABLE kept;", USERS.1);
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", &*down)];
    passes(tests(&files, vec![Sql { fill: FILL, ..Sql::default() }.of(2)]), dialect, 2).await;
    // Rows that the set itself inserts, in a set without tests that could declare the loss.
    let seeded = ("0001_create_users.up.sql", &*format!("{}\n{};", USERS.1, FILL[0]));
    let files = [seeded, NO_USERS, ("0002_x.up.sql", "DROP TABLE users;"), ("0002_x.down.sql", USERS.1)];
    passes(tests(&files, Vec::new()), dialect, 2).await;
}

/// Values that differ in every run are not reported.
async fn random_values_are_allowed(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_x.up.sql", "ALTER TABLE users ADD COLUMN chance DOUBLE PRECISION;\nUPDATE users SET chance = random();"),
        ("0002_x.down.sql", "ALTER TABLE users DROP COLUMN chance;"),
    ];
    let fill = Sql { fill: FILL, ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), dialect, 2).await;
}

#[tokio::test]
async fn the_current_date_is_allowed() {
    let up = "ALTER TABLE users ADD COLUMN joined DATE NOT NULL DEFAULT CURRENT_DATE;\n\
              ALTER TABLE users ADD COLUMN at TIMESTAMPTZ NOT NULL DEFAULT now();";
    let down = "ALTER TABLE users DROP COLUMN joined;\nALTER TABLE users DROP COLUMN at;";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let fill = Sql { fill: FILL, ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), Dialect::Postgres, 2).await;
}

async fn a_column_that_is_called_otherwise(dialect: Dialect) {
    let (up, down) = ("ALTER TABLE users RENAME COLUMN city TO town;", "ALTER TABLE users RENAME COLUMN town TO city;");
    goes_well(dialect, up, down).await;
}

async fn a_table_that_is_called_otherwise(dialect: Dialect) {
    goes_well(dialect, "ALTER TABLE users RENAME TO people;", "ALTER TABLE people RENAME TO users;").await;
}

async fn a_temporary_table_that_is_dropped_again(dialect: Dialect) {
    let up = "CREATE TEMPORARY TABLE kept AS SELECT id, city FROM users;\nALTER TABLE users DROP COLUMN name2;\n\
         DROP TABLE kept;";
    let before = "CREATE TABLE users (id INTEGER, city VARCHAR(40), name2 VARCHAR(40));";
    let down = "ALTER TABLE users ADD COLUMN name2 VARCHAR(40);";
    let before = format!("-- lockgate: irreversible \"the ground\"\n{before}");
    let files = [("0001_ground.sql", &*before), ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let fill = &["INSERT INTO users VALUES (1, 'Ulm', 'x')"];
    let says = Sql { fill, loses_values: &["users.name2"], ..Sql::default() };
    passes(tests(&files, vec![says.of(2)]), dialect, 2).await;
}

/// Dependent objects are dropped first and created again last.
async fn views_on_views(dialect: Dialect) {
    let before = "CREATE TABLE t (a INTEGER, b VARCHAR(9));\nCREATE VIEW v AS SELECT a, b FROM t;\n\
         CREATE VIEW w AS SELECT a FROM v WHERE a > 0;";
    let up = "DROP VIEW w;\nDROP VIEW v;\nALTER TABLE t ADD COLUMN c INTEGER;\n\
         CREATE VIEW v AS SELECT a, b, c FROM t;\nCREATE VIEW w AS SELECT a, c FROM v WHERE a > 0;";
    let down = "DROP VIEW w;\nDROP VIEW v;\nALTER TABLE t DROP COLUMN c;\n\
         CREATE VIEW v AS SELECT a, b FROM t;\nCREATE VIEW w AS SELECT a FROM v WHERE a > 0;";
    goes_well_on(dialect, before, &["INSERT INTO t VALUES (1, 'x'), (2, 'y')"], up, down).await;
}

async fn rows_that_come_and_go(dialect: Dialect) {
    let up = "INSERT INTO users (id, name) SELECT 7, 'Root' WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = 7);";
    goes_well(dialect, up, "DELETE FROM users WHERE id = 7;").await;
}

async fn an_object_created_if_missing(dialect: Dialect) {
    let up = "CREATE TABLE IF NOT EXISTS notes (id INTEGER);\nCREATE INDEX IF NOT EXISTS notes_id ON notes (id);";
    goes_well(dialect, up, "DROP TABLE IF EXISTS notes;").await;
}

async fn on_postgres(up: &str, down: &str) {
    goes_well(Dialect::Postgres, up, down).await;
}

#[tokio::test]
async fn a_setting_is_not_left() {
    on_postgres("SET work_mem = '64MB';", "SELECT 1;").await;
}

/// As in the first lines of a file of `pg_dump`.
#[tokio::test]
async fn a_search_path_that_is_emptied() {
    let up = "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.notes (id INT);";
    on_postgres(up, "DROP TABLE notes;").await;
}

#[tokio::test]
async fn a_search_path_for_one_migration() {
    let up = "CREATE SCHEMA app;\nSET LOCAL search_path = app, public;\nCREATE TABLE notes (id INT);\n\
         CREATE FUNCTION one() RETURNS INT LANGUAGE sql SET search_path = app AS 'SELECT 1';\n\
         ALTER TABLE users ADD COLUMN note INT;";
    on_postgres(up, "ALTER TABLE users DROP COLUMN note;\nDROP SCHEMA app CASCADE;").await;
}

/// A name without a schema means the same in both sessions, whatever it is the name of.
#[tokio::test]
async fn names_without_a_schema() {
    let up = "CREATE TYPE mood AS ENUM ('sad', 'happy');\nCREATE SEQUENCE numbers;\n\
         CREATE TABLE notes (id BIGINT DEFAULT nextval('numbers'), mood mood, by INTEGER REFERENCES users);\n\
         CREATE VIEW sad AS SELECT * FROM notes WHERE mood = 'sad';\nCREATE EXTENSION IF NOT EXISTS pg_trgm;\n\
         CREATE FUNCTION notes() RETURNS SETOF notes LANGUAGE sql AS 'SELECT * FROM notes';\n\
         DO $$ BEGIN EXECUTE format('CREATE TABLE %I.more (id INT)', current_schema()); END $$;\n\
         UPDATE users SET city = to_regclass('notes')::text;";
    let down = "DROP FUNCTION notes;\nDROP EXTENSION pg_trgm;\nDROP VIEW sad;\nDROP TABLE notes, more;\n\
         DROP SEQUENCE numbers;\nDROP TYPE mood;";
    goes_well_with(CITY, Dialect::Postgres, up, down).await;
}

#[tokio::test]
async fn the_current_time_and_chance_in_rows() {
    let up = "CREATE TABLE visits (id BIGSERIAL PRIMARY KEY, by INTEGER, at TIMESTAMPTZ, token UUID);\n\
         INSERT INTO visits (by, at, token) SELECT id, now() - random() * INTERVAL '1 day', gen_random_uuid() FROM users;\n\
         UPDATE users SET city = to_char(clock_timestamp(), 'US');";
    goes_well_with(CITY, Dialect::Postgres, up, "DROP TABLE visits;").await;
}

/// A value cannot be removed from an enum, so the down script replaces the type with another one.
#[tokio::test]
async fn an_enum_that_is_made_again() {
    let before = "CREATE TYPE mood AS ENUM ('sad', 'happy');\n\
         CREATE TABLE notes (id INT, mood mood NOT NULL DEFAULT 'happy');\nCREATE INDEX notes_mood ON notes (mood);";
    let fill = &["INSERT INTO notes VALUES (1, 'sad'), (2, DEFAULT)"];
    let down = "ALTER TYPE mood RENAME TO mood_old;\nCREATE TYPE mood AS ENUM ('sad', 'happy');\n\
         ALTER TABLE notes ALTER COLUMN mood DROP DEFAULT;\n\
         ALTER TABLE notes ALTER COLUMN mood TYPE mood USING (CASE mood::text WHEN 'ok' THEN 'sad' ELSE mood::text END)::mood;\n\
         ALTER TABLE notes ALTER COLUMN mood SET DEFAULT 'happy';\nDROP TYPE mood_old;";
    goes_well_on(Dialect::Postgres, before, fill, "ALTER TYPE mood ADD VALUE 'ok' AFTER 'sad';", down).await;
}

#[tokio::test]
async fn an_index_made_concurrently() {
    let up = "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY users_both ON users (name, city);";
    on_postgres(up, "-- lockgate: no-transaction\nDROP INDEX CONCURRENTLY users_both;").await;
}

const EVENTS: &str = "CREATE TABLE events (at DATE NOT NULL, what TEXT) PARTITION BY RANGE (at);\n\
     CREATE INDEX events_what ON events (what);\n\
     CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');\n\
     CREATE TABLE events_rest PARTITION OF events DEFAULT;";
const TWO_EVENTS: &[&str] = &["INSERT INTO events VALUES ('2020-02-03', 'x'), ('2022-02-03', 'y')"];

/// The dates mean the same whatever the session's style of writing them is.
#[tokio::test]
async fn a_partition_that_comes_and_goes() {
    let up = "CREATE TABLE events_2021 PARTITION OF events FOR VALUES FROM ('2021-01-02') TO ('2022-01-02');";
    goes_well_on(Dialect::Postgres, EVENTS, TWO_EVENTS, up, "DROP TABLE events_2021;").await;
}

#[tokio::test]
async fn a_partition_that_is_detached_and_attached() {
    let up = "ALTER TABLE events DETACH PARTITION events_2020;";
    let down = "ALTER TABLE events ATTACH PARTITION events_2020 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');";
    // Meanwhile its rows are not rows of the parent, and the test must declare that.
    let before = format!("-- lockgate: irreversible \"the ground\"\n{EVENTS}");
    let files = [("0001_ground.sql", &*before), ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let fill = Sql { fill: TWO_EVENTS, ..Sql::default() };
    caught(tests(&files, vec![fill.of(2)]), Dialect::Postgres, 2, Phase::RowsAfterApply, &["`events` had 2"]).await;
    let fill = Sql { loses_rows: &["events"], ..fill };
    passes(tests(&files, vec![fill.of(2)]), Dialect::Postgres, 2).await;
}

#[tokio::test]
async fn a_serial_and_an_identity() {
    let up = "CREATE TABLE notes (id BIGSERIAL PRIMARY KEY, number INT GENERATED ALWAYS AS IDENTITY (START 100));\n\
         INSERT INTO notes SELECT FROM users;\nSELECT setval('notes_id_seq', 50);\n\
         ALTER TABLE users ADD COLUMN serial SERIAL;";
    on_postgres(up, "ALTER TABLE users DROP COLUMN serial;\nDROP TABLE notes;").await;
}

/// Privileges, comments, a trigger and its function, all of which the down script creates again.
#[tokio::test]
async fn a_table_with_everything_on_it() {
    let made = "CREATE TABLE notes (id INT GENERATED ALWAYS AS IDENTITY, owner TEXT NOT NULL DEFAULT current_user, at DATE,\n    \
         CONSTRAINT notes_once EXCLUDE USING btree (id WITH =));\n\
         COMMENT ON TABLE notes IS 'it''s | all\nof it';\nCOMMENT ON CONSTRAINT notes_once ON notes IS 'once';\n\
         GRANT SELECT, UPDATE (at) ON notes TO pg_monitor;\nALTER TABLE notes ENABLE ROW LEVEL SECURITY;\n\
         CREATE POLICY own ON notes TO pg_monitor USING (owner = current_user);\n\
         CREATE FUNCTION stamp() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN NEW.at = now(); RETURN NEW; END';\n\
         CREATE TRIGGER stamped BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION stamp();\n\
         ALTER TABLE notes OWNER TO pg_monitor;";
    let dropped = "DROP TABLE notes;\nDROP FUNCTION stamp;";
    on_postgres(made, dropped).await;
    goes_well_on(Dialect::Postgres, made, &[], dropped, made).await;
}

#[tokio::test]
async fn a_column_s_type_there_and_back() {
    let up = "ALTER TABLE users ALTER COLUMN name TYPE TEXT, ALTER COLUMN city DROP DEFAULT;";
    let down = "ALTER TABLE users ALTER COLUMN name TYPE VARCHAR(40), ALTER COLUMN city SET DEFAULT 'Ulm';";
    on_postgres(up, down).await;
}

#[tokio::test]
async fn a_constraint_in_two_steps() {
    let up = "ALTER TABLE users ADD CONSTRAINT users_named CHECK (name <> '') NOT VALID;\n\
         ALTER TABLE users VALIDATE CONSTRAINT users_named;";
    on_postgres(up, "ALTER TABLE users DROP CONSTRAINT users_named;").await;
}

#[tokio::test]
async fn a_table_that_moves_to_another_schema() {
    let up = "CREATE SCHEMA app;\nALTER TABLE users SET SCHEMA app;";
    on_postgres(up, "ALTER TABLE app.users SET SCHEMA public;\nDROP SCHEMA app;").await;
}

#[tokio::test]
async fn a_lock_that_ends_with_the_transaction() {
    let up = "SET LOCAL lock_timeout = '5s';\nSELECT pg_advisory_xact_lock(7);\nLOCK TABLE users;\n\
         CREATE TEMPORARY TABLE scratch ON COMMIT DROP AS SELECT * FROM users;";
    on_postgres(up, "SELECT 1;").await;
}

#[tokio::test]
async fn data_in_the_script() {
    let up = "CREATE TABLE countries (code TEXT, name TEXT);\nCOPY countries (code, name) FROM stdin;\n\
         at\tAustria\nde\tGermany\n\\.\n";
    let down = ("0001_x.down.sql", "DROP TABLE countries;");
    let files = [("migrations.toml", "dialects = [\"postgres\"]\n"), ("0001_x.up.sql", up), down];
    passes(tests(&files, vec![]), Dialect::Postgres, 1).await;
}

/// The twelve steps of SQLite's manual. The referring tables keep their rows, because no key is enforced meanwhile.
#[tokio::test]
async fn a_rebuilt_table() {
    let before = "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT);\nCREATE INDEX t_b ON t (b);\n\
         CREATE TABLE child (t INTEGER REFERENCES t (a) ON DELETE CASCADE);\nCREATE VIEW v AS SELECT b FROM t;\n\
         CREATE TRIGGER t_gone AFTER DELETE ON t BEGIN DELETE FROM child WHERE t = OLD.a; END;";
    let anew = |columns: &str| {
        format!(
            "-- lockgate: foreign-keys off\nDROP VIEW v;\n\
             CREATE TABLE new (a INTEGER PRIMARY KEY AUTOINCREMENT, {columns});\n\
             INSERT INTO new (a, b) SELECT a, b FROM t;\nDROP TABLE t;\nALTER TABLE new RENAME TO t;\n\
             CREATE INDEX t_b ON t (b);\nCREATE VIEW v AS SELECT b FROM t;\n\
             CREATE TRIGGER t_gone AFTER DELETE ON t BEGIN DELETE FROM child WHERE t = OLD.a; END;\n\
             PRAGMA foreign_key_check;"
        )
    };
    let fill = &["INSERT INTO t (b) VALUES ('x'), ('y')", "INSERT INTO child VALUES (1), (2), (2)"];
    let (up, down) = (anew("b TEXT NOT NULL, c INTEGER DEFAULT 7"), anew("b TEXT"));
    goes_well_on(Dialect::Sqlite, before, fill, &up, &down).await;
}

/// Quotes, case, spaces and comments are not the schema.
#[tokio::test]
async fn a_table_that_is_written_otherwise() {
    let before = "CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(9) DEFAULT 'x' CHECK (b <> ''), c);";
    let down = "CREATE TABLE \"t\" ( -- as it was\n  [a] integer primary key,\n  `b` varchar ( 9 ) default 'x' check(b<>''),\n  c\n);";
    goes_well_on(Dialect::Sqlite, before, &[], "DROP TABLE t;", down).await;
}

#[tokio::test]
async fn tables_of_every_kind() {
    let up = "CREATE TABLE s (a INTEGER PRIMARY KEY, b ANY) STRICT, WITHOUT ROWID;\n\
         CREATE TABLE g (a INTEGER, b INTEGER AS (a * 2) STORED, c INTEGER AS (a * 3));\n\
         CREATE UNIQUE INDEX g_b ON g (b DESC, lower(c)) WHERE a > 0;\n\
         CREATE VIRTUAL TABLE words USING fts5(word);\nINSERT INTO words VALUES ('one'), ('two');";
    goes_well(Dialect::Sqlite, up, "DROP TABLE words;\nDROP TABLE g;\nDROP TABLE s;").await;
}

/// Every city changes, and every old value is restored.
async fn values_that_change_and_come_back(dialect: Dialect) {
    let says = Sql { changes_values: &["users.city"], ..Sql::default() };
    let (up, down) = ("UPDATE users SET city = city || '!';", "UPDATE users SET city = 'Ulm' WHERE city = 'Ulm!';");
    goes_well_with(says, dialect, up, down).await;
}

async fn a_key_that_is_called_otherwise(dialect: Dialect) {
    let up = "ALTER TABLE users RENAME COLUMN id TO number;\nINSERT INTO users (number, name) VALUES (7, 'Root');";
    let down = "DELETE FROM users WHERE number = 7;\nALTER TABLE users RENAME COLUMN number TO id;";
    goes_well(dialect, up, down).await;
}

async fn a_table_that_gets_a_key(dialect: Dialect) {
    let before = "CREATE TABLE t (a INTEGER, b VARCHAR(9));";
    let fill = &["INSERT INTO t VALUES (3, 'x'), (2, NULL), (1, 'x')"];
    let up = "CREATE TABLE new (a INTEGER NOT NULL PRIMARY KEY, b VARCHAR(9), c INTEGER);\n\
         INSERT INTO new SELECT a, b, 7 FROM t;\nINSERT INTO new VALUES (9, 'x', 7);\nDROP TABLE t;\nALTER TABLE new RENAME TO t;";
    let down = "CREATE TABLE new (a INTEGER, b VARCHAR(9));\nINSERT INTO new SELECT a, b FROM t WHERE a < 9 ORDER BY a;\n\
         DROP TABLE t;\nALTER TABLE new RENAME TO t;";
    goes_well_on(dialect, before, fill, up, down).await;
}

async fn rows_that_are_kept_in_another_order(dialect: Dialect) {
    let before = "CREATE TABLE t (a INTEGER, b VARCHAR(9));";
    let fill = &["INSERT INTO t VALUES (1, 'x'), (2, NULL), (1, 'x'), (3, '')"];
    let anew = |order: &str| {
        format!(
            "CREATE TABLE new (a INTEGER, b VARCHAR(9));\nINSERT INTO new SELECT a, b FROM t ORDER BY a {order};\n\
             DROP TABLE t;\nALTER TABLE new RENAME TO t;"
        )
    };
    goes_well_on(dialect, before, fill, &anew("DESC"), &anew("ASC")).await;
}

/// A value in a wider type is the same value, even if it is written differently.
#[tokio::test]
async fn types_there_and_back() {
    let before = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c VARCHAR(9), d TIMESTAMP, e TEXT, f BOOLEAN,\n\
         g TEXT, h INTEGER GENERATED ALWAYS AS (a * 2) STORED);";
    let fill = &["INSERT INTO t VALUES (1, 7, 7, 'x', '2020-01-02', '{\"a\":1}', true, '2020-01-02T00:00:00Z')"];
    let up = "SET LOCAL TimeZone = 'UTC';\nALTER TABLE t DROP COLUMN h, ALTER a TYPE BIGINT, ALTER b TYPE NUMERIC(10,2), ALTER c TYPE TEXT,\n\
         ALTER d TYPE TIMESTAMPTZ, ALTER e TYPE JSONB USING e::jsonb, ALTER f TYPE INTEGER USING f::int, ALTER g TYPE TIMESTAMPTZ USING g::timestamptz,\n\
         ALTER id TYPE TEXT;\nALTER TABLE t ADD h INTEGER GENERATED ALWAYS AS (a * 3) STORED;";
    let down = "SET LOCAL TimeZone = 'UTC';\nALTER TABLE t DROP COLUMN h, ALTER a TYPE INTEGER, ALTER b TYPE INTEGER, ALTER c TYPE VARCHAR(9),\n\
         ALTER d TYPE TIMESTAMP, ALTER e TYPE TEXT USING replace(e::text, ' ', ''), ALTER f TYPE BOOLEAN USING f::boolean,\n\
         ALTER g TYPE TEXT USING to_char(g, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), ALTER id TYPE INTEGER USING id::int;\n\
         ALTER TABLE t ADD h INTEGER GENERATED ALWAYS AS (a * 2) STORED;";
    goes_well_on(Dialect::Postgres, before, fill, up, down).await;
}

#[tokio::test]
async fn affinities_there_and_back() {
    let before = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c INTEGER AS (a + 1));";
    let fill = &["INSERT INTO t VALUES (1, 7, '2'), (2, NULL, 'x')"];
    let anew = |columns: &str| {
        format!(
            "CREATE TABLE new (id INTEGER PRIMARY KEY, {columns});\nINSERT INTO new SELECT id, a, b FROM t;\n\
             DROP TABLE t;\nALTER TABLE new RENAME TO t;"
        )
    };
    let (up, down) = (anew("a TEXT, b NUMERIC, c INTEGER AS (a + 2)"), anew("a INTEGER, b TEXT, c INTEGER AS (a + 1)"));
    goes_well_on(Dialect::Sqlite, before, fill, &up, &down).await;
}

/// A table with this many columns and no key is queried in pieces.
#[tokio::test]
async fn a_wide_table_without_a_key() {
    let columns: Vec<String> = (0..300).map(|n| format!("a_column_with_a_long_name_{n} INTEGER DEFAULT {n}")).collect();
    let before = format!("CREATE TABLE wide ({});", columns.join(", "));
    let (up, down) = ("ALTER TABLE wide ADD COLUMN x INTEGER;", "ALTER TABLE wide DROP COLUMN x;");
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        goes_well_on(dialect, &before, &["INSERT INTO wide DEFAULT VALUES"], up, down).await;
    }
}

/// The internal tables of a virtual table do not count: SQLite merges them, and then they have fewer rows.
#[tokio::test]
async fn full_text_and_boxes_keep_tables_of_their_own() {
    let before = "CREATE VIRTUAL TABLE docs USING fts5(body);\nINSERT INTO docs VALUES ('one two');\n\
         CREATE VIRTUAL TABLE old USING fts4(body);\nINSERT INTO old VALUES ('one two');\n\
         CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);\nINSERT INTO boxes VALUES (1, 0.5, 2);";
    let fill = &[
        "INSERT INTO docs VALUES ('two three'), ('three')",
        "INSERT INTO old VALUES ('two three'), ('three')",
        "INSERT INTO boxes VALUES (2, 1, 2)",
    ];
    let up = "INSERT INTO docs(docs) VALUES ('optimize');\nINSERT INTO old(old) VALUES ('optimize');";
    goes_well_on(Dialect::Sqlite, before, fill, up, "SELECT 1;").await;
}

/// The rows of a foreign table cannot be counted if its server does not answer. This wrapper has no server at all.
const ELSEWHERE: &str = "CREATE FOREIGN DATA WRAPPER nothing;\nCREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;\n\
     CREATE FOREIGN TABLE remote (id INTEGER) SERVER nowhere;\n\
     CREATE TABLE parted (id INTEGER) PARTITION BY LIST (id);\n\
     CREATE FOREIGN TABLE part PARTITION OF parted FOR VALUES IN (1) SERVER nowhere;\nCREATE TABLE near (id INTEGER);";

#[tokio::test]
async fn a_foreign_table_is_not_counted() {
    let (up, down) = ("ALTER TABLE near ADD COLUMN x INTEGER;", "ALTER TABLE near DROP COLUMN x;");
    goes_well_on(Dialect::Postgres, ELSEWHERE, &["INSERT INTO near VALUES (1)"], up, down).await;
}

/// Other sessions have temporary tables, which only they can count, and which go with them.
#[tokio::test]
async fn a_temporary_table_of_another_session() {
    static OTHER: Mutex<Option<PgConnection>> = Mutex::new(None);
    async fn fill(db: &mut Db) -> TestResult {
        let here: String = db.value("SELECT current_database()").await?;
        let server = lockgate_harness::Throwaway::empty(Dialect::Postgres)
            .await?
            .ok_or_else(|| Failure::new("there was one"))?;
        let options: PgConnectOptions = server.url().parse()?;
        let mut other = PgConnection::connect_with(&options.database(&here)).await?;
        // A table without rows gives the server no reason to refuse.
        other.execute("CREATE TEMPORARY TABLE scratch (id INTEGER); INSERT INTO scratch VALUES (1)").await?;
        *OTHER.lock().expect("nobody panics with it") = Some(other);
        db.execute("INSERT INTO users (id, name) VALUES (1, 'Ada')").await.map(drop)
    }
    let migration_test = MigrationTest { fill: Some(TestPart::Rust(|db| Box::pin(fill(db)))), ..Sql::default().of(2) };
    passes(tests(EMAIL, vec![migration_test]), Dialect::Postgres, 2).await;
    let other = OTHER.lock().expect("nobody panics with it").take();
    if let Some(other) = other {
        other.close().await.expect("it is still there");
    }
}

/// The default partition gives its rows to the new one: the table has them all.
#[tokio::test]
async fn rows_that_move_to_another_partition() {
    let up = "WITH moved AS (DELETE FROM events_rest RETURNING *) SELECT 1;\n\
         CREATE TABLE events_2022 PARTITION OF events FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');\n\
         INSERT INTO events VALUES ('2022-02-03', 'y');";
    let down = "DROP TABLE events_2022;\nINSERT INTO events VALUES ('2022-02-03', 'y');";
    goes_well_on(Dialect::Postgres, EVENTS, TWO_EVENTS, up, down).await;
}
