//! The tokens of one statement as a slice that can be cut at its commas and entered at its brackets.

use std::ops::Range;

use lockgate_core::Dialect;

use crate::sql::lexer::{Kind, Lexer, Token};

/// A name, possibly with a schema before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Its last part in lower case and without quotes: what names are compared by.
    pub(super) key: String,
    /// Where it stands.
    pub(super) range: Range<usize>,
}

/// A place among the tokens of a statement, or of a piece of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: &'a [Token],
}

/// The tokens of a statement, up to so many and without its terminator.
pub(super) fn tokens(dialect: Dialect, text: &str, range: Range<usize>, max: usize) -> Vec<Token> {
    let mut lexer = Lexer::new(dialect, &text[..range.end], range.start);
    let mut tokens = Vec::new();
    while tokens.len() < max {
        let token = lexer.next();
        match token.kind {
            Kind::End | Kind::Terminator => break,
            Kind::CodeOpen | Kind::CodeClose => {}
            _ => tokens.push(token),
        }
    }
    tokens
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self { text, tokens }
    }

    /// The piece of the text that these tokens are.
    pub(super) fn on(&self, tokens: &'a [Token]) -> Self {
        Self { tokens, ..*self }
    }

    pub(super) fn first(&self) -> Option<Token> {
        self.tokens.first().copied()
    }

    pub(super) fn ended(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(super) fn next(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    /// From the first token to the last.
    pub(super) fn range(&self) -> Range<usize> {
        match self.tokens {
            [] => 0..0,
            [first, .., last] => first.start..last.end,
            [one] => one.start..one.end,
        }
    }

    pub(super) fn shown(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.is_any(&[word])
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        let Some(token) = self.tokens.first().filter(|token| token.kind == Kind::Word) else { return false };
        let shown = &self.text.as_bytes()[token.start..token.end];
        // Not optimised, a call costs more than a comparison.
        words.iter().any(|word| word.len() == shown.len() && word.as_bytes().eq_ignore_ascii_case(shown))
    }

    pub(super) fn is_mark(&self, mark: &str) -> bool {
        self.first().is_some_and(|token| token.kind == Kind::Other && self.shown(token) == mark)
    }

    /// Goes behind these words, where all of them stand here.
    pub(super) fn take(&mut self, words: &str) -> bool {
        let mut here = *self;
        for word in words.split(' ') {
            if !here.is(word) {
                return false;
            }
            here.next();
        }
        *self = here;
        true
    }

    /// Goes behind the first of these words at this level, and says whether there was one.
    pub(super) fn seek(&mut self, words: &str) -> bool {
        while !self.ended() {
            if self.take(words) {
                return true;
            }
            if self.group().is_none() {
                self.next();
            }
        }
        false
    }

    /// Whether these words stand one behind the other, at this level, from here on.
    pub(super) fn has(&self, words: &str) -> bool {
        self.clone().seek(words)
    }

    /// Goes behind a name.
    pub(super) fn name(&mut self) -> Option<Name> {
        let start = self.first()?.start;
        loop {
            let token = self.first()?;
            if !matches!(token.kind, Kind::Word | Kind::Name | Kind::Text) {
                return None;
            }
            self.next();
            if self.is_mark(".") {
                self.next();
                continue;
            }
            return Some(Name { key: key(self.shown(token)), range: start..token.end });
        }
    }

    /// Names with commas between them.
    pub(super) fn names(&mut self) -> Vec<Name> {
        let mut names = Vec::new();
        while let Some(name) = self.name() {
            names.push(name);
            // The arguments of a function.
            self.group();
            if !self.is_mark(",") {
                break;
            }
            self.next();
        }
        names
    }

    /// What stands within the parentheses that open here; the cursor goes behind them.
    pub(super) fn group(&mut self) -> Option<Self> {
        if self.first()?.kind != Kind::Open {
            return None;
        }
        let mut depth = 0_usize;
        let close = self.tokens.iter().position(|token| {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let close = close.unwrap_or(self.tokens.len());
        let inner = self.on(&self.tokens[1..close]);
        self.tokens = self.tokens.get(close + 1..).unwrap_or_default();
        Some(inner)
    }

    /// The pieces between the commas of this level.
    pub(super) fn pieces(&self) -> Vec<Self> {
        let mut depth = 0_usize;
        let pieces = self.tokens.split(|token| {
            let mark = if token.kind == Kind::Other { self.shown(*token) } else { "" };
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ if mark == "[" => depth += 1,
                _ if mark == "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && mark == ","
        });
        pieces.filter(|piece| !piece.is_empty()).map(|piece| self.on(piece)).collect()
    }

    /// What stands before the first of these words at this level, but at least one token; the cursor
    /// goes to that word.
    pub(super) fn before(&mut self, words: &[&str]) -> Self {
        let all = self.tokens;
        let mut first = true;
        while !self.ended() && (first || !self.is_any(words)) {
            first = false;
            if self.group().is_none() {
                self.next();
            }
        }
        self.on(&all[..all.len() - self.tokens.len()])
    }

    /// The tokens in lower case and names without quotes, with a blank only between words.
    pub(super) fn plain(&self) -> String {
        let mut plain = String::new();
        for token in self.tokens {
            let name = token.kind == Kind::Name;
            let shown = if name { key(self.shown(*token)) } else { self.shown(*token).to_lowercase() };
            if plain.ends_with(is_word) && shown.starts_with(is_word) {
                plain.push(' ');
            }
            plain.push_str(&shown);
        }
        plain
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A name in lower case and without its quotes, of which the closing one may be missing.
pub(super) fn key(name: &str) -> String {
    let close = match name.chars().next() {
        Some('[') => ']',
        Some(quote @ ('"' | '`' | '\'')) => quote,
        _ => return name.to_lowercase(),
    };
    let inner = &name[1..];
    inner.strip_suffix(close).unwrap_or(inner).to_lowercase()
}

impl<'a> Cursor<'a> {
    /// What stands within the next parentheses of this level.
    pub(super) fn seek_group(mut self) -> Option<Self> {
        while !self.ended() {
            if let Some(group) = self.group() {
                return Some(group);
            }
            self.next();
        }
        None
    }
}
