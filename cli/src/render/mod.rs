//! Formats everything that is shown, without doing any I/O: for people as text with colours, for programs as JSON.
//!
//! Colours are always written, and removed from output that is not a terminal.

mod answer;
mod error;
mod plan;
mod progress;
mod status;
mod table;
mod wire;

pub(crate) use answer::answer;
pub(crate) use error::command_error;
pub(crate) use plan::script_of;
pub(crate) use progress::{Progress, Shown};
pub(crate) use wire::Line;
#[cfg(feature = "json-schema")]
pub(crate) use wire::schema;

use error::drift;

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

/// `1 migration`, `2 migrations`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A note.
pub(crate) fn remark(text: &str) -> String {
    format!("{}: {text}", paint(HELP, "note"))
}
