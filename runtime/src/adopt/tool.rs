//! What is known of one tool, and what several of them need.

use super::record::{Record, Rows};
use crate::backend::ForeignTable;

/// What is known of one tool.
#[derive(Clone, Copy)]
pub(super) struct Tool {
    /// Its name on the command line.
    pub(super) word: &'static str,
    /// Its name in messages.
    pub(super) shown: &'static str,
    /// Its history table.
    pub(super) table: &'static str,
    /// The columns that its history table has.
    pub(super) columns: &'static [&'static str],
    /// Columns that only tables of other tools have.
    pub(super) lacks: &'static [&'static str],
    /// Whether the columns alone identify the table, because its name can be configured.
    pub(super) other_names: bool,
    /// Reads the table.
    pub(super) read: fn(&Rows<'_>) -> Vec<Record>,
    /// Whether a migration with this text was recorded. `None` if the tool keeps no checksum.
    pub(super) verify: Option<fn(&Record, &str) -> bool>,
    /// What keeps its runs out.
    pub(super) locks: Locks,
}

impl Tool {
    /// The values that most tools share: a table that is known by its name, without checksums and locks.
    pub(super) const PLAIN: Self = Self {
        word: "",
        shown: "",
        table: "",
        columns: &[],
        lacks: &[],
        other_names: false,
        read: |_| Vec::new(),
        verify: None,
        locks: Locks::TableOnly,
    };
}

/// What keeps the runs of a tool out of PostgreSQL. On SQLite it is always the write transaction.
#[derive(Clone, Copy)]
pub(super) enum Locks {
    /// A lock on its table: the tool has no other.
    TableOnly,
    /// Advisory locks too, by the names of the database, the schema and the table.
    Keys(fn(&str, &str, &str) -> Vec<i64>),
}

/// Whether a table has the columns of a tool.
pub(super) fn has_columns(tool: &Tool, table: &ForeignTable) -> bool {
    let has = |name: &&str| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    tool.columns.iter().all(&has) && !tool.lacks.iter().any(has)
}

/// The number of CRC-32, as zip files have it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes)
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
