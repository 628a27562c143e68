//! Companions: the sets that a set brings along, of scripts that are not steps from one version to the next. Each has rows
//! of its own in the history, under the name of the set with [`CompanionKind::suffix`] behind it.

use std::fmt;

use crate::Set;

/// What the scripts of a companion set are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompanionKind {
    /// They run again whenever their text has changed: `R__active_users.sql`.
    Repeatable,
    /// Each runs once, when an operator asks for it.
    Manual,
    /// They create the desired state in an empty database.
    Create,
}

impl CompanionKind {
    /// Its name: `repeatable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repeatable => "repeatable",
            Self::Manual => "manual",
            Self::Create => "create",
        }
    }

    /// What follows the name of the set in the history: `/repeatable`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Repeatable => "/repeatable",
            Self::Manual => "/manual",
            Self::Create => "/create",
        }
    }
}

impl fmt::Display for CompanionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A companion of a set. See [`Set::companion`].
#[derive(Clone, Copy, Debug)]
pub struct Companion {
    /// What its scripts are for.
    pub kind: CompanionKind,
    /// Its scripts.
    pub set: Set,
}
