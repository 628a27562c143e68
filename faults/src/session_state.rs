//! Reads the state of a session with plain SQL: settings, role, temporary objects, locks, cursors. It shares no code with
//! the runtime.

use sqlx::{PgConnection, PgPool, SqliteConnection, SqlitePool};

/// The state of a session, one line for each thing.
pub(crate) type Session = Result<Vec<String>, String>;

/// One statement, so that these queries do not see each other.
const POSTGRES: &str = "
SELECT 'setting ' || name || ' = ' || setting FROM pg_settings WHERE name NOT IN ('in_hot_standby', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'application_name') AND name NOT LIKE 'plpgsql.%'
UNION ALL SELECT 'role ' || current_user || ' as ' || session_user
UNION ALL SELECT 'lock ' || locktype || ' ' || mode || ' ' || coalesce(objid::text, '') FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
UNION ALL SELECT 'temporary ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'
UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements WHERE name NOT LIKE 'sqlx%'
UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE is_holdable AND name <> ''
UNION ALL SELECT 'listens ' || pg_listening_channels()
UNION ALL SELECT 'transaction ' || (xact_start <> query_start)::text FROM pg_stat_activity WHERE pid = pg_backend_pid() AND xact_start IS DISTINCT FROM query_start AND query_start - xact_start > interval '1 ms'
UNION ALL SELECT 'own setting lockgate = ' || current_setting(name, true) FROM unnest(ARRAY['lockgate.xid', 'lockgate.lock']) AS name WHERE current_setting(name, true) <> ''
ORDER BY 1";

const SQLITE: &str = "
SELECT 'pragma ignore_check_constraints = ' || ignore_check_constraints FROM pragma_ignore_check_constraints
UNION ALL SELECT 'pragma foreign_keys = ' || foreign_keys FROM pragma_foreign_keys
UNION ALL SELECT 'pragma writable_schema = ' || writable_schema FROM pragma_writable_schema
UNION ALL SELECT 'pragma defer_foreign_keys = ' || defer_foreign_keys FROM pragma_defer_foreign_keys
UNION ALL SELECT 'pragma synchronous = ' || synchronous FROM pragma_synchronous
UNION ALL SELECT 'pragma busy_timeout = ' || timeout FROM pragma_busy_timeout
UNION ALL SELECT 'pragma query_only = ' || query_only FROM pragma_query_only
UNION ALL SELECT 'pragma recursive_triggers = ' || recursive_triggers FROM pragma_recursive_triggers
UNION ALL SELECT 'database ' || name FROM pragma_database_list WHERE name <> 'main'
UNION ALL SELECT 'temporary ' || name FROM temp.sqlite_schema
ORDER BY 1";

pub(crate) async fn postgres(connection: &mut PgConnection) -> Session {
    let mut last = String::new();
    // The driver answers the first query after a dropped one with that one's error.
    for _ in 0..2 {
        match sqlx::raw_sql(POSTGRES).fetch_all(&mut *connection).await {
            Ok(rows) => return Ok(texts(rows.iter().map(|row| sqlx::Row::try_get(row, 0)))),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

pub(crate) async fn sqlite(connection: &mut SqliteConnection) -> Session {
    let rows = sqlx::raw_sql(SQLITE).fetch_all(&mut *connection).await.map_err(|error| error.to_string())?;
    let mut texts = texts(rows.iter().map(|row| sqlx::Row::try_get(row, 0)));
    if let Err(error) = sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection).await {
        texts.push(format!("transaction: {error}"));
    }
    Ok(texts)
}

fn texts(rows: impl Iterator<Item = Result<String, sqlx::Error>>) -> Vec<String> {
    rows.map(|text| text.unwrap_or_else(|error| error.to_string())).collect()
}

pub(crate) async fn postgres_pool(pool: &PgPool) -> Vec<Session> {
    let mut held = Vec::new();
    let mut found = Vec::new();
    while let Ok(mut connection) = pool.acquire().await {
        found.push(postgres(&mut connection).await);
        held.push(connection);
        if held.len() >= 2 {
            break;
        }
    }
    found
}

pub(crate) async fn sqlite_pool(pool: &SqlitePool) -> Vec<Session> {
    let mut held = Vec::new();
    let mut found = Vec::new();
    while let Ok(mut connection) = pool.acquire().await {
        found.push(sqlite(&mut connection).await);
        held.push(connection);
        if held.len() >= 2 {
            break;
        }
    }
    found
}

/// Returns what the sessions have now and did not have before. A session that has ended has nothing.
pub(crate) fn compare(before: &[Session], after: &[Session]) -> Vec<String> {
    let Some(Ok(before)) = before.first() else { return Vec::new() };
    let mut found = Vec::new();
    for session in after.iter().flatten() {
        found.extend(session.iter().filter(|line| !before.contains(line)).cloned());
    }
    found.sort();
    found.dedup();
    found
}
