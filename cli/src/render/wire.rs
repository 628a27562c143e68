//! The JSON lines of `--format json`: every type that is written, and how it is made from the values of a run.
//!
//! The form is append-only. A field is never removed, renamed or given another meaning; a reader ignores what it does
//! not know. [`VERSION`] changes only if that rule has to be broken.

#[cfg(feature = "backup")]
mod backup;

use std::time::Duration;

#[cfg(feature = "schema")]
use lockgate::SchemaVerdict;
use lockgate::doctor::Finding;
#[cfg(feature = "schema")]
use lockgate::schema::snapshot::{Change, ChangeKind};
use lockgate::wait::Readiness;
use lockgate::{
    Audience, Body as ScriptBody, Dialect, Drift, Effects, Entry, Event, FinishedStep, LogEntry, ManualScript,
    RepeatableEntry, Report, Stage, State, TableSize,
};
use serde::Serialize;

#[cfg(feature = "backup")]
use crate::answer::Kept;
use crate::answer::{Aim, Answer, Body, Planned, Stand};
use crate::command_error::CommandError;
use crate::exit::Exit;

/// The version of the form, which is in every line.
pub(crate) const VERSION: u8 = 1;

/// One line of standard output: an event of a run, or its end. The last line of every command is of the type `result`
/// or `error`, and no other line is.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(crate) struct Line {
    /// The version of this form.
    #[cfg_attr(feature = "json-schema", schemars(extend("const" = VERSION)))]
    lockgate: u8,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
enum Content {
    /// A note.
    Note { message: String },
    /// A run in one of several databases begins.
    Entered {
        database: String,
        /// The role in the names of the migrations that follow; null if one login runs them all.
        role: Option<String>,
    },
    /// No password was given for a role, and its name is tried.
    PasswordAssumed {
        role: String,
        /// The environment variable that may hold it.
        variable: Option<String>,
    },
    /// A bootstrap that is not recorded does not run, because its database exists.
    BootstrapLeftOut { migration: String, database: String },
    /// There was no mirror, and this run has made it, with this many databases as they are.
    MirrorMade { mirror: String, databases: usize },
    /// A run has ended in a database, and its mirror could not be written. The next run does that.
    MirrorBehind { database: String, reason: String },
    /// Another run holds the lock; this one waits.
    LockWaiting {
        /// Who holds it, as far as the database says.
        holder: Option<String>,
    },
    /// A difference between program and database that does not block the run.
    Tolerated { drift: Difference },
    /// The lock is held, and this many migrations will run.
    Planned { steps: usize },
    /// A migration begins. Several that travel in one message begin together, and what was rolled back begins again.
    Started { migration: String, action: String },
    /// A statement is sent: of migrations outside a transaction with `--verbose`, and of others too.
    StatementStarted {
        migration: String,
        /// Which of the statements, counted from 1.
        statement: u32,
        statements: u32,
        /// Its file and line.
        place: String,
        sql: String,
    },
    /// A statement of a migration that does not run in a transaction has finished.
    StatementFinished { migration: String, statements_done: u32, statements: u32 },
    /// A script says something with `\echo`.
    Echo { migration: String, text: String },
    /// A migration could not get its locks; it was rolled back and is tried again.
    Retrying {
        migration: String,
        /// The number of the attempt that begins, counted from 2.
        attempt: u32,
        delay_ms: u64,
        /// Sessions that may hold what it needs.
        blockers: Vec<String>,
    },
    /// The script of a migration ran. It is not in the database for good yet.
    Ran { migration: String, action: String },
    /// A step is in the database for good. This is reported once for each step, in their order.
    Committed {
        migration: String,
        action: String,
        /// How long it took, if that is known.
        elapsed_ms: Option<u64>,
    },
    /// A phase of a backup, a restore or another command that transfers data begins.
    #[cfg(feature = "backup")]
    PhaseBegan {
        /// `dump`, `read back`, `fetch`, `restore` or `check`.
        phase: &'static str,
        /// What it is about: the key of a backup.
        of: String,
        /// How many bytes it will transfer; null if that is not known.
        bytes: Option<u64>,
    },
    /// How many bytes were transferred so far. Reported every ten seconds.
    #[cfg(feature = "backup")]
    PhaseMoved { phase: &'static str, bytes: u64 },
    /// The phase has succeeded.
    #[cfg(feature = "backup")]
    PhaseEnded { phase: &'static str, bytes: u64, elapsed_ms: u64 },
    /// The end of a command that answered.
    Result(ResultLine),
    /// The end of a command that failed.
    Error(ErrorLine),
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct ResultLine {
    /// The command.
    verb: String,
    #[serde(flatten)]
    end: End,
    #[serde(flatten)]
    answer: Shown,
}

/// How the process ends.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct End {
    exit_code: u8,
    /// The exit code as a word: `done`, `refused`.
    exit: &'static str,
}

/// The answer, under its name.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
enum Shown {
    /// What a run did.
    Run(Run),
    /// What would run; nothing was executed.
    Plan(PlanValue),
    /// The state of the database.
    Status(Status),
    /// Every difference between program and database.
    Drift(Vec<Difference>),
    /// How the schema of the database compares with the one that the migrations make.
    #[cfg(feature = "schema")]
    SchemaDrift(SchemaDrift),
    /// The scripts that an operator runs: all of them, or the one that was to be run and has run.
    Manual(Vec<Manual>),
    /// The seeds of the program.
    Seeds(Vec<SeedValue>),
    /// The last entries of the log, the oldest first.
    History(Vec<Logged>),
    /// How the history of another tool compares with the embedded migrations.
    #[cfg(feature = "adopt")]
    Adoption(Adoption),
    /// Whether the database has every migration.
    Ready(Ready),
    /// What `doctor` found, in a fixed order.
    Findings(Vec<Found>),
    /// The stage that the database is marked with now.
    Marked(Marked),
    /// The role and the database that `bootstrap` created or found.
    Bootstrap(Bootstrapped),
    /// The INVALID index that was dropped, as SQL names it.
    IndexDropped(String),
    /// What a run did, in each of several databases.
    #[cfg(feature = "postgres")]
    Runs(Vec<DatabaseRun>),
    /// What would run, in each of several databases; nothing was executed.
    #[cfg(feature = "postgres")]
    Plans(Vec<DatabasePlanValue>),
    /// Where each of several databases stands.
    #[cfg(feature = "postgres")]
    Statuses(Vec<DatabaseStand>),
    /// Whether each of several databases has every migration.
    #[cfg(feature = "postgres")]
    AllReady(Vec<DatabaseReady>),
    /// How databases compare with their mirror.
    #[cfg(feature = "postgres")]
    Mirror(Vec<MirrorValue>),
    /// The mirror has taken a database over, which had differed like this.
    #[cfg(feature = "postgres")]
    MirrorAccepted(MirrorValue),
    /// The backup that was made.
    #[cfg(feature = "backup")]
    Backup(backup::BackupValue),
    /// The backups of a database.
    #[cfg(feature = "backup")]
    Backups(backup::ListingValue),
    /// The backup that was fetched.
    #[cfg(feature = "backup")]
    Fetched(backup::FetchedValue),
    /// The backup that was verified.
    #[cfg(feature = "backup")]
    Verified(backup::VerifiedValue),
    /// Which backups were deleted, and which are kept.
    #[cfg(feature = "backup")]
    Pruned(backup::PrunedValue),
    /// The backup that was restored.
    #[cfg(feature = "backup")]
    Restored(backup::RestoredValue),
    /// The databases or files that earlier restores had kept, and that were dropped.
    #[cfg(feature = "backup")]
    OldDropped(Vec<String>),
    /// The result of a deploy.
    #[cfg(feature = "backup")]
    Deployed(Box<Deployed>),
    /// A schedule of backups.
    #[cfg(feature = "backup")]
    Schedule(backup::ScheduleValue),
    /// Rows that were written into a file, or loaded from one.
    #[cfg(feature = "backup")]
    Moved(MovedValue),
    /// The rows of a stage were replaced by those of another.
    #[cfg(feature = "backup")]
    Refreshed(RefreshedValue),
    /// A text that is not about a database.
    Document(String),
}

#[cfg(feature = "backup")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Deployed {
    /// The backup from before the migrations; null if nothing was pending.
    before: Option<backup::BackupValue>,
    /// The migrations that were applied.
    run: Run,
    /// The backup from after the migrations; null if nothing was pending.
    after: Option<backup::BackupValue>,
}

/// How a database compares with its mirror.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct MirrorValue {
    database: String,
    /// How many migrations the mirror has of it.
    remembered: usize,
    /// How many are applied that the mirror lacks. The next run adds them.
    behind: usize,
    /// `dropped`, `cleared`, `older`, `rewritten`, `replaced` or `moved`; null if nothing differs.
    difference: Option<&'static str>,
    message: String,
    /// What to do about it; null if nothing differs.
    help: Option<String>,
    /// Whether the database was looked at.
    is_compared: bool,
}

#[cfg(feature = "postgres")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct DatabaseRun {
    database: String,
    /// What is committed, bootstraps first, in the order in which it ran.
    steps: Vec<Finished>,
    tolerated: Vec<Difference>,
    /// Bootstraps that are not recorded and did not run, because the database exists.
    left_out: Vec<String>,
}

#[cfg(feature = "postgres")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct DatabasePlanValue {
    database: String,
    /// Whether it exists.
    exists: bool,
    /// The bootstraps that would run before the rest.
    bootstraps: PlanValue,
    left_out: Vec<String>,
    plan: PlanValue,
}

#[cfg(feature = "postgres")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct DatabaseStand {
    database: String,
    /// Whether it exists. If not, every migration is pending.
    exists: bool,
    /// The bootstraps that would run.
    bootstraps: Vec<String>,
    /// Why no bootstrap would run. Empty if they would.
    bootstraps_refused: Vec<Reason>,
    /// The run that is working on a bootstrap at this moment; null if none is.
    bootstraps_at_work: Option<AtWork>,
    /// Where the run stopped that makes the database, if the next one would resume there.
    bootstraps_stopped: Vec<Difference>,
    /// Bootstraps that made a database which was dropped before the last of them had run. They have to be forgotten.
    dropped: Vec<String>,
    left_out: Vec<String>,
    /// How the bootstraps that have made the database differ from those of the program.
    bootstraps_changed: Vec<Difference>,
    status: Status,
}

#[cfg(feature = "postgres")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct DatabaseReady {
    database: String,
    ready: Ready,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Run {
    /// What is committed, in the order in which it ran. Empty if there was nothing to do.
    steps: Vec<Finished>,
    /// Differences between program and database that did not block the run.
    tolerated: Vec<Difference>,
    /// How long the run took, the wait for the lock included.
    elapsed_ms: u64,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Finished {
    migration: String,
    /// What was done to it: `apply`, `apply again`, `revert`, `resume`, `resume revert`, `record`, `repair` or `forget`.
    action: String,
    elapsed_ms: Option<u64>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct PlanValue {
    /// In the order in which they would run.
    steps: Vec<StepValue>,
    tolerated: Vec<Difference>,
    /// The tables that the steps touch and that exist already.
    tables: Vec<Table>,
}

/// How large a table is, according to the statistics of the database.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Table {
    table: String,
    /// About how many rows; null if the database does not know.
    rows: Option<u64>,
    /// About how many bytes, without the indexes; null if the database does not know.
    bytes: Option<u64>,
}

/// A script that an operator runs.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Manual {
    script: String,
    /// `pending`, `run`, `partial`, `edited` or `unknown`.
    state: &'static str,
    /// When it ran, by the clock of the database, in UTC; null if it has not.
    at: Option<String>,
    by: Option<String>,
}

impl Manual {
    fn of(script: &ManualScript) -> Self {
        let row = script.row.as_ref();
        Self {
            script: script.id.clone(),
            state: script.state.as_str(),
            at: row.map(|row| row.applied_at.clone()),
            by: row.map(|row| row.applied_by.clone()),
        }
    }
}

/// A seed: data for a new database that fits the schema after one migration.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct SeedValue {
    seed: String,
    /// The version of the migration after which it is loaded.
    version: i64,
    /// The profiles of the seed, one of which must be chosen to load it; empty if it needs no profile.
    profiles: Vec<&'static str>,
    /// Whether `seed load` loads this one.
    is_next: bool,
    /// When it was loaded, by the clock of the database, in UTC; null if it was not loaded.
    at: Option<String>,
    by: Option<String>,
}

impl SeedValue {
    fn of(seed: &lockgate::Seed) -> Self {
        let row = seed.row.as_ref();
        Self {
            seed: seed.id.clone(),
            version: seed.at.get(),
            profiles: seed.profiles.clone(),
            is_next: seed.is_next,
            at: row.map(|row| row.applied_at.clone()),
            by: row.map(|row| row.applied_by.clone()),
        }
    }
}

/// Rows that were dumped or loaded.
#[cfg(feature = "backup")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct MovedValue {
    file: String,
    /// `dumped` or `loaded`.
    direction: &'static str,
    /// `rows` or `schema`.
    content: &'static str,
    /// Each table with the number of its rows. Empty if it is the schema.
    tables: Vec<MovedTable>,
}

/// A stage whose rows were replaced.
#[cfg(feature = "backup")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct RefreshedValue {
    /// The stage that the rows come from.
    from: &'static str,
    /// The stage whose rows were replaced.
    to: &'static str,
    tables: Vec<MovedTable>,
}

/// The rows of one table.
#[cfg(feature = "backup")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct MovedTable {
    table: String,
    rows: u64,
}

#[cfg(feature = "backup")]
impl MovedTable {
    fn all(tables: &[(String, u64)]) -> Vec<Self> {
        tables.iter().map(|(table, rows)| Self { table: table.clone(), rows: *rows }).collect()
    }
}

/// An entry of the log.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Logged {
    /// By the clock of the database, in UTC.
    at: String,
    by: String,
    migration: String,
    version: i64,
    /// `applied`, `reverted`, `baselined`, `repaired`, `forgotten`, `failed`, `overridden`, `adopted`, `disowned`
    /// or `index-dropped`. A newer release may write others.
    event: String,
    /// How long it took; null if the migration is not applied any more, or if it did not run.
    elapsed_ms: Option<u64>,
    /// Name and version of the program.
    application: String,
    /// The version of Lockgate.
    lockgate: String,
    /// What the database said of a failure; why a stage was overridden or the history corrected; what another tool had
    /// recorded.
    detail: Option<String>,
}

/// A run that is working on a migration outside a transaction.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct AtWork {
    migration: String,
    /// The process or the session: `pid 7, connected since 2026-11-30T15:00:00Z`.
    by: String,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Ready {
    is_ready: bool,
    /// The migrations that are not applied.
    missing: Vec<String>,
    /// The migration that stopped half way.
    partial: Option<String>,
    /// The run that is working on a migration at this moment; null if none is.
    at_work: Option<AtWork>,
    /// What differs, if every migration is applied.
    drift: Vec<Difference>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct StepValue {
    migration: String,
    action: String,
    /// The file of the script; null if the step changes only the history.
    path: Option<String>,
    /// Whether the script is a Rust function.
    is_rust: bool,
    /// Whether it runs in a transaction.
    is_transactional: bool,
    statements: usize,
    /// How many of these have finished before.
    statements_done: u32,
    /// The SQL; null if the script is a Rust function, or if there is none.
    sql: Option<String>,
    /// The strong locks that it takes on tables that exist already, the strongest first. PostgreSQL only.
    locks: Vec<Lock>,
    /// Whether it destroys data.
    destroys: bool,
    /// The tables whose data it destroys, as far as it names them.
    loses: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Lock {
    /// The table; or an index, if the script names only that.
    table: String,
    is_index: bool,
    /// PostgreSQL's name of the lock, such as `ACCESS EXCLUSIVE`.
    lock: String,
    /// What it blocks, in words: `reads and writes`.
    blocks: String,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Status {
    applied: usize,
    pending: usize,
    /// How many stopped half way.
    partial: usize,
    /// Whether every embedded migration is applied and nothing differs.
    is_up_to_date: bool,
    /// Whether `up` would refuse to run.
    up_refuses: bool,
    /// `development`, `test`, `staging` or `production`; null if the database is not marked.
    stage: Option<&'static str>,
    /// Every migration that is embedded or recorded, in their order.
    migrations: Vec<Migration>,
    /// Every repeatable script that is embedded or recorded, in the order in which they run.
    repeatables: Vec<Repeatable>,
    drift: Vec<Difference>,
    /// How it compares with its mirror; null if it has none.
    mirror: Option<MirrorValue>,
}

/// How the schema of the database compares with the one that the migrations make.
#[cfg(feature = "schema")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct SchemaDrift {
    /// `same`, `differs`, or why that is not known: `other-release`, `not-at-head`, `other-profiles` or `no-snapshot`.
    verdict: &'static str,
    message: String,
    /// What to do about it; null if nothing.
    help: Option<String>,
    /// The file that the database was compared with, among the sources.
    snapshot: String,
    /// What differs, object by object; null if the program does not embed the snapshot, or nothing was compared.
    changes: Option<Vec<SchemaChange>>,
    /// The major release of PostgreSQL that made the snapshot, if the verdict is `other-release` and it is known.
    made_by: Option<u32>,
    /// The major release of the server, if the verdict is `other-release`.
    server: Option<u32>,
    /// The migrations that are pending, if the verdict is `not-at-head`.
    pending: Vec<String>,
    /// How the history differs from the program, if the verdict is `not-at-head`.
    drift: Vec<Difference>,
    /// The migrations that no chosen profile has, if the verdict is `other-profiles`.
    skipped: Vec<String>,
}

/// An object that differs.
#[cfg(feature = "schema")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct SchemaChange {
    /// What it is, as the snapshot names it: `table public.users`.
    object: String,
    /// `new` if only the database has it, `gone` if the database lacks it, or `changed`.
    kind: &'static str,
    /// If it is changed, the lines of the snapshot that the database lacks.
    gone: Vec<String>,
    /// If it is changed, the lines that only the database has.
    new: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Found {
    /// What was looked at: `privileges`, `invalid-index`.
    check: &'static str,
    /// `ok`, `warning` or `problem`.
    verdict: &'static str,
    fact: String,
    /// What to do about it.
    help: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Marked {
    stage: &'static str,
    /// The stage that it was marked with before; null if it was not marked.
    before: Option<&'static str>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Bootstrapped {
    role: String,
    /// Whether the role was created; otherwise it existed.
    role_was_created: bool,
    /// Whether the role was given the password of the database URL.
    password_was_set: bool,
    database: String,
    /// Whether the database was created; otherwise it existed, and belonged to the role.
    database_was_created: bool,
    /// Why the database URL does not lead to the database from here; null if it does.
    unusable: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Migration {
    migration: String,
    version: i64,
    state: MigrationState,
    /// Whether the program embeds it.
    is_embedded: bool,
    /// Whether it has a down script; null if it is not embedded.
    is_reversible: Option<bool>,
    /// The profiles of which one must be chosen for it to run. It always runs if there are none.
    profiles: Vec<&'static str>,
    /// Its row in the history; null if it is pending.
    row: Option<Row>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Repeatable {
    script: String,
    /// `new`, `changed`, `current`, `gone`, `skipped` or `ahead`.
    state: &'static str,
    profiles: Vec<&'static str>,
    /// Its row in the history; null if it has not run.
    row: Option<Row>,
}

#[cfg(feature = "adopt")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Adoption {
    /// The tool, as messages name it.
    tool: String,
    /// The table or file that has its history.
    place: String,
    /// Whether the tool keeps checksums.
    has_checksums: bool,
    /// Every migration that is embedded or recorded.
    migrations: Vec<Compared>,
    /// Why nothing can be taken over. Empty if all is well.
    problems: Vec<Reason>,
    /// What was recorded; null if nothing was to be written.
    run: Option<Run>,
}

#[cfg(feature = "adopt")]
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Compared {
    migration: String,
    /// `match`, `line-endings`, `recorded`, `modified`, `renamed`, `unfinished`, `missing`, `pending` or `late`.
    finding: String,
    /// When the other tool applied it, in UTC.
    applied_at: Option<String>,
    /// Whether Lockgate's history already had it.
    is_recorded: bool,
    /// Whether it is embedded and not in the lockfile.
    is_draft: bool,
}

/// What the history says of a migration.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
enum MigrationState {
    Pending,
    /// It is not recorded and does not run, because none of its profiles is chosen.
    Skipped,
    Applied,
    /// Its up script stopped half way.
    Partial,
    /// Its down script stopped half way.
    Reverting,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Row {
    /// The name when it was applied.
    name: String,
    /// The checksum of its up script when it was applied.
    checksum: String,
    statements_done: u32,
    /// By the clock of the database, in UTC.
    applied_at: String,
    applied_by: String,
    elapsed_ms: u64,
    /// Name and version of the program that applied it.
    application: String,
    /// The version of Lockgate that applied it.
    lockgate: String,
}

/// A difference between program and database.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Difference {
    /// What kind of difference: `edited`, `renamed`, `replaced`, `unknown`, `other-database`, `ahead`, `missing`,
    /// `out-of-order`, `finished-edited`, `partial`; of repeatable scripts `changed`, `gone`; of bootstraps also
    /// `left-out`, `dropped`, `refused`.
    code: String,
    migration: String,
    message: String,
    /// What to do about it.
    help: String,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct ErrorLine {
    /// The command; null if the arguments name none.
    verb: Option<String>,
    #[serde(flatten)]
    end: End,
    /// What kind of error: `usage`, `refused`, `failed`.
    kind: String,
    message: String,
    /// Where in the migrations: `migrations/0004_x.up.sql:3:1`.
    place: Option<String>,
    /// The database's own code: an SQLSTATE, or SQLite's extended result code.
    code: Option<String>,
    /// What the database said.
    database_message: Option<String>,
    /// Every reason for a refusal.
    reasons: Vec<Reason>,
    /// What is committed and what is not, one fact each.
    state: Vec<String>,
    /// What to do next.
    help: Vec<String>,
    /// The differences between program and database because of which the command was refused.
    drift: Vec<Difference>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct Reason {
    message: String,
    help: String,
}

impl Reason {
    /// Why the bootstraps of a database would not run.
    #[cfg(feature = "postgres")]
    fn of(reason: &lockgate::Reason, aim: &Aim) -> Self {
        let help = aim.advise_on_bootstraps(&reason.help_for(Audience::CommandLine));
        Self { message: reason.to_string(), help }
    }
}

impl Line {
    fn of(content: Content) -> Self {
        Self { lockgate: VERSION, content }
    }

    /// A note.
    pub(crate) fn note(message: &str) -> Self {
        Self::of(Content::Note { message: message.to_owned() })
    }

    /// The line of an event, whose advice names this aim. `None` if this form does not know the event, which a newer runtime may have.
    pub(crate) fn event(event: &Event, aim: &Aim) -> Option<Self> {
        let content = match event {
            Event::DatabaseStarted { database, role } => {
                Content::Entered { database: database.clone(), role: role.clone() }
            }
            Event::PasswordAssumed { role, variable } => {
                Content::PasswordAssumed { role: role.clone(), variable: variable.clone() }
            }
            Event::BootstrapSkipped { id, database } => {
                Content::BootstrapLeftOut { migration: id.clone(), database: database.clone() }
            }
            Event::MirrorCreated { mirror, databases } => {
                Content::MirrorMade { mirror: mirror.clone(), databases: *databases }
            }
            Event::MirrorBehind { database, reason } => {
                Content::MirrorBehind { database: database.clone(), reason: reason.clone() }
            }
            Event::LockWaiting { holder } => Content::LockWaiting { holder: holder.clone() },
            Event::DriftTolerated(drift) => Content::Tolerated { drift: Difference::of(drift, aim) },
            Event::Planned { steps } => Content::Planned { steps: *steps },
            Event::Started { id, action } => Content::Started { migration: id.clone(), action: action.to_string() },
            Event::StatementStarted { id, statement, statements, place, sql } => Content::StatementStarted {
                migration: id.clone(),
                statement: *statement,
                statements: *statements,
                place: place.clone(),
                sql: (*sql).to_owned(),
            },
            Event::StatementFinished { id, statements_done, statements } => Content::StatementFinished {
                migration: id.clone(),
                statements_done: *statements_done,
                statements: *statements,
            },
            Event::Echo { id, text } => Content::Echo { migration: id.clone(), text: text.clone() },
            Event::Retrying { id, attempt, delay, blockers } => Content::Retrying {
                migration: id.clone(),
                attempt: *attempt,
                delay_ms: milliseconds(*delay),
                blockers: blockers.clone(),
            },
            Event::Ran { id, action } => Content::Ran { migration: id.clone(), action: action.to_string() },
            Event::Committed { id, action, elapsed } => Content::Committed {
                migration: id.clone(),
                action: action.to_string(),
                elapsed_ms: elapsed.map(milliseconds),
            },
            _ => return None,
        };
        Some(Self::of(content))
    }

    /// The line for an event of a backup. `None` if this format does not have it.
    #[cfg(feature = "backup")]
    pub(crate) fn backup_event(event: &lockgate_backup::Event) -> Option<Self> {
        use lockgate_backup::Event;

        let content = match event {
            Event::Began { phase, what, bytes } => {
                Content::PhaseBegan { phase: phase.as_str(), of: what.clone(), bytes: *bytes }
            }
            Event::Moved { phase, bytes } => Content::PhaseMoved { phase: phase.as_str(), bytes: *bytes },
            Event::Ended { phase, bytes, elapsed } => {
                Content::PhaseEnded { phase: phase.as_str(), bytes: *bytes, elapsed_ms: milliseconds(*elapsed) }
            }
            Event::Noted(message) => Content::Note { message: message.clone() },
            _ => return None,
        };
        Some(Self::of(content))
    }

    /// The last line of a command that answered.
    pub(crate) fn result(verb: &str, answer: &Answer, aim: &Aim) -> Self {
        let shown = match &answer.body {
            Body::Run(report) | Body::RanManual(report) => Shown::Run(Run::of(report, aim)),
            Body::Plan(planned) => Shown::Plan(PlanValue::of(planned, aim)),
            Body::Status(stand) => Shown::Status(Status::of(stand, aim)),
            Body::Drift(differences) => {
                let drift = differences.drift.iter().map(|drift| Difference::of(drift, aim));
                #[cfg(feature = "postgres")]
                let drift = drift.chain(differences.bootstraps.iter().flat_map(|(database, differences)| {
                    let aim = aim.of(database);
                    differences.iter().map(move |difference| Difference::of_bootstrap(difference, &aim))
                }));
                Shown::Drift(drift.collect())
            }
            #[cfg(feature = "schema")]
            Body::SchemaDrift(drift) => Shown::SchemaDrift(SchemaDrift::of(drift, aim)),
            Body::Manual(scripts) | Body::HasRun(scripts) => Shown::Manual(scripts.iter().map(Manual::of).collect()),
            Body::Seeds(seeds) => Shown::Seeds(seeds.iter().map(SeedValue::of).collect()),
            Body::History(log) => Shown::History(log.iter().map(|(id, entry)| Logged::of(id, entry)).collect()),
            Body::Ready(readiness) => Shown::Ready(Ready::of(readiness, aim)),
            Body::Examined(findings) => {
                Shown::Findings(findings.iter().map(|finding| Found::of(finding, aim)).collect())
            }
            Body::Marked(marked) => {
                Shown::Marked(Marked { stage: marked.stage.as_str(), before: marked.before.map(Stage::as_str) })
            }
            Body::Bootstrapped(outcome) => Shown::Bootstrap(Bootstrapped {
                role: outcome.role.clone(),
                role_was_created: outcome.role_was_created,
                password_was_set: outcome.password_was_set,
                database: outcome.database.clone(),
                database_was_created: outcome.database_was_created,
                unusable: outcome.unusable.as_ref().map(ToString::to_string),
            }),
            Body::IndexDropped(index) => Shown::IndexDropped(index.clone()),
            #[cfg(feature = "adopt")]
            Body::Adoption(compared) => Shown::Adoption(Adoption::of(compared, aim)),
            #[cfg(feature = "postgres")]
            Body::Runs(report) => {
                Shown::Runs(report.databases.iter().map(|report| DatabaseRun::of(report, aim)).collect())
            }
            #[cfg(feature = "postgres")]
            Body::Plans(plans) => {
                Shown::Plans(plans.iter().map(|planned| DatabasePlanValue::of(planned, aim)).collect())
            }
            #[cfg(feature = "postgres")]
            Body::Statuses(stands) => {
                Shown::Statuses(stands.each.iter().map(|stand| DatabaseStand::of(stand, aim)).collect())
            }
            #[cfg(feature = "postgres")]
            Body::AllReady(each) => Shown::AllReady(
                each.iter()
                    .map(|(name, ready)| DatabaseReady {
                        database: (*name).to_owned(),
                        ready: Ready::of(ready, &aim.of(name)),
                    })
                    .collect(),
            ),
            #[cfg(feature = "postgres")]
            Body::Mirror(statuses) => {
                Shown::Mirror(statuses.iter().map(|status| MirrorValue::of(status, aim)).collect())
            }
            #[cfg(feature = "postgres")]
            Body::MirrorAccepted(status) => Shown::MirrorAccepted(MirrorValue::of(status, aim)),
            #[cfg(feature = "backup")]
            Body::Kept(kept) => match &**kept {
                Kept::Created(meta) => Shown::Backup(backup::BackupValue::of(meta)),
                Kept::Listed(listing, database) => Shown::Backups(backup::ListingValue::of(listing, database)),
                Kept::Fetched(fetched) => Shown::Fetched(backup::FetchedValue::of(fetched)),
                Kept::Verified(verified) => Shown::Verified(backup::VerifiedValue::of(verified)),
                Kept::Pruned(pruned) => Shown::Pruned(backup::PrunedValue::of(pruned)),
                Kept::Restored { restored, .. } => Shown::Restored(backup::RestoredValue::of(restored)),
                Kept::OldDropped(names) => Shown::OldDropped(names.clone()),
                Kept::Deployed(deployed) => Shown::Deployed(Box::new(Deployed {
                    before: deployed.before.as_ref().map(backup::BackupValue::of),
                    run: Run::of(&deployed.report, aim),
                    after: deployed.after.as_ref().map(backup::BackupValue::of),
                })),
                Kept::Scheduled { changes, is_dry_run } => {
                    Shown::Schedule(backup::ScheduleValue::of(changes, *is_dry_run))
                }
            },
            #[cfg(feature = "backup")]
            Body::Moved(moved) => Shown::Moved(MovedValue {
                file: moved.file.display().to_string(),
                direction: if moved.was_loaded { "loaded" } else { "dumped" },
                content: if moved.tables.is_some() { "rows" } else { "schema" },
                tables: MovedTable::all(moved.tables.as_deref().unwrap_or_default()),
            }),
            #[cfg(feature = "backup")]
            Body::Refreshed(refreshed) => Shown::Refreshed(RefreshedValue {
                from: refreshed.from.as_str(),
                to: refreshed.to.as_str(),
                tables: MovedTable::all(&refreshed.tables),
            }),
            Body::Document(text) => Shown::Document(text.clone()),
        };
        Self::of(Content::Result(ResultLine { verb: verb.to_owned(), end: End::of(answer.exit), answer: shown }))
    }

    /// The last line of a command that failed.
    pub(crate) fn error(verb: Option<&str>, error: &CommandError) -> Self {
        let end = End::of(error.exit());
        let mut line = ErrorLine {
            verb: verb.map(str::to_owned),
            end,
            kind: error.kind().to_owned(),
            message: error.summary(),
            place: None,
            code: None,
            database_message: None,
            reasons: Vec::new(),
            state: error.state(),
            help: error.help(),
            drift: Vec::new(),
        };
        if let CommandError::Lockgate(error) = error {
            let report = error.report_for(Audience::CommandLine);
            line.place = report.place();
            line.code = report.database_code().map(str::to_owned);
            line.database_message = report.database_message().map(str::to_owned);
            let reasons = report.reasons();
            line.reasons =
                reasons.map(|(message, help)| Reason { message: message.into(), help: help.into() }).collect();
            // What was advised for a reason names its database already.
            line.drift = error
                .drift_for(Audience::CommandLine)
                .map(|(drift, help)| Difference { help: help.to_owned(), ..Difference::of(drift, &Aim::default()) })
                .collect();
        }
        Self::of(Content::Error(line))
    }

    /// The line as JSON, without a newline.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("the form has only texts as keys, and no number that JSON cannot write")
    }
}

impl End {
    fn of(exit: Exit) -> Self {
        Self { exit_code: exit.code(), exit: exit.word() }
    }
}

impl Finished {
    fn of(step: &FinishedStep) -> Self {
        Self { migration: step.id.clone(), action: step.action.to_string(), elapsed_ms: step.elapsed.map(milliseconds) }
    }
}

#[cfg(feature = "postgres")]
impl DatabaseRun {
    fn of(report: &lockgate::DatabaseReport, aim: &Aim) -> Self {
        let aim = aim.of(&report.database);
        Self {
            database: report.database.clone(),
            steps: report.steps.iter().map(Finished::of).collect(),
            tolerated: report.tolerated.iter().map(|drift| Difference::of(drift, &aim)).collect(),
            left_out: report.left_out.clone(),
        }
    }
}

#[cfg(feature = "postgres")]
impl DatabasePlanValue {
    fn of(planned: &crate::answer::DatabasePlanned, aim: &Aim) -> Self {
        let aim = aim.of(&planned.database);
        Self {
            database: planned.database.clone(),
            exists: planned.exists,
            bootstraps: PlanValue::of(&planned.bootstraps, &aim),
            left_out: planned.left_out.clone(),
            plan: PlanValue::of(&planned.patches, &aim),
        }
    }
}

#[cfg(feature = "postgres")]
impl AtWork {
    fn of(at_work: &lockgate::AtWork) -> Self {
        Self { migration: at_work.id.clone(), by: at_work.by.clone() }
    }
}

#[cfg(feature = "postgres")]
impl DatabaseStand {
    fn of(stand: &lockgate::DatabaseStatus, aim: &Aim) -> Self {
        let aim = aim.of(&stand.database);
        let at_work = stand.begun.as_ref().and_then(|begun| begun.at_work.as_ref());
        let of_it = Stand {
            status: stand.status.clone(),
            up_refuses: stand.up_refuses,
            refusals: Vec::new(),
            mirror: stand.mirror.clone(),
            all: true,
        };
        Self {
            database: stand.database.clone(),
            exists: stand.exists,
            bootstraps: stand.bootstraps.clone(),
            bootstraps_refused: stand.bootstraps_refused.iter().map(|reason| Reason::of(reason, &aim)).collect(),
            bootstraps_at_work: at_work.map(AtWork::of),
            bootstraps_stopped: stand
                .bootstraps_stopped()
                .iter()
                .map(|drift| Difference::of_bootstraps(drift, &aim))
                .collect(),
            dropped: stand.dropped.clone(),
            left_out: stand.left_out.clone(),
            bootstraps_changed: stand
                .changed(Audience::CommandLine)
                .iter()
                .map(|of| Difference::of_bootstrap(of, &aim))
                .collect(),
            status: Status::of(&of_it, &aim),
        }
    }
}

impl Run {
    fn of(report: &Report, aim: &Aim) -> Self {
        Self {
            steps: report.steps.iter().map(Finished::of).collect(),
            tolerated: report.tolerated.iter().map(|drift| Difference::of(drift, aim)).collect(),
            elapsed_ms: milliseconds(report.elapsed),
        }
    }
}

impl PlanValue {
    fn of(planned: &Planned, aim: &Aim) -> Self {
        let effects = planned.plan.effects(planned.migrations.set(), planned.dialect);
        let steps = planned.plan.steps.iter().zip(&effects);
        Self {
            steps: steps.map(|(step, effects)| StepValue::of(planned, step, effects)).collect(),
            tolerated: planned.plan.tolerated.iter().map(|drift| Difference::of(drift, aim)).collect(),
            tables: planned.sizes.iter().map(Table::of).collect(),
        }
    }
}

impl Table {
    fn of(size: &TableSize) -> Self {
        Self { table: size.table.clone(), rows: size.rows, bytes: size.bytes }
    }
}

impl Logged {
    fn of(id: &str, entry: &LogEntry) -> Self {
        Self {
            at: entry.at.clone(),
            by: entry.by.clone(),
            migration: id.to_owned(),
            version: entry.version.get(),
            event: entry.event.clone(),
            elapsed_ms: entry.elapsed.map(milliseconds),
            application: entry.application.clone(),
            lockgate: entry.lockgate.clone(),
            detail: entry.detail.clone(),
        }
    }
}

impl Ready {
    fn of(readiness: &Readiness, aim: &Aim) -> Self {
        let mut ready = Self { is_ready: false, missing: Vec::new(), partial: None, at_work: None, drift: Vec::new() };
        match readiness {
            Readiness::Ready => ready.is_ready = true,
            Readiness::Behind { missing, .. } => ready.missing.clone_from(missing),
            Readiness::Working { id, by } => {
                ready.at_work = Some(AtWork { migration: id.clone(), by: by.clone() });
            }
            Readiness::Partial { id } => ready.partial = Some(id.clone()),
            Readiness::Drifted(drift) => ready.drift = drift.iter().map(|drift| Difference::of(drift, aim)).collect(),
            // A newer runtime may have other results; none of them means ready.
            _ => {}
        }
        ready
    }
}

impl StepValue {
    fn of(planned: &Planned, step: &lockgate::Step, effects: &Effects) -> Self {
        let migration = planned.migrations.set().find_any(step.version);
        let script = migration.and_then(|migration| migration.script(step.action));
        let text = script.as_ref().map(lockgate::Script::body);
        let sql = match text {
            Some(ScriptBody::Sql(text)) => Some(text.to_owned()),
            Some(ScriptBody::Rust) | None => None,
        };
        let locks = effects.locks.iter().filter_map(|touch| {
            touch.lock.map(|lock| Lock {
                table: touch.table.to_owned(),
                is_index: touch.of_index,
                lock: lock.to_string(),
                blocks: lock.blocks().to_owned(),
            })
        });
        Self {
            migration: step.id.clone(),
            action: step.action.to_string(),
            path: script.as_ref().map(lockgate::Script::path),
            is_rust: text == Some(ScriptBody::Rust),
            is_transactional: script.as_ref().is_none_or(lockgate::Script::is_transactional),
            statements: script.as_ref().map_or(0, |script| script.statements(planned.dialect).len()),
            statements_done: step.action.statements_done(),
            sql,
            // SQLite has one lock, which every run holds.
            locks: locks.filter(|_| planned.dialect == Dialect::Postgres).collect(),
            destroys: effects.destroys,
            loses: effects.loses.iter().map(|&table| table.to_owned()).collect(),
        }
    }
}

impl Status {
    fn of(stand: &Stand, aim: &Aim) -> Self {
        let status = &stand.status;
        let recorded = status.entries.iter().filter_map(|entry| entry.row.as_ref());
        let (applied, partial): (Vec<_>, Vec<_>) = recorded.partition(|row| row.state == State::Applied);
        Self {
            applied: applied.len(),
            pending: status.pending().count(),
            partial: partial.len(),
            is_up_to_date: status.is_up_to_date(),
            up_refuses: stand.up_refuses,
            stage: status.stage.map(Stage::as_str),
            migrations: status.entries.iter().map(Migration::of).collect(),
            repeatables: status.repeatables.iter().map(Repeatable::of).collect(),
            drift: status.drift.iter().map(|drift| Difference::of(drift, aim)).collect(),
            #[cfg(feature = "postgres")]
            mirror: stand.mirror.as_ref().map(|mirror| MirrorValue::of(mirror, aim)),
            #[cfg(not(feature = "postgres"))]
            mirror: None,
        }
    }
}

#[cfg(feature = "postgres")]
impl MirrorValue {
    fn of(status: &lockgate::MirrorStatus, aim: &Aim) -> Self {
        let help = status.mismatch.as_ref().map(|mismatch| mismatch.help_for(Audience::CommandLine, &status.database));
        Self {
            database: status.database.clone(),
            remembered: status.remembered,
            behind: status.behind,
            difference: status.mismatch.as_ref().map(lockgate::MirrorMismatch::code),
            message: status.to_string(),
            help: help.map(|help| aim.advise(&help)),
            is_compared: status.is_compared,
        }
    }
}

#[cfg(feature = "adopt")]
impl Adoption {
    fn of(compared: &crate::answer::Compared, aim: &Aim) -> Self {
        let adoption = &compared.adoption;
        let problems = adoption.problems(Audience::CommandLine);
        Self {
            tool: adoption.tool.clone(),
            place: adoption.place.clone(),
            has_checksums: adoption.has_checksums,
            migrations: adoption.entries.iter().map(Compared::of).collect(),
            problems: problems
                .map(|(message, help)| Reason { message: message.into(), help: aim.advise(help) })
                .collect(),
            run: compared.report.as_ref().map(|report| Run::of(report, aim)),
        }
    }
}

#[cfg(feature = "adopt")]
impl Compared {
    fn of(entry: &lockgate::adopt::AdoptionEntry) -> Self {
        Self {
            migration: entry.id.clone(),
            finding: entry.finding.code().to_owned(),
            applied_at: entry.applied_at.clone(),
            is_recorded: entry.is_recorded,
            is_draft: entry.is_draft,
        }
    }
}

impl Migration {
    fn of(entry: &Entry) -> Self {
        Self {
            migration: entry.id.clone(),
            version: entry.version.get(),
            state: match entry.row.as_ref().map(|row| row.state) {
                None if entry.skipped => MigrationState::Skipped,
                None => MigrationState::Pending,
                Some(State::Applied) => MigrationState::Applied,
                Some(State::Partial) => MigrationState::Partial,
                Some(State::Reverting) => MigrationState::Reverting,
            },
            is_embedded: entry.embedded,
            is_reversible: entry.reversible,
            profiles: entry.profiles.clone(),
            row: entry.row.as_ref().map(Row::of),
        }
    }
}

impl Repeatable {
    fn of(entry: &RepeatableEntry) -> Self {
        Self {
            script: entry.id.clone(),
            state: entry.state.as_str(),
            profiles: entry.profiles.clone(),
            row: entry.row.as_ref().map(Row::of),
        }
    }
}

impl Row {
    fn of(row: &lockgate::Row) -> Self {
        Self {
            name: row.name.clone(),
            checksum: row.checksum.to_string(),
            statements_done: row.statements_done,
            applied_at: row.applied_at.clone(),
            applied_by: row.applied_by.clone(),
            elapsed_ms: milliseconds(row.elapsed),
            application: row.application.clone(),
            lockgate: row.lockgate.clone(),
        }
    }
}

impl Found {
    fn of(finding: &Finding, aim: &Aim) -> Self {
        Self {
            check: finding.check(),
            verdict: finding.verdict().as_str(),
            fact: finding.fact_for(Audience::CommandLine).to_owned(),
            help: finding.advice_for(Audience::CommandLine).map(|advice| aim.advise(advice)).collect(),
        }
    }
}

#[cfg(feature = "schema")]
impl SchemaDrift {
    fn of(found: &lockgate::SchemaDrift, aim: &Aim) -> Self {
        let mut value = Self {
            verdict: found.verdict.code(),
            message: found.to_string(),
            help: found.help_for(Audience::CommandLine).map(|help| aim.advise(&help)),
            snapshot: found.snapshot.clone(),
            changes: found.changes.as_ref().map(|changes| changes.iter().map(SchemaChange::of).collect()),
            made_by: None,
            server: None,
            pending: Vec::new(),
            drift: Vec::new(),
            skipped: Vec::new(),
        };
        match &found.verdict {
            SchemaVerdict::OtherRelease { made_by, server } => {
                (value.made_by, value.server) = (*made_by, Some(*server));
            }
            SchemaVerdict::NotAtHead { pending, drift } => {
                value.pending.clone_from(pending);
                value.drift = drift.iter().map(|drift| Difference::of(drift, aim)).collect();
            }
            SchemaVerdict::OtherProfiles { skipped } => value.skipped.clone_from(skipped),
            // A newer runtime may have other verdicts, which have no more than a name.
            SchemaVerdict::Same | SchemaVerdict::Differs | SchemaVerdict::NoSnapshot | _ => {}
        }
        value
    }
}

#[cfg(feature = "schema")]
impl SchemaChange {
    fn of(change: &Change) -> Self {
        let (kind, gone, new) = match &change.kind {
            ChangeKind::New => ("new", Vec::new(), Vec::new()),
            ChangeKind::Gone => ("gone", Vec::new(), Vec::new()),
            ChangeKind::Changed { gone, new } => ("changed", gone.clone(), new.clone()),
        };
        Self { object: change.object.clone(), kind, gone, new }
    }
}

impl Difference {
    /// With help whose commands name what they are to work on.
    fn of(drift: &Drift, aim: &Aim) -> Self {
        Self {
            code: drift.code().to_owned(),
            migration: drift.id().to_owned(),
            message: drift.to_string(),
            help: aim.advise(&drift.help_for(Audience::CommandLine)),
        }
    }

    /// Of a bootstrap, which a run does nothing about.
    #[cfg(feature = "postgres")]
    fn of_bootstrap(of: &lockgate::BootstrapDifference, aim: &Aim) -> Self {
        Self {
            code: of.code.to_owned(),
            migration: of.id.clone(),
            message: of.message.clone(),
            help: aim.advise_on_bootstraps(&of.help),
        }
    }

    #[cfg(feature = "postgres")]
    fn of_bootstraps(drift: &Drift, aim: &Aim) -> Self {
        let help = aim.advise_on_bootstraps(&drift.help_for(Audience::CommandLine));
        Self { help, ..Self::of(drift, aim) }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The JSON Schema of a line.
#[cfg(feature = "json-schema")]
pub(crate) fn schema() -> String {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<Line>();
    serde_json::to_string_pretty(&schema).expect("a schema is JSON")
}
