//! The errors of a command: the runtime's, and the command line's own.

use lockgate::Front;

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The arguments are invalid. `help` says what to type instead.
    Usage { message: String, help: String },
    /// The database does not exist yet.
    Absent(String),
    /// A signal interrupted the run.
    Stopped { signal: &'static str, postgres: bool },
    /// An error of the runtime.
    Lockgate(lockgate::Error),
}

impl CommandError {
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

    /// The whole error, on several lines and without colours.
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
    let server = "\n  = PostgreSQL 14 or newer notices within a second that its client is gone, and stops; an older server goes on with \
                  what it was sent";
    let look = "\n  = help: `SELECT pid, application_name, state, query_start FROM pg_stat_activity WHERE datname = \
                current_database()` shows what still runs, and `SELECT pg_cancel_backend(pid)` stops it";
    let (server, look) = if postgres { (server, look) } else { ("", "") };
    format!(
        "error[interrupted]: {signal} interrupted the run\n  = the outcome is unknown: a migration is applied exactly if \
         `status` lists it as applied{server}\n  = help: `status` shows how far the run came{look}"
    )
}

impl From<lockgate::Error> for CommandError {
    fn from(error: lockgate::Error) -> Self {
        Self::Lockgate(error)
    }
}
