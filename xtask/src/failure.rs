//! Why a command failed, and its exit code.

use std::fmt;
use std::process::ExitCode;

use lockgate_testing::server;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Problems were found, or the command refused to run: exit code 1.
    Refused(String),
    /// The command could not do its work: exit code 2.
    Impossible(String),
    /// A program that we ran failed and has printed why: its exit code.
    Code(u8),
}

impl Failure {
    /// Makes a refusal with this reason.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }

    /// Makes a failure with this reason.
    pub fn impossible(message: impl Into<String>) -> Self {
        Self::Impossible(message.into())
    }

    /// Returns the exit code.
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
