//! Saves the state of a session before a migration that may change it, and restores it afterwards.
//!
//! Both happen in the transaction of the migration, so that a pooler's session is clean too. What this cannot restore
//! costs a new session. A session of the caller's is restored once more at the end of the run.

use super::sql::literal;
use crate::backend::SessionCleanup;

/// An SQL expression for the state of a session, as JSON text.
fn state_expression(session_cleanup: SessionCleanup) -> String {
    let things = match session_cleanup {
        SessionCleanup::Restore => THINGS,
        SessionCleanup::SettingsOnly => "",
    };
    format!(
        "(SELECT pg_catalog.jsonb_build_object('settings', (SELECT COALESCE(pg_catalog.jsonb_object_agg(name, setting), \
         '{{}}') FROM pg_catalog.pg_settings WHERE {MADE_HERE}){things})::pg_catalog.text)"
    )
}

/// Selects the settings that were made in this session, except those that end with the transaction or are restored
/// separately.
const MADE_HERE: &str = "source OPERATOR(pg_catalog.=) 'session' AND context OPERATOR(pg_catalog.<>) 'internal' \
     AND NOT name OPERATOR(pg_catalog.=) ANY ('{transaction_isolation,transaction_read_only,transaction_deferrable,\
     role,session_authorization,seed}'::pg_catalog.text[])";

/// Everything besides settings. Only what is listed here is removed when the session is restored.
const THINGS: &str = ", 'prepared', (SELECT COALESCE(pg_catalog.jsonb_agg(name), '[]') FROM pg_catalog.pg_prepared_statements WHERE from_sql), \
     'cursors', (SELECT COALESCE(pg_catalog.jsonb_agg(name), '[]') FROM pg_catalog.pg_cursors), \
     'channels', (SELECT COALESCE(pg_catalog.jsonb_agg(c), '[]') FROM pg_catalog.pg_listening_channels() c), \
     'temporary', (SELECT COALESCE(pg_catalog.jsonb_agg(oid::pg_catalog.text), '[]') FROM ( \
     SELECT oid FROM pg_catalog.pg_class WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() \
     UNION ALL SELECT oid FROM pg_catalog.pg_type WHERE typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() \
     UNION ALL SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()\
     ) made), \
     'locks', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.concat_ws(' ', classid, objid, objsubid, mode)), '[]') \
     FROM pg_catalog.pg_locks WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
     AND locktype OPERATOR(pg_catalog.=) 'advisory')";

/// A query for the state: one row with the column `kept`.
pub(super) fn query(session_cleanup: SessionCleanup) -> String {
    format!("SELECT {} AS kept", state_expression(session_cleanup))
}

/// Saves the state in a setting of the transaction. Must run before the transaction changes any setting.
pub(super) fn save(session_cleanup: SessionCleanup) -> String {
    format!("SELECT pg_catalog.set_config('lockgate.kept', {}, true)", state_expression(session_cleanup))
}

/// Restores what [`save`] saved, unless the migration lost it by `RESET ALL`.
pub(super) fn restore() -> String {
    restore_block("pg_catalog.current_setting('lockgate.kept', true)")
}

/// Restores a state that [`query`] returned.
pub(super) fn restore_from(kept: &str) -> String {
    restore_block(&literal(kept))
}

/// A `DO` block that restores a state: it removes what the state does not list, and restores settings.
///
/// Settings with made-up names (`app.tenant`) stay, because the server does not list them and `RESET ALL` would lose
/// the caller's. The search path is `pg_catalog` until the settings are restored, so that names and operators are the
/// server's. Channels that this transaction listens to are not listed yet, so all are dropped and the saved ones set
/// anew.
fn restore_block(kept: &str) -> String {
    let body = format!(
        "DECLARE said pg_catalog.text; kept pg_catalog.jsonb; r pg_catalog.record; k bigint; BEGIN \
         said := {kept}; \
         IF pg_catalog.starts_with(said, '{{') IS NOT TRUE THEN RETURN; END IF; \
         PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); \
         PERFORM pg_catalog.set_config('client_min_messages', 'error', true); \
         kept := said; \
         IF kept ? 'channels' THEN UNLISTEN *; END IF; \
         FOR r IN SELECT c AS name FROM pg_catalog.jsonb_array_elements_text(kept->'channels') c LOOP \
         EXECUTE pg_catalog.format('LISTEN %I', r.name); END LOOP; \
         FOR r IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql AND NOT kept->'prepared' ? name LOOP \
         EXECUTE pg_catalog.format('DEALLOCATE %I', r.name); END LOOP; \
         FOR r IN SELECT name FROM pg_catalog.pg_cursors WHERE is_holdable AND name <> '' \
         AND NOT kept->'cursors' ? name LOOP EXECUTE pg_catalog.format('CLOSE %I', r.name); END LOOP; \
         FOR r IN SELECT c.relname AS name, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END \
         AS kind FROM pg_catalog.pg_class c WHERE c.relnamespace = pg_catalog.pg_my_temp_schema() \
         AND c.relkind IN ('r', 'p', 'v', 'S') AND NOT kept->'temporary' ? c.oid::pg_catalog.text LOOP \
         EXECUTE pg_catalog.format('DROP %s IF EXISTS pg_temp.%I CASCADE', r.kind, r.name); END LOOP; \
         FOR r IN SELECT p.oid::pg_catalog.regprocedure AS name FROM pg_catalog.pg_proc p \
         WHERE p.pronamespace = pg_catalog.pg_my_temp_schema() AND NOT kept->'temporary' ? p.oid::pg_catalog.text LOOP \
         EXECUTE pg_catalog.format('DROP ROUTINE IF EXISTS %s CASCADE', r.name); END LOOP; \
         FOR r IN SELECT t.typname AS name FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid \
         WHERE t.typnamespace = pg_catalog.pg_my_temp_schema() AND (t.typtype IN ('d', 'e', 'r') OR c.relkind = 'c') \
         AND NOT kept->'temporary' ? t.oid::pg_catalog.text LOOP \
         EXECUTE pg_catalog.format('DROP TYPE IF EXISTS pg_temp.%I CASCADE', r.name); END LOOP; \
         FOR r IN SELECT * FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'advisory' \
         AND NOT kept->'locks' ? pg_catalog.concat_ws(' ', classid, objid, objsubid, mode) LOOP \
         k := (r.classid::bigint << 32) | r.objid::bigint; \
         IF r.objsubid = 1 AND r.mode = 'ExclusiveLock' THEN \
         WHILE pg_catalog.pg_advisory_unlock(k) LOOP END LOOP; \
         ELSIF r.objsubid = 1 THEN \
         WHILE pg_catalog.pg_advisory_unlock_shared(k) LOOP END LOOP; \
         ELSIF r.mode = 'ExclusiveLock' THEN \
         WHILE pg_catalog.pg_advisory_unlock((k >> 32)::bit(32)::integer, k::bit(32)::integer) LOOP END LOOP; \
         ELSE \
         WHILE pg_catalog.pg_advisory_unlock_shared((k >> 32)::bit(32)::integer, k::bit(32)::integer) LOOP END LOOP; \
         END IF; END LOOP; \
         PERFORM pg_catalog.set_config(name, COALESCE(kept->'settings'->>name, reset_val), false) \
         FROM pg_catalog.pg_settings WHERE {MADE_HERE}; \
         PERFORM pg_catalog.set_config(key, value, false) \
         FROM pg_catalog.jsonb_each_text(kept OPERATOR(pg_catalog.->) 'settings') \
         WHERE value OPERATOR(pg_catalog.<>) pg_catalog.current_setting(key); END"
    );
    format!("DO LANGUAGE plpgsql {}", literal(&body))
}
