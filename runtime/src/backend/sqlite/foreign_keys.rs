//! Runs migrations with foreign keys off, and finds the keys that they break before the commit.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Row};

use super::sql::literal;
use super::{JobError, OnStatement, SqliteBackend, cause};
use crate::backend::{FailedAt, Job};
use crate::error::{Cause, Class};
use crate::history_table::HistoryTable;

/// The broken foreign keys, counted by what survives when a table is rebuilt: its name, the referenced table and the
/// columns. Row ids and key numbers do not survive.
#[derive(Default)]
pub(super) struct Violations {
    counts: BTreeMap<Key, u64>,
    /// Tables whose keys cannot be checked, because they reference columns that are missing or not unique.
    unknown: BTreeSet<String>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    table: String,
    parent: String,
    columns: String,
    /// The number of the key, for messages only.
    number: i64,
}

/// Counts the broken keys of one table, or of all.
fn counted(of: Option<&str>) -> String {
    let check = of.map_or_else(
        || "pragma_foreign_key_check".to_owned(),
        |table| format!("pragma_foreign_key_check({}, 'main')", literal(table)),
    );
    format!(
        "SELECT c.t, c.p, c.k, c.n, (SELECT group_concat(f.\"from\" || ' ' || ifnull(f.\"to\", '')) FROM \
         pragma_foreign_key_list(c.t, 'main') AS f WHERE f.id = c.k) FROM (SELECT \"table\" AS t, parent AS p, fkid AS k, \
         count(*) AS n FROM {check} GROUP BY 1, 2, 3) AS c"
    )
}

impl SqliteBackend<'_> {
    /// Runs a job with foreign keys off. The pragma has no effect inside a transaction, so the job gets its own
    /// transaction, and the keys are checked before the commit. They are checked even if the connection does not
    /// enforce them.
    pub(super) async fn run_unenforced(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        on_statement: OnStatement<'_>,
    ) -> Result<(), JobError> {
        let begin = |cause| (FailedAt::Begin, cause);
        let enforced = self.number("PRAGMA foreign_keys").await.map_err(begin)? != 0;
        if enforced {
            self.foreign_keys_off = true;
            self.execute("PRAGMA foreign_keys = OFF").await.map_err(begin)?;
        }
        let done = self.run_checked(history_table, job, on_statement).await;
        if done.is_err() && self.open {
            // The transaction contains only this job.
            self.roll_back().await;
        }
        if enforced {
            self.execute("PRAGMA foreign_keys = ON").await.map_err(begin)?;
            self.foreign_keys_off = false;
        }
        done
    }

    async fn run_checked(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        on_statement: OnStatement<'_>,
    ) -> Result<(), JobError> {
        let bookkeeping = |cause| (FailedAt::Bookkeeping, cause);
        self.reopen(history_table, job).await?;
        let before = self.violations().await.map_err(bookkeeping)?;
        self.run_job(history_table, job, on_statement).await?;
        let after = self.violations().await.map_err(bookkeeping)?;
        if let Some(message) = self.broken_since(&before, &after).await.map_err(bookkeeping)? {
            return Err((FailedAt::ForeignKeys, Cause::new(Class::Other, message)));
        }
        self.commit().await.map_err(|cause| (FailedAt::Commit, cause))
    }

    pub(super) async fn violations(&mut self) -> Result<Violations, Cause> {
        let mut violations = Violations::default();
        if self.tally(None, &mut violations).await.is_ok() {
            return Ok(violations);
        }
        // One table with invalid keys makes the whole check fail, so check each by itself.
        violations = Violations::default();
        let tables =
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'";
        let rows = sqlx::raw_sql(tables).fetch_all(self.held.connection()).await.map_err(|error| cause(&error))?;
        for row in rows {
            let table: String = row.try_get(0).map_err(|error| cause(&error))?;
            if self.tally(Some(&table), &mut violations).await.is_err() {
                violations.unknown.insert(table);
            }
        }
        Ok(violations)
    }

    async fn tally(&mut self, of: Option<&str>, violations: &mut Violations) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(counted(of));
        for row in sqlx::raw_sql(sql).fetch_all(self.held.connection()).await? {
            let count: i64 = row.try_get(3)?;
            let columns: Option<String> = row.try_get(4)?;
            let (table, parent, number) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let key = Key { table, parent, number, columns: columns.unwrap_or_default() };
            violations.counts.insert(key, count.unsigned_abs());
        }
        Ok(())
    }

    /// Describes the keys that are broken now and were not before, in one line.
    pub(super) async fn broken_since(
        &mut self,
        before: &Violations,
        after: &Violations,
    ) -> Result<Option<String>, Cause> {
        if let Some(table) = after.unknown.difference(&before.unknown).next() {
            return Ok(Some(format!("a foreign key of {table} points to columns that are not there or not unique")));
        }
        let (mut total, mut shown) = (0, Vec::new());
        for (key, count) in &after.counts {
            if before.unknown.contains(&key.table) {
                // It is unknown what was broken there before.
                continue;
            }
            let same = |old: &&Key| (&old.table, &old.parent, &old.columns) == (&key.table, &key.parent, &key.columns);
            let old: u64 = before.counts.keys().filter(same).map(|old| before.counts[old]).sum();
            if *count <= old {
                continue;
            }
            total += count - old;
            if shown.len() < 5 {
                shown.extend(self.rows_of(key, old).await?);
            }
        }
        if total == 0 {
            return Ok(None);
        }
        let more = if total > shown.len() as u64 || shown.len() > 5 { "; …" } else { "" };
        shown.truncate(5);
        let keys = if total == 1 { "foreign key points" } else { "foreign keys point" };
        Ok(Some(format!("{total} {keys} to rows that are not there: {}{more}", shown.join("; "))))
    }

    /// Describes some rows with a broken key if all of them are new, otherwise their table.
    async fn rows_of(&mut self, key: &Key, old: u64) -> Result<Vec<String>, Cause> {
        let Key { table, parent, number, .. } = key;
        if old > 0 {
            return Ok(vec![format!("of {table} to {parent} (key {number}), where {old} did before")]);
        }
        let sql = format!(
            "SELECT rowid FROM pragma_foreign_key_check({}, 'main') WHERE parent = {} AND fkid = {number} LIMIT 6",
            literal(table),
            literal(parent)
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(self.held.connection()).await;
        let shown = |row: &sqlx::sqlite::SqliteRow| -> Result<String, sqlx::Error> {
            let id: Option<i64> = row.try_get(0)?;
            let row = id.map_or_else(|| "a row".to_owned(), |id| format!("row {id}"));
            Ok(format!("{row} of {table} to {parent} (key {number})"))
        };
        rows.and_then(|rows| rows.iter().map(shown).collect()).map_err(|error| cause(&error))
    }
}
