//! The output of `cargo xtask check --trace` for sets for PostgreSQL, on real servers.

use lockgate_harness::server::Options;
use serde_json::{Value, json};

use crate::support::postgres;
use crate::support::scratch::Scratch;

/// Makes a folder for PostgreSQL with these files; `None` if there is no PostgreSQL.
pub(crate) fn traced(files: &[(&str, &str)]) -> Option<Scratch> {
    postgres::cluster(&Options::default())?;
    let scratch = Scratch::new();
    scratch.write("app/migrations/migrations.toml", "dialects = [\"postgres\"]\n");
    files.iter().for_each(|(file, text)| scratch.write(&format!("app/migrations/{file}"), text));
    Some(scratch)
}

/// Returns the output of a trace after its first line, and that line after the server's version.
#[track_caller]
fn output(scratch: &Scratch) -> (String, String) {
    let output = scratch.run(&["check", "--trace"]);
    let (first, rest) = output.stdout.split_once('\n').unwrap_or_else(|| panic!("{}", output.stderr));
    let (_, traced) = first.split_once("; traced on PostgreSQL ").unwrap_or_else(|| panic!("{first}{}", output.stderr));
    (traced.split_once(": ").unwrap().1.to_owned(), rest.to_owned())
}

const USERS: (&str, &str) = (
    "0001_create_users.sql",
    "CREATE TABLE users (id INT PRIMARY KEY, name TEXT);\nCREATE TABLE tags (name VARCHAR(20));\n\
     CREATE INDEX tags_by_name ON tags (name);\n",
);

#[test]
fn locks_rewrites_and_scans_are_shown_per_statement() {
    let change = "\
-- All that there is.
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN token UUID DEFAULT gen_random_uuid();
CREATE TABLE posts (id BIGINT PRIMARY KEY, author INT REFERENCES users);
CREATE INDEX posts_by_author ON posts (author);
ALTER TABLE posts ADD COLUMN at TIMESTAMPTZ DEFAULT clock_timestamp();
";
    let index = "CREATE INDEX users_by_name ON users (name);\nALTER TABLE users ALTER COLUMN id TYPE BIGINT;\n";
    // The index of the column is kept as it is; a table that is emptied is not rewritten.
    let more = "REINDEX INDEX tags_by_name;\nALTER TABLE tags ALTER COLUMN name TYPE TEXT;\n\
                ALTER TABLE tags ALTER COLUMN name SET NOT NULL;\nTRUNCATE tags;\n";
    let files = [USERS, ("0002_change.sql", change), ("0003_index.sql", index), ("0004_more.sql", more)];
    let Some(scratch) = traced(&files) else { return };
    scratch.run(&["freeze"]).succeeds();
    // Released scripts are run and not reported.
    assert_eq!(output(&scratch), ("4 up".to_owned(), String::new()));
    std::fs::remove_file(scratch.path("app/migrations/migrations.lock")).unwrap();
    let (summary, text) = output(&scratch);
    assert_eq!(summary, "4 up");
    assert_eq!(
        text,
        "\
\x20 app/migrations/0001_create_users.sql: locks nothing that existed before it
  app/migrations/0002_change.sql: each lock is held until its transaction ends
    line  relation  lock              predicted  blocks            also
    2     users     ACCESS EXCLUSIVE  yes        reads and writes
    3     users     ACCESS EXCLUSIVE  yes        reads and writes  rewrites all of it
  app/migrations/0003_index.sql: each lock is held until its transaction ends
    line  relation  lock              predicted  blocks            also
    1     users     SHARE             yes        writes            builds users_by_name
    2     posts     ACCESS EXCLUSIVE  yes        reads and writes  scans all of it
          users     ACCESS EXCLUSIVE  yes        reads and writes  rewrites all of it, builds users_pkey
  app/migrations/0004_more.sql: each lock is held until its transaction ends
    line  relation            lock              predicted  blocks            also
    1     index tags_by_name  ACCESS EXCLUSIVE             reads and writes  rebuilds it
          tags                SHARE             yes        writes            scans all of it
    2     tags                ACCESS EXCLUSIVE  yes        reads and writes
    3     tags                ACCESS EXCLUSIVE  yes        reads and writes  scans all of it
"
    );
}

#[test]
fn a_trace_reports_a_lock_that_was_not_predicted() {
    let change = "\
CREATE TABLE IF NOT EXISTS users (id int REFERENCES tags);
DROP TRIGGER IF EXISTS gone ON tags;
COMMENT ON TABLE tags IS 'words';
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
";
    let Some(scratch) = traced(&[USERS, ("0002_change.sql", change)]) else { return };
    let (_, text) = output(&scratch);
    let (_, change) = text.split_once("0002_change.sql: ").unwrap();
    assert_eq!(
        change,
        "\
each lock is held until its transaction ends
    line  relation  lock                    predicted  blocks                             also
    1     tags      none                    no
    2     tags      none                    no
    3     tags      SHARE UPDATE EXCLUSIVE  yes        VACUUM, CREATE INDEX, ALTER TABLE
    line 1: SHARE ROW EXCLUSIVE on tags: predicted, not taken
    line 2: ACCESS EXCLUSIVE on tags: predicted, not taken
"
    );
}

#[test]
fn statements_outside_a_transaction_are_traced_too() {
    let change = "\
-- lockgate: no-transaction
CREATE INDEX CONCURRENTLY users_by_name ON users (name);
ALTER TABLE users ALTER COLUMN name SET NOT NULL;
VACUUM users;
DROP INDEX CONCURRENTLY users_by_name;
VACUUM FULL users;
";
    let Some(scratch) = traced(&[USERS, ("0002_change.sql", change)]) else { return };
    let (_, text) = output(&scratch);
    let (_, change) = text.split_once("0002_change.sql: ").unwrap();
    assert_eq!(
        change,
        "\
each lock is held for its statement
    line  relation  lock                    predicted  blocks                             also
    2     users     SHARE UPDATE EXCLUSIVE  yes        VACUUM, CREATE INDEX, ALTER TABLE  builds users_by_name
    3     users     ACCESS EXCLUSIVE        yes        reads and writes                   scans all of it
    4     users     SHARE UPDATE EXCLUSIVE  yes        VACUUM, CREATE INDEX, ALTER TABLE
    5     users     SHARE UPDATE EXCLUSIVE  yes        VACUUM, CREATE INDEX, ALTER TABLE
    6     users     ACCESS EXCLUSIVE        yes        reads and writes                   rewrites all of it
"
    );
}

#[test]
fn a_script_that_opens_transactions_by_itself_is_looked_at_inside() {
    let own = "-- lockgate: no-transaction\nBEGIN;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n\
               DO $$ BEGIN EXECUTE 'LOCK TABLE tags IN EXCLUSIVE MODE'; END $$;\nCOMMIT;\n";
    let quiet = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nSET TRANSACTION READ WRITE;\nSET search_path = '';\n\
                 DROP TABLE public.tags;\n";
    let Some(scratch) = traced(&[USERS, ("0002_own.sql", own), ("0003_quiet.sql", quiet)]) else { return };
    let (summary, text) = output(&scratch);
    assert_eq!(summary, "3 up");
    let (_, own) = text.split_once("0002_own.sql: ").unwrap();
    assert_eq!(
        own,
        "\
each lock is held until the transaction that the script opened ends, or for its statement
    line  relation  lock       predicted  blocks                        also
    4     tags      EXCLUSIVE  no         writes and SELECT FOR UPDATE
    line 4: EXCLUSIVE on tags: taken, not predicted
    (a function, a `DO` or an object that no script created can take locks that no script shows)
  app/migrations/0003_quiet.sql: each lock is held until its transaction ends
    line  relation  lock              predicted  blocks            also
    4     tags      ACCESS EXCLUSIVE  yes        reads and writes
"
    );
}

#[test]
fn a_statement_that_postgres_refuses_is_shown_with_its_place() {
    let bad = "CREATE TABLE tagged (x int);\n\n-- é\nALTER TABLE users\n  ADD COLUMN age intger;\n";
    let files = [USERS, ("0002_age.sql", bad), ("0003_never_reached.sql", "DROP TABLE gone;")];
    let Some(scratch) = traced(&files) else { return };
    let finding = "\
[trace]: PostgreSQL refuses this statement: type \"intger\" does not exist
 --> app/migrations/0002_age.sql:5:18
  |
5 |   ADD COLUMN age intger;
  |                  ^^^^^^
  |
  = help: before it, the trace ran everything up to `0001_create_users`, on an empty database
";
    let run = scratch.run(&["check", "--trace"]).fails(1);
    assert_eq!(run, format!("error{finding}\nerror: there is 1 problem\n"));
    assert_eq!(output(&scratch).0, "1 of 3 up");
    // Released, it may not be edited.
    scratch.run(&["freeze"]).succeeds();
    let run = scratch.run(&["check", "--trace"]);
    assert_eq!((run.code, run.stderr), (0, format!("warning{finding}\n")));

    // Without a position, it is the statement.
    let twice = ("0002_twice.sql", "SELECT 1;\nCREATE TABLE users (x int);\n");
    let Some(scratch) = traced(&[USERS, twice]) else { return };
    let run = scratch.run(&["check", "--trace"]).fails(1);
    assert!(run.contains("relation \"users\" already exists\n --> app/migrations/0002_twice.sql:2:1\n"), "{run}");
}

#[test]
fn repeatable_scripts_are_traced_and_run_twice() {
    let view = ("R__names.sql", "CREATE OR REPLACE VIEW names AS SELECT name FROM users;\n");
    let seed = ("R__seed.sql", "INSERT INTO users VALUES (1, 'ada') ON CONFLICT DO NOTHING;\n");
    let Some(scratch) = traced(&[USERS, view, seed]) else { return };
    let (traced, effects) = output(&scratch);
    assert_eq!(traced, "1 up, 2 repeatable scripts twice");
    assert!(effects.contains("R__names"), "{effects}");
    scratch.write("app/migrations/R__seed.sql", "SELECT 1;\nINSERT INTO users VALUES (1, 'ada');\n");
    let run = scratch.run(&["check", "--trace"]).fails(1);
    let says = "`R__seed` cannot run again: duplicate key value violates unique constraint \"users_pkey\"\n --> \
                app/migrations/R__seed.sql:2:1\n";
    assert!(run.contains(says) && run.contains("whenever its text changes"), "{run}");
    scratch.write("app/migrations/R__seed.sql", "INSERT INTO usrs VALUES (1);\n");
    let run = scratch.run(&["check", "--trace"]).fails(1);
    assert!(run.contains("PostgreSQL refuses this statement: relation \"usrs\" does not exist"), "{run}");
}

#[test]
fn the_trace_stops_with_a_note_at_a_rust_step_or_a_missing_extension() {
    let step =
        ("0002_hash.rs", "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }");
    let after = ("0003_after.sql", "INSERT INTO hashes VALUES (1);");
    let Some(scratch) = traced(&[USERS, step, after]) else { return };
    let run = scratch.run(&["check", "--trace"]);
    let note = "note[trace]: the trace ends before `0002_hash`: a Rust step runs in its own program\n";
    assert!(run.code == 0 && run.stderr.starts_with(note), "{}", run.stderr);
    for (text, why) in [
        ("CREATE EXTENSION no_such_thing;", "note[trace]: the trace ends here: extension \"no_such_thing\""),
        ("COPY users TO PROGRAM 'cat';", "note[trace]: the trace ends before `0002_x`: this statement acts outside"),
    ] {
        let Some(scratch) = traced(&[USERS, ("0002_x.sql", text)]) else { return };
        let run = scratch.run(&["check", "--trace"]);
        assert!(run.code == 0 && run.stderr.contains(why), "{}", run.stderr);
    }
    // Roles are made, as they belong to a server and not to a set.
    let grant = "-- lockgate: role owner\nCREATE TABLE owned (x int);\nGRANT SELECT ON users TO \"the reader\";\n";
    let Some(scratch) = traced(&[USERS, ("0002_grant.sql", grant)]) else { return };
    assert_eq!(output(&scratch).0, "2 up, with roles that no script creates (owner, the reader)");
}

#[test]
fn a_trace_is_a_part_of_the_json_document() {
    let Some(scratch) = traced(&[USERS, ("0002_index.sql", "-- é\n  CREATE INDEX named ON users (name);")]) else {
        return;
    };
    let document: Value =
        serde_json::from_str(&scratch.run(&["check", "--trace", "--format", "json"]).succeeds()).unwrap();
    let trace = &document["folders"][0]["trace"];
    let server = trace["server"].as_str().unwrap();
    assert_eq!(
        *trace,
        json!({
            "summary": format!("traced on PostgreSQL {server}: 2 up"),
            "server": server,
            "migrations": [
                {
                    "id": "0001_create_users",
                    "file": "app/migrations/0001_create_users.sql",
                    "transactional": true,
                    "effects": [],
                },
                {
                    "id": "0002_index",
                    "file": "app/migrations/0002_index.sql",
                    "transactional": true,
                    "effects": [
                        {
                            "line": 2, "column": 3,
                            "relation": "public.users", "kind": "table",
                            "lock": "SHARE", "blocks": "writes", "predicted": "SHARE", "differs": false,
                            "rewritten": false, "scanned": true, "indexes": ["named"],
                        },
                    ],
                },
            ],
        })
    );
}

#[test]
fn a_run_that_cannot_trace_reports_the_reason() {
    let scratch = Scratch::with_migrations();
    let run = scratch.run(&["check", "--trace", "--no-replay"]);
    assert!(run.stdout.contains("; not traced: the policy does not name `postgres`\n"), "{}", run.stdout);

    let scratch = Scratch::new();
    scratch.write("app/migrations/migrations.toml", "dialects = [\"postgres\"]\n");
    scratch.write("app/migrations/0001_users.sql", "CREATE TABLE users (name text DEFAULT 'x);\n");
    let run = scratch.run(&["check", "--trace"]);
    assert!(run.stdout.contains("; not traced: fix the errors first\n"), "{}", run.stdout);

    // A machine without the server.
    scratch.write("app/migrations/0001_users.sql", "CREATE TABLE users (name text);\n");
    let empty = tempfile::tempdir().unwrap();
    let run = |required| {
        let variables = [("LOCKGATE_POSTGRES_BIN", empty.path().to_str().unwrap()), ("LOCKGATE_REQUIRE", required)];
        scratch.run_with(&variables, &["check", "--trace"])
    };
    let skipped = run("");
    assert!(skipped.stderr.starts_with("skipped: the trace of app/migrations: postgres: "), "{}", skipped.stderr);
    assert!(skipped.stdout.ends_with("; not traced: PostgreSQL is not installed\n"), "{}", skipped.stdout);
    assert_eq!(skipped.code, 0);
    let refused = run("postgres").fails(2);
    assert!(refused.starts_with("error: "), "{refused}");
}
