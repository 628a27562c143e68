//! Reads the schema of an SQLite database. SQLite stores the text of each `CREATE`. Its pragmas do not return checks,
//! collations, generated expressions and the names of constraints, so these are parsed from that text.
//!
//! Texts that mean the same are normalized: white space, comments, quotes of names, the case of keywords, a constraint
//! after its column or at the end. So a table that `ALTER TABLE` changed compares equal to one that was written so.
//!
//! This module is for the reader in `lockgate` and for the replay, and may change.

mod catalogue;
mod create;
mod layout;
mod string;
mod token;

pub use catalogue::{Answer, AnswerColumns, Catalogue, ColumnRow, ObjectRow, QUESTION, TableRow, Unknown};

pub(crate) use layout::{is_keyword, name};
pub(crate) use token::words;
