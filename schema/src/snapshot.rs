//! Texts of schemas in files: the dialect of a text, and the differences between two. They are compared as text, block
//! by block and line by line.

use std::collections::HashMap;
use std::fmt;

use lockgate_core::Dialect;
use lockgate_core::snapshot::{FORM, Head, is_origin};

use crate::model::Schema;
pub use crate::read::{Unreadable, read};

/// Returns the dialect in the first line, if this is the text of a schema.
pub fn dialect(text: &str) -> Option<Dialect> {
    Head::parse(text).map(|head| head.dialect)
}

/// Returns the text of a schema for a file: [`Schema::to_text`], and which major release of PostgreSQL made it, because
/// another release may write an expression in another way.
pub fn text(schema: &Schema, release: Option<u32>) -> String {
    let text = schema.to_text();
    let Some((_, rest)) = text.split_once('\n') else { return text };
    format!("{}{rest}", Head { form: FORM, dialect: schema.dialect, release })
}

/// An object that differs between two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first line of its block, which names it: `table public.users`.
    pub object: String,
    /// How it differs.
    pub kind: ChangeKind,
}

/// How an object differs between two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the second text has it.
    New,
    /// Only the first text has it.
    Gone,
    /// Both have it, with other lines. If none is listed, they are the same lines in another order.
    Changed {
        /// The lines that only the first text has.
        gone: Vec<String>,
        /// The lines that only the second text has.
        new: Vec<String>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = &self.object;
        match &self.kind {
            ChangeKind::New => write!(f, "{object}: is new"),
            ChangeKind::Gone => write!(f, "{object}: is gone"),
            ChangeKind::Changed { gone, new } if gone.is_empty() && new.is_empty() => {
                write!(f, "{object}:\n  the lines are the same in another order")
            }
            ChangeKind::Changed { gone, new } => {
                write!(f, "{object}:")?;
                gone.iter().try_for_each(|line| write!(f, "\n- {line}"))?;
                new.iter().try_for_each(|line| write!(f, "\n+ {line}"))
            }
        }
    }
}

/// Returns the differences between two texts, object by object. Which release made a text is no difference.
pub fn changes(before: &str, after: &str) -> Vec<Change> {
    let (before, after) = (blocks(before), blocks(after));
    let by_head = |blocks: &[Vec<&'_ str>]| -> HashMap<String, usize> {
        blocks.iter().enumerate().rev().map(|(index, block)| (head(block).to_owned(), index)).collect()
    };
    let (of_before, of_after) = (by_head(&before), by_head(&after));
    let change = |block: &[&str], kind| Change { object: head(block).to_owned(), kind };
    let mut changes = Vec::new();
    for block in &before {
        match of_after.get(head(block)).map(|index| &after[*index]) {
            None => changes.push(change(block, ChangeKind::Gone)),
            Some(other) if other == block => {}
            Some(other) => {
                let kind = ChangeKind::Changed { gone: without(block, other), new: without(other, block) };
                changes.push(change(block, kind));
            }
        }
    }
    let new = after.iter().filter(|block| !of_before.contains_key(head(block)));
    changes.extend(new.map(|block| change(block, ChangeKind::New)));
    changes
}

/// Describes the differences between two texts for people. The result is empty if they are equal.
pub fn differences(before: &str, after: &str) -> String {
    let mut text: String = changes(before, after).iter().map(|change| format!("{change}\n")).collect();
    if text.is_empty() && blocks(before) != blocks(after) {
        text.push_str("the blocks are the same in another order\n");
    }
    text
}

fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks = vec![Vec::new()];
    for line in text.lines() {
        match line {
            "" => blocks.push(Vec::new()),
            line if is_origin(line) => {}
            line => blocks.last_mut().expect("there is a first one").push(line),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Returns the first line of a block, which names the object. In the first block it is version and dialect.
fn head<'a>(block: &[&'a str]) -> &'a str {
    block.first().copied().unwrap_or_default()
}

/// Returns the lines that `other` lacks; a line that occurs more often here is returned for each extra time.
fn without(lines: &[&str], other: &[&str]) -> Vec<String> {
    let mut other = other.to_vec();
    let mut left = Vec::new();
    for line in lines {
        match other.iter().position(|own| own == line) {
            Some(index) => drop(other.remove(index)),
            None => left.push((*line).to_owned()),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_dialect() {
        assert_eq!(dialect("-- lockgate schema 1 (sqlite)\n\ntable t\n"), Some(Dialect::Sqlite));
        assert_eq!(dialect("-- lockgate schema 2 (postgres)"), Some(Dialect::Postgres));
        assert_eq!(dialect("table t\n"), None);
        assert_eq!(dialect(""), None);
    }

    #[test]
    fn which_release_made_a_text_is_no_difference() {
        let schema = Schema {
            dialect: Dialect::Postgres,
            namespaces: Vec::new(),
            types: Vec::new(),
            sequences: Vec::new(),
            tables: Vec::new(),
            views: Vec::new(),
            objects: Vec::new(),
        };
        let (old, new) = (text(&schema, Some(13)), text(&schema, Some(18)));
        assert_eq!(old, "-- lockgate schema 1 (postgres)\n-- made by PostgreSQL 13\n");
        assert_eq!((differences(&old, &new), text(&schema, None)), (String::new(), schema.to_text()));
    }

    #[test]
    fn differences_are_shown_block_by_block() {
        let before = "-- x\n\ntable a\n  column a\n  column b\n\ntable b\n\ntable c\n  1\n  2\n";
        let after = "-- x\n\ntable a\n  column a\n  column c\n\ntable c\n  2\n  1\n\ntable d\n";
        assert_eq!(
            differences(before, after),
            "table a:\n-   column b\n+   column c\ntable b: is gone\n\
             table c:\n  the lines are the same in another order\ntable d: is new\n"
        );
        assert_eq!(differences(before, before), "");
        assert_eq!(differences("a\n\nb\n", "b\n\na\n"), "the blocks are the same in another order\n");
        assert_eq!(differences("a\n  x\n  x\n", "a\n  x\n"), "a:\n-   x\n");
        assert_eq!(differences("a\n", "a\n\n\n"), "", "an empty line at the end is no difference");
    }
}
