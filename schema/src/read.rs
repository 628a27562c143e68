//! Reads a schema from its text form. A line that is not understood is an error with its position.
//!
//! The text contains everything by which schemas are compared. What it omits follows from the rest: the columns of a
//! constraint follow from its definition, and an omitted owner is the default one.

mod line;
mod object;
mod property;
mod table;

use std::fmt;
use std::ops::Range;

use lockgate_core::snapshot::{FORM, Head, is_origin};

use self::line::nodes;
use crate::model::Schema;

/// Why a text cannot be read as a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The bytes that are not understood.
    pub range: Range<usize>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Unreadable {}

/// What is wrong, at which bytes.
struct Wrong(Range<usize>, String);

/// Reads the text of a schema, as [`Schema::to_text`] writes it.
///
/// # Errors
///
/// If it is not such a text, was written by a newer release, or has a line that is not understood.
///
/// ```
/// use lockgate_schema::snapshot::read;
///
/// let text = "-- lockgate schema 1 (sqlite)\n\ntable users\n  column id INTEGER\n  constraint PRIMARY KEY (id)\n";
/// let schema = read(text).unwrap();
/// assert_eq!(schema.tables[0].constraints[0].columns, ["id"]);
/// assert_eq!(schema.to_text(), text);
///
/// let wrong = read(&text.replace("column", "colum")).unwrap_err();
/// assert_eq!(wrong.to_string(), "4:3: `colum id INTEGER` is not a line of a table that this release knows");
/// ```
pub fn read(text: &str) -> Result<Schema, Unreadable> {
    parse(text).map_err(|Wrong(range, message)| {
        let before = &text[..range.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Unreadable { range, line, column, message }
    })
}

fn parse(text: &str) -> Result<Schema, Wrong> {
    let first = 0..text.find('\n').unwrap_or(text.len());
    let Some(head) = Head::parse(text) else {
        let message =
            "this is not the text of a schema, which begins with a line such as `-- lockgate schema 1 (postgres)`";
        return Err(Wrong(first, message.to_owned()));
    };
    if head.form > FORM {
        let message = format!(
            "the text has format {}, and this release reads formats up to {FORM}: use a newer release",
            head.form
        );
        return Err(Wrong(first, message));
    }
    let mut schema = Schema::empty(head.dialect);
    for node in nodes(text)? {
        if node.text == text[first.clone()].trim_end_matches('\r') || is_origin(node.text) {
            continue;
        }
        object::add(&mut schema, &node)?;
    }
    table::complete(&mut schema);
    Ok(schema)
}
