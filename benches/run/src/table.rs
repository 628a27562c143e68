//! A Markdown table with aligned columns.

use std::fmt;

#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: String, head: Vec<String>) -> Self {
        Self { title, head, rows: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| lines().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |row: &[String]| {
            let cell = |(column, cell): (usize, &String)| match column {
                0 => format!("{cell:<0$}", widths[column]),
                _ => format!("{cell:>0$}", widths[column]),
            };
            format!("| {} |", row.iter().enumerate().map(cell).collect::<Vec<_>>().join(" | "))
        };
        writeln!(f, "{}\n\n{}", self.title, line(&self.head))?;
        let rule = |(column, width): (usize, &usize)| match column {
            0 => "-".repeat(width + 2),
            _ => format!("{}:", "-".repeat(width + 1)),
        };
        writeln!(f, "|{}|", widths.iter().enumerate().map(rule).collect::<Vec<_>>().join("|"))?;
        for row in &self.rows {
            writeln!(f, "{}", line(row))?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

/// Returns the median; for an even number, the lower of the two in the middle.
pub(crate) fn median<T: PartialOrd + Copy>(values: &[T]) -> Option<T> {
    let mut values = values.to_vec();
    values.sort_by(|a, b| a.partial_cmp(b).expect("times are numbers"));
    values.get(values.len().saturating_sub(1) / 2).copied()
}
