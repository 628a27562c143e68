//! Formats a plan: a table with one row for each step, a line for each step that takes strong locks or destroys data,
//! and on request the scripts.

use anstyle::Style;
use lockgate::{Action, Body, Dialect, Effects, Migrations, Plan, Script, Step, Touch};

use crate::answer::Planned;

use super::table::{Column, table};
use super::{BAD, BOLD, DIM, GOOD, WAITING, count, paint};

const COLUMNS: [Column; 3] = [
    Column { title: "MIGRATION", weight: 3, is_number: false },
    Column { title: "ACTION", weight: 2, is_number: false },
    Column { title: "RUNS", weight: 1, is_number: false },
];

/// Formats a plan, without its scripts.
pub(super) fn plan(planned: &Planned, width: Option<u16>) -> String {
    let Planned { migrations, plan, dialect, sql: _ } = planned;
    let dialect = *dialect;
    if plan.is_empty() {
        return paint(GOOD, "nothing to do");
    }
    let rows: Vec<_> = plan.steps.iter().map(|step| row(migrations, step, dialect)).collect();
    let head = paint(BOLD, format_args!("{} would run, and nothing was executed", count(rows.len(), "migration")));
    let effects = plan.effects(migrations.set(), dialect);
    let lines = plan.steps.iter().zip(&effects).filter_map(|(step, effects)| danger(&step.id, effects));
    let lines: Vec<_> = lines.map(|line| format!("\n  {line}")).collect();
    let gap = if lines.is_empty() { "" } else { "\n" };
    format!("{head}\n\n{}{gap}{}", table(&COLUMNS, &rows, width), lines.concat())
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

/// The script of one step, after its file name.
pub(crate) fn script_of(migrations: &Migrations, id: &str, action: Action) -> Option<String> {
    let migration = migrations.iter().find(|migration| migration.id() == id)?;
    migration.script(action).map(|script| format!("\n{}", text(&script)))
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
