//! Throwaway PostgreSQL databases: which server they are on, and how they are made and dropped.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate::Dialect;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

use crate::admin::{Admin, block_on_admin_thread, on_admin_thread, with_database};
use crate::server::{self, ErrorKind, LINGER, Options, Shared};
use crate::template::Template;
use crate::{Error, skipped};

/// The variable that names a server of the user's own.
const SERVER: &str = "LOCKGATE_TEST_POSTGRES";

/// How many databases are left on a throwaway server instead of being dropped. They go when the server is deleted.
/// Dropping one takes about as long as creating one, and each takes some ten megabytes.
const MOST_LEFT: i64 = 50;

pub(crate) struct ServerDatabase {
    name: String,
    server: String,
    /// The password file for `psql` and other clients, if the server is a throwaway one.
    passwords: Option<PathBuf>,
    /// Whether to leave the database when this value is dropped.
    kept: bool,
}

impl ServerDatabase {
    /// Copies a template, or creates an empty database without one. Returns `None` if this machine has no server.
    pub(crate) async fn like<R: Template>(template: Option<R>) -> Result<Option<Self>, Error> {
        let Some((server, passwords)) = server()? else { return Ok(None) };
        let name = name();
        let failed = |e| Error::because(format!("a test database cannot be created on the server of {SERVER}"), e);
        let (url, new) = (server.clone(), name.clone());
        let others = on_admin_thread(async move {
            let mut admin = Admin::take(&url).await.map_err(failed)?;
            let others = admin.databases();
            match template {
                None => admin.create_empty(&new).await.map_err(failed)?,
                Some(template) => copy(&mut admin, &url, template, &new).await?,
            }
            admin.give_back();
            Ok::<_, Error>(others)
        });
        let others = others.await?;
        let kept = goes_with_server(passwords.is_some(), others);
        Ok(Some(Self { name, server, passwords, kept }))
    }

    pub(crate) fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    pub(crate) fn shown(&self) -> String {
        let url = lockgate::mask_secrets(&self.url());
        match &self.passwords {
            None => format!("{url}, on the server of {SERVER}"),
            Some(file) => format!(
                "PGPASSFILE={} psql {}\nthis server stops a few seconds after the last test: {LINGER}=600 keeps it for ten \
                 minutes, and {SERVER} names a server of your own",
                file.display(),
                url.replace(":***@", "@"),
            ),
        }
    }

    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for ServerDatabase {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (name, server) = (self.name.clone(), self.server.clone());
        let dropped = block_on_admin_thread(async move {
            let mut admin = Admin::take(&server).await?;
            admin.drop(&name).await?;
            admin.give_back();
            Ok::<_, sqlx::Error>(())
        });
        // A test may have stopped the server. During a panic, a second panic would hide the first.
        if let Err(e) = dropped
            && !std::thread::panicking()
            && !matches!(e, sqlx::Error::Io(_))
        {
            panic!("the database `{}` cannot be dropped: {e}", self.name);
        }
    }
}

/// Whether a database is left for the deletion of its server: on a throwaway server that has few others.
fn goes_with_server(is_throwaway: bool, others: i64) -> bool {
    is_throwaway && others < MOST_LEFT
}

/// Returns the URL of the server, and its password file if it is a throwaway one. Returns `None` if this machine has no
/// server, which has then been reported.
fn server() -> Result<Option<(String, Option<PathBuf>)>, Error> {
    if let Some(url) = given() {
        let understood = lockgate::__private::understood(&url);
        return understood.map(|url| Some((url, None))).map_err(|e| Error::new(format!("{SERVER}: {}", e.report())));
    }
    // A static is never dropped: this process uses the server until it ends.
    static SHARED: OnceLock<Result<Shared, server::Error>> = OnceLock::new();
    match SHARED.get_or_init(|| Shared::join(&Options::default())) {
        Ok(server) => Ok(Some((server.url("postgres"), Some(server.passwords())))),
        Err(e) if e.kind() == ErrorKind::NotFound => skipped("postgres", &e.to_string()).map(|()| None),
        Err(e) => Err(Error::new(e.to_string())),
    }
}

fn given() -> Option<String> {
    std::env::var(SERVER).ok().filter(|url| !url.is_empty())
}

/// Whether the server is the user's own.
pub(crate) fn is_given() -> bool {
    given().is_some()
}

/// Returns a name that no other test of any process has.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    format!("lockgate_test_{}_{nanoseconds:x}_{count}", std::process::id())
}

/// Copies a template, and makes it first if it is missing.
///
/// A template is made under a draft name and renamed at the end, so one with its own name is complete. A process that
/// is killed meanwhile leaves the draft, which the next one drops.
fn copy<'a, R: Template>(
    admin: &'a mut Admin,
    server: &'a str,
    template: R,
    name: &'a str,
) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>> {
    Box::pin(async move {
        let template_name = format!("lockgate_template_{}", template.key(Dialect::Postgres));
        let failed = |e| Error::because(format!("the database `{template_name}` cannot be made or copied"), e);
        if admin.create_like(name, &template_name).await.map_err(failed)? {
            return Ok(());
        }
        admin.lock(&template_name).await.map_err(failed)?;
        // The previous holder of the lock has most likely made it.
        if !admin.create_like(name, &template_name).await.map_err(failed)? {
            let draft = format!("{template_name}_draft");
            admin.drop(&draft).await.map_err(failed)?;
            match template.base() {
                Some(before) => copy(admin, server, before, &draft).await?,
                None => admin.create_empty(&draft).await.map_err(failed)?,
            }
            template.build(&with_database(server, &draft), Dialect::Postgres).await?;
            // PostgreSQL cannot copy a database that has a connection, so forbid new ones.
            let statements = [
                format!("ALTER DATABASE {draft} ALLOW_CONNECTIONS false"),
                format!("ALTER DATABASE {draft} RENAME TO {template_name}"),
            ];
            for statement in statements {
                admin.execute(statement).await.map_err(failed)?;
            }
            if !admin.create_like(name, &template_name).await.map_err(failed)? {
                return Err(Error::new(format!("the database `{template_name}` was dropped as soon as it was made")));
            }
        }
        admin.unlock(&template_name).await.map_err(failed)
    })
}

/// A database that a user named, managed through a connection to another database of the server.
pub(crate) struct NamedDatabase {
    admin: PgConnection,
    name: String,
}

impl NamedDatabase {
    pub(crate) async fn connect(url: &str) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.parse()?;
        let name = options.get_database().unwrap_or_else(|| options.get_username()).to_owned();
        // A connection cannot drop its own database.
        let other = if name == "postgres" { "template1" } else { "postgres" };
        Ok(Self { admin: PgConnection::connect_with(&options.database(other)).await?, name })
    }

    async fn execute(&mut self, statement: String) -> Result<(), sqlx::Error> {
        self.admin.execute(sqlx::AssertSqlSafe(statement)).await.map(drop)
    }

    /// Returns its comment; `None` if the database does not exist.
    pub(crate) async fn comment(&mut self) -> Result<Option<String>, sqlx::Error> {
        const QUESTION: &str =
            "SELECT COALESCE(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1";
        sqlx::query_scalar(QUESTION).bind(&self.name).fetch_optional(&mut self.admin).await
    }

    pub(crate) async fn set_comment(&mut self, comment: &str) -> Result<(), sqlx::Error> {
        let (name, comment) = (quoted(&self.name), comment.replace('\'', "''"));
        self.execute("SET standard_conforming_strings = on".to_owned()).await?;
        self.execute(format!("COMMENT ON DATABASE {name} IS '{comment}'")).await
    }

    /// Drops it if it exists, and creates an empty one.
    pub(crate) async fn recreate(&mut self, comment: &str) -> Result<(), sqlx::Error> {
        const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(END).bind(&self.name).execute(&mut self.admin).await?;
        let name = quoted(&self.name);
        self.execute(format!("DROP DATABASE IF EXISTS {name}")).await?;
        self.execute(format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await?;
        self.set_comment(comment).await
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throwaway_server_keeps_a_limited_number_of_databases() {
        assert!(goes_with_server(true, MOST_LEFT - 1));
        assert!(!goes_with_server(true, MOST_LEFT));
        assert!(!goes_with_server(false, 0));
    }
}
