//! Makes up rows for every table of a schema, so that a draft is tried on tables that have some.

use std::collections::{BTreeMap, BTreeSet};

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
    fitting(schema, schema)
}

/// Returns the same, with rows that also fit the partitions of another schema.
pub fn fitting(schema: &Schema, desired: &Schema) -> Vec<Filled> {
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
        rows: (1..=ROWS).map(|row| variants(schema, table, &bounds(schema, desired, table, row), row)).collect(),
    };
    order.iter().map(rows).collect()
}

/// The values that the key of a partitioned table has in one of its partitions, by column. Each row is in another one, if
/// there are as many.
fn bounds(schema: &Schema, desired: &Schema, table: &Table, row: usize) -> BTreeMap<String, String> {
    let find = |schema: &'_ Schema, name: &Name| schema.tables.iter().find(|known| known.name == *name).cloned();
    let mut found = BTreeMap::new();
    // What it is a partition of, in the end.
    let mut part = find(desired, &table.name);
    while let Some((table, of)) = part.as_ref().and_then(|one| Some((one, one.partition_of.as_ref()?))) {
        let parent = find(desired, &of.parent);
        let values = parent.iter().flat_map(|parent| within(parent, &of.bound));
        let is_own = |column: &String| table.columns.iter().any(|known| known.name == *column);
        found.extend(values.filter(|(column, _)| is_own(column)));
        part = parent;
    }
    // The partitions that it has now, or in the end if it is divided otherwise then.
    let is_kept = find(desired, &table.name).is_none_or(|after| after.kind == table.kind);
    for schema in if is_kept { vec![schema] } else { vec![desired, schema] } {
        let mut whole = find(schema, &table.name);
        while let Some(of) = whole {
            let is_part = |known: &&Table| known.partition_of.as_ref().is_some_and(|one| one.parent == of.name);
            let parts: Vec<&Table> = schema.tables.iter().filter(is_part).collect();
            let bounded = |known: &&Table| known.partition_of.as_ref().is_some_and(|one| one.bound != "DEFAULT");
            let chosen: Vec<&Table> = parts.iter().copied().filter(bounded).collect();
            let chosen = if chosen.is_empty() { parts } else { chosen };
            let part = (!chosen.is_empty()).then(|| chosen[(row - 1) % chosen.len()]);
            let bound = part.and_then(|part| part.partition_of.as_ref()).map(|one| one.bound.as_str());
            found.extend(within(&of, bound.unwrap_or_default()));
            whole = part.cloned();
        }
    }
    found
}

/// The values of the columns of a partition key that are within bounds, where the bounds tell: `FOR VALUES FROM (1) TO (9)`.
fn within(parent: &Table, bound: &str) -> Vec<(String, String)> {
    let TableKind::Partitioned { key } = &parent.kind else { return Vec::new() };
    let Some(columns) = key.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')) else { return Vec::new() };
    let list = |start: &str| -> Option<Vec<String>> {
        let rest = bound.strip_prefix(start)?;
        let (mut items, mut is_text) = (vec![String::new()], false);
        for c in rest.chars() {
            match c {
                ')' if !is_text => break,
                ',' if !is_text => items.push(String::new()),
                _ => items.last_mut()?.push(c),
            }
            is_text ^= c == '\'';
        }
        Some(items.iter().map(|item| item.trim().to_owned()).collect())
    };
    let lower = list("FOR VALUES FROM (").or_else(|| list("FOR VALUES IN ("));
    let values = lower.into_iter().flatten();
    let pairs =
        columns.split(", ").zip(values).filter(|(_, value)| !["MINVALUE", "MAXVALUE"].contains(&value.as_str()));
    // An operator class may follow the name.
    let name = |column: &str| column.split(' ').next().unwrap_or_default().trim_matches('"').to_owned();
    pairs.map(|(column, value)| (name(column), value)).collect()
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
fn variants(schema: &Schema, table: &Table, bounds: &BTreeMap<String, String>, row: usize) -> Vec<String> {
    let into = name(&table.name);
    let is_given =
        |column: &&Column| column.generated.is_none() && !column.identity.as_ref().is_some_and(|one| one.always);
    let columns: Vec<&Column> = table.columns.iter().filter(is_given).collect();
    let insert = |chosen: &[&Column], by_checks: bool| {
        let value = |column: &Column| {
            bounds.get(&column.name).cloned().or_else(|| value(schema, table, column, row, by_checks))
        };
        let values: Option<Vec<String>> = chosen.iter().map(|column| value(column)).collect();
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
        .filter(|column| {
            let is_needed = column.not_null && column.default.is_none();
            is_needed || is_key(table, &column.name) || bounds.contains_key(&column.name)
        })
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
    if let Some(document) = document(table, column, row) {
        return Some(document);
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
        Dialect::Sqlite | Dialect::Mysql => Some(sqlite(&column.data_type, row)),
    }
}

/// A JSON document with the members that the indexes, checks and generated columns of a table read in a column.
fn document(table: &Table, column: &Column, row: usize) -> Option<String> {
    let data_type = column.data_type.to_lowercase();
    let is_json = data_type.starts_with("json");
    let is_text = data_type.is_empty() || ["text", "char", "clob"].iter().any(|word| data_type.contains(word));
    let generated = table.columns.iter().filter_map(|one| Some(one.generated.as_ref()?.expression.as_str()));
    let indexes = table.indexes.iter().map(|index| index.definition.as_str());
    let constraints = table.constraints.iter().map(|one| one.definition.as_str());
    let mut texts: Vec<&str> = generated.chain(indexes).chain(constraints).collect();
    texts.retain(|text| text.contains(&column.name) && (is_json || text.to_lowercase().contains("json")));
    if !is_json && (!is_text || texts.is_empty()) {
        return None;
    }
    let mut document = serde_json::Value::Object(serde_json::Map::new());
    for text in texts {
        for (before, path) in text.split('\'').zip(text.split('\'').skip(1)).step_by(2) {
            let path = match path.strip_prefix("$.") {
                Some(path) => path,
                None if before.trim_end().ends_with(['>', '?']) => path,
                None => continue,
            };
            let mut at = &mut document;
            for member in path.split('.') {
                if !(at.is_object() || at.is_null()) {
                    break;
                }
                at = &mut at[member];
            }
            if at.is_null() {
                *at = row.into();
            }
        }
    }
    Some(format!("'{}'", document.to_string().replace('\'', "''")))
}

/// The first string in a check, which most likely is one of the values that it allows.
fn first_literal(definition: &str) -> Option<String> {
    let (_, rest) = definition.split_once('\'')?;
    let (inner, _) = rest.split_once('\'')?;
    Some(format!("'{inner}'"))
}

/// A value by the affinity of a column of SQLite.
fn sqlite(data_type: &str, row: usize) -> String {
    let upper = data_type.to_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    match () {
        () if has(&["BOOL"]) => "true".to_owned(),
        () if has(&["INT"]) => row.to_string(),
        () if has(&["CHAR", "CLOB", "TEXT"]) => format!("'a{row}'"),
        () if has(&["DATE", "TIME"]) => format!("'2001-01-0{row}'"),
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

/// The query that counts the rows of a table, with those of its partitions and children if it counts the whole.
pub(super) fn count(table: &Name, whole: bool) -> String {
    format!("SELECT CAST(count(*) AS TEXT) FROM {}{}", if whole { "" } else { "ONLY " }, name(table))
}
