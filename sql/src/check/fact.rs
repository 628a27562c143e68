//! What can be the matter with a statement, and the words for it.

use std::fmt;

use crate::LintLevel;
use crate::Release;

/// What a grammar has to say of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Something stands where it cannot.
    Unexpected {
        /// What stands there, ready to be shown.
        found: String,
        /// What could stand there, ready to be shown, where that can be told.
        expected: Option<String>,
    },
    /// The statement ends before it is complete.
    Ends {
        /// What is missing, ready to be shown, where that can be told.
        expected: Option<String>,
    },
    /// No statement begins with this word.
    NoStatement {
        /// The word, ready to be shown.
        word: String,
    },
    /// A rule beyond the bare grammar is broken: which, as a sentence without a dot.
    Refused(String),
    /// The body of a function in PL/pgSQL is wrong.
    Body(Box<Fact>),
    /// It came with a release newer than the one that the folder is for.
    Newer {
        /// What: `MERGE`.
        what: &'static str,
        /// The release that brought it.
        since: Release,
        /// The release of the server.
        server: Release,
    },
    /// It is nested too deep for a parser, and was not checked.
    TooDeep,
    /// So much stands before it that it and the rest were not checked.
    TooLong,
}

/// The rules of the grammar gate, as a policy and `allow` name them.
pub const RULES: [&str; 4] = ["syntax", "newer-grammar", "plpgsql-syntax", "not-parsed"];

impl Fact {
    /// The rule that says so, one of [`RULES`], and how grave it is where the policy does not say.
    pub fn rule(&self) -> (&'static str, LintLevel) {
        match self {
            Self::Unexpected { .. } | Self::Ends { .. } => ("syntax", LintLevel::Deny),
            Self::NoStatement { .. } | Self::Refused(_) => ("syntax", LintLevel::Deny),
            Self::Newer { .. } => ("newer-grammar", LintLevel::Deny),
            Self::Body(_) => ("plpgsql-syntax", LintLevel::Warn),
            Self::TooDeep | Self::TooLong => ("not-parsed", LintLevel::Warn),
        }
    }

    /// Whether the grammar does not take the statement.
    pub fn is_refusal(&self) -> bool {
        self.rule().0 == "syntax"
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { found, expected: Some(expected) } => write!(f, "expected {expected}, found {found}"),
            Self::Unexpected { found, expected: None } => write!(f, "{found} cannot stand here"),
            Self::Ends { expected: Some(expected) } => {
                write!(f, "the statement ends too early: expected {expected}")
            }
            Self::Ends { expected: None } => f.write_str("the statement ends too early"),
            Self::NoStatement { word } => write!(f, "no statement begins with {word}"),
            Self::Refused(reason) => f.write_str(reason),
            Self::Body(fact) => write!(f, "this body may be wrong: {fact}"),
            Self::Newer { what, since, server } => {
                write!(f, "`{what}` came with PostgreSQL {since}, and the folder is for PostgreSQL {server}")
            }
            Self::TooDeep => f.write_str("this statement is nested too deep to be checked while compiling"),
            Self::TooLong => f.write_str(
                "the script is too long to be checked while compiling: its grammar is not looked at from here on",
            ),
        }
    }
}

/// A piece of a script as a message shows it.
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
