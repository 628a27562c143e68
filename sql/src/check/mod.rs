//! The grammar gate: whether the grammar of a database takes the statements of a script. What a
//! parser says is put in our words here; whether it is an error, a warning or nothing is the
//! folder's to say.
//!
//! * **PostgreSQL**: a parser of the grammar of PostgreSQL 19. Releases before the one that the
//!   policy names are told apart by a table of what came when.
//! * **SQLite**: SQLite's own grammar.
//! * **MySQL, MariaDB**: no grammar is at hand. Quotes, comments, `DELIMITER`, compound bodies and
//!   brackets are looked at, and nothing else: the server tells the rest.
//!
//! Time and memory are bounded. Rows of constants in an INSERT are read by the lexer alone, an INSERT
//! of the same shape as one before it too; a statement that is nested beyond reason and what stands
//! behind the first mebibyte that a parser had to read is not parsed, and the script is said to be
//! `not-parsed`. No script makes the compiler crash.
//!
//! The parsers are half of what a cold build of a program compiles for its migrations. Each is a feature,
//! `grammar-postgres` and `grammar-sqlite`; of a database whose parser is left out nothing is said.

#![cfg_attr(
    not(all(feature = "grammar-postgres", feature = "grammar-sqlite")),
    allow(dead_code, unused_variables, reason = "what one grammar alone needs is dead without it")
)]

pub mod big_stack;
mod fact;
#[cfg(test)]
mod features;
mod insert_rows;
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

pub use fact::{Fact, RULES};

use crate::Release;
use crate::lexer::{Kind, Lexer, Token};

/// What a grammar has to say of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The bytes of the script to point at.
    pub range: Range<usize>,
    /// What is the matter.
    pub fact: Fact,
    /// The way out, where one was found that makes the statement right.
    pub repair: Option<String>,
}

/// What a parser found, in the text that it was given.
#[derive(Debug)]
struct Wrong {
    range: Range<usize>,
    fact: Fact,
    repair: Option<String>,
}

impl Wrong {
    fn new(range: Range<usize>, fact: Fact) -> Self {
        Self { range, fact, repair: None }
    }
}

/// As many bytes of a script are given to a parser. Half of it takes a second where the parser is
/// not optimised, as in a macro it is not.
const PARSED_MAX: usize = 1 << 20;

/// As many statements of a script may be wrong before the rest is not looked at.
const FINDINGS_MAX: usize = 10;

/// Below this an INSERT is parsed as it is.
const LONG_INSERT: usize = 512;

/// Whether what is to be said of this dialect is compiled in.
const fn is_known(dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => cfg!(feature = "grammar-postgres"),
        Dialect::Sqlite => cfg!(feature = "grammar-sqlite"),
        Dialect::Mysql => true,
    }
}

/// What the parser of this dialect finds wrong with one statement.
fn parse(dialect: Dialect, text: &str, kind: StatementKind, release: Option<Release>) -> Vec<Wrong> {
    match dialect {
        #[cfg(feature = "grammar-postgres")]
        Dialect::Postgres => postgres::check(text, kind, release),
        #[cfg(feature = "grammar-sqlite")]
        Dialect::Sqlite => sqlite::check(text).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Checks the statements that [`split`](crate::split) found in a text. `release` is that of the
/// PostgreSQL server that it is for, where that is known.
///
/// The first thing wrong with each statement is told, of ten statements at most; nothing where the parser
/// of the dialect is not compiled in.
///
/// ```
/// use lockgate_core::Dialect;
/// use lockgate_sql::{check, split};
///
/// let text = "CREATE TABEL users (name text);";
/// let statements = split(Dialect::Postgres, text).statements;
/// let findings = check::check(Dialect::Postgres, text, &statements, None);
/// assert_eq!(findings[0].fact.to_string(), "expected `TABLE`, found `TABEL`");
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
    /// Bytes that a parser has read.
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
            wrong += usize::from(found.iter().any(|finding| finding.fact.is_refusal()));
            let last = found.iter().any(|finding| finding.fact == Fact::TooLong);
            findings.extend(found);
            if last || wrong == FINDINGS_MAX {
                break;
            }
        }
        findings
    }

    /// A statement without the data of COPY.
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
        let unread = |range, fact| vec![Finding { range, fact, repair: None }];
        if self.parsed + kept.len() > PARSED_MAX {
            let first = token_at(self.dialect, self.text, start);
            return unread(first.start..first.end, Fact::TooLong);
        }
        let alone = Statement { range: 0..kept.len(), ..statement.clone() };
        let way = match nesting::depth(self.dialect, kept, &alone) {
            Ok(way) => way,
            Err(at) => {
                let long = |at| start + short.as_ref().map_or(at, |short| short.long(at));
                return unread(long(at.start)..long(at.end), Fact::TooDeep);
            }
        };
        // A chain costs its length squared.
        self.parsed += kept.len() + way * way / 128;
        let parsed = big_stack::quietly(|| parse(self.dialect, kept, statement.kind, self.release));
        match parsed {
            Some(wrong) => {
                let long = |at| start + short.as_ref().map_or(at, |short| short.long(at));
                wrong.into_iter().map(|wrong| finding(wrong, long)).collect()
            }
            None => unread(range, Fact::TooDeep),
        }
    }
}

fn finding(wrong: Wrong, place: impl Fn(usize) -> usize) -> Finding {
    let range = place(wrong.range.start)..place(wrong.range.end);
    Finding { range, fact: wrong.fact, repair: wrong.repair }
}

/// The token that begins at or behind this byte.
fn token_at(dialect: Dialect, text: &str, at: usize) -> Token {
    Lexer::new(dialect, text, at).next()
}

/// A place where a parser could not go on: what stands there, and what it had hoped for.
fn stuck(dialect: Dialect, text: &str, at: usize, expected: Option<String>) -> Wrong {
    let token = token_at(dialect, text, at);
    let first = token_at(dialect, text, 0);
    let found = token.start..token.end;
    if matches!(token.kind, Kind::End | Kind::Terminator) {
        // Behind the last thing that was said.
        let end = text[..token.start].trim_end().len();
        let range = if token.kind == Kind::End { end..end } else { found };
        return Wrong::new(range, Fact::Ends { expected });
    }
    let word = fact::shown(&text[found.clone()]);
    if token.start == first.start && token.kind == Kind::Word {
        return Wrong::new(found, Fact::NoStatement { word });
    }
    Wrong::new(found, Fact::Unexpected { found: word, expected })
}
