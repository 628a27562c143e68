//! Formats the log of a database: a table with one row for each entry, and the failures below it.

use anstyle::Style;
use lockgate::LogEntry;

use super::table::{Column, table};
use super::{BAD, DIM, GOOD, WAITING, moment, wrapped};
use crate::duration;

const COLUMNS: [Column; 7] = [
    Column { title: "AT (UTC)", weight: 7, is_number: false },
    Column { title: "EVENT", weight: 8, is_number: false },
    Column { title: "MIGRATION", weight: 9, is_number: false },
    Column { title: "TOOK", weight: 5, is_number: true },
    Column { title: "BY", weight: 6, is_number: false },
    Column { title: "PROGRAM", weight: 4, is_number: false },
    Column { title: "LOCKGATE", weight: 3, is_number: false },
];

/// Formats log entries, each with its migration.
pub(super) fn history(log: &[(String, LogEntry)], width: Option<u16>) -> String {
    if log.is_empty() {
        return "no migration has run on this database yet".to_owned();
    }
    let rows: Vec<_> = log.iter().map(|(id, entry)| row(id, entry)).collect();
    let failures = log.iter().filter_map(|(id, entry)| entry.detail.as_ref().map(|detail| (id, entry, detail)));
    let failures = failures.map(|(id, entry, detail)| {
        let line = format!("  {} {id} {}: {}", moment(&entry.at), entry.event, detail.replace('\n', " "));
        format!("\n{}", wrapped(&line, width).join("\n"))
    });
    let failures: String = failures.collect();
    let gap = if failures.is_empty() { "" } else { "\n" };
    format!("{}{gap}{failures}", table(&COLUMNS, &rows, width))
}

fn row(id: &str, entry: &LogEntry) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    let style = match entry.event.as_str() {
        "applied" => GOOD,
        "failed" => BAD,
        _ => WAITING,
    };
    let took = entry.elapsed.map_or_else(|| ("-".to_owned(), DIM), |elapsed| plain(duration::show(elapsed)));
    vec![
        plain(moment(&entry.at)),
        (entry.event.clone(), style),
        plain(id.to_owned()),
        took,
        plain(entry.by.clone()),
        plain(entry.application.clone()),
        plain(entry.lockgate.clone()),
    ]
}
