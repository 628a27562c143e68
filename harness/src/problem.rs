//! What a test of migrations says when it fails: which migration, on which database, at which step,
//! what was found, and what to do.

use std::fmt;

use lockgate::Dialect;

/// The steps at which a test of migrations can fail, each by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The database could not be brought to where the test begins.
    Setup,
    /// The rows could not be put in.
    Fill,
    /// `before` does not pass before the migration.
    Before,
    /// `after` passes before the migration.
    AfterMustFail,
    /// The migration fails.
    Apply,
    /// The migration leaves something in its session.
    Session,
    /// `after` does not pass behind the migration.
    After,
    /// `before` passes behind the migration.
    BeforeMustFail,
    /// The migration loses rows.
    RowsAfterApply,
    /// The migration changes values of rows that it keeps.
    ValuesAfterApply,
    /// The way back fails.
    Revert,
    /// The way back loses rows.
    RowsAfterRevert,
    /// The schema behind the way back is not what it was.
    SchemaAfterRevert,
    /// The way back does not bring values back.
    ValuesAfterRevert,
    /// `before` does not pass behind the way back.
    BeforeAgain,
    /// The migration fails the second time.
    ApplyAgain,
    /// The schema is not what it was the first time.
    SchemaAgain,
    /// `after` does not pass the second time.
    AfterAgain,
    /// The rows are not what they were the first time.
    RowsAgain,
    /// A test of the set as a whole.
    Set,
}

impl Phase {
    /// Its name in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Fill => "fill",
            Self::Before => "before",
            Self::AfterMustFail => "after-must-fail",
            Self::Apply => "apply",
            Self::Session => "session",
            Self::After => "after",
            Self::BeforeMustFail => "before-must-fail",
            Self::RowsAfterApply => "rows-after-apply",
            Self::ValuesAfterApply => "values-after-apply",
            Self::Revert => "revert",
            Self::RowsAfterRevert => "rows-after-revert",
            Self::SchemaAfterRevert => "schema-after-revert",
            Self::ValuesAfterRevert => "values-after-revert",
            Self::BeforeAgain => "before-again",
            Self::ApplyAgain => "apply-again",
            Self::SchemaAgain => "schema-again",
            Self::AfterAgain => "after-again",
            Self::RowsAgain => "rows-again",
            Self::Set => "set",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a test of migrations failed. `Debug` is the text for people, as a test runner shows it.
pub struct Problem {
    /// Where.
    pub phase: Phase,
    subject: String,
    fact: String,
    detail: String,
    help: String,
}

impl Problem {
    pub(crate) fn new(phase: Phase, fact: impl Into<String>) -> Self {
        Self { phase, subject: String::new(), fact: fact.into(), detail: String::new(), help: String::new() }
    }

    pub(crate) fn about(mut self, id: &str, dialect: Dialect) -> Self {
        if self.subject.is_empty() {
            self.subject = format!("`{id}` on {}", dialect.product());
        }
        self
    }

    pub(crate) fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = detail.to_string();
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject.is_empty() {
            write!(f, "{}: ", self.subject)?;
        }
        write!(f, "{} [{}]", self.fact, self.phase)?;
        for line in self.detail.lines() {
            write!(f, "\n  {line}")?;
        }
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
