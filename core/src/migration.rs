//! The set of migrations that is embedded in a program, and one migration of it.
//!
//! The macro emits a set as three `&'static` pieces: the texts of all scripts, their paths, and the table that says
//! where each is (see [`crate::table`]). Nothing is parsed, sorted or hashed at run time. A thousand migrations cost
//! a thousand table records, not a thousand pointers that the loader must relocate.

use std::fmt;
use std::time::Duration;

use crate::patch::Patch;
#[cfg(feature = "psql")]
use crate::psql::Program;
use crate::row_hash;
use crate::snapshot::{self, Head, NamedAfter};
use crate::table::{self, Names, Reader};
use crate::{
    Action, Checksum, CompanionKind, Dialect, Dialects, Direction, Snapshot, Statement, Touch, Unit, Version, unit,
};

/// The ordered migrations embedded in a program.
#[derive(Clone, Copy)]
pub struct Set {
    folder: &'static str,
    application: &'static str,
    texts: &'static str,
    paths: &'static str,
    table: &'static [u8],
    companions: &'static [Companion],
    /// The texts of the schemas that the set makes, one for each database.
    schemas: &'static [&'static str],
    /// A bit for each profile that is chosen.
    chosen: u64,
    /// Whether the files lie beside the program.
    is_beside: bool,
}

/// A set that another set brings along. See [`Set::companion`].
#[derive(Clone, Copy, Debug)]
pub struct Companion {
    /// What its scripts are for.
    pub kind: CompanionKind,
    /// Its scripts.
    pub set: Set,
}

/// A profile was chosen that no file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProfile {
    /// Its name.
    pub name: String,
    /// The folder.
    pub folder: &'static str,
    /// The profiles that the files name.
    pub known: Vec<&'static str>,
}

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, folder, .. } = self;
        let folder = if folder.is_empty() { "the folder" } else { folder };
        write!(f, "no file in {folder} names the profile `{name}`")
    }
}

impl std::error::Error for UnknownProfile {}

impl UnknownProfile {
    /// What to do about it.
    pub fn help(&self) -> String {
        if self.known.is_empty() {
            return "no script has a profile: a script gets one by `-- lockgate: profile <name>` at its beginning"
                .to_owned();
        }
        let known: Vec<String> = self.known.iter().map(|name| format!("`{name}`")).collect();
        format!("the profiles are {}", known.join(", "))
    }
}

impl Set {
    /// Builds a set from what the macro emits: the folder as messages show it (`migrations`), the name and version of
    /// the program, all scripts concatenated, all paths concatenated, and the table.
    ///
    /// # Panics
    ///
    /// At compile time, if the table has another release's format, or if the texts do not have the lengths in the
    /// table because a file changed between the macro and the compiler.
    pub const fn from_parts(
        folder: &'static str,
        application: &'static str,
        texts: &'static str,
        paths: &'static str,
        table: &'static [u8],
    ) -> Self {
        table::check(table, texts.len(), paths.len());
        Self { folder, application, texts, paths, table, companions: &[], schemas: &[], chosen: 0, is_beside: false }
    }

    /// The same set, of files that lie beside the program, which was not built with them.
    #[must_use]
    pub const fn beside(self) -> Self {
        Self { is_beside: true, ..self }
    }

    /// Whether its files lie beside the program, so that nobody has to build it to change them.
    pub const fn is_beside(&self) -> bool {
        self.is_beside
    }

    /// The same set with these companions.
    #[must_use]
    pub const fn with_companions(self, companions: &'static [Companion]) -> Self {
        Self { companions, ..self }
    }

    /// The same set with the texts of the schemas that it makes, one for each database.
    #[must_use]
    pub const fn with_schemas(self, schemas: &'static [&'static str]) -> Self {
        Self { schemas, ..self }
    }

    /// A set without migrations. The macro emits it after an error.
    pub const fn empty() -> Self {
        Self::from_parts("migrations", "", "", "", table::EMPTY)
    }

    /// The number of migrations.
    pub fn len(&self) -> usize {
        table::count(self.table)
    }

    /// Whether there are no migrations.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dialects that every script is written for.
    pub fn dialects(&self) -> Dialects {
        table::dialects(self.table)
    }

    /// Whether a migration may change its name after it was applied.
    pub fn names(&self) -> Names {
        table::names(self.table)
    }

    /// The database that the migrations are for, if their names say so.
    pub fn database(&self) -> Option<&'static str> {
        match self.names() {
            Names::Kept | Names::Paths => None,
            Names::Free => Patch::parse(self.get(0)?.id()).map(|patch| patch.database()),
        }
    }

    /// The name and version of the program that embeds the set: `app 1.2.0`.
    pub fn application(&self) -> &'static str {
        self.application
    }

    /// The folder, as messages show it: `migrations`.
    pub fn folder(&self) -> &'static str {
        self.folder
    }

    /// The migration at this index, in ascending order of versions.
    pub fn get(&self, index: usize) -> Option<Migration> {
        (index < self.len()).then(|| Migration { set: *self, index, record: table::record(self.table, index) })
    }

    /// All migrations, in ascending order of versions.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Migration> + ExactSizeIterator {
        let set = *self;
        (0..self.len()).map(move |index| set.get(index).expect("the index is below the length"))
    }

    /// The migration with this version.
    pub fn find(&self, version: Version) -> Option<Migration> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            // Each start of a program looks up every recorded version, so the whole record is read only for the match.
            match table::version(self.table, middle).cmp(&version) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.get(middle),
            }
        }
        None
    }

    /// The digest of a history in which exactly these migrations and repeatable scripts are applied, but for those that
    /// are skipped, if the macro embedded the set: the sum of the hashes of its rows, see
    /// [`row_hash`].
    pub fn applied_digest(&self) -> Option<i128> {
        let mut digest = table::digest(self.table)?;
        if self.chosen != 0 {
            let chosen = self.iter().filter(|migration| migration.record.profiles & self.chosen != 0);
            digest += chosen.map(|migration| migration.row_hash()).sum::<i128>();
        }
        match self.companion(CompanionKind::Repeatable) {
            Some(repeatables) => Some(digest + repeatables.applied_digest()?),
            None => Some(digest),
        }
    }

    /// What is known of the schema that it makes on this database, if a snapshot was checked in beside the migrations.
    pub fn snapshot(&self, dialect: Dialect) -> Option<Snapshot> {
        table::snapshot(self.table, dialect)
    }

    /// The path of the snapshot for this database, as messages show it: `migrations/schema.txt`.
    pub fn snapshot_path(&self, dialect: Dialect) -> String {
        let named_after = match self.snapshot(dialect) {
            Some(snapshot) => snapshot.named_after,
            None if self.database().is_some() => NamedAfter::Database,
            None if self.dialects().iter().count() == 1 => NamedAfter::Nothing,
            None => NamedAfter::Dialect,
        };
        let file = snapshot::file(named_after, dialect, self.database());
        if self.folder.is_empty() { file } else { format!("{}/{file}", self.folder) }
    }

    /// The text of the schema that it makes on this database, if the program embeds it.
    pub fn schema(&self, dialect: Dialect) -> Option<&'static str> {
        self.schemas.iter().copied().find(|text| Head::parse(text).is_some_and(|head| head.dialect == dialect))
    }

    /// The names of all profiles that its scripts, or those of its companions, have.
    pub fn profiles(&self) -> Vec<&'static str> {
        table::profiles(self.table, self.paths)
    }

    /// The same set with these profiles chosen, besides those that are. A script with a profile runs only if one of its
    /// profiles is chosen.
    ///
    /// # Errors
    ///
    /// [`UnknownProfile`] if no script has one of these.
    pub fn with_profiles(mut self, names: &[impl AsRef<str>]) -> Result<Self, UnknownProfile> {
        let known = self.profiles();
        for name in names {
            let name = name.as_ref();
            match known.iter().position(|known| *known == name) {
                Some(bit) => self.chosen |= 1 << bit,
                None => return Err(UnknownProfile { name: name.to_owned(), folder: self.folder, known }),
            }
        }
        Ok(self)
    }

    /// The same set with all profiles chosen.
    #[must_use]
    pub fn with_all_profiles(self) -> Self {
        Self { chosen: u64::MAX, ..self }
    }

    /// All migrations in the order in which they run. That is the order of their versions, but for scripts that have only
    /// a name.
    pub fn in_order(&self) -> Vec<Migration> {
        let mut all: Vec<Migration> = self.iter().collect();
        // Sorting is stable: those without a rank stay in the order of their versions.
        all.sort_by_key(|migration| migration.record.rank.unwrap_or(0));
        all
    }

    /// The repeatable scripts, in the order in which they run.
    pub fn repeatables(&self) -> Vec<Migration> {
        self.companion(CompanionKind::Repeatable).map_or_else(Vec::new, |set| set.in_order())
    }

    /// The migration, or the repeatable script, with this version.
    pub fn find_any(&self, version: Version) -> Option<Migration> {
        self.find(version).or_else(|| self.companion(CompanionKind::Repeatable)?.find(version))
    }

    /// The sets that it brings along.
    pub fn companions(&self) -> &'static [Companion] {
        self.companions
    }

    /// The companion of this kind, if it has one.
    pub fn companion(&self, kind: CompanionKind) -> Option<Self> {
        let companion = self.companions.iter().find(|companion| companion.kind == kind)?;
        // All of them list the same profiles.
        Some(Self { chosen: self.chosen, ..companion.set })
    }

    /// The newest migration.
    pub fn last(&self) -> Option<Migration> {
        self.get(self.len().checked_sub(1)?)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|migration| migration.id())).finish()
    }
}

/// One migration of a set.
#[derive(Clone, Copy)]
pub struct Migration {
    set: Set,
    index: usize,
    record: table::Record,
}

impl Migration {
    /// Its index in the set.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.record.version
    }

    /// Its name without the version: `create_users`. The whole name if the version is in its middle.
    pub fn name(&self) -> &'static str {
        &self.id()[self.record.name_offset..]
    }

    /// Version and name, as in the file name: `0001_create_users`.
    pub fn id(&self) -> &'static str {
        let path = self.record.up.path(self.set.paths);
        let file = match self.set.names() {
            Names::Kept | Names::Free => path.rsplit_once('/').map_or(path, |(_, file)| file),
            Names::Paths => path,
        };
        &file[..self.record.id_len]
    }

    /// Whether a migration that is recorded with this name is this one. If names are free, only the key must match.
    pub fn goes_by(&self, recorded: &str) -> bool {
        let of_one_key = || match (Patch::parse(self.id()), Patch::parse(recorded)) {
            (Some(this), Some(recorded)) => this.key() == recorded.key(),
            (Some(_) | None, _) => false,
        };
        self.name() == recorded || (self.set.names() == Names::Free && of_one_key())
    }

    /// Whether the lockfile records it.
    pub fn is_frozen(&self) -> bool {
        self.record.frozen
    }

    /// Whether its up script had this checksum before it was amended.
    pub fn was_amended_from(&self, checksum: &Checksum) -> bool {
        self.record.amended(self.set.table).any(|digest| digest == checksum.digest())
    }

    /// The profiles of which one must be chosen for it to run. It always runs if there are none.
    pub fn profiles(&self) -> Vec<&'static str> {
        let bits = self.record.profiles;
        if bits == 0 {
            return Vec::new();
        }
        let known = self.set.profiles().into_iter().enumerate();
        known.filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| name).collect()
    }

    /// Whether it has profiles.
    pub fn has_profiles(&self) -> bool {
        self.record.profiles != 0
    }

    /// Whether it has profiles, and none of them is chosen.
    pub fn is_skipped(&self) -> bool {
        self.record.profiles != 0 && self.record.profiles & self.set.chosen == 0
    }

    /// The hash of its row when it is applied.
    fn row_hash(&self) -> i128 {
        row_hash::applied(self.version().get(), self.name(), &self.checksum().to_string())
    }

    /// Why it cannot be reverted, if its author gave a reason.
    pub fn irreversible(&self) -> Option<&'static str> {
        let (start, end) = self.record.irreversible?;
        Some(&self.set.paths[start..end])
    }

    /// The script that applies it.
    pub fn up(&self) -> Script {
        Script { set: self.set, record: self.record.up }
    }

    /// The script that reverts it, if it has one.
    pub fn down(&self) -> Option<Script> {
        Some(Script { set: self.set, record: self.record.down? })
    }

    /// The script that an action runs. `None` if the action runs none, or the migration has no such script.
    pub fn script(&self, action: Action) -> Option<Script> {
        match action.direction()? {
            Direction::Up => Some(self.up()),
            Direction::Down => self.down(),
        }
    }

    /// The checksum in the history table: that of its up script.
    pub fn checksum(&self) -> Checksum {
        self.up().checksum()
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Migration").field(&self.id()).finish()
    }
}

/// The up or down script of a migration.
#[derive(Clone, Copy)]
pub struct Script {
    set: Set,
    record: table::ScriptRecord,
}

impl Script {
    /// The file, as messages show it: `migrations/0001_create_users.up.sql`.
    pub fn path(&self) -> String {
        self.path_beside(self.record.path(self.set.paths))
    }

    /// Another file of the folder, as messages show it, given its path below the folder.
    pub fn path_beside(&self, path: &str) -> String {
        if self.set.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", self.set.folder) }
    }

    /// The checksum of its canonical text.
    pub fn checksum(&self) -> Checksum {
        self.record.checksum(self.set.table)
    }

    /// Its content.
    pub fn body(&self) -> Body {
        match self.record.text {
            Some((start, end)) => Body::Sql(&self.set.texts[start..end]),
            None => Body::Rust,
        }
    }

    /// Whether it runs in a transaction, together with its history row.
    pub fn is_transactional(&self) -> bool {
        self.record.options.transactional
    }

    /// Whether SQLite's foreign keys are off while it runs (`foreign-keys off`).
    pub fn foreign_keys_off(&self) -> bool {
        self.record.options.foreign_keys_off
    }

    /// The lock timeout from its directives.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.record.options.lock_timeout
    }

    /// The statement timeout from its directives.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.record.options.statement_timeout
    }

    /// The role from its directives.
    pub fn role(&self) -> Option<&'static str> {
        let (start, end) = self.record.options.role?;
        Some(&self.set.paths[start..end])
    }

    /// Whether psql's lines are read in it.
    pub fn has_psql(&self) -> bool {
        self.record.options.psql.is_some()
    }

    /// Its variables and its commands, if psql's lines are read in it.
    #[cfg(feature = "psql")]
    pub fn psql(&self) -> Option<Program> {
        let (start, end) = self.record.options.psql?;
        Some(Program::decode(&self.set.table[start..end]))
    }

    /// Its statements for a database of this dialect, in order.
    ///
    /// Empty for a Rust step, and for a dialect that the set does not support.
    pub fn statements(&self, dialect: Dialect) -> Vec<Statement> {
        self.list(dialect).map(|(statements, _)| statements).unwrap_or_default()
    }

    /// The units of this script on a database of this dialect, if it runs outside a transaction. Each statement
    /// belongs to one of them.
    pub fn units(&self, dialect: Dialect) -> Vec<Unit> {
        match self.body() {
            Body::Sql(text) => unit::units(dialect, text, &self.statements(dialect)),
            Body::Rust => Vec::new(),
        }
    }

    /// For a script that is recorded statement by statement: the checksum of its first statement, of its first two, and
    /// so on. Empty for every other script.
    pub fn finished(&self, dialect: Dialect) -> Vec<Checksum> {
        let Some((statements, at)) = self.list(dialect).filter(|_| self.record.finished) else { return Vec::new() };
        (0..statements.len()).map(|index| table::checksum(self.set.table, at + 32 * index)).collect()
    }

    /// What its statements do to tables on a database of this dialect, judged by their text, in order. Only PostgreSQL
    /// has locks here: SQLite locks the whole database, and MySQL's locks are not known.
    pub fn touches(&self, dialect: Dialect) -> Vec<Touch> {
        let (table, record) = (self.set.table, &self.record);
        let mut touches = table::touches(table, record, dialect, self.set.paths);
        if dialect != Dialect::Postgres {
            touches.iter_mut().for_each(|touch| touch.lock = None);
            touches.retain(|touch| (touch.makes || touch.destroys) && !touch.of_index);
        }
        touches
    }

    fn list(&self, dialect: Dialect) -> Option<(Vec<Statement>, usize)> {
        Reader::new(self.set.table, self.record.statements).statements(dialect, self.record.finished)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.path()).finish()
    }
}

/// The content of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// SQL: the text of the file, as compiled in.
    Sql(&'static str),
    /// A Rust function, which the runtime finds by the migration's version.
    Rust,
}
