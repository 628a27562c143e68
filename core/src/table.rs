//! The table of an embedded set: one byte string that says where everything is. The macro writes it with [`encode`];
//! [`Set`](crate::Set) reads it. It is a single token for the compiler, and has no pointers for the loader to relocate.
//!
//! The format is a head of 24 bytes, one `u32` for each migration with the offset of its record, and the records.
//! The head has `LKG1`, the dialects, one byte of flags (1: names are free, 4: a digest of 16 bytes follows the
//! records, 8: a script has psql's lines, 16: there are profiles, 32: the scripts have an order of their own, 64: names
//! are paths, 128: snapshots of schemas follow the records; 2 was another digest), two zero bytes, and then as little-endian `u32` the
//! number of migrations and the lengths of the texts, the paths and this table. Numbers in records are LEB128.
//! If there are profiles, one more `u32` follows the offsets: where the list of their names is, after the records.
//! Snapshots are read from the end: their number in one byte, in front of the digest, and in front of it each of them.
//!
//! What statements do to tables follows the statements of a script, inside the length that is stored for them. An
//! older reader skips it. In a table without it, statements touch nothing.

use std::collections::HashMap;
use std::time::Duration;

use crate::leb128;
use crate::psql::Program;
use crate::{Checksum, Dialect, Dialects, Snapshot, Statement, StatementFlags, StatementKind, Touch, Version};

const MAGIC: [u8; 4] = *b"LKG1";
const HEAD: usize = 24;

/// The table of a set without migrations.
pub const EMPTY: &[u8] = b"LKG1\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x18\0\0\0";

/// Whether a migration may change its name after it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// Version and name belong together: `0001_create_users`.
    Kept,
    /// A part of the name identifies it, and the rest may change: see [`Patch`](crate::patch::Patch).
    Free,
    /// The name is the path of the file without its ending: `create/1-tables/users`.
    Paths,
}

/// A migration to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationData {
    /// Its version.
    pub version: Version,
    /// Its name without the version: the end of the file name before the suffix. The whole name if names are free, and the
    /// path without the suffix if they are paths.
    pub name: String,
    /// Whether the lockfile records it.
    pub frozen: bool,
    /// The earlier checksums of its up script, from before it was amended, the first one first.
    pub amended: Vec<Checksum>,
    /// Why it cannot be reverted, if its author gave a reason.
    pub irreversible: Option<String>,
    /// The profiles of which one must be chosen for it to run. It always runs if there are none.
    pub profiles: Vec<String>,
    /// Its place in the order in which the scripts run, if that is not the order of their versions.
    pub rank: Option<u64>,
    /// The script that applies it.
    pub up: ScriptData,
    /// The script that reverts it.
    pub down: Option<ScriptData>,
}

/// A script to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptData {
    /// The path below the folder, with forward slashes: `2026/0001_create_users.up.sql`.
    pub path: String,
    /// The checksum of its canonical text.
    pub checksum: Checksum,
    /// Its content.
    pub body: BodyData,
    /// Its directives.
    pub options: ScriptOptions,
}

/// The content of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyData {
    /// SQL, and how each dialect reads it. Each dialect of the set is in exactly one of the readings.
    Sql {
        /// The length of the file in bytes.
        len: usize,
        /// The statements for each group of dialects.
        readings: Vec<Reading>,
    },
    /// A Rust function.
    Rust,
}

/// A script as a group of dialects reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The dialects.
    pub dialects: Dialects,
    /// The statements.
    pub statements: Vec<Statement>,
    /// What the statements do to tables, in their order.
    pub touches: Vec<Touch<String>>,
    /// For a script that is recorded statement by statement: the checksum of its first statement, of its first two,
    /// and so on. Empty for every other script.
    pub finished: Vec<Checksum>,
}

impl Reading {
    /// A reading with these statements and nothing else.
    pub fn new(dialects: Dialects, statements: Vec<Statement>) -> Self {
        Self { dialects, statements, touches: Vec::new(), finished: Vec::new() }
    }
}

impl BodyData {
    /// Whether its statements have checksums of their own.
    fn is_recorded_by_statement(&self) -> bool {
        match self {
            Self::Sql { readings, .. } => readings.iter().any(|reading| !reading.finished.is_empty()),
            Self::Rust => false,
        }
    }
}

/// The directives of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptOptions {
    /// Whether it runs inside a transaction.
    pub transactional: bool,
    /// Whether SQLite's foreign keys are off while it runs.
    pub foreign_keys_off: bool,
    /// How long a statement may wait for a lock. Stored in whole milliseconds.
    pub lock_timeout: Option<Duration>,
    /// How long a statement may run. Stored in whole milliseconds.
    pub statement_timeout: Option<Duration>,
    /// The role to run as.
    pub role: Option<String>,
    /// Its variables and its commands, if psql's lines are read in it.
    pub psql: Option<Program>,
}

impl Default for ScriptOptions {
    fn default() -> Self {
        Self {
            transactional: true,
            foreign_keys_off: false,
            lock_timeout: None,
            statement_timeout: None,
            role: None,
            psql: None,
        }
    }
}

/// The result of [`encode`]: the concatenated paths and the table. The texts must be concatenated in the same
/// order: the up script of the first migration, its down script, the next migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Paths and other names.
    pub paths: String,
    /// The table.
    pub table: Vec<u8>,
}

impl Encoded {
    /// Adds what is known of the schema that the set makes, one snapshot for each database at most. The digest is added
    /// after them.
    ///
    /// # Panics
    ///
    /// If the digest was added before.
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: &[Snapshot]) -> Self {
        assert_eq!(self.table[5] & DIGEST, 0, "the digest is the last part of a table");
        if snapshots.is_empty() {
            return self;
        }
        // An older reader would take a part of them for the last record.
        self.table[5] |= HAS_SNAPSHOTS;
        self.table.extend(snapshots.iter().flat_map(Snapshot::encode));
        self.table.push(u8::try_from(snapshots.len()).expect("there is one a database at most"));
        self.count_bytes();
        self
    }

    /// Adds the digest of a history in which the whole set is applied.
    #[must_use]
    pub fn with_digest(mut self, digest: i128) -> Self {
        self.table[5] |= DIGEST;
        self.table.extend(digest.to_le_bytes());
        self.count_bytes();
        self
    }

    /// Writes the length of the table into its head.
    fn count_bytes(&mut self) {
        let len = u32::try_from(self.table.len()).expect("a set is smaller than 4 GiB");
        self.table[20..HEAD].copy_from_slice(&len.to_le_bytes());
    }
}

/// Encodes these migrations, which must be in ascending order of versions.
///
/// # Panics
///
/// If the order is not ascending, a name is not the end of its file name, the data and the flags of a statement
/// contradict each other, only some statements have checksums, or all texts together exceed 4 GiB.
/// `lockgate-source` has checked all of that before.
pub fn encode(dialects: Dialects, names: Names, migrations: &[MigrationData]) -> Encoded {
    let mut profiles: Vec<String> = migrations.iter().flat_map(|migration| migration.profiles.clone()).collect();
    profiles.sort();
    profiles.dedup();
    encode_with_profiles(dialects, names, &profiles, migrations)
}

/// Encodes these migrations like [`encode`], with the names of all profiles that a program can choose: at most 64, so
/// that a choice is one number. The companions of a set have the same list.
///
/// # Panics
///
/// As [`encode`], and if a migration has a profile that is not in the list.
pub fn encode_with_profiles(
    dialects: Dialects,
    names: Names,
    profiles: &[String],
    migrations: &[MigrationData],
) -> Encoded {
    assert!(profiles.len() <= PROFILES_MAX, "a choice of profiles is one number");
    assert!(
        migrations.windows(2).all(|pair| pair[0].version < pair[1].version),
        "migrations are encoded in ascending order"
    );
    let mut writer = Writer { names, paths: String::new(), texts: 0, bytes: Vec::new(), tables: HashMap::new() };
    let mut places = Vec::with_capacity(migrations.len());
    let base = HEAD + 4 * (migrations.len() + usize::from(!profiles.is_empty()));
    for migration in migrations {
        places.push(base + writer.bytes.len());
        writer.migration(migration, profiles);
    }
    if !profiles.is_empty() {
        places.push(base + writer.bytes.len());
        writer.number(profiles.len() as u64);
        profiles.iter().for_each(|profile| writer.name(profile));
    }
    let mut table = Vec::with_capacity(base + writer.bytes.len());
    table.extend(MAGIC);
    let head = match names {
        Names::Kept => 0,
        Names::Free => FREE_NAMES,
        // An older reader would take the last part of the path for the name.
        Names::Paths => PATH_NAMES,
    };
    let scripts = migrations.iter().flat_map(|migration| std::iter::once(&migration.up).chain(&migration.down));
    // An older reader would send psql's lines to the server, so it must not accept the table.
    let psql = if scripts.into_iter().any(|script| script.options.psql.is_some()) { HAS_PSQL } else { 0 };
    // An older reader would run what no profile has chosen, and in another order.
    let chosen = if profiles.is_empty() { 0 } else { HAS_PROFILES };
    let ranked = if migrations.iter().any(|migration| migration.rank.is_some()) { RANKED } else { 0 };
    table.extend([dialects.bits(), head | psql | chosen | ranked, 0, 0]);
    for number in
        [migrations.len(), writer.texts, writer.paths.len(), base + writer.bytes.len()].into_iter().chain(places)
    {
        table.extend(u32::try_from(number).expect("a set is smaller than 4 GiB").to_le_bytes());
    }
    table.extend(writer.bytes);
    Encoded { paths: writer.paths, table }
}

/// The flags of the head.
const FREE_NAMES: u8 = 1;
const DIGEST: u8 = 4;
const HAS_PSQL: u8 = 8;
const HAS_PROFILES: u8 = 16;
const RANKED: u8 = 32;
const PATH_NAMES: u8 = 64;
const HAS_SNAPSHOTS: u8 = 128;

/// The most profiles that a folder may have.
pub const PROFILES_MAX: usize = 64;

const FROZEN: u64 = 1;
const IRREVERSIBLE: u64 = 2;
const DOWN: u64 = 4;
const AMENDED: u64 = 8;
const PROFILES: u64 = 16;
const RANK: u64 = 32;

const RUST: u64 = 1;
const OUTSIDE: u64 = 2;
const FOREIGN_KEYS_OFF: u64 = 4;
const LOCK_TIMEOUT: u64 = 8;
const STATEMENT_TIMEOUT: u64 = 16;
const ROLE: u64 = 32;
const FINISHED: u64 = 64;
const PSQL: u64 = 128;

struct Writer {
    names: Names,
    paths: String,
    texts: usize,
    bytes: Vec<u8>,
    /// Where in the paths each table name is, so that a repeated name is stored once.
    tables: HashMap<String, usize>,
}

impl Writer {
    fn migration(&mut self, migration: &MigrationData, profiles: &[String]) {
        let file = match self.names {
            Names::Kept | Names::Free => migration.up.path.rsplit('/').next().unwrap_or_default(),
            Names::Paths => &migration.up.path,
        };
        let name_offset = match self.names {
            // One separator, `_` or `-`, follows the version.
            Names::Kept => file.bytes().take_while(u8::is_ascii_digit).count() + 1,
            Names::Free | Names::Paths => 0,
        };
        assert!(
            file.get(name_offset..).is_some_and(|rest| rest.starts_with(&migration.name)),
            "`{}` is not part of `{file}`",
            migration.name
        );
        self.signed(migration.version.get());
        let flags = flag(migration.frozen, FROZEN)
            | flag(migration.irreversible.is_some(), IRREVERSIBLE)
            | flag(migration.down.is_some(), DOWN)
            | flag(!migration.amended.is_empty(), AMENDED)
            | flag(!migration.profiles.is_empty(), PROFILES)
            | flag(migration.rank.is_some(), RANK);
        self.number(flags);
        self.number(name_offset as u64);
        self.number((name_offset + migration.name.len()) as u64);
        if let Some(reason) = &migration.irreversible {
            self.name(reason);
        }
        if !migration.amended.is_empty() {
            self.number(migration.amended.len() as u64);
            self.bytes.extend(migration.amended.iter().flat_map(|checksum| *checksum.digest()));
        }
        if !migration.profiles.is_empty() {
            let bit = |profile: &String| 1 << profiles.iter().position(|known| known == profile).expect("it is listed");
            self.number(migration.profiles.iter().map(bit).fold(0, |all, one: u64| all | one));
        }
        if let Some(rank) = migration.rank {
            self.number(rank);
        }
        self.script(&migration.up);
        if let Some(down) = &migration.down {
            self.script(down);
        }
    }

    fn script(&mut self, script: &ScriptData) {
        let options = &script.options;
        let flags = flag(script.body == BodyData::Rust, RUST)
            | flag(!options.transactional, OUTSIDE)
            | flag(options.foreign_keys_off, FOREIGN_KEYS_OFF)
            | flag(options.lock_timeout.is_some(), LOCK_TIMEOUT)
            | flag(options.statement_timeout.is_some(), STATEMENT_TIMEOUT)
            | flag(options.role.is_some(), ROLE)
            | flag(options.psql.is_some(), PSQL)
            | flag(script.body.is_recorded_by_statement(), FINISHED);
        self.number(flags);
        self.name(&script.path);
        self.bytes.extend(script.checksum.digest());
        for timeout in [options.lock_timeout, options.statement_timeout].into_iter().flatten() {
            self.number(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        }
        if let Some(role) = &options.role {
            self.name(role);
        }
        if let Some(program) = &options.psql {
            let bytes = program.encode();
            self.number(bytes.len() as u64);
            self.bytes.extend(bytes);
        }
        let BodyData::Sql { len, readings } = &script.body else { return };
        self.number(self.texts as u64);
        self.number(*len as u64);
        self.texts += len;
        // The length of the statements, so that a reader can skip to the next script.
        let mut inner =
            Self { names: self.names, paths: String::new(), texts: 0, bytes: Vec::new(), tables: HashMap::new() };
        inner.number(readings.len() as u64);
        let by_statement = script.body.is_recorded_by_statement();
        for reading in readings {
            inner.bytes.push(reading.dialects.bits());
            inner.number(reading.statements.len() as u64);
            let mut end = 0;
            for statement in &reading.statements {
                inner.number((statement.range.start - end) as u64);
                inner.number(statement.range.len() as u64);
                inner.bytes.push(statement.kind.code());
                inner.bytes.push(statement.flags.bits());
                assert_eq!(statement.data.is_some(), statement.flags.contains(StatementFlags::COPY_DATA));
                if let Some(data) = &statement.data {
                    inner.number((data.start - statement.range.start) as u64);
                    inner.number(data.len() as u64);
                }
                end = statement.range.end;
            }
            if by_statement {
                assert_eq!(reading.finished.len(), reading.statements.len());
                inner.bytes.extend(reading.finished.iter().flat_map(|checksum| *checksum.digest()));
            }
        }
        if readings.iter().any(|reading| !reading.touches.is_empty()) {
            readings.iter().for_each(|reading| self.touches(&reading.touches, &mut inner));
        }
        self.number(inner.bytes.len() as u64);
        self.bytes.extend(inner.bytes);
    }

    /// Writes the touches of one list of statements. Their names go into the paths.
    fn touches(&mut self, touches: &[Touch<String>], inner: &mut Self) {
        inner.number(touches.len() as u64);
        let mut last = 0;
        for touch in touches {
            inner.number(touch.statement.checked_sub(last).expect("in the order of the statements") as u64);
            last = touch.statement;
            inner.bytes.push(touch.code());
            let next = self.paths.len();
            let place = *self.tables.entry(touch.table.clone()).or_insert(next);
            if place == next {
                self.paths.push_str(&touch.table);
            }
            inner.number(place as u64);
            inner.number(touch.table.len() as u64);
        }
    }

    fn name(&mut self, name: &str) {
        self.number(self.paths.len() as u64);
        self.number(name.len() as u64);
        self.paths.push_str(name);
    }

    fn signed(&mut self, number: i64) {
        self.number(u64::try_from(number).expect("a version is not negative"));
    }

    fn number(&mut self, number: u64) {
        leb128::write(&mut self.bytes, number);
    }
}

const fn flag(is: bool, bit: u64) -> u64 {
    if is { bit } else { 0 }
}

/// Checks the head of a table at compile time.
pub(crate) const fn check(table: &[u8], texts: usize, paths: usize) {
    assert!(table.len() >= HEAD, "the table of an embedded set is truncated");
    assert!(
        table[0] == MAGIC[0] && table[1] == MAGIC[1] && table[2] == MAGIC[2] && table[3] == MAGIC[3],
        "lockgate and lockgate-macros are of different releases: use the same version of both"
    );
    assert!(
        table[5] & !(FREE_NAMES | DIGEST | HAS_PSQL | HAS_PROFILES | RANKED | PATH_NAMES | HAS_SNAPSHOTS) == 0
            && table[6] == 0
            && table[7] == 0,
        "lockgate and lockgate-macros are of different releases: use the same version of both"
    );
    assert!(
        read_u32(table, 12) as usize == texts,
        "a migration file changed while it was being compiled: compile again"
    );
    assert!(read_u32(table, 16) as usize == paths, "the paths of an embedded set are truncated");
    assert!(read_u32(table, 20) as usize == table.len(), "the table of an embedded set is truncated");
    assert!(read_u32(table, 8) as usize <= (table.len() - HEAD) / 4, "the table of an embedded set is truncated");
}

/// The names of all profiles.
pub(crate) fn profiles(table: &[u8], paths: &'static str) -> Vec<&'static str> {
    if table[5] & HAS_PROFILES == 0 {
        return Vec::new();
    }
    let mut reader = start(table, count(table));
    (0..reader.number()).map(|_| reader.span()).map(|(start, end)| &paths[start..end]).collect()
}

/// The digest that [`Encoded::with_digest`] added.
pub(crate) fn digest(table: &[u8]) -> Option<i128> {
    if table[5] & DIGEST == 0 { None } else { table.last_chunk().copied().map(i128::from_le_bytes) }
}

/// The snapshot for this database that [`Encoded::with_snapshots`] added.
pub(crate) fn snapshot(table: &[u8], dialect: Dialect) -> Option<Snapshot> {
    if table[5] & HAS_SNAPSHOTS == 0 {
        return None;
    }
    let digest = if table[5] & DIGEST == 0 { 0 } else { size_of::<i128>() };
    let (count, rest) = table[..table.len() - digest].split_last()?;
    let first = rest.len().checked_sub(usize::from(*count) * Snapshot::LEN)?;
    let (snapshots, _) = rest[first..].as_chunks();
    snapshots.iter().filter_map(Snapshot::decode).find(|snapshot| snapshot.dialect == dialect)
}

pub(crate) fn count(table: &[u8]) -> usize {
    read_u32(table, 8) as usize
}

pub(crate) fn dialects(table: &[u8]) -> Dialects {
    Dialects::from_bits(table[4]).unwrap_or(Dialects::ALL)
}

pub(crate) fn names(table: &[u8]) -> Names {
    match (table[5] & FREE_NAMES, table[5] & PATH_NAMES) {
        (0, 0) => Names::Kept,
        (_, 0) => Names::Free,
        _ => Names::Paths,
    }
}

const fn read_u32(table: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([table[at], table[at + 1], table[at + 2], table[at + 3]])
}

/// The record of one migration.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub(crate) version: Version,
    pub(crate) frozen: bool,
    pub(crate) name_offset: usize,
    pub(crate) id_len: usize,
    pub(crate) irreversible: Option<(usize, usize)>,
    /// A bit for each profile of which one must be chosen; 0 if it always runs.
    pub(crate) profiles: u64,
    pub(crate) rank: Option<u64>,
    amended: Option<(usize, usize)>,
    pub(crate) up: ScriptRecord,
    pub(crate) down: Option<ScriptRecord>,
}

/// The record of one script: offsets in the texts, the paths and the table.
#[derive(Clone, Copy)]
pub(crate) struct ScriptRecord {
    path: (usize, usize),
    checksum: usize,
    pub(crate) text: Option<(usize, usize)>,
    pub(crate) options: OptionsRecord,
    pub(crate) statements: usize,
    /// The end of the statements and their touches.
    end: usize,
    /// Whether checksums follow each list of statements.
    pub(crate) finished: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct OptionsRecord {
    pub(crate) transactional: bool,
    pub(crate) foreign_keys_off: bool,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) role: Option<(usize, usize)>,
    /// Where in the table its psql program is.
    pub(crate) psql: Option<(usize, usize)>,
}

impl ScriptRecord {
    pub(crate) fn path(&self, paths: &'static str) -> &'static str {
        &paths[self.path.0..self.path.1]
    }

    pub(crate) fn checksum(&self, table: &[u8]) -> Checksum {
        checksum(table, self.checksum)
    }
}

/// The checksum at this offset.
pub(crate) fn checksum(table: &[u8], at: usize) -> Checksum {
    Checksum::v1(table[at..at + 32].try_into().expect("the slice is 32 bytes long"))
}

/// What the statements of a script do to tables on a database of this dialect.
pub(crate) fn touches(table: &[u8], script: &ScriptRecord, dialect: Dialect, paths: &'static str) -> Vec<Touch> {
    let mut reader = Reader::new(table, script.statements);
    let wanted = reader.skip(dialect, script.finished);
    // Older releases wrote no touches.
    let Some(wanted) = wanted.filter(|_| reader.at < script.end) else { return Vec::new() };
    for _ in 0..wanted {
        for _ in 0..reader.number() {
            reader.touch(0, paths);
        }
    }
    let mut touches = Vec::new();
    let mut statement = 0;
    for _ in 0..reader.number() {
        let touch = reader.touch(statement, paths);
        statement = touch.statement;
        touches.push(touch);
    }
    touches
}

/// Reads only the version, the first field of each record.
pub(crate) fn version(table: &[u8], index: usize) -> Version {
    start(table, index).version()
}

pub(crate) fn record(table: &[u8], index: usize) -> Record {
    let mut reader = start(table, index);
    let version = reader.version();
    let flags = reader.number();
    let name_offset = reader.len();
    let id_len = reader.len();
    Record {
        version,
        frozen: flags & FROZEN != 0,
        name_offset,
        id_len,
        irreversible: (flags & IRREVERSIBLE != 0).then(|| reader.span()),
        amended: (flags & AMENDED != 0).then(|| reader.checksums()),
        profiles: if flags & PROFILES == 0 { 0 } else { reader.number() },
        rank: (flags & RANK != 0).then(|| reader.number()),
        up: reader.script(),
        down: (flags & DOWN != 0).then(|| reader.script()),
    }
}

impl Record {
    /// The earlier checksums of its up script, from before it was amended.
    pub(crate) fn amended<'a>(&self, table: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let (start, count) = self.amended.unwrap_or_default();
        table[start..start + 32 * count].chunks_exact(32)
    }
}

fn start(table: &[u8], index: usize) -> Reader<'_> {
    Reader::new(table, read_u32(table, HEAD + 4 * index) as usize)
}

/// Reads the table from an offset on.
pub(crate) struct Reader<'a> {
    table: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(table: &'a [u8], at: usize) -> Self {
        Self { table, at }
    }

    fn version(&mut self) -> Version {
        let version = i64::try_from(self.number()).ok().and_then(Version::new);
        version.expect("the macro writes versions that are not negative")
    }

    /// The offset of a list of checksums, and their number.
    fn checksums(&mut self) -> (usize, usize) {
        let count = self.len();
        let start = self.at;
        self.at += 32 * count;
        (start, count)
    }

    fn script(&mut self) -> ScriptRecord {
        let flags = self.number();
        let path = self.span();
        let checksum = self.at;
        self.at += 32;
        let milliseconds = |reader: &mut Self, bit| (flags & bit != 0).then(|| Duration::from_millis(reader.number()));
        let options = OptionsRecord {
            transactional: flags & OUTSIDE == 0,
            foreign_keys_off: flags & FOREIGN_KEYS_OFF != 0,
            lock_timeout: milliseconds(self, LOCK_TIMEOUT),
            statement_timeout: milliseconds(self, STATEMENT_TIMEOUT),
            role: (flags & ROLE != 0).then(|| self.span()),
            psql: (flags & PSQL != 0).then(|| {
                let len = self.len();
                let start = self.at;
                self.at += len;
                (start, self.at)
            }),
        };
        if flags & RUST != 0 {
            return ScriptRecord { path, checksum, text: None, options, statements: 0, end: 0, finished: false };
        }
        let text = self.span();
        let len = self.len();
        let statements = self.at;
        self.at += len;
        let (end, finished) = (self.at, flags & FINISHED != 0);
        ScriptRecord { path, checksum, text: Some(text), options, statements, end, finished }
    }

    /// The statements for a dialect, and the offset after them.
    pub(crate) fn statements(&mut self, dialect: Dialect, finished: bool) -> Option<(Vec<Statement>, usize)> {
        // A Rust step has no statements; offset 0 is the head of the table.
        if self.at == 0 {
            return None;
        }
        for _ in 0..self.number() {
            let dialects = Dialects::from_bits(self.byte()).unwrap_or(Dialects::NONE);
            let wanted = dialects.contains(dialect);
            let count = self.len();
            // A statement takes at least four bytes. The bound prevents a huge allocation if the table is corrupt.
            let most = self.table.len().saturating_sub(self.at) / 4;
            let mut statements = Vec::with_capacity(if wanted { count.min(most) } else { 0 });
            let mut end = 0;
            for _ in 0..count {
                let start = end + self.len();
                end = start + self.len();
                let kind = StatementKind::from_code(self.byte());
                let flags = StatementFlags::from_bits(self.byte());
                let data = flags.contains(StatementFlags::COPY_DATA).then(|| {
                    let first = start + self.len();
                    first..first + self.len()
                });
                if wanted {
                    statements.push(Statement { range: start..end, kind, flags, data });
                }
            }
            if wanted {
                return Some((statements, self.at));
            }
            if finished {
                self.at += 32 * count;
            }
        }
        None
    }

    /// Skips all lists of statements, and returns the index of the one for this dialect.
    fn skip(&mut self, dialect: Dialect, finished: bool) -> Option<usize> {
        if self.at == 0 {
            return None;
        }
        let mut wanted = None;
        for list in 0..self.len() {
            if Dialects::from_bits(self.byte()).is_some_and(|dialects| dialects.contains(dialect)) {
                wanted = wanted.or(Some(list));
            }
            let count = self.len();
            for _ in 0..count {
                let _ = (self.len(), self.len(), self.byte());
                if StatementFlags::from_bits(self.byte()).contains(StatementFlags::COPY_DATA) {
                    let _ = (self.len(), self.len());
                }
            }
            if finished {
                self.at += 32 * count;
            }
        }
        wanted
    }

    fn touch(&mut self, last: usize, paths: &'static str) -> Touch {
        let statement = last + self.len();
        let code = self.byte();
        let (start, end) = self.span();
        Touch::from_code(statement, &paths[start..end], code)
    }

    fn span(&mut self) -> (usize, usize) {
        let start = self.len();
        let len = self.len();
        (start, start + len)
    }

    fn len(&mut self) -> usize {
        usize::try_from(self.number()).expect("the macro writes places below 4 GiB")
    }

    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.table[self.at - 1]
    }

    fn number(&mut self) -> u64 {
        leb128::read(|| self.byte())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::NamedAfter;
    use crate::{Body, Set, TableLock};

    fn statement(range: std::ops::Range<usize>) -> Statement {
        Statement { range, kind: StatementKind::CreateTable, flags: StatementFlags::SESSION_STATE, data: None }
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        let touch = |statement, table: &str, lock| Touch {
            statement,
            table: table.to_owned(),
            of_index: false,
            lock,
            makes: lock.is_none(),
            destroys: lock == Some(TableLock::AccessExclusive),
        };
        let (users, tags) = (touch(0, "users", Some(TableLock::AccessExclusive)), touch(1, "app.tags", None));
        let both = Dialects::NONE.with(Dialect::Postgres).with(Dialect::Sqlite);
        let up = ScriptData {
            path: "2026/0007_create_7_tags.up.sql".to_owned(),
            checksum: Checksum::v1([7; 32]),
            body: BodyData::Sql {
                len: 300,
                readings: vec![
                    Reading {
                        dialects: Dialects::NONE.with(Dialect::Postgres),
                        statements: vec![statement(2..250), statement(251..300)],
                        touches: vec![users.clone(), tags],
                        finished: vec![Checksum::v1([1; 32]), Checksum::v1([2; 32])],
                    },
                    Reading {
                        dialects: Dialects::NONE.with(Dialect::Sqlite),
                        statements: vec![statement(2..300)],
                        touches: vec![users.clone()],
                        finished: vec![Checksum::v1([3; 32])],
                    },
                ],
            },
            options: ScriptOptions {
                transactional: false,
                foreign_keys_off: true,
                lock_timeout: Some(Duration::from_secs(5)),
                statement_timeout: Some(Duration::from_millis(70_000)),
                role: Some("owner".to_owned()),
                psql: None,
            },
        };
        let down = ScriptData {
            path: "2026/0007_create_7_tags.down.sql".to_owned(),
            checksum: Checksum::v1([8; 32]),
            body: BodyData::Sql { len: 4, readings: vec![Reading::new(both, vec![statement(0..4)])] },
            options: ScriptOptions::default(),
        };
        let rust = ScriptData {
            path: "9223372036854775807_x.rs".to_owned(),
            checksum: Checksum::v1([9; 32]),
            body: BodyData::Rust,
            options: ScriptOptions::default(),
        };
        let encoded = encode(
            both,
            Names::Kept,
            &[
                MigrationData {
                    version: Version::new(7).unwrap(),
                    name: "create_7_tags".to_owned(),
                    frozen: true,
                    amended: vec![Checksum::v1([8; 32]), Checksum::v1([9; 32])],
                    irreversible: None,
                    profiles: vec!["testnet".to_owned()],
                    rank: Some(300),
                    up,
                    down: Some(down),
                },
                MigrationData {
                    version: Version::new(i64::MAX).unwrap(),
                    name: "x".to_owned(),
                    frozen: false,
                    amended: Vec::new(),
                    irreversible: Some("why".to_owned()),
                    profiles: Vec::new(),
                    rank: None,
                    up: rust,
                    down: None,
                },
            ],
        );
        let texts: &'static str = "é".repeat(152).leak();
        assert_eq!(encoded.paths.matches("users").count(), 1);
        let set = Set::from_parts("migrations", "app 1.0.0", texts, encoded.paths.leak(), encoded.table.leak());

        assert_eq!(set.len(), 2);
        assert_eq!(set.dialects(), both);
        let tags = set.find(Version::new(7).unwrap()).unwrap();
        assert_eq!((tags.id(), tags.name(), tags.index()), ("0007_create_7_tags", "create_7_tags", 0));
        assert!(tags.is_frozen());
        let was = |sum: u8| tags.was_amended_from(&Checksum::v1([sum; 32]));
        assert!(was(8) && was(9) && !was(7));
        assert_eq!(tags.irreversible(), None);
        assert_eq!((set.profiles(), tags.profiles(), tags.is_skipped()), (vec!["testnet"], vec!["testnet"], true));
        assert!(!set.with_profiles(&["testnet"]).unwrap().find(tags.version()).unwrap().is_skipped());
        let ids = |set: &Set| set.in_order().iter().map(|migration| migration.id()).collect::<Vec<_>>();
        assert_eq!(ids(&set), ["9223372036854775807_x", "0007_create_7_tags"]);
        assert_eq!(tags.up().path(), "migrations/2026/0007_create_7_tags.up.sql");
        assert_eq!(tags.up().checksum(), Checksum::v1([7; 32]));
        assert_eq!(tags.up().body(), Body::Sql(&texts[..300]));
        assert!(!tags.up().is_transactional());
        assert!(tags.up().foreign_keys_off());
        assert_eq!(tags.up().lock_timeout(), Some(Duration::from_secs(5)));
        assert_eq!(tags.up().statement_timeout(), Some(Duration::from_secs(70)));
        assert_eq!(tags.up().role(), Some("owner"));
        assert_eq!(tags.up().statements(Dialect::Postgres), [statement(2..250), statement(251..300)]);
        assert_eq!(tags.up().statements(Dialect::Sqlite), [statement(2..300)]);
        assert_eq!(tags.up().statements(Dialect::Mysql), []);
        assert_eq!(tags.up().finished(Dialect::Postgres), [Checksum::v1([1; 32]), Checksum::v1([2; 32])]);
        assert_eq!(tags.up().finished(Dialect::Sqlite), [Checksum::v1([3; 32])]);
        assert_eq!(tags.up().finished(Dialect::Mysql), []);
        let made = Touch { statement: 1, table: "app.tags", of_index: false, lock: None, makes: true, destroys: false };
        let lost = Touch { statement: 0, table: "users", makes: false, destroys: true, ..made };
        let locked = Touch { lock: Some(TableLock::AccessExclusive), ..lost };
        assert_eq!(tags.up().touches(Dialect::Postgres), [locked, made]);
        assert_eq!(tags.up().touches(Dialect::Sqlite), [lost]);
        assert_eq!(tags.up().touches(Dialect::Mysql), []);
        assert_eq!(tags.down().unwrap().touches(Dialect::Postgres), []);
        assert_eq!(tags.down().unwrap().finished(Dialect::Sqlite), []);
        let down = tags.down().unwrap();
        assert_eq!(down.body(), Body::Sql(&texts[300..304]));
        assert!(down.is_transactional());
        assert_eq!(down.statements(Dialect::Sqlite), [statement(0..4)]);

        let last = set.last().unwrap();
        assert_eq!((last.id(), last.name()), ("9223372036854775807_x", "x"));
        assert_eq!(last.irreversible(), Some("why"));
        assert_eq!(last.up().body(), Body::Rust);
        assert_eq!(last.up().statements(Dialect::Sqlite), []);
        assert!(last.down().is_none());
        assert!(set.find(Version::new(8).unwrap()).is_none());
    }

    #[test]
    fn a_name_may_begin_like_its_version() {
        for (path, name) in [("0001_1.sql", "1"), ("2/01_1_1.sql", "1_1"), ("1__x.sql", "_x"), ("00001-x.sql", "x")] {
            let up = ScriptData {
                path: path.to_owned(),
                checksum: Checksum::v1([7; 32]),
                body: BodyData::Sql { len: 0, readings: vec![] },
                options: ScriptOptions::default(),
            };
            let version = Version::new(1).unwrap();
            let data = MigrationData {
                version,
                name: name.to_owned(),
                frozen: false,
                amended: Vec::new(),
                irreversible: None,
                profiles: Vec::new(),
                rank: None,
                up,
                down: None,
            };
            let encoded = encode(Dialects::ALL, Names::Kept, &[data]);
            let set = Set::from_parts("m", "", "", encoded.paths.leak(), encoded.table.leak());
            let migration = set.get(0).unwrap();
            assert_eq!(migration.name(), name);
            assert!(path.ends_with(&format!("{}.sql", migration.id())));
        }
    }

    #[test]
    fn a_snapshot_is_found_by_its_database() {
        let of = |text: &str| Snapshot::of(text, NamedAfter::Nothing).unwrap();
        let postgres = of("-- lockgate schema 1 (postgres)\n-- made by PostgreSQL 17\n\ntable public.users\n");
        let sqlite = of("-- lockgate schema 1 (sqlite)\n\ntable users\n");
        let none = encode(Dialects::ALL, Names::Kept, &[]);
        for snapshots in [&[][..], &[postgres], &[sqlite], &[sqlite, postgres]] {
            let plain = none.clone().with_snapshots(snapshots);
            for encoded in [plain.clone(), plain.with_digest(-7)] {
                let set = Set::from_parts("m", "", "", "", encoded.table.leak());
                for (dialect, own) in [(Dialect::Postgres, postgres), (Dialect::Sqlite, sqlite)] {
                    assert_eq!(set.snapshot(dialect), snapshots.contains(&own).then_some(own));
                }
                assert_eq!((set.snapshot(Dialect::Mysql), set.len()), (None, 0));
                assert!(matches!(set.applied_digest(), None | Some(-7)));
            }
        }
    }

    #[test]
    fn a_free_name_is_the_whole_file_name() {
        let up = ScriptData {
            path: "2026/billing.00000001.0002.owner.add_invoices.up.sql".to_owned(),
            checksum: Checksum::v1([7; 32]),
            body: BodyData::Sql { len: 0, readings: vec![] },
            options: ScriptOptions::default(),
        };
        let (version, name) = (Version::new(1_0002).unwrap(), "billing.00000001.0002.owner.add_invoices".to_owned());
        let data = MigrationData {
            version,
            name,
            frozen: false,
            amended: Vec::new(),
            irreversible: None,
            profiles: Vec::new(),
            rank: None,
            up,
            down: None,
        };
        let encoded = encode(Dialects::ALL, Names::Free, &[data]);
        let set = Set::from_parts("m", "", "", encoded.paths.leak(), encoded.table.leak());
        let migration = set.get(0).unwrap();
        assert_eq!(migration.id(), "billing.00000001.0002.owner.add_invoices");
        assert_eq!((migration.name(), set.names(), set.database()), (migration.id(), Names::Free, Some("billing")));
        assert_eq!((Set::empty().names(), Set::empty().database()), (Names::Kept, None));
    }

    #[test]
    #[should_panic(expected = "different releases")]
    fn an_unknown_flag_of_the_head_is_refused() {
        let mut table = EMPTY.to_vec();
        table[5] = 2;
        Set::from_parts("migrations", "", "", "", table.leak());
    }

    #[test]
    fn encoding_no_migration_gives_the_empty_table() {
        assert_eq!(encode(Dialects::ALL, Names::Kept, &[]).table, EMPTY);
        assert!(Set::empty().is_empty());
        assert!(Set::empty().last().is_none());
    }

    #[test]
    #[should_panic(expected = "changed while it was being compiled")]
    fn a_text_of_the_wrong_length_is_refused() {
        Set::from_parts("migrations", "", "x", "", EMPTY);
    }
}
