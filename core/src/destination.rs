//! How far a run goes, up or down.

use crate::{Direction, Version};

/// How far to go up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpTo {
    /// The newest embedded migration.
    Latest,
    /// This version: it and all older ones are applied. Newer ones that are already applied stay.
    Version(Version),
    /// At most this many pending migrations.
    Steps(usize),
}

/// How far to go down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DownTo {
    /// This version: all newer ones are reverted, and it stays applied.
    Version(Version),
    /// This many migrations. At least as many must be applied.
    Steps(usize),
    /// Revert every migration.
    Empty,
}

/// Up or down, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Apply pending migrations.
    Up(UpTo),
    /// Revert applied migrations.
    Down(DownTo),
}

impl Destination {
    /// Up or down.
    pub const fn direction(self) -> Direction {
        match self {
            Self::Up(_) => Direction::Up,
            Self::Down(_) => Direction::Down,
        }
    }
}

impl From<UpTo> for Destination {
    fn from(to: UpTo) -> Self {
        Self::Up(to)
    }
}

impl From<DownTo> for Destination {
    fn from(to: DownTo) -> Self {
        Self::Down(to)
    }
}
