//! dbmate: `schema_migrations` has the versions as text. Rails keeps the same table.

use super::record::{Key, Record, Rows};
use super::tool::Tool;

pub(super) const TOOL: Tool = Tool {
    word: "dbmate",
    shown: "dbmate (or Rails)",
    table: "schema_migrations",
    columns: &["version"],
    lacks: &["dirty", "inserted_at"],
    read,
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    let versions = rows.iter().filter_map(|row| row.get("version"));
    let key = |version: &str| version.parse().map_or_else(|_| Key::Name(version.to_owned()), Key::Number);
    versions.map(|version| Record::new(key(version), version)).collect()
}
