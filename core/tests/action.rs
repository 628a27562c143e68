//! Actions: the rows that they fit, the rows that they leave, and the scripts that they run.

mod support;

use lockgate_core::plan::Reason;
use lockgate_core::{
    Action, Ahead, Atomicity, Audience, Dialect, Direction, DownTo, OutOfOrder, Request, Row, State, UpTo,
};
use support::{checksum, row};

/// Every kind of row for a migration with the text `a+b+c`, and no row.
fn rows() -> Vec<(&'static str, Option<Row>)> {
    let of = |state, done| Some(row(1, "m", "a+b+c/d+e", state, done));
    let under_way = |row: Option<Row>| row.map(|row| Row { under_way: Some(2), ..row });
    vec![
        ("none", None),
        ("applied", of(State::Applied, 3)),
        ("edited", Some(row(1, "m", "other", State::Applied, 3))),
        ("partial 1", of(State::Partial, 1)),
        ("partial 2", of(State::Partial, 2)),
        ("reverting 1", of(State::Reverting, 1)),
        ("reverting 2", of(State::Reverting, 2)),
        ("under way", under_way(of(State::Partial, 1))),
    ]
}

/// The names of the rows for which `holds` is true.
fn those(holds: impl Fn(Option<&Row>) -> bool) -> Vec<&'static str> {
    rows().iter().filter(|(_, row)| holds(row.as_ref())).map(|(name, _)| *name).collect()
}

#[test]
fn an_action_knows_the_rows_that_it_fits_and_leaves() {
    let text = checksum("a+b+c");
    let any = ["applied", "edited", "partial 1", "partial 2", "reverting 1", "reverting 2", "under way"];
    let settle = Action::Settle { finished: None, statements_done: 2 };
    type Case<'a> = (Action, Option<Direction>, u32, &'a [&'a str], &'a [&'a str]);
    let cases: [Case<'_>; 8] = [
        (Action::Apply, Some(Direction::Up), 0, &["none"], &["applied"]),
        (Action::ResumeApply { statements_done: 1 }, Some(Direction::Up), 1, &["partial 1", "under way"], &["applied"]),
        (Action::Revert, Some(Direction::Down), 0, &["applied", "edited"], &["none"]),
        (Action::ResumeRevert { statements_done: 2 }, Some(Direction::Down), 2, &["reverting 2"], &["none"]),
        (Action::Record, None, 0, &["none"], &["applied"]),
        (Action::Rewrite, None, 0, &any, &["applied"]),
        (Action::Forget, None, 0, &any, &["none"]),
        (settle, None, 0, &["under way"], &["partial 2", "reverting 2"]),
    ];
    for (action, direction, done, fits, leaves) in cases {
        assert_eq!(action.direction(), direction, "{action:?}");
        assert_eq!(action.statements_done(), done, "{action:?}");
        assert_eq!(those(|row| action.fits(row)), fits, "{action:?}");
        assert_eq!(those(|row| action.is_done(row, &text)), leaves, "{action:?}");
    }
}

#[test]
fn an_action_has_a_verb_in_present_and_past_tense() {
    let settle = Action::Settle { finished: None, statements_done: 0 };
    for (action, plans, reports) in [
        (Action::Apply, "apply", "applied"),
        (Action::ResumeApply { statements_done: 1 }, "resume", "applied"),
        (Action::Revert, "revert", "reverted"),
        (Action::ResumeRevert { statements_done: 1 }, "resume revert", "reverted"),
        (Action::Record, "record", "recorded"),
        (Action::Rewrite, "repair", "repaired"),
        (settle, "repair", "repaired"),
        (Action::Forget, "forget", "forgot"),
    ] {
        assert_eq!((action.as_str(), action.past(), action.to_string()), (plans, reports, plans.to_owned()));
    }
}

#[test]
fn a_request_has_the_usual_defaults() {
    let up = Request {
        destination: UpTo::Latest.into(),
        dialect: Dialect::Sqlite,
        ahead: Ahead::default(),
        out_of_order: OutOfOrder::Refuse,
        atomicity: Atomicity::PerMigration,
        beside_others: false,
        can_adopt: false,
    };
    assert_eq!(format!("{:?}", Request::up(Dialect::Sqlite)), format!("{up:?}"));
    let down = Request { destination: DownTo::Steps(1).into(), ..up };
    assert_eq!(format!("{:?}", Request::down(Dialect::Sqlite)), format!("{down:?}"));
}

#[test]
fn the_help_says_how_many_migrations_can_be_reverted() {
    let says = |applied, possible| {
        Reason::TooManySteps { asked: 9, applied, possible, again: false }.help_for(Audience::CommandLine)
    };
    assert_eq!(says(0, 0), "there is nothing to revert");
    assert_eq!(says(1, 1), "`down 1` reverts it");
    assert_eq!(says(1, 0), "it cannot be reverted: see the other reason");
    assert_eq!(says(3, 0), "none of them can be reverted now: see the other reason");
    assert_eq!(says(3, 3), "`down 3` reverts all of them");
    assert_eq!(says(3, 2), "`down 2` reverts as many as possible now");
}
