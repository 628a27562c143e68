//! Why a test of migrations failed: which migration, on which database, in which phase, what was found, and what to do.

use std::fmt;

use lockgate::Dialect;

/// The phases in which a test of migrations can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The test database cannot be prepared.
    Setup,
    /// `fill` fails.
    Fill,
    /// `before` fails before the migration.
    Before,
    /// `after` passes before the migration.
    AfterMustFail,
    /// The migration fails.
    Apply,
    /// The migration leaves state in its session.
    Session,
    /// `after` fails after the migration.
    After,
    /// `before` passes after the migration.
    BeforeMustFail,
    /// The migration loses rows.
    RowsAfterApply,
    /// The migration changes values of rows that it keeps.
    ValuesAfterApply,
    /// The down script fails.
    Revert,
    /// The down script loses rows.
    RowsAfterRevert,
    /// The down script does not restore the schema.
    SchemaAfterRevert,
    /// The down script does not restore all values.
    ValuesAfterRevert,
    /// `before` fails after the down script.
    BeforeAgain,
    /// The second run fails.
    ApplyAgain,
    /// The second run makes another schema.
    SchemaAgain,
    /// `after` fails after the second run.
    AfterAgain,
    /// The second run writes other rows.
    RowsAgain,
    /// A test of the whole set fails.
    Set,
}

impl Phase {
    /// Returns its name in kebab-case.
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

/// Why a test of migrations failed. `Debug` shows the message for people, as test runners print `Debug`.
pub struct Problem {
    /// The phase that failed.
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
