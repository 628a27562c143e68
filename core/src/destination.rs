//! Where a run is to go, up or down.

use crate::{Direction, Version};

/// Where to go up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpTo {
    /// The newest embedded migration.
    Latest,
    /// This version: it and all before it are applied. What is newer and applied already stays.
    Version(Version),
    /// So many migrations up; fewer may be pending.
    Steps(usize),
}

/// Where to go down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DownTo {
    /// This version: all that is newer is reverted, and it stays applied.
    Version(Version),
    /// So many migrations down: at least as many must be applied.
    Steps(usize),
    /// Before the first migration.
    Empty,
}

/// Up or down, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Apply what is pending.
    Up(UpTo),
    /// Revert what is applied.
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
