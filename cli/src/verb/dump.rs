//! `dump`: writes all or some of the rows of the database to a file, or its schema.

use std::io::BufWriter;
use std::path::PathBuf;

use lockgate_backup::data::{self, Condition, DumpOptions, NewFile, SchemaOptions, TableChoice};

use crate::answer::{Answer, Body, Moved};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};

use super::load::not_standard;

/// The arguments of `dump`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The file to write, which must not exist
    pub file: PathBuf,
    /// Dump the schema instead of the rows, without the history
    #[arg(long, conflicts_with_all = ["only", "exclude", "conditions"])]
    pub schema: bool,
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
    not_standard(file, "dump")?;
    let new = NewFile::create(file)?;
    // `Write`, because a missing database has nothing to dump.
    let mut database = invocation.connect(Access::Write).await?;
    let migrator = invocation.migrator();
    let status = migrator.status(&mut database).await?;
    let choice = TableChoice {
        only: arguments.only.clone(),
        exclude: arguments.exclude.clone(),
        conditions: arguments.conditions.clone(),
    };
    let newest = status.current().map(|newest| newest.id.clone());
    let bookkeeping = invocation.bookkeeping();
    if arguments.schema {
        let lock_timeout = invocation.options().limits().lock_timeout;
        let options = SchemaOptions { newest, bookkeeping, lock_timeout };
        data::dump_schema(invocation.url(), &mut database, &options, &mut BufWriter::new(new.file())).await?;
        new.finish()?;
        return Ok(Answer::done(Body::Moved(Moved { file: file.clone(), was_loaded: false, tables: None })));
    }
    let options = DumpOptions { choice, newest, bookkeeping, limits: invocation.options().limits() };
    let dumped = data::dump(&mut database, &options, &mut BufWriter::new(new.file())).await?;
    new.finish()?;
    Ok(Answer::done(Body::Moved(Moved { file: file.clone(), was_loaded: false, tables: Some(dumped.rows) })))
}
