//! A draft as a value: scripts, their steps, and what each step can do.

use std::fmt;

/// What a draft puts first where both cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Short locks: indexes are built concurrently, and constraints are validated after they were added.
    #[default]
    Online,
    /// Few statements, all in one script.
    Offline,
}

/// The statements that make one schema of another, divided into scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// In the order in which they must run. Each is one migration.
    pub scripts: Vec<Script>,
}

/// The statements of one migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Whether it cannot run in a transaction.
    pub outside_transaction: bool,
    /// Whether foreign keys must be off while it runs (SQLite): it rebuilds a table that has or is the target of one.
    pub foreign_keys_off: bool,
    /// In the order in which they must run.
    pub steps: Vec<Step>,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A statement.
    Statement(Statement),
    /// A difference for which there is no statement. A person must write one.
    Open {
        /// The difference: `subscription away is new`.
        what: String,
        /// Why it was not drafted.
        why: String,
    },
}

/// One statement of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text, without the semicolon at its end.
    pub sql: String,
    /// What it can do besides its purpose. The locks it takes are not among these: they follow from the text.
    pub hazards: Vec<Hazard>,
    /// What a person must decide before it can run on a table with rows: `the value of users.email in existing rows`.
    pub question: Option<String>,
}

/// What a statement can do besides its purpose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Hazard {
    /// It deletes data.
    Loses(Loss),
    /// It fails if existing rows do not fit; the text says which rows those are.
    MayFail(String),
    /// It rewrites a table.
    Rewrites,
    /// It rewrites a table, unless this holds.
    RewritesUnless(String),
    /// It creates an object again that has not changed itself, because one that it needs has.
    Recreates,
    /// It computes stored values again, because what they are computed with has changed.
    Recomputes,
}

/// Data that a statement deletes. A draft that has one is written only if it is allowed by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// A table with its rows.
    Table,
    /// A column with its values.
    Column,
    /// An extension with its objects.
    Extension,
    /// A sequence with its position.
    Sequence,
    /// A value of an enum, which rows may have.
    EnumValue,
    /// What another type cannot hold of a value: digits, a time zone, or how a text is written.
    Precision,
}

impl Loss {
    /// Every kind, in the order of the help.
    pub const ALL: [Self; 6] =
        [Self::Table, Self::Column, Self::Extension, Self::Sequence, Self::EnumValue, Self::Precision];

    /// The word that allows it: `drop-table`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "drop-table",
            Self::Column => "drop-column",
            Self::Extension => "drop-extension",
            Self::Sequence => "drop-sequence",
            Self::EnumValue => "drop-enum-value",
            Self::Precision => "narrow-type",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loses(loss @ Loss::Precision) => write!(f, "can change or lose a part of values ({loss})"),
            Self::Loses(loss) => write!(f, "deletes data ({loss})"),
            Self::MayFail(why) => write!(f, "fails if {why}"),
            Self::Rewrites => f.write_str("rewrites the table"),
            Self::RewritesUnless(what) => write!(f, "rewrites the table, unless {what}"),
            Self::Recreates => f.write_str("creates it again, as what it needs changes"),
            Self::Recomputes => f.write_str("computes stored values again, as what they are computed with changes"),
        }
    }
}

impl Draft {
    /// Whether the schemas are equal, but for what no statement can change: the order of columns in PostgreSQL.
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// All steps, in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.scripts.iter().flat_map(|script| &script.steps)
    }

    /// The data that the draft deletes, each kind once.
    pub fn losses(&self) -> Vec<Loss> {
        let statements = self.steps().filter_map(|step| match step {
            Step::Statement(statement) => Some(statement),
            Step::Open { .. } => None,
        });
        let mut losses: Vec<Loss> = statements
            .flat_map(|statement| &statement.hazards)
            .filter_map(|hazard| match hazard {
                Hazard::Loses(loss) => Some(*loss),
                Hazard::MayFail(_)
                | Hazard::Rewrites
                | Hazard::RewritesUnless(_)
                | Hazard::Recreates
                | Hazard::Recomputes => None,
            })
            .collect();
        losses.sort();
        losses.dedup();
        losses
    }
}

impl Statement {
    /// A statement that does nothing besides its purpose.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), hazards: Vec::new(), question: None }
    }

    /// The same with a hazard.
    #[must_use]
    pub fn with(mut self, hazard: Hazard) -> Self {
        self.hazards.push(hazard);
        self
    }
}
