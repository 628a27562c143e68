//! Runs plans under the lock. No other code writes to a database. `core::plan` decides what runs, the backend knows
//! how, and `failure` builds the errors.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use lockgate_core::status::AtWork;
use lockgate_core::{Action, Dialect, Digest, History, Plan, Row, State, Status};
use tokio::time::Instant;

use crate::backend::{
    Backend, BoxFuture, Deadline, FailedAt, Intent, Job, JobBody, LockFailure, LockRequest, Progress, RunEnd,
    TransactionStatus, backoff,
};
use crate::error::{Cause, Class, Error};
use crate::event::Event;
use crate::failure::{self, FailedJob};
use crate::precondition;
use crate::report::{FinishedStep, Report};
use crate::run::{Run, patiently};
use crate::stage;

/// How many times a migration is tried if it cannot get its locks.
const ATTEMPTS: u32 = 5;
/// How many times a run is planned again because another run changed the history first.
const REPLANS: u32 = 8;

/// What to do if the history changed after the plan was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnHistoryChange {
    /// Plan again: going up to a version means the same after other runs.
    Replan,
    /// Stop: a number of steps means something else after other runs.
    Refuse,
}

/// Brings the database to where `decide` says. It first reads the history without a lock, so that a run with nothing to
/// do takes one round trip.
///
/// The future is boxed here, so that the compiler builds it with this crate. The verbs are generic over their target,
/// so they are built in each user's program, after each edit.
pub(crate) fn execute<'a>(
    backend: &'a mut dyn Backend,
    run: &'a Run<'_>,
    on_change: OnHistoryChange,
    decide: &'a (dyn Fn(&History) -> Result<Plan, Error> + Send + Sync),
) -> BoxFuture<'a, Result<Report, Error>> {
    Box::pin(execute_all(backend, run, on_change, decide))
}

async fn execute_all(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    on_change: OnHistoryChange,
    decide: &(dyn Fn(&History) -> Result<Plan, Error> + Send + Sync),
) -> Result<Report, Error> {
    let began = Instant::now();
    let mut waiting = Waiting {
        deadline: Deadline::after(run.limits.lock_wait),
        attempt: 0,
        holder_reported: false,
        told: Told::default(),
    };
    let mut report = Report::default();
    let mut first: Option<Digest> = None;
    // Whether everything is applied does not say on which stage.
    let mut ask_first = run.to_head && run.stage.asked.is_none();
    loop {
        let history = if std::mem::take(&mut ask_first) {
            let set = run.migrations.set();
            let looked = patiently(backend, run, Intent::Write, waiting.deadline, |backend| {
                backend.read_unless(&run.history_table, set)
            });
            let Some(history) = looked.await.map_err(|cause| failure::unread(cause, run))? else { break };
            history
        } else {
            read_until(backend, run, Intent::Write, waiting.deadline)
                .await
                .map_err(|error| failure::after(error, &report))?
        };
        let seen = *first.get_or_insert_with(|| history.digest());
        let decide = |history: &History| match on_change {
            OnHistoryChange::Refuse if history.digest() != seen => Err(failure::stale()),
            OnHistoryChange::Refuse | OnHistoryChange::Replan => decide(history),
        };
        let plan = stage::decide(backend, run, &history, &decide).await;
        let plan = plan.map_err(|error| failure::after(error, &report))?;
        report.tolerated.clone_from(&plan.tolerated);
        if plan.is_empty() {
            break;
        }
        if let Some(mirror) = run.mirror {
            let told = mirror.before(&plan, &run.history_table.set).await;
            told.map_err(|error| failure::after(error, &report))?;
        }
        match locked(backend, run, &plan, &history, &mut waiting, &decide, &mut report).await? {
            Attempt::Done => break,
            Attempt::Overtaken { by } => {
                waiting.pause(run, by).await.map_err(|error| failure::after(error, &report))?;
            }
        }
    }
    let mut remains = report.tolerated.clone();
    if run.on_event.is_some() && !remains.is_empty() && !report.steps.is_empty() {
        // The run may have settled what it was planned beside. If the history cannot be read, that is not known.
        if let Ok(history) = read(backend, run).await {
            let now = lockgate_core::drift::drift(run.migrations.set(), &history);
            remains.retain(|before| now.iter().any(|drift| drift.code() == before.code() && drift.id() == before.id()));
        }
    }
    for drift in &remains {
        run.tell(Event::DriftTolerated(drift.clone()));
    }
    report.elapsed = began.elapsed();
    Ok(report)
}

/// What a run has told that it would do, so that it does not tell it again after it has waited for another run.
#[derive(Default)]
struct Told {
    steps: usize,
    started: Vec<String>,
}

/// The waits of a run for other runs.
struct Waiting {
    deadline: Deadline,
    attempt: u32,
    holder_reported: bool,
    told: Told,
}

impl Waiting {
    /// Waits a moment for another run to end. Fails when the wait is over.
    async fn pause(&mut self, run: &Run<'_>, by: Option<String>) -> Result<(), Error> {
        if let (Some(holder), false) = (&by, self.holder_reported) {
            self.holder_reported = true;
            run.tell(Event::LockWaiting { holder: Some(holder.clone()) });
        }
        if self.deadline.is_over() && (by.is_some() || self.attempt >= REPLANS) {
            return Err(failure::no_lock(LockFailure::Held { holder: by }, run));
        }
        let delay = backoff(self.attempt, Duration::from_millis(20), Duration::from_millis(500));
        let left = self.deadline.left().max(Duration::from_millis(20));
        tokio::time::sleep(delay.min(left)).await;
        self.attempt += 1;
        Ok(())
    }
}

/// Reads the history, without a lock and without writing.
pub(crate) async fn read(backend: &mut dyn Backend, run: &Run<'_>) -> Result<History, Error> {
    read_until(backend, run, Intent::Read, Deadline::after(run.limits.lock_wait)).await
}

async fn read_until(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    intent: Intent,
    deadline: Deadline,
) -> Result<History, Error> {
    read_patiently(backend, run, intent, deadline).await.map_err(|cause| failure::unread(cause, run))
}

/// Reads the history, and waits while another connection keeps everybody from reading.
pub(crate) async fn read_patiently(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    intent: Intent,
    deadline: Deadline,
) -> Result<History, Cause> {
    patiently(backend, run, intent, deadline, |backend| backend.read(&run.history_table)).await
}

/// Adds to a status which run is working on the migration that looks as if it had stopped half way.
pub(crate) async fn note_work(backend: &mut dyn Backend, run: &Run<'_>, status: Status) -> Result<Status, Error> {
    let is_claimed = |row: &Row| row.state != State::Applied && row.owner.is_some();
    let rows = status.entries.iter().filter_map(|entry| Some((entry, entry.row.as_ref()?)));
    let Some((entry, row)) = rows.into_iter().find(|(_, row)| is_claimed(row)) else { return Ok(status) };
    let found = backend.at_work(&run.history_table, row).await.map_err(|cause| failure::unread(cause, run))?;
    let at_work = found.map(|by| AtWork { id: entry.id.clone(), by });
    Ok(Status { at_work, ..status })
}

enum Attempt {
    Done,
    /// Another run came first or is running: plan again.
    Overtaken {
        /// The other run, if known.
        by: Option<String>,
    },
}

/// Acquires the lock, runs the plan and releases the lock. If this future is dropped in between, the backend closes the
/// session that holds the lock.
async fn locked(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    plan: &Plan,
    seen: &History,
    waiting: &mut Waiting,
    decide: &(dyn Fn(&History) -> Result<Plan, Error> + Send + Sync),
    report: &mut Report,
) -> Result<Attempt, Error> {
    let Waiting { deadline, told, .. } = waiting;
    let dialect = backend.dialect();
    let jobs = jobs_of(run, plan, seen, dialect).map_err(|error| failure::after(error, report))?;
    let request = LockRequest {
        pace: run.pace(&jobs),
        session_state: jobs.iter().any(Job::may_change_session),
        outside: jobs.iter().any(Job::is_outside),
        deadline: *deadline,
        ..run.lock_request()
    };
    let mut on_wait = |holder| run.tell(Event::LockWaiting { holder });
    let locked = backend.lock(request, &mut on_wait).await;
    let history = locked.map_err(|failure| failure::after(failure::no_lock(failure, run), report))?;

    let decided = async {
        let anew;
        let (plan, jobs) = if history.digest() == plan.seen {
            // Another run may have begun to make the database, whose history is another one.
            precondition::check(backend, run, &history).await?;
            (plan, jobs)
        } else {
            anew = stage::decide(backend, run, &history, decide).await?;
            report.tolerated.clone_from(&anew.tolerated);
            (&anew, jobs_of(run, &anew, &history, dialect)?)
        };
        stage::log_override(backend, run, plan, &jobs).await?;
        Ok(jobs)
    };
    let decided: Result<Vec<Job>, Error> = decided.await;
    let jobs = match decided {
        Ok(jobs) => jobs,
        Err(error) => {
            // The refusal matters more than a failed release: the lock ends with the session anyway.
            let _ = backend.release(RunEnd::Stopped).await;
            return Err(failure::after(error, report));
        }
    };
    if let Some(beside) = run.beside
        && !jobs.is_empty()
        && let Err(cause) = beside.before(backend).await
    {
        let _ = backend.release(RunEnd::Stopped).await;
        return match cause.class {
            Class::Overtaken => Ok(Attempt::Overtaken { by: None }),
            _ => Err(failure::no_lock(LockFailure::Cause(cause), run)),
        };
    }
    if !jobs.is_empty() && std::mem::replace(&mut told.steps, jobs.len()) != jobs.len() {
        run.tell(Event::Planned { steps: jobs.len() });
    }
    let mut watch = Watch {
        run,
        jobs: &jobs,
        first: 0,
        under_way: 0..0,
        began: Instant::now(),
        ran: Vec::new(),
        read_up_to: Line::default(),
        echoed: None,
        told_before: std::mem::take(&mut told.started),
        started: Vec::new(),
    };
    match run_all(backend, run, &history, &jobs, &mut watch, report).await {
        Ok(()) => {
            if let Some(beside) = run.beside
                && let Err(cause) = beside.after(backend).await
            {
                let _ = backend.release(RunEnd::Stopped).await;
                return Err(failure::no_lock(LockFailure::Cause(cause), run));
            }
            let released = backend.release(RunEnd::Completed).await;
            if let Some(cause) = released.as_ref().err().filter(|cause| cause.class != Class::Unclean) {
                return Err(failure::uncommitted(run, cause.clone(), &watch.ids(), report));
            }
            watch.committed(jobs.len(), backend, report).await;
            released.map_err(|cause| failure::unclean(cause, report))?;
            Ok(Attempt::Done)
        }
        Err(Stopped::Overtaken { by }) => {
            told.started = std::mem::take(&mut watch.started);
            let released = backend.release(RunEnd::Stopped).await;
            if released.is_ok() && !run.is_one_transaction() {
                watch.committed(jobs.len(), backend, report).await;
            }
            Ok(Attempt::Overtaken { by })
        }
        Err(Stopped::Failed(mut stopped)) => {
            let lost = stopped.failure.cause.class == Class::Lost;
            // An adoption that failed leaves nothing, not even the log.
            if !lost && run.beside.is_none() {
                let message = stopped.in_one_line();
                // A failure to write the log must not hide the failure itself.
                let _ = backend.log_failure(&run.history_table, &stopped.job.entry, &message).await;
            }
            let released = backend.release(RunEnd::Stopped).await;
            let ended = released.as_ref().err().map(|cause| cause.class);
            let unknown = ended == Some(Class::Lost);
            if unknown {
                stopped.recorded = None;
            }
            let kept = matches!(ended, None | Some(Class::Lost | Class::Unclean)) && !run.is_one_transaction();
            if let Some(history) = stopped.history.as_ref().filter(|_| kept && !lost && !unknown) {
                // If jobs are committed together, one after the failed job may have run too.
                let ended = |at: usize| stopped.failed_at.max(at + 1);
                watch.ran.retain(|(at, _)| is_recorded(&jobs[*at..ended(*at)], history));
                watch.committed(jobs.len(), backend, report).await;
            }
            // An earlier attempt of this run, before it planned again, may have committed migrations too.
            if let Some(recorded) = &mut stopped.recorded {
                let earlier = report.steps.iter().map(|step| (step.action, step.id.clone()));
                let earlier: Vec<_> = earlier.filter(|step| !recorded.contains(step)).collect();
                recorded.splice(..0, earlier);
            }
            Err(failure::failed(run, *stopped, kept))
        }
    }
}

/// The jobs of a plan, with what the log says of them: the reason of a correction, or what another tool has recorded.
fn jobs_of(run: &Run<'_>, plan: &Plan, history: &History, dialect: Dialect) -> Result<Vec<Job>, Error> {
    let mut jobs = Job::all(run.migrations, plan, history, dialect, &run.variables)?;
    for job in &mut jobs {
        // A step that runs a script needs no reason, and neither does a baseline.
        if matches!(job.action, Action::Rewrite | Action::Settle { .. } | Action::Forget) {
            job.entry.reason.clone_from(&run.reason);
        }
    }
    if run.role_of_name {
        jobs.iter_mut().for_each(|job| job.become_role_of_name(run.migrations));
    }
    if let Some(beside) = run.beside {
        jobs.iter_mut().for_each(|job| job.entry.adopted = beside.adopted(job.entry.version));
    }
    Ok(jobs)
}

/// Why a run stopped early.
enum Stopped {
    Overtaken { by: Option<String> },
    Failed(Box<FailedJob>),
}

async fn run_all(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    before: &History,
    jobs: &[Job],
    watch: &mut Watch<'_, '_>,
    report: &mut Report,
) -> Result<(), Stopped> {
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
        watch.first = at;
        let mut durable = 0;
        let mut on_progress = |progress| match progress {
            Progress::Committed(end) => durable = at + end,
            progress => watch.see(progress),
        };
        let ran = if outside {
            backend.run_outside(&run.history_table, &unit[0], &mut on_progress).await
        } else {
            backend.run(&run.history_table, unit, &mut on_progress).await
        };
        watch.committed(durable, backend, report).await;
        let Err(failure) = ran else {
            at = end;
            attempt = 1;
            continue;
        };

        let failed_at = at + failure.job;
        let mut failure = failure;
        if let JobBody::Sql(sql) = &jobs[failed_at].body
            && let Some(psql) = &sql.psql
        {
            psql.hide(&mut failure.cause);
            if let FailedAt::Statement { index, .. } = failure.at {
                watch.echo(failed_at, index);
            }
        }
        match failure.cause.class {
            Class::Overtaken => return Err(Stopped::Overtaken { by: None }),
            // The holder of the lock is looked up while waiting for it.
            Class::Busy if failure.at == FailedAt::Begin => return Err(Stopped::Overtaken { by: None }),
            Class::Busy => return Err(Stopped::Overtaken { by: Some(failure.cause.message) }),
            _ => {}
        }
        let blocked = failure.cause.class == Class::LockTimeout;
        let blockers = if blocked { backend.blockers().await } else { Vec::new() };
        if blocked && !outside && !run.is_one_transaction() && (attempt < ATTEMPTS || failed_at > at) {
            attempt = if failed_at > at { 2 } else { attempt + 1 };
            let delay = backoff(attempt - 2, Duration::from_millis(250), Duration::from_secs(4));
            run.tell(Event::Retrying { id: jobs[failed_at].id.clone(), attempt, delay, blockers });
            tokio::time::sleep(delay).await;
            // Jobs that ran and were not committed run again.
            watch.ran.retain(|(ran, _)| *ran < failed_at);
            at = failed_at;
            continue;
        }
        let invalid = if outside { backend.invalid().await } else { Vec::new() };
        // The history is what counts, whatever the run has seen before.
        let history = backend.read(&run.history_table).await.ok();
        let recorded = history.as_ref().map(|history| {
            let before = (0..failed_at).filter(|at| is_recorded(&jobs[*at..failed_at], history));
            before.map(|at| (jobs[at].action, jobs[at].id.clone())).collect()
        });
        // Another run has applied this migration meanwhile, and ours failed because of that. What is as it was before this
        // run is nobody's work: a run may revert a migration and apply it again.
        let version = jobs[failed_at].entry.version;
        if !outside
            && failure.transaction_status == TransactionStatus::RolledBack
            && failure.cause.class != Class::Lost
            && history.as_ref().is_some_and(|now| {
                is_recorded(&jobs[failed_at..=failed_at], now) && now.row(version) != before.row(version)
            })
        {
            return Err(Stopped::Overtaken { by: None });
        }
        let left = jobs.len() - failed_at - 1;
        let job = jobs[failed_at].clone();
        return Err(Stopped::Failed(Box::new(FailedJob {
            job,
            failed_at,
            failure,
            recorded,
            history,
            blockers,
            invalid,
            left,
        })));
    }
    Ok(())
}

/// Whether the history shows that the first of these jobs is done: by its row, or because a later one has done something
/// else to the same migration.
fn is_recorded(jobs: &[Job], history: &History) -> bool {
    let done = |job: &Job| job.action.is_done(history.row(job.entry.version), &job.entry.checksum);
    jobs.first().is_some_and(|first| jobs.iter().any(|job| job.entry.version == first.entry.version && done(job)))
}

/// Turns progress into events, and commits into the report.
struct Watch<'a, 'r> {
    run: &'a Run<'r>,
    jobs: &'a [Job],
    /// The index of the first job of the slice that the backend is running.
    first: usize,
    /// The jobs that were sent together last.
    under_way: Range<usize>,
    began: Instant,
    /// The jobs that ran and are perhaps not committed, with their duration if they were sent alone.
    ran: Vec<(usize, Option<Duration>)>,
    /// Where the last statement that was announced begins.
    read_up_to: Line,
    /// A job, and how many messages of its `\echo` lines were told.
    echoed: Option<(usize, usize)>,
    /// The jobs that an earlier attempt of this run has told to start, before it waited for another run.
    told_before: Vec<String>,
    /// The jobs that have started.
    started: Vec<String>,
}

/// A line of a script.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    job: usize,
    /// A byte in it, up to which the lines are counted.
    byte: usize,
    /// The number of line breaks before it.
    breaks: usize,
}

impl Line {
    /// Moves on to a later byte. Each byte of a script is read once.
    fn advance(self, job: usize, text: &str, byte: usize) -> Self {
        let from = if self.job == job && self.byte <= byte { self } else { Self::default() };
        Self { job, byte, breaks: from.breaks + text[from.byte..byte].matches('\n').count() }
    }
}

impl Watch<'_, '_> {
    fn see(&mut self, progress: Progress) {
        let first = self.first;
        let at = |job| first + job;
        match progress {
            Progress::Started(jobs) => {
                (self.under_way, self.began) = (jobs.clone(), Instant::now());
                self.echoed = None;
                for job in &self.jobs[at(jobs.start)..at(jobs.end)] {
                    self.started.push(job.id.clone());
                    let before = self.told_before.iter().position(|id| *id == job.id);
                    match before {
                        Some(before) => drop(self.told_before.swap_remove(before)),
                        None => self.run.tell(Event::Started { id: job.id.clone(), action: job.action }),
                    }
                }
            }
            Progress::StatementStarted(job, statement) => {
                let index = at(job);
                let job = &self.jobs[index];
                let JobBody::Sql(sql) = &job.body else { return };
                self.echo(index, statement);
                let (place, shown) = match (&sql.psql, &sql.text) {
                    (Some(psql), _) => (psql.place_of(&sql.script, statement).file_and_line(), psql.shown(statement)),
                    (None, Cow::Borrowed(text)) => {
                        let range = sql.statements[statement].range.clone();
                        self.read_up_to = self.read_up_to.advance(index, text, range.start);
                        (format!("{}:{}", sql.script.path(), self.read_up_to.breaks + 1), &text[range])
                    }
                    (None, Cow::Owned(_)) => unreachable!("only psql's lines change a text"),
                };
                self.run.tell(Event::StatementStarted {
                    id: job.id.clone(),
                    statement: u32::try_from(statement + 1).unwrap_or(u32::MAX),
                    statements: u32::try_from(sql.statements.len()).unwrap_or(u32::MAX),
                    place,
                    sql: shown,
                });
            }
            Progress::Statement(job, statements_done) => {
                self.echo(at(job), statements_done as usize);
                let job = &self.jobs[at(job)];
                let statements = job.statements();
                self.run.tell(Event::StatementFinished { id: job.id.clone(), statements_done, statements });
            }
            Progress::Ran(job) => {
                let elapsed = (self.under_way.len() == 1).then(|| self.began.elapsed());
                let place = at(job);
                self.echo(place, usize::MAX);
                self.ran.push((place, elapsed));
                let job = &self.jobs[place];
                self.run.tell(Event::Ran { id: job.id.clone(), action: job.action });
            }
            Progress::Committed(_) => {}
        }
    }

    /// Tells the messages of a job's `\echo` lines before this statement that were not told yet.
    fn echo(&mut self, job: usize, statement: usize) {
        let Job { id, action, body: JobBody::Sql(sql), .. } = &self.jobs[job] else { return };
        let Some(psql) = &sql.psql else { return };
        let shown = match self.echoed {
            Some((shown_of, shown)) if shown_of == job => shown,
            // An earlier run has told those before the statement at which this one resumes.
            Some(_) | None => psql.echoes_before(action.statements_done() as usize).count(),
        };
        let mut count = shown;
        for text in psql.echoes_before(statement).skip(shown) {
            self.run.tell(Event::Echo { id: id.clone(), text: text.to_owned() });
            count += 1;
        }
        self.echoed = Some((job, count));
    }

    /// The migrations that ran and are not known to be committed.
    fn ids(&self) -> Vec<String> {
        self.ran.iter().map(|(at, _)| self.jobs[*at].id.clone()).collect()
    }

    /// Reports the jobs before this index as committed. Only the history knows how long each of several jobs in one
    /// message took; it is read if the run has a listener.
    async fn committed(&mut self, end: usize, backend: &mut dyn Backend, report: &mut Report) {
        let (done, rest): (Vec<_>, Vec<_>) = self.ran.drain(..).partition(|(at, _)| *at < end);
        self.ran = rest;
        let applied = |at: usize| self.jobs[at].goes_up();
        let unknown = done.iter().any(|(at, elapsed)| elapsed.is_none() && applied(*at));
        let history = match self.run.on_event {
            Some(_) if unknown => backend.read(&self.run.history_table).await.ok(),
            Some(_) | None => None,
        };
        for (at, elapsed) in done {
            let Job { id, action, entry, .. } = &self.jobs[at];
            let row = history.as_ref().filter(|_| applied(at)).and_then(|history| history.row(entry.version));
            let elapsed = elapsed.or_else(|| row.map(|row| row.elapsed));
            report.steps.push(FinishedStep { id: id.clone(), action: *action, elapsed });
            self.run.tell(Event::Committed { id: id.clone(), action: *action, elapsed });
        }
    }
}
