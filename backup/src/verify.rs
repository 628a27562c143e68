//! Verifies a backup: restores it on a throwaway server or into a temporary file, and compares the result with its meta
//! file.

use lockgate::{Dialect, ErrorKind};

use crate::error::Error;
use crate::list;
use crate::meta::Meta;
use crate::subject::{BackupChoice, Subject};

/// A backup that can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The backup.
    pub meta: Meta,
    /// Where it was restored: `PostgreSQL 15.18`, `SQLite 3.50.2`.
    pub on: String,
    /// Whether the schema was compared too. It is not if the server has another release.
    pub has_compared_schema: bool,
}

/// Restores a backup into a throwaway server (PostgreSQL) or a temporary file (SQLite), and compares the newest migration,
/// the number of rows of each table, and the schema. The original database is not used.
///
/// # Errors
///
/// Those of [`list::choose`]; [`ErrorKind::Failed`] if it cannot be restored, or does not match its meta file;
/// [`ErrorKind::Unreachable`] if this machine has no server of its release or a newer one.
pub async fn verify(subject: &Subject<'_>, choice: &BackupChoice) -> Result<Verified, Error> {
    let meta = list::choose(subject, choice).await?;
    match meta.dialect()? {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => of_postgres(subject, meta).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => of_sqlite(subject, meta).await,
        other => Err(Error::new(ErrorKind::Unsupported, format!("this build does not support {other}"))),
    }
}

#[cfg(feature = "sqlite")]
async fn of_sqlite(subject: &Subject<'_>, meta: Meta) -> Result<Verified, Error> {
    let folder = tempfile::Builder::new().prefix("lockgate-verify-").tempdir();
    let folder = folder.map_err(|error| {
        Error::failed(format!("cannot make a folder for temporary files: {error}"))
            .help("name a folder for temporary files in TMPDIR")
    })?;
    let file = folder.path().join("restored.db");
    crate::restore::sqlite::fetch_into(subject, &meta, &file, crate::event::Phase::Restore).await?;
    crate::restore::sqlite::check(subject, &meta, &file).await?;
    let on = format!("SQLite {}", meta.server_version);
    Ok(Verified { on, has_compared_schema: meta.schema_sha256.is_some(), meta })
}

#[cfg(feature = "postgres")]
async fn of_postgres(subject: &Subject<'_>, meta: Meta) -> Result<Verified, Error> {
    use crate::client::Client;
    use crate::meta::major;
    use crate::names::identifier;
    use crate::postgres::connection;
    use crate::restore::postgres::{check, create, fill, give_to_owner_of_history};
    use lockgate_testing::server::{Options, Postgres};

    let of_backup = meta.server_major().unwrap_or_default();
    let started = tokio::task::spawn_blocking(move || {
        // The same release, or else a newer one.
        let of_release = Options::default().major(of_backup);
        if Postgres::installed(&of_release).is_ok() {
            return Postgres::start(&of_release);
        }
        Postgres::start(&Options::default())
    })
    .await;
    let help = format!(
        "install PostgreSQL {of_backup} (`apt install postgresql-{of_backup}`), or name the folder of its `initdb` and \
         `postgres` in {}",
        lockgate_testing::server::locate::VARIABLE
    );
    let server = match started {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => return Err(Error::new(ErrorKind::Unreachable, error.to_string()).help(help)),
        Err(panic) => return Err(Error::failed(format!("no server can be started: {panic}"))),
    };
    let (major_here, minor) = server.version();
    if major_here < of_backup {
        let what = format!("the backup is of PostgreSQL {of_backup}, but this machine has {major_here}.{minor}");
        return Err(Error::new(ErrorKind::Unreachable, what).help(help));
    }
    let url = server.url("postgres");
    let least = meta.made_by.rsplit(' ').next().and_then(major).unwrap_or(of_backup).max(major_here);
    let client = Client::find("pg_restore", least).await?;
    let mut administrator = lockgate::Database::connect(&url).await?;
    let session = connection(&mut administrator)?;
    // Every server has the roles whose names begin with `pg_`, and no others may have such names.
    for role in meta.roles.iter().filter(|role| *role != "postgres" && !role.starts_with("pg_")) {
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE ROLE {}", identifier(role))));
        let made = made.execute(&mut *session).await;
        made.map_err(|error| Error::of_driver(format!("the role `{role}` cannot be made"), &error))?;
    }
    // `pg_dump` does not dump tablespaces.
    for space in &meta.tablespaces {
        let make = format!("CREATE TABLESPACE {} LOCATION ''", identifier(space));
        for statement in ["SET allow_in_place_tablespaces = on".to_owned(), make] {
            let made = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *session).await;
            made.map_err(|error| Error::of_driver(format!("the tablespace `{space}` cannot be made"), &error))?;
        }
    }
    create(session, "restored", None, meta.locale.as_ref(), None).await?;
    fill(subject, &meta, &client, (&url, "restored"), &[]).await?;
    give_to_owner_of_history(subject, &server.url("restored"), session, "restored").await?;
    check(subject, &meta, &server.url("restored"), session, false).await?;
    let _ = administrator.close().await;
    let on = format!("PostgreSQL {major_here}.{minor}");
    let has_compared_schema = meta.schema_sha256.is_some() && major_here == of_backup;
    // Dropping it waits until its processes have ended.
    let _ = tokio::task::spawn_blocking(move || drop(server)).await;
    Ok(Verified { on, has_compared_schema, meta })
}
