//! Virtual tables: which of them hold rows, and how the index of a full-text search is filled from another table.

use super::create::name;
use crate::draft::step::Statement;
use crate::model::{Table, TableKind};
use crate::sqlite;

/// The modules whose tables hold rows that can be read and written by column.
const WITH_ROWS: [&str; 6] = ["fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"];

/// The modules of a full-text search.
const SEARCHES: [&str; 3] = ["fts3", "fts4", "fts5"];

/// Whether the rows of a table can be copied to another one.
pub(super) fn has_rows(table: &Table) -> bool {
    match &table.kind {
        TableKind::Virtual { module } => WITH_ROWS.contains(&kind(module)) && content(module).is_none(),
        _ => true,
    }
}

/// Whether the rows of a table have numbers of which no column is an alias.
pub(super) fn has_hidden_numbers(table: &Table) -> bool {
    matches!(&table.kind, TableKind::Virtual { module } if SEARCHES.contains(&kind(module)))
}

/// Returns the table from which a search reads its rows, if it is another one; empty if it keeps none.
pub(super) fn content(module: &str) -> Option<String> {
    let (kind, arguments) = module.split_once('(')?;
    if !SEARCHES.contains(&kind) {
        return None;
    }
    let argument = |argument: &str| {
        let (name, value) = argument.trim().split_once('=')?;
        let value = value.trim().trim_end_matches(')').trim_matches(['\'', '"']);
        name.trim().eq_ignore_ascii_case("content").then(|| value.to_owned())
    };
    arguments.split(',').find_map(argument)
}

/// Returns the statement that fills a new search from its table. An empty one would answer wrongly, and break when a trigger
/// deletes from it what it never had.
pub(super) fn filled(table: &Table) -> Option<Statement> {
    let TableKind::Virtual { module } = &table.kind else { return None };
    let content = content(module)?;
    let column = sqlite::name(&table.name.name);
    (!content.is_empty())
        .then(|| Statement::new(format!("INSERT INTO {} ({column}) VALUES ('rebuild')", name(&table.name))))
}

fn kind(module: &str) -> &str {
    module.split('(').next().unwrap_or(module).trim()
}
