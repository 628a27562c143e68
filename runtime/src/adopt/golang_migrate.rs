//! golang-migrate: `schema_migrations` has one row, with the newest version and whether it stopped half way.

use super::record::{BEFORE, Key, Record, Rows, Unfinished};
use super::tool::{Locks, Tool, crc32};

pub(super) const TOOL: Tool = Tool {
    word: "golang-migrate",
    shown: "golang-migrate",
    table: "schema_migrations",
    columns: &["version", "dirty"],
    lacks: &["description", "checksum"],
    other_names: true,
    read,
    locks: Locks::Keys(locks),
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    let table = rows.table.shown();
    rows.iter()
        .filter_map(|row| {
            let version = row.number("version").filter(|version| *version >= 0)?;
            let unfinished = row.is("dirty").then(|| Unfinished {
                why: "`dirty` is true".to_owned(),
                finished: format!("UPDATE {table} SET dirty = false"),
                undone: format!("UPDATE {table} SET dirty = false, version = {BEFORE}"),
            });
            Some(Record { unfinished, ..Record::new(Key::UpTo(version), version.to_string()) })
        })
        .collect()
}

/// Its releases order the parts of the key in two ways, and the first left out all but the database.
fn locks(database: &str, schema: &str, table: &str) -> Vec<i64> {
    const SALT: u32 = 1_486_364_155;
    let key = |parts: &[&str]| i64::from(crc32(parts.join("\0").as_bytes()).wrapping_mul(SALT));
    vec![key(&[schema, table, database]), key(&[database, schema, table]), key(&[database])]
}
