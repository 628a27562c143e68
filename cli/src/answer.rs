//! What a verb answers, as a value. Verbs make it, `render` shows it as text or as JSON.

use lockgate::{Dialect, Migrations, Plan, Report, Stage, Status};

use crate::exit::Exit;

/// The answer of a verb, and how the command ends.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: Exit,
    pub(crate) body: Body,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Body {
    /// What a run did.
    Run(Report),
    /// What would run.
    Plan(Planned),
    /// Where the database stands.
    Status(Stand),
    /// The database has every migration.
    Migrated,
    /// The database is marked with a stage.
    Marked(Marked),
    /// A text that is not about a database: a schema, a script for a shell, a page of the manual.
    Document(String),
}

/// What would run.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) migrations: &'static Migrations,
    pub(crate) plan: Plan,
    pub(crate) dialect: Dialect,
    /// Whether to show the scripts too.
    pub(crate) sql: bool,
}

/// Where a database stands.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) status: Status,
    /// Whether `up` would refuse to run.
    pub(crate) up_refuses: bool,
}

/// The stage that a database is marked with.
#[derive(Debug)]
pub(crate) struct Marked {
    pub(crate) stage: Stage,
    /// The stage that it was marked with before.
    pub(crate) before: Option<Stage>,
}

impl Answer {
    /// The answer of a command that did what it was asked to.
    pub(crate) fn done(body: Body) -> Self {
        Self { exit: Exit::Done, body }
    }
}
