//! Taking over the history of another tool.
//!
//! [`Migrator::plan_adopt`] reads the other tool's history and compares it with the embedded migrations, by the tool's
//! own checksum where it keeps one. [`Migrator::adopt`] records in one transaction what the tool has applied, with the
//! original times; nothing of a migration is run, and the tool's table is left as it is. [`Migrator::undo_adopt`] takes
//! that back.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use lockgate::{ErrorKind, Migrations, Migrator, adopt::Adopt};
//!
//! # static MIGRATIONS: Migrations = Migrations::EMPTY;
//! let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
//! let error = Migrator::new(&MIGRATIONS).adopt(&pool, &Adopt::new()).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Refused);
//! assert_eq!(error.to_string(), "`adopt` refuses: the database has no history of another tool");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod adoption;
mod alembic;
mod dbmate;
mod diesel;
mod flyway;
mod golang_migrate;
mod goose;
mod json;
mod matching;
mod names;
mod options;
mod prisma;
mod record;
mod refinery;
mod rusqlite_migration;
mod sea_orm;
mod sqlx;
mod text;
mod time;
mod tool;
mod tools;

use std::collections::BTreeMap;

use lockgate_core::{Atomicity, Audience, History, Version, plan};

use crate::backend::{Backend, BoxFuture, ForeignTable, TextRows};
use crate::database::Database;
use crate::error::{Cause, Class, Error, Wording};
use crate::executor::{self, OnHistoryChange};
use crate::history_table::Adopted;
use crate::migrator::{self, Migrator, Opened};
use crate::report::Report;
use crate::run::{Beside, Run};
use crate::target::Target;
use crate::target::sealed::LockgateTarget;

pub use adoption::{Adoption, AdoptionEntry, Finding};
pub use options::Adopt;

use adoption::REFUSES;
use record::{Key, Record, Rows};
use tool::{Locks, Tool};
use tools::Found;

/// The name of the verb in refusals.
const VERB: &str = "`adopt`";

impl Migrator {
    /// Compares the history of another tool with the embedded migrations. Takes no lock and writes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if no history of another tool is found, or several are.
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if `options` names a tool, a table or a column that is not known.
    /// Otherwise as for [`status`](Self::status). A history that cannot be taken over is not an error here: see
    /// [`Adoption::problems`].
    pub async fn plan_adopt(&self, target: impl Target, options: &Adopt) -> Result<Adoption, Error> {
        let Opened { run, mut backend, history } = self.open(target).await?;
        Ok(look(&mut *backend, &run, &history, options).await?.adoption)
    }

    /// Records as applied what another tool has applied, in one transaction, with the original times, under its locks
    /// and Lockgate's. Runs no migration, and leaves the tool's table as it is. If all of it is recorded already, there
    /// is nothing to do.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) as for [`plan_adopt`](Self::plan_adopt), and if a migration was
    /// edited, is missing or is not fully applied, or if Lockgate has applied migrations of its own here. Nothing was
    /// changed then. Else as for [`apply`](Self::apply).
    pub async fn adopt(&self, target: impl Target, options: &Adopt) -> Result<Report, Error> {
        let Opened { run, mut backend, history } = self.open(target).await?;
        let run = Run { atomicity: Atomicity::WholeRun, ..run };
        let Looked { adoption, source } = look(&mut *backend, &run, &history, options).await?;
        if let Some(refusal) = adoption.refusal() {
            return Err(refusal);
        }
        if adoption.to_record() > 0
            && let Some(id) = not_adopted(&last_events(&mut *backend, &run, &history).await?, &run, &history)
        {
            let problem =
                format!("Lockgate has a history of its own here: `{id}` was not taken over from another tool");
            let help = Wording::each(|audience| {
                format!("{} shows it; {} records what is not in it", audience.status(), audience.baseline("VERSION"))
            });
            return Err(Error::refused_for(REFUSES, &[(problem, help)]));
        }
        let versions: Vec<Version> = adoption.records.keys().copied().collect();
        let beside = Taking { source: &source, history_table: run.history_table.clone(), records: adoption.records };
        let mirror = self.settle_mirror(&run, &mut *backend).await?;
        let run = Run { beside: Some(&beside), mirror: mirror.as_deref(), ..run };
        let (set, dialect) = (self.migrations().set(), backend.dialect());
        let decide = |history: &History| {
            plan::adopt(set, history, dialect, &versions).map_err(|refusal| migrator::refused(|_| VERB, &refusal))
        };
        let adopted = executor::execute(&mut *backend, &run, OnHistoryChange::Replan, &decide).await;
        migrator::tell_mirror(mirror.as_deref(), &run, &mut *backend, &adopted).await;
        adopted
    }

    /// Takes an adoption back: removes what [`adopt`](Self::adopt) has recorded, so that the database is again one that
    /// only the other tool has migrated. The log keeps what happened.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if nothing was taken over, or if a migration is recorded that
    /// was applied since. Else as for [`apply`](Self::apply).
    pub async fn undo_adopt(&self, target: impl Target) -> Result<Report, Error> {
        let Opened { run, mut backend, history } = self.open(target).await?;
        let run = Run { atomicity: Atomicity::WholeRun, ..run };
        let events = last_events(&mut *backend, &run, &history).await?;
        if !events.values().any(|event| event == ADOPTED) {
            let problem = "no history was taken over here".to_owned();
            let help = Wording::each(|audience| format!("{} shows what the database has", audience.status()));
            return Err(Error::refused_for(UNDO_REFUSES, &[(problem, help)]));
        }
        if let Some(id) = not_adopted(&events, &run, &history) {
            let problem = format!("`{id}` was not taken over from another tool, which does not know of it");
            let help = Wording::each(|audience| {
                format!("revert what was applied after the adoption ({}), then run again", audience.down())
            });
            return Err(Error::refused_for(UNDO_REFUSES, &[(problem, help)]));
        }
        let beside = GivingBack { history_table: run.history_table.clone() };
        let mirror = self.settle_mirror(&run, &mut *backend).await?;
        let run = Run { beside: Some(&beside), mirror: mirror.as_deref(), ..run };
        let decide = |history: &History| Ok(plan::forget_all(self.migrations().set(), history));
        let undone = executor::execute(&mut *backend, &run, OnHistoryChange::Refuse, &decide).await;
        migrator::tell_mirror(mirror.as_deref(), &run, &mut *backend, &undone).await;
        undone
    }
}

const UNDO_REFUSES: &str = "the adoption cannot be taken back";

/// What the log calls a migration that was taken over.
const ADOPTED: &str = "adopted";

/// The last event of each recorded version.
async fn last_events(
    backend: &mut dyn Backend,
    run: &Run<'_>,
    history: &History,
) -> Result<BTreeMap<i64, String>, Error> {
    if history.rows().is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(backend.last_events(&run.history_table).await.map_err(unread)?.into_iter().collect())
}

/// A recorded migration that was not taken over: the newest one. A repeatable script does not count, because it runs again
/// on a database that does not record it.
fn not_adopted(events: &BTreeMap<i64, String>, run: &Run<'_>, history: &History) -> Option<String> {
    let is_other = |version: Version| events.get(&version.get()).is_none_or(|event| event != ADOPTED);
    let set = run.migrations.set();
    let id = |row: &lockgate_core::Row| set.find(row.version).map_or_else(|| row.id(), |found| found.id().to_owned());
    let migrations = history.rows().iter().rev().filter(|row| !row.is_repeatable());
    migrations.into_iter().find(|row| is_other(row.version)).map(id)
}

fn unread(cause: Cause) -> Error {
    Error::from_cause("the history of the other tool cannot be read", cause)
}

/// The history that was found.
struct Looked {
    adoption: Adoption,
    source: Source,
}

/// Where the records are from.
struct Source {
    tool: Tool,
    /// The table and its rows, if it is in the migrated database.
    table: Option<(ForeignTable, TextRows)>,
}

async fn look(backend: &mut dyn Backend, run: &Run<'_>, history: &History, options: &Adopt) -> Result<Looked, Error> {
    let (tool, place, records, table) = match (&options.json, &options.database) {
        (Some(text), _) => {
            let records = json::read(text).map_err(|why| Error::usage(format!("the JSON cannot be used: {why}")))?;
            (Tool { shown: "the file", ..names::ANY }, "migrations.json".to_owned(), records, None)
        }
        (None, Some(url)) => {
            let mut database = Database::connect(url).await?;
            let opened = LockgateTarget::open(&mut database).await;
            let mut elsewhere = opened.map_err(|cause| Error::from_cause("the database cannot be reached", cause))?;
            let (found, rows) = find(&mut *elsewhere, run, options).await?;
            (found.tool, found.table.shown(), records(&found, &rows, options)?, None)
        }
        (None, None) => {
            let (found, rows) = find(backend, run, options).await?;
            let records = records(&found, &rows, options)?;
            (found.tool, found.table.shown(), records, Some((found.table, rows)))
        }
    };
    let records = match options.up_to {
        Some(version) => {
            if run.migrations.set().find(version).is_none() {
                return Err(Error::usage(format!("the program embeds no migration of version {version}")));
            }
            vec![Record::new(Key::UpTo(version.get()), version.to_string())]
        }
        None => records,
    };
    let set = run.migrations.set();
    let matched = matching::matched(set, records);
    let adoption = adoption::adoption(set, history, &tool, place, matched, options);
    Ok(Looked { adoption, source: Source { tool, table } })
}

fn records(found: &Found, rows: &TextRows, options: &Adopt) -> Result<Vec<Record>, Error> {
    let rows = Rows { table: &found.table, rows };
    match &options.column {
        Some(column) if !rows.has(column) => {
            let columns: Vec<String> = found.table.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            let (table, columns) = (found.table.shown(), columns.join(", "));
            Err(Error::usage(format!("`{table}` has no column `{column}`, only {columns}")))
        }
        Some(column) => Ok(names::in_column(&rows, column)),
        None => Ok((found.tool.read)(&rows)),
    }
}

/// Finds the table with the history, and reads it.
async fn find(backend: &mut dyn Backend, run: &Run<'_>, options: &Adopt) -> Result<(Found, TextRows), Error> {
    let own = [run.history_table.table.name.clone(), run.history_table.table.log().name];
    let mut tables = backend.tables().await.map_err(unread)?;
    tables.retain(|table| !own.contains(&table.name));
    let tool = options.from.as_ref().map(|word| tools::find(word).ok_or_else(|| unknown_tool(word))).transpose()?;
    let found = chosen(tables, tool, options)?;
    let rows = backend.table_rows(&found.table).await.map_err(unread)?;
    Ok((found, rows))
}

fn unknown_tool(word: &str) -> Error {
    let words: Vec<&str> = tools::all().map(|tool| tool.word).collect();
    Error::usage(format!("`{word}` is not a tool whose history can be taken over"))
        .with_help(format!("write one of {}", words.join(", ")))
}

fn chosen(tables: Vec<ForeignTable>, tool: Option<Tool>, options: &Adopt) -> Result<Found, Error> {
    let refused = |problem: String, help: Wording| Error::refused_for(REFUSES, &[(problem, help)]);
    if let Some(name) = &options.table {
        let is_it = |table: &&ForeignTable| {
            let with_schema = table.schema.as_ref().is_some_and(|schema| format!("{schema}.{}", table.name) == *name);
            table.name == *name || with_schema
        };
        let these: Vec<ForeignTable> = tables.iter().filter(is_it).cloned().collect();
        return match these.as_slice() {
            [] => Err(Error::usage(format!("the database has no table `{name}` that this role may read"))),
            [table] => {
                let tool = tool.or_else(|| tools::detect(&these).first().map(|found| found.tool));
                let tool = tool.filter(|_| options.column.is_none()).unwrap_or(names::ANY);
                if !tool::has_columns(&tool, table) {
                    return Err(Error::usage(format!("`{name}` is not a history table of {}", tool.shown)));
                }
                Ok(Found { tool, table: table.clone() })
            }
            many => Err(ambiguous_table(many)),
        };
    }
    let mut found = match tool {
        Some(tool) => {
            let fits = |table: &&ForeignTable| tool::has_columns(&tool, table);
            let named = |table: &&ForeignTable| table.name.eq_ignore_ascii_case(tool.table);
            let by_name: Vec<&ForeignTable> = tables.iter().filter(fits).filter(named).collect();
            let by_columns = tables.iter().filter(fits).filter(|_| tool.other_names);
            let these = if by_name.is_empty() { by_columns.collect() } else { by_name };
            these.into_iter().map(|table| Found { tool, table: table.clone() }).collect()
        }
        None => tools::detect(&tables),
    };
    match (found.len(), tool) {
        (1, _) => Ok(found.remove(0)),
        (0, Some(tool)) => Err(refused(
            format!("the database has no history of {}: there is no table `{}`", tool.shown, tool.table),
            named_otherwise(),
        )),
        (0, None) => Err(refused("the database has no history of another tool".to_owned(), named_otherwise())),
        (_, _) if found.iter().all(|one| one.tool.word == found[0].tool.word) => {
            let tables: Vec<ForeignTable> = found.into_iter().map(|found| found.table).collect();
            Err(ambiguous_table(&tables))
        }
        (_, _) => {
            let shown = found.iter().map(|one| format!("{} (`{}`)", one.tool.shown, one.table.shown()));
            let problem = format!("the database has the histories of {}", shown.collect::<Vec<_>>().join(" and "));
            let help = Wording::each(|audience| {
                let words = found.iter().map(|one| match audience {
                    Audience::Rust => format!("`Adopt::from(\"{}\")`", one.tool.word),
                    Audience::CommandLine => format!("`adopt --from {}`", one.tool.word),
                });
                format!("say which is meant: {}", words.collect::<Vec<_>>().join(" or "))
            });
            Err(refused(problem, help))
        }
    }
}

fn named_otherwise() -> Wording {
    Wording::each(|audience| {
        let table = match audience {
            Audience::Rust => "name it with `Adopt::table(\"name\")`",
            Audience::CommandLine => "name it with `--table`",
        };
        format!("check that this is the right database; if the history is in a table of another name, {table}")
    })
}

fn ambiguous_table(tables: &[ForeignTable]) -> Error {
    let full = |table: &ForeignTable| match &table.schema {
        Some(schema) => format!("{schema}.{}", table.name),
        None => table.name.clone(),
    };
    let names: Vec<String> = tables.iter().map(full).collect();
    let problem = format!("there are {} such tables: {}", names.len(), names.join(", "));
    let help = Wording::each(|audience| {
        let each = names.iter().map(|name| match audience {
            Audience::Rust => format!("`Adopt::table(\"{name}\")`"),
            Audience::CommandLine => format!("`adopt --table {name}`"),
        });
        format!("say which is meant: {}", each.collect::<Vec<_>>().join(" or "))
    });
    Error::refused_for(REFUSES, &[(problem, help)])
}

/// An adoption, in the transaction that records it.
struct Taking<'a> {
    source: &'a Source,
    history_table: crate::history_table::HistoryTable,
    records: BTreeMap<Version, Adopted>,
}

impl Beside for Taking<'_> {
    fn before<'b>(&'b self, backend: &'b mut dyn Backend) -> BoxFuture<'b, Result<(), Cause>> {
        Box::pin(async move {
            let table = self.source.table.as_ref();
            let (schema, name) =
                table.map_or(("", ""), |(table, _)| (table.schema.as_deref().unwrap_or_default(), table.name.as_str()));
            let keys = |database: &str| match (self.source.tool.locks, table) {
                (Locks::Keys(keys), Some(_)) => keys(database, schema, name),
                (Locks::Keys(_), None) | (Locks::TableOnly, _) => Vec::new(),
            };
            backend.keep_out(&self.history_table, table.map(|(table, _)| table), &keys).await?;
            let Some((table, rows)) = table else { return Ok(()) };
            let (mut now, mut seen) = (backend.table_rows(table).await?, rows.clone());
            now.sort();
            seen.sort();
            if now != seen {
                let message = format!("{} has changed its history meanwhile", self.source.tool.shown);
                return Err(
                    Cause::new(Class::Busy, message).with_advice("wait until its run has ended, then run again")
                );
            }
            Ok(())
        })
    }

    fn after<'b>(&'b self, _: &'b mut dyn Backend) -> BoxFuture<'b, Result<(), Cause>> {
        Box::pin(async { Ok(()) })
    }

    fn adopted(&self, version: Version) -> Option<Box<Adopted>> {
        self.records.get(&version).cloned().map(Box::new)
    }
}

/// The end of an adoption, in the transaction that removes it.
struct GivingBack {
    history_table: crate::history_table::HistoryTable,
}

impl Beside for GivingBack {
    fn before<'b>(&'b self, backend: &'b mut dyn Backend) -> BoxFuture<'b, Result<(), Cause>> {
        Box::pin(async move { backend.keep_out(&self.history_table, None, &|_| Vec::new()).await })
    }

    /// Without a history table, the other tool's history counts again.
    fn after<'b>(&'b self, backend: &'b mut dyn Backend) -> BoxFuture<'b, Result<(), Cause>> {
        Box::pin(async move { backend.drop_if_empty(&self.history_table).await })
    }

    fn adopted(&self, _: Version) -> Option<Box<Adopted>> {
        Some(Box::new(Adopted { detail: "the adoption was taken back".to_owned(), ..Adopted::default() }))
    }
}
