//! Looks at a database before anything runs: whether it exists, what is pending, and whether each role that has something
//! to do can log in and may write the history.

use lockgate_core::mirror::Found;
use lockgate_core::patch::Patch;
use lockgate_core::probe::{Object, Probe};
use lockgate_core::{Atomicity, Audience, Body, Dialect, Drift, History, Migration, Plan, Row, State, Status, UpTo};

use super::server::{Login, Refused, Server, Why, lost, place};
use super::set::DatabaseMigrations;
use crate::backend::postgres::rights::{self, Unbecoming};
use crate::database::Database;
use crate::error::{Cause, Error, ErrorKind, UNCHANGED, Wording};
use crate::history_table::{TableName, identifier};
use crate::migrations::Migrations;
use crate::migrator::Migrator;
use crate::mirror;

/// What follows the name of the set, where the history of a database records its bootstraps.
const BOOTSTRAPS: &str = "/bootstraps";
/// What follows it, and precedes the name of a database, where the maintenance database records that the bootstraps have
/// made that database.
const MADE: &str = "/made";

/// How roles are taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roles {
    /// Each logs in.
    LogIn,
    /// The user of the URL logs in, and becomes each by SET ROLE.
    Set,
}

/// What the verbs on one database need.
pub(super) struct Site<'a> {
    pub(super) of: &'static DatabaseMigrations,
    pub(super) server: &'a Server<'a>,
    pub(super) roles: Roles,
    /// For its patches.
    pub(super) migrator: Migrator,
    pub(super) table: TableName,
}

/// A database on which scripts run, and the set that runs there: the patches in their own database, the bootstraps in
/// the maintenance database.
pub(super) struct Place<'a> {
    pub(super) database: &'a str,
    pub(super) migrator: Migrator,
    /// The roles in the names of its scripts, the newest first.
    pub(super) roles: Vec<&'static str>,
    /// Who can be asked to read the history.
    pub(super) readers: Vec<Login<'static>>,
}

/// A database, as it was found.
pub(super) struct Survey {
    pub(super) exists: bool,
    /// Whether a run that makes the database was begun and has not ended.
    pub(super) unfinished: bool,
    /// The bootstraps that would run, or why none would.
    pub(super) bootstraps: Result<Plan, Error>,
    /// Those that have not run to their end.
    pub(super) waiting: Vec<String>,
    /// How far the run came that makes the database, if one was begun and has not ended.
    pub(super) begun: Option<Status>,
    /// Bootstraps that are recorded, and made a database that was dropped before the last of them had run.
    pub(super) dropped: Vec<String>,
    /// Bootstraps that are not recorded, although the database exists.
    pub(super) left_out: Vec<String>,
    /// How those that are recorded differ from the embedded ones.
    pub(super) changed: Vec<Drift>,
    pub(super) status: Status,
    /// The patches that would run, or why none would.
    pub(super) plan: Result<Plan, Error>,
}

/// What a database says of its patches and of its bootstraps.
struct Read {
    status: Status,
    plan: Result<Plan, Error>,
    /// The bootstraps that its history does not record.
    unrecorded: Vec<String>,
    /// How those that it records differ from the embedded ones.
    changed: Vec<Drift>,
    /// Whether it records any. They are recorded all at once, when all have run.
    is_over: bool,
}

impl Site<'_> {
    pub(super) fn name(&self) -> &'static str {
        self.of.name()
    }

    /// Where its patches run. The user that the URL names is asked first, then the roles, the newest first.
    pub(super) fn own(&self) -> Place<'static> {
        let roles = newest_roles(self.of.migrations());
        let readers = self.readers(&roles);
        Place { database: self.name(), migrator: self.migrator.clone(), roles, readers }
    }

    fn readers(&self, roles: &[&'static str]) -> Vec<Login<'static>> {
        let mut readers = Vec::new();
        if self.roles == Roles::Set || self.server.user.is_some() || roles.is_empty() {
            readers.push(Login::OfUrl);
        }
        if self.roles == Roles::LogIn {
            let others = roles.iter().copied().filter(|role| self.server.user.as_deref() != Some(*role));
            readers.extend(others.map(Login::Role));
        }
        readers
    }

    /// The bootstraps, as the history of their database records them.
    pub(super) fn recorded(&self) -> Migrator {
        self.migrator.with_migrations(self.of.bootstraps(), BOOTSTRAPS)
    }

    /// The bootstraps, as the maintenance database records them while they run.
    pub(super) fn running(&self) -> Migrator {
        running(&self.migrator, self.of)
    }

    /// The bootstraps, as the maintenance database records them when their database is made and has its own record. The
    /// rows from while they ran stay beside it, so that a second run waiting for the first one finds them.
    pub(super) fn made(&self) -> Migrator {
        self.migrator.with_migrations(self.of.bootstraps(), &format!("{MADE} {}", self.name()))
    }

    /// Where its bootstraps run.
    pub(super) fn maintenance(&self) -> Place<'_> {
        let roles = newest_roles(self.of.bootstraps());
        let readers = self.readers(&roles);
        Place { database: &self.server.maintenance, migrator: self.running(), roles, readers }
    }

    /// How a role logs in.
    pub(super) fn login<'r>(&self, role: &'r str) -> Login<'r> {
        match self.roles {
            Roles::LogIn => Login::Role(role),
            Roles::Set => Login::OfUrl,
        }
    }

    /// Looks at the database.
    pub(super) async fn survey(&self) -> Result<Survey, Error> {
        let mut first: Option<Refused> = None;
        for reader in self.own().readers {
            let mut database = match self.server.enter(self.name(), reader).await {
                Ok(database) => database,
                Err(refused) => match refused.why {
                    Why::NoDatabase if !self.of.bootstraps().is_empty() => return self.survey_absent().await,
                    // The server has checked the password before.
                    Why::NoDatabase => return Err(self.of.explained(refused.error)),
                    Why::Login if reader != Login::OfUrl => {
                        first.get_or_insert(refused);
                        continue;
                    }
                    Why::Login | Why::Other => return Err(refused.error),
                },
            };
            match self.read(&mut database).await {
                Ok(read) => return self.survey_present(read).await,
                Err(error) => {
                    let error = error.in_front(&place(self.name(), reader));
                    if error.kind() != ErrorKind::Denied {
                        return Err(error);
                    }
                    first.get_or_insert(Refused { why: Why::Other, error });
                }
            }
        }
        let refused = first.expect("somebody was asked");
        if refused.why == Why::Login && !self.of.bootstraps().is_empty() {
            // The bootstraps may create the role as well as the database.
            let existing = self.existing(&[]).await?;
            if !existing.database {
                return self.survey_absent().await;
            }
        }
        Err(refused.error)
    }

    /// A database that does not exist, without a look at the server.
    pub(super) fn nothing(&self) -> Result<Survey, Error> {
        let decided = |migrator: &Migrator| migrator.decided(&History::Absent, UpTo::Latest, Dialect::Postgres);
        Ok(Survey {
            exists: false,
            unfinished: false,
            bootstraps: decided(&self.running()),
            waiting: self.of.bootstraps().iter().map(|bootstrap| bootstrap.id().to_owned()).collect(),
            begun: None,
            dropped: Vec::new(),
            left_out: Vec::new(),
            changed: Vec::new(),
            status: lockgate_core::status(self.of.migrations().set(), &History::Absent),
            plan: decided(&self.migrator),
        })
    }

    /// The names under which its history has its patches and its bootstraps.
    pub(super) fn sets(&self) -> Vec<String> {
        mirror::sets(self.migrator.name_of_set(), &[BOOTSTRAPS])
    }

    /// Which database it is, and its history; `None` if it does not exist. It is read as [`survey`](Self::survey) does.
    pub(super) async fn observe(&self) -> Result<Option<Found>, Error> {
        let mut first: Option<Refused> = None;
        for reader in self.own().readers {
            let mut database = match self.server.enter(self.name(), reader).await {
                Ok(database) => database,
                Err(refused) => match refused.why {
                    Why::NoDatabase => return Ok(None),
                    Why::Login if reader != Login::OfUrl => {
                        first.get_or_insert(refused);
                        continue;
                    }
                    Why::Login | Why::Other => return Err(refused.error),
                },
            };
            let unread = |cause| Error::from_cause("the database cannot be reached", cause);
            let read = async {
                let mut backend = database.backend().await.map_err(unread)?;
                mirror::observe(&self.migrator.run()?, &mut *backend, &self.sets()).await
            };
            match read.await {
                Ok((_, found)) => return Ok(Some(found)),
                Err(error) if error.kind() == ErrorKind::Denied => {
                    let error = error.in_front(&place(self.name(), reader));
                    first.get_or_insert(Refused { why: Why::Other, error });
                }
                Err(error) => return Err(error.in_front(&place(self.name(), reader))),
            }
        }
        let refused = first.expect("somebody was asked");
        // The role may be missing together with the database.
        if refused.why == Why::Login && !self.existing(&[]).await?.database {
            return Ok(None);
        }
        Err(refused.error)
    }

    async fn read(&self, database: &mut Database) -> Result<Read, Error> {
        let (status, plan) = self.migrator.stand(&mut *database).await?;
        let plan = match plan {
            Err(error) if error.kind() != ErrorKind::Refused => return Err(error),
            plan => plan.map_err(|error| error.in_front(&place(self.name(), Login::OfUrl)).on_database(self.name())),
        };
        if self.of.bootstraps().is_empty() {
            return Ok(Read { status, plan, unrecorded: Vec::new(), changed: Vec::new(), is_over: true });
        }
        let recorded = self.recorded().status(database).await?;
        let (unrecorded, is_over) = (pending(&recorded), recorded.current().is_some());
        Ok(Read { status, plan, unrecorded, changed: changed(recorded.drift), is_over })
    }

    async fn survey_present(&self, read: Read) -> Result<Survey, Error> {
        let Read { status, plan, unrecorded, changed, is_over } = read;
        let dialect = Dialect::Postgres;
        // None of them runs, so it does not matter that they could not run in one transaction.
        let none =
            || self.recorded().atomicity(Atomicity::PerMigration).decided(&History::Absent, UpTo::Latest, dialect);
        let mut survey = Survey {
            exists: true,
            unfinished: false,
            bootstraps: Ok(none()?.leading(|_| false)),
            waiting: Vec::new(),
            begun: None,
            dropped: Vec::new(),
            left_out: unrecorded,
            changed,
            status,
            plan,
        };
        if is_over || survey.left_out.is_empty() {
            return Ok(survey);
        }
        let mut maintenance = self.enter_maintenance().await?;
        let migrator = self.running();
        let (begun, plan) = migrator.stand(&mut maintenance).await.map_err(|error| self.in_maintenance(error))?;
        if begun.current().is_none() {
            return Ok(survey);
        }
        if have_all_run(&begun) {
            let made = self.made().status(&mut maintenance).await.map_err(|error| self.in_maintenance(error))?;
            if made.current().is_some() {
                // They made another database of this name, which was dropped since.
                return Ok(survey);
            }
        }
        survey.unfinished = true;
        survey.bootstraps = self.decided_in_maintenance(plan)?;
        survey.waiting = waiting(&begun);
        survey.begun = Some(begun);
        survey.left_out.clear();
        Ok(survey)
    }

    async fn survey_absent(&self) -> Result<Survey, Error> {
        let mut maintenance = self.enter_maintenance().await?;
        let migrator = self.running();
        let (begun, plan) = migrator.stand(&mut maintenance).await.map_err(|error| self.in_maintenance(error))?;
        let is_over = have_all_run(&begun);
        let dropped = if is_over { Vec::new() } else { self.have_made(&begun) };
        let bootstraps = match is_over {
            _ if !dropped.is_empty() => Err(self.in_maintenance(self.dropped_half_way(&dropped))),
            // All of them ran once, and the database was dropped since.
            true => self.decided_in_maintenance(migrator.decided(&History::Absent, UpTo::Latest, Dialect::Postgres))?,
            false => self.decided_in_maintenance(plan)?,
        };
        let waiting = match &bootstraps {
            Ok(plan) => plan.steps.iter().map(|step| step.id.clone()).collect(),
            Err(_) => waiting(&begun),
        };
        let status = lockgate_core::status(self.of.migrations().set(), &History::Absent);
        let plan = self.migrator.decided(&History::Absent, UpTo::Latest, Dialect::Postgres);
        let unfinished = begun.current().is_some() && !is_over;
        Ok(Survey {
            exists: false,
            unfinished,
            bootstraps,
            waiting,
            begun: unfinished.then_some(begun),
            dropped,
            left_out: Vec::new(),
            changed: Vec::new(),
            status,
            plan,
        })
    }

    /// The bootstraps that are recorded, from the one on that created the database.
    fn have_made(&self, begun: &Status) -> Vec<String> {
        let recorded: Vec<_> = begun.entries.iter().filter(|entry| entry.row.is_some()).collect();
        let has_created = |id: &str, row: &Row| {
            let Some(bootstrap) = self.of.bootstraps().iter().find(|bootstrap| bootstrap.id() == id) else {
                return false;
            };
            let Some(text) = text(&bootstrap) else { return false };
            let statements = bootstrap.up().statements(Dialect::Postgres);
            let done = match row.state {
                State::Applied => statements.len(),
                State::Partial | State::Reverting => (row.statements_done as usize).min(statements.len()),
            };
            let created = Probe::Exists(Object::Database, self.name().to_owned());
            statements[..done].iter().any(|statement| Probe::of(text, statement) == created)
        };
        let first = recorded.iter().position(|entry| entry.row.as_ref().is_some_and(|row| has_created(&entry.id, row)));
        first.map_or_else(Vec::new, |first| recorded[first..].iter().map(|entry| entry.id.clone()).collect())
    }

    /// What remains of the bootstraps cannot run, as it is for a database that is gone.
    fn dropped_half_way(&self, dropped: &[String]) -> Error {
        let name = self.name();
        let summary =
            format!("the database `{name}` was dropped after its bootstraps had made it, and before they ended");
        let forget = |audience: Audience| {
            let each = dropped
                .iter()
                .rev()
                .map(|id| audience.forget(Patch::parse(id).map_or(id.as_str(), |patch| patch.key())));
            each.collect::<Vec<_>>().join(", then ")
        };
        Error::new(ErrorKind::Refused, summary).with_state(UNCHANGED).with_help(Wording::each(|audience| {
            format!(
                "undo by hand what they have done besides, forget them ({}), then {} runs them again",
                forget(audience),
                audience.up()
            )
        }))
    }

    /// The plan of the bootstraps. That it is refused is an answer; that it cannot be made is an error.
    fn decided_in_maintenance(&self, plan: Result<Plan, Error>) -> Result<Result<Plan, Error>, Error> {
        match plan.map_err(|error| self.in_maintenance(error)) {
            Err(error) if error.kind() != ErrorKind::Refused => Err(error),
            decided => Ok(decided),
        }
    }

    /// Logs in to the maintenance database, to read there: as the user of the URL, or else as the role of a bootstrap.
    pub(super) async fn enter_maintenance(&self) -> Result<Database, Error> {
        let Place { database, readers, .. } = self.maintenance();
        let mut first: Option<Refused> = None;
        for reader in readers {
            match self.server.enter(database, reader).await {
                Ok(connected) => return Ok(connected),
                Err(refused) if refused.why == Why::NoDatabase => {
                    return Err(refused.error.with_help_instead(format!(
                        "name a database that exists in the URL of the server, instead of `{database}`: it is used while \
                         others are made"
                    )));
                }
                Err(refused) if refused.why == Why::Login => {
                    first.get_or_insert(refused);
                }
                Err(refused) => return Err(refused.error),
            }
        }
        Err(first.expect("somebody was asked").error)
    }

    fn in_maintenance(&self, error: Error) -> Error {
        error.in_front(&place(&self.server.maintenance, Login::OfUrl)).on_bootstraps(self.name())
    }

    /// What the server has of the database and of these roles.
    pub(super) async fn existing(&self, roles: &[&str]) -> Result<rights::Existing, Error> {
        let mut maintenance = self.enter_maintenance().await?;
        let connection = maintenance.postgres().ok_or_else(lost)?;
        let existing = rights::existing(connection, self.name(), roles).await;
        existing.map_err(|cause| Error::from_cause("the catalogue of the server cannot be read", cause))
    }

    /// Checks, before anything runs, that each role with something to do can do it.
    pub(super) async fn check(&self, survey: &Survey) -> Result<(), Error> {
        let maintenance = self.maintenance();
        let Ok(bootstraps) = &survey.bootstraps else { return Ok(()) };
        self.check_roles(&maintenance, &of_steps(bootstraps), true).await?;
        let Ok(plan) = &survey.plan else { return Ok(()) };
        let roles = of_steps(plan);
        if survey.exists && !survey.unfinished {
            self.check_roles(&self.own(), &roles, true).await?;
            return self.check_roles_of_scripts(&self.own(), plan).await;
        }
        // A role may not exist before the bootstraps have run, and one of them may give it another password.
        let texts = self.of.bootstraps().iter().filter_map(|bootstrap| text(&bootstrap));
        let texts: Vec<&str> = texts.filter(|text| text.to_ascii_lowercase().contains("password")).collect();
        let mut roles: Vec<&str> =
            roles.into_iter().filter(|role| !texts.iter().any(|text| text.contains(role))).collect();
        if roles.is_empty() {
            return Ok(());
        }
        let existing = self.existing(&roles).await?;
        roles.retain(|role| existing.roles.iter().any(|known| known == role));
        self.check_roles(&maintenance, &roles, false).await
    }

    /// Checks that these roles can log in to a database, or that the login can become them; and, in the database of the
    /// patches, that they may write the history.
    async fn check_roles(&self, at: &Place<'_>, roles: &[&str], history: bool) -> Result<(), Error> {
        if self.roles == Roles::Set {
            if roles.is_empty() {
                return Ok(());
            }
            let mut connected = self.enter(at.database, Login::OfUrl).await?;
            let connection = connected.postgres().ok_or_else(lost)?;
            let found = rights::unbecoming(connection, roles).await;
            let found = found.map_err(|cause| Error::from_cause("the roles cannot be read", cause))?;
            found.map_or(Ok(()), |found| Err(unbecoming(at.database, found)))?;
            return if history { self.check_history(at, &mut connected, Login::OfUrl, true).await } else { Ok(()) };
        }
        for (number, role) in roles.iter().enumerate() {
            let login = Login::Role(role);
            let mut connected = self.enter(at.database, login).await?;
            if history {
                self.check_history(at, &mut connected, login, number == 0).await?;
            }
        }
        Ok(())
    }

    /// Checks that each role can become those that the heads of its scripts name: `-- lockgate: role x`.
    async fn check_roles_of_scripts(&self, at: &Place<'_>, plan: &Plan) -> Result<(), Error> {
        if self.roles == Roles::Set {
            return Ok(());
        }
        let find = |version| self.of.migrations().iter().find(|patch| patch.version() == version);
        let pending: Vec<Migration> = plan.steps.iter().filter_map(|step| find(step.version)).collect();
        // A script of this run may create the role, or grant it.
        let texts: Vec<String> = pending.iter().filter_map(text).map(str::to_ascii_lowercase).collect();
        let may_change = |role: &str| {
            let role = role.to_ascii_lowercase();
            texts.iter().any(|text| {
                (text.contains("grant") || text.contains("create")) && {
                    text.lines().any(|line| line.contains(&role) && !line.trim_start().starts_with("-- lockgate:"))
                }
            })
        };
        for login in of_steps(plan) {
            let own =
                pending.iter().filter(|patch| Patch::parse(patch.id()).is_some_and(|patch| patch.user() == login));
            let mut named: Vec<&str> =
                own.filter_map(|patch| patch.up().role()).filter(|role| !may_change(role)).collect();
            named.sort_unstable();
            named.dedup();
            if named.is_empty() {
                continue;
            }
            let mut connected = self.enter(at.database, Login::Role(login)).await?;
            let connection = connected.postgres().ok_or_else(lost)?;
            let found = rights::unbecoming(connection, &named).await;
            let found = found.map_err(|cause| Error::from_cause("the roles cannot be read", cause))?;
            found.map_or(Ok(()), |found| Err(unbecoming(at.database, found)))?;
        }
        Ok(())
    }

    pub(super) async fn enter(&self, database: &str, login: Login<'_>) -> Result<Database, Error> {
        let entered = self.server.enter(database, login).await;
        entered.map_err(|refused| match refused.why {
            Why::NoDatabase if database == self.name() => self.of.explained(refused.error),
            Why::NoDatabase | Why::Login | Why::Other => refused.error,
        })
    }

    /// Checks that a role may write the history, or that its owner can let it. The first role creates it if need be.
    async fn check_history(
        &self,
        at: &Place<'_>,
        database: &mut Database,
        login: Login<'_>,
        is_first: bool,
    ) -> Result<(), Error> {
        let unreadable = |cause: Cause| Error::from_cause("the rights to the history cannot be read", cause);
        let connection = database.postgres().ok_or_else(lost)?;
        let denied = |what: String, statements: &[String]| {
            Error::new(ErrorKind::Denied, what).in_front(&place(at.database, login)).with_state(UNCHANGED).with_help(
                format!("let the owner of it, or a superuser, run `{}`, then run again", statements.join("; ")),
            )
        };
        let user = match login {
            Login::Role(role) => role.to_owned(),
            Login::OfUrl => self.server.user.clone().unwrap_or_default(),
        };
        let Some(access) = rights::of_history(connection, &self.table).await.map_err(unreadable)? else {
            let closed = rights::closed_schema(connection, &self.table).await.map_err(unreadable)?;
            return match closed.filter(|_| is_first) {
                Some(schema) => Err(denied(
                    format!("it creates the history table, and may not create tables in the schema `{schema}`"),
                    &[format!("GRANT USAGE, CREATE ON SCHEMA {} TO {}", identifier(&schema), identifier(&user))],
                )),
                None => Ok(()),
            };
        };
        if access.writes {
            let read = at.migrator.status(database).await;
            return read.map(drop).map_err(|error| error.in_front(&place(at.database, login)));
        }
        match self.owner_login(at, &access.owner) {
            Some(owner) if owner != login => self.enter(at.database, owner).await.map(drop),
            _ => Err(denied("it may not read and write the history".to_owned(), &access.grants(&self.table, &user))),
        }
    }

    /// How the owner of a history logs in, if this program can log in as such.
    pub(super) fn owner_login<'o>(&self, at: &Place<'_>, owner: &'o str) -> Option<Login<'o>> {
        if self.server.user.as_deref() == Some(owner) {
            return Some(Login::OfUrl);
        }
        (self.roles == Roles::LogIn && at.roles.contains(&owner)).then_some(Login::Role(owner))
    }

    /// Lets the other roles of the scripts, and the user of the URL, use the history, if the role of this connection owns
    /// it.
    pub(super) async fn open_history(&self, at: &Place<'_>, database: &mut Database, owner: &str) -> Result<(), Error> {
        let failed = |cause: Cause| {
            Error::from_cause("the history could not be opened to the other roles", cause)
                .in_front(&place(at.database, Login::Role(owner)))
        };
        let writers: Vec<&str> = at.roles.iter().copied().filter(|role| *role != owner).collect();
        let reader = self.server.user.as_deref().filter(|user| !writers.contains(user) && *user != owner);
        if writers.is_empty() && reader.is_none() {
            return Ok(());
        }
        let connection = database.postgres().ok_or_else(lost)?;
        let access = rights::of_history(connection, &self.table).await.map_err(failed)?;
        let Some(access) = access.filter(|access| access.owner == owner) else { return Ok(()) };
        access.open_to(connection, &self.table, &writers, reader).await.map_err(failed)
    }
}

/// The migrator for the bootstraps of a database, whose history is in the maintenance database while they run.
pub(super) fn running(migrator: &Migrator, of: &'static DatabaseMigrations) -> Migrator {
    migrator.with_migrations(of.bootstraps(), &format!("{BOOTSTRAPS} of {}", of.name()))
}

/// Whether a run that makes the database has finished. If the database is gone, it was dropped since, and the texts of the
/// bootstraps may be others now.
pub(super) fn have_all_run(begun: &Status) -> bool {
    let has_run = |row: &Row| row.state == State::Applied;
    begun.current().is_some() && begun.entries.iter().all(|entry| entry.row.as_ref().map_or(entry.skipped, has_run))
}

fn pending(status: &Status) -> Vec<String> {
    status.pending().map(|entry| entry.id.clone()).collect()
}

/// The differences of bootstraps that have run. What has not run is left out, and a newer build may have run more.
fn changed(drift: Vec<Drift>) -> Vec<Drift> {
    let is_unrecorded =
        |drift: &Drift| matches!(drift, Drift::Missing { .. } | Drift::OutOfOrder { .. } | Drift::Ahead { .. });
    drift.into_iter().filter(|drift| !is_unrecorded(drift)).collect()
}

/// The bootstraps that have not run to their end.
fn waiting(begun: &Status) -> Vec<String> {
    let has_run = |row: &Row| row.state == State::Applied;
    let rest = begun.entries.iter().filter(|entry| !entry.skipped && !entry.row.as_ref().is_some_and(has_run));
    rest.map(|entry| entry.id.clone()).collect()
}

/// The roles in the names of patches, the newest first.
fn newest_roles(patches: &'static Migrations) -> Vec<&'static str> {
    let mut roles = Vec::new();
    for patch in patches.iter().rev() {
        let role = Patch::parse(patch.id()).map(|patch| patch.user());
        roles.extend(role.filter(|role| !roles.contains(role)));
    }
    roles
}

/// The roles of the steps of a plan, in their order.
fn of_steps(plan: &Plan) -> Vec<&str> {
    let mut roles: Vec<&str> = Vec::new();
    for role in plan.steps.iter().filter_map(|step| step.role()) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}

fn text(migration: &Migration) -> Option<&'static str> {
    match migration.up().body() {
        Body::Sql(text) => Some(text),
        Body::Rust => None,
    }
}

fn unbecoming(database: &str, found: Unbecoming) -> Error {
    let (what, help) = match found {
        Unbecoming::Missing(role) => {
            (format!("the role `{role}` does not exist"), format!("create it: `CREATE ROLE {}`", identifier(&role)))
        }
        Unbecoming::NotMember { role, login } => (
            format!("`{login}` is not a member of the role `{role}`, and cannot become it by SET ROLE"),
            format!("let a superuser run `GRANT {} TO {}`, then run again", identifier(&role), identifier(&login)),
        ),
    };
    Error::new(ErrorKind::Denied, what).in_front(&place(database, Login::OfUrl)).with_state(UNCHANGED).with_help(help)
}
