//! Reads SQL scripts: splits them into statements, finds out what each statement locks and destroys,
//! checks it against the database's grammar, and lints it for what is dangerous in production.
//!
//! This crate runs at compile time and in the xtask. It is not linked into the user's program. It knows
//! single scripts, and nothing about folders, policies or lockfiles.

#![deny(missing_docs)]

mod blocks;
mod calls;
pub mod check;
mod classify;
mod comments;
mod cursor;
mod level;
mod lexer;
pub mod lint;
mod mysql;
pub mod objects;
pub mod psql;
mod release;
mod split;
pub mod suggest;
#[cfg(test)]
mod tests;
pub mod touch;
mod words;

use std::ops::Range;

use lockgate_core::{Dialect, Statement};

pub use comments::{Layout, layout};
pub use level::LintLevel;
pub use mysql::looks_like_mysql;
pub use release::{ParseReleaseError, Release};

/// What [`split`] found in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The statements in order. Outside of them the text has only white space, comments, empty
    /// statements (`;`) and perhaps a byte order mark at the beginning.
    ///
    /// A statement's range includes its terminator. For `COPY … FROM stdin` it includes the data, up
    /// to and including the `\.` line. In MySQL the terminator is the one that the last `DELIMITER`
    /// line set.
    pub statements: Vec<Statement>,
    /// Errors in the text. The statements are listed even if there are some.
    pub problems: Vec<Problem>,
}

/// An error that keeps a text from being split properly, such as an open quotation mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes to point at.
    pub range: Range<usize>,
    /// One of [`PROBLEM_CODES`].
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub help: String,
}

/// The code of every problem that [`split`] reports.
pub const PROBLEM_CODES: [&str; 11] = [
    "copy-line-shared",
    "delimiter-missing",
    "delimiter-too-long",
    "nul-byte",
    "unclosed-parenthesis",
    "unterminated-body",
    "unterminated-comment",
    "unterminated-copy-data",
    "unterminated-dollar-quote",
    "unterminated-name",
    "unterminated-string",
];

/// Splits a script into statements, in time linear in its length.
///
/// In PostgreSQL, apart from psql commands and COPY data, the statements correspond to the results that
/// the server returns for the whole text sent as one simple query. So the number of results before an
/// error says which statement failed.
///
/// ```
/// use lockgate_core::{Dialect, StatementKind};
/// use lockgate_sql::split;
///
/// let text = "-- people\nCREATE TABLE users (name text);\nINSERT INTO users VALUES ('a;b')";
/// let statements = split(Dialect::Postgres, text).statements;
/// assert_eq!(&text[statements[0].range.clone()], "CREATE TABLE users (name text);");
/// assert_eq!(statements[1].kind, StatementKind::Insert);
/// ```
pub fn split(dialect: Dialect, text: &str) -> Split {
    split::split(dialect, text)
}

/// Returns the `--` comments before the first statement of a script. Each item is the byte range of one
/// comment's content, without the dashes and the white space around it.
///
/// A byte order mark, blank lines, `#` comments and `/* */` comments are skipped. The iterator ends where
/// the dialects disagree about what a comment is: at `/*!` and at a nested comment.
///
/// ```
/// use lockgate_sql::head_comments;
///
/// let text = "-- lockgate: no-transaction\n\n  --second\nSELECT 1; -- third";
/// let comments: Vec<&str> = head_comments(text).map(|range| &text[range]).collect();
/// assert_eq!(comments, ["lockgate: no-transaction", "second"]);
/// ```
pub fn head_comments(text: &str) -> HeadComments<'_> {
    HeadComments { text, pos: if text.starts_with('\u{feff}') { 3 } else { 0 } }
}

/// The iterator that [`head_comments`] returns.
#[derive(Clone, Debug)]
pub struct HeadComments<'a> {
    text: &'a str,
    pos: usize,
}

impl HeadComments<'_> {
    /// Returns the end of the line that contains `from`.
    fn line_end(&self, from: usize) -> usize {
        let rest = &self.text.as_bytes()[from..];
        rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(self.text.len(), |length| from + length)
    }
}

impl Iterator for HeadComments<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let bytes = self.text.as_bytes();
        loop {
            let rest = &bytes[self.pos..];
            match rest.first()? {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0c => self.pos += 1,
                b'#' => self.pos = self.line_end(self.pos),
                b'-' if rest.starts_with(b"--") => {
                    let start = self.pos + 2;
                    self.pos = self.line_end(start);
                    let content = &self.text[start..self.pos];
                    let trimmed = content.trim_start();
                    let start = start + content.len() - trimmed.len();
                    return Some(start..start + trimmed.trim_end().len());
                }
                b'/' if rest.starts_with(b"/*") && !rest.starts_with(b"/*!") && !rest.starts_with(b"/*M!") => {
                    let length = self.text[self.pos + 2..].find("*/")?;
                    if self.text[self.pos + 2..self.pos + 2 + length].contains("/*") {
                        return None;
                    }
                    self.pos += length + 4;
                }
                _ => return None,
            }
        }
    }
}
