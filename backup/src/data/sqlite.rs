//! Dumps and loads SQLite's rows, one INSERT per row. A load parses the statements and binds their values, so that no
//! value is rounded. Foreign keys are checked at the end, and triggers are dropped during the load.

use std::fmt::Write as _;
use std::io::Write;

use futures_util::TryStreamExt;
use lockgate::Dialect;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection, TypeInfo, ValueRef};

use super::file::{self, Head, Lines};
use super::{DumpOptions, Kept, Limits, LoadOptions, Tables};
use crate::error::Error;
use crate::names::{self, TableName};

/// The table with the largest keys of tables with AUTOINCREMENT.
const SEQUENCES: &str = "sqlite_sequence";

/// The lines for the shell `sqlite3`.
const BEGIN: [&str; 2] = ["PRAGMA foreign_keys = OFF;", "BEGIN;"];
const COMMIT: &str = "COMMIT;";

#[derive(Debug)]
struct Table {
    name: TableName,
    columns: Vec<String>,
}

pub(super) async fn dump(
    connection: &mut SqliteConnection,
    options: &DumpOptions,
    head: &Head,
    file: &mut dyn Write,
) -> Result<Tables, Error> {
    let was_read_only: bool =
        sqlx::query_scalar("PRAGMA query_only").fetch_one(&mut *connection).await.map_err(unread)?;
    let patience = patient(connection, options.limits).await.map_err(unread)?;
    execute(connection, "PRAGMA query_only = ON; BEGIN").await.map_err(unread)?;
    let dumped = dump_in_snapshot(connection, options, head, file).await;
    let ended = execute(connection, "COMMIT").await;
    if let Some(before) = patience {
        wait_for(connection, before).await.map_err(unread)?;
    }
    if !was_read_only {
        execute(connection, "PRAGMA query_only = OFF").await.map_err(unread)?;
    }
    let dumped = dumped?;
    ended.map_err(unread)?;
    Ok(dumped)
}

/// Waits for locks as long as the limits say. Returns how long the connection has waited before, if that is another time.
async fn patient(connection: &mut SqliteConnection, limits: Limits) -> Result<Option<i32>, sqlx::Error> {
    let Some(limit) = limits.lock_timeout else { return Ok(None) };
    let before = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *connection).await?;
    wait_for(connection, limit.milliseconds(i32::MAX)).await?;
    Ok(Some(before))
}

async fn wait_for(connection: &mut SqliteConnection, milliseconds: i32) -> Result<(), sqlx::Error> {
    execute(connection, &format!("PRAGMA busy_timeout = {milliseconds}")).await
}

async fn dump_in_snapshot(
    connection: &mut SqliteConnection,
    options: &DumpOptions,
    head: &Head,
    file: &mut dyn Write,
) -> Result<Tables, Error> {
    let encoding: String = sqlx::query_scalar("PRAGMA encoding").fetch_one(&mut *connection).await.map_err(unread)?;
    if encoding != "UTF-8" {
        return Err(Error::refused(format!("the encoding of the database is {encoding}, and a dump is UTF-8"))
            .help("convert the database to UTF-8: `sqlite3 old.db .dump | sqlite3 new.db`"));
    }
    let (names, virtual_tables) = tables(connection, &options.bookkeeping).await?;
    let chosen = options.choice.of(&names)?;
    if let Some((name, _)) = chosen.iter().find(|(name, _)| virtual_tables.contains(name)) {
        return Err(Error::refused(format!("`{name}` is a virtual table, which a dump cannot contain")).help(format!(
            "omit it: `--exclude {}`; or copy the whole database with `backup create`",
            lockgate::shell_word(&name.name)
        )));
    }
    Head { tables: chosen.iter().map(|(name, _)| (*name).clone()).collect(), ..head.clone() }.write(file)?;
    for line in BEGIN {
        file::write(file, format!("{line}\n").as_bytes())?;
    }
    let mut dumped = Tables::default();
    for (name, condition) in &chosen {
        let table = table(connection, name).await?;
        dumped.rows.push((name.to_string(), write_rows(connection, &table, *condition, file).await?));
    }
    write_sequences(connection, &chosen.iter().map(|(name, _)| name.name.as_str()).collect::<Vec<_>>(), file).await?;
    file::write(file, format!("{COMMIT}\n").as_bytes())?;
    file::end(file)?;
    Ok(dumped)
}

/// Returns the tables, without those in which a virtual table keeps its data, and the virtual ones among them. Their data
/// cannot be dumped as rows.
async fn tables(
    connection: &mut SqliteConnection,
    bookkeeping: &[String],
) -> Result<(Vec<TableName>, Vec<TableName>), Error> {
    let question = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                    AND type IN ('table', 'virtual') ORDER BY name";
    let rows = sqlx::query(question).fetch_all(connection).await.map_err(unread)?;
    let (mut names, mut virtual_tables) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let (name, kind): (String, String) = (row.try_get(0).map_err(unread)?, row.try_get(1).map_err(unread)?);
        if bookkeeping.contains(&name) {
            continue;
        }
        let name = TableName { schema: None, name };
        if kind == "virtual" {
            virtual_tables.push(name.clone());
        }
        names.push(name);
    }
    Ok((names, virtual_tables))
}

async fn table(connection: &mut SqliteConnection, name: &TableName) -> Result<Table, Error> {
    // Generated columns are listed as hidden.
    let question = "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid";
    let columns = sqlx::query_scalar(question).bind(&name.name).fetch_all(connection).await.map_err(unread)?;
    Ok(Table { name: name.clone(), columns })
}

async fn write_rows(
    connection: &mut SqliteConnection,
    table: &Table,
    condition: Option<&str>,
    file: &mut dyn Write,
) -> Result<u64, Error> {
    let list: Vec<String> = table.columns.iter().map(|column| names::identifier(column)).collect();
    let condition = condition.map(|sql| format!(" WHERE ({sql})")).unwrap_or_default();
    let question = format!("SELECT {} FROM {}{condition}", list.join(", "), table.name.quoted());
    let start = format!("INSERT INTO {} {} VALUES (", table.name.quoted(), names::columns(&table.columns));
    let failed = |error: sqlx::Error| Error::of_driver(format!("`{}` cannot be read", table.name), &error);
    let mut stream = sqlx::query(AssertSqlSafe(question)).fetch(connection);
    let mut count = 0;
    let mut line = String::new();
    while let Some(row) = stream.try_next().await.map_err(failed)? {
        line.clear();
        line.push_str(&start);
        for at in 0..table.columns.len() {
            if at > 0 {
                line.push_str(", ");
            }
            let value = Value::of(&row, at).map_err(failed)?;
            value.write(&mut line);
        }
        line.push_str(");\n");
        file::write(file, line.as_bytes())?;
        count += 1;
    }
    Ok(count)
}

/// Writes the largest keys of tables with AUTOINCREMENT.
async fn write_sequences(
    connection: &mut SqliteConnection,
    tables: &[&str],
    file: &mut dyn Write,
) -> Result<(), Error> {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)")
        .bind(SEQUENCES)
        .fetch_one(&mut *connection)
        .await
        .map_err(unread)?;
    if !exists {
        return Ok(());
    }
    let question = "SELECT name, seq FROM sqlite_sequence ORDER BY name";
    for row in sqlx::query(question).fetch_all(connection).await.map_err(unread)? {
        let (name, value): (String, i64) = (row.try_get(0).map_err(unread)?, row.try_get(1).map_err(unread)?);
        if tables.contains(&name.as_str()) {
            let line =
                format!("UPDATE \"{SEQUENCES}\" SET \"seq\" = {value} WHERE \"name\" = {};\n", names::literal(&name));
            file::write(file, line.as_bytes())?;
        }
    }
    Ok(())
}

/// A value, of one of the five kinds.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// A text that is not UTF-8.
    OddText(Vec<u8>),
    Blob(Vec<u8>),
}

impl Value {
    fn of(row: &SqliteRow, at: usize) -> Result<Self, sqlx::Error> {
        let raw = row.try_get_raw(at)?;
        if raw.is_null() {
            return Ok(Self::Null);
        }
        let kind = raw.type_info().name().to_owned();
        Ok(match kind.as_str() {
            "INTEGER" => Self::Integer(row.try_get_unchecked(at)?),
            "REAL" => Self::Real(row.try_get_unchecked(at)?),
            "BLOB" => Self::Blob(row.try_get_unchecked(at)?),
            _ => {
                let bytes: Vec<u8> = row.try_get_unchecked(at)?;
                String::from_utf8(bytes).map_or_else(|odd| Self::OddText(odd.into_bytes()), Self::Text)
            }
        })
    }

    fn write(&self, line: &mut String) {
        match self {
            Self::Null => line.push_str("NULL"),
            Self::Integer(value) => write!(line, "{value}").expect("writing to a String cannot fail"),
            Self::Real(value) if value.is_infinite() => line.push_str(if *value > 0.0 { "9e999" } else { "-9e999" }),
            // The shortest text that is read as the same number, always with a point or an exponent.
            Self::Real(value) => write!(line, "{value:?}").expect("writing to a String cannot fail"),
            // A row must be one line.
            Self::Text(text) if !text.contains(['\n', '\r', '\0']) => line.push_str(&names::literal(text)),
            Self::Text(text) => write_bytes(line, "CAST(", text.as_bytes(), " AS TEXT)"),
            Self::OddText(bytes) => write_bytes(line, "CAST(", bytes, " AS TEXT)"),
            Self::Blob(bytes) => write_bytes(line, "", bytes, ""),
        }
    }

    /// Reads a value at the beginning of a text, and returns the rest.
    fn parse(text: &str) -> Option<(Self, &str)> {
        if let Some(rest) = text.strip_prefix("NULL") {
            return Some((Self::Null, rest));
        }
        if text.starts_with('\'') {
            let (text, rest) = names::parse_literal(text)?;
            return Some((Self::Text(text), rest));
        }
        if let Some(rest) = text.strip_prefix("CAST(") {
            let (bytes, rest) = parse_bytes(rest)?;
            let rest = rest.strip_prefix(" AS TEXT)")?;
            return Some((
                String::from_utf8(bytes).map_or_else(|odd| Self::OddText(odd.into_bytes()), Self::Text),
                rest,
            ));
        }
        if text.starts_with("X'") {
            let (bytes, rest) = parse_bytes(text)?;
            return Some((Self::Blob(bytes), rest));
        }
        let end = text.find([',', ')'])?;
        let (number, rest) = text.split_at(end);
        let value = match number {
            "9e999" => Self::Real(f64::INFINITY),
            "-9e999" => Self::Real(f64::NEG_INFINITY),
            _ if number.contains(['.', 'e']) => Self::Real(number.parse().ok()?),
            _ => Self::Integer(number.parse().ok()?),
        };
        Some((value, rest))
    }
}

fn write_bytes(line: &mut String, before: &str, bytes: &[u8], after: &str) {
    line.push_str(before);
    line.push_str("X'");
    for byte in bytes {
        write!(line, "{byte:02X}").expect("writing to a String cannot fail");
    }
    line.push('\'');
    line.push_str(after);
}

fn parse_bytes(text: &str) -> Option<(Vec<u8>, &str)> {
    let (digits, rest) = text.strip_prefix("X'")?.split_once('\'')?;
    let digits = digits.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = digits.chunks(2).map(|pair| if pair.len() == 2 { byte(pair) } else { None }).collect::<Option<_>>()?;
    Some((bytes, rest))
}

pub(super) async fn load(
    connection: &mut SqliteConnection,
    options: &LoadOptions,
    replaced: &[TableName],
    kept: Option<Kept<'_>>,
    lines: &mut Lines<'_>,
) -> Result<Tables, Error> {
    let checks: bool = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&mut *connection).await.map_err(unloaded)?;
    // It has no effect in a transaction.
    execute(connection, "PRAGMA foreign_keys = OFF").await.map_err(unloaded)?;
    let patience = patient(connection, options.limits).await.map_err(unloaded)?;
    let loaded = load_without_keys(connection, options, replaced, kept, lines).await;
    if let Some(before) = patience {
        wait_for(connection, before).await.map_err(unloaded)?;
    }
    if checks {
        execute(connection, "PRAGMA foreign_keys = ON").await.map_err(unloaded)?;
    }
    loaded
}

async fn load_without_keys(
    connection: &mut SqliteConnection,
    options: &LoadOptions,
    replaced: &[TableName],
    kept: Option<Kept<'_>>,
    lines: &mut Lines<'_>,
) -> Result<Tables, Error> {
    execute(connection, "BEGIN IMMEDIATE").await.map_err(unloaded)?;
    let loaded = match load_in_transaction(connection, options, replaced, kept, lines).await {
        Ok(loaded) => execute(connection, "COMMIT").await.map(|()| loaded).map_err(|error| super::uncommitted(&error)),
        Err(error) => Err(error),
    };
    if loaded.is_err() {
        let _ = execute(connection, "ROLLBACK").await;
    }
    loaded
}

async fn load_in_transaction(
    connection: &mut SqliteConnection,
    options: &LoadOptions,
    replaced: &[TableName],
    kept: Option<Kept<'_>>,
    lines: &mut Lines<'_>,
) -> Result<Tables, Error> {
    if let Some(kept) = kept {
        keep(connection, kept).await.map_err(|error| error.state("nothing was changed"))?;
    }
    let question = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND sql IS NOT NULL ORDER BY rowid";
    let rows = sqlx::query(question).fetch_all(&mut *connection).await.map_err(unloaded)?;
    let mut triggers: Vec<String> = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get(0).map_err(unloaded)?;
        triggers.push(row.try_get(1).map_err(unloaded)?);
        execute(connection, &format!("DROP TRIGGER {}", names::identifier(&name))).await.map_err(unloaded)?;
    }
    for table in replaced {
        execute(connection, &format!("DELETE FROM {}", table.quoted())).await.map_err(unloaded)?;
    }
    let mut loaded = Tables::default();
    loop {
        let line = lines.text()?.ok_or_else(|| lines.cut_off())?;
        if lines.is_end(&line)? {
            break;
        }
        if BEGIN.contains(&line.as_str()) || line == COMMIT {
            continue;
        }
        if let Some((table, value)) = sequence(&line) {
            // Inserting rows has created the entry, unless there were no rows.
            let set = "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1";
            let changed =
                sqlx::query(set).bind(&table).bind(value).execute(&mut *connection).await.map_err(unloaded)?;
            if changed.rows_affected() == 0 {
                let make = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
                sqlx::query(make).bind(&table).bind(value).execute(&mut *connection).await.map_err(unloaded)?;
            }
            continue;
        }
        let (table, columns, values) = row(&line).ok_or_else(|| lines.wrong("is not one that `dump` writes"))?;
        let name = table.to_string();
        if loaded.rows.last().is_none_or(|(last, _)| *last != name) {
            super::check_bookkeeping(&table, options)?;
            check_empty(connection, &table).await?;
            loaded.rows.push((name, 0));
        }
        insert(connection, &table, &columns, values).await?;
        if let Some((_, count)) = loaded.rows.last_mut() {
            *count += 1;
        }
    }
    if let Some(script) = &options.script {
        run_script(connection, script).await?;
    }
    for trigger in &triggers {
        execute(connection, trigger).await.map_err(unloaded)?;
    }
    check_keys(connection, &loaded, options.replace).await?;
    Ok(loaded)
}

/// Writes the rows of all tables to a file. The transaction has the write lock of the database.
async fn keep(connection: &mut SqliteConnection, kept: Kept<'_>) -> Result<(), Error> {
    let mut writer = kept.writer();
    dump_in_snapshot(connection, kept.options, &kept.options.head(Dialect::Sqlite), &mut writer).await?;
    drop(writer);
    kept.file.finish()
}

/// Runs a script that must not end the transaction: otherwise the original rows would become visible.
async fn run_script(connection: &mut SqliteConnection, script: &str) -> Result<(), Error> {
    // The transaction may be ended and another one begun, which has none of the rows. A savepoint does not survive this,
    // and the script cannot know its name.
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), script);
    let savepoint = format!("lockgate_{seed:016x}");
    execute(connection, &format!("SAVEPOINT {savepoint}")).await.map_err(unloaded)?;
    // A commit becomes a rollback.
    connection.lock_handle().await.map_err(unloaded)?.set_commit_hook(|| false);
    let ran = execute(connection, script).await;
    let mut handle = connection.lock_handle().await.map_err(unloaded)?;
    handle.remove_commit_hook();
    drop(handle);
    let is_open = execute(connection, &format!("RELEASE {savepoint}")).await.is_ok();
    match ran {
        _ if !is_open => Err(super::script_ends_transaction()),
        Ok(()) => Ok(()),
        Err(error) => Err(super::script_fails(&error)),
    }
}

/// `UPDATE "sqlite_sequence" SET "seq" = 7 WHERE "name" = 'users';`
fn sequence(line: &str) -> Option<(String, i64)> {
    let rest = line.strip_prefix("UPDATE \"sqlite_sequence\" SET \"seq\" = ")?;
    let (value, rest) = rest.split_once(" WHERE \"name\" = ")?;
    let (name, rest) = names::parse_literal(rest)?;
    (rest == ";").then_some((name, value.parse().ok()?))
}

/// `INSERT INTO "users" ("id") VALUES (7);`
fn row(line: &str) -> Option<(TableName, Vec<String>, Vec<Value>)> {
    let (table, rest) = TableName::parse(line.strip_prefix("INSERT INTO ")?)?;
    let (columns, rest) = names::parse_columns(rest.strip_prefix(' ')?)?;
    let mut rest = rest.strip_prefix(" VALUES (")?;
    let mut values = Vec::with_capacity(columns.len());
    loop {
        let (value, after) = Value::parse(rest)?;
        values.push(value);
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None => return (after == ");" && values.len() == columns.len()).then_some((table, columns, values)),
        }
    }
}

async fn check_empty(connection: &mut SqliteConnection, table: &TableName) -> Result<(), Error> {
    let question = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {})", table.quoted()));
    let has_rows: bool = sqlx::query_scalar(question).fetch_one(connection).await.map_err(unloaded)?;
    if has_rows { Err(super::has_rows(table)) } else { Ok(()) }
}

async fn insert(
    connection: &mut SqliteConnection,
    table: &TableName,
    columns: &[String],
    values: Vec<Value>,
) -> Result<(), Error> {
    let places: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(at, value)| match value {
            Value::OddText(_) => format!("CAST(?{} AS TEXT)", at + 1),
            _ => format!("?{}", at + 1),
        })
        .collect();
    let statement =
        format!("INSERT INTO {} {} VALUES ({})", table.quoted(), names::columns(columns), places.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for value in values {
        query = match value {
            Value::Null => query.bind(None::<i64>),
            Value::Integer(value) => query.bind(value),
            Value::Real(value) => query.bind(value),
            Value::Text(text) => query.bind(text),
            Value::OddText(bytes) | Value::Blob(bytes) => query.bind(bytes),
        };
    }
    query.execute(connection).await.map(drop).map_err(|error| {
        Error::of_driver(format!("a row of `{table}` is refused"), &error).state("nothing was changed")
    })
}

async fn check_keys(connection: &mut SqliteConnection, loaded: &Tables, replaces: bool) -> Result<(), Error> {
    let question = "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2";
    let rows = sqlx::query(question).fetch_all(connection).await.map_err(unloaded)?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut error = Error::refused("rows refer to rows that do not exist");
    let mut together: Vec<TableName> =
        loaded.rows.iter().map(|(name, _)| TableName { schema: None, name: name.clone() }).collect();
    for row in rows {
        let (table, parent, count): (String, String, i64) =
            (row.try_get(0).map_err(unloaded)?, row.try_get(1).map_err(unloaded)?, row.try_get(2).map_err(unloaded)?);
        error = error.state(match count {
            1 => format!("1 row of `{table}` refers to a missing row of `{parent}`"),
            _ => format!("{count} rows of `{table}` refer to missing rows of `{parent}`"),
        });
        for name in [table, parent] {
            if together.iter().all(|known| !known.name.eq_ignore_ascii_case(&name)) {
                together.push(TableName { schema: None, name });
            }
        }
    }
    let options = if replaces { " --replace" } else { "" };
    let commands = super::together(&together, options);
    Err(error.state("nothing was changed").help(format!("{}: {commands}", super::TOGETHER)))
}

async fn execute(connection: &mut SqliteConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.map(drop)
}

fn unread(error: sqlx::Error) -> Error {
    Error::of_driver("the database cannot be read", &error)
}

fn unloaded(error: sqlx::Error) -> Error {
    Error::of_driver("the dump cannot be loaded", &error).state("nothing was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were() {
        let values = [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Real(0.1 + 0.2),
            Value::Real(5.0),
            Value::Real(-1.5e300),
            Value::Real(5e-324),
            Value::Real(f64::INFINITY),
            Value::Real(f64::NEG_INFINITY),
            Value::Text(String::new()),
            Value::Text("it's; (\"x\", 'y')".to_owned()),
            Value::Text("two\nlines\0".to_owned()),
            Value::OddText(vec![0xff, b'a']),
            Value::Blob(vec![]),
            Value::Blob(vec![0, 255]),
        ];
        let mut line = "INSERT INTO \"t\" (\"a\"".to_owned();
        line.push_str(&", \"a\"".repeat(values.len() - 1));
        line.push_str(") VALUES (");
        for (at, value) in values.iter().enumerate() {
            line.push_str(if at > 0 { ", " } else { "" });
            value.write(&mut line);
        }
        line.push_str(");");
        assert!(!line.contains('\n'), "{line}");
        let (table, columns, read) = row(&line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!((table.to_string(), columns.len(), read), ("t".to_owned(), values.len(), values.to_vec()));
    }

    #[test]
    fn other_statements_are_refused() {
        for line in [
            "DROP TABLE t;",
            "INSERT INTO t (a) VALUES (1);",
            "INSERT INTO \"t\" (\"a\") VALUES (1, 2);",
            "INSERT INTO \"t\" (\"a\") VALUES (load_extension('x'));",
            "INSERT INTO \"t\" (\"a\") VALUES (1); DROP TABLE t;",
        ] {
            assert!(row(line).is_none() && sequence(line).is_none(), "{line}");
        }
        assert_eq!(
            sequence("UPDATE \"sqlite_sequence\" SET \"seq\" = 7 WHERE \"name\" = 'a''b';"),
            Some(("a'b".to_owned(), 7))
        );
    }
}
