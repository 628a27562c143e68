//! The living example: the library works, on both databases, and its migrations go both ways.

use crate::support::app::{Place, on_each};

on_each! {
    a_book_is_lent_and_taken_back,
    a_late_return_is_fined,
    the_desk_waits_for_its_schema,
    down_and_up_again_gives_the_same_schema_at_every_step,
}

fn a_book_is_lent_and_taken_back(place: &Place) {
    place.ok(&["up"]);
    assert_eq!(place.ok(&["loans"]), "every book is on its shelf; `lend ada middlemarch` changes that\n");
    assert_eq!(place.ok(&["lend", "ada", "middle"]), "Middlemarch from shelf B1 is lent for four weeks\n");
    let loans = place.ok(&["loans"]);
    assert!(loans.starts_with("Ada has Middlemarch (30417000000042) until 2"), "{loans}");
    let gone = place.app(&["lend", "grace", "middlemarch"]);
    assert_eq!((gone.code, gone.err.as_str()), (Some(1), "error: no copy of `middlemarch` is on its shelf\n"));
    place.ok(&["return", "30417000000042"]);
    place.ok(&["lend", "grace", "Middlemarch"]);
    assert!(place.ok(&["loans"]).starts_with("Grace has Middlemarch"));
}

fn a_late_return_is_fined(place: &Place) {
    place.ok(&["up"]);
    place.ok(&["lend", "linus", "moby-dick"]);
    let due = if place.is_sqlite() { "DATE('now', '-3 days')" } else { "CURRENT_DATE - 3" };
    place.try_rows(&format!("UPDATE loans SET lent_on = {due}, due_on = {due}")).unwrap();
    place.ok(&["return", "30417000000034"]);
    assert_eq!(place.rows("SELECT reason || ' ' || cents FROM fines"), ["late 60"]);
}

fn the_desk_waits_for_its_schema(place: &Place) {
    assert_eq!(place.app(&["loans"]).code, Some(1));
    assert!(!place.file().exists(), "only `up` makes a database");
    place.ok(&["up", "--steps", "11"]);
    let early = place.app(&["loans"]);
    assert_eq!((early.code, early.out.as_str()), (Some(1), ""));
    assert_eq!(early.err, "error: the database is not up to date: run `up` first\n");
    place.ok(&["up"]);
    place.ok(&["loans"]);
}

/// All migrations after the one-way seed, with rows in the tables that are rebuilt.
fn down_and_up_again_gives_the_same_schema_at_every_step(place: &Place) {
    place.ok(&["up", "--to", "8"]);
    place.try_rows("INSERT INTO loans VALUES (1, 1, 1, '2026-01-01', '2026-01-29', NULL)").unwrap();
    place.try_rows("INSERT INTO fines (loan_id, cents) VALUES (1, 50)").unwrap();
    place.try_rows("INSERT INTO payments (receipt, loan_id, cents) VALUES ('R1', 1, 50)").unwrap();
    place.ok(&["down", "--to", "4"]);

    let mut on_the_way_up = vec![place.schema()];
    for _ in 5..=12 {
        place.ok(&["up", "--steps", "1"]);
        on_the_way_up.push(place.schema());
        if on_the_way_up.len() == 5 {
            place.try_rows("INSERT INTO fines (loan_id, cents) VALUES (1, 50)").unwrap();
            place.try_rows("INSERT INTO payments (receipt, loan_id, cents) VALUES ('R1', 1, 50)").unwrap();
        }
    }
    assert_eq!(place.rows("SELECT reason FROM payments"), ["late"]);
    let mut on_the_way_down = vec![place.schema()];
    for version in (5..=12).rev() {
        if version == 8 {
            assert_eq!(place.rows("SELECT receipt FROM payments"), ["R1"]);
        }
        place.ok(&["down", "1"]);
        on_the_way_down.push(place.schema());
    }
    on_the_way_down.reverse();
    assert_eq!(on_the_way_up, on_the_way_down);
    assert_eq!(place.rows("SELECT name FROM members ORDER BY id"), ["Ada", "Grace", "Linus"]);
}
