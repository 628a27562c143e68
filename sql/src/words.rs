//! A cursor over the tokens of one statement, reading them as it goes.

use lockgate_core::Dialect;

use super::lexer::{Kind, Lexer, Token};

/// Words that PostgreSQL accepts between CREATE and the kind of object.
pub(super) const CREATE_MODIFIERS: [&str; 11] = [
    "or",
    "replace",
    "temp",
    "temporary",
    "global",
    "local",
    "unlogged",
    "unique",
    "materialized",
    "recursive",
    "constraint",
];

/// A position among the tokens of a statement.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    pub(super) lexer: Lexer<'a>,
    pub(super) dialect: Dialect,
    start: usize,
    pub(super) text: &'a str,
    pub(super) token: Token,
}

impl<'a> Words<'a> {
    /// Starts at the first token after `start`.
    pub(super) fn new(dialect: Dialect, text: &'a str, start: usize) -> Self {
        let token = Token { kind: Kind::End, start, end: start };
        let mut words = Self { lexer: Lexer::new(dialect, text, start), dialect, start, text, token };
        words.next();
        words
    }

    /// Returns a cursor at the statement's first token.
    pub(super) fn rewound(&self) -> Self {
        Self::new(self.dialect, self.text, self.start)
    }

    /// Moves to the next token, skipping the delimiters of MySQL's `/*! … */`.
    pub(super) fn next(&mut self) {
        self.token = self.lexer.next();
        while matches!(self.token.kind, Kind::CodeOpen | Kind::CodeClose) {
            self.token = self.lexer.next();
        }
    }

    pub(super) fn ended(&self) -> bool {
        matches!(self.token.kind, Kind::End | Kind::Terminator)
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.lexer.is(self.token, word)
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        self.token.kind == Kind::Word && words.iter().any(|word| self.is(word))
    }

    pub(super) fn is_byte(&self, byte: u8) -> bool {
        self.lexer.is_byte(self.token, byte)
    }

    /// Whether the token is this name, in quotes or without.
    pub(super) fn is_name(&self, name: &str) -> bool {
        let bytes = self.lexer.bytes(self.token);
        let inner = match self.token.kind {
            Kind::Word => bytes,
            Kind::Name | Kind::Text if bytes.len() >= 2 => &bytes[1..bytes.len() - 1],
            _ => return false,
        };
        inner.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Moves on if the token is this word, and returns whether it was.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is = self.is(word);
        if is {
            self.next();
        }
        is
    }

    /// Moves past the first of these words.
    pub(super) fn until(&mut self, words: &[&str]) {
        while !self.ended() && !self.is_any(words) {
            self.next();
        }
        self.next();
    }

    /// Returns the value of an option in parentheses from here on: `(name = value)`, `(name value)`, or `(name)`,
    /// which is true. Returns one of `false`, `off`, `none`, `0`, or `true` for everything else.
    pub(super) fn option(mut self, name: &str) -> Option<&'static str> {
        let mut depth = 0_usize;
        let mut begins = false;
        while !self.ended() {
            if depth == 1 && begins && self.is_name(name) {
                self.next();
                if self.is_byte(b'=') {
                    self.next();
                }
                let values = ["false", "off", "none"];
                let zero = self.token.kind == Kind::Number && self.lexer.bytes(self.token) == b"0";
                return Some(values.into_iter().find(|value| self.is_name(value)).unwrap_or(if zero {
                    "0"
                } else {
                    "true"
                }));
            }
            match self.token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            begins = self.token.kind == Kind::Open || self.is_byte(b',');
            self.next();
        }
        None
    }

    /// Moves past a group of parentheses, if one begins here.
    pub(super) fn skip_parentheses(&mut self) {
        let mut depth = 0_usize;
        while !self.ended() {
            match self.token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ if depth == 0 => return,
                _ => {}
            }
            self.next();
        }
    }
}
