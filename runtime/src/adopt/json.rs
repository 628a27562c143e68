//! A file such as `migrations.json`, in which a user's program records the names of its migrations.

use serde_json::Value;

use super::record::{Key, Record};
use super::time;

/// The names that members with the name of a migration have.
const NAMES: &[&str] = &["name", "migration", "id", "file", "filename", "title", "version"];
const TIMES: &[&str] = &["applied_at", "appliedAt", "executed_at", "date", "time", "timestamp", "at"];
/// The names that members with the whole list have.
const LISTS: &[&str] = &["migrations", "applied", "done", "history", "executed"];

/// Reads the names: an array of texts or of objects, an object that has such an array, or an object with a member for
/// each migration.
pub(super) fn read(text: &str) -> Result<Vec<Record>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let nothing = || "it has no list of names".to_owned();
    match &value {
        Value::Array(entries) => entries.iter().map(|entry| one(entry).ok_or_else(|| unknown(entry))).collect(),
        Value::Object(members) => {
            let list = LISTS.iter().find_map(|name| members.get(*name));
            match list {
                Some(Value::Array(entries)) => {
                    entries.iter().map(|entry| one(entry).ok_or_else(|| unknown(entry))).collect()
                }
                Some(Value::Object(members)) => Ok(each(members)),
                Some(_) => Err(nothing()),
                None => Some(each(members)).filter(|records| !records.is_empty()).ok_or_else(nothing),
            }
        }
        _ => Err(nothing()),
    }
}

fn unknown(entry: &Value) -> String {
    format!("it has no name in `{entry}`")
}

/// One member for each migration: its name, and whether or when it was applied.
fn each(members: &serde_json::Map<String, Value>) -> Vec<Record> {
    let records = members.iter().filter_map(|(name, value)| match value {
        Value::Bool(false) | Value::Null => None,
        Value::Object(members) => Some(Record { applied_at: time_of(members), ..named(name) }),
        value => Some(Record { applied_at: moment(value), ..named(name) }),
    });
    records.collect()
}

fn one(entry: &Value) -> Option<Record> {
    match entry {
        Value::String(name) => Some(named(name)),
        Value::Number(number) => Some(named(&number.to_string())),
        Value::Object(members) => {
            let name = NAMES.iter().find_map(|name| match members.get(*name)? {
                Value::String(name) => Some(name.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })?;
            Some(Record { applied_at: time_of(members), ..named(&name) })
        }
        _ => None,
    }
}

fn named(name: &str) -> Record {
    let key = name.parse().map_or_else(|_| Key::Name(name.to_owned()), Key::Number);
    Record::new(key, name)
}

fn time_of(members: &serde_json::Map<String, Value>) -> Option<String> {
    TIMES.iter().find_map(|name| moment(members.get(*name)?))
}

fn moment(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => time::utc(text),
        Value::Number(number) => time::utc(&number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_are_read_in_each_form() {
        let names = |text: &str| read(text).unwrap().into_iter().map(|record| record.shown).collect::<Vec<_>>();
        for text in [
            r#"["001_a", "002_b.py"]"#,
            r#"{"migrations": [{"name": "001_a"}, {"name": "002_b.py", "applied_at": 1767323045}]}"#,
            r#"{"001_a": "2026-01-02T03:04:05Z", "002_b.py": true, "003_c": false}"#,
            r#"{"version": 3, "applied": {"001_a": {}, "002_b.py": {"at": "2026-01-02T03:04:05Z"}}}"#,
        ] {
            assert_eq!(names(text), ["001_a", "002_b.py"], "{text}");
        }
        let record = &read(r#"[{"file": "001_a", "date": "2026-01-02 03:04:05"}]"#).unwrap()[0];
        assert_eq!(record.applied_at.as_deref(), Some("2026-01-02T03:04:05.000Z"));
        for text in ["", "7", "{}", "[[1]]", r#"{"applied": 7}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
