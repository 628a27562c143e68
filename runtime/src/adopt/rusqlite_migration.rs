//! rusqlite_migration: SQLite's `user_version` is the number of migrations that are applied.

use super::record::{Key, Record, Rows};
use super::tool::Tool;

pub(super) const TOOL: Tool = Tool {
    word: "rusqlite_migration",
    shown: "rusqlite_migration",
    table: "pragma_user_version",
    columns: &["user_version"],
    read,
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    let counts = rows.iter().filter_map(|row| row.get("user_version")?.parse().ok());
    counts.map(|count: usize| Record::new(Key::Count(count), format!("user_version {count}"))).collect()
}
