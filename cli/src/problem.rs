//! Why a command did not do what was asked: the runtime's error, or one of the command line's own.

use lockgate::Front;

use crate::exit::Exit;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Problem {
    /// What was typed makes no sense, with the way out.
    Usage { message: String, help: String },
    /// There is no database yet.
    Absent(String),
    /// A signal asked the process to end, and the run was dropped.
    Stopped { signal: &'static str, postgres: bool },
    /// What Lockgate says.
    Lockgate(lockgate::Error),
}

impl Problem {
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: help.into() }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Absent(_) => Exit::Unreachable,
            Self::Stopped { .. } => Exit::Failed,
            Self::Lockgate(error) => Exit::of(error.kind()),
        }
    }

    /// The whole of it, in several lines and without colours.
    pub(crate) fn report(&self) -> String {
        match self {
            Self::Usage { message, help } => format!("error[usage]: {message}\n  = help: {help}"),
            Self::Absent(message) => format!("error[unreachable]: {message}"),
            Self::Stopped { signal, postgres } => stopped(signal, *postgres),
            Self::Lockgate(error) => error.report_for(Front::CommandLine).to_string(),
        }
    }
}

fn stopped(signal: &str, postgres: bool) -> String {
    let server = "\n  = PostgreSQL 14 or newer notices within a second that nobody listens, and stops; an older one goes on with \
                  what it had been sent";
    let look = "\n  = help: `SELECT pid, application_name, state, query_start FROM pg_stat_activity WHERE datname = \
                current_database()` shows what still runs, and `SELECT pg_cancel_backend(pid)` stops it";
    let (server, look) = if postgres { (server, look) } else { ("", "") };
    format!(
        "error[interrupted]: the run was broken off by {signal}\n  = each migration of it is in the database if and \
         only if it is recorded{server}\n  = help: `status` shows how far it came{look}"
    )
}

impl From<lockgate::Error> for Problem {
    fn from(error: lockgate::Error) -> Self {
        Self::Lockgate(error)
    }
}
