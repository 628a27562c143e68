//! `history`: shows the log of the database: what was done, when and by whom.

use lockgate::LogEntry;

use super::at_least_one;
use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::invocation::{Access, Invocation};

/// The arguments of `history`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How many of the newest entries to show
    #[arg(long, value_name = "N", default_value = "20", value_parser = at_least_one)]
    pub last: usize,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut database = invocation.connect(Access::Read).await?;
    let log = invocation.migrator().log(&mut database, arguments.last).await?;
    let named = |entry: LogEntry| {
        let set = invocation.migrations().set();
        let companions = set.companions().iter().map(|companion| &companion.set);
        let mut found = std::iter::once(set).chain(companions).filter_map(|set| set.find(entry.version));
        let id = match found.find(|migration| migration.goes_by(&entry.name)) {
            Some(migration) => migration.id().to_owned(),
            // A file of `create/` is known by its path alone, a repeatable script by its name.
            None if entry.version.is_of_name(&entry.name) || entry.name.contains('/') => entry.name.clone(),
            None => format!("{}_{}", entry.version, entry.name),
        };
        (id, entry)
    };
    Ok(Answer::done(Body::History(log.into_iter().map(named).collect())))
}
