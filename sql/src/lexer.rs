//! Turns text into tokens, in any of the three dialects: just enough to know where words, quotes and comments
//! begin and end. `split` finds the ends of statements.

use lockgate_core::Dialect;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// Digits, and letters directly after them.
    Number,
    /// A string: `'…'`, `E'…'`, `$tag$…$tag$`, in MySQL `"…"` too.
    Text,
    /// A quoted name: `"…"`, `` `…` ``, `[…]`.
    Name,
    /// `;`, or the delimiter that a `DELIMITER` line set.
    Terminator,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `\` outside of quotes in PostgreSQL, which begins a psql command.
    Backslash,
    /// `/*!40101`, after which MySQL reads code.
    CodeOpen,
    /// The `*/` that ends it.
    CodeClose,
    /// Any other byte.
    Other,
    /// The end of the text.
    End,
}

/// A token and its byte range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A construct that the end of the text cut off, and the range of its opening token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unterminated {
    pub(super) what: Open,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A construct that needs an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Text,
    Name,
    Dollar,
    Comment,
}

/// Reads tokens, starting anywhere in a text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    dialect: Dialect,
    /// Where the next token may begin.
    pub(super) pos: usize,
    /// The bytes of MySQL's `DELIMITER`, if it is not `;`.
    pub(super) delimiter: Option<&'a [u8]>,
    /// Where the open `/*!` begins.
    pub(super) code: Option<usize>,
    /// The construct that the end of the text cut off, if there is one.
    pub(super) unterminated: Option<Unterminated>,
}

const SPACE: u8 = 1;
const LETTER: u8 = 2;
const DIGIT: u8 = 4;
const DOLLAR: u8 = 8;

/// The class of each byte. Bytes beyond ASCII count as letters, as in all three servers, so that a token never
/// ends inside a character.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => SPACE,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => LETTER,
            b'0'..=b'9' => DIGIT,
            b'$' => DOLLAR,
            _ => 0,
        };
        byte += 1;
    }
    class
};

const BOM: &[u8] = b"\xef\xbb\xbf";

impl<'a> Lexer<'a> {
    /// Reads `text` from `pos` on.
    pub(super) fn new(dialect: Dialect, text: &'a str, pos: usize) -> Self {
        let bytes = text.as_bytes();
        let pos = if pos == 0 && bytes.starts_with(BOM) { BOM.len() } else { pos };
        Self { bytes, dialect, pos, delimiter: None, code: None, unterminated: None }
    }

    /// The bytes of a token.
    pub(super) fn bytes(&self, token: Token) -> &'a [u8] {
        &self.bytes[token.start..token.end]
    }

    /// Whether the token is this word (given in lower case).
    pub(super) fn is(&self, token: Token, word: &str) -> bool {
        token.kind == Kind::Word
            && token.end - token.start == word.len()
            && self.bytes(token).eq_ignore_ascii_case(word.as_bytes())
    }

    /// Whether the token is this byte, which no other kind of token contains.
    pub(super) fn is_byte(&self, token: Token, byte: u8) -> bool {
        token.kind == Kind::Other && self.bytes[token.start] == byte
    }

    /// Returns the next token; after the last one, [`Kind::End`] every time.
    pub(super) fn next(&mut self) -> Token {
        self.next_after(|_| {})
    }

    /// Returns the next token, and calls `comment` with the start of each comment before it.
    pub(super) fn next_after(&mut self, comment: impl FnMut(usize)) -> Token {
        self.skip_trivia(comment);
        let start = self.pos;
        let Some(&byte) = self.bytes.get(start) else {
            return Token { kind: Kind::End, start, end: start };
        };
        let kind = self.token(start, byte);
        Token { kind, start, end: self.pos }
    }

    fn token(&mut self, start: usize, byte: u8) -> Kind {
        use Dialect::{Mysql, Postgres, Sqlite};

        if let Some(delimiter) = self.delimiter_at(start) {
            self.pos = start + delimiter.len();
            return Kind::Terminator;
        }
        match (byte, self.dialect) {
            (b'e' | b'E', Postgres) if self.bytes.get(start + 1) == Some(&b'\'') => {
                self.escape_text(start);
                Kind::Text
            }
            (b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.., _) | (b'$', Mysql) => {
                self.run(start, LETTER | DIGIT | DOLLAR);
                Kind::Word
            }
            (b'0'..=b'9', _) => {
                self.run(start, LETTER | DIGIT);
                Kind::Number
            }
            (b'\'', Postgres | Sqlite) => self.doubled(start, byte, Open::Text, Kind::Text),
            (b'\'' | b'"', Mysql) => self.backslashed(start, byte),
            (b'"', Postgres | Sqlite) | (b'`', Sqlite | Mysql) => self.doubled(start, byte, Open::Name, Kind::Name),
            (b'[', Sqlite) => self.bracketed(start),
            (b'$', Postgres) => self.dollar(start),
            (b';', _) if self.delimiter.is_none() => self.single(Kind::Terminator),
            (b'(', _) => self.single(Kind::Open),
            (b')', _) => self.single(Kind::Close),
            (b'\\', Postgres) => self.single(Kind::Backslash),
            (b'/', Mysql) if self.opens_code(start) => {
                let digits = start + if self.bytes[start + 2] == b'M' { 4 } else { 3 };
                self.run(digits, DIGIT);
                self.code.get_or_insert(start);
                Kind::CodeOpen
            }
            (b'*', Mysql) if self.code.is_some() && self.bytes.get(start + 1) == Some(&b'/') => {
                self.code = None;
                self.pos = start + 2;
                Kind::CodeClose
            }
            _ => self.single(Kind::Other),
        }
    }

    /// Moves past white space and comments.
    fn skip_trivia(&mut self, mut comment: impl FnMut(usize)) {
        while let Some(&byte) = self.bytes.get(self.pos) {
            match byte {
                _ if CLASS[byte as usize] & SPACE != 0 => self.pos += 1,
                // PostgreSQL 16 and MySQL treat the vertical tab as white space, SQLite does not.
                0x0b if self.dialect != Dialect::Sqlite => self.pos += 1,
                // SQLite skips a byte order mark wherever a token could begin, as where two files were joined.
                0xef if self.dialect == Dialect::Sqlite && self.bytes[self.pos..].starts_with(BOM) => {
                    self.pos += BOM.len();
                }
                b'-' | b'#' | b'/' => {
                    let start = self.pos;
                    if self.delimiter_at(start).is_some() || !self.skip_comment(byte) {
                        return;
                    }
                    comment(start);
                }
                _ => return,
            }
        }
    }

    /// Moves past the comment that begins here. Returns false if none does.
    fn skip_comment(&mut self, byte: u8) -> bool {
        let next = self.bytes.get(self.pos + 1).copied();
        match (byte, self.dialect) {
            (b'#', Dialect::Mysql) => self.skip_line(),
            (b'-', Dialect::Mysql) if next == Some(b'-') => {
                let blank = self.bytes.get(self.pos + 2).is_none_or(|byte| *byte <= b' ' || *byte == 0x7f);
                if !blank {
                    return false;
                }
                self.skip_line();
            }
            (b'-', _) if next == Some(b'-') => self.skip_line(),
            (b'/', Dialect::Mysql) if self.opens_code(self.pos) => return false,
            (b'/', _) if next == Some(b'*') => self.skip_block(),
            _ => return false,
        }
        true
    }

    fn skip_line(&mut self) {
        let returns = self.dialect == Dialect::Postgres;
        while let Some(&byte) = self.bytes.get(self.pos) {
            if byte == b'\n' || (byte == b'\r' && returns) {
                return;
            }
            self.pos += 1;
        }
    }

    fn skip_block(&mut self) {
        let start = self.pos;
        let nests = self.dialect == Dialect::Postgres;
        let mut depth = 1_usize;
        let mut at = start + 2;
        while at + 1 < self.bytes.len() {
            match (self.bytes[at], self.bytes[at + 1]) {
                (b'*', b'/') => {
                    at += 2;
                    depth -= 1;
                    if depth == 0 {
                        self.pos = at;
                        return;
                    }
                }
                (b'/', b'*') if nests => {
                    at += 2;
                    depth += 1;
                }
                _ => at += 1,
            }
        }
        self.pos = self.bytes.len();
        // In SQLite the end of the text ends the comment.
        if self.dialect != Dialect::Sqlite {
            self.unterminated(Open::Comment, start, start + 2);
        }
    }

    /// Whether `/*!` or MariaDB's `/*M!` begins here. No server has version 999999, so the first line of MariaDB's dumps
    /// is a comment for all of them.
    fn opens_code(&self, start: usize) -> bool {
        let rest = &self.bytes[start..];
        let digits = rest.strip_prefix(b"/*!").or_else(|| rest.strip_prefix(b"/*M!"));
        digits.is_some_and(|digits| !digits.starts_with(b"999999"))
    }

    fn delimiter_at(&self, start: usize) -> Option<&'a [u8]> {
        self.delimiter.filter(|delimiter| self.bytes[start..].starts_with(delimiter))
    }

    fn single(&mut self, kind: Kind) -> Kind {
        self.pos += 1;
        kind
    }

    /// Moves past the bytes of this class that begin at `start`.
    fn run(&mut self, start: usize, class: u8) {
        let mut at = start;
        while at < self.bytes.len() && CLASS[self.bytes[at] as usize] & class != 0 {
            // In `END$$` and `END//` the delimiter ends the word.
            if self.delimiter.is_some() && self.delimiter_at(at).is_some() {
                break;
            }
            at += 1;
        }
        self.pos = at;
    }

    /// `'it''s'`: the quote is written twice.
    fn doubled(&mut self, start: usize, quote: u8, what: Open, kind: Kind) -> Kind {
        let mut at = start + 1;
        while at < self.bytes.len() {
            if self.bytes[at] == quote {
                if self.bytes.get(at + 1) != Some(&quote) {
                    self.pos = at + 1;
                    return kind;
                }
                at += 1;
            }
            at += 1;
        }
        self.pos = self.bytes.len();
        self.unterminated(what, start, start + 1);
        kind
    }

    /// `'it\'s'` and `'it''s'`.
    fn backslashed(&mut self, start: usize, quote: u8) -> Kind {
        match self.find_backslashed(start + 1, quote) {
            Some(end) => self.pos = end,
            None => {
                self.pos = self.bytes.len();
                self.unterminated(Open::Text, start, start + 1);
            }
        }
        Kind::Text
    }

    fn find_backslashed(&self, from: usize, quote: u8) -> Option<usize> {
        let mut at = from;
        while at < self.bytes.len() {
            let byte = self.bytes[at];
            if byte == b'\\' {
                at += 1;
            } else if byte == quote {
                if self.bytes.get(at + 1) != Some(&quote) {
                    return Some(at + 1);
                }
                at += 1;
            }
            at += 1;
        }
        None
    }

    /// `E'…'` of PostgreSQL. A string continues after a line break, and keeps its escapes:
    /// `E'a'⏎'it\'s'` is one string.
    fn escape_text(&mut self, start: usize) {
        let mut opened = start + 1;
        loop {
            let Some(end) = self.find_backslashed(opened + 1, b'\'') else {
                self.pos = self.bytes.len();
                self.unterminated(Open::Text, start, start + 2);
                return;
            };
            self.pos = end;
            match self.continued(end) {
                Some(quote) => opened = quote,
                None => return,
            }
        }
    }

    /// Returns the place of the quote that continues the string that ended here. White space with a line break, and `--`
    /// comments, may be between them.
    fn continued(&mut self, end: usize) -> Option<usize> {
        let mut at = end;
        let mut broken = false;
        loop {
            match self.bytes.get(at)? {
                b'\n' | b'\r' => broken = true,
                b'\'' if broken => return Some(at),
                b'-' if self.bytes.get(at + 1) == Some(&b'-') => {
                    self.pos = at;
                    self.skip_line();
                    at = self.pos;
                    self.pos = end;
                    continue;
                }
                byte if CLASS[*byte as usize] & SPACE != 0 => {}
                _ => return None,
            }
            at += 1;
        }
    }

    /// `[a name]`.
    fn bracketed(&mut self, start: usize) -> Kind {
        match self.bytes[start..].iter().position(|byte| *byte == b']') {
            Some(length) => self.pos = start + length + 1,
            None => {
                self.pos = self.bytes.len();
                self.unterminated(Open::Name, start, start + 1);
            }
        }
        Kind::Name
    }

    /// `$$…$$` and `$tag$…$tag$`. `$1` and a single `$` are not quotes.
    fn dollar(&mut self, start: usize) -> Kind {
        let mut at = start + 1;
        if self.bytes.get(at).is_some_and(|byte| CLASS[*byte as usize] & LETTER != 0) {
            while at < self.bytes.len() && CLASS[self.bytes[at] as usize] & (LETTER | DIGIT) != 0 {
                at += 1;
            }
        }
        if self.bytes.get(at) != Some(&b'$') {
            return self.single(Kind::Other);
        }
        let tag = &self.bytes[start..=at];
        at += 1;
        // A tag contains no dollar, so no comparison reads past the next one, and the time is linear.
        while at < self.bytes.len() {
            if self.bytes[at] == b'$' && self.bytes[at..].starts_with(tag) {
                self.pos = at + tag.len();
                return Kind::Text;
            }
            at += 1;
        }
        self.pos = self.bytes.len();
        self.unterminated(Open::Dollar, start, start + tag.len());
        Kind::Text
    }

    fn unterminated(&mut self, what: Open, start: usize, end: usize) {
        self.unterminated = Some(Unterminated { what, start, end });
    }
}
