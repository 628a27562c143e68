//! Drafts the statements that make one schema of another. A draft is data: whoever asked for it runs it on a throwaway
//! database, reads the schema again, and compares.
//!
//! Each dialect has a module of its own. `step` has what both give, and `rename` the names that may have changed.

mod postgres;
mod rename;
mod sqlite;
mod step;
mod write;

use lockgate_core::Dialect;

use crate::model::Schema;

pub use rename::{Named, Rename, RenameError, Renamed, in_order, named, possible_renames};
pub use step::{Draft, Hazard, Loss, Mode, Script, Statement, Step};
#[doc(hidden)]
pub use write::needs_quotes;

/// Drafts the statements that make `to` of `from`.
///
/// Renamed objects are new and gone ones here: run the statements of [`Rename::statements`] first, and read the schema
/// again.
///
/// # Panics
///
/// If the two schemas are of different dialects.
pub fn draft(from: &Schema, to: &Schema, mode: Mode) -> Draft {
    assert_eq!(from.dialect, to.dialect, "two schemas of one dialect can be drafted");
    match from.dialect {
        Dialect::Postgres => postgres::draft(from, to, mode),
        Dialect::Sqlite | Dialect::Mysql => sqlite::draft(from, to),
    }
}

/// Drops what SQLite refuses to have while columns get other names: views that read other views, what these read, and the
/// triggers that mention them. A draft creates them again. On PostgreSQL, creates the schemas to which something moves.
pub fn before_renames(schema: &Schema, renames: &[Rename]) -> Vec<Statement> {
    if schema.dialect != Dialect::Sqlite {
        let new = rename::new_schemas(schema, renames).into_iter();
        return new.map(|name| Statement::new(format!("CREATE SCHEMA {}", write::ident(name)))).collect();
    }
    sqlite::in_the_way(schema, renames)
}

/// Takes back what [`before_renames`] does, after all names are as they were.
pub fn after_renames(schema: &Schema, renames: &[Rename]) -> Vec<Statement> {
    if schema.dialect != Dialect::Sqlite {
        let new = rename::new_schemas(schema, renames).into_iter();
        return new.map(|name| Statement::new(format!("DROP SCHEMA {}", write::ident(name)))).collect();
    }
    sqlite::back_again(schema, renames)
}
