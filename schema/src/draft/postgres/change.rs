//! How one part of a schema becomes another of the same name.

use crate::draft::step::Statement;

/// How one part becomes another of the same name.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Statements(Vec<Statement>),
    /// It must be dropped and created.
    Again,
    /// A person must write the statement, for this reason.
    Open(String),
}
