//! Writes the `fill` of the test of a draft: one row for each table that is empty before the migration runs, so that
//! every run of the tests checks the draft on tables with rows.

use std::collections::BTreeSet;
use std::path::Path;

use lockgate::__private::{execute, rows as ask};
use lockgate::Database;
use lockgate_schema::{Name, Schema};

use super::rows;
use crate::project::Package;

/// Knows which tables already have rows from the `fill` of an earlier migration.
#[derive(Debug)]
pub(super) struct Fills {
    /// The text of the earlier `fill`s, in lower case and without quotes.
    earlier: String,
    /// The tables that the tests of this draft fill.
    own: BTreeSet<Name>,
}

impl Fills {
    /// Reads the tests of a package.
    pub(super) fn of(package: &Package) -> Self {
        let mut earlier = String::new();
        read(&package.tests, &mut earlier);
        Self { earlier, own: BTreeSet::new() }
    }

    /// Returns the statements for the migration that makes the second schema of the first. The database has the first, and
    /// is not changed. With `any_dialect`, the statements run on both kinds of databases.
    pub(super) async fn next(
        &mut self,
        schemas: [&Schema; 2],
        database: &mut Database,
        any_dialect: bool,
    ) -> Vec<String> {
        let mut found = Vec::new();
        if execute(database, "BEGIN").await.is_err() {
            return found;
        }
        for table in rows::fitting(schemas[0], schemas[1]) {
            let Some(row) = table.rows.first() else { continue };
            let is_empty = has_rows(database, &table.table).await == Some(false);
            if !is_empty {
                continue;
            }
            let mut fitting = None;
            for statement in row {
                // On PostgreSQL, an error aborts the transaction unless there is a savepoint.
                let _ = execute(database, "SAVEPOINT row").await;
                if execute(database, statement).await.is_ok() {
                    fitting = Some(statement);
                    break;
                }
                let _ = execute(database, "ROLLBACK TO SAVEPOINT row").await;
            }
            let is_filled = self.own.contains(&table.table) || self.is_filled(&table.table);
            if let Some(statement) = fitting.filter(|_| !is_filled) {
                found.push(plain(statement, any_dialect));
                self.own.insert(table.table.clone());
            }
        }
        let _ = execute(database, "ROLLBACK").await;
        found
    }

    /// Whether an earlier `fill` inserts into a table.
    fn is_filled(&self, table: &Name) -> bool {
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        let name = table.name.to_lowercase();
        self.earlier.match_indices("insert into ").any(|(at, words)| {
            let rest = &self.earlier[at + words.len()..];
            let rest = match table.schema.as_ref().map(|schema| format!("{}.", schema.to_lowercase())) {
                Some(schema) => rest.strip_prefix(&schema).unwrap_or(rest),
                None => rest,
            };
            rest.strip_prefix(&name).is_some_and(|rest| !rest.starts_with(is_of_name))
        })
    }
}

async fn has_rows(database: &mut Database, table: &Name) -> Option<bool> {
    let query = format!("SELECT CAST(count(*) AS TEXT) FROM (SELECT 1 FROM {} LIMIT 1) one", rows::name(table));
    let rows = ask(database, &query).await.ok()?;
    Some(rows.first()?.first()?.as_deref() != Some("0"))
}

/// Removes the quotes from names that do not need them.
fn plain(statement: &str, any_dialect: bool) -> String {
    let mut written = String::new();
    let mut rest = statement;
    // Quotation marks inside a text literal are part of the text and do not quote names.
    let mut is_text = false;
    while let Some(c) = rest.chars().next() {
        if c == '"' && !is_text {
            let mut end = 1;
            while let Some(quote) = rest[end..].find('"') {
                end += quote + 1;
                if !rest[end..].starts_with('"') {
                    break;
                }
                end += 1;
            }
            let (name, after) = rest.split_at(end);
            let inner = &name[1..name.len().saturating_sub(1).max(1)];
            let keeps = inner.is_empty() || lockgate_schema::draft::needs_quotes(inner);
            written.push_str(if keeps { name } else { inner });
            rest = after;
            continue;
        }
        is_text ^= c == '\'';
        written.push(c);
        rest = &rest[c.len_utf8()..];
    }
    if any_dialect { written.replacen("INTO public.", "INTO ", 1) } else { written }
}

/// Adds the texts of the `fill`s in a folder of tests.
fn read(directory: &Path, found: &mut String) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            read(&path, found);
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let fill = match name.rsplit_once('.') {
            Some((stem, "sql")) if stem.ends_with(".fill") => text.as_str(),
            Some((_, "rs")) => match text.find("pub async fn fill(") {
                Some(at) => {
                    let fill = &text[at..];
                    fill.split("\n}").next().unwrap_or(fill)
                }
                None => continue,
            },
            _ => continue,
        };
        let words: Vec<&str> = fill.split_whitespace().collect();
        found.push_str(&words.join(" ").to_lowercase().replace(['"', '\\'], ""));
        found.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_quotes_where_they_need_them() {
        for (statement, written) in [
            (
                "INSERT INTO \"public\".\"users\" (\"id\", \"select\", \"A b\") VALUES ('say \"x\" ''y''', 1, 2)",
                "INSERT INTO public.users (id, \"select\", \"A b\") VALUES ('say \"x\" ''y''', 1, 2)",
            ),
            ("INSERT INTO \"a\"\"b\" (\"c\") VALUES (1)", "INSERT INTO \"a\"\"b\" (c) VALUES (1)"),
        ] {
            assert_eq!(plain(statement, false), written);
        }
        assert_eq!(plain("INSERT INTO \"public\".\"a\" DEFAULT VALUES", true), "INSERT INTO a DEFAULT VALUES");
    }

    #[test]
    fn a_table_is_filled_by_whoever_inserts_into_it() {
        let fills =
            Fills { earlier: "db.execute(insert into app.users (id) values (1)".to_owned(), own: BTreeSet::new() };
        assert!(fills.is_filled(&Name::qualified("app", "users")) && !fills.is_filled(&Name::plain("user")));
        assert!(!fills.is_filled(&Name::qualified("app", "users_2")));
    }
}
