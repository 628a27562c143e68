//! What SQLite says of a schema, understood. It keeps the text of each `CREATE`, and what its pragmas do
//! not tell (checks, collations, generated expressions, names of constraints) is in that text alone.
//!
//! Texts that mean the same are made the same: white space, comments, quotes of names, the case of
//! keywords, a constraint behind its column or at the end. So what `ALTER TABLE` leaves behind compares
//! equal to what one would have written.
//!
//! For those who ask a database, the reader in `lockgate` and the replay, and free to change.

mod catalogue;
mod create;
mod layout;
mod token;

pub use catalogue::{Answer, AnswerColumns, Catalogue, ColumnRow, ObjectRow, QUESTION, TableRow, Unknown};
