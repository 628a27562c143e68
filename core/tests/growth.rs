//! The time of a decision grows linearly with the set and the history, whatever the differences: four times as many
//! migrations take four times the CPU time of this thread, and not sixteen times.

mod support;

use lockgate_core::plan::Reason;
use lockgate_core::{
    Atomicity, Dialect, Dialects, DownTo, Drift, History, OutOfOrder, Request, Row, Set, State, drift, plan,
};
use support::{Words, row, set};

const FEW: i64 = 4_000;
const TIMES: i64 = 4;

/// The CPU time of this thread in nanoseconds.
fn used() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().and_then(|time| time.parse().ok()).expect("Linux counts what a thread uses")
}

/// Times a decision about some migrations, and about more. Setup does not count.
fn grows<T>(make: impl Fn(i64) -> T, decide: impl Fn(i64, &T)) {
    let work = |many: i64| {
        let made = make(many);
        let before = used();
        decide(many, &made);
        used() - before
    };
    // A busy machine makes some of them slow, and never one fast.
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (few, more) = (work(FEW), work(FEW * TIMES));
        if more < few * 10 {
            return;
        }
        seen.push((few, more));
    }
    panic!("nanoseconds for {FEW} and for {}: {seen:?}", FEW * TIMES);
}

fn embedded(from: i64, many: i64) -> Set {
    let migrations: Vec<Words> = (from + 1..=from + many).map(|n| Words::new(n, &format!("m{n}"))).collect();
    set(Dialects::NONE.with(Dialect::Sqlite), &migrations)
}

fn recorded(many: i64, say: impl Fn(i64) -> Row) -> History {
    History::Present((1..=many).map(say).collect())
}

#[test]
fn all_migrations_renumbered_after_they_were_applied() {
    let make = |many| {
        let moved = |n| row(n, &format!("m{}", n + many), &format!("m{}", n + many), State::Applied, 1);
        (embedded(many, many), recorded(many, moved))
    };
    grows(make, |many, (set, history)| {
        let found = drift::drift(set, history);
        let renamed =
            found.iter().filter(|drift| matches!(drift, Drift::Unknown { same_text_as: Some(_), .. })).count();
        assert_eq!(renamed as i64, many);
        assert_eq!(found.len() as i64, many, "what was renumbered is told once");
    });
}

#[test]
fn all_migrations_late_with_as_many_unknown_ones() {
    let strangers = |many| recorded(many, |n| row(n + many, "stranger", &format!("s{n}"), State::Applied, 1));
    grows(
        |many| (embedded(0, many), strangers(many)),
        |many, (set, history)| {
            let mut request = Request::up(Dialect::Sqlite);
            request.out_of_order = OutOfOrder::Allow;
            let planned = plan(set, history, &request).expect("they are ahead, and late ones may run");
            assert_eq!((planned.steps.len() as i64, planned.tolerated.len() as i64), (many, 2 * many));
        },
    );
}

#[test]
fn all_drafts_edited_and_half_reverted() {
    let edited = |many| recorded(many, |n| row(n, &format!("m{n}"), "edited", State::Applied, 1));
    grows(
        |many| (embedded(0, many), edited(many)),
        |many, (set, history)| {
            let request = Request { destination: DownTo::Empty.into(), ..Request::down(Dialect::Sqlite) };
            let planned = plan(set, history, &request);
            assert_eq!(planned.expect("a draft may be reverted").steps.len() as i64, many);
        },
    );
}

/// More steps down than are applied, with an irreversible one among them.
#[test]
fn as_many_steps_down_as_are_possible() {
    let make = |many| {
        let migrations: Vec<Words> =
            (1..=many).map(|n| Words { outside: n == 7, ..Words::new(n, &format!("m{n}")) }).collect();
        let history = recorded(many, |n| row(n, &format!("m{n}"), &format!("m{n}"), State::Applied, 1));
        (set(Dialects::NONE.with(Dialect::Sqlite), &migrations), history)
    };
    grows(make, |many, (set, history)| {
        let request = Request {
            destination: DownTo::Steps(many as usize + 1).into(),
            atomicity: Atomicity::WholeRun,
            ..Request::down(Dialect::Sqlite)
        };
        let refusal = plan(set, history, &request).expect_err("there are not so many");
        let possible = refusal.reasons.iter().find_map(|reason| match reason {
            Reason::TooManySteps { possible, .. } => Some(*possible as i64),
            _ => None,
        });
        assert_eq!(possible, Some(many - 7));
    });
}
