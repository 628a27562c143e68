//! Selects what a picture shows: a box for each table, and a link for each foreign key.

use crate::model::{Column, Constraint, ConstraintKind, Name, Persistence, Schema, Table};

/// If there are more tables than this, large tables show only their keys and some columns.
const MANY_TABLES: usize = 24;
/// The number of columns that a table then shows at least.
const FEW_COLUMNS: usize = 8;

/// The tables and foreign keys of a picture.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) tables: Vec<TableBox>,
    pub(super) links: Vec<Link>,
}

/// A table.
#[derive(Debug)]
pub(super) struct TableBox {
    pub(super) name: Name,
    /// Its name, without its schema if all tables are in one.
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
    /// The number of columns that are not shown.
    pub(super) more: usize,
}

/// A column.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) primary: bool,
    pub(super) foreign: bool,
    pub(super) nullable: bool,
}

/// A foreign key.
#[derive(Debug)]
pub(super) struct Link {
    /// The table that has the key, and the row of its first column.
    pub(super) child: usize,
    pub(super) child_row: usize,
    /// The table that it refers to, and the row there.
    pub(super) parent: usize,
    pub(super) parent_row: usize,
    /// Its columns: `author_id`.
    pub(super) columns: String,
    /// Whether several rows may refer to the same row.
    pub(super) many: bool,
    /// Whether a row may refer to none.
    pub(super) optional: bool,
}

impl Graph {
    /// Returns the graph of a schema, without partitions and temporary tables.
    pub(super) fn of(schema: &Schema) -> Self {
        let is_shown = |table: &&Table| table.partition_of.is_none() && table.persistence != Persistence::Temporary;
        let mut tables: Vec<&Table> = schema.tables.iter().filter(is_shown).collect();
        tables.sort_by(|one, other| one.name.cmp(&other.name));
        let one_schema = tables.windows(2).all(|pair| pair[0].name.schema == pair[1].name.schema);
        let title = |name: &Name| match &name.schema {
            Some(schema) if !one_schema => format!("{schema}.{}", name.name),
            Some(_) | None => name.name.clone(),
        };
        let all_columns = tables.len() <= MANY_TABLES;
        let kept: Vec<Vec<&Column>> = tables.iter().map(|table| kept(table, &tables, all_columns)).collect();
        let place = |name: &Name| tables.iter().position(|table| table.name == *name);
        let row = |table: usize, column: Option<&String>| {
            let found = kept[table].iter().position(|kept| Some(&kept.name) == column);
            found.unwrap_or_default()
        };
        let mut links = Vec::new();
        for (child, table) in tables.iter().enumerate() {
            for (constraint, references) in foreign_keys(table) {
                let Some(parent) = place(&references.table) else { continue };
                let of_key = |name: &String| table.columns.iter().find(|column| column.name == *name);
                links.push(Link {
                    child,
                    child_row: row(child, constraint.columns.first()),
                    parent,
                    parent_row: row(parent, references.columns.first()),
                    columns: constraint.columns.join(", "),
                    many: !is_unique(table, &constraint.columns),
                    optional: constraint.columns.iter().filter_map(of_key).any(|column| is_nullable(table, column)),
                });
            }
        }
        links.sort_by(|one, other| {
            (one.child, one.parent, &one.columns).cmp(&(other.child, other.parent, &other.columns))
        });
        let shown = |(table, kept): (&&Table, &Vec<&Column>)| TableBox {
            name: table.name.clone(),
            title: title(&table.name),
            rows: kept.iter().map(|column| row_of(table, column)).collect(),
            more: table.columns.len() - kept.len(),
        };
        Self { tables: tables.iter().zip(&kept).map(shown).collect(), links }
    }
}

fn foreign_keys(table: &Table) -> impl Iterator<Item = (&Constraint, &crate::model::References)> {
    table.constraints.iter().filter_map(|constraint| Some((constraint, constraint.references.as_ref()?)))
}

/// Returns the columns to show: all of them, or the keys and as many others as fit.
fn kept<'a>(table: &'a Table, tables: &[&Table], all: bool) -> Vec<&'a Column> {
    let is_pointed_to = |column: &Column| {
        let others = tables.iter().flat_map(|table| foreign_keys(table));
        others.filter(|(_, to)| to.table == table.name).any(|(_, to)| to.columns.contains(&column.name))
    };
    let is_key = |column: &Column| is_primary(table, column) || is_foreign(table, column) || is_pointed_to(column);
    let keys = table.columns.iter().filter(|column| is_key(column)).count();
    let mut room = FEW_COLUMNS.saturating_sub(keys);
    let mut is_kept = |column: &&Column| {
        if all || table.columns.len() <= FEW_COLUMNS + 1 || is_key(column) {
            return true;
        }
        let has_room = room > 0;
        room = room.saturating_sub(1);
        has_room
    };
    table.columns.iter().filter(|column| is_kept(column)).collect()
}

fn is_primary(table: &Table, column: &Column) -> bool {
    let primary = table.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
    primary.flat_map(|constraint| &constraint.columns).any(|name| *name == column.name)
}

fn is_foreign(table: &Table, column: &Column) -> bool {
    foreign_keys(table).any(|(constraint, _)| constraint.columns.contains(&column.name))
}

fn is_nullable(table: &Table, column: &Column) -> bool {
    !column.not_null && !is_primary(table, column)
}

fn row_of(table: &Table, column: &Column) -> Row {
    Row {
        name: column.name.clone(),
        data_type: column.data_type.clone(),
        primary: is_primary(table, column),
        foreign: is_foreign(table, column),
        nullable: is_nullable(table, column),
    }
}

/// Whether no two rows can have the same values in these columns.
fn is_unique(table: &Table, columns: &[String]) -> bool {
    let within = |names: &[String]| !names.is_empty() && names.iter().all(|name| columns.contains(name));
    let is_key =
        |constraint: &&Constraint| matches!(constraint.kind, ConstraintKind::PrimaryKey | ConstraintKind::Unique);
    table.constraints.iter().filter(is_key).any(|constraint| within(&constraint.columns))
        || table.indexes.iter().any(|index| {
            // An index with a condition is unique only where the condition holds.
            index.unique && !index.definition.contains(" WHERE ") && within(&index.keys)
        })
}
