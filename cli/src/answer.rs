//! The answer of a verb, as a value. Verbs return it, and `render` shows it as text or as JSON.

use lockgate::bootstrap::Outcome;
use lockgate::doctor::Finding;
use lockgate::wait::Readiness;
use lockgate::{Dialect, Drift, LogEntry, ManualScript, Migrations, Plan, Report, Stage, Status, TableSize};

use crate::exit::Exit;

/// The answer of a verb, and how the command ends.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: Exit,
    pub(crate) body: Body,
}

/// The content of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// What a run did.
    Run(Report),
    /// What would run.
    Plan(Planned),
    /// The state of the database.
    Status(Stand),
    /// Every difference between program and database.
    Drift(Differences),
    /// How the schema of the database compares with the one that the migrations make.
    #[cfg(feature = "schema")]
    SchemaDrift(Box<lockgate::SchemaDrift>),
    /// The scripts that an operator runs.
    Manual(Vec<ManualScript>),
    /// The seeds of the program.
    Seeds(Vec<lockgate::Seed>),
    /// A script was run.
    RanManual(Report),
    /// A script was to be run that has run.
    HasRun(Vec<ManualScript>),
    /// The last entries of the log, the oldest first, each with its migration.
    History(Vec<(String, LogEntry)>),
    /// Whether the database has every migration.
    Ready(Readiness),
    /// What `doctor` found.
    Examined(Vec<Finding>),
    /// The database was marked with a stage.
    Marked(Marked),
    /// Role and database of a program exist.
    Bootstrapped(Outcome),
    /// This INVALID index was dropped.
    IndexDropped(String),
    /// How the history of another tool compares, and what was recorded of it.
    #[cfg(feature = "adopt")]
    Adoption(Compared),
    /// What a run did in several databases.
    #[cfg(feature = "postgres")]
    Runs(lockgate::DatabasesReport),
    /// What would run in several databases.
    #[cfg(feature = "postgres")]
    Plans(Vec<DatabasePlanned>),
    /// Where several databases stand.
    #[cfg(feature = "postgres")]
    Statuses(Stands),
    /// Whether several databases have every migration.
    #[cfg(feature = "postgres")]
    AllReady(Vec<(&'static str, Readiness)>),
    /// How databases compare with their mirror.
    #[cfg(feature = "postgres")]
    Mirror(Vec<lockgate::MirrorStatus>),
    /// The mirror has taken a database over, which differed like this.
    #[cfg(feature = "postgres")]
    MirrorAccepted(lockgate::MirrorStatus),
    /// What was done with backups.
    #[cfg(feature = "backup")]
    Kept(Box<Kept>),
    /// Rows were written into a file, or loaded from one.
    #[cfg(feature = "backup")]
    Moved(Moved),
    /// The rows of a stage were replaced by those of another.
    #[cfg(feature = "backup")]
    Refreshed(Refreshed),
    /// A text that is not about a database: a schema, a script for a shell, a page of the manual.
    Document(String),
}

/// Every difference between program and database.
#[derive(Debug)]
pub(crate) struct Differences {
    pub(crate) drift: Vec<Drift>,
    /// Those of the bootstraps of one of several databases, which is named first.
    #[cfg(feature = "postgres")]
    pub(crate) bootstraps: Option<(String, Vec<lockgate::BootstrapDifference>)>,
}

impl From<Vec<Drift>> for Differences {
    fn from(drift: Vec<Drift>) -> Self {
        Self {
            drift,
            #[cfg(feature = "postgres")]
            bootstraps: None,
        }
    }
}

/// What a command must name to work on what another one has worked on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aim {
    /// One of several databases.
    pub(crate) database: Option<String>,
    /// The flags that were typed and name it, each with its value.
    pub(crate) flags: Vec<String>,
}

impl Aim {
    /// The same for one of several databases.
    #[cfg(feature = "postgres")]
    pub(crate) fn of(&self, database: &str) -> Self {
        Self { database: Some(database.to_owned()), flags: self.flags.clone() }
    }

    /// Advice whose commands name it.
    pub(crate) fn advise(&self, advice: &str) -> String {
        let named = self.database.as_ref().map(|database| lockgate::on_database(advice, database));
        lockgate::with_flags(named.as_deref().unwrap_or(advice), &self.flags)
    }

    /// The same about the bootstraps of the database.
    #[cfg(feature = "postgres")]
    pub(crate) fn advise_on_bootstraps(&self, advice: &str) -> String {
        let database = self.database.as_deref().unwrap_or_default();
        lockgate::with_flags(&lockgate::on_bootstraps(advice, database), &self.flags)
    }
}

/// What was done with backups.
#[cfg(feature = "backup")]
#[derive(Debug)]
pub(crate) enum Kept {
    /// A backup was made.
    Created(lockgate_backup::Meta),
    /// The backups of a database, and its name.
    Listed(lockgate_backup::list::Listing, String),
    /// A backup was fetched.
    Fetched(lockgate_backup::Fetched),
    /// A backup was verified.
    Verified(lockgate_backup::Verified),
    /// Backups were deleted.
    Pruned(lockgate_backup::prune::Pruned),
    /// A backup was restored.
    Restored {
        /// What was done.
        restored: lockgate_backup::restore::Restored,
        /// The command that drops the old database.
        drops: String,
    },
    /// The databases or files that earlier restores had kept were dropped.
    OldDropped(Vec<String>),
    /// The migrations were applied between two backups.
    Deployed(Box<lockgate_backup::deploy::Deployed>),
    /// A schedule was installed, shown or removed.
    Scheduled {
        /// The changes, or what is installed.
        changes: Vec<lockgate_backup::schedule::Change>,
        /// Whether this was a dry run.
        is_dry_run: bool,
    },
}

/// What would run.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) migrations: Migrations,
    pub(crate) plan: Plan,
    pub(crate) dialect: Dialect,
    /// The sizes of the tables that the plan touches.
    pub(crate) sizes: Vec<TableSize>,
    /// Whether to show everything, however much it is.
    pub(crate) all: bool,
}

/// The history of another tool.
#[cfg(feature = "adopt")]
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) adoption: lockgate::adopt::Adoption,
    /// What was recorded. `None` if nothing was to be written, or nothing could be.
    pub(crate) report: Option<Report>,
}

/// Rows or a schema that were written into a file, or loaded from one.
#[cfg(feature = "backup")]
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) file: std::path::PathBuf,
    pub(crate) was_loaded: bool,
    /// Each table with the number of its rows. `None` if it is the schema.
    pub(crate) tables: Option<Vec<(String, u64)>>,
}

/// A stage whose rows were replaced by those of another.
#[cfg(feature = "backup")]
#[derive(Debug)]
pub(crate) struct Refreshed {
    pub(crate) from: Stage,
    pub(crate) to: Stage,
    /// Each table with the number of its new rows.
    pub(crate) tables: Vec<(String, u64)>,
}

/// The state of a database.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) status: Status,
    /// Whether `up` would refuse to run.
    pub(crate) up_refuses: bool,
    /// How the database compares with its mirror, if it has one.
    #[cfg(feature = "postgres")]
    pub(crate) mirror: Option<lockgate::MirrorStatus>,
    /// Why `up` would refuse to run, and what to do, besides the differences that the status has.
    pub(crate) refusals: Vec<String>,
    /// Whether to show every migration, however many there are.
    pub(crate) all: bool,
}

/// What would run in one of several databases.
#[cfg(feature = "postgres")]
#[derive(Debug)]
pub(crate) struct DatabasePlanned {
    pub(crate) database: String,
    pub(crate) exists: bool,
    pub(crate) bootstraps: Planned,
    pub(crate) left_out: Vec<String>,
    pub(crate) patches: Planned,
}

/// Where several databases stand.
#[cfg(feature = "postgres")]
#[derive(Debug)]
pub(crate) struct Stands {
    pub(crate) each: Vec<lockgate::DatabaseStatus>,
    /// Whether to show every migration, however many there are.
    pub(crate) all: bool,
}

/// The stage that a database is marked with.
#[derive(Debug)]
pub(crate) struct Marked {
    pub(crate) stage: Stage,
    /// The stage that it had before.
    pub(crate) before: Option<Stage>,
}

impl Answer {
    /// The answer of a command that did what it was asked to.
    pub(crate) fn done(body: Body) -> Self {
        Self { exit: Exit::Done, body }
    }

    /// What a run did.
    pub(crate) fn ran(report: Report, nothing: NothingToDo) -> Self {
        Self { exit: nothing.exit(report.is_empty()), body: Body::Run(report) }
    }
}

/// How a command ends if it has nothing to do.
#[derive(clap::Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NothingToDo {
    /// End with exit code 10 if there is nothing to do
    #[arg(long)]
    pub exit_code: bool,
}

impl NothingToDo {
    pub(crate) fn exit(self, is_empty: bool) -> Exit {
        if is_empty && self.exit_code { Exit::NothingToDo } else { Exit::Done }
    }
}
