//! Finds the structs in the source of a package: in every file below `src/`, in every module and function.
//!
//! No struct may be forgotten. What is left out is named in a note, and what cannot be read is a problem: a file that no
//! `mod` names, a struct that a macro writes.

mod files;
mod find;
mod imports;

use std::collections::{BTreeMap, BTreeSet};

use lockgate_core::Dialect;
use proc_macro2::{LineColumn, Span};

use crate::table::Table;
use files::Reach;
use find::Struct;

/// A package whose structs are read. Paths are relative to one folder, with forward slashes, and are those of messages.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The text of each `.rs` file below `src/`.
    pub files: BTreeMap<String, String>,
    /// The files at which the compiler begins: `src/lib.rs`, `src/main.rs`.
    pub roots: Vec<String>,
    /// The crates that the package depends on, but for `lockgate`: what else a derive called `Table` may be of.
    pub other_crates: BTreeSet<String>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The statements that make the tables, in the order of files and lines.
    pub statements: Vec<Placed>,
    /// Why the structs are not a schema. If there is a problem, statements are missing.
    pub problems: Vec<Problem>,
    /// What was left out or counted although it could be otherwise, in sentences.
    pub notes: Vec<String>,
}

/// A statement, and the struct or field that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The statement, with its semicolon.
    pub sql: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The name of the struct.
    pub of: String,
    /// The database of its table, if the struct says one.
    pub database: Option<String>,
}

/// Something that must be corrected first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and the way out.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Reads the structs of a package as tables of this dialect. `load` returns the text of a file outside of `src/` that a
/// `#[path]` or an `include!` names.
pub fn read(sources: &Sources, dialect: Dialect, load: &mut dyn FnMut(&str) -> Option<String>) -> Found {
    let mut found = Found::default();
    let files = files::parse(sources, load);
    let names = imports::derives(files.values().filter_map(|file| file.parsed.as_ref().ok()), &sources.other_crates);
    let mut made: BTreeMap<(Option<String>, Option<String>, String), String> = BTreeMap::new();
    for (path, file) in &files {
        let parsed = match &file.parsed {
            Ok(parsed) => parsed,
            // A file that is not compiled need not be Rust.
            Err(_) if file.reach == Reach::No && !file.mentions_the_derive => continue,
            Err(error) => {
                found.problems.push(problem(path, error.span(), format!("this is not Rust that can be read: {error}")));
                continue;
            }
        };
        let in_file = find::structs(parsed, &names, &sources.other_crates);
        for place in in_file.in_macros {
            let message = "a macro writes this struct, so its table cannot be read: write the struct itself, or its table \
                           in `schema/*.sql` without the derive";
            found.problems.push(problem(path, place, message.to_owned()));
        }
        for item in in_file.structs {
            let Struct { input, only_for_tests, condition } = item;
            let name = input.ident.to_string();
            let start = input.ident.span().start();
            let place = format!("{path}:{}", start.line);
            if only_for_tests || file.reach == Reach::Test {
                found.notes.push(format!("`{name}` ({place}) is left out: it is compiled for tests only"));
                continue;
            }
            if file.reach == Reach::No {
                found.problems.push(problem(path, input.ident.span(), files::not_compiled(&name, path, sources)));
                continue;
            }
            if let Some(condition) = condition {
                let note = format!("`{name}` ({place}) is counted, whether or not `{condition}` holds");
                found.notes.push(note);
            }
            let statements = Table::of(&input).and_then(|table| {
                let key = (table.database.clone(), table.schema.clone(), table.name.to_lowercase());
                let statements = table.statements(dialect)?;
                Ok((key, table.name, table.database, statements))
            });
            match statements {
                Err(errors) => {
                    let problems = errors.into_iter().map(|error| problem(path, error.span(), error.to_string()));
                    found.problems.extend(problems);
                }
                Ok((key, table, database, statements)) => {
                    if let Some(other) = made.insert(key, format!("`{name}` ({place})")) {
                        let message = format!(
                            "{other} is the table `{table}` too: name one of them otherwise with `#[lockgate(table = \
                             \"…\")]`"
                        );
                        found.problems.push(problem(path, input.ident.span(), message));
                        continue;
                    }
                    found.statements.extend(statements.into_iter().map(|statement| {
                        let LineColumn { line, column } = statement.span.start();
                        let (of, database) = (name.clone(), database.clone());
                        Placed { sql: statement.sql, file: path.clone(), line, column: column + 1, of, database }
                    }));
                }
            }
        }
    }
    found
}

fn problem(file: &str, span: Span, message: String) -> Problem {
    let LineColumn { line, column } = span.start();
    Problem { file: file.to_owned(), line, column: column + 1, message }
}

#[cfg(test)]
mod tests;
