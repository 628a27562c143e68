//! `refresh`: replaces the rows of the database by those of another stage.

use std::fs;
use std::path::PathBuf;

use lockgate::{Database, Stage};
use lockgate_backup::Error;
use lockgate_backup::data::NewFile;
use lockgate_backup::refresh::{Refresh, is_forbidden};

use super::Caution;
use super::load::unreadable;
use crate::answer::{Answer, Body, Refreshed};
use crate::command_error::CommandError;
use crate::confirm;
use crate::invocation::{Access, Invocation};
use crate::url::DatabaseUrl;

/// The arguments of `refresh`.
#[derive(clap::Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("rows").required(true).args(["script", "unchanged"])))]
pub struct Arguments {
    /// The stage to copy the rows from; a variable names its database: DATABASE_PRODUCTION_URL
    #[arg(long, value_name = "STAGE")]
    pub from: Stage,
    /// The stage of this database, whose rows are replaced
    #[arg(long, value_name = "STAGE")]
    pub to: Stage,
    /// The file for the old rows of this database, which `load --replace` can restore; it must not exist
    #[arg(long, value_name = "FILE")]
    pub keep: PathBuf,
    /// Run this SQL file after the rows are loaded, in the same transaction, to make them anonymous
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Load the rows without changes
    #[arg(long)]
    pub unchanged: bool,
    /// Whether to ask first.
    #[command(flatten)]
    pub caution: Caution,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let script = match &arguments.script {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| unreadable(path, &error))?),
        None => None,
    };
    let kept = NewFile::create(&arguments.keep)?;
    let url = invocation.url_of_stage(arguments.from)?;
    let mut source = invocation.connect_to(&url).await?;
    let mut target = invocation.connect(Access::Write).await?;
    let migrator = invocation.migrator();
    if !is_forbidden(arguments.from, arguments.to) {
        check_source(invocation, &url, &mut source, arguments.from).await?;
    }
    if arguments.caution.asks(invocation) {
        let question = format!(
            "this replaces every row of {} ({}) by those of {url} ({})",
            invocation.database(),
            arguments.to,
            arguments.from
        );
        confirm::confirm(invocation, &question).await?;
    }
    let (from, to) = (arguments.from, arguments.to);
    let (forbidden, limits) = (invocation.forbidden(), invocation.options().limits());
    let refresh = Refresh { migrator: &migrator, from, to, forbidden, script, limits };
    let tables = refresh.run(&mut source, &mut target, kept).await?;
    invocation.output().note(&format!("the old rows of {to} are in `{}`", arguments.keep.display()));
    Ok(Answer::done(Body::Refreshed(Refreshed { from, to, tables: tables.rows })))
}

/// Checks the stage of the other database. Advice from the migrator would be about the one of the database URL.
async fn check_source(
    invocation: &Invocation<'_>,
    url: &DatabaseUrl,
    source: &mut Database,
    stage: Stage,
) -> Result<(), CommandError> {
    let migrator = lockgate::__private::of_any_stage(&invocation.migrator());
    let variable = invocation.variable_of_stage(stage);
    let error = match migrator.stage_of(source).await? {
        Some(found) if found == stage => return Ok(()),
        Some(found) => Error::refused(format!("{url} is marked as {found}, but {stage} was asked for"))
            .help(format!("set {variable} to the URL of the database of {stage}")),
        None => Error::refused(format!("{url} is not marked with a stage, but {stage} was asked for")).help(format!(
            "set {variable} to the URL of the database of {stage}; if this is the one, mark it: `mark-stage {stage} \
             --database-url \"${variable}\"`"
        )),
    };
    Err(error.state("nothing was changed").into())
}
