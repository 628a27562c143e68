//! Values and decisions: what a migration is, what a database says of itself, and what would run.
//!
//! Nothing here does I/O, reads a clock or depends on another crate: this crate is linked into
//! every program that embeds migrations. What reads files is in `lockgate-source`, what talks to
//! a database is in `lockgate`.

#![deny(missing_docs)]

pub mod action;
pub mod checksum;
pub mod destination;
pub mod dialect;
pub mod drift;
pub mod effect;
pub mod front;
pub mod history;
pub mod limit;
pub mod migration;
pub mod other;
pub mod patch;
pub mod plan;
pub mod statement;
pub mod status;
pub mod table;
pub mod touch;
pub mod unit;
pub mod version;
mod words;

pub use action::{Action, Direction};
pub use checksum::Checksum;
pub use destination::{Destination, DownTo, UpTo};
pub use dialect::{Dialect, Dialects};
pub use drift::Drift;
pub use effect::Effect;
pub use front::Front;
pub use history::{Digest, History, Row, State};
pub use limit::Limit;
pub use migration::{Body, Migration, Script, Set};
pub use plan::{Ahead, Atomicity, Effects, OutOfOrder, Plan, Refusal, Request, Step, plan};
pub use statement::{Statement, StatementFlags, StatementKind};
pub use status::{Status, status};
pub use touch::{TableLock, Touch};
pub use unit::{Unit, UnitKind};
pub use version::Version;
