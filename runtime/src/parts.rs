//! A database by its parts: host, port, user, password and name, and the URL that they make.

use std::net::Ipv6Addr;
use std::path::Path;
use std::{fmt, fs};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Error;

/// Every character that may have a meaning in some part of a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parts of the URL of a PostgreSQL database, for programs that get them one by one. Every part may have any
/// character.
///
/// A part that is `None` is left to the driver, which looks at `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`
/// and the password file. `Debug` masks the password.
///
/// ```
/// use lockgate::DatabaseParts;
///
/// let parts = DatabaseParts {
///     host: Some("db.internal".into()),
///     user: Some("library".into()),
///     password: Some("p@ss:w/rd".into()),
///     name: Some("library".into()),
///     ..DatabaseParts::default()
/// };
/// // For `Database::connect`, `wait::until_migrated` or a pool.
/// assert_eq!(parts.url(), "postgres://library:p%40ss%3Aw%2Frd@db.internal/library");
/// assert!(!format!("{parts:?}").contains("p@ss"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DatabaseParts {
    /// A name, an address, or the directory of a socket, which begins with `/`.
    pub host: Option<String>,
    /// The port. PostgreSQL's is 5432.
    pub port: Option<u16>,
    /// The role that connects.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// The name of the database on the server.
    pub name: Option<String>,
}

impl DatabaseParts {
    /// The URL of these parts. It contains the password: show it with [`mask_secrets`](crate::mask_secrets).
    pub fn url(&self) -> String {
        let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
        let mut url = "postgres://".to_owned();
        let mut query = Vec::new();
        let mut add = |key: &str, value: &str| query.push(format!("{key}={}", escaped(value)));
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => url += &format!("{}:{}@", escaped(user), escaped(password)),
            (Some(user), None) => url += &format!("{}@", escaped(user)),
            // A URL cannot have a password before the `@` without a user.
            (None, Some(password)) => add("password", password),
            (None, None) => {}
        }
        let host = self.host.as_deref().unwrap_or_default();
        let before_path = if host.parse::<Ipv6Addr>().is_ok() {
            url += &format!("[{host}]");
            true
        } else if !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            url += host;
            true
        } else {
            self.host.iter().for_each(|host| add("host", host));
            false
        };
        match self.port {
            Some(port) if before_path => url += &format!(":{port}"),
            Some(port) => add("port", &port.to_string()),
            None => {}
        }
        match self.name.as_deref() {
            // A path cannot contain these two as names.
            Some(name @ ("." | "..")) => add("dbname", name),
            Some(name) => url += &format!("/{}", escaped(name)),
            None => {}
        }
        if !query.is_empty() {
            if self.name.is_none() || url.ends_with('@') {
                url.push('/');
            }
            url += &format!("?{}", query.join("&"));
        }
        url
    }
}

/// The password in a file, without the line break at its end. `source` is what named the file.
///
/// # Errors
///
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage). No message has anything of the file.
pub(crate) fn password_in(file: &Path, source: &str) -> Result<String, Error> {
    let wrong = |what: &str| Error::usage(format!("the password file `{}` ({source}) {what}", file.display()));
    let content = fs::read(file).map_err(|error| {
        wrong(&format!("cannot be read: {error}"))
            .with_help(format!("let {source} name a file that holds the password alone, and that this user may read"))
    })?;
    let wrong = |what: &str| Err(wrong(what).with_help("write the password into it, as its only line"));
    let Ok(text) = String::from_utf8(content) else { return wrong("is not UTF-8") };
    let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    match text {
        "" => wrong("is empty"),
        text if text.contains(['\n', '\0']) => wrong("holds more than one line"),
        text => Ok(text.to_owned()),
    }
}

impl fmt::Debug for DatabaseParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseParts")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("name", &self.name)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{mask_secrets, secrets};

    const ODD: [&str; 14] =
        ["pl@in", "a:b", "a/b", "a?b", "a#b", "a%b", "a%40b", "a b", "a&b=c", "ü€😀", "[a]", "'\"\\", "..", "+a+"];

    fn odd(text: &str) -> DatabaseParts {
        let text = Some(text.to_owned());
        DatabaseParts { host: None, port: Some(6432), user: text.clone(), password: text.clone(), name: text }
    }

    #[test]
    fn a_host_of_each_kind_has_its_place() {
        let url = |host: &str| {
            let (user, name) = (Some("ada".to_owned()), Some("library".to_owned()));
            DatabaseParts { host: Some(host.into()), port: Some(6432), user, password: None, name }.url()
        };
        assert_eq!(url("localhost"), "postgres://ada@localhost:6432/library");
        assert_eq!(url("127.0.0.1"), "postgres://ada@127.0.0.1:6432/library");
        assert_eq!(url("::1"), "postgres://ada@[::1]:6432/library");
        assert_eq!(url("/run/pg"), "postgres://ada@/library?host=%2Frun%2Fpg&port=6432");
        assert_eq!(DatabaseParts::default().url(), "postgres://");
    }

    #[test]
    fn no_odd_password_is_shown() {
        for text in ODD {
            let parts = DatabaseParts { host: Some("h".into()), ..odd(text) };
            let url = parts.url();
            let masked = mask_secrets(&url);
            assert!(masked.contains(":***@"), "{masked}");
            // The user has the same text: it is written once, and not twice.
            let escaped = utf8_percent_encode(text, ESCAPED).to_string();
            assert_eq!(masked.split(":***@").next().unwrap(), format!("postgres://{escaped}"));
            if text.len() > 2 {
                assert!(secrets(&url).contains(&text.to_owned()), "{url}");
            }
            let without_user = DatabaseParts { user: None, ..parts };
            assert!(mask_secrets(&without_user.url()).contains("password=***"), "{}", without_user.url());
            assert!(format!("{without_user:?}").contains("***"));
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn the_driver_reads_every_part_as_it_was_given() {
        for text in ODD {
            for host in ["localhost", "::1", "/run/pg"] {
                let parts = DatabaseParts { host: Some(host.to_owned()), ..odd(text) };
                let understood = crate::url::understood(&parts.url()).unwrap();
                let options: sqlx::postgres::PgConnectOptions = understood.parse().unwrap();
                assert_eq!((options.get_username(), options.get_database()), (text, Some(text)), "{}", parts.url());
                assert_eq!(options.get_port(), 6432);
                match options.get_socket() {
                    Some(socket) => assert_eq!(socket.to_str(), Some(host)),
                    None => assert_eq!(options.get_host().trim_matches(['[', ']']), host),
                }
                // The driver does not show the password, so compare the URL that its parts make again.
                let again = crate::url::with_parts(&parts.url(), &DatabaseParts::default()).unwrap();
                assert_eq!(again, parts.url());
            }
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn parts_replace_those_of_a_url() {
        let password = DatabaseParts { password: Some("p@ss".into()), ..DatabaseParts::default() };
        let host = DatabaseParts { host: Some("db".into()), port: Some(1), ..DatabaseParts::default() };
        for (base, parts, expected) in [
            ("postgres://app@localhost/app", &password, "postgres://app:p%40ss@localhost/app"),
            ("postgresql://app:old@localhost:5433/app", &password, "postgres://app:p%40ss@localhost:5433/app"),
            ("postgres://app@[::1]:5433/app?sslmode=require", &host, "postgres://app@db:1/app?sslmode=require"),
            ("postgres:///app?host=/run/pg&user=app", &host, "postgres://app@db:1/app"),
            (
                "postgres://app@/app?host=/run/pg&sslmode=disable",
                &password,
                "postgres://app:p%40ss@/app?host=%2Frun%2Fpg&sslmode=disable",
            ),
        ] {
            assert_eq!(crate::url::with_parts(base, parts).as_deref(), Some(expected));
        }
        assert_eq!(crate::url::with_parts("sqlite://app.db", &password), None);
    }
}
