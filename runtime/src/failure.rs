//! Builds the errors of runs that stopped: where and why, what is in the database, and what to do. The executor decides
//! when.

use lockgate_core::patch::Patch;
use lockgate_core::{Action, Audience, Direction, History, Row, State, StatementFlags, StatementKind, Touch};

use crate::backend::{FailedAt, Failure, Job, JobBody, LockFailure, TransactionStatus};
use crate::error::{Cause, Class, Error, ErrorKind, Place, UNCHANGED, Wording};
use crate::report::Report;
use crate::run::Run;

/// A job that failed, and the state after the failure.
pub(crate) struct FailedJob {
    pub(crate) job: Job,
    /// Its index among the jobs of the run.
    pub(crate) failed_at: usize,
    pub(crate) failure: Failure,
    /// The earlier jobs of this run that are recorded, if that is known.
    pub(crate) recorded: Option<Vec<(Action, String)>>,
    /// The history after the failure, if it could be read.
    pub(crate) history: Option<History>,
    pub(crate) blockers: Vec<String>,
    /// The invalid indexes that it left behind.
    pub(crate) invalid: Vec<String>,
    /// How many jobs were not tried.
    pub(crate) left: usize,
}

impl FailedJob {
    /// The line for the log.
    pub(crate) fn in_one_line(&self) -> String {
        format!("{}: {}", headline(&self.job, &self.failure), self.failure.cause.message)
    }
}

/// The most migrations that a message lists by their names.
const MOST_LISTED: usize = 20;

/// Adds to an error what the run had committed before it planned again.
pub(crate) fn after(error: Error, report: &Report) -> Error {
    if report.is_empty() { error } else { error.with_state_instead(UNCHANGED, before(report)) }
}

/// A failure in a run over several databases, of which the failed run was a part: what it says of its run holds for all.
/// `ids` are what the other parts had committed.
pub(crate) fn in_part(error: Error, ids: &[&str]) -> Error {
    let error = error.with_states(|line| match line.as_str() {
        UNCHANGED | NOTHING_BEFORE if !ids.is_empty() => None,
        ONE_TRANSACTION => {
            Some("the patches of one role are one transaction: nothing of this one was committed".into())
        }
        line if line.ends_with(NOT_TRIED) => Some("no later patch was tried".to_owned()),
        _ => Some(line),
    });
    if ids.is_empty() {
        return error;
    }
    error.with_state(format!("applied and committed before, in this run: {}", listed(ids)))
}

/// The state after a failure at the first step.
const NOTHING_BEFORE: &str = "nothing was committed before it in this run";
/// The state after a failure of a run that is one transaction.
const ONE_TRANSACTION: &str = "the whole run was one transaction: nothing of it was committed";
/// Ends the line about the steps after the one that failed.
const NOT_TRIED: &str = "not tried";

/// Says what a run had committed before a failure.
fn before(report: &Report) -> String {
    each_past("and committed before it", report.steps.iter().map(|step| (step.action, step.id.as_str())))
}

/// Says what a run has committed.
fn done(report: &Report) -> String {
    each_past("and committed", report.steps.iter().map(|step| (step.action, step.id.as_str())))
}

/// What became of these migrations: `reverted and committed: 0002_b; applied and committed: 0003_c`.
fn each_past<'a>(what: &str, steps: impl Iterator<Item = (Action, &'a str)>) -> String {
    let mut each: Vec<(&str, Vec<&str>)> = Vec::new();
    for (action, id) in steps {
        match each.iter_mut().find(|(past, _)| *past == action.past()) {
            Some((_, ids)) => ids.push(id),
            None => each.push((action.past(), vec![id])),
        }
    }
    let each = each.iter().map(|(past, ids)| format!("{past} {what}: {}", listed(ids)));
    each.collect::<Vec<_>>().join("; ")
}

/// These migrations by their names; of many, how many they are, and the first and the last that ran.
pub(crate) fn listed(ids: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
    match names[..] {
        [first, .., last] if names.len() > MOST_LISTED => format!("{} migrations, {first} to {last}", names.len()),
        _ => names.join(", "),
    }
}

/// The help if the server may still be running a statement.
const STILL_RUNNING: &str = "the server may still be running what it was sent: `status` shows how far it is; on PostgreSQL \
                             `SELECT pid, application_name, state, query_start FROM pg_stat_activity WHERE datname = \
                             current_database()` shows what still runs, and `SELECT pg_cancel_backend(pid)` stops it";

/// The error if the history no longer matches the plan.
pub(crate) fn stale() -> Error {
    Error::new(ErrorKind::PlanStale, "the history changed since the plan was made")
        .with_state(UNCHANGED)
        .with_help("check with `status`, then run again if that is still what you want")
}

/// The error if the history cannot be read.
pub(crate) fn unread(cause: Cause, run: &Run<'_>) -> Error {
    let class = cause.class;
    let summary = match class {
        Class::HistoryFormat => format!("the history table {} has an unknown format", run.history_table.table),
        Class::Unfit => format!("the history table {} cannot be relied on", run.history_table.table),
        _ => "the history cannot be read".to_owned(),
    };
    let error = Error::from_cause(summary, cause);
    match class {
        Class::Lost => error.with_kind(ErrorKind::Unreachable),
        Class::LockTimeout => error.with_kind(ErrorKind::Locked),
        _ => error,
    }
}

/// The error if every job ran and the commit failed. `ran` are the jobs that are not committed.
pub(crate) fn uncommitted(run: &Run<'_>, cause: Cause, ran: &[String], report: &Report) -> Error {
    let class = cause.class;
    let mut error = Error::from_cause("the run could not be committed", cause);
    error = match (class, report.steps.is_empty()) {
        (Class::Lost, _) => error.with_state(
            "the outcome is unknown. Run `status`: a migration is applied exactly if it is listed there as applied",
        ),
        (_, true) => error.with_state("nothing of this run is in the database"),
        (_, false) => {
            error.with_state(format!("rolled back and not in the database: {}", listed(ran))).with_state(before(report))
        }
    };
    match class {
        Class::Lost => error.with_help(STILL_RUNNING),
        Class::Other => error.with_help(correct(run, "the migration that the cause names")),
        _ => error,
    }
}

/// The error if the run is committed, but the caller's connection could not be restored.
pub(crate) fn unclean(cause: Cause, report: &Report) -> Error {
    let error = Error::from_cause("the connection is not as it was before the run", cause);
    if report.is_empty() { error } else { error.with_state(done(report)) }
}

/// The error if the run did not get the lock.
pub(crate) fn no_lock(failure: LockFailure, run: &Run<'_>) -> Error {
    match failure {
        LockFailure::Held { holder } => {
            let waited = run.limits.lock_wait;
            let mut error = Error::new(ErrorKind::Locked, format!("another run held the lock for {waited:?}"));
            error = match holder {
                Some(holder) => error.with_state(format!("held by {holder}")),
                None => error.with_state("held by another connection that is writing to this database"),
            };
            error.with_state(UNCHANGED).with_help(Wording::each(|audience| {
                format!("wait for it to end, or allow more time with {}", audience.lock_wait())
            }))
        }
        LockFailure::Cause(cause) => Error::from_cause("the run could not begin", cause).with_state(UNCHANGED),
    }
}

fn headline(job: &Job, failure: &Failure) -> String {
    let id = &job.id;
    if failure.cause.class == Class::Lost {
        return format!("the connection was lost at `{id}`");
    }
    match (failure.at, &job.body) {
        (FailedAt::Statement { index, .. }, JobBody::Sql(sql)) if failure.cause.class == Class::InDoubt => {
            format!("it is unknown whether statement {} of {} of `{id}` has finished", index + 1, sql.statements.len())
        }
        (FailedAt::Statement { index, .. }, JobBody::Sql(sql)) => {
            format!("`{id}` failed at statement {} of {}", index + 1, sql.statements.len())
        }
        (FailedAt::Preparation, _) => "the history table could not be created".to_owned(),
        (FailedAt::Begin, _) => format!("`{id}` could not begin"),
        (FailedAt::Step, _) => format!("the Rust function of `{id}` failed"),
        (FailedAt::Ended, JobBody::Rust(..)) => {
            format!("the Rust function of `{id}` ended Lockgate's transaction")
        }
        (FailedAt::Ended, _) => format!("the script of `{id}` ended Lockgate's transaction"),
        (FailedAt::ForeignKeys, _) => format!("`{id}` left broken foreign keys behind"),
        (FailedAt::Commit, _) => format!("`{id}` ran, but could not be committed"),
        (FailedAt::Statement { .. } | FailedAt::Bookkeeping, _) => format!("`{id}` could not be recorded"),
    }
}

/// The error of a migration that failed. `kept` says whether the jobs before it could be committed.
pub(crate) fn failed(run: &Run<'_>, stopped: FailedJob, kept: bool) -> Error {
    let state = state(run, &stopped, kept);
    let FailedJob { job, failure, blockers, invalid, history, .. } = stopped;
    let row = history.as_ref().and_then(|history| history.row(job.entry.version));
    let place = place(&job, &failure);
    let (headline, at, class) = (headline(&job, &failure), failure.at, failure.cause.class);
    let released = Released::of(run, &job, &failure.cause);
    let is_own_table = creates_own_table(run, &failure.cause);
    let cause = match own_limit(&job, class) {
        Some((limit, path)) => failure.cause.with_advice(format!(
            "if `-- lockgate: {limit}` in {path} ended it: no option overrides it, so raise it there, then run again; if \
             somebody cancelled it: find out who, then run again"
        )),
        None => failure.cause,
    };
    let mut error = Error::from_cause(headline, cause).with_place(place);
    if !matches!(class, Class::Lost | Class::Pooler | Class::Privilege | Class::ReadOnly | Class::Busy | Class::InDoubt)
    {
        error = error.with_kind(ErrorKind::Failed);
    }
    if class == Class::LockTimeout {
        error = wanted_locks(&job, at).into_iter().fold(error, Error::with_state);
    }
    for blocker in blockers {
        error = error.with_state(format!("may hold the lock that it needs: {blocker}"));
    }
    for line in state {
        error = error.with_state(line);
    }
    if class == Class::InDoubt {
        return error
            .with_help("look in the database whether this statement has taken effect")
            .with_help(Wording::each(|audience| {
                format!("if it has: {} records that, and the next run resumes after it", audience.finished(&job.id))
            }))
            .with_help(Wording::each(|audience| {
                format!("if it has not: {} records that, and the next run sends it again", audience.again(&job.id))
            }));
    }
    if class == Class::Lost {
        error = error.with_help(STILL_RUNNING);
    }
    if at == FailedAt::Ended {
        return error.with_help(
            "see what it left in the database and undo that by hand, remove what ends the transaction (BEGIN, COMMIT, \
             ROLLBACK) from it, then run again",
        );
    }
    if is_own_table && matches!(at, FailedAt::Statement { .. } | FailedAt::Step) {
        return error.with_help(
            "the script creates a table of Lockgate's own, as the dump of a database that has it does: delete these \
             statements from the script, then run again",
        );
    }
    match &job.body {
        JobBody::Sql(sql) => {
            let FailedAt::Statement { index, .. } = at else {
                return advised(run, error, at, class, sql.script.path(), released);
            };
            let builds = sql.statements.get(index).is_some_and(|statement| {
                statement.kind == StatementKind::CreateIndex
                    && statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION)
            });
            if builds && class == Class::Lost {
                error = error.with_help(
                    "the server may still be building it: the next run waits for that, and drops an INVALID index of this name \
                     before it builds it again",
                );
            }
            for index in &invalid {
                error = error
                    .with_state(format!("the index {index} is INVALID: every write updates it, and no query uses it"));
            }
            if !invalid.is_empty() {
                // The next run handles a statement that is recorded as started.
                let announced = row.and_then(|row| row.under_way) == u32::try_from(index + 1).ok();
                let resume = |audience: Audience| match job.action.direction() {
                    Some(Direction::Down) => audience.down_by(1),
                    Some(Direction::Up) | None => audience.up().to_owned(),
                };
                return error.with_help(Wording::each(|audience| match announced {
                    true => format!(
                        "fix what the cause names, and {} drops it and resumes at this statement",
                        resume(audience)
                    ),
                    false => {
                        let drop: Vec<_> = invalid.iter().map(|index| audience.drop_invalid_index(index)).collect();
                        format!(
                            "run {}, fix what the cause names, and {} resumes at this statement",
                            drop.join(" and "),
                            resume(audience)
                        )
                    }
                }));
            }
            advised(run, error, at, class, sql.script.path(), released)
        }
        JobBody::Rust(..) => {
            match run.migrations.set().find_any(job.entry.version).and_then(|of| of.script(job.action)) {
                Some(script) => advised(run, error, at, class, script.path(), released),
                None => error,
            }
        }
        JobBody::HistoryOnly => error,
    }
}

/// The timeout directive of a script, if that may be why a statement ended.
fn own_limit(job: &Job, class: Class) -> Option<(&'static str, String)> {
    let JobBody::Sql(sql) = &job.body else { return None };
    let limit = match class {
        Class::Cancelled => sql.script.statement_timeout().map(|_| "statement-timeout"),
        Class::LockTimeout => sql.script.lock_timeout().map(|_| "lock-timeout"),
        _ => None,
    };
    limit.map(|limit| (limit, sql.script.path()))
}

/// The locks that a statement could not get, as far as its text names tables.
fn wanted_locks(job: &Job, at: FailedAt) -> Vec<String> {
    let (FailedAt::Statement { index, .. }, JobBody::Sql(sql)) = (at, &job.body) else { return Vec::new() };
    let words = |touch: Touch| {
        let of = if touch.of_index { "the table of " } else { "" };
        Some(format!("it needs {} on {of}{}", touch.lock?, touch.table))
    };
    sql.touches(index).filter_map(words).collect()
}

/// The advice to correct this, which is a part of the program unless the files lie beside it.
fn correct(run: &Run<'_>, what: &str) -> String {
    let build = if run.migrations.set().is_beside() { "" } else { " build again," };
    format!("correct {what},{build} then run again")
}

/// Adds the advice to correct the script, if that is what helps.
fn advised(run: &Run<'_>, error: Error, at: FailedAt, class: Class, path: String, released: Option<Released>) -> Error {
    let of_the_script = matches!(class, Class::Absent | Class::Syntax | Class::Other);
    match at {
        FailedAt::Bookkeeping if matches!(class, Class::Other | Class::Absent) => error.with_help(
            "check what the migration does to the history table (DROP, RENAME, SET SCHEMA), and what depends on it (triggers, \
             columns that others added), then run again",
        ),
        FailedAt::Preparation | FailedAt::Bookkeeping => error,
        _ if of_the_script => match released {
            Some(released) => released.advise(error, class, &path),
            None => error.with_help(correct(run, &path)),
        },
        _ => error,
    }
}

/// PostgreSQL's codes for an existing name: of a cursor, database, prepared statement, schema, table, column, object,
/// alias or function.
const NAME_TAKEN: [&str; 9] = [
    "SQLSTATE 42P03",
    "SQLSTATE 42P04",
    "SQLSTATE 42P05",
    "SQLSTATE 42P06",
    "SQLSTATE 42P07",
    "SQLSTATE 42701",
    "SQLSTATE 42710",
    "SQLSTATE 42712",
    "SQLSTATE 42723",
];

/// Whether something with the name of what was to be created exists already.
fn is_name_taken(cause: &Cause) -> bool {
    match cause.code.as_deref() {
        // SQLite uses one code for this and many other errors, but its messages are always in English.
        Some("SQLite code 1") => {
            cause.message.starts_with("duplicate column name: ") || cause.message.contains("already exists")
        }
        code => code.is_some_and(|code| NAME_TAKEN.contains(&code)),
    }
}

/// Whether a script creates the history table or the log, as the dump of a database that has them does.
fn creates_own_table(run: &Run<'_>, cause: &Cause) -> bool {
    let table = &run.history_table.table;
    let mut words = cause.message.split(|c: char| !c.is_alphanumeric() && c != '_');
    is_name_taken(cause) && words.any(|word| word == table.name || word == table.log().name)
}

/// A migration that the lockfile records. It does not compile any more once it is edited.
struct Released {
    id: String,
    /// The short name for the command line.
    word: String,
    /// The server's detail about the rows.
    detail: Option<String>,
    /// Whether the script failed because it creates something whose name already exists.
    is_name_taken: bool,
    /// Whether it was to be applied.
    goes_up: bool,
    /// Whether its file lies beside the program.
    is_beside: bool,
}

impl Released {
    fn of(run: &Run<'_>, job: &Job, cause: &Cause) -> Option<Self> {
        let migration = run.migrations.set().find(job.entry.version).filter(|migration| migration.is_frozen())?;
        let id = migration.id().to_owned();
        let word = match Patch::parse(&id) {
            Some(patch) => patch.key().to_owned(),
            None => id.chars().take_while(char::is_ascii_digit).collect(),
        };
        let is_beside = run.migrations.set().is_beside();
        let (is_name_taken, goes_up) = (is_name_taken(cause), job.goes_up());
        Some(Self { id, word, detail: cause.detail.as_deref().map(str::to_owned), is_name_taken, goes_up, is_beside })
    }

    fn advise(self, mut error: Error, class: Class, path: &str) -> Error {
        let Self { id, word, detail, is_name_taken, goes_up, is_beside } = self;
        // Rows are not at fault for a missing object or a syntax error.
        if is_name_taken {
            if goes_up {
                error = error.with_help(Wording::each(|audience| {
                    format!(
                        "if the database already has the changes of `{id}`, record it without running it: {}",
                        audience.baseline(&id)
                    )
                }));
            }
            error = error.with_help(format!(
                "if something else has made what `{id}` makes, which is released: find out what did, rename or drop it, then \
                 run again"
            ));
        } else if class == Class::Other {
            let rows = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
            error = error.with_help(format!(
                "`{id}` is released, so the data of this database may be at fault{rows}: fix the rows, then run \
                 again"
            ));
        }
        if is_beside {
            return error.with_help(format!("if no database has applied `{id}` yet: correct {path}, then run again"));
        }
        error.with_help(format!(
            "if no database has applied `{id}` yet: correct {path}, run `cargo xtask amend {word} --reason \"why\"`, \
             build again, then run again"
        ))
    }
}

fn place(job: &Job, failure: &Failure) -> Option<Place> {
    let JobBody::Sql(sql) = &job.body else { return None };
    let byte = match failure.at {
        FailedAt::Statement { index, byte: None } if sql.psql.is_some() => {
            return sql.psql.as_ref().map(|psql| psql.place_of(&sql.script, index));
        }
        FailedAt::Statement { index, byte } => {
            byte.or_else(|| sql.statements.get(index).map(|statement| statement.range.start)).unwrap_or(0)
        }
        FailedAt::Begin => 0,
        _ => return None,
    };
    Some(match &sql.psql {
        Some(psql) => psql.place(&sql.script, byte),
        None => Place::of(&sql.script, &sql.text, byte),
    })
}

/// Says what is in the database and what is not, one fact a line.
fn state(run: &Run<'_>, stopped: &FailedJob, kept: bool) -> Vec<String> {
    let FailedJob { job, failure, recorded, history, left, .. } = stopped;
    let row = history.as_ref().map(|history| history.row(job.entry.version));
    let (id, lost) = (&job.id, failure.cause.class == Class::Lost);
    let nothing_before = recorded.as_ref().is_some_and(Vec::is_empty);
    if failure.at == FailedAt::Preparation && nothing_before && !lost {
        return vec![UNCHANGED.to_owned()];
    }
    if lost && !job.is_outside() {
        // Jobs that were sent together may have finished without an answer.
        let line =
            "the outcome is unknown. Run `status`: a migration is applied exactly if it is listed there as applied";
        return vec![line.to_owned()];
    }
    let mut lines = vec![match &job.body {
        JobBody::Sql(sql) if !sql.script.is_transactional() => {
            progress_outside(job, sql.statements.len(), failure, row)
        }
        _ => match failure.transaction_status {
            TransactionStatus::RolledBack => match (job.action.direction(), row.flatten()) {
                (None, _) => format!("the history of `{id}` is as it was"),
                (Some(Direction::Down), _) => format!("the revert of `{id}` was rolled back: it is applied, as before"),
                (Some(Direction::Up), Some(row)) if row.state == State::Applied => {
                    format!("`{id}` was rolled back: it is applied, as before")
                }
                (Some(Direction::Up), _) => format!("`{id}` was rolled back: nothing of it is in the database"),
            },
            TransactionStatus::Committed => format!(
                "what `{id}` did before it ended the transaction is committed, but `{id}` is not recorded as \
                 applied"
            ),
            TransactionStatus::Unknown => {
                format!("it is unknown whether anything of `{id}` is in the database; it is not recorded as applied")
            }
        },
    }];
    lines.push(match recorded {
        _ if run.is_one_transaction() && failure.transaction_status == TransactionStatus::Committed => {
            "the run should have been one transaction: what it did before that is committed too, and none of it is \
             recorded as applied"
                .to_owned()
        }
        _ if run.is_one_transaction() && failure.transaction_status == TransactionStatus::RolledBack => {
            ONE_TRANSACTION.to_owned()
        }
        _ if !kept && failure.transaction_status != TransactionStatus::Unknown => {
            "the migrations before it in this run could not be committed either".to_owned()
        }
        None => "a migration before it in this run is committed exactly if `status` lists it as applied".to_owned(),
        Some(before) if before.is_empty() => NOTHING_BEFORE.to_owned(),
        Some(before) => each_past("and committed before it", before.iter().map(|(action, id)| (*action, id.as_str()))),
    });
    if *left > 0 {
        lines.push(format!("{left} more {} {NOT_TRIED}", if *left == 1 { "was" } else { "were" }));
    }
    lines
}

/// Says how far a script outside a transaction came. The row is the one after the failure, if the history could be read then.
fn progress_outside(job: &Job, statements: usize, failure: &Failure, row: Option<Option<&Row>>) -> String {
    let (id, class) = (&job.id, failure.cause.class);
    let Some(row) = row.filter(|_| class != Class::Lost) else {
        return format!(
            "`status` shows how far `{id}` came; the statement after the last recorded one may have finished too"
        );
    };
    // The script is read before the row is claimed.
    let ran = match failure.at {
        FailedAt::Statement { .. } => class != Class::Syntax,
        FailedAt::Bookkeeping => class == Class::Other,
        _ => false,
    };
    match (row, job.goes_up()) {
        (Some(row), true) if row.state == State::Applied => format!("`{id}` is applied: another run has finished it"),
        (Some(row), false) if row.state == State::Applied => {
            format!("nothing of `{id}` was reverted: it is applied, as before")
        }
        (Some(row), goes_up) => {
            let (what, done) = (if goes_up { "" } else { "the revert of " }, row.statements_done);
            let mut line =
                format!("{what}`{id}` is partial: {done} of its {statements} statements have finished and stay");
            if row.in_doubt().is_some() && class != Class::InDoubt {
                line.push_str("; the next run checks what the failed statement left in the database");
            }
            line
        }
        (None, true) if ran => {
            format!("the row of `{id}` in the history is gone; what it did before that is in the database")
        }
        (None, true) => format!("nothing of `{id}` is in the database"),
        (None, false) => format!("`{id}` is reverted: another run has finished that"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_migrations_are_counted_and_few_are_listed() {
        let ids = |number: usize| (1..=number).map(|id| format!("{id:04}_x")).collect::<Vec<_>>();
        assert_eq!(listed(&ids(2)), "0001_x, 0002_x");
        assert_eq!(listed(&ids(MOST_LISTED)).split(", ").count(), MOST_LISTED);
        assert_eq!(listed(&ids(4_989)), "4989 migrations, 0001_x to 4989_x");
    }
}
