//! Puts two rows into each table of a database, as far as that can be done without knowing what the tables are for.

use lockgate::Database;
use lockgate::schema::{Column, Constraint, ConstraintKind, Name, Schema, Table, TableKind, TypeKind};
use lockgate_source::core::Dialect;

use super::database::execute;

/// How many rows each table gets.
const ROWS: usize = 2;

/// How the columns of a row get their values. The first one that the database accepts is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Each column gets a value.
    All,
    /// As `All`, but a column of a check gets a word of that check.
    AsChecked,
    /// Only columns that need a value get one.
    Needed,
    /// As `Needed`, but a column of a check gets a word of that check.
    NeededAsChecked,
}

const WAYS: [Way; 4] = [Way::All, Way::AsChecked, Way::Needed, Way::NeededAsChecked];

/// Fills the tables, those first that others refer to, and returns the names of those that stay without a row.
pub(super) async fn fill(database: &mut Database, schema: &Schema) -> Vec<String> {
    let mut empty = Vec::new();
    for table in in_order(schema) {
        if !matches!(table.kind, TableKind::Ordinary) {
            continue;
        }
        let mut filled = 0;
        for row in 1..=ROWS {
            for way in WAYS {
                let sql = insert(schema, table, row, way);
                if execute(database, &sql).await.is_ok() {
                    filled += 1;
                    break;
                }
            }
        }
        if filled == 0 {
            empty.push(table.name.name.clone());
        }
    }
    empty
}

/// Returns the tables, those first that others refer to. Tables of a circle come in any order.
fn in_order(schema: &Schema) -> Vec<&Table> {
    let mut rest: Vec<&Table> = schema.tables.iter().collect();
    let mut sorted: Vec<&Table> = Vec::new();
    while !rest.is_empty() {
        let waits = |table: &Table| {
            let others = foreign_keys(table).filter_map(|(_, to, _)| (*to != table.name).then_some(to));
            others.into_iter().any(|to| rest.iter().any(|other| other.name == *to))
        };
        let next = rest.iter().position(|table| !waits(table)).unwrap_or(0);
        sorted.push(rest.remove(next));
    }
    sorted
}

fn foreign_keys(table: &Table) -> impl Iterator<Item = (&Constraint, &Name, &[String])> {
    let keys = table.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::ForeignKey);
    keys.filter_map(|key| key.references.as_ref().map(|to| (key, &to.table, &to.columns[..])))
}

fn insert(schema: &Schema, table: &Table, row: usize, way: Way) -> String {
    let written = table.columns.iter().filter(|column| {
        let is_given = column.generated.is_none() && !column.identity.as_ref().is_some_and(|identity| identity.always);
        let is_key = table.constraints.iter().any(|constraint| {
            constraint.kind == ConstraintKind::PrimaryKey && constraint.columns.contains(&column.name)
        });
        let is_needed = column.not_null && column.default.is_none() || is_key;
        is_given && (matches!(way, Way::All | Way::AsChecked) || is_needed)
    });
    let (columns, values): (Vec<String>, Vec<String>) =
        written.map(|column| (quoted(&column.name), value(schema, table, column, row, way))).unzip();
    let into = name(&table.name);
    match columns.is_empty() {
        true => format!("INSERT INTO {into} DEFAULT VALUES"),
        false => format!("INSERT INTO {into} ({}) VALUES ({})", columns.join(", "), values.join(", ")),
    }
}

fn value(schema: &Schema, table: &Table, column: &Column, row: usize, way: Way) -> String {
    let referred = foreign_keys(table).find_map(|(key, to, columns)| {
        let at = key.columns.iter().position(|own| *own == column.name)?;
        Some((to, columns.get(at)?))
    });
    if let Some((to, other)) = referred {
        let (other, to) = (quoted(other), name(to));
        return format!("(SELECT {other} FROM {to} ORDER BY 1 LIMIT 1 OFFSET {})", row - 1);
    }
    let is_checked = matches!(way, Way::AsChecked | Way::NeededAsChecked);
    let checks = table.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::Check);
    let word = checks
        .filter(|check| is_checked && check.columns.contains(&column.name))
        .find_map(|check| check.definition.split('\'').nth(1));
    let data_type = &column.data_type;
    match (schema.dialect, word) {
        (Dialect::Postgres, Some(word)) => format!("'{word}'::{data_type}"),
        (Dialect::Postgres, None) => format!("{}::{data_type}", of_postgres(schema, data_type, row)),
        (Dialect::Sqlite | Dialect::Mysql, Some(word)) => format!("'{word}'"),
        (Dialect::Sqlite | Dialect::Mysql, None) => of_sqlite(data_type, row),
    }
}

fn of_sqlite(data_type: &str, row: usize) -> String {
    let has = |words: &[&str]| words.iter().any(|word| data_type.contains(word));
    match () {
        () if has(&["INT", "BOOL", "NUM", "DEC"]) => row.to_string(),
        () if has(&["DATE", "TIME"]) => format!("'2020-01-0{row} 00:00:00'"),
        () if has(&["JSON"]) => "'{}'".to_owned(),
        () if has(&["CHAR", "CLOB", "TEXT", "UUID"]) => format!("'v{row}'"),
        () if has(&["REAL", "FLOA", "DOUB"]) => format!("{row}.5"),
        () => format!("x'0{row}'"),
    }
}

/// Returns a literal without its type.
fn of_postgres(schema: &Schema, data_type: &str, row: usize) -> String {
    let plain = data_type.split('(').next().unwrap_or(data_type).trim();
    if data_type.ends_with("[]") {
        return "'{}'".to_owned();
    }
    let own = schema.types.iter().find(|made| {
        let schema = made.name.schema.as_deref().unwrap_or_default();
        data_type == made.name.name
            || data_type == format!("{schema}.{}", made.name.name)
            || data_type.replace('"', "") == format!("{schema}.{}", made.name.name)
    });
    match own.map(|made| &made.kind) {
        Some(TypeKind::Enum(values)) => {
            return format!("'{}'", values.first().map_or("", String::as_str).replace('\'', "''"));
        }
        Some(TypeKind::Domain { base, .. }) => return of_postgres(schema, base, row),
        Some(TypeKind::Composite(_)) => return "NULL".to_owned(),
        _ => {}
    }
    let text = match plain {
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" | "money" | "oid" => {
            row.to_string()
        }
        "boolean" => "true".to_owned(),
        "uuid" => format!("00000000-0000-0000-0000-00000000000{row}"),
        "json" | "jsonb" => "{}".to_owned(),
        "bytea" => format!("\\x0{row}"),
        "inet" | "cidr" => format!("10.0.0.{row}"),
        "macaddr" => format!("08:00:2b:01:02:0{row}"),
        "interval" => format!("{row} days"),
        "bit" | "bit varying" => row.min(1).to_string(),
        "point" => format!("({row},1)"),
        "hstore" => String::new(),
        "int4range" | "int8range" | "numrange" | "daterange" | "tsrange" | "tstzrange" => format!("({row},{row})"),
        other if other.starts_with("timestamp") || other == "date" => format!("2020-01-0{row}"),
        other if other.starts_with("time") => "10:00".to_owned(),
        _ => format!("v{row}"),
    };
    format!("'{text}'")
}

pub(super) fn name(name: &Name) -> String {
    let parts = name.schema.iter().chain([&name.name]);
    parts.map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
