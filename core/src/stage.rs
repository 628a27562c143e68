//! The stage of a database: what it is for, and the marker that a database carries of it.

use std::fmt;
use std::str::FromStr;

/// What a database is for. It is recorded in the database itself: as a line of the comment on a PostgreSQL database,
/// as the `application_id` of a SQLite file. A copy made by `pg_dump` therefore carries no stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// For one developer. `cargo xtask testdb create` may drop it.
    Development,
    /// For tests that share it.
    Test,
    /// As production, but without its users. Protected.
    Staging,
    /// The real one. Protected.
    Production,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 4] = [Self::Development, Self::Test, Self::Staging, Self::Production];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// Whether nothing is reverted, repaired or applied as a draft there, unless somebody says why.
    pub const fn is_protected(self) -> bool {
        match self {
            Self::Development | Self::Test => false,
            Self::Staging | Self::Production => true,
        }
    }

    /// The line of the comment that marks a PostgreSQL database.
    pub const fn comment(self) -> &'static str {
        match self {
            Self::Development => "lockgate: development",
            Self::Test => "lockgate: test",
            Self::Staging => "lockgate: staging",
            Self::Production => "lockgate: production",
        }
    }

    /// The `application_id` that marks a SQLite file: `LkDv`, `LkTe`, `LkSt`, `LkPr`.
    pub const fn application_id(self) -> i32 {
        i32::from_be_bytes(*match self {
            Self::Development => b"LkDv",
            Self::Test => b"LkTe",
            Self::Staging => b"LkSt",
            Self::Production => b"LkPr",
        })
    }

    /// The stage that a comment of a PostgreSQL database names. Of several, the one that needs the most care.
    pub fn of_comment(comment: &str) -> Option<Self> {
        let named = |stage: &Self| comment.lines().any(|line| line.trim_end() == stage.comment());
        Self::ALL.into_iter().rev().find(named)
    }

    /// The stage of a SQLite file with this `application_id`.
    pub fn of_application_id(id: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.application_id() == id)
    }

    /// This comment, with the marker of this stage instead of another.
    pub fn marked(self, comment: &str) -> String {
        let others = comment.lines().filter(|line| Self::ALL.iter().all(|stage| line.trim_end() != stage.comment()));
        others.chain([self.comment()]).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseStageError;

impl fmt::Display for ParseStageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stage is one of development, test, staging, production")
    }
}

impl std::error::Error for ParseStageError {}

impl FromStr for Stage {
    type Err = ParseStageError;

    /// Also reads `dev` and `prod`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dev" => Ok(Self::Development),
            "prod" => Ok(Self::Production),
            text => Self::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or(ParseStageError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        for stage in Stage::ALL {
            assert_eq!(stage.as_str().parse(), Ok(stage));
            assert_eq!(Stage::of_application_id(stage.application_id()), Some(stage));
            for comment in ["", "the library", "the library\nlockgate: test", "lockgate: production\r\nthe library"] {
                let marked = stage.marked(comment);
                assert_eq!(Stage::of_comment(&marked), Some(stage), "{marked}");
                assert_eq!(marked.contains("the library"), comment.contains("the library"));
                assert_eq!(stage.marked(&marked), marked);
            }
        }
        assert_eq!(Stage::of_comment("lockgate: development\nlockgate: production"), Some(Stage::Production));
        for other in ["", "lockgate: prod", "see lockgate: production", "lockgate: production database"] {
            assert_eq!(Stage::of_comment(other), None, "{other}");
        }
        assert_eq!(Stage::of_application_id(0), None);
        assert_eq!(("dev".parse(), "prod".parse()), (Ok(Stage::Development), Ok(Stage::Production)));
        assert!("creat".parse::<Stage>().is_err());
    }
}
