//! The SQL of the bookkeeping in SQLite.

use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_core::{Checksum, State, other_tools, row_hash};

use crate::history_table::{FIELD, HistoryEntry, HistoryTable, LOCKGATE, LogEvent, ROW, TableName};

const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
/// Milliseconds since 1970. `unixepoch('subsec')` would need SQLite 3.42.
const NOW_MS: &str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

/// The columns of every release, and the later ones.
pub(super) const COLUMNS: &str = "version, name, checksum, state, statements_done, finished_checksum, applied_at, elapsed_ms, \
                                  applied_by, application, lockgate";
pub(super) const LATER: &str = "owner, under_way";

/// What the name of the set is compared with, to find the rows that belong to the history.
pub(super) fn in_sets(history_table: &HistoryTable) -> String {
    format!("IN ({})", history_table.sets().map(|set| literal(&set)).join(", "))
}

/// Reads the rows of the sets as one text, in no order, and the number of columns of the table's key.
pub(super) fn history(table: &TableName, sets: &str, later: bool) -> String {
    let columns = COLUMNS.split(", ").chain(LATER.split(", ").filter(|_| later));
    let fields: Vec<String> = columns.map(|column| format!("ifnull({column}, '')")).collect();
    format!(
        "SELECT group_concat({}, char({})), {} FROM {table} WHERE set_name {sets}",
        fields.join(&format!(" || char({}) || ", FIELD as u32)),
        ROW as u32,
        key(table),
    )
}

/// Reads what [`is_head`] compares: the versions, names and checksums, and the number of columns of the table's key. A
/// row that is not fully applied has an empty checksum.
///
/// Concatenating a text for each row would take SQLite three times as long.
pub(super) fn head(table: &TableName, sets: &str) -> String {
    format!(
        "SELECT group_concat(version), group_concat(name, char({})), group_concat(CASE WHEN state = 'applied' \
         AND finished_checksum IS NULL AND typeof(statements_done) = 'integer' AND statements_done >= 0 THEN checksum \
         ELSE '' END), {} FROM {table} WHERE set_name {sets}",
        FIELD as u32,
        key(table),
    )
}

/// Whether exactly the migrations with this digest are recorded, all of them applied, going by the answer to [`head`].
pub(super) fn is_head(digest: i128, versions: &str, names: &str, checksums: &str) -> bool {
    let (mut versions, mut names, mut checksums) = (versions.split(','), names.split(FIELD), checksums.split(','));
    let mut sum = 0;
    loop {
        match (versions.next(), names.next(), checksums.next()) {
            (Some(version), Some(name), Some(checksum)) => {
                let Ok(version) = version.parse() else { return false };
                sum += row_hash::applied(version, name, checksum);
            }
            (None, None, None) => return sum == digest,
            _ => return false,
        }
    }
}

/// The number of columns of the key of this table in `main`. 0 for a view.
fn key(table: &TableName) -> String {
    format!("(SELECT count(*) FROM pragma_table_info({}, 'main') WHERE pk > 0)", literal(&table.name))
}

/// Reads the columns of this table in `main`, each with a comma before and after it, or NULL if there is none; and the
/// first history table of another tool.
pub(super) fn facts(table: &TableName) -> String {
    let names: Vec<String> = other_tools::OTHER_TOOLS.iter().map(|(table, _)| literal(table)).collect();
    format!(
        "SELECT (SELECT group_concat(',' || name || ',', '') FROM pragma_table_info({}, 'main')), \
         (SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name COLLATE NOCASE IN ({}) ORDER BY name LIMIT 1)",
        literal(&table.name),
        names.join(", ")
    )
}

/// Creates the history table and the log.
pub(super) fn create(table: &TableName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (set_name TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, \
         checksum TEXT NOT NULL, state TEXT NOT NULL, statements_done INTEGER NOT NULL, \
         finished_checksum TEXT, applied_at TEXT NOT NULL, elapsed_ms INTEGER NOT NULL, applied_by TEXT NOT NULL, application TEXT NOT NULL, lockgate TEXT NOT NULL, \
         owner TEXT, under_way INTEGER, PRIMARY KEY (set_name, version)) WITHOUT ROWID; {}",
        create_log(table)
    )
}

/// Creates the log.
pub(super) fn create_log(table: &TableName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (id INTEGER PRIMARY KEY AUTOINCREMENT, logged_at TEXT NOT NULL, \
         logged_by TEXT NOT NULL, set_name TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, \
         event TEXT NOT NULL, application TEXT NOT NULL, lockgate TEXT NOT NULL, detail TEXT)",
        table.log()
    )
}

/// Adds the columns that a table of the first releases lacks.
pub(super) fn extend(table: &TableName) -> String {
    format!("ALTER TABLE {table} ADD COLUMN owner TEXT; ALTER TABLE {table} ADD COLUMN under_way INTEGER")
}

/// A condition: the history has the row of a step in this state, or none.
pub(super) fn proof(history_table: &HistoryTable, entry: &HistoryEntry, state: Option<State>) -> String {
    let row = format!(
        "(SELECT count(*) FROM {} WHERE set_name = {} AND version = {}",
        history_table.table,
        literal(&history_table.set_of(entry)),
        entry.version
    );
    match state {
        // The row of a migration that is being reverted keeps what was applied.
        Some(State::Reverting) => format!("{row} AND state = 'reverting') = 1"),
        Some(state) => format!("{row} AND checksum = '{}' AND state = '{}') = 1", entry.checksum, state.as_str()),
        None => format!("{row}) = 0"),
    }
}

/// A statement that returns `word` if the condition holds, and fails with `SQLITE_TOOBIG` if not.
pub(super) fn answer(word: &str, proof: &str) -> String {
    format!("SELECT CASE WHEN {proof} THEN '{word}' ELSE zeroblob({}) END", i64::MAX)
}

/// The number of rows of the set.
pub(super) fn count(history_table: &HistoryTable) -> String {
    format!("(SELECT count(*) FROM {} WHERE set_name {})", history_table.table, in_sets(history_table))
}

/// Whether writing the history table fires a trigger.
pub(super) fn has_triggers(history_table: &HistoryTable) -> String {
    let of = format!("type = 'trigger' AND tbl_name COLLATE NOCASE = {}", literal(&history_table.table.name));
    format!(
        "(EXISTS (SELECT 1 FROM main.sqlite_schema WHERE {of}) OR EXISTS (SELECT 1 FROM temp.sqlite_schema WHERE {of}))"
    )
}

/// Inserts the row of a migration that began at this time.
pub(super) fn insert(
    history_table: &HistoryTable,
    entry: &HistoryEntry,
    state: State,
    done: u32,
    began: SystemTime,
) -> String {
    let began = began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let adopted = entry.adopted.as_deref();
    let applied_at = adopted.and_then(|adopted| adopted.applied_at.as_deref()).map_or(NOW.to_owned(), literal);
    let elapsed_ms = match adopted {
        Some(adopted) => adopted.elapsed.unwrap_or_default().as_millis().to_string(),
        None => format!("max(0, {NOW_MS} - {began})"),
    };
    let applied_by = adopted.and_then(|adopted| adopted.applied_by.clone()).unwrap_or_else(user);
    format!(
        "INSERT INTO {} (set_name, version, name, checksum, state, statements_done, applied_at, elapsed_ms, \
         applied_by, application, lockgate) VALUES ({}, {}, {}, '{}', '{}', {done}, {applied_at}, {elapsed_ms}, \
         {}, {}, '{LOCKGATE}')",
        history_table.table,
        literal(&history_table.set_of(entry)),
        entry.version,
        literal(&entry.name),
        entry.checksum,
        state.as_str(),
        literal(&applied_by),
        literal(history_table.application),
    )
}

/// Creates a temporary table of this name for [`note`], because a history row is longer than most migrations.
pub(super) fn notes(name: &str) -> String {
    format!("CREATE TEMP TABLE {name} (version INTEGER PRIMARY KEY, name, checksum, done, at)")
}

/// Notes in it that a migration ran.
pub(super) fn note(name: &str, entry: &HistoryEntry, done: u32) -> String {
    format!(
        "INSERT INTO temp.{name} VALUES ({}, {}, '{}', {done}, julianday('now'))",
        entry.version,
        literal(&entry.name),
        entry.checksum
    )
}

/// Records all noted migrations as applied. The first began at this time.
pub(super) fn record(history_table: &HistoryTable, name: &str, began: SystemTime) -> String {
    let began = began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!(
        "INSERT INTO {} (set_name, version, name, checksum, state, statements_done, applied_at, elapsed_ms, \
         applied_by, application, lockgate) SELECT {}, version, name, checksum, '{}', done, strftime('%Y-%m-%dT%H:%M:%fZ', at), \
         max(0, CAST((at - lag(at, 1, 2440587.5 + {began} / 86400000.0) OVER (ORDER BY version)) * 86400000 AS INTEGER)), \
         {}, {}, '{LOCKGATE}' FROM temp.{name}; DROP TABLE temp.{name}",
        history_table.table,
        literal(&history_table.set),
        State::Applied.as_str(),
        literal(&user()),
        literal(history_table.application),
    )
}

/// Updates a row to the embedded name and checksum, and to fully applied.
pub(super) fn rewrite(history_table: &HistoryTable, entry: &HistoryEntry, later: bool) -> String {
    format!(
        "UPDATE {} SET name = {}, checksum = '{}', state = 'applied', finished_checksum = NULL{} \
         WHERE set_name = {} AND version = {}",
        history_table.table,
        literal(&entry.name),
        entry.checksum,
        if later { ", owner = NULL, under_way = NULL" } else { "" },
        literal(&history_table.set_of(entry)),
        entry.version
    )
}

/// Updates the row of a repeatable script that ran again and began at this time.
pub(super) fn replace(history_table: &HistoryTable, entry: &HistoryEntry, done: u32, began: SystemTime) -> String {
    let began = began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!(
        "UPDATE {} SET checksum = '{}', state = 'applied', statements_done = {done}, finished_checksum = NULL, \
         applied_at = {NOW}, elapsed_ms = max(0, {NOW_MS} - {began}), applied_by = {}, application = {}, \
         lockgate = '{LOCKGATE}' WHERE set_name = {} AND version = {}",
        history_table.table,
        entry.checksum,
        literal(&user()),
        literal(history_table.application),
        literal(&history_table.set_of(entry)),
        entry.version
    )
}

/// The progress of a script outside a transaction.
pub(super) struct Advance<'a> {
    pub(super) state: State,
    pub(super) done: u32,
    pub(super) finished: Option<&'a Checksum>,
    pub(super) owner: Option<&'a str>,
    /// The statement that is started next and whose success is known only afterwards.
    pub(super) under_way: Option<u32>,
}

/// Updates the progress in the row of a script outside a transaction.
pub(super) fn advance(history_table: &HistoryTable, entry: &HistoryEntry, to: &Advance<'_>) -> String {
    let Advance { state, done, finished, owner, under_way } = *to;
    let owner = owner.map_or_else(|| "NULL".to_owned(), literal);
    let under_way = under_way.map_or_else(|| "NULL".to_owned(), |statement| statement.to_string());
    let finished = finished.map_or_else(|| "NULL".to_owned(), |checksum| format!("'{checksum}'"));
    // The part that has not run may have been edited since the row was written. When reverting, the row keeps the
    // checksum of the applied text.
    let checksum = match state {
        State::Applied | State::Partial => format!(", checksum = '{}'", entry.checksum),
        State::Reverting => String::new(),
    };
    let applied = if state == State::Applied {
        format!(
            ", elapsed_ms = elapsed_ms + max(0, CAST((julianday('now') - julianday(applied_at)) * 86400000 AS INTEGER)), \
             applied_at = {NOW}"
        )
    } else {
        String::new()
    };
    format!(
        "UPDATE {} SET state = '{}', statements_done = {done}, finished_checksum = {finished}, owner = {owner}, \
         under_way = {under_way}{checksum}{applied} \
         WHERE set_name = {} AND version = {}",
        history_table.table,
        state.as_str(),
        literal(&history_table.set),
        entry.version
    )
}

/// Updates a row to this number of finished statements, with none running and no owner.
pub(super) fn settle(
    history_table: &HistoryTable,
    entry: &HistoryEntry,
    done: u32,
    finished: Option<&Checksum>,
) -> String {
    let finished = finished.map_or_else(|| "NULL".to_owned(), |checksum| format!("'{checksum}'"));
    format!(
        "UPDATE {} SET statements_done = {done}, finished_checksum = {finished}, owner = NULL, under_way = NULL \
         WHERE set_name = {} AND version = {}",
        history_table.table,
        literal(&history_table.set),
        entry.version
    )
}

/// Deletes a row.
pub(super) fn delete(history_table: &HistoryTable, entry: &HistoryEntry) -> String {
    format!(
        "DELETE FROM {} WHERE set_name = {} AND version = {}",
        history_table.table,
        literal(&history_table.set_of(entry)),
        entry.version
    )
}

/// Adds a row to the log. Fails if the condition does not hold.
pub(super) fn log(
    history_table: &HistoryTable,
    entry: &HistoryEntry,
    event: LogEvent,
    detail: Option<&str>,
    proof: Option<&str>,
) -> String {
    let detail = detail.or(entry.detail());
    // The column is NOT NULL.
    let version = proof
        .map_or_else(|| entry.version.to_string(), |proof| format!("CASE WHEN {proof} THEN {} END", entry.version));
    format!(
        "INSERT INTO {} (logged_at, logged_by, set_name, version, name, event, application, lockgate, detail) \
         VALUES ({NOW}, {}, {}, {}, {}, '{}', {}, '{LOCKGATE}', {})",
        history_table.table.log(),
        literal(&user()),
        literal(&history_table.set_of(entry)),
        version,
        literal(&entry.name),
        event.as_str(),
        literal(history_table.application),
        detail.map_or_else(|| "NULL".to_owned(), literal),
    )
}

/// Adds a log row for each of these migrations. Adds nothing if the history does not contain exactly these.
pub(super) fn log_all<'a>(history_table: &HistoryTable, entries: impl Iterator<Item = &'a HistoryEntry>) -> String {
    let (table, set) = (&history_table.table, literal(&history_table.set));
    let checksums: String = entries.map(|entry| entry.checksum.to_string()).collect();
    format!(
        "INSERT INTO {} (logged_at, logged_by, set_name, version, name, event, application, lockgate) \
         SELECT applied_at, applied_by, set_name, version, name, '{}', application, lockgate FROM {table} \
         WHERE set_name = {set} AND state = '{}' AND (SELECT group_concat(checksum, '') FROM (SELECT checksum FROM {table} \
         WHERE set_name = {set} ORDER BY version)) = '{checksums}' ORDER BY version",
        history_table.table.log(),
        LogEvent::Applied.as_str(),
        State::Applied.as_str(),
    )
}

/// Quotes a text as an SQL string, even one with a zero byte.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('\0', "' || char(0) || '"))
}

/// SQLite has no users, so this is the user of the operating system.
fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}
