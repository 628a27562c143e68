//! A server, and the logins on it: as the user of its URL, or as the role in the name of a patch.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::password::Passwords;
use crate::database::Database;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::migrator::Migrator;
use crate::parts::DatabaseParts;

/// The database that exists on every server, unless the URL names another one.
const MAINTENANCE: &str = "postgres";

/// Who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login<'a> {
    /// The user of the URL.
    OfUrl,
    /// The role in the name of a patch.
    Role(&'a str),
}

/// A server, and how to log in.
pub(super) struct Server<'a> {
    url: &'a str,
    /// The user that the URL names.
    pub(super) user: Option<String>,
    /// The database to connect to while another one does not exist.
    pub(super) maintenance: String,
    passwords: &'a Passwords,
    /// For its events.
    migrator: &'a Migrator,
    wait: Duration,
    /// The roles whose name was tried as their password.
    assumed: Mutex<BTreeSet<String>>,
}

/// Why a login failed.
pub(super) struct Refused {
    pub(super) why: Why,
    pub(super) error: Error,
}

/// Why a login failed, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The server says that there is no such database.
    NoDatabase,
    /// A wrong password, or no such role.
    Login,
    /// Anything else.
    Other,
}

impl<'a> Server<'a> {
    pub(super) fn new(
        url: &'a str,
        passwords: &'a Passwords,
        migrator: &'a Migrator,
        wait: Duration,
    ) -> Result<Self, Error> {
        let Some((parts, _)) = crate::url::parts(url) else {
            return Err(Error::usage("the URL of the server is not one of PostgreSQL")
                .with_help("write `postgres://user@host`, or `postgres://user@host/postgres`"));
        };
        let maintenance = parts.name.unwrap_or_else(|| MAINTENANCE.to_owned());
        let assumed = Mutex::default();
        Ok(Self { url, user: parts.user, maintenance, passwords, migrator, wait, assumed })
    }

    /// The URL of the server.
    pub(super) fn url(&self) -> &str {
        self.url
    }

    /// The URL of a database, with the password of the login.
    pub(super) fn url_of(&self, database: &str, login: Login<'_>) -> Result<String, Error> {
        let mut parts = DatabaseParts { name: Some(database.to_owned()), ..DatabaseParts::default() };
        if let Login::Role(role) = login {
            parts.user = Some(role.to_owned());
            parts.password = self.passwords.of(role)?;
            let is_of_url = self.user.as_deref() == Some(role);
            if parts.password.is_none() && !is_of_url {
                self.assume(role)?;
                parts.password = Some(role.to_owned());
            }
        }
        Ok(crate::url::with_parts(self.url, &parts).expect("the URL could be divided before"))
    }

    /// Says once that the name of a role is tried as its password.
    fn assume(&self, role: &str) -> Result<(), Error> {
        let is_new = self.assumed.lock().unwrap_or_else(PoisonError::into_inner).insert(role.to_owned());
        if is_new {
            let variable = self.passwords.variable(role);
            self.migrator.tell(Event::PasswordAssumed { role: role.to_owned(), variable })?;
        }
        Ok(())
    }

    /// Logs in.
    pub(super) async fn enter(&self, database: &str, login: Login<'_>) -> Result<Database, Refused> {
        let url = self.url_of(database, login).map_err(|error| Refused { why: Why::Other, error })?;
        let error = match Database::connect_within(&url, self.wait).await {
            Ok(connected) => return Ok(connected),
            Err(error) => error,
        };
        let code = error.report().database_code();
        let why = match code {
            Some("SQLSTATE 3D000") => Why::NoDatabase,
            Some("SQLSTATE 28000" | "SQLSTATE 28P01") => Why::Login,
            _ => Why::Other,
        };
        let error = match (why, login) {
            (Why::Login, Login::Role(role)) => self.explained(error, role),
            (Why::Login | Why::NoDatabase | Why::Other, _) => error,
        };
        Err(Refused { why, error: error.in_front(&place(database, login)) })
    }

    /// Says where the password of a role would be found.
    fn explained(&self, error: Error, role: &str) -> Error {
        let is_of_url = self.user.as_deref() == Some(role);
        let given = match self.passwords.of(role) {
            Ok(given) => given.is_some(),
            Err(error) => return error,
        };
        let help = match self.passwords.variable(role) {
            Some(variable) if given => format!("check that the role `{role}` exists, and the password in {variable}"),
            Some(variable) if is_of_url => {
                format!("check the password of `{role}` in the URL, or set {variable}")
            }
            Some(variable) => format!(
                "check that the role `{role}` exists, and set {variable} to its password, or {variable}_FILE to a file \
                 that has it"
            ),
            None if is_of_url => format!("check the password of `{role}` in the URL"),
            None => format!("check that the role `{role}` exists, and the password that the program has for it"),
        };
        error.with_help_instead(help)
    }
}

/// Where something happens, for the beginning of a message.
pub(super) fn place(database: &str, login: Login<'_>) -> String {
    match login {
        Login::OfUrl => format!("the database `{database}`"),
        Login::Role(role) => format!("the database `{database}` as the role `{role}`"),
    }
}

/// An error of a connection that was made for its own SQL.
pub(super) fn lost() -> Error {
    Error::new(ErrorKind::Interrupted, "the connection was lost")
        .with_help("run again: what is recorded is not repeated")
}
