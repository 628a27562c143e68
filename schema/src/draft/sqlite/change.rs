//! Decides what happens to a table that both schemas have: `ALTER TABLE` where SQLite can, otherwise a new table.

use super::column::{has_value_by_default, is_constant};
use super::lookup::{key, mentions, parents, primary_key};
use super::{create, search};
use crate::draft::step::{Hazard, Loss, Statement};
use crate::model::{Column, Constraint, ConstraintKind, Generation, Schema, Table, TableKind};
use crate::sqlite;

/// What happens to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing, but perhaps to its indexes.
    Same,
    /// These statements run.
    Alter(Vec<Statement>),
    /// A new table gets its rows, and then its name.
    Rebuild,
    /// It is dropped and created: there are no rows to keep.
    Replace,
}

impl Change {
    /// Whether the table is dropped on the way, with its indexes and triggers.
    pub(super) fn drops_the_table(&self) -> bool {
        match self {
            Self::Same | Self::Alter(_) => false,
            Self::Rebuild | Self::Replace => true,
        }
    }
}

/// Returns what makes `after` of `before`, which are tables of these schemas.
pub(super) fn of(before: &Table, after: &Table, from: &Schema, to: &Schema) -> Change {
    if is_same(before, after) {
        return if has_key_in_doubt(before, from, to) { Change::Rebuild } else { Change::Same };
    }
    match (&before.kind, &after.kind) {
        (TableKind::Ordinary, TableKind::Ordinary) => altered(before, after).map_or(Change::Rebuild, Change::Alter),
        _ if search::has_rows(before) && search::has_rows(after) => Change::Rebuild,
        _ => Change::Replace,
    }
}

/// Returns the constraints that are not among those.
pub(super) fn missing<'a>(these: &'a [Constraint], those: &[Constraint]) -> Vec<&'a Constraint> {
    let mut those: Vec<&Constraint> = those.iter().collect();
    let mut missing = Vec::new();
    for this in these {
        let same = those.iter().position(|that| (&that.name, &that.definition) == (&this.name, &this.definition));
        match same {
            Some(at) => drop(those.remove(at)),
            None => missing.push(this),
        }
    }
    missing
}

/// Returns the names of the columns that a table loses.
pub(super) fn gone_columns(before: &Table, after: Option<&Table>) -> Vec<String> {
    let stays =
        |column: &Column| after.is_some_and(|after| after.columns.iter().any(|other| other.name == column.name));
    before.columns.iter().filter(|column| !stays(column)).map(|column| column.name.clone()).collect()
}

fn is_same(before: &Table, after: &Table) -> bool {
    before.name == after.name
        && before.kind == after.kind
        && before.columns == after.columns
        && has_same_options(before, after)
        && missing(&before.constraints, &after.constraints).is_empty()
        && missing(&after.constraints, &before.constraints).is_empty()
}

fn has_same_options(before: &Table, after: &Table) -> bool {
    let has_all = |one: &Table, other: &Table| one.options.iter().all(|option| other.options.contains(option));
    has_all(before, after) && has_all(after, before)
}

/// Whether a foreign key may mean something else afterwards: its text may name no columns, and then means those of the
/// primary key that the other table has by then.
fn has_key_in_doubt(table: &Table, from: &Schema, to: &Schema) -> bool {
    let keys = table.constraints.iter().filter_map(|constraint| constraint.references.as_ref());
    keys.zip(parents(table)).any(|(references, parent)| {
        let find = |schema: &'_ Schema| schema.tables.iter().find(|other| key(&other.name) == parent).map(primary_key);
        let (before, after) = (find(from), find(to));
        let named: Vec<String> = references.columns.iter().map(|column| column.to_ascii_lowercase()).collect();
        before.is_some_and(|before| before == named && after.is_none_or(|after| after != before))
    })
}

/// Returns the statements that change the table in place, if SQLite has them.
fn altered(before: &Table, after: &Table) -> Option<Vec<Statement>> {
    let new: Vec<&Column> = after.columns.iter().filter(|column| find(before, column).is_none()).collect();
    let gone: Vec<&Column> = before.columns.iter().filter(|column| find(after, column).is_none()).collect();
    let is_respelled = gone.iter().any(|gone| new.iter().any(|new| new.name.eq_ignore_ascii_case(&gone.name)));
    // The rest must be as it is and where it is, and new columns come last.
    let stays = before.columns.iter().filter(|column| find(after, column).is_some());
    let fits = stays.eq(after.columns.iter().take(before.columns.len() - gone.len()));
    if before.name != after.name || !has_same_options(before, after) || is_respelled || !fits {
        return None;
    }
    // A constraint cannot be dropped, not even with its column: that it stands there cannot be seen.
    if !missing(&before.constraints, &after.constraints).is_empty() {
        return None;
    }
    let mut with: Vec<Vec<&Constraint>> = vec![Vec::new(); new.len()];
    for constraint in missing(&after.constraints, &before.constraints) {
        with[host(constraint, &new)?].push(constraint);
    }
    let can_add = |at: usize| can_be_added(new[at], &with[at], &new[at + 1..]);
    if !(0..new.len()).all(can_add) || !gone.iter().all(|column| can_be_dropped(column, before)) {
        return None;
    }
    if !after.columns.iter().any(|column| column.generated.is_none()) {
        return None;
    }
    let added = new.iter().zip(&with).map(|(column, with)| added(after, column, with));
    let dropped = gone.iter().map(|column| dropped(before, column));
    Some(added.chain(dropped).collect())
}

fn find<'a>(table: &'a Table, column: &Column) -> Option<&'a Column> {
    table.columns.iter().find(|other| other.name == column.name)
}

/// Returns the new column with which a constraint can be added: the last one of a check, the one of a foreign key.
fn host(constraint: &Constraint, new: &[&Column]) -> Option<usize> {
    let is_of = |column: &&Column| constraint.columns.contains(&column.name);
    match constraint.kind {
        ConstraintKind::Check => new.iter().rposition(is_of),
        ConstraintKind::ForeignKey if constraint.columns.len() == 1 => new.iter().position(is_of),
        ConstraintKind::ForeignKey
        | ConstraintKind::PrimaryKey
        | ConstraintKind::Unique
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => None,
    }
}

/// Whether `ADD COLUMN` takes the column on a table with rows, where foreign keys may be enforced.
fn can_be_added(column: &Column, with: &[&Constraint], later: &[&Column]) -> bool {
    let refers = with.iter().any(|constraint| constraint.kind == ConstraintKind::ForeignKey);
    match &column.generated {
        Some(generated) => {
            let is_early = later.iter().any(|later| mentions(&generated.expression, &later.name));
            generated.generation == Generation::Virtual && !is_early && !refers
        }
        None => {
            let has_value = has_value_by_default(column);
            column.default.as_deref().is_none_or(is_constant)
                && (has_value || !column.not_null)
                && !(refers && has_value)
        }
    }
}

fn can_be_dropped(column: &Column, table: &Table) -> bool {
    let is_it = |name: &String| name.eq_ignore_ascii_case(&column.name);
    let is_in_constraint = table.constraints.iter().any(|constraint| {
        let refers = constraint.references.as_ref().is_some_and(|references| {
            references.table.name.eq_ignore_ascii_case(&table.name.name) && references.columns.iter().any(is_it)
        });
        refers || constraint.columns.iter().any(is_it)
    });
    let is_in_expression = table.columns.iter().any(|other| {
        let generated = other.generated.as_ref().filter(|_| other.name != column.name);
        generated.is_some_and(|generated| mentions(&generated.expression, &column.name))
    });
    !is_in_constraint && !is_in_expression
}

fn added(table: &Table, column: &Column, with: &[&Constraint]) -> Statement {
    let text = create::column(column, with);
    let mut statement = Statement::new(format!("ALTER TABLE {} ADD COLUMN {text}", create::name(&table.name)));
    for check in with.iter().filter(|constraint| constraint.kind == ConstraintKind::Check) {
        let why = format!("a row of {} does not fulfil {}", create::name(&table.name), check.definition);
        statement.hazards.push(Hazard::MayFail(why));
    }
    if column.generated.is_some() && column.not_null {
        let why = format!("{} is NULL in a row", qualified(table, column));
        statement.hazards.push(Hazard::MayFail(why));
    }
    statement
}

fn dropped(table: &Table, column: &Column) -> Statement {
    let (table, name) = (create::name(&table.name), sqlite::name(&column.name));
    let statement = Statement::new(format!("ALTER TABLE {table} DROP COLUMN {name}"));
    match column.generated.as_ref().map(|generated| generated.generation) {
        None => statement.with(Hazard::Loses(Loss::Column)).with(Hazard::Rewrites),
        Some(Generation::Stored) => statement.with(Hazard::Rewrites),
        Some(Generation::Virtual) => statement,
    }
}

/// Writes a column with its table, for a person.
pub(super) fn qualified(table: &Table, column: &Column) -> String {
    format!("{}.{}", create::name(&table.name), sqlite::name(&column.name))
}
