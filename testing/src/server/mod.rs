//! Throwaway database servers: found on this machine, started in a temporary directory, and gone
//! with the process that started them, however that ends.
//!
//! Nothing here prints: what is to be seen goes back to the caller.

mod account;
mod error;
pub mod install;
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
pub use mariadb::Mariadb;
pub use postgres::{Options, Postgres};
pub use share::LINGER;
pub use shared::{Folder, Shared};
