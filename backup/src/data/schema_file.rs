//! The schema of a database as a file of SQL: `pg_dump` writes that of PostgreSQL, and SQLite keeps the statements itself.
//! The tables of the history are omitted.

use std::io::Write;

use lockgate::{Database, Dialect};

use super::Limit;
use super::file::{self, NEWEST};
use crate::error::Error;

/// The beginning of the first line. The number is the version of the format.
const FORM: &str = "-- lockgate schema 1 ";
/// The last line. A file without it is truncated.
const END: &str = "-- end of the schema";

/// What of a schema is dumped.
#[derive(Clone, Debug, Default)]
pub struct SchemaOptions {
    /// The newest applied migration: a load records it, and those before it, as applied.
    pub newest: Option<String>,
    /// Tables that do not belong to the application, such as those of the history: `lockgate_history`.
    pub bookkeeping: Vec<String>,
    /// How long it may wait for a lock (PostgreSQL).
    pub lock_timeout: Option<Limit>,
}

/// A schema that was read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFile {
    dialect: Dialect,
    newest: Option<String>,
    /// The statements, and the line of the file in which they begin.
    sql: String,
    first_line: usize,
}

/// Writes the schema of a database, without any rows. `url` is that of the database.
///
/// # Errors
///
/// If `pg_dump` is missing, older than the server or fails, or if the database or the file fails.
pub async fn dump_schema(
    url: &str,
    database: &mut Database,
    options: &SchemaOptions,
    file: &mut dyn Write,
) -> Result<(), Error> {
    let dialect = database.dialect();
    let sql: Result<String, Error> = match dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => of_postgres(url, super::connected(database.postgres())?, options).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => of_sqlite(super::connected(database.sqlite())?, options).await,
        _ => Err(super::unbuilt(dialect)),
    };
    let sql = sql.map_err(super::limits::schema_explained)?;
    let newest = options.newest.iter().map(|newest| format!("{NEWEST}{newest}\n")).collect::<String>();
    file::write(file, format!("{FORM}{dialect}\n{newest}").as_bytes())?;
    file::write(file, sql.as_bytes())?;
    file::write(file, format!("{END}\n").as_bytes())?;
    file::flush(file)
}

#[cfg(feature = "postgres")]
async fn of_postgres(url: &str, connection: &mut sqlx::PgConnection, options: &SchemaOptions) -> Result<String, Error> {
    use crate::client::Client;

    let unread = |error: sqlx::Error| Error::of_driver("the database cannot be read", &error);
    let version: String =
        sqlx::query_scalar("SHOW server_version").fetch_one(&mut *connection).await.map_err(unread)?;
    let client = Client::find("pg_dump", crate::meta::major(&version).unwrap_or_default()).await?;
    let mut command = client.command(url)?;
    command.arg("--schema-only");
    if let Some(limit @ Limit::After(_)) = options.lock_timeout {
        command.arg(format!("--lock-wait-timeout={}", limit.milliseconds(0)));
    }
    for name in super::postgres::own_tables(connection, &options.bookkeeping).await? {
        command.arg(format!("--exclude-table={}", name.quoted()));
    }
    let mut sql = Vec::new();
    let take = async |piece: &[u8]| {
        sql.extend_from_slice(piece);
        Ok(())
    };
    crate::postgres::run(&client, &mut command, url, take).await?;
    String::from_utf8(sql).map_err(|_| {
        Error::refused("the schema contains text that is not UTF-8").help("use `backup create`, which keeps every byte")
    })
}

#[cfg(feature = "sqlite")]
async fn of_sqlite(connection: &mut sqlx::SqliteConnection, options: &SchemaOptions) -> Result<String, Error> {
    let unread = |error: sqlx::Error| Error::of_driver("the database cannot be read", &error);
    // SQLite makes the tables behind a virtual table itself.
    let question = "SELECT s.name, s.tbl_name, s.sql FROM sqlite_schema s LEFT JOIN pragma_table_list t \
                    ON t.schema = 'main' AND t.name = s.name AND s.type = 'table' \
                    WHERE s.sql IS NOT NULL AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND COALESCE(t.type, '') <> 'shadow' \
                    ORDER BY s.type = 'trigger', s.type = 'view', s.rowid";
    let objects: Vec<(String, String, String)> =
        sqlx::query_as(question).fetch_all(connection).await.map_err(unread)?;
    let is_own = |name: &String| options.bookkeeping.iter().any(|own| own.eq_ignore_ascii_case(name));
    let objects = objects.into_iter().filter(|(name, table, _)| !is_own(name) && !is_own(table));
    Ok(objects.map(|(_, _, sql)| format!("{sql};\n")).collect())
}

impl SchemaFile {
    /// Reads the text of a file. `None` if it does not begin as [`dump_schema`] begins one.
    ///
    /// # Errors
    ///
    /// If the file is truncated.
    pub fn read(text: &str) -> Option<Result<Self, Error>> {
        let (first, mut rest) = text.split_once('\n')?;
        let dialect = first.strip_prefix(FORM)?.parse().ok()?;
        let mut first_line = 2;
        let newest = rest.strip_prefix(NEWEST).and_then(|after| after.split_once('\n')).map(|(newest, after)| {
            (rest, first_line) = (after, 3);
            newest.to_owned()
        });
        let Some(sql) = rest.strip_suffix(&format!("{END}\n")) else {
            return Some(Err(Error::refused("the file is truncated: its last line is missing")
                .state("nothing was changed")
                .help("dump the schema again")));
        };
        // For psql: what is between these two lines may not contain commands of psql.
        let is_for_psql = |line: &str| line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
        let key = sql.lines().find(|line| dialect == Dialect::Postgres && is_for_psql(line));
        let key = key.and_then(|line| line.split_once(' ')).map(|(_, key)| key);
        let kept = |line: &str| !(is_for_psql(line) && line.split_once(' ').map(|(_, key)| key) == key);
        let sql = sql.split('\n').map(|line| if kept(line) { line } else { "" }).collect::<Vec<_>>().join("\n");
        Some(Ok(Self { dialect, newest, sql, first_line }))
    }

    /// The newest migration of the database that it is of.
    pub fn newest(&self) -> Option<&str> {
        self.newest.as_deref()
    }
}

/// Makes the schema in an empty database, as a whole or not at all. The history is not written.
///
/// # Errors
///
/// If the database is not empty, or is another kind of database; or if it refuses a statement. Nothing was changed then.
pub async fn load_schema(database: &mut Database, schema: &SchemaFile) -> Result<(), Error> {
    super::check_dialect("schema", schema.dialect, database)?;
    make(database, schema).await
}

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
async fn make(database: &mut Database, _: &SchemaFile) -> Result<(), Error> {
    Err(super::unbuilt(database.dialect()))
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
async fn make(database: &mut Database, schema: &SchemaFile) -> Result<(), Error> {
    let here = database.dialect();
    if let Some(object) = first_object(database).await? {
        return Err(Error::refused(format!("the database is not empty: it has `{object}`"))
            .state("nothing was changed")
            .help("load into a new database"));
    }
    let begin = if here == Dialect::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" };
    execute(database, begin).await.map_err(|error| schema.refused(&error))?;
    let made = execute(database, &schema.sql).await.map_err(|error| schema.refused(&error));
    let made = match made {
        Ok(()) => execute(database, "COMMIT").await.map_err(|error| super::uncommitted(&error)),
        Err(error) => Err(error),
    };
    if made.is_err() {
        // If it fails, the connection is lost, and the database rolls back.
        let _ = execute(database, "ROLLBACK").await;
    }
    made?;
    // `pg_dump` empties the search path, and more, for the rest of the session.
    #[cfg(feature = "postgres")]
    if here == Dialect::Postgres {
        let reset = execute(database, "RESET ALL").await;
        reset.map_err(|error| Error::of_driver("the schema is loaded, but the connection broke", &error))?;
    }
    Ok(())
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl SchemaFile {
    /// The error of a statement, with its line in the file if the database says the place.
    fn refused(&self, error: &sqlx::Error) -> Error {
        let summary = "the schema cannot be loaded";
        #[cfg(feature = "postgres")]
        if let Some(sqlx::postgres::PgErrorPosition::Original(at)) = error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
            .and_then(|error| error.position())
        {
            let before = self.sql.chars().take(at.saturating_sub(1)).filter(|c| *c == '\n').count();
            let line = format!("line {} of the file", self.first_line + before);
            return Error::of_driver(summary, error).state(line).state("nothing was changed");
        }
        Error::of_driver(summary, error).state("nothing was changed")
    }
}

/// Returns a table, view or other relation of the database, if it has any.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
async fn first_object(database: &mut Database) -> Result<Option<String>, Error> {
    let unread = |error: sqlx::Error| Error::of_driver("the database cannot be read", &error);
    #[cfg(feature = "postgres")]
    if let Some(connection) = database.postgres() {
        let question = "SELECT c.oid::regclass::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
             WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1 LIMIT 1";
        return sqlx::query_scalar(question).fetch_optional(connection).await.map_err(unread);
    }
    #[cfg(feature = "sqlite")]
    if let Some(connection) = database.sqlite() {
        let question =
            "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIMIT 1";
        return sqlx::query_scalar(question).fetch_optional(connection).await.map_err(unread);
    }
    Err(super::unbuilt(database.dialect()))
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
async fn execute(database: &mut Database, sql: &str) -> Result<(), sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    #[cfg(feature = "postgres")]
    if let Some(connection) = database.postgres() {
        return sqlx::raw_sql(sql).execute(connection).await.map(drop);
    }
    #[cfg(feature = "sqlite")]
    if let Some(connection) = database.sqlite() {
        return sqlx::raw_sql(sql).execute(connection).await.map(drop);
    }
    Err(sqlx::Error::WorkerCrashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_psql_are_not_sent() {
        let text = "-- lockgate schema 1 postgres\n-- newest migration 0002_b\n\\restrict KEY\nCREATE TABLE a ();\n\
                    COMMENT ON TABLE a IS '\n\\restrict OTHER\n';\n\\unrestrict KEY\n-- end of the schema\n";
        let read = SchemaFile::read(text).unwrap().unwrap();
        assert_eq!(read.newest(), Some("0002_b"));
        assert_eq!(read.sql, "\nCREATE TABLE a ();\nCOMMENT ON TABLE a IS '\n\\restrict OTHER\n';\n\n");
        assert!(SchemaFile::read("-- lockgate dump 1 postgres\n").is_none());
        assert!(SchemaFile::read("-- lockgate schema 1 sqlite\nCREATE TABLE a (b);\n").unwrap().is_err());
    }
}
