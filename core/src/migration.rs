//! The set of migrations that is embedded in a program, and one migration of it.
//!
//! The macro emits a set as three `&'static` pieces: the texts of all scripts, their paths, and the table that says
//! where each is (see [`crate::table`]). Nothing is parsed, sorted or hashed at run time. A thousand migrations cost
//! a thousand table records, not a thousand pointers that the loader must relocate.

use std::fmt;
use std::time::Duration;

use crate::patch::Patch;
use crate::psql::Program;
use crate::table::{self, Names, Reader};
use crate::{
    Action, Checksum, Companion, CompanionKind, Dialect, Dialects, Direction, Statement, Touch, Unit, Version, unit,
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
        Self { folder, application, texts, paths, table, companions: &[] }
    }

    /// The same set with these companions.
    #[must_use]
    pub const fn with_companions(self, companions: &'static [Companion]) -> Self {
        Self { companions, ..self }
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
            Names::Kept => None,
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

    /// The digest of a history in which exactly these migrations are applied, if the macro embedded the set: the sum of
    /// the hashes of its rows, see [`row_hash`](crate::row_hash).
    pub fn applied_digest(&self) -> Option<i128> {
        table::digest(self.table)
    }

    /// The sets that it brings along.
    pub fn companions(&self) -> &'static [Companion] {
        self.companions
    }

    /// The companion of this kind, if it has one.
    pub fn companion(&self, kind: CompanionKind) -> Option<Self> {
        self.companions.iter().find(|companion| companion.kind == kind).map(|companion| companion.set)
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
        let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
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

    /// Its variables and its commands, if psql's lines are read in it.
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
