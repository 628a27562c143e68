//! Being built.

pub mod sql;
