//! The verbs of a migrator: everything that it can do with a set of migrations and a database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lockgate_core::{
    Ahead, Atomicity, Audience, CompanionKind, Destination, Dialect, DownTo, Drift, History, Limit, OutOfOrder, Plan,
    Refusal, Request, Set, Stage, Status, UnknownProfile, UpTo, Version,
    plan::{self, plan},
};

use crate::Repair;
use crate::backend::{Backend, BoxFuture, Deadline, Intent, Limits, SessionCleanup};
#[cfg(feature = "databases")]
use crate::databases::Databases;
#[cfg(feature = "operations")]
use crate::error::Class;
use crate::error::{Cause, Error, UNCHANGED, Wording};
use crate::event::{Event, OnEvent};
use crate::executor::{self, OnHistoryChange};
#[cfg(feature = "operations")]
use crate::finding::{Examination, Finding};
use crate::history_table::{HistoryTable, TableName};
#[cfg(feature = "operations")]
use crate::invalid_index;
#[cfg(feature = "operations")]
use crate::log::LogEntry;
use crate::migrations::Migrations;
use crate::psql::Variables;
use crate::report::Report;
use crate::run::{Mirrored, Mirroring, Precondition, Run, StageRule, patiently};
use crate::stage;
#[cfg(feature = "operations")]
use crate::table_size::TableSize;
use crate::target::Target;

/// Migrates a database with a set of migrations.
///
/// A migrator contains only settings and no connection. The methods that work on a database, its verbs, take the
/// database as an argument: [`apply`](Self::apply), [`status`](Self::status), [`revert`](Self::revert) and others.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use lockgate::{Database, Migrations, Migrator};
///
/// # static MIGRATIONS: Migrations = Migrations::EMPTY;
/// # /*
/// static MIGRATIONS: Migrations = lockgate::embed_migrations!();
/// # */
/// let mut database = Database::connect("sqlite::memory:").await?;
/// let report = Migrator::new(&MIGRATIONS).apply(&mut database).await?;
/// assert!(report.is_empty());
/// assert_eq!(report.to_string(), "nothing to do");
/// # Ok::<(), lockgate::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Migrator {
    /// What the program embeds.
    embedded: &'static Migrations,
    /// What the verbs work with: the same, or one of its companions, with the chosen profiles.
    migrations: Migrations,
    profiles: Vec<String>,
    /// A chosen profile that no script has.
    unknown_profile: Option<UnknownProfile>,
    /// The databases that the migrations are those of one of. Profiles and variables are for all of them.
    #[cfg(feature = "databases")]
    among: Option<&'static Databases>,
    history_table: String,
    set: String,
    /// `None` is no limit.
    lock_timeout: Option<Duration>,
    lock_wait: Duration,
    /// `None` keeps the session's setting; `Some(None)` is no limit.
    statement_timeout: Option<Option<Duration>>,
    atomicity: Atomicity,
    ahead: Ahead,
    out_of_order: OutOfOrder,
    beside_others: bool,
    /// In runs of at most this many statements, each is sent by itself.
    each_statement: usize,
    session_cleanup: SessionCleanup,
    stage: StageRule,
    /// Why the history is corrected.
    reason: Option<String>,
    variables: Variables,
    /// Whether each patch runs as the role in its name, by SET ROLE.
    role_of_name: bool,
    /// What a run is called if a precondition refuses it.
    verb: fn(Audience) -> &'static str,
    on_event: Option<OnEvent>,
    /// Where the mirror is, and its URL.
    mirror: Option<(Arc<dyn Mirroring>, String)>,
}

impl Migrator {
    /// Returns a migrator for these migrations, with the default settings.
    pub fn new(migrations: &'static Migrations) -> Self {
        Self {
            embedded: migrations,
            migrations: *migrations,
            profiles: Vec::new(),
            unknown_profile: None,
            #[cfg(feature = "databases")]
            among: None,
            history_table: "lockgate_history".to_owned(),
            set: "default".to_owned(),
            lock_timeout: Some(Duration::from_secs(3)),
            lock_wait: Duration::from_secs(60),
            statement_timeout: None,
            atomicity: Atomicity::PerMigration,
            ahead: Ahead::Accept,
            out_of_order: OutOfOrder::Refuse,
            beside_others: false,
            each_statement: 0,
            session_cleanup: SessionCleanup::Restore,
            stage: StageRule::default(),
            reason: None,
            variables: Variables::default(),
            role_of_name: false,
            verb: Audience::up,
            on_event: None,
            mirror: None,
        }
    }

    /// Sets the name of the history table: `table` or, on PostgreSQL, `schema.table`. Default: `lockgate_history`, in
    /// the first schema of the search path.
    ///
    /// The log is in the same schema. Its name is that of the history table with `_log` instead of `_history`:
    /// `lockgate_log`.
    #[must_use]
    pub fn history_table(mut self, name: impl Into<String>) -> Self {
        self.history_table = name.into();
        self
    }

    /// Sets the name of this set of migrations in the history table. Programs that share one database need different
    /// names. Default: `default`.
    #[must_use]
    pub fn set_name(mut self, name: impl Into<String>) -> Self {
        self.set = name.into();
        self
    }

    /// Sets how long a statement of a migration may wait for a lock before the migration is rolled back and tried
    /// again. `None` means no limit. Default: 3 s. PostgreSQL only.
    ///
    /// With zero, or with more than 596 hours, each verb fails with [`ErrorKind::Usage`](crate::ErrorKind::Usage).
    ///
    /// The limit also applies to waits for a row that another transaction has changed. An UPDATE of many rows of a busy
    /// table may need more time. Its script can set its own limit: `-- lockgate: lock-timeout 1min`.
    ///
    /// ```
    /// use std::time::Duration;
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::Migrations::EMPTY;
    /// use lockgate::Migrator;
    ///
    /// let migrator = Migrator::new(&MIGRATIONS).lock_timeout(Duration::from_secs(10));
    /// let patient = migrator.lock_timeout(None);
    /// # assert!(format!("{patient:?}").contains("default"));
    /// ```
    #[must_use]
    pub fn lock_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.lock_timeout = timeout.into();
        self
    }

    /// Sets how long to wait for another run to end before giving up. Zero means not to wait. Default: 60 s.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Sets how long a statement of a migration may run. `None` means no limit. Default: the setting of the session.
    /// PostgreSQL only.
    ///
    /// With zero, or with more than 596 hours, each verb fails with [`ErrorKind::Usage`](crate::ErrorKind::Usage).
    ///
    /// PostgreSQL 12 and older treat everything in one message as one statement. There, the limit applies to all
    /// migrations that are sent together.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.statement_timeout = Some(timeout.into());
        self
    }

    /// Sets which part of a run is one transaction: each migration, or the whole run. Default: each migration.
    #[must_use]
    pub fn atomicity(mut self, atomicity: Atomicity) -> Self {
        self.atomicity = atomicity;
        self
    }

    /// Sets what to do if the database has migrations that are newer than this build. Default: accept it, and apply
    /// nothing.
    #[must_use]
    pub fn ahead(mut self, ahead: Ahead) -> Self {
        self.ahead = ahead;
        self
    }

    /// Sets what to do about a pending migration that is older than an applied one. Default: refuse.
    #[must_use]
    pub fn out_of_order(mut self, out_of_order: OutOfOrder) -> Self {
        self.out_of_order = out_of_order;
        self
    }

    /// Chooses a profile: scripts with `-- lockgate: profile <name>` run only if one of their profiles is chosen. It may be
    /// called several times. Default: none.
    ///
    /// With a name that no script has, each verb fails with [`ErrorKind::Usage`](crate::ErrorKind::Usage).
    ///
    /// ```
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::Migrations::EMPTY;
    /// use lockgate::Migrator;
    ///
    /// let migrator = Migrator::new(&MIGRATIONS).profile("testnet");
    /// # let _ = migrator;
    /// ```
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profiles.push(name.into());
        self.choose_profiles();
        self
    }

    fn choose_profiles(&mut self) {
        let all = self.all_sets();
        let is_known = |name: &String| all.iter().any(|set| set.profiles().contains(&name.as_str()));
        // A profile that only another one of several databases has chooses nothing here.
        let elsewhere = |name: &&String| is_known(name) && !self.migrations.set().profiles().contains(&name.as_str());
        let own: Vec<&String> = self.profiles.iter().filter(|name| !elsewhere(name)).collect();
        match self.migrations.set().with_profiles(&own) {
            Ok(set) => (self.migrations, self.unknown_profile) = (self.migrations.with_set(set), None),
            Err(unknown) => {
                let mut known: Vec<&'static str> = all.iter().flat_map(|set| set.profiles()).collect();
                known.sort_unstable();
                known.dedup();
                let folders = all.iter().map(|set| set.folder());
                let folder = folders.into_iter().find(|folder| !folder.is_empty()).unwrap_or_default();
                self.unknown_profile = Some(UnknownProfile { known, folder, ..unknown });
            }
        }
    }

    /// What the program embeds: these migrations, or those of every database if they are those of one of several.
    fn all_sets(&self) -> Vec<&'static Set> {
        #[cfg(feature = "databases")]
        if let Some(databases) = self.among {
            let each = databases.iter().flat_map(|database| [database.bootstraps(), database.migrations()]);
            return each.map(Migrations::set).collect();
        }
        vec![self.embedded.set()]
    }

    /// The same, for one of these databases.
    #[cfg(feature = "databases")]
    pub(crate) fn among(mut self, databases: &'static Databases) -> Self {
        self.among = Some(databases);
        self.choose_profiles();
        self
    }

    /// Allows migrating a database that so far only another tool has migrated. Use this if the two tools manage
    /// different tables. Default: such a database is refused, because migrations that the other tool has applied would
    /// run again. If the migrations are the same, use [`baseline`](Self::baseline).
    #[must_use]
    pub fn allow_other_tools(mut self) -> Self {
        self.beside_others = true;
        self
    }

    /// Requires that the database is marked with this stage ([`mark_stage`](Self::mark_stage)). On any other database,
    /// every verb is refused, even one that only reads. Default: any database.
    #[must_use]
    pub fn expect_stage(mut self, stage: Stage) -> Self {
        self.stage.asked = Some(stage);
        self
    }

    /// Allows, for this reason, what is refused on a protected stage ([`Stage::is_protected`]): reverting migrations,
    /// correcting the history, and applying drafts. The log keeps the reason, the role, and the time. Default: refused.
    ///
    /// An empty reason makes each verb fail with [`ErrorKind::Usage`](crate::ErrorKind::Usage).
    #[must_use]
    pub fn override_stage(mut self, why: impl Into<String>) -> Self {
        self.stage.why = Some(why.into());
        self
    }

    /// Sets the reason for corrections by [`repair`](Self::repair). The log keeps it with each correction. Default:
    /// none.
    ///
    /// An empty reason makes each verb fail with [`ErrorKind::Usage`](crate::ErrorKind::Usage).
    ///
    /// ```
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::Migrations::EMPTY;
    /// use lockgate::Migrator;
    ///
    /// let migrator = Migrator::new(&MIGRATIONS).repair_reason("only a comment was edited");
    /// # let _ = migrator;
    /// ```
    #[must_use]
    pub fn repair_reason(mut self, why: impl Into<String>) -> Self {
        self.reason = Some(why.into());
        self
    }

    /// Sets a psql variable in each script that declares it with `-- lockgate: variable name`. The value does not
    /// appear in any message, event or log of Lockgate.
    ///
    /// With a name that no script declares, each verb fails with [`ErrorKind::Usage`](crate::ErrorKind::Usage). If a
    /// script needs a variable that has no value, the run fails with the same kind before it changes anything.
    #[must_use]
    #[cfg(feature = "psql")]
    pub fn psql_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.given.insert(name.into(), value.into());
        self
    }

    /// Gives each psql variable without a value its own name as its value. Use this only for throwaway databases.
    #[cfg(feature = "psql")]
    #[doc(hidden)]
    #[must_use]
    pub fn stand_in_for_variables(mut self) -> Self {
        self.variables.stand_in = true;
        self
    }

    /// Calls a function with each [`Event`] of a run, from the task that runs it.
    #[must_use]
    pub fn on_event(mut self, on_event: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(on_event));
        self
    }

    /// Sends each statement of a script separately, so that [`Event::StatementStarted`] says which one runs now. The
    /// transactions stay the same, but each statement costs a round trip. Default: scripts are sent as a whole, many in
    /// one message.
    #[must_use]
    pub fn each_statement(self) -> Self {
        self.each_statement_of_at_most(usize::MAX)
    }

    /// Does the same as [`each_statement`](Self::each_statement), but only in runs of at most this many statements.
    /// Longer runs send whole scripts, and so avoid thousands of round trips.
    #[must_use]
    pub fn each_statement_of_at_most(mut self, statements: usize) -> Self {
        self.each_statement = statements;
        self
    }

    /// Returns which migrations are applied, pending or different. Takes no lock and writes nothing. It needs only
    /// SELECT on the history table.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Migrator};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// let status = migrator.status(&mut database).await?;
    /// assert!(!status.is_up_to_date());
    /// assert_eq!(status.entries.len(), 2); // both are pending
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable), [`ErrorKind::Denied`](crate::ErrorKind::Denied),
    /// [`ErrorKind::HistoryFormat`](crate::ErrorKind::HistoryFormat), and [`ErrorKind::Usage`](crate::ErrorKind::Usage)
    /// for an invalid name of the history table.
    pub async fn status(&self, target: impl Target) -> Result<Status, Error> {
        let (run, set) = (self.run()?, self.migrations.set());
        let mut backend = open(target).await?;
        let deadline = Deadline::after(run.limits.lock_wait);
        let read = patiently(&mut *backend, &run, Intent::Read, deadline, |backend| {
            backend.read_with_stage(&run.history_table, set)
        });
        let (history, stage) = read.await.map_err(|cause| crate::failure::unread(cause, &run))?;
        stage::check_found(stage, &run)?;
        let status = Status { stage, ..lockgate_core::status(set, &history) };
        executor::note_work(&mut *backend, &run, status).await
    }

    /// Returns every difference between the embedded migrations and the history. Takes no lock and writes
    /// nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Drift, Migrations, Migrator};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// migrator.apply(&mut database).await?;
    /// let older = Migrator::new(&Migrations::EMPTY).drift(&mut database).await?;
    /// assert!(matches!(&older[..], [Drift::Ahead { .. }, Drift::Ahead { .. }]));
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`status`](Self::status).
    pub async fn drift(&self, target: impl Target) -> Result<Vec<Drift>, Error> {
        let Opened { mut backend, history, .. } = self.open(target).await?;
        let mut found = lockgate_core::drift::drift(self.migrations.set(), &history);
        if let Some(scripts) = self.of_companion(CompanionKind::Manual) {
            let history = executor::read(&mut *backend, &scripts.run()?).await?;
            found.extend(lockgate_core::manual::drift(scripts.set_of_migrations(), &history));
        }
        Ok(found)
    }

    /// Returns what [`apply_to`](Self::apply_to) would run. Takes no lock and writes nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Migrator, UpTo};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// let plan = migrator.plan(&mut database, UpTo::Steps(1)).await?;
    /// assert_eq!(plan.steps[0].id, "1_create_users");
    ///
    /// let report = migrator.apply_plan(&mut database, &plan).await?;
    /// assert_eq!(report.steps.len(), 1);
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if `apply_to` would refuse; otherwise as for
    /// [`status`](Self::status).
    pub async fn plan(&self, target: impl Target, destination: UpTo) -> Result<Plan, Error> {
        self.look(target, |history, dialect| self.decide(history, destination.into(), dialect)).await
    }

    /// Returns what [`revert`](Self::revert) would run. Takes no lock and writes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if `revert` would refuse; otherwise as for
    /// [`status`](Self::status).
    pub async fn plan_revert(&self, target: impl Target, destination: DownTo) -> Result<Plan, Error> {
        self.look(target, |history, dialect| self.decide(history, destination.into(), dialect)).await
    }

    /// Returns what [`redo`](Self::redo) would run. Takes no lock and writes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if `redo` would refuse; otherwise as for
    /// [`status`](Self::status).
    pub async fn plan_redo(&self, target: impl Target, steps: usize) -> Result<Plan, Error> {
        self.look(target, |history, dialect| self.decide_redo(history, steps, dialect)).await
    }

    /// Returns what [`repair`](Self::repair) would correct. Takes no lock and writes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) where `repair` would refuse, and as for [`status`](Self::status).
    pub async fn plan_repair(&self, target: impl Target, repair: Repair) -> Result<Plan, Error> {
        self.look(target, |history, dialect| self.decide_repair(history, repair, dialect)).await
    }

    /// Returns the last entries of the log, oldest first. The log has each step of each run, including failed steps and
    /// steps of scripts that are not migrations, such as manual scripts. Takes no lock and writes nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Migrator};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// migrator.apply(&mut database).await?;
    /// let log = migrator.log(&mut database, 1).await?;
    /// assert_eq!((log[0].name.as_str(), log[0].event.as_str()), ("create_loans", "applied"));
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`status`](Self::status). It needs SELECT on the log too.
    #[cfg(feature = "operations")]
    pub async fn log(&self, target: impl Target, last: usize) -> Result<Vec<LogEntry>, Error> {
        let Opened { run, mut backend, history } = self.open(target).await?;
        if history.is_absent() {
            return Ok(Vec::new());
        }
        let mut log = Vec::new();
        // The scripts beside the migrations have logs of their own, but for the repeatable ones, which are read with them.
        let companions = self.migrations.set().companions().iter().map(|companion| companion.kind);
        let beside = companions.filter(|kind| *kind != CompanionKind::Repeatable).map(CompanionKind::suffix);
        for suffix in std::iter::once("").chain(beside) {
            let table = HistoryTable { set: format!("{}{suffix}", self.set), ..run.history_table.clone() };
            let deadline = Deadline::after(run.limits.lock_wait);
            let read =
                patiently(&mut *backend, &run, Intent::Read, deadline, |backend| backend.read_log(&table, last)).await;
            log.extend(read.map_err(|cause| Error::from_cause("the log cannot be read", cause))?);
        }
        log.sort_by(|one: &LogEntry, other| one.at.cmp(&other.at));
        Ok(log.split_off(log.len().saturating_sub(last)))
    }

    /// Returns the sizes of the tables that a plan touches, from the statistics of the database. Tables that do not
    /// exist yet are left out. It takes no lock, writes nothing, and makes one round trip.
    ///
    /// # Errors
    ///
    /// As for [`status`](Self::status).
    #[cfg(feature = "operations")]
    pub async fn sizes(&self, target: impl Target, plan: &Plan) -> Result<Vec<TableSize>, Error> {
        let mut backend = open(target).await?;
        let tables = plan.tables(self.migrations.set(), backend.dialect());
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let sizes = backend.sizes(&tables).await;
        sizes.map_err(|cause| Error::from_cause("the sizes of the tables cannot be read", cause))
    }

    /// Applies all pending migrations. If there are none, it takes no lock and writes nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Migrator};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// let report = migrator.apply(&mut database).await?;
    /// assert_eq!(report.steps.len(), 2);
    /// assert!(migrator.apply(&mut database).await?.is_empty());
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if the set of migrations and the history differ in a way that
    /// is not safe to ignore: nothing was run. [`ErrorKind::Failed`](crate::ErrorKind::Failed) if a migration failed:
    /// its report says what is committed. [`ErrorKind::Locked`](crate::ErrorKind::Locked) if another run held the lock
    /// for all of [`lock_wait`](Self::lock_wait). [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted) if the
    /// connection was lost. [`ErrorKind::ReadOnly`](crate::ErrorKind::ReadOnly),
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied), and as for [`status`](Self::status).
    pub async fn apply(&self, target: impl Target) -> Result<Report, Error> {
        self.apply_to(target, UpTo::Latest).await
    }

    /// Applies the pending migrations up to a destination.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply).
    pub async fn apply_to(&self, target: impl Target, destination: UpTo) -> Result<Report, Error> {
        self.go(target, destination.into()).await
    }

    /// Reverts applied migrations down to a destination: a number of them ([`DownTo::Steps`]), all that are newer than
    /// a version ([`DownTo::Version`]), or all ([`DownTo::Empty`]).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, DownTo, Migrator};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// migrator.apply(&mut database).await?;
    /// let report = migrator.revert(&mut database, DownTo::Steps(1)).await?;
    /// assert_eq!(report.steps[0].id, "2_create_loans");
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if one of the migrations cannot be reverted: nothing was run.
    /// Otherwise as for [`apply`](Self::apply).
    pub async fn revert(&self, target: impl Target, destination: DownTo) -> Result<Report, Error> {
        self.go(target, destination.into()).await
    }

    /// Reverts this many of the newest migrations, and applies the same ones again, in one plan and under one lock. If
    /// a draft was edited, its new text is applied.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use lockgate::{Database, ErrorKind, Migrations, Migrator};
    ///
    /// # static MIGRATIONS: Migrations = Migrations::EMPTY;
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let error = Migrator::new(&MIGRATIONS).redo(&mut database, 1).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Refused); // none is applied
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if one of them cannot be reverted, or could not be applied
    /// again: nothing was run. Otherwise as for [`apply`](Self::apply). If a migration fails when it is applied again,
    /// it stays reverted, and the error says so.
    pub async fn redo(&self, target: impl Target, steps: usize) -> Result<Report, Error> {
        let decide = |history: &History, dialect| self.decide_redo(history, steps, dialect);
        self.execute(target, OnHistoryChange::Refuse, decide).await
    }

    /// Runs exactly this plan, which was made by [`plan`](Self::plan), [`plan_revert`](Self::plan_revert),
    /// [`plan_redo`](Self::plan_redo) or [`plan_repair`](Self::plan_repair).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PlanStale`](crate::ErrorKind::PlanStale) if the history has changed since the plan was made:
    /// nothing was run. Otherwise as for [`apply`](Self::apply).
    pub async fn apply_plan(&self, target: impl Target, plan: &Plan) -> Result<Report, Error> {
        let decide = |history: &History, _| {
            if history.digest() == plan.seen { Ok(plan.clone()) } else { Err(crate::failure::stale()) }
        };
        self.execute(target, OnHistoryChange::Replan, decide).await
    }

    /// Records every embedded migration up to this version as applied, without running it. Use this for a database that
    /// already has the changes of these migrations.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Migrator, UpTo};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// // The tables of the first migration exist already.
    /// migrator.baseline(&mut database, "1".parse().unwrap()).await?;
    /// let plan = migrator.plan(&mut database, UpTo::Latest).await?;
    /// assert_eq!(plan.steps[0].id, "2_create_loans");
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if no embedded migration has this version, or a recorded one
    /// differs from the embedded one. Otherwise as for [`apply`](Self::apply).
    pub async fn baseline(&self, target: impl Target, version: Version) -> Result<Report, Error> {
        let decide = |history: &History, dialect| {
            plan::baseline(self.migrations.set(), history, dialect, version)
                .map_err(|refusal| refused(|_| "`baseline`", &refusal))
        };
        let named = Self { verb: |_| "`baseline`", ..self.clone() };
        named.execute(target, OnHistoryChange::Replan, decide).await
    }

    /// Corrects the history, without running any migration. Set the reason with [`repair_reason`](Self::repair_reason).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Migrator, Repair};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// migrator.apply(&mut database).await?;
    /// // Somebody has undone the second migration by hand.
    /// migrator.repair(&mut database, Repair::Forget("2".parse().unwrap())).await?;
    /// assert!(!migrator.status(&mut database).await?.is_up_to_date());
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if the version is not recorded, should be recorded as applied
    /// but is not embedded, or has no statement in doubt. Otherwise as for [`apply`](Self::apply).
    pub async fn repair(&self, target: impl Target, repair: Repair) -> Result<Report, Error> {
        let decide = |history: &History, dialect| self.decide_repair(history, repair, dialect);
        self.execute(target, OnHistoryChange::Replan, decide).await
    }

    /// Drops an INVALID index that a failed `CREATE INDEX CONCURRENTLY` left, with `DROP INDEX CONCURRENTLY`, and
    /// returns its name with the schema. Write the name as in SQL: `public.books_by_title`, `"By title"`. The log
    /// records what was dropped, and the [`repair_reason`](Self::repair_reason), if there is one. PostgreSQL only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if there is no index of this name, if it is valid, if another
    /// session is building it, if it belongs to a constraint or a partitioned table, and on a protected stage without
    /// [`override_stage`](Self::override_stage): nothing was changed. Otherwise as for [`apply`](Self::apply).
    #[cfg(feature = "operations")]
    pub async fn drop_invalid_index(&self, target: impl Target, name: &str) -> Result<String, Error> {
        let run = self.run()?;
        let mut backend = open(target).await?;
        let history = executor::read(&mut *backend, &run).await?;
        invalid_index::drop(&mut *backend, &run, &history, name).await
    }

    /// Marks the database with its stage, and returns the stage that it had before. The marker is a line of the
    /// comment on a PostgreSQL database, which its owner may write, and the `application_id` of a SQLite file.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use lockgate::{Database, ErrorKind, Migrations, Migrator, Stage};
    ///
    /// # static MIGRATIONS: Migrations = Migrations::EMPTY;
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// assert_eq!(migrator.mark_stage(&mut database, Stage::Production).await?, None);
    /// assert_eq!(migrator.status(&mut database).await?.stage, Some(Stage::Production));
    ///
    /// let error = migrator.expect_stage(Stage::Development).apply(&mut database).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Refused);
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if the database has another, protected stage, unless
    /// [`override_stage`](Self::override_stage) allows it; [`ErrorKind::Denied`](crate::ErrorKind::Denied) if the role
    /// does not own the database; otherwise as for [`status`](Self::status).
    pub async fn mark_stage(&self, target: impl Target, stage: Stage) -> Result<Option<Stage>, Error> {
        let run = self.run()?;
        let mut backend = open(target).await?;
        let history = executor::read(&mut *backend, &run).await?;
        stage::mark(&mut *backend, &run, &history, stage).await
    }

    /// Returns the stage that a database is marked with. The history is not read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if another stage is [required](Self::expect_stage), and
    /// [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted).
    pub async fn stage_of(&self, target: impl Target) -> Result<Option<Stage>, Error> {
        let run = self.run()?;
        let mut backend = open(target).await?;
        stage::check(&mut *backend, &run).await?;
        Ok(stage::guard(&mut *backend, &run).await?.database)
    }

    pub(crate) fn name_of_set(&self) -> &str {
        &self.set
    }

    pub(crate) fn of_any_stage(&self) -> Self {
        let mut migrator = self.clone();
        migrator.stage.asked = None;
        migrator
    }

    /// Returns the stage of a database that is about to be replaced as a whole, or an error if that is not allowed.
    pub(crate) async fn may_replace(&self, target: impl Target) -> Result<Option<Stage>, Error> {
        let run = self.run()?;
        let mut backend = open(target).await?;
        stage::may_replace(&mut *backend, &run).await
    }

    /// Logs why a database was replaced although its stage is protected.
    pub(crate) async fn log_replaced(&self, target: impl Target, detail: &str) -> Result<(), Error> {
        let run = self.run()?;
        let mut backend = open(target).await?;
        let history = executor::read(&mut *backend, &run).await?;
        stage::log_replaced(&mut *backend, &run, &history, detail).await
    }

    /// Returns the findings of a backend, and, if the history can be read, what the next run would do and what differs. If
    /// it cannot, the reason is a finding.
    #[cfg(feature = "operations")]
    pub(crate) async fn examined(
        &self,
        target: impl Target,
        examination: Examination,
    ) -> Result<(Option<(Result<Plan, Error>, Vec<Drift>)>, Vec<Finding>), Error> {
        let run = self.run()?;
        let mut backend = open(target).await?;
        let deadline = Deadline::after(run.limits.lock_wait);
        let read = executor::read_patiently(&mut *backend, &run, Intent::Write, deadline).await;
        let (history, own) = match read {
            Ok(history) => {
                let fact = match history.rows().len() {
                    0 if history.is_absent() => "there is no history yet; the first run creates it".to_owned(),
                    1 => "the history can be read, and has 1 row".to_owned(),
                    rows => format!("the history can be read, and has {rows} rows"),
                };
                (Some(history), Finding::ok("history", fact))
            }
            Err(cause)
                if matches!(cause.class, Class::Lost | Class::Unreachable | Class::Usage | Class::LockTimeout) =>
            {
                return Err(crate::failure::unread(cause, &run));
            }
            Err(cause) => (None, Finding::of_cause("history", &cause)),
        };
        stage::check(&mut *backend, &run).await?;
        let examined =
            patiently(&mut *backend, &run, Intent::Read, deadline, |backend| backend.examine(examination)).await;
        let mut findings = examined.map_err(|cause| Error::of_read("the database cannot be examined", cause))?;
        if run.limits.statement_timeout.is_some() {
            // What the session has does not count for migrations then.
            findings.retain(|finding| finding.check() != "statement-timeout");
        }
        findings.push(own);
        let Some(history) = history else { return Ok((None, findings)) };
        findings.push(match stage::guard(&mut *backend, &run).await?.database {
            Some(stage) => Finding::ok("stage", format!("the database is marked as {stage}")),
            None => Finding::ok("stage", "the database is marked with no stage"),
        });
        let dialect = backend.dialect();
        let decide = |history: &History| self.decide(history, UpTo::Latest.into(), dialect);
        let planned = stage::decide(&mut *backend, &run, &history, &decide).await;
        Ok((Some((planned, lockgate_core::drift::drift(self.migrations.set(), &history))), findings))
    }

    /// Plans to apply everything that is pending in this history.
    #[cfg(feature = "operations")]
    pub(crate) fn decided(&self, history: &History, destination: UpTo, dialect: Dialect) -> Result<Plan, Error> {
        self.decide(history, destination.into(), dialect)
    }

    /// Returns the schema of the database without this migrator's own tables, as
    /// [`read_schema`](crate::read_schema) does. The schema that [`history_table`](Self::history_table)
    /// names is left out too.
    ///
    /// # Errors
    ///
    /// As for [`read_schema`](crate::read_schema).
    #[cfg(feature = "schema")]
    pub async fn read_schema(&self, target: impl Target) -> Result<crate::schema::Schema, Error> {
        Ok(self.read_with_release(target).await?.0)
    }

    /// The same, with the major release of the server.
    #[cfg(feature = "schema")]
    pub(crate) async fn read_with_release(
        &self,
        target: impl Target,
    ) -> Result<(crate::schema::Schema, Option<u32>), Error> {
        let read = crate::reader::read(target, &self.run()?.history_table.table).await?;
        Ok((read.schema, read.release))
    }

    /// The set that the verbs work with.
    pub(crate) fn set_of_migrations(&self) -> &Set {
        self.migrations.set()
    }

    pub(crate) fn is_beside_others(&self) -> bool {
        self.beside_others
    }

    /// The embedded migrations.
    pub fn migrations(&self) -> &'static Migrations {
        self.embedded
    }

    async fn go(&self, target: impl Target, destination: Destination) -> Result<Report, Error> {
        let decide = |history: &History, dialect| self.decide(history, destination, dialect);
        let changed = match destination {
            // Steps are counted from where the database was.
            Destination::Down(_) | Destination::Up(UpTo::Steps(_)) => OnHistoryChange::Refuse,
            Destination::Up(UpTo::Latest | UpTo::Version(_)) => OnHistoryChange::Replan,
        };
        let to_head = destination == Destination::Up(UpTo::Latest);
        self.execute_to(target, changed, to_head, decide).await
    }

    /// Reads the history of a database. Refuses a database of another stage than the demanded one.
    pub(crate) async fn open<'a>(&'a self, target: impl Target + 'a) -> Result<Opened<'a>, Error> {
        let run = self.run()?;
        let mut backend = open(target).await?;
        let history = executor::read(&mut *backend, &run).await?;
        stage::check(&mut *backend, &run).await?;
        Ok(Opened { run, backend, history })
    }

    /// Returns the plan of a run.
    async fn look(
        &self,
        target: impl Target,
        decide: impl Fn(&History, Dialect) -> Result<Plan, Error> + Send + Sync,
    ) -> Result<Plan, Error> {
        self.look_on(target.open(), &decide).await
    }

    /// The implementation, built with this crate: see [`executor::execute`].
    fn look_on<'a>(&'a self, opening: Opening<'a>, decide: Decide<'a>) -> BoxFuture<'a, Result<Plan, Error>> {
        Box::pin(async move {
            let run = self.run()?;
            let mut backend = opened(opening).await?;
            let history = executor::read(&mut *backend, &run).await?;
            let dialect = backend.dialect();
            let decide = |history: &History| decide(history, dialect);
            stage::decide(&mut *backend, &run, &history, &decide).await
        })
    }

    async fn execute(
        &self,
        target: impl Target,
        changed: OnHistoryChange,
        decide: impl Fn(&History, Dialect) -> Result<Plan, Error> + Send + Sync,
    ) -> Result<Report, Error> {
        self.execute_to(target, changed, false, decide).await
    }

    async fn execute_to(
        &self,
        target: impl Target,
        changed: OnHistoryChange,
        to_head: bool,
        decide: impl Fn(&History, Dialect) -> Result<Plan, Error> + Send + Sync,
    ) -> Result<Report, Error> {
        self.execute_on(target.open(), changed, to_head, &decide).await
    }

    /// The implementation, built with this crate: see [`executor::execute`].
    fn execute_on<'a>(
        &'a self,
        opening: Opening<'a>,
        changed: OnHistoryChange,
        to_head: bool,
        decide: Decide<'a>,
    ) -> BoxFuture<'a, Result<Report, Error>> {
        Box::pin(async move {
            let run = Run { to_head, ..self.run()? };
            let mut backend = opened(opening).await?;
            let mirror = self.settle_mirror(&run, &mut *backend).await?;
            let run = Run { mirror: mirror.as_deref(), ..run };
            let dialect = backend.dialect();
            let decide = |history: &History| decide(history, dialect);
            let executed = executor::execute(&mut *backend, &run, changed, &decide);
            #[cfg(feature = "tracing")]
            let executed = crate::spans::of_run(executed, &self.set);
            let executed = executed.await;
            tell_mirror(mirror.as_deref(), &run, &mut *backend, &executed).await;
            executed
        })
    }

    /// Opens the mirror, if there is one, and compares the database with it, before a run that may change something.
    pub(crate) async fn settle_mirror(
        &self,
        run: &Run<'_>,
        backend: &mut dyn Backend,
    ) -> Result<Option<Box<dyn Mirrored>>, Error> {
        match &self.mirror {
            Some((mirror, _)) => mirror.settle(run, backend).await.map(Some),
            None => Ok(None),
        }
    }

    fn decide(&self, history: &History, destination: Destination, dialect: Dialect) -> Result<Plan, Error> {
        plan(self.migrations.set(), history, &self.request(destination, dialect)).map_err(|refusal| match destination {
            Destination::Up(_) => refused(Audience::up, &refusal),
            Destination::Down(_) => refused(Audience::down, &refusal),
        })
    }

    fn decide_redo(&self, history: &History, steps: usize, dialect: Dialect) -> Result<Plan, Error> {
        let request = self.request(DownTo::Steps(steps).into(), dialect);
        plan::redo(self.migrations.set(), history, &request, steps).map_err(|refusal| refused(|_| "`redo`", &refusal))
    }

    fn decide_repair(&self, history: &History, repair: Repair, dialect: Dialect) -> Result<Plan, Error> {
        plan::repair(self.migrations.set(), history, dialect, repair)
            .map_err(|refusal| refused(|_| "`repair`", &refusal))
    }

    pub(crate) fn request(&self, destination: Destination, dialect: Dialect) -> Request {
        Request {
            destination,
            dialect,
            ahead: self.ahead,
            out_of_order: self.out_of_order,
            atomicity: self.atomicity,
            beside_others: self.beside_others,
            can_adopt: cfg!(feature = "adopt"),
        }
    }

    /// The same, with this mirror, of which also the URL is kept.
    #[cfg(feature = "databases")]
    pub(crate) fn mirrored(self, mirror: Option<(Arc<dyn Mirroring>, String)>) -> Self {
        Self { mirror, ..self }
    }

    /// The URL of the mirror.
    #[cfg(feature = "databases")]
    pub(crate) fn mirror_url(&self) -> Option<&str> {
        self.mirror.as_ref().map(|(_, url)| url.as_str())
    }

    /// The same settings for other migrations, kept in the history under the name of this set and a suffix.
    #[cfg(feature = "databases")]
    pub(crate) fn with_migrations(&self, migrations: &'static Migrations, suffix: &str) -> Self {
        let mut with = Self {
            embedded: migrations,
            migrations: *migrations,
            set: format!("{}{suffix}", self.set),
            ..self.clone()
        };
        with.choose_profiles();
        with
    }

    /// The same settings for the companion of this kind, which has a history of its own. `None` if there is none.
    pub(crate) fn of_companion(&self, kind: CompanionKind) -> Option<Self> {
        let set = self.migrations.set().companion(kind)?;
        let migrations = Migrations::from(set);
        Some(Self { migrations, set: format!("{}{}", self.set, kind.suffix()), ..self.clone() })
    }

    /// For [`crate::__private::history_tables`].
    pub(crate) fn history_tables(&self) -> Vec<String> {
        let table = TableName::parse(&self.history_table).ok();
        let plain = |table: TableName| match table.schema {
            Some(schema) => format!("{schema}.{}", table.name),
            None => table.name,
        };
        table.into_iter().flat_map(|table| [plain(table.log()), plain(table)]).collect()
    }

    /// Whether a reason was given to change a protected stage.
    pub(crate) fn overrides_stage(&self) -> bool {
        self.stage.why.is_some()
    }

    /// The same, without events: for what is only bookkeeping.
    #[cfg(feature = "databases")]
    pub(crate) fn quiet(&self) -> Self {
        Self { on_event: None, ..self.clone() }
    }

    /// Runs each patch as the role in its name, by SET ROLE.
    #[cfg(feature = "databases")]
    pub(crate) fn as_roles_of_names(&self) -> Self {
        Self { role_of_name: true, ..self.clone() }
    }

    /// Applies what is pending, up to the first patch with another role in its name.
    #[cfg(feature = "databases")]
    pub(crate) async fn apply_leading(&self, target: impl Target, role: &str) -> Result<Report, Error> {
        let decide = |history: &History, dialect| {
            let plan = self.decide(history, UpTo::Latest.into(), dialect)?;
            Ok(plan.leading(|step| step.role() == Some(role)))
        };
        self.execute_to(target, OnHistoryChange::Replan, true, decide).await
    }

    /// The status, and the plan of an apply or why that would be refused, from one look at the database.
    #[cfg(feature = "databases")]
    pub(crate) async fn stand(&self, target: impl Target) -> Result<(Status, Result<Plan, Error>), Error> {
        let Opened { run, mut backend, history } = self.open(target).await?;
        let stage = stage::guard(&mut *backend, &run).await?.database;
        let status = Status { stage, ..lockgate_core::status(self.migrations.set(), &history) };
        let status = executor::note_work(&mut *backend, &run, status).await?;
        let dialect = backend.dialect();
        let decide = |history: &History| self.decide(history, UpTo::Latest.into(), dialect);
        let plan = stage::decide(&mut *backend, &run, &history, &decide).await;
        Ok((status, plan))
    }

    /// The digest of the history.
    #[cfg(feature = "databases")]
    pub(crate) async fn digest(&self, target: impl Target) -> Result<lockgate_core::Digest, Error> {
        Ok(self.open(target).await?.history.digest())
    }

    /// What would remove every row of this set from the history.
    #[cfg(feature = "databases")]
    pub(crate) async fn plan_forget_all(&self, target: impl Target) -> Result<Plan, Error> {
        let opened = self.open(target).await?;
        Ok(plan::forget_all(self.migrations.set(), &opened.history))
    }

    #[cfg(feature = "databases")]
    pub(crate) fn tell(&self, event: Event) -> Result<(), Error> {
        self.run()?.tell(event);
        Ok(())
    }

    /// The same migrations and variables for a scratch database: without events, stage and mirror.
    #[cfg(feature = "schema")]
    pub(crate) fn for_scratch(&self) -> Self {
        Self { on_event: None, stage: StageRule::default(), mirror: None, ..self.clone() }
    }

    /// For [`crate::__private::of_every_profile`] and [`crate::__private::of_migrations`].
    pub(crate) fn with_set(&self, change: impl FnOnce(&Set) -> Set) -> Self {
        Self { migrations: self.migrations.with_set(change(self.migrations.set())), ..self.clone() }
    }

    /// For [`crate::__private::leaving`].
    pub(crate) fn leaving(&self) -> Self {
        Self { session_cleanup: SessionCleanup::SettingsOnly, ..self.clone() }
    }

    /// A set with a tree `create/` does not run on a database that was begun from it and is not complete.
    fn precondition(&self, table: TableName) -> Precondition {
        if self.migrations.set().companion(CompanionKind::Create).is_none() {
            return Precondition::Nothing;
        }
        let set = format!("{}{}", self.set, CompanionKind::Create.suffix());
        let application = self.migrations.set().application();
        Precondition::NotBegun { files: HistoryTable { table, set, application }, migrations: None, verb: self.verb }
    }

    /// The options of a run.
    pub(crate) fn run(&self) -> Result<Run<'_>, Error> {
        let table = TableName::parse(&self.history_table).map_err(Error::usage)?;
        if self.set.is_empty() || self.set.contains('\0') {
            return Err(Error::usage("the set name must not be empty or contain NUL"));
        }
        if let Some(unknown) = &self.unknown_profile {
            return Err(Error::usage(unknown.to_string()).with_help(unknown.help()));
        }
        if self.stage.why.as_ref().is_some_and(|why| why.trim().is_empty()) {
            return Err(Error::usage("the reason to override the stage is empty")
                .with_help(Wording::each(|audience| format!("say why: {}", audience.override_stage()))));
        }
        if self.reason.as_ref().is_some_and(|why| why.trim().is_empty()) {
            return Err(Error::usage("the reason is empty").with_help(Wording::each(|audience| match audience {
                Audience::Rust => "say why: `Migrator::repair_reason(\"why\")`".to_owned(),
                Audience::CommandLine => "say why: `--reason \"why\"`".to_owned(),
            })));
        }
        let limit = |name: &str, duration: Option<Duration>| {
            let Some(duration) = duration else { return Ok(Limit::NONE) };
            let option = format!("--{}", name.replace('_', "-"));
            Limit::new(duration).map_err(|error| {
                let usage = Error::usage(Wording::each(|audience| match audience {
                    Audience::Rust => format!("`{name}`: {error}"),
                    Audience::CommandLine => format!("`{option}`: {error}"),
                }));
                usage.with_help(Wording::each(|audience| match audience {
                    Audience::Rust => format!("`{name}(None)` is without a limit"),
                    Audience::CommandLine => format!("`{option} none` is without a limit"),
                }))
            })
        };
        let limits = Limits {
            lock_timeout: limit("lock_timeout", self.lock_timeout)?,
            statement_timeout: self.statement_timeout.map(|timeout| limit("statement_timeout", timeout)).transpose()?,
            lock_wait: self.lock_wait,
        };
        self.variables.check(&self.all_sets())?;
        Ok(Run {
            migrations: &self.migrations,
            history_table: HistoryTable {
                table: table.clone(),
                set: self.set.clone(),
                application: self.migrations.set().application(),
            },
            limits,
            session_cleanup: self.session_cleanup,
            stage: self.stage.clone(),
            reason: self.reason.clone(),
            variables: self.variables.clone(),
            each_statement: self.each_statement,
            atomicity: self.atomicity,
            on_event: self.on_event.clone(),
            to_head: false,
            role_of_name: self.role_of_name,
            beside: None,
            mirror: None,
            precondition: self.precondition(table),
            is_bookkeeping: false,
        })
    }
}

/// Tells the mirror what a run has left, unless there was nothing to do.
pub(crate) async fn tell_mirror(
    mirror: Option<&dyn Mirrored>,
    run: &Run<'_>,
    backend: &mut dyn Backend,
    executed: &Result<Report, Error>,
) {
    if let Some(mirror) = mirror
        && !executed.as_ref().is_ok_and(Report::is_empty)
    {
        mirror.after(run, backend).await;
    }
}

/// A target that is being opened.
type Opening<'a> = BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>;

/// Makes the plan of a run.
type Decide<'a> = &'a (dyn Fn(&History, Dialect) -> Result<Plan, Error> + Send + Sync);

/// A database whose history was read.
pub(crate) struct Opened<'a> {
    pub(crate) run: Run<'a>,
    pub(crate) backend: Box<dyn Backend + 'a>,
    pub(crate) history: History,
}

pub(crate) fn refused(verb: impl Fn(Audience) -> &'static str, refusal: &Refusal) -> Error {
    Error::refused(Wording::each(|audience| format!("{} refuses", verb(audience))), refusal).with_state(UNCHANGED)
}

pub(crate) async fn open<'a>(target: impl Target + 'a) -> Result<Box<dyn Backend + 'a>, Error> {
    opened(target.open()).await
}

async fn opened<'a>(opening: Opening<'a>) -> Result<Box<dyn Backend + 'a>, Error> {
    opening.await.map_err(|cause| Error::from_cause("the database cannot be reached", cause))
}

impl fmt::Debug for Migrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrator")
            .field("migrations", &self.migrations.len())
            .field("history_table", &self.history_table)
            .field("set", &self.set)
            .field("atomicity", &self.atomicity)
            .finish_non_exhaustive()
    }
}
