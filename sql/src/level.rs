//! How serious the finding of a lint is.

/// How serious the finding of a lint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LintLevel {
    /// An error.
    Deny,
    /// A warning.
    Warn,
    /// Nothing.
    Allow,
}

impl LintLevel {
    /// The word for each level in a policy.
    pub const WORDS: [(&'static str, Self); 3] = [("deny", Self::Deny), ("warn", Self::Warn), ("allow", Self::Allow)];
}
