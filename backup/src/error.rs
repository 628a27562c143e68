//! Errors of backups: what happened, what is known, and what to type next.

use std::fmt::{self, Write};

use lockgate::{Audience, ErrorKind};

/// The SQLSTATE of a lock that was waited for too long.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
const LOCK_TIMEOUT: &str = "55P03";

/// Why a command failed.
///
/// Its `Display` is one line; [`report`](Self::report) has all details.
pub struct Error(Box<Inner>);

enum Inner {
    /// An error of the migrator.
    Lockgate(lockgate::Error),
    Own(Own),
}

struct Own {
    kind: ErrorKind,
    summary: String,
    state: Vec<String>,
    help: Vec<String>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, summary: impl Into<String>) -> Self {
        Self(Box::new(Inner::Own(Own { kind, summary: summary.into(), state: Vec::new(), help: Vec::new() })))
    }

    pub(crate) fn usage(summary: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, summary)
    }

    /// A refusal: nothing was changed.
    pub fn refused(summary: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, summary)
    }

    pub(crate) fn failed(summary: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, summary)
    }

    /// The error of a driver.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn of_driver(summary: impl fmt::Display, error: &sqlx::Error) -> Self {
        let (kind, message) = match error {
            sqlx::Error::Database(error) => {
                let kind = match error.code().as_deref() {
                    Some("42501") => ErrorKind::Denied,
                    Some(LOCK_TIMEOUT) => ErrorKind::Locked,
                    _ => ErrorKind::Failed,
                };
                (kind, error.message().to_owned())
            }
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                (ErrorKind::Interrupted, error.to_string())
            }
            _ => (ErrorKind::Failed, error.to_string()),
        };
        Self::new(kind, format!("{summary}: {message}"))
    }

    /// The same error with one more fact. An error of the migrator is not changed, because it has its own facts.
    #[must_use]
    pub fn state(mut self, fact: impl Into<String>) -> Self {
        if let Inner::Own(own) = &mut *self.0 {
            own.state.push(fact.into());
        }
        self
    }

    /// The same error, with what to do.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Self {
        if let Inner::Own(own) = &mut *self.0 {
            own.help.push(line.into());
        }
        self
    }

    /// The same error for a command line on which these flags were typed: the commands in its advice carry them.
    #[doc(hidden)]
    #[must_use]
    pub fn with_flags(mut self, flags: &[String]) -> Self {
        *self.0 = match *self.0 {
            Inner::Lockgate(error) => Inner::Lockgate(error.with_flags(flags)),
            Inner::Own(mut own) => {
                for line in &mut own.help {
                    *line = lockgate::with_flags(line, flags);
                }
                Inner::Own(own)
            }
        };
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            Inner::Lockgate(error) => error.kind(),
            Inner::Own(own) => own.kind,
        }
    }

    /// What happened, in one line.
    pub fn summary(&self) -> &str {
        match &*self.0 {
            Inner::Lockgate(error) => error.report_for(Audience::CommandLine).summary(),
            Inner::Own(own) => &own.summary,
        }
    }

    /// What is known, one fact each.
    pub fn facts(&self) -> &[String] {
        match &*self.0 {
            Inner::Lockgate(error) => error.report_for(Audience::CommandLine).state(),
            Inner::Own(own) => &own.state,
        }
    }

    /// What to do next.
    pub fn advice(&self) -> &[String] {
        match &*self.0 {
            Inner::Lockgate(error) => error.report_for(Audience::CommandLine).help(),
            Inner::Own(own) => &own.help,
        }
    }

    /// All that is known, on several lines.
    pub fn report(&self) -> String {
        if let Inner::Lockgate(error) = &*self.0 {
            return error.report_for(Audience::CommandLine).to_string();
        }
        let mut report = format!("error[{}]: {}", self.kind(), self.summary());
        for line in self.facts() {
            write!(report, "\n  = {line}").expect("writing to a String cannot fail");
        }
        for line in self.advice() {
            write!(report, "\n  = help: {line}").expect("writing to a String cannot fail");
        }
        report
    }

    /// The migrator's error, if it is one.
    ///
    /// # Errors
    ///
    /// This error itself, if it is of this crate.
    pub fn into_lockgate(self) -> Result<lockgate::Error, Self> {
        match *self.0 {
            Inner::Lockgate(error) => Ok(error),
            Inner::Own(own) => Err(Self(Box::new(Inner::Own(own)))),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.summary())
    }
}

/// The report, so that `unwrap` in a test shows it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report())
    }
}

impl std::error::Error for Error {}

impl From<lockgate::Error> for Error {
    fn from(error: lockgate::Error) -> Self {
        Self(Box::new(Inner::Lockgate(error)))
    }
}
