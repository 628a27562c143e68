//! What the parts of a schema are known by.

use crate::draft::write::{ident, qualified};
use crate::model::{Name, ObjectKind};

/// What a part is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Namespace(String),
    Type(Name),
    Sequence(Name),
    /// That a sequence belongs to a column.
    Owned(Name),
    Table(Name),
    /// That a table is a partition or a child.
    Parent(Name),
    /// What a table has that names one of its indexes or constraints.
    Marks(Name),
    Column(Name, String),
    Default(Name, String),
    Constraint(Name, String),
    Index(Name, String),
    View(Name),
    Object(ObjectKind, Name, Option<Name>),
}

impl Key {
    /// The part for people: `column public.t.a`.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Namespace(name) => format!("schema {name}"),
            Self::Type(name) => format!("type {}", qualified(name)),
            Self::Sequence(name) | Self::Owned(name) => format!("sequence {}", qualified(name)),
            Self::Table(name) | Self::Parent(name) | Self::Marks(name) => format!("table {}", qualified(name)),
            Self::Column(table, name) | Self::Default(table, name) => {
                format!("column {}.{}", qualified(table), ident(name))
            }
            Self::Constraint(table, name) => format!("constraint {} of {}", ident(name), qualified(table)),
            Self::Index(table, name) => format!("index {} of {}", ident(name), qualified(table)),
            Self::View(name) => format!("view {}", qualified(name)),
            Self::Object(kind, name, on) => {
                let mut words = String::new();
                for letter in format!("{kind:?}").chars() {
                    words.push_str(if letter.is_uppercase() { " " } else { "" });
                    words.push(letter.to_ascii_lowercase());
                }
                // Names of routines end with the types of their arguments, which are SQL already.
                let schema = name.schema.iter().map(|schema| format!("{}.", ident(schema))).collect::<String>();
                let on = on.iter().map(|on| format!(" on {}", qualified(on))).collect::<String>();
                format!("{} {schema}{}{on}", words.trim_start(), name.name)
            }
        }
    }
}
