//! One invocation of a verb: the migrations, the options, the database URL and the output.

use std::path::PathBuf;

use lockgate::{Database, Migrations, Migrator};

use crate::command_error::CommandError;
use crate::connect::{self, Chosen, Variables};
use crate::options::Options;
use crate::output::Output;
use crate::url::DatabaseUrl;

/// One invocation of a verb.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    migrations: &'static Migrations,
    /// The migrator, with the program's options.
    migrator: Migrator,
    options: &'a Options,
    url: DatabaseUrl,
    /// The prefix of the variables that name a database.
    variables: &'a str,
    output: Output,
    /// The pairs of stages that are never refreshed.
    #[cfg(feature = "backup")]
    forbidden: &'a [(lockgate::Stage, lockgate::Stage)],
}

/// How a verb uses the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads. A missing file is not created and counts as an empty database.
    Read,
    /// Writes to an existing database.
    Write,
    /// Writes, and creates the file if the URL says so.
    Create,
}

impl<'a> Invocation<'a> {
    pub(crate) fn new(
        migrations: &'static Migrations,
        migrator: Migrator,
        chosen: Chosen,
        options: &'a Options,
        variables: &'a str,
        output: Output,
    ) -> Self {
        let Chosen { url, note } = chosen;
        let note = note.map(|note| format!(", {note}")).unwrap_or_default();
        output.remark(&format!("the database is {url}{note}"));
        Self {
            migrations,
            migrator,
            options,
            url,
            variables,
            output,
            #[cfg(feature = "backup")]
            forbidden: &[],
        }
    }

    pub(crate) fn migrations(&self) -> &'static Migrations {
        self.migrations
    }

    /// The migrator with the program's options and the flags; flags win.
    pub(crate) fn migrator(&self) -> Migrator {
        let migrator = self.options.configure(self.migrator.clone());
        #[cfg(feature = "postgres")]
        let migrator = match &self.options.mirror {
            _ if self.options.without_mirror => migrator.without_mirror(),
            Some(mirror) => migrator.mirror(mirror.beside(&self.url)),
            None => migrator,
        };
        migrator
    }

    /// The URL with its secrets.
    pub(crate) fn url(&self) -> &str {
        self.url.reveal()
    }

    /// The database, with its secrets masked.
    pub(crate) fn database(&self) -> &DatabaseUrl {
        &self.url
    }

    pub(crate) fn options(&self) -> &Options {
        self.options
    }

    /// The administrator's URL, and the flag or the variable that gave it.
    pub(crate) fn administrator(&self, flag: Option<&DatabaseUrl>) -> Result<(DatabaseUrl, String), CommandError> {
        connect::administrator(flag, &Variables::of_process(self.variables))
    }

    /// The same for a command that needs no administrator: `None` if neither names one.
    #[cfg(feature = "backup")]
    pub(crate) fn administrator_if_any(
        &self,
        flag: Option<&DatabaseUrl>,
    ) -> Result<Option<(DatabaseUrl, String)>, CommandError> {
        connect::administrator_if_any(flag, &Variables::of_process(self.variables))
    }

    /// Why a protected stage is changed, if somebody said so.
    pub(crate) fn overrides(&self) -> Option<&str> {
        self.options.override_stage.as_deref()
    }

    /// The database of another stage, which a variable names: `DATABASE_PRODUCTION_URL`.
    #[cfg(feature = "backup")]
    pub(crate) fn url_of_stage(&self, stage: lockgate::Stage) -> Result<DatabaseUrl, CommandError> {
        connect::of_stage(stage, &Variables::of_process(self.variables))
    }

    /// The variable that names it.
    #[cfg(feature = "backup")]
    pub(crate) fn variable_of_stage(&self, stage: lockgate::Stage) -> String {
        connect::variable_of_stage(stage, &Variables::of_process(self.variables))
    }

    /// Connects to another database.
    #[cfg(feature = "backup")]
    pub(crate) async fn connect_to(&self, url: &DatabaseUrl) -> Result<Database, CommandError> {
        self.output.remark(&format!("the other database is {url}"));
        let wait = self.options.wait_for_server.unwrap_or_default();
        Ok(Database::connect_within(url.existing().reveal(), wait).await?)
    }

    /// The pairs of stages that the program never refreshes.
    #[cfg(feature = "backup")]
    pub(crate) fn forbidden(&self) -> &[(lockgate::Stage, lockgate::Stage)] {
        self.forbidden
    }

    /// Sets these pairs.
    #[cfg(feature = "backup")]
    pub(crate) fn forbidding(self, forbidden: &'a [(lockgate::Stage, lockgate::Stage)]) -> Self {
        Self { forbidden, ..self }
    }

    /// The tables of the history, which do not belong to the program.
    #[cfg(feature = "backup")]
    pub(crate) fn bookkeeping(&self) -> Vec<String> {
        lockgate::__private::history_tables(&self.migrator())
    }

    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// The SQLite file of the URL, if it does not exist and a run would create it.
    pub(crate) fn missing_file(&self) -> Option<PathBuf> {
        self.url.file_to_create().filter(|file| !file.exists())
    }

    pub(crate) async fn connect(&self, access: Access) -> Result<Database, CommandError> {
        if access != Access::Create
            && let Some(file) = self.missing_file()
        {
            let absent = format!("`{}` does not exist yet; `up` creates it", file.display());
            return match access {
                Access::Read => {
                    self.output.remark(&absent);
                    // An empty database has the same history as a missing one, and creates no file.
                    Ok(Database::connect("sqlite::memory:").await?)
                }
                Access::Write | Access::Create => Err(CommandError::Absent(absent)),
            };
        }
        let wait = self.options.wait_for_server.unwrap_or_default();
        Ok(Database::connect_within(self.url.reveal(), wait).await?)
    }
}
