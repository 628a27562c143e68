//! What an operator sees and types at a terminal.

use lockgate::mask_secrets;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::app::{Place, on_each};
use crate::support::terminal::Terminal;

on_each! {
    only_yes_goes_on_and_the_question_names_the_database,
    up_asks_on_a_protected_stage_alone,
    an_edited_file_is_accepted_for_a_reason,
    a_terminal_gets_the_beginning_of_a_long_plan,
}

/// While a statement waits, its line says what runs and for how long.
#[test]
fn the_bar_says_what_runs_and_for_how_long() {
    let Some(place) = Place::postgres() else { return };
    place.ok(&["up", "--to", "11"]);
    let (runtime, mut other) = wait_with(async {
        let mut other = PgConnection::connect(place.url()).await.unwrap();
        other.execute("BEGIN; LOCK TABLE members").await.unwrap();
        other
    });
    let mut up = terminal(&place, &["up", "--lock-timeout", "none"]);
    let seen = up.until("(1 s)");
    assert!(
        seen.contains("0012_add_phone_to_members, statement 1 of 1: ALTER TABLE members ADD COLUMN phone"),
        "{seen}"
    );
    runtime.block_on(other.execute("ROLLBACK")).unwrap();
    let (code, rest) = up.end();
    assert!(code == Some(0) && rest.contains("applied 1 migration in "), "{rest}");
}

/// The result of a future, and its runtime, on which what it opened lives.
fn wait_with<T>(future: impl Future<Output = T>) -> (tokio::runtime::Runtime, T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let result = runtime.block_on(future);
    (runtime, result)
}

const ENTER: &str = "\r";
const CTRL_C: &str = "\x03";
const END_OF_INPUT: &str = "\x04";

fn terminal(place: &Place, arguments: &[&str]) -> Terminal {
    Terminal::start(&place.command(arguments), 200)
}

fn only_yes_goes_on_and_the_question_names_the_database(place: &Place) {
    place.ok(&["up"]);
    let before = (place.schema(), place.history());
    let unanswered = "the question was not answered";
    let no = "the answer was not `yes`";
    let answers = [("y\r", no), ("n\r", no), ("YES!\r", no), (ENTER, no), (END_OF_INPUT, no), (CTRL_C, unanswered)];
    for verb in [&["down", "2"][..], &["redo"]] {
        for (typed, says) in answers {
            let mut terminal = terminal(place, verb);
            let question = terminal.until("Type `yes` to go on: ");
            assert!(question.contains(&format!(" on {}:", mask_secrets(place.url()))), "{question}");
            assert!(question.contains("revert 0012_add_phone_to_members"), "{question}");
            assert!(question.contains("destroys data of members"), "{question}");
            terminal.types(typed);
            let (code, rest) = terminal.end();
            assert_eq!(code, Some(3), "{verb:?} {typed:?}: {rest}");
            assert!(rest.contains(&format!("error[refused]: {says}\n  = nothing was changed\n")), "{typed:?}: {rest}");
            // The error begins on a line of its own.
            assert!(rest.starts_with('\n') || rest.contains("\nerror["), "{typed:?}: {rest}");
            assert_eq!((place.schema(), place.history()), before, "{verb:?} {typed:?}");
        }
    }
    let mut yes = terminal(place, &["down", "1"]);
    yes.until("Type `yes` to go on: ");
    yes.types("yes\r");
    let (code, rest) = yes.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("reverted 0012_add_phone_to_members"), "{rest}");
    assert_eq!(place.history().len(), 11);
    let (code, rest) = terminal(place, &["down", "1", "--yes"]).end();
    assert!(code == Some(0) && !rest.contains("Type `yes`"), "{rest}");
}

fn up_asks_on_a_protected_stage_alone(place: &Place) {
    for stage in [None, Some("test"), Some("production")] {
        place.ok(&["up", "--to", "2"]);
        if let Some(stage) = stage {
            place.ok(&["mark-stage", stage]);
        }
        let is_asked = stage == Some("production");
        let mut up = terminal(place, &["up", "--to", "3"]);
        if is_asked {
            let question = up.until("Type `yes` to go on: ");
            assert!(question.contains("apply 0003_"), "{question}");
            up.types("n\r");
        }
        let (code, rest) = up.end();
        assert_eq!(code, Some(if is_asked { 3 } else { 0 }), "{stage:?}: {rest}");
        assert!(!rest.contains("Type `yes`"), "{rest}");
        let more: &[&str] = if is_asked { &["up", "--to", "3", "--yes"] } else { &["down", "--to", "2", "--yes"] };
        let (code, rest) = terminal(place, more).end();
        assert_eq!(code, Some(0), "{rest}");
    }
    // Where nothing is to be done, nothing is asked.
    let (code, rest) = terminal(place, &["up", "--to", "3"]).end();
    assert!(code == Some(0) && rest.contains("nothing to do"), "{rest}");
}

fn an_edited_file_is_accepted_for_a_reason(place: &Place) {
    place.ok(&["up"]);
    let edit = format!("UPDATE lockgate_history SET checksum = 'v1:{}' WHERE version = 12", "0".repeat(64));
    let accept = ["repair", "--accept-edited"];
    let (code, rest) = terminal(place, &accept).end();
    assert!(code == Some(0) && rest.contains("nothing to do"), "{rest}");
    place.try_rows(&edit).unwrap();
    for typed in [ENTER, END_OF_INPUT, CTRL_C, "  \r"] {
        let mut asked = terminal(place, &accept);
        let question = asked.until("Why? The log keeps the reason: ");
        assert!(question.contains("repair 0012_add_phone_to_members"), "{question}");
        asked.types(typed);
        let (code, rest) = asked.end();
        assert!(code == Some(3) && rest.contains("nothing was changed"), "{typed:?}: {rest}");
    }
    assert_eq!(place.app(&["drift"]).code, Some(9));
    let mut asked = terminal(place, &accept);
    asked.until("Why? The log keeps the reason: ");
    asked.types("only a comment was edited\r");
    let (code, rest) = asked.end();
    assert_eq!(code, Some(0), "{rest}");
    place.ok(&["drift"]);
    assert!(place.ok(&["history"]).contains("0012_add_phone_to_members repaired: only a comment was edited\n"));

    // A script must say why, and is told how.
    place.try_rows(&edit).unwrap();
    let refused = place.app(&accept);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.err.contains("`repair --accept-edited --reason \"why\"`"), "{refused:#?}");
    assert_eq!(place.app(&["repair", "--accept-edited", "--reason", " "]).code, Some(2));
    place.ok(&["repair", "--accept-edited", "--reason", "it's \"right\""]);
    let json = place.ok(&["history", "--last", "1", "--format", "json"]);
    let line: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(line["history"][0]["event"], "repaired");
    assert_eq!(line["history"][0]["detail"], "it's \"right\"");
    // Other corrections may say why, too. A protected stage asks for a reason of its own, and one is enough.
    place.ok(&["repair", "--forget", "12", "--reason", "dropped by hand"]);
    place.ok(&["baseline", "12"]);
    place.try_rows(&edit).unwrap();
    place.ok(&["mark-stage", "production"]);
    assert_eq!(place.app(&["repair", "--accept-edited", "--reason", "a"]).code, Some(3));
    place.ok(&["repair", "--accept-edited", "--override-stage", "hotfix"]);
    let output = place.rows("SELECT event || ' ' || detail FROM lockgate_log WHERE detail IS NOT NULL ORDER BY id");
    let last: Vec<&str> = output.iter().map(String::as_str).rev().take(3).collect();
    assert_eq!(last, ["repaired hotfix", "overridden production: hotfix", "forgotten dropped by hand"]);
}

fn a_terminal_gets_the_beginning_of_a_long_plan(place: &Place) {
    if place.is_sqlite() {
        std::fs::write(place.file(), "").unwrap();
    }
    let (first, last) =
        ("-- migrations/0001_create_members.up.sql\n", "-- migrations/0012_add_phone_to_members.up.sql\n");
    for command in [&["plan"][..], &["up", "--dry-run"]] {
        let (_, short) = terminal(place, command).end();
        assert!(short.contains(first) && !short.contains(last), "{short}");
        assert!(short.contains(" more scripts\n\nthe same with `--verbose` shows everything\n"), "{short}");
        let (_, all) = terminal(place, &[command, &["--verbose"]].concat()).end();
        assert!(all.contains(first) && all.contains(last) && !all.contains("shows everything"), "{all}");
        let pipe = place.ok(command);
        assert!(pipe.contains(first) && pipe.contains(last), "{pipe}");
    }
}
