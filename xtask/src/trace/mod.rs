//! The trace: runs a whole set on a throwaway PostgreSQL, and records what each draft locked, rewrote and scanned of the
//! relations that existed before it. It compares these locks with those predicted from the text.
//!
//! The tables are empty, but PostgreSQL takes the same locks and rewrites the same tables as with rows. An empty table
//! does not show how long a statement takes, what fails on existing rows, and whether the planner would use an index
//! instead of a scan.

mod database;
mod effect;
mod run;

pub use effect::{Difference, Effect};
pub use run::{Draft, Traced, trace};
