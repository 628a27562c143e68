//! Finds things in a schema of SQLite, where the case of names does not matter, and what a text mentions.

use crate::model::{ConstraintKind, Index, Name, Object, ObjectKind, Schema, Table};
use crate::sqlite::words;

/// What a name is compared by.
pub(super) type Key = (Option<String>, String);

pub(super) fn key(name: &Name) -> Key {
    (name.schema.clone(), name.name.to_ascii_lowercase())
}

pub(super) fn is_same(one: &Name, other: &Name) -> bool {
    one.schema == other.schema && one.name.eq_ignore_ascii_case(&other.name)
}

pub(super) fn same_table<'a>(schema: &'a Schema, name: &Name) -> Option<&'a Table> {
    schema.tables.iter().find(|table| is_same(&table.name, name))
}

pub(super) fn has_name(table: &Table, name: &str) -> bool {
    table.name.name.eq_ignore_ascii_case(name)
}

pub(super) fn triggers(schema: &Schema) -> impl Iterator<Item = &Object> {
    schema.objects.iter().filter(|object| object.kind == ObjectKind::Trigger)
}

/// Returns the texts of all views and triggers.
pub(super) fn texts(schema: &Schema) -> impl Iterator<Item = &String> {
    schema.views.iter().map(|view| &view.definition).chain(triggers(schema).map(|trigger| &trigger.definition))
}

pub(super) fn is_same_index(one: &Index, other: &Index) -> bool {
    (&one.name, one.unique, &one.definition) == (&other.name, other.unique, &other.definition)
}

/// Returns the tables that the foreign keys of a table refer to.
pub(super) fn parents(table: &Table) -> impl Iterator<Item = Key> {
    let keys = table.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::ForeignKey);
    // A key cannot refer to a table of another schema.
    keys.filter_map(|constraint| constraint.references.as_ref())
        .map(|references| (table.name.schema.clone(), references.table.name.to_ascii_lowercase()))
}

/// Returns the columns of the primary key, in lower case.
pub(super) fn primary_key(table: &Table) -> Vec<String> {
    let key = table.constraints.iter().find(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
    key.map_or_else(Vec::new, |key| key.columns.iter().map(|column| column.to_ascii_lowercase()).collect())
}

/// Whether a table has this option: `STRICT`.
pub(super) fn has_option(table: &Table, name: &str) -> bool {
    table.options.iter().any(|option| option.name == name)
}

/// Whether a text has this name.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Most texts do not even contain it.
    text.to_ascii_lowercase().contains(&name.replace('"', "\"\"")) && words(text).contains(&name)
}

/// Whether every table that a view or a trigger reads or writes exists, as far as its text tells.
pub(super) fn is_whole(text: &str, schema: &Schema) -> bool {
    let words = words(text);
    let exists = |name: &String| {
        let tables = schema.tables.iter().map(|table| &table.name);
        let mut all = tables.chain(schema.views.iter().map(|view| &view.name));
        let is_own = words.windows(2).any(|two| two[0] == *name && two[1] == "as");
        is_own || all.any(|other| other.name.eq_ignore_ascii_case(name))
    };
    let reads = words.windows(2).filter(|two| ["from", "join", "into", "update"].contains(&two[0].as_str()));
    // `FROM (SELECT …)`, `UPDATE OF a ON t`.
    reads.map(|two| &two[1]).filter(|name| !crate::sqlite::is_keyword(name)).all(exists)
}
