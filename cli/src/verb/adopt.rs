//! `adopt`: takes over the history of another tool. Shows the comparison, and writes only with `--write`.

use std::path::PathBuf;

use lockgate::Migrator;
use lockgate::adopt::Adopt;

use crate::answer::{Answer, Body, Compared};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};
use crate::migration_ref::MigrationRef;
use crate::render::Counts;
use crate::url::DatabaseUrl;
use crate::watch::{View, attended, watched};

/// The arguments of `adopt`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// The tool, if several have migrated this database: sqlx, refinery, diesel, sea-orm, flyway, alembic,
    /// golang-migrate, goose, dbmate, rusqlite_migration and others, which a wrong name lists
    #[arg(long, value_name = "TOOL")]
    pub from: Option<String>,
    /// The table with the history, if it has a name of its own
    #[arg(long, value_name = "[SCHEMA.]TABLE")]
    pub table: Option<String>,
    /// The column with the names of the migrations, in a table that belongs to no known tool
    #[arg(long, value_name = "NAME", requires = "table")]
    pub column: Option<String>,
    /// A file with the names of the applied migrations, such as `migrations.json`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "table"])]
    pub from_file: Option<PathBuf>,
    /// Another database that has the history of this one
    // Its value is hidden in the help, as it may hold a password.
    #[arg(long, value_name = "URL", conflicts_with = "from_file", hide_env_values = true)]
    pub from_database: Option<DatabaseUrl>,
    /// The last migration that the database has, if the history does not say it: `7` or `0007_create_reservations`
    #[arg(long, value_name = "VERSION")]
    pub up_to: Option<MigrationRef>,
    /// Record what the other tool has applied, if nothing stands in the way
    #[arg(long, alias = "yes")]
    pub write: bool,
    /// Accept files that differ from what was applied, after you have checked that the database has what they say. The
    /// reason is logged
    #[arg(long, value_name = "REASON")]
    pub accept_modified: Option<String>,
    /// Leave out recorded migrations that have no file. The reason is logged
    #[arg(long, value_name = "REASON")]
    pub without_missing: Option<String>,
    /// Take an adoption back: remove from Lockgate's history what was taken over
    #[arg(long, conflicts_with_all = ["from", "table", "from_file", "from_database", "up_to", "write", "accept_modified",
                                      "without_missing"])]
    pub undo: bool,
}

impl Arguments {
    fn options(&self, invocation: &Invocation<'_>) -> Result<Adopt, CommandError> {
        let mut options = Adopt::new();
        if let Some(tool) = &self.from {
            options = options.from(tool);
        }
        if let Some(table) = &self.table {
            options = options.table(table);
        }
        if let Some(column) = &self.column {
            options = options.column(column);
        }
        if let Some(file) = &self.from_file {
            let text = std::fs::read_to_string(file).map_err(|error| {
                CommandError::usage(
                    format!("`{}` cannot be read: {error}", file.display()),
                    "name a file that has the names of the applied migrations: `adopt --from-file migrations.json`",
                )
            })?;
            options = options.json(text);
        }
        if let Some(url) = &self.from_database {
            options = options.recorded_in(url.reveal());
        }
        if let Some(migration) = &self.up_to {
            options = options.up_to(migration.version(invocation.migrations())?);
        }
        if let Some(reason) = &self.accept_modified {
            options = options.accept_modified(reason);
        }
        if let Some(reason) = &self.without_missing {
            options = options.without_missing(reason);
        }
        Ok(options)
    }
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    if arguments.undo {
        let mut database = invocation.connect(Access::Write).await?;
        let report = attended(invocation, watcher(invocation).undo_adopt(&mut database)).await?;
        return Ok(Answer::done(Body::Run(report)));
    }
    let options = arguments.options(invocation)?;
    let access = if arguments.write { Access::Write } else { Access::Read };
    let mut database = invocation.connect(access).await?;
    let adoption = invocation.migrator().plan_adopt(&mut database, &options).await?;
    if adoption.refusal().is_some() {
        let body = Body::Adoption(Compared { adoption, report: None });
        return Ok(Answer { exit: Exit::Refused, body });
    }
    let report = match arguments.write {
        true => Some(attended(invocation, watcher(invocation).adopt(&mut database, &options)).await?),
        false => None,
    };
    Ok(Answer::done(Body::Adoption(Compared { adoption, report })))
}

fn watcher(invocation: &Invocation<'_>) -> Migrator {
    watched(invocation, invocation.migrator(), View { verbose: false, counts: Counts::Records })
}
