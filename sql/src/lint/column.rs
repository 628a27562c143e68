//! `ADD COLUMN`: what fails on a table with rows, what a database cannot add at all, and what rewrites the
//! whole table.

use std::ops::Range;

use lockgate_core::Dialect;

use super::change::{Action, Change, Column, ConstraintKind};
use super::context::{Context, a_lock};
use super::cursor::{Cursor, Name, Written};
use crate::LintLevel;
use crate::lexer::Kind;

/// The rules `filled-table`, `unsupported-alter` and `add-column-rewrite`.
pub(super) fn check(cx: &mut Context<'_, '_>, change: &Change<'_>) {
    let Change::AlterTable { table, actions } = change else { return };
    for (range, action) in actions {
        let Action::AddColumn(column) = action else {
            young(cx, action, range);
            continue;
        };
        if unsupported(cx, table, column, range) {
            continue;
        }
        if !cx.is_empty(table) {
            let fails =
                if is_required(column) { required(cx, table, column, range) } else { sqlite(cx, table, column, range) };
            if !fails && !cx.file.is_down {
                rewrite(cx, table, column, range);
            }
        }
    }
}

/// Whether the column takes no NULL and is given no value.
fn is_required(column: &Column<'_>) -> bool {
    let rest = column.rest;
    let null = column.default.is_none_or(|default| default.is("null"));
    (rest.has("not null") || rest.has("primary key"))
        && null
        && !rest.has("generated")
        && !rest.has("as")
        && !rest.has("auto_increment")
        && !is_serial(column)
}

fn is_serial(column: &Column<'_>) -> bool {
    ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"].contains(&column.kind.as_str())
}

fn required(cx: &mut Context<'_, '_>, table: &Name, column: &Column<'_>, range: &Range<usize>) -> bool {
    // MySQL fills existing rows with a value of its own choice.
    if !cx.input.may_be(Dialect::Postgres) && !cx.input.may_be(Dialect::Sqlite) {
        return false;
    }
    // Adding a dropped column again is often the best that a down script can do.
    if cx.file.is_down && !cx.input.has_lockfile {
        return true;
    }
    let (shown, name) = (&table.written, &column.name.written);
    let kind = if column.kind.is_empty() { "text".to_owned() } else { cx.written(column.kind_range.clone()) };
    let message =
        format!("this fails if `{shown}` has a row, because there is no value for `{name}`, which is NOT NULL");
    let mut help = vec![format!("give the rows a value: `ADD COLUMN {name} {kind} NOT NULL DEFAULT …`")];
    if cx.input.dialects.is_none_or(|dialects| !dialects.contains(Dialect::Sqlite)) {
        help.push(format!(
            "or add it without `NOT NULL`, fill it, and `ALTER TABLE {shown} ALTER COLUMN {name} SET NOT NULL` when every row has a value"
        ));
    }
    let is_released = cx.is_released(table) && !cx.file.is_down;
    cx.report("filled-table", range.clone(), message, help);
    if is_released && let Some(finding) = cx.found.last_mut() {
        finding.level = LintLevel::Deny;
    }
    true
}

/// Reports columns that SQLite adds only to an empty table.
fn sqlite(cx: &mut Context<'_, '_>, table: &Name, column: &Column<'_>, range: &Range<usize>) -> bool {
    if !cx.input.names(Dialect::Sqlite) {
        return false;
    }
    let default = column.default.filter(|default| !default.is("null"));
    let computed = default.is_some_and(is_computed);
    let shown = &table.written;
    let (why, help) = if computed {
        (
            "SQLite cannot add a column with a computed default",
            "give it a constant default, or none, and fill it with `UPDATE`",
        )
    } else if column.rest.has("stored") {
        ("SQLite adds no STORED column", "say `VIRTUAL`, or rebuild the table with `-- lockgate: foreign-keys off`")
    } else if default.is_some() && column.rest.has("references") {
        ("SQLite cannot add a REFERENCES column with a default", "add it without the default and fill it with `UPDATE`")
    } else {
        return false;
    };
    cx.report(
        "filled-table",
        range.clone(),
        format!("this fails if `{shown}` has a row: {why}"),
        vec![help.to_owned()],
    );
    true
}

fn is_computed(default: Cursor<'_>) -> bool {
    default.is_any(&["current_timestamp", "current_date", "current_time"])
        || default.seek_group().is_some_and(|group| !functions(group).is_empty())
}

/// `ADD COLUMN … PRIMARY KEY` and `… UNIQUE` pass SQLite's grammar and never run.
fn unsupported(cx: &mut Context<'_, '_>, table: &Name, column: &Column<'_>, range: &Range<usize>) -> bool {
    if !cx.input.names(Dialect::Sqlite) {
        return false;
    }
    let (what, help) = if column.rest.has("primary key") {
        ("PRIMARY KEY", "rebuild the table with `-- lockgate: foreign-keys off` as the first line".to_owned())
    } else if column.rest.has("unique") {
        let name = &column.name.written;
        let index = table.written.beside(&Written::joined(&[table.written.last(), name.last(), "key"]));
        let on = table.written.last();
        ("UNIQUE", format!("add it without, and then `CREATE UNIQUE INDEX {index} ON {on} ({name})`"))
    } else {
        return false;
    };
    cx.report("unsupported-alter", range.clone(), format!("SQLite cannot add a {what} column to a table"), vec![help]);
    true
}

/// Reports syntax that SQLite accepts only since a release that many programs do not embed yet.
fn young(cx: &mut Context<'_, '_>, action: &Action<'_>, range: &Range<usize>) {
    let what = match action {
        Action::SetNotNull(_) => "SET NOT NULL",
        Action::DropNotNull => "DROP NOT NULL",
        Action::DropConstraint => "DROP CONSTRAINT",
        Action::AddConstraint(constraint) if constraint.kind == ConstraintKind::Check => "ADD CHECK",
        _ => return,
    };
    if !cx.input.names(Dialect::Sqlite) {
        return;
    }
    let message =
        format!("SQLite takes `{what}` only since release 3.53: a program that embeds an older one cannot run this");
    let help = "rebuild the table with `-- lockgate: foreign-keys off` as the first line".to_owned();
    cx.report("unsupported-alter", range.clone(), message, vec![help]);
    if let Some(finding) = cx.found.last_mut() {
        finding.level = LintLevel::Warn;
    }
}

/// Functions that give each row another value.
const VOLATILE: [&str; 14] = [
    "random",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "clock_timestamp",
    "timeofday",
    "nextval",
    "setval",
    "gen_random_bytes",
    "random_normal",
    "gen_salt",
];

fn rewrite(cx: &mut Context<'_, '_>, table: &Name, column: &Column<'_>, range: &Range<usize>) {
    let rest = column.rest;
    let old = cx.input.release.is_some_and(|release| release.major() < 11);
    let volatile = column
        .default
        .and_then(|default| functions(default).into_iter().find(|name| VOLATILE.contains(&name.as_str())));
    let (shown, name) = (&table.written, &column.name.written);
    let plain = |kind: &str| format!("`ALTER TABLE {shown} ADD COLUMN {name} {kind}`");
    let alter = format!("ALTER TABLE {shown} ALTER COLUMN {name}");
    let by_default = || {
        let kind = cx.written(column.kind_range.clone());
        let default = column.default.map_or_else(String::new, |default| default.written());
        format!("{}, then `{alter} SET DEFAULT {default}`, and fill the old rows in batches", plain(&kind))
    };
    let (why, help) = if is_serial(column) {
        let kind = match column.kind.as_str() {
            "bigserial" | "serial8" => "bigint",
            "smallserial" | "serial2" => "smallint",
            _ => "integer",
        };
        let sequence = shown.beside(&Written::joined(&[shown.last(), name.last(), "seq"])).to_string();
        let text = sequence.replace('\'', "''");
        let help = format!(
            "{}, `CREATE SEQUENCE {sequence} OWNED BY {shown}.{name}`, `{alter} SET DEFAULT nextval('{text}')`, and fill the old \
             rows in batches",
            plain(kind)
        );
        (format!("a `{}` numbers the rows", column.kind), help)
    } else if rest.has("as identity") {
        let kind = cx.written(column.kind_range.clone());
        let how = if rest.has("always") { "ALWAYS" } else { "BY DEFAULT" };
        let help = format!(
            "{}, and fill the old rows in batches; then `{alter} SET NOT NULL`, and `{alter} ADD GENERATED {how} AS IDENTITY \
             (START WITH 1000000)`, with a number above all existing ones",
            plain(&kind)
        );
        ("an identity numbers the rows".to_owned(), help)
    } else if rest.has("generated always as") && !rest.has("virtual") {
        let help = format!("add `{name}` as a plain column that a trigger fills, and fill the old rows in batches");
        ("a STORED column is computed for each row".to_owned(), help)
    } else if let Some(function) = volatile {
        (format!("`{function}()` gives each row another value"), by_default())
    } else if old && column.default.is_some_and(|default| !default.is("null")) {
        ("before PostgreSQL 11 a default is written into each row".to_owned(), by_default())
    } else {
        return;
    };
    let message = format!(
        "nobody can read or write `{shown}` while all of it is rewritten, under {} until the commit: {why}",
        a_lock(cx.lock_of(range))
    );
    cx.report("add-column-rewrite", range.clone(), message, vec![help]);
}

/// The names of the functions that are called.
fn functions(cursor: Cursor<'_>) -> Vec<String> {
    let pairs = cursor.tokens.windows(2);
    pairs
        .filter(|pair| pair[0].kind == Kind::Word && pair[1].kind == Kind::Open)
        .map(|pair| cursor.shown(pair[0]).to_lowercase())
        .collect()
}
