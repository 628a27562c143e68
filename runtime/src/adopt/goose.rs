//! goose: `goose_db_version`. The last row of each version says whether it is applied.

use super::record::{Key, Record, Rows};
use super::tool::{Locks, Tool, crc32};

pub(super) const TOOL: Tool = Tool {
    word: "goose",
    shown: "goose",
    table: "goose_db_version",
    columns: &["id", "version_id", "is_applied", "tstamp"],
    other_names: true,
    read,
    locks: Locks::Keys(locks),
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for row in rows.ordered("id") {
        // Version 0 stands for the table itself.
        let Some(version) = row.number("version_id").filter(|version| *version > 0) else { continue };
        let key = Key::Number(version);
        records.retain(|record| record.key != key);
        if row.is("is_applied") {
            records.push(Record { applied_at: row.time("tstamp"), ..Record::new(key, version.to_string()) });
        }
    }
    records
}

fn locks(_: &str, _: &str, _: &str) -> Vec<i64> {
    vec![i64::from(crc32(b"goose"))]
}

#[cfg(test)]
mod tests {
    use super::super::record::table;
    use super::*;

    #[test]
    fn what_was_reverted_is_not_applied() {
        let text = "id|version_id|is_applied|tstamp\n1|0|1|2026-01-01 00:00:00\n2|1|1|2026-01-02 03:04:05\n\
                    3|2|true|2026-01-02 03:04:05\n10|2|false|2026-01-03 00:00:00\n";
        let (table, rows) = table("goose_db_version", text);
        let records = read(&Rows { table: &table, rows: &rows });
        assert_eq!(records.iter().map(|record| record.key.clone()).collect::<Vec<_>>(), [Key::Number(1)]);
        assert_eq!(locks("", "", ""), [4_097_083_626]);
    }
}
