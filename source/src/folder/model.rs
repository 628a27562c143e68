//! What a folder of migrations holds, as values.

use std::path::PathBuf;

use lockgate_core::table::{BodyData, ScriptOptions};
use lockgate_core::{Checksum, Version};

use super::name::{Kind, Name};
use super::policy::{Numbering, Policy};
use super::read;
use crate::id::Id;
use crate::lockfile::Lockfile;
use crate::sql::suggest;
use crate::{Diagnostic, Severity};

/// A folder and everything that is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// What is in it; after errors only as much as could be understood.
    pub folder: Folder,
    /// Every problem, in the order of the files and their lines.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether the folder does not compile.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// What a folder holds.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub root: PathBuf,
    /// How messages name it: `migrations`.
    pub shown: String,
    /// Where the tests of its migrations are.
    pub tests: Tests,
    /// What it asks of its migrations.
    pub policy: Policy,
    /// Its lockfile, where there is one that can be read.
    pub lockfile: Option<Lockfile>,
    /// The migrations in ascending order of database, version and id. Where two of one database have
    /// the same version there is an error too.
    pub migrations: Vec<Migration>,
    /// The folder and every directory in it.
    pub directories: Vec<PathBuf>,
    /// Policy and lockfile, those that exist.
    pub tracked: Vec<PathBuf>,
}

/// The directory of the tests of migrations: `tests/migrations` of the package that embeds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tests {
    /// Where it is.
    pub directory: PathBuf,
    /// How messages name it.
    pub shown: String,
}

/// Why there is no one database that a folder's migrations are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDatabase {
    /// The folder's names say no database.
    NotEncoded,
    /// Its names say others.
    Unknown {
        /// Those that they say.
        known: Vec<String>,
        /// The one among them that was meant, perhaps.
        meant: Option<String>,
    },
    /// Its names say more than one, and none was named.
    Several {
        /// Those that they say.
        known: Vec<String>,
    },
}

/// One migration of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Version and name as its files write them: `0001_create_users`.
    pub id: Id,
    /// Whether the lockfile records it as released.
    pub frozen: bool,
    /// The checksums that its up script had before it was amended, the first one first.
    pub amended: Vec<Checksum>,
    /// Why it cannot be reverted, where its author said so.
    pub irreversible: Option<String>,
    /// The script that applies it, or the file of the Rust step.
    pub up: Script,
    /// The script that reverts it; for a Rust step that has a `down` the same file again.
    pub down: Option<Script>,
}

/// Whether a script was released, as the lockfile says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScriptState {
    /// It was not, and may be edited.
    Draft,
    /// It was, with the text that it has.
    Frozen,
    /// It was, with another text.
    Edited,
}

/// One file of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The path below the folder, with forward slashes.
    pub path: String,
    /// Where the file is.
    pub absolute: PathBuf,
    /// What its name says that it is.
    pub kind: Kind,
    /// What is in it. SQL is without a byte order mark and has LF for CRLF, as it is summed: two checkouts of one
    /// file send the same.
    pub text: String,
    /// Whether these are the bytes of the file.
    pub as_in_file: bool,
    /// The checksum of its canonical text; `None` where it could not be read.
    pub checksum: Option<Checksum>,
    /// Whether it was released.
    pub state: ScriptState,
    /// What it is made of.
    pub body: BodyData,
    /// What it says where it reverts and only raises an error: then the migration is irreversible.
    pub raises: Option<String>,
    /// What its head asks for.
    pub options: ScriptOptions,
    /// The lints that its head silences, with the reasons.
    pub allow: Vec<(String, String)>,
}

impl Folder {
    /// A path below the folder as messages name it: `migrations/0001_create_users.sql`.
    pub fn show(&self, path: &str) -> String {
        read::join(&self.shown, path)
    }

    /// An error about a file of a migration, shown at its first line that does something.
    pub(crate) fn error(&self, code: &'static str, script: &Script, message: impl Into<String>) -> Diagnostic {
        script.point(Diagnostic::error(code, self.show(&script.path), message))
    }

    /// The migration of this id; of a patch, whatever it is called now.
    pub fn find(&self, id: &str) -> Option<&Migration> {
        let id = Id::parse(id).ok()?;
        let at = self.migrations.partition_point(|known| known.id.place() < id.place());
        let of_it = || self.migrations[at..].iter().take_while(|known| known.id.place() == id.place());
        let by_key = || of_it().find(|known| known.frozen).or_else(|| of_it().next());
        let by_key = || by_key().filter(|_| id.database().is_some());
        of_it().find(|known| known.id == id).or_else(by_key)
    }

    /// The databases that its migrations are for, where their names say so.
    pub fn databases(&self) -> Vec<&str> {
        let mut databases: Vec<&str> = self.migrations.iter().filter_map(Migration::database).collect();
        databases.dedup();
        databases
    }

    /// Leaves the migrations of one database: what a program embeds. Where names do not say what they
    /// are for, and where they all say the same, all of them are.
    ///
    /// Checks look at the whole folder, and so at all databases.
    ///
    /// # Errors
    ///
    /// [`NoDatabase`] where the folder is for several and none is named, or this one is not among them.
    pub fn choose(&mut self, database: Option<&str>) -> Result<(), NoDatabase> {
        let known: Vec<String> = self.databases().into_iter().map(str::to_owned).collect();
        match database {
            Some(_) if self.policy.numbering != Numbering::Encoded => return Err(NoDatabase::NotEncoded),
            Some(wanted) if !known.iter().any(|known| known == wanted) => {
                let meant = self.near_database(wanted).map(str::to_owned);
                return Err(NoDatabase::Unknown { known, meant });
            }
            None if known.len() > 1 => return Err(NoDatabase::Several { known }),
            Some(wanted) => self.migrations.retain(|migration| migration.database() == Some(wanted)),
            None => {}
        }
        Ok(())
    }

    /// The database of the folder that this slip of the pen stands for.
    pub fn near_database(&self, wanted: &str) -> Option<&str> {
        suggest::nearest(wanted, self.databases())
    }

    /// The folder once for each of its databases, or once where its names do not say what they are for.
    pub fn of_each_database(&self) -> Vec<Self> {
        let of = |database: &&str| {
            let mut one = self.clone();
            one.migrations.retain(|migration| migration.database() == Some(*database));
            one
        };
        match self.databases() {
            databases if databases.len() > 1 => databases.iter().map(of).collect(),
            _ => vec![self.clone()],
        }
    }

    /// The test of a migration as messages name it, by its key: `tests/migrations/0001_create_users.rs`.
    pub fn shown_test(&self, key: &str) -> String {
        read::join(&self.tests.shown, &format!("{key}.rs"))
    }
}

impl Migration {
    pub(super) fn new(name: &Name, up: Script, down: Option<Script>, irreversible: Option<String>) -> Self {
        Self { id: name.id.clone(), frozen: false, amended: Vec::new(), irreversible, up, down }
    }

    /// The script that reverts it. One that only raises an error is none.
    pub fn way_down(&self) -> Option<&Script> {
        self.down.as_ref().filter(|down| down.raises.is_none())
    }

    /// Why it is irreversible, as its directive or its way down says.
    pub fn reason(&self) -> Option<&str> {
        let raises = || self.down.as_ref().and_then(|down| down.raises.as_deref());
        self.irreversible.as_deref().or_else(raises)
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.id.version()
    }

    /// Its name without the version: `create_users`. Of a patch, its description.
    pub fn name(&self) -> &str {
        self.id.name()
    }

    /// The database that it is for, where its name says so.
    pub fn database(&self) -> Option<&str> {
        self.id.database()
    }

    /// The files that it is made of.
    pub fn files(&self) -> impl Iterator<Item = &Script> {
        let down = self.down.as_ref().filter(|down| down.kind != Kind::Rust);
        std::iter::once(&self.up).chain(down)
    }
}

impl Script {
    /// The diagnostic at the first line of the script that does something.
    pub(crate) fn point(&self, diagnostic: Diagnostic) -> Diagnostic {
        let first = match &self.body {
            BodyData::Sql { readings, .. } => {
                readings.first().and_then(|reading| reading.statements.first()).map(|statement| statement.range.clone())
            }
            BodyData::Rust => self.text.find("pub async fn up").map(|at| at..at + "pub async fn up".len()),
        };
        diagnostic.at(&self.text, first.unwrap_or(0..0), "")
    }
}
