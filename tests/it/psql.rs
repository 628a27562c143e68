//! psql's variables and commands in scripts, on real servers: against psql itself, where it is installed.

use std::path::Path;
use std::sync::{Arc, Mutex};

use lockgate::{Atomicity, Database, ErrorKind, Event, Migrations, Migrator, read_schema};
use lockgate_harness::server::{Options, Postgres};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::copy::LIBRARY;
use crate::faults::reports;
use crate::support::database::Db;
use crate::support::postgres::{self, client};
use crate::support::set::migrations;

const POSTGRES: (&str, &str) = ("migrations.toml", "dialects = [\"postgres\"]\n");

fn set(files: &[(&str, &str)]) -> &'static Migrations {
    migrations(&[&[POSTGRES], files].concat())
}

fn events(migrator: Migrator) -> (Migrator, Arc<Mutex<Vec<Event>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    (migrator.on_event(move |event| hears.lock().unwrap().push(event.clone())), heard)
}

/// What the scripts said with `\echo`.
fn echoes(heard: &Mutex<Vec<Event>>) -> Vec<String> {
    let output = |event: &Event| match event {
        Event::Echo { id, text } => Some(format!("{id}: {text}")),
        _ => None,
    };
    heard.lock().unwrap().iter().filter_map(output).collect()
}

const PASSWORDS: [&str; 9] = [
    "a b  c ",
    "***",
    "it's",
    "\"quoted\"",
    "back\\slash\\'",
    "line\nbreak",
    ":'other' :x $$ ; -- /*",
    "größe 🚢",
    "'; DROP TABLE users; --",
];

async fn login(server: &Postgres, user: &str, password: &str) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::new().host("127.0.0.1").port(server.port()).database("postgres");
    PgConnection::connect_with(&options.username(user).password(password)).await
}

#[tokio::test]
async fn a_first_password_survives_whatever_is_in_it() {
    let Some(server) = postgres::cluster(&Options::default()) else { return };
    let script = "-- lockgate: psql
-- lockgate: variable name
-- lockgate: variable password
CREATE ROLE :\"name\" LOGIN PASSWORD :'password';
";
    for (index, password) in PASSWORDS.into_iter().enumerate() {
        let name = format!("writer \"{index}\"");
        let mut database = Database::connect(&server.url("postgres")).await.unwrap();
        let migrator = Migrator::new(set(&[("0001_role.sql", script)]))
            .set_name(format!("set{index}"))
            .psql_variable("name", &name)
            .psql_variable("password", password);
        migrator.apply(&mut database).await.unwrap_or_else(|error| panic!("{password:?}: {error:?}"));
        login(&server, &name, password).await.unwrap_or_else(|error| panic!("{password:?}: {error}"));
        login(&server, &name, "another").await.unwrap_err();
    }
}

/// The checksum is that of the text: a new password does not make the script run again.
#[tokio::test]
async fn a_repeatable_role_has_its_password_from_a_variable() {
    let Some(server) = postgres::cluster(&Options::default()) else { return };
    let script = "-- lockgate: psql
-- lockgate: variable password
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'repeated') THEN CREATE ROLE repeated LOGIN; END IF; END $$;
ALTER ROLE repeated PASSWORD :'password';
";
    let grants = "GRANT pg_monitor TO repeated;\n";
    let all = set(&[("R__users.sql", script), ("R__grants.sql", grants)]);
    let mut database = Database::connect(&server.url("postgres")).await.unwrap();
    let with = |password: &str| Migrator::new(all).psql_variable("password", password);
    let report = with("first").apply(&mut database).await.unwrap();
    assert_eq!(report.steps.iter().map(|step| &*step.id).collect::<Vec<_>>(), ["R__users", "R__grants"]);
    login(&server, "repeated", "first").await.unwrap();
    assert!(with("second").apply(&mut database).await.unwrap().is_empty());
    login(&server, "repeated", "first").await.unwrap();
    let forget = lockgate::Repair::Forget(lockgate::Version::of_name("R__users"));
    with("second").repair(&mut database, forget).await.unwrap();
    assert_eq!(with("second").apply(&mut database).await.unwrap().steps.len(), 1);
    login(&server, "repeated", "second").await.unwrap();
    let log = with("x").log(&mut database, 100).await.unwrap();
    assert!(!format!("{log:?}").contains("second"), "{log:?}");
}

const ALL: &str = "\
-- lockgate: psql
-- lockgate: variable owner
-- lockgate: variable rows
\\set ON_ERROR_STOP on
\\getenv package CARGO_PKG_NAME
\\set table notes :owner
\\set greeting 'it''s ' :package
\\echo creating :table for :owner
CREATE TABLE :\"table\" (id integer, note text, tags integer[]);
INSERT INTO :\"table\" VALUES (:rows, :'greeting', ARRAY[1, 2, 3]);
\\if :{?missing}
SELECT nonsense;
COPY nothing FROM stdin;
1
\\.
\\set branch first
\\elif :{?owner}
\\set branch second
COPY :\"table\" (id, note) FROM stdin;
7\t:'owner' \\\\set :owner
\\.
  \\if off
  DROP TABLE :\"table\";
  \\else
UPDATE :\"table\" SET tags = tags[2:n] FROM (VALUES (3)) AS v (n) WHERE id = 1;
  \\endif
\\else
\\set branch third
\\endif
\\i parts/view.psql
\\echo -n 'branch ' :branch
";

const VIEW: (&str, &str) = (
    "parts/view.psql",
    "CREATE VIEW v AS SELECT id::text || ' ' || note || coalesce(' ' || array_to_string(tags, ','), '') AS line FROM :\"table\";",
);

#[tokio::test]
async fn variables_conditions_messages_and_includes_work_as_in_psql() {
    for (each, atomicity) in
        [(false, Atomicity::PerMigration), (true, Atomicity::PerMigration), (false, Atomicity::WholeRun)]
    {
        let Some(db) = Db::postgres() else { return };
        let set = set(&[("0001_a.sql", "SELECT 1;"), ("0002_b.sql", ALL), ("0003_c.sql", "CREATE TABLE c ();"), VIEW]);
        let migrator = Migrator::new(set).atomicity(atomicity).psql_variable("owner", "app").psql_variable("rows", "1");
        let (migrator, heard) = events(if each { migrator.each_statement() } else { migrator });
        let mut database = db.open().await;
        let report = migrator.apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(report.steps.len(), 3);
        assert_eq!(
            db.texts("SELECT line FROM v ORDER BY line").await,
            ["1 it's lockgate-tests 2,3", "7 :'owner' \\set :owner"]
        );
        assert_eq!(
            echoes(&heard),
            ["0002_b: creating :table for :owner", "0002_b: branch  second"],
            "values from outside are not shown"
        );
        assert_eq!(db.objects().await, ["c", "notesapp", "v"]);
        assert!(migrator.apply(&mut database).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn outside_a_transaction_each_statement_has_its_values() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: psql
-- lockgate: no-transaction
-- lockgate: variable table
CREATE TABLE :\"table\" (id integer);
\\if off
DROP TABLE :\"table\";
\\endif
\\echo now the index
CREATE INDEX CONCURRENTLY i ON :\"table\" (id);
SET search_path = :'table', public;
\\echo and now an error
SELECT 1 / :zero;
"
    .replace(":zero", "(SELECT count(*) FROM t)");
    let set = set(&[("0001_a.sql", &script)]);
    let (migrator, heard) = events(Migrator::new(set).psql_variable("table", "t"));
    let mut database = db.open().await;
    let error = migrator.apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["failed at statement 9 of 9", "0001_a.sql:12:1", "division by zero"]);
    assert_eq!(echoes(&heard), ["0001_a: now the index", "0001_a: and now an error"]);
    db.execute("INSERT INTO t VALUES (1)").await;
    migrator.apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(db.history().await, ["1:applied"]);
    assert_eq!(
        echoes(&heard),
        ["0001_a: now the index", "0001_a: and now an error", "0001_a: and now an error"],
        "again before the statement that runs again"
    );
}

#[tokio::test]
async fn a_variable_at_the_beginning_of_a_statement_is_written_as_in_psql() {
    let script = "-- lockgate: psql
\\set delete 'SELECT * '
\\set commit 'INSERT INTO n VALUES '
\\set end 'VALUES (1)'
:delete FROM n;
:commit(2);-- a comment
/* another */:end;
\\i part.psql
:commit(4)
";
    let down = "-- lockgate: psql\n-- lockgate: variable drop\n:drop FROM n WHERE id > 1;\n";
    for head in ["", "-- lockgate: no-transaction\n"] {
        let Some(db) = Db::postgres() else { return };
        db.execute("CREATE TABLE n AS SELECT 1 AS id").await;
        let script = format!("{head}{script}");
        let down = format!("{head}{down}");
        let files = [("0001_a.sql", script.as_str()), ("0001_a.down.sql", &down), ("part.psql", ":commit(3);\n:end;")];
        let migrator = Migrator::new(set(&files)).psql_variable("drop", "DELETE");
        let mut database = db.open().await;
        migrator.apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(db.texts("SELECT id::text FROM n ORDER BY id").await, ["1", "2", "3", "4"], "{head}");
        migrator.revert(&mut database, lockgate::DownTo::Steps(1)).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(db.texts("SELECT id::text FROM n").await, ["1"], "{head}");
    }
    for value in ["COMMIT", " commit and chain", "Prepare\tTransaction 'x'", "BEGIN"] {
        let script = "-- lockgate: psql\n-- lockgate: variable v\nSELECT 1;\n:v;\n";
        let migrator = Migrator::new(set(&[("0001_b.sql", script)])).psql_variable("v", value);
        let error = migrator.apply(&mut Db::postgres().unwrap().open().await).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Usage,
            &["`v` in `0001_b`", "begins or ends a transaction", "0001_b.sql:4:1", "nothing was changed"],
        );
    }
}

#[tokio::test]
async fn an_error_names_the_line_of_the_file_and_never_the_value() {
    let Some(db) = Db::postgres() else { return };
    let secret = "hunter2 'x\\";
    let head = "-- lockgate: psql\n-- lockgate: variable secret\n-- lockgate: variable plain\n";
    for (script, part, place, says) in [
        // Before and after a value in its line, in the script and in the included file.
        ("SELECT :'secret', nope;\n", "", "0001_a.sql:4:19", "column \"nope\" does not exist"),
        ("SELECT 1;\n\\i part.psql\n", "SELECT 2;\nSELECT ö, :'secret', 1;\n", "part.psql:2:8", "column \"ö\""),
        ("\\ir part.psql\nSELECT 2;\nSELECT :'secret', nope;\n", "SELECT 1;\n", "0001_a.sql:6:19", "column \"nope\""),
        ("SELECT :'secret'::integer;\n", "", "0001_a.sql:4:8", "invalid input syntax for type integer: \":'secret'\""),
        ("SELECT 1 + :plain x y;\n", "", "0001_a.sql:4:21", "syntax error at or near \"y\""),
        ("SELECT 1 + :plain;\n", "", "0001_a.sql:4:12", "column \":plain\" does not exist"),
        (
            "DO $$ BEGIN RAISE 'x' ; END $$;\nCREATE FUNCTION f(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE \
             EXCEPTION USING MESSAGE = 'm ' || $1, DETAIL = 'd ' || $1, HINT = 'h ' || $1; END $$;\nSELECT f(:'secret');\n",
            "",
            "0001_a.sql:4:1",
            "x",
        ),
        (
            "CREATE FUNCTION f(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'm ' || $1, \
             DETAIL = 'd ' || $1, HINT = 'h ' || $1; END $$;\nSELECT f(:'secret');\n",
            "",
            "0001_a.sql:5:1",
            "m :'secret'",
        ),
        ("CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n:'secret'\n\\.\n", "", "0001_a.sql:7:1", "\":'secret'\""),
        ("SELECT 1", "", "", ""),
    ] {
        let (script, part) = (format!("{head}{script}"), if part.is_empty() { "SELECT 0;" } else { part });
        let uses_part = script.contains("part.psql");
        let files: &[(&str, &str)] = &[("0001_a.sql", &script), ("part.psql", part)];
        let set = set(if uses_part { files } else { &files[..1] });
        for each in [false, true] {
            let migrator = Migrator::new(set).psql_variable("secret", secret).psql_variable("plain", "hunter2");
            let (migrator, heard) = events(if each { migrator.each_statement() } else { migrator });
            let mut database = db.open().await;
            let result = migrator.apply(&mut database).await;
            if place.is_empty() {
                result.unwrap();
                continue;
            }
            let error = result.unwrap_err();
            reports(&error, ErrorKind::Failed, &[place, says]);
            let log = db.texts("SELECT to_jsonb(l)::text FROM lockgate_log l").await;
            let heard = format!("{:?}", heard.lock().unwrap());
            for shown in [format!("{error:?}"), error.to_string(), log.join("\n"), heard, format!("{migrator:?}")] {
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn a_variable_without_a_value_stops_the_run_before_anything_is_changed() {
    let Some(db) = Db::postgres() else { return };
    let before = ("0001_a.sql", "CREATE TABLE a (id integer);");
    for (script, says) in [
        (
            "-- lockgate: variable pw\nSELECT :'pw';\n",
            [
                "`0002_b` needs the variable `pw`, which has no value",
                "0002_b.sql:3:8",
                "psql_variable(\"pw\", …)",
                "--variable pw=",
            ],
        ),
        (
            "\\getenv pw LOCKGATE_NO_SUCH_VARIABLE\nSELECT :'pw';\n",
            [
                "the environment variable `LOCKGATE_NO_SUCH_VARIABLE` is not set",
                "0002_b.sql:3:8",
                "set `LOCKGATE_NO",
                "nothing was changed",
            ],
        ),
        (
            "\\if off\n\\set a 1\n\\endif\n\nSELECT :a;\n",
            ["the lines that set it are in a branch that does not run", "0002_b.sql:6:8", "before the `\\if`", "`a`"],
        ),
        (
            "\\set a '1; DROP TABLE a'\nSELECT :a;\n",
            ["cannot be written as it is", "0002_b.sql:3:8", "write `:'a'` for a string", "nothing was changed"],
        ),
        (
            "\\set a maybe\n\\if :a\n\\endif\n",
            ["the condition on `a`", "0002_b.sql:3:1", "neither true nor false", "psql takes `on`"],
        ),
    ] {
        let set = set(&[before, ("0002_b.sql", &format!("-- lockgate: psql\n{script}"))]);
        let mut database = db.open().await;
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        reports(&error, ErrorKind::Usage, &says);
        assert_eq!(db.objects().await, [""; 0], "{script}");
    }
    let set = set(&[("0001_a.sql", "-- lockgate: psql\n-- lockgate: variable owner\nSELECT :'owner';\n")]);
    let error = Migrator::new(set).psql_variable("ownr", "x").status(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Usage, &["no script declares the variable `ownr`", "the scripts declare `owner`"]);
}

/// What a library may have that looks like psql's variables and commands, and is not.
const ODD: &str = r#"
CREATE TABLE public."odd; \name" (a integer, "b:c" text, ":'d'" text);
CREATE VIEW public.some_tags AS SELECT title, tags[1:2] FROM desk.book;
CREATE FUNCTION public.whisper() RETURNS trigger LANGUAGE plpgsql AS $_$
BEGIN
  NEW.title := lower(NEW.title) || ':x';
/*
\echo this is no command
*/
  RETURN NEW;
END;
$_$;
CREATE TRIGGER whisper BEFORE UPDATE ON desk.book FOR EACH ROW EXECUTE FUNCTION whisper();
INSERT INTO desk.book (title, shelf, note, price, tags) VALUES (':title :''x'' $$', 'it''s', NULL, NULL, NULL);
INSERT INTO "odd; \name" VALUES (1, '\echo :x', ':''y''');
COMMENT ON TABLE loan IS 'who has what; :since when';
"#;

/// More schemas with much of what a database can have, and rows.
const SCHEMAS: [&str; 3] = [
    r#"
CREATE TABLE event (id bigint, at date NOT NULL, kind text COLLATE "C", PRIMARY KEY (id, at, kind)) PARTITION BY RANGE (at);
CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE event_2026 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (kind);
CREATE TABLE event_2026_a PARTITION OF event_2026 FOR VALUES IN ('a', ':b');
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE INDEX event_kind ON event (kind);
CREATE STATISTICS event_stats ON id, kind FROM event;
INSERT INTO event SELECT n, '2025-06-01'::date + n * 40, CASE WHEN n % 2 = 0 THEN 'a' ELSE ':b' END FROM generate_series(1, 10) n;
CREATE MATERIALIZED VIEW counts AS SELECT kind, count(*) FROM event GROUP BY kind;
CREATE UNIQUE INDEX counts_kind ON counts (kind);
CREATE FUNCTION kinds(VARIADIC wanted text[]) RETURNS SETOF event LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT * FROM event WHERE kind = ANY (wanted); END;
CREATE PROCEDURE tidy() LANGUAGE plpgsql AS 'BEGIN DELETE FROM event WHERE id < 0; END';
"#,
    r#"
CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE TYPE pair AS (a integer, b text);
CREATE TYPE span AS RANGE (subtype = integer, multirange_type_name = spans);
CREATE TABLE person (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mail email UNIQUE, p pair, s span,
    lower_mail text GENERATED ALWAYS AS (lower(mail)) STORED, EXCLUDE USING gist (s WITH &&));
ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON person FOR SELECT USING (mail IS NOT NULL);
CREATE POLICY write ON person AS RESTRICTIVE FOR UPDATE TO public USING (mail LIKE ':%');
ALTER POLICY own ON person USING (mail = current_user);
CREATE RULE quiet AS ON DELETE TO person DO INSTEAD (SELECT 1; SELECT ':a');
CREATE AGGREGATE total (integer) (sfunc = int4pl, stype = integer, initcond = '0');
CREATE OPERATOR ~~~ (leftarg = text, rightarg = text, function = texteq);
CREATE CAST (pair AS text) WITH INOUT;
CREATE COLLATION german (provider = libc, locale = 'C');
INSERT INTO person (id, mail, p, s) VALUES ('00000000-0000-0000-0000-000000000001', 'A@b', '(1,":x")', '[1,5)');
REVOKE ALL ON TABLE person FROM PUBLIC;
GRANT SELECT (mail) ON person TO PUBLIC;
"#,
    r#"
CREATE TABLE parent (id integer PRIMARY KEY, data jsonb DEFAULT '{"a": ":b"}' NOT NULL, raw bytea);
CREATE TABLE child (extra text) INHERITS (parent);
CREATE TABLE other (id integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED, n smallserial, big bigserial);
CREATE VIEW checked AS SELECT * FROM parent WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE VIEW deep AS WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t;
CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE ':%', tg_tag; END $$;
CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION note();
CREATE PUBLICATION all_rows FOR TABLE parent;
CREATE TABLE "Größe" ("Straße" text DEFAULT E'tab\there', c "char", d interval DEFAULT '1 day');
INSERT INTO parent SELECT n, '{"x": [1, 2]}', decode('00ff5c', 'hex') FROM generate_series(1, 5) n;
INSERT INTO child VALUES (6, '{}', NULL, E'\\N\\.\n'), (7, '{}', '', NULL);
INSERT INTO other SELECT id FROM ONLY parent;
INSERT INTO "Größe" VALUES (':ä', 'x', '2 mons');
"#,
];

/// The rows of every table of a user's, as text.
pub(crate) async fn rows(url: &str) -> Vec<(String, Vec<String>)> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid >= 16384 AND relname NOT LIKE \
                  'lockgate%' AND relnamespace <> 'pg_toast'::regnamespace ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
    let mut all = Vec::new();
    for table in tables {
        let sql = format!("SELECT t::text FROM ONLY {table} t ORDER BY 1");
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        all.push((table, rows));
    }
    all
}

async fn create(server: &Postgres, databases: &[&str]) {
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    for database in databases {
        let sql = format!("CREATE DATABASE {database} TEMPLATE template0");
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
}

/// Dumps a database with this schema, and restores the dump with psql and with Lockgate.
pub(crate) async fn restores_as_with_psql(folder: &Path, server: &Postgres, index: usize, schema: &str) {
    let names = [format!("original{index}"), format!("by_psql{index}"), format!("by_us{index}")];
    let [original, by_psql, by_us] = names.each_ref().map(|name| server.url(name));
    create(server, &[&names[0]]).await;
    let restore = |text: &str, url: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap();
        client(folder, "psql", &["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file", path, "--dbname", url]);
    };
    restore(schema, &original);
    for (option, with_rows) in [("--format=plain", true), ("--inserts", true), ("--schema-only", false)] {
        create(server, &[&names[1], &names[2]]).await;
        let dump = client(folder, "pg_dump", &[option, "--dbname", &original]);
        restore(&dump, &by_psql);
        let script = format!("-- lockgate: psql\n{dump}");
        let mut database = Database::connect(&by_us).await.unwrap();
        let policy = ("migrations.toml", "dialects = [\"postgres\"]\n[lint]\nplpgsql-syntax = \"allow\"\n");
        let set = migrations(&[policy, ("0001_dump.sql", &script)]);
        database.postgres().unwrap().execute("CREATE SCHEMA log").await.unwrap();
        let done = Migrator::new(set).history_table("log.lockgate_history").apply(&mut database).await;
        done.unwrap_or_else(|error| panic!("{index} {option}: {error:?}"));
        database.postgres().unwrap().execute("DROP SCHEMA log CASCADE").await.unwrap();
        assert_eq!(rows(&by_us).await, rows(&by_psql).await, "{index} {option}");
        assert!(!with_rows || rows(&by_us).await == rows(&original).await, "{index} {option}");
        let mut other = Database::connect(&by_psql).await.unwrap();
        let (ours, theirs) = (read_schema(&mut database).await.unwrap(), read_schema(&mut other).await.unwrap());
        assert_eq!(ours.to_text(), theirs.to_text(), "{index} {option}");
        drop((database, other));
        let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
        for name in &names[1..] {
            admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
        }
    }
}

#[tokio::test]
async fn dumps_restore_to_the_same_as_with_psql() {
    let Some(folder) = postgres::folder_with("psql") else { return };
    let Some(server) = postgres::cluster(&Options::default().bin(&folder)) else { return };
    let sets = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations")).unwrap();
    let mut files: Vec<_> = sets.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text = |path: &std::path::PathBuf| match path.to_str().unwrap() {
        path if path.ends_with(".up.sql") => Some(std::fs::read_to_string(path).unwrap()),
        // What the Rust step does to the schema.
        path if path.ends_with("_add_barcodes.rs") => Some("ALTER TABLE copies ADD COLUMN barcode text;".to_owned()),
        _ => None,
    };
    let example: Vec<String> = files.iter().filter_map(text).collect();
    assert!(!example.is_empty());
    let (library, example) = ([LIBRARY, ODD].concat(), example.join("\n"));
    for (index, schema) in [library.as_str(), &example].into_iter().chain(SCHEMAS).enumerate() {
        restores_as_with_psql(&folder, &server, index, schema).await;
    }
}

#[tokio::test]
async fn roles_of_pg_dumpall_are_the_same_on_another_server() {
    let Some(folder) = postgres::folder_with("pg_dumpall") else { return };
    let options = Options::default().bin(&folder);
    let (Some(one), Some(other)) = (postgres::cluster(&options), postgres::cluster(&options)) else { return };
    let mut connection = PgConnection::connect(&one.url("postgres")).await.unwrap();
    let roles = r#"CREATE ROLE app NOLOGIN; CREATE ROLE "odd 'role" LOGIN PASSWORD 'it''s \ :x' CONNECTION LIMIT 3 VALID UNTIL
        '2030-01-01'; GRANT app TO "odd 'role" WITH ADMIN OPTION; ALTER ROLE app SET search_path = 'a b', public;
        COMMENT ON ROLE app IS 'it''s: :x';"#;
    connection.execute(roles).await.unwrap();
    let dump = |server: &Postgres| {
        let text = client(&folder, "pg_dumpall", &["--roles-only", "--dbname", &server.url("postgres")]);
        // This role exists on each server. The keys of the two other lines are random.
        let left_out = ["CREATE ROLE postgres;", "ALTER ROLE postgres WITH", "\\restrict", "\\unrestrict"];
        let kept = text.lines().filter(|line| !left_out.iter().any(|start| line.starts_with(start)));
        kept.map(|line| format!("{line}\n")).collect::<String>()
    };
    let before = dump(&one);
    assert!(before.contains("SCRAM-SHA-256"), "{before}");
    let script = format!("-- lockgate: psql\n\\restrict a1\n{before}\\unrestrict a1\n");
    let mut database = Database::connect(&other.url("postgres")).await.unwrap();
    let applied = Migrator::new(set(&[("0001_roles.sql", &script)])).apply(&mut database).await;
    applied.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(dump(&other), before);
}

/// The first script of the guide's chapter, as it is written there.
#[tokio::test]
async fn the_script_of_the_guide_runs() {
    let Some(server) = postgres::cluster(&Options::default()) else { return };
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../guide/psql.md")).unwrap();
    let script = page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let grants = ("parts/grants.sql", "GRANT CREATE ON SCHEMA public TO :\"owner\";");
    let (migrator, heard) =
        events(Migrator::new(set(&[("0001_role.sql", script), grants])).psql_variable("owner", "app"));
    let mut database = Database::connect(&server.url("postgres")).await.unwrap();
    migrator.apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(echoes(&heard), ["0001_role: creating the role :owner"]);
    login(&server, "app", "only for development").await.unwrap_or_else(|error| panic!("{error}"));
}
