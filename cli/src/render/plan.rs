//! Formats a plan: a table with one row for each step, a line for each step that takes strong locks or destroys data,
//! and on request the scripts.

use anstyle::Style;
use lockgate::{Action, Body, Database, Dialect, Direction, Effects, Migrations, Plan, Script, Step, TableSize, Touch};

use crate::answer::Planned;

use super::table::{Column, table};
use super::{BAD, BOLD, DIM, GOOD, WAITING, bytes, count, grouped, paint};

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

/// Formats a plan, without its scripts.
pub(super) fn plan(planned: &Planned, width: Option<u16>) -> String {
    let Planned { migrations, plan, dialect, sizes, sql: _ } = planned;
    let dialect = *dialect;
    if plan.is_empty() {
        return paint(GOOD, "nothing to do");
    }
    let rows: Vec<_> = plan.steps.iter().map(|step| row(migrations, step, dialect)).collect();
    let noun = if goes_both_ways(plan.steps.iter().map(|step| step.action)) { "step" } else { "migration" };
    let head = paint(BOLD, format_args!("{} would run, and nothing was executed", count(rows.len(), noun)));
    let mut shown = format!("{head}\n\n{}", table(&COLUMNS, &rows, width));
    shown.push_str(&dangers(migrations, plan, dialect));
    let sizes: Vec<_> = sizes.iter().filter_map(size).collect();
    if !sizes.is_empty() {
        shown.push_str(&format!("\n\n{}", table(&SIZES, &sizes, width)));
    }
    shown
}

/// Whether the same migration goes down and up again.
pub(super) fn goes_both_ways(actions: impl Iterator<Item = Action> + Clone) -> bool {
    [Direction::Up, Direction::Down].iter().all(|way| actions.clone().any(|action| action.direction() == Some(*way)))
}

/// What to know before one says yes: which migrations would be reverted on which database, what they lock and destroy.
pub(crate) fn question(migrations: &Migrations, plan: &Plan, database: &Database) -> String {
    let steps = plan.steps.iter().map(|step| format!("\n  {} {}", paint(WAITING, step.action), step.id));
    let steps: String = steps.collect();
    let dangers = dangers(migrations, plan, database.dialect());
    let head = format!("{} on {}:", count(plan.steps.len(), "step"), database.url());
    format!("{}{steps}{dangers}\n", paint(BOLD, head))
}

/// A line for each step that takes strong locks or destroys data, after an empty one.
fn dangers(migrations: &Migrations, plan: &Plan, dialect: Dialect) -> String {
    let effects = plan.effects(migrations.set(), dialect);
    let lines = plan.steps.iter().zip(&effects).filter_map(|(step, effects)| danger(&step.id, effects));
    let lines: String = lines.map(|line| format!("\n  {line}")).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// How large a table is. Nothing if the database does not know.
fn size(size: &TableSize) -> Option<Vec<(String, Style)>> {
    let unknown = || ("-".to_owned(), DIM);
    let about = |number: String| (format!("~{number}"), Style::new());
    (size.rows.is_some() || size.bytes.is_some()).then(|| {
        let rows = size.rows.map_or_else(unknown, |rows| about(grouped(rows)));
        let bytes = size.bytes.map_or_else(unknown, |number| about(bytes(number)));
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

/// The scripts of all steps, each after its file name.
pub(super) fn scripts(migrations: &Migrations, plan: &Plan) -> String {
    let scripts = plan.steps.iter().filter_map(|step| script(migrations, step));
    scripts.map(|script| format!("\n{}", text(&script))).collect::<Vec<_>>().join("\n")
}

fn script(migrations: &Migrations, step: &Step) -> Option<Script> {
    migrations.set().find(step.version)?.script(step.action)
}

fn text(script: &Script) -> String {
    let head = paint(DIM, format_args!("-- {}", script.path()));
    match script.body() {
        Body::Sql(text) => format!("{head}\n{}", text.trim_start_matches('\u{feff}').trim_end()),
        Body::Rust => format!("{head}\n{}", paint(DIM, "-- a Rust step: its statements are made while it runs")),
    }
}
