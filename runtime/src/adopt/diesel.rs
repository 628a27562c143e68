//! diesel: `__diesel_schema_migrations`. It keeps no names and no checksums.

use super::record::{Key, Record, Rows};
use super::tool::Tool;

pub(super) const TOOL: Tool = Tool {
    word: "diesel",
    shown: "diesel",
    table: "__diesel_schema_migrations",
    columns: &["version", "run_on"],
    lacks: &["name"],
    read,
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    rows.iter()
        .filter_map(|row| {
            let version = row.get("version")?;
            let key = version.parse().map_or_else(|_| Key::Name(version.to_owned()), Key::Number);
            Some(Record { applied_at: row.time("run_on"), ..Record::new(key, version) })
        })
        .collect()
}
