//! Formats a plan: a table with one row for each step, a line for each step that takes strong locks or destroys data,
//! and the scripts.

use anstyle::Style;
use lockgate::__private::readable_size;
use lockgate::companion::counted;
use lockgate::{Action, Body, Database, Dialect, Direction, Effects, Migrations, Plan, Script, Step, TableSize, Touch};

use crate::answer::Planned;

use super::table::{Column, table};
use super::{BAD, BOLD, DIM, GOOD, WAITING, count, grouped, paint, wrapped};

const SIZES: [Column; 3] = [
    Column { title: "TABLE", weight: 3, is_number: false },
    Column { title: "ROWS", weight: 2, is_number: true },
    Column { title: "SIZE", weight: 1, is_number: true },
];

const COLUMNS: [Column; 3] = [
    Column { title: "MIGRATION", weight: 3, is_number: false },
    Column { title: "ACTION", weight: 2, is_number: false },
    Column { title: "RUNS", weight: 1, is_number: false },
];

/// The most steps that a terminal shows, and how many of these are the first ones.
const MOST: usize = 60;
const FIRST: usize = 10;
const LAST: usize = 10;
/// After so many lines of SQL, a terminal shows no other script.
const LINES: usize = 100;

/// Formats plans, each with its scripts, as one. A terminal shows only the beginning of much, unless everything was asked
/// for.
pub(super) fn plans(all: &[&Planned], width: Option<u16>) -> String {
    let steps: Vec<(&Planned, &Step)> =
        all.iter().flat_map(|planned| planned.plan.steps.iter().map(|step| (*planned, step))).collect();
    if steps.is_empty() {
        return paint(GOOD, "nothing to do");
    }
    let is_short = width.is_some() && !all.iter().any(|planned| planned.all);
    let (first, last) = if is_short && steps.len() > MOST { (FIRST, LAST) } else { (steps.len(), 0) };
    let row = |(planned, step): &(&Planned, &Step)| row(&planned.migrations, step, planned.dialect);
    let mut rows: Vec<_> = steps[..first].iter().map(row).collect();
    let left_out = steps.len() - first - last;
    if left_out > 0 {
        let empty = || (String::new(), DIM);
        rows.push(vec![(format!("… {} more", grouped(left_out as u64)), DIM), empty(), empty()]);
    }
    rows.extend(steps[steps.len() - last..].iter().map(row));
    let counted = if goes_both_ways(steps.iter().map(|(_, step)| step.action)) {
        count(steps.len(), "step")
    } else {
        counted(steps.iter().map(|(_, step)| &*step.id))
    };
    let head = paint(BOLD, format_args!("{counted} would run, and nothing was executed"));
    let mut shown = format!("{head}\n\n{}", table(&COLUMNS, &rows, width));
    let lines = all.iter().flat_map(|planned| dangers(&planned.migrations, &planned.plan, planned.dialect));
    shown.push_str(&shortened(lines.collect(), if is_short { MOST } else { usize::MAX }, width));
    let sizes: Vec<_> = all.iter().flat_map(|planned| &planned.sizes).filter_map(size).collect();
    if !sizes.is_empty() {
        shown.push_str(&format!("\n\n{}", table(&SIZES, &sizes, width)));
    }
    let (scripts, is_cut) = scripts(&steps, if is_short { LINES } else { usize::MAX });
    shown.push_str(&format!("\n{scripts}"));
    if is_cut || left_out > 0 {
        shown.push_str(&format!("\n\n{}", paint(DIM, "the same with `--verbose` shows everything")));
    }
    shown
}

/// Whether the same migration goes down and up again.
pub(super) fn goes_both_ways(actions: impl Iterator<Item = Action> + Clone) -> bool {
    [Direction::Up, Direction::Down].iter().all(|way| actions.clone().any(|action| action.direction() == Some(*way)))
}

/// What to know before one says yes: what would be done on which database, what it locks and destroys.
pub(crate) fn question(migrations: &Migrations, plan: &Plan, database: &Database) -> String {
    let line = |step: &Step| format!("\n  {} {}", paint(WAITING, step.action), step.id);
    let mut steps: String = plan.steps.iter().take(MOST).map(line).collect();
    steps.push_str(&more(plan.steps.len().saturating_sub(MOST)));
    let dangers = shortened(dangers(migrations, plan, database.dialect()), MOST, None);
    let head = format!("{} on {}:", count(plan.steps.len(), "step"), database.url());
    format!("{}{steps}{dangers}\n", paint(BOLD, head))
}

/// A line for each step that takes strong locks or destroys data, and whether it destroys.
fn dangers(migrations: &Migrations, plan: &Plan, dialect: Dialect) -> Vec<(bool, String)> {
    let effects = plan.effects(migrations.set(), dialect);
    let steps = plan.steps.iter().zip(&effects);
    steps.filter_map(|(step, effects)| Some((effects.destroys, danger(&step.id, effects)?))).collect()
}

/// Formats an empty line and these lines. Of more than `most`, those that destroy data come first.
fn shortened(mut lines: Vec<(bool, String)>, most: usize, width: Option<u16>) -> String {
    let left_out = lines.len().saturating_sub(most);
    if left_out > 0 {
        lines.sort_by_key(|(destroys, _)| !destroys);
        lines.truncate(most);
    }
    let shown: String = lines
        .iter()
        .flat_map(|(_, line)| wrapped(&format!("  {line}"), width))
        .map(|line| format!("\n{line}"))
        .collect();
    if shown.is_empty() { shown } else { format!("\n{shown}{}", more(left_out)) }
}

/// A line that stands for others that are not shown.
fn more(left_out: usize) -> String {
    match left_out {
        0 => String::new(),
        number => format!("\n  {}", paint(DIM, format_args!("… {} more", grouped(number as u64)))),
    }
}

/// Formats the size of a table. Returns an empty text if the database does not know it.
fn size(size: &TableSize) -> Option<Vec<(String, Style)>> {
    let unknown = || ("-".to_owned(), DIM);
    let about = |number: String| (format!("~{number}"), Style::new());
    (size.rows.is_some() || size.bytes.is_some()).then(|| {
        let rows = size.rows.map_or_else(unknown, |rows| about(grouped(rows)));
        let bytes = size.bytes.map_or_else(unknown, |number| about(readable_size(number)));
        vec![(size.table.clone(), Style::new()), rows, bytes]
    })
}

/// One line with the locks that a step takes and the data that it destroys. `None` if it does neither.
fn danger(id: &str, effects: &Effects) -> Option<String> {
    let mut parts = Vec::new();
    for touches in effects.locks.chunk_by(|one, other| one.lock == other.lock) {
        let Some(lock) = touches.first().and_then(|touch| touch.lock) else { continue };
        let names: Vec<_> = touches.iter().map(name).collect();
        parts.push(format!("{lock} on {} (blocks {})", names.join(", "), lock.blocks()));
    }
    if effects.destroys {
        let of = if effects.loses.is_empty() { String::new() } else { format!(" of {}", effects.loses.join(", ")) };
        parts.push(paint(BAD, format_args!("destroys data{of}")));
    }
    (!parts.is_empty()).then(|| format!("{id}: {}", parts.join("; ")))
}

fn name(touch: &Touch) -> String {
    if touch.of_index { format!("the table of {}", touch.table) } else { touch.table.to_owned() }
}

fn row(migrations: &Migrations, step: &Step, dialect: Dialect) -> Vec<(String, Style)> {
    let runs = script(migrations, step).map_or_else(String::new, |script| runs(&script, step.action, dialect));
    vec![(step.id.clone(), Style::new()), (step.action.to_string(), WAITING), (runs, Style::new())]
}

fn runs(script: &Script, action: Action, dialect: Dialect) -> String {
    let mut runs = match script.body() {
        Body::Rust => "Rust".to_owned(),
        Body::Sql(_) => {
            let statements = count(script.statements(dialect).len(), "statement");
            match action.statements_done() {
                0 => statements,
                done => format!("{statements}, {done} of them done"),
            }
        }
    };
    if !script.is_transactional() {
        runs.push_str(", outside a transaction");
    }
    if script.foreign_keys_off() && dialect == Dialect::Sqlite {
        runs.push_str(", foreign keys off");
    }
    runs
}

/// The scripts of all steps, each after its file name, and whether something is left out: after so many lines no other
/// script begins.
fn scripts(steps: &[(&Planned, &Step)], most: usize) -> (String, bool) {
    let (mut shown, mut room, mut is_cut) = (String::new(), most, false);
    for (place, (planned, step)) in steps.iter().enumerate() {
        let Some(script) = script(&planned.migrations, step) else { continue };
        if room == 0 {
            let number = steps.len() - place;
            let left_out = format!("… {} more {}", grouped(number as u64), plural(number, "script"));
            shown.push_str(&format!("\n{}", paint(DIM, left_out)));
            return (shown, true);
        }
        let text = text(&script);
        let lines = text.lines().count();
        // A script is cut only if it is too long by itself: the end of one matters as much as its beginning.
        if lines > most {
            let cut: Vec<&str> = text.lines().take(most).collect();
            let left_out = format!("… {} more {}", grouped((lines - most) as u64), plural(lines - most, "line"));
            shown.push_str(&format!("\n{}\n{}\n", cut.join("\n"), paint(DIM, left_out)));
            is_cut = true;
        } else {
            shown.push_str(&format!("\n{text}\n"));
        }
        room = room.saturating_sub(lines);
    }
    (shown.trim_end().to_owned(), is_cut)
}

fn plural(number: usize, noun: &str) -> String {
    if number == 1 { noun.to_owned() } else { format!("{noun}s") }
}

fn script(migrations: &Migrations, step: &Step) -> Option<Script> {
    migrations.set().find_any(step.version)?.script(step.action)
}

fn text(script: &Script) -> String {
    let head = paint(DIM, format_args!("-- {}", script.path()));
    match script.body() {
        Body::Sql(text) => format!("{head}\n{}", text.trim_start_matches('\u{feff}').trim_end()),
        Body::Rust => format!("{head}\n{}", paint(DIM, "-- a Rust step: its statements are made while it runs")),
    }
}
