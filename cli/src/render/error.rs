//! Formats errors and drift: the runtime's report, with its key words coloured.

use lockgate::{Drift, Front};

use super::{BAD, BOLD, DIM, HELP, paint};
use crate::command_error::CommandError;

/// Formats an error.
pub(crate) fn command_error(error: &CommandError) -> String {
    coloured(&error.report())
}

/// Formats a difference between set and history, with its help.
pub(super) fn drift(drift: &Drift) -> String {
    coloured(&format!("drift[{}]: {drift}\n  = help: {}", drift.code(), drift.help_for(Front::CommandLine)))
}

fn coloured(report: &str) -> String {
    let mut lines = report.lines();
    let mut shown = String::new();
    if let Some(first) = lines.next() {
        match first.split_once(": ") {
            Some((word, fact)) => shown = format!("{}: {}", paint(BAD, word), paint(BOLD, fact)),
            None => shown = paint(BAD, first),
        }
    }
    for line in lines {
        shown.push('\n');
        shown.push_str(&coloured_line(line));
    }
    shown
}

fn coloured_line(line: &str) -> String {
    let trimmed = line.trim_start();
    let margin = &line[..line.len() - trimmed.len()];
    if let Some(help) = trimmed.strip_prefix("= help:") {
        format!("{margin}= {}{help}", paint(HELP, "help:"))
    } else if let Some(help) = trimmed.strip_prefix("help:") {
        format!("{margin}{}{help}", paint(HELP, "help:"))
    } else if let Some(place) = trimmed.strip_prefix("--> ") {
        format!("{margin}{} {place}", paint(DIM, "-->"))
    } else if let Some(caret) = trimmed.strip_prefix('|').filter(|caret| caret.trim() == "^") {
        format!("{margin}|{}", paint(BAD, caret))
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_letter() {
        let report = "error[failed]: `0004_x` failed\n --> migrations/0004_x.up.sql:3:8\n  |\n3 | SELEC 1\n  |        ^\n  \
                      = syntax error (42601)\n  = reason\n    help: why\n  = help: do this";
        let shown = coloured(report);
        assert_ne!(shown, report);
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), report);
    }
}
