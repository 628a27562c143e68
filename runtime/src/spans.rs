//! With the feature `tracing`: a span `lockgate` for each run, and its events.

use tracing::{Instrument, Span, debug, info, info_span, instrument::Instrumented, warn};

use crate::event::Event;

/// A run in its span.
pub(crate) fn of_run<F: Future>(run: F, set: &str) -> Instrumented<F> {
    let span: Span = info_span!("lockgate", set);
    run.instrument(span)
}

/// Writes an event of a run. It contains no URL, and of a script only what `\echo` says.
pub(crate) fn write(event: &Event) {
    match event {
        Event::DatabaseStarted { database, role } => info!(database, role, "a run in a database begins"),
        Event::PasswordAssumed { role, variable } => {
            warn!(role, variable, "no password for a role, its name is tried");
        }
        Event::BootstrapSkipped { id, database } => {
            warn!(migration = id, database, "a bootstrap does not run, as its database exists");
        }
        Event::MirrorCreated { mirror, databases } => {
            warn!(mirror, databases, "there was no mirror, and this run has made it")
        }
        Event::MirrorBehind { database, reason } => warn!(database, reason, "the mirror could not be told"),
        Event::LockWaiting { holder } => warn!(holder, "another run holds the lock, waiting"),
        Event::DriftTolerated(drift) => warn!(%drift, "the history differs from the embedded migrations"),
        Event::Planned { steps } => info!(steps, "the lock is held"),
        Event::Started { id, action } => debug!(migration = id, %action, "started"),
        Event::StatementStarted { id, statement, statements, place, sql: _ } => {
            debug!(migration = id, statement, statements, place, "a statement is sent");
        }
        Event::StatementFinished { id, statements_done, statements } => {
            debug!(migration = id, statements_done, statements, "a statement has finished");
        }
        Event::Echo { id, text } => info!(migration = id, text, "the script says"),
        Event::Retrying { id, attempt, delay, blockers } => {
            warn!(migration = id, attempt, ?delay, ?blockers, "no lock in time, trying again");
        }
        Event::Ran { id, action } => debug!(migration = id, %action, "ran"),
        Event::Committed { id, action, elapsed } => info!(migration = id, %action, ?elapsed, "committed"),
    }
}
