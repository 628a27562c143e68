//! Real databases for tests: throwaway servers, and a database of its own for each test.
//!
//! This is a dev-dependency of whoever uses the crate `lockgate`; its features `sqlite` and
//! `postgres` are those of `lockgate`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(dead_code, reason = "what one database alone needs is dead without it")
)]

mod error;
#[cfg(feature = "postgres")]
mod postgres;
pub mod server;
mod skip;
#[cfg(feature = "sqlite")]
mod sqlite;
mod template;
mod throwaway;

pub use error::Error;
pub use skip::skipped;
pub use throwaway::Throwaway;
