//! sqlx: `_sqlx_migrations`, or another name from `sqlx.toml`. The checksum is SHA-384 over the text of the up script,
//! line endings and byte order mark included.

use std::time::Duration;

use sha2::{Digest, Sha384};

use super::record::{Key, Record, Rows, Unfinished};
use super::tool::{Locks, Tool, crc32, hex};

pub(super) const TOOL: Tool = Tool {
    word: "sqlx",
    shown: "sqlx",
    table: "_sqlx_migrations",
    columns: &["version", "description", "installed_on", "success", "checksum", "execution_time"],
    other_names: true,
    read,
    verify: Some(verify),
    locks: Locks::Keys(locks),
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    let table = rows.table.shown();
    rows.iter()
        .filter_map(|row| {
            let version = row.number("version")?;
            let name = row.get("description").unwrap_or_default();
            let elapsed = row.number("execution_time").and_then(|nanos| u64::try_from(nanos).ok());
            let unfinished = (!row.is("success")).then(|| Unfinished {
                why: "`success` is false".to_owned(),
                finished: format!("UPDATE {table} SET success = true WHERE version = {version}"),
                undone: format!("DELETE FROM {table} WHERE version = {version}"),
            });
            Some(Record {
                name: Some(name.to_owned()),
                checksum: row.get("checksum").map(str::to_owned),
                applied_at: row.time("installed_on"),
                elapsed: elapsed.map(Duration::from_nanos),
                unfinished,
                ..Record::new(Key::Number(version), format!("{version} {name}"))
            })
        })
        .collect()
}

fn verify(record: &Record, text: &str) -> bool {
    record.checksum.as_deref().is_some_and(|checksum| checksum == hex(&Sha384::digest(text)))
}

fn locks(database: &str, _: &str, _: &str) -> Vec<i64> {
    vec![0x3d32_ad9e * i64::from(crc32(database.as_bytes()))]
}

#[cfg(test)]
mod tests {
    use super::super::record::table;
    use super::*;

    #[test]
    fn rows_are_read_and_verified() {
        // Made by another program: `printf 'SELECT 1;\n' | sha384sum`.
        const SUM: &str =
            "24454095d8d7876ca8e842f34296ca645c83e0f7b50f048c99db4b2ff4da659267afc4ef3e994f3d74e18c741165d931";
        let text = format!(
            "version|description|installed_on|success|checksum|execution_time\n\
             1|create users|2026-01-02 03:04:05|1|{SUM}|1500000\n\
             2|tags|2026-01-02 03:04:06|0|00|-1\n"
        );
        let (table, rows) = table("_sqlx_migrations", &text);
        let records = read(&Rows { table: &table, rows: &rows });
        assert_eq!(records[0].name.as_deref(), Some("create users"));
        assert_eq!(records[0].elapsed, Some(Duration::from_micros(1500)));
        assert!(verify(&records[0], "SELECT 1;\n") && !verify(&records[0], "SELECT 1;\r\n"));
        assert!(records[0].unfinished.is_none() && !verify(&records[1], "SELECT 1;\n"));
        let unfinished = records[1].unfinished.as_ref().unwrap();
        assert_eq!(unfinished.undone, "DELETE FROM _sqlx_migrations WHERE version = 2");
        assert_eq!(records[1].elapsed, None, "-1 is for a migration that was not run");
    }
}
