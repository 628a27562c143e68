//! Drops an INVALID index that an operator names.

use lockgate_core::Audience;
use sqlx::Row;

use super::catalogue::SHOWN;
use super::sql::{EQ, NE, TEXT, literal};
use super::{PostgresBackend, sql};
use crate::backend::Dropped;
use crate::error::{Cause, Wording};
use crate::history_table::identifier;

impl PostgresBackend<'_> {
    /// Drops this index, named as SQL names it, if it is INVALID and nobody is building it.
    pub(super) async fn drop_invalid(&mut self, name: &str) -> Result<Dropped, Cause> {
        let question = format!(
            "SELECT c.oid::bigint AS oid, {SHOWN} AS shown, pg_catalog.quote_ident(c.relname) AS name, i.indrelid::pg_catalog.regclass::{TEXT} AS of_table, \
             i.indisvalid AS valid, t.relkind {EQ} 'm' AS of_view, {} AS building, \
             c.relkind {NE} 'i' OR c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_constraint k \
             WHERE k.conindid {EQ} c.oid) AS part FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class c ON c.oid {EQ} i.indexrelid JOIN pg_catalog.pg_class t ON t.oid {EQ} i.indrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace \
             WHERE c.oid {EQ} pg_catalog.to_regclass({})",
            sql::building("i"),
            literal(name),
        );
        let rows = self.rows(question).await?;
        let kept = |why: String, help: &str| {
            let help = help.to_owned();
            Ok(Dropped::Kept { why, help: Wording::each(|_| help.clone()) })
        };
        let lists = "`doctor` lists the INVALID indexes of this database";
        let Some(row) = rows.first() else { return kept(format!("there is no index {name}"), lists) };
        let text = |column: &str| row.try_get::<String, _>(column).unwrap_or_default();
        let is = |column: &str| row.try_get::<bool, _>(column).unwrap_or(false);
        let (shown, table) = (text("shown"), text("of_table"));
        if is("valid") {
            return kept(format!("the index {shown} is valid"), lists);
        }
        if is("building") {
            let why = format!("another session is building the index {shown} or another index on {table}");
            return kept(why, "wait until it has finished, then check with `doctor`");
        }
        if is("part") {
            let help = format!("build it again: `REINDEX INDEX CONCURRENTLY {shown}`");
            return kept(
                format!("the index {shown} belongs to a constraint, or to the index of a partitioned table"),
                &help,
            );
        }
        let oid: i64 = row.try_get("oid").unwrap_or_default();
        let aside = identifier(&format!("lockgate_invalid_{oid}"));
        let wait = self.limits.map_or(0, |limits| limits.lock_timeout.as_millis());
        // A materialized view cannot be locked by name.
        let lock = if is("of_view") { "" } else { "EXECUTE locking; " };
        // Between the check and the drop, a run could build another index with this name. So the index is renamed while
        // the table is locked and nobody can build indexes. Then it is dropped by its new name, which nobody else uses.
        self.execute(format!(
            "DO $lockgate$ DECLARE locking {TEXT} := {}; BEGIN PERFORM pg_catalog.set_config('lock_timeout', '{wait}', true); \
             {lock}PERFORM FROM pg_catalog.pg_index i WHERE i.indexrelid {EQ} {oid}::pg_catalog.oid AND NOT i.indisvalid; \
             IF NOT FOUND THEN RAISE EXCEPTION 'somebody has dropped it or built it again'; END IF; \
             ALTER INDEX {shown} RENAME TO {aside}; END $lockgate$",
            literal(&format!("LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE")),
        ))
        .await?;
        let schema = shown.strip_suffix(&text("name")).unwrap_or_default().to_owned();
        let aside = format!("{schema}{aside}");
        let dropped = self.drop_index(aside.clone()).await;
        dropped.map_err(|cause| {
            let help = move |audience: Audience| {
                format!(
                    "it was renamed to {aside}, so that its name is free for a new one: {} drops it",
                    audience.drop_invalid_index(&aside)
                )
            };
            cause.with_advice(Wording::each(help))
        })?;
        Ok(Dropped::Index(shown))
    }
}
