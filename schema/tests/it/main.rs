//! The text form and the comparison, on handwritten and on generated schemas.

mod build;
mod compare;
mod docs;
mod draft_sqlite;
mod generate;
mod picture;
mod property;
mod text;
