//! One connection to any supported database, by URL.

use std::fmt;
use std::time::Duration;

use lockgate_core::Dialect;
use tokio::time::Instant;

use crate::backend::{Backend, BoxFuture, backoff};
use crate::error::{Cause, Class, Error, ErrorKind};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::session::Held;

/// One connection to a database, of whichever kind its URL names.
///
/// * `sqlite:path`, `sqlite://path`, `sqlite::memory:`; a file that is missing is created only with
///   `?mode=rwc`. Feature `sqlite`.
/// * `postgres://user:password@host:port/database`. Feature `postgres`.
pub struct Database {
    inner: Inner,
    url: String,
}

enum Inner {
    #[cfg(feature = "sqlite")]
    Sqlite { options: sqlx::sqlite::SqliteConnectOptions, connection: Option<sqlx::SqliteConnection> },
    #[cfg(feature = "postgres")]
    Postgres { options: sqlx::postgres::PgConnectOptions, connection: Option<sqlx::PgConnection> },
    #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
    Never(std::convert::Infallible),
}

impl Database {
    /// Connects to the database that the URL names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] where the URL is not understood, or names a database that this build has
    /// no feature for; [`ErrorKind::Unreachable`] and [`ErrorKind::Denied`]. The password of the URL
    /// is in none of them.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_within(url, Duration::ZERO).await
    }

    /// Connects like [`connect`](Self::connect), and waits for a server that is still coming up, but
    /// not longer than this.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect); a wrong URL, user or password is told at once.
    pub async fn connect_within(url: &str, wait: Duration) -> Result<Self, Error> {
        let mut database = Self { inner: inner(url)?, url: url.to_owned() };
        let deadline = Instant::now() + wait;
        let mut attempt = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // An attempt must not outlast the wait that was asked for: a host that swallows packets
            // answers nothing for minutes.
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

    /// What the database speaks.
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

    /// The URL without its password, fit to be shown.
    pub fn url(&self) -> String {
        mask(&self.url)
    }

    /// The connection, if the database is SQLite. Empty behind a run that was cut off, until the
    /// next verb connects again.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut sqlx::SqliteConnection> {
        match &mut self.inner {
            Inner::Sqlite { connection, .. } => connection.as_mut(),
            #[cfg(feature = "postgres")]
            Inner::Postgres { .. } => None,
        }
    }

    /// The connection, if the database is PostgreSQL. Empty behind a run that was cut off, until the
    /// next verb connects again.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut sqlx::PgConnection> {
        match &mut self.inner {
            Inner::Postgres { connection, .. } => connection.as_mut(),
            #[cfg(feature = "sqlite")]
            Inner::Sqlite { .. } => None,
        }
    }

    /// Says goodbye to the server, where dropping the value would just hang up.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Interrupted`] where the server does not answer.
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

    /// Connects if there is no connection: at first, and behind a run that was cut off.
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
            Inner::Postgres { options, connection } => {
                if connection.is_none() {
                    *connection = Some(crate::backend::postgres::connect(options).await?);
                }
                Ok(())
            }
            #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
            Inner::Never(never) => match *never {},
        }
    }

    pub(crate) fn backend<'a>(&'a mut self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>> {
        Box::pin(async move {
            self.open().await?;
            match &mut self.inner {
                #[cfg(feature = "sqlite")]
                Inner::Sqlite { connection, .. } => {
                    let backing = crate::backend::sqlite::Backing::new(Held::Owned(connection));
                    Ok(Box::new(backing) as Box<dyn Backend + 'a>)
                }
                #[cfg(feature = "postgres")]
                Inner::Postgres { connection, .. } => {
                    let backing = crate::backend::postgres::Backing::new(Held::Owned(connection));
                    Ok(Box::new(backing) as Box<dyn Backend + 'a>)
                }
                #[cfg(not(any(feature = "sqlite", feature = "postgres")))]
                Inner::Never(never) => match *never {},
            }
        })
    }

    fn error(&self, mut cause: Cause) -> Error {
        for secret in secrets(&self.url) {
            cause.message = cause.message.replace(&secret, "***");
        }
        let code = cause.code.clone();
        let mut error = Error::from_cause(format!("cannot connect to {}", mask(&self.url)), cause);
        if code.as_deref() == Some("SQLSTATE 3D000") {
            error = error.with_help("create the database first: CREATE DATABASE is not run for you");
        }
        error
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
            let options = url.parse().map_err(|error| not_understood(url, &error))?;
            Ok(Inner::Sqlite { options, connection: None })
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            let mut options: sqlx::postgres::PgConnectOptions =
                url.parse().map_err(|error| not_understood(url, &error))?;
            if options.get_application_name().is_none() {
                // Whoever waits for our lock reads this name.
                let program = std::env::current_exe().ok();
                let name = program.as_deref().and_then(|path| path.file_stem()?.to_str()).unwrap_or("lockgate");
                options = options.application_name(name);
            }
            Ok(Inner::Postgres { options, connection: None })
        }
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(unknown("this build knows no `sqlite:` databases".to_owned())
            .with_help("enable the feature `sqlite` of the crate `lockgate`")),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => Err(unknown("this build knows no `postgres:` databases".to_owned())
            .with_help("enable the feature `postgres` of the crate `lockgate`")),
        "" => Err(unknown("the database URL has no scheme".to_owned())
            .with_help("write `sqlite://app.db` or `postgres://user@host/database`")),
        other => Err(unknown(format!("`{other}:` is no database that Lockgate knows"))
            .with_help("write `sqlite://app.db` or `postgres://user@host/database`")),
    }
}

fn not_understood(url: &str, error: &sqlx::Error) -> Error {
    let mut cause = match error {
        // Without the driver's own words for whose fault it is.
        sqlx::Error::Configuration(e) => {
            let text = e.to_string();
            Cause::new(Class::Usage, text.trim_start_matches("error with configuration: "))
        }
        error => Cause { class: Class::Usage, ..Cause::from_driver(error) },
    };
    for secret in secrets(url) {
        cause.message = cause.message.replace(&secret, "***");
    }
    Error::from_cause("the database URL is not understood", cause)
        .with_help("write `sqlite://app.db` or `postgres://user:password@host:5432/database`; a special character in the password is written %XX")
}

/// The URL with `***` for its password, whether it stands before the host or among the parameters.
fn mask(url: &str) -> String {
    let mut masked = url.to_owned();
    if let Some((start, end)) = password(&masked) {
        masked.replace_range(start..end, "***");
    }
    let Some((base, query)) = masked.split_once('?') else { return masked };
    let parameters: Vec<String> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}=***"),
            _ => parameter.to_owned(),
        })
        .collect();
    format!("{base}?{}", parameters.join("&"))
}

/// Where the password stands: between the first colon and the last `@` of what names the host.
fn password(url: &str) -> Option<(usize, usize)> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?']).map_or(url.len(), |slash| start + slash);
    // A password with an unescaped slash would else be cut in two, and half of it shown.
    let at = url[start..end].rfind('@').map(|at| start + at).or_else(|| url.rfind('@').filter(|at| *at > start))?;
    let colon = url[start..at].find(':')?;
    Some((start + colon + 1, at))
}

/// What must not be shown of a URL, as written and as meant.
fn secrets(url: &str) -> Vec<String> {
    let mut secrets: Vec<String> = password(url).map(|(start, end)| url[start..end].to_owned()).into_iter().collect();
    if let Some((_, query)) = url.split_once('?') {
        let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
        secrets.extend(
            parameters
                .filter(|(name, _)| name.to_ascii_lowercase().contains("password"))
                .map(|(_, value)| value.to_owned()),
        );
    }
    let decoded: Vec<String> = secrets.iter().map(|secret| decode(secret)).collect();
    secrets.extend(decoded);
    secrets.retain(|secret| secret.len() > 2);
    secrets
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_shows_its_password() {
        for (url, shown) in [
            ("postgres://ann:s3cret@host/db", "postgres://ann:***@host/db"),
            ("postgres://ann:s3/cr@t@host/db", "postgres://ann:***@host/db"),
            ("postgres://ann:s%40cret@host:5432/db?sslmode=off", "postgres://ann:***@host:5432/db?sslmode=off"),
            ("postgres:///db?user=ann&password=s3cret", "postgres:///db?user=ann&password=***"),
            ("postgres://ann@host/db", "postgres://ann@host/db"),
            ("sqlite://app.db?mode=rwc", "sqlite://app.db?mode=rwc"),
        ] {
            assert_eq!(mask(url), shown);
        }
        assert_eq!(secrets("postgres://ann:s%40cret@host/db"), ["s%40cret", "s@cret"]);
    }
}
