//! What the methods for several databases return.

use std::fmt;
use std::time::Duration;

use lockgate_core::patch::{Patch, numbers};
use lockgate_core::plan::Reason;
use lockgate_core::{Audience, Drift, Plan, Status};

use crate::mirror::MirrorStatus;
use crate::report::FinishedStep;

/// What a run did on the databases of a server. If there was nothing to do, the report has no steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabasesReport {
    /// What it did on each database, in the order of the run.
    pub databases: Vec<DatabaseReport>,
    /// How long the run took.
    pub elapsed: Duration,
}

/// What a run did on one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseReport {
    /// The database.
    pub database: String,
    /// The steps that are committed, bootstraps first.
    pub steps: Vec<FinishedStep>,
    /// Differences between the set of patches and the history that did not block the run.
    pub tolerated: Vec<Drift>,
    /// Bootstraps that are not recorded and did not run, because the database exists.
    pub left_out: Vec<String>,
}

/// The status of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseStatus {
    /// The database.
    pub database: String,
    /// Whether it exists. If not, every patch is pending.
    pub exists: bool,
    /// The bootstraps that have not run to their end, because the database does not exist or because the run that creates
    /// it has not ended.
    pub bootstraps: Vec<String>,
    /// Why no bootstrap would run: one of them differs from what an interrupted run has recorded. Empty if nothing
    /// prevents them.
    pub bootstraps_refused: Vec<Reason>,
    /// How far the run has come that creates the database, if one was begun and has not ended: the bootstrap that it is
    /// working on, or the one at which it stopped.
    pub begun: Option<Status>,
    /// Recorded bootstraps of a database that was dropped before the last of them had run. `apply` is refused until
    /// they are removed from the history (`repair --forget`).
    pub dropped: Vec<String>,
    /// Bootstraps that are not recorded and do not run, because the database exists.
    pub left_out: Vec<String>,
    /// How the bootstraps that have made the database differ from those of the program. Nothing runs because of that.
    pub bootstraps_changed: Vec<Drift>,
    /// Its patches.
    pub status: Status,
    /// Whether `apply` would be refused.
    pub up_refuses: bool,
    /// How the database compares with its mirror. `None` if there is no mirror, or if it does not exist yet.
    pub mirror: Option<MirrorStatus>,
}

/// What would run on one database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabasePlan {
    /// The database.
    pub database: String,
    /// Whether it exists.
    pub exists: bool,
    /// The bootstraps that would run.
    pub bootstraps: Plan,
    /// Bootstraps that are not recorded and do not run, because the database exists.
    pub left_out: Vec<String>,
    /// The patches that would run after them.
    pub plan: Plan,
}

impl DatabasesReport {
    /// Whether there was nothing to do.
    pub fn is_empty(&self) -> bool {
        self.databases.iter().all(|database| database.steps.is_empty())
    }

    /// Returns the steps on all databases, in the order in which they ran.
    pub fn steps(&self) -> impl Iterator<Item = &FinishedStep> {
        self.databases.iter().flat_map(|database| &database.steps)
    }
}

impl DatabaseStatus {
    /// Where the run stopped that creates the database, if the next one would go on there. Empty while a run is at work.
    pub fn bootstraps_stopped(&self) -> &[Drift] {
        match &self.begun {
            Some(begun) if begun.at_work.is_none() && self.bootstraps_refused.is_empty() => &begun.drift,
            Some(_) | None => &[],
        }
    }
}

/// A difference between the bootstraps of a program and those that have made a database, or are about to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootstrapDifference {
    /// What kind of difference, as a stable word: `left-out`, `edited`, `dropped`.
    pub code: &'static str,
    /// The bootstrap.
    pub id: String,
    /// What differs.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl DatabaseStatus {
    /// Returns every difference of its bootstraps, with advice for this audience.
    pub fn bootstrap_differences(&self, audience: Audience) -> Vec<BootstrapDifference> {
        let refused = self.bootstraps_refused.iter().map(|reason| match reason {
            Reason::Drift(drift) => of_drift(drift, drift.help_for(audience)),
            other => BootstrapDifference {
                code: "refused",
                id: String::new(),
                message: other.to_string(),
                help: other.help_for(audience),
            },
        });
        let stopped = self.bootstraps_stopped().iter().map(|drift| of_drift(drift, drift.help_for(audience)));
        let dropped = self.dropped.iter().rev().map(|id| BootstrapDifference {
            code: "dropped",
            id: id.clone(),
            message: format!("`{id}` has run, and the database was dropped before the bootstraps ended"),
            help: format!(
                "undo by hand what it has done besides, and remove its row with {}: then {} runs it again",
                audience.forget(Patch::parse(id).map_or(id.as_str(), |patch| patch.key())),
                audience.up()
            ),
        });
        let left_out = self.left_out.iter().map(|id| BootstrapDifference {
            code: "left-out",
            id: id.clone(),
            message: left_out(id, &self.database),
            help: help_of_left_out(id, audience),
        });
        refused.chain(stopped).chain(dropped).chain(self.changed(audience)).chain(left_out).collect()
    }

    /// [`bootstraps_changed`](Self::bootstraps_changed), with advice for this audience.
    #[doc(hidden)]
    pub fn changed(&self, audience: Audience) -> Vec<BootstrapDifference> {
        self.bootstraps_changed.iter().map(|drift| of_drift(drift, help_of_changed(drift, audience))).collect()
    }
}

fn of_drift(drift: &Drift, help: String) -> BootstrapDifference {
    BootstrapDifference { code: drift.code(), id: drift.id().to_owned(), message: drift.to_string(), help }
}

/// Says that a bootstrap does not run in a database that exists.
fn left_out(id: &str, database: &str) -> String {
    format!("`{id}` is not recorded and does not run, because the database `{database}` exists")
}

/// What to do about that.
pub(super) fn help_of_left_out(id: &str, audience: Audience) -> String {
    format!("make by hand what it makes, if the database lacks that; then {} records it", audience.baseline(id))
}

/// What to do about a bootstrap that has run with another text.
pub(super) fn help_of_changed(drift: &Drift, audience: Audience) -> String {
    let recorded = match drift {
        Drift::Replaced { id, .. } => audience.mark_applied(id),
        Drift::Unknown { version, .. } => {
            return format!(
                "restore its file; or, if new databases do not need it, {} removes its row",
                audience.forget(numbers(*version))
            );
        }
        _ => audience.accept_edited().to_owned(),
    };
    format!(
        "it does not run again in a database that exists: put the change in a patch too, or make it by hand; then {recorded} \
         records the new text"
    )
}

impl DatabasePlan {
    /// Whether nothing would run.
    pub fn is_empty(&self) -> bool {
        self.bootstraps.is_empty() && self.plan.is_empty()
    }
}

impl fmt::Display for DatabasesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = self.databases.iter().filter(|database| !database.steps.is_empty());
        let each: Vec<String> =
            changed.map(|database| format!("{} in `{}`", database.steps.len(), database.database)).collect();
        match each.as_slice() {
            [] => f.write_str("nothing to do"),
            each => write!(f, "applied in {} ms: {}", self.elapsed.as_millis(), each.join(", ")),
        }
    }
}
