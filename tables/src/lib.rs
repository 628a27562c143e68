//! Rust structs as the desired schema: what `#[derive(lockgate::Table)]` understands, and the SQL that it stands for.
//!
//! The derive macro uses this crate to find mistakes while compiling, and the xtask uses it to write the tables as
//! `CREATE TABLE` statements (`read`, behind the feature of that name). `lockgate::Table` documents the attributes.
//! Nothing of this is in the user's program.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod attribute;
mod fragment;
mod name;
#[cfg(feature = "read")]
pub mod read;
mod reference;
mod sql;
mod table;
mod types;

pub use sql::Statement;
pub use table::{Column, Generated, Identity, Table};
pub use types::Kind;
