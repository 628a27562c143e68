//! Differences for which SQLite has no statement.

use lockgate_core::Dialect;

use crate::compare::compare;
use crate::difference::Difference;
use crate::draft::step::Step;
use crate::model::{ConstraintKind, Meta, ObjectKind, Persistence, RowSecurity, Schema, Table, TableKind};

/// The options that a table can have.
pub(super) const TABLE_OPTIONS: [&str; 2] = ["STRICT", "WITHOUT ROWID"];

/// The option of a column that says what happens instead of an error when it would be NULL.
pub(super) const NULL_ON_CONFLICT: &str = "NULL on conflict";

/// Names each difference in something that SQLite does not have.
pub(super) fn open(from: &Schema, to: &Schema, differences: &[Difference]) -> Vec<Step> {
    let (can_from, can_to) = (possible(from), possible(to));
    if to.dialect == Dialect::Sqlite && can_from == *from && can_to == *to {
        return Vec::new();
    }
    let can_be = compare(&can_from, &can_to);
    let is_possible = |difference: &&Difference| {
        can_be.iter().any(|other| (&other.object, &other.what) == (&difference.object, &difference.what))
    };
    let (product, open) = match to.dialect {
        Dialect::Mysql => ("this release drafts nothing for MySQL", differences.iter().collect()),
        Dialect::Postgres | Dialect::Sqlite => {
            let open: Vec<&Difference> = differences.iter().filter(|difference| !is_possible(difference)).collect();
            ("SQLite has no such thing", open)
        }
    };
    open.into_iter().map(|difference| step(difference, product)).collect()
}

/// Names each difference, where none could be drafted.
pub(super) fn all_open(differences: &[Difference]) -> Vec<Step> {
    differences.iter().map(|difference| step(difference, "this release cannot draft it")).collect()
}

fn step(difference: &Difference, why: &str) -> Step {
    Step::Open { what: format!("{}: {}", difference.object, difference.what), why: why.to_owned() }
}

/// Returns what of a schema SQLite can have.
pub(super) fn possible(schema: &Schema) -> Schema {
    let mut left =
        Schema { tables: schema.tables.clone(), views: schema.views.clone(), ..Schema::empty(schema.dialect) };
    let is_trigger = |kind: ObjectKind| kind == ObjectKind::Trigger;
    left.objects = schema.objects.iter().filter(|object| is_trigger(object.kind)).cloned().collect();
    left.objects.iter_mut().for_each(|object| object.meta = Meta::default());
    left.tables.retain(|table| matches!(table.kind, TableKind::Ordinary | TableKind::Virtual { .. }));
    left.tables.iter_mut().for_each(reduce);
    left.views.retain(|view| !view.materialized);
    for view in &mut left.views {
        view.columns.clear();
        view.indexes.clear();
        view.options.clear();
        view.meta = Meta::default();
    }
    left
}

fn reduce(table: &mut Table) {
    let is_temporary = table.name.schema.as_deref() == Some("temp");
    table.persistence = if is_temporary { Persistence::Temporary } else { Persistence::Permanent };
    table.inherits.clear();
    table.partition_of = None;
    table.row_security = RowSecurity::Off;
    table.options.retain(|option| TABLE_OPTIONS.contains(&option.name.as_str()) && option.value.is_empty());
    table.meta = Meta::default();
    for column in &mut table.columns {
        column.identity = None;
        column.inherited = false;
        column.options.retain(|option| option.name == NULL_ON_CONFLICT);
        column.privileges.clear();
        column.comment = None;
    }
    table.constraints.retain(|constraint| match constraint.kind {
        ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::ForeignKey | ConstraintKind::Check => {
            true
        }
        ConstraintKind::Exclude | ConstraintKind::NotNull => false,
    });
    for constraint in &mut table.constraints {
        constraint.inherited = false;
        constraint.comment = None;
    }
    for index in &mut table.indexes {
        index.valid = true;
        index.options.clear();
        index.comment = None;
    }
}
