//! Prisma: `_prisma_migrations`. The checksum is SHA-256 over the text of `migration.sql`.

use sha2::{Digest, Sha256};

use super::record::{Key, Record, Rows, Unfinished};
use super::tool::{Locks, Tool, hex};

pub(super) const TOOL: Tool = Tool {
    word: "prisma",
    shown: "Prisma",
    table: "_prisma_migrations",
    columns: &["id", "checksum", "finished_at", "migration_name", "rolled_back_at"],
    read,
    verify: Some(verify),
    // The key of Prisma's advisory lock.
    locks: Locks::Keys(|_, _, _| vec![72_707_369]),
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    let table = rows.table.shown();
    rows.iter()
        .filter(|row| row.get("rolled_back_at").is_none())
        .filter_map(|row| {
            let name = row.get("migration_name")?;
            let this = format!("WHERE id = '{}'", row.get("id").unwrap_or_default());
            let unfinished = row.get("finished_at").is_none().then(|| Unfinished {
                why: "`finished_at` is empty".to_owned(),
                finished: format!("UPDATE {table} SET finished_at = CURRENT_TIMESTAMP {this}"),
                undone: format!("UPDATE {table} SET rolled_back_at = CURRENT_TIMESTAMP {this}"),
            });
            Some(Record {
                checksum: row.get("checksum").map(str::to_owned),
                applied_at: row.time("finished_at"),
                unfinished,
                ..Record::new(Key::Name(name.to_owned()), name)
            })
        })
        .collect()
}

fn verify(record: &Record, text: &str) -> bool {
    record.checksum.as_deref().is_some_and(|checksum| checksum == hex(&Sha256::digest(text)))
}
