//! Throwaway databases of one server: empty ones, and ones on which migrations have run. This module uses the runtime.

use lockgate::__private::of_every_profile;
use lockgate::{Database, Error, Migrations, Migrator, UpTo};
use lockgate_source::core::{Dialect, Set, Version};
use lockgate_testing::request::{Request, TESTDB_URL};
use lockgate_testing::server::{self, Options, Postgres};
use tempfile::TempDir;

use crate::missing_role;
use crate::program;
use crate::project::Package;

/// Why a throwaway database cannot be made.
#[derive(Debug)]
pub(crate) enum NoDatabase {
    /// There is no server, or it cannot be started.
    Server(server::Error),
    /// An error of the database or of a migration.
    Error(Box<Error>),
    /// Another failure: the async runtime does not start, or a file is gone.
    Other(String),
}

impl From<Error> for NoDatabase {
    fn from(error: Error) -> Self {
        Self::Error(Box::new(error))
    }
}

/// A server whose databases are thrown away with it. For SQLite each database is in memory, or a copy of a file that a
/// program has made.
#[derive(Debug)]
pub(crate) struct Throwaway {
    dialect: Dialect,
    /// `None` for SQLite.
    server: Option<Postgres>,
    /// Where the files of SQLite are.
    directory: Option<TempDir>,
    databases: usize,
}

/// Migrations that can be run on several databases of a server: PostgreSQL copies the first one.
#[derive(Debug)]
pub(crate) struct Replay {
    migrator: Migrator,
    made: Made,
    /// The program that runs them, if there is a Rust step among them, and the last one.
    program: Option<(Package, String)>,
    /// The database to copy.
    template: Option<String>,
}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Nothing.
    ByNothing,
    /// All migrations, and the repeatable scripts.
    ByAll,
    /// The migrations up to this one.
    UpTo(Version),
    /// The scripts of `create/`.
    ByCreate,
}

impl Replay {
    /// The set is that of a folder, and none of its migrations that run may be a Rust step.
    pub(crate) fn new(set: Set, made: Made) -> Self {
        Self { migrator: migrator(set), made, program: None, template: None }
    }

    /// The same, but all of them up to `last` are run by the test program of a package, which has the Rust steps.
    pub(crate) fn by(mut self, package: &Package, last: impl Into<String>) -> Self {
        self.program = Some((package.clone(), last.into()));
        self
    }
}

/// A migrator that runs the scripts of every profile.
pub(crate) fn migrator(set: Set) -> Migrator {
    let all = Box::leak(Box::new(Migrations::from(set)));
    of_every_profile(&Migrator::new(all).stand_in_for_variables())
}

impl Throwaway {
    /// Starts the server.
    pub(crate) fn start(dialect: Dialect) -> Result<Self, NoDatabase> {
        let server = match dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some(Postgres::start(&Options::default()).map_err(NoDatabase::Server)?),
            Dialect::Mysql => return Err(NoDatabase::Other("this release has no backend for mysql".to_owned())),
        };
        Ok(Self { dialect, server, directory: None, databases: 0 })
    }

    /// The release of the server, for messages and as part of a key: `PostgreSQL 15.4`.
    pub(crate) fn release(&self) -> String {
        match &self.server {
            Some(server) => format!("{} {}.{}", self.dialect.product(), server.version().0, server.version().1),
            None => self.dialect.product().to_owned(),
        }
    }

    /// Makes an empty database.
    pub(crate) async fn empty(&mut self) -> Result<Database, NoDatabase> {
        Ok(self.create(None).await?.0)
    }

    /// Makes a database on which the migrations have run.
    pub(crate) async fn replayed(&mut self, replay: &mut Replay) -> Result<Database, NoDatabase> {
        if let (None, Some((package, last))) = (&replay.template, replay.program.clone()) {
            let (url, name) = self.for_program().await?;
            let asked = program::ask(&package, &Request::Migrate { at: last }, &[(TESTDB_URL, &url)]);
            asked.map_err(|failure| NoDatabase::Other(failure.to_string()))?;
            replay.template = Some(name);
        }
        if replay.template.is_none() {
            let (mut database, name) = self.create(None).await?;
            apply(&mut database, &replay.migrator, replay.made).await?;
            if self.server.is_none() {
                return Ok(database);
            }
            // PostgreSQL does not copy a database that somebody uses.
            database.close().await?;
            replay.template = Some(name);
        }
        Ok(self.create(replay.template.as_deref()).await?.0)
    }

    /// Creates an empty database for a program: its URL, and its name or its path.
    async fn for_program(&mut self) -> Result<(String, String), NoDatabase> {
        if self.server.is_none() {
            let path = self.file()?;
            return Ok((format!("sqlite://{path}?mode=rwc"), path));
        }
        let (database, name) = self.create(None).await?;
        database.close().await?;
        let url = self.server.as_ref().map(|server| server.url(&name)).unwrap_or_default();
        Ok((url, name))
    }

    /// The path of a file that does not exist yet.
    fn file(&mut self) -> Result<String, NoDatabase> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => tempfile::tempdir().map_err(|e| NoDatabase::Other(format!("a temporary folder: {e}")))?,
        };
        self.databases += 1;
        let path = directory.path().join(format!("throwaway_{}.db", self.databases));
        self.directory = Some(directory);
        Ok(path.display().to_string())
    }

    /// Creates a database, perhaps as a copy, and connects to it. Returns its name, too.
    async fn create(&mut self, template: Option<&str>) -> Result<(Database, String), NoDatabase> {
        if let (None, Some(template)) = (&self.server, template) {
            let path = self.file()?;
            let copied = std::fs::copy(template, &path);
            copied.map_err(|e| NoDatabase::Other(format!("{template} cannot be copied: {e}")))?;
            return Ok((Database::connect(&format!("sqlite://{path}")).await?, path));
        }
        let Some(server) = &self.server else {
            return Ok((Database::connect("sqlite::memory:").await?, String::new()));
        };
        self.databases += 1;
        let name = format!("throwaway_{}", self.databases);
        let mut first = Database::connect(&server.url("postgres")).await?;
        let from = template.map_or_else(String::new, |template| format!(" TEMPLATE {template}"));
        let created = lockgate::__private::execute(&mut first, &format!("CREATE DATABASE {name}{from}")).await;
        created.map_err(|refused| NoDatabase::Other(refused.to_string()))?;
        first.close().await?;
        Ok((Database::connect(&server.url(&name)).await?, name))
    }
}

/// Applies what is missing in a database of a throwaway server, and creates each role that is missing there.
pub(crate) async fn apply(database: &mut Database, migrator: &Migrator, made_by: Made) -> Result<(), NoDatabase> {
    let mut last_message = String::new();
    loop {
        let ran = match made_by {
            Made::ByNothing => return Ok(()),
            Made::ByAll => migrator.apply(&mut *database).await,
            Made::UpTo(version) => migrator.apply_to(&mut *database, UpTo::Version(version)).await,
            Made::ByCreate => migrator.create(&mut *database).await,
        };
        let Err(error) = ran else { return Ok(()) };
        let (code, message) = (error.report().database_code(), error.report().database_message());
        let message = message.unwrap_or_default().to_owned();
        let code = code.map(str::to_owned);
        if message == last_message || !has_made_role(database, code.as_deref(), &message).await? {
            return Err(error.into());
        }
        last_message = message;
    }
}

/// Creates the role that an error of this code names as missing: a throwaway server has none of the user's roles.
pub(crate) async fn has_made_role(
    database: &mut Database,
    code: Option<&str>,
    message: &str,
) -> Result<bool, NoDatabase> {
    let state = code.and_then(|code| code.strip_prefix("SQLSTATE "));
    let Some(role) = state.and_then(|state| missing_role::named_in(state, message)) else { return Ok(false) };
    let Some(connection) = database.postgres() else { return Ok(false) };
    missing_role::create(connection, role).await.map_err(|e| NoDatabase::Other(e.to_string()))?;
    Ok(true)
}

/// Runs this to its end.
pub(crate) fn block_on<T, E>(work: impl Future<Output = Result<T, E>>, failed: impl Fn(String) -> E) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| failed(error.to_string()))?.block_on(work)
}
