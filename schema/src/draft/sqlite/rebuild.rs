//! Rebuilds a table: a new one is created, gets the rows, and takes the place of the old one. SQLite's documentation lists
//! these steps; the foreign keys are off meanwhile, and its indexes and triggers are created again afterwards.

use super::copy::{self, Rows};
use super::create;
use super::lookup::has_name;
use crate::draft::step::{Hazard, Loss, Statement};
use crate::draft::write::literal;
use crate::model::{Column, Name, Schema, Table};
use crate::sqlite;

pub(super) fn statements(rows: &Rows<'_>) -> Vec<Statement> {
    let (before, after) = (rows.before, rows.after);
    let new = free_name(after, rows.from, rows.to);
    let (new_name, name) = (create::name(&new), create::name(&before.name));
    let mut statements = vec![Statement::new(create::table(after, &new))];
    if counts(before) && counts(after) {
        statements.push(sequence(before, &new));
    }
    statements.push(copy::statement(rows, &new));
    let drop = Statement::new(format!("DROP TABLE {name}"));
    let is_lost = |column: &&Column| {
        let stays = after.columns.iter().find(|other| other.name.eq_ignore_ascii_case(&column.name));
        column.generated.is_none() && stays.is_none_or(|other| other.generated.is_some())
    };
    let loses = before.columns.iter().any(|column| is_lost(&column));
    statements.push(if loses { drop.with(Hazard::Loses(Loss::Column)) } else { drop });
    let rename = format!("ALTER TABLE {new_name} RENAME TO {}", sqlite::name(&after.name.name));
    statements.push(Statement::new(rename));
    statements
}

/// Returns `new_users`, or a longer name if something is called so.
fn free_name(after: &Table, from: &Schema, to: &Schema) -> Name {
    let mut name = format!("new_{}", after.name.name);
    let is_taken = |name: &str| {
        [from, to].into_iter().any(|schema| {
            let indexes = |table: &Table| table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(name));
            schema.tables.iter().any(|table| has_name(table, name) || indexes(table))
                || schema.views.iter().any(|view| view.name.name.eq_ignore_ascii_case(name))
        })
    };
    while is_taken(&name) {
        name.push('_');
    }
    Name { schema: after.name.schema.clone(), name }
}

/// Whether the table never gives a number again.
fn counts(table: &Table) -> bool {
    table.constraints.iter().any(|constraint| constraint.definition.ends_with(" AUTOINCREMENT"))
}

/// Keeps the highest number that was given, even if its row is gone.
fn sequence(before: &Table, new: &Name) -> Statement {
    let sequence = create::name(&Name { schema: new.schema.clone(), name: "sqlite_sequence".to_owned() });
    Statement::new(format!(
        "INSERT INTO {sequence} (name, seq) SELECT {}, seq FROM {sequence} WHERE name = {}",
        literal(&new.name),
        literal(&before.name.name)
    ))
}
