//! The desired schema of a folder, and how a throwaway database gets it. This module uses the runtime.

mod make;
mod unresolved;

use std::path::PathBuf;

use lockgate::schema::{Class, Difference, Schema, compare};
use lockgate::{Database, read_schema};
use lockgate_schema::snapshot;
use lockgate_source::core::snapshot::Head;
use lockgate_source::core::{CompanionKind, Dialect};
use lockgate_source::desired::{self, Desired, DesiredFile, Was};
use lockgate_source::folder::Folder;
use lockgate_source::{Code, Color, Diagnostic};

use crate::failure::Failure;
use crate::invocation;
use crate::project::{Package, Project};
use crate::scripts;
use crate::structs::{self, Structs};
use crate::throwaway::{Made, NoDatabase, Replay, Throwaway};

/// What says what there should be.
#[derive(Debug)]
pub(crate) enum Source {
    /// SQL files in `schema/`, beside the migrations, and the structs of the package.
    Files(Files),
    /// The tree `create/`.
    Create,
    /// A database that is only read.
    Url(String),
    /// The text of a schema in a file.
    Snapshot(Snapshot),
}

/// A schema that was read from its text.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The file, for messages.
    shown: String,
    schema: Box<Schema>,
    /// The major release of the PostgreSQL that made it, if the text says so.
    release: Option<u32>,
}

impl Snapshot {
    /// Reads a file, whose path is relative to the current directory.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not the text of a schema of this dialect.
    pub(crate) fn read(path: &str, dialect: Dialect) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|e| Failure::refused(format!("`{path}` cannot be read: {e}")))?;
        let read = snapshot::read(&text).map_err(|wrong| {
            let found = Diagnostic::error(Code::BadSchema, path, wrong.message).at(&text, wrong.range, "");
            let write = "`cargo xtask schema --write FILE` writes the text of the schema that the migrations make";
            let mut found = [found.help(write)];
            invocation::rename_commands(&mut found);
            anstream::eprintln!("{}\n", found[0].render(Color::On));
            Failure::refused("nothing was drafted: fix the desired schema first")
        });
        let schema = Box::new(read?);
        if schema.dialect != dialect {
            let (is, wanted) = (schema.dialect.product(), dialect.product());
            return Err(Failure::refused(format!(
                "`{path}` is a schema of {is}, but the migrations are drafted for {wanted}: name another \
                 file, or add `--dialect {}`",
                schema.dialect
            )));
        }
        let release = Head::parse(&text).and_then(|head| head.release);
        Ok(Self { shown: path.to_owned(), schema, release })
    }

    /// Returns a note if the file was made by another release than the one on which the draft runs: releases write some
    /// expressions differently.
    pub(crate) fn note(&self, runs_on: &str) -> Option<String> {
        let made_by = self.release.map(|release| format!("{} {release}", self.schema.dialect.product()))?;
        let is_same = runs_on == made_by || runs_on.strip_prefix(&made_by).is_some_and(|rest| rest.starts_with('.'));
        (!is_same).then(|| {
            format!(
                "`{}` was made by {made_by}, but this is {runs_on}: releases write some expressions differently",
                self.shown
            )
        })
    }
}

/// The desired schema as texts.
#[derive(Debug)]
pub(crate) struct Files {
    /// The SQL files, of every dialect.
    sql: Desired,
    /// The tables that structs describe, a file for each Rust file.
    structs: Vec<(Dialect, Vec<DesiredFile>)>,
}

impl Files {
    /// What there should be on a database of this dialect.
    pub(crate) fn of(&self, dialect: Dialect) -> Desired {
        let structs = self.structs.iter().filter(|(known, _)| *known == dialect).flat_map(|(_, files)| files);
        Desired { shown: self.sql.shown.clone(), files: self.sql.files.iter().chain(structs).cloned().collect() }
    }
}

/// Why the desired schema cannot be had.
#[derive(Debug)]
pub(crate) enum Unmade {
    /// What is wrong in its files.
    Found(Vec<Diagnostic>),
    /// There is no database to make it on, or none to read it from.
    NoDatabase(NoDatabase),
}

impl From<NoDatabase> for Unmade {
    fn from(why: NoDatabase) -> Self {
        Self::NoDatabase(why)
    }
}

impl From<lockgate::Error> for Unmade {
    fn from(error: lockgate::Error) -> Self {
        Self::NoDatabase(error.into())
    }
}

impl Source {
    /// Finds the desired schema of a package's folder; `None` if it has none.
    ///
    /// # Errors
    ///
    /// What is wrong with structs that describe tables.
    pub(crate) fn find(
        project: &Project,
        package: &Package,
        folder: &Folder,
        database: Option<&str>,
    ) -> Result<(Option<Self>, Vec<Diagnostic>), Failure> {
        if folder.companion(CompanionKind::Create).is_some() {
            return Ok((Some(Self::Create), Vec::new()));
        }
        let (directory, shown) = desired::place(folder, database);
        let (sql, diagnostics) = desired::read(&directory, &shown);
        let dialects =
            [Dialect::Sqlite, Dialect::Postgres].into_iter().filter(|dialect| scripts::is_for(folder, *dialect));
        let mut structs = Vec::new();
        for dialect in dialects {
            let mut found = structs::of_package(project, package, dialect)?;
            found.keep_those_of(&folder.databases(), database)?;
            if !found.statements.is_empty() {
                structs.push((dialect, struct_files(&found)));
            }
        }
        let sql = match (sql, structs.is_empty()) {
            (None, true) => return Ok((None, diagnostics)),
            (Some(sql), _) => sql,
            (None, false) => Desired { shown: project.shown(&package.directory.join("src")), files: Vec::new() },
        };
        Ok((Some(Self::Files(Files { sql, structs })), diagnostics))
    }

    /// Its name in messages.
    pub(crate) fn shown(&self, folder: &Folder) -> String {
        match self {
            Self::Files(files) => files.sql.shown.clone(),
            Self::Create => folder.show("create"),
            Self::Url(url) => lockgate::mask_secrets(url),
            Self::Snapshot(snapshot) => snapshot.shown.clone(),
        }
    }

    /// The earlier names that its comments give.
    pub(crate) fn renames(&self, dialect: Dialect) -> (Vec<Was>, Vec<Diagnostic>) {
        match self {
            Self::Files(files) => files.of(dialect).renames(dialect),
            Self::Create | Self::Url(_) | Self::Snapshot(_) => (Vec::new(), Vec::new()),
        }
    }

    /// Makes it on a throwaway database, and reads it as the database stores it.
    pub(crate) async fn schema(
        &self,
        throwaway: &mut Throwaway,
        folder: &Folder,
        dialect: Dialect,
    ) -> Result<Schema, Unmade> {
        let mut database = match self {
            Self::Files(files) => {
                let mut database = throwaway.empty().await?;
                make::make(&files.of(dialect), &mut database, dialect).await?;
                database
            }
            Self::Snapshot(snapshot) if snapshot.schema.dialect == dialect => return Ok((*snapshot.schema).clone()),
            Self::Snapshot(snapshot) => {
                let message = format!("`{}` is not a schema of {}", snapshot.shown, dialect.product());
                return Err(NoDatabase::Other(message).into());
            }
            Self::Create => {
                // Its scripts may create roles, which the migrations have created on the other server.
                let mut own = Throwaway::start(dialect)?;
                let mut database = own.replayed(&mut Replay::new(folder.leak(COMMAND), Made::ByCreate)).await?;
                return Ok(read_schema(&mut database).await?);
            }
            Self::Url(url) => {
                let database = Database::connect(url).await?;
                if database.dialect() != dialect {
                    let (is, wanted) = (database.dialect().product(), dialect.product());
                    let message = format!("{} is {is}, and the migrations are for {wanted}", database.url());
                    return Err(NoDatabase::Other(message).into());
                }
                database
            }
        };
        Ok(read_schema(&mut database).await?)
    }
}

/// The statements of structs as files, in which each stands in the line of its struct.
fn struct_files(structs: &Structs) -> Vec<DesiredFile> {
    let mut files: Vec<DesiredFile> = Vec::new();
    for placed in &structs.statements {
        if files.last().is_none_or(|file| file.shown != placed.file) {
            let (shown, absolute) = (placed.file.clone(), PathBuf::from(&placed.file));
            files.push(DesiredFile { shown, absolute, text: String::new() });
        }
        let Some(file) = files.last_mut() else { continue };
        let line = 1 + file.text.matches('\n').count();
        file.text.push_str(&"\n".repeat(placed.line.saturating_sub(line)));
        file.text.push_str(&placed.sql);
        file.text.push('\n');
    }
    files
}

/// The application that runs of this command record.
pub(crate) const COMMAND: &str = "cargo xtask generate";

/// The differences, but for what no statement changes: the order of columns in PostgreSQL.
pub(crate) fn differences(one: &Schema, other: &Schema) -> Vec<Difference> {
    let mut found = compare(one, other);
    found.retain(|difference| one.dialect != Dialect::Postgres || difference.class != Class::ColumnOrder);
    found
}
