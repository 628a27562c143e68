//! `load`: puts the rows of a dump into tables that are empty, or a schema into an empty database.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use lockgate::{Database, Stage};
use lockgate_backup::data::{self, LoadOptions, SchemaFile};

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
    not_standard(&arguments.file, "load")?;
    let file = fs::File::open(&arguments.file).map_err(|error| unreadable(&arguments.file, &error))?;
    let script = match &arguments.script {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| unreadable(path, &error))?),
        None => None,
    };
    let schema = schema(&arguments.file).map_err(|error| unreadable(&arguments.file, &error))?;
    if schema.is_some() && (arguments.replace || script.is_some()) {
        return Err(CommandError::usage(
            format!("`{}` is a schema, without any rows", arguments.file.display()),
            "load it without `--replace` and `--script`",
        ));
    }
    let access = if schema.is_some() { Access::Create } else { Access::Write };
    let mut database = invocation.connect(access).await?;
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
    if let Some(schema) = schema {
        load_schema(invocation, &mut database, &schema?).await?;
        return Ok(Answer::done(Body::Moved(Moved { file: arguments.file.clone(), was_loaded: true, tables: None })));
    }
    let status = migrator.status(&mut database).await?;
    let newest = status.current().map(|newest| newest.id.clone());
    let bookkeeping = lockgate::__private::history_tables(&migrator);
    let limits = invocation.options().limits();
    let options = LoadOptions { newest, script, replace: arguments.replace, bookkeeping, limits };
    if let Some(stage) = protected {
        let detail = format!("{stage}, rows loaded from {}", arguments.file.display());
        lockgate::__private::log_replaced(&migrator, &mut database, &detail).await?;
    }
    let loaded = data::load(&mut database, &options, &mut BufReader::new(file)).await?;
    Ok(Answer::done(Body::Moved(Moved { file: arguments.file.clone(), was_loaded: true, tables: Some(loaded.rows) })))
}

/// The error of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    let (what, help) = match error.kind() {
        ErrorKind::InvalidData => ("is not UTF-8".to_owned(), "save it as UTF-8"),
        ErrorKind::PermissionDenied => (format!("cannot be read: {error}"), "let this user read it"),
        ErrorKind::IsADirectory => (format!("cannot be read: {error}"), "name a file"),
        _ => (format!("cannot be read: {error}"), "name a file that exists"),
    };
    CommandError::usage(format!("`{}` {what}", path.display()), help)
}

/// Refuses `-`, which other programs take for standard input or output.
pub(super) fn not_standard(path: &Path, verb: &str) -> Result<(), CommandError> {
    if path.as_os_str() != "-" {
        return Ok(());
    }
    Err(CommandError::usage(
        format!("`{verb}` does not use standard input or output, so `-` is not a file"),
        format!("name a file: `{verb} rows.sql`; one that is really called so is `./-`"),
    ))
}

/// Reads the file if it is a schema.
fn schema(file: &Path) -> std::io::Result<Option<Result<SchemaFile, lockgate_backup::Error>>> {
    let mut reader = BufReader::new(fs::File::open(file)?);
    let mut first = Vec::new();
    (&mut reader).take(64).read_until(b'\n', &mut first)?;
    if !first.starts_with(b"-- lockgate schema ") {
        return Ok(None);
    }
    Ok(SchemaFile::read(&fs::read_to_string(file)?))
}

/// Makes the schema, and records its migrations as applied.
async fn load_schema(
    invocation: &Invocation<'_>,
    database: &mut Database,
    schema: &SchemaFile,
) -> Result<(), CommandError> {
    let migrator = invocation.migrator();
    let version = match schema.newest() {
        None => None,
        Some(newest) => {
            let known = invocation.migrations().iter().find(|migration| migration.id() == newest);
            let known = known.ok_or_else(|| {
                lockgate_backup::Error::refused(format!(
                    "the schema is that of `{newest}`, which this program does not have"
                ))
                .state("nothing was changed")
                .help("load it with the program that made it, or dump it again")
            })?;
            Some(known.version())
        }
    };
    data::load_schema(database, schema).await?;
    if let (Some(version), Some(newest)) = (version, schema.newest()) {
        migrator.baseline(&mut *database, version).await.inspect_err(|_| {
            let note = format!(
                "the schema is loaded, but its migrations are not recorded as applied: `baseline {newest}` records them"
            );
            invocation.output().note(&invocation.output().aim().advise(&note));
        })?;
    }
    Ok(())
}
