//! Drafts for SQLite: each kind of change there and back, run by Lockgate on a database with rows.

mod changes;
mod meaning;
mod pairs;
mod random;
mod texts;

use std::collections::BTreeMap;

use lockgate::schema::draft::{Draft, Mode, Script, Statement, Step, draft};
use lockgate::schema::{Schema, Table, TableKind, compare, report};
use lockgate::{Migrator, UpTo, read_schema};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::support::set::migrations;
use crate::support::text;
use changes::CHANGES;
use pairs::PAIRS;

#[tokio::test]
async fn each_change_is_drafted_there_and_back() {
    assert!(CHANGES.len() >= 120, "{}", CHANGES.len());
    let mut failed = Vec::new();
    for (name, before, after) in CHANGES {
        for (name, before, after) in [((*name).to_owned(), before, after), (format!("{name}, back"), after, before)] {
            if let Err(why) = tried(before, after, Rows::Three).await {
                failed.push(format!("{name}: {why}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), 2 * CHANGES.len(), failed.join("\n\n"));
}

#[tokio::test]
async fn pairs_of_schemas_are_drafted_there_and_back() {
    let mut failed = Vec::new();
    for (name, before, after) in PAIRS {
        for (direction, before, after) in [("there", before, after), ("back", after, before)] {
            if let Err(why) = tried(before, after, Rows::None).await {
                failed.push(format!("{name}, {direction}: {why}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), 2 * PAIRS.len(), failed.join("\n\n"));
}

/// What is in each table before a draft runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    None,
    /// Two with a value in each column, and one with NULL wherever it can be.
    Three,
}

/// Drafts a change, lets Lockgate apply it to a database, and checks what is there afterwards.
async fn tried(before: &str, after: &str, filled: Rows) -> Result<(), String> {
    let (from, to) = (made(before).await, made(after).await);
    let drafted = draft(&from, &to, Mode::Online);
    let text = written(&drafted);
    let failed = |why: &str| Err(format!("{why}\n{before}\n{after}\n{text}"));
    if drafted.steps().any(|step| matches!(step, Step::Open { .. })) {
        return failed("something is not drafted");
    }
    let set = migrations(&[
        ("migrations.toml", "dialects = [\"sqlite\"]\n"),
        ("0001_before.sql", if before.is_empty() { "SELECT 1;" } else { before }),
        ("0002_draft.sql", &text),
    ]);
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let migrator = Migrator::new(set);
    if let Err(error) = migrator.apply_to(&mut connection, UpTo::Steps(1)).await {
        return failed(&error.report().to_string());
    }
    if filled == Rows::Three {
        fill(&mut connection, &from).await;
    }
    let rows = rows(&mut connection, &from, &to).await;
    if let Err(error) = migrator.apply(&mut connection).await {
        return failed(&error.report().to_string());
    }
    let now = read_schema(&mut connection).await.unwrap();
    let left = compare(&now, &to);
    if !left.is_empty() {
        return failed(&report(&left));
    }
    let again = draft(&now, &to, Mode::Online);
    if again != Draft::default() {
        return failed(&format!("drafted again: {again:?}"));
    }
    let mut after = self::rows(&mut connection, &to, &from).await;
    for (table, kept) in rows {
        let now = after.remove(&table).unwrap_or_default();
        let stays = |row: &String| now.contains(row) || row.contains("NULL") && refuses_null(&from, &to, &table);
        if kept.len() != now.len() || !kept.iter().all(stays) {
            return failed(&format!("{table} had {kept:?} and has {now:?}"));
        }
    }
    Ok(())
}

/// Whether a NULL of this table must become something else.
fn refuses_null(from: &Schema, to: &Schema, table: &str) -> bool {
    let of = |schema: &Schema| schema.tables.iter().find(|one| one.name.name.eq_ignore_ascii_case(table)).cloned();
    let (Some(before), Some(after)) = (of(from), of(to)) else { return false };
    let refuses = |table: &Table, name: &str| {
        let column = table.columns.iter().find(|one| one.name.eq_ignore_ascii_case(name));
        column.is_some_and(|column| column.not_null || is_key(table, &column.name))
    };
    after.columns.iter().any(|column| refuses(&after, &column.name) && !refuses(&before, &column.name))
}

async fn made(sql: &str) -> Schema {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    execute(&mut connection, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = read_schema(&mut connection).await.unwrap();
    text::says_all(&schema);
    schema
}

async fn execute(connection: &mut SqliteConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
}

/// Writes a draft as `cargo xtask generate` would: as a migration.
fn written(draft: &Draft) -> String {
    assert!(draft.scripts.len() <= 1, "SQLite runs everything in one transaction");
    let mut text = String::new();
    for Script { foreign_keys_off, steps, .. } in &draft.scripts {
        if *foreign_keys_off {
            text.push_str("-- lockgate: foreign-keys off\n");
        }
        for step in steps {
            match step {
                Step::Statement(Statement { sql, .. }) => text.push_str(&format!("{sql};\n")),
                Step::Open { what, why } => text.push_str(&format!("-- {what}: {why}\n")),
            }
        }
    }
    if text.is_empty() { "SELECT 1;\n".to_owned() } else { text }
}

/// Fills each table as [`Rows::Three`] says.
async fn fill(connection: &mut SqliteConnection, schema: &Schema) {
    // A trigger may write rows too, and a table may refer to one that comes later.
    execute(connection, "PRAGMA foreign_keys = OFF").await.unwrap();
    for table in &schema.tables {
        for row in 1..=3 {
            let given = table.columns.iter().filter(|column| column.generated.is_none());
            let values = given.clone().map(|column| match row {
                3 if !column.not_null && !is_key(table, &column.name) => "NULL".to_owned(),
                _ => value(table, &column.data_type, row),
            });
            let columns: Vec<String> = given.clone().map(|column| quoted(&column.name)).collect();
            let values: Vec<String> = values.collect();
            let sql = format!(
                "INSERT INTO {} ({}) VALUES ({})",
                quoted(&table.name.name),
                columns.join(", "),
                values.join(", ")
            );
            execute(connection, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }
    execute(connection, "PRAGMA foreign_keys = ON").await.unwrap();
}

fn is_key(table: &Table, column: &str) -> bool {
    table.constraints.iter().any(|constraint| {
        constraint.definition.starts_with("PRIMARY KEY") && constraint.columns.iter().any(|own| own == column)
    })
}

fn value(table: &Table, data_type: &str, row: usize) -> String {
    let has = |words: &[&str]| words.iter().any(|word| data_type.contains(word));
    match &table.kind {
        // A box ends where it begins.
        TableKind::Virtual { module } if module.starts_with("rtree") => row.to_string(),
        TableKind::Virtual { .. } => format!("'word{row}'"),
        _ if has(&["INT", "BOOL", "NUM", "DEC"]) => row.to_string(),
        _ if has(&["CHAR", "TEXT"]) => format!("'v{row}'"),
        _ if has(&["REAL"]) => format!("{row}.0"),
        _ if has(&["TIME"]) => format!("'2020-01-0{row}'"),
        _ if has(&["BLOB"]) => format!("x'0{row}'"),
        _ => format!("'any{row}'"),
    }
}

/// Returns the rows of the tables that both schemas have, in the columns that both have.
async fn rows(connection: &mut SqliteConnection, of: &Schema, other: &Schema) -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for table in &of.tables {
        let same = other.tables.iter().find(|one| one.name.name.eq_ignore_ascii_case(&table.name.name));
        let Some(same) = same.filter(|same| has_rows(table) && has_rows(same)) else { continue };
        let mut columns: Vec<String> = Vec::new();
        for column in &table.columns {
            let Some(after) = same.columns.iter().find(|one| one.name.eq_ignore_ascii_case(&column.name)) else {
                continue;
            };
            let name = quoted(&column.name.to_lowercase());
            if after.generated.is_some() || column.generated.is_some() {
                continue;
            }
            // Another type may store the same value in another form.
            columns.push(match after.data_type == column.data_type {
                true => format!("quote({name})"),
                false => format!("ifnull(replace(CAST({name} AS TEXT), '.0', ''), 'NULL')"),
            });
        }
        columns.sort();
        let shown =
            format!("'' || {}", if columns.is_empty() { "'row'".to_owned() } else { columns.join(" || ',' || ") });
        let sql = format!("SELECT {shown} FROM {} ORDER BY 1", quoted(&table.name.name));
        let read = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.unwrap();
        rows.insert(table.name.name.to_lowercase(), read.iter().map(|row| row.get(0)).collect());
    }
    rows
}

fn has_rows(table: &Table) -> bool {
    !matches!(&table.kind, TableKind::Virtual { module } if module.contains("content"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
