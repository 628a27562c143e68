//! The values and decisions of Lockgate: what a migration is, what a database has recorded, and what would run.
//!
//! This crate has no dependencies, does no I/O and reads no clock, because it is linked into every program that
//! embeds migrations. `lockgate-source` reads files; `lockgate` talks to databases.

#![deny(missing_docs)]

pub mod action;
pub mod audience;
pub mod checksum;
pub mod companion;
pub mod create;
#[doc(hidden)]
pub mod date;
pub mod destination;
pub mod dialect;
pub mod drift;
pub mod history;
#[doc(hidden)]
pub mod keywords;
mod leb128;
pub mod limit;
pub mod manual;
pub mod migration;
pub mod mirror;
pub mod other_tools;
pub mod patch;
pub mod plan;
pub mod probe;
pub mod psql;
pub mod row_hash;
pub mod seed;
pub mod snapshot;
pub mod stage;
pub mod statement;
pub mod status;
pub mod table;
mod tokens;
pub mod touch;
pub mod unit;
pub mod version;

pub use action::{Action, Direction};
pub use audience::Audience;
pub use checksum::Checksum;
pub use companion::CompanionKind;
pub use destination::{Destination, DownTo, UpTo};
pub use dialect::{Dialect, Dialects};
pub use drift::Drift;
pub use history::{Digest, History, Row, State};
pub use limit::Limit;
pub use manual::{ManualScript, ManualState};
pub use migration::{Body, Companion, Migration, Script, Set, UnknownProfile};
pub use plan::{Ahead, Atomicity, Effects, Guard, OutOfOrder, Plan, Refusal, Request, Step, plan};
pub use probe::Probe;
pub use snapshot::{SchemaDigest, Snapshot};
pub use stage::Stage;
pub use statement::{Statement, StatementFlags, StatementKind};
pub use status::{AtWork, RepeatableEntry, RepeatableState, Status, status};
pub use touch::{TableLock, Touch};
pub use unit::{Unit, UnitKind};
pub use version::Version;
