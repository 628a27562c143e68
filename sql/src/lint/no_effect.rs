//! Statements that do nothing because of `IF EXISTS` or `IF NOT EXISTS`, as earlier statements say. No rule reports
//! them: their lock is short, and nothing is built, lost or missing.

use super::change::{Action, Change, Column, Index};
use super::cursor::Name;
use super::schema_events::{SchemaEvent, SchemaEvents};

/// The index of a script in the input, and of a statement in the script.
type Place = (usize, usize);

/// Returns what is left of a change without the parts that do nothing.
pub(super) fn remove<'a>(change: Change<'a>, place: Place, events: &SchemaEvents<'_, '_>) -> Option<Change<'a>> {
    match change {
        Change::CreateIndex(index) if has_index(&index, place, events) => None,
        Change::CreateTable(made) if made.tolerant && has_table(&made.name, place, events) => None,
        Change::Drop { what: what @ ("index" | "table"), mut names, concurrently, cascade, tolerant: true } => {
            names.retain(|name| match what {
                "index" => !lacks_index(name, place, events),
                _ => !lacks_table(name, place, events),
            });
            (!names.is_empty()).then_some(Change::Drop { what, names, concurrently, cascade, tolerant: true })
        }
        Change::AlterTable { table, mut actions } => {
            actions.retain(|(_, action)| match action {
                Action::AddColumn(column) => !has_column(&table, column, place, events),
                Action::DropColumn { column, tolerant: true } => !lacks_column(&table, column, place, events),
                _ => true,
            });
            Some(Change::AlterTable { table, actions })
        }
        change => Some(change),
    }
}

/// Whether an index that is created with `IF NOT EXISTS` exists already.
fn has_index(index: &Index, place: Place, events: &SchemaEvents<'_, '_>) -> bool {
    let Some(wanted) = index.name.as_ref().filter(|_| index.tolerant) else { return false };
    let is_dropped = events.earlier(place, &wanted.key, |event, _| match event {
        SchemaEvent::IndexCreated { name, .. } if *name == wanted.key => Some(false),
        SchemaEvent::IndexGone { name } if *name == wanted.key => Some(true),
        _ => None,
    });
    if is_dropped != Some(false) {
        return false;
    }
    // An index is dropped with its table, and with each of its columns.
    let mut gone = Vec::new();
    let found = events.earlier(place, &index.table.key, |event, of| match event {
        SchemaEvent::IndexCreated { name, table, plain, computed, .. } if *name == wanted.key && table == of => {
            Some(!plain.iter().chain(computed).any(|column| gone.contains(column)))
        }
        SchemaEvent::ColumnGone { table, column } if table == of => {
            gone.push(column.clone());
            None
        }
        SchemaEvent::TableCreated { table, .. } | SchemaEvent::TableDropped { table } if table == of => Some(false),
        _ => None,
    });
    found == Some(true)
}

/// Whether an index does not exist: it was dropped, or no script mentions it.
fn lacks_index(wanted: &Name, place: Place, events: &SchemaEvents<'_, '_>) -> bool {
    let is_dropped = events.earlier(place, &wanted.key, |event, _| match event {
        SchemaEvent::IndexCreated { name, .. } if *name == wanted.key => Some(false),
        SchemaEvent::IndexGone { name } if *name == wanted.key => Some(true),
        _ => None,
    });
    is_dropped.unwrap_or_else(|| !events.is_mentioned(place, &wanted.key) && !is_chosen_by_server(&wanted.key))
}

/// Whether this may be the name of an index that was created without one, such as `users_name_idx1`.
fn is_chosen_by_server(name: &str) -> bool {
    name.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("_idx")
}

/// Whether a table was created, and not dropped or renamed since.
fn has_table(wanted: &Name, place: Place, events: &SchemaEvents<'_, '_>) -> bool {
    table_state(wanted, place, events) == Some(true)
}

/// Whether a table was dropped or renamed, and not created again.
fn lacks_table(wanted: &Name, place: Place, events: &SchemaEvents<'_, '_>) -> bool {
    table_state(wanted, place, events) == Some(false)
}

/// Whether a table exists, if a script says so.
fn table_state(wanted: &Name, place: Place, events: &SchemaEvents<'_, '_>) -> Option<bool> {
    events.earlier(place, &wanted.key, |event, _| match event {
        SchemaEvent::TableDropped { table } if *table == wanted.key => Some(false),
        SchemaEvent::TableRenamed { from, .. } if *from == wanted.key => Some(false),
        SchemaEvent::TableRenamed { to, .. } if *to == wanted.key => Some(true),
        // The table of a CREATE with IF NOT EXISTS emits its columns only.
        SchemaEvent::TableCreated { table, .. } | SchemaEvent::ColumnDefined { table, .. } if *table == wanted.key => {
            Some(true)
        }
        _ => None,
    })
}

/// Whether a column that is added with `IF NOT EXISTS` exists already.
pub(super) fn has_column(of: &Name, wanted: &Column<'_>, place: Place, events: &SchemaEvents<'_, '_>) -> bool {
    wanted.tolerant && column_state(of, &wanted.name, place, events) == Some(true)
}

fn lacks_column(of: &Name, wanted: &Name, place: Place, events: &SchemaEvents<'_, '_>) -> bool {
    column_state(of, wanted, place, events) == Some(false)
}

/// Whether a column exists, if a script says so.
fn column_state(of: &Name, wanted: &Name, place: Place, events: &SchemaEvents<'_, '_>) -> Option<bool> {
    let found = events.earlier(place, &of.key, |event, of| match event {
        SchemaEvent::ColumnDefined { table, column, .. } if table == of && *column == wanted.key => Some(Some(true)),
        SchemaEvent::ColumnGone { table, column } if table == of && *column == wanted.key => Some(Some(false)),
        SchemaEvent::TableCreated { table, .. } | SchemaEvent::TableDropped { table } if table == of => Some(None),
        _ => None,
    });
    found.flatten()
}
