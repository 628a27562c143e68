//! Names that may have changed: a draft never guesses, it asks.

use std::fmt;

use super::step::Statement;
use super::write::{ident, qualified};
use crate::model::{Column, Name, Schema, Table};

/// The new name of a table or of a column.
///
/// As text it is `public.users=accounts` or `public.users.mail=email`. The schema may be left out when it is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rename {
    /// The table, by its name before this change.
    pub table: Name,
    /// The column, if it is one of a column.
    pub column: Option<String>,
    /// The name afterwards.
    pub to: String,
}

/// Why a text is not a rename of this schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameError(String);

impl fmt::Display for RenameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RenameError {}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let old = self.table.schema.iter().chain([&self.table.name]).chain(&self.column);
        write!(f, "{}={}", old.cloned().collect::<Vec<_>>().join("."), self.to)
    }
}

impl Rename {
    /// Reads `users.mail=email`, `users.mail=users.email` or `users=accounts` for a change from one schema to another.
    ///
    /// # Errors
    ///
    /// If it has no `=`, or the old name is not in `from`, or the new one not in `to`.
    pub fn parse(text: &str, from: &Schema, to: &Schema) -> Result<Self, RenameError> {
        let Some((old, new)) = text.split_once('=').map(|(old, new)| (old.trim(), new.trim())) else {
            return Err(RenameError(format!("`{text}` is not a rename: write `old=new`, as in `users.mail=email`")));
        };
        let to_name = new.rsplit('.').next().unwrap_or(new).to_owned();
        let tables = from.tables.iter();
        let found: Vec<Self> = tables
            .flat_map(|table| {
                let columns = table.columns.iter().map(|column| Some(column.name.clone()));
                [None].into_iter().chain(columns).map(|column| Self {
                    table: table.name.clone(),
                    column,
                    to: to_name.clone(),
                })
            })
            .filter(|rename| {
                let short =
                    rename.column.iter().fold(rename.table.name.clone(), |name, column| format!("{name}.{column}"));
                let long = rename.table.schema.iter().fold(short.clone(), |name, schema| format!("{schema}.{name}"));
                old == short || old == long
            })
            .collect();
        let [rename] = &found[..] else {
            return Err(RenameError(match found.len() {
                0 => format!("`{old}` in the rename `{text}` is neither a table nor a column of the present schema"),
                _ => format!("`{old}` in the rename `{text}` can be several things: write its schema too"),
            }));
        };
        let is_there = to.tables.iter().any(|table| match &rename.column {
            None => table.name.schema == rename.table.schema && table.name.name == rename.to,
            // Its table may be renamed as well.
            Some(_) => table.columns.iter().any(|column| column.name == rename.to),
        });
        if !is_there {
            let what = if rename.column.is_some() { "column" } else { "table" };
            return Err(RenameError(format!(
                "`{new}` in the rename `{text}` is not a {what} of the desired schema: `{old}` cannot become it"
            )));
        }
        Ok(rename.clone())
    }

    /// The statement that renames it, which is the same in every dialect.
    pub fn statement(&self) -> Statement {
        let table = qualified(&self.table);
        Statement::new(match &self.column {
            None => format!("ALTER TABLE {table} RENAME TO {}", ident(&self.to)),
            Some(column) => format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", ident(column), ident(&self.to)),
        })
    }

    /// The change in the other direction, after this one has happened.
    #[must_use]
    pub fn reversed(&self) -> Self {
        match &self.column {
            None => Self {
                table: Name { schema: self.table.schema.clone(), name: self.to.clone() },
                column: None,
                to: self.table.name.clone(),
            },
            Some(column) => Self { table: self.table.clone(), column: Some(self.to.clone()), to: column.clone() },
        }
    }
}

/// Returns what may have been renamed: a gone table and a new one with mostly the same columns, a gone column and a new one of the
/// same type. Each name is in at most one of them.
pub fn possible_renames(from: &Schema, to: &Schema) -> Vec<Rename> {
    let mut found = Vec::new();
    let mut new: Vec<&Table> = to.tables.iter().filter(|table| !has(from, &table.name)).collect();
    for gone in from.tables.iter().filter(|table| !has(to, &table.name)) {
        let fits = |other: &&Table| other.name.schema == gone.name.schema && alike(gone, other) >= 0.5;
        let best = new.iter().copied().filter(fits).max_by(|a, b| alike(gone, a).total_cmp(&alike(gone, b)));
        if let Some(best) = best {
            new.retain(|table| table.name != best.name);
            found.push(Rename { table: gone.name.clone(), column: None, to: best.name.name.clone() });
            columns(gone, best, &mut found);
        }
    }
    for table in &from.tables {
        if let Some(after) = to.tables.iter().find(|after| after.name == table.name) {
            columns(table, after, &mut found);
        }
    }
    found
}

fn has(schema: &Schema, name: &Name) -> bool {
    schema.tables.iter().any(|table| table.name == *name)
}

/// How much of both tables' columns is the same, from 0 to 1.
fn alike(one: &Table, other: &Table) -> f64 {
    let common = one
        .columns
        .iter()
        .filter(|column| other.columns.iter().any(|c| c.name == column.name && c.data_type == column.data_type));
    let most = one.columns.len().max(other.columns.len());
    if most == 0 { 0.0 } else { common.count() as f64 / most as f64 }
}

/// Adds the columns that one table has lost and the other has gained.
fn columns(from: &Table, to: &Table, found: &mut Vec<Rename>) {
    let missing = |column: &&Column, table: &Table| table.columns.iter().all(|other| other.name != column.name);
    let mut new: Vec<&Column> = to.columns.iter().filter(|column| missing(column, from)).collect();
    for gone in from.columns.iter().filter(|column| missing(column, to)) {
        let same_type = |column: &&Column| column.data_type == gone.data_type && !column.inherited && !gone.inherited;
        let alike = |column: &Column| (column.not_null == gone.not_null, column.default == gone.default);
        let mut fitting: Vec<&Column> = new.iter().copied().filter(same_type).collect();
        fitting.sort_by_key(|column| std::cmp::Reverse(alike(column)));
        if let Some(best) = fitting.first() {
            new.retain(|column| column.name != best.name);
            found.push(Rename { table: from.name.clone(), column: Some(gone.name.clone()), to: best.name.clone() });
        }
    }
}
