//! Where a database stands: one line that sums it up, and a table with one row a migration.

use anstyle::Style;
use lockgate::{Drift, Entry, State, Status};

use super::table::{Column, table};
use super::{BAD, BOLD, DIM, GOOD, WAITING, count, paint};
use crate::duration;

const COLUMNS: [Column; 5] = [
    Column { title: "MIGRATION", weight: 5, is_number: false },
    Column { title: "STATE", weight: 4, is_number: false },
    Column { title: "APPLIED AT (UTC)", weight: 3, is_number: false },
    Column { title: "BY", weight: 2, is_number: false },
    Column { title: "TOOK", weight: 1, is_number: true },
];

/// Where a database stands.
pub(crate) fn status(status: &Status, width: Option<u16>) -> String {
    let mut shown = paint(BOLD, summary(status));
    if !status.entries.is_empty() {
        let rows: Vec<_> = status.entries.iter().map(|entry| row(status, entry)).collect();
        shown.push_str("\n\n");
        shown.push_str(&table(&COLUMNS, &rows, width));
    }
    shown
}

fn summary(status: &Status) -> String {
    let pending = status.pending().count();
    let recorded = status.entries.len() - pending;
    let mut summary = match (recorded, pending) {
        (0, 0) => "the program embeds no migration".to_owned(),
        (0, _) => format!("nothing is applied, {} pending", count(pending, "migration")),
        (_, 0) if status.is_up_to_date() => format!("up to date: {} applied", count(recorded, "migration")),
        (_, 0) => format!("{} applied", count(recorded, "migration")),
        (_, _) => format!("{} applied, {pending} pending", count(recorded, "migration")),
    };
    if !status.drift.is_empty() {
        let differences = count(status.drift.len(), "difference");
        summary.push_str(&format!(", {differences} between program and database"));
    }
    summary
}

fn row(status: &Status, entry: &Entry) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    let state = state(status, entry);
    match &entry.row {
        None => {
            let absent = || ("-".to_owned(), DIM);
            vec![plain(entry.id.clone()), state, absent(), absent(), absent()]
        }
        Some(row) => vec![
            plain(entry.id.clone()),
            state,
            plain(moment(&row.applied_at)),
            plain(row.applied_by.clone()),
            plain(duration::show(row.elapsed)),
        ],
    }
}

/// What differs is said rather than what is recorded.
fn state(status: &Status, entry: &Entry) -> (String, Style) {
    if let Some(row) = entry.row.as_ref().filter(|row| row.state != State::Applied) {
        return (format!("{} after {}", row.state, count(row.statements_done as usize, "statement")), BAD);
    }
    match (status.drift.iter().find(|drift| drift.id() == entry.id), &entry.row) {
        (Some(Drift::Ahead { .. }), _) => ("ahead".to_owned(), WAITING),
        (Some(drift), _) => (drift.code().to_owned(), BAD),
        (None, Some(_)) => ("applied".to_owned(), GOOD),
        (None, None) => ("pending".to_owned(), WAITING),
    }
}

/// `2026-11-20T13:24:05.123Z` as `2026-11-20 13:24:05`; anything else as it is.
fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(day), Some(time)) if rfc3339.as_bytes()[10] == b'T' => format!("{day} {time}"),
        _ => rfc3339.to_owned(),
    }
}
