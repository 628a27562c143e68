//! The meta file beside a dump: what the dump is of, how it was made, and its size, checksum and row counts.
//!
//! The format is append-only and has a version. The file is written last: a dump without a meta file is not a backup.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate::{Dialect, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The version of the format.
pub const VERSION: u32 = 1;

/// The description of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Meta {
    /// The version of this format.
    pub version: u32,
    /// The key of the dump in its store.
    pub key: String,
    /// When the backup was started, in seconds since 1970, in UTC.
    pub taken_at: u64,
    /// The size of the dump in bytes.
    pub size: u64,
    /// The SHA-256 of the dump, in hexadecimal digits.
    pub sha256: String,
    /// The name of the database.
    pub database: String,
    /// The stage that the database was marked with; null if it was not marked.
    pub stage: Option<String>,
    /// The name of the set in the history table.
    pub set: String,
    /// The newest migration that the database has; null if it has none.
    pub head: Option<String>,
    /// How many migrations the database has.
    pub applied: usize,
    /// `postgres` or `sqlite`.
    pub dialect: String,
    /// The version of the server, or of SQLite.
    pub server_version: String,
    /// What made the dump: `pg_dump 15.18`, or `VACUUM INTO`.
    pub made_by: String,
    /// Name and version of the program that made the backup.
    pub program: String,
    /// Why it was made.
    #[serde(default)]
    pub purpose: Purpose,
    /// The size of the database in bytes, with its indexes. A restore needs about as much space.
    pub database_bytes: u64,
    /// The roles that own something in the database, or may use it. Empty for SQLite.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The tablespaces of its tables and indexes, without the default. Empty for SQLite.
    #[serde(default)]
    pub tablespaces: Vec<String>,
    /// The tables, each with its number of rows.
    pub tables: Vec<TableRows>,
    /// The SHA-256 of the schema as text; null if the database contains something that this release does not know.
    #[serde(default)]
    pub schema_sha256: Option<String>,
    /// The encoding and the collation of the database. Null for SQLite.
    #[serde(default)]
    pub locale: Option<Locale>,
}

/// A table with its number of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// Its name, as SQL quotes it.
    pub table: String,
    /// How many rows it has in the dump.
    pub rows: i64,
}

/// The encoding and the collation of a PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    /// `UTF8`.
    pub encoding: String,
    /// LC_COLLATE.
    pub collate: String,
    /// LC_CTYPE.
    pub ctype: String,
    /// `c`, `i` (ICU) or `b` (built in).
    pub provider: String,
    /// The locale of ICU or of the builtin provider.
    pub name: Option<String>,
}

/// Why a backup was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Purpose {
    /// Somebody asked for it.
    #[default]
    Asked,
    /// The first step of a deploy.
    BeforeDeploy,
    /// The last step of a deploy.
    AfterDeploy,
}

impl Purpose {
    /// Its name: `asked`, `before-deploy`, `after-deploy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::BeforeDeploy => "before-deploy",
            Self::AfterDeploy => "after-deploy",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Meta {
    /// Reads a meta file that was found beside the dump with this key.
    pub(crate) fn read(text: &[u8], key: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let wrong = |what: String| Error::failed(format!("the meta file of `{key}` {what}"));
        let version: Version =
            serde_json::from_slice(text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if version.version != VERSION {
            let error = wrong(format!("has the version {}, which this release does not know", version.version));
            return Err(error.help("use the release of Lockgate that made the backup, or a newer one"));
        }
        let meta: Self = serde_json::from_slice(text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if meta.key != key {
            let error = wrong(format!("belongs to `{}`", meta.key));
            return Err(error.help("put the dump and its meta file back where they were"));
        }
        let name = crate::store::Name::of_key(key);
        let is_same = name.is_some_and(|name| {
            name.time().parse() == Ok(meta.taken_at)
                && name.folder().filename() == Some(meta.stage.as_deref().unwrap_or("unmarked"))
        });
        if !is_same {
            let error = wrong("has another time or stage than its name".to_owned());
            return Err(error.help("it was altered: use another backup"));
        }
        Ok(meta)
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("these values have a form in JSON") + "\n"
    }

    /// The kind of the database.
    pub(crate) fn dialect(&self) -> Result<Dialect, Error> {
        match &*self.dialect {
            "postgres" => Ok(Dialect::Postgres),
            "sqlite" => Ok(Dialect::Sqlite),
            other => {
                let what =
                    format!("`{}` is a backup of a database `{other}`, which this release does not know", self.key);
                Err(Error::new(ErrorKind::Unsupported, what))
            }
        }
    }

    /// The major release of the server.
    pub(crate) fn server_major(&self) -> Option<u32> {
        major(&self.server_version)
    }
}

/// The seconds since 1970, by the clock of this machine.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The first number of a version.
pub(crate) fn major(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}
