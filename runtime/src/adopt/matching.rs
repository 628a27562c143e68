//! Which embedded migration a recorded one is. Numbers and names are compared as `cargo lockgate adopt` writes
//! them into file names.

use std::collections::BTreeSet;

use lockgate_core::patch::Patch;
use lockgate_core::{Body, Migration, Set, Version};

use super::record::{BEFORE, Key, Record, Unfinished};

/// A recorded migration, and the embedded one that it is.
pub(super) struct Matched {
    pub(super) record: Record,
    pub(super) migration: Option<Migration>,
}

/// Finds the embedded migration of each record. A record of a position covers all migrations up to it.
pub(super) fn matched(set: &Set, records: Vec<Record>) -> Vec<Matched> {
    let mut records: Vec<Record> = records.into_iter().flat_map(|record| expanded(set, record)).collect();
    // A migration that is recorded on its own is not also one of those before a position.
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    records.retain(|record| match record.key {
        Key::Number(number) => seen.insert(number),
        _ => true,
    });
    records.retain(|record| !is_of_another_database(set, record));
    let has_parts = records.iter().any(|record| matches!(&record.key, Key::Parts(parts) if parts.len() > 1));
    if has_parts {
        // `cargo xtask adopt` numbers such versions anew, in their order.
        records.sort_by(|a, b| match (&a.key, &b.key) {
            (Key::Parts(a), Key::Parts(b)) => a.cmp(b),
            (Key::Parts(_), _) => std::cmp::Ordering::Less,
            (_, Key::Parts(_)) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        });
    }
    let mut taken: BTreeSet<Version> = BTreeSet::new();
    let mut found: Vec<Option<Migration>> = Vec::new();
    for record in &records {
        let migration = match &record.key {
            Key::Number(number) => by_number(set, *number),
            Key::Parts(parts) if !has_parts => i64::try_from(parts[0]).ok().and_then(|number| by_number(set, number)),
            Key::Name(name) if name.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) => by_file(set, name),
            Key::Name(name) => {
                let repeatable = || by_repeatable(set, name).filter(|script| !taken.contains(&script.version()));
                repeatable().or_else(|| by_file(set, name)).or_else(|| by_name(set, name, &taken))
            }
            Key::Parts(_) => record.name.as_ref().and_then(|name| by_name(set, name, &taken)),
            Key::UpTo(_) | Key::Baseline(_) | Key::Count(_) | Key::Revision(_) => None,
        };
        let migration = migration.filter(|migration| taken.insert(migration.version()));
        found.push(migration);
    }
    let named = |record: Record| Record { name: record.name.clone().or_else(|| name_of(&record)), ..record };
    records.into_iter().map(named).zip(found).map(|(record, migration)| Matched { record, migration }).collect()
}

/// A record of a position as one for each migration up to it. What is not embedded stays as it is.
fn expanded(set: &Set, record: Record) -> Vec<Record> {
    let up_to =
        |last: i64| set.iter().filter(move |migration| migration.version().get() <= last).collect::<Vec<Migration>>();
    let (migrations, is_whole) = match &record.key {
        Key::Number(_) | Key::Parts(_) | Key::Name(_) => return vec![record],
        Key::UpTo(number) => {
            let migrations = up_to(*number);
            let is_whole = migrations.last().is_some_and(|last| last.version().get() == *number) || *number == 0;
            (migrations, is_whole)
        }
        Key::Baseline(number) => (up_to(*number), true),
        Key::Count(count) => (set.iter().take(*count).collect(), *count <= set.len()),
        Key::Revision(revision) => match set.iter().rev().find(|migration| is_revision(migration, revision)) {
            Some(last) => (up_to(last.version().get()), true),
            None => (Vec::new(), false),
        },
    };
    let before = migrations.iter().rev().nth(1).map_or(-1, |migration| migration.version().get());
    let unfinished = record
        .unfinished
        .clone()
        .map(|unfinished| Unfinished { undone: unfinished.undone.replace(BEFORE, &before.to_string()), ..unfinished });
    let mut records = Vec::new();
    for (index, migration) in migrations.iter().enumerate() {
        let is_last = index + 1 == migrations.len();
        let number = migration.version().get();
        records.push(Record {
            applied_at: record.applied_at.clone(),
            unfinished: unfinished.clone().filter(|_| is_last && is_whole),
            ..Record::new(Key::Number(number), migration.id())
        });
    }
    if !is_whole {
        records.push(record);
    }
    records
}

/// Whether a migration is this revision of Alembic: by its name, or by the line that `alembic upgrade --sql` writes.
fn is_revision(migration: &Migration, revision: &str) -> bool {
    let words = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == revision);
    let says = |line: &str| {
        let comment = line.trim_start().strip_prefix("--").unwrap_or_default();
        match comment.split_once("->") {
            Some((before, after)) => before.contains("Running upgrade") && words(after),
            None => comment.trim_start().to_ascii_lowercase().starts_with("revision") && words(comment),
        }
    };
    words(migration.id())
        || match migration.up().body() {
            Body::Sql(text) => text.lines().any(says),
            Body::Rust => false,
        }
}

/// Whether the record is a patch of another database.
fn is_of_another_database(set: &Set, record: &Record) -> bool {
    let Key::Name(name) = &record.key else { return false };
    match (Patch::parse(stem(name)), set.database()) {
        (Some(patch), Some(database)) => patch.database() != database,
        _ => false,
    }
}

/// Reads the digits of a time to the second. Some releases of diesel write a count after them.
const TIME: i64 = 100_000_000_000_000;
const COUNT: i64 = 10_000;

fn by_number(set: &Set, number: i64) -> Option<Migration> {
    let find = |number: i64| set.find(Version::new(number)?);
    let is_time = |number: i64| (TIME / 10..TIME).contains(&number);
    find(number)
        .or_else(|| find(number / COUNT).filter(|_| number % COUNT == 0 && is_time(number / COUNT)))
        .or_else(|| find(number.checked_mul(COUNT)?).filter(|_| is_time(number)))
}

/// By a file name of another tool: the whole of it, a patch, or number and name.
fn by_file(set: &Set, name: &str) -> Option<Migration> {
    let stem = stem(name);
    if let Some(patch) = Patch::parse(stem) {
        let of_key = |migration: &Migration| Patch::parse(migration.id()).is_some_and(|own| own.key() == patch.key());
        return set.find(patch.version()).filter(of_key);
    }
    if let Some(same) = set.iter().find(|migration| migration.id() == stem) {
        return Some(same);
    }
    let (number, name) = numbered(stem)?;
    by_time(set, number, name).or_else(|| by_number(set, number))
}

/// By a name, within an hour of this time: of migrations that have one time, `adopt` in the xtask gives the later ones the
/// seconds after it.
fn by_time(set: &Set, time: i64, name: &str) -> Option<Migration> {
    let name = plain(name);
    let hour = |number: i64| number / COUNT;
    if !(TIME / 10..TIME).contains(&time) || name.is_empty() {
        return None;
    }
    let is_same = |migration: &Migration| {
        let number = migration.version().get();
        number >= time && hour(number) == hour(time) && plain(migration.name()) == name
    };
    set.iter().find(is_same)
}

/// The name in a file name, for a record that has only a name.
fn name_of(record: &Record) -> Option<String> {
    match &record.key {
        Key::Name(name) if Patch::parse(stem(name)).is_none() => {
            numbered(stem(name)).map(|(_, name)| name.to_owned()).filter(|name| !name.is_empty())
        }
        _ => None,
    }
}

/// Finds by name the first migration that no other record has taken.
fn by_name(set: &Set, name: &str, taken: &BTreeSet<Version>) -> Option<Migration> {
    let name = plain(name);
    set.iter().find(|migration| plain(migration.name()) == name && !taken.contains(&migration.version()))
}

/// Finds by name the repeatable script: Flyway records `active users` of `R__active_users.sql`.
fn by_repeatable(set: &Set, name: &str) -> Option<Migration> {
    let name = plain(name);
    set.repeatables().into_iter().find(|script| {
        let id = script.id();
        plain(id.strip_prefix("R__").unwrap_or(id)) == name
    })
}

/// A file name without folder and endings: `2026/001_users.up.sql` is `001_users`.
fn stem(name: &str) -> &str {
    let mut stem = name.trim().rsplit(['/', '\\']).next().unwrap_or(name);
    for ending in ["sql", "rs", "js", "cjs", "mjs", "ts", "py", "rb", "exs", "php", "go", "up", "do"] {
        stem = stem.strip_suffix(ending).and_then(|stem| stem.strip_suffix('.')).unwrap_or(stem);
    }
    // Doctrine's classes.
    match stem.strip_prefix("Version") {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() => digits,
        _ => stem,
    }
}

/// Cuts `0001_create_users` after its number; a date such as `2026-01-02-030405` is one number.
fn numbered(stem: &str) -> Option<(i64, &str)> {
    let bytes = stem.as_bytes();
    let is_date = bytes.len() > 10
        && bytes[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let in_number = |byte: &&u8| byte.is_ascii_digit() || (is_date && **byte == b'-');
    let end = bytes.iter().take_while(in_number).count();
    if bytes.get(end).is_some_and(|byte| !matches!(byte, b'_' | b'-' | b'.' | b' ')) {
        return None;
    }
    let digits: String = stem[..end].chars().filter(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, stem[end..].trim_start_matches(['_', '-', '.', ' '])))
}

/// A name by which spellings of it are equal: `Create users` is `create_users`.
pub(super) fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_of_other_tools_are_cut() {
        assert_eq!(stem("2026/001_users.up.sql"), "001_users");
        assert_eq!(stem("migrations\\m1_a.rs"), "m1_a");
        assert_eq!(stem("20240101000000-create-users.js"), "20240101000000-create-users");
        assert_eq!(stem("DoctrineMigrations\\Version20240101000000"), "20240101000000");
        assert_eq!(stem("billing.00000001.0002.owner.add.sql"), "billing.00000001.0002.owner.add");
        assert_eq!(numbered("0001_create_users"), Some((1, "create_users")));
        assert_eq!(numbered("2026-01-02-030405_users"), Some((20_260_102_030_405, "users")));
        assert_eq!((numbered("users"), numbered("2fa_setup")), (None, None));
        assert_eq!(plain("Create-Users  now"), "create_users_now");
    }
}
