//! Describes each object of a schema as a block: its kind, its name, and lines of properties. The text form writes these
//! blocks and the comparison compares them, so that both agree on when two schemas are equal.

mod describe;
mod name;

pub(crate) use describe::{describe, object as of_object};
pub(crate) use name::{ident, qualified};

use crate::difference::Class;

/// An object, or a named part of one: a column, a constraint, a value of an enum.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    /// Its kind: `table`, `column`.
    pub(crate) label: &'static str,
    /// Its name, quoted if necessary.
    pub(crate) name: Option<String>,
    /// Its properties, in the order in which they are shown.
    pub(crate) clauses: Vec<Clause>,
    /// Its parts.
    pub(crate) parts: Vec<Item>,
    /// The class of a difference in its existence.
    pub(crate) class: Class,
}

/// A property of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Clause {
    /// The name of the property: `DEFAULT`, `comment`, `grant SELECT to reader`.
    pub(crate) word: String,
    /// The value; empty if the name says everything.
    pub(crate) value: Option<String>,
    /// Where it is written.
    pub(crate) form: Form,
    /// The class of a difference in it.
    pub(crate) class: Class,
}

/// Where a clause is written in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// On the item's own line, with its name.
    Inline,
    /// On the item's own line, without its name.
    Bare,
    /// On its own line.
    Line,
    /// On its own lines, without its name.
    Text,
}

impl Item {
    pub(crate) fn new(label: &'static str, name: Option<String>) -> Self {
        Self { label, name, clauses: Vec::new(), parts: Vec::new(), class: Class::Real }
    }

    /// Its name in messages: `column email`, `constraint CHECK (a > 0)`.
    pub(crate) fn title(&self) -> String {
        match (&self.name, self.clauses.first()) {
            (Some(name), _) => format!("{} {name}", self.label),
            (None, Some(Clause { value: Some(value), .. })) => format!("{} {value}", self.label),
            (None, _) => self.label.to_owned(),
        }
    }

    /// Adds a property if it has a value.
    pub(crate) fn say(&mut self, form: Form, class: Class, word: impl Into<String>, value: Option<String>) {
        if let Some(value) = value {
            self.clauses.push(Clause { word: word.into(), value: Some(value), form, class });
        }
    }

    /// Adds a property without a value if the condition holds.
    pub(crate) fn flag(&mut self, form: Form, word: impl Into<String>, is_so: bool) {
        if is_so {
            self.clauses.push(Clause { word: word.into(), value: None, form, class: Class::Real });
        }
    }
}

/// Returns the class of a difference only in the order of such parts, if their order matters.
pub(crate) fn order_class(label: &str) -> Option<Class> {
    match label {
        "column" | "attribute" => Some(Class::ColumnOrder),
        "value" => Some(Class::EnumOrder),
        _ => None,
    }
}

/// Returns the class of a difference only in the name of such a part, if its name may differ.
pub(crate) fn name_class(label: &str) -> Option<Class> {
    match label {
        "constraint" => Some(Class::ConstraintName),
        "index" => Some(Class::IndexName),
        _ => None,
    }
}
