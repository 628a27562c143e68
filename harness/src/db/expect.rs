//! What is there and what is not, with what was found where it is otherwise.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;

use super::Db;
use super::catalog::{ForeignKey, Kind, NamedObject};
use crate::failure::{Failure, TestResult};

/// A question whose failure is at the line of the call, which an `async fn` would not know.
macro_rules! expectations {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),+) => $ask:ident($($value:expr),+);)+) => {
        impl Db {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// Where it is otherwise, with what there is, at the line of the call.
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
    /// There is a table of this name.
    expect_table(table: &str) => thing(Kind::Table, table, true);
    /// There is no table of this name.
    expect_no_table(table: &str) => thing(Kind::Table, table, false);
    /// There is a view of this name, materialised or not.
    expect_view(view: &str) => thing(Kind::View, view, true);
    /// There is no view of this name.
    expect_no_view(view: &str) => thing(Kind::View, view, false);
    /// There is an index of this name.
    expect_index(index: &str) => thing(Kind::Index, index, true);
    /// There is no index of this name.
    expect_no_index(index: &str) => thing(Kind::Index, index, false);
    /// There is a type of this name: an enum, a domain, a composite, a range. SQLite has none.
    expect_type(name: &str) => thing(Kind::Type, name, true);
    /// There is no type of this name.
    expect_no_type(name: &str) => thing(Kind::Type, name, false);
    /// There is a trigger of this name.
    expect_trigger(trigger: &str) => thing(Kind::Trigger, trigger, true);
    /// There is no trigger of this name.
    expect_no_trigger(trigger: &str) => thing(Kind::Trigger, trigger, false);
    /// The table or view has this column.
    expect_column(table: &str, column: &str) => column(table, column, true);
    /// The table or view is there and does not have this column.
    expect_no_column(table: &str, column: &str) => column(table, column, false);
    /// The column has this type, as the database writes it: `character varying(40)`, `TEXT`. Case does not count.
    expect_column_type(table: &str, column: &str, data_type: &str) => column_type(table, column, data_type);
    /// The table's primary key is on these columns, in this order.
    expect_primary_key(table: &str, columns: &[&str]) => key(table, columns);
    /// The table is there and has no primary key.
    expect_no_primary_key(table: &str) => key(table, &[]);
    /// The table has a foreign key on these columns that points to that table.
    expect_foreign_key(table: &str, columns: &[&str], to: &str) => foreign_key(table, columns, to, true);
    /// The table is there and has no foreign key on these columns that points to that table.
    expect_no_foreign_key(table: &str, columns: &[&str], to: &str) => foreign_key(table, columns, to, false);
    /// The table has a constraint of this name.
    expect_constraint(table: &str, constraint: &str) => constraint(table, constraint, true);
    /// The table is there and has no constraint of this name.
    expect_no_constraint(table: &str, constraint: &str) => constraint(table, constraint, false);
}

impl Db {
    async fn thing(&mut self, kind: Kind, name: &str, wanted: bool) -> TestResult {
        let things = self.things(kind).await?;
        let is_there = things.iter().any(|thing| thing.is_called(name, self.dialect()));
        let word = kind.word();
        match (is_there, wanted) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => unexpected(format!("expected no {word} `{name}`, and there is one")),
            (false, true) => {
                let names = listed(things.iter().map(NamedObject::shown));
                unexpected(format!("expected a {word} `{name}`, found {names}"))
            }
        }
    }

    /// A table, or a view: what has columns.
    async fn with_columns(&mut self, name: &str) -> TestResult<NamedObject> {
        let mut all = Vec::new();
        for kind in [Kind::Table, Kind::View] {
            let things = self.things(kind).await?;
            if let Some(found) = things.iter().find(|thing| thing.is_called(name, self.dialect())) {
                return Ok(found.clone());
            }
            all.extend(things.iter().map(NamedObject::shown));
        }
        Err(Failure::without_place(format!("there is no table `{name}`, found {}", listed(all.into_iter()))))
    }

    async fn column(&mut self, table: &str, column: &str, wanted: bool) -> TestResult {
        let thing = self.with_columns(table).await?;
        let columns = self.columns(&thing).await?;
        let is_there = columns.iter().any(|known| self.same(&known.name, column));
        match (is_there, wanted) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => unexpected(format!("expected no column `{column}` in `{table}`, and there is one")),
            (false, true) => {
                let names = listed(columns.iter().map(|column| &column.name));
                unexpected(format!("expected a column `{column}` in `{table}`, found {names}"))
            }
        }
    }

    async fn column_type(&mut self, table: &str, column: &str, data_type: &str) -> TestResult {
        self.column(table, column, true).await?;
        let thing = self.with_columns(table).await?;
        let columns = self.columns(&thing).await?;
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
        let thing = self.with_columns(table).await?;
        let found = self.primary_key(&thing).await?;
        if self.all_same(&found, columns) {
            return Ok(());
        }
        let shown = |columns: &[String]| if columns.is_empty() { "none".to_owned() } else { columns.join(", ") };
        let expected: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let (expected, found) = (shown(&expected), shown(&found));
        unexpected(format!("expected the primary key of `{table}` to be {expected}, found {found}"))
    }

    async fn foreign_key(&mut self, table: &str, columns: &[&str], to: &str, wanted: bool) -> TestResult {
        let thing = self.with_columns(table).await?;
        let keys = self.foreign_keys(&thing).await?;
        let is_meant = |key: &&ForeignKey| self.all_same(&key.columns, columns) && self.same(&key.table, to);
        let is_there = keys.iter().find(is_meant).is_some();
        let key = format!("foreign key of `{table}` ({}) to `{to}`", columns.join(", "));
        match (is_there, wanted) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => unexpected(format!("expected no {key}, and there is one")),
            (false, true) => {
                let shown =
                    |key: &ForeignKey| format!("({}) to {} ({})", key.columns.join(", "), key.table, key.to.join(", "));
                unexpected(format!("expected a {key}, found {}", listed(keys.iter().map(shown))))
            }
        }
    }

    async fn constraint(&mut self, table: &str, constraint: &str, wanted: bool) -> TestResult {
        let thing = self.with_columns(table).await?;
        let names = self.constraints(&thing).await?;
        let is_there = names.iter().any(|name| self.same(name, constraint));
        match (is_there, wanted) {
            (true, true) | (false, false) => Ok(()),
            (true, false) => {
                unexpected(format!("expected no constraint `{constraint}` of `{table}`, and there is one"))
            }
            (false, true) => {
                unexpected(format!("expected a constraint `{constraint}` of `{table}`, found {}", listed(names.iter())))
            }
        }
    }

    /// SQLite does not look at the case of names.
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
