//! What would run: the pure result of a set, a history and a request. Nothing else in Lockgate
//! decides what runs; status, dry run, apply, revert, baseline and repair consume a [`Plan`].

mod effects;

use std::collections::HashMap;
use std::fmt;

pub use effects::Effects;

use crate::action::{Action, Direction};
use crate::destination::{Destination, DownTo, UpTo};
use crate::drift::{self, Drift};
use crate::patch;
use crate::{Dialect, Dialects, Digest, Front, History, Migration, Row, Set, State, Version};

/// What to do where the history knows versions newer than every embedded one: the database was
/// migrated by a newer build, and this one may be a rollback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ahead {
    /// Accept it: what is newer is none of this build's business, be it finished or under way.
    #[default]
    Accept,
    /// Refuse to run.
    Refuse,
}

/// What to do about a migration that is pending although a newer one is applied.
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
    /// Each migration is its own: the ones before a failure stay.
    #[default]
    PerMigration,
    /// All pending migrations are one: a failure leaves nothing.
    WholeRun,
}

/// What is asked of [`plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Up or down, and where to.
    pub destination: Destination,
    /// What the database speaks.
    pub dialect: Dialect,
    /// Whether a history that is ahead is accepted.
    pub ahead: Ahead,
    /// Whether late migrations are applied.
    pub out_of_order: OutOfOrder,
    /// How much of the run is one transaction.
    pub atomicity: Atomicity,
    /// Whether another tool's history, where there is none of ours, is none of this set's business.
    pub beside_others: bool,
}

impl Request {
    /// Up to the newest, for a database of this dialect, refusing what is out of order.
    pub const fn up(dialect: Dialect) -> Self {
        Self {
            destination: Destination::Up(UpTo::Latest),
            dialect,
            ahead: Ahead::Accept,
            out_of_order: OutOfOrder::Refuse,
            atomicity: Atomicity::PerMigration,
            beside_others: false,
        }
    }

    /// Down by one, for a database of this dialect.
    pub const fn down(dialect: Dialect) -> Self {
        Self { destination: Destination::Down(DownTo::Steps(1)), ..Self::up(dialect) }
    }
}

/// What would run, in this order, on a database with exactly the history that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in the order in which they run.
    pub steps: Vec<Step>,
    /// Differences between set and history that do not stand in the way.
    pub tolerated: Vec<Drift>,
    /// The digest of the history that the plan was made for.
    pub seen: Digest,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The migration's version.
    pub version: Version,
    /// Version and name, as the file names it, or as recorded where it is not embedded.
    pub id: String,
    /// What is done to it.
    pub action: Action,
}

/// Why nothing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// All reasons at once, never none.
    pub reasons: Vec<Reason>,
}

/// One reason why nothing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Set and history differ in a way that is not safe to pass over.
    Drift(Drift),
    /// The destination is no version of the set.
    UnknownVersion {
        /// The version that was asked for.
        version: Version,
        /// The oldest and the newest embedded migration.
        embedded: Option<(String, String)>,
    },
    /// Going down, the version that is to stay is older than all that is embedded.
    BelowOldest {
        /// The version that was asked for.
        version: Version,
        /// The oldest embedded migration.
        oldest: String,
        /// Whether all can be reverted now.
        possible: bool,
    },
    /// The version is to stay applied, and is not applied.
    NotApplied {
        /// The migration.
        id: String,
    },
    /// A migration to revert has no down script.
    Irreversible {
        /// The migration.
        id: String,
        /// Why, where its author said so.
        reason: Option<String>,
        /// How many migrations, the newest first, can be reverted now.
        possible: usize,
    },
    /// More steps down were asked for than migrations are applied.
    TooManySteps {
        /// The steps asked for.
        asked: usize,
        /// The migrations applied.
        applied: usize,
        /// How many of them, the newest first, can be reverted now.
        possible: usize,
    },
    /// The scripts are written for other databases.
    WrongDialect {
        /// What the database speaks.
        database: Dialect,
        /// What the scripts are written for.
        set: Dialects,
    },
    /// All was to fit into one transaction, and this script cannot run in one.
    OutsideTransaction {
        /// The migration.
        id: String,
    },
    /// All was to fit into one transaction, and this script needs one of its own: foreign keys can
    /// only be turned off between transactions.
    OwnTransaction {
        /// The migration.
        id: String,
    },
    /// Another tool has migrated this database, and Lockgate never has: everything would run again.
    OtherTool {
        /// The tool.
        tool: String,
        /// The table in which it keeps its history.
        table: String,
        /// The newest embedded migration.
        newest: Option<String>,
    },
    /// Only a recorded migration can be repaired.
    NotRecorded {
        /// The version that was asked for.
        version: Version,
        /// The oldest and the newest embedded migration.
        embedded: Option<(String, String)>,
        /// Whether the set has a migration of this version.
        is_embedded: bool,
    },
    /// A migration that is not embedded cannot be recorded as the embedded one.
    NotEmbedded {
        /// Version and name as recorded.
        id: String,
        /// The version.
        version: Version,
    },
    /// Of a migration all is known: no statement of it is under way.
    NothingInDoubt {
        /// The migration.
        id: String,
    },
}

impl Reason {
    /// What to do about it, for whoever calls from Rust.
    pub fn help(&self) -> String {
        self.help_for(Front::Rust)
    }

    /// What to do about it, in the words of a front.
    pub fn help_for(&self, front: Front) -> String {
        let furthest =
            |possible: &usize| format!("{} reverts as many as can be reverted now", front.down_by(*possible));
        match self {
            Self::Drift(drift) => drift.help_for(front),
            Self::UnknownVersion { embedded: Some((oldest, newest)), .. } if oldest == newest => {
                format!("it embeds `{newest}` alone")
            }
            Self::UnknownVersion { embedded: Some((oldest, newest)), .. } => {
                format!("it embeds `{oldest}` to `{newest}`: {} lists them", front.status())
            }
            Self::UnknownVersion { embedded: None, .. } => "it embeds no migration at all".to_owned(),
            Self::BelowOldest { possible: false, .. } => {
                "not all can be reverted now, as another reason says".to_owned()
            }
            Self::BelowOldest { oldest, .. } => {
                format!("{} reverts every migration, `{oldest}` too", front.down_all())
            }
            Self::NotApplied { id } => format!(
                "go up to it ({}), or name one that is applied ({} lists them)",
                front.up_to(id),
                front.status()
            ),
            Self::Irreversible { possible: 0, .. } => {
                "restore a backup, or write a new migration that puts things right".to_owned()
            }
            Self::Irreversible { possible, .. } => format!(
                "{}; to go further, restore a backup, or write a new migration that puts things right",
                furthest(possible)
            ),
            Self::TooManySteps { applied: 0, .. } => "there is nothing to revert".to_owned(),
            Self::TooManySteps { applied: 1, possible: 1, .. } => format!("{} reverts it", front.down_by(1)),
            Self::TooManySteps { applied: 1, .. } => "it cannot be reverted, as another reason says".to_owned(),
            Self::TooManySteps { possible: 0, .. } => "none can be reverted now, as another reason says".to_owned(),
            Self::TooManySteps { applied, possible, .. } if applied == possible => {
                format!("{} reverts all of them", front.down_by(*applied))
            }
            Self::TooManySteps { possible, .. } => furthest(possible),
            Self::WrongDialect { database, .. } => {
                format!("connect to such a database, or add `{database}` to `dialects` in `migrations.toml`")
            }
            Self::OutsideTransaction { .. } | Self::OwnTransaction { .. } => {
                format!("make each migration a transaction of its own: {}", front.per_migration())
            }
            Self::OtherTool { newest, .. } => {
                let baseline = match newest {
                    Some(newest) => front.baseline(newest),
                    None => front.baseline("VERSION"),
                };
                format!(
                    "where the database has what these migrations do, record that with {baseline} (or name the last \
                     one that it has); if they have nothing to do with that tool's, {} runs them",
                    front.beside_other_tools()
                )
            }
            Self::NotRecorded { version, is_embedded: true, .. } => {
                format!("{} lists what is recorded; {} records what is not", front.status(), front.baseline(version))
            }
            Self::NotRecorded { is_embedded: false, .. } => format!("{} lists what is recorded", front.status()),
            Self::NothingInDoubt { .. } => format!("look with {}, then run again", front.status()),
            Self::NotEmbedded { id, version } => {
                format!("run the build that embeds `{id}`, or take its row out with {}", front.forget(version))
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
            Self::NotApplied { id } => write!(f, "`{id}` is to stay applied, and is not applied"),
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
                    "the migrations are written for {}, and the database is {}",
                    Products(*set),
                    database.product()
                )
            }
            Self::OutsideTransaction { id } => {
                write!(f, "`{id}` cannot run in a transaction, and all of the run was to be in one")
            }
            Self::OwnTransaction { id } => {
                write!(
                    f,
                    "`{id}` turns foreign keys off, which takes a transaction of its own, and all of the run was to be in one"
                )
            }
            Self::OtherTool { tool, table, .. } => write!(
                f,
                "the database was migrated by another tool ({tool}, table `{table}`) and has no history of Lockgate's: \
                 every migration would run, also those whose effect is there"
            ),
            Self::NotRecorded { version, embedded, .. } => {
                write!(f, "version {} is not recorded", like(embedded, *version))
            }
            Self::NotEmbedded { id, .. } => write!(f, "`{id}` is recorded, and the program does not embed it"),
            Self::NothingInDoubt { id } => {
                write!(f, "no statement of `{id}` is under way: it is known how far it came")
            }
        }
    }
}

/// A version as the set with these ends writes it.
fn like(embedded: &Option<(String, String)>, version: Version) -> String {
    patch::like(embedded.as_ref().map(|(oldest, _)| oldest.as_str()), version)
}

/// Dialects as people name them: `PostgreSQL, SQLite and MySQL`.
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

/// What would run to bring a database with this history to the destination.
///
/// # Errors
///
/// A [`Refusal`] with every reason at once where set and history differ in a way that is not safe
/// to pass over, or where the destination cannot be reached. Nothing may run then.
pub fn plan(set: &Set, history: &History, request: &Request) -> Result<Plan, Refusal> {
    let mut reasons = Vec::new();
    let steps = match request.destination {
        Destination::Up(to) => up(set, history, to, request, &mut reasons),
        Destination::Down(to) => down(set, history, to, request, &mut reasons),
    };
    if let History::Foreign { tool, table } = history
        && !(steps.is_empty() || request.beside_others)
    {
        let newest = set.last().map(|migration| migration.id().to_owned());
        reasons.push(Reason::OtherTool { tool: tool.clone(), table: table.clone(), newest });
    }
    let going: HashMap<&str, &Step> = steps.iter().map(|step| (step.id.as_str(), step)).collect();
    let (blocking, tolerated) =
        drift::drift(set, history).into_iter().partition(|drift| blocks(drift, set, request, &going));
    finish(steps, tolerated, history, reasons_of(wrong_dialect(set, request.dialect), blocking, reasons))
}

/// Records every embedded migration up to `version` that is not recorded yet, without running it,
/// for a database that speaks `dialect`.
///
/// # Errors
///
/// A [`Refusal`] where no embedded migration has this version, where something recorded differs
/// from what is embedded, or where the set is not for this dialect.
pub fn baseline(set: &Set, history: &History, dialect: Dialect, version: Version) -> Result<Plan, Refusal> {
    let unknown = set.find(version).is_none().then(|| unknown_version(set, version));
    let (tolerated, blocking): (Vec<_>, Vec<_>) = drift::drift(set, history)
        .into_iter()
        .partition(|drift| matches!(drift, Drift::Missing { .. } | Drift::OutOfOrder { .. } | Drift::Ahead { .. }));
    let steps = set
        .iter()
        .take_while(|migration| migration.version() <= version)
        .filter(|migration| history.row(migration.version()).is_none())
        .map(|migration| step(&migration, Action::Record))
        .collect();
    let unknown = unknown.into_iter().collect();
    finish(steps, tolerated, history, reasons_of(wrong_dialect(set, dialect), blocking, unknown))
}

/// In the order in which they are read: the wrong database first, as it explains the others.
fn reasons_of(wrong_dialect: Option<Reason>, blocking: Vec<Drift>, others: Vec<Reason>) -> Vec<Reason> {
    wrong_dialect.into_iter().chain(blocking.into_iter().map(Reason::Drift)).chain(others).collect()
}

fn wrong_dialect(set: &Set, database: Dialect) -> Option<Reason> {
    let set_dialects = set.dialects();
    (!set.is_empty() && !set_dialects.contains(database))
        .then_some(Reason::WrongDialect { database, set: set_dialects })
}

/// A wish to make a history say something else without running anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repair {
    /// Record the embedded name and text for every migration that was edited or renamed.
    AcceptEdited,
    /// Record this migration as wholly applied: what was missing was done by hand.
    MarkApplied(Version),
    /// Remove the row of this version: what it did was undone by hand.
    Forget(Version),
    /// Record the statement of this version that was sent and whose end was not recorded as finished: the next run
    /// goes on after it.
    Finished(Version),
    /// The same statement has not taken effect: the next run sends it again.
    Again(Version),
}

/// What a repair would change: nothing where the history says so already.
///
/// # Errors
///
/// A [`Refusal`] where the version is not recorded, or is to be marked and not embedded; where the history is that of
/// another database; and where an edit is to be accepted of a migration that stopped half way, or one that is recorded is quite
/// another migration, as no one can have meant that: what is true of such a one is said by
/// [`Repair::MarkApplied`] or [`Repair::Forget`].
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
        Repair::MarkApplied(version) => match (history.row(version), set.find(version)) {
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
        Repair::Forget(version) => match (history.row(version), set.find(version)) {
            (Some(_), Some(migration)) => steps.push(step(&migration, Action::Forget)),
            (Some(row), None) => steps.push(Step { version, id: row.id(), action: Action::Forget }),
            (None, _) => reasons.push(not_recorded(set, version)),
        },
        Repair::Finished(version) | Repair::Again(version) => match (history.row(version), set.find(version)) {
            (Some(row), Some(migration)) => match in_doubt(row) {
                Some(number) if matches!(repair, Repair::Finished(_)) => {
                    let going_up = row.state == State::Partial;
                    let script = if going_up { Some(migration.up()) } else { migration.down() };
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

/// The statement, counted from 1, of which it is not known whether it has finished.
fn in_doubt(row: &Row) -> Option<u32> {
    row.under_way.filter(|number| row.state != State::Applied && *number > row.statements_done)
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
            reasons.push(Reason::TooManySteps { asked: steps, applied: rows.len(), possible });
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
            // Nobody runs this step: `blocks` refuses a plan with steps where there is such a row.
            steps.push(Step { version: row.version, id: row.id(), action });
            continue;
        };
        match migration.down() {
            Some(script) => refuse_outside(&script, &migration, request, reasons),
            None => reasons.push(Reason::Irreversible {
                id: migration.id().to_owned(),
                reason: migration.irreversible().map(str::to_owned),
                possible: *furthest.get_or_insert_with(|| possible(set, history, request)),
            }),
        }
        steps.push(step(&migration, action));
    }
    steps
}

/// How many migrations can be reverted, the newest first: what a person is told must work when it is typed.
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
    // An edited draft, or one that stopped on its way down, stands in the way of fewer steps than lead to it.
    if !goes(&1) {
        return (1..most).rev().find(goes).unwrap_or(0);
    }
    // All else that stands in the way of a few stands in the way of more.
    let (mut goes_to, mut fails_at) = (1, most);
    while fails_at - goes_to > 1 {
        let middle = goes_to + (fails_at - goes_to) / 2;
        if goes(&middle) { goes_to = middle } else { fails_at = middle }
    }
    goes_to
}

fn refuse_outside(script: &crate::Script, migration: &Migration, request: &Request, reasons: &mut Vec<Reason>) {
    let whole_run = request.atomicity == Atomicity::WholeRun;
    if whole_run && !script.is_transactional() {
        reasons.push(Reason::OutsideTransaction { id: migration.id().to_owned() });
    } else if whole_run && request.dialect == Dialect::Sqlite && script.foreign_keys_off() {
        reasons.push(Reason::OwnTransaction { id: migration.id().to_owned() });
    }
}

/// Whether a difference stands in the way of these steps.
fn blocks(drift: &Drift, set: &Set, request: &Request, steps: &HashMap<&str, &Step>) -> bool {
    let going_up = request.destination.direction() == Direction::Up;
    let goes_on = |id: &String| steps.contains_key(id.as_str());
    match drift {
        // A draft that was applied, edited and is now reverted is how one develops a migration.
        Drift::Edited { id, frozen, .. } => *frozen || going_up || !goes_on(id),
        Drift::Renamed { id, .. } => {
            let draft = |step: &&Step| set.find(step.version).is_some_and(|migration| !migration.is_frozen());
            going_up || !steps.get(id.as_str()).is_some_and(draft)
        }
        // Another migration's down script would undo what was never done.
        Drift::Replaced { .. } | Drift::Unknown { .. } | Drift::OtherDatabase { .. } => true,
        // Behind which statement to go on is not known.
        Drift::FinishedEdited { .. } => true,
        // Reverting an older migration below one that this build does not know would tear it down
        // from under the newer one.
        Drift::Ahead { .. } => {
            if going_up {
                request.ahead == Ahead::Refuse
            } else {
                !steps.is_empty()
            }
        }
        Drift::Missing { .. } | Drift::OutOfOrder { .. } => going_up && request.out_of_order == OutOfOrder::Refuse,
        // One that stopped half way is gone on with before anything else, in its own direction.
        Drift::Partial { id, state: State::Reverting, .. } => going_up || !goes_on(id),
        Drift::Partial { id, state: State::Partial | State::Applied, .. } => !going_up || !goes_on(id),
    }
}

fn step(migration: &Migration, action: Action) -> Step {
    Step { version: migration.version(), id: migration.id().to_owned(), action }
}

fn unknown_version(set: &Set, version: Version) -> Reason {
    Reason::UnknownVersion { version, embedded: ends(set) }
}

fn not_recorded(set: &Set, version: Version) -> Reason {
    Reason::NotRecorded { version, embedded: ends(set), is_embedded: set.find(version).is_some() }
}

/// The oldest and the newest migration of a set.
fn ends(set: &Set) -> Option<(String, String)> {
    let ends = set.get(0).zip(set.last());
    ends.map(|(oldest, newest)| (oldest.id().to_owned(), newest.id().to_owned()))
}
