//! What earlier scripts say about NULLs in a column, and how to rule them out without a long lock.

use super::change::{Action, Change};
use super::context::Context;
use super::cursor::{Name, Written};
use super::schema_events::SchemaEvent;

/// Whether the server need not scan the table to know that the column has no NULL: it is NOT NULL already, or a
/// constraint says so.
pub(super) fn is_known_not_null(cx: &Context<'_, '_>, table: &Name, column: &Name) -> bool {
    cx.has_null_check(table, column) || is_declared(cx, table, column)
}

/// Whether an earlier statement made the column NOT NULL, or part of a primary key.
fn is_declared(cx: &Context<'_, '_>, table: &Name, column: &Name) -> bool {
    // What `IF NOT EXISTS` defines counts only if nothing else has created the table or column.
    let mut perhaps = false;
    let found = cx.earlier(&table.key, |event, of| match event {
        SchemaEvent::NotNullSet { table, column: known, tolerant } if table == of && *known == column.key => {
            perhaps |= tolerant;
            (!tolerant).then_some(true)
        }
        SchemaEvent::PrimaryKeyFromIndex { table, index } if table == of => {
            columns_of_index(cx, index).iter().any(|known| known.key == column.key).then_some(true)
        }
        SchemaEvent::NotNullDropped { table, column: known } | SchemaEvent::ColumnGone { table, column: known }
            if table == of && *known == column.key =>
        {
            Some(false)
        }
        SchemaEvent::TableCreated { table, .. } if table == of => Some(false),
        _ => None,
    });
    found.unwrap_or(perhaps)
}

/// The columns of an index, as far as a script says which ones they are.
pub(super) fn columns_of_index(cx: &Context<'_, '_>, index: &str) -> Vec<Name> {
    let found = cx.earlier(index, |event, _| match event {
        SchemaEvent::IndexCreated { name, columns, .. } if name == index => Some(columns.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

/// Those of the columns of a primary key that the server must scan the table for. What the same statement sets to NOT
/// NULL is reported by itself.
pub(super) fn unproven(cx: &Context<'_, '_>, table: &Name, columns: Vec<Name>) -> Vec<Name> {
    let is_set = |wanted: &Name| match &cx.changes[cx.at] {
        Some(Change::AlterTable { actions, .. }) => {
            actions.iter().any(|(_, action)| matches!(action, Action::SetNotNull(column) if column.key == wanted.key))
        }
        _ => false,
    };
    columns.into_iter().filter(|column| !is_known_not_null(cx, table, column) && !is_set(column)).collect()
}

/// Returns the steps that make columns NOT NULL without a long lock, to be read before another step.
pub(super) fn proof(table: &Name, columns: &[Name]) -> String {
    let shown = &table.written;
    let names: Vec<&Written> = columns.iter().map(|column| &column.written).collect();
    let parts: Vec<&str> = std::iter::once(shown.last()).chain(names.iter().map(|name| name.last())).collect();
    let check = Written::joined(&[&parts[..], &["not_null"]].concat());
    let each = |format: &dyn Fn(&Written) -> String, with: &str| -> String {
        names.iter().map(|name| format(name)).collect::<Vec<_>>().join(with)
    };
    let is_filled = each(&|name| format!("{name} IS NOT NULL"), " AND ");
    let set = each(&|name| format!("ALTER COLUMN {name} SET NOT NULL"), ", ");
    format!(
        "`ALTER TABLE {shown} ADD CONSTRAINT {check} CHECK ({is_filled}) NOT VALID`; in the next migration \
         `ALTER TABLE {shown} VALIDATE CONSTRAINT {check}`, while others can write; in the one after it \
         `ALTER TABLE {shown} {set}`, which then scans no row, and `ALTER TABLE {shown} DROP CONSTRAINT {check}`"
    )
}
