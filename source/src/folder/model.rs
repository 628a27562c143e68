//! The values that a folder of migrations is read into.

use std::path::PathBuf;

use lockgate_core::psql::Program;
use lockgate_core::table::{BodyData, ScriptOptions};
use lockgate_core::{Checksum, CompanionKind, Snapshot, Version};

use super::name::{Kind, Name};
use super::policy::{Numbering, Policy};
use super::read;
use crate::id::Id;
use crate::lockfile::{self, Lockfile};
use crate::sql::suggest;
use crate::{Code, Diagnostic, Severity};

/// A folder and every problem in it.
#[derive(Debug)]
pub struct Loaded {
    /// Its contents. After errors, only what could be read.
    pub folder: Folder,
    /// Every problem, sorted by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether there is an error, so that the folder does not compile.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// The contents of a folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// What its scripts are for, if they are not steps from one version to the next.
    pub kind: Option<CompanionKind>,
    /// Its absolute path.
    pub root: PathBuf,
    /// Its path as messages show it: `migrations`.
    pub shown: String,
    /// The directory of its migrations' tests.
    pub tests: Tests,
    /// Its policy, from `migrations.toml`.
    pub policy: Policy,
    /// Its lockfile, if there is one and it can be read.
    pub lockfile: Option<Lockfile>,
    /// The migrations, sorted by database, version and id. If two migrations of one database have the same
    /// version, there is an error about it.
    pub migrations: Vec<Migration>,
    /// The scripts that are not steps from one version to the next, each kind as a folder of its own.
    pub companions: Vec<CompanionFolder>,
    /// Every profile that a script has, of whichever database and companion.
    pub profiles: Vec<String>,
    /// The folder and every directory in it.
    pub directories: Vec<PathBuf>,
    /// The texts of the schemas that the migrations make, as they were checked in beside them.
    pub snapshots: Vec<SnapshotFile>,
    /// Other files that the result depends on: policy, lockfile and snapshots, if they exist.
    pub tracked: Vec<PathBuf>,
}

/// A snapshot of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its path below the folder: `schema.txt`.
    pub path: String,
    /// Its absolute path.
    pub absolute: PathBuf,
    /// Its text.
    pub text: String,
    /// What the set embeds of it.
    pub snapshot: Snapshot,
    /// The database in its name, if the folder is for several of them.
    pub database: Option<String>,
}

/// The scripts of one kind that are not steps from one version to the next.
#[derive(Clone, Debug)]
pub struct CompanionFolder {
    /// What they are for.
    pub kind: CompanionKind,
    /// The folder with these scripts alone. Its root, and the paths in it, are those of the whole folder.
    pub folder: Folder,
}

/// The directory of the migrations' tests: `tests/migrations` of the package that embeds the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tests {
    /// Its absolute path.
    pub directory: PathBuf,
    /// Its path as messages show it.
    pub shown: String,
}

/// Why [`Folder::choose`] found no database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDatabase {
    /// A database was given, but the folder's file names contain none.
    NotEncoded,
    /// The file names contain other databases.
    Unknown {
        /// The databases in the file names.
        known: Vec<String>,
        /// The one that was probably meant.
        meant: Option<String>,
    },
    /// The file names contain several databases, and none was given.
    Several {
        /// The databases in the file names.
        known: Vec<String>,
    },
}

/// The patches of one database of a folder.
#[derive(Clone, Debug)]
pub struct DatabaseFolder {
    /// The name of the database.
    pub name: String,
    /// The folder with its bootstraps alone.
    pub bootstraps: Folder,
    /// The folder with all its other patches.
    pub patches: Folder,
}

/// One migration of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its version and name, as its files write them: `0001_create_users`.
    pub id: Id,
    /// Whether the lockfile records it as released.
    pub frozen: bool,
    /// The checksums of its up script before each amendment, oldest first.
    pub amended: Vec<Checksum>,
    /// The reason that the `irreversible` directive gives, if there is one.
    pub irreversible: Option<String>,
    /// The profiles of which one must be chosen for it to run. It always runs if there are none.
    pub profiles: Vec<String>,
    /// The place of a repeatable script in the order in which they run.
    pub rank: Option<u64>,
    /// The up script, or the file of the Rust step.
    pub up: ScriptFile,
    /// The down script; for a Rust step with a function `down`, the same file again.
    pub down: Option<ScriptFile>,
}

/// Whether the lockfile records a script as released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScriptState {
    /// Not released: it may be edited.
    Draft,
    /// Released, and unchanged since.
    Frozen,
    /// Released, and edited since.
    Edited,
}

/// One file of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFile {
    /// Its path relative to the folder, with forward slashes.
    pub path: String,
    /// Its absolute path.
    pub absolute: PathBuf,
    /// Its kind, from its name.
    pub kind: Kind,
    /// Its text. SQL is stored without a byte order mark and with LF line ends, as the checksum covers it, so
    /// that every checkout sends the same bytes.
    pub text: String,
    /// Whether `text` is the file byte for byte.
    pub as_in_file: bool,
    /// The text as a parser takes it, if psql's lines are read in it: as long, with something in the place of each variable.
    pub masked: Option<String>,
    /// The files that it includes, whose text is in `text`.
    pub included: Vec<PathBuf>,
    /// The checksum of its canonical text; `None` if the file could not be read.
    pub checksum: Option<Checksum>,
    /// Whether it is released.
    pub state: ScriptState,
    /// Its statements, or that it is a Rust step.
    pub body: BodyData,
    /// The error message of a down script that only raises an error. The migration is irreversible then.
    pub raises: Option<String>,
    /// The options that its directives set.
    pub options: ScriptOptions,
    /// The lints that its `allow` directives silence, with the reasons.
    pub allow: Vec<(Code, String)>,
}

impl Folder {
    /// Returns a path in the folder as messages show it: `migrations/0001_create_users.sql`.
    pub fn show(&self, path: &str) -> String {
        read::join(&self.shown, path)
    }

    /// Returns the path of its lockfile, relative to the folder. The desired schema has none: it may be edited.
    pub fn lock_path(&self) -> Option<&'static str> {
        match self.kind {
            None => Some(lockfile::FILE),
            Some(CompanionKind::Manual) => Some("manual-deployment/migrations.lock"),
            Some(CompanionKind::Create | CompanionKind::Repeatable | CompanionKind::Seed) => None,
        }
    }

    /// Returns the folder and its manual scripts: those whose releases a lockfile records.
    pub fn locked(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.companion(CompanionKind::Manual))
    }

    /// Returns its companion of this kind, if it has one.
    pub fn companion(&self, kind: CompanionKind) -> Option<&Self> {
        self.companions.iter().find(|companion| companion.kind == kind).map(|companion| &companion.folder)
    }

    /// Creates an error about a file of a migration, pointing at its first statement.
    pub(crate) fn error(&self, code: Code, script: &ScriptFile, message: impl Into<String>) -> Diagnostic {
        script.point(Diagnostic::error(code, self.show(&script.path), message))
    }

    /// Returns the migration with this id. A patch is also found by its key, if its user or description has
    /// changed.
    pub fn find(&self, id: &str) -> Option<&Migration> {
        let id = Id::parse(id).ok()?;
        let at = self.migrations.partition_point(|known| known.id.place() < id.place());
        let of_it = || self.migrations[at..].iter().take_while(|known| known.id.place() == id.place());
        let by_key = || of_it().find(|known| known.frozen).or_else(|| of_it().next());
        let by_key = || by_key().filter(|_| id.database().is_some());
        of_it().find(|known| known.id == id).or_else(by_key)
    }

    /// Returns its repeatable scripts, in the order in which they run.
    pub fn repeatables(&self) -> &[Migration] {
        let of_kind = |companion: &&CompanionFolder| companion.kind == CompanionKind::Repeatable;
        self.companions.iter().find(of_kind).map_or(&[], |companion| &companion.folder.migrations)
    }

    /// Returns the databases in the names of its migrations.
    pub fn databases(&self) -> Vec<&str> {
        let mut databases: Vec<&str> = self.migrations.iter().filter_map(Migration::database).collect();
        databases.dedup();
        databases
    }

    /// Keeps only the migrations of one database, for a program to embed. Keeps all of them if `database` is
    /// `None` and their names contain at most one database. Bootstraps are left out: a database that can be connected
    /// to exists.
    ///
    /// The checks have run on the whole folder before.
    ///
    /// # Errors
    ///
    /// [`NoDatabase`] if the folder is for several databases and none is given, or the given one is not among
    /// them.
    pub fn choose(&mut self, database: Option<&str>) -> Result<(), NoDatabase> {
        let known: Vec<String> = self.databases().into_iter().map(str::to_owned).collect();
        match database {
            Some(_) if self.policy.numbering != Numbering::Encoded => return Err(NoDatabase::NotEncoded),
            Some(wanted) if !known.iter().any(|known| known == wanted) => {
                let meant = self.near_database(wanted).map(str::to_owned);
                return Err(NoDatabase::Unknown { known, meant });
            }
            None if known.len() > 1 => return Err(NoDatabase::Several { known }),
            Some(wanted) => {
                self.migrations.retain(|migration| migration.database() == Some(wanted));
                self.snapshots.retain(|snapshot| snapshot.database.as_deref().is_none_or(|name| name == wanted));
            }
            None => {}
        }
        self.migrations.retain(|migration| !migration.is_bootstrap());
        Ok(())
    }

    /// Returns the patches of each database, in their order, for a program that embeds all of them.
    ///
    /// # Errors
    ///
    /// [`NoDatabase::NotEncoded`] if the folder's file names contain no database.
    pub fn each_database(&self) -> Result<Vec<DatabaseFolder>, NoDatabase> {
        if self.policy.numbering != Numbering::Encoded {
            return Err(NoDatabase::NotEncoded);
        }
        let part = |name: &str, is_bootstrap: bool| {
            let mut part = self.clone();
            part.migrations.retain(|patch| patch.database() == Some(name) && patch.is_bootstrap() == is_bootstrap);
            part.companions.clear();
            let is_own = |database: Option<&str>| !is_bootstrap && database.is_none_or(|database| database == name);
            part.snapshots.retain(|snapshot| is_own(snapshot.database.as_deref()));
            part
        };
        let each = |name: &str| DatabaseFolder {
            name: name.to_owned(),
            bootstraps: part(name, true),
            patches: part(name, false),
        };
        Ok(self.databases().into_iter().map(each).collect())
    }

    /// Returns the database of the folder that a misspelt name probably means.
    pub fn near_database(&self, wanted: &str) -> Option<&str> {
        suggest::nearest(wanted, self.databases())
    }

    /// Splits the folder into one for each of its databases; returns the folder itself if there is at most one.
    /// Bootstraps are left out: they make a database, and do not change it.
    pub fn split_by_database(&self) -> Vec<Self> {
        let of = |database: Option<&str>| {
            let mut one = self.clone();
            one.migrations.retain(|migration| {
                !migration.is_bootstrap() && database.is_none_or(|database| migration.database() == Some(database))
            });
            one.snapshots.retain(|snapshot| match (snapshot.database.as_deref(), database) {
                (Some(own), Some(database)) => own == database,
                (None, _) | (_, None) => true,
            });
            one
        };
        match self.databases() {
            databases if databases.len() > 1 => databases.into_iter().map(|database| of(Some(database))).collect(),
            _ => vec![of(None)],
        }
    }

    /// Returns the path of a migration's test as messages show it, given the migration's key: `tests/migrations/0001_create_users.rs`.
    pub fn shown_test(&self, key: &str) -> String {
        read::join(&self.tests.shown, &format!("{key}.rs"))
    }
}

impl Migration {
    pub(super) fn new(
        name: &Name,
        up: ScriptFile,
        down: Option<ScriptFile>,
        irreversible: Option<String>,
        profiles: Vec<String>,
    ) -> Self {
        Self { id: name.id.clone(), frozen: false, amended: Vec::new(), irreversible, profiles, rank: None, up, down }
    }

    /// Returns the down script, unless it only raises an error.
    pub fn down_script(&self) -> Option<&ScriptFile> {
        self.down.as_ref().filter(|down| down.raises.is_none())
    }

    /// Returns why it is irreversible: the reason in its directive, or the error that its down script raises.
    pub fn reason(&self) -> Option<&str> {
        let raises = || self.down.as_ref().and_then(|down| down.raises.as_deref());
        self.irreversible.as_deref().or_else(raises)
    }

    /// Returns its version.
    pub fn version(&self) -> Version {
        self.id.version()
    }

    /// Returns its name without the version: `create_users`. For a patch, the description.
    pub fn name(&self) -> &str {
        self.id.name()
    }

    /// Returns the database in its name, if there is one.
    pub fn database(&self) -> Option<&str> {
        self.id.database()
    }

    /// Whether it runs only if its database does not exist.
    pub fn is_bootstrap(&self) -> bool {
        self.id.is_bootstrap()
    }

    /// Returns its files.
    pub fn files(&self) -> impl Iterator<Item = &ScriptFile> {
        let down = self.down.as_ref().filter(|down| down.kind != Kind::Rust);
        std::iter::once(&self.up).chain(down)
    }
}

impl ScriptFile {
    /// Returns its text as a parser takes it.
    pub fn parsed_text(&self) -> &str {
        self.masked.as_deref().unwrap_or(&self.text)
    }

    /// Points a diagnostic about a byte range of `text` at the included file that has these bytes.
    pub(crate) fn relocated(&self, folder: &Folder, mut diagnostic: Diagnostic) -> Diagnostic {
        if let Some(program) = &self.options.psql {
            relocate(folder, program, &mut diagnostic);
        }
        diagnostic
    }

    /// Points a diagnostic at the first statement of the script.
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

/// Points a diagnostic about the whole text of a script at the file that it is about.
pub(super) fn relocate(folder: &Folder, program: &Program, diagnostic: &mut Diagnostic) {
    let (Some(text), Some(range)) = (&diagnostic.text, &diagnostic.range) else { return };
    let Some((part, at)) = program.part(range.start, text.len()) else { return };
    let of_file = program.file_text(text, part.file);
    let end = (at + range.len()).min(of_file.len());
    diagnostic.file = folder.show(&program.files[part.file]);
    diagnostic.range = Some(at..end);
    diagnostic.text = Some(of_file.into());
}
