//! Runs a plan: the only writer. What runs was decided by `core::plan`; how, is the backend's; what a person is
//! told of a run that stopped is `failure`'s.

use std::time::Duration;

use lockgate_core::{Atomicity, History, Plan};
use tokio::time::Instant;

use crate::backend::{Backend, Ending, Job, Limits, LockRequest, Progress, Work, backoff};
use crate::error::{Class, Error};
use crate::event::{Event, OnEvent};
use crate::failure::{self, FailedJob};
use crate::migrations::Migrations;
use crate::report::{Done, Report};
use crate::store::Store;

/// How often a migration that could not get its lock is tried in all.
const ATTEMPTS: u32 = 5;
/// How often a run that others came before of is planned anew.
const REPLANS: u32 = 8;

/// All that a run needs besides its plan.
pub(crate) struct Run<'a> {
    pub(crate) migrations: &'a Migrations,
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) atomicity: Atomicity,
    pub(crate) on_event: Option<OnEvent>,
}

impl Run<'_> {
    pub(crate) fn is_one_transaction(&self) -> bool {
        self.atomicity == Atomicity::WholeRun
    }

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
        let plan = decide(&history).map_err(|error| failure::after(error, &report))?;
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
        return Err(failure::after(failure::overtaken(REPLANS), &report));
    }
    for drift in &report.tolerated {
        run.tell(Event::Tolerated(drift.clone()));
    }
    report.elapsed = began.elapsed();
    Ok(report)
}

/// The history, without a lock and without writing.
pub(crate) async fn read(backend: &mut dyn Backend, run: &Run<'_>) -> Result<History, Error> {
    backend.read(&run.store).await.map_err(|cause| failure::unread(cause, run))
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
    let dialect = backend.dialect();
    let jobs = Job::all(run.migrations, plan, seen, dialect)?;
    let request = LockRequest {
        store: &run.store,
        limits: run.limits,
        atomicity: run.atomicity,
        session_state: jobs.iter().any(Job::changes_session),
        outside: jobs.iter().any(Job::is_outside),
    };
    let mut on_wait = |holder| run.tell(Event::LockWaiting { holder });
    let history = backend.lock(request, &mut on_wait).await.map_err(|failure| failure::no_lock(failure, run))?;

    let decided = if history.digest() == plan.seen {
        Ok(jobs)
    } else {
        decide(&history).and_then(|plan| {
            report.tolerated.clone_from(&plan.tolerated);
            Job::all(run.migrations, &plan, &history, dialect)
        })
    };
    let ran = match decided {
        Ok(jobs) => {
            if !jobs.is_empty() {
                run.tell(Event::Planned { steps: jobs.len() });
            }
            run_all(backend, run, &jobs, report).await
        }
        Err(error) => Err(Stopped::Refused(failure::after(error, report))),
    };
    match ran {
        Ok(()) => {
            backend.release(Ending::Keep).await.map_err(|cause| {
                report.steps.clear();
                failure::uncommitted(cause)
            })?;
            Ok(Outcome::Done)
        }
        Err(Stopped::Refused(error)) => {
            // What is refused is what the caller must hear of; the lock dies with the session
            // if it cannot be let go of.
            let _ = backend.release(Ending::Stop).await;
            Err(error)
        }
        Err(Stopped::Overtaken) => {
            let _ = backend.release(Ending::Stop).await;
            if run.is_one_transaction() {
                report.steps.clear();
            }
            Ok(Outcome::Overtaken)
        }
        Err(Stopped::Failed(stopped)) => {
            let lost = stopped.failure.cause.class == Class::Lost;
            if !lost {
                let message = stopped.in_one_line();
                // The log is a courtesy: a failure to write it must not hide the failure itself.
                let _ = backend.log_failure(&run.store, &stopped.job.entry, &message).await;
            }
            let released = backend.release(Ending::Stop).await;
            let kept = released.is_ok() && !run.is_one_transaction();
            Err(failure::failed(run, *stopped, kept))
        }
    }
}

/// Why a run ended before its end.
enum Stopped {
    Refused(Error),
    Overtaken,
    Failed(Box<FailedJob>),
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
        if blocked && !outside && !run.is_one_transaction() && (attempt < ATTEMPTS || failed_at > at) {
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
    let shows = |job: &&Job| job.action.is_done(history.row(job.entry.version), &job.entry.checksum);
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
