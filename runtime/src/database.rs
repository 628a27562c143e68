//! One connection to a supported database, by URL.

use std::fmt;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use std::sync::Arc;
use std::time::Duration;

use lockgate_core::Dialect;

use crate::backend::{Backend, BoxFuture, Deadline, backoff};
use crate::error::{Cause, Class, Error, ErrorKind, Wording};
use crate::secret::{mask_secrets, secrets};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::session::{HeldConnection, Own};

/// One connection to a database of any supported kind.
///
/// * `sqlite:path`, `sqlite://path`, `sqlite::memory:`. A missing file is created only with `?mode=rwc`. Feature
///   `sqlite`.
/// * `postgres://user:password@host:port/database`. Feature `postgres`. [`DatabaseParts`](crate::DatabaseParts) builds the
///   URL from its parts.
pub struct Database {
    inner: Inner,
    url: String,
}

enum Inner {
    #[cfg(feature = "sqlite")]
    Sqlite { options: sqlx::sqlite::SqliteConnectOptions, connection: Option<sqlx::SqliteConnection> },
    #[cfg(feature = "postgres")]
    Postgres {
        options: sqlx::postgres::PgConnectOptions,
        connection: Option<sqlx::PgConnection>,
        /// When this connection began to be made.
        since: Option<tokio::time::Instant>,
        /// Whether the caller has had it, and may have left a transaction open.
        lent: bool,
    },
    #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
    Never(std::convert::Infallible),
}

impl Database {
    /// Connects to the database of this URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] if the URL is invalid or needs a feature that is off; [`ErrorKind::Unreachable`] and
    /// [`ErrorKind::Denied`]. No error shows the password of the URL.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_within(url, Duration::ZERO).await
    }

    /// Connects like [`connect`](Self::connect), and waits up to `wait` for a server that is still starting.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect). A wrong URL, user or password fails at once.
    pub async fn connect_within(url: &str, wait: Duration) -> Result<Self, Error> {
        let mut database = Self { inner: inner(url)?, url: url.to_owned() };
        let deadline = Deadline::after(wait);
        let mut attempt = 0;
        loop {
            let left = deadline.left();
            // An attempt must not outlast the wait: a host that drops packets would block for minutes.
            let patience = if wait.is_zero() { Duration::from_secs(30) } else { left.max(Duration::from_secs(1)) };
            let connected = match tokio::time::timeout(patience, database.open()).await {
                Ok(connected) => connected,
                Err(_) => {
                    let waited = if wait.is_zero() { patience } else { wait };
                    Err(Cause::new(Class::Unreachable, format!("no answer within {waited:?}")))
                }
            };
            let Err(cause) = connected else { return Ok(database) };
            if cause.class != Class::Unreachable || left.is_zero() {
                return Err(database.error(cause));
            }
            tokio::time::sleep(backoff(attempt, Duration::from_millis(50), Duration::from_secs(1)).min(left)).await;
            attempt += 1;
        }
    }

    /// The dialect of the database.
    pub fn dialect(&self) -> Dialect {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite { .. } => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Inner::Postgres { .. } => Dialect::Postgres,
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            Inner::Never(never) => match *never {},
        }
    }

    /// The URL with its secrets masked.
    pub fn url(&self) -> String {
        mask_secrets(&self.url)
    }

    /// The connection, if the database is SQLite. `None` after an interrupted run, until the next verb reconnects.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut sqlx::SqliteConnection> {
        match &mut self.inner {
            Inner::Sqlite { connection, .. } => connection.as_mut(),
            #[cfg(feature = "postgres")]
            Inner::Postgres { .. } => None,
        }
    }

    /// The connection, if the database is PostgreSQL. `None` after an interrupted run, until the next verb reconnects.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut sqlx::PgConnection> {
        match &mut self.inner {
            Inner::Postgres { connection, lent, .. } => {
                *lent = true;
                connection.as_mut()
            }
            #[cfg(feature = "sqlite")]
            Inner::Sqlite { .. } => None,
        }
    }

    /// Closes the connection properly. Dropping the value only closes the socket.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Interrupted`] if the server does not answer.
    pub async fn close(self) -> Result<(), Error> {
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        use sqlx::Connection;
        let closed = match self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite { connection: Some(connection), .. } => connection.close().await,
            #[cfg(feature = "postgres")]
            Inner::Postgres { connection: Some(connection), .. } => connection.close().await,
            _ => Ok::<(), sqlx::Error>(()),
        };
        closed.map_err(|error| Error::from_cause("the connection could not be closed", Cause::from_driver(&error)))
    }

    /// Connects if there is no connection: at the start, and after an interrupted run.
    async fn open(&mut self) -> Result<(), Cause> {
        match &mut self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite { options, connection } => {
                if connection.is_none() {
                    *connection = Some(crate::backend::sqlite::connect(options).await?);
                }
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Inner::Postgres { options, connection, since, lent } => {
                if connection.is_none() {
                    *lent = false;
                    *since = Some(tokio::time::Instant::now());
                    *connection = Some(crate::backend::postgres::connect(options).await?);
                }
                Ok(())
            }
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            Inner::Never(never) => match *never {},
        }
    }

    /// Inlined into the program: see [`crate::session`].
    #[inline]
    pub(crate) fn backend<'a>(&'a mut self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>> {
        Box::pin(async move {
            self.open().await?;
            match &mut self.inner {
                #[cfg(feature = "sqlite")]
                Inner::Sqlite { connection, options } => {
                    let held = HeldConnection::new(Own::new(connection, Arc::new(options.clone())));
                    Ok(crate::backend::sqlite::backend(held))
                }
                #[cfg(feature = "postgres")]
                Inner::Postgres { connection, options, since, lent } => {
                    let held = HeldConnection::new(Own::new(connection, Arc::new(options.clone())));
                    Ok(crate::backend::postgres::backend_of(held, *since, !*lent))
                }
                #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
                Inner::Never(never) => match *never {},
            }
        })
    }

    fn error(&self, mut cause: Cause) -> Error {
        // The server names the user. If the password is the same word, masking it there would reveal that.
        let mut secrets = secrets(&self.url);
        secrets.retain(|secret| Some(secret) != self.user().as_ref());
        for secret in &secrets {
            cause.message = cause.message.replace(secret, "***");
        }
        if cause.code.as_deref() == Some("SQLSTATE 3D000") {
            let name = Some(self.name().unwrap_or_default()).filter(|name| !secrets.contains(name));
            let name = crate::history_table::identifier(name.as_deref().unwrap_or("***"));
            cause = cause.with_advice(Wording::each(|audience| {
                format!(
                    "create the database first, connected to another one, such as `postgres`: `CREATE DATABASE {name}`; \
                     or let {} create it",
                    audience.bootstrap()
                )
            }));
        }
        if let Some(help) = self.missing_file(&cause) {
            cause = cause.with_advice(help);
        }
        Error::from_cause(format!("cannot connect to {}", mask_secrets(&self.url)), cause)
    }

    /// What to do about a SQLite file that does not exist.
    fn missing_file(&self, cause: &Cause) -> Option<String> {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite { options, .. } if cause.class == Class::NoFile => {
                let path = options.get_filename();
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                if let Some(folder) = folder.filter(|folder| !folder.exists()) {
                    return Some(format!("there is no folder `{}`: create it, or correct the path", folder.display()));
                }
                if path.exists() {
                    return None;
                }
                let creates =
                    self.url.split_once('?').is_some_and(|(_, query)| query.split('&').any(|pair| pair == "mode=rwc"));
                if creates {
                    let folder = folder.map_or_else(|| ".".to_owned(), |folder| folder.display().to_string());
                    return Some(format!(
                        "the file `{}` cannot be created in the folder `{folder}`: let this user write there (`chmod u+w \
                         '{folder}'`, or `chown` as root), or correct the path",
                        path.display()
                    ));
                }
                let (file, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
                let mode =
                    |pair: &&str| !pair.is_empty() && !pair.starts_with("mode=") && !pair.starts_with("immutable=");
                let pairs: Vec<&str> = query.split('&').filter(mode).chain(["mode=rwc"]).collect();
                let url = mask_secrets(&format!("{file}?{}", pairs.join("&")));
                Some(format!("there is no file `{}`: correct the path, or create it with `{url}`", path.display()))
            }
            _ => {
                let _ = cause;
                None
            }
        }
    }

    /// The role that connects.
    fn user(&self) -> Option<String> {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite { .. } => None,
            #[cfg(feature = "postgres")]
            Inner::Postgres { options, .. } => Some(options.get_username().to_owned()),
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            Inner::Never(never) => match *never {},
        }
    }

    /// The name of the database on the server.
    fn name(&self) -> Option<String> {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite { .. } => None,
            #[cfg(feature = "postgres")]
            Inner::Postgres { options, .. } => {
                Some(options.get_database().unwrap_or_else(|| options.get_username()).to_owned())
            }
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            Inner::Never(never) => match *never {},
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.url()).finish()
    }
}

fn inner(url: &str) -> Result<Inner, Error> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let unknown = |what: String| Error::new(ErrorKind::Usage, what);
    match scheme {
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let validated = crate::url::understood(url)?;
            let options: sqlx::sqlite::SqliteConnectOptions =
                validated.parse().map_err(|error| invalid_url(url, &error))?;
            // The driver would log slow statements, and a script may contain secrets.
            let options = sqlx::ConnectOptions::disable_statement_logging(options);
            Ok(Inner::Sqlite { options, connection: None })
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            let validated = crate::url::understood(url)?;
            let mut options: sqlx::postgres::PgConnectOptions =
                validated.parse().map_err(|error| invalid_url(url, &error))?;
            if options.get_application_name().is_none() {
                // Runs that wait for our lock show this name.
                let program = std::env::current_exe().ok();
                let name = program.as_deref().and_then(|path| path.file_stem()?.to_str()).unwrap_or("lockgate");
                options = options.application_name(name);
            }
            // The driver would log slow statements, and a script may contain secrets.
            options = sqlx::ConnectOptions::disable_statement_logging(options);
            Ok(Inner::Postgres { options, connection: None, since: None, lent: false })
        }
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(unknown("this build does not support `sqlite:` databases".to_owned())
            .with_help("enable the feature `sqlite` of the crate `lockgate`")),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(unknown("this build does not support `postgres:` databases".to_owned())
            .with_help("enable the feature `postgres` of the crate `lockgate`")),
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        _ if let Some((what, help)) = crate::url::other_form(url) => Err(unknown(what.to_owned()).with_help(help)),
        "" => {
            // Text that may contain a password is not shown.
            let is_path = !url.is_empty() && !url.contains(['@', '=', '?', ' ']);
            let file = if is_path { url } else { "app.db" };
            Err(unknown("the database URL has no scheme".to_owned())
                .with_help(format!("write `sqlite://{file}` for a file of SQLite, or `postgres://user@host/database`")))
        }
        other => Err(unknown(format!("Lockgate does not support `{other}:` databases"))
            .with_help("write `sqlite://app.db` or `postgres://user@host/database`")),
    }
}

fn invalid_url(url: &str, error: &sqlx::Error) -> Error {
    let mut cause = match error {
        // Without the driver's own prefix.
        sqlx::Error::Configuration(e) => {
            let text = e.to_string();
            Cause::new(Class::Usage, text.trim_start_matches("error with configuration: "))
        }
        error => Cause { class: Class::Usage, ..Cause::from_driver(error) },
    };
    for secret in secrets(url) {
        cause.message = cause.message.replace(&secret, "***");
    }
    Error::from_cause("the database URL is invalid", cause)
        .with_help("write `sqlite://app.db` or `postgres://user:password@host:5432/database`; a special character in the password is written %XX")
}
