//! Runs a plan: the only writer. What runs was decided by `core::plan`; how, is the backend's.

use std::time::Duration;

use lockgate_core::{
    Action, Body, History, Migration, Plan, Row, Script, State, StatementFlags, StatementKind, Step, Touch,
};
use tokio::time::Instant;

use crate::backend::{Backend, FailedAt, Failure, Job, Limits, LockFailure, LockRequest, Progress, Work, backoff};
use crate::error::{Class, Error, ErrorKind, Place};
use crate::event::{Event, OnEvent};
use crate::migrations::Migrations;
use crate::report::{Done, Report};
use crate::store::{Entry, Store};

/// How often a migration that could not get its lock is tried in all.
const ATTEMPTS: u32 = 5;
/// How often a run that others came before of is planned anew.
const REPLANS: u32 = 8;

/// All that a run needs besides its plan.
pub(crate) struct Run<'a> {
    pub(crate) migrations: &'a Migrations,
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) whole_run: bool,
    pub(crate) on_event: Option<OnEvent>,
}

impl Run<'_> {
    fn tell(&self, event: Event) {
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
    }
}

/// Brings the database to where `decide` says. It looks first, without a lock: where nothing is to
/// do, one round trip is all.
pub(crate) async fn execute(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    decide: &(dyn Fn(&History) -> Result<Plan, Error> + Send + Sync),
) -> Result<Report, Error> {
    let began = Instant::now();
    let mut report = Report::default();
    let mut outcome = Outcome::Overtaken;
    for _ in 0..REPLANS {
        let history = read(backend, run).await?;
        let plan = decide(&history).map_err(|error| after(error, &report))?;
        report.tolerated.clone_from(&plan.tolerated);
        outcome = match plan.is_empty() {
            true => Outcome::Done,
            false => locked(backend, run, &plan, &history, decide, &mut report).await?,
        };
        if matches!(outcome, Outcome::Done) {
            break;
        }
    }
    if matches!(outcome, Outcome::Overtaken) {
        let error = Error::new(ErrorKind::Locked, format!("other runs came first {REPLANS} times"))
            .with_state("nothing was changed")
            .with_help("look with `status`, then run again");
        return Err(after(error, &report));
    }
    for drift in &report.tolerated {
        run.tell(Event::Tolerated(drift.clone()));
    }
    report.elapsed = began.elapsed();
    Ok(report)
}

/// The same error, in a run that had done something before it planned anew.
fn after(error: Error, report: &Report) -> Error {
    let (Some(first), Some(_)) = (report.steps.first(), report.steps.last()) else { return error };
    let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    error.in_state(vec![format!("{} and committed before it: {}", first.action.past(), ids.join(", "))])
}

/// The history, without a lock and without writing.
pub(crate) async fn read(backend: &mut dyn Backend, run: &Run<'_>) -> Result<History, Error> {
    backend.read(&run.store).await.map_err(|cause| {
        let mut summary = "the history cannot be read".to_owned();
        if cause.class == Class::HistoryFormat {
            summary = format!("the history table {} is of an unknown format", run.store.table);
        }
        let class = cause.class;
        let error = Error::from_cause(summary, cause);
        match class {
            Class::Lost => error.with_kind(ErrorKind::Unreachable),
            Class::LockTimeout => error.with_kind(ErrorKind::Locked),
            _ => error,
        }
    })
}

enum Outcome {
    Done,
    /// Another run came first: what is left is to be planned anew.
    Overtaken,
}

/// The lock's whole life: it is had here and let go of here. Should this future be dropped in
/// between, the backend closes the session that holds it.
async fn locked(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    plan: &Plan,
    seen: &History,
    decide: &(dyn Fn(&History) -> Result<Plan, Error> + Send + Sync),
    report: &mut Report,
) -> Result<Outcome, Error> {
    let planned = jobs(backend, run, plan, seen)?;
    let needs = |test: &dyn Fn(&Job) -> bool| planned.iter().any(test);
    let request = LockRequest {
        store: &run.store,
        limits: run.limits,
        whole_run: run.whole_run,
        session_state: needs(&changes_session),
        outside: needs(&Job::is_outside),
    };
    let mut on_wait = |holder| run.tell(Event::LockWaiting { holder });
    let history = backend.lock(request, &mut on_wait).await.map_err(|failure| no_lock(failure, run))?;

    let decided = if history.digest() == plan.seen { Ok(plan.clone()) } else { decide(&history) };
    let ran = match decided.and_then(|plan| Ok((jobs(backend, run, &plan, &history)?, plan))) {
        Ok((jobs, plan)) => {
            report.tolerated.clone_from(&plan.tolerated);
            if !jobs.is_empty() {
                run.tell(Event::Planned { steps: jobs.len() });
            }
            run_all(backend, run, &jobs, report).await
        }
        Err(error) => Err(Stopped::Refused(after(error, report))),
    };
    match ran {
        Ok(()) => {
            backend.release(false).await.map_err(|cause| {
                report.steps.clear();
                let class = cause.class;
                let error = Error::from_cause("the run could not be committed", cause);
                match class {
                    Class::Lost => error.with_state(
                        "whether this run is committed is known to the database alone: it is recorded if and only if \
                         it is",
                    ),
                    Class::Other => error
                        .with_state("nothing of this run is in the database")
                        .with_help("correct the migration that the cause names, then run again"),
                    _ => error.with_state("nothing of this run is in the database"),
                }
            })?;
            Ok(Outcome::Done)
        }
        Err(Stopped::Refused(error)) => {
            // What is refused is what the caller must hear of; the lock dies with the session
            // if it cannot be let go of.
            let _ = backend.release(true).await;
            Err(error)
        }
        Err(Stopped::Overtaken) => {
            let _ = backend.release(true).await;
            if run.whole_run {
                report.steps.clear();
            }
            Ok(Outcome::Overtaken)
        }
        Err(Stopped::Failed(stopped)) => {
            let lost = stopped.failure.cause.class == Class::Lost;
            if !lost {
                let message =
                    format!("{}: {}", headline(&stopped.job, &stopped.failure), stopped.failure.cause.message);
                // The log is a courtesy: a failure to write it must not hide the failure itself.
                let _ = backend.log_failure(&run.store, &stopped.job.entry, &message).await;
            }
            let released = backend.release(true).await;
            let kept = released.is_ok() && !run.whole_run;
            Err(failed(run, *stopped, kept))
        }
    }
}

/// Whether a job may leave the session other than it found it. What a Rust function does is not known.
fn changes_session(job: &Job) -> bool {
    match &job.work {
        Work::Script(sql) => {
            sql.statements.iter().any(|statement| statement.flags.contains(StatementFlags::SESSION_STATE))
        }
        Work::Step(_) => true,
        Work::Nothing => false,
    }
}

/// Why a run ended before its end.
enum Stopped {
    Refused(Error),
    Overtaken,
    Failed(Box<FailedJob>),
}

/// A job that failed, and how things stand.
struct FailedJob {
    job: Job,
    failure: Failure,
    /// The jobs of this run that are recorded, if that is known.
    recorded: Option<Vec<String>>,
    /// Its own row, if there is one and it could be read.
    row: Option<Row>,
    blockers: Vec<String>,
    /// Indexes that it left INVALID behind.
    invalid: Vec<String>,
    /// How many were not tried.
    left: usize,
}

async fn run_all(backend: &mut dyn Backend, run: &Run<'_>, jobs: &[Job], report: &mut Report) -> Result<(), Stopped> {
    let mut at = 0;
    let mut attempt = 1;
    while at < jobs.len() {
        let outside = jobs[at].is_outside();
        let end = if outside {
            at + 1
        } else {
            jobs[at..].iter().position(Job::is_outside).map_or(jobs.len(), |next| at + next)
        };
        let unit = &jobs[at..end];
        let mut watch = Watch { run, unit, began: Instant::now(), report: &mut *report };
        let mut on_progress = |progress| watch.see(progress);
        let ran = if outside {
            backend.run_outside(&run.store, &unit[0], &mut on_progress).await
        } else {
            backend.run(&run.store, unit, &mut on_progress).await
        };
        let Err(failure) = ran else {
            at = end;
            attempt = 1;
            continue;
        };

        let failed_at = at + failure.job;
        if failure.cause.class == Class::Overtaken {
            return Err(Stopped::Overtaken);
        }
        let blocked = failure.cause.class == Class::LockTimeout;
        let blockers = if blocked { backend.blockers().await } else { Vec::new() };
        if blocked && !outside && !run.whole_run && (attempt < ATTEMPTS || failed_at > at) {
            attempt = if failed_at > at { 2 } else { attempt + 1 };
            let delay = backoff(attempt - 2, Duration::from_millis(250), Duration::from_secs(4));
            run.tell(Event::Retrying { id: jobs[failed_at].id.clone(), attempt, delay, blockers });
            tokio::time::sleep(delay).await;
            at = failed_at;
            continue;
        }
        let invalid = if outside { backend.invalid(&failure.cause.message).await } else { Vec::new() };
        // The history is the witness of what is in the database, whatever was counted before.
        let history = backend.read(&run.store).await.ok();
        let recorded = history.as_ref().map(|history| recorded(&jobs[..failed_at], history));
        let row = history.as_ref().and_then(|history| history.row(jobs[failed_at].entry.version)).cloned();
        let left = jobs.len() - failed_at - 1;
        let job = jobs[failed_at].clone();
        return Err(Stopped::Failed(Box::new(FailedJob { job, failure, recorded, row, blockers, invalid, left })));
    }
    Ok(())
}

/// Those of the jobs whose effect a history shows.
fn recorded(jobs: &[Job], history: &History) -> Vec<String> {
    let shows = |job: &&Job| {
        let row = history.row(job.entry.version);
        match job.action {
            Action::Apply | Action::ResumeApply { .. } | Action::Record => row.is_some(),
            Action::Revert | Action::ResumeRevert { .. } | Action::Forget => row.is_none(),
            Action::Rewrite => row.is_some_and(|row| row.checksum == job.entry.checksum),
        }
    };
    jobs.iter().filter(shows).map(|job| job.id.clone()).collect()
}

/// Turns progress into events and into the report.
struct Watch<'a, 'r> {
    run: &'a Run<'r>,
    unit: &'a [Job],
    began: Instant,
    report: &'a mut Report,
}

impl Watch<'_, '_> {
    fn see(&mut self, progress: Progress) {
        match progress {
            Progress::Started(job) => {
                self.began = Instant::now();
                let job = &self.unit[job];
                self.run.tell(Event::Started { id: job.id.clone(), action: job.action });
            }
            Progress::Statement(job, statements_done) => {
                let job = &self.unit[job];
                let statements = match &job.work {
                    Work::Script(sql) => u32::try_from(sql.statements.len()).unwrap_or(u32::MAX),
                    Work::Nothing | Work::Step(_) => 0,
                };
                self.run.tell(Event::StatementFinished { id: job.id.clone(), statements_done, statements });
            }
            Progress::Finished(job) => {
                let job = &self.unit[job];
                let elapsed = self.began.elapsed();
                self.report.steps.push(Done { id: job.id.clone(), action: job.action, elapsed });
                self.run.tell(Event::Finished { id: job.id.clone(), action: job.action, elapsed });
            }
        }
    }
}

fn jobs(backend: &dyn Backend, run: &Run<'_>, plan: &Plan, history: &History) -> Result<Vec<Job>, Error> {
    let mut jobs: Vec<Job> =
        plan.steps.iter().map(|step| job(backend, run, step, history)).collect::<Result<_, _>>()?;
    if let Some(last) = jobs.last_mut() {
        last.last = true;
    }
    Ok(jobs)
}

fn job(backend: &dyn Backend, run: &Run<'_>, step: &Step, history: &History) -> Result<Job, Error> {
    let migration = run.migrations.set().find(step.version);
    let row = history.row(step.version);
    let entry = match (migration, row) {
        (Some(migration), _) => {
            Entry { version: step.version, name: migration.name().to_owned(), checksum: migration.checksum() }
        }
        (None, Some(row)) => Entry { version: step.version, name: row.name.clone(), checksum: row.checksum },
        (None, None) => {
            return Err(Error::usage(format!("the plan names `{}`, which is neither embedded nor recorded", step.id)));
        }
    };
    let rust = match migration.and_then(|migration| Some(script(&migration, step.action)?.body())) {
        Some(Body::Rust) => {
            let step_functions = run.migrations.step(step.version);
            let function = match step.action {
                Action::Revert | Action::ResumeRevert { .. } => step_functions.and_then(|functions| functions.down),
                _ => step_functions.map(|functions| functions.up),
            };
            Some(function.ok_or_else(|| Error::usage(format!("`{}` has no Rust function to run", step.id)))?)
        }
        Some(Body::Sql(_)) | None => None,
    };
    Ok(Job::new(step, migration, entry, rust, backend.dialect()))
}

/// What an action runs of a migration.
fn script(migration: &Migration, action: Action) -> Option<Script> {
    match action {
        Action::Apply | Action::ResumeApply { .. } => Some(migration.up()),
        Action::Revert | Action::ResumeRevert { .. } => migration.down(),
        Action::Record | Action::Rewrite | Action::Forget => None,
    }
}

fn no_lock(failure: LockFailure, run: &Run<'_>) -> Error {
    match failure {
        LockFailure::Held { holder } => {
            let waited = run.limits.lock_wait;
            let mut error = Error::new(ErrorKind::Locked, format!("another run held the lock for {waited:?}"));
            error = match holder {
                Some(holder) => error.with_state(format!("held by {holder}")),
                None => error.with_state("held by another connection that is writing to this database"),
            };
            error.with_state("nothing was changed").with_help("wait for it to end, or allow more time with `lock_wait`")
        }
        LockFailure::Cause(cause) => {
            Error::from_cause("the run could not begin", cause).with_state("nothing was changed")
        }
    }
}

fn headline(job: &Job, failure: &Failure) -> String {
    let id = &job.id;
    if failure.cause.class == Class::Lost {
        return format!("the connection was lost at `{id}`");
    }
    match (failure.at, &job.work) {
        (FailedAt::Statement { index, .. }, Work::Script(sql)) => {
            format!("`{id}` failed at statement {} of {}", index + 1, sql.statements.len())
        }
        (FailedAt::Preparation, _) => "the history table could not be made".to_owned(),
        (FailedAt::Begin, _) => format!("`{id}` could not begin"),
        (FailedAt::Step, _) => format!("`{id}` failed in its Rust function"),
        (FailedAt::StepEnded, _) => format!("the Rust function of `{id}` ended the transaction that it was given"),
        (FailedAt::ForeignKeys, _) => format!("`{id}` left broken foreign keys behind"),
        (FailedAt::Commit, _) => format!("`{id}` ran, and could not be committed"),
        (FailedAt::Statement { .. } | FailedAt::Bookkeeping, _) => format!("`{id}` could not be recorded"),
    }
}

/// The error of a migration that failed: where, why, what is committed, and what to do.
fn failed(run: &Run<'_>, stopped: FailedJob, kept: bool) -> Error {
    let state = state(run, &stopped, kept);
    let FailedJob { job, failure, blockers, invalid, .. } = stopped;
    let place = place(&job, &failure);
    let (headline, at, class) = (headline(&job, &failure), failure.at, failure.cause.class);
    let mut error = Error::from_cause(headline, failure.cause).with_place(place);
    if !matches!(class, Class::Lost | Class::Privilege | Class::ReadOnly) {
        error = error.with_kind(ErrorKind::Failed);
    }
    if class == Class::LockTimeout {
        error = wanted(&job, at).into_iter().fold(error, Error::with_state);
    }
    for blocker in blockers {
        error = error.with_state(format!("may hold what it needs: {blocker}"));
    }
    for line in state {
        error = error.with_state(line);
    }
    match &job.work {
        Work::Script(sql) => {
            let FailedAt::Statement { index, .. } = at else { return advised(error, at, class, sql.script.path()) };
            let builds = sql.statements.get(index).is_some_and(|statement| {
                statement.kind == StatementKind::CreateIndex
                    && statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION)
            });
            if builds && class == Class::Lost {
                error = error.with_help(
                    "CREATE INDEX CONCURRENTLY may have left an INVALID index behind (psql's `\\d` shows it): drop it \
                     with DROP INDEX CONCURRENTLY before going on",
                );
            }
            for index in &invalid {
                error = error
                    .with_state(format!("the index {index} is INVALID: each write pays for it, and no query uses it"));
            }
            if !invalid.is_empty() {
                let drop: Vec<_> = invalid.iter().map(|index| format!("`DROP INDEX CONCURRENTLY {index}`")).collect();
                let verb =
                    if matches!(job.action, Action::Revert | Action::ResumeRevert { .. }) { "down 1" } else { "up" };
                error = error.with_help(format!(
                    "run {}, put right what the cause names, and `{verb}` goes on at this statement",
                    drop.join(" and ")
                ));
                return error;
            }
            advised(error, at, class, sql.script.path())
        }
        Work::Step(_) if at == FailedAt::StepEnded => error.with_help(
            "see what it left in the database and undo that by hand, leave BEGIN, COMMIT and ROLLBACK out of the \
             function, then run again",
        ),
        Work::Step(_) => match run.migrations.set().find(job.entry.version).and_then(|of| script(&of, job.action)) {
            Some(script) => advised(error, at, class, script.path()),
            None => error,
        },
        Work::Nothing => error,
    }
}

/// The locks that a statement waited for in vain, as far as it names tables.
fn wanted(job: &Job, at: FailedAt) -> Vec<String> {
    let (FailedAt::Statement { index, .. }, Work::Script(sql)) = (at, &job.work) else { return Vec::new() };
    let words = |touch: Touch| {
        let of = if touch.of_index { "the table of " } else { "" };
        Some(format!("it wanted {} on {of}{}", touch.lock?, touch.table))
    };
    sql.touches(index).filter_map(words).collect()
}

/// What to do about a script that failed, where that is to correct it.
fn advised(error: Error, at: FailedAt, class: Class, path: String) -> Error {
    let of_the_script = matches!(class, Class::Absent | Class::Syntax | Class::Other);
    match at {
        FailedAt::Preparation | FailedAt::Bookkeeping => error,
        _ if of_the_script => error.with_help(format!("correct {path}, then run again")),
        _ => error,
    }
}

fn place(job: &Job, failure: &Failure) -> Option<Place> {
    let Work::Script(sql) = &job.work else { return None };
    let byte = match failure.at {
        FailedAt::Statement { index, byte } => {
            byte.or_else(|| sql.statements.get(index).map(|statement| statement.range.start)).unwrap_or(0)
        }
        FailedAt::Begin => 0,
        _ => return None,
    };
    Some(Place::of(&sql.script, sql.text, byte))
}

/// What is in the database and what is not, one fact a line.
fn state(run: &Run<'_>, stopped: &FailedJob, kept: bool) -> Vec<String> {
    let FailedJob { job, failure, recorded, row, left, .. } = stopped;
    let (id, lost) = (&job.id, failure.cause.class == Class::Lost);
    let nothing_before = recorded.as_ref().is_some_and(Vec::is_empty);
    if failure.at == FailedAt::Preparation && nothing_before && !lost {
        return vec!["nothing was changed".to_owned()];
    }
    if lost && !job.is_outside() {
        // What was sent together may have run to its end, heard of or not.
        let line = "whether each migration of this run is applied is known to the database alone: it is recorded if \
                    and only if it is";
        return vec![line.to_owned()];
    }
    let mut lines = vec![match &job.work {
        Work::Script(sql) if !sql.script.is_transactional() => outside(id, sql.statements.len(), failure, row.as_ref()),
        Work::Step(_) if failure.at == FailedAt::StepEnded => {
            format!("what `{id}` did up to there may be committed; it is not recorded")
        }
        _ => format!("`{id}` was rolled back: nothing of it is in the database"),
    }];
    lines.push(match recorded {
        _ if run.whole_run => "all of the run was one transaction: nothing of it was committed".to_owned(),
        _ if !kept => "what came before it in this run could not be committed either".to_owned(),
        None => "what came before it in this run is recorded if and only if it is committed".to_owned(),
        Some(before) if before.is_empty() => "nothing was committed before it in this run".to_owned(),
        Some(before) => format!("{} and committed before it: {}", job.action.past(), before.join(", ")),
    });
    if *left > 0 {
        lines.push(format!("{left} more {} not tried", if *left == 1 { "was" } else { "were" }));
    }
    lines
}

/// How far a script came that is not transactional.
fn outside(id: &str, statements: usize, failure: &Failure, row: Option<&Row>) -> String {
    let partial = row.filter(|row| row.state != State::Applied);
    match (failure.at, partial) {
        _ if failure.cause.class == Class::Lost => format!(
            "how far `{id}` came is in its row of the history: the statement behind the last one that is recorded may \
             have finished too"
        ),
        (FailedAt::Statement { index, .. }, _) => {
            format!("`{id}` is partial: {index} of its {statements} statements have finished and stay")
        }
        (_, Some(row)) => format!(
            "`{id}` is partial: {} of its {statements} statements are recorded as finished, and the next one may have \
             finished too",
            row.statements_done
        ),
        (_, None) => format!("nothing of `{id}` is in the database"),
    }
}
