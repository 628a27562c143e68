//! Makes up rows for every table of a schema, so that a draft is tried on tables that have some.

use std::collections::BTreeSet;

use lockgate_schema::{Column, Constraint, ConstraintKind, Name, Schema, Table, TableKind, TypeKind};
use lockgate_source::core::Dialect;

/// How many rows each table gets.
const ROWS: usize = 2;

/// The rows of one table.
#[derive(Debug)]
pub struct Filled {
    /// The table.
    pub table: Name,
    /// For each row the statements to try, until one of them works.
    pub rows: Vec<Vec<String>>,
}

/// Returns the rows of every table that can have its own, each table after those that it refers to.
pub fn all(schema: &Schema) -> Vec<Filled> {
    let has_rows = |table: &&Table| matches!(table.kind, TableKind::Ordinary | TableKind::Partitioned { .. });
    let tables: Vec<&Table> =
        schema.tables.iter().filter(has_rows).filter(|table| table.partition_of.is_none()).collect();
    let mut order: Vec<&Table> = Vec::new();
    let mut seen: BTreeSet<&Name> = BTreeSet::new();
    for table in &tables {
        visit(table, &tables, &mut seen, &mut order);
    }
    let rows = |table: &&Table| Filled {
        table: table.name.clone(),
        rows: (1..=ROWS).map(|row| variants(schema, table, row)).collect(),
    };
    order.iter().map(rows).collect()
}

fn visit<'a>(table: &'a Table, all: &[&'a Table], seen: &mut BTreeSet<&'a Name>, order: &mut Vec<&'a Table>) {
    if !seen.insert(&table.name) {
        return;
    }
    for other in table.constraints.iter().filter_map(|constraint| constraint.references.as_ref()) {
        if let Some(needed) = all.iter().find(|known| known.name == other.table) {
            visit(needed, all, seen, order);
        }
    }
    order.push(table);
}

/// The statements that may insert one row: first with a value in every column, then with what is necessary alone.
fn variants(schema: &Schema, table: &Table, row: usize) -> Vec<String> {
    let into = name(&table.name);
    let is_given =
        |column: &&Column| column.generated.is_none() && !column.identity.as_ref().is_some_and(|one| one.always);
    let columns: Vec<&Column> = table.columns.iter().filter(is_given).collect();
    let insert = |chosen: &[&Column], by_checks: bool| {
        let values: Option<Vec<String>> =
            chosen.iter().map(|column| value(schema, table, column, row, by_checks)).collect();
        let names: Vec<String> = chosen.iter().map(|column| quoted(&column.name)).collect();
        Some(match (values?, names.is_empty()) {
            (_, true) => format!("INSERT INTO {into} DEFAULT VALUES"),
            (values, false) => format!("INSERT INTO {into} ({}) VALUES ({})", names.join(", "), values.join(", ")),
        })
    };
    let is_serial = |column: &Column| column.default.as_deref().is_some_and(|default| default.starts_with("nextval("));
    let no_serial: Vec<&Column> = columns.iter().copied().filter(|c| !is_serial(c) && c.identity.is_none()).collect();
    let necessary: Vec<&Column> = no_serial
        .iter()
        .copied()
        .filter(|column| (column.not_null && column.default.is_none()) || is_key(table, &column.name))
        .collect();
    let all = [(&no_serial, true), (&no_serial, false), (&necessary, true), (&necessary, false)];
    let mut found: Vec<String> =
        all.into_iter().filter_map(|(columns, by_checks)| insert(columns, by_checks)).collect();
    found.dedup();
    found
}

fn is_key(table: &Table, column: &str) -> bool {
    let is_of = |one: &&Constraint| one.kind == ConstraintKind::PrimaryKey && one.columns.iter().any(|c| c == column);
    table.constraints.iter().find(is_of).is_some()
}

/// A value for a column of this row; `None` if nothing fits.
fn value(schema: &Schema, table: &Table, column: &Column, row: usize, by_checks: bool) -> Option<String> {
    let of_it = |constraint: &&Constraint| constraint.columns.contains(&column.name);
    let mut constraints = table.constraints.iter().filter(of_it);
    if let Some((constraint, to)) = constraints.clone().find_map(|one| Some((one, one.references.as_ref()?)))
        && (to.table != table.name || !column.not_null)
    {
        let at = constraint.columns.iter().position(|known| *known == column.name)?;
        if to.table == table.name {
            return Some("NULL".to_owned());
        }
        let target = to.columns.get(at).or_else(|| to.columns.first())?;
        let order: Vec<String> = to.columns.iter().map(|column| quoted(column)).collect();
        return Some(format!(
            "(SELECT {} FROM {} ORDER BY {} LIMIT 1 OFFSET {})",
            quoted(target),
            name(&to.table),
            order.join(", "),
            row - 1
        ));
    }
    let is_check = |constraint: &&Constraint| constraint.kind == ConstraintKind::Check;
    let mut checks: Vec<&str> = table.constraints.iter().filter(is_check).map(|one| one.definition.as_str()).collect();
    checks.retain(|definition| definition.contains(&column.name));
    let is_unique = constraints.any(|one| matches!(one.kind, ConstraintKind::Unique | ConstraintKind::PrimaryKey));
    if by_checks
        && !is_unique
        && let Some(literal) = checks.iter().find_map(|definition| first_literal(definition))
    {
        return Some(literal);
    }
    match schema.dialect {
        Dialect::Postgres => {
            postgres(schema, &column.data_type, row).or_else(|| (!column.not_null).then(|| "NULL".to_owned()))
        }
        Dialect::Sqlite | Dialect::Mysql => Some(sqlite(&column.data_type, row, &checks)),
    }
}

/// The first string in a check, which most likely is one of the values that it allows.
fn first_literal(definition: &str) -> Option<String> {
    let (_, rest) = definition.split_once('\'')?;
    let (inner, _) = rest.split_once('\'')?;
    Some(format!("'{inner}'"))
}

/// A value by the affinity of a column of SQLite.
fn sqlite(data_type: &str, row: usize, checks: &[&str]) -> String {
    let upper = data_type.to_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    if checks.iter().any(|check| check.to_lowercase().contains("json_valid")) {
        return "'{}'".to_owned();
    }
    match () {
        () if has(&["BOOL"]) => "true".to_owned(),
        () if has(&["INT"]) => row.to_string(),
        () if has(&["CHAR", "CLOB", "TEXT"]) => format!("'a{row}'"),
        () if has(&["DATE", "TIME"]) => format!("'2001-01-0{row}'"),
        () if has(&["JSON"]) => "'{}'".to_owned(),
        () if has(&["BLOB"]) => format!("x'0{row}'"),
        () if has(&["REAL", "FLOA", "DOUB"]) => format!("{row}.5"),
        () if upper.is_empty() => format!("'a{row}'"),
        () => row.to_string(),
    }
}

/// A value of a type of PostgreSQL.
fn postgres(schema: &Schema, data_type: &str, row: usize) -> Option<String> {
    if data_type.ends_with("[]") {
        return Some("'{}'".to_owned());
    }
    let base = data_type.split('(').next().unwrap_or(data_type).trim_end();
    let size = data_type.split_once('(').and_then(|(_, rest)| rest.split([',', ')']).next()?.parse::<usize>().ok());
    Some(match base {
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" | "money" | "oid" => {
            row.to_string()
        }
        "text" | "character varying" | "character" | "name" | "citext" | "public.citext" => {
            let text = format!("a{row}");
            format!("'{}'", &text[text.len() - text.len().min(size.unwrap_or(2))..])
        }
        "\"char\"" => format!("'{row}'"),
        "boolean" => "true".to_owned(),
        "uuid" => format!("'00000000-0000-4000-8000-00000000000{row}'"),
        "date" => format!("'2001-01-0{row}'"),
        "time" | "time without time zone" => format!("'01:0{row}'"),
        "time with time zone" => format!("'01:0{row}+00'"),
        "interval" => format!("'{row} day'"),
        "json" | "jsonb" => "'{}'".to_owned(),
        "bytea" => format!("'\\x0{row}'"),
        "inet" => format!("'10.0.0.{row}'"),
        "cidr" => format!("'10.{row}.0.0/16'"),
        "macaddr" => format!("'08:00:2b:01:02:0{row}'"),
        "point" => format!("'({row},{row})'"),
        "xml" => "'<a/>'".to_owned(),
        "tsvector" | "tsquery" | "ltree" => format!("'a{row}'"),
        "bit" => format!("B'{}'", "1".repeat(size.unwrap_or(1))),
        "bit varying" => "B'1'".to_owned(),
        "hstore" | "public.hstore" => "''".to_owned(),
        _ if base.starts_with("timestamp") || data_type.starts_with("timestamp") => {
            format!("'2001-01-0{row} 00:00:00Z'")
        }
        _ if base.ends_with("range") => format!("'[{row},{row}]'"),
        _ => return own_type(schema, data_type, row),
    })
}

/// A value of a type that the schema defines.
fn own_type(schema: &Schema, data_type: &str, row: usize) -> Option<String> {
    let plain = data_type.replace('"', "");
    let is_it = |known: &Name| {
        known.name == plain || known.schema.as_ref().is_some_and(|schema| format!("{schema}.{}", known.name) == plain)
    };
    match &schema.types.iter().find(|known| is_it(&known.name))?.kind {
        TypeKind::Enum(values) => {
            let value = values.get(row - 1).or_else(|| values.first())?;
            Some(format!("'{}'", value.replace('\'', "''")))
        }
        TypeKind::Domain { base, constraints, .. } => {
            let literal = constraints.iter().find_map(|one| first_literal(&one.definition).filter(|one| one.len() > 2));
            postgres(schema, base, row).or(literal)
        }
        _ => None,
    }
}

/// Writes the name of a table as SQL.
pub fn name(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&name.name)),
        None => quoted(&name.name),
    }
}

/// Quotes a name as an SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The query that counts the rows of a table.
pub(super) fn count(table: &Name) -> String {
    format!("SELECT CAST(count(*) AS TEXT) FROM {}", name(table))
}
