//! `--format json` from outside: each line of each command in several states of a database fits the published schema,
//! and each command ends with exactly one result or error.

use std::sync::OnceLock;

use serde_json::Value;

use crate::support::app::{Answer, Place, answer, command, on_each};

on_each! {
    every_answer_fits_the_schema,
}

/// What is typed for each verb. The lists below must name every verb.
const LOOKS: &[&[&str]] = &[
    &["status"],
    &["plan"],
    &["plan", "--verbose", "--steps", "2"],
    &["up", "--dry-run"],
    &["down", "1", "--dry-run"],
    &["wait", "--timeout", "1ms"],
    &["ready"],
    &["drift"],
    &["drift", "--schema"],
    &["history", "--last", "5"],
    &["manual"],
    &["manual", "run", "7", "--dry-run"],
    &["doctor", "--integrity"],
];

/// What changes the database, in an order in which each has something to do.
const CHANGES: &[&[&str]] = &[
    &["up", "--to", "3"],
    &["down", "1"],
    &["redo", "--verbose"],
    &["repair", "--forget", "2"],
    &["baseline", "2"],
    &["up"],
    &["up"],
    &["down", "99"],
    &["up", "--to", "seven"],
    &["up", "--to", "99"],
    &["repair", "--accept-edited", "--reason", "why"],
];

fn every_answer_fits_the_schema(place: &Place) {
    let mut seen = Vec::new();
    let mut check = |place: &Place, words: &[&str]| {
        let answer = place.app(&[words, &["--format", "json"]].concat());
        let last = lines(words, &answer).pop().expect("there is a last line");
        seen.push(last["verb"].as_str().unwrap_or_default().to_owned());
        last
    };
    for looks in LOOKS {
        check(place, looks);
    }
    for change in CHANGES {
        let done = check(place, change);
        assert!(done["type"] == "result" || done["exit_code"] != 1, "{change:?}: {done}");
        for looks in LOOKS {
            check(place, looks);
        }
    }
    place.try_rows("UPDATE lockgate_history SET name = 'create_friends' WHERE version = 1").unwrap();
    for words in [LOOKS, CHANGES].concat() {
        check(place, words);
    }
    check(place, &["repair", "--accept-edited", "--reason", "why"]);
    std::fs::create_dir(place.folder().join("kept")).unwrap();
    for words in [
        &["backup", "create"][..],
        &["backup", "list"],
        &["backup", "fetch", "--to", "newest.dump"],
        &["backup", "fetch", "unknown"],
        &["backup", "verify"],
        &["backup", "prune", "--of", "unmarked", "--keep-last", "1"],
        &["deploy"],
        &["restore"],
    ] {
        check(place, &[words, &["--store", "kept"]].concat());
    }
    check(place, &["mark-stage", "test"]);
    for words in [&["--of", "unmarked"][..], &["--drop-old"]] {
        let done = check(place, &[&["restore", "--store", "kept", "--stage", "test"], words].concat());
        assert_eq!(done["type"], "result", "{words:?}: {done}");
    }
    check(place, &["schedule", "install", "--at", "hourly", "--store", "kept", "--systemd", "--unit-folder", "units"]);
    check(place, &["mark-stage", "staging"]);
    check(place, &["status"]);
    check(place, &["down", "1"]);
    check(place, &["bootstrap", "--admin-url", place.url()]);
    // A database cannot be its own mirror.
    for words in [&["mirror"][..], &["mirror", "accept", "library", "--reason", "why"], &["up"], &["status"]] {
        check(place, &[words, &["--mirror", place.url()]].concat());
    }
    check(place, &["sql"]);
    check(place, &["json-schema"]);
    let file = place.folder().join("rows.sql").display().to_string();
    let dumped = check(place, &["dump", &file]);
    assert_eq!(dumped["moved"]["direction"], "dumped", "{dumped}");
    let refresh = ["refresh", "--from", "production", "--to", "test", "--keep", "kept.sql", "--unchanged"];
    for words in [&["seed"][..], &["seed", "load"], &["load", &file], &refresh] {
        check(place, words);
    }
    place.try_rows("CREATE TABLE schema_migrations (version BIGINT, dirty BOOLEAN)").unwrap();
    place.try_rows("INSERT INTO schema_migrations VALUES (99, true)").unwrap();
    for words in [&["adopt"][..], &["adopt", "--write"], &["adopt", "--from", "nobody"], &["adopt", "--undo"]] {
        check(place, words);
    }
    for words in [&["json-schema"][..], &["completions", "bash"], &["man"], &["man", "up"]] {
        check(place, words);
    }

    let help = answer(command(&["--help"]).output().unwrap()).out;
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let of_the_desk = ["books", "lend", "loans", "return", "help"];
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for verb in names.filter(|name| !name.is_empty()) {
        if !of_the_desk.contains(&verb) {
            assert!(seen.iter().any(|seen| seen == verb), "`{verb}` is not tried here: {seen:?}");
        }
    }
}

#[test]
fn what_fails_before_a_verb_runs_ends_with_an_error_too() {
    let place = Place::sqlite();
    let cases: &[(&[&str], i64)] = &[
        (&["upp"], 2),
        (&[], 2),
        (&["up", "--too", "7"], 2),
        (&["status", "--database-url", "gopher://localhost/library"], 2),
        (&["status", "--database-url", "postgres://ada:5esame@127.0.0.1:1/library"], 4),
        (&["down", "1"], 4),
    ];
    for (words, code) in cases {
        let answer = place.app(&[words, &["--format=json"][..]].concat());
        let last = lines(words, &answer).pop().unwrap();
        assert_eq!((&last["type"], &last["exit_code"]), (&"error".into(), &(*code).into()), "{words:?}: {last}");
        assert!(!answer.out.contains("5esame"), "{answer:?}");
    }
    let misspelt = place.app(&["upp", "--format", "json"]);
    let error = lines(&["upp"], &misspelt).pop().unwrap();
    assert_eq!(error["message"], "unrecognized subcommand 'upp'");
    assert_eq!(error["help"][0], "tip: some similar subcommands exist: 'dump', 'up'", "{error}");
    let help = place.app(&["--help", "--format", "json"]);
    assert!(lines(&["--help"], &help).pop().unwrap()["document"].as_str().unwrap().contains("Exit codes:"));
}

#[test]
fn a_run_says_what_happens_while_it_happens() {
    let place = Place::sqlite();
    let answer = place.app(&["up", "--to", "2", "--format", "json"]);
    let lines = lines(&["up"], &answer);
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    let expected = ["note", "planned", "started", "started", "ran", "ran", "committed", "committed", "result"];
    assert_eq!(types, expected, "{answer:#?}");
    let result = lines.last().unwrap();
    assert_eq!(result["verb"], "up");
    assert_eq!(result["exit"], "done");
    assert_eq!(result["run"]["steps"][1]["migration"], "0002_create_books");
    assert_eq!(result["run"]["steps"][1]["action"], "apply");
}

/// The lines of an answer, each of which fits the schema.
#[track_caller]
fn lines(words: &[&str], answer: &Answer) -> Vec<Value> {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let schema = self::answer(command(&["json-schema"]).output().unwrap());
        let schema = serde_json::from_str(&schema.out).expect("the schema is JSON");
        jsonschema::validator_for(&schema).expect("the schema is a schema")
    });
    assert_eq!(answer.err, "", "{words:?} says everything on standard output");
    let lines: Vec<Value> =
        answer.out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let is_end = |line: &Value| line["type"] == "result" || line["type"] == "error";
    for line in &lines {
        let problems: Vec<_> = schema.iter_errors(line).map(|problem| problem.to_string()).collect();
        assert_eq!(problems, [""; 0], "{words:?}: {line}");
        assert_eq!(line["lockgate"], 1, "{line}");
    }
    assert_eq!(lines.iter().filter(|line| is_end(line)).count(), 1, "{words:?}: {answer:#?}");
    let last = lines.last().expect("a command answers");
    assert!(is_end(last), "{words:?}: {answer:#?}");
    assert_eq!(last["exit_code"].as_i64(), answer.code.map(i64::from), "{last}");
    lines
}
