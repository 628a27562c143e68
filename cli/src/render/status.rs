//! Formats the status of a database: a summary, and a table with one row for each migration.

use std::collections::HashMap;

use anstyle::Style;
use lockgate::{Drift, Entry, RepeatableEntry, RepeatableState, Row, State, Status};

use super::table::{Column, table};
use super::{BAD, BOLD, DIM, GOOD, WAITING, count, grouped, moment, paint};
use crate::duration;

const COLUMNS: [Column; 5] = [
    Column { title: "MIGRATION", weight: 5, is_number: false },
    Column { title: "STATE", weight: 4, is_number: false },
    Column { title: "APPLIED AT (UTC)", weight: 3, is_number: false },
    Column { title: "BY", weight: 2, is_number: false },
    Column { title: "TOOK", weight: 1, is_number: true },
];

/// The most migrations that a terminal shows without `--all`, and how many of these are the first ones.
const MOST: usize = 60;
const FIRST: usize = 10;
const LAST: usize = 30;

/// Formats the status of a database. A terminal shows only the first and the last of many migrations, and those in
/// between that need attention.
pub(super) fn status(status: &Status, width: Option<u16>, all: bool) -> String {
    let mut shown = paint(BOLD, summary(status));
    if let Some(stage) = status.stage {
        let style = if stage.is_protected() { BAD } else { GOOD };
        shown.push_str(&format!("\nstage: {}", paint(style, stage)));
    }
    if status.entries.is_empty() && status.repeatables.is_empty() {
        return shown;
    }
    let entries = &status.entries;
    let drifted: HashMap<&str, &Drift> = status.drift.iter().rev().map(|drift| (drift.id(), drift)).collect();
    let is_short = width.is_some() && !all && entries.len() > MOST;
    // The next run begins after the newest applied migration.
    let current = entries.iter().rposition(|entry| entry.row.is_some()).map_or(0, |newest| newest + 1);
    let tail = current.saturating_sub(LAST / 2).min(entries.len().saturating_sub(LAST));
    let tail = tail..tail + LAST;
    let needs = |entry: &Entry| {
        drifted.contains_key(entry.id.as_str()) || entry.row.as_ref().is_some_and(|row| row.state != State::Applied)
    };
    let mut left_out = 0;
    let mut rows = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        if is_short && place >= FIRST && !tail.contains(&place) && !needs(entry) {
            left_out += 1;
            continue;
        }
        rows.extend(gap(&mut left_out));
        rows.push(row(&drifted, entry));
    }
    rows.extend(gap(&mut left_out));
    let is_cut = rows.len() < entries.len();
    rows.extend(status.repeatables.iter().map(repeatable));
    shown.push_str("\n\n");
    shown.push_str(&table(&COLUMNS, &rows, width));
    if is_short && is_cut {
        shown.push_str(&format!("\n\n{}", paint(DIM, "`status --all` shows every migration")));
    }
    shown
}

/// A row in place of rows that are not shown.
fn gap(left_out: &mut usize) -> Option<Vec<(String, Style)>> {
    let number = std::mem::take(left_out);
    let text = (format!("… {} more", grouped(number as u64)), DIM);
    let empty = || (String::new(), DIM);
    (number > 0).then(|| vec![text, empty(), empty(), empty(), empty()])
}

fn summary(status: &Status) -> String {
    if status.entries.is_empty() && status.repeatables.is_empty() {
        return "the program embeds no migration".to_owned();
    }
    let pending = status.pending().count();
    let recorded = status.entries.iter().filter_map(|entry| entry.row.as_ref());
    let (applied, partial): (Vec<_>, Vec<_>) = recorded.partition(|row| row.state == State::Applied);
    let mut summary = match applied.len() {
        0 => "nothing is applied".to_owned(),
        applied if status.is_up_to_date() => format!("up to date: {} applied", count(applied, "migration")),
        applied => format!("{} applied", count(applied, "migration")),
    };
    let skipped = status.entries.iter().filter(|entry| entry.skipped).count();
    for (number, word) in [(partial.len(), "partial"), (pending, "pending"), (skipped, "skipped")] {
        if number > 0 {
            summary.push_str(&format!(", {number} {word}"));
        }
    }
    let repeatables = status.pending_repeatables().count();
    if repeatables > 0 {
        summary.push_str(&format!(", {} to run", count(repeatables, "repeatable script")));
    }
    if !status.drift.is_empty() {
        let differences = count(status.drift.len(), "difference");
        summary.push_str(&format!(", {differences} between program and database"));
    }
    summary
}

fn row(drifted: &HashMap<&str, &Drift>, entry: &Entry) -> Vec<(String, Style)> {
    line(&entry.id, state(drifted, entry), entry.row.as_ref())
}

/// The row of a repeatable script.
fn repeatable(entry: &RepeatableEntry) -> Vec<(String, Style)> {
    let state = match entry.state {
        RepeatableState::New | RepeatableState::Changed | RepeatableState::Ahead => {
            (entry.state.as_str().to_owned(), WAITING)
        }
        RepeatableState::Current => ("applied".to_owned(), GOOD),
        RepeatableState::Gone => (entry.state.as_str().to_owned(), BAD),
        RepeatableState::Skipped => skipped(&entry.profiles),
    };
    line(&entry.id, state, entry.row.as_ref())
}

/// The state of a script that no profile has chosen.
fn skipped(profiles: &[&str]) -> (String, Style) {
    let noun = if profiles.len() == 1 { "profile" } else { "profiles" };
    (format!("skipped: {noun} {}", profiles.join(", ")), DIM)
}

fn line(id: &str, state: (String, Style), row: Option<&Row>) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    match row {
        None => {
            let absent = || ("-".to_owned(), DIM);
            vec![plain(id.to_owned()), state, absent(), absent(), absent()]
        }
        Some(row) => vec![
            plain(id.to_owned()),
            state,
            plain(moment(&row.applied_at)),
            plain(row.applied_by.clone()),
            plain(duration::show(row.elapsed)),
        ],
    }
}

/// The state of a migration. A difference has priority over the recorded state.
fn state(drifted: &HashMap<&str, &Drift>, entry: &Entry) -> (String, Style) {
    if let Some(row) = entry.row.as_ref().filter(|row| row.state != State::Applied) {
        return (format!("{} after {}", row.state, count(row.statements_done as usize, "statement")), BAD);
    }
    match (drifted.get(entry.id.as_str()), &entry.row) {
        (Some(Drift::Ahead { .. }), _) => ("ahead".to_owned(), WAITING),
        (Some(drift), _) => (drift.code().to_owned(), BAD),
        (None, Some(_)) => ("applied".to_owned(), GOOD),
        (None, None) if entry.skipped => skipped(&entry.profiles),
        (None, None) => ("pending".to_owned(), WAITING),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockgate::{Checksum, Version};

    use super::*;

    fn version(number: i64) -> Version {
        Version::new(number).unwrap()
    }

    fn entry(number: i64, name: &str, state: Option<State>) -> Entry {
        let row = state.map(|state| Row {
            owner: None,
            under_way: None,
            version: version(number),
            name: name.to_owned(),
            checksum: Checksum::v1([0; 32]),
            state,
            statements_done: 1,
            finished: None,
            applied_at: "2026-11-20T13:24:05.123456Z".to_owned(),
            elapsed: Duration::from_millis(12),
            applied_by: "deployer".to_owned(),
            application: "app 0.1.0".to_owned(),
            lockgate: "0.1.0".to_owned(),
        });
        let id = format!("{number:04}_{name}");
        let (profiles, skipped) = (Vec::new(), false);
        Entry { version: version(number), id, embedded: true, reversible: Some(true), profiles, skipped, row }
    }

    fn plain(entries: Vec<Entry>, drift: Vec<Drift>, width: Option<u16>) -> String {
        anstream::adapter::strip_str(&status(
            &Status { entries, repeatables: Vec::new(), drift, stage: None, at_work: None },
            width,
            false,
        ))
        .to_string()
    }

    #[test]
    fn every_state_has_its_name() {
        let entries = vec![
            entry(1, "create_members", Some(State::Applied)),
            entry(2, "create_books", Some(State::Applied)),
            entry(3, "reclaim_space", Some(State::Partial)),
            entry(4, "add_phone", None),
        ];
        let renamed = Drift::Renamed { id: "0002_create_books".to_owned(), recorded: "books".to_owned() };
        let partial = Drift::Partial {
            id: "0003_reclaim_space".to_owned(),
            state: State::Partial,
            statements_done: 1,
            in_doubt: None,
        };
        let expected = "\
2 migrations applied, 1 partial, 1 pending, 2 differences between program and database

  MIGRATION            STATE                      APPLIED AT (UTC)     BY         TOOK
  0001_create_members  applied                    2026-11-20 13:24:05  deployer  12 ms
  0002_create_books    renamed                    2026-11-20 13:24:05  deployer  12 ms
  0003_reclaim_space   partial after 1 statement  2026-11-20 13:24:05  deployer  12 ms
  0004_add_phone       pending                    -                    -             -";
        assert_eq!(plain(entries, vec![renamed, partial], None), expected);
    }

    #[test]
    fn a_narrow_terminal_sees_what_matters() {
        let entries = || vec![entry(1, "create_members", Some(State::Applied)), entry(4, "add_phone", None)];
        let narrow = "\
1 migration applied, 1 pending

  MIGRATION            STATE
  0001_create_members  applied
  0004_add_phone       pending";
        assert_eq!(plain(entries(), Vec::new(), Some(40)), narrow);
        for width in 1..100 {
            let shown = plain(entries(), Vec::new(), Some(width));
            let table = shown.lines().skip(2);
            let widest = table.map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= usize::from(width).max(8), "{width}: {shown}");
        }
    }

    #[test]
    fn a_terminal_shows_head_and_tail_of_many_and_what_needs_attention() {
        let entries = || {
            let state = |number| match number {
                100 => Some(State::Partial),
                1..=4_990 => Some(State::Applied),
                _ => None,
            };
            (1..=5_000).map(|number| entry(number, "x", state(number))).collect::<Vec<_>>()
        };
        let shown = plain(entries(), Vec::new(), Some(80));
        assert!(shown.starts_with("4989 migrations applied, 1 partial, 10 pending\n"), "{shown}");
        assert!(shown.lines().count() < 60, "{shown}");
        let has = |text: &str| shown.lines().any(|line| line.trim_start().starts_with(text));
        for line in ["0001_x", "0010_x", "… 89 more", "0100_x", "… 4,870 more", "4990_x", "4991_x", "5000_x"] {
            assert!(has(line), "{line}: {shown}");
        }
        assert!(!has("0011_x") && !has("4970_x"), "{shown}");
        assert!(shown.ends_with("`status --all` shows every migration"), "{shown}");
        assert_eq!(plain(entries(), Vec::new(), None).lines().count(), 5_003, "a pipe gets all");
    }
}
