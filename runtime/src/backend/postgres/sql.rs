//! The SQL of the bookkeeping in PostgreSQL. Every name is qualified: a script may have changed the
//! search path of its transaction.

use lockgate_core::{Checksum, State};

use crate::store::{self, Entry, FIELD, LOCKGATE, LogEvent, ROW, Store, Table, identifier};

/// A text as an SQL string, whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    if text.contains('\\') { format!("E{}", store::literal(&text.replace('\\', "\\\\"))) } else { store::literal(text) }
}

/// What a first look at a database tells, in one row; `{}` is the history table as a literal.
pub(super) fn facts(table: &Table) -> String {
    format!(
        "SELECT pg_catalog.current_database()::text AS database, pg_catalog.current_schema()::text AS schema, \
         (SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid = pg_catalog.to_regclass({})) AS history_schema, \
         (pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only') = 'on')::text \
         AS read_only, pg_catalog.pg_is_in_recovery()::text AS replica, \
         (pg_catalog.transaction_timestamp() <> pg_catalog.statement_timestamp())::text AS in_transaction, \
         pg_catalog.current_setting('lock_timeout') AS lock_timeout, \
         pg_catalog.current_setting('statement_timeout') AS statement_timeout, \
         pg_catalog.current_setting('synchronous_commit') AS synchronous_commit, \
         pg_catalog.current_setting('client_min_messages') AS client_min_messages, \
         pg_catalog.current_setting('role') AS role",
        literal(&table.to_string())
    )
}

/// The rows of the set as one text, in no order.
pub(super) fn history(table: &Table, set: &str) -> String {
    format!(
        "SELECT pg_catalog.string_agg(pg_catalog.concat_ws(pg_catalog.chr({}), version, name, checksum, state, \
         statements_done, COALESCE(finished_checksum, ''), \
         pg_catalog.to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), elapsed_ms, \
         applied_by, application, lockgate), pg_catalog.chr({})) AS history FROM {table} WHERE set_name = {}",
        FIELD as u32,
        ROW as u32,
        literal(set)
    )
}

/// The settings that a hook of the pool or its user made in this session.
pub(super) const SESSION_SETTINGS: &str = "SELECT name, setting FROM pg_catalog.pg_settings WHERE source = 'session' \
     AND context <> 'internal' AND name NOT IN ('transaction_isolation', 'transaction_read_only', \
     'transaction_deferrable', 'role', 'session_authorization', 'seed')";

/// Resets what was set in this session, but for settings that an application made up (`app.tenant`):
/// the server does not list them, so that they could be lost and not be put back. RESET ALL would
/// lose them.
pub(super) const RESET_SETTINGS: &str = "SELECT pg_catalog.set_config(name, reset_val, false) \
     FROM pg_catalog.pg_settings WHERE source = 'session' \
     AND context <> 'internal' AND name NOT IN ('transaction_isolation', 'transaction_read_only', \
     'transaction_deferrable', 'role', 'session_authorization', 'seed')";

/// The history table and the log, and their schema where the user named one.
pub(super) fn create(table: &Table, with_schema: bool) -> Vec<String> {
    let mut statements = Vec::new();
    if let Some(schema) = table.schema.as_ref().filter(|_| with_schema) {
        // CREATE SCHEMA IF NOT EXISTS asks for the privilege even where the schema is there.
        let body = format!(
            "BEGIN IF pg_catalog.to_regnamespace({}) IS NULL THEN CREATE SCHEMA {}; END IF; END",
            literal(&identifier(schema)),
            identifier(schema)
        );
        statements.push(format!("DO {}", literal(&body)));
    }
    statements.push(format!(
        "CREATE TABLE IF NOT EXISTS {table} (set_name text NOT NULL, version bigint NOT NULL, name text NOT NULL, \
         checksum text NOT NULL, state text NOT NULL, statements_done integer NOT NULL, \
         finished_checksum text, applied_at timestamptz NOT NULL, elapsed_ms bigint NOT NULL, applied_by text NOT NULL, \
         application text NOT NULL, lockgate text NOT NULL, PRIMARY KEY (set_name, version))"
    ));
    statements.push(format!(
        "CREATE TABLE IF NOT EXISTS {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
         logged_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), \
         logged_by text NOT NULL DEFAULT session_user, set_name text NOT NULL, version bigint NOT NULL, \
         name text NOT NULL, event text NOT NULL, application text NOT NULL, lockgate text NOT NULL, detail text)",
        table.log()
    ));
    statements
}

/// Records a migration. `behind` is the version recorded just before in the same message: all
/// transactions of one message share the time of its arrival, so that the one before is the witness
/// of when this one began.
pub(super) fn insert(
    store: &Store,
    table: &Table,
    entry: &Entry,
    state: State,
    done: u32,
    behind: Option<i64>,
) -> String {
    let set = literal(&store.set);
    let began = match behind {
        Some(version) => format!(
            "COALESCE((SELECT h.applied_at FROM {table} h WHERE h.set_name = {set} AND h.version = {version}), \
             pg_catalog.transaction_timestamp())"
        ),
        None => "pg_catalog.transaction_timestamp()".to_owned(),
    };
    format!(
        "INSERT INTO {table} (set_name, version, name, checksum, state, statements_done, applied_at, elapsed_ms, \
         applied_by, application, lockgate) VALUES ({set}, {}, {}, '{}', '{}', {done}, pg_catalog.clock_timestamp(), \
         (EXTRACT(epoch FROM pg_catalog.clock_timestamp() - {began}) * 1000)::bigint, session_user, {}, '{LOCKGATE}')",
        entry.version,
        literal(&entry.name),
        entry.checksum,
        state.as_str(),
        literal(store.application),
    )
}

/// Makes a row say what is embedded: name, checksum, wholly applied.
pub(super) fn rewrite(store: &Store, table: &Table, entry: &Entry) -> String {
    format!(
        "UPDATE {table} SET name = {}, checksum = '{}', state = 'applied', finished_checksum = NULL \
         WHERE set_name = {} AND version = {}",
        literal(&entry.name),
        entry.checksum,
        literal(&store.set),
        entry.version
    )
}

/// Moves the row of a script that is not transactional on.
pub(super) fn advance(
    store: &Store,
    table: &Table,
    entry: &Entry,
    state: State,
    done: u32,
    finished: Option<&Checksum>,
) -> String {
    let finished = finished.map_or_else(|| "NULL".to_owned(), |checksum| format!("'{checksum}'"));
    // What has not run yet may have been put right since the row was written. Going down, it says
    // what was applied.
    let checksum = match state {
        State::Applied | State::Partial => format!(", checksum = '{}'", entry.checksum),
        State::Reverting => String::new(),
    };
    let applied = if state == State::Applied {
        ", elapsed_ms = elapsed_ms + (EXTRACT(epoch FROM pg_catalog.clock_timestamp() - applied_at) * 1000)::bigint, \
         applied_at = pg_catalog.clock_timestamp()"
    } else {
        ""
    };
    format!(
        "UPDATE {table} SET state = '{}', statements_done = {done}, finished_checksum = {finished}{checksum}{applied} \
         WHERE set_name = {} AND version = {}",
        state.as_str(),
        literal(&store.set),
        entry.version
    )
}

/// Removes a row.
pub(super) fn delete(store: &Store, table: &Table, entry: &Entry) -> String {
    format!("DELETE FROM {table} WHERE set_name = {} AND version = {}", literal(&store.set), entry.version)
}

/// Adds to the log.
pub(super) fn log(store: &Store, table: &Table, entry: &Entry, event: LogEvent, detail: Option<&str>) -> String {
    format!(
        "INSERT INTO {} (set_name, version, name, event, application, lockgate, detail) \
         VALUES ({}, {}, {}, '{}', {}, '{LOCKGATE}', {})",
        table.log(),
        literal(&store.set),
        entry.version,
        literal(&entry.name),
        event.as_str(),
        literal(store.application),
        detail.map_or_else(|| "NULL".to_owned(), literal),
    )
}

/// Who holds the lock with this key, and since when that session is connected.
pub(super) fn holder(key: i64) -> String {
    format!(
        "SELECT 'pid ' || l.pid || ', application `' || COALESCE(a.application_name, '') || '`, role ' || \
         COALESCE(a.usename::text, 'unknown') || ', connected since ' || \
         COALESCE(pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'unknown') \
         AS holder FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
         AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
         AND (l.classid::bigint << 32) | l.objid::bigint = {key} LIMIT 1"
    )
}

/// Indexes that are INVALID, but for those that another session is building. Those of a partitioned
/// table are until each partition has one.
pub(super) const INVALID: &str = "SELECT i.indexrelid::bigint AS oid, c.relname::text AS name, \
     pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS shown \
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND c.relkind = 'i' \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
     WHERE l.locktype = 'relation' AND l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' \
     AND l.pid <> pg_catalog.pg_backend_pid() AND a.query ~* 'concurrently') ORDER BY i.indexrelid";

/// Other sessions that are inside a transaction, the oldest first.
pub(super) const BLOCKERS: &str = "SELECT 'pid ' || a.pid || ', application `' || COALESCE(a.application_name, '') || \
     '`, role ' || COALESCE(a.usename::text, 'unknown') || ', in a transaction since ' || \
     pg_catalog.to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') || ': ' || \
     pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 80) AS blocker \
     FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database() \
     AND a.pid <> pg_catalog.pg_backend_pid() AND a.xact_start IS NOT NULL \
     AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation') \
     ORDER BY a.xact_start LIMIT 5";
