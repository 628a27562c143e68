//! Dumps a PostgreSQL database. The dump, the history and the row counts come from one snapshot.

use std::process::Stdio;

use lockgate::{Database, ErrorKind, Migrator, Status};
use sqlx::{Connection, PgConnection};
use tokio::io::AsyncReadExt;

use crate::client::{self, Client};
use crate::error::Error;
use crate::event::Progress;
use crate::meta::{Locale, TableRows};
use crate::store::{Content, Store};

/// The tables whose rows are in a dump, without those of extensions.
const TABLES: &str = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY 1";

/// The roles that own something or have a privilege. The first superuser is not in `pg_shdepend`.
const ROLES: &str = "SELECT r.rolname::text FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid \
     WHERE d.refclassid = 'pg_authid'::regclass \
     AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     UNION SELECT pg_get_userbyid(c.relowner)::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";

/// The tablespaces that objects of the database name.
const TABLESPACES: &str = "SELECT DISTINCT t.spcname::text FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace \
     WHERE t.spcname <> 'pg_global' ORDER BY 1";

/// The server and the database.
const FACTS: &str = "SELECT current_setting('server_version'), pg_database_size(current_database()), \
     pg_encoding_to_char(d.encoding)::text, to_jsonb(d)::text FROM pg_database d WHERE d.datname = current_database()";

/// A session that holds the snapshot of a dump.
pub(crate) struct Snapshot {
    database: Database,
    id: String,
    pub(crate) status: Status,
    pub(crate) server_version: String,
    pub(crate) database_bytes: u64,
    pub(crate) locale: Locale,
    pub(crate) roles: Vec<String>,
    pub(crate) tablespaces: Vec<String>,
    tables: Vec<String>,
}

/// A finished dump.
pub(crate) struct Dumped {
    pub(crate) content: Content,
    pub(crate) tables: Vec<TableRows>,
    pub(crate) made_by: String,
}

pub(crate) fn connection(database: &mut Database) -> Result<&mut PgConnection, Error> {
    let lost = || Error::new(ErrorKind::Interrupted, "the connection was lost");
    database.postgres().ok_or_else(lost)
}

/// Opens a snapshot, and reads the facts about the database in it.
pub(crate) async fn snapshot(url: &str, migrator: &Migrator) -> Result<Snapshot, Error> {
    let mut database = Database::connect(url).await?;
    // First outside the snapshot: without a history table the query fails, and would abort the transaction.
    let before = migrator.status(&mut database).await?;
    let read = |error: sqlx::Error| Error::of_driver("the database cannot be read", &error);
    let session = connection(&mut database)?;
    // A dump may take hours, during which this session is idle.
    sqlx::raw_sql(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
         SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off",
    )
    .execute(&mut *session)
    .await
    .map_err(read)?;
    let id: String = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut *session).await.map_err(read)?;
    let facts: (String, i64, String, String) = sqlx::query_as(FACTS).fetch_one(&mut *session).await.map_err(read)?;
    let roles = sqlx::query_scalar(ROLES).fetch_all(&mut *session).await.map_err(read)?;
    let tablespaces = sqlx::query_scalar(TABLESPACES).fetch_all(&mut *session).await.map_err(read)?;
    let tables = sqlx::query_scalar(TABLES).fetch_all(&mut *session).await.map_err(read)?;
    let status = if before.current().is_none() { before } else { migrator.status(session).await? };
    let (server_version, size, encoding, row) = facts;
    Ok(Snapshot {
        id,
        status,
        server_version,
        database_bytes: u64::try_from(size).unwrap_or_default(),
        locale: locale(encoding, &row),
        roles,
        tablespaces,
        tables,
        database,
    })
}

/// The columns differ between releases, so they are read from the row as JSON.
pub(crate) fn locale(encoding: String, row: &str) -> Locale {
    let row: serde_json::Value = serde_json::from_str(row).unwrap_or_default();
    let text = |key: &str| row[key].as_str().map(str::to_owned);
    Locale {
        encoding,
        collate: text("datcollate").unwrap_or_default(),
        ctype: text("datctype").unwrap_or_default(),
        provider: text("datlocprovider").unwrap_or_else(|| "c".to_owned()),
        // Before 17, only ICU had a locale name.
        name: text("datlocale").or_else(|| text("daticulocale")),
    }
}

impl Snapshot {
    /// Dumps the database into the store, and meanwhile counts the rows in the same snapshot. An incomplete dump is
    /// discarded.
    pub(crate) async fn dump(
        mut self,
        url: &str,
        store: &Store,
        key: &str,
        mut progress: Progress<'_>,
    ) -> Result<Dumped, Error> {
        let major = crate::meta::major(&self.server_version).unwrap_or_default();
        let client = Client::find("pg_dump", major).await?;
        let mut command = client.command(url)?;
        command.args(["--format=custom", &format!("--snapshot={}", self.id)]);
        let mut upload = store.upload(key, self.database_bytes).await?;
        let session = connection(&mut self.database)?;
        let take = async |piece: &[u8]| {
            upload.write(piece).await?;
            progress.moved(piece.len());
            Ok(())
        };
        let dumped = tokio::try_join!(run(&client, &mut command, url, take), count(session, &self.tables));
        // The snapshot is no longer needed.
        let _ = self.database.close().await;
        match dumped {
            Ok(((), tables)) => {
                let content = upload.finish().await?;
                progress.end();
                Ok(Dumped { content, tables, made_by: client.name() })
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }
}

/// Runs `pg_dump`, and passes its output on piece by piece. The output counts only if `pg_dump` succeeds.
pub(crate) async fn run(
    client: &Client,
    command: &mut tokio::process::Command,
    url: &str,
    mut take: impl AsyncFnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut child = client.start(command.stdout(Stdio::piped()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut stdout = stdout.expect("it is a pipe");
    let mut is_empty = true;
    let pump = async {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = stdout.read(&mut buffer).await;
            match read.map_err(|error| Error::failed(format!("the dump cannot be read: {error}")))? {
                0 => return Ok::<(), Error>(()),
                read => {
                    is_empty = false;
                    take(&buffer[..read]).await?;
                }
            }
        }
    };
    let (pumped, said) = tokio::join!(
        async {
            let pumped = pump.await;
            if pumped.is_err() {
                // It would wait for somebody to read its output.
                let _ = child.start_kill();
            }
            pumped
        },
        client::said(stderr.expect("it is a pipe"))
    );
    let status =
        child.wait().await.map_err(|error| Error::failed(format!("`pg_dump` cannot be waited for: {error}")))?;
    pumped?;
    if !status.success() {
        return Err(client.failed(status, &said, url));
    }
    if is_empty {
        return Err(Error::failed("`pg_dump` reported success, but wrote nothing"));
    }
    Ok(())
}

/// Counts the rows of tables, in the transaction of the session.
pub(crate) async fn count(session: &mut PgConnection, tables: &[String]) -> Result<Vec<TableRows>, Error> {
    let mut counted = Vec::with_capacity(tables.len());
    for table in tables {
        let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM ONLY {table}"));
        let rows = sqlx::query_scalar(query).fetch_one(&mut *session).await;
        let rows = rows.map_err(|error| Error::of_driver(format!("the rows of {table} cannot be counted"), &error))?;
        counted.push(TableRows { table: table.clone(), rows });
    }
    Ok(counted)
}

/// The tables of a database, each with its number of rows.
pub(crate) async fn tables(session: &mut PgConnection) -> Result<Vec<TableRows>, Error> {
    let read = |error: sqlx::Error| Error::of_driver("the tables cannot be listed", &error);
    let mut transaction = session.begin().await.map_err(read)?;
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut *transaction).await.map_err(read)?;
    let counted = count(&mut transaction, &tables).await?;
    transaction.rollback().await.map_err(read)?;
    Ok(counted)
}
