//! The set of migrations embedded in a program, and one migration of it.
//!
//! A set is three `&'static` pieces that the macro emits: the texts of all scripts in a row, their
//! paths in a row, and the table that says what is where (see [`crate::table`]). Nothing is
//! parsed, sorted or hashed at run time, and a thousand migrations cost a thousand table records,
//! not a thousand pointers that the loader must relocate.

use std::fmt;
use std::time::Duration;

use crate::patch::Patch;
use crate::table::{self, Names, Reader};
use crate::{Action, Checksum, Dialect, Dialects, Direction, Statement, Touch, Unit, Version, history, unit};

/// The ordered migrations embedded in a program.
#[derive(Clone, Copy)]
pub struct Set {
    folder: &'static str,
    application: &'static str,
    texts: &'static str,
    paths: &'static str,
    table: &'static [u8],
}

impl Set {
    /// A set from what the macro emits: the folder as messages name it (`migrations`), name and
    /// version of the program, all scripts in a row, all paths in a row, and the table.
    ///
    /// # Panics
    ///
    /// While compiling, where the table is not of this release's format or the texts are not as
    /// long as the table says: a file changed between the macro's look and the compiler's.
    pub const fn from_parts(
        folder: &'static str,
        application: &'static str,
        texts: &'static str,
        paths: &'static str,
        table: &'static [u8],
    ) -> Self {
        table::check(table, texts.len(), paths.len());
        Self { folder, application, texts, paths, table }
    }

    /// A set without migrations: what the macro leaves behind after an error.
    pub const fn empty() -> Self {
        Self::from_parts("migrations", "", "", "", table::EMPTY)
    }

    /// How many migrations there are.
    pub fn len(&self) -> usize {
        table::count(self.table)
    }

    /// Whether there are none.
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

    /// The database that the migrations are for, where their names say so.
    pub fn database(&self) -> Option<&'static str> {
        match self.names() {
            Names::Kept => None,
            Names::Free => Patch::parse(self.get(0)?.id()).map(|patch| patch.database()),
        }
    }

    /// Name and version of the program that embeds the set: `app 1.2.0`.
    pub fn application(&self) -> &'static str {
        self.application
    }

    /// The folder as messages name it: `migrations`.
    pub fn folder(&self) -> &'static str {
        self.folder
    }

    /// The migration at this place in the order, counted from 0.
    pub fn get(&self, index: usize) -> Option<Migration> {
        (index < self.len()).then(|| Migration { set: *self, index, record: table::record(self.table, index) })
    }

    /// All of them, in ascending order of their versions.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Migration> + ExactSizeIterator {
        let set = *self;
        (0..self.len()).map(move |index| set.get(index).expect("the index is below the length"))
    }

    /// The migration of this version.
    pub fn find(&self, version: Version) -> Option<Migration> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            // Each start of a program looks every version up that its database has recorded: the rest of a record
            // is read where it is the one.
            match table::version(self.table, middle).cmp(&version) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.get(middle),
            }
        }
        None
    }

    /// What a history says in which all of these are applied, and nothing else is: for each, in the
    /// order of their versions, version, name, checksum and the word `applied`, with
    /// [`FIELD`](history::FIELD) between them and [`ROW`](history::ROW) between two of them.
    pub fn applied_text(&self) -> String {
        let rows = self.iter().map(|migration| (migration.version(), migration.name(), migration.checksum()));
        history::applied_text(rows)
    }

    /// The SHA-256 of [`applied_text`](Self::applied_text), where the set was embedded by the macro.
    pub fn applied_digest(&self) -> Option<[u8; 32]> {
        table::digest(self.table)
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

/// One step of the schema, borrowed from its set.
#[derive(Clone, Copy)]
pub struct Migration {
    set: Set,
    index: usize,
    record: table::Record,
}

impl Migration {
    /// Its place in the order of the set, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.record.version
    }

    /// Its name without the version: `create_users`. Where the version stands in the middle of the
    /// name, the whole of it.
    pub fn name(&self) -> &'static str {
        &self.id()[self.record.name_offset..]
    }

    /// Version and name as its file writes them: `0001_create_users`.
    pub fn id(&self) -> &'static str {
        let path = self.record.up.path(self.set.paths);
        let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
        &file[..self.record.id_len]
    }

    /// Whether a migration that was recorded under this name is this one: where names are free, its
    /// key is enough.
    pub fn goes_by(&self, recorded: &str) -> bool {
        let of_one_key = || match (Patch::parse(self.id()), Patch::parse(recorded)) {
            (Some(this), Some(recorded)) => this.key() == recorded.key(),
            (Some(_) | None, _) => false,
        };
        self.name() == recorded || (self.set.names() == Names::Free && of_one_key())
    }

    /// Whether it is recorded in the lockfile.
    pub fn is_frozen(&self) -> bool {
        self.record.frozen
    }

    /// Whether this is a checksum that its up script had before it was amended.
    pub fn was_amended_from(&self, checksum: &Checksum) -> bool {
        self.record.amended(self.set.table).any(|digest| digest == checksum.digest())
    }

    /// Why it cannot be reverted, where its author said so.
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

    /// The script that an action runs; none where it runs none, or where this migration lacks it.
    pub fn script(&self, action: Action) -> Option<Script> {
        match action.direction()? {
            Direction::Up => Some(self.up()),
            Direction::Down => self.down(),
        }
    }

    /// What the history table records of it: the checksum of its up script.
    pub fn checksum(&self) -> Checksum {
        self.up().checksum()
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Migration").field(&self.id()).finish()
    }
}

/// One direction of a migration, borrowed from its set.
#[derive(Clone, Copy)]
pub struct Script {
    set: Set,
    record: table::ScriptRecord,
}

impl Script {
    /// The file, as messages name it: `migrations/0001_create_users.up.sql`.
    pub fn path(&self) -> String {
        let path = self.record.path(self.set.paths);
        if self.set.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", self.set.folder) }
    }

    /// The checksum of its canonical text.
    pub fn checksum(&self) -> Checksum {
        self.record.checksum(self.set.table)
    }

    /// What it is made of.
    pub fn body(&self) -> Body {
        match self.record.text {
            Some((start, end)) => Body::Sql(&self.set.texts[start..end]),
            None => Body::Rust,
        }
    }

    /// Whether it runs inside a transaction together with its history row.
    pub fn is_transactional(&self) -> bool {
        self.record.options.transactional
    }

    /// Whether SQLite must not enforce foreign keys while it runs (`foreign-keys off`).
    pub fn foreign_keys_off(&self) -> bool {
        self.record.options.foreign_keys_off
    }

    /// The lock timeout that its author asked for.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.record.options.lock_timeout
    }

    /// The statement timeout that its author asked for.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.record.options.statement_timeout
    }

    /// The role that its author asked for.
    pub fn role(&self) -> Option<&'static str> {
        let (start, end) = self.record.options.role?;
        Some(&self.set.paths[start..end])
    }

    /// Its statements for a database of this dialect, in the order in which they stand.
    ///
    /// Empty for a Rust step, and for a dialect that the set is not written for.
    pub fn statements(&self, dialect: Dialect) -> Vec<Statement> {
        self.list(dialect).map(|(statements, _)| statements).unwrap_or_default()
    }

    /// The units of progress of this script on a database of this dialect, where it runs outside a
    /// transaction: each statement belongs to one, in order.
    pub fn units(&self, dialect: Dialect) -> Vec<Unit> {
        match self.body() {
            Body::Sql(text) => unit::units(dialect, text, &self.statements(dialect)),
            Body::Rust => Vec::new(),
        }
    }

    /// For a script that is recorded statement by statement: the checksum of all its statements up to
    /// the first, the second, the third. Empty for every other script.
    pub fn finished(&self, dialect: Dialect) -> Vec<Checksum> {
        let Some((statements, at)) = self.list(dialect).filter(|_| self.record.finished) else { return Vec::new() };
        (0..statements.len()).map(|index| table::checksum(self.set.table, at + 32 * index)).collect()
    }

    /// What its statements do to tables of a database of this dialect, as far as they tell, in the order
    /// of the statements. Locks are PostgreSQL's alone: SQLite has one for the whole database, and what
    /// MySQL locks is not read.
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

/// What a script is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// SQL: the text of the file as it was compiled in.
    Sql(&'static str),
    /// A Rust function, which the runtime knows by the migration's version.
    Rust,
}
