//! What a migration leaves in its session, and a session with other settings, which shows migrations that depend on
//! them.

use lockgate::Dialect;

use crate::db::Db;
use crate::failure::TestResult;

/// Describes the state of a session, one line for each thing. A line that is new after a run is what the run left.
///
/// Settings are compared by value, as a setting that a run has restored still counts as set. Those of extensions
/// (`plpgsql.…`) are left out, as they appear with the first use.
pub(crate) async fn state(db: &mut Db) -> TestResult<Vec<String>> {
    db.names(match db.dialect() {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres | Dialect::Mysql => POSTGRES,
    })
    .await
}

const SQLITE: &str = "
    SELECT 'the temporary ' || type || ' ' || name FROM temp.sqlite_schema
    UNION ALL SELECT 'the attached database ' || name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')
    UNION ALL SELECT 'PRAGMA foreign_keys = ' || foreign_keys FROM pragma_foreign_keys
    UNION ALL SELECT 'PRAGMA defer_foreign_keys = ' || defer_foreign_keys FROM pragma_defer_foreign_keys
    UNION ALL SELECT 'PRAGMA ignore_check_constraints = ' || ignore_check_constraints FROM pragma_ignore_check_constraints
    UNION ALL SELECT 'PRAGMA legacy_alter_table = ' || legacy_alter_table FROM pragma_legacy_alter_table
    UNION ALL SELECT 'PRAGMA recursive_triggers = ' || recursive_triggers FROM pragma_recursive_triggers
    UNION ALL SELECT 'PRAGMA writable_schema = ' || writable_schema FROM pragma_writable_schema";

const POSTGRES: &str = "
    SELECT CASE c.relkind WHEN 'v' THEN 'the temporary view ' WHEN 'S' THEN 'the temporary sequence '
        ELSE 'the temporary table ' END || c.relname
    FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind IN ('r', 'p', 'v', 'S')
    UNION ALL SELECT 'the temporary function ' || p.proname FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema()
    UNION ALL SELECT 'SET ' || name || ' = ' || quote_literal(setting) FROM pg_settings
        WHERE context IN ('user', 'superuser') AND name NOT LIKE 'transaction\\_%' AND name NOT LIKE '%.%'
    UNION ALL SELECT 'the advisory lock ' || classid || ',' || objid FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'the prepared statement ' || name FROM pg_prepared_statements WHERE from_sql
    UNION ALL SELECT 'the cursor ' || name FROM pg_cursors WHERE is_holdable
    UNION ALL SELECT 'LISTEN ' || channel FROM pg_listening_channels() AS channel";

/// Changes settings of a session that another server, role or driver might set. A migration must not depend on them.
///
/// The new time zone has the same date, so that a default of `CURRENT_DATE` does not differ at some hours only. The
/// search path starts with a schema that does not exist: names still resolve as before, but a migration that reads or
/// stores the path differs.
pub(crate) async fn vary(db: &mut Db) -> TestResult {
    let sql = match db.dialect() {
        Dialect::Sqlite => "PRAGMA reverse_unordered_selects = ON",
        Dialect::Postgres | Dialect::Mysql => {
            "SELECT set_config('TimeZone', CASE WHEN extract(hour FROM localtime) < 12 \
                 THEN '<+0545>-' || to_char(make_interval(secs => extract(timezone FROM now())::int + 20700), 'HH24:MI') \
                 ELSE '<-0530>' || to_char(make_interval(secs => 19800 - extract(timezone FROM now())::int), 'HH24:MI') \
                 END, false); \
             SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; \
             SELECT set_config('search_path', 'lockgate_elsewhere, ' || current_setting('search_path'), false)"
        }
    };
    db.run(sql).await.map_err(|e| crate::Failure::of(&e, sql))?;
    Ok(())
}

/// Names the settings that [`vary`] changes, for messages.
pub(crate) fn varied(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "`PRAGMA reverse_unordered_selects`",
        Dialect::Postgres | Dialect::Mysql => "another TimeZone, DateStyle, IntervalStyle and search_path",
    }
}
