//! Writes the table of a set: for the macro, and for tests and tools that make sets without it.

use std::collections::HashMap;
use std::time::Duration;

use super::{
    AMENDED, DIGEST, DOWN, FINISHED, FOREIGN_KEYS_OFF, FREE_NAMES, FROZEN, HAS_PROFILES, HAS_PSQL, HAS_SNAPSHOTS, HEAD,
    IRREVERSIBLE, LOCK_TIMEOUT, MAGIC, Names, OUTSIDE, PATH_NAMES, PROFILES, PROFILES_MAX, PSQL, RANK, RANKED, ROLE,
    RUST, STATEMENT_TIMEOUT,
};
use crate::leb128;
use crate::psql::Program;
use crate::{Checksum, Dialects, Snapshot, Statement, StatementFlags, Touch, Version};

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
