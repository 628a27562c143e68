//! The data of a database as a file: [`dump`] writes the rows of all tables or of some, and [`load`] puts them into tables
//! that are empty. `dump_schema` and `load_schema` do the same with the schema, without rows.
//!
//! A dump is read in one snapshot, and loaded in one transaction. Both stream: neither a table nor a row needs to fit
//! into memory as a whole, except a row of SQLite. Tables can refer to one another in cycles. What the database
//! computes itself is omitted: generated columns, and what the triggers of the tables would insert.

mod choice;
mod file;
mod limits;
mod new_file;
#[cfg(feature = "postgres")]
mod postgres;
mod schema_file;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::io::{BufRead, BufWriter, Write};

use lockgate::{Database, Dialect};

pub use choice::{Condition, TableChoice};
pub use limits::{Limit, Limits};
pub use new_file::NewFile;
pub use schema_file::{SchemaFile, SchemaOptions, dump_schema, load_schema};

use crate::error::Error;
use crate::names::TableName;
use file::Head;

/// What is dumped.
#[derive(Clone, Debug, Default)]
pub struct DumpOptions {
    /// Which tables, and which of their rows.
    pub choice: TableChoice,
    /// The newest applied migration. A load asks for a database that has it as its newest.
    pub newest: Option<String>,
    /// Tables that do not belong to the application, such as those of the history: `lockgate_history`.
    pub bookkeeping: Vec<String>,
    /// How long its statements may take.
    pub limits: Limits,
}

/// How a dump is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The newest applied migration of the database.
    pub newest: Option<String>,
    /// A script that runs after the rows are loaded, in the same transaction, for example to make them anonymous.
    pub script: Option<String>,
    /// Whether existing rows in the tables of the dump are deleted first, in the same transaction, for example rows
    /// that migrations have inserted. Otherwise a table with rows is refused.
    pub replace: bool,
    /// Tables that a dump must not contain, such as those of the history: `lockgate_history`.
    pub bookkeeping: Vec<String>,
    /// How long its statements may take.
    pub limits: Limits,
}

/// The file for the rows that a load replaces. They are written to it in the transaction of the load, after the tables
/// are locked: nobody can add a row that is in neither.
pub(crate) struct Kept<'a> {
    pub(crate) options: &'a DumpOptions,
    pub(crate) file: NewFile,
}

/// What was dumped or loaded: each table with the number of its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Table by table, in the order of the file.
    pub rows: Vec<(String, u64)>,
}

impl Tables {
    /// The number of all rows.
    pub fn count(&self) -> u64 {
        self.rows.iter().map(|(_, count)| count).sum()
    }
}

/// Writes the rows of a database.
///
/// # Errors
///
/// If a chosen table does not exist, if the database contains something that a dump cannot hold, or if the database or
/// the file fails. The file is then incomplete, and [`load`] refuses it.
pub async fn dump(database: &mut Database, options: &DumpOptions, file: &mut dyn Write) -> Result<Tables, Error> {
    let head = options.head(database.dialect());
    for condition in &options.choice.conditions {
        condition.check(head.dialect)?;
    }
    let dumped = match head.dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => postgres::dump(connected(database.postgres())?, options, &head, file).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite::dump(connected(database.sqlite())?, options, &head, file).await,
        _ => Err(unbuilt(head.dialect)),
    };
    dumped.map_err(limits::explained)
}

/// Loads a dump as a whole or not at all.
///
/// # Errors
///
/// If a table has rows, if the database is at another migration than the dump, if the file is not a complete dump of
/// this kind of database, or if the database refuses a row. Nothing was changed then.
pub async fn load(database: &mut Database, options: &LoadOptions, file: &mut dyn BufRead) -> Result<Tables, Error> {
    load_keeping(database, options, None, file).await
}

/// The same, after the old rows are kept.
pub(crate) async fn load_keeping(
    database: &mut Database,
    options: &LoadOptions,
    kept: Option<Kept<'_>>,
    file: &mut dyn BufRead,
) -> Result<Tables, Error> {
    let mut lines = file::Lines::new(file);
    let head = Head::read(&mut lines)?;
    check_dialect("dump", head.dialect, database)?;
    head.check_newest(options.newest.as_deref())?;
    for table in &head.tables {
        check_bookkeeping(table, options)?;
    }
    let replaced = if options.replace { head.tables.as_slice() } else { &[] };
    let loaded = match head.dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => postgres::load(connected(database.postgres())?, options, replaced, kept, &mut lines).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite::load(connected(database.sqlite())?, options, replaced, kept, &mut lines).await,
        _ => Err(unbuilt(head.dialect)),
    };
    loaded.map_err(limits::explained)
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn connected<T>(connection: Option<T>) -> Result<T, Error> {
    connection.ok_or_else(|| Error::failed("the connection was interrupted").help("run the command again"))
}

impl DumpOptions {
    /// The head of the file, before the tables are known.
    fn head(&self, dialect: Dialect) -> Head {
        Head { dialect, newest: self.newest.clone(), tables: Vec::new() }
    }
}

/// Refuses the file of another kind of database. `what` the file is: a dump.
fn check_dialect(what: &str, of: Dialect, database: &Database) -> Result<(), Error> {
    if of == database.dialect() {
        return Ok(());
    }
    let (here, of) = (database.dialect().product(), of.product());
    Err(Error::refused(format!("the {what} is of a database of {of}, and this one is {here}"))
        .state("nothing was changed")
        .help(format!("name a database of {of}")))
}

impl Kept<'_> {
    /// What writes to the file.
    fn writer(&self) -> BufWriter<&std::fs::File> {
        BufWriter::new(self.file.file())
    }
}

/// The error of a COMMIT.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn uncommitted(error: &sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(_) => Error::of_driver("the dump cannot be loaded", error).state("nothing was changed"),
        _ => Error::of_driver("the connection broke while the load was committed", error)
            .state("it is not known whether the rows were loaded")
            .help("look at the tables: they have all of the new rows, or none of them"),
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn has_rows(table: &TableName) -> Error {
    Error::refused(format!("`{table}` has rows, and `load` does not add rows to existing ones"))
        .state("nothing was changed")
        .help("`load --replace` deletes existing rows first, such as those that migrations have inserted; or dump without \
             this table: `--exclude`")
}

/// The help for rows that refer to missing ones.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
const TOGETHER: &str = "dump these tables together, with all rows that their rows refer to";

/// The commands that dump and load these tables together.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn together<'a>(tables: impl IntoIterator<Item = &'a TableName>, options: &str) -> String {
    let only = |table: &TableName| format!(" --only {}", lockgate::shell_word(&table.to_string()));
    let only: String = tables.into_iter().map(only).collect();
    format!("`dump FILE{only}` and `load FILE{options}`")
}

/// Refuses to replace tables without those that refer to them.
#[cfg(feature = "postgres")]
fn referred_to(tables: &[TableName], referrers: &[TableName]) -> Error {
    let listed: Vec<String> = referrers.iter().map(|table| format!("`{table}`")).collect();
    let what = match tables {
        [table] => format!("the rows of `{table}` cannot be replaced alone"),
        _ => "the rows of the tables in the dump cannot be replaced alone".to_owned(),
    };
    Error::refused(format!("{what}: foreign keys refer to them from {}", listed.join(", ")))
        .state("nothing was changed")
        .help(format!(
            "dump all of them and load them together: {}",
            together(tables.iter().chain(referrers), " --replace")
        ))
}

/// Refuses a table of Lockgate's own, which no dump contains unless somebody has altered it.
fn check_bookkeeping(table: &TableName, options: &LoadOptions) -> Result<(), Error> {
    // SQLite's names have no case.
    let is_own = |own: &&String| match table.schema {
        Some(_) => table.goes_by(own),
        None => table.name.eq_ignore_ascii_case(own),
    };
    match options.bookkeeping.iter().find(is_own) {
        None => Ok(()),
        Some(_) => Err(Error::refused(format!("the dump contains `{table}`, which is not a table of the application"))
            .state("nothing was changed")
            .help("dump the data again: `dump` omits this table")),
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn script_fails(error: &sqlx::Error) -> Error {
    Error::of_driver("the script fails", error).state("nothing was changed: rows and script are one transaction")
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn script_ends_transaction() -> Error {
    Error::refused("the script ends the transaction in which the rows are loaded")
        .state("nothing was changed: rows and script are one transaction")
        .help("delete COMMIT, ROLLBACK and similar statements from it")
}

fn unbuilt(dialect: Dialect) -> Error {
    Error::usage(format!("this build does not support {}", dialect.product()))
        .help(format!("build with the feature `{dialect}` of `lockgate-cli`"))
}
