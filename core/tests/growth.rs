//! A decision takes time in proportion to the set and the history, whatever is wrong with all of them: what compares
//! each with each would take an hour here.

mod support;

use lockgate_core::plan::Reason;
use lockgate_core::{
    Atomicity, Destination, Dialect, Dialects, Drift, History, OutOfOrder, Request, Row, Set, State, drift, plan,
};
use support::{Words, row, set};

const MANY: i64 = 50_000;
/// Each of these takes a decision of its own.
const FEW: i64 = 5_000;

fn embedded(from: i64) -> Set {
    let migrations: Vec<Words> = (from + 1..=from + MANY).map(|n| Words::new(n, &format!("m{n}"))).collect();
    set(Dialects::NONE.with(Dialect::Sqlite), &migrations)
}

fn recorded(say: impl Fn(i64) -> Row) -> History {
    History::Present((1..=MANY).map(say).collect())
}

#[test]
fn all_migrations_renumbered_after_they_were_applied() {
    let history = recorded(|n| row(n, &format!("m{}", n + MANY), &format!("m{}", n + MANY), State::Applied, 1));
    let found = drift::drift(&embedded(MANY), &history);
    let told = found.iter().filter(|drift| matches!(drift, Drift::Unknown { same_text_as: Some(_), .. })).count();
    assert_eq!(told as i64, MANY);
    assert_eq!(found.len() as i64, MANY, "what was renumbered is told once");
}

#[test]
fn all_migrations_late_beside_as_many_strangers() {
    let set = embedded(0);
    let strangers = (1..=MANY).map(|n| row(n + MANY, "stranger", &format!("s{n}"), State::Applied, 1)).collect();
    let mut request = Request::up(Dialect::Sqlite);
    request.out_of_order = OutOfOrder::Allow;
    let planned = plan(&set, &History::Present(strangers), &request).expect("they are ahead, and late ones may run");
    assert_eq!((planned.steps.len() as i64, planned.tolerated.len() as i64), (MANY, 2 * MANY));
}

#[test]
fn all_drafts_edited_and_on_their_way_down() {
    let history = recorded(|n| row(n, &format!("m{n}"), "edited", State::Applied, 1));
    let set = embedded(0);
    let planned = plan(&set, &history, &Request { destination: Destination::Empty, ..Request::down(Dialect::Sqlite) });
    assert_eq!(planned.expect("a draft may be reverted").steps.len() as i64, MANY);
}

/// More steps down than there are, and one that cannot be among them.
#[test]
fn as_many_steps_down_as_are_possible() {
    let history =
        History::Present((1..=FEW).map(|n| row(n, &format!("m{n}"), &format!("m{n}"), State::Applied, 1)).collect());
    let migrations: Vec<Words> =
        (1..=FEW).map(|n| Words { outside: n == 7, ..Words::new(n, &format!("m{n}")) }).collect();
    let set = set(Dialects::NONE.with(Dialect::Sqlite), &migrations);
    let request = Request {
        destination: Destination::Steps(FEW as usize + 1),
        atomicity: Atomicity::WholeRun,
        ..Request::down(Dialect::Sqlite)
    };
    let refusal = plan(&set, &history, &request).expect_err("there are not so many");
    let possible = refusal.reasons.iter().find_map(|reason| match reason {
        Reason::TooManySteps { possible, .. } => Some(*possible as i64),
        _ => None,
    });
    assert_eq!(possible, Some(FEW - 7));
}
