//! Formats the scripts that an operator runs: a table with one row for each.

use anstyle::Style;
use lockgate::{ManualScript, ManualState, Report};

use super::table::{Column, table};
use super::{BAD, BOLD, DIM, GOOD, WAITING, count, moment, paint};
use crate::duration;

const COLUMNS: [Column; 4] = [
    Column { title: "SCRIPT", weight: 5, is_number: false },
    Column { title: "STATE", weight: 3, is_number: false },
    Column { title: "RUN AT (UTC)", weight: 3, is_number: false },
    Column { title: "BY", weight: 2, is_number: false },
];

/// Formats the list of all scripts.
pub(super) fn scripts(scripts: &[ManualScript], width: Option<u16>) -> String {
    if scripts.is_empty() {
        return "there are no manual scripts".to_owned();
    }
    let rows: Vec<_> = scripts.iter().map(row).collect();
    let is_pending = |script: &&ManualScript| script.state == ManualState::Pending;
    let pending = scripts.iter().filter(is_pending).count();
    let counted = count(scripts.len(), "manual script");
    let head = if pending > 0 {
        format!("{counted}, {pending} of them not run")
    } else {
        format!("{counted}, none is left to run")
    };
    format!("{}\n\n{}", paint(BOLD, head), table(&COLUMNS, &rows, width))
}

fn row(script: &ManualScript) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    let state = match script.state {
        ManualState::Pending => ("not run", WAITING),
        ManualState::Run => ("run", GOOD),
        ManualState::Partial => ("stopped half way", BAD),
        ManualState::Edited => ("run, and edited since", BAD),
        ManualState::Unknown => ("run; not in this program", WAITING),
    };
    let of_row = |text: fn(&lockgate::Row) -> String| {
        script.row.as_ref().map_or_else(|| ("-".to_owned(), DIM), |row| plain(text(row)))
    };
    vec![
        plain(script.id.clone()),
        (state.0.to_owned(), state.1),
        of_row(|row| moment(&row.applied_at)),
        of_row(|row| row.applied_by.clone()),
    ]
}

/// Says which script ran.
pub(super) fn ran(report: &Report) -> String {
    let ids: Vec<String> = report.steps.iter().map(|step| format!("`{}`", step.id)).collect();
    format!("{} {} in {}", paint(GOOD, "ran"), ids.join(", "), duration::show(report.elapsed))
}

/// Says when a script ran that was to be run again.
pub(super) fn has_run(script: &ManualScript) -> String {
    let when = script.row.as_ref().map(|row| format!(" on {} by {}", moment(&row.applied_at), row.applied_by));
    format!("{}: `{}` was run{}", paint(GOOD, "nothing to do"), script.id, when.unwrap_or_default())
}
