//! Why a command ends without having done its work, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

use lockgate_testing::server;

/// What goes up to `main`.
#[derive(Debug)]
pub enum Failure {
    /// Problems were found, or the request was refused: exit code 1.
    Refused(String),
    /// The work could not be done: exit code 2.
    Impossible(String),
    /// A program that we ran has said all there is to say: its exit code.
    Code(u8),
}

impl Failure {
    /// A refusal, for this reason.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }

    /// The work could not be done, for this reason.
    pub fn impossible(message: impl Into<String>) -> Self {
        Self::Impossible(message.into())
    }

    /// The exit code that says so.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::from(1),
            Self::Impossible(_) => ExitCode::from(2),
            Self::Code(code) => ExitCode::from(*code),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(message) | Self::Impossible(message) => f.write_str(message),
            Self::Code(code) => write!(f, "ended with exit code {code}"),
        }
    }
}

impl From<server::Error> for Failure {
    fn from(error: server::Error) -> Self {
        Self::Impossible(error.to_string())
    }
}
