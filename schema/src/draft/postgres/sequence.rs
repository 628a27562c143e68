//! Sequences, and the options that those of identity columns have too.

use super::meta::{self, Address};
use crate::draft::step::{Hazard, Loss, Statement};
use crate::draft::write::{ident, literal, qualified};
use crate::model::{Name, Persistence, Sequence, SequenceOptions};

pub(super) fn address(it: &Sequence) -> Address {
    Address::new(format!("SEQUENCE {}", qualified(&it.name)))
}

pub(super) fn create(it: &Sequence) -> Vec<Statement> {
    let unlogged = if it.persistence == Persistence::Unlogged { "UNLOGGED " } else { "" };
    let words = options(&usual(&it.options.data_type, it.options.increment), &it.options);
    let mut found = vec![Statement::new(format!(
        "CREATE {unlogged}SEQUENCE {} AS {}{}",
        qualified(&it.name),
        it.options.data_type,
        joined(&words)
    ))];
    found.extend(meta::create(&address(it), &it.meta));
    found
}

pub(super) fn change(before: &Sequence, after: &Sequence) -> Vec<Statement> {
    let name = qualified(&after.name);
    let mut found = Vec::new();
    if before.options != after.options {
        let is_retyped = before.options.data_type != after.options.data_type;
        let data_type = if is_retyped { format!(" AS {}", after.options.data_type) } else { String::new() };
        let words = options(&before.options, &after.options);
        found.push(Statement::new(format!("ALTER SEQUENCE {name}{data_type}{}", joined(&words))));
    }
    if before.persistence != after.persistence {
        let word = if after.persistence == Persistence::Unlogged { "UNLOGGED" } else { "LOGGED" };
        found.push(Statement::new(format!("ALTER SEQUENCE {name} SET {word}")));
    }
    found.extend(meta::change(&address(after), &before.meta, &after.meta));
    found
}

pub(super) fn drop(it: &Sequence) -> Statement {
    Statement::new(format!("DROP SEQUENCE {}", qualified(&it.name))).with(Hazard::Loses(Loss::Sequence))
}

pub(super) fn rename(before: &Name, after: &Name) -> Statement {
    Statement::new(format!("ALTER SEQUENCE {} RENAME TO {}", qualified(before), ident(&after.name)))
}

/// The name of a sequence while another one has its own.
pub(super) fn aside(it: &Name) -> Name {
    Name { schema: it.schema.clone(), name: format!("{}_before", it.name) }
}

/// Lets a new sequence go on where another one is.
pub(super) fn go_on(from: &Name, to: &Name, increment: i64) -> Statement {
    let beyond = if increment < 0 { "<=" } else { ">=" };
    let (from, to) = (qualified(from), qualified(to));
    Statement::new(format!(
        "SELECT setval({}, last_value, is_called) FROM {from} WHERE last_value {beyond} (SELECT last_value FROM {to})",
        literal(&to)
    ))
}

/// Makes a column the owner of a sequence, or nothing.
pub(super) fn owned(it: &Sequence, owned: bool) -> Statement {
    let owner = match (&it.owned_by, owned) {
        (Some((table, column)), true) => format!("{}.{}", qualified(table), ident(column)),
        _ => "NONE".to_owned(),
    };
    Statement::new(format!("ALTER SEQUENCE {} OWNED BY {owner}", qualified(&it.name)))
}

/// The options of a new sequence of this type.
pub(super) fn usual(data_type: &str, increment: i64) -> SequenceOptions {
    let (min, max) = SequenceOptions::usual_range(data_type, increment);
    let start = if increment < 0 { max } else { min };
    SequenceOptions { data_type: data_type.to_owned(), start, increment: 1, min, max, cache: 1, cycle: false }
}

/// The options that differ, but for the type.
pub(super) fn options(before: &SequenceOptions, after: &SequenceOptions) -> Vec<String> {
    let mut words = Vec::new();
    // Another type changes limits that are those of the old one.
    let retyped = before.data_type != after.data_type;
    for (word, before, after, retypes) in [
        ("INCREMENT BY", before.increment, after.increment, false),
        ("MINVALUE", before.min, after.min, true),
        ("MAXVALUE", before.max, after.max, true),
        ("START WITH", before.start, after.start, false),
        ("CACHE", before.cache, after.cache, false),
    ] {
        if before != after || (retypes && retyped) {
            words.push(format!("{word} {after}"));
        }
    }
    if before.cycle != after.cycle {
        words.push(if after.cycle { "CYCLE" } else { "NO CYCLE" }.to_owned());
    }
    words
}

fn joined(words: &[String]) -> String {
    words.iter().map(|word| format!(" {word}")).collect()
}
