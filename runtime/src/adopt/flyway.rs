//! Flyway: `flyway_schema_history`, or another name. The checksum is CRC-32 over the lines without their endings and
//! without a byte order mark, as a signed number.

use std::time::Duration;

use super::record::{Key, Record, Row, Rows, Unfinished};
use super::tool::{Locks, Tool, crc32};

pub(super) const TOOL: Tool = Tool {
    word: "flyway",
    shown: "Flyway",
    table: "flyway_schema_history",
    columns: &["installed_rank", "version", "description", "type", "script", "checksum", "success"],
    other_names: true,
    read,
    verify: Some(verify),
    locks: Locks::Keys(locks),
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    let table = rows.table.shown();
    let mut records: Vec<Record> = Vec::new();
    for row in rows.ordered("installed_rank") {
        let kind = row.get("type").unwrap_or_default();
        let version = row.get("version");
        let description = row.get("description").unwrap_or_default();
        let key = match version.map(parts) {
            None => Key::Name(description.to_owned()),
            Some(Some(parts)) => Key::Parts(parts),
            Some(None) => Key::Name(description.to_owned()),
        };
        // What was undone, deleted or run again replaces what came before.
        if kind != "BASELINE" {
            records.retain(|record| record.key != key);
        }
        match kind {
            "SCHEMA" | "DELETE" => {}
            "BASELINE" => {
                let first = version.and_then(parts).and_then(|parts| i64::try_from(*parts.first()?).ok());
                records.extend(first.map(|number| Record {
                    applied_at: row.time("installed_on"),
                    ..Record::new(Key::Baseline(number), format!("baseline {number}"))
                }));
            }
            kind if kind.starts_with("UNDO") => {}
            _ => records.push(record(&row, key, description, &table)),
        }
    }
    records
}

fn record(row: &Row<'_>, key: Key, description: &str, table: &str) -> Record {
    let rank = row.get("installed_rank").unwrap_or_default();
    let elapsed = row.number("execution_time").and_then(|millis| u64::try_from(millis).ok());
    let unfinished = (!row.is("success")).then(|| Unfinished {
        why: "`success` is false".to_owned(),
        finished: format!("UPDATE {table} SET success = true WHERE installed_rank = {rank}"),
        undone: format!("DELETE FROM {table} WHERE installed_rank = {rank}"),
    });
    Record {
        name: Some(description.to_owned()),
        checksum: row.get("checksum").map(str::to_owned),
        applied_at: row.time("installed_on"),
        elapsed: elapsed.map(Duration::from_millis),
        applied_by: row.get("installed_by").map(str::to_owned),
        unfinished,
        ..Record::new(key, row.get("script").unwrap_or(description))
    }
}

/// `1.2` or `1_2` as numbers.
fn parts(version: &str) -> Option<Vec<u64>> {
    version.split(['.', '_']).map(|part| part.parse().ok()).collect()
}

fn verify(record: &Record, text: &str) -> bool {
    let Some(checksum) = record.checksum.as_deref().and_then(|sum| sum.parse::<i32>().ok()) else { return false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: String = text.replace("\r\n", "\n").split(['\n', '\r']).collect();
    crc32(lines.as_bytes()).cast_signed() == checksum
}

/// The letters of the tool's name, plus what Java's `hashCode` makes of the quoted name of the table.
fn locks(_: &str, schema: &str, table: &str) -> Vec<i64> {
    const NAME: i64 = 0x466c_7977_6179;
    let name = format!("\"{schema}\".\"{table}\"");
    let hash = name.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    vec![NAME + i64::from(hash)]
}

#[cfg(test)]
mod tests {
    use super::super::record::table;
    use super::*;

    const ROWS: &str =
        "installed_rank|version|description|type|script|checksum|installed_by|installed_on|execution_time|success
1|NULL|<< Flyway Schema Creation >>|SCHEMA|\"app\"|NULL|me|2026-01-01 00:00:00|0|true
2|1|<< Flyway Baseline >>|BASELINE|<< Flyway Baseline >>|NULL|me|2026-01-01 00:00:00|0|true
3|2|Create users|SQL|V2__Create_users.sql|-1|me|2026-01-02 03:04:05|7|true
4|3|tags|SQL|V3__tags.sql|5|me|2026-01-02 03:04:05|7|true
5|3|tags|UNDO_SQL|U3__tags.sql|6|me|2026-01-02 03:04:05|7|true
6|NULL|views|SQL|R__views.sql|1|me|2026-01-02 03:04:05|7|true
7|NULL|views|SQL|R__views.sql|2|me|2026-01-02 03:04:05|7|true
8|4.1|more|SQL|V4.1__more.sql|2|me|2026-01-02 03:04:05|7|false
";

    #[test]
    fn the_last_row_of_each_migration_counts() {
        let (table, rows) = table("flyway_schema_history", ROWS);
        let records = read(&Rows { table: &table, rows: &rows });
        let keys: Vec<Key> = records.iter().map(|record| record.key.clone()).collect();
        let views = Key::Name("views".to_owned());
        assert_eq!(keys, [Key::Baseline(1), Key::Parts(vec![2]), views, Key::Parts(vec![4, 1])]);
        assert_eq!(records[2].checksum.as_deref(), Some("2"));
        assert_eq!(
            records[3].unfinished.as_ref().unwrap().undone,
            "DELETE FROM flyway_schema_history WHERE installed_rank = 8"
        );
    }

    #[test]
    fn the_checksum_is_that_of_the_lines() {
        // Made by another program: Python's `zlib.crc32(b"CREATE TABLE a (id INT);-- end")`.
        let checksum = Some("1373980845".to_owned());
        let record = Record { checksum, ..Record::new(Key::Number(1), "a") };
        for text in ["CREATE TABLE a (id INT);\n-- end\n", "\u{feff}CREATE TABLE a (id INT);\r\n-- end"] {
            assert!(verify(&record, text), "{text:?}");
        }
        assert!(!verify(&record, "CREATE TABLE a (id INT); \n-- end\n"));
    }
}
