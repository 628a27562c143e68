//! The options and the verbs for several databases.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lockgate_core::patch::Patch;
use lockgate_core::{DownTo, Plan};
use tokio::time::Instant;

use super::answer::{self, DatabasePlan, DatabaseReport, DatabaseStatus, DatabasesReport};
use super::as_roles::{self, Goal};
use super::bring;
use super::mirroring;
use super::password::Passwords;
use super::server::{Login, Server};
use super::set::{DatabaseMigrations, Databases};
use super::survey::{self, Roles, Site, Survey};
use crate::doctor;
use crate::error::{Error, ErrorKind, Wording};
use crate::finding::Finding;
use crate::history_table::TableName;
use crate::migrations::Migrations;
use crate::migrator::Migrator;
use crate::mirror::{self, Mirror, MirrorStatus};
use crate::wait::{self, Readiness};

/// Migrates several databases of one PostgreSQL server. Runs each patch as the role in its name.
///
/// ```no_run
/// # async fn run() -> Result<(), lockgate::Error> {
/// use lockgate::{Databases, DatabasesMigrator};
///
/// # /*
/// static PATCHES: Databases = lockgate::embed_migrations!("patches", databases);
/// # */
/// # static PATCHES: Databases = Databases::EMPTY;
/// let migrator = DatabasesMigrator::new(&PATCHES).passwords_from_environment("");
/// let report = migrator.apply("postgres://admin@db.internal").await?;
/// println!("{report}");
/// # Ok(()) }
/// ```
///
/// A run goes through the databases in the order of their names, and through the patches of each in the order of their
/// numbers. Consecutive patches of a role are one run as that role, under the same lock as a run of a [`Migrator`]. The
/// first failure stops everything. Patches that were applied before it stay applied and recorded.
///
/// Before anything runs, each database is read, and each role that has something to do logs in once.
#[derive(Clone)]
pub struct DatabasesMigrator {
    databases: &'static Databases,
    /// The options, with no migrations.
    migrator: Migrator,
    passwords: Passwords,
    roles: Roles,
    wait: Duration,
    only: Option<String>,
    mirror: Mirroring,
}

/// Where the mirror is.
#[derive(Clone)]
enum Mirroring {
    /// Where the policy says.
    OfPolicy,
    /// In the database of this URL, or of this name on the same server.
    In(String),
    /// Nowhere.
    Off,
}

/// No migrations, for the options.
static NONE: Migrations = Migrations::EMPTY;

impl DatabasesMigrator {
    /// Returns a migrator for these databases, with the default settings.
    pub fn new(databases: &'static Databases) -> Self {
        Self {
            databases,
            migrator: Migrator::new(&NONE).among(databases),
            passwords: Passwords::None,
            roles: Roles::LogIn,
            wait: Duration::ZERO,
            only: None,
            mirror: Mirroring::OfPolicy,
        }
    }

    /// Sets options of the migrator of each database, such as timeouts, the history table, and what to do about late
    /// patches.
    ///
    /// ```
    /// # static PATCHES: lockgate::Databases = lockgate::Databases::EMPTY;
    /// use std::time::Duration;
    ///
    /// use lockgate::DatabasesMigrator;
    ///
    /// let migrator = DatabasesMigrator::new(&PATCHES).options(|migrator| migrator.lock_timeout(Duration::from_secs(10)));
    /// # assert!(format!("{migrator:?}").contains("DatabasesMigrator"));
    /// ```
    ///
    /// With [`Atomicity::WholeRun`](crate::Atomicity::WholeRun), consecutive patches of one role in one database are one
    /// transaction.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(Migrator) -> Migrator) -> Self {
        self.migrator = change(self.migrator).among(self.databases);
        self
    }

    /// Reads the password of each role from the variable `{prefix}{ROLE}_PASSWORD`, or from the file that
    /// `{prefix}{ROLE}_PASSWORD_FILE` names. `{ROLE}` is the role in capital letters, with `_` for every character that
    /// is not an ASCII letter or digit. Two roles that would share a variable are an error.
    ///
    /// If neither variable is set for a role, the password of the URL is used if the URL names that role. Otherwise the
    /// name of the role is tried as its password, and an [`Event`](crate::Event) says so. Without this setting, no
    /// environment variable is read for roles.
    #[must_use]
    pub fn passwords_from_environment(mut self, prefix: impl Into<String>) -> Self {
        self.passwords = Passwords::Environment { prefix: prefix.into() };
        self
    }

    /// Sets a function that returns the password of a role. If it returns `None`, this has the same effect as a
    /// variable that is not set.
    #[must_use]
    pub fn passwords(mut self, of: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.passwords = Passwords::Function(Arc::new(of));
        self
    }

    /// Logs in only as the user of the URL, and switches to each role with `SET ROLE`. The user must be a member of the
    /// roles. Default: each role logs in.
    #[must_use]
    pub fn set_role(mut self) -> Self {
        self.roles = Roles::Set;
        self
    }

    /// Sets how long to wait for a server that is still starting. Default: not at all.
    #[must_use]
    pub fn wait_for_server(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Works only on this database.
    ///
    /// If none of the databases has this name, each verb fails with [`ErrorKind::Usage`](crate::ErrorKind::Usage).
    #[must_use]
    pub fn only(mut self, database: impl Into<String>) -> Self {
        self.only = Some(database.into());
        self
    }

    /// Keeps a mirror, a second copy of all histories, in the database of this name on the same server, or in the
    /// database of this URL. The database is created if it does not exist. Before a run changes anything, it compares
    /// all databases with the mirror. The run is refused if a database was dropped, restored to an older state, or
    /// replaced by another one; [`accept_in_mirror`](Self::accept_in_mirror) accepts it as it is. Default: the database
    /// that `mirror` in `migrations.toml` names. If it names none, there is no mirror, which costs nothing.
    #[must_use]
    pub fn mirror(mut self, database: impl Into<String>) -> Self {
        self.mirror = Mirroring::In(database.into());
        self
    }

    /// Does not use the mirror, for example while it cannot be reached. The next run with the mirror adds the missing
    /// rows to it.
    #[must_use]
    pub fn without_mirror(mut self) -> Self {
        self.mirror = Mirroring::Off;
        self
    }

    /// The databases that are migrated.
    pub fn databases(&self) -> &'static Databases {
        self.databases
    }

    /// Applies all pending patches in each database. If a database does not exist, its bootstraps create it, if there
    /// are any.
    ///
    /// The URL names the server: `postgres://user@host`. The database in the URL, or `postgres` if it names none, is
    /// the one to which the migrator connects while bootstraps create another database.
    ///
    /// # Errors
    ///
    /// Those of [`Migrator::apply`]. Each message begins with the name of the database, and of the role if one had
    /// logged in. [`ErrorKind::Denied`](crate::ErrorKind::Denied) if a role cannot log in or may not write the history,
    /// before anything runs. [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable) if a database does not exist and
    /// has no bootstraps.
    pub async fn apply(&self, server: &str) -> Result<DatabasesReport, Error> {
        let began = Instant::now();
        let server = self.server(server)?;
        let sites = self.sites(&server)?;
        let mirror = match self.mirror_url(&server)? {
            Some(url) => Some(Mirror::open(&url, None).await?),
            None => None,
        };
        if let Some(mirror) = &mirror {
            mirroring::settle(mirror, &sites).await?;
        }
        let mut surveys = Vec::with_capacity(sites.len());
        for site in &sites {
            let mut survey = site.survey().await?;
            site.check(&survey).await?;
            survey.bootstraps = Ok(survey.bootstraps?);
            survey.plan = Ok(survey.plan?);
            surveys.push(survey);
        }
        let mut report = DatabasesReport::default();
        for (site, survey) in sites.iter().zip(&surveys) {
            let mut of_it = DatabaseReport { database: site.name().to_owned(), ..DatabaseReport::default() };
            let brought = bring::bring(site, survey, &mut of_it).await;
            if let Some(mirror) = &mirror
                && !(brought.is_ok() && of_it.steps.is_empty())
            {
                mirroring::record(mirror, site).await?;
            }
            report.databases.push(of_it);
            brought.map_err(|error| bring::after(error, &report.databases))?;
        }
        report.elapsed = began.elapsed();
        Ok(report)
    }

    /// Returns the status of each database. Takes no lock and writes nothing.
    ///
    /// It logs in as the user of the URL, who needs SELECT on the history. If the URL names no user, or if that user
    /// may not read the history, it tries the roles of the patches, newest first.
    ///
    /// # Errors
    ///
    /// Those of [`Migrator::status`], for the first database that cannot be read.
    pub async fn status(&self, server: &str) -> Result<Vec<DatabaseStatus>, Error> {
        let server = self.server(server)?;
        let mut stand = Vec::new();
        let sites = self.sites(&server)?;
        let mirrored = mirroring::look(self.mirror_url(&server)?, &sites).await?;
        for (number, site) in sites.iter().enumerate() {
            let mirror = mirrored.as_ref().map(|(_, statuses)| statuses[number].clone());
            // A dropped database without bootstraps is no error of the status, which says so.
            let survey = match site.survey().await {
                Err(_) if mirror.as_ref().is_some_and(MirrorStatus::is_dropped) => site.nothing()?,
                survey => survey?,
            };
            let bootstraps_refused = survey.bootstraps.err().map_or_else(Vec::new, |error| error.reasons().to_vec());
            let up_refuses = survey.plan.is_err()
                || !bootstraps_refused.is_empty()
                || !survey.dropped.is_empty()
                || mirror.as_ref().is_some_and(|mirror| mirror.mismatch.is_some());
            stand.push(DatabaseStatus {
                database: site.name().to_owned(),
                exists: survey.exists,
                bootstraps: survey.waiting,
                bootstraps_refused,
                begun: survey.begun,
                dropped: survey.dropped,
                left_out: survey.left_out,
                bootstraps_changed: survey.changed,
                status: survey.status,
                up_refuses,
                mirror,
            });
        }
        Ok(stand)
    }

    /// Returns what [`apply`](Self::apply) would run on each database. Takes no lock and writes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if `apply` would refuse, and those of [`status`](Self::status).
    pub async fn plan(&self, server: &str) -> Result<Vec<DatabasePlan>, Error> {
        let server = self.server(server)?;
        let mut plans = Vec::new();
        let sites = self.sites(&server)?;
        if let Some((_, statuses)) = mirroring::look(self.mirror_url(&server)?, &sites).await? {
            mirror::refuse(&statuses)?;
        }
        for site in sites {
            let survey = site.survey().await?;
            plans.push(DatabasePlan {
                database: site.name().to_owned(),
                exists: survey.exists,
                bootstraps: survey.bootstraps?,
                left_out: survey.left_out,
                plan: survey.plan?,
            });
        }
        Ok(plans)
    }

    /// Returns what [`revert`](Self::revert) would run on a database. Takes no lock and writes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Migrator::plan_revert`], and [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a database without
    /// patches.
    pub async fn plan_revert(&self, server: &str, database: &str, destination: DownTo) -> Result<Plan, Error> {
        self.planned(server, database, Goal::Down(destination)).await
    }

    /// Returns what [`redo`](Self::redo) would run on a database. Takes no lock and writes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Migrator::plan_redo`], and [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a database without patches.
    pub async fn plan_redo(&self, server: &str, database: &str, steps: usize) -> Result<Plan, Error> {
        self.planned(server, database, Goal::Redo(steps)).await
    }

    /// Reverts patches of one database down to a destination, each as the role in its name.
    ///
    /// # Errors
    ///
    /// Those of [`Migrator::revert`], and [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a database without patches.
    pub async fn revert(&self, server: &str, database: &str, destination: DownTo) -> Result<DatabaseReport, Error> {
        let plan = self.plan_revert(server, database, destination).await?;
        self.apply_plan(server, database, &plan).await
    }

    /// Reverts this many of the newest patches of one database, and applies the same ones again, each as the role in its
    /// name.
    ///
    /// # Errors
    ///
    /// Those of [`Migrator::redo`], and [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a database without patches.
    pub async fn redo(&self, server: &str, database: &str, steps: usize) -> Result<DatabaseReport, Error> {
        let plan = self.plan_redo(server, database, steps).await?;
        self.apply_plan(server, database, &plan).await
    }

    /// Runs exactly this plan on a database, which was made by [`plan_revert`](Self::plan_revert) or
    /// [`plan_redo`](Self::plan_redo). Consecutive patches of a role are one run as that role.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PlanStale`](crate::ErrorKind::PlanStale) if the history has changed since the plan was made: nothing
    /// was run. Otherwise those of [`Migrator::apply_plan`].
    pub async fn apply_plan(&self, server: &str, database: &str, plan: &Plan) -> Result<DatabaseReport, Error> {
        let (server, one) = (self.server(server)?, self.clone().only(database));
        let sites = one.sites(&server)?;
        let site = sites.first().expect("a database that is not known is an error");
        let mirror = match self.mirror_url(&server)? {
            Some(url) => Some(Mirror::open(&url, None).await?),
            None => None,
        };
        if let Some(mirror) = &mirror {
            mirroring::settle(mirror, &sites).await?;
            mirror.expect(site.name(), site.migrator.name_of_set(), plan).await?;
        }
        let mut report = DatabaseReport { database: site.name().to_owned(), ..DatabaseReport::default() };
        let ran = as_roles::run_plan(site, &site.own(), plan, &mut report.steps).await;
        if let Some(mirror) = &mirror {
            mirroring::record(mirror, site).await?;
        }
        ran.map_err(|error| bring::after(error.on_database(site.name()), std::slice::from_ref(&report)))?;
        Ok(report)
    }

    async fn planned(&self, server: &str, database: &str, goal: Goal) -> Result<Plan, Error> {
        let (server, one) = (self.server(server)?, self.clone().only(database));
        let sites = one.sites(&server)?;
        let site = sites.first().expect("a database that is not known is an error");
        as_roles::planned(site, &site.own(), goal).await.map_err(|error| error.on_database(site.name()))
    }

    /// Checks what could stop [`apply`](Self::apply) on a database and is not checked by
    /// [`doctor::examine`](crate::doctor::examine): its bootstraps, and the logins and privileges of the roles that
    /// have pending patches. The database need not exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a database without patches, and
    /// [`ErrorKind::Unreachable`](crate::ErrorKind::Unreachable). Everything else is a finding.
    pub async fn examine(&self, server: &str, database: &str) -> Result<Vec<Finding>, Error> {
        let (server, one) = (self.server(server)?, self.clone().only(database));
        let sites = one.sites(&server)?;
        let site = sites.first().expect("a database that is not known is an error");
        let survey = match site.survey().await {
            Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
            Err(error) => return Ok(vec![Finding::of_error("roles", &error)]),
            Ok(survey) => survey,
        };
        let bootstraps = match &survey.bootstraps {
            Err(error) => Finding::of_error("bootstraps", error),
            Ok(_) if !survey.changed.is_empty() => {
                let differ: Vec<String> = survey.changed.iter().map(ToString::to_string).collect();
                let help = Wording::each(|audience| answer::help_of_changed(&survey.changed[0], audience));
                Finding::warning("bootstraps", differ.join("; "), help).on_bootstraps(database)
            }
            Ok(_) if !survey.left_out.is_empty() => {
                let which = survey.left_out.join(", ");
                let fact = format!("not recorded, and left out because the database exists: {which}");
                let last = &survey.left_out[survey.left_out.len() - 1];
                let help = Wording::each(|audience| answer::help_of_left_out(last, audience));
                Finding::warning("bootstraps", fact, help).on_bootstraps(database)
            }
            Ok(plan) if plan.is_empty() => Finding::ok("bootstraps", "none is pending"),
            Ok(plan) => {
                let drift = survey.begun.as_ref().map_or(&[][..], |begun| &begun.drift);
                doctor::ahead("bootstraps", plan, "run", drift).on_bootstraps(database)
            }
        };
        let roles = match site.check(&survey).await {
            Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
            Err(error) => Finding::of_error("roles", &error),
            Ok(()) => Finding::ok("roles", "every role with something to do may do it"),
        };
        let absent = (!survey.exists).then(|| {
            Finding::ok("database", format!("the database `{database}` does not exist yet: its bootstraps make it"))
        });
        Ok(absent.into_iter().chain([bootstraps, roles]).collect())
    }

    /// Returns the migrator of the bootstraps of a database. While bootstraps run, their history is in the database of
    /// the server's URL, because their own database does not exist yet. Use this migrator to correct that history after
    /// an interrupted run.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), lockgate::Error> {
    /// use lockgate::{Database, DatabasesMigrator, Repair, patch};
    ///
    /// # static PATCHES: lockgate::Databases = lockgate::Databases::EMPTY;
    /// let mut server = Database::connect("postgres://admin@db.internal/postgres").await?;
    /// let second = patch::version(0, 2).expect("a bootstrap has these numbers");
    /// DatabasesMigrator::new(&PATCHES).bootstraps("billing")?.repair(&mut server, Repair::Again(second)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a database without patches, or without bootstraps.
    pub fn bootstraps(&self, database: &str) -> Result<Migrator, Error> {
        let of = self.databases.get(database).ok_or_else(|| self.unknown(database))?;
        if of.bootstraps().is_empty() {
            return Err(Error::usage(format!("the database `{database}` has no bootstraps"))
                .with_help("use the migrator of the database: it has its own history"));
        }
        Ok(survey::running(&self.migrator, of).without_mirror())
    }

    /// Returns the migrator that corrects the record of the bootstraps of a database, and the URL of the database that
    /// has this record: the database itself, or while they run, the database of the server's URL.
    ///
    /// # Errors
    ///
    /// Those of [`bootstraps`](Self::bootstraps) and of [`status`](Self::status).
    #[doc(hidden)]
    pub async fn recorded_bootstraps(&self, server: &str, database: &str) -> Result<(Migrator, String), Error> {
        let running = self.bootstraps(database)?;
        let (server, one) = (self.server(server)?, self.clone().only(database));
        let sites = one.sites(&server)?;
        let site = sites.first().expect("a database that is not known is an error");
        let survey = site.survey().await?;
        Ok(match survey.exists && !survey.unfinished {
            true => (site.recorded().without_mirror(), server.url_of(site.name(), Login::OfUrl)?),
            false => (running, server.url_of(&server.maintenance, Login::OfUrl)?),
        })
    }

    /// Returns the URL of the maintenance database, to which the migrator connects while another database does not
    /// exist.
    #[doc(hidden)]
    pub fn maintenance_url(&self, server: &str) -> Result<String, Error> {
        let server = self.server(server)?;
        server.url_of(&server.maintenance, Login::OfUrl)
    }

    /// Returns whether a service may use each database, and if not, why, as [`wait::readiness`] does.
    ///
    /// # Errors
    ///
    /// Those of [`status`](Self::status).
    pub async fn ready(&self, server: &str) -> Result<Vec<(&'static str, Readiness)>, Error> {
        let server = self.server(server)?;
        let mut ready = Vec::new();
        for site in self.sites(&server)? {
            ready.push((site.name(), readiness(&site, site.survey().await?)));
        }
        Ok(ready)
    }

    /// Waits until each database has every patch, with a pause of at most `interval` between two reads.
    ///
    /// # Errors
    ///
    /// Those of [`wait::until_migrated`], for the first database that is not ready in time.
    pub async fn wait(&self, server: &str, patience: Duration, interval: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        let server = self.server(server)?;
        for site in self.sites(&server)? {
            let reader = site.own().readers.into_iter().next().expect("somebody can be asked");
            let absent = |error: Error| match site.of.is_absent(&error) {
                true => error
                    .with_kind(ErrorKind::TimedOut)
                    .with_help_instead("check whether the run that makes the database has started, and read its log"),
                false => error,
            };
            let url = server.url_of(site.name(), reader)?;
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = wait::until_migrated_polling(&site.migrator, &url, left, interval).await;
            waited.map_err(|error| absent(error).in_front(&super::server::place(site.name(), reader)))?;
        }
        Ok(())
    }

    /// Compares each database with the [`mirror`](Self::mirror), and also lists other databases that the mirror has.
    /// Writes nothing. The list is empty if there is no mirror, or if it does not exist yet.
    ///
    /// # Errors
    ///
    /// Those of [`status`](Self::status), of the databases and of the mirror.
    pub async fn mirror_status(&self, server: &str) -> Result<Vec<MirrorStatus>, Error> {
        let server = self.server(server)?;
        let looked = mirroring::look(self.mirror_url(&server)?, &self.sites(&server)?).await?;
        Ok(looked.map_or_else(Vec::new, |(memories, mut statuses)| {
            let others = memories.others(&statuses);
            statuses.extend(others.into_iter().filter(|_| self.only.is_none()));
            statuses
        }))
    }

    /// Accepts a database as it is: the [`mirror`](Self::mirror) copies its history, or removes its copy if the
    /// database does not exist, and keeps the reason. Returns what differed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) without a mirror or a reason, or for a database without patches;
    /// otherwise as for [`status`](Self::status), of the database and of the mirror.
    pub async fn accept_in_mirror(&self, server: &str, database: &str, reason: &str) -> Result<MirrorStatus, Error> {
        let server = self.server(server)?;
        let url = self.mirror_url(&server)?;
        let one = self.clone().only(database);
        let sites = one.sites(&server)?;
        let site = sites.first().expect("a database that is not known is an error");
        let mirror = Mirror::open(mirror::accepting(url.as_deref(), reason)?, None).await?;
        mirror.accept(&mut &*site, reason).await
    }

    /// Returns the URL of the mirror.
    fn mirror_url(&self, server: &Server<'_>) -> Result<Option<String>, Error> {
        let named = match &self.mirror {
            Mirroring::OfPolicy => self.databases.mirror(),
            Mirroring::In(named) => Some(named.as_str()),
            Mirroring::Off => None,
        };
        let Some(named) = named else { return Ok(None) };
        let url = mirror::url(named, server.url())?;
        mirror::check_place(&url, server.url(), self.databases.iter().map(DatabaseMigrations::name))?;
        Ok(Some(url))
    }

    fn server<'a>(&'a self, url: &'a str) -> Result<Server<'a>, Error> {
        Server::new(url, &self.passwords, &self.migrator, self.wait)
    }

    /// The databases to work on, after the checks that need no server.
    fn sites<'a>(&'a self, server: &'a Server<'a>) -> Result<Vec<Site<'a>>, Error> {
        let run = self.migrator.run()?;
        let table: TableName = run.history_table.table.clone();
        if self.roles == Roles::LogIn {
            self.passwords.check(self.all_roles().into_iter())?;
        }
        let chosen: Vec<&'static DatabaseMigrations> = match &self.only {
            None => self.databases.iter().collect(),
            Some(only) => vec![self.databases.get(only).ok_or_else(|| self.unknown(only))?],
        };
        let site = |of: &'static DatabaseMigrations| {
            let migrator = self.migrator.with_migrations(of.migrations(), "");
            Site { of, server, roles: self.roles, migrator, table: table.clone() }
        };
        Ok(chosen.into_iter().map(site).collect())
    }

    fn unknown(&self, only: &str) -> Error {
        let known: Vec<String> = self.databases.iter().map(|database| format!("`{}`", database.name())).collect();
        Error::usage(format!("there are no patches for the database `{only}`"))
            .with_help(format!("name one of {}", known.join(", ")))
    }

    /// The roles in the names of all patches.
    fn all_roles(&self) -> BTreeSet<&'static str> {
        let sets = self.databases.iter().flat_map(|database| [database.bootstraps(), database.migrations()]);
        let patches = sets.flat_map(Migrations::iter);
        patches.filter_map(|patch| Patch::parse(patch.id()).map(|patch| patch.user())).collect()
    }
}

/// Whether a service may work on a database: not before its bootstraps have run.
fn readiness(site: &Site<'_>, survey: Survey) -> Readiness {
    if let Some(half_way) = survey.begun.as_ref().and_then(wait::half_way) {
        return half_way;
    }
    let (migrations, bootstraps) = (site.of.migrations().len(), site.of.bootstraps().len());
    match wait::judge(&survey.status) {
        Readiness::Ready if !survey.waiting.is_empty() => {
            Readiness::Behind { missing: survey.waiting, embedded: migrations + bootstraps }
        }
        Readiness::Behind { missing, .. } if !survey.waiting.is_empty() => Readiness::Behind {
            missing: survey.waiting.into_iter().chain(missing).collect(),
            embedded: migrations + bootstraps,
        },
        readiness => readiness,
    }
}

impl fmt::Debug for DatabasesMigrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabasesMigrator")
            .field("databases", &self.databases)
            .field("roles", &self.roles)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}
