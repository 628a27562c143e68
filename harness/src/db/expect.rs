//! Checks that a table, column, index or other object exists or does not exist. A failed check lists what does exist.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;

use super::Db;
use super::catalog::{ForeignKey, Kind, NamedObject};
use crate::failure::{Failure, TestResult};

/// Defines checks whose failure has the line of the call. An `async fn` with `#[track_caller]` would not know it.
macro_rules! expectations {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),+) => $ask:ident($($value:expr),+);)+) => {
        impl Db {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// If the check fails. The failure names the line of the call, and says what was found.
                #[track_caller]
                pub fn $name(&mut self, $($argument: $type),+) -> impl Future<Output = TestResult> {
                    let place = Location::caller();
                    async move { self.$ask($($value),+).await.map_err(|e| e.at(place)) }
                }
            )+
        }
    };
}

expectations! {
    /// Checks that the table exists.
    expect_table(table: &str) => object(Kind::Table, table, true);
    /// Checks that the table does not exist.
    expect_no_table(table: &str) => object(Kind::Table, table, false);
    /// Checks that the view exists, materialized or not.
    expect_view(view: &str) => object(Kind::View, view, true);
    /// Checks that the view does not exist.
    expect_no_view(view: &str) => object(Kind::View, view, false);
    /// Checks that the index exists.
    expect_index(index: &str) => object(Kind::Index, index, true);
    /// Checks that the index does not exist.
    expect_no_index(index: &str) => object(Kind::Index, index, false);
    /// Checks that the type exists: an enum, a domain, a composite type or a range. SQLite has none.
    expect_type(name: &str) => object(Kind::Type, name, true);
    /// Checks that the type does not exist.
    expect_no_type(name: &str) => object(Kind::Type, name, false);
    /// Checks that the trigger exists.
    expect_trigger(trigger: &str) => object(Kind::Trigger, trigger, true);
    /// Checks that the trigger does not exist.
    expect_no_trigger(trigger: &str) => object(Kind::Trigger, trigger, false);
    /// Checks that the table or view has this column.
    expect_column(table: &str, column: &str) => column(table, column, true);
    /// Checks that the table or view exists and does not have this column.
    expect_no_column(table: &str, column: &str) => column(table, column, false);
    /// Checks the type of a column, as the database writes it: `character varying(40)`, `TEXT`. Case is ignored.
    expect_column_type(table: &str, column: &str, data_type: &str) => column_type(table, column, data_type);
    /// Checks that the primary key of the table has these columns, in this order.
    expect_primary_key(table: &str, columns: &[&str]) => key(table, columns);
    /// Checks that the table exists and has no primary key.
    expect_no_primary_key(table: &str) => key(table, &[]);
    /// Checks that the table has a foreign key on these columns that references the table `to`.
    expect_foreign_key(table: &str, columns: &[&str], to: &str) => foreign_key(table, columns, to, true);
    /// Checks that the table exists and has no foreign key on these columns that references the table `to`.
    expect_no_foreign_key(table: &str, columns: &[&str], to: &str) => foreign_key(table, columns, to, false);
    /// Checks that the table has a constraint of this name.
    expect_constraint(table: &str, constraint: &str) => constraint(table, constraint, true);
    /// Checks that the table exists and has no constraint of this name.
    expect_no_constraint(table: &str, constraint: &str) => constraint(table, constraint, false);
}

impl Db {
    async fn object(&mut self, kind: Kind, name: &str, wanted: bool) -> TestResult {
        let objects = self.objects(kind).await?;
        let exists = objects.iter().any(|object| object.has_name(name, self.dialect()));
        let word = kind.word();
        match (exists, wanted) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => unexpected(format!("expected no {word} `{name}`, but there is one")),
            (false, true) => {
                let names = listed(objects.iter().map(NamedObject::shown));
                unexpected(format!("expected a {word} `{name}`, found {names}"))
            }
        }
    }

    /// Finds a table or view by its name.
    async fn with_columns(&mut self, name: &str) -> TestResult<NamedObject> {
        let mut all = Vec::new();
        for kind in [Kind::Table, Kind::View] {
            let objects = self.objects(kind).await?;
            if let Some(found) = objects.iter().find(|object| object.has_name(name, self.dialect())) {
                return Ok(found.clone());
            }
            all.extend(objects.iter().map(NamedObject::shown));
        }
        Err(Failure::without_place(format!("there is no table `{name}`, found {}", listed(all.into_iter()))))
    }

    async fn column(&mut self, table: &str, column: &str, wanted: bool) -> TestResult {
        let object = self.with_columns(table).await?;
        let columns = self.columns(&object).await?;
        let exists = columns.iter().any(|known| self.same(&known.name, column));
        match (exists, wanted) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => unexpected(format!("expected no column `{column}` in `{table}`, but there is one")),
            (false, true) => {
                let names = listed(columns.iter().map(|column| &column.name));
                unexpected(format!("expected a column `{column}` in `{table}`, found {names}"))
            }
        }
    }

    async fn column_type(&mut self, table: &str, column: &str, data_type: &str) -> TestResult {
        self.column(table, column, true).await?;
        let object = self.with_columns(table).await?;
        let columns = self.columns(&object).await?;
        let found = columns.iter().find(|known| self.same(&known.name, column)).map(|column| column.data_type.as_str());
        match found {
            Some(found) if found.eq_ignore_ascii_case(data_type) => Ok(()),
            found => unexpected(format!(
                "expected the type `{data_type}` of `{table}.{column}`, found `{}`",
                found.unwrap_or_default()
            )),
        }
    }

    async fn key(&mut self, table: &str, columns: &[&str]) -> TestResult {
        let object = self.with_columns(table).await?;
        let found = self.primary_key(&object).await?;
        if self.all_same(&found, columns) {
            return Ok(());
        }
        let shown = |columns: &[String]| if columns.is_empty() { "none".to_owned() } else { columns.join(", ") };
        let expected: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let (expected, found) = (shown(&expected), shown(&found));
        unexpected(format!("expected the primary key of `{table}` to be {expected}, found {found}"))
    }

    async fn foreign_key(&mut self, table: &str, columns: &[&str], to: &str, wanted: bool) -> TestResult {
        let object = self.with_columns(table).await?;
        let keys = self.foreign_keys(&object).await?;
        let is_meant = |key: &&ForeignKey| self.all_same(&key.columns, columns) && self.same(&key.table, to);
        let exists = keys.iter().find(is_meant).is_some();
        let key = format!("foreign key of `{table}` ({}) to `{to}`", columns.join(", "));
        match (exists, wanted) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => unexpected(format!("expected no {key}, but there is one")),
            (false, true) => {
                let shown =
                    |key: &ForeignKey| format!("({}) to {} ({})", key.columns.join(", "), key.table, key.to.join(", "));
                unexpected(format!("expected a {key}, found {}", listed(keys.iter().map(shown))))
            }
        }
    }

    async fn constraint(&mut self, table: &str, constraint: &str, wanted: bool) -> TestResult {
        let object = self.with_columns(table).await?;
        let names = self.constraints(&object).await?;
        let exists = names.iter().any(|name| self.same(name, constraint));
        match (exists, wanted) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => {
                unexpected(format!("expected no constraint `{constraint}` of `{table}`, but there is one"))
            }
            (false, true) => {
                unexpected(format!("expected a constraint `{constraint}` of `{table}`, found {}", listed(names.iter())))
            }
        }
    }

    /// Compares two names: SQLite ignores case.
    fn same(&self, a: &str, b: &str) -> bool {
        if self.dialect() == lockgate::Dialect::Sqlite { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    fn all_same(&self, a: &[String], b: &[&str]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(a, b))
    }
}

fn unexpected(message: String) -> TestResult {
    Err(Failure::without_place(message))
}

/// `a, b and 3 more`, or `none`.
fn listed<T: Display>(names: impl ExactSizeIterator<Item = T>) -> String {
    const MOST: usize = 12;
    let count = names.len();
    let mut shown: Vec<String> = names.take(MOST).map(|name| format!("`{name}`")).collect();
    match count {
        0 => return "none".to_owned(),
        count if count > MOST => shown.push(format!("{} more", count - MOST)),
        _ => {}
    }
    shown.join(", ")
}
