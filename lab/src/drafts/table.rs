//! The table of results: a row for each set, and each draft that is not whole below it.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::pair::Verdict;
use crate::corpus::{Dialect, Set};

/// How the drafts of a set went.
#[derive(Debug)]
pub(super) struct Results {
    name: String,
    dialect: Dialect,
    verdicts: Vec<(String, Verdict)>,
    pub(super) elapsed: Duration,
    /// Why the set ended early.
    pub(super) stopped: Option<String>,
}

impl Results {
    pub(super) fn new(set: &Set) -> Self {
        let (name, dialect) = (set.name.clone(), set.dialect);
        Self { name, dialect, verdicts: Vec::new(), elapsed: Duration::ZERO, stopped: None }
    }

    pub(super) fn add(&mut self, title: String, verdict: Verdict) {
        self.verdicts.push((title, verdict));
    }

    /// How many drafts are not whole.
    pub(super) fn broken(&self) -> usize {
        self.count(|verdict| !verdict.is_whole())
    }

    fn count(&self, is_so: impl Fn(&Verdict) -> bool) -> usize {
        self.verdicts.iter().filter(|(_, verdict)| is_so(verdict)).count()
    }
}

/// Draws the table, and names each draft that is not whole.
pub(super) fn render(results: &[Results]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["set", "dialect", "drafts", "whole", "of them with questions", "not whole", "seconds"]);
    let mut notes = String::new();
    for result in results {
        let numbers = [
            result.verdicts.len(),
            result.count(Verdict::is_whole),
            result.count(|verdict| verdict.is_whole() && !verdict.questions.is_empty()),
            result.broken(),
        ];
        let mut row = vec![Cell::new(&result.name), Cell::new(result.dialect)];
        row.extend(numbers.map(|number| Cell::new(number).set_alignment(CellAlignment::Right)));
        row.push(Cell::new(format!("{:.1}", result.elapsed.as_secs_f64())).set_alignment(CellAlignment::Right));
        table.add_row(row);
        note(result, &mut notes);
    }
    table.lines().map(|line| line.trim().to_owned() + "\n").collect::<String>() + "\n" + &notes
}

fn note(result: &Results, notes: &mut String) {
    let mut empty: Vec<&String> = result.verdicts.iter().flat_map(|(_, verdict)| &verdict.empty).collect();
    empty.sort();
    empty.dedup();
    if !empty.is_empty() {
        let empty: Vec<&str> = empty.into_iter().map(String::as_str).collect();
        notes.push_str(&format!("{}: tried without rows: {}\n", result.name, empty.join(", ")));
    }
    for (title, verdict) in result.verdicts.iter().filter(|(_, verdict)| !verdict.is_whole()) {
        let mut lines: Vec<String> = verdict.open.iter().map(|open| format!("open: {open}")).collect();
        lines.extend(verdict.failed.iter().map(|failed| format!("failed: {failed}")));
        lines.extend(verdict.residue.lines().map(|left| format!("left: {left}")));
        lines.extend(verdict.again.lines().map(|again| format!("again: {again}")));
        lines.extend(verdict.lost.iter().map(|lost| format!("lost: {lost}")));
        notes.push_str(&format!("{}: {title}\n", result.name));
        lines.iter().for_each(|line| notes.push_str(&format!("  {line}\n")));
    }
    if let Some(why) = &result.stopped {
        notes.push_str(&format!("{}: {why}\n", result.name));
    }
}
