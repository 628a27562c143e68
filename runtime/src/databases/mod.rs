//! Several databases of one PostgreSQL server: each with patches of its own, and each patch with a role of its own.
//!
//! `set` is what a program embeds; `migrator` has the options and the verbs; `server` logs in, with the passwords that
//! `password` finds; `survey` looks at a database before anything runs; `as_roles` runs scripts as their roles, `bootstrap`
//! makes a database that does not exist, and `bring` does both; `mirroring` compares databases with their mirror; `answer` is what the verbs answer.

#[cfg(feature = "databases")]
mod answer;
#[cfg(feature = "databases")]
mod as_roles;
#[cfg(feature = "databases")]
mod bootstrap;
#[cfg(feature = "databases")]
mod bring;
#[cfg(feature = "databases")]
mod migrator;
#[cfg(feature = "databases")]
mod mirroring;
#[cfg(feature = "databases")]
mod password;
#[cfg(feature = "databases")]
mod server;
mod set;
#[cfg(feature = "databases")]
mod survey;

#[cfg(feature = "databases")]
pub use answer::{BootstrapDifference, DatabasePlan, DatabaseReport, DatabaseStatus, DatabasesReport};
#[cfg(feature = "databases")]
pub use migrator::DatabasesMigrator;
pub use set::{DatabaseMigrations, Databases};
