//! Formats errors and drift: the runtime's report, with coloured keywords.

#[cfg(feature = "postgres")]
use lockgate::Reason;
use lockgate::{Audience, Drift};

#[cfg(feature = "schema")]
use super::GOOD;
use super::{BAD, BOLD, DIM, HELP, paint};
use crate::answer::Aim;
use crate::command_error::CommandError;

/// On terminals narrower than this, the terminal breaks the lines.
const NARROWEST: usize = 40;

/// Formats an error. A terminal of this width breaks its sentences between words.
pub(crate) fn command_error(error: &CommandError, width: Option<u16>) -> String {
    coloured(&error.report(), width)
}

/// Formats a difference between set and history, with its help.
pub(super) fn drift(drift: &Drift, aim: &Aim, width: Option<u16>) -> String {
    let help = aim.advise(&drift.help_for(Audience::CommandLine));
    coloured(&format!("drift[{}]: {drift}\n  = help: {help}", drift.code()), width)
}

/// Formats why the bootstraps of a database would not run, with its help.
#[cfg(feature = "postgres")]
pub(super) fn bootstraps_refused(reason: &Reason, aim: &Aim, width: Option<u16>) -> String {
    if let Reason::Drift(drift) = reason {
        return drift_of_bootstraps(drift, aim, width);
    }
    let help = aim.advise_on_bootstraps(&reason.help_for(Audience::CommandLine));
    coloured(&format!("refused: {reason}\n  = help: {help}"), width)
}

/// Formats a difference of the bootstraps of a database, with its help.
#[cfg(feature = "postgres")]
pub(super) fn drift_of_bootstraps(drift: &Drift, aim: &Aim, width: Option<u16>) -> String {
    let help = aim.advise_on_bootstraps(&drift.help_for(Audience::CommandLine));
    coloured(&format!("drift[{}]: {drift}\n  = help: {help}", drift.code()), width)
}

/// Formats a difference of the bootstraps of a database, which a run does nothing about.
#[cfg(feature = "postgres")]
pub(super) fn bootstrap_difference(of: &lockgate::BootstrapDifference, aim: &Aim, width: Option<u16>) -> String {
    let help = aim.advise_on_bootstraps(&of.help);
    coloured(&format!("drift[{}]: {}\n  = help: {help}", of.code, of.message), width)
}

/// Formats the verdict on a schema that is not the expected one, with its help.
#[cfg(feature = "schema")]
pub(super) fn schema_drift(drift: &lockgate::SchemaDrift, code: &str, aim: &Aim, width: Option<u16>) -> String {
    let word = if drift.verdict == lockgate::SchemaVerdict::Differs { "drift" } else { "unknown" };
    let help = drift.help_for(Audience::CommandLine).map(|help| format!("\n  = help: {}", aim.advise(&help)));
    coloured(&format!("{word}[{code}]: {drift}{}", help.unwrap_or_default()), width)
}

/// Formats an object that differs between two schemas, with the lines that only one of them has.
#[cfg(feature = "schema")]
pub(super) fn schema_change(change: &lockgate::schema::snapshot::Change) -> String {
    let shown = change.to_string();
    let mut lines = shown.lines();
    let first = paint(BOLD, lines.next().unwrap_or_default());
    let coloured = lines.map(|line| match line.as_bytes().first() {
        Some(b'-') => paint(BAD, line),
        Some(b'+') => paint(GOOD, line),
        _ => line.to_owned(),
    });
    std::iter::once(first).chain(coloured).collect::<Vec<_>>().join("\n")
}

pub(super) fn coloured(report: &str, width: Option<u16>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for (number, line) in report.lines().enumerate() {
        // The lines of a script stay as they are, so that the caret points to its character.
        let trimmed = line.trim_start();
        let is_prose = number == 0 || trimmed.starts_with("= ") || trimmed.starts_with("help:");
        let mut pieces = if is_prose { wrapped(line, width) } else { vec![line.to_owned()] }.into_iter();
        let first = pieces.next().unwrap_or_default();
        if number > 0 {
            shown.push(coloured_line(&first));
            shown.extend(pieces);
            continue;
        }
        shown.push(match first.split_once(": ") {
            Some((word, fact)) => format!("{}: {}", paint(BAD, word), paint(BOLD, fact)),
            None => paint(BAD, first),
        });
        shown.extend(pieces.map(|piece| paint(BOLD, piece)));
    }
    shown.join("\n")
}

/// Breaks a line between words, so that it fits the width of a terminal if possible. The pieces after the first
/// are indented a little more than it.
pub(super) fn wrapped(line: &str, width: Option<u16>) -> Vec<String> {
    let Some(width) = width.map(usize::from).filter(|width| *width >= NARROWEST && line.chars().count() > *width)
    else {
        return vec![line.to_owned()];
    };
    let trimmed = line.trim_start();
    let margin = &line[..line.len() - trimmed.len()];
    let (mut pieces, mut piece) = (Vec::new(), margin.to_owned());
    let mut begins = true;
    for word in words(trimmed, width.saturating_sub(margin.len() + 2)) {
        if !begins && piece.chars().count() + 1 + word.chars().count() > width {
            pieces.push(std::mem::replace(&mut piece, format!("{margin}  ")));
            begins = true;
        }
        if !std::mem::take(&mut begins) {
            piece.push(' ');
        }
        piece.push_str(word);
    }
    pieces.push(piece);
    pieces
}

/// The words of a sentence. What stands between backticks is one word if it has room on a line: it is typed or copied.
pub(super) fn words(sentence: &str, room: usize) -> Vec<&str> {
    let (mut words, mut start, mut in_code) = (Vec::new(), 0, false);
    for (at, letter) in sentence.char_indices().chain([(sentence.len(), ' ')]) {
        in_code ^= letter == '`';
        if letter == ' ' && (!in_code || at == sentence.len()) {
            let word = &sentence[start..at];
            if word.chars().count() <= room {
                words.push(word)
            } else {
                words.extend(word.split(' '))
            }
            start = at + 1;
        }
    }
    words
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
        let shown = coloured(report, None);
        assert_ne!(shown, report);
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), report);
    }

    #[test]
    fn a_command_is_not_broken_if_it_has_room() {
        let line = "  = help: restore the text; if the database matches the new one, `repair --accept-edited --reason \"why\"`, \
                    or `a command that is longer than a whole line of this very narrow terminal is` then";
        let lines = [
            "  = help: restore the text; if the database matches",
            "    the new one,",
            "    `repair --accept-edited --reason \"why\"`, or `a",
            "    command that is longer than a whole line of this",
            "    very narrow terminal is` then",
        ];
        assert_eq!(wrapped(line, Some(52)), lines);
    }

    #[test]
    fn a_terminal_breaks_sentences_between_words_and_leaves_scripts_alone() {
        let report = "error[failed]: `0004_x` failed at the second of its three statements\n --> m/0004_x.up.sql:3:8\n  |\n\
                      3 | SELECT a_long_column, another_long_column FROM a_table\n  |        ^\n  \
                      = help: correct the file, build again, then run again";
        let shown = anstream::adapter::strip_str(&coloured(report, Some(44))).to_string();
        let expected = "error[failed]: `0004_x` failed at the second\n  of its three statements\n --> m/0004_x.up.sql:3:8\n  |\n\
                        3 | SELECT a_long_column, another_long_column FROM a_table\n  |        ^\n  \
                        = help: correct the file, build again,\n    then run again";
        assert_eq!(shown, expected);
        assert_eq!(anstream::adapter::strip_str(&coloured(report, Some(200))).to_string(), report);
    }
}
