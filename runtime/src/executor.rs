//! Runs a plan: the only writer. What runs was decided by `core::plan`; how, is the backend's.

use std::time::Duration;

use lockgate_core::{Action, Body, History, Migration, Plan, StatementFlags, Step};
use tokio::time::Instant;

use crate::backend::{Backend, FailedAt, Failure, Job, Limits, LockFailure, LockRequest, Progress, Work, backoff};
use crate::error::{Class, Error, ErrorKind, Place};
use crate::event::{Event, OnEvent};
use crate::migrations::Migrations;
use crate::report::{Done, Report, past};
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
    for _ in 0..REPLANS {
        let history = read(backend, run).await?;
        let plan = decide(&history)?;
        report.tolerated.clone_from(&plan.tolerated);
        if plan.is_empty() {
            break;
        }
        match locked(backend, run, &plan, &history, decide, &mut report).await? {
            Outcome::Done => break,
            Outcome::Overtaken => {}
        }
    }
    for drift in &report.tolerated {
        run.tell(Event::Tolerated(drift.clone()));
    }
    report.elapsed = began.elapsed();
    Ok(report)
}

/// The history, without a lock and without writing.
pub(crate) async fn read(backend: &mut dyn Backend, run: &Run<'_>) -> Result<History, Error> {
    backend.read(&run.store).await.map_err(|cause| {
        let mut summary = "the history cannot be read".to_owned();
        if cause.class == Class::HistoryFormat {
            summary = format!("the history table {} is of an unknown format", run.store.table);
        }
        let unreachable = matches!(cause.class, Class::Lost);
        let error = Error::from_cause(summary, cause);
        if unreachable { error.with_kind(ErrorKind::Unreachable) } else { error }
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
        Err(error) => Err(Stopped::Refused(error)),
    };
    match ran {
        Ok(()) => {
            backend.release(false).await.map_err(|cause| {
                report.steps.clear();
                Error::from_cause("the run could not be committed", cause)
                    .with_state("nothing of this run is in the database")
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

fn changes_session(job: &Job) -> bool {
    matches!(&job.work, Work::Script(sql)
        if sql.statements.iter().any(|statement| statement.flags.contains(StatementFlags::SESSION_STATE)))
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
    blockers: Vec<String>,
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
        // The history is the witness of what is in the database, whatever was counted before.
        let recorded = match backend.read(&run.store).await {
            Ok(history) => Some(recorded(&jobs[..failed_at], &history)),
            Err(_) => None,
        };
        let left = jobs.len() - failed_at - 1;
        let job = jobs[failed_at].clone();
        return Err(Stopped::Failed(Box::new(FailedJob { job, failure, recorded, blockers, left })));
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
    let rust = match migration.and_then(|migration| direction(&migration, step.action)) {
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
fn direction(migration: &Migration, action: Action) -> Option<Body> {
    match action {
        Action::Apply | Action::ResumeApply { .. } => Some(migration.up().body()),
        Action::Revert | Action::ResumeRevert { .. } => Some(migration.down()?.body()),
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
    match (failure.at, &job.work) {
        (FailedAt::Statement { index, .. }, Work::Script(sql)) => {
            format!("`{id}` failed at statement {} of {}", index + 1, sql.statements.len())
        }
        (FailedAt::Step, _) => format!("`{id}` failed in its Rust function"),
        (FailedAt::ForeignKeys, _) => format!("`{id}` left broken foreign keys behind"),
        (FailedAt::Statement { .. } | FailedAt::Bookkeeping, _) => format!("`{id}` could not be recorded"),
    }
}

/// The error of a migration that failed: where, why, what is committed, and what to do.
fn failed(run: &Run<'_>, stopped: FailedJob, kept: bool) -> Error {
    let FailedJob { job, failure, recorded, blockers, left } = stopped;
    let recorded = kept.then_some(recorded);
    let id = &job.id;
    let lost = failure.cause.class == Class::Lost;
    let place = match (failure.at, &job.work) {
        (FailedAt::Statement { index, byte }, Work::Script(sql)) => {
            let byte = byte.or_else(|| sql.statements.get(index).map(|statement| statement.range.start));
            Some(Place::of(&sql.script, sql.text, byte.unwrap_or(0)))
        }
        _ => None,
    };
    let headline = headline(&job, &failure);
    let (at, class, first_left) = (failure.at, failure.cause.class, job.statements_done());
    let mut error = Error::from_cause(headline, failure.cause).with_place(place);
    // Who may not write at all has no migration to correct.
    let barred = matches!(class, Class::ReadOnly | Class::Privilege);
    if !lost && !barred {
        error = error.with_kind(ErrorKind::Failed);
    }
    for blocker in blockers {
        error = error.with_state(format!("may hold what it needs: {blocker}"));
    }
    error = match (at, &job.work) {
        (FailedAt::Statement { index, .. }, Work::Script(sql)) if !sql.script.is_transactional() => {
            let done = u32::try_from(index).unwrap_or(u32::MAX).max(first_left);
            let concurrent = sql.statements.get(index).is_some_and(|statement| {
                statement.kind == lockgate_core::StatementKind::CreateIndex
                    && statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION)
            });
            let error = error.with_state(format!(
                "`{id}` is partial: {done} of its {} statements have finished and stay",
                sql.statements.len()
            ));
            if concurrent {
                error.with_help("CREATE INDEX CONCURRENTLY may have left an INVALID index: drop it before going on")
            } else {
                error
            }
        }
        _ if lost => error.with_state(format!(
            "whether `{id}` is applied is known to the database alone: it is recorded if and only if it is"
        )),
        _ => error.with_state(format!("`{id}` was rolled back: nothing of it is in the database")),
    };
    error = match recorded {
        None if run.whole_run => error.with_state("all of the run was one transaction: nothing of it was committed"),
        None => error.with_state("what came before it in this run could not be committed either"),
        Some(None) => error.with_state("what came before it in this run is recorded if and only if it is committed"),
        Some(Some(before)) if before.is_empty() => error.with_state("nothing was committed before it in this run"),
        Some(Some(before)) => {
            error.with_state(format!("{} and committed before it: {}", past(job.action), before.join(", ")))
        }
    };
    if left > 0 {
        error = error.with_state(format!("{left} more {} not tried", if left == 1 { "was" } else { "were" }));
    }
    match &job.work {
        Work::Script(sql) if !lost && !barred => {
            error.with_help(format!("correct {}, then run again", sql.script.path()))
        }
        _ => error,
    }
}
