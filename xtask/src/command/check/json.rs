//! Writes the findings as Lockgate's own JSON document, which the page of the crate describes. It is a stable format: keys
//! may be added, but are never removed.

use lockgate_source::{Diagnostic, Severity};
use serde::Serialize;

use super::{Checked, Trace, count, problems};

/// The version of the document.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    errors: usize,
    warnings: usize,
    notes: usize,
    folders: Vec<Folder<'a>>,
    problems: Vec<Problem<'a>>,
}

#[derive(Serialize)]
struct Folder<'a> {
    folder: &'a str,
    package: Option<&'a str>,
    migrations: usize,
    released: usize,
    replay: Option<&'a str>,
    trace: Option<&'a Trace>,
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'a str,
    severity: &'a str,
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    message: &'a str,
    label: Option<&'a str>,
    help: &'a [String],
}

/// Returns the document, without a final newline.
pub(super) fn document(all: &[Checked]) -> String {
    let document = Document {
        version: VERSION,
        errors: count(all, Severity::Error),
        warnings: count(all, Severity::Warning),
        notes: count(all, Severity::Note),
        folders: all.iter().map(folder).collect(),
        problems: problems(all).map(problem).collect(),
    };
    serde_json::to_string_pretty(&document).expect("texts and numbers are JSON")
}

fn folder(checked: &Checked) -> Folder<'_> {
    Folder {
        folder: &checked.package.shown,
        package: Some(checked.package.name.as_str()).filter(|name| !name.is_empty()),
        migrations: checked.loaded.folder.migrations.len(),
        released: checked.released(),
        replay: checked.replayed.as_deref(),
        trace: checked.traced.as_ref(),
    }
}

fn problem(diagnostic: &Diagnostic) -> Problem<'_> {
    let (start, end) = (diagnostic.position(), diagnostic.end_position());
    Problem {
        code: diagnostic.code.as_str(),
        severity: word(diagnostic.severity),
        file: &diagnostic.file,
        line: start.map(|(line, _)| line),
        column: start.map(|(_, column)| column),
        end_line: end.map(|(line, _)| line),
        end_column: end.map(|(_, column)| column),
        message: &diagnostic.message,
        label: Some(diagnostic.label.as_str()).filter(|label| !label.is_empty()),
        help: &diagnostic.help,
    }
}

/// Returns the word for a severity, which is the same in SARIF.
pub(super) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
