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
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::list;
use crate::meta::{Meta, TableRows};
use crate::store::hex;
use crate::subject::{BackupChoice, Subject};

/// How to restore.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Which backup to restore.
    pub choice: BackupChoice,
    /// The stage that the user named: that of the existing database, or the one that a new database is marked with.
    pub stage: Option<Stage>,
    /// The URL of a role that may create databases, if the role of the database URL may not (PostgreSQL).
    pub admin_url: Option<String>,
    /// The flag or the variable that gave this URL, for messages: `DATABASE_ADMIN_URL`.
    pub admin_url_given_by: Option<String>,
    /// Whether to end other sessions when the databases are swapped (PostgreSQL).
    pub disconnect: bool,
    /// The errors that are only reported, and are not failures (PostgreSQL).
    pub ignored: Vec<Ignored>,
    /// Whether to check only if the restore is possible, and read the dump, but change nothing.
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
    /// The name under which the old database is kept. `None` if there was none.
    pub kept: Option<String>,
    /// Errors that were ignored, because they are on the list.
    pub ignored: Vec<String>,
    /// Whether this was a dry run.
    pub is_dry_run: bool,
}

/// An error that a restore ignores: a SQLSTATE, and the name of the object that it is about.
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

/// How far a restore goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// It finds the obstacles.
    Obstacles,
    /// It reads the dump too.
    Dump,
    /// It restores the backup.
    Whole,
}

/// Restores a backup into the database of the subject, which may exist or not.
///
/// All obstacles are found and reported before anything changes. The backup is restored into a new database (or file)
/// beside the old one, and compared with its meta file. Then the two are swapped in one step. The old one is kept under
/// another name until [`drop_old`]. If the restore is interrupted, the database is either the old or the new one, and
/// the restore can be called again.
///
/// A dry run finds the obstacles and reads the whole dump: its size and checksum must be those of the meta file, and
/// `pg_restore` must understand its table of contents.
///
/// # Errors
///
/// [`ErrorKind::Refused`] with all obstacles: a wrong, protected or unnamed stage, a database with tables and without a
/// stage, other sessions, missing roles, an older server, too little disk space; [`ErrorKind::Failed`] if the backup
/// cannot be restored, or does not match its meta file. In both cases the database is not changed.
pub async fn restore(subject: &Subject<'_>, options: &Options) -> Result<Restored, Error> {
    let extent = if options.dry_run { Extent::Dump } else { Extent::Whole };
    as_far_as(subject, options, extent).await
}

/// Finds the backup that would be restored, and all obstacles. It does not read the dump, which may take long.
///
/// # Errors
///
/// Those of [`restore`], but for a damaged dump.
pub async fn find(subject: &Subject<'_>, options: &Options) -> Result<Meta, Error> {
    Ok(as_far_as(subject, options, Extent::Obstacles).await?.meta)
}

async fn as_far_as(subject: &Subject<'_>, options: &Options, extent: Extent) -> Result<Restored, Error> {
    let meta = list::choose(subject, &options.choice).await?;
    let of_url = if subject.url.starts_with("sqlite:") { Dialect::Sqlite } else { Dialect::Postgres };
    let of_backup = meta.dialect()?;
    if of_url != of_backup {
        let what = format!("`{}` is a backup of {of_backup}, but the database URL is one of {of_url}", meta.key);
        return Err(Error::refused(what).state("nothing was changed").help("name another backup, or another database"));
    }
    match of_backup {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => postgres::restore(subject, options, extent, meta).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => sqlite::restore(subject, options, extent, meta).await,
        other => Err(Error::new(ErrorKind::Unsupported, format!("this build does not support {other}"))),
    }
}

/// The names of what restores of a database make beside it: databases, or files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Names {
    /// The copy that a restore fills before it takes the name of the database. An interrupted restore leaves it; the next
    /// one drops it, and so does [`drop_old`].
    pub unfinished: String,
    /// How the name of an old database begins, which a restore has replaced.
    pub kept: String,
    file: Option<String>,
}

impl Names {
    /// The file of the database, if it is one of SQLite.
    pub fn of_file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}

/// The names of what restores of the database of this URL make.
///
/// # Errors
///
/// [`ErrorKind::Usage`] if the URL is invalid, or the database is in memory.
pub fn names(url: &str) -> Result<Names, Error> {
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        #[cfg(feature = "sqlite")]
        "sqlite" => sqlite::names(url),
        #[cfg(feature = "postgres")]
        _ => postgres::names(url),
        #[cfg(not(feature = "postgres"))]
        _ => crate::subject::name_of(url).map(|name| Names { unfinished: name.clone(), kept: name, file: None }),
    }
}

/// Reports what an interrupted restore has left.
fn note_unfinished(subject: &Subject<'_>, kind: &str, name: &str) {
    subject.note(format!(
        "an earlier restore was interrupted and has left the unfinished {kind} `{name}`; a restore drops it before it \
         begins"
    ));
}

/// Reports a copy that a failed restore could not drop.
fn note_undropped(subject: &Subject<'_>, kind: &str, name: &str, why: &Error) {
    subject.note(format!(
        "the unfinished {kind} `{name}` is left: {why}; the next `restore` drops it, and so does `restore --drop-old`"
    ));
}

/// Drops the databases, or deletes the files, that earlier restores of this database have kept, and the copy that an
/// interrupted one has left, and returns their names.
///
/// # Errors
///
/// [`ErrorKind::Refused`] if the stage is protected or was not named, or if one of them is in use;
/// [`ErrorKind::Locked`] if a restore of the database is running.
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

/// The obstacles to a restore, each with the way out.
#[derive(Default)]
pub(crate) struct Obstacles(Vec<(String, String)>);

impl Obstacles {
    pub(crate) fn add(&mut self, what: impl Into<String>, help: impl Into<String>) {
        self.0.push((what.into(), help.into()));
    }

    /// Checks whether the stage of an existing database allows a restore to replace it.
    pub(crate) fn add_stage(&mut self, found: Option<Stage>, is_empty: bool, options: &Options, name: &str) {
        match (found, options.stage) {
            (Some(found), None) => self.add(
                format!("`{name}` is marked as {found}, and you have not named a stage"),
                format!("if this is the database to replace, confirm it: `--stage {found}`"),
            ),
            (None, _) if !is_empty => self.add(
                format!("`{name}` is not empty, and is not marked with a stage"),
                "connect to the right database, or mark this one if it is right: `mark-stage development`",
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

/// Compares the restored database with the meta file of the backup.
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
            None => differs.push(format!("the table `{}` is missing", table.table)),
            Some(found) if found.rows != table.rows => {
                differs.push(format!("`{}` has {} rows instead of {}", table.table, found.rows, table.rows));
            }
            Some(_) => {}
        }
    }
    for table in tables.iter().filter(|found| meta.tables.iter().all(|table| table.table != found.table)) {
        differs.push(format!("there is an additional table `{}`", table.table));
    }
    if let (Some(expected), Some(found)) = (&meta.schema_sha256, schema_sha256)
        && expected != found
    {
        differs.push("the schema is different".to_owned());
    }
    if differs.is_empty() {
        return Ok(());
    }
    let error = Error::failed(format!("the restored `{}` does not match its meta file", meta.key));
    Err(differs.into_iter().fold(error, Error::state).help("use another backup: `backup list` shows them"))
}

/// Identifies what restores of this database have made: a hash that nobody else appends to this ending by chance.
pub(crate) fn mark(name: &str, ending: &str) -> String {
    let hash = Sha256::digest(format!("lockgate {name}{ending}"));
    hex(&hash[..4])
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
