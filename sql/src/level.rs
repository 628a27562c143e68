//! The level of a lint.

/// The level of a lint: how serious its findings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LintLevel {
    /// Findings are errors.
    Deny,
    /// Findings are warnings.
    Warn,
    /// Findings are not reported.
    Allow,
}

impl LintLevel {
    /// The word for each level in a policy.
    pub const WORDS: [(&'static str, Self); 3] = [("deny", Self::Deny), ("warn", Self::Warn), ("allow", Self::Allow)];
}
