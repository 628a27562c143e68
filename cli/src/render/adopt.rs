//! Formats the comparison of another tool's history with the embedded migrations.

use anstyle::Style;
use lockgate::adopt::{Adoption, AdoptionEntry, Finding};

use super::error::command_error;
use super::progress;
use super::table::{Column, table};
use super::{BAD, BOLD, DIM, GOOD, WAITING, count, moment, paint};
use crate::answer::{Aim, Compared};
use crate::command_error::CommandError;

const COLUMNS: [Column; 3] = [
    Column { title: "MIGRATION", weight: 3, is_number: false },
    Column { title: "COMPARED", weight: 2, is_number: false },
    Column { title: "APPLIED AT (UTC)", weight: 1, is_number: false },
];

/// Formats the comparison, or what was recorded: the answer, and its notes.
pub(super) fn adoption(compared: &Compared, aim: &Aim, width: Option<u16>) -> (Vec<String>, Vec<String>) {
    let adoption = &compared.adoption;
    let mut lines = vec![match &compared.report {
        Some(report) => progress::report(report),
        None => comparison(adoption, width),
    }];
    match (adoption.refusal(), &compared.report) {
        (Some(refusal), _) => {
            lines.push(format!("\n{}", command_error(&CommandError::Lockgate(refusal).with_flags(&aim.flags), width)))
        }
        (None, None) => lines.push(format!("\n{}", next(adoption))),
        (None, Some(_)) => {}
    }
    (lines, remarks(adoption))
}

/// A summary, and a table with one row for each migration.
fn comparison(adoption: &Adoption, width: Option<u16>) -> String {
    let rows: Vec<_> = adoption.entries.iter().map(row).collect();
    let mut shown = paint(BOLD, summary(adoption));
    if !rows.is_empty() {
        shown.push_str("\n\n");
        shown.push_str(&table(&COLUMNS, &rows, width));
    }
    shown
}

fn summary(adoption: &Adoption) -> String {
    let number = |is: fn(&AdoptionEntry) -> bool| adoption.entries.iter().filter(|entry| is(entry)).count();
    let taken = number(AdoptionEntry::is_taken);
    let mut summary =
        format!("{} has recorded {} of this program in `{}`", adoption.tool, count(taken, "migration"), adoption.place);
    let rest = [
        (number(|entry| matches!(entry.finding, Finding::Modified | Finding::Renamed(_))), "that differ"),
        (number(|entry| entry.finding == Finding::Unfinished), "not finished"),
        (number(|entry| entry.finding == Finding::Missing), "without a file"),
        (number(|entry| matches!(entry.finding, Finding::Pending | Finding::Late)), "not recorded"),
    ];
    for (number, word) in rest.into_iter().filter(|(number, _)| *number > 0) {
        summary.push_str(&format!(", {number} {word}"));
    }
    summary
}

fn row(entry: &AdoptionEntry) -> Vec<(String, Style)> {
    let style = match entry.finding {
        Finding::Match | Finding::LineEndings | Finding::Recorded => GOOD,
        Finding::Pending | Finding::Late => WAITING,
        _ => BAD,
    };
    let finding = match entry.is_recorded && entry.is_taken() {
        true => format!("{}, taken over already", entry.finding),
        false => entry.finding.to_string(),
    };
    let time = entry.applied_at.as_deref().map_or_else(|| ("-".to_owned(), DIM), |at| (moment(at), Style::new()));
    vec![(entry.id.clone(), Style::new()), (finding, style), time]
}

/// Returns the notes on the comparison.
fn remarks(adoption: &Adoption) -> Vec<String> {
    let mut remarks = Vec::new();
    if !adoption.has_checksums && adoption.entries.iter().any(AdoptionEntry::is_taken) {
        let tool = &adoption.tool;
        remarks.push(format!("{tool} keeps no checksums: whether a file was edited after it was applied is not known"));
    }
    let late: Vec<&str> =
        adoption.entries.iter().filter(|entry| entry.finding == Finding::Late).map(|entry| entry.id.as_str()).collect();
    if !late.is_empty() {
        remarks.push(format!(
            "{} was never applied, although later ones were: `up --out-of-order` applies it afterwards",
            late.join(", ")
        ));
    }
    let drafts = adoption.entries.iter().filter(|entry| entry.is_taken() && entry.is_draft).count();
    if drafts > 0 {
        remarks.push(format!(
            "{drafts} of the recorded migrations are not in `migrations.lock`: `cargo xtask freeze` writes them into it"
        ));
    }
    remarks
}

/// Returns the next commands to type.
fn next(adoption: &Adoption) -> String {
    match adoption.to_record() {
        0 if adoption.entries.iter().any(AdoptionEntry::is_taken) => {
            "nothing to do: all of it is in Lockgate's history already".to_owned()
        }
        0 => "nothing to do: nothing is recorded that this program has".to_owned(),
        number => format!("nothing was changed: add `--write` to record {} as applied", count(number, "migration")),
    }
}
