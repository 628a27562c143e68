//! `baseline`: records migrations as applied without running them, for a database that already has their changes.

#[cfg(feature = "schema")]
use lockgate::Dialect;
#[cfg(feature = "schema")]
use lockgate::schema::{Class, Policy};

use crate::answer::{Answer, NothingToDo};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};
use crate::migration_ref::MigrationRef;
use crate::render::Counts;
#[cfg(feature = "schema")]
use crate::url::DatabaseUrl;
use crate::watch::{View, attended, watched};

/// The arguments of `baseline`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The last migration that the database has: `7` or `0007_create_reservations`
    #[arg(value_name = "VERSION")]
    pub version: MigrationRef,
    /// Compare first: make the migrations on a scratch database, and refuse if this database is different
    #[cfg(feature = "schema")]
    #[arg(long)]
    pub verify: bool,
    /// The server on which the scratch database is made and dropped; by default, the one of this database
    #[cfg(feature = "schema")]
    #[arg(long, value_name = "URL", requires = "verify")]
    pub scratch: Option<DatabaseUrl>,
    /// Accept differences of this class: real, column-order, enum-order, constraint-name, index-name, privileges, owner or
    /// comment
    #[cfg(feature = "schema")]
    #[arg(long, value_name = "CLASS", requires = "verify", value_delimiter = ',')]
    pub accept: Vec<Class>,
    /// How to end if there is nothing to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let version = arguments.version.version(invocation.migrations())?;
    let mut database = invocation.connect(Access::Write).await?;
    let migrator = watched(invocation, invocation.migrator(), View { verbose: false, counts: Counts::Records });
    #[cfg(feature = "schema")]
    if arguments.verify {
        let of_database = match database.dialect() {
            Dialect::Sqlite => "sqlite::memory:",
            Dialect::Postgres | Dialect::Mysql => invocation.url(),
        };
        let scratch = arguments.scratch.as_ref().map_or(of_database, DatabaseUrl::reveal);
        let accepted = Policy::tolerating(arguments.accept.iter().copied());
        let verified = migrator.baseline_verified(&mut database, version, scratch, &accepted);
        return Ok(Answer::ran(attended(invocation, verified).await?, arguments.nothing));
    }
    let report = attended(invocation, migrator.baseline(&mut database, version)).await?;
    Ok(Answer::ran(report, arguments.nothing))
}
