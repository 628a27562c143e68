//! Throwaway database servers. They use binaries that are installed on this machine, run in a temporary directory, and are
//! stopped and deleted when the process that started them ends, even if it is killed. [`Kept`] alone is for development, and
//! stays.
//!
//! This module does not print: everything goes back to the caller.

mod account;
mod error;
pub mod install;
mod kept;
pub mod locate;
pub mod mariadb;
pub mod place;
pub mod postgres;
mod process;
pub mod require;
mod secret;
mod share;
mod shared;
mod watchdog;

pub use error::{Error, ErrorKind};
pub use kept::Kept;
pub use mariadb::Mariadb;
pub use postgres::{Options, Postgres};
pub use share::LINGER;
pub use shared::{Folder, Shared};
