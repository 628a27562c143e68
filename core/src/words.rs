//! The words of one short statement, for the few that must be understood while a script runs: what begins and
//! ends transactions, and what an interrupted statement would have left in the catalogue.
//!
//! The splitter of `lockgate-sql` knows more, and never reaches a user's program; what it found is in the
//! embedded table. The names of objects are not, so that no table grows for what a run asks once in its life.

use crate::Dialect;

/// A word, a name, a string or a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// In lower case; what stood within quotes, as it stood there.
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

impl Word {
    /// Whether it is this word of the language, given in lower case.
    pub(crate) fn is(&self, word: &str) -> bool {
        !self.quoted && self.text == word
    }
}

/// The words of a statement in order, without comments. Marks stand for themselves, one by one.
pub(crate) fn words(dialect: Dialect, text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if rest.starts_with("--") || (first == '#' && dialect == Dialect::Mysql) {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = behind_comment(dialect, rest);
        } else if let '"' | '`' | '[' | '\'' = first {
            let close = if first == '[' { ']' } else { first };
            let mut text = String::new();
            let mut inner = &rest[1..];
            // A quote that is doubled stands for itself.
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
            words.push(Word { text, quoted: true });
            rest = inner;
        } else {
            let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len()).max(first.len_utf8());
            words.push(Word { text: rest[..end].to_lowercase(), quoted: false });
            rest = &rest[end..];
        }
    }
    words
}

/// Behind the comment that begins here; in PostgreSQL they nest.
fn behind_comment(dialect: Dialect, text: &str) -> &str {
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
