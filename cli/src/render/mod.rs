//! Formats everything that is shown, without doing any I/O: for people as text with colours, for programs as JSON.
//!
//! Colours are always written, and removed from output that is not a terminal.

#[cfg(feature = "adopt")]
mod adopt;
mod answer;
#[cfg(feature = "backup")]
mod backup;
mod charset;
#[cfg(feature = "postgres")]
mod databases;
mod doctor;
mod error;
mod history;
mod manual;
mod plan;
mod progress;
mod seed;
mod status;
mod table;
mod text;
mod wire;

pub(crate) use answer::answer;
#[cfg(feature = "backup")]
pub(crate) use backup::backup_event;
pub(crate) use charset::Charset;
pub(crate) use error::command_error;
pub(crate) use plan::question;
pub(crate) use progress::{Counts, Progress, Shown, running, server};
pub(crate) use wire::Line;
#[cfg(feature = "json-schema")]
pub(crate) use wire::schema;

use error::{drift, words, wrapped};

use std::fmt::Display;

use anstyle::{AnsiColor, Effects, Style};

const BOLD: Style = Style::new().effects(Effects::BOLD);
const DIM: Style = Style::new().effects(Effects::DIMMED);
const GOOD: Style = AnsiColor::Green.on_default();
const WAITING: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const HELP: Style = AnsiColor::Cyan.on_default();

fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Formats what was copied: how many rows, and the largest tables.
#[cfg(feature = "backup")]
fn moved(moved: &crate::answer::Moved) -> String {
    let (verb, way) = if moved.was_loaded { ("loaded", "from") } else { ("wrote", "to") };
    let place = format!("{way} `{}`", moved.file.display());
    let what = moved.tables.as_ref().map_or_else(|| format!("the schema {place}"), |tables| rows(tables, &place));
    format!("{} {what}", paint(GOOD, verb))
}

#[cfg(feature = "backup")]
fn refreshed(refreshed: &crate::answer::Refreshed) -> String {
    let crate::answer::Refreshed { from, to, tables } = refreshed;
    format!("{to} {} with {}", paint(GOOD, "refreshed"), rows(tables, &format!("of {from}")))
}

/// Formats `7 rows of 2 tables, and 3 empty tables` with their origin or destination, and the largest tables below it.
#[cfg(feature = "backup")]
fn rows(tables: &[(String, u64)], place: &str) -> String {
    let rows: u64 = tables.iter().map(|(_, count)| count).sum();
    let noun = if rows == 1 { "row" } else { "rows" };
    let filled = tables.iter().filter(|(_, count)| *count > 0).count();
    let empty = match tables.len() - filled {
        0 => String::new(),
        empty => format!(", and {}", count(empty, "empty table")),
    };
    let mut text = format!("{} {noun} of {}{empty} {place}", grouped(rows), count(filled, "table"));
    let mut largest: Vec<&(String, u64)> = tables.iter().filter(|(_, count)| *count > 0).collect();
    largest.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
    for (table, count) in largest.iter().take(10) {
        text.push_str(&format!("\n  {table}: {}", grouped(*count)));
    }
    if largest.len() > 10 {
        text.push_str(&format!("\n  and {} smaller ones", largest.len() - 10));
    }
    text
}

/// `1 migration`, `2 migrations`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Formats `2026-11-20T13:24:05.123Z` as `2026-11-20 13:24:05`, and leaves other texts unchanged.
pub(super) fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(day), Some(time)) if rfc3339.as_bytes()[10] == b'T' => format!("{day} {time}"),
        _ => rfc3339.to_owned(),
    }
}

/// A note.
pub(crate) fn remark(text: &str) -> String {
    format!("{}: {text}", paint(HELP, "note"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
