//! Several databases of one PostgreSQL server: each with patches of its own, and each patch with a role of its own.
//!
//! `set` is what a program embeds; `migrator` has the options and the verbs; `server` logs in, with the passwords that
//! `password` finds; `survey` looks at a database before anything runs; `as_roles` runs scripts as their roles, `bootstrap`
//! makes a database that does not exist, and `bring` does both; `mirroring` compares databases with their mirror; `answer` is what the verbs answer.

#[cfg(feature = "postgres")]
mod answer;
#[cfg(feature = "postgres")]
mod as_roles;
#[cfg(feature = "postgres")]
mod bootstrap;
#[cfg(feature = "postgres")]
mod bring;
#[cfg(feature = "postgres")]
mod migrator;
#[cfg(feature = "postgres")]
mod mirroring;
#[cfg(feature = "postgres")]
mod password;
#[cfg(feature = "postgres")]
mod server;
mod set;
#[cfg(feature = "postgres")]
mod survey;

#[cfg(feature = "postgres")]
pub use answer::{DatabasePlan, DatabaseReport, DatabaseStatus, DatabasesReport};
#[cfg(feature = "postgres")]
pub use migrator::DatabasesMigrator;
pub use set::{DatabaseMigrations, Databases};
