//! Recognizes a down script that only raises an error: its author says that the migration is irreversible.

use super::cursor::{Cursor, tokens};
use crate::lexer::{Kind, Lexer, Token};
use lockgate_core::{Dialect, Statement, StatementKind};

/// The number of tokens of a block that are read; a block that only raises an error has few.
const TOKENS_MAX: usize = 400;

/// Returns the error message of a script whose first statement always raises an error. Statements that only
/// set up the session are skipped.
pub fn says(dialect: Dialect, text: &str, statements: &[Statement]) -> Option<String> {
    let first = statements.iter().find(|statement| statement.kind != StatementKind::Session)?;
    let tokens = tokens(dialect, text, first.range.clone(), TOKENS_MAX);
    let mut at = Cursor::new(text, &tokens);
    if at.take("do") {
        let body = at.tokens.iter().find(|token| token.kind == Kind::Text)?;
        let inner = inner(text, *body)?;
        return block(&text[inner.clone()], text, inner.start);
    }
    // SQLite refuses RAISE outside of a trigger, so this also fails the script.
    if dialect == Dialect::Sqlite && at.take("select raise") {
        let arguments = at.group()?;
        return at.ended().then(|| message(arguments));
    }
    None
}

/// Returns the range between the quotes of a string.
fn inner(text: &str, token: Token) -> Option<std::ops::Range<usize>> {
    let shown = &text[token.start..token.end];
    let quote = match shown.strip_prefix('$') {
        Some(rest) => rest.find('$')? + 2,
        None => shown.find('\'')? + 1,
    };
    let close = if shown.starts_with('$') { quote } else { 1 };
    let range = token.start + quote..token.end.checked_sub(close)?;
    (range.start <= range.end).then_some(range)
}

/// Returns the message of a PL/pgSQL block whose first statement raises an error and that has no handler.
fn block(body: &str, text: &str, start: usize) -> Option<String> {
    let mut lexer = Lexer::new(Dialect::Postgres, &text[..start + body.len()], start);
    let tokens = std::iter::from_fn(|| Some(lexer.next()).filter(|token| token.kind != Kind::End));
    let tokens: Vec<Token> = tokens.take(TOKENS_MAX).collect();
    let mut at = Cursor::new(text, &tokens);
    while !at.ended() && !at.is("begin") {
        at.next();
    }
    at.next();
    if !at.take("raise") || at.is_any(&["debug", "log", "info", "notice", "warning"]) {
        return None;
    }
    let catches = body.to_lowercase().split("exception").skip(1).any(|rest| rest.trim_start().starts_with("when"));
    (!catches).then(|| message(at))
}

/// Returns the first string, without its quotes.
fn message(at: Cursor<'_>) -> String {
    let text = at.tokens.iter().find(|token| token.kind == Kind::Text).map(|token| at.shown(*token));
    let text = text.and_then(|text| text.strip_prefix('\'')?.strip_suffix('\'')).unwrap_or_default();
    match text.replace("''", "'") {
        empty if empty.is_empty() => "its down script only raises an error".to_owned(),
        text => text,
    }
}
