//! The options of a run.

use lockgate_core::Atomicity;

use crate::backend::{Limits, SessionCleanup};
use crate::event::{Event, OnEvent};
use crate::history_table::HistoryTable;
use crate::migrations::Migrations;

/// Everything that a run needs besides its plan.
pub(crate) struct Run<'a> {
    pub(crate) migrations: &'a Migrations,
    pub(crate) history_table: HistoryTable,
    pub(crate) limits: Limits,
    pub(crate) session_cleanup: SessionCleanup,
    pub(crate) atomicity: Atomicity,
    pub(crate) on_event: Option<OnEvent>,
    /// Whether the run has nothing to do if exactly the embedded migrations are applied.
    pub(crate) to_head: bool,
}

impl Run<'_> {
    pub(crate) fn is_one_transaction(&self) -> bool {
        self.atomicity == Atomicity::WholeRun
    }

    pub(crate) fn tell(&self, event: Event) {
        #[cfg(feature = "tracing")]
        crate::spans::write(&event);
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
    }
}
