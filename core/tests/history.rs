//! The digest of a history changes with everything that a plan depends on, and with nothing else.

mod support;

use std::time::Duration;

use lockgate_core::{Checksum, History, Row, State};
use support::{row, version};

fn two() -> Vec<Row> {
    vec![row(1, "a", "a", State::Applied, 1), row(2, "b", "b", State::Partial, 3)]
}

#[test]
fn an_absent_history_and_an_empty_one_have_equal_digests() {
    let foreign = History::Foreign { tool: "sqlx".to_owned(), table: "_sqlx_migrations".to_owned() };
    assert_eq!(foreign.digest(), History::Absent.digest());
    assert!(foreign.is_absent() && History::Absent.is_absent() && !History::Present(Vec::new()).is_absent());
    assert_eq!(History::Absent.digest(), History::Present(Vec::new()).digest());
    assert_ne!(History::Absent.digest(), History::Present(two()).digest());
}

#[test]
fn the_digest_covers_what_plans_depend_on() {
    let digest = History::Present(two()).digest();
    assert_eq!(digest, History::Present(two()).digest());
    type Change = (&'static str, fn(&mut Row));
    let changes: [Change; 10] = [
        ("version", |row| row.version = version(3)),
        ("name", |row| row.name = "c".to_owned()),
        ("checksum", |row| row.checksum = Checksum::v1([7; 32])),
        ("state", |row| row.state = State::Reverting),
        ("state", |row| row.state = State::Applied),
        ("statements_done", |row| row.statements_done = 4),
        ("finished", |row| row.finished = Some(Checksum::v1([7; 32]))),
        ("finished", |row| row.finished = Some(Checksum::v1([8; 32]))),
        ("owner", |row| row.owner = Some("17/now".to_owned())),
        ("under_way", |row| row.under_way = Some(4)),
    ];
    for (what, change) in changes {
        let mut rows = two();
        change(&mut rows[1]);
        assert_ne!(History::Present(rows).digest(), digest, "{what}");
    }
    for fewer in [two().split_off(1), two()[..1].to_vec()] {
        assert_ne!(History::Present(fewer).digest(), digest, "a row less");
    }
}

#[test]
fn the_digest_ignores_the_rest() {
    let digest = History::Present(two()).digest();
    let mut rows = two();
    rows[0].applied_at = "2020-01-01T00:00:00Z".to_owned();
    rows[0].elapsed = Duration::from_secs(9);
    rows[0].applied_by = "grace".to_owned();
    rows[0].application = "other 2.0.0".to_owned();
    rows[0].lockgate = "9.9.9".to_owned();
    // The owner of a fully applied migration does not matter.
    rows[0].owner = Some("17/now".to_owned());
    rows[0].under_way = Some(1);
    assert_eq!(History::Present(rows).digest(), digest);
}

#[test]
fn neighbouring_fields_do_not_run_into_each_other() {
    let history = |first: &str, second: &str| {
        History::Present(vec![row(1, first, "x", State::Applied, 1), row(2, second, "x", State::Applied, 1)])
    };
    assert_ne!(history("ab", "c").digest(), history("a", "bc").digest());
}
