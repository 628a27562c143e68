//! `dump`: writes all or some of the rows of the database to a file.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use lockgate_backup::data::{self, Choice, Condition, DumpOptions};

use crate::answer::{Answer, Body, Moved};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};

/// The arguments of `dump`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The file to write, which must not exist
    pub file: PathBuf,
    /// Dump only this table; may be given several times
    #[arg(long, value_name = "TABLE")]
    pub only: Vec<String>,
    /// Omit this table; may be given several times
    #[arg(long, value_name = "TABLE")]
    pub exclude: Vec<String>,
    /// Dump only the rows of a table for which a condition is true: `loans=returned_at IS NULL`
    #[arg(long = "where", value_name = "TABLE=CONDITION")]
    pub conditions: Vec<Condition>,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let file = &arguments.file;
    check_new(file)?;
    // `Write`, because a missing database has nothing to dump.
    let mut database = invocation.connect(Access::Write).await?;
    let migrator = invocation.migrator();
    let status = migrator.status(&mut database).await?;
    let choice = Choice {
        only: arguments.only.clone(),
        exclude: arguments.exclude.clone(),
        conditions: arguments.conditions.clone(),
    };
    let newest = status.current().map(|newest| newest.id.clone());
    let bookkeeping = invocation.bookkeeping();
    let options = DumpOptions { choice, newest, bookkeeping };
    let draft = Draft::create(file)?;
    let mut writer = BufWriter::new(draft.file());
    let dumped = data::dump(&mut database, &options, &mut writer).await?;
    writer.flush().map_err(|error| unwritable(file, &error))?;
    drop(writer);
    draft.finish(file)?;
    Ok(Answer::done(Body::Moved(Moved { file: file.clone(), was_loaded: false, tables: dumped.rows })))
}

/// Refuses an existing file.
pub(super) fn check_new(file: &Path) -> Result<(), CommandError> {
    match file.exists() {
        false => Ok(()),
        true => {
            Err(CommandError::usage(format!("`{}` exists", file.display()), "name another file, or move this one away"))
        }
    }
}

/// A file that appears under its name when it is complete, and is deleted otherwise.
pub(super) struct Draft {
    path: PathBuf,
    file: Option<fs::File>,
}

impl Draft {
    pub(super) fn create(file: &Path) -> Result<Self, CommandError> {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = file.with_file_name(name);
        let mut options = fs::File::options();
        options.write(true).create_new(true);
        // Only the owner may read the rows.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Self { path, file: Some(opened) })
    }

    /// The file, to write to.
    pub(super) fn file(&self) -> &fs::File {
        self.file.as_ref().expect("it is open until it is finished")
    }

    pub(super) fn finish(mut self, file: &Path) -> Result<(), CommandError> {
        let written = self.file.take().map_or(Ok(()), |open| open.sync_all());
        // A hard link does not replace a file that another command has made meanwhile.
        let named = written.and_then(|()| match fs::hard_link(&self.path, file) {
            // Not every file system supports hard links.
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => fs::rename(&self.path, file),
            named => named,
        });
        named.map_err(|error| unwritable(file, &error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn unwritable(file: &Path, error: &std::io::Error) -> CommandError {
    CommandError::System(format!("`{}` cannot be written: {error}", file.display()))
}
