//! Writes names and texts as SQL.

use std::collections::HashSet;
use std::sync::LazyLock;

use lockgate_core::keywords::{COLUMN, FUNCTION, RESERVED};

use crate::model::Name;
use crate::sqlite::is_keyword;

/// Writes a name with its schema, in quotes.
pub(super) fn qualified(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", ident(schema), ident(&name.name)),
        None => ident(&name.name),
    }
}

/// Writes a name, in quotes unless it is a plain word in lower case and no keyword of any dialect.
pub(super) fn ident(name: &str) -> String {
    static WORDS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| [RESERVED, COLUMN, FUNCTION].into_iter().flat_map(str::split_ascii_whitespace).collect());
    let mut chars = name.chars();
    let is_plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain && !WORDS.contains(name) && !is_keyword(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Whether a name means something else without quotes: it is no plain word in lower case, or a keyword of some dialect.
pub fn needs_quotes(name: &str) -> bool {
    ident(name) != name
}

/// Writes a text in quotes.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
