//! Dumps and loads PostgreSQL's rows with `COPY`, in a file that psql can read too. During a load, nothing may change
//! or refuse rows: the same transaction defers foreign keys to its end, and disables the triggers of tables.

mod catalogue;

use std::io::Write;

use futures_util::TryStreamExt;
use lockgate::Dialect;
use sqlx::{AssertSqlSafe, PgConnection};

use super::file::{self, Head, Lines, Rows};
use super::{DumpOptions, Kept, LoadOptions, Tables};
use crate::error::Error;
use crate::names::{self, TableName};
use catalogue::{Guards, Table};

/// The settings that give each value the same text on every server. They apply to one transaction, and are also in the
/// file.
const SETTINGS: &[&str] = &[
    "SET LOCAL client_encoding = 'UTF8';",
    "SET LOCAL standard_conforming_strings = on;",
    "SET LOCAL DateStyle = 'ISO, YMD';",
    "SET LOCAL IntervalStyle = 'postgres';",
    "SET LOCAL extra_float_digits = 3;",
    "SET LOCAL bytea_output = 'hex';",
    "SET LOCAL statement_timeout = 0;",
    "SET LOCAL row_security = off;",
];

/// For psql, which runs the file.
const ADVICE: &str = "-- psql reads this file too: psql --single-transaction -v ON_ERROR_STOP=1 -f FILE\n";

pub(super) async fn dump(
    connection: &mut PgConnection,
    options: &DumpOptions,
    head: &Head,
    file: &mut dyn Write,
) -> Result<Tables, Error> {
    execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(unread)?;
    let dumped = dump_in_snapshot(connection, options, head, file).await;
    // A connection that failed in the middle of a COPY is not used again.
    let ended = execute(connection, "COMMIT").await;
    let dumped = dumped?;
    ended.map_err(unread)?;
    Ok(dumped)
}

async fn dump_in_snapshot(
    connection: &mut PgConnection,
    options: &DumpOptions,
    head: &Head,
    file: &mut dyn Write,
) -> Result<Tables, Error> {
    for setting in SETTINGS.iter().map(|setting| (*setting).to_owned()).chain(options.limits.settings()) {
        execute(connection, &setting).await.map_err(unread)?;
    }
    let (tables, bookkeeping) = catalogue::tables(connection, &options.bookkeeping).await.map_err(unread)?;
    let names: Vec<TableName> = tables.iter().map(|table| table.name.clone()).collect();
    let chosen = options.choice.of(&names)?;
    let is_whole = chosen.len() == tables.len() && options.choice.conditions.is_empty();
    if is_whole {
        let count = catalogue::large_objects(connection).await.map_err(unread)?;
        if count > 0 {
            return Err(Error::refused(format!("the database has {count} large objects, which a dump cannot contain"))
                .help("use `pg_dump` or `backup create`, which keep them; to dump only tables, name them: `--only`"));
        }
    }
    let of = |name: &TableName| tables.iter().find(|table| table.name == *name).expect("it was chosen among them");
    let guards = Guards::read(connection).await.map_err(unread)?;

    Head { tables: chosen.iter().map(|(name, _)| (*name).clone()).collect(), ..head.clone() }.write(file)?;
    file::write(file, ADVICE.as_bytes())?;
    for line in SETTINGS.iter().map(|line| (*line).to_owned()).chain(guards.off.iter().cloned()) {
        file::write(file, format!("{line}\n").as_bytes())?;
    }
    let mut dumped = Tables::default();
    for (name, condition) in &chosen {
        let rows = copy_out(connection, of(name), *condition, file).await?;
        dumped.rows.push((name.to_string(), rows));
    }
    let owners: Option<Vec<i64>> = (!is_whole).then(|| chosen.iter().map(|(name, _)| of(name).oid).collect());
    let bookkeeping: Vec<i64> = bookkeeping.iter().map(|table| table.oid).collect();
    for sequence in catalogue::sequences(connection, owners.as_deref(), &bookkeeping).await.map_err(unread)? {
        file::write(file, format!("{sequence}\n").as_bytes())?;
    }
    for line in &guards.on {
        file::write(file, format!("{line}\n").as_bytes())?;
    }
    if is_whole {
        for view in catalogue::materialized_views(connection).await.map_err(unread)? {
            file::write(file, format!("REFRESH MATERIALIZED VIEW {};\n", view.quoted()).as_bytes())?;
        }
    }
    file::end(file)?;
    Ok(dumped)
}

/// Writes the rows of a table, and returns their number.
async fn copy_out(
    connection: &mut PgConnection,
    table: &Table,
    condition: Option<&str>,
    file: &mut dyn Write,
) -> Result<u64, Error> {
    let (name, columns) = (table.name.quoted(), names::columns(&table.columns));
    if table.columns.is_empty() {
        let count: i64 = catalogue::count(connection, &table.name).await.map_err(unread)?;
        return match count {
            0 => Ok(0),
            _ => Err(Error::refused(format!("`{}` has rows, but no column that can be dumped", table.name))
                .help("omit the table: `--exclude`")),
        };
    }
    let list: Vec<String> = table.columns.iter().map(|column| names::identifier(column)).collect();
    // The rows of a partitioned table are in its partitions; those of a table that others inherit from are its own.
    let from = if table.is_partitioned { name.clone() } else { format!("ONLY {name}") };
    let condition = condition.map(|sql| format!(" WHERE ({sql})")).unwrap_or_default();
    let statement = format!("COPY (SELECT {} FROM {from}{condition}) TO STDOUT", list.join(", "));
    file::write(file, format!("COPY {name} {columns} FROM stdin;\n").as_bytes())?;
    let failed = |error: &sqlx::Error| Error::of_driver(format!("`{}` cannot be read", table.name), error);
    let mut stream = connection.copy_out_raw(&statement).await.map_err(|error| failed(&error))?;
    let mut rows = 0;
    while let Some(bytes) = stream.try_next().await.map_err(|error| failed(&error))? {
        rows += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        file::write(file, &bytes)?;
    }
    file::write(file, b"\\.\n")?;
    Ok(rows)
}

pub(super) async fn load(
    connection: &mut PgConnection,
    options: &LoadOptions,
    replaced: &[TableName],
    kept: Option<Kept<'_>>,
    lines: &mut Lines<'_>,
) -> Result<Tables, Error> {
    execute(connection, "BEGIN").await.map_err(unloaded)?;
    match load_in_transaction(connection, options, replaced, kept, lines).await {
        Ok(loaded) => {
            execute(connection, "COMMIT").await.map_err(|error| super::uncommitted(&error))?;
            Ok(loaded)
        }
        Err(error) => {
            // If it fails, the connection is lost, and the server rolls back.
            let _ = execute(connection, "ROLLBACK").await;
            Err(error)
        }
    }
}

async fn load_in_transaction(
    connection: &mut PgConnection,
    options: &LoadOptions,
    replaced: &[TableName],
    kept: Option<Kept<'_>>,
    lines: &mut Lines<'_>,
) -> Result<Tables, Error> {
    if let Some(kept) = kept {
        for setting in options.limits.settings() {
            execute(connection, &setting).await.map_err(unloaded)?;
        }
        keep(connection, kept).await.map_err(|error| error.state("nothing was changed"))?;
    }
    for setting in SETTINGS.iter().map(|setting| (*setting).to_owned()).chain(options.limits.settings()) {
        execute(connection, &setting).await.map_err(unloaded)?;
    }
    let guards = Guards::read(connection).await.map_err(unloaded)?;
    for line in &guards.off {
        execute(connection, line).await.map_err(unguarded)?;
    }
    empty(connection, replaced).await?;
    let mut loaded = Tables::default();
    let mut sequences: Vec<(TableName, String)> = Vec::new();
    let mut views: Vec<TableName> = Vec::new();
    loop {
        let line = lines.text()?.ok_or_else(|| lines.cut_off())?;
        if lines.is_end(&line)? {
            break;
        }
        match Line::parse(&line) {
            Some(Line::Rows(table, columns)) => {
                super::check_bookkeeping(&table, options)?;
                check_empty(connection, &table).await?;
                let rows = copy_in(connection, &table, &columns, lines).await?;
                loaded.rows.push((table.to_string(), rows));
            }
            Some(Line::Sequence(name, statement)) => sequences.push((name, statement)),
            Some(Line::View(view)) => views.push(view),
            // The database's own foreign keys and triggers are used, not those in the file.
            Some(Line::ForPsql) => {}
            None => return Err(lines.wrong("is not one that `dump` writes")),
        }
    }
    for (name, statement) in &sequences {
        // This replaces the sequence's storage within this transaction: otherwise its value would survive a rollback.
        let restart = format!("ALTER SEQUENCE {} RESTART", name.quoted());
        execute(connection, &restart).await.map_err(unguarded)?;
        execute(connection, statement).await.map_err(unloaded)?;
    }
    if let Some(script) = &options.script {
        run_script(connection, script).await?;
    }
    for line in &guards.on {
        execute(connection, line).await.map_err(unloaded)?;
    }
    for view in views {
        let statement = format!("REFRESH MATERIALIZED VIEW {}", view.quoted());
        execute(connection, &statement).await.map_err(unloaded)?;
    }
    Ok(loaded)
}

/// The tables of these names that do not belong to the application.
pub(super) async fn own_tables(connection: &mut PgConnection, own: &[String]) -> Result<Vec<TableName>, Error> {
    let (_, own) = catalogue::tables(connection, own).await.map_err(unread)?;
    Ok(own.into_iter().map(|table| table.name).collect())
}

/// Writes the rows of all tables to a file, after it has locked these tables.
async fn keep(connection: &mut PgConnection, kept: Kept<'_>) -> Result<(), Error> {
    let (tables, _) = catalogue::tables(connection, &kept.options.bookkeeping).await.map_err(unread)?;
    let names: Vec<String> = tables.iter().map(|table| table.name.quoted()).collect();
    if !names.is_empty() {
        // TRUNCATE needs this lock later. A weaker one now could end in a deadlock with a program that reads and writes.
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
        execute(connection, &lock).await.map_err(unread)?;
    }
    let mut writer = kept.writer();
    dump_in_snapshot(connection, kept.options, &kept.options.head(Dialect::Postgres), &mut writer).await?;
    drop(writer);
    kept.file.finish()
}

/// Inserts a row that violates a deferred foreign key. While the row exists, nobody can commit.
const OPEN: &[&str] = &[
    "CREATE TEMPORARY TABLE lockgate_no_row (id INTEGER PRIMARY KEY) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE lockgate_transaction (id INTEGER CONSTRAINT lockgate_transaction_is_open \
     REFERENCES lockgate_no_row DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP",
    "INSERT INTO pg_temp.lockgate_transaction VALUES (1)",
];

/// Runs a script that must not end the transaction: otherwise the original rows would become visible.
async fn run_script(connection: &mut PgConnection, script: &str) -> Result<(), Error> {
    for statement in OPEN {
        execute(connection, statement).await.map_err(unloaded)?;
    }
    if let Err(error) = execute(connection, script).await {
        let is_guard =
            |error: &dyn sqlx::error::DatabaseError| error.constraint() == Some("lockgate_transaction_is_open");
        return Err(match error.as_database_error() {
            // A transaction that could not be committed is over; one in which another statement failed is not.
            Some(of_server) if is_guard(of_server) => match execute(connection, "SELECT 1").await {
                Ok(()) => super::script_ends_transaction(),
                Err(_) => script_checks_constraints(),
            },
            _ => super::script_fails(&error),
        });
    }
    // After a ROLLBACK, this table does not exist.
    let open = execute(connection, "DELETE FROM pg_temp.lockgate_transaction").await;
    open.map_err(|_| super::script_ends_transaction())
}

fn script_checks_constraints() -> Error {
    Error::refused("the script says `SET CONSTRAINTS ALL IMMEDIATE`, which the load itself says after it")
        .state("nothing was changed: rows and script are one transaction")
        .help("delete the statement from the script")
}

/// A line of the file.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// Rows of a table follow, with these columns.
    Rows(TableName, Vec<String>),
    /// A sequence, and the statement that sets it, generated again.
    Sequence(TableName, String),
    /// A materialized view to refresh.
    View(TableName),
    /// A comment, or a line that only psql needs.
    ForPsql,
}

impl Line {
    /// Parses a line. No line of the file is executed as it is: statements are generated again from the names.
    fn parse(line: &str) -> Option<Self> {
        if let Some(rest) = line.strip_prefix("COPY ") {
            let (table, rest) = TableName::parse(rest)?;
            let (columns, rest) = names::parse_columns(rest.strip_prefix(' ')?)?;
            return (rest == " FROM stdin;").then_some(Self::Rows(table, columns));
        }
        if let Some(rest) = line.strip_prefix("SELECT pg_catalog.setval(") {
            let (name, rest) = names::parse_literal(rest)?;
            let (sequence, end) = TableName::parse(&name)?;
            let (value, called) = rest.strip_prefix(", ")?.strip_suffix(");")?.split_once(", ")?;
            let (value, called): (i64, bool) = (value.parse().ok()?, called.parse().ok()?);
            let statement = catalogue::set_sequence(&sequence, value, called);
            return end.is_empty().then_some(Self::Sequence(sequence, statement));
        }
        if let Some(rest) = line.strip_prefix("REFRESH MATERIALIZED VIEW ") {
            let (view, rest) = TableName::parse(rest)?;
            return (rest == ";").then_some(Self::View(view));
        }
        let is_for_psql = line.is_empty()
            || line.starts_with("-- ")
            || SETTINGS.contains(&line)
            || line == catalogue::CHECK
            || line.starts_with("ALTER TABLE ");
        is_for_psql.then_some(Self::ForPsql)
    }
}

/// Deletes the rows of these tables, all at once, because they can refer to one another.
async fn empty(connection: &mut PgConnection, tables: &[TableName]) -> Result<(), Error> {
    if !tables.is_empty() {
        // TRUNCATE refuses a table that others refer to, even if they have no rows.
        let referrers = catalogue::referrers(connection, tables).await.map_err(unloaded)?;
        if !referrers.is_empty() {
            return Err(super::referred_to(tables, &referrers));
        }
    }
    let mut names = Vec::with_capacity(tables.len());
    for table in tables {
        let only = if catalogue::is_partitioned(connection, table).await.map_err(unloaded)? { "" } else { "ONLY " };
        names.push(format!("{only}{}", table.quoted()));
    }
    match names.is_empty() {
        true => Ok(()),
        false => execute(connection, &format!("TRUNCATE {}", names.join(", "))).await.map_err(unloaded),
    }
}

/// Refuses a table with rows. Rows of tables that inherit from it do not count.
async fn check_empty(connection: &mut PgConnection, table: &TableName) -> Result<(), Error> {
    let only = if catalogue::is_partitioned(connection, table).await.map_err(unloaded)? { "" } else { "ONLY " };
    let question = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {only}{})", table.quoted()));
    let has_rows: bool = sqlx::query_scalar(question).fetch_one(connection).await.map_err(unloaded)?;
    if has_rows { Err(super::has_rows(table)) } else { Ok(()) }
}

async fn copy_in(
    connection: &mut PgConnection,
    table: &TableName,
    columns: &[String],
    lines: &mut Lines<'_>,
) -> Result<u64, Error> {
    let failed = |error: sqlx::Error| {
        let is_encoding = error.as_database_error().and_then(|error| error.code()).as_deref() == Some("22021");
        match is_encoding {
            true => Error::refused(format!("a row of `{table}` is not UTF-8")).help(file::NOT_UTF8),
            false => Error::of_driver(format!("a row of `{table}` is refused"), &error),
        }
        .state("nothing was changed")
    };
    let statement = format!("COPY {} {} FROM STDIN", table.quoted(), names::columns(columns));
    let mut copy = connection.copy_in_raw(&statement).await.map_err(failed)?;
    let mut rows = Rows::default();
    loop {
        match lines.rows(&mut rows) {
            Ok(Some(())) => drop(copy.send(rows.piece.as_slice()).await.map_err(failed)?),
            Ok(None) => break,
            Err(error) => {
                // The server answers that the COPY was aborted, which we know.
                let _ = copy.abort("the dump cannot be read").await;
                return Err(error);
            }
        }
    }
    copy.finish().await.map_err(failed)?;
    Ok(rows.count)
}

async fn execute(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.map(drop)
}

fn unread(error: sqlx::Error) -> Error {
    Error::of_driver("the database cannot be read", &error)
}

fn unloaded(error: sqlx::Error) -> Error {
    let detail = match &error {
        sqlx::Error::Database(error) => error
            .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
            .and_then(|error| error.detail())
            .map(str::to_owned),
        _ => None,
    };
    let is_foreign_key = error.as_database_error().and_then(|error| error.code()).as_deref() == Some("23503");
    let error = Error::of_driver("the dump cannot be loaded", &error);
    let error = if is_foreign_key { error.help(super::TOGETHER) } else { error };
    detail.into_iter().fold(error, Error::state).state("nothing was changed")
}

fn unguarded(error: sqlx::Error) -> Error {
    let error = Error::of_driver("foreign keys cannot be deferred, or triggers cannot be disabled", &error)
        .state("nothing was changed");
    match error.kind() {
        lockgate::ErrorKind::Denied => {
            error.help("load as the role that owns the tables, usually the one that applies the migrations")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_dump_is_run_as_it_is() {
        let users = TableName { schema: Some("public".to_owned()), name: "users".to_owned() };
        let parsed = Line::parse("COPY \"public\".\"users\" (\"id\") FROM stdin;");
        assert_eq!(parsed, Some(Line::Rows(users, vec!["id".to_owned()])));
        let parsed = Line::parse("SELECT pg_catalog.setval('\"public\".\"s\"', 7, true);");
        let sequence = TableName { schema: Some("public".to_owned()), name: "s".to_owned() };
        let statement = "SELECT pg_catalog.setval('\"public\".\"s\"', 7, true);".to_owned();
        assert_eq!(parsed, Some(Line::Sequence(sequence, statement)));
        for line in [
            "COPY \"users\" (\"id\") FROM '/etc/passwd';",
            "COPY \"users\" FROM PROGRAM 'sh';",
            "SELECT pg_catalog.setval('\"s\"', 7, true); DROP TABLE users;",
            "SELECT pg_catalog.setval(pg_sleep(1), 7, true);",
            "REFRESH MATERIALIZED VIEW v;",
            "DROP TABLE users;",
            "SET ROLE postgres;",
        ] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
    }
}
