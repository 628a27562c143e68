//! The SQL of the bookkeeping in PostgreSQL. A script, a role or a setting may have put any schema in front of
//! `pg_catalog`, with functions, operators and types of the same names. So everything here is qualified with
//! `pg_catalog`, operators included, or is part of the grammar (`bigint`, `COALESCE`), which no schema can hide.

use lockgate_core::{Checksum, Stage, State};

use crate::backend::session_code;
use crate::history_table::{
    Adopted, FIELD, HistoryEntry, HistoryTable, LOCKGATE, LogEvent, ROW, TableName, identifier,
};

/// Qualified operators.
pub(super) const EQ: &str = "OPERATOR(pg_catalog.=)";
pub(super) const NE: &str = "OPERATOR(pg_catalog.<>)";
pub(super) const LESS: &str = "OPERATOR(pg_catalog.-)";
pub(super) const TIMES: &str = "OPERATOR(pg_catalog.*)";
pub(super) const PER: &str = "OPERATOR(pg_catalog./)";
pub(super) const GREATER: &str = "OPERATOR(pg_catalog.>)";
pub(super) const BEFORE: &str = "OPERATOR(pg_catalog.<)";
pub(super) const PLUS: &str = "OPERATOR(pg_catalog.+)";
pub(super) const LIKE: &str = "OPERATOR(pg_catalog.~)";
pub(super) const TEXT: &str = "pg_catalog.text";

/// Begins a transaction with a fixed mode, whatever the defaults of the database or the role are.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// The error code of a unique key: another run wrote the row first.
pub(super) const UNIQUE: &str = "SQLSTATE 23505";
/// The error codes of an existing schema or table: another run created it first.
pub(super) const MADE: [&str; 3] = [UNIQUE, "SQLSTATE 42P06", "SQLSTATE 42P07"];

/// The `SQLSTATE`s of failed checks. Each check fails in its own way, so that the code identifies it in every language
/// of the server.
pub(super) mod check {
    /// Division by zero: another session holds the lock, or a row was not written.
    pub(in super::super) const BUSY: &str = "SQLSTATE 22012";
    /// A row of the history was not written.
    pub(in super::super) const UNWRITTEN: &str = "SQLSTATE 22012";
    /// Square root of a negative number: the history has changed since it was read.
    pub(in super::super) const OVERTAKEN: &str = "SQLSTATE 2201F";
    /// Histogram without buckets: the history has other rows than it should have.
    pub(in super::super) const ALTERED: &str = "SQLSTATE 2201G";
    /// Logarithm of zero: the transaction is not the one that was begun.
    pub(in super::super) const ENDED: &str = "SQLSTATE 2201E";
}

/// Quotes a text as an SQL string, independent of `standard_conforming_strings`.
pub(super) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// The columns of the history table, which must have built-in types: reading another type would run code of whoever
/// created it.
const PLAIN_TYPES: &str = "'{20,23,25,1184}'::pg_catalog.oid[]";

/// The query for the facts about a database, in one row.
pub(super) fn facts(table: &TableName) -> String {
    let (name, log) = (literal(&table.name), literal(&table.log().name));
    let others: Vec<String> =
        lockgate_core::other_tools::OTHER_TOOLS.iter().map(|(table, _)| format!("\"{table}\"")).collect();
    let others = literal(&format!("{{{}}}", others.join(",")));
    let place = place(table);
    format!(
        "SELECT pg_catalog.current_database()::{TEXT} AS database, pg_catalog.current_schema()::{TEXT} AS schema, \
         (pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only') {EQ} 'on')::{TEXT} \
         AS read_only, pg_catalog.pg_is_in_recovery()::{TEXT} AS replica, \
         (pg_catalog.transaction_timestamp() {NE} pg_catalog.statement_timestamp())::{TEXT} AS in_transaction, \
         pg_catalog.current_setting('lock_timeout') AS lock_timeout, \
         pg_catalog.current_setting('statement_timeout') AS statement_timeout, \
         pg_catalog.current_setting('synchronous_commit') AS synchronous_commit, \
         pg_catalog.current_setting('client_min_messages') AS client_min_messages, \
         pg_catalog.current_setting('server_encoding') AS encoding, \
         pg_catalog.current_setting('server_version_num') AS number, pg_catalog.version() AS release, \
         pg_catalog.current_setting('standard_conforming_strings') AS conforming, \
         pg_catalog.current_setting('role') AS role, session_user::{TEXT} AS login, current_user::{TEXT} AS is_now, \
         COALESCE(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure(\
         'pg_catalog.pg_try_advisory_xact_lock(bigint)')::pg_catalog.oid, 'EXECUTE'), false)::{TEXT} AS advisory, \
         COALESCE((SELECT pg_catalog.has_language_privilege(l.oid, 'USAGE') FROM pg_catalog.pg_language l \
         WHERE l.lanname {EQ} 'plpgsql'), false)::{TEXT} AS plpgsql, ({session_code})::{TEXT} AS session_code, \
         (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(pg_catalog.chr({field}), n.nspname, c.relname, c.relkind, \
         o.rolname, {}, pg_catalog.row_security_active(c.oid), {}, \
         pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), \
         EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid {EQ} c.oid AND a.attname {EQ} 'under_way' \
         AND NOT a.attisdropped), c.relpersistence {EQ} 'p', \
         EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid {EQ} c.oid AND i.indisprimary) OR NOT EXISTS (SELECT \
         FROM pg_catalog.pg_attribute a WHERE a.attrelid {EQ} c.oid AND a.attname {EQ} 'set_name'), c.relhastriggers), \
         pg_catalog.chr({row})) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace \
         JOIN pg_catalog.pg_roles o ON o.oid {EQ} c.relowner \
         WHERE c.relname {EQ} ANY (ARRAY[{name}, {log}]::pg_catalog.name[]) AND c.relpersistence {NE} 't' \
         AND c.relkind {EQ} ANY ('{{r,p,v,m,f}}'::pg_catalog.\"char\"[]){place}) AS found, \
         CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_class c \
         WHERE c.relname {EQ} {name} AND c.relkind {EQ} 'r'{place}) THEN NULL ELSE \
         (SELECT pg_catalog.min(pg_catalog.concat_ws(pg_catalog.chr({field}), n.nspname, c.relname)) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace \
         WHERE c.relname {EQ} ANY ({others}::pg_catalog.name[]) AND c.relkind {EQ} 'r' \
         AND c.relpersistence {NE} 't') END AS other, ({}) AS stage",
        trusted(),
        plain(),
        stage(),
        field = FIELD as u32,
        row = ROW as u32,
        session_code = has_session_code(),
    )
}

/// Whether the database has functions of its own that may change the session in which they run. What calls them does not
/// show it: a trigger, a view, a rule. Objects of the server have smaller identifiers.
fn has_session_code() -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.oid {GREATER} 16383::pg_catalog.oid \
         AND p.prosrc OPERATOR(pg_catalog.~*) {})",
        literal(session_code::PATTERN)
    )
}

/// The stage that the database is marked with: the line of its comment that needs the most care. The catalogue is read
/// directly, because a fresh backend plans the SQL of `shobj_description` for longer than it reads the comment.
pub(super) fn stage() -> String {
    let named = Stage::ALL.into_iter().rev().map(|stage| {
        let line = literal(&format!("(?n)^{}[ \t\r]*$", stage.comment()));
        format!(" WHEN m.comment {LIKE} {line} THEN '{stage}'")
    });
    format!(
        "SELECT CASE{} END FROM (SELECT s.description AS comment FROM pg_catalog.pg_shdescription s \
         WHERE s.classoid {EQ} 'pg_catalog.pg_database'::pg_catalog.regclass::pg_catalog.oid AND s.objoid {EQ} \
         (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname {EQ} pg_catalog.current_database())) m",
        named.collect::<String>()
    )
}

/// The name and the comment of this database.
pub(super) fn comment() -> String {
    format!(
        "SELECT d.datname::{TEXT} AS name, pg_catalog.shobj_description(d.oid, 'pg_database') AS comment \
         FROM pg_catalog.pg_database d WHERE d.datname {EQ} pg_catalog.current_database()"
    )
}

/// A condition: the relation `c` is in the schema of the table, if one was named. The search path does not matter,
/// because it differs between roles and may change.
fn place(table: &TableName) -> String {
    table.schema.as_ref().map_or_else(String::new, |schema| {
        let name = literal(&identifier(schema));
        format!(" AND c.relnamespace {EQ} pg_catalog.to_regnamespace({name})::pg_catalog.oid")
    })
}

/// A condition: nobody with fewer rights than ours can have planted the table of `c` and `o`. A superuser must not
/// write into just any table, because its triggers would run with all rights.
fn trusted() -> String {
    format!(
        "(o.rolsuper OR o.rolname {EQ} current_user OR o.rolname {EQ} session_user \
         OR c.relowner {EQ} (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname {EQ} \
         pg_catalog.current_database()) OR NOT (SELECT me.rolsuper FROM pg_catalog.pg_roles me WHERE me.rolname {EQ} \
         current_user))"
    )
}

/// A condition: all columns of the table `c` have types that run no code when they are read.
fn plain() -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid {EQ} c.oid AND a.attnum {GREATER} 0 \
         AND NOT a.attisdropped AND NOT a.atttypid {EQ} ANY ({PLAIN_TYPES}))"
    )
}

/// Reads the [`facts`] and, as `history`, the history in one statement, as XML; the history is a row with `digest` and
/// `history`. If exactly an expected set is applied, the answer is NULL. All queries are texts, so that the server plans
/// them only if they run.
///
/// The history is found by its name, by a query that the server writes: its schema is not known yet, and naming a
/// missing table would abort the caller's transaction. It is left out if there is none, or if it may not be ours or not
/// fully visible: the facts say which.
pub(super) fn look(history_table: &HistoryTable, expected: Option<i128>) -> String {
    match expected {
        None => format!("SELECT {}::{TEXT} AS answer", everything(history_table)),
        Some(expected) => at_head(history_table, expected, "NULL"),
    }
}

/// The same, but if exactly an expected set is applied, the answer has the rows and the stage and nothing else: a new
/// session plans the query for the facts for longer than all the rest takes.
pub(super) fn look_at_rows(history_table: &HistoryTable, expected: i128) -> String {
    let rows = format!(
        "SELECT {}, ({}) AS stage FROM \u{1} h WHERE h.set_name {}",
        rows_of("''", "''"),
        stage(),
        in_sets(history_table)
    );
    // There is one relation, or the digests would not agree.
    let schema = format!("pg_catalog.min(c.relnamespace::pg_catalog.regnamespace::{TEXT})");
    let rows = written_for(&rows, &schema, &literal(&history_table.table.name));
    at_head(history_table, expected, &format!("pg_catalog.query_to_xml({rows}, false, true, '')"))
}

/// Answers this if exactly an expected set is applied, and everything otherwise.
fn at_head(history_table: &HistoryTable, expected: i128, answer: &str) -> String {
    let table = &history_table.table;
    format!(
        "SELECT CASE WHEN {} {EQ} {} THEN {answer} ELSE {} END::{TEXT} AS answer FROM pg_catalog.pg_class c \
         WHERE c.relname {EQ} {}{}",
        digests(history_table),
        literal(&ROW_OF_DIGEST.replace('?', &expected.to_string())),
        everything(history_table),
        literal(&table.name),
        place(table)
    )
}

/// The facts and the history, as XML.
fn everything(history_table: &HistoryTable) -> String {
    let all = format!("{}, ({}) AS history", facts(&history_table.table), found_history(history_table));
    format!("pg_catalog.query_to_xml({}, false, true, '')", literal(&all))
}

/// What the name of the set is compared with, to find the rows that belong to the history.
pub(super) fn in_sets(history_table: &HistoryTable) -> String {
    format!("{EQ} ANY (ARRAY[{}]::{TEXT}[])", history_table.sets().map(|set| literal(&set)).join(", "))
}

/// The name of the relation `c`, for a query that the server writes.
fn written(query: &str) -> String {
    written_for(query, "c.relnamespace::pg_catalog.regnamespace", "c.relname")
}

/// The same, with these expressions for the schema and the name.
fn written_for(query: &str, schema: &str, name: &str) -> String {
    let query = literal(query).replace('%', "%%").replace('\u{1}', "%s.%I");
    format!("pg_catalog.format({query}, {schema}, {name})")
}

/// A condition: there is exactly one table of the name, it survives a crash, and it has its key.
fn single(table: &TableName) -> String {
    let (name, place) = (literal(&table.name), place(table));
    format!(
        "c.relname {EQ} {name} AND c.relkind {EQ} 'r' AND c.relpersistence {EQ} 'p' AND c.relhasindex{place} \
         AND 1 {EQ} (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.relname {EQ} {name} \
         AND c.relpersistence {NE} 't' AND c.relkind {EQ} ANY ('{{r,p,v,m,f}}'::pg_catalog.\"char\"[]){place})"
    )
}

/// The answer to the query of [`digests`], for the digest `?`.
const ROW_OF_DIGEST: &str =
    "<row xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n  <digest>?</digest>\n</row>\n\n";

/// The digest of a fully applied history, as [`Set::applied_digest`](lockgate_core::Set::applied_digest) defines it, for
/// each relation `c` of the name, with a blank between two of them. Only a table is read that we own, because whoever
/// created it can do everything that we can. A row with a NULL counts as 1, so that it is noticed.
///
/// A new session opens each catalogue and looks up each function for the first time, which costs more than hashing a
/// hundred rows. So this reads one catalogue and uses few functions, and the digest needs no text of all rows.
fn digests(history_table: &HistoryTable) -> String {
    let digest = format!(
        "SELECT pg_catalog.sum(COALESCE(pg_catalog.hashtextextended(h.checksum, pg_catalog.hashtextextended(h.name, \
         pg_catalog.hashtextextended(h.state, h.version))), 1)) AS digest FROM \u{1} h WHERE h.set_name {}",
        in_sets(history_table)
    );
    format!(
        "pg_catalog.string_agg(CASE WHEN c.relkind {EQ} 'r' AND c.relpersistence {EQ} 'p' AND c.relhasindex \
         AND NOT c.relrowsecurity AND (pg_catalog.pg_get_userbyid(c.relowner) {EQ} current_user \
         OR pg_catalog.pg_get_userbyid(c.relowner) {EQ} session_user) \
         THEN pg_catalog.query_to_xml({}, false, true, '')::{TEXT} ELSE '' END, ' ')",
        written(&digest)
    )
}

/// The history, if there is exactly one and it may be read.
fn found_history(history_table: &HistoryTable) -> String {
    let table = &history_table.table;
    format!(
        "SELECT pg_catalog.query_to_xml({}, false, true, '')::{TEXT} AS found FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_roles o ON o.oid {EQ} c.relowner WHERE {} AND {} AND {} \
         AND NOT pg_catalog.row_security_active(c.oid) \
         AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')",
        written(&history("\u{1}", history_table)),
        single(table),
        trusted(),
        plain(),
    )
}

/// The rows of the set: their digest, and all of them as one text.
pub(super) fn history(table: &str, history_table: &HistoryTable) -> String {
    format!(
        "SELECT d.digest, d.history FROM (SELECT {} AS digest, {} FROM {table} h WHERE h.set_name {}) d",
        digest(),
        rows_of(&later("owner"), &later("under_way")),
        in_sets(history_table),
    )
}

/// All rows `h` as one text, `history`, given the expressions for the last two fields.
fn rows_of(owner: &str, under_way: &str) -> String {
    format!(
        "pg_catalog.string_agg(pg_catalog.concat_ws(pg_catalog.chr({field}), h.version, h.name, h.checksum, h.state, \
         h.statements_done, COALESCE(h.finished_checksum, ''), \
         pg_catalog.to_char(h.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), h.elapsed_ms, \
         h.applied_by, h.application, h.lockgate, {owner}, {under_way}), pg_catalog.chr({row})) AS history",
        field = FIELD as u32,
        row = ROW as u32,
    )
}

/// A column that the tables of older releases lack, and that only unfinished migrations need.
fn later(column: &str) -> String {
    format!(
        "CASE WHEN h.state {EQ} 'applied' THEN '' ELSE \
         COALESCE(pg_catalog.to_jsonb(h) OPERATOR(pg_catalog.->>) '{column}', '') END"
    )
}

/// A digest, made by the server, of everything in the rows `h` that a plan depends on. No rows have the digest of an
/// empty text.
fn digest() -> String {
    format!(
        "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE(pg_catalog.string_agg(\
         pg_catalog.concat_ws(pg_catalog.chr({field}), h.version, h.name, h.checksum, CASE WHEN h.state {EQ} 'applied' \
         THEN 'applied' ELSE pg_catalog.concat_ws(pg_catalog.chr({field}), h.state, h.statements_done, \
         COALESCE(h.finished_checksum, ''), {}, {}) END), pg_catalog.chr({row}) ORDER BY h.version), ''), 'UTF8')), 'hex')",
        later("owner"),
        later("under_way"),
        field = FIELD as u32,
        row = ROW as u32,
    )
}

/// A statement that fails with [`check::OVERTAKEN`] unless the rows of the set have this digest.
pub(super) fn unchanged(history_table: &HistoryTable, table: &TableName, seen: &str) -> String {
    format!(
        "SELECT pg_catalog.sqrt((CASE WHEN {} {EQ} {} THEN 1 ELSE -1 END)::double precision) FROM {table} h \
         WHERE h.set_name {}",
        digest(),
        literal(seen),
        in_sets(history_table)
    )
}

/// A statement that fails with [`check::OVERTAKEN`] if somebody has created a history table meanwhile.
pub(super) fn still_absent(table: &TableName) -> String {
    format!(
        "SELECT pg_catalog.sqrt((CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_class c \
         WHERE c.relname {EQ} {} AND c.relkind {EQ} 'r' AND c.relpersistence {NE} 't'{}) \
         THEN -1 ELSE 1 END)::double precision)",
        literal(&table.name),
        place(table)
    )
}

/// Notes the number of rows of the set, for this transaction.
pub(super) fn count(history_table: &HistoryTable, table: &TableName) -> String {
    format!(
        "SELECT pg_catalog.set_config('lockgate.rows', (SELECT pg_catalog.count(*) FROM {table} h WHERE h.set_name {})\
         ::{TEXT}, true)",
        in_sets(history_table)
    )
}

/// A statement that fails with [`check::ALTERED`] unless the set has `more` rows more than [`count`] noted. It accepts
/// rows that other runs have committed meanwhile, which their checks detect. If a script has removed the note
/// (`RESET ALL`), the number that the run itself knows counts: `rows`.
pub(super) fn counted(history_table: &HistoryTable, table: &TableName, rows: i64, more: i64) -> String {
    let compares = if more < 0 { EQ } else { "OPERATOR(pg_catalog.>=)" };
    let noted = "COALESCE(pg_catalog.current_setting('lockgate.rows', true), '')";
    let before = format!("CASE WHEN {noted} {EQ} '' THEN '{rows}' ELSE {noted} END");
    format!(
        "SELECT pg_catalog.width_bucket(0::double precision, 0::double precision, 1::double precision, \
         (pg_catalog.count(*) {compares} (({before})::bigint {PLUS} '{more}'::bigint))::integer) FROM {table} h WHERE h.set_name {}",
        in_sets(history_table)
    )
}

/// Begins each transaction of a run, in one statement: its settings, the mark that identifies it, and the lock. All
/// three end with the transaction. Only one session can have the lock, and no script can release it.
pub(super) fn begin(settings: &[(&str, String)], lock: &Lock, table: &TableName) -> String {
    let settings: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("pg_catalog.set_config('{name}', {}, true)", literal(value)))
        .collect();
    let (lock, from) = match lock {
        Lock::Advisory(key) => (format!("1 {PER} pg_catalog.pg_try_advisory_xact_lock({key})::integer"), String::new()),
        Lock::Row(set) => (
            "1".to_owned(),
            format!(
                " FROM (SELECT FROM {table} l WHERE l.set_name {EQ} {} FOR UPDATE NOWAIT) l",
                literal(&lock_row(set))
            ),
        ),
    };
    format!(
        "SELECT {lock} AS locked, {}, pg_catalog.set_config('lockgate.transaction', pg_catalog.txid_current()::{TEXT}, \
         true) AS xid{from}",
        settings.join(", ")
    )
}

/// The lock that keeps other runs out while a transaction of ours is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// A transaction-level advisory lock.
    Advisory(i64),
    /// A row lock in the history table, for servers without advisory locks.
    Row(String),
}

/// The set name of the row that is only locked. No set can have this name.
fn lock_row(set: &str) -> String {
    format!("\u{1}lock {set}")
}

/// Creates the row that [`Lock::Row`] locks, if it is missing.
pub(super) fn make_lock_row(history_table: &HistoryTable, table: &TableName) -> String {
    format!(
        "INSERT INTO {table} (set_name, version, name, checksum, state, statements_done, applied_at, elapsed_ms, \
         applied_by, application, lockgate) VALUES ({}, 0, '', '', 'lock', 0, pg_catalog.clock_timestamp(), 0, \
         session_user, '', '{LOCKGATE}') ON CONFLICT DO NOTHING",
        literal(&lock_row(&history_table.set))
    )
}

/// Keeps other runs from creating the tables until the transaction ends. Fails with [`check::BUSY`] if another run is
/// creating them, perhaps in a transaction that lasts as long as its whole run.
pub(super) fn create_alone(table: &TableName, lock: &Lock) -> Option<String> {
    match lock {
        Lock::Advisory(_) => Some(attempt(&Lock::Advisory(key(&["tables", &table.name])), table)),
        Lock::Row(_) => None,
    }
}

/// Creates the history table and the log, and their schema if the user named one. [`create_alone`] makes concurrent
/// runs do this one after the other.
pub(super) fn create(table: &TableName, named: &TableName, lock: &Lock) -> Vec<String> {
    let mut statements = Vec::new();
    if let Lock::Advisory(_) = lock {
        statements.push(still_absent(named));
    }
    if let Some(schema) = &named.schema {
        // CREATE SCHEMA IF NOT EXISTS needs the privilege even if the schema exists.
        let body = format!(
            "BEGIN IF pg_catalog.to_regnamespace({}) IS NULL THEN CREATE SCHEMA {}; END IF; END",
            literal(&identifier(schema)),
            identifier(schema)
        );
        statements.push(format!("DO LANGUAGE plpgsql {}", literal(&body)));
    }
    statements.push(format!(
        "CREATE TABLE IF NOT EXISTS {table} (set_name {TEXT} NOT NULL, version bigint NOT NULL, name {TEXT} NOT NULL, \
         checksum {TEXT} NOT NULL, state {TEXT} NOT NULL, statements_done integer NOT NULL, finished_checksum {TEXT}, \
         applied_at timestamp with time zone NOT NULL, elapsed_ms bigint NOT NULL, applied_by {TEXT} NOT NULL, \
         application {TEXT} NOT NULL, lockgate {TEXT} NOT NULL, owner {TEXT}, under_way integer, \
         PRIMARY KEY (set_name, version))"
    ));
    statements.push(create_log(table));
    statements
}

/// Creates the log.
pub(super) fn create_log(table: &TableName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
         logged_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(), \
         logged_by {TEXT} NOT NULL DEFAULT session_user, set_name {TEXT} NOT NULL, version bigint NOT NULL, \
         name {TEXT} NOT NULL, event {TEXT} NOT NULL, application {TEXT} NOT NULL, lockgate {TEXT} NOT NULL, \
         detail {TEXT})",
        table.log()
    )
}

/// Advances the sequence of the log to its newest row. Neither logical replication nor a copy of the rows alone does.
pub(super) fn advance_log(table: &TableName) -> String {
    let log = table.log();
    format!("SELECT setval(pg_get_serial_sequence({}, 'id'), (SELECT max(id) FROM {log}))", literal(&log.to_string()))
}

/// Names the sequence of the log's key, as SQL writes it. No row if there is no such table, and no name if this role may
/// not compare the two.
pub(super) fn log_sequence(log: &TableName) -> String {
    let schema = literal(log.schema.as_deref().unwrap_or_default());
    format!(
        "SELECT CASE WHEN pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN \
         (SELECT pg_catalog.concat(pg_catalog.quote_ident(m.nspname), '.', pg_catalog.quote_ident(s.relname)) \
         FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid {EQ} d.objid AND s.relkind {EQ} 'S' \
         JOIN pg_catalog.pg_namespace m ON m.oid {EQ} s.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} d.refobjid AND a.attnum {EQ} d.refobjsubid \
         WHERE d.refobjid {EQ} c.oid AND a.attname {EQ} 'id' AND d.deptype {EQ} ANY ('{{a,i}}'::pg_catalog.\"char\"[]) \
         AND d.classid {EQ} 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid \
         AND pg_catalog.has_table_privilege(s.oid, 'SELECT') LIMIT 1) END AS sequence \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace \
         WHERE n.nspname {EQ} {schema} AND c.relname {EQ} {}",
        literal(&log.name)
    )
}

/// Whether the next value of this sequence is one that the log has, or had, before its newest row.
pub(super) fn log_is_behind(log: &TableName, sequence: &str) -> String {
    format!(
        "SELECT COALESCE((SELECT pg_catalog.max(l.id) FROM {log} l) {GREATER} (s.last_value {LESS} \
         CASE WHEN s.is_called THEN 0 ELSE 1 END), false) AS behind FROM {sequence} s"
    )
}

/// Adds the columns that a table of an older release lacks.
pub(super) fn extend(table: &TableName) -> String {
    format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS owner {TEXT}, ADD COLUMN IF NOT EXISTS under_way integer")
}

/// A transaction that writes only to the write-ahead log and waits for the disk. It makes all earlier commits durable.
pub(super) fn flush(synchronous_commit: &str) -> String {
    format!(
        "{}; SELECT pg_catalog.set_config('synchronous_commit', {}, true); \
         SELECT pg_catalog.pg_logical_emit_message(true, 'lockgate', ''); COMMIT",
        BEGIN,
        literal(synchronous_commit)
    )
}

/// The key of an advisory lock, computed from these parts.
pub(super) fn key(parts: &[&str]) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| ["\0", part]).flat_map(str::bytes).chain("lockgate".bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash.cast_signed()
}

/// How a row of the history changes. Each change also adds a row to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// Insert the row of a fully applied migration.
    Insert,
    /// Replace the row of a repeatable script that ran again.
    Replace,
    /// Update the row to the embedded name and checksum.
    Rewrite,
    /// Update the row to this number of finished statements, without an owner.
    Settle {
        /// The checksum of those statements.
        finished: Option<Checksum>,
    },
    /// Delete the row.
    Delete,
}

/// A statement that fails with [`check::OVERTAKEN`] unless this version is recorded, or is not, as expected.
pub(super) fn follows(history_table: &HistoryTable, table: &TableName, version: i64, recorded: bool) -> String {
    let (yes, no) = if recorded { (1, -1) } else { (-1, 1) };
    format!(
        "SELECT pg_catalog.sqrt((CASE WHEN EXISTS (SELECT FROM {table} h WHERE h.set_name {} AND h.version {EQ} \
         {version}::bigint) THEN {yes} ELSE {no} END)::double precision)",
        in_sets(history_table)
    )
}

/// A statement that fails like [`begin`] while another session has the lock.
pub(super) fn attempt(lock: &Lock, table: &TableName) -> String {
    match lock {
        Lock::Advisory(key) => format!("SELECT 1 {PER} pg_catalog.pg_try_advisory_xact_lock({key})::integer"),
        Lock::Row(set) => {
            format!("SELECT FROM {table} l WHERE l.set_name {EQ} {} FOR UPDATE NOWAIT", literal(&lock_row(set)))
        }
    }
}

/// The values of [`record`]: literals, or the parameters of a prepared statement.
pub(super) struct Fields {
    pub(super) version: String,
    pub(super) name: String,
    pub(super) checksum: String,
    pub(super) statements_done: String,
    pub(super) event: String,
    /// What another tool has recorded of it.
    pub(super) adopted: Option<Box<Adopted>>,
    /// What the log says of it besides the event: a literal.
    pub(super) detail: String,
    /// The previous version in the same message, or NULL. Its row says when this migration began, because all
    /// transactions of one message share the time of its arrival.
    pub(super) behind: String,
}

impl Fields {
    pub(super) fn of(entry: &HistoryEntry, statements_done: u32, event: LogEvent, behind: Option<i64>) -> Self {
        Self {
            version: format!("{}::bigint", entry.version),
            name: literal(&entry.name),
            checksum: literal(&entry.checksum.to_string()),
            statements_done: format!("{statements_done}::integer"),
            event: literal(event.as_str()),
            adopted: entry.adopted.clone(),
            detail: entry.detail().map_or_else(|| "NULL".to_owned(), literal),
            behind: behind.map_or_else(|| "NULL::bigint".to_owned(), |version| format!("{version}::bigint")),
        }
    }

    /// In the order of the parameters.
    fn list(&self) -> String {
        [&self.version, &self.name, &self.checksum, &self.statements_done, &self.event, &self.behind]
            .map(String::as_str)
            .join(", ")
    }

    fn parameters() -> Self {
        let numbered = |number: usize| format!("${number}");
        Self {
            version: numbered(1),
            name: numbered(2),
            checksum: numbered(3),
            statements_done: numbered(4),
            event: numbered(5),
            adopted: None,
            detail: "NULL".to_owned(),
            behind: numbered(6),
        }
    }
}

/// Records a job in one statement: the row, a row of the log, and three checks. It fails if this is not the transaction
/// that [`begin`] marked ([`check::ENDED`]), if the expected last step is not recorded ([`check::OVERTAKEN`]), and if
/// not exactly one row was written with the right values ([`check::UNWRITTEN`]), because of another run or a trigger.
pub(super) fn record(
    history_table: &HistoryTable,
    table: &TableName,
    lock: &Lock,
    write: Write,
    set: &str,
    fields: &Fields,
) -> String {
    let set = literal(set);
    let Fields { version, name, checksum, statements_done, event, behind, adopted, detail } = fields;
    let adopted = adopted.as_deref();
    let applied_at = adopted.and_then(|adopted| adopted.applied_at.as_deref()).map_or_else(
        || "pg_catalog.clock_timestamp()".to_owned(),
        |time| format!("{}::timestamp with time zone", literal(time)),
    );
    let applied_by =
        adopted.and_then(|adopted| adopted.applied_by.as_deref()).map_or_else(|| "session_user".to_owned(), literal);
    let application = literal(history_table.application);
    let this = format!("h.set_name {EQ} {set} AND h.version {EQ} {version}");
    let elapsed_ms = match adopted {
        Some(adopted) => adopted.elapsed.unwrap_or_default().as_millis().to_string(),
        None => format!(
            "(EXTRACT(epoch FROM pg_catalog.clock_timestamp() {LESS} COALESCE((SELECT b.applied_at FROM behind b), \
             pg_catalog.transaction_timestamp())) {TIMES} 1000)::bigint"
        ),
    };
    let written = match write {
        Write::Insert => format!(
            "INSERT INTO {table} AS h (set_name, version, name, checksum, state, statements_done, applied_at, elapsed_ms, \
             applied_by, application, lockgate) SELECT {set}, {version}, {name}, {checksum}, 'applied', \
             {statements_done}, {applied_at}, {elapsed_ms}, {applied_by}, {application}, '{LOCKGATE}'"
        ),
        Write::Replace => format!(
            "UPDATE {table} AS h SET checksum = {checksum}, state = 'applied', statements_done = {statements_done}, \
             finished_checksum = NULL, applied_at = {applied_at}, elapsed_ms = {elapsed_ms}, applied_by = {applied_by}, \
             application = {application}, lockgate = '{LOCKGATE}' WHERE {this}"
        ),
        Write::Rewrite => format!(
            "UPDATE {table} AS h SET name = {name}, checksum = {checksum}, state = 'applied', finished_checksum = NULL, \
             owner = NULL, under_way = NULL WHERE {this}"
        ),
        Write::Settle { finished } => {
            let finished = finished.map_or_else(|| "NULL".to_owned(), |checksum| literal(&checksum.to_string()));
            format!(
                "UPDATE {table} AS h SET statements_done = {statements_done}, finished_checksum = {finished}, \
                 owner = NULL, under_way = NULL WHERE {this}"
            )
        }
        Write::Delete => format!("DELETE FROM {table} AS h WHERE {this}"),
    };
    let says = match write {
        Write::Insert | Write::Replace | Write::Rewrite => {
            format!(" AND w.checksum {EQ} {checksum} AND w.state {EQ} 'applied'")
        }
        Write::Settle { .. } | Write::Delete => String::new(),
    };
    // The log row is counted together with the history row, so that neither can be missing.
    format!(
        "WITH behind AS (SELECT b.applied_at FROM {table} b WHERE b.set_name {} AND b.version {EQ} {behind}), \
         written AS ({written} RETURNING h.set_name, h.version, h.checksum, h.state), \
         logged AS (INSERT INTO {} (set_name, version, name, event, application, lockgate, detail) \
         SELECT {set}, w.version, {name}, {event}, {application}, '{LOCKGATE}', {detail} FROM written w) \
         SELECT pg_catalog.ln((COALESCE(pg_catalog.current_setting('lockgate.transaction', true), '') {EQ} \
         pg_catalog.txid_current()::{TEXT}{})::integer::double precision), \
         pg_catalog.sqrt((CASE WHEN {behind} IS NULL OR EXISTS (SELECT FROM behind) THEN 1 ELSE -1 END)\
         ::double precision), \
         1 {PER} (SELECT pg_catalog.count(*) FROM written w WHERE w.set_name {EQ} {set} AND w.version {EQ} {version}{says})\
         ::integer",
        in_sets(history_table),
        table.log(),
        held(lock, "lockgate.transaction"),
    )
}

/// Marks the transaction of a unit, and takes this lock, which ends with it.
pub(super) fn mark_unit(lock: Option<i64>) -> String {
    let lock = lock.map(|key| format!(", pg_catalog.pg_try_advisory_xact_lock({key})"));
    format!("SELECT pg_catalog.set_config('lockgate.unit', 'open', true){}", lock.unwrap_or_default())
}

/// A statement that fails with [`check::UNWRITTEN`] if the transaction that [`mark_unit`] marked has ended.
pub(super) fn still_in_unit(lock: Option<i64>) -> String {
    let held = lock.map(|key| held(&Lock::Advisory(key), "lockgate.unit"));
    format!(
        "SELECT 1 {PER} (COALESCE(pg_catalog.current_setting('lockgate.unit', true), '') {EQ} 'open'{})::integer",
        held.unwrap_or_default()
    )
}

/// A second proof that the transaction is the one that was begun, because `RESET ALL` removes its mark but not its
/// lock. It reads all locks of the server, so it is used only then.
fn held(lock: &Lock, mark: &str) -> String {
    let Lock::Advisory(key) = lock else { return String::new() };
    format!(
        " OR (COALESCE(pg_catalog.current_setting('{mark}', true), '') {EQ} '' \
         AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid {EQ} pg_catalog.pg_backend_pid() \
         AND l.locktype {EQ} 'advisory' AND l.objsubid {EQ} 1 AND l.classid::bigint {EQ} {}::bigint \
         AND l.objid::bigint {EQ} {}::bigint))",
        (key >> 32) & 0xffff_ffff,
        key & 0xffff_ffff,
    )
}

/// Prepares [`record`], to execute it many times in one message.
pub(super) fn prepare(
    name: &str,
    history_table: &HistoryTable,
    table: &TableName,
    lock: &Lock,
    write: Write,
    set: &str,
) -> String {
    format!(
        "PREPARE {name} (bigint, {TEXT}, {TEXT}, integer, {TEXT}, bigint) AS {}",
        record(history_table, table, lock, write, set, &Fields::parameters())
    )
}

/// Executes the prepared statement.
pub(super) fn execute(name: &str, fields: &Fields) -> String {
    format!("EXECUTE {name}({})", fields.list())
}

/// The status of a finished transaction: `committed`, `aborted`, or NULL if it is unknown.
pub(super) fn transaction_status(transaction: i64) -> String {
    format!("SELECT pg_catalog.txid_status({transaction}::bigint) AS transaction_status")
}

/// Records a migration. `behind` is the previous version in the same message: its row says when this one began, because
/// all transactions of one message share the time of its arrival.
pub(super) fn insert(
    history_table: &HistoryTable,
    table: &TableName,
    entry: &HistoryEntry,
    state: State,
    done: u32,
    behind: Option<i64>,
) -> String {
    let set = literal(&history_table.set);
    let began = match behind {
        Some(version) => format!(
            "COALESCE((SELECT h.applied_at FROM {table} h WHERE h.set_name {EQ} {set} AND h.version {EQ} {version}::bigint), \
             pg_catalog.transaction_timestamp())"
        ),
        None => "pg_catalog.transaction_timestamp()".to_owned(),
    };
    format!(
        "INSERT INTO {table} (set_name, version, name, checksum, state, statements_done, applied_at, elapsed_ms, \
         applied_by, application, lockgate) VALUES ({set}, {}, {}, '{}', '{}', {done}, pg_catalog.clock_timestamp(), \
         (EXTRACT(epoch FROM pg_catalog.clock_timestamp() {LESS} {began}) {TIMES} 1000)::bigint, session_user, {}, \
         '{LOCKGATE}')",
        entry.version,
        literal(&entry.name),
        entry.checksum,
        state.as_str(),
        literal(history_table.application),
    )
}

/// Adds a row to the log.
pub(super) fn log(
    history_table: &HistoryTable,
    table: &TableName,
    entry: &HistoryEntry,
    event: LogEvent,
    detail: Option<&str>,
) -> String {
    format!(
        "INSERT INTO {} (set_name, version, name, event, application, lockgate, detail) \
         VALUES ({}, {}, {}, '{}', {}, '{LOCKGATE}', {})",
        table.log(),
        literal(&history_table.set_of(entry)),
        entry.version,
        literal(&entry.name),
        event.as_str(),
        literal(history_table.application),
        detail.map_or_else(|| "NULL".to_owned(), literal),
    )
}

/// Describes the session, or the prepared transaction, that holds the lock with this key.
pub(super) fn holder(key: i64) -> String {
    format!(
        "SELECT CASE WHEN l.pid IS NULL THEN {} ELSE \
         pg_catalog.concat('pid ', l.pid, ', application `', a.application_name, '`, role ', \
         COALESCE(a.usename::{TEXT}, 'unknown'), ', connected since ', COALESCE({}, 'unknown')) END AS holder \
         FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid {EQ} l.pid \
         LEFT JOIN pg_catalog.pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype {EQ} 'transactionid' \
         AND x.virtualtransaction {EQ} l.virtualtransaction \
         LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction::{TEXT} {EQ} x.transactionid::{TEXT} \
         WHERE l.locktype {EQ} 'advisory' AND l.granted AND l.objsubid {EQ} 1::smallint AND l.database {EQ} \
         (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname {EQ} pg_catalog.current_database()) \
         AND l.classid::bigint {EQ} {}::bigint AND l.objid::bigint {EQ} {}::bigint LIMIT 1",
        prepared(),
        moment("a.backend_start"),
        key.cast_unsigned() >> 32,
        key.cast_unsigned() & 0xffff_ffff,
    )
}

/// Describes the prepared transaction `p`, which no session has and which keeps its locks until somebody ends it.
fn prepared() -> String {
    format!(
        "pg_catalog.concat('the prepared transaction ', pg_catalog.quote_literal(COALESCE(p.gid, 'unknown')), ', role ', \
         COALESCE(p.owner::{TEXT}, 'unknown'), ', prepared at ', COALESCE({}, 'an unknown time'), \
         ': end it with COMMIT PREPARED or ROLLBACK PREPARED')",
        moment("p.prepared")
    )
}

/// A time for messages, to the second.
fn moment(time: &str) -> String {
    format!("pg_catalog.to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
}

/// A condition: another session is running a CONCURRENTLY statement on the table of the index `i`.
pub(super) fn building(i: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid {EQ} l.pid \
         WHERE l.locktype {EQ} 'relation' AND l.relation {EQ} {i}.indrelid AND l.mode {EQ} 'ShareUpdateExclusiveLock' \
         AND l.pid {NE} pg_catalog.pg_backend_pid() AND a.query OPERATOR(pg_catalog.~*) 'concurrently')"
    )
}

/// Selects the invalid indexes, each with whether it meets this condition on `i`, `c` and `n`. Left out are those that
/// another session is building, and those of partitioned tables, which are invalid until each partition has one.
pub(super) fn invalid(meant: &str) -> String {
    format!(
        "SELECT i.indexrelid::bigint AS oid, COALESCE({meant}, false) AS meant, c.relname::{TEXT} AS name, \
         pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(c.relname)) AS shown \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid {EQ} i.indexrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace WHERE NOT i.indisvalid AND c.relkind {EQ} 'i' \
         AND NOT {} ORDER BY i.indexrelid",
        building("i")
    )
}

/// What `pg_stat_activity` says of a session of another role to one without `pg_read_all_stats`. The locks of the session
/// can be seen all the same.
pub(super) const HIDDEN: &str = "'<insufficient privilege>'";

/// Describes the prepared transactions, and the other sessions that are inside a transaction, the oldest first.
pub(super) fn blockers() -> String {
    format!(
        "SELECT b.blocker FROM (SELECT pg_catalog.concat('pid ', a.pid, ', application `', a.application_name, '`, role ', \
         COALESCE(a.usename::{TEXT}, 'unknown'), COALESCE(', in a transaction since ' OPERATOR(pg_catalog.||) {}, \
         ', which holds locks: pg_read_all_stats would show since when')) AS blocker, a.xact_start AS since \
         FROM pg_catalog.pg_stat_activity a WHERE a.datname {EQ} pg_catalog.current_database() \
         AND a.pid {NE} pg_catalog.pg_backend_pid() AND (a.xact_start IS NOT NULL OR a.query {EQ} {HIDDEN}) \
         AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid {EQ} a.pid AND l.granted AND l.locktype {EQ} 'relation') \
         UNION ALL SELECT {}, p.prepared FROM pg_catalog.pg_prepared_xacts p \
         WHERE p.database {EQ} pg_catalog.current_database()) b ORDER BY b.since LIMIT 5",
        moment("a.xact_start"),
        prepared(),
    )
}
