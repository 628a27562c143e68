//! The options of a run, and how long it waits for locks before it has its own.

use std::time::Duration;

use lockgate_core::{Atomicity, Plan, Stage, Version};

use crate::backend::{Backend, BoxFuture, Deadline, Intent, Job, Limits, LockRequest, Pace, SessionCleanup, backoff};
use crate::error::{Cause, Class, Error};
use crate::event::{Event, OnEvent};
use crate::history_table::{Adopted, HistoryTable};
use crate::migrations::Migrations;
use crate::psql::Variables;

/// The options about the stage of the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct StageRule {
    /// The stage that it must be marked with.
    pub(crate) asked: Option<Stage>,
    /// Why a protected stage may be changed like any other.
    pub(crate) why: Option<String>,
}

/// What a run asks of the database besides its own history.
#[derive(Clone, Debug)]
pub(crate) enum Precondition {
    Nothing,
    /// If no migration is recorded, the database was not begun from `create/`.
    NotBegun {
        /// The history of the files of `create/`.
        files: HistoryTable,
        /// The history of the migrations. `None` is that of the run.
        migrations: Option<HistoryTable>,
        /// What is refused otherwise.
        verb: fn(lockgate_core::Audience) -> &'static str,
    },
    /// No migration is recorded in this history; and if no file of `create/` has run, the database is empty.
    #[cfg(feature = "operations")]
    Empty {
        set: lockgate_core::Set,
        migrations: HistoryTable,
        beside_others: bool,
    },
}

/// Everything that a run needs besides its plan.
pub(crate) struct Run<'a> {
    pub(crate) migrations: &'a Migrations,
    pub(crate) history_table: HistoryTable,
    pub(crate) limits: Limits,
    pub(crate) session_cleanup: SessionCleanup,
    pub(crate) atomicity: Atomicity,
    /// In runs of at most this many statements, each is sent by itself.
    pub(crate) each_statement: usize,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) stage: StageRule,
    /// Why the history is corrected.
    pub(crate) reason: Option<String>,
    /// Where psql's variables get their values from.
    pub(crate) variables: Variables,
    /// Whether the run has nothing to do if exactly the embedded migrations are applied.
    pub(crate) to_head: bool,
    /// Whether each patch runs as the role in its name, by SET ROLE.
    pub(crate) role_of_name: bool,
    /// What the run does in its transaction besides its plan. The whole run must be one transaction.
    pub(crate) beside: Option<&'a dyn Beside>,
    /// Who is told what the run is about to do, in another database.
    pub(crate) mirror: Option<&'a dyn Mirrored>,
    /// What it asks of the database besides its own history.
    pub(crate) precondition: Precondition,
    /// Whether it only keeps the history in order after another run, which the stage of the database has allowed.
    pub(crate) is_bookkeeping: bool,
}

/// Where a second record of the history is kept, in another database.
pub(crate) trait Mirroring: Send + Sync {
    /// Opens it, and compares the database with it before a run changes anything.
    fn settle<'b>(
        &'b self,
        run: &'b Run<'_>,
        backend: &'b mut dyn Backend,
    ) -> BoxFuture<'b, Result<Box<dyn Mirrored>, Error>>;
}

/// The second record, during a run.
pub(crate) trait Mirrored: Send + Sync {
    /// Before a run takes the lock.
    fn before<'b>(&'b self, plan: &'b Plan, set: &'b str) -> BoxFuture<'b, Result<(), Error>>;

    /// After a run, whatever became of it.
    fn after<'b>(&'b self, run: &'b Run<'_>, backend: &'b mut dyn Backend) -> BoxFuture<'b, ()>;
}

/// What a run does in its transaction besides its plan.
pub(crate) trait Beside: Send + Sync {
    /// Under the lock, before anything is written.
    fn before<'b>(&'b self, backend: &'b mut dyn Backend) -> BoxFuture<'b, Result<(), Cause>>;

    /// After everything is written, before the commit.
    fn after<'b>(&'b self, backend: &'b mut dyn Backend) -> BoxFuture<'b, Result<(), Cause>>;

    /// What another tool has recorded of a migration.
    fn adopted(&self, version: Version) -> Option<Box<Adopted>>;
}

impl Run<'_> {
    pub(crate) fn is_one_transaction(&self) -> bool {
        self.atomicity == Atomicity::WholeRun
    }

    /// The request for the lock of a run that changes only the history.
    pub(crate) fn lock_request(&self) -> LockRequest<'_> {
        LockRequest {
            history_table: &self.history_table,
            limits: self.limits,
            session_cleanup: self.session_cleanup,
            pace: Pace::Whole,
            atomicity: self.atomicity,
            session_state: false,
            outside: false,
            deadline: Deadline::after(self.limits.lock_wait),
        }
    }

    /// In what pieces the scripts of these jobs are sent.
    pub(crate) fn pace(&self, jobs: &[Job]) -> Pace {
        let statements: u64 = jobs.iter().map(|job| u64::from(job.statements())).sum();
        if statements <= u64::try_from(self.each_statement).unwrap_or(u64::MAX) {
            Pace::EachStatement
        } else {
            Pace::Whole
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        #[cfg(feature = "tracing")]
        crate::spans::write(&event);
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
    }
}

/// Asks a backend until another connection no longer holds a lock that keeps everybody from reading, as VACUUM does in
/// SQLite. Fails at any other cause, and at the deadline.
pub(crate) async fn patiently<'r, T>(
    backend: &mut (dyn Backend + 'r),
    run: &'r Run<'_>,
    intent: Intent,
    deadline: Deadline,
    ask: impl for<'b> Fn(&'b mut (dyn Backend + 'r)) -> BoxFuture<'b, Result<T, Cause>>,
) -> Result<T, Cause> {
    backend.expect(intent, deadline);
    let mut attempt = 0;
    loop {
        let cause = match ask(backend).await {
            Ok(answer) => return Ok(answer),
            Err(cause) => cause,
        };
        if cause.class != Class::LockTimeout || deadline.is_over() {
            return Err(cause);
        }
        if attempt == 0 {
            run.tell(Event::LockWaiting { holder: None });
        }
        let delay = backoff(attempt, Duration::from_millis(10), Duration::from_millis(250));
        tokio::time::sleep(delay.min(deadline.left())).await;
        attempt += 1;
    }
}
