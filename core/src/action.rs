//! Which way a migration goes, and what a step does to it.

use std::fmt;

use crate::{Checksum, Row, State};

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Apply what is pending.
    Up,
    /// Revert what is applied.
    Down,
}

/// What a step does to a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Run its up script and record it.
    Apply,
    /// Go on with its up script behind so many finished statements.
    ResumeApply {
        /// How many statements have finished.
        statements_done: u32,
    },
    /// Run its down script and remove its row.
    Revert,
    /// Go on with its down script behind so many finished statements.
    ResumeRevert {
        /// How many statements have finished.
        statements_done: u32,
    },
    /// Record it as applied without running it.
    Record,
    /// Make its row say what is embedded: name, checksum, wholly applied.
    Rewrite,
    /// Remove its row without running anything.
    Forget,
    /// Make its row say how far it came: none of its statements is under way any more.
    Settle {
        /// How many statements have finished.
        statements_done: u32,
        /// The checksum of those statements.
        finished: Option<Checksum>,
    },
}

impl Action {
    /// Which of a migration's scripts it runs; none where it changes the history alone.
    pub const fn direction(self) -> Option<Direction> {
        match self {
            Self::Apply | Self::ResumeApply { .. } => Some(Direction::Up),
            Self::Revert | Self::ResumeRevert { .. } => Some(Direction::Down),
            Self::Record | Self::Rewrite | Self::Forget | Self::Settle { .. } => None,
        }
    }

    /// How many statements of that script have finished before.
    pub const fn statements_done(self) -> u32 {
        match self {
            Self::ResumeApply { statements_done } | Self::ResumeRevert { statements_done } => statements_done,
            Self::Apply | Self::Revert | Self::Record | Self::Rewrite | Self::Forget | Self::Settle { .. } => 0,
        }
    }

    /// Whether a row of this migration, or the absence of one, is what it can be done to.
    pub fn fits(self, row: Option<&Row>) -> bool {
        let stopped = |state, done| row.is_some_and(|row| row.state == state && row.statements_done == done);
        match self {
            Self::Apply | Self::Record => row.is_none(),
            Self::ResumeApply { statements_done } => stopped(State::Partial, statements_done),
            Self::ResumeRevert { statements_done } => stopped(State::Reverting, statements_done),
            Self::Revert => row.is_some_and(|row| row.state == State::Applied),
            Self::Rewrite | Self::Forget => row.is_some(),
            Self::Settle { .. } => row.is_some_and(|row| row.under_way.is_some()),
        }
    }

    /// Whether a row, or the absence of one, is what it leaves behind where it was wholly done. The checksum
    /// is that of the migration.
    pub fn is_done(self, row: Option<&Row>, checksum: &Checksum) -> bool {
        match self {
            Self::Apply | Self::ResumeApply { .. } | Self::Record | Self::Rewrite => {
                row.is_some_and(|row| row.state == State::Applied && row.checksum == *checksum)
            }
            Self::Revert | Self::ResumeRevert { .. } | Self::Forget => row.is_none(),
            Self::Settle { statements_done, .. } => {
                row.is_some_and(|row| row.under_way.is_none() && row.statements_done == statements_done)
            }
        }
    }

    /// What it does, as plans say it: `apply`, `revert`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::ResumeApply { .. } => "resume",
            Self::Revert => "revert",
            Self::ResumeRevert { .. } => "resume revert",
            Self::Record => "record",
            Self::Rewrite | Self::Settle { .. } => "repair",
            Self::Forget => "forget",
        }
    }

    /// What was done, as reports say it: `applied`, `reverted`.
    pub const fn past(self) -> &'static str {
        match self {
            Self::Apply | Self::ResumeApply { .. } => "applied",
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
