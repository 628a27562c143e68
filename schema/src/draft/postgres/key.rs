//! What the parts of a schema are known by.

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
