//! refinery: `refinery_schema_history`. The checksum is SipHash-1-3 over name, version and text, as a decimal number;
//! older releases hash the version with 4 bytes, later ones with 8.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::record::{Key, Record, Rows};
use super::tool::Tool;

pub(super) const TOOL: Tool = Tool {
    word: "refinery",
    shown: "refinery",
    table: "refinery_schema_history",
    columns: &["version", "name", "applied_on", "checksum"],
    other_names: true,
    read,
    verify: Some(verify),
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    rows.iter()
        .filter_map(|row| {
            let version = row.number("version")?;
            let name = row.get("name").unwrap_or_default();
            Some(Record {
                name: Some(name.to_owned()),
                checksum: row.get("checksum").map(str::to_owned),
                applied_at: row.time("applied_on"),
                ..Record::new(Key::Number(version), format!("V{version}__{name}"))
            })
        })
        .collect()
}

fn verify(record: &Record, text: &str) -> bool {
    let (Key::Number(version), Some(name)) = (&record.key, &record.name) else { return false };
    let Some(checksum) = &record.checksum else { return false };
    let short = i32::try_from(*version).ok().map(i32::to_le_bytes);
    let widths = [short.as_ref().map(<[u8; 4]>::as_slice), Some(version.to_le_bytes().as_slice())]
        .map(|bytes| bytes.is_some_and(|bytes| sum(name, bytes, text).to_string() == *checksum));
    widths.contains(&true)
}

fn sum(name: &str, version: &[u8], text: &str) -> u64 {
    let mut hash = SipHasher13::new();
    hash.write(name.as_bytes());
    hash.write(&[0xff]);
    hash.write(version);
    hash.write(text.as_bytes());
    hash.write(&[0xff]);
    hash.finish()
}
