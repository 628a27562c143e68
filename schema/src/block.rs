//! Each object of a schema as a block: what it is, what it is called, and lines of what there is to say
//! of it. The text form writes these blocks and the comparison compares them, so that the two cannot
//! disagree on what makes two schemas equal.

mod describe;
mod name;

pub(crate) use describe::describe;

use crate::difference::Class;

/// An object, or a part of one that has a name of its own: a column, a constraint, a value of an enum.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    /// What it is: `table`, `column`.
    pub(crate) label: &'static str,
    /// What it is called, quoted where it must be.
    pub(crate) name: Option<String>,
    /// What is said of it, in the order in which it is shown.
    pub(crate) clauses: Vec<Clause>,
    /// Its parts.
    pub(crate) parts: Vec<Item>,
    /// The class of its being there.
    pub(crate) class: Class,
}

/// One thing that is said of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Clause {
    /// What it is about: `DEFAULT`, `comment`, `grant SELECT to reader`.
    pub(crate) word: String,
    /// What it says of it; nothing, if being there says all.
    pub(crate) value: Option<String>,
    /// Where it stands.
    pub(crate) form: Form,
    /// The class of a difference in it.
    pub(crate) class: Class,
}

/// Where a clause stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// On the item's own line, with its word.
    Inline,
    /// On the item's own line; the word is not shown.
    Bare,
    /// On a line of its own.
    Line,
    /// On lines of its own, without its word.
    Text,
}

impl Item {
    pub(crate) fn new(label: &'static str, name: Option<String>) -> Self {
        Self { label, name, clauses: Vec::new(), parts: Vec::new(), class: Class::Real }
    }

    /// How messages call it: `column email`, `constraint CHECK (a > 0)`.
    pub(crate) fn title(&self) -> String {
        match (&self.name, self.clauses.first()) {
            (Some(name), _) => format!("{} {name}", self.label),
            (None, Some(Clause { value: Some(value), .. })) => format!("{} {value}", self.label),
            (None, _) => self.label.to_owned(),
        }
    }

    /// Says something of it if there is something to say.
    pub(crate) fn say(&mut self, form: Form, class: Class, word: impl Into<String>, value: Option<String>) {
        if let Some(value) = value {
            self.clauses.push(Clause { word: word.into(), value: Some(value), form, class });
        }
    }

    /// Says a word of it if it is so.
    pub(crate) fn flag(&mut self, form: Form, word: impl Into<String>, is_so: bool) {
        if is_so {
            self.clauses.push(Clause { word: word.into(), value: None, form, class: Class::Real });
        }
    }
}

/// The class of a difference in nothing but the order of such parts, where their order says something.
pub(crate) fn order_class(label: &str) -> Option<Class> {
    match label {
        "column" | "attribute" => Some(Class::ColumnOrder),
        "value" => Some(Class::EnumOrder),
        _ => None,
    }
}

/// The class of a difference in nothing but the name of such a part, where it may have another.
pub(crate) fn name_class(label: &str) -> Option<Class> {
    match label {
        "constraint" => Some(Class::ConstraintName),
        "index" => Some(Class::IndexName),
        _ => None,
    }
}
