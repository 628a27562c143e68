//! Indexes that no constraint brings along.

use super::mention::last_name;
use super::meta;
use super::options;
use crate::draft::step::{Hazard, Statement};
use crate::draft::write::{ident, qualified};
use crate::model::{Detail, Index, Name, TableKind};

/// An index is in the schema of its table.
pub(super) fn name(on: &Name, it: &Index) -> String {
    qualified(&Name { schema: on.schema.clone(), name: it.name.clone() })
}

/// The name of the index of a partitioned table that brings it along.
pub(super) fn above(it: &Index) -> Option<String> {
    options::find(&it.options, "partition of").map(last_name)
}

/// The index without that of the partitioned table, which takes and leaves it with its table.
pub(super) fn alone(it: &Index) -> Index {
    let options = it.options.iter().filter(|option| option.name != "partition of").cloned().collect();
    Index { options, ..it.clone() }
}

/// Whether the index of a partitioned table brings it along.
pub(super) fn is_of_parent(it: &Index) -> bool {
    above(it).is_some()
}

pub(super) fn create(on: &Name, it: &Index, kind: Option<&TableKind>, concurrently: bool) -> Vec<Statement> {
    let unique = if it.unique { "UNIQUE " } else { "" };
    let word = if concurrently { "CONCURRENTLY " } else { "" };
    // An index that is on the partitioned table alone is invalid until each partition has one.
    let only = if !it.valid && matches!(kind, Some(TableKind::Partitioned { .. })) { "ONLY " } else { "" };
    let sql = format!("CREATE {unique}INDEX {word}{} ON {only}{} {}", ident(&it.name), qualified(on), it.definition);
    let mut statement = Statement::new(sql);
    if it.unique {
        statement = statement.with(Hazard::MayFail("two rows have the same values".to_owned()));
    }
    let mut found = vec![statement];
    for (column, target) in statistics(&[], &it.options) {
        found.push(Statement::new(format!(
            "ALTER INDEX {} ALTER COLUMN {column} SET STATISTICS {target}",
            name(on, it)
        )));
    }
    found.extend(meta::comment(&format!("INDEX {}", name(on, it)), None, it.comment.as_deref()));
    found
}

pub(super) fn drop(on: &Name, it: &Index, concurrently: bool) -> Statement {
    let word = if concurrently { "CONCURRENTLY " } else { "" };
    Statement::new(format!("DROP INDEX {word}{}", name(on, it)))
}

/// Builds an index under another name before it takes the place of the old one.
pub(super) fn replace(on: &Name, before: &Index, it: &Index, aside: &str) -> Vec<Statement> {
    let new = Index { name: aside.to_owned(), ..it.clone() };
    let mut found = create(on, &new, None, true);
    found.push(drop(on, before, true));
    found.push(rename(on, &new, it));
    found
}

/// Builds an index again while others use its table.
pub(super) fn rebuild(on: &Name, it: &Index) -> Statement {
    let statement = Statement::new(format!("REINDEX INDEX CONCURRENTLY {}", name(on, it)));
    if it.unique { statement.with(Hazard::MayFail("two rows have the same values".to_owned())) } else { statement }
}

pub(super) fn rename(on: &Name, before: &Index, after: &Index) -> Statement {
    Statement::new(format!("ALTER INDEX {} RENAME TO {}", name(on, before), ident(&after.name)))
}

/// Whether the two are the same but for their name and what can be changed in place.
pub(super) fn is_same(before: &Index, after: &Index) -> bool {
    before.unique == after.unique
        && before.valid == after.valid
        && without_parameters(&before.definition) == without_parameters(&after.definition)
        && is_of_parent(before) == is_of_parent(after)
}

/// Changes an index in place; `None` if it must be created again.
pub(super) fn change(on: &Name, before: &Index, after: &Index) -> Option<Vec<Statement>> {
    if !is_same(before, after) {
        return None;
    }
    let mut found = Vec::new();
    let alter = format!("ALTER INDEX {}", name(on, after));
    found.extend(options::reloptions(&alter, &parameters(&before.definition), &parameters(&after.definition)));
    found.extend(meta::comment(
        &format!("INDEX {}", name(on, after)),
        before.comment.as_deref(),
        after.comment.as_deref(),
    ));
    for (old, new) in statistics(&before.options, &after.options) {
        found.push(Statement::new(format!("{alter} ALTER COLUMN {old} SET STATISTICS {new}")));
    }
    let space = |it: &Index| options::find(&it.options, "tablespace").map(ident);
    if space(before) != space(after) {
        let space = space(after).unwrap_or_else(|| "pg_default".to_owned());
        found.push(Statement::new(format!("{alter} SET TABLESPACE {space}")));
    }
    Some(found)
}

/// `2 to 500`: the targets of columns that differ.
fn statistics(before: &[Detail], after: &[Detail]) -> Vec<(String, String)> {
    let targets = |list: &[Detail]| -> Vec<(String, String)> {
        let of = list.iter().filter(|option| option.name == "statistics");
        of.filter_map(|option| option.value.split_once(" to ")).map(|(c, t)| (c.to_owned(), t.to_owned())).collect()
    };
    let (old, new) = (targets(before), targets(after));
    let gone = old.iter().filter(|(column, _)| !new.iter().any(|(other, _)| other == column));
    let reset = gone.map(|(column, _)| (column.clone(), "-1".to_owned()));
    new.iter().filter(|target| !old.contains(target)).cloned().chain(reset).collect()
}

/// The definition without `WITH (fillfactor='70')`.
fn without_parameters(definition: &str) -> String {
    match span(definition) {
        Some((start, end)) => format!("{}{}", &definition[..start], &definition[end..]),
        None => definition.to_owned(),
    }
}

fn parameters(definition: &str) -> Vec<Detail> {
    let Some((start, end)) = span(definition) else { return Vec::new() };
    let list = definition[start..end].trim_start_matches(" WITH (").trim_end_matches(')');
    let pairs = list.split(", ").filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| Detail { name: name.to_owned(), value: value.trim_matches('\'').to_owned() }).collect()
}

/// Where the storage parameters stand, outside of brackets and quotes.
fn span(definition: &str) -> Option<(usize, usize)> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, c) in definition.char_indices() {
        match (quote, c) {
            (Some(mark), c) if mark == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ' ') if depth == 0 && definition[at..].starts_with(" WITH (") => {
                return definition[at..].find(')').map(|end| (at, at + end + 1));
            }
            (None, _) => {}
        }
    }
    None
}
