//! Restores a backup beside the database that it replaces, checks it there, and swaps the two.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "postgres")]
mod said;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::fmt;
use std::str::FromStr;

use lockgate::{Dialect, ErrorKind, Stage};

use crate::error::Error;
use crate::list;
use crate::meta::{Meta, TableRows};
use crate::subject::{Choice, Subject};

/// How to restore.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Which backup.
    pub choice: Choice,
    /// The stage that somebody named: that of the database, or the one that a database that does not exist will have.
    pub stage: Option<Stage>,
    /// The URL of a role that may create databases, where that of the database may not (PostgreSQL).
    pub admin_url: Option<String>,
    /// Ends the sessions of others when the databases are swapped (PostgreSQL).
    pub disconnect: bool,
    /// The errors that are noted and not failures (PostgreSQL).
    pub ignored: Vec<Ignored>,
    /// Finds out whether it can be done, and does nothing.
    pub dry_run: bool,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The backup.
    pub meta: Meta,
    /// The database, or the file.
    pub database: String,
    /// The name that the database before has now. `None` if there was none.
    pub kept: Option<String>,
    /// Errors that were ignored, because they are on the list.
    pub ignored: Vec<String>,
    /// Whether nothing was done.
    pub is_dry_run: bool,
}

/// An error of a restore that is no failure: a SQLSTATE, and the name of the object that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// `42704`
    pub sqlstate: String,
    /// `rdsadmin`
    pub object: String,
}

impl FromStr for Ignored {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (sqlstate, object) = text.split_once(':').unwrap_or((text, ""));
        let is_code = sqlstate.len() == 5 && sqlstate.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        if !is_code || object.is_empty() {
            return Err("write a SQLSTATE and the name of an object, like `42704:rdsadmin`".to_owned());
        }
        Ok(Self { sqlstate: sqlstate.to_owned(), object: object.to_owned() })
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sqlstate, self.object)
    }
}

/// Restores a backup into the database of the subject, which may exist or not.
///
/// What stands in the way is found before anything changes, all of it at once. The backup is restored into a new database
/// (or file) beside the old one, and compared with what it says of itself. Then the two are swapped in one step. The old one
/// is kept under another name, until [`drop_old`]. Whenever this is interrupted, the database is the old one or the new one,
/// and another call works.
///
/// # Errors
///
/// [`ErrorKind::Refused`] with every reason not to begin: another stage, a protected or unnamed one, a database without a
/// stage that is not empty, other sessions, missing roles, an older server, too little room; [`ErrorKind::Failed`] if the
/// backup cannot be restored, or is not what it says. In both cases the database is as it was.
pub async fn restore(subject: &Subject<'_>, options: &Options) -> Result<Restored, Error> {
    let meta = list::choose(subject, &options.choice).await?;
    let of_url = if subject.url.starts_with("sqlite:") { Dialect::Sqlite } else { Dialect::Postgres };
    let of_backup = meta.dialect()?;
    if of_url != of_backup {
        let what = format!("`{}` is a backup of {of_backup}, and the database is one of {of_url}", meta.key);
        return Err(Error::refused(what).state("nothing was changed").help("name another backup, or another database"));
    }
    match of_backup {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => postgres::restore(subject, options, meta).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite::restore(subject, options, meta).await,
        other => Err(Error::new(ErrorKind::Unsupported, format!("this build does not support {other}"))),
    }
}

/// Drops the databases, or deletes the files, that earlier restores of this one have kept, and gives their names.
///
/// # Errors
///
/// [`ErrorKind::Refused`] for a stage that is protected or not named, and while somebody uses one of them.
pub async fn drop_old(subject: &Subject<'_>, options: &Options) -> Result<Vec<String>, Error> {
    match subject.url.split_once(':').map_or("", |(scheme, _)| scheme) {
        #[cfg(feature = "sqlite")]
        "sqlite" => sqlite::drop_old(subject, options).await,
        #[cfg(feature = "postgres")]
        _ => postgres::drop_old(subject, options).await,
        #[cfg(not(feature = "postgres"))]
        _ => subject.name().map(|_| Vec::new()),
    }
}

/// What stands in the way of a restore. Each is a reason, and what to do about it.
#[derive(Default)]
pub(crate) struct Obstacles(Vec<(String, String)>);

impl Obstacles {
    pub(crate) fn add(&mut self, what: impl Into<String>, help: impl Into<String>) {
        self.0.push((what.into(), help.into()));
    }

    /// Whether the stage of a database that exists lets it be replaced.
    pub(crate) fn add_stage(&mut self, found: Option<Stage>, is_empty: bool, options: &Options, name: &str) {
        match (found, options.stage) {
            (Some(found), None) => self.add(
                format!("`{name}` is marked as {found}, and no stage was named"),
                format!("if this is the database to replace, say so: `--stage {found}`"),
            ),
            (None, _) if !is_empty => self.add(
                format!("`{name}` is not empty, and is not marked with a stage"),
                "connect to the right database; if this is the one, mark it: `mark-stage development`",
            ),
            (Some(_) | None, _) => {}
        }
    }

    pub(crate) fn check(self, name: &str) -> Result<(), Error> {
        let mut obstacles = self.0.into_iter();
        let Some((first, help)) = obstacles.next() else { return Ok(()) };
        let error = Error::refused(format!("`{name}` cannot be restored: {first}")).help(help);
        let error = obstacles.fold(error, |error, (what, help)| error.state(what).help(help));
        Err(error.state("nothing was changed"))
    }
}

/// Compares what was restored with what the backup says of itself.
pub(crate) fn compare(
    meta: &Meta,
    head: Option<&str>,
    tables: &[TableRows],
    schema_sha256: Option<&str>,
) -> Result<(), Error> {
    let mut differs = Vec::new();
    if meta.head.as_deref() != head {
        let shown = |head: Option<&str>| head.map_or_else(|| "no migration".to_owned(), |head| format!("`{head}`"));
        differs.push(format!("the newest migration is {} instead of {}", shown(head), shown(meta.head.as_deref())));
    }
    for table in &meta.tables {
        match tables.iter().find(|found| found.table == table.table) {
            None => differs.push(format!("the table {} is missing", table.table)),
            Some(found) if found.rows != table.rows => {
                differs.push(format!("{} has {} rows instead of {}", table.table, found.rows, table.rows));
            }
            Some(_) => {}
        }
    }
    for table in tables.iter().filter(|found| meta.tables.iter().all(|table| table.table != found.table)) {
        differs.push(format!("there is a table {} more", table.table));
    }
    if let (Some(expected), Some(found)) = (&meta.schema_sha256, schema_sha256)
        && expected != found
    {
        differs.push("the schema is another one".to_owned());
    }
    if differs.is_empty() {
        return Ok(());
    }
    let error = Error::failed(format!("what was restored of `{}` is not what the backup says", meta.key));
    Err(differs.into_iter().fold(error, Error::state).help("use another backup: `backup list` shows them"))
}

/// How many bytes are free where this path is. `None` if the system does not say.
pub(crate) fn free_bytes(path: &std::path::Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let found = rustix::fs::statvfs(path).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// A size for people: `16 kB`, `1.2 GB`.
pub(crate) fn shown_bytes(number: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB"];
    let mut size = number as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if size < 10.0 && unit > 0 { format!("{size:.1} {}", units[unit]) } else { format!("{size:.0} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_may_be_ignored_has_a_code_and_an_object() {
        let ignored: Ignored = "42704:rds admin".parse().unwrap();
        assert_eq!((&*ignored.sqlstate, &*ignored.object), ("42704", "rds admin"));
        assert_eq!(ignored.to_string(), "42704:rds admin");
        for wrong in ["", "42704", "42704:", "4270:x", "all", "42p01:x"] {
            assert!(wrong.parse::<Ignored>().is_err(), "{wrong}");
        }
    }
}
