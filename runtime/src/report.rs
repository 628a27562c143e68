//! What a run did.

use std::fmt;
use std::time::Duration;

use lockgate_core::companion::counted;
use lockgate_core::{Action, Direction, Drift};

/// What a run did. If there was nothing to do, it has no steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The committed steps, each once, in the order in which they ran.
    pub steps: Vec<FinishedStep>,
    /// Differences between the set of migrations and the history that did not block the run.
    pub tolerated: Vec<Drift>,
    /// How long the run took, including the wait for the lock.
    pub elapsed: Duration,
}

/// One step that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FinishedStep {
    /// The migration: version and name.
    pub id: String,
    /// What was done to it.
    pub action: Action,
    /// How long it took. If it was sent together with others, this is the time in the history, which is read only if
    /// the migrator has a function for events ([`Migrator::on_event`](crate::Migrator::on_event)); otherwise `None`.
    pub elapsed: Option<Duration>,
}

impl Report {
    /// Whether there was nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// For a run of `Migrator::create`: how many files of `create/` ran, and how many migrations were recorded as
    /// applied. `None` for any other run.
    pub fn created(&self) -> Option<(usize, usize)> {
        let recorded = self.steps.iter().filter(|step| step.action == Action::Record).count();
        let is_both = recorded > 0 && recorded < self.steps.len();
        is_both.then(|| (self.steps.len() - recorded, recorded))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.steps.first() else { return f.write_str("nothing to do") };
        let count = self.steps.len();
        let goes = |way| self.steps.iter().any(|step| step.action.direction() == Some(way));
        if goes(Direction::Up) && goes(Direction::Down) {
            let applied = self.steps.iter().filter(|step| step.action.direction() == Some(Direction::Up)).count();
            let noun = if applied == 1 { "migration" } else { "migrations" };
            return write!(f, "reverted and applied {applied} {noun} in {} ms", self.elapsed.as_millis());
        }
        if let Some((files, migrations)) = self.created() {
            let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
            let noun = if migrations == 1 { "migration" } else { "migrations" };
            let elapsed = self.elapsed.as_millis();
            return write!(f, "ran {files} of `create/` and recorded {migrations} {noun} in {elapsed} ms");
        }
        let done = counted(self.steps.iter().map(|step| &*step.id));
        write!(f, "{} {done} in {} ms: {}", first.action.past(), self.elapsed.as_millis(), first.id)?;
        match self.steps.last() {
            Some(last) if count > 1 => write!(f, " … {}", last.id),
            Some(_) | None => Ok(()),
        }
    }
}
