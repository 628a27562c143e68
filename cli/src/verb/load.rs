//! `load`: puts the rows of a dump into tables that are empty.

use std::fs;
use std::io::BufReader;
use std::path::PathBuf;

use lockgate::Stage;
use lockgate_backup::data::{self, LoadOptions};

use crate::answer::{Answer, Body, Moved};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};

/// The arguments of `load`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The file that `dump` has written
    pub file: PathBuf,
    /// Run this SQL file after the rows are loaded, in the same transaction, for example to make them anonymous
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// First delete all rows of the tables in the dump, in the same transaction; only for a database that is marked
    /// with a stage
    #[arg(long)]
    pub replace: bool,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let unreadable = |path: &PathBuf, error: &std::io::Error| {
        CommandError::usage(format!("`{}` cannot be read: {error}", path.display()), "name a file that exists")
    };
    let file = fs::File::open(&arguments.file).map_err(|error| unreadable(&arguments.file, &error))?;
    let script = match &arguments.script {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| unreadable(path, &error))?),
        None => None,
    };
    let mut database = invocation.connect(Access::Write).await?;
    let migrator = invocation.migrator();
    let stage = migrator.stage_of(&mut database).await?;
    if arguments.replace && stage.is_none() {
        return Err(lockgate_backup::Error::refused(
            "the database is not marked with a stage, and `--replace` deletes rows",
        )
        .state("nothing was changed")
        .help("load into a new database, or mark this one: `mark-stage development`")
        .into());
    }
    if stage == Some(Stage::Production) {
        return Err(lockgate_backup::Error::refused(
            "the database is marked as production, and `load` never changes such a database",
        )
        .state("nothing was changed")
        .help("load into a database of another stage; `restore` can restore a backup")
        .into());
    }
    let protected = stage.filter(|stage| stage.is_protected());
    if let Some(stage) = protected.filter(|_| invocation.overrides().is_none()) {
        return Err(lockgate_backup::Error::refused(format!("the database is marked as {stage}, which is protected"))
            .state("nothing was changed")
            .help("give a reason, which the log keeps: `--override-stage \"why\"`")
            .into());
    }
    let status = migrator.status(&mut database).await?;
    let newest = status.current().map(|newest| newest.id.clone());
    let bookkeeping = lockgate::__private::history_tables(&migrator);
    let options = LoadOptions { newest, script, replace: arguments.replace, bookkeeping };
    if let Some(stage) = protected {
        let detail = format!("{stage}, rows loaded from {}", arguments.file.display());
        lockgate::__private::log_replaced(&migrator, &mut database, &detail).await?;
    }
    let loaded = data::load(&mut database, &options, &mut BufReader::new(file)).await?;
    Ok(Answer::done(Body::Moved(Moved { file: arguments.file.clone(), was_loaded: true, tables: loaded.rows })))
}
