//! A folder of migrations: [`load`] returns everything in it and every problem with it.

mod amend;
pub mod backends;
mod compare;
pub mod directive;
mod embed;
mod foreign;
mod freeze;
mod grammar;
mod lint;
mod load;
mod model;
pub mod name;
pub(crate) mod order;
mod order_json;
pub(crate) mod placeholder;
pub mod policy;
mod proposed;
pub(crate) mod psql;
pub(crate) mod read;
mod repeatable;
mod rule;
mod script;
pub(crate) mod section;
pub mod seed;
pub mod snapshot;
mod step;
mod test;
pub mod tree;

pub use amend::{Amended, amend};
pub use compare::compare;
pub use embed::{Embedded, EmbeddedText, RustStep};
pub use freeze::{freeze, with_drafts};
pub use load::{load, load_as, load_embedded, load_files, load_for, load_with, normal};
pub use model::{
    CompanionFolder, DatabaseFolder, Folder, Loaded, Migration, NoDatabase, ScriptFile, ScriptState, SnapshotFile,
    Tests,
};
pub use test::{Intent, MigrationTest, SqlSuite, TestBody, TestStatement};
