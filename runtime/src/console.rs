//! The client of a database, `psql` or `sqlite3`, with the settings that a run has.

use std::ffi::OsStr;
use std::fmt;
use std::process::Command;

use crate::error::{Error, ErrorKind};

/// The client of a database (`psql`, `sqlite3`) and what it is given: the same server, database, role and settings as a
/// run has. No argument holds the password.
///
/// ```
/// # #[cfg(feature = "postgres")] {
/// let console = lockgate::Console::of("postgres://ada:s3cret@localhost/library").unwrap();
/// assert_eq!(console.program(), "psql");
/// // let status = console.command().arg("--command=SELECT 1").status()?;
/// assert!(!format!("{console:?}").contains("s3cret"));
/// # }
/// ```
pub struct Console {
    program: &'static str,
    arguments: Vec<String>,
    /// What the client finds in its environment.
    variables: Vec<(&'static str, String)>,
    /// What it must not find there, because it would lead elsewhere.
    without: &'static [&'static str],
}

impl Console {
    /// The client for the database of this URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] where the URL is not understood, the database is in memory, or the client cannot be told a
    /// part of the URL; [`ErrorKind::Unreachable`] where the file does not exist, as a console does not create it.
    pub fn of(url: &str) -> Result<Self, Error> {
        match url.split_once(':').map_or("", |(scheme, _)| scheme) {
            #[cfg(feature = "sqlite")]
            "sqlite" => sqlite(url),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => postgres(url),
            _ => Err(Error::new(ErrorKind::Usage, "this build knows no client for such a database")
                .with_help("write `sqlite://app.db` or `postgres://user@host/database`")),
        }
    }

    /// The name of the client, as it is found in `PATH`.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// The command that starts it. More arguments can follow.
    pub fn command(&self) -> Command {
        let mut command = self.command_of(self.program);
        command.args(&self.arguments);
        command
    }

    /// The command that starts another PostgreSQL client in the same way, without arguments, for example `pg_dump`.
    pub fn command_of(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for name in self.without {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The name of the database on its server. `None` if it is a file.
    pub fn database(&self) -> Option<&str> {
        self.variable("PGDATABASE")
    }

    /// The name or address of the server, or the directory of its socket. `None` for a file.
    pub fn host(&self) -> Option<&str> {
        self.variable("PGHOST")
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| &**value)
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): &(&'static str, String)| {
            let value = if *name == "PGPASSWORD" { "***" } else { value };
            format!("{name}={value}")
        };
        f.debug_struct("Console")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("variables", &self.variables.iter().map(shown).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Everything is a variable, so that no other user of the machine sees it in the list of processes.
#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Console, Error> {
    use sqlx::postgres::{PgConnectOptions, PgSslMode};
    use sqlx_core::Url;

    let invalid = |error: &dyn fmt::Display| {
        let error = Error::new(ErrorKind::Usage, format!("the database URL is invalid: {error}"));
        error.masked(&crate::secret::secrets(url))
    };
    let understood = crate::url::understood(url)?;
    let options: PgConnectOptions = understood.parse().map_err(|error: sqlx::Error| invalid(&error))?;
    let parsed = Url::parse(&understood).map_err(|error| invalid(&error))?;
    let host = match options.get_socket() {
        Some(directory) => directory.display().to_string(),
        None => options.get_host().trim_matches(['[', ']']).to_owned(),
    };
    let mode = match options.get_ssl_mode() {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    };
    let mut variables = vec![
        ("PGHOST", host),
        ("PGPORT", options.get_port().to_string()),
        ("PGUSER", options.get_username().to_owned()),
        ("PGDATABASE", options.get_database().unwrap_or_else(|| options.get_username()).to_owned()),
        ("PGSSLMODE", mode.to_owned()),
    ];
    variables.extend(options.get_options().map(|options| ("PGOPTIONS", options.to_owned())));
    // What the URL leaves out, driver and client both read from variables and from the password file.
    let password = crate::url::parts(url).and_then(|(parts, _)| parts.password).filter(|word| !word.is_empty());
    variables.extend(password.map(|password| ("PGPASSWORD", password)));
    for (key, value) in parsed.query_pairs() {
        let name = match &*key {
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
            "sslcert" | "ssl-cert" => "PGSSLCERT",
            "sslkey" | "ssl-key" => "PGSSLKEY",
            "application_name" => "PGAPPNAME",
            _ => continue,
        };
        if value.contains("-----BEGIN ") {
            let error = Error::new(ErrorKind::Usage, format!("`psql` cannot be given the text of `{key}`"));
            return Err(error.with_help(format!("write it into a file, and name the file: `{key}=/path/to/file`")));
        }
        variables.push((name, value.into_owned()));
    }
    let without: &[&str] = &["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS"];
    Ok(Console { program: "psql", arguments: Vec::new(), variables, without })
}

/// The settings are those that the driver makes: foreign keys are enforced, and a lock is waited for.
#[cfg(feature = "sqlite")]
fn sqlite(url: &str) -> Result<Console, Error> {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

    use crate::error::Wording;

    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

    let (path, parameters) = crate::url::file(&crate::url::understood(url)?);
    let mode = parameters.iter().find(|(key, _)| key == "mode").map_or("rw", |(_, value)| value);
    if path.is_empty() || path == ":memory:" || mode == "memory" {
        return Err(Error::new(ErrorKind::Usage, "a database in memory is seen by this process alone")
            .with_help("name a file: `sqlite://app.db`"));
    }
    if !std::path::Path::new(&path).exists() {
        return Err(Error::new(ErrorKind::Unreachable, format!("the file `{path}` does not exist")).with_help(
            Wording::each(|audience| format!("{} creates it, if the database URL ends in `?mode=rwc`", audience.up())),
        ));
    }
    let mode = if mode == "ro" { "ro" } else { "rw" };
    // As a URI that names a mode, so that the client does not create a file either.
    let mut uri = format!("file:{}?mode={mode}", utf8_percent_encode(&path, KEPT));
    for (key, value) in parameters.iter().filter(|(key, _)| key != "mode") {
        uri += &format!("&{key}={}", utf8_percent_encode(value, KEPT));
    }
    let settings = ["-cmd", "PRAGMA foreign_keys = ON", "-cmd", ".timeout 5000"].map(str::to_owned);
    let arguments = settings.into_iter().chain([uri]).collect();
    Ok(Console { program: "sqlite3", arguments, variables: Vec::new(), without: &[] })
}
