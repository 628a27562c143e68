//! Reads PostgreSQL's catalogues for a dump: tables, columns, sequences, and the foreign keys and triggers that are off
//! during a load.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::names::{self, TableName};

/// A table, and the columns that are dumped.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) oid: i64,
    pub(super) name: TableName,
    pub(super) is_partitioned: bool,
    pub(super) columns: Vec<String>,
}

/// Excludes the server's own schemas, and objects of extensions, which `CREATE EXTENSION` makes again.
const OWN: &str = "n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (\
                   SELECT 1 FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                   AND e.objid = c.oid AND e.deptype = 'e')";

/// Statements that turn off foreign keys and triggers during a load, and statements that turn them on again.
#[derive(Debug, Default)]
pub(super) struct Guards {
    pub(super) off: Vec<String>,
    pub(super) on: Vec<String>,
}

/// Checks the deferred constraints.
pub(super) const CHECK: &str = "SET CONSTRAINTS ALL IMMEDIATE;";

/// Returns the tables with data of their own, and the `bookkeeping` tables. A table of the first comes after those
/// that it refers to, except in a cycle.
pub(super) async fn tables(
    connection: &mut PgConnection,
    bookkeeping: &[String],
) -> Result<(Vec<Table>, Vec<Table>), sqlx::Error> {
    let question = format!(
        "SELECT c.oid::int8 AS oid, n.nspname, c.relname, c.relkind = 'p' AS is_partitioned, ARRAY(\
         SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
         AND NOT a.attisdropped AND {} ORDER BY a.attnum) AS columns \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {OWN} \
         ORDER BY n.nspname, c.relname",
        match has_generated_columns(connection).await? {
            true => "a.attgenerated = ''",
            false => "true",
        }
    );
    let rows = sqlx::query(AssertSqlSafe(question)).fetch_all(&mut *connection).await?;
    let (mut tables, mut own_tables) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let name = TableName { schema: Some(row.try_get("nspname")?), name: row.try_get("relname")? };
        let oid: i64 = row.try_get("oid")?;
        let is_own = bookkeeping.iter().any(|own| name.goes_by(own));
        let (is_partitioned, columns) = (row.try_get("is_partitioned")?, row.try_get("columns")?);
        let into = if is_own { &mut own_tables } else { &mut tables };
        into.push(Table { oid, name, is_partitioned, columns });
    }
    let references: Vec<(i64, i64)> = sqlx::query(
        "SELECT conrelid::int8, confrelid::int8 FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid <> confrelid",
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
    .collect::<Result<_, sqlx::Error>>()?;
    Ok((in_order(tables, &references), own_tables))
}

/// Generated columns exist since PostgreSQL 12.
async fn has_generated_columns(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = 'pg_catalog.pg_attribute'::pg_catalog.regclass \
         AND attname = 'attgenerated')",
    )
    .fetch_one(connection)
    .await
}

fn in_order(mut left: Vec<Table>, references: &[(i64, i64)]) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits = |table: &Table| {
            let refers_to = |oid: i64| references.contains(&(table.oid, oid));
            left.iter().any(|other| refers_to(other.oid))
        };
        // In a cycle, take any table.
        let next = left.iter().position(|table| !waits(table)).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

/// Returns the tables that refer to these tables by foreign keys, directly or through others, and are not among them.
pub(super) async fn referrers(
    connection: &mut PgConnection,
    tables: &[TableName],
) -> Result<Vec<TableName>, sqlx::Error> {
    // A key can belong to a partition, or refer to one: their tables are followed too.
    let question = "WITH RECURSIVE named (oid) AS (SELECT t::pg_catalog.regclass::pg_catalog.oid FROM pg_catalog.unnest($1::text[]) t), \
         together (oid) AS (SELECT oid FROM named UNION SELECT next.oid FROM together CROSS JOIN LATERAL (\
         SELECT k.conrelid AS oid FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.confrelid = together.oid UNION ALL \
         SELECT CASE i.inhparent WHEN together.oid THEN i.inhrelid ELSE i.inhparent END FROM pg_catalog.pg_inherits i \
         JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid AND p.relispartition \
         WHERE together.oid IN (i.inhparent, i.inhrelid)) AS next) \
         SELECT n.nspname, c.relname FROM together JOIN pg_catalog.pg_class c ON c.oid = together.oid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT c.relispartition AND c.relkind IN ('r', 'p') AND together.oid NOT IN (SELECT oid FROM named) ORDER BY 1, 2";
    let names: Vec<String> = tables.iter().map(TableName::quoted).collect();
    let rows = sqlx::query(question).bind(names).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(TableName { schema: Some(row.try_get(0)?), name: row.try_get(1)? })).collect()
}

pub(super) async fn is_partitioned(connection: &mut PgConnection, table: &TableName) -> Result<bool, sqlx::Error> {
    let question = "SELECT relkind = 'p' FROM pg_catalog.pg_class WHERE oid = $1::text::pg_catalog.regclass";
    sqlx::query_scalar(question).bind(table.quoted()).fetch_one(connection).await
}

pub(super) async fn count(connection: &mut PgConnection, table: &TableName) -> Result<i64, sqlx::Error> {
    let question = format!("SELECT count(*) FROM {}", table.quoted());
    sqlx::query_scalar(AssertSqlSafe(question)).fetch_one(connection).await
}

pub(super) async fn large_objects(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM pg_catalog.pg_largeobject_metadata").fetch_one(connection).await
}

/// Returns the materialized views that are filled, in the order in which they were made.
pub(super) async fn materialized_views(connection: &mut PgConnection) -> Result<Vec<TableName>, sqlx::Error> {
    let question = format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'm' AND c.relispopulated AND {OWN} ORDER BY c.oid"
    );
    let rows = sqlx::query(AssertSqlSafe(question)).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(TableName { schema: Some(row.try_get(0)?), name: row.try_get(1)? })).collect()
}

/// Returns the statements that set the sequences that columns of these tables own or use as their default, or all
/// sequences but those of `bookkeeping`.
pub(super) async fn sequences(
    connection: &mut PgConnection,
    tables: Option<&[i64]>,
    bookkeeping: &[i64],
) -> Result<Vec<String>, sqlx::Error> {
    const OF: &str = "SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                      AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND d.refobjid::int8 = ANY";
    const USED: &str = "SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid \
                        WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
                        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid \
                        AND a.adrelid::int8 = ANY";
    let question = format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {OWN} AND NOT EXISTS ({OF} ($2)) \
         AND ($1::int8[] IS NULL OR EXISTS ({OF} ($1)) OR EXISTS ({USED} ($1))) ORDER BY 1, 2"
    );
    let rows = sqlx::query(AssertSqlSafe(question)).bind(tables).bind(bookkeeping).fetch_all(&mut *connection).await?;
    let mut statements = Vec::with_capacity(rows.len());
    for row in rows {
        let name = TableName { schema: Some(row.try_get(0)?), name: row.try_get(1)? };
        let question = format!("SELECT last_value, is_called FROM {}", name.quoted());
        let state = sqlx::query(AssertSqlSafe(question)).fetch_one(&mut *connection).await?;
        statements.push(set_sequence(&name, state.try_get(0)?, state.try_get(1)?));
    }
    Ok(statements)
}

pub(super) fn set_sequence(name: &TableName, value: i64, is_called: bool) -> String {
    format!("SELECT pg_catalog.setval({}, {value}, {is_called});", names::literal(&name.quoted()))
}

impl Guards {
    /// Reads the foreign keys and triggers. Partitions come after their tables, which pass a change on to them.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let mut guards = Self::default();
        let keys = format!(
            "SELECT n.nspname, c.relname, k.conname, k.condeferrable FROM pg_catalog.pg_constraint k \
             JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE k.contype = 'f' AND k.coninhcount = 0 AND NOT k.condeferred AND {OWN} ORDER BY 1, 2, 3"
        );
        for row in sqlx::query(AssertSqlSafe(keys)).fetch_all(&mut *connection).await? {
            let table = TableName { schema: Some(row.try_get(0)?), name: row.try_get(1)? };
            let (name, is_deferrable): (String, bool) = (row.try_get(2)?, row.try_get(3)?);
            let alter = format!("ALTER TABLE {} ALTER CONSTRAINT {}", table.quoted(), names::identifier(&name));
            guards.off.push(format!("{alter} DEFERRABLE INITIALLY DEFERRED;"));
            let before = if is_deferrable { "DEFERRABLE INITIALLY IMMEDIATE" } else { "NOT DEFERRABLE" };
            guards.on.push(format!("{alter} {before};"));
        }
        // Triggers on INSERT (4) and TRUNCATE (32), without the internal ones of foreign keys.
        let triggers = format!(
            "SELECT n.nspname, c.relname, t.tgname, t.tgenabled::text FROM pg_catalog.pg_trigger t \
             JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE (NOT t.tgisinternal OR t.tgconstraint = 0) AND t.tgenabled IN ('O', 'A') AND (t.tgtype & 36) <> 0 \
             AND c.relkind IN ('r', 'p') AND {OWN} ORDER BY c.relispartition, c.oid, t.tgname"
        );
        let mut on = Vec::new();
        for row in sqlx::query(AssertSqlSafe(triggers)).fetch_all(connection).await? {
            let table = TableName { schema: Some(row.try_get(0)?), name: row.try_get(1)? };
            let (name, state): (String, String) = (row.try_get(2)?, row.try_get(3)?);
            let (table, trigger) = (table.quoted(), names::identifier(&name));
            guards.off.push(format!("ALTER TABLE {table} DISABLE TRIGGER {trigger};"));
            let always = if state == "A" { "ALWAYS " } else { "" };
            on.push(format!("ALTER TABLE {table} ENABLE {always}TRIGGER {trigger};"));
        }
        // A table cannot be altered while deferred checks are pending.
        guards.on.insert(0, CHECK.to_owned());
        guards.on.extend(on);
        Ok(guards)
    }
}
