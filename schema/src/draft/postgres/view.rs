//! Views and materialized views.

use super::change::Change;
use super::meta::{self, Address};
use super::options;
use crate::draft::step::Statement;
use crate::draft::write::{ident, qualified};
use crate::model::{Column, Detail, Index, View};

fn word(it: &View) -> &'static str {
    if it.materialized { "MATERIALIZED VIEW" } else { "VIEW" }
}

pub(super) fn address(it: &View) -> Address {
    Address {
        object: format!("{} {}", word(it), qualified(&it.name)),
        grant: Some(format!("TABLE {}", qualified(&it.name))),
    }
}

pub(super) fn create(it: &View) -> Vec<Statement> {
    let mut found = vec![Statement::new(format!("CREATE {}", definition(it)))];
    found.extend(details(&View { columns: blank(&it.columns), ..it.clone() }, it));
    found.extend(meta::create(&address(it), &it.meta));
    found
}

fn definition(it: &View) -> String {
    let mut sql = format!("{} {}", word(it), qualified(&it.name));
    sql.extend(value(it, "access method").map(|method| format!(" USING {}", ident(method))));
    let with: Vec<String> =
        parameters(it).iter().map(|detail| format!("{} = {}", detail.name, options::value(&detail.value))).collect();
    if !with.is_empty() {
        sql.push_str(&format!(" WITH ({})", with.join(", ")));
    }
    sql.extend(value(it, "tablespace").map(|space| format!(" TABLESPACE {}", ident(space))));
    sql.push_str(&format!(" AS\n{}", it.definition));
    if it.materialized && value(it, "populated") == Some("false") {
        sql.push_str("\nWITH NO DATA");
    }
    sql
}

pub(super) fn drop(it: &View) -> Statement {
    Statement::new(format!("DROP {} {}", word(it), qualified(&it.name)))
}

/// Whether a materialized view has rows.
pub(super) fn is_populated(it: &View) -> bool {
    value(it, "populated") != Some("false")
}

/// Runs the query of a materialized view again, while others read it if a unique index allows that.
pub(super) fn refresh(it: &View, online: bool) -> Statement {
    let is_column = |key: &String| it.columns.iter().any(|column| column.name == *key);
    let knows_rows = |index: &Index| {
        index.unique && index.valid && index.keys.iter().all(is_column) && !index.definition.contains(" WHERE (")
    };
    let word = if online && it.indexes.iter().any(knows_rows) { "CONCURRENTLY " } else { "" };
    Statement::new(format!("REFRESH MATERIALIZED VIEW {word}{}", qualified(&it.name)))
}

pub(super) fn change(before: &View, after: &View) -> Change {
    if before.materialized != after.materialized {
        return Change::Again;
    }
    let mut found = Vec::new();
    let same = |old: &Column, new: &Column| {
        old.name == new.name && old.data_type == new.data_type && old.collation == new.collation
    };
    let is_prefix = before.columns.len() <= after.columns.len()
        && before.columns.iter().zip(&after.columns).all(|(old, new)| same(old, new));
    let mut columns = before.columns.clone();
    if before.definition != after.definition || !is_prefix || before.columns.len() != after.columns.len() {
        if after.materialized || !is_prefix {
            return Change::Again;
        }
        found.push(Statement::new(format!("CREATE OR REPLACE {}", definition(after))));
        columns.extend(blank(&after.columns[before.columns.len()..]));
        found.extend(details(&View { columns, options: after.options.clone(), ..before.clone() }, after));
    } else {
        found.extend(details(before, after));
    }
    found.extend(meta::change(&address(after), &before.meta, &after.meta));
    Change::Statements(found)
}

/// The columns as the query alone makes them.
fn blank(columns: &[Column]) -> Vec<Column> {
    let blank = |column: &Column| Column {
        default: None,
        options: Vec::new(),
        privileges: Vec::new(),
        comment: None,
        ..column.clone()
    };
    columns.iter().map(blank).collect()
}

fn value<'a>(it: &'a View, name: &str) -> Option<&'a str> {
    options::find(&it.options, name)
}

fn parameters(it: &View) -> Vec<Detail> {
    let others = ["access method", "tablespace", "populated"];
    it.options.iter().filter(|option| !others.contains(&option.name.as_str())).cloned().collect()
}

/// Options, and the defaults, comments and privileges of columns.
fn details(before: &View, after: &View) -> Vec<Statement> {
    let name = qualified(&after.name);
    let alter = format!("ALTER {} {name}", word(after));
    let mut found = options::reloptions(&alter, &parameters(before), &parameters(after));
    let (old, new) = (value(before, "tablespace"), value(after, "tablespace"));
    if old != new {
        found.push(Statement::new(format!("{alter} SET TABLESPACE {}", ident(new.unwrap_or("pg_default")))));
    }
    if value(before, "populated") != value(after, "populated") {
        let no = if value(after, "populated").is_some() { " WITH NO DATA" } else { "" };
        found.push(Statement::new(format!("REFRESH MATERIALIZED VIEW {name}{no}")));
    }
    for (old, new) in before.columns.iter().zip(&after.columns) {
        let column = ident(&new.name);
        if old.default != new.default {
            let what = match &new.default {
                Some(default) => format!("SET DEFAULT {default}"),
                None => "DROP DEFAULT".to_owned(),
            };
            found.push(Statement::new(format!("{alter} ALTER COLUMN {column} {what}")));
        }
        for (what, reset) in [("statistics", "-1"), ("storage", "EXTENDED"), ("compression", "default")] {
            let (old, new) = (options::find(&old.options, what), options::find(&new.options, what));
            if old != new {
                let value = new.map_or_else(|| reset.to_owned(), |value| value.to_uppercase());
                let sql = format!("{alter} ALTER COLUMN {column} SET {} {value}", what.to_uppercase());
                found.push(Statement::new(sql));
            }
        }
        found.extend(meta::comment(&format!("COLUMN {name}.{column}"), old.comment.as_deref(), new.comment.as_deref()));
        let on = format!("TABLE {name}");
        found.extend(meta::privileges(&on, &format!(" ({column})"), &old.privileges, &new.privileges));
    }
    found
}
