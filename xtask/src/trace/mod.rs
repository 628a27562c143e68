//! The trace: a whole set up on a throwaway PostgreSQL, and of each draft what it really locked, rewrote
//! and scanned of what was there before it, and whether its locks are those that its text let expect.
//!
//! The tables are empty, and PostgreSQL takes the same locks and rewrites the same tables all the same.
//! What an empty table cannot show: how long something takes, what fails on rows that are there, and
//! whether the planner would use an index instead of a scan.

mod database;
mod effect;
mod run;

pub use effect::{Difference, Effect};
pub use run::{Draft, Traced, trace};
