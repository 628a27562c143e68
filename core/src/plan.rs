//! Plans: computes what would run from a set, a history and a request. No other code in Lockgate decides what
//! runs; status, dry run, apply, revert, baseline and repair all use a [`Plan`].

mod effects;
mod guard;
mod repeatable;

use std::collections::HashMap;
use std::fmt;

pub use effects::Effects;
pub use guard::Guard;

use crate::action::{Action, Direction};
use crate::destination::{Destination, DownTo, UpTo};
use crate::drift::{self, Drift};
use crate::{
    Audience, Body, Dialect, Dialects, Digest, History, Migration, Row, Script, Set, Stage, State, Version,
    other_tools, patch, unit,
};

/// What to do if the history has versions newer than every embedded one. A newer build migrated the database, and
/// this build may be a rollback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ahead {
    /// Ignore the newer migrations, finished or not.
    #[default]
    Accept,
    /// Refuse to run.
    Refuse,
}

/// What to do about a pending migration that is older than an applied one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OutOfOrder {
    /// Refuse to run.
    #[default]
    Refuse,
    /// Apply it late.
    Allow,
}

/// How much of a run is one transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Atomicity {
    /// Each migration. The ones before a failure stay.
    #[default]
    PerMigration,
    /// All pending migrations together. A failure leaves nothing.
    WholeRun,
}

/// The input of [`plan`] besides the set and the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Up or down, and how far.
    pub destination: Destination,
    /// The dialect of the database.
    pub dialect: Dialect,
    /// What to do if the history is ahead of the set.
    pub ahead: Ahead,
    /// What to do about late migrations.
    pub out_of_order: OutOfOrder,
    /// How much of the run is one transaction.
    pub atomicity: Atomicity,
    /// Whether to run although the database has another tool's history and none of Lockgate's.
    pub beside_others: bool,
    /// Whether the program can take over the history of another tool.
    pub can_adopt: bool,
}

impl Request {
    /// Up to the newest migration, with every check on.
    pub const fn up(dialect: Dialect) -> Self {
        Self {
            destination: Destination::Up(UpTo::Latest),
            dialect,
            ahead: Ahead::Accept,
            out_of_order: OutOfOrder::Refuse,
            atomicity: Atomicity::PerMigration,
            beside_others: false,
            can_adopt: false,
        }
    }

    /// Down by one migration.
    pub const fn down(dialect: Dialect) -> Self {
        Self { destination: Destination::Down(DownTo::Steps(1)), ..Self::up(dialect) }
    }
}

/// What would run, in order, on a database with exactly the history that the plan was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in the order they run.
    pub steps: Vec<Step>,
    /// Differences between the set and the history that do not block this plan.
    pub tolerated: Vec<Drift>,
    /// The digest of the history that the plan was made for.
    pub seen: Digest,
}

impl Plan {
    /// Whether the plan has no steps.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The same plan with only its first steps, up to the first for which this is false.
    #[must_use]
    pub fn leading(mut self, of: impl Fn(&Step) -> bool) -> Self {
        let end = self.steps.iter().position(|step| !of(step)).unwrap_or(self.steps.len());
        self.steps.truncate(end);
        self
    }
}

impl Step {
    /// The role in the name of a patch; see [`Patch`](crate::patch::Patch). `None` for the names of other migrations.
    pub fn role(&self) -> Option<&str> {
        Some(patch::Patch::parse(&self.id)?.user())
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The migration's version.
    pub version: Version,
    /// Version and name, as in the file name, or as recorded if it is not embedded.
    pub id: String,
    /// What the step does to it.
    pub action: Action,
}

/// Why nothing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// All reasons; at least one.
    pub reasons: Vec<Reason>,
}

/// One reason why nothing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The set and the history differ in a way that is not safe to ignore.
    Drift(Drift),
    /// No embedded migration has the requested version.
    UnknownVersion {
        /// The requested version.
        version: Version,
        /// The oldest and the newest embedded migration.
        embedded: Option<(String, String)>,
    },
    /// A revert should stop at a version that is older than every embedded migration.
    BelowOldest {
        /// The requested version.
        version: Version,
        /// The oldest embedded migration.
        oldest: String,
        /// Whether every migration can be reverted now.
        possible: bool,
    },
    /// A revert should stop at a migration that is not applied.
    NotApplied {
        /// The migration.
        id: String,
    },
    /// A migration to revert has no down script.
    Irreversible {
        /// The migration.
        id: String,
        /// The author's reason, if any.
        reason: Option<String>,
        /// How many migrations can be reverted now, from the newest on.
        possible: usize,
        /// Whether they were to be applied again afterwards.
        again: bool,
    },
    /// The request is to revert more migrations than are applied.
    TooManySteps {
        /// The number requested.
        asked: usize,
        /// The number applied.
        applied: usize,
        /// How many of them can be reverted now, from the newest on.
        possible: usize,
        /// Whether they were to be applied again afterwards.
        again: bool,
    },
    /// The scripts are written for other databases.
    WrongDialect {
        /// The dialect of the database.
        database: Dialect,
        /// The dialects of the scripts.
        set: Dialects,
    },
    /// The run should be one transaction, but this script cannot run in a transaction.
    OutsideTransaction {
        /// The migration.
        id: String,
    },
    /// The run should be one transaction, but this script needs its own: SQLite can turn foreign keys off only between
    /// transactions.
    OwnTransaction {
        /// The migration.
        id: String,
    },
    /// Another tool has migrated this database and Lockgate has not. Every migration would run again.
    OtherTool {
        /// The tool.
        tool: String,
        /// Its history table.
        table: String,
        /// The newest embedded migration.
        newest: Option<String>,
        /// Whether the program can take over that history.
        adoptable: bool,
    },
    /// The migration to repair is not recorded.
    NotRecorded {
        /// The requested version.
        version: Version,
        /// The oldest and the newest embedded migration.
        embedded: Option<(String, String)>,
        /// Whether the set has a migration of this version.
        is_embedded: bool,
    },
    /// A recorded migration that the program does not embed cannot be marked as applied.
    NotEmbedded {
        /// Version and name as recorded.
        id: String,
        /// The version.
        version: Version,
    },
    /// No statement of the migration has an unknown outcome.
    NothingInDoubt {
        /// The migration.
        id: String,
    },
    /// The statement whose outcome is unknown cannot be the one that the script has in its place now.
    NotInDoubt {
        /// The migration.
        id: String,
        /// The statement, counted from 1.
        number: u32,
    },
    /// The database is not marked with the stage that was asked for.
    OtherStage {
        /// The stage that was asked for.
        asked: Stage,
        /// The stage that the database is marked with, if any.
        database: Option<Stage>,
    },
    /// The database is marked with a protected stage, and would be marked with another.
    MarkedOtherwise {
        /// The stage that it would be marked with.
        asked: Stage,
        /// The stage that it is marked with.
        database: Stage,
    },
    /// On this stage nothing is reverted and no history is corrected.
    ProtectedStage {
        /// The stage of the database.
        stage: Stage,
    },
    /// On this stage only frozen migrations are applied.
    Draft {
        /// The migration.
        id: String,
        /// The stage of the database.
        stage: Stage,
    },
    /// The database should be made from `create/`, and its migrations are recorded already.
    AlreadyCreated {
        /// The newest recorded migration.
        newest: String,
    },
    /// The database should be made from `create/`, and it is not empty.
    NotEmpty {
        /// Some of what is in it.
        found: Vec<String>,
    },
    /// The run that made the database from `create/` was interrupted, and files that it had run were changed since.
    CreateChanged {
        /// The files.
        files: Vec<String>,
    },
    /// The database was begun from `create/`, and not all files have run.
    UnfinishedCreate {
        /// How many have.
        files: usize,
    },
    /// No manual script has this number.
    NoManualScript {
        /// The number.
        version: Version,
        /// The scripts that there are.
        known: Vec<String>,
    },
}

impl Reason {
    /// What to do about it, with the names of the Rust functions.
    pub fn help(&self) -> String {
        self.help_for(Audience::Rust)
    }

    /// What to do about it, with the Rust functions or the commands of `audience`.
    pub fn help_for(&self, audience: Audience) -> String {
        let by = |steps: usize, again: bool| match again {
            true => format!("{} redoes", audience.redo_by(steps)),
            false => format!("{} reverts", audience.down_by(steps)),
        };
        let furthest = |possible: usize, again: bool| format!("{} as many as possible now", by(possible, again));
        match self {
            Self::Drift(drift) => drift.help_for(audience),
            Self::UnknownVersion { embedded: Some((oldest, newest)), .. } if oldest == newest => {
                format!("it embeds only `{newest}`")
            }
            Self::UnknownVersion { embedded: Some((oldest, newest)), .. } => {
                format!("it embeds `{oldest}` to `{newest}`; {} lists them", audience.status())
            }
            Self::UnknownVersion { embedded: None, .. } => "it embeds no migrations".to_owned(),
            Self::BelowOldest { possible: false, .. } => {
                "not all of them can be reverted now: see the other reason".to_owned()
            }
            Self::BelowOldest { oldest, .. } => {
                format!("{} reverts every migration, including `{oldest}`", audience.down_all())
            }
            Self::NotApplied { id } => format!(
                "apply it first ({}), or name a migration that is applied ({} lists them)",
                audience.up_to(id),
                audience.status()
            ),
            Self::Irreversible { possible: 0, .. } => {
                "restore a backup, or write a new migration that corrects the data".to_owned()
            }
            Self::Irreversible { possible, again, .. } => format!(
                "{}; to go further, restore a backup, or write a new migration that corrects the data",
                furthest(*possible, *again)
            ),
            Self::TooManySteps { applied: 0, .. } => "there is nothing to revert".to_owned(),
            Self::TooManySteps { applied: 1, possible: 1, again, .. } => format!("{} it", by(1, *again)),
            Self::TooManySteps { applied: 1, .. } => "it cannot be reverted: see the other reason".to_owned(),
            Self::TooManySteps { possible: 0, .. } => {
                "none of them can be reverted now: see the other reason".to_owned()
            }
            Self::TooManySteps { applied, possible, again, .. } if applied == possible => {
                format!("{} all of them", by(*applied, *again))
            }
            Self::TooManySteps { possible, again, .. } => furthest(*possible, *again),
            Self::WrongDialect { database, .. } => {
                format!("connect to the right database, or add `{database}` to `dialects` in `migrations.toml`")
            }
            Self::OutsideTransaction { .. } | Self::OwnTransaction { .. } => {
                format!("run each migration in its own transaction: {}", audience.per_migration())
            }
            Self::OtherTool { tool, newest, adoptable, .. } => {
                let baseline = match newest {
                    Some(newest) => audience.baseline(newest),
                    None => audience.baseline("VERSION"),
                };
                let theirs = if *adoptable {
                    format!(
                        "if these are the migrations of {tool}, take over its history with {}, which compares both first; \
                         to record them without comparing: {baseline} (or name the last migration that the database has)",
                        audience.adopt()
                    )
                } else {
                    format!(
                        "if the database already has what these migrations create, record that with {baseline} (or name \
                         the last migration that it has)"
                    )
                };
                format!(
                    "{theirs}; if these migrations have nothing to do with the other tool's, run them with {}",
                    audience.allow_other_tools()
                )
            }
            Self::NotRecorded { version, is_embedded: true, .. } if !version.may_be_of_name() => {
                format!(
                    "{} lists the recorded migrations; {} records one that is not",
                    audience.status(),
                    audience.baseline(version)
                )
            }
            Self::NotRecorded { .. } => {
                format!("{} lists the recorded migrations", audience.status())
            }
            Self::NothingInDoubt { .. } => format!("check with {}, then run again", audience.status()),
            Self::NotInDoubt { .. } => {
                "restore the statements before it as they were when it was sent, build again, and record \
                                        its outcome; you may change them afterwards"
                    .to_owned()
            }
            Self::OtherStage { asked, database: None } => {
                format!("connect to the right database; if this is the one, mark it: {}", audience.mark_stage(*asked))
            }
            Self::OtherStage { database: Some(stage), .. } => {
                format!("connect to the right database, or ask for the stage of this one: {}", audience.stage(*stage))
            }
            Self::ProtectedStage { .. } | Self::MarkedOtherwise { .. } => {
                format!("if it must be done here, say why, for the log: {}", audience.override_stage())
            }
            Self::Draft { .. } => format!(
                "freeze it (`cargo xtask freeze`) and build again; if it must be applied as a draft, say why, for the \
                 log: {}",
                audience.override_stage()
            ),
            Self::AlreadyCreated { .. } => {
                format!("{} applies what is pending; `create/` is for a database without any migration", audience.up())
            }
            Self::NotEmpty { .. } => format!(
                "create an empty database and name it, or apply the migrations with {}; if what is there belongs to \
                 another program, allow it: {}",
                audience.up(),
                audience.from_create_beside_others()
            ),
            Self::CreateChanged { .. } => format!(
                "undo the change; or drop the database, create it anew, and begin again with {}",
                audience.from_create()
            ),
            Self::UnfinishedCreate { .. } => {
                format!("{} goes on where it stopped; or drop the database and create it anew", audience.from_create())
            }
            Self::NoManualScript { known, .. } if known.is_empty() => {
                "write it into `manual-deployment/`, and build again".to_owned()
            }
            Self::NoManualScript { known, .. } => format!("there is {}", known.join(", ")),
            Self::NotEmbedded { id, version } => {
                format!("run the build that embeds `{id}`, or remove its row with {}", audience.forget(version))
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drift(drift) => drift.fmt(f),
            Self::UnknownVersion { version, embedded } => {
                write!(f, "the program embeds no migration of version {}", like(embedded, *version))
            }
            Self::BelowOldest { version, oldest, .. } => {
                let version = patch::like(Some(oldest), *version);
                write!(f, "version {version} is older than `{oldest}`, the oldest migration that the program embeds")
            }
            Self::NotApplied { id } => write!(f, "cannot revert down to `{id}`: it is not applied"),
            Self::Irreversible { id, reason: Some(reason), .. } => write!(f, "`{id}` is irreversible: {reason}"),
            Self::Irreversible { id, reason: None, .. } => write!(f, "`{id}` has no down script"),
            Self::TooManySteps { asked, applied, .. } => {
                let asked = if *asked == 1 { "1 migration".to_owned() } else { format!("{asked} migrations") };
                match applied {
                    0 => write!(f, "{asked} cannot be reverted: none is applied"),
                    1 => write!(f, "{asked} cannot be reverted: only 1 is applied"),
                    many => write!(f, "{asked} cannot be reverted: only {many} are applied"),
                }
            }
            Self::WrongDialect { database, set } => {
                write!(
                    f,
                    "the migrations are written for {}, but the database is {}",
                    Products(*set),
                    database.product()
                )
            }
            Self::OutsideTransaction { id } => {
                write!(f, "`{id}` cannot run in a transaction, but the whole run must be one transaction")
            }
            Self::OwnTransaction { id } => {
                write!(
                    f,
                    "`{id}` turns foreign keys off and so needs its own transaction, but the whole run must be one transaction"
                )
            }
            Self::OtherTool { tool, table, .. } => write!(
                f,
                "another tool ({tool}, table `{table}`) has migrated this database, and there is no Lockgate history: every \
                 migration would run, even those whose changes are already there"
            ),
            // It was named, and its number means nothing to a reader.
            Self::NotRecorded { version, .. } if version.may_be_of_name() => {
                f.write_str("no repeatable script of this name is recorded")
            }
            Self::NotRecorded { version, embedded, .. } => {
                write!(f, "version {} is not recorded", like(embedded, *version))
            }
            Self::NotEmbedded { id, .. } => write!(f, "`{id}` is recorded, but the program does not embed it"),
            Self::OtherStage { asked, database: Some(stage) } => {
                write!(f, "the database is marked as {stage}, but {asked} was asked for")
            }
            Self::OtherStage { asked, database: None } => {
                write!(f, "the database is not marked with a stage, but {asked} was asked for")
            }
            Self::MarkedOtherwise { asked, database } => {
                write!(f, "the database is marked as {database}, and would be marked as {asked}")
            }
            Self::ProtectedStage { stage } => {
                write!(f, "the database is marked as {stage}, where nothing is reverted, corrected or replaced")
            }
            Self::Draft { id, stage } => {
                write!(f, "`{id}` is a draft (the lockfile does not record it), and the database is marked as {stage}")
            }
            Self::NothingInDoubt { id } => {
                write!(f, "`{id}` has no statement with an unknown outcome")
            }
            Self::NotInDoubt { id, number } => write!(
                f,
                "statement {number} of `{id}` was sent and its end was not recorded, but the script has another statement there \
                 now"
            ),
            Self::AlreadyCreated { newest } => {
                write!(f, "the migrations up to `{newest}` are recorded, so the database is made already")
            }
            Self::NotEmpty { found } => write!(f, "the database is not empty: it has {}", found.join(", ")),
            Self::CreateChanged { files } => match &files[..] {
                [file] => write!(f, "`{file}` has run, and was changed or moved since"),
                files => {
                    write!(f, "{} files have run, and were changed or moved since: {}", files.len(), files.join(", "))
                }
            },
            Self::UnfinishedCreate { files: 1 } => {
                write!(f, "the database was begun from `create/`, and is not complete: 1 file of it has run")
            }
            Self::UnfinishedCreate { files } => {
                write!(f, "the database was begun from `create/`, and is not complete: {files} files of it have run")
            }
            Self::NoManualScript { version, .. } => write!(f, "there is no manual script with the number {version}"),
        }
    }
}

/// Formats a version like the ids of the set, whose oldest and newest ids these are.
fn like(embedded: &Option<(String, String)>, version: Version) -> String {
    patch::like(embedded.as_ref().map(|(oldest, _)| oldest.as_str()), version)
}

/// Shows dialects by product name: `PostgreSQL, SQLite and MySQL`.
struct Products(Dialects);

impl fmt::Display for Products {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.iter().count();
        for (i, dialect) in self.0.iter().enumerate() {
            let before = match i {
                0 => "",
                last if last + 1 == count => " and ",
                _ => ", ",
            };
            write!(f, "{before}{}", dialect.product())?;
        }
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.reasons.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Plans what would run to bring a database with this history to the destination.
///
/// # Errors
///
/// Returns a [`Refusal`] with every reason if the set and the history differ in a way that is not safe to ignore, or
/// if the destination cannot be reached. Nothing may run then.
pub fn plan(set: &Set, history: &History, request: &Request) -> Result<Plan, Refusal> {
    let mut reasons = Vec::new();
    let (versioned, rows) = history.divided();
    let mut found = drift::versioned_drift(set, &versioned);
    let mut steps = match request.destination {
        Destination::Up(to) => up(set, &versioned, to, request, &mut reasons),
        Destination::Down(to) => down(set, &versioned, to, request, &mut reasons),
    };
    if request.destination.direction() == Direction::Up {
        let repeatable = repeatable::after(set, &versioned, &rows, &steps, &found);
        for step in &repeatable {
            if let Some(script) = set.find_any(step.version) {
                refuse_outside(&script.up(), &script, request, &mut reasons);
            }
        }
        steps.extend(repeatable);
    }
    if let History::Foreign { tool, table } = history
        && !(steps.is_empty() || request.beside_others)
    {
        let newest = set.last().map(|migration| migration.id().to_owned());
        let adoptable = request.can_adopt && other_tools::is_adoptable(table);
        reasons.push(Reason::OtherTool { tool: tool.clone(), table: table.clone(), newest, adoptable });
    }
    let going: HashMap<&str, &Step> = steps.iter().map(|step| (step.id.as_str(), step)).collect();
    // What has changed is no difference any more when the plan has run.
    found.extend(
        drift::repeatable_drift(set, &rows, &found).into_iter().filter(|drift| !going.contains_key(drift.id())),
    );
    let (blocking, tolerated) = found.into_iter().partition(|drift| blocks(drift, set, request, &going));
    finish(steps, tolerated, history, reasons_of(wrong_dialect(set, request.dialect), blocking, reasons))
}

/// Plans to revert the newest `steps` migrations and to apply the same ones again.
///
/// # Errors
///
/// Returns a [`Refusal`] if one of them cannot be reverted, or could not be applied afterwards. `request` says the rest;
/// its destination is ignored.
pub fn redo(set: &Set, history: &History, request: &Request, steps: usize) -> Result<Plan, Refusal> {
    let destination = DownTo::Steps(steps).into();
    let down = plan(set, history, &Request { destination, ..*request }).map_err(|mut refusal| {
        for reason in &mut refusal.reasons {
            if let Reason::Irreversible { again, .. } | Reason::TooManySteps { again, .. } = reason {
                *again = true;
            }
        }
        refusal
    })?;
    let reverts = |version| down.steps.iter().any(|step| step.version == version);
    let left = history.rows().iter().filter(|row| !reverts(row.version)).cloned().collect();
    let Some(newest) = down.steps.iter().map(|step| step.version).max() else { return Ok(down) };
    let destination = UpTo::Version(newest).into();
    let again = plan(set, &History::Present(left), &Request { destination, ..*request })?;
    let again: Vec<Step> = again.steps.into_iter().filter(|step| reverts(step.version)).collect();
    let mut redo = down;
    redo.steps.extend(again);
    Ok(redo)
}

/// Plans to record every embedded migration up to `version` as applied, without running it.
///
/// # Errors
///
/// Returns a [`Refusal`] if no embedded migration has this version, if a recorded migration differs from the
/// embedded one, or if the set is not for this dialect.
pub fn baseline(set: &Set, history: &History, dialect: Dialect, version: Version) -> Result<Plan, Refusal> {
    let unknown = set.find(version).is_none().then(|| unknown_version(set, version));
    let (tolerated, blocking): (Vec<_>, Vec<_>) =
        drift::drift(set, history).into_iter().partition(is_no_matter_of_recording);
    let steps = set
        .iter()
        .take_while(|migration| migration.version() <= version)
        .filter(|migration| !migration.is_skipped() && history.row(migration.version()).is_none())
        .map(|migration| step(&migration, Action::Record))
        .collect();
    let unknown = unknown.into_iter().collect();
    finish(steps, tolerated, history, reasons_of(wrong_dialect(set, dialect), blocking, unknown))
}

/// Plans to record these embedded migrations as applied, because another tool has applied them. Those that are recorded
/// already are left out.
///
/// # Errors
///
/// Returns a [`Refusal`] if a recorded migration differs from the embedded one, or if the set is not for this dialect.
pub fn adopt(set: &Set, history: &History, dialect: Dialect, applied: &[Version]) -> Result<Plan, Refusal> {
    let (tolerated, blocking): (Vec<_>, Vec<_>) =
        drift::drift(set, history).into_iter().partition(is_no_matter_of_recording);
    let steps = set
        .iter()
        .chain(set.repeatables())
        .filter(|migration| applied.contains(&migration.version()) && history.row(migration.version()).is_none())
        .map(|migration| step(&migration, Action::Record))
        .collect();
    finish(steps, tolerated, history, reasons_of(wrong_dialect(set, dialect), blocking, Vec::new()))
}

/// Plans to remove every row of the history, the newest first, without running anything: the reverse of [`adopt`].
pub fn forget_all(set: &Set, history: &History) -> Plan {
    let id = |row: &Row| set.find_any(row.version).map_or_else(|| row.id(), |migration| migration.id().to_owned());
    let steps =
        history.rows().iter().rev().map(|row| Step { version: row.version, id: id(row), action: Action::Forget });
    Plan { steps: steps.collect(), tolerated: Vec::new(), seen: history.digest() }
}

/// Whether a difference does not keep migrations from being recorded as applied.
fn is_no_matter_of_recording(drift: &Drift) -> bool {
    match drift {
        Drift::Missing { .. }
        | Drift::OutOfOrder { .. }
        | Drift::Ahead { .. }
        | Drift::Changed { .. }
        | Drift::Gone { .. }
        | Drift::ManualEdited { .. } => true,
        Drift::Edited { .. }
        | Drift::Renamed { .. }
        | Drift::Replaced { .. }
        | Drift::Unknown { .. }
        | Drift::OtherDatabase { .. }
        | Drift::FinishedEdited { .. }
        | Drift::Partial { .. } => false,
    }
}

/// Orders the reasons. The wrong database comes first because it explains the others.
fn reasons_of(wrong_dialect: Option<Reason>, blocking: Vec<Drift>, others: Vec<Reason>) -> Vec<Reason> {
    wrong_dialect.into_iter().chain(blocking.into_iter().map(Reason::Drift)).chain(others).collect()
}

fn wrong_dialect(set: &Set, database: Dialect) -> Option<Reason> {
    let set_dialects = set.dialects();
    let is_empty = set.is_empty() && set.repeatables().is_empty();
    (!is_empty && !set_dialects.contains(database)).then_some(Reason::WrongDialect { database, set: set_dialects })
}

/// A correction of the history that runs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repair {
    /// Record the embedded name and checksum of every migration that was edited or renamed.
    AcceptEdited,
    /// Record this migration as fully applied: you have finished it by hand.
    MarkApplied(Version),
    /// Remove the row of this version: you have undone it by hand.
    Forget(Version),
    /// Record that the statement with an unknown outcome has finished. The next run resumes after it.
    Finished(Version),
    /// Record that this statement has not taken effect. The next run sends it again.
    Again(Version),
}

/// Plans a repair. The plan is empty if the history is already right.
///
/// # Errors
///
/// Returns a [`Refusal`]
///
/// * if the version is not recorded, or should be marked as applied and is not embedded;
/// * if the history is that of another database;
/// * if edits are to be accepted, and a migration that stopped half way was edited, or a recorded one is a different
///   migration. Use [`Repair::MarkApplied`] or [`Repair::Forget`] for it.
pub fn repair(set: &Set, history: &History, dialect: Dialect, repair: Repair) -> Result<Plan, Refusal> {
    let mut reasons = Vec::new();
    let mut steps = Vec::new();
    if let Some(other) = drift::other_database(set, history) {
        return finish(steps, Vec::new(), history, vec![Reason::Drift(other)]);
    }
    match repair {
        Repair::AcceptEdited => {
            let found = drift::drift(set, history);
            for row in history.rows() {
                let Some(migration) = set.find(row.version) else { continue };
                let of_it = || found.iter().filter(|drift| drift.id() == migration.id());
                let replaced = of_it().any(|drift| matches!(drift, Drift::Replaced { .. }));
                let edited = of_it().any(|drift| {
                    matches!(drift, Drift::Edited { .. } | Drift::Renamed { .. } | Drift::FinishedEdited { .. })
                });
                if replaced || (edited && row.state != State::Applied) {
                    reasons.extend(of_it().cloned().map(Reason::Drift));
                } else if edited {
                    steps.push(step(&migration, Action::Rewrite));
                }
            }
        }
        Repair::MarkApplied(version) => match (history.row(version), set.find_any(version)) {
            (Some(row), Some(migration)) => {
                let is_true =
                    row.state == State::Applied && migration.goes_by(&row.name) && row.checksum == migration.checksum();
                if !is_true {
                    steps.push(step(&migration, Action::Rewrite));
                }
            }
            (Some(row), None) => reasons.push(Reason::NotEmbedded { id: row.id(), version }),
            (None, _) => reasons.push(not_recorded(set, version)),
        },
        Repair::Forget(version) => match (history.row(version), set.find_any(version)) {
            (Some(_), Some(migration)) => steps.push(step(&migration, Action::Forget)),
            (Some(row), None) => steps.push(Step { version, id: row.id(), action: Action::Forget }),
            (None, _) => reasons.push(not_recorded(set, version)),
        },
        Repair::Finished(version) | Repair::Again(version) => match (history.row(version), set.find(version)) {
            (Some(row), Some(migration)) => match row.in_doubt() {
                Some(number) if matches!(repair, Repair::Finished(_)) => {
                    let going_up = row.state == State::Partial;
                    let script = if going_up { Some(migration.up()) } else { migration.down() };
                    if script.is_some_and(|script| !may_be_in_doubt(&script, number, dialect)) {
                        reasons.push(Reason::NotInDoubt { id: migration.id().to_owned(), number });
                        return finish(steps, Vec::new(), history, reasons);
                    }
                    let sums = script.map(|script| script.finished(dialect)).unwrap_or_default();
                    let finished = sums.get(number as usize - 1).copied();
                    steps.push(step(&migration, Action::Settle { statements_done: number, finished }));
                }
                Some(_) => {
                    let (statements_done, finished) = (row.statements_done, row.finished);
                    steps.push(step(&migration, Action::Settle { statements_done, finished }));
                }
                None => reasons.push(Reason::NothingInDoubt { id: migration.id().to_owned() }),
            },
            (Some(row), None) => reasons.push(Reason::NotEmbedded { id: row.id(), version }),
            (None, _) => reasons.push(not_recorded(set, version)),
        },
    }
    finish(steps, Vec::new(), history, reasons)
}

/// Whether this statement of a script, counted from 1, may be the one that was sent and whose end was not recorded.
fn may_be_in_doubt(script: &Script, number: u32, dialect: Dialect) -> bool {
    let Body::Sql(text) = script.body() else { return true };
    let statements = script.statements(dialect);
    let Some(statement) = statements.get((number as usize).saturating_sub(1)) else { return false };
    // What a variable makes of a statement is not known here.
    script.has_psql() || unit::may_be_announced(dialect, text, statement)
}

fn finish(steps: Vec<Step>, tolerated: Vec<Drift>, history: &History, reasons: Vec<Reason>) -> Result<Plan, Refusal> {
    if reasons.is_empty() { Ok(Plan { steps, tolerated, seen: history.digest() }) } else { Err(Refusal { reasons }) }
}

fn up(set: &Set, history: &History, to: UpTo, request: &Request, reasons: &mut Vec<Reason>) -> Vec<Step> {
    let end = match to {
        UpTo::Latest | UpTo::Steps(_) => i64::MAX,
        UpTo::Version(version) => {
            if set.find(version).is_none() {
                reasons.push(unknown_version(set, version));
            }
            version.get()
        }
    };
    let most = match to {
        UpTo::Steps(steps) => steps,
        UpTo::Latest | UpTo::Version(_) => usize::MAX,
    };
    let pending = set.iter().take_while(|migration| migration.version().get() <= end);
    let steps: Vec<Step> = pending
        .filter_map(|migration| {
            let action = match history.row(migration.version()) {
                None if migration.is_skipped() => return None,
                None => Action::Apply,
                Some(row) if row.state == State::Partial => {
                    Action::ResumeApply { statements_done: row.statements_done }
                }
                Some(_) => return None,
            };
            Some((migration, step(&migration, action)))
        })
        .take(most)
        .map(|(migration, step)| {
            refuse_outside(&migration.up(), &migration, request, reasons);
            step
        })
        .collect();
    steps
}

fn down(set: &Set, history: &History, to: DownTo, request: &Request, reasons: &mut Vec<Reason>) -> Vec<Step> {
    let rows = history.rows();
    let keep = match to {
        DownTo::Empty => 0,
        DownTo::Steps(steps) => rows.len().checked_sub(steps).unwrap_or_else(|| {
            let possible = possible(set, history, request);
            reasons.push(Reason::TooManySteps { asked: steps, applied: rows.len(), possible, again: false });
            0
        }),
        DownTo::Version(version) => {
            if history.row(version).is_none() {
                reasons.push(match (set.find(version), set.get(0)) {
                    (Some(migration), _) => Reason::NotApplied { id: migration.id().to_owned() },
                    (None, Some(oldest)) if version < oldest.version() => {
                        let all = Request { destination: DownTo::Empty.into(), ..*request };
                        let possible = plan(set, history, &all).is_ok();
                        Reason::BelowOldest { version, oldest: oldest.id().to_owned(), possible }
                    }
                    (None, _) => unknown_version(set, version),
                });
            }
            rows.partition_point(|row| row.version <= version)
        }
    };
    let mut steps = Vec::new();
    let mut furthest = None;
    for row in rows[keep..].iter().rev() {
        let action = match row.state {
            State::Reverting => Action::ResumeRevert { statements_done: row.statements_done },
            State::Applied | State::Partial => Action::Revert,
        };
        let Some(migration) = set.find(row.version) else {
            // This step never runs: `blocks` refuses a plan with steps if there is such a row.
            steps.push(Step { version: row.version, id: row.id(), action });
            continue;
        };
        match migration.down() {
            Some(script) => refuse_outside(&script, &migration, request, reasons),
            None => reasons.push(Reason::Irreversible {
                id: migration.id().to_owned(),
                reason: migration.irreversible().map(str::to_owned),
                possible: *furthest.get_or_insert_with(|| possible(set, history, request)),
                again: false,
            }),
        }
        steps.push(step(&migration, action));
    }
    steps
}

/// How many migrations can be reverted, from the newest on. Help texts name this number, so it must work.
fn possible(set: &Set, history: &History, request: &Request) -> usize {
    let newest = history.rows().iter().rev();
    let has_down = |version| set.find(version).is_some_and(|migration| migration.down().is_some());
    let most = newest.take_while(|row| has_down(row.version)).count();
    let goes = |steps: &usize| {
        let destination = DownTo::Steps(*steps).into();
        plan(set, history, &Request { destination, ..*request }).is_ok()
    };
    if most == 0 || goes(&most) {
        return most;
    }
    // An edited draft, or one that stopped while it was reverted, blocks only plans that do not include it.
    if !goes(&1) {
        return (1..most).rev().find(goes).unwrap_or(0);
    }
    // Everything else that blocks a short plan also blocks a longer one, so a binary search finds the limit.
    let (mut goes_to, mut fails_at) = (1, most);
    while fails_at - goes_to > 1 {
        let middle = goes_to + (fails_at - goes_to) / 2;
        if goes(&middle) { goes_to = middle } else { fails_at = middle }
    }
    goes_to
}

fn refuse_outside(script: &Script, migration: &Migration, request: &Request, reasons: &mut Vec<Reason>) {
    let whole_run = request.atomicity == Atomicity::WholeRun;
    if whole_run && !script.is_transactional() {
        reasons.push(Reason::OutsideTransaction { id: migration.id().to_owned() });
    } else if whole_run && request.dialect == Dialect::Sqlite && script.foreign_keys_off() {
        reasons.push(Reason::OwnTransaction { id: migration.id().to_owned() });
    }
}

/// Whether a difference blocks a plan with these steps.
fn blocks(drift: &Drift, set: &Set, request: &Request, steps: &HashMap<&str, &Step>) -> bool {
    let going_up = request.destination.direction() == Direction::Up;
    let is_in_plan = |id: &String| steps.contains_key(id.as_str());
    match drift {
        // While developing a draft, one applies it, edits it and reverts it.
        Drift::Edited { id, frozen, .. } => *frozen || going_up || !is_in_plan(id),
        Drift::Renamed { id, .. } => {
            let draft = |step: &&Step| set.find(step.version).is_some_and(|migration| !migration.is_frozen());
            going_up || !steps.get(id.as_str()).is_some_and(draft)
        }
        // The down script of another migration would undo something that was never done.
        Drift::Replaced { .. } | Drift::Unknown { .. } | Drift::OtherDatabase { .. } => true,
        // They keep no migration from running.
        Drift::Changed { .. } | Drift::Gone { .. } => false,
        // It is unknown at which statement to resume.
        Drift::FinishedEdited { .. } => true,
        // A newer migration that this build does not know may depend on the older one.
        Drift::Ahead { .. } => {
            if going_up {
                request.ahead == Ahead::Refuse
            } else {
                !steps.is_empty()
            }
        }
        Drift::Missing { .. } | Drift::OutOfOrder { .. } => going_up && request.out_of_order == OutOfOrder::Refuse,
        // No migration depends on a script that an operator ran.
        Drift::ManualEdited { .. } => false,
        // A migration that stopped half way must be resumed first, in its own direction.
        Drift::Partial { id, state: State::Reverting, .. } => going_up || !is_in_plan(id),
        Drift::Partial { id, state: State::Partial | State::Applied, .. } => !going_up || !is_in_plan(id),
    }
}

fn step(migration: &Migration, action: Action) -> Step {
    Step { version: migration.version(), id: migration.id().to_owned(), action }
}

fn unknown_version(set: &Set, version: Version) -> Reason {
    Reason::UnknownVersion { version, embedded: ends(set) }
}

fn not_recorded(set: &Set, version: Version) -> Reason {
    Reason::NotRecorded { version, embedded: ends(set), is_embedded: set.find_any(version).is_some() }
}

/// The ids of the oldest and the newest migration of a set.
fn ends(set: &Set) -> Option<(String, String)> {
    let ends = set.get(0).zip(set.last());
    ends.map(|(oldest, newest)| (oldest.id().to_owned(), newest.id().to_owned()))
}
