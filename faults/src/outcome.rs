//! What came of a case, and how long its runners may take.

use std::time::Duration;

/// The timeout of a runner. Hundreds of commits take a minute on a busy disk; a runner that takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The result of a case.
pub(crate) struct Outcome {
    pub(crate) landed: bool,
    pub(crate) skipped: Option<String>,
    pub(crate) violations: Vec<String>,
    /// How the runs ended, to help with a violation.
    pub(crate) story: Vec<String>,
}
