//! What is read besides the history: the log, and the sizes of tables.

use std::time::Duration;

use lockgate_core::Version;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::sql::{BEFORE, EQ, GREATER, PLUS, TEXT, TIMES, in_sets, literal};
use super::{PostgresBackend, cause};
use crate::error::{Cause, Class};
use crate::event::ServerProgress;
use crate::history_table::{HistoryTable, identifier};
use crate::log::{CHANGES, LogEntry};
use crate::table_size::TableSize;

impl PostgresBackend<'_> {
    /// Reads the last entries of the log, the oldest first.
    pub(super) async fn log(&mut self, history_table: &HistoryTable, last: usize) -> Result<Vec<LogEntry>, Cause> {
        let (table, sets) = (self.table(), in_sets(history_table));
        let log = table.log();
        // `IN` would look for its operator in the search path.
        let changes = format!("{EQ} ANY ('{{{}}}'::{TEXT}[])", CHANGES.join(","));
        let sql = format!(
            "SELECT pg_catalog.to_char(l.logged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS at, \
             l.logged_by, l.version::{TEXT} AS version, l.name, l.event, l.application, l.lockgate, l.detail, \
             (SELECT h.elapsed_ms::{TEXT} FROM {table} h WHERE h.set_name {EQ} l.set_name AND h.version {EQ} l.version \
             AND h.state {EQ} 'applied' AND l.event {EQ} 'applied' AND NOT EXISTS (SELECT FROM {log} m \
             WHERE m.set_name {EQ} l.set_name AND m.version {EQ} l.version AND m.id {GREATER} l.id AND m.event {changes})) \
             AS elapsed FROM {log} l WHERE l.set_name {sets} ORDER BY l.id DESC LIMIT {last}"
        );
        let rows = self.rows(sql).await?;
        rows.iter().rev().map(|row| entry(row).map_err(|error| cause(&error))).collect()
    }

    /// Names some of the tables, views, sequences, functions and types besides the history and its log. What belongs to an
    /// extension, or to another object, is left out.
    pub(super) async fn other_objects(&mut self, history_table: &HistoryTable) -> Result<Vec<String>, Cause> {
        let own = [&history_table.table.name, &history_table.table.log().name].map(|name| literal(name)).join(", ");
        let is_other = |class: &str, alias: &str, namespace: &str| {
            format!(
                "n.oid {EQ} {alias}.{namespace} AND n.nspname::{TEXT} {EQ} ANY (SELECT s.nspname::{TEXT} \
                 FROM pg_catalog.pg_namespace s WHERE NOT pg_catalog.\"left\"(s.nspname::{TEXT}, 3) {EQ} 'pg_' \
                 AND NOT s.nspname::{TEXT} {EQ} 'information_schema') \
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid {EQ} 'pg_catalog.{class}'::pg_catalog.regclass \
                 AND d.objid {EQ} {alias}.oid AND d.deptype {EQ} ANY ('{{e,i,a}}'::pg_catalog.\"char\"[]))"
            )
        };
        let shown = |name: &str| {
            format!("pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident({name}))")
        };
        let sql = format!(
            "SELECT pg_catalog.concat(kind, ' ', name) AS object FROM (\
             SELECT 1 AS rank, CASE c.relkind::{TEXT} WHEN 'v' THEN 'the view' WHEN 'm' THEN 'the materialized view' \
             WHEN 'S' THEN 'the sequence' ELSE 'the table' END AS kind, {} AS name \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON {} \
             WHERE c.relkind {EQ} ANY ('{{r,p,v,m,S,f}}'::pg_catalog.\"char\"[]) \
             AND NOT c.relname::{TEXT} {EQ} ANY (ARRAY[{own}]) \
             UNION ALL SELECT 2, 'the function', {} FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON {} \
             UNION ALL SELECT 3, 'the type', {} FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON {} \
             WHERE t.typtype {EQ} ANY ('{{e,d,r}}'::pg_catalog.\"char\"[])) AS objects ORDER BY rank, name LIMIT 3",
            shown("c.relname"),
            is_other("pg_class", "c", "relnamespace"),
            shown("p.proname"),
            is_other("pg_proc", "p", "pronamespace"),
            shown("t.typname"),
            is_other("pg_type", "t", "typnamespace"),
        );
        let rows = self.rows(sql).await?;
        rows.iter().map(|row| row.try_get("object").map_err(|error| cause(&error))).collect()
    }

    /// Reads the sizes of tables from the statistics, in one statement and without a lock on them: the pages and rows that
    /// the last VACUUM or ANALYZE has seen, with those of partitions and children.
    pub(super) async fn table_sizes(&mut self, tables: &[&str]) -> Result<Vec<TableSize>, Cause> {
        let named = tables.iter().map(|table| {
            let quoted: Vec<_> = table.split('.').map(identifier).collect();
            format!("({}, {})", literal(table), literal(&quoted.join(".")))
        });
        let named = named.collect::<Vec<_>>().join(", ");
        // Before version 14, a table that was never analyzed looks like one without rows.
        let unknown = format!(
            "(c.relkind {EQ} ANY ('{{r,m}}'::pg_catalog.\"char\"[]) AND (c.reltuples {BEFORE} 0 OR (c.relpages {EQ} 0 AND \
             pg_catalog.current_setting('server_version_num')::integer {BEFORE} 140000)))"
        );
        let sql = format!(
            "WITH RECURSIVE named (name, oid) AS (SELECT n.name, pg_catalog.to_regclass(n.quoted)::pg_catalog.oid FROM \
             (VALUES {named}) AS n (name, quoted)), tree (name, oid) AS (SELECT name, oid FROM named WHERE oid IS NOT NULL \
             UNION ALL SELECT tree.name, i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent {EQ} tree.oid) \
             SELECT tree.name::{TEXT} AS name, pg_catalog.bool_or({unknown})::{TEXT} AS unknown, \
             pg_catalog.sum(CASE WHEN c.reltuples {GREATER} 0 AND c.relkind {EQ} ANY ('{{r,m}}'::pg_catalog.\"char\"[]) \
             THEN c.reltuples ELSE 0 END)::bigint::{TEXT} AS rows, \
             (pg_catalog.sum(c.relpages::bigint {PLUS} COALESCE(t.relpages, 0)::bigint) {TIMES} \
             pg_catalog.current_setting('block_size')::bigint)::bigint::{TEXT} AS bytes \
             FROM tree JOIN pg_catalog.pg_class c ON c.oid {EQ} tree.oid LEFT JOIN pg_catalog.pg_class t \
             ON t.oid {EQ} c.reltoastrelid WHERE c.relkind {EQ} ANY ('{{r,p,m}}'::pg_catalog.\"char\"[]) GROUP BY tree.name"
        );
        let rows = self.rows(sql).await?;
        let sizes: Vec<TableSize> = rows.iter().map(size).collect::<Result<_, _>>().map_err(|error| cause(&error))?;
        // In the order of the scripts.
        Ok(tables.iter().filter_map(|table| sizes.iter().find(|size| size.table == *table).cloned()).collect())
    }
}

/// What the server says of an index build or a COPY that another session of this program runs.
pub(crate) async fn progress(connection: &mut PgConnection) -> Result<Option<ServerProgress>, Cause> {
    for (view, columns) in [
        ("create_index", "p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total, p.lockers_total"),
        ("copy", "''::pg_catalog.text, 0, 0, p.bytes_processed, p.bytes_total, p.tuples_processed"),
    ] {
        let sql = format!(
            "SELECT {columns} FROM pg_catalog.pg_stat_progress_{view} p JOIN pg_catalog.pg_stat_activity a \
             ON a.pid {EQ} p.pid WHERE a.datname {EQ} pg_catalog.current_database() AND a.usename {EQ} session_user \
             AND a.application_name {EQ} pg_catalog.current_setting('application_name') LIMIT 1"
        );
        let row = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(&mut *connection).await.map_err(|e| cause(&e))
        {
            Ok(row) => row,
            // An older server.
            Err(cause) if cause.class == Class::Absent => None,
            Err(cause) => return Err(cause),
        };
        let Some(row) = row else { continue };
        let number = |column: usize| row.try_get::<i64, _>(column).ok().and_then(|number| u64::try_from(number).ok());
        let number = |column: usize| number(column).unwrap_or_default();
        let progress = |phase: String, done, total, unit| ServerProgress {
            phase,
            done,
            total: Some(total).filter(|total| *total > 0),
            unit,
        };
        return Ok(Some(match view {
            "copy" if number(4) > 0 => progress("copying".to_owned(), number(3), number(4), "bytes"),
            "copy" => progress("copying".to_owned(), number(5), 0, "rows"),
            _ => {
                let phase: String = row.try_get(0).unwrap_or_default();
                if number(2) > 0 {
                    progress(phase, number(1), number(2), "blocks")
                } else if number(4) > 0 {
                    progress(phase, number(3), number(4), "rows")
                } else {
                    progress(phase, 0, 0, "blocks")
                }
            }
        }));
    }
    Ok(None)
}

fn entry(row: &PgRow) -> Result<LogEntry, sqlx::Error> {
    let version: String = row.try_get("version")?;
    let elapsed: Option<String> = row.try_get("elapsed")?;
    Ok(LogEntry {
        at: row.try_get("at")?,
        by: row.try_get("logged_by")?,
        version: version.parse().ok().and_then(Version::new).ok_or_else(|| wrong("version"))?,
        name: row.try_get("name")?,
        event: row.try_get("event")?,
        elapsed: elapsed.and_then(|elapsed| elapsed.parse().ok()).map(Duration::from_millis),
        application: row.try_get("application")?,
        lockgate: row.try_get("lockgate")?,
        detail: row.try_get("detail")?,
    })
}

fn size(row: &PgRow) -> Result<TableSize, sqlx::Error> {
    let number = |name: &str| row.try_get::<String, _>(name).map(|text| text.parse().ok());
    let unknown: String = row.try_get("unknown")?;
    let is_known = unknown == "false";
    let bytes: Option<u64> = number("bytes")?;
    Ok(TableSize {
        table: row.try_get("name")?,
        rows: number("rows")?.filter(|_| is_known),
        // Nobody has looked at the table if it has rows that nobody has counted and no page.
        bytes: bytes.filter(|bytes| is_known || *bytes > 0),
    })
}

fn wrong(column: &str) -> sqlx::Error {
    sqlx::Error::ColumnNotFound(column.to_owned())
}
