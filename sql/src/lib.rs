//! SQL as a migration runner reads it: where statements begin and end, what kind each one is, what it
//! locks and destroys, whether the database's grammar accepts it, and what it would do in production.
//!
//! Runs while compiling and in the xtask; it never reaches the user's program. It knows scripts, and
//! nothing of folders, files, policies or lockfiles.

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
pub use release::{ParseReleaseError, Release};

/// What [`split`] found in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The statements in order. Between two of them, before the first and behind the last stand
    /// white space, comments and `;` without a statement, and nothing else but a byte order mark
    /// at the head.
    ///
    /// The range of a statement reaches from its first byte to behind its terminator, and for
    /// `COPY … FROM stdin` to behind the `\.` line that ends the data. In MySQL the terminator is
    /// what the last `DELIMITER` line named.
    pub statements: Vec<Statement>,
    /// What is wrong with the text itself. The statements are there in any case.
    pub problems: Vec<Problem>,
}

/// Something that keeps a text from being a list of statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes to point at.
    pub range: Range<usize>,
    /// Its name, in kebab-case.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: String,
}

/// Splits a script into statements. Takes time in proportion to the text's length, whatever it holds.
///
/// In PostgreSQL there are as many statements as the server gives results when the whole text is
/// sent as one simple query (lines of psql and the data of COPY apart), so the number of results
/// says which statement failed.
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

/// The `--` comments at the head of a script, before any statement: the content of each, behind
/// the dashes and without white space around it, as a range of bytes.
///
/// A byte order mark, blank lines, `#` comments and `/* */` comments are passed over. It stops where
/// the dialects do not agree on what is a comment: at `/*!` and at a comment within a comment.
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

/// Iterates over the comments at the head of a script: see [`head_comments`].
#[derive(Clone, Debug)]
pub struct HeadComments<'a> {
    text: &'a str,
    pos: usize,
}

impl HeadComments<'_> {
    /// Where the line ends in which `from` stands.
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
