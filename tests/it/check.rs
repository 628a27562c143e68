//! What `cargo xtask check` finds and how it reports it, and the page of `explain` for each code: real runs
//! on scratch workspaces.

use lockgate_source::Code;
use lockgate_source::diagnostic::catalogue::Finder;
use lockgate_source::diagnostic::example::{Example, File};
use serde_json::{Value, json};

use lockgate_harness::server::Options;

use crate::support::postgres;
use crate::support::scratch::Scratch;

#[test]
fn every_code_has_a_page() {
    let scratch = Scratch::new();
    let list = scratch.run(&["explain"]).succeeds();
    for code in Code::ALL {
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(code.as_str()));
        assert!(line.is_some_and(|line| line.ends_with(code.summary())), "{code}: {line:?}");
        let page = scratch.run(&["explain", code.as_str()]).succeeds();
        let one_line = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains(code.explanation()), "{page}");
        assert_eq!(page.contains("\nwrong\n") && page.contains("\nright\n"), Example::find(*code).is_some(), "{page}");
    }
}

#[test]
fn a_page_shows_what_to_write() {
    let scratch = Scratch::new();
    let page = scratch.run(&["explain", "error[misplaced-directive]"]).succeeds();
    assert_eq!(
        page,
        "\
misplaced-directive

A directive is not at the head of its file. Directives are comments above everything else. Further
down they would silently have no effect: move it up. sqlx's `-- no-transaction` takes effect only at
the very beginning of the file, as in sqlx itself.

wrong
  migrations/0001_create_users.sql
      CREATE TABLE users (id BIGINT PRIMARY KEY);
      -- lockgate: lock-timeout 5s

right
  migrations/0001_create_users.sql
      -- lockgate: lock-timeout 5s
      CREATE TABLE users (id BIGINT PRIMARY KEY);
"
    );
    let page = scratch.run(&["explain", "foreign-keys"]).succeeds();
    assert!(page.contains("a directive at the head of a script") && page.contains("-- lockgate: foreign-keys off"));
    let page = scratch.run(&["explain", "numbering"]).succeeds();
    assert!(
        page.contains("a key of migrations.toml") && page.contains("Without it: \"any\"; \"ordinal\" with `layout"),
        "{page}"
    );
}

#[test]
fn an_unknown_name_is_an_error_with_the_list() {
    let scratch = Scratch::new();
    for (typed, answer) in [
        ("missordered", "there is no code `missordered`: did you mean `misordered`?"),
        ("lock-timeot", "there is no code `lock-timeot`: did you mean `lock-timeout`?"),
        ("numberring", "there is no code `numberring`: did you mean `numbering`?"),
        ("vacuum", "there is no code `vacuum`: all codes are listed above"),
    ] {
        let output = scratch.run(&["explain", typed]).fails(2);
        assert!(output.ends_with(&format!("error: {answer}\n")), "{output}");
        assert!(Code::ALL.iter().all(|code| output.contains(code.as_str())), "{output}");
    }
}

/// A workspace with an error in a script, and a warning.
fn with_problems() -> Scratch {
    let scratch = Scratch::new();
    scratch
        .write("app/migrations/0001_users.up.sql", "-- ä\n-- lockgate: no-transation\nCREATE TABLE users (x int);\n");
    scratch.write("app/migrations/0002_tags.down.sql", "DROP TABLE tags;\n");
    scratch
}

#[track_caller]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn json_is_one_document() {
    let scratch = with_problems();
    let output = scratch.run(&["check", "--format", "json"]);
    assert!(output.stderr.ends_with("error: there is 1 problem\n"), "{}", output.stderr);
    assert_eq!(output.code, 1);
    assert_eq!(
        parsed(&output.stdout),
        json!({
            "version": 1,
            "errors": 1,
            "warnings": 1,
            "notes": 0,
            "folders": [
                { "folder": "app/migrations", "package": "app", "migrations": 1, "released": 0, "replay": null, "trace": null },
            ],
            "problems": [
                {
                    "code": "unknown-directive",
                    "severity": "error",
                    "file": "app/migrations/0001_users.up.sql",
                    "line": 2, "column": 14, "end_line": 2, "end_column": 27,
                    "message": "there is no directive `no-transation`",
                    "label": null,
                    "help": ["did you mean `no-transaction`?"],
                },
                {
                    "code": "down-without-up",
                    "severity": "warning",
                    "file": "app/migrations/0002_tags.down.sql",
                    "line": 1, "column": 1, "end_line": 1, "end_column": 17,
                    "message": "`0002_tags` has a down script but no up script, so it is never run",
                    "label": null,
                    "help": ["add `0002_tags.up.sql`, or delete this file"],
                },
            ],
        })
    );
    // A finding about a whole file has no line.
    scratch.write("app/migrations/0001_users.up.sql", "CREATE TABLE users (x int);\n");
    scratch.write("app/migrations/notes.txt", "mine");
    let document = parsed(&scratch.run(&["check", "--format", "json"]).stdout);
    assert_eq!(document["problems"][1]["code"], "unknown-file", "{document:#}");
    assert_eq!(document["problems"][1]["line"], Value::Null);
    std::fs::remove_file(scratch.path("app/migrations/notes.txt")).unwrap();
    let document = parsed(&scratch.run(&["check", "--format", "json"]).succeeds());
    assert_eq!((&document["errors"], &document["warnings"]), (&json!(0), &json!(1)));
}

#[test]
fn nothing_but_the_document_is_on_stdout() {
    let scratch = Scratch::with_migrations();
    scratch.write("app/migrations/0003_by_hand.up.sql", "CREATE TABLE t (x int);\n");
    scratch.write("app/migrations/0003_by_hand.down.sql", "DROP TABLE t;\n");
    scratch.write("app/tests/migrations/0003_by_hand.rs", "");
    for format in ["json", "sarif"] {
        let output = scratch.run(&["check", "--write", "--format", format]);
        parsed(&output.stdout);
        assert_eq!(output.stderr.contains("draft added: 0003_by_hand"), format == "json", "{}", output.stderr);
    }
    let output = scratch.run(&["check", "--format", "json", "--package", "nobody"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    let output = scratch.run(&["check", "--format", "xml"]).fails(2);
    assert!(output.contains("text, json, sarif"), "{output}");
}

#[test]
fn sarif_has_a_rule_for_each_code_and_a_region_for_each_finding() {
    let output = with_problems().run(&["check", "--format", "sarif"]);
    assert_eq!(output.code, 1);
    let document = parsed(&output.stdout);
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), Code::ALL.len());
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(rules[index]["help"]["text"].as_str().unwrap().contains("\nright\n"));
    }
    let result = &results[0];
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("unknown-directive"), &json!("error")));
    assert_eq!(
        result["message"]["text"],
        "there is no directive `no-transation`\nhelp: did you mean `no-transaction`?"
    );
    assert_eq!(
        result["locations"][0]["physicalLocation"],
        json!({
            "artifactLocation": { "uri": "app/migrations/0001_users.up.sql", "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": 2, "startColumn": 14, "endLine": 2, "endColumn": 27 },
        })
    );
}

/// A folder for SQLite of these files.
fn sqlite(files: &[(&str, &str)]) -> Scratch {
    let scratch = Scratch::new();
    // The lints' findings do not matter here.
    let policy = "dialects = [\"sqlite\"]\n[lint]\nincomplete-down = \"allow\"\n";
    scratch.write("app/migrations/migrations.toml", policy);
    files.iter().for_each(|(file, text)| scratch.write(&format!("app/migrations/{file}"), text));
    scratch
}

/// Checks the findings, the exit code and the summary of a run of `check`.
#[track_caller]
fn check(scratch: &Scratch, code: i32, findings: &str, summary: &str) {
    let output = scratch.run(&["check"]);
    let found = output.stderr.split("\nerror: there ").next().unwrap_or_default();
    assert_eq!(found.trim_end().trim_start_matches("error: there is"), findings.trim(), "{}", output.stdout);
    let released = "of them released; replayed on SQLite ";
    let (_, replayed) = output.stdout.trim_end().split_once(released).unwrap_or_else(|| panic!("{}", output.stdout));
    assert_eq!(replayed.split_once(": ").map(|(_, replayed)| replayed), Some(summary));
    assert_eq!(output.code, code, "{}", output.stderr);
}

const USERS: (&str, &str) = (
    "0001_create_users.up.sql",
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\nCREATE VIEW names AS\nSELECT name FROM users;\n",
);
const USERS_DOWN: (&str, &str) = ("0001_create_users.down.sql", "DROP VIEW names;\nDROP TABLE users;\n");

#[test]
fn the_examples_show_what_only_check_finds() {
    for code in Code::ALL.iter().filter(|code| code.finder() == Finder::Check) {
        let example = Example::find(*code).unwrap_or_else(|| panic!("{code} has no example"));
        // Codes that need a server are checked only if there is one.
        let words: &[&str] = if *code == Code::Trace { &["check", "--trace"] } else { &["check"] };
        if matches!(code, Code::Trace | Code::TreesDiffer) && postgres::cluster(&Options::default()).is_none() {
            continue;
        }
        let of = |files: Vec<File>| {
            let scratch = Scratch::new();
            files.iter().for_each(|file| scratch.write(&format!("app/migrations/{}", file.path), file.text));
            scratch.run(words)
        };
        let wrong = of(example.wrong());
        assert!(wrong.code == 1 && wrong.stderr.contains(&format!("error[{code}]: ")), "{}", wrong.stderr);
        let right = of(example.right());
        assert!(right.code == 0 && right.stderr.is_empty(), "{}", right.stderr);
    }
}

/// What reading cannot find: a row that is there already, a view that cannot be read.
#[test]
fn repeatable_scripts_are_replayed_twice() {
    let view =
        ("R__long_names.sql", "DROP VIEW IF EXISTS long_names;\nCREATE VIEW long_names AS SELECT name FROM names;\n");
    let seed = ("R__seed.sql", "-- lockgate: profile demo\nINSERT OR IGNORE INTO users VALUES (1, 'ada');\n");
    let scratch = sqlite(&[USERS, USERS_DOWN, view, seed]);
    check(&scratch, 0, "", "1 up, 1 down and up again, 2 repeatable scripts twice");
    scratch.write("app/migrations/R__seed.sql", "SELECT 1;\nINSERT INTO users VALUES (1, 'ada');\n");
    check(
        &scratch,
        1,
        "
error[replay]: `R__seed` cannot run again: UNIQUE constraint failed: users.id
 --> app/migrations/R__seed.sql:2:1
  |
2 | INSERT INTO users VALUES (1, 'ada');
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: a repeatable script runs again whenever its text changes: write `CREATE … IF NOT EXISTS`, or `DROP … IF EXISTS` before `CREATE`
",
        "1 up, 1 down and up again, 1 repeatable script twice",
    );
    scratch.write("app/migrations/R__seed.sql", "INSERT INTO usrs VALUES (1, 'ada');\n");
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("SQLite refuses this statement: no such table: usrs"), "{output}");
    assert!(output.contains("the replay ran everything up to `0001_create_users`"), "{output}");
    scratch.write("app/migrations/R__seed.sql", "SELECT 1;\n");
    scratch.write(
        "app/migrations/R__long_names.sql",
        "DROP VIEW IF EXISTS long_names;\nCREATE VIEW long_names AS SELECT nick FROM users;\n",
    );
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("the view `long_names` cannot be read: no such column: nick"), "{output}");
}

#[test]
fn seeds_are_replayed_on_databases_of_their_own() {
    let add = ("0002_unique.up.sql", "CREATE UNIQUE INDEX users_name ON users (name);\n");
    let drop = ("0002_unique.down.sql", "DROP INDEX users_name;\n");
    let scratch = sqlite(&[USERS, USERS_DOWN, add, drop]);
    scratch.write("app/seeds/0001_old.sql", "INSERT INTO users VALUES (1, 'ada'), (2, 'eve');\n");
    scratch.write("app/seeds/0002_new.sql", "INSERT INTO users VALUES (1, 'ada');\n");
    check(&scratch, 0, "", "2 up, 2 down and up again, 2 seeds loaded");
    scratch
        .write("app/seeds/0002_new.sql", "INSERT INTO users VALUES (1, 'ada');\nINSERT INTO usrs VALUES (2, 'a');\n");
    scratch.write("app/seeds/0001_old.sql", "INSERT INTO users VALUES (1, 'ada'), (2, 'ada');\n");
    check(
        &scratch,
        1,
        "
error[replay]: SQLite refuses this statement: UNIQUE constraint failed: users.name
 --> app/migrations/0002_unique.up.sql:1:1
  |
1 | CREATE UNIQUE INDEX users_name ON users (name);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: it ran on the rows of `app/seeds/0001_old.sql`: correct one of the two, or write the seed as of `0002_unique`

error[replay]: SQLite refuses this statement: no such table: usrs
 --> app/seeds/0002_new.sql:2:1
  |
2 | INSERT INTO usrs VALUES (2, 'a');
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
",
        "2 up, 2 down and up again",
    );
    scratch.write("app/seeds/0007_late.sql", "SELECT 1;\n");
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("`0007_late` is loaded after the migration 7, which does not exist"), "{output}");
    assert!(output.contains("rename the seed to `0002_late.sql`"), "{output}");
}

#[test]
fn a_whole_set_is_replayed_up_down_and_up() {
    let add = ("0002_add_email.up.sql", "ALTER TABLE users ADD COLUMN email TEXT;");
    let drop = ("0002_add_email.down.sql", "ALTER TABLE users DROP COLUMN email;");
    let rebuild = (
        "0003_rebuild.up.sql",
        "-- lockgate: foreign-keys off\nDROP VIEW names;\nCREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT, email TEXT);\n\
         INSERT INTO new SELECT * FROM users;\nDROP TABLE users;\nALTER TABLE new RENAME TO users;\n\
         CREATE VIEW names AS SELECT name FROM users;\n",
    );
    let back = ("0003_rebuild.down.sql", "SELECT 1;");
    let vacuum = ("0004_vacuum.up.sql", "-- lockgate: no-transaction\nVACUUM;\n");
    let nothing = ("0004_vacuum.down.sql", "SELECT 1;");
    let search = ("0005_search.up.sql", "CREATE VIRTUAL TABLE search USING fts5(name);");
    let gone = ("0005_search.down.sql", "DROP TABLE search;");
    let scratch = sqlite(&[USERS, USERS_DOWN, add, drop, rebuild, back, vacuum, nothing, search, gone]);
    check(&scratch, 0, "", "5 up, 5 down and up again");
    // Only migrations after the last irreversible one can be reverted.
    std::fs::remove_file(scratch.path("app/migrations/0003_rebuild.down.sql")).unwrap();
    check(&scratch, 0, "", "5 up, 2 down and up again");
    let output = scratch.run(&["check", "--no-replay"]).succeeds();
    assert_eq!(output, "app/migrations: 5 migrations, 0 of them released\n");
    // Neither runs if the policy does not name SQLite.
    std::fs::remove_file(scratch.path("app/migrations/migrations.toml")).unwrap();
    let output = scratch.run(&["check"]).succeeds();
    assert!(!output.contains("replay"), "{output}");
}

#[test]
fn a_statement_that_sqlite_refuses_is_shown_with_its_place() {
    let add = ("0002_add_ada.sql", "-- ada\nCREATE TABLE more (x);\n\nINSERT INTO usrs (name)\n  VALUES ('ada');\n");
    check(
        &sqlite(&[USERS, add, ("0003_never_reached.sql", "DROP TABLE gone;")]),
        1,
        "\
error[replay]: SQLite refuses this statement: no such table: usrs
 --> app/migrations/0002_add_ada.sql:4:1
  |
4 | INSERT INTO usrs (name)
  | ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: before it, the replay ran everything up to `0001_create_users`, on an empty database
",
        "1 of 3 up",
    );
    // In a script that is too long for one message, and in one without a transaction.
    let many = "INSERT INTO users (name) VALUES ('someone with a long name');\n".repeat(2000);
    for head in ["-- head", "-- lockgate: no-transaction"] {
        let text = format!("{head}\n{many}INSERT INTO users VALUES (1, 'twice');\n");
        let output = sqlite(&[USERS, ("0002_many.sql", &text)]).run(&["check"]).fails(1);
        assert!(
            output.contains("0002_many.sql:2002:1") && output.contains("UNIQUE constraint failed: users.id"),
            "{output}"
        );
    }
}

#[test]
fn an_incomplete_down_script_is_found() {
    let down = ("0001_create_users.down.sql", "DROP VIEW names;\nDROP TABLE user;\n");
    let more = ("0002_more.up.sql", "CREATE TABLE more (x);");
    let keeps = ("0002_more.down.sql", "DROP TABLE IF EXISTS mor;");
    // Both are reported together, and also the one after an irreversible migration.
    check(
        &sqlite(&[USERS, down, more, keeps, ("0003_one_way.sql", "CREATE TABLE one (x);")]),
        1,
        "\
error[replay]: `0001_create_users` cannot be reverted: no such table: user
 --> app/migrations/0001_create_users.down.sql:2:1
  |
2 | DROP TABLE user;
  | ^^^^^^^^^^^^^^^^

error[replay]: `0002_more` cannot be applied again after it was reverted: table more already exists
 --> app/migrations/0002_more.up.sql:1:1
  |
1 | CREATE TABLE more (x);
  | ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: make `0002_more.down.sql` undo everything that the migration does
",
        "3 up",
    );
}

/// The lint finds what is missing in the script, and the replay finds the effect. They are reported as one finding, at
/// the place where something must be written.
#[test]
fn objects_that_a_down_script_leaves_are_reported_once() {
    let more = ("0002_more.up.sql", "CREATE TABLE more (x);");
    let keeps = ("0002_more.down.sql", "DROP TABLE IF EXISTS mor;\n");
    let scratch = sqlite(&[USERS, USERS_DOWN, more, keeps]);
    scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\n");
    let finding = "\
error[replay]: `0002_more` cannot be applied again after it was reverted: table more already exists
 --> app/migrations/0002_more.down.sql:1:1
  |
1 | DROP TABLE IF EXISTS mor;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `0002_more.up.sql` creates the table `more`, but this script does not mention it
  = help: add `DROP TABLE more`
";
    check(&scratch, 1, finding, "2 up");
    // Without a replay, the lint reports alone; it also finds what a replay cannot see.
    let output = scratch.run(&["check", "--no-replay"]);
    assert!(output.code == 0 && output.stderr.starts_with("warning[incomplete-down]: "), "{}", output.stderr);
    scratch.write("app/migrations/0002_more.up.sql", "CREATE TABLE IF NOT EXISTS more (x);");
    let output = scratch.run(&["check"]);
    let same = finding.replace(
        "`0002_more` cannot be applied again after it was reverted: table more already exists",
        "reverting `0002_more` does not restore the schema: table more: is new",
    );
    assert!(output.code == 1 && output.stderr.starts_with(&same), "{}", output.stderr);
}

/// The migration can be reverted and applied again, but the schema in between differs from the one before.
#[test]
fn a_down_script_that_makes_another_schema_is_found() {
    let of = |up: &str, down: &str| sqlite(&[USERS, USERS_DOWN, ("0002_x.up.sql", up), ("0002_x.down.sql", down)]);
    check(
        &of("ALTER TABLE users ADD COLUMN email TEXT;\n", "ALTER TABLE users RENAME COLUMN email TO mail;\n"),
        1,
        "\
error[replay]: reverting `0002_x` does not restore the schema: table users: column mail is new
 --> app/migrations/0002_x.down.sql:1:1
  |
1 | ALTER TABLE users RENAME COLUMN email TO mail;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: make `0002_x.down.sql` restore the schema that was there before `0002_x`
",
        "2 up",
    );
    // Scripts that control transactions are checked too.
    let rebuild = |columns: &str| {
        format!(
            "-- lockgate: foreign-keys off\nDROP VIEW names;\nCREATE TABLE new ({columns});\n\
             INSERT INTO new SELECT id, name FROM users;\nDROP TABLE users;\nALTER TABLE new RENAME TO users;\n\
             CREATE VIEW names AS\nSELECT name FROM users;\n"
        )
    };
    let up = rebuild("id INTEGER PRIMARY KEY, name TEXT NOT NULL");
    let lost = of(&up, &rebuild("id INTEGER PRIMARY KEY, name TEXT UNIQUE")).run(&["check"]).fails(1);
    assert!(lost.contains("does not restore the schema: table users: "), "{lost}");
    assert!(lost.contains("app/migrations/0002_x.down.sql:2:1") && lost.matches("[replay]").count() == 1, "{lost}");
    let same = of(&up, &rebuild("id INTEGER PRIMARY KEY, name TEXT"));
    check(&same, 0, "", "2 up, 2 down and up again");
    // SQLite adds a column only after the others, and temporary objects end with the run.
    let add = ("0002_x.up.sql", "ALTER TABLE users ADD COLUMN a INTEGER;\nALTER TABLE users ADD COLUMN b INTEGER;\n");
    let both = ("0002_x.down.sql", "ALTER TABLE users DROP COLUMN b;\nALTER TABLE users DROP COLUMN a;\n");
    let gone = ("0003_y.up.sql", "ALTER TABLE users DROP COLUMN a;\n");
    let back = ("0003_y.down.sql", "ALTER TABLE users ADD COLUMN a INTEGER;\nCREATE TEMP TABLE IF NOT EXISTS t (a);\n");
    check(&sqlite(&[USERS, USERS_DOWN, add, both, gone, back]), 0, "", "3 up, 3 down and up again");
}

#[test]
fn an_unwritten_down_script_is_a_warning() {
    let scratch = sqlite(&[USERS, ("0001_create_users.down.sql", "-- Add down migration script here\n")]);
    let output = scratch.run(&["check"]);
    let warning = "warning[replay]: `0001_create_users` cannot be applied again after it was reverted: table users";
    assert!(output.code == 0 && output.stderr.contains(warning), "{}", output.stderr);
}

#[test]
fn broken_views_and_triggers_are_reported_at_the_statement_that_breaks_them() {
    let rebuild = (
        "0002_rebuild.sql",
        "CREATE TABLE old (x);\nDROP TABLE users;\nCREATE TABLE users (id INTEGER PRIMARY KEY, nick TEXT);\n",
    );
    let finding = "\
[replay]: from this statement on the view `names` cannot be read: no such column: name
 --> app/migrations/0002_rebuild.sql:2:1
  |
2 | DROP TABLE users;
  | ^^^^^^^^^^^^^^^^^
  |
  = help: ";
    let scratch = sqlite(&[USERS, rebuild]);
    check(&scratch, 1, &format!("error{finding}drop the view before it, and create it again after it"), "2 up");
    let mend = "DROP VIEW names;\nCREATE VIEW names AS SELECT nick FROM users;\n";
    scratch.write("app/migrations/0003_mend.sql", mend);
    let help = "`0003_mend` repairs it: do that here already, for databases that stop in between";
    check(&scratch, 0, &format!("warning{finding}{help}"), "3 up");
    scratch.write("app/migrations/0002_rebuild.sql", &format!("{}{mend}", rebuild.1));
    check(&scratch, 0, "", "3 up");

    let view = ("0002_view.sql", "CREATE VIEW nicks AS\n  SELECT nick FROM users;");
    check(
        &sqlite(&[USERS, view]),
        1,
        "\
error[replay]: the view `nicks` cannot be read: no such column: nick
 --> app/migrations/0002_view.sql:1:1
  |
1 | CREATE VIEW nicks AS
  | ^^^^^^^^^^^^^^^^^^^^
  |
  = help: SQLite accepts any view, and checks it only when it is read
",
        "2 up",
    );
    let trigger = "CREATE TABLE log (x);\n\
                   CREATE TRIGGER logged AFTER INSERT ON users BEGIN INSERT INTO log VALUES (new.id); END;\n";
    check(
        &sqlite(&[USERS, ("0002_log.sql", trigger), ("0003_no_log.sql", "DROP TABLE log;")]),
        1,
        "\
error[replay]: from this statement on every INSERT into `users` fails in its triggers: no such table: main.log
 --> app/migrations/0003_no_log.sql:1:1
  |
1 | DROP TABLE log;
  | ^^^^^^^^^^^^^^^
  |
  = help: drop the trigger of `users` before it, and create it again after it
",
        "3 up",
    );
}

#[test]
fn foreign_keys_are_enforced_as_in_a_run() {
    let tables = (
        "0001_tables.sql",
        "CREATE TABLE a (id INTEGER PRIMARY KEY);\nCREATE TABLE b (a REFERENCES a (id));\n\
         INSERT INTO a VALUES (1);\nINSERT INTO b VALUES (1);\n",
    );
    let output = sqlite(&[tables, ("0002_x.sql", "DELETE FROM a;")]).run(&["check"]).fails(1);
    assert!(output.contains("FOREIGN KEY constraint failed"), "{output}");
    let off = "-- lockgate: foreign-keys off\nDELETE FROM a;";
    let output = sqlite(&[tables, ("0002_x.sql", off)]).run(&["check"]).fails(1);
    assert!(
        output.contains("cannot be committed: a foreign key points to a row that does not exist: row 1 of `b` to `a`"),
        "{output}"
    );
    let both = "-- lockgate: foreign-keys off\nDELETE FROM a;\nDELETE FROM b;";
    check(&sqlite(&[tables, ("0002_x.sql", both)]), 0, "", "2 up");
}

#[test]
fn the_replay_stops_with_a_note_at_a_rust_step_or_a_function_of_the_program() {
    let step =
        ("0002_hash.rs", "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }");
    // It may need what the Rust step makes.
    let after = ("0003_after.sql", "INSERT INTO hashes VALUES (1);");
    check(
        &sqlite(&[USERS, USERS_DOWN, step, after]),
        0,
        "\
note[replay]: the replay ends before `0002_hash`: a Rust step runs in its own program
 --> app/migrations/0002_hash.rs:1:1
  |
1 | pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }
  | ^^^^^^^^^^^^^^^
  |
  = help: its tests, and those of the migrations after it, run it
",
        "1 of 3 up, 1 down and up again",
    );
    for (text, why) in [
        ("SELECT slug(name) FROM users;", "the replay ends here: no such function: slug"),
        ("CREATE VIRTUAL TABLE v USING vec0(x);", "the replay ends here: no such module: vec0"),
        ("SELECT name FROM users ORDER BY name COLLATE german;", "no such collation sequence: german"),
        (
            "CREATE VIEW slugs AS SELECT slug(name) FROM users;",
            "the view `slugs` could not be checked: no such function",
        ),
    ] {
        let output = sqlite(&[USERS, ("0002_x.sql", text)]).run(&["check"]);
        assert!(
            output.code == 0 && output.stderr.contains("note[replay]: ") && output.stderr.contains(why),
            "{}",
            output.stderr
        );
    }
    // Nothing is written beside the folder.
    for text in ["ATTACH 'other.db' AS other;", "VACUUM INTO 'other.db';"] {
        let scratch = sqlite(&[USERS, ("0002_x.sql", &format!("-- lockgate: no-transaction\n{text}"))]);
        let before = scratch.everything();
        let output = scratch.run(&["check"]);
        assert!(output.code == 0 && output.stderr.contains("this statement uses another file"), "{}", output.stderr);
        assert_eq!(scratch.everything(), before);
    }
    let output = sqlite(&[USERS, step]).run(&["check", "--format", "json"]).succeeds();
    let document = parsed(&output);
    assert_eq!((&document["notes"], &document["problems"][0]["severity"]), (&json!(1), &json!("note")));
    assert!(document["folders"][0]["replay"].as_str().unwrap().ends_with("1 of 2 up"), "{document:#}");
}

#[test]
fn a_released_script_gets_a_warning_and_invalid_sql_is_not_replayed() {
    let scratch = sqlite(&[USERS, ("0002_x.sql", "INSERT INTO usrs VALUES (1);")]);
    scratch.run(&["freeze"]).succeeds();
    let output = scratch.run(&["check"]);
    let refused = "[replay]: SQLite refuses this statement: no such table: usrs";
    assert!(output.code == 0 && output.stderr.contains(&format!("warning{refused}")), "{}", output.stderr);
    // An edited script is not the released one any more.
    scratch.write("app/migrations/0002_x.sql", "INSERT INTO usrs VALUES (2);");
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("error[edited]") && output.contains(&format!("error{refused}")), "{output}");

    let scratch = sqlite(&[USERS, ("0002_x.sql", "INSERT INTO usrs VALUES ('1);")]);
    let output = scratch.run(&["check"]);
    assert!(output.code == 1 && !output.stderr.contains("[replay]"), "{}", output.stderr);
    assert!(output.stdout.contains("; not replayed: fix the errors first"), "{}", output.stdout);
}
