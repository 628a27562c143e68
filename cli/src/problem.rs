//! Why a command did not do what was asked: the runtime's error, or one of the command line's own.

use crate::exit::Exit;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Problem {
    /// What was typed makes no sense, with the way out.
    Usage { message: String, help: String },
    /// There is no database yet.
    Absent(String),
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
            Self::Lockgate(error) => Exit::of(error.kind()),
        }
    }

    /// The whole of it, in several lines and without colours.
    pub(crate) fn report(&self) -> String {
        match self {
            Self::Usage { message, help } => format!("error[usage]: {message}\n  = help: {help}"),
            Self::Absent(message) => format!("error[unreachable]: {message}"),
            Self::Lockgate(error) => error.report().to_string(),
        }
    }
}

impl From<lockgate::Error> for Problem {
    fn from(error: lockgate::Error) -> Self {
        Self::Lockgate(error)
    }
}
