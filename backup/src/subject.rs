//! What every command needs: a database, its migrator, and the store of its backups; and how one backup is chosen.

use std::fmt;
use std::str::FromStr;

use lockgate::{Migrator, Stage};

use crate::error::Error;
use crate::event::Event;
use crate::store::Store;

/// A database, its migrator, and the store of its backups.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The URL of the database.
    pub url: &'a str,
    /// The migrator, which knows the history and the stage of the database.
    pub migrator: &'a Migrator,
    /// Where its backups are.
    pub store: &'a Store,
    /// Is called for each event.
    pub on_event: &'a (dyn Fn(&Event) + Send + Sync),
}

impl Subject<'_> {
    /// The name of the database in a store: its name on the server, or the name of its file without the extension.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](lockgate::ErrorKind::Usage) if the URL is invalid, or the database is in memory.
    pub fn name(&self) -> Result<String, Error> {
        name_of(self.url)
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        (self.on_event)(&Event::Noted(text.into()));
    }
}

/// The name that the database of a URL has in a store.
pub(crate) fn name_of(url: &str) -> Result<String, Error> {
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let file = lockgate::__private::file_of(url);
            let name = file.as_deref().and_then(|file| Some(file.file_stem()?.to_string_lossy().into_owned()));
            name.ok_or_else(|| {
                Error::usage("a database in memory has no backups").help("name a file: `sqlite://app.db`")
            })
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            let console = lockgate::Console::of(url)?;
            let name = console.database().filter(|name| !name.is_empty()).map(str::to_owned);
            name.ok_or_else(|| Error::usage("the URL names no database").help("write it: `postgres://HOST/DATABASE`"))
        }
        _ => {
            lockgate::Console::of(url)?;
            Err(Error::usage("this build does not support backups of such a database"))
        }
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("url", &lockgate::mask_secrets(self.url)).field("store", self.store).finish()
    }
}

/// The stage of a backup: the one that the database was marked with when the backup was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackupStage {
    /// The database was not marked.
    Unmarked,
    /// It was marked with this stage.
    Stage(Stage),
}

impl BackupStage {
    /// Its name in keys: that of the stage, or `unmarked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmarked => "unmarked",
            Self::Stage(stage) => stage.as_str(),
        }
    }
}

impl From<Option<Stage>> for BackupStage {
    /// Converts the stage that a database is marked with.
    fn from(stage: Option<Stage>) -> Self {
        stage.map_or(Self::Unmarked, Self::Stage)
    }
}

impl fmt::Display for BackupStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BackupStage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unmarked" => Ok(Self::Unmarked),
            text => match text.parse() {
                Ok(stage) => Ok(Self::Stage(stage)),
                Err(_) => Err("write development, test, staging, production, or unmarked".to_owned()),
            },
        }
    }
}

/// Which backup: the newest of a database and a stage, or one by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupChoice {
    /// The database that the backup is of. `None`: the one of the URL.
    pub database: Option<String>,
    /// The stage of the backup. `None`: the only stage that has backups.
    pub stage: Option<BackupStage>,
    /// The key, or the last part of it. `None`: the newest.
    pub key: Option<String>,
}
