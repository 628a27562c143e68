//! The mirror: what the histories of databases say, kept a second time in a database of its own. Before a run changes
//! anything, each database is compared with it.
//!
//! A run writes to the mirror when it has ended in a database, and not after each migration: what the mirror lacks is
//! added at the next start, so that a kill at any moment loses nothing. What a run reverts or corrects is the opposite:
//! it would look like an older state of the database. So the mirror is told of it before the run.

use std::fmt;
use std::sync::Arc;

use lockgate_core::companion::is_of_repeatable;
use lockgate_core::mirror::{Found, Identity, Memory, compare};
use lockgate_core::{Action, CompanionKind, Plan};
use tokio::sync::Mutex;

use crate::DatabaseParts;
use crate::backend::postgres::mirror::{self as tables, Taken};
use crate::backend::{Backend, BoxFuture};
use crate::database::Database;
use crate::error::{Cause, Error, ErrorKind, UNCHANGED, Wording};
use crate::event::Event;
use crate::failure;
use crate::history_table::{HistoryTable, identifier};
use crate::migrations::Migrations;
use crate::migrator::{Migrator, open};
use crate::run::{Mirrored, Mirroring, Run};
use crate::target::Target;

pub use lockgate_core::mirror::Mismatch as MirrorMismatch;

/// The tables of a mirror.
static TABLES: Migrations = crate::embed_migrations!("mirror", crate = crate);

/// The set of these tables, in the history of the database that has them.
const SET: &str = "lockgate/mirror";

/// The database that exists on every server.
const MAINTENANCE: &str = "postgres";

/// How a database compares with its mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorStatus {
    /// The database.
    pub database: String,
    /// How many migrations the mirror has of it.
    pub remembered: usize,
    /// How many are applied that the mirror does not have yet. The next run adds them.
    pub behind: usize,
    /// What differs. Nothing runs on the database until that is settled.
    pub mismatch: Option<MirrorMismatch>,
    /// Whether the database was looked at. The mirror may have others than those of this program.
    pub is_compared: bool,
}

impl MirrorStatus {
    /// Whether the database does not exist, and the mirror has it.
    pub(crate) fn is_dropped(&self) -> bool {
        matches!(self.mismatch, Some(MirrorMismatch::Dropped { .. }))
    }
}

impl fmt::Display for MirrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remembered = self.remembered;
        let noun = if remembered == 1 { "migration" } else { "migrations" };
        match &self.mismatch {
            Some(mismatch) => write!(f, "{mismatch}"),
            None if self.behind > 0 => {
                write!(f, "the mirror has {remembered} {noun}, and lacks {} that the next run adds", self.behind)
            }
            None if self.is_compared => write!(f, "the mirror has the same {remembered} {noun}"),
            None => write!(f, "the mirror has {remembered} {noun}; the database was not looked at"),
        }
    }
}

/// A mirror that can be read and written.
pub(crate) struct Mirror {
    database: Mutex<Database>,
    /// Its name, if there was none and this run has made it.
    new: Option<String>,
}

/// What the mirror has of all databases.
pub(crate) struct Memories(Vec<(String, Memory)>);

impl Memories {
    /// What it has of a database in these sets.
    pub(crate) fn of(&self, database: &str, sets: &[String]) -> Memory {
        let known = self.0.iter().find(|(name, _)| name == database);
        let mut memory = known.map_or_else(Memory::default, |(_, memory)| memory.clone());
        // Mirrors of earlier releases have repeatable scripts too.
        memory.rows.retain(|row| sets.contains(&row.set) && !is_of_repeatable(&row.id, row.version));
        memory
    }

    /// How a database compares. `found` is `None` if it does not exist.
    pub(crate) fn status(&self, database: &str, sets: &[String], found: Option<&Found>) -> MirrorStatus {
        let memory = self.of(database, sets);
        let known = |set: &str, version| memory.rows.iter().any(|row| row.set == set && row.version == version);
        let applied = found.into_iter().flat_map(Found::applied);
        MirrorStatus {
            database: database.to_owned(),
            remembered: memory.rows.len(),
            behind: applied.filter(|(set, row)| !known(set, row.version)).count(),
            mismatch: compare(&memory, found),
            is_compared: true,
        }
    }

    /// Whether the mirror has to be written, although nothing differs.
    pub(crate) fn is_outdated(&self, database: &str, sets: &[String], found: &Found) -> bool {
        let memory = self.of(database, sets);
        let is_known = memory.identity.as_ref() == Some(&found.identity) || found.rows.is_empty();
        let behind = self.status(database, sets, Some(found)).behind;
        behind > 0 || !is_known || memory.rows.iter().any(|row| row.leaving)
    }

    /// The databases that are not among these, as far as the mirror knows.
    pub(crate) fn others(&self, compared: &[MirrorStatus]) -> Vec<MirrorStatus> {
        let others = self.0.iter().filter(|(name, _)| compared.iter().all(|status| status.database != *name));
        let status = |(name, memory): &(String, Memory)| MirrorStatus {
            database: name.clone(),
            remembered: memory.rows.len(),
            behind: 0,
            mismatch: None,
            is_compared: false,
        };
        others.map(status).collect()
    }
}

/// A database that can be compared with its mirror.
pub(crate) trait Observed: Send {
    /// Looks at it.
    fn observe(&mut self) -> BoxFuture<'_, Result<Seen, Error>>;
}

/// A database at one moment.
pub(crate) struct Seen {
    pub(crate) database: String,
    /// The sets whose histories were read.
    pub(crate) sets: Vec<String>,
    /// `None` if the database does not exist.
    pub(crate) found: Option<Found>,
}

impl Seen {
    /// How it compares.
    pub(crate) fn status(&self, memories: &Memories) -> MirrorStatus {
        memories.status(&self.database, &self.sets, self.found.as_ref())
    }
}

impl Mirror {
    /// Compares databases, and refuses those that differ. Then the mirror gets what it did not know. `tell` learns that
    /// there was no mirror: a misspelt name would protect nothing.
    pub(crate) async fn settle<O: Observed>(
        &self,
        databases: &mut [O],
        tell: impl FnOnce(Event),
    ) -> Result<Vec<Seen>, Error> {
        let mut looks = 0;
        // The mirror is read before the databases, so that another run, which writes to the databases first, is not taken
        // for a difference. One that reverts is noticed by the second look.
        let (memories, all) = loop {
            let memories = self.memories().await?;
            let mut all = Vec::with_capacity(databases.len());
            for database in &mut *databases {
                all.push(database.observe().await?);
            }
            let statuses: Vec<MirrorStatus> = all.iter().map(|seen| seen.status(&memories)).collect();
            looks += 1;
            match refuse(&statuses) {
                Ok(()) => break (memories, all),
                Err(error) if looks == 2 => return Err(error),
                Err(_) => {}
            }
        };
        for seen in &all {
            if let Some(found) = &seen.found
                && memories.is_outdated(&seen.database, &seen.sets, found)
            {
                self.take(seen, Taken::Added).await?;
            }
        }
        if let Some(mirror) = &self.new {
            let databases = all.iter().filter(|seen| seen.found.is_some()).count();
            tell(Event::MirrorCreated { mirror: mirror.clone(), databases });
        }
        Ok(all)
    }

    /// Writes down what a run has left in a database. If that fails, the next run does it, and `tell` says so.
    pub(crate) async fn record(&self, name: &str, mut database: impl Observed, tell: impl FnOnce(Event)) {
        let recorded = async {
            let seen = database.observe().await?;
            if seen.found.is_some() { self.take(&seen, Taken::Settled).await } else { Ok(()) }
        };
        if let Err(error) = recorded.await {
            tell(Event::MirrorBehind { database: name.to_owned(), reason: error.to_string() });
        }
    }

    /// Takes a database over as it is, and returns how it differed.
    pub(crate) async fn accept(&self, database: &mut impl Observed, reason: &str) -> Result<MirrorStatus, Error> {
        let memories = self.memories().await?;
        let seen = database.observe().await?;
        self.take(&seen, Taken::Accepted(reason)).await?;
        Ok(seen.status(&memories))
    }

    /// Opens the mirror for a run, and makes it first if it does not exist. The mirror lists its own tables too.
    /// It must not be in the database `beside`.
    pub(crate) fn open<'a>(url: &'a str, beside: Option<&'a Identity>) -> BoxFuture<'a, Result<Self, Error>> {
        // In a box, as its own tables are made by a run.
        Box::pin(async move { Self::made(url, beside).await.map_err(|error| unusable(error).with_state(UNCHANGED)) })
    }

    async fn made(url: &str, beside: Option<&Identity>) -> Result<Self, Error> {
        check_name(&crate::url::parts(url).and_then(|(parts, _)| parts.name).unwrap_or_default())?;
        let mut database = match Database::connect(url).await {
            Ok(database) => database,
            Err(error) if is_absent(&error) => {
                create(url).await?;
                Database::connect(url).await?
            }
            Err(error) => return Err(error),
        };
        let place = database.backend().await.map_err(unread)?.identity().await.map_err(unread)?;
        if let (Some((name, place)), Some(beside)) = (&place, beside)
            && place == beside
        {
            return Err(in_its_own(name));
        }
        let migrator = Migrator::new(&TABLES).set_name(SET);
        let applied = migrator.apply(&mut database).await?.steps.len();
        let is_new = applied > 0;
        let seen = Watching { run: &migrator.run()?, backend: &mut *database.backend().await.map_err(unread)? }
            .observe()
            .await?;
        // An older mirror has some of its tables.
        let new = (applied == TABLES.len()).then(|| seen.database.clone());
        let mirror = Self { database: Mutex::new(database), new };
        if is_new || mirror.memories().await?.of(&seen.database, &seen.sets).rows.is_empty() {
            mirror.take(&seen, Taken::Added).await?;
        }
        Ok(mirror)
    }

    /// Opens the mirror to read it. `None` if it does not exist yet.
    pub(crate) async fn look(url: &str) -> Result<Option<Self>, Error> {
        let looked = async {
            let mut database = match Database::connect(url).await {
                Ok(database) => database,
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            let migrator = Migrator::new(&TABLES).set_name(SET);
            if migrator.status(&mut database).await?.current().is_none() {
                return Ok(None);
            }
            Ok(Some(Self { database: Mutex::new(database), new: None }))
        };
        looked.await.map_err(unusable)
    }

    /// What it has of all databases.
    pub(crate) async fn memories(&self) -> Result<Memories, Error> {
        let mut database = self.database.lock().await;
        let connection = database.postgres().ok_or_else(lost)?;
        tables::memories(connection).await.map(Memories).map_err(|cause| unusable(unread(cause)))
    }

    /// Notes what a plan is about to revert or to correct.
    pub(crate) async fn expect(&self, database: &str, set: &str, plan: &Plan) -> Result<(), Error> {
        let changes = plan.steps.iter().filter(|step| match step.action {
            // The mirror has no repeatable scripts: what was lost of them, the next run makes again.
            Action::Apply | Action::ApplyAgain | Action::ResumeApply { .. } | Action::Record => false,
            Action::Revert | Action::ResumeRevert { .. } | Action::Rewrite | Action::Settle { .. } | Action::Forget => {
                true
            }
        });
        let versions: Vec<i64> = changes.map(|step| step.version.get()).collect();
        if versions.is_empty() {
            return Ok(());
        }
        let mut mirror = self.database.lock().await;
        let connection = mirror.postgres().ok_or_else(lost)?;
        let marked = tables::mark_leaving(connection, database, set, &versions).await;
        marked.map_err(|cause| unusable(Error::from_cause("it could not be written", cause)).with_state(UNCHANGED))
    }

    /// Writes what a database has to the mirror.
    async fn take(&self, seen: &Seen, taken: Taken<'_>) -> Result<(), Error> {
        let Seen { database, sets, found } = seen;
        let mut mirror = self.database.lock().await;
        let connection = mirror.postgres().ok_or_else(lost)?;
        let written = tables::take(connection, database, sets, found.as_ref(), taken).await;
        written.map_err(|cause| unusable(Error::from_cause("it could not be written", cause)))
    }
}

/// The names of the sets of a migrator: its own, and its own with these suffixes.
pub(crate) fn sets(set: &str, suffixes: &[&str]) -> Vec<String> {
    std::iter::once("").chain(suffixes.iter().copied()).map(|suffix| format!("{set}{suffix}")).collect()
}

/// Reads the name of a database, and its history in these sets.
pub(crate) async fn observe(
    run: &Run<'_>,
    backend: &mut dyn Backend,
    sets: &[String],
) -> Result<(String, Found), Error> {
    let mut rows = Vec::new();
    for set in sets {
        let history_table = HistoryTable { set: set.clone(), ..run.history_table.clone() };
        let history = backend.read(&history_table).await.map_err(|cause| failure::unread(cause, run))?;
        // A repeatable script is meant to change, and the next run makes again what was lost of it.
        let lasting = history.rows().iter().filter(|row| !row.is_repeatable());
        rows.extend(lasting.map(|row| (set.clone(), row.clone())));
    }
    let identity = backend.identity().await.map_err(unread)?;
    let (name, identity) = identity.ok_or_else(|| {
        Error::usage("only databases of PostgreSQL have a mirror").with_help(Wording::each(|audience| match audience {
            lockgate_core::Audience::Rust => "leave out `Migrator::mirror`".to_owned(),
            lockgate_core::Audience::CommandLine => "leave out `--mirror`".to_owned(),
        }))
    })?;
    Ok((name, Found { identity, rows }))
}

/// Refuses databases that differ from their mirror.
pub(crate) fn refuse<'a>(statuses: impl IntoIterator<Item = &'a MirrorStatus>) -> Result<(), Error> {
    let mut reasons = Vec::new();
    for MirrorStatus { database, mismatch, .. } in statuses {
        let Some(mismatch) = mismatch else { continue };
        let help = Wording::each(|audience| mismatch.help_for(audience, database));
        reasons.push((format!("the database `{database}`: {mismatch}"), help));
    }
    let summary = match reasons.len() {
        0 => return Ok(()),
        1 => "a database differs from its mirror, and nothing runs until that is settled".to_owned(),
        many => format!("{many} databases differ from their mirror, and nothing runs until that is settled"),
    };
    Err(Error::refused_for(summary, &reasons))
}

/// The mirror of a [`Migrator`].
struct Of {
    url: String,
}

/// The database of a run, on the connection of the run.
struct Watching<'w, 'r> {
    run: &'w Run<'r>,
    backend: &'w mut dyn Backend,
}

impl Observed for Watching<'_, '_> {
    fn observe(&mut self) -> BoxFuture<'_, Result<Seen, Error>> {
        Box::pin(async move {
            let manual =
                self.run.migrations.set().companion(CompanionKind::Manual).map(|_| CompanionKind::Manual.suffix());
            let sets = sets(&self.run.history_table.set, manual.as_slice());
            let (database, found) = observe(self.run, self.backend, &sets).await?;
            Ok(Seen { database, sets, found: Some(found) })
        })
    }
}

impl Mirroring for Of {
    fn settle<'b>(
        &'b self,
        run: &'b Run<'_>,
        backend: &'b mut dyn Backend,
    ) -> BoxFuture<'b, Result<Box<dyn Mirrored>, Error>> {
        Box::pin(async move {
            let identity = backend.identity().await.map_err(unread)?.map(|(_, identity)| identity);
            let mirror = Mirror::open(&self.url, identity.as_ref()).await?;
            let seen = mirror.settle(&mut [Watching { run, backend }], |event| run.tell(event)).await?;
            let database = seen.into_iter().next().expect("one database was compared").database;
            Ok(Box::new(Watched { mirror, database }) as Box<dyn Mirrored>)
        })
    }
}

/// One database and its mirror, during a run.
struct Watched {
    mirror: Mirror,
    database: String,
}

impl Mirrored for Watched {
    fn before<'b>(&'b self, plan: &'b Plan, set: &'b str) -> BoxFuture<'b, Result<(), Error>> {
        Box::pin(self.mirror.expect(&self.database, set, plan))
    }

    fn after<'b>(&'b self, run: &'b Run<'_>, backend: &'b mut dyn Backend) -> BoxFuture<'b, ()> {
        Box::pin(self.mirror.record(&self.database, Watching { run, backend }, |event| run.tell(event)))
    }
}

impl Migrator {
    /// Keeps a mirror, a second copy of the history, in the database of this URL, which is created if it does not
    /// exist. Each verb that changes the database first compares it with the mirror. The verb is refused if the
    /// database was dropped, restored to an older state, or replaced by another one;
    /// [`accept_in_mirror`](Self::accept_in_mirror) accepts it as it is. PostgreSQL only. Default: no mirror, which
    /// costs nothing.
    #[must_use]
    pub fn mirror(self, url: impl Into<String>) -> Self {
        let url = url.into();
        self.mirrored(Some((Arc::new(Of { url: url.clone() }), url)))
    }

    /// Leaves the mirror out, for example while it cannot be reached. The next run with the mirror adds what it lacks.
    #[must_use]
    pub fn without_mirror(self) -> Self {
        self.mirrored(None)
    }

    /// Compares the database with its [`mirror`](Self::mirror). Writes nothing. `None` if there is no mirror, or not yet.
    ///
    /// # Errors
    ///
    /// As for [`status`](Self::status), of the database and of the mirror.
    pub async fn mirror_status(&self, target: impl Target) -> Result<Option<MirrorStatus>, Error> {
        let Some(url) = self.mirror_url() else { return Ok(None) };
        let Some(mirror) = Mirror::look(url).await? else { return Ok(None) };
        let memories = mirror.memories().await?;
        let (run, mut backend) = (self.run()?, open(target).await?);
        let seen = Watching { run: &run, backend: &mut *backend }.observe().await?;
        Ok(Some(seen.status(&memories)))
    }

    /// Accepts the database as it is: the [`mirror`](Self::mirror) takes its history over, and keeps the reason. Returns
    /// what differed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) without a mirror or a reason; otherwise as for
    /// [`status`](Self::status), of the database and of the mirror.
    pub async fn accept_in_mirror(&self, target: impl Target, reason: &str) -> Result<MirrorStatus, Error> {
        let mirror = Mirror::open(accepting(self.mirror_url(), reason)?, None).await?;
        let (run, mut backend) = (self.run()?, open(target).await?);
        mirror.accept(&mut Watching { run: &run, backend: &mut *backend }, reason).await
    }
}

/// Checks that there is a mirror and a reason to accept a database; returns the URL of the mirror.
pub(crate) fn accepting<'a>(url: Option<&'a str>, reason: &str) -> Result<&'a str, Error> {
    let url = url.ok_or_else(|| {
        Error::usage("there is no mirror").with_help(Wording::each(|audience| match audience {
            lockgate_core::Audience::Rust => "name its database with `mirror`".to_owned(),
            lockgate_core::Audience::CommandLine => {
                "name its database with `--mirror`, or with `mirror` in `migrations.toml`".to_owned()
            }
        }))
    })?;
    if reason.trim().is_empty() {
        return Err(Error::usage("the reason is empty").with_help("say why the database is right as it is"));
    }
    Ok(url)
}

/// The URL of the database of this name on the same server. A URL stays as it is.
pub(crate) fn url(named: &str, server: &str) -> Result<String, Error> {
    if named.trim().is_empty() {
        return Err(Error::usage("the name of the mirror is empty")
            .with_help("name a database that only the mirror uses, such as `lockgate_state`"));
    }
    if named.contains("://") {
        return Ok(named.to_owned());
    }
    let parts = DatabaseParts { name: Some(named.to_owned()), ..DatabaseParts::default() };
    crate::url::with_parts(server, &parts)
        .ok_or_else(|| Error::usage("only databases of PostgreSQL have a mirror").with_help("leave it out"))
}

/// Refuses a mirror in one of these databases, on the server of this URL as far as host and port tell.
pub(crate) fn check_place<'a>(
    mirror: &str,
    server: &str,
    mut databases: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let place = |url: &str| crate::url::parts(url).map(|(parts, _)| (parts.host, parts.port.unwrap_or(5432)));
    let name = crate::url::parts(mirror).and_then(|(parts, _)| parts.name).unwrap_or_default();
    check_name(&name)?;
    if place(mirror) == place(server) && databases.any(|database| database == name) {
        return Err(in_its_own(&name).in_front("the mirror"));
    }
    Ok(())
}

/// Refuses a database that the server copies into each new one.
fn check_name(name: &str) -> Result<(), Error> {
    if !["template0", "template1"].contains(&name) {
        return Ok(());
    }
    Err(Error::usage(format!("the mirror cannot be in `{name}`, which the server copies into every new database"))
        .with_help("name a database that only the mirror uses, such as `lockgate_state`"))
}

fn in_its_own(name: &str) -> Error {
    Error::usage(format!("it cannot be in `{name}`, which it mirrors"))
        .with_help("name a database that only the mirror uses, such as `lockgate_state`")
}

/// Makes the database of the mirror.
async fn create(url: &str) -> Result<(), Error> {
    let name = crate::url::parts(url).and_then(|(parts, _)| parts.name);
    let name = name.ok_or_else(|| {
        Error::usage("its URL names no database").with_help("write it as `postgres://user@host/lockgate_state`")
    })?;
    let maintenance = self::url(MAINTENANCE, url)?;
    let mut database = Database::connect(&maintenance).await?;
    let connection = database.postgres().ok_or_else(lost)?;
    let made = tables::create(connection, &identifier(&name)).await;
    made.map_err(|cause| {
        Error::from_cause(format!("the database `{name}` does not exist, and could not be created"), cause)
            .with_help_instead(format!(
                "let a superuser run `CREATE DATABASE {}`, owned by this role",
                identifier(&name)
            ))
    })
}

fn is_absent(error: &Error) -> bool {
    error.report().database_code() == Some("SQLSTATE 3D000")
}

fn unread(cause: Cause) -> Error {
    Error::from_cause("it cannot be read", cause)
}

fn lost() -> Error {
    unusable(Error::new(ErrorKind::Interrupted, "the connection was lost"))
}

/// An error of the mirror, with the way to do without it.
fn unusable(error: Error) -> Error {
    error.of_url("the URL of the mirror").in_front("the mirror").with_help(Wording::each(|audience| {
        format!(
            "or leave the mirror out of this run, {}: the next run with it adds what it lacks",
            audience.without_mirror()
        )
    }))
}
