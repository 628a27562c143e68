//! Checks SQLite's grammar with a parser generated from SQLite's own grammar file.

use std::sync::OnceLock;

use lockgate_core::Dialect;
use sqlite3_parser::lexer::sql::{Error, Parser, ParserError};
use sqlite3_parser::{Bump, FallibleIterator as _};

use crate::lexer::Kind;
use crate::words::Words;

use super::{FindingKind, ParserFinding, repair, stuck, token_at};

/// Checks one statement.
pub(super) fn check(text: &str) -> Option<ParserFinding> {
    let Some((at, rule)) = first(text) else { return after_values(text) };
    let wrong = match rule {
        Some(rule) => {
            // The position is after the word that the message names.
            let word = rule.rsplit(' ').next().unwrap_or_default();
            let start = text[..at].rfind(word).unwrap_or(at);
            let token = token_at(Dialect::Sqlite, text, start);
            ParserFinding::new(token.start..token.end, FindingKind::Refused(rule))
        }
        None => stuck(Dialect::Sqlite, text, at, expected(text, at)),
    };
    Some(repair::find(Dialect::Sqlite, text, wrong, keywords(), |_| false, stops))
}

/// Finds the `ORDER BY` or `LIMIT` of a `VALUES`, which SQLite does not have and the parser accepts.
fn after_values(text: &str) -> Option<ParserFinding> {
    let mut at = Words::new(Dialect::Sqlite, text, 0);
    while at.token.kind != Kind::End {
        if !at.take("values") {
            at.next();
            continue;
        }
        // The rows may hold a `VALUES` of their own.
        let mut after = at.clone();
        while after.token.kind == Kind::Open {
            row(&mut after);
            if !after.is_byte(b',') {
                break;
            }
            after.next();
        }
        if after.token.start > at.token.start && after.is_any(&["order", "limit"]) {
            let word = text[after.token.start..after.token.end].to_uppercase();
            let clause = if word == "ORDER" { "ORDER BY" } else { "LIMIT" };
            let rule = format!("`VALUES` cannot have `{clause}` in SQLite");
            let range = after.token.start..after.token.end;
            let mut wrong = ParserFinding::new(range, FindingKind::Refused(rule));
            wrong.repair = Some("write `SELECT * FROM (VALUES …)` with it".to_owned());
            return Some(wrong);
        }
    }
    None
}

/// Moves past the parentheses that open here, and no further: after those, others may close.
fn row(at: &mut Words<'_>) {
    let mut depth = 0_usize;
    while !at.ended() {
        match at.token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        at.next();
        if depth == 0 {
            return;
        }
    }
}

/// Returns the byte at which the text stops being valid.
fn stops(text: &str) -> Option<usize> {
    first(text).map(|(at, _)| at)
}

/// Returns the byte at which the text stops being valid, with SQLite's message if it has one.
fn first(text: &str) -> Option<(usize, Option<String>)> {
    // The parser does not know that SQLite skips a byte order mark. In a string it makes no difference here.
    let text = &text.replace('\u{feff}', "   ");
    let bump = Bump::new();
    let mut parser = Parser::new(&bump, text.as_bytes());
    loop {
        match parser.next() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => return place(text, error),
        }
    }
}

fn place(text: &str, error: Error) -> Option<(usize, Option<String>)> {
    let byte = |line: usize, column: usize| {
        let line = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
        text.floor_char_boundary((line + column).saturating_sub(1).min(text.len()))
    };
    match error {
        Error::ParserError(ParserError::SyntaxError(_) | ParserError::UnexpectedEof, position)
        | Error::UnrecognizedToken(position)
        | Error::UnterminatedLiteral(position)
        | Error::UnterminatedBracket(position)
        | Error::BadNumber(position)
        | Error::ExpectedEqualsSign(position)
        | Error::MalformedBlobLiteral(position)
        | Error::MalformedHexInteger(position) => position.map(|position| (byte(position.line, position.column), None)),
        // SQLite takes `$::name`, which the parser does not know.
        Error::BadVariableName(position) => {
            let position = position?;
            let at = byte(position.line, position.column);
            (!text[at..].starts_with("$::")).then_some((at, None))
        }
        // The parser also checks rules beyond the grammar, such as duplicate columns. Only those that SQLite's
        // own grammar file has are reported.
        Error::ParserError(ParserError::Custom(message), position) => {
            let known = ["unknown table option", "unknown join type"];
            let is_known = known.into_iter().any(|beginning| message.starts_with(beginning));
            let position = position.filter(|_| is_known)?;
            Some((byte(position.line, position.column), Some(message)))
        }
        // A comment may end with the text, and reading a text in memory does not fail.
        _ => None,
    }
}

/// Returns what would be valid here, found by trying; `None` if that is a long list.
fn expected(text: &str, at: usize) -> Option<String> {
    const TRIED_MAX: usize = 2 << 10;
    const SHOWN_MAX: usize = 4;
    let at = token_at(Dialect::Sqlite, text, at).start;
    if at > TRIED_MAX {
        return None;
    }
    let before = &text[..at];
    let takes = |token: &str| stops(&format!("{before} {token} ")).is_none_or(|stop| stop > at + 1);
    let (name, constant) = (takes("\"x\""), takes("1"));
    if name && constant {
        return Some("an expression".to_owned());
    } else if name {
        return Some("a name".to_owned());
    }
    let marks = ["(", ")", ",", "="].into_iter().filter(|mark| takes(mark)).map(str::to_owned);
    let words = keywords().iter().filter(|word| takes(word)).map(|word| word.to_uppercase());
    let mut all: Vec<String> = marks.chain(words).take(SHOWN_MAX + 1).map(|word| format!("`{word}`")).collect();
    if all.len() > SHOWN_MAX {
        return None;
    }
    let last = all.pop()?;
    Some(if all.is_empty() { last } else { format!("{} or {last}", all.join(", ")) })
}

/// Every keyword, in lower case.
fn keywords() -> &'static [String] {
    static KEYWORDS: OnceLock<Vec<String>> = OnceLock::new();
    KEYWORDS.get_or_init(|| WORDS.split_whitespace().map(str::to_owned).collect())
}

const WORDS: &str = "abort action add after all alter always analyze and as asc attach autoincrement before begin \
    between by cascade case cast check collate column commit conflict constraint create cross current current_date \
    current_time current_timestamp database default deferrable deferred delete desc detach distinct do drop each else \
    end escape except exclude exclusive exists explain fail filter first following for foreign from full generated \
    glob group groups having if ignore immediate in index indexed initially inner insert instead intersect into is \
    isnull join key last left like limit match materialized natural no not nothing notnull null nulls of offset on or \
    order others outer over partition plan pragma preceding primary query raise range recursive references regexp \
    reindex release rename replace restrict returning right rollback row rows savepoint select set strict table temp \
    temporary then ties to transaction trigger unbounded union unique update using vacuum values view virtual when \
    where window with without rowid";
