//! Shortens INSERT statements before they are parsed. Rows of constants are left out, and an INSERT of the
//! same shape as an earlier one is skipped. So a dump is checked about as fast as it is tokenized.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use lockgate_core::Dialect;

use crate::lexer::{Kind, Lexer, Token};

/// A statement without some of its rows.
pub(super) struct Short {
    pub(super) text: String,
    /// Where each kept piece begins in the short text and in the long one.
    pieces: Vec<(usize, usize)>,
}

impl Short {
    /// Maps a position in the short text to the long one.
    pub(super) fn long(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(short, _)| *short <= at).saturating_sub(1);
        self.pieces.get(piece).map_or(at, |(short, long)| long + (at - short))
    }
}

/// The shapes of the INSERTs of one script.
#[derive(Default)]
pub(super) struct Shapes {
    seen: HashSet<u64>,
}

impl Shapes {
    /// Whether an earlier INSERT differs from this one only in its constants.
    pub(super) fn has_seen(&mut self, dialect: Dialect, text: &str) -> bool {
        let mut lexer = Lexer::new(dialect, text, 0);
        let mut hasher = DefaultHasher::new();
        loop {
            let token = lexer.next();
            match token.kind {
                Kind::End => return !self.seen.insert(hasher.finish()),
                // Constants with a prefix or suffix may be valid in one INSERT and not in another.
                Kind::Number if is_plain(lexer.bytes(token)) => 0_u8.hash(&mut hasher),
                Kind::Text if lexer.bytes(token).starts_with(b"'") => 1_u8.hash(&mut hasher),
                _ => lexer.bytes(token).hash(&mut hasher),
            }
            // `1 2` and `12`, `'a' 'b'` on one line and on two.
            text[..token.start].ends_with(char::is_whitespace).hash(&mut hasher);
            text[..token.start].ends_with(['\n', '\r']).hash(&mut hasher);
        }
    }
}

/// Returns the statement without the rows of constants after its first row, or `None` if that does not make
/// it shorter.
pub(super) fn shorten(dialect: Dialect, text: &str) -> Option<Short> {
    let mut lexer = Lexer::new(dialect, text, 0);
    let mut last = lexer.next();
    // Skip the first row of VALUES.
    let mut depth = 0_usize;
    let mut values = false;
    loop {
        let token = lexer.next();
        match token.kind {
            Kind::End => return None,
            Kind::Open if depth == 0 && lexer.is(last, "values") => {
                values = true;
                depth = 1;
            }
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 && values {
                    break;
                }
            }
            _ => {}
        }
        last = token;
    }
    let mut short = Short { text: String::new(), pieces: Vec::new() };
    let mut kept = 0;
    loop {
        let end = lexer.pos;
        let Some(next) = plain_row(&mut lexer) else { break };
        short.keep(text, kept..end);
        kept = next;
    }
    if kept == 0 {
        return None;
    }
    // Rows after one that is not plain are left to the parser.
    short.keep(text, kept..text.len());
    Some(short)
}

impl Short {
    fn keep(&mut self, text: &str, range: Range<usize>) {
        if !range.is_empty() {
            self.pieces.push((self.text.len(), range.start));
            self.text.push_str(&text[range]);
        }
    }
}

/// Reads a comma and a row of constants and returns the row's end; stays in place if there is none.
fn plain_row(lexer: &mut Lexer<'_>) -> Option<usize> {
    let before = lexer.clone();
    let end = read_row(lexer);
    if end.is_none() {
        *lexer = before;
    }
    end
}

fn read_row(lexer: &mut Lexer<'_>) -> Option<usize> {
    let comma = lexer.next();
    if !lexer.is_byte(comma, b',') || lexer.next().kind != Kind::Open {
        return None;
    }
    loop {
        let mut token = lexer.next();
        if lexer.is_byte(token, b'-') {
            token = lexer.next();
        }
        if !is_constant(lexer, token) {
            return None;
        }
        token = lexer.next();
        if lexer.is_byte(token, b'.') {
            let fraction = lexer.next();
            if fraction.kind != Kind::Number || !is_plain(lexer.bytes(fraction)) || fraction.start != token.end {
                return None;
            }
            token = lexer.next();
        }
        if token.kind == Kind::Close {
            return Some(token.end);
        } else if !lexer.is_byte(token, b',') {
            return None;
        }
    }
}

fn is_constant(lexer: &Lexer<'_>, token: Token) -> bool {
    match token.kind {
        Kind::Number => is_plain(lexer.bytes(token)),
        Kind::Text => lexer.bytes(token).starts_with(b"'"),
        _ => ["null", "true", "false"].into_iter().any(|word| lexer.is(token, word)),
    }
}

fn is_plain(number: &[u8]) -> bool {
    number.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(text: &str) -> String {
        shorten(Dialect::Postgres, text).map_or_else(|| text.to_owned(), |short| short.text)
    }

    #[test]
    fn rows_of_constants_are_left_out() {
        assert_eq!(
            short("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y;'), (-3.5, NULL)\nON CONFLICT DO NOTHING;"),
            "INSERT INTO t (a, b) VALUES (1, 'x')\nON CONFLICT DO NOTHING;"
        );
        assert_eq!(short("INSERT INTO t VALUES (1), (2), (now()), (3);"), "INSERT INTO t VALUES (1), (now()), (3);");
        for kept in [
            "INSERT INTO t VALUES (1);",
            "INSERT INTO t VALUES (1), (2,);",
            "INSERT INTO t VALUES (1), (2 3);",
            "INSERT INTO t VALUES (1), ();",
            "INSERT INTO t VALUES (1), (1a);",
            "INSERT INTO t VALUES (1) (2);",
            "INSERT INTO t SELECT 1;",
            "INSERT INTO t VALUES (1), (2",
            "",
        ] {
            assert_eq!(short(kept), kept);
        }
    }

    #[test]
    fn places_are_those_of_the_long_text() {
        let text = "INSERT INTO t VALUES (1), (22), (333) RETURNNG a;";
        let short = shorten(Dialect::Postgres, text).unwrap();
        assert_eq!(short.text, "INSERT INTO t VALUES (1) RETURNNG a;");
        assert_eq!(short.long(short.text.find("RETURNNG").unwrap()), text.find("RETURNNG").unwrap());
        assert_eq!(short.long(3), 3);
        assert_eq!(short.long(short.text.len()), text.len());
    }

    #[test]
    fn shapes_are_the_same_where_constants_differ() {
        let mut shapes = Shapes::default();
        let mut seen = |text| shapes.has_seen(Dialect::Postgres, text);
        assert!(!seen("INSERT INTO t VALUES (1, 'a');"));
        assert!(seen("INSERT INTO t VALUES (22, 'it''s');"));
        assert!(!seen("INSERT INTO t VALUES (22, 'a',);"));
        assert!(!seen("INSERT INTO t VALUES (22a, 'a');"));
        assert!(!seen("INSERT INTO u VALUES (1, 'a');"));
    }
}
