//! What can be wrong with a statement, and the message for it.

use std::fmt;

use crate::LintLevel;
use crate::Release;

/// What is wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// A token that is not allowed here.
    Unexpected {
        /// The token, as messages show it.
        found: String,
        /// What would be allowed, as messages show it, if it is known.
        expected: Option<String>,
    },
    /// The statement ends before it is complete.
    Ends {
        /// What is missing, as messages show it, if it is known.
        expected: Option<String>,
    },
    /// No statement begins with this word.
    NoStatement {
        /// The word, as messages show it.
        word: String,
    },
    /// A rule beyond the bare grammar is broken; the text is the message.
    Refused(String),
    /// The body of a function in PL/pgSQL is wrong.
    Body(Box<FindingKind>),
    /// It needs a newer release than the one that the folder is for.
    Newer {
        /// The syntax: `MERGE`.
        what: &'static str,
        /// The first release with this syntax.
        since: Release,
        /// The release of the server.
        server: Release,
    },
    /// It is nested too deep for a parser, and was not checked.
    TooDeep,
    /// It and the rest of the script were not checked, because the script is too long.
    TooLong,
}

/// The rules of the grammar check, as a policy and `allow` name them.
pub const RULES: [&str; 4] = ["syntax", "newer-grammar", "plpgsql-syntax", "not-parsed"];

impl FindingKind {
    /// Returns its rule, one of [`RULES`], and the rule's level where the policy sets none.
    pub fn rule(&self) -> (&'static str, LintLevel) {
        match self {
            Self::Unexpected { .. } | Self::Ends { .. } => ("syntax", LintLevel::Deny),
            Self::NoStatement { .. } | Self::Refused(_) => ("syntax", LintLevel::Deny),
            Self::Newer { .. } => ("newer-grammar", LintLevel::Deny),
            Self::Body(_) => ("plpgsql-syntax", LintLevel::Warn),
            Self::TooDeep | Self::TooLong => ("not-parsed", LintLevel::Warn),
        }
    }

    /// Whether the statement is invalid.
    pub fn is_refusal(&self) -> bool {
        self.rule().0 == "syntax"
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { found, expected: Some(expected) } => write!(f, "expected {expected}, found {found}"),
            Self::Unexpected { found, expected: None } => write!(f, "{found} is not allowed here"),
            Self::Ends { expected: Some(expected) } => {
                write!(f, "the statement ends too early: expected {expected}")
            }
            Self::Ends { expected: None } => f.write_str("the statement ends too early"),
            Self::NoStatement { word } => write!(f, "no statement begins with {word}"),
            Self::Refused(reason) => f.write_str(reason),
            Self::Body(kind) => write!(f, "this body may be wrong: {kind}"),
            Self::Newer { what, since, server } => {
                write!(f, "`{what}` came with PostgreSQL {since}, and the folder is for PostgreSQL {server}")
            }
            Self::TooDeep => f.write_str("this statement is nested too deep to be checked at compile time"),
            Self::TooLong => f.write_str(
                "the script is too long to be checked at compile time: its syntax is not checked from here on",
            ),
        }
    }
}

/// Shortens a piece of a script for a message.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 30;
    if text.starts_with('`') {
        return "a backtick".to_owned();
    }
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(LONGEST).filter(|c| !c.is_control() && *c != '`').collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}
