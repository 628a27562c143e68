//! What several tests need and no user does: real databases, made for one test and gone after it.

pub(crate) mod app;
pub(crate) mod database;
pub(crate) mod postgres;
pub(crate) mod scratch;
pub(crate) mod set;
pub(crate) mod tree;
pub(crate) mod wire;
