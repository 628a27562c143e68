//! An answer as text, with where it is written.

/// An answer as text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// For standard output.
    pub(crate) out: Vec<String>,
    /// For standard error, without their colours and `note:`.
    pub(crate) notes: Vec<String>,
}
