//! A small lexer for one statement. The runtime uses it for the few statements that it must understand itself:
//! those that begin and end transactions, and those that an interrupted run must check for.
//!
//! The full splitter is in `lockgate-sql` and is not linked into users' programs. Its results are in the embedded
//! table. Object names are not, because a run needs them so rarely.

use crate::Dialect;

/// A keyword, a name, a string or a punctuation mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// In lower case, or unchanged where it was quoted.
    pub(crate) text: String,
    pub(crate) quoted: bool,
    /// Where it begins.
    pub(crate) start: usize,
}

impl Token {
    /// Whether this is the unquoted keyword `word`, given in lower case.
    pub(crate) fn is(&self, word: &str) -> bool {
        !self.quoted && self.text == word
    }
}

/// Returns the tokens of a statement in order, without comments. Each punctuation mark is a token.
pub(crate) fn tokens(dialect: Dialect, text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let whole = text;
    let mut rest = whole;
    while let Some(first) = rest.chars().next() {
        let start = whole.len() - rest.len();
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if rest.starts_with("--") || (first == '#' && dialect == Dialect::Mysql) {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = after_comment(dialect, rest);
        } else if let '"' | '`' | '[' | '\'' = first {
            let close = if first == '[' { ']' } else { first };
            let mut text = String::new();
            let mut inner = &rest[1..];
            // A doubled quote is an escaped quote.
            loop {
                let end = inner.find(close).unwrap_or(inner.len());
                text.push_str(&inner[..end]);
                inner = inner.get(end + 1..).unwrap_or_default();
                if !inner.starts_with(close) || close == ']' {
                    break;
                }
                text.push(close);
                inner = &inner[1..];
            }
            found.push(Token { text, quoted: true, start });
            rest = inner;
        } else {
            let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len()).max(first.len_utf8());
            found.push(Token { text: rest[..end].to_lowercase(), quoted: false, start });
            rest = &rest[end..];
        }
    }
    found
}

/// Returns the text after the comment that begins here. Comments nest in PostgreSQL.
fn after_comment(dialect: Dialect, text: &str) -> &str {
    let mut depth = 1_usize;
    let mut at = 2;
    while depth > 0 {
        let Some(next) = text.get(at..).and_then(|rest| rest.find(['*', '/'])) else { return "" };
        at += next;
        let pair = text.get(at..at + 2).unwrap_or_default();
        match pair {
            "*/" => depth -= 1,
            "/*" if dialect == Dialect::Postgres => depth += 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    &text[at..]
}
