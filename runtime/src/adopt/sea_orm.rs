//! SeaORM: `seaql_migrations` records the name of each migration's Rust file, `m20220101_000001_create_table`. There are
//! no checksums.

use super::record::{Key, Record, Rows};
use super::tool::Tool;

pub(super) const TOOL: Tool = Tool {
    word: "sea-orm",
    shown: "SeaORM",
    table: "seaql_migrations",
    columns: &["version", "applied_at"],
    read,
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    rows.iter()
        .filter_map(|row| {
            // On Windows the path of the file may be recorded.
            let recorded = row.get("version")?;
            let file = recorded.rsplit(['/', '\\']).next().unwrap_or(recorded);
            let file = file.strip_suffix(".rs").unwrap_or(file);
            let record = match numbered(file) {
                Some((number, name)) => {
                    Record { name: Some(name.to_owned()), ..Record::new(Key::Number(number), file) }
                }
                None => Record::new(Key::Name(file.to_owned()), file),
            };
            Some(Record { applied_at: row.time("applied_at"), ..record })
        })
        .collect()
}

/// `m20220101_000001_create_table` is `create_table` with the number 20220101000001.
fn numbered(file: &str) -> Option<(i64, &str)> {
    let mut parts = file.strip_prefix('m')?.splitn(3, '_');
    let (day, count, name) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = day.len() == 8 && count.len() == 6 && digits(day) && digits(count);
    is_date.then(|| format!("{day}{count}").parse().ok().map(|number| (number, name)))?
}

#[cfg(test)]
mod tests {
    use super::super::record::table;
    use super::*;

    #[test]
    fn files_are_numbered_by_day_and_count() {
        let text = "version|applied_at\n\
                    m20220101_000001_create_table|1767323045\n\
                    migration\\src\\m20220102_000002_add.rs|1767323046\n\
                    seeds|1767323047\n";
        let (table, rows) = table("seaql_migrations", text);
        let records = read(&Rows { table: &table, rows: &rows });
        let keys: Vec<&Key> = records.iter().map(|record| &record.key).collect();
        assert_eq!(
            keys,
            [&Key::Number(20_220_101_000_001), &Key::Number(20_220_102_000_002), &Key::Name("seeds".into())]
        );
        assert_eq!(records[1].name.as_deref(), Some("add"));
        assert_eq!(records[0].applied_at.as_deref(), Some("2026-01-02T03:04:05.000Z"));
    }
}
