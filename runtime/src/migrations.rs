//! The set in a program: the embedded scripts, and the Rust steps.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use lockgate_core::{Migration, Set, Version};

use crate::Transaction;

/// The result of a Rust step.
///
/// ```
/// pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {
///     tx.execute("UPDATE member SET email = lower(email)").await?;
///     Ok(())
/// }
/// ```
pub type StepResult = Result<(), BoxError>;

/// Any error that a Rust step may return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The future of a Rust step.
#[doc(hidden)]
pub type StepFuture<'a> = Pin<Box<dyn Future<Output = StepResult> + Send + 'a>>;

/// A Rust function that runs as a migration.
#[doc(hidden)]
pub type StepFn = for<'a, 'c> fn(&'a mut Transaction<'c>) -> StepFuture<'a>;

/// The Rust functions of one migration.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct RustStep {
    /// The migration's version.
    pub version: i64,
    /// What applies it.
    pub up: StepFn,
    /// What reverts it.
    pub down: Option<StepFn>,
}

/// The ordered migrations embedded in a program: the value of [`embed_migrations!`](crate::embed_migrations).
#[derive(Clone, Copy)]
pub struct Migrations {
    set: Set,
    steps: &'static [RustStep],
}

impl Migrations {
    /// A set without migrations, for tests and tools that need no folder.
    ///
    /// ```
    /// assert!(lockgate::Migrations::EMPTY.is_empty());
    /// ```
    pub const EMPTY: Self = Self { set: Set::empty(), steps: &[] };

    /// The output of the macro calls this.
    #[doc(hidden)]
    pub const fn from_parts(set: Set, steps: &'static [RustStep]) -> Self {
        Self { set, steps }
    }

    /// Another set with the same Rust steps. The harness uses it to let one fail.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_set(&self, set: Set) -> Self {
        Self { set, steps: self.steps }
    }

    /// The migrations as a value: versions, names, scripts and their statements.
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// How many migrations there are.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// All of them, in ascending order of their versions.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Migration> + ExactSizeIterator {
        self.set.iter()
    }

    pub(crate) fn step(&self, version: Version) -> Option<&'static RustStep> {
        self.steps.iter().find(|step| step.version == version.get())
    }
}

impl From<Set> for Migrations {
    /// A set that was made without the macro, for example by `lockgate_source::Folder::leak`. No Rust migration in it
    /// can run.
    fn from(set: Set) -> Self {
        Self { set, steps: &[] }
    }
}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.set.fmt(f)
    }
}
