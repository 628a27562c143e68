//! Drift of a script that stopped half way and was edited afterwards.

mod support;

use lockgate_core::drift::drift;
use lockgate_core::{Audience, Dialects, Drift, History, Row, State};
use support::{Words, checksum, row, set};

/// The finished statements that the drift reports for this script.
fn edited(text: &str, row: Row) -> Option<Vec<String>> {
    let words = Words { text: text.to_owned(), outside: true, ..Words::new(1, "a") };
    let found = drift(&set(Dialects::ALL, &[words]), &History::Present(vec![row]));
    found.into_iter().find_map(|drift| match drift {
        Drift::FinishedEdited { now, .. } => Some(now),
        _ => None,
    })
}

#[test]
fn finished_statements_are_shown_with_their_present_text() {
    let now = edited("one+two+three", row(1, "a", "one+zwei+three", State::Partial, 2)).unwrap();
    assert_eq!(now, ["migrations/0001_a.up.sql:1 `one;`", "migrations/0001_a.up.sql:2 `two;`"]);
    let many = "a+b+c+d+e+f+g";
    let now = edited(many, row(1, "a", "A+b+c+d+e+f+g", State::Partial, 7)).unwrap();
    assert_eq!(now.len(), 6);
    assert_eq!(now[5], "and 2 more");
    // A shortened statement is marked.
    let long = "x".repeat(61);
    let now = edited(&format!("{long}+two"), row(1, "a", "y+two", State::Partial, 1)).unwrap();
    assert_eq!(now, [format!("migrations/0001_a.up.sql:1 `{}…`", "x".repeat(60))]);
    let whole = "x".repeat(59);
    let now = edited(&format!("{whole}+two"), row(1, "a", "y+two", State::Partial, 1)).unwrap();
    assert_eq!(now, [format!("migrations/0001_a.up.sql:1 `{whole};`")]);
    let lines = edited("one\nmore+two", row(1, "a", "y+two", State::Partial, 1)).unwrap();
    assert_eq!(lines, ["migrations/0001_a.up.sql:1 `one…`"]);
}

/// Another release may split the same text differently, and so compute another checksum.
#[test]
fn an_unchanged_text_is_not_compared() {
    let as_another_cut_it =
        Row { finished: Some(checksum("cut otherwise")), ..row(1, "a", "one+two", State::Partial, 1) };
    assert_eq!(edited("one+two", as_another_cut_it), None);
    // A different migration with its number is reported as such.
    assert_eq!(edited("one+two", row(1, "b", "y+two", State::Partial, 1)), None);
    assert!(edited("one+two", row(1, "a", "y+two", State::Partial, 1)).is_some());
}

#[test]
fn a_statement_whose_end_was_not_recorded_is_named() {
    let words = Words { text: "one+two+three".to_owned(), outside: true, ..Words::new(1, "a") };
    let set = set(Dialects::ALL, &[words]);
    let says = |under_way| {
        let row = Row { under_way, ..row(1, "a", "one+two+three", State::Partial, 1) };
        let found = drift(&set, &History::Present(vec![row]));
        (found[0].to_string(), found[0].help_for(Audience::CommandLine))
    };
    let (what, help) = says(None);
    assert_eq!(what, "`0001_a` stopped half way, after 1 finished statement");
    assert!(help.starts_with("`up` resumes where it stopped"), "{help}");
    // Recorded as started and as finished.
    assert_eq!(says(Some(1)).0, what);
    let (what, help) = says(Some(2));
    assert!(what.ends_with("; statement 2 was sent, and its end was not recorded"), "{what}");
    assert!(help.starts_with("`up` looks whether statement 2 took effect, and resumes there"), "{help}");
}
