//! The scripts that an operator runs once: which of them have run, and the plan of a run.

use crate::drift::{self, Drift};
use crate::plan::{Plan, Reason, Refusal, Request, plan};
use crate::{Action, History, Row, Set, State, UpTo, Version};

/// One script: embedded, recorded or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManualScript {
    /// Its number.
    pub version: Version,
    /// Number and name: `00007-fix_totals`.
    pub id: String,
    /// Whether it has run.
    pub state: ManualState,
    /// Its history row.
    pub row: Option<Row>,
}

/// Whether a script has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManualState {
    /// It has not.
    Pending,
    /// It has.
    Run,
    /// It runs outside a transaction, and stopped half way.
    Partial,
    /// It has, with another text than the program embeds.
    Edited,
    /// It has, and the program does not embed it.
    Unknown,
}

impl ManualState {
    /// Its name: `pending`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Run => "run",
            Self::Partial => "partial",
            Self::Edited => "edited",
            Self::Unknown => "unknown",
        }
    }
}

/// Returns the state of each script, in ascending order of their numbers.
pub fn scripts(set: &Set, history: &History) -> Vec<ManualScript> {
    let edited: Vec<String> = differences(set, history).into_iter().map(|drift| drift.id().to_owned()).collect();
    let embedded = set.iter().map(|script| {
        let row = history.row(script.version()).cloned();
        let state = match &row {
            None => ManualState::Pending,
            Some(_) if edited.iter().any(|id| id == script.id()) => ManualState::Edited,
            Some(row) if row.state == State::Applied => ManualState::Run,
            Some(_) => ManualState::Partial,
        };
        ManualScript { version: script.version(), id: script.id().to_owned(), state, row }
    });
    let unknown = history.rows().iter().filter(|row| set.find(row.version).is_none()).map(|row| ManualScript {
        version: row.version,
        id: row.id(),
        state: ManualState::Unknown,
        row: Some(row.clone()),
    });
    let mut scripts: Vec<ManualScript> = embedded.chain(unknown).collect();
    scripts.sort_by_key(|script| script.version);
    scripts
}

/// Returns the scripts that have run with another text.
pub fn drift(set: &Set, history: &History) -> Vec<Drift> {
    let edited = scripts(set, history).into_iter().filter(|script| script.state == ManualState::Edited);
    let of_row = |script: ManualScript| {
        let row = script.row?;
        Some(Drift::ManualEdited { id: script.id, at: row.applied_at, by: row.applied_by })
    };
    edited.filter_map(of_row).collect()
}

/// The differences between scripts and their rows. A script that has not run differs from nothing.
fn differences(set: &Set, history: &History) -> Vec<Drift> {
    let differs = |drift: &Drift| {
        matches!(
            drift,
            Drift::Edited { .. } | Drift::Renamed { .. } | Drift::Replaced { .. } | Drift::FinishedEdited { .. }
        )
    };
    drift::drift(set, history).into_iter().filter(differs).collect()
}

/// Plans to run one script. The plan is empty if it has run.
///
/// # Errors
///
/// Returns a [`Refusal`] if there is no script of this number, if it has run with another text, or if the request forbids
/// it. The other scripts do not matter, and neither does the destination of the request.
pub fn run(set: &Set, history: &History, request: &Request, version: Version) -> Result<Plan, Refusal> {
    let Some(script) = set.find(version) else {
        let known = set.iter().map(|script| script.id().to_owned()).collect();
        return Err(Refusal { reasons: vec![Reason::NoManualScript { version, known }] });
    };
    let row = history.row(version);
    if let Some(edited) = drift(set, history).into_iter().find(|drift| drift.id() == script.id()) {
        return Err(Refusal { reasons: vec![Reason::Drift(edited)] });
    }
    // As if it were alone: the others neither come before it nor block it.
    let own: Vec<Row> = row.into_iter().cloned().collect();
    let alone = match (history, own.is_empty()) {
        (History::Foreign { .. }, true) => history.clone(),
        _ => History::Present(own),
    };
    let mut planned =
        plan(set, &alone, &Request { destination: UpTo::Version(version).into(), ..out_of_order(request) })?;
    planned.steps.retain(|step| step.version == version);
    debug_assert!(planned.steps.iter().all(|step| matches!(step.action, Action::Apply | Action::ResumeApply { .. })));
    Ok(Plan { steps: planned.steps, tolerated: Vec::new(), seen: history.digest() })
}

fn out_of_order(request: &Request) -> Request {
    Request { out_of_order: crate::plan::OutOfOrder::Allow, ..*request }
}
