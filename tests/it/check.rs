//! What `cargo xtask check` finds and how it says it, and what `explain` says of each code: real runs
//! on scratch workspaces.

use lockgate_source::diagnostic::catalogue::CODES;
use serde_json::{Value, json};

use crate::support::scratch::Scratch;

#[test]
fn every_code_has_a_page() {
    let scratch = Scratch::new();
    let list = scratch.run(&["explain"]).succeeds();
    for entry in CODES {
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(entry.code));
        assert!(line.is_some_and(|line| line.ends_with(entry.summary())), "{}: {line:?}", entry.code);
        let page = scratch.run(&["explain", entry.code]).succeeds();
        let one_line = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains(entry.explanation), "{page}");
        assert_eq!(page.contains("\nwrong\n") && page.contains("\nright\n"), entry.example().is_some(), "{page}");
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

A directive stands below the head of a file. Directives are comments above everything else. Further
down they would have no effect, and that in silence: move it up. sqlx's `-- no-transaction` has an
effect only at the very beginning, as in sqlx itself.

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
    assert!(page.contains("a key of migrations.toml") && page.contains("Without it: \"any\"."), "{page}");
}

#[test]
fn what_has_no_page_is_an_error_with_the_list() {
    let scratch = Scratch::new();
    for (typed, answer) in [
        ("missordered", "there is no code `missordered`: did you mean `misordered`?"),
        ("lock-timeot", "there is no code `lock-timeot`: did you mean `lock-timeout`?"),
        ("numberring", "there is no code `numberring`: did you mean `numbering`?"),
        ("vacuum", "there is no code `vacuum`: all that there are stand above"),
    ] {
        let said = scratch.run(&["explain", typed]).fails(2);
        assert!(said.ends_with(&format!("error: {answer}\n")), "{said}");
        assert!(CODES.iter().all(|entry| said.contains(entry.code)), "{said}");
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
    let said = scratch.run(&["check", "--format", "json"]);
    assert!(said.stderr.ends_with("error: there is 1 problem\n"), "{}", said.stderr);
    assert_eq!(said.code, 1);
    assert_eq!(
        parsed(&said.stdout),
        json!({
            "version": 1,
            "errors": 1,
            "warnings": 1,
            "folders": [{ "folder": "app/migrations", "package": "app", "migrations": 1, "released": 0 }],
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
                    "message": "`0002_tags` has a down script and no up script: it is never run",
                    "label": null,
                    "help": ["add `0002_tags.up.sql`, or delete this file"],
                },
            ],
        })
    );
    // What is about a file as a whole has no line, and 0 is no error.
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
        let said = scratch.run(&["check", "--write", "--format", format]);
        parsed(&said.stdout);
        assert_eq!(said.stderr.contains("draft added: 0003_by_hand"), format == "json", "{}", said.stderr);
    }
    let said = scratch.run(&["check", "--format", "json", "--package", "nobody"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    let said = scratch.run(&["check", "--format", "xml"]).fails(2);
    assert!(said.contains("text, json, sarif"), "{said}");
}

#[test]
fn sarif_has_a_rule_for_each_code_and_a_region_for_each_finding() {
    let said = with_problems().run(&["check", "--format", "sarif"]);
    assert_eq!(said.code, 1);
    let document = parsed(&said.stdout);
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), CODES.len());
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
