//! The table of an embedded set: one byte string with the positions of all parts of the set. The macro writes it with
//! `encode`, which is behind a feature; [`Set`](crate::Set) reads it. It is a single token for the compiler, and has no
//! pointers for the loader to relocate.
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

#[cfg(feature = "encode")]
mod encode;

use std::time::Duration;

use crate::leb128;
use crate::{Checksum, Dialect, Dialects, Snapshot, Statement, StatementFlags, StatementKind, Touch, Version};

#[cfg(feature = "encode")]
pub use encode::{BodyData, Encoded, MigrationData, Reading, ScriptData, ScriptOptions, encode, encode_with_profiles};

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

/// The digest of a history in which the whole set is applied.
pub(crate) fn digest(table: &[u8]) -> Option<i128> {
    if table[5] & DIGEST == 0 { None } else { table.last_chunk().copied().map(i128::from_le_bytes) }
}

/// The snapshot for this database.
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

#[cfg(all(test, feature = "encode"))]
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
