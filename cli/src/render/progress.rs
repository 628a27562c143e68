//! What happens while it happens, and what was done when it is over.

use lockgate::{Action, Event, Report};

use super::{BOLD, DIM, GOOD, WAITING, count, paint};
use crate::duration;

/// How an event is shown.
pub(crate) enum Shown {
    /// As a line that stays.
    Line(String),
    /// As a line that the next one writes over.
    Passing(String),
}

/// How an event is shown, if it is.
pub(crate) fn progress(event: &Event) -> Option<Shown> {
    Some(match event {
        Event::LockWaiting { holder } => {
            let holder = holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default();
            Shown::Line(paint(WAITING, format_args!("waiting for another run to end{holder}")))
        }
        Event::Tolerated(drift) => Shown::Line(super::remark(&drift.to_string())),
        Event::Planned { steps: 0 } => return None,
        Event::Planned { steps } => Shown::Line(paint(BOLD, format_args!("{} to run", count(*steps, "migration")))),
        Event::Started { id, action } => Shown::Passing(format!("  {} {id} …", present(*action))),
        Event::StatementFinished { id, statements_done, statements } => {
            Shown::Passing(format!("  {id}: statement {statements_done} of {statements} is done"))
        }
        Event::Retrying { id, attempt, delay, blockers } => {
            let blockers =
                if blockers.is_empty() { String::new() } else { format!("; perhaps held by {}", blockers.join(", ")) };
            let delay = duration::show(*delay);
            Shown::Line(paint(
                WAITING,
                format_args!("  {id} could not lock what it changes, attempt {attempt} in {delay}{blockers}"),
            ))
        }
        Event::Finished { id, action, elapsed } => {
            let elapsed = paint(DIM, format_args!("({})", duration::show(*elapsed)));
            Shown::Line(format!("  {} {id} {elapsed}", paint(GOOD, action.past())))
        }
        // What a newer runtime tells beside this is nothing that a run needs to be understood.
        _ => return None,
    })
}

/// What a run did, in one line.
pub(crate) fn report(report: &Report) -> String {
    match report.steps.first() {
        None => paint(GOOD, "nothing to do"),
        Some(step) => {
            let done = format!("{} {}", step.action.past(), count(report.steps.len(), "migration"));
            format!("{} in {}", paint(GOOD, done), duration::show(report.elapsed))
        }
    }
}

fn present(action: Action) -> &'static str {
    match action {
        Action::Apply => "applying",
        Action::ResumeApply { .. } | Action::ResumeRevert { .. } => "going on with",
        Action::Revert => "reverting",
        Action::Record => "recording",
        Action::Rewrite => "repairing",
        Action::Forget => "forgetting",
    }
}
