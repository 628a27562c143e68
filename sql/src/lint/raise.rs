//! A way down that only raises an error: whoever wrote it says that there is none.

use super::cursor::{Cursor, tokens};
use crate::lexer::{Kind, Lexer, Token};
use lockgate_core::{Dialect, Statement, StatementKind};

/// As many tokens of a block are read: one that only raises has few.
const TOKENS_MAX: usize = 400;

/// What the script says when it raises, where its first statement does so in any case. What only sets up
/// the session is passed over.
pub fn says(dialect: Dialect, text: &str, statements: &[Statement]) -> Option<String> {
    let first = statements.iter().find(|statement| statement.kind != StatementKind::Session)?;
    let tokens = tokens(dialect, text, first.range.clone(), TOKENS_MAX);
    let mut at = Cursor::new(text, &tokens);
    if at.take("do") {
        let body = at.tokens.iter().find(|token| token.kind == Kind::Text)?;
        let inner = inner(text, *body)?;
        return block(&text[inner.clone()], text, inner.start);
    }
    // SQLite refuses it here, which ends the script all the same.
    if dialect == Dialect::Sqlite && at.take("select raise") {
        let arguments = at.group()?;
        return at.ended().then(|| message(arguments));
    }
    None
}

/// The bytes within the quotes of a text.
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

/// The message of a block in PL/pgSQL whose first statement raises, and that catches nothing.
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

/// The first text, without its quotes.
fn message(at: Cursor<'_>) -> String {
    let text = at.tokens.iter().find(|token| token.kind == Kind::Text).map(|token| at.shown(*token));
    let text = text.and_then(|text| text.strip_prefix('\'')?.strip_suffix('\'')).unwrap_or_default();
    match text.replace("''", "'") {
        empty if empty.is_empty() => "its way down only raises an error".to_owned(),
        text => text,
    }
}
