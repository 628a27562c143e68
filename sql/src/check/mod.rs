//! The grammar check: parses the statements of a script with the grammar of a database, and reports syntax
//! errors in Lockgate's own words. The caller decides whether a finding is an error or a warning.
//!
//! * **PostgreSQL**: a parser for the grammar of PostgreSQL 19. A table says which syntax came with which
//!   release, for older servers.
//! * **SQLite**: SQLite's own grammar.
//! * **MySQL, MariaDB**: there is no parser. Only quotes, comments, `DELIMITER`, compound bodies and brackets
//!   are checked.
//!
//! Time and memory are bounded, and no script makes the compiler crash. Rows of constants in an INSERT, and
//! an INSERT of the same shape as an earlier one, are not parsed. Neither are statements that are nested too
//! deep, nor anything after the first mebibyte of parsed text; both are reported as `not-parsed`.
//!
//! The parsers are half of what a cold build compiles for a program's migrations, so each is a feature:
//! `grammar-postgres` and `grammar-sqlite`. Without its parser, a dialect has no findings.

#![cfg_attr(
    not(all(feature = "grammar-postgres", feature = "grammar-sqlite")),
    allow(dead_code, unused_variables, reason = "what one grammar alone needs is dead without it")
)]

pub mod big_stack;
#[cfg(test)]
mod features;
mod foreign;
mod insert_rows;
mod invisible;
mod kind;
mod mysql;
mod nesting;
#[cfg(feature = "grammar-postgres")]
mod postgres;
mod repair;
#[cfg(feature = "grammar-sqlite")]
mod sqlite;
#[cfg(all(test, feature = "grammar-postgres", feature = "grammar-sqlite"))]
mod tests;

use std::ops::Range;

use lockgate_core::{Dialect, Statement, StatementFlags, StatementKind};

pub use kind::{FindingKind, RULES};

use crate::Release;
use crate::lexer::{Kind, Lexer, Token};

/// A problem that the grammar check found in one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The bytes of the script to point at.
    pub range: Range<usize>,
    /// What is wrong.
    pub kind: FindingKind,
    /// A change that makes the statement valid, if one was found.
    pub repair: Option<String>,
}

/// A problem that a parser found, with its range in the text that the parser was given.
#[derive(Debug)]
struct ParserFinding {
    range: Range<usize>,
    kind: FindingKind,
    repair: Option<String>,
}

impl ParserFinding {
    fn new(range: Range<usize>, kind: FindingKind) -> Self {
        Self { range, kind, repair: None }
    }
}

/// The number of bytes of a script that are parsed at most. A parser compiled without optimizations, as in
/// a macro, takes two seconds for them.
const PARSED_MAX: usize = 1 << 20;

/// The check ends after this many invalid statements.
const FINDINGS_MAX: usize = 10;

/// An INSERT with more bytes is shortened before it is parsed.
const LONG_INSERT: usize = 512;

/// Whether the check of this dialect is compiled in.
const fn is_known(dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => cfg!(feature = "grammar-postgres"),
        Dialect::Sqlite => cfg!(feature = "grammar-sqlite"),
        Dialect::Mysql => true,
    }
}

/// Parses one statement with the parser of this dialect.
fn parse(dialect: Dialect, text: &str, kind: StatementKind, release: Option<Release>) -> Vec<ParserFinding> {
    match dialect {
        #[cfg(feature = "grammar-postgres")]
        Dialect::Postgres => postgres::check(text, kind, release),
        #[cfg(feature = "grammar-sqlite")]
        Dialect::Sqlite => sqlite::check(text).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Checks the statements that [`split`](crate::split) found in a text. `release` is the release of the
/// PostgreSQL server, if it is known.
///
/// Returns the first problem of each statement, of ten statements at most. Returns nothing if the parser of
/// the dialect is not compiled in.
///
/// ```
/// use lockgate_core::Dialect;
/// use lockgate_sql::{check, split};
///
/// let text = "CREATE TABEL users (name text);";
/// let statements = split(Dialect::Postgres, text).statements;
/// let findings = check::check(Dialect::Postgres, text, &statements, None);
/// assert_eq!(findings[0].kind.to_string(), "expected `TABLE`, found `TABEL`");
/// assert_eq!(findings[0].repair.as_deref(), Some("did you mean `TABLE`?"));
/// ```
pub fn check(dialect: Dialect, text: &str, statements: &[Statement], release: Option<Release>) -> Vec<Finding> {
    if !is_known(dialect) {
        return Vec::new();
    }
    let all = || Checker { dialect, text, release, parsed: 0, shapes: insert_rows::Shapes::default() }.all(statements);
    big_stack::run(all).unwrap_or_default()
}

struct Checker<'a> {
    dialect: Dialect,
    text: &'a str,
    release: Option<Release>,
    /// The number of bytes parsed so far.
    parsed: usize,
    shapes: insert_rows::Shapes,
}

impl Checker<'_> {
    fn all(mut self, statements: &[Statement]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = 0;
        for statement in statements {
            if statement.flags.contains(StatementFlags::CLIENT_ONLY) {
                continue;
            }
            let statement = Statement { range: self.command(statement), ..statement.clone() };
            let found = self.statement(&statement);
            wrong += usize::from(found.iter().any(|finding| finding.kind.is_refusal()));
            let last = found.iter().any(|finding| finding.kind == FindingKind::TooLong);
            findings.extend(found);
            if last || wrong == FINDINGS_MAX {
                break;
            }
        }
        findings
    }

    /// The range of a statement without the data of COPY.
    fn command(&self, statement: &Statement) -> Range<usize> {
        let mut range = statement.range.clone();
        if statement.flags.contains(StatementFlags::COPY_DATA) {
            let mut lexer = Lexer::new(self.dialect, &self.text[..range.end], range.start);
            loop {
                let token = lexer.next();
                if matches!(token.kind, Kind::Terminator | Kind::End) {
                    range.end = token.end;
                    break;
                }
            }
        }
        range
    }

    fn statement(&mut self, statement: &Statement) -> Vec<Finding> {
        let range = statement.range.clone();
        if let Some(wrong) = invisible::find(self.dialect, self.text, range.clone()) {
            return vec![finding(wrong, |at| at)];
        }
        if self.dialect == Dialect::Mysql {
            let wrong = mysql::wrong(self.text, range);
            return wrong.into_iter().map(|wrong| finding(wrong, |at| at)).collect();
        }
        let (text, start) = (&self.text[range.clone()], range.start);
        let mut short = None;
        if statement.kind == StatementKind::Insert {
            if self.shapes.has_seen(self.dialect, text) {
                return Vec::new();
            }
            short = Some(text)
                .filter(|text| text.len() > LONG_INSERT)
                .and_then(|_| insert_rows::shorten(self.dialect, text));
        }
        let kept = short.as_ref().map_or(text, |short| short.text.as_str());
        let unread = |range, kind| vec![Finding { range, kind, repair: None }];
        if self.parsed + kept.len() > PARSED_MAX {
            let first = token_at(self.dialect, self.text, start);
            return unread(first.start..first.end, FindingKind::TooLong);
        }
        let alone = Statement { range: 0..kept.len(), ..statement.clone() };
        let depth = match nesting::depth(self.dialect, kept, &alone) {
            Ok(depth) => depth,
            Err(at) => {
                let long = |at| start + short.as_ref().map_or(at, |short| short.long(at));
                return unread(long(at.start)..long(at.end), FindingKind::TooDeep);
            }
        };
        // The time for a chain of operators is quadratic in its length.
        self.parsed += kept.len() + depth * depth / 128;
        let parsed = big_stack::catch_panic(|| parse(self.dialect, kept, statement.kind, self.release));
        match parsed {
            Some(wrong) => {
                let long = |at| start + short.as_ref().map_or(at, |short| short.long(at));
                wrong.into_iter().map(|wrong| finding(wrong, long)).collect()
            }
            None => unread(range, FindingKind::TooDeep),
        }
    }
}

fn finding(wrong: ParserFinding, place: impl Fn(usize) -> usize) -> Finding {
    let range = place(wrong.range.start)..place(wrong.range.end);
    Finding { range, kind: wrong.kind, repair: wrong.repair }
}

/// Returns the token that begins at or after this byte.
fn token_at(dialect: Dialect, text: &str, at: usize) -> Token {
    Lexer::new(dialect, text, at).next()
}

/// Describes the place where a parser stopped: the token there, and what was expected.
fn stuck(dialect: Dialect, text: &str, at: usize, expected: Option<String>) -> ParserFinding {
    let token = token_at(dialect, text, at);
    let first = token_at(dialect, text, 0);
    let found = token.start..token.end;
    if matches!(token.kind, Kind::End | Kind::Terminator) {
        // Point at the end of the last token.
        let end = text[..token.start].trim_end().len();
        let range = if token.kind == Kind::End { end..end } else { found };
        return ParserFinding::new(range, FindingKind::Ends { expected });
    }
    let word = kind::shown(&text[found.clone()]);
    if token.start == first.start && token.kind == Kind::Word {
        return ParserFinding::new(found, FindingKind::NoStatement { word });
    }
    ParserFinding::new(found, FindingKind::Unexpected { found: word, expected })
}
