//! What is read besides the history: the log, and the sizes of tables.

use std::time::Duration;

use lockgate_core::Version;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::sql::{in_sets, literal};
use super::{SqliteBackend, cause};
use crate::error::Cause;
use crate::history_table::HistoryTable;
use crate::log::{CHANGES, LogEntry};
use crate::table_size::TableSize;

/// Larger databases are not measured: SQLite would read each of their pages.
const MEASURED_BYTES: i64 = 64 << 20;

impl SqliteBackend<'_> {
    /// Reads the last entries of the log, the oldest first.
    pub(super) async fn log(&mut self, history_table: &HistoryTable, last: usize) -> Result<Vec<LogEntry>, Cause> {
        let (table, sets) = (&history_table.table, in_sets(history_table));
        let log = table.log();
        let changes = CHANGES.map(literal).join(", ");
        let sql = format!(
            "SELECT l.logged_at, l.logged_by, l.version, l.name, l.event, l.application, l.lockgate, l.detail, \
             (SELECT h.elapsed_ms FROM {table} h WHERE h.set_name = l.set_name AND h.version = l.version \
             AND h.state = 'applied' AND l.event = 'applied' AND NOT EXISTS (SELECT 1 FROM {log} m \
             WHERE m.set_name = l.set_name AND m.version = l.version AND m.id > l.id AND m.event IN ({changes}))) AS elapsed \
             FROM {log} l WHERE l.set_name {sets} ORDER BY l.id DESC LIMIT {last}"
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(self.held.connection()).await;
        let rows = rows.map_err(|error| cause(&error))?;
        rows.iter().rev().map(|row| entry(row).map_err(|error| cause(&error))).collect()
    }

    /// Names some of the tables and views besides the history and its log.
    pub(super) async fn other_objects(&mut self, history_table: &HistoryTable) -> Result<Vec<String>, Cause> {
        let own = [&history_table.table.name, &history_table.table.log().name].map(|name| literal(name)).join(", ");
        let sql = format!(
            "SELECT 'the ' || type || ' ' || name FROM sqlite_schema WHERE type IN ('table', 'view') \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN ({own}) ORDER BY rowid LIMIT 3"
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(self.held.connection()).await;
        let rows = rows.map_err(|error| cause(&error))?;
        rows.iter().map(|row| row.try_get(0).map_err(|error| cause(&error))).collect()
    }

    /// Reads the sizes of tables: their rows from what ANALYZE has noted, their bytes by looking at the pages of a database
    /// that is small enough for that.
    pub(super) async fn table_sizes(&mut self, tables: &[&str]) -> Result<Vec<TableSize>, Cause> {
        let is_measured = self.number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").await?
            <= MEASURED_BYTES
            && self.number("SELECT count(*) FROM pragma_module_list WHERE name = 'dbstat'").await? > 0;
        let is_analyzed = self.number("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'").await? > 0;
        let mut sizes = Vec::new();
        for table in tables {
            let name = literal(table);
            let exists =
                format!("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = {name} COLLATE NOCASE");
            if self.number(exists).await? == 0 {
                continue;
            }
            let rows = format!(
                "SELECT COALESCE(max(CAST(stat AS INTEGER)), -1) FROM sqlite_stat1 WHERE tbl = {name} COLLATE NOCASE"
            );
            let bytes = format!(
                "SELECT COALESCE((SELECT d.pgsize FROM sqlite_schema s JOIN dbstat('main', 1) d ON d.name = s.name \
                 WHERE s.type = 'table' AND s.name = {name} COLLATE NOCASE), -1)"
            );
            let rows = if is_analyzed { self.number(rows).await? } else { -1 };
            let bytes = if is_measured { self.number(bytes).await? } else { -1 };
            let (rows, bytes) = (u64::try_from(rows).ok(), u64::try_from(bytes).ok());
            sizes.push(TableSize { table: (*table).to_owned(), rows, bytes });
        }
        Ok(sizes)
    }
}

fn entry(row: &SqliteRow) -> Result<LogEntry, sqlx::Error> {
    let elapsed: Option<i64> = row.try_get("elapsed")?;
    let version: i64 = row.try_get("version")?;
    Ok(LogEntry {
        at: row.try_get("logged_at")?,
        by: row.try_get("logged_by")?,
        version: Version::new(version).ok_or_else(|| sqlx::Error::ColumnNotFound("version".to_owned()))?,
        name: row.try_get("name")?,
        event: row.try_get("event")?,
        elapsed: elapsed.and_then(|elapsed| u64::try_from(elapsed).ok()).map(Duration::from_millis),
        application: row.try_get("application")?,
        lockgate: row.try_get("lockgate")?,
        detail: row.try_get("detail")?,
    })
}
