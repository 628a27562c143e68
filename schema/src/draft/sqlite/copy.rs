//! Copies the rows of a table into the one that takes its place: `INSERT … SELECT`, with what each column gets.

use super::change::{missing, qualified};
use super::column::{Affinity, affinity, distinct_placeholder, has_value_by_default, placeholder};
use super::lookup::{has_option, mentions, primary_key, same_table, texts};
use super::{create, search};
use crate::draft::step::{Hazard, Loss, Statement};
use crate::model::{Column, Constraint, ConstraintKind, Name, Schema, Table, TableKind};
use crate::sqlite;

/// The names of the number of a row, unless a column has them.
const ROW_NUMBERS: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// The rows of a table, and where they go.
pub(super) struct Rows<'a> {
    pub(super) before: &'a Table,
    /// The table that takes its place.
    pub(super) after: &'a Table,
    /// The schema of `before`.
    pub(super) from: &'a Schema,
    /// The schema of `after`.
    pub(super) to: &'a Schema,
    /// Whether a view or a trigger knows rows by their numbers.
    pub(super) has_row_numbers: bool,
}

/// Whether a view or a trigger knows rows by their numbers.
pub(super) fn mentions_row_numbers(schema: &Schema) -> bool {
    texts(schema).any(|text| ROW_NUMBERS.iter().any(|name| mentions(text, name)))
}

/// Returns the statement that copies all rows to a new table of this name.
pub(super) fn statement(rows: &Rows<'_>, new: &Name) -> Statement {
    let &Rows { before, after, from, .. } = rows;
    let mut copy = Copying { before, after, from, columns: Vec::new(), hazards: Vec::new(), questions: Vec::new() };
    copy.columns.extend(copy.row_numbers(rows));
    for column in after.columns.iter().filter(|column| column.generated.is_none()) {
        let value = match copy.old(column) {
            Some(old) => Some(copy.kept(old, column)),
            None => copy.new_value(column),
        };
        copy.columns.extend(value.map(|value| (sqlite::name(&column.name), value)));
    }
    if copy.columns.is_empty() {
        copy.columns.extend(copy.any_column());
    }
    copy.new_constraints();
    copy.statement(new)
}

struct Copying<'a> {
    before: &'a Table,
    after: &'a Table,
    from: &'a Schema,
    /// Each column with its value.
    columns: Vec<(String, String)>,
    hazards: Vec<Hazard>,
    questions: Vec<String>,
}

impl<'a> Copying<'a> {
    fn statement(self, new: &Name) -> Statement {
        let (columns, values): (Vec<String>, Vec<String>) = self.columns.into_iter().unzip();
        // A constraint with another ON CONFLICT would silently leave rows out.
        let definitions = self.after.constraints.iter().map(|constraint| &constraint.definition);
        let is_lenient = definitions.into_iter().any(|definition| definition.contains(" ON CONFLICT "))
            || self.after.columns.iter().any(|column| !column.options.is_empty());
        let or_abort = if is_lenient { " OR ABORT" } else { "" };
        let mut statement = Statement::new(format!(
            "INSERT{or_abort} INTO {} ({})\nSELECT {}\nFROM {}",
            create::name(new),
            columns.join(", "),
            values.join(", "),
            create::name(&self.before.name)
        ))
        .with(Hazard::Rewrites);
        statement.hazards.extend(self.hazards);
        statement.hazards.dedup();
        statement.question = (!self.questions.is_empty()).then(|| self.questions.join("; "));
        statement
    }

    /// The column that this one was.
    fn old(&self, column: &Column) -> Option<&'a Column> {
        self.before.columns.iter().find(|old| old.name.eq_ignore_ascii_case(&column.name))
    }

    /// The value of a column that was there.
    fn kept(&mut self, old: &Column, column: &Column) -> String {
        let name = sqlite::name(&old.name);
        let shown = qualified(self.after, column);
        let is_strict = has_option(self.after, "STRICT");
        let was_strict = has_option(self.before, "STRICT") && old.data_type != "ANY";
        let value = match (affinity(&old.data_type), affinity(&column.data_type)) {
            (Affinity::Blob, Affinity::Text) => format!("CAST({name} AS TEXT)"),
            (Affinity::Blob, Affinity::Blob) if was_strict => name.clone(),
            (_, Affinity::Blob) if is_strict => format!("CAST({name} AS BLOB)"),
            // SQLite converts what it can without a loss. A cast would make 0 of 'abc'.
            _ => name.clone(),
        };
        let is_number = |it| matches!(it, Affinity::Integer | Affinity::Real | Affinity::Numeric);
        // '007' becomes 7.
        if matches!(affinity(&old.data_type), Affinity::Text | Affinity::Blob)
            && is_number(affinity(&column.data_type))
            && !(was_strict && old.data_type == "BLOB")
        {
            self.hazards.push(Hazard::Loses(Loss::Precision));
        }
        let is_another_type = old.data_type != column.data_type || is_strict && !was_strict;
        if is_another_type && (is_strict || self.is_row_number(column)) && value == name {
            let data_type = &column.data_type;
            self.hazards.push(Hazard::MayFail(format!("a value of {shown} is not of the type {data_type}")));
        }
        let is_key = primary_key(self.after).contains(&column.name.to_ascii_lowercase());
        if !column.not_null || old.not_null || self.is_row_number(column) {
            return value;
        }
        if is_key && column.default.is_none() {
            self.hazards.push(Hazard::MayFail(format!("{shown} is NULL in a row")));
            return value;
        }
        self.questions.push(format!("the value of {shown} in rows where it is NULL"));
        format!("coalesce({value}, {})", self.invented(column))
    }

    /// The value of a new column; none if its default is right.
    fn new_value(&mut self, column: &Column) -> Option<String> {
        if self.is_row_number(column) {
            return None;
        }
        let is_key = primary_key(self.after).contains(&column.name.to_ascii_lowercase());
        let must_differ = self.must_differ(column);
        let shown = qualified(self.after, column);
        if must_differ && (column.not_null || is_key || has_value_by_default(column)) {
            self.questions.push(format!("the value of {shown} in existing rows, another one in each"));
            return Some(distinct_placeholder(&column.data_type));
        }
        if !(column.not_null || is_key) || has_value_by_default(column) {
            return None;
        }
        self.questions.push(format!("the value of {shown} in existing rows"));
        Some(self.invented(column))
    }

    /// A value for a column whose value nobody has said: its default, a row to which it may refer, or any of its type.
    fn invented(&self, column: &Column) -> String {
        if let Some(default) = column.default.as_ref().filter(|_| has_value_by_default(column)) {
            return default.clone();
        }
        let is_own = |key: &&Constraint| key.columns == [column.name.clone()];
        let key = self.after.constraints.iter().filter(is_own).find_map(|key| key.references.as_ref());
        if let Some(key) = key
            && let [other] = &key.columns[..]
        {
            let table = Name { schema: self.after.name.schema.clone(), ..key.table.clone() };
            // One that is created here has no row to refer to.
            let parent = same_table(self.from, &table);
            let has_it = |parent: &Table| parent.columns.iter().any(|own| own.name.eq_ignore_ascii_case(other));
            if parent.is_some_and(has_it) {
                return format!("(SELECT min({}) FROM {})", sqlite::name(other), create::name(&table));
            }
        }
        placeholder(&column.data_type, has_option(self.after, "STRICT"))
    }

    /// Whether one value for all rows would break a key: each of its columns is new.
    fn must_differ(&self, column: &Column) -> bool {
        let is_own = |columns: &[String]| columns.iter().any(|own| own.eq_ignore_ascii_case(&column.name));
        let all_new = |columns: &[String]| {
            let old = |name: &String| self.before.columns.iter().any(|old| old.name.eq_ignore_ascii_case(name));
            is_own(columns) && !columns.iter().any(old)
        };
        let is_key = |constraint: &&Constraint| match constraint.kind {
            ConstraintKind::PrimaryKey | ConstraintKind::Unique => true,
            ConstraintKind::ForeignKey | ConstraintKind::Check | ConstraintKind::Exclude | ConstraintKind::NotNull => {
                false
            }
        };
        let mut indexes = self.after.indexes.iter().filter(|index| index.unique);
        self.after.constraints.iter().filter(is_key).any(|key| all_new(&key.columns))
            || indexes.any(|index| index.keys.len() == 1 && index.keys[0] == sqlite::name(&column.name))
    }

    /// Whether the column is the number of the row, which SQLite gives if nobody does.
    fn is_row_number(&self, column: &Column) -> bool {
        is_row_number(self.after, column)
    }

    /// Some column of a table of which no other value is known, so that each row stays a row.
    fn any_column(&self) -> Option<(String, String)> {
        let column = self.after.columns.iter().find(|column| column.generated.is_none())?;
        let default = column.default.clone().unwrap_or_else(|| "NULL".to_owned());
        Some((sqlite::name(&column.name), default))
    }

    /// The numbers of the rows, by a name that no column has, if something may know the rows by them.
    fn row_numbers(&self, rows: &Rows<'_>) -> Option<(String, String)> {
        let hidden = |table: &Table| {
            let has_column = |name: &&&str| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
            let is_hidden = match table.kind {
                TableKind::Virtual { .. } => search::has_hidden_numbers(table),
                _ => {
                    !table.columns.iter().any(|column| is_row_number(table, column))
                        && !has_option(table, "WITHOUT ROWID")
                }
            };
            ROW_NUMBERS.iter().find(|name| is_hidden && !has_column(name)).map(|name| (*name).to_owned())
        };
        let is_content = |other: &Table| match &other.kind {
            TableKind::Virtual { module } => {
                search::content(module).is_some_and(|name| name.eq_ignore_ascii_case(&self.before.name.name))
            }
            _ => false,
        };
        let is_search = matches!(self.before.kind, TableKind::Virtual { .. });
        let mut others = rows.from.tables.iter().chain(&rows.to.tables);
        let is_known = is_search || rows.has_row_numbers || others.any(is_content);
        hidden(self.after).zip(hidden(self.before)).filter(|_| is_known)
    }

    /// Says which rows do not fit a new constraint.
    fn new_constraints(&mut self) {
        let table = create::name(&self.after.name);
        for constraint in missing(&self.after.constraints, &self.before.constraints) {
            let of = constraint.columns.iter().map(|column| sqlite::name(column)).collect::<Vec<_>>().join(", ");
            let same = self.before.constraints.iter().any(|old| old.definition == constraint.definition);
            let is_own_number = self.after.columns.iter().any(|column| {
                constraint.columns == [column.name.clone()] && self.old(column).is_none() && self.is_row_number(column)
            });
            let why = match constraint.kind {
                ConstraintKind::PrimaryKey | ConstraintKind::Unique if !is_own_number => {
                    format!("two rows of {table} have the same {of}")
                }
                ConstraintKind::Check => format!("a row of {table} does not fulfil {}", constraint.definition),
                ConstraintKind::ForeignKey => {
                    let to = constraint.references.as_ref().map(|to| sqlite::name(&to.table.name)).unwrap_or_default();
                    format!("{of} of a row of {table} refers to no row of {to}")
                }
                ConstraintKind::PrimaryKey
                | ConstraintKind::Unique
                | ConstraintKind::Exclude
                | ConstraintKind::NotNull => continue,
            };
            if !same {
                self.hazards.push(Hazard::MayFail(why));
            }
        }
    }
}

/// Whether a column of a table is the number of its rows.
fn is_row_number(table: &Table, column: &Column) -> bool {
    let key = table.constraints.iter().find(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
    column.data_type == "INTEGER"
        && matches!(table.kind, TableKind::Ordinary)
        && !has_option(table, "WITHOUT ROWID")
        && key.is_some_and(|key| {
            key.columns.len() == 1
                && key.columns[0].eq_ignore_ascii_case(&column.name)
                && !key.definition.ends_with(" BESIDE THE ROWID")
        })
}
