//! The direction of a run, and what one step of a plan does to a migration.

use std::fmt;

use crate::{Checksum, Row, State};

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Apply pending migrations.
    Up,
    /// Revert applied migrations.
    Down,
}

/// What a step of a plan does to a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Runs its up script and records it.
    Apply,
    /// Runs a repeatable script again, because its text has changed, and replaces its row.
    ApplyAgain,
    /// Resumes its up script after the statements that have finished.
    ResumeApply {
        /// How many statements have finished.
        statements_done: u32,
    },
    /// Runs its down script and removes its row.
    Revert,
    /// Resumes its down script after the statements that have finished.
    ResumeRevert {
        /// How many statements have finished.
        statements_done: u32,
    },
    /// Records it as applied without running it.
    Record,
    /// Updates its row to the embedded name and checksum, and to fully applied.
    Rewrite,
    /// Removes its row without running anything.
    Forget,
    /// Updates its row to this number of finished statements, with none running any more.
    Settle {
        /// How many statements have finished.
        statements_done: u32,
        /// The checksum of those statements.
        finished: Option<Checksum>,
    },
}

impl Action {
    /// Which script it runs, up or down. `None` if it changes only the history.
    pub const fn direction(self) -> Option<Direction> {
        match self {
            Self::Apply | Self::ApplyAgain | Self::ResumeApply { .. } => Some(Direction::Up),
            Self::Revert | Self::ResumeRevert { .. } => Some(Direction::Down),
            Self::Record | Self::Rewrite | Self::Forget | Self::Settle { .. } => None,
        }
    }

    /// How many statements of that script have already finished.
    pub const fn statements_done(self) -> u32 {
        match self {
            Self::ResumeApply { statements_done } | Self::ResumeRevert { statements_done } => statements_done,
            Self::Apply
            | Self::ApplyAgain
            | Self::Revert
            | Self::Record
            | Self::Rewrite
            | Self::Forget
            | Self::Settle { .. } => 0,
        }
    }

    /// Whether the action is possible with this history row, or without one.
    pub fn fits(self, row: Option<&Row>) -> bool {
        let stopped = |state, done| row.is_some_and(|row| row.state == state && row.statements_done == done);
        match self {
            Self::Apply | Self::Record => row.is_none(),
            Self::ResumeApply { statements_done } => stopped(State::Partial, statements_done),
            Self::ResumeRevert { statements_done } => stopped(State::Reverting, statements_done),
            Self::Revert => row.is_some_and(|row| row.state == State::Applied),
            Self::ApplyAgain => row.is_some_and(Row::is_repeatable),
            Self::Rewrite | Self::Forget => row.is_some(),
            Self::Settle { .. } => row.is_some_and(|row| row.under_way.is_some()),
        }
    }

    /// Whether this row, or its absence, is the result of the completed action. `checksum` is the migration's.
    pub fn is_done(self, row: Option<&Row>, checksum: &Checksum) -> bool {
        match self {
            Self::Apply | Self::ApplyAgain | Self::ResumeApply { .. } | Self::Record | Self::Rewrite => {
                row.is_some_and(|row| row.state == State::Applied && row.checksum == *checksum)
            }
            Self::Revert | Self::ResumeRevert { .. } | Self::Forget => row.is_none(),
            Self::Settle { statements_done, .. } => {
                row.is_some_and(|row| row.under_way.is_none() && row.statements_done == statements_done)
            }
        }
    }

    /// The verb that plans show: `apply`, `revert`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::ApplyAgain => "apply again",
            Self::ResumeApply { .. } => "resume",
            Self::Revert => "revert",
            Self::ResumeRevert { .. } => "resume revert",
            Self::Record => "record",
            Self::Rewrite | Self::Settle { .. } => "repair",
            Self::Forget => "forget",
        }
    }

    /// The verb in the past tense, for reports: `applied`, `reverted`.
    pub const fn past(self) -> &'static str {
        match self {
            Self::Apply | Self::ApplyAgain | Self::ResumeApply { .. } => "applied",
            Self::Revert | Self::ResumeRevert { .. } => "reverted",
            Self::Record => "recorded",
            Self::Rewrite | Self::Settle { .. } => "repaired",
            Self::Forget => "forgot",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
