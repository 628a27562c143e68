//! Formats the seeds of a program as a table.

use anstyle::Style;
use lockgate::Seed;

use super::table::{Column, table};
use super::{BOLD, DIM, GOOD, WAITING, count, moment, paint};

const COLUMNS: [Column; 4] = [
    Column { title: "SEED", weight: 5, is_number: false },
    Column { title: "PROFILES", weight: 2, is_number: false },
    Column { title: "STATE", weight: 3, is_number: false },
    Column { title: "LOADED AT (UTC)", weight: 3, is_number: false },
];

/// Formats the list of all seeds.
pub(super) fn seeds(seeds: &[Seed], width: Option<u16>) -> String {
    if seeds.is_empty() {
        return "there are no seeds".to_owned();
    }
    let head = match seeds.iter().find(|seed| seed.is_next) {
        Some(next) if next.row.is_some() => format!("{}, `{}` is loaded", count(seeds.len(), "seed"), next.id),
        Some(next) => format!("{}, `seed load` loads `{}`", count(seeds.len(), "seed"), next.id),
        None => format!("{}, none for the chosen profiles", count(seeds.len(), "seed")),
    };
    let rows: Vec<_> = seeds.iter().map(row).collect();
    format!("{}\n\n{}", paint(BOLD, head), table(&COLUMNS, &rows, width))
}

fn row(seed: &Seed) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    let none = || ("-".to_owned(), DIM);
    let state = match (&seed.row, seed.is_next) {
        (Some(_), _) => ("loaded", GOOD),
        (None, true) => ("next", WAITING),
        (None, false) => ("not loaded", DIM),
    };
    vec![
        plain(seed.id.clone()),
        if seed.profiles.is_empty() { none() } else { plain(seed.profiles.join(", ")) },
        (state.0.to_owned(), state.1),
        seed.row.as_ref().map_or_else(none, |row| plain(moment(&row.applied_at))),
    ]
}
