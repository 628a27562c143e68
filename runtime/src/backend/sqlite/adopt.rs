//! Reads the history tables of other tools, and drops a history table that is given back.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::sql::in_sets;
use super::{SqliteBackend, cause, main};
use crate::backend::{ColumnKind, ForeignColumn, ForeignTable, TextRows};
use crate::error::Cause;
use crate::history_table::{HistoryTable, identifier};

/// History tables have few columns; tables with more are not looked at.
const MOST_COLUMNS: usize = 32;
/// `PRAGMA user_version` as a table, where it has been set.
const USER_VERSION: &str = "pragma_user_version";

impl SqliteBackend<'_> {
    /// The tables of few columns, and the user version if it has been set.
    pub(super) async fn foreign_tables(&mut self) -> Result<Vec<ForeignTable>, Cause> {
        let sql = format!(
            "SELECT t.name, c.name, c.type FROM main.sqlite_schema t, pragma_table_info(t.name, 'main') c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
             UNION ALL SELECT '{USER_VERSION}', 'user_version', '' FROM {USER_VERSION} WHERE user_version > 0"
        );
        let mut tables: Vec<ForeignTable> = Vec::new();
        for row in self.text_rows(sql).await? {
            let mut texts = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || texts.next().unwrap_or_default();
            let (table, name, declared) = (next(), next(), next().to_ascii_lowercase());
            // A declared type is only a hint in SQLite.
            let text = ["char", "text", "clob"].iter().any(|word| declared.contains(word));
            let kind = if text { ColumnKind::Text } else { ColumnKind::Other };
            let column = ForeignColumn { name, kind };
            match tables.last_mut().filter(|last| last.name == table) {
                Some(last) => last.columns.push(column),
                None => tables.push(ForeignTable { schema: None, name: table, columns: vec![column] }),
            }
        }
        tables.retain(|table| table.columns.len() <= MOST_COLUMNS);
        Ok(tables)
    }

    pub(super) async fn foreign_rows(&mut self, table: &ForeignTable) -> Result<TextRows, Cause> {
        let columns = table.columns.iter().map(|column| {
            let name = identifier(&column.name);
            format!("CASE typeof({name}) WHEN 'blob' THEN lower(hex({name})) ELSE CAST({name} AS TEXT) END")
        });
        let columns: Vec<String> = columns.collect();
        let schema = if table.name == USER_VERSION { "" } else { "main." };
        self.text_rows(format!("SELECT {} FROM {schema}{}", columns.join(", "), identifier(&table.name))).await
    }

    pub(super) async fn last_logged(&mut self, history_table: &HistoryTable) -> Result<Vec<(i64, String)>, Cause> {
        let log = history_table.table.log().within("main");
        let sql = format!(
            "SELECT CAST(version AS TEXT), event FROM {log} WHERE id IN (SELECT max(id) FROM {log} WHERE set_name {} \
             AND event <> 'failed' GROUP BY version)",
            in_sets(history_table)
        );
        Ok(self.text_rows(sql).await?.into_iter().filter_map(super::super::event).collect())
    }

    pub(super) async fn drop_empty_history(&mut self, history_table: &HistoryTable) -> Result<(), Cause> {
        let table = main(history_table).table;
        if self.number(format!("SELECT count(*) FROM {table}")).await? == 0 {
            self.execute(format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }

    async fn text_rows(&mut self, sql: String) -> Result<TextRows, Cause> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(self.held.connection()).await;
        let values = |row: &SqliteRow| (0..row.len()).map(|index| row.try_get(index)).collect::<Result<Vec<_>, _>>();
        rows.and_then(|rows| rows.iter().map(values).collect()).map_err(|error| cause(&error))
    }
}
