//! Reads the history tables of other tools, keeps these tools out while their history is taken over, and drops a history
//! table that is given back.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::sql::{EQ, NE, TEXT, in_sets, literal};
use super::{PostgresBackend, RunTransaction};
use crate::backend::{ColumnKind, ForeignColumn, ForeignTable, TextRows};
use crate::error::{Cause, Class};
use crate::history_table::{HistoryTable, identifier};

/// History tables have few columns; tables with more are not looked at.
const MOST_COLUMNS: u32 = 32;

impl PostgresBackend<'_> {
    /// The tables of few columns, with the columns of built-in types: reading another type would run code of whoever
    /// created it.
    pub(super) async fn foreign_tables(&mut self) -> Result<Vec<ForeignTable>, Cause> {
        let sql = format!(
            "SELECT n.nspname::{TEXT}, c.relname::{TEXT}, a.attname::{TEXT}, t.typname::{TEXT} \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace \
             JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} c.oid \
             JOIN pg_catalog.pg_type t ON t.oid {EQ} a.atttypid \
             WHERE c.relkind {EQ} 'r' AND c.relpersistence {NE} 't' AND n.nspname {NE} 'information_schema' \
             AND n.nspname OPERATOR(pg_catalog.!~) '^pg_' AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped \
             AND c.relnatts OPERATOR(pg_catalog.<=) {MOST_COLUMNS} AND t.typnamespace {EQ} \
             (SELECT s.oid FROM pg_catalog.pg_namespace s WHERE s.nspname {EQ} 'pg_catalog') \
             AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
             ORDER BY n.nspname, c.relname, a.attnum"
        );
        let mut tables: Vec<ForeignTable> = Vec::new();
        for row in texts(&self.rows(sql).await?)? {
            let mut texts = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || texts.next().unwrap_or_default();
            let (schema, name, column, kind) = (next(), next(), next(), next());
            let kind = match kind.as_str() {
                "timestamptz" => ColumnKind::Moment,
                "timestamp" => ColumnKind::LocalTime,
                "bytea" => ColumnKind::Bytes,
                "text" | "varchar" | "bpchar" | "name" => ColumnKind::Text,
                _ => ColumnKind::Other,
            };
            let column = ForeignColumn { name: column, kind };
            match tables.last_mut().filter(|last| last.schema.as_deref() == Some(&schema) && last.name == name) {
                Some(last) => last.columns.push(column),
                None => tables.push(ForeignTable { schema: Some(schema), name, columns: vec![column] }),
            }
        }
        Ok(tables)
    }

    pub(super) async fn foreign_rows(&mut self, table: &ForeignTable) -> Result<TextRows, Cause> {
        const FORM: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'";
        let columns = table.columns.iter().map(|column| {
            let name = format!("t.{}", identifier(&column.name));
            match column.kind {
                ColumnKind::Moment => format!("pg_catalog.to_char({name} AT TIME ZONE 'UTC', {FORM})"),
                ColumnKind::LocalTime => format!("pg_catalog.to_char({name}, {FORM})"),
                ColumnKind::Bytes => format!("pg_catalog.encode({name}, 'hex')"),
                ColumnKind::Text | ColumnKind::Other => format!("{name}::{TEXT}"),
            }
        });
        let columns: Vec<String> = columns.collect();
        texts(&self.rows(format!("SELECT {} FROM {} t", columns.join(", "), written(table))).await?)
    }

    pub(super) async fn keep_others_out(
        &mut self,
        history_table: &HistoryTable,
        table: Option<&ForeignTable>,
        keys: &(dyn Fn(&str) -> Vec<i64> + Send + Sync),
    ) -> Result<(), Cause> {
        if self.run_transaction == RunTransaction::None {
            self.open_run(history_table, 0).await.map_err(|failure| match failure.cause.class {
                Class::Busy => Cause { class: Class::Overtaken, ..failure.cause },
                _ => failure.cause,
            })?;
        }
        let mut statements: Vec<String> = Vec::new();
        if self.facts().advisory {
            let keys = keys(&self.facts().database);
            statements.extend(keys.iter().map(|key| format!("SELECT pg_catalog.pg_advisory_xact_lock({key})")));
        }
        if let Some(table) = table {
            // A role that may only read cannot take this lock.
            let may = format!(
                "SELECT pg_catalog.has_table_privilege({}, 'UPDATE, DELETE, TRUNCATE')::{TEXT}",
                literal(&written(table))
            );
            let may = texts(&self.rows(may).await?)?;
            if may.first().and_then(|row| row.first()?.as_deref()) == Some("true") {
                statements.push(format!("LOCK TABLE {} IN SHARE MODE", written(table)));
            }
        }
        if statements.is_empty() {
            return Ok(());
        }
        self.execute(statements.join("; ")).await.map_err(|cause| match cause.class {
            Class::LockTimeout => {
                Cause { message: "the other tool holds its lock: one of its runs is under way".to_owned(), ..cause }
            }
            _ => cause,
        })
    }

    pub(super) async fn last_logged(&mut self, history_table: &HistoryTable) -> Result<Vec<(i64, String)>, Cause> {
        let sql = format!(
            "SELECT l.version::{TEXT}, l.event FROM {} l WHERE l.set_name {} AND l.event {NE} 'failed' \
             AND l.id {EQ} (SELECT pg_catalog.max(m.id) FROM {} m WHERE m.set_name {EQ} l.set_name \
             AND m.version {EQ} l.version AND m.event {NE} 'failed')",
            self.table().log(),
            in_sets(history_table),
            self.table().log(),
        );
        let rows = texts(&self.rows(sql).await?)?;
        Ok(rows.into_iter().filter_map(super::super::event).collect())
    }

    pub(super) async fn drop_empty_history(&mut self) -> Result<(), Cause> {
        // The rows that are only locked have a set name that begins with this character.
        let sql = format!(
            "SELECT pg_catalog.count(*)::{TEXT} FROM {} h \
             WHERE pg_catalog.left(h.set_name, 1) {NE} pg_catalog.chr(1)",
            self.table()
        );
        let rows = texts(&self.rows(sql).await?)?;
        if rows.first().and_then(|row| row.first()?.as_deref()) != Some("0") {
            return Ok(());
        }
        let drop = format!("DROP TABLE {}", self.table());
        self.execute(drop).await
    }
}

/// The quoted name of a table.
fn written(table: &ForeignTable) -> String {
    let schema = table.schema.as_deref().map(|schema| format!("{}.", identifier(schema))).unwrap_or_default();
    format!("{schema}{}", identifier(&table.name))
}

fn texts(rows: &[PgRow]) -> Result<TextRows, Cause> {
    let values = |row: &PgRow| (0..row.len()).map(|index| row.try_get(index)).collect::<Result<Vec<_>, _>>();
    rows.iter().map(values).collect::<Result<_, _>>().map_err(|error| super::cause(&error))
}
