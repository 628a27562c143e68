//! The schema of a database as a value.
//!
//! This crate does no I/O. The backends of `lockgate` read the catalogs and make a [`Schema`], which can be written as
//! text, compared with another one, and drawn.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod block;
mod compare;
mod definition;
mod difference;
pub mod docs;
pub mod draft;
mod model;
pub mod picture;
mod read;
pub mod snapshot;
#[doc(hidden)]
pub mod sqlite;
mod text;

pub use compare::compare;
#[doc(hidden)]
pub use definition::keys as index_keys;
pub use difference::{Class, Difference, ParseClassError, Policy, between, report};
pub use model::{
    Attribute, Column, Constraint, ConstraintKind, Detail, Generated, Generation, Identity, Index, Meta, Name,
    Namespace, Object, ObjectKind, Owner, Partition, Persistence, Privilege, References, RowSecurity, Schema, Sequence,
    SequenceOptions, Table, TableKind, Type, TypeKind, View,
};
