//! A release of PostgreSQL, as a policy names it.

use std::fmt;
use std::str::FromStr;

/// A major release of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(u16);

impl Release {
    /// The oldest release that a policy can name.
    pub const OLDEST: Self = Self(10);

    /// Returns the release with this major number, such as 15.
    pub const fn new(major: u16) -> Self {
        Self(major)
    }

    /// Returns the major number.
    pub const fn major(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not a major release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseReleaseError;

impl fmt::Display for ParseReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a release is its major number, such as \"15\"")
    }
}

impl std::error::Error for ParseReleaseError {}

impl FromStr for Release {
    type Err = ParseReleaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let release = text.parse().map(Self).map_err(|_| ParseReleaseError)?;
        if digits && release >= Self::OLDEST { Ok(release) } else { Err(ParseReleaseError) }
    }
}
