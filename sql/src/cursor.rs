//! A cursor over the tokens of one statement, held as a slice, which can be split at commas and entered at brackets.

use std::fmt;
use std::ops::Range;

use lockgate_core::Dialect;

use crate::lexer::{Kind, Lexer, Token};

/// A name, possibly with a schema before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// For comparisons: its last part in lower case and without quotes; for a table, after its schema, unless that is the
    /// usual one. It is never shown.
    pub(crate) key: String,
    /// Its byte range.
    pub(crate) range: Range<usize>,
    /// The name as messages and helps show it.
    pub(crate) written: Written,
}

/// A name as SQL must write it, with its schema, its case and the quotes that it needs. The SQL in helps is built only
/// from these, so that it cannot name another table than the script does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    schema: String,
    last: String,
}

/// The schema of temporary tables, in a [`Name::key`].
pub(crate) const TEMPORARY: &str = "pg_temp";

impl Name {
    /// The same name as that of a table or a view: tables of one name in two schemas are two.
    pub(crate) fn of_table(mut self) -> Self {
        if let Some(schema) = self.written.schema() {
            self.key = format!("{schema}.{}", self.key);
        }
        self
    }

    /// The new name of this table, which stays in its schema.
    pub(crate) fn renamed(&self, to: Self) -> Self {
        let key = match self.key.rsplit_once('.') {
            Some((schema, _)) => format!("{schema}.{}", to.key),
            None => to.key,
        };
        Self { key, ..to }
    }
}

/// The last part of a [`Name::key`], as the words of a script have it.
pub(crate) fn last_of(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

impl Written {
    /// Joins the last parts of several names with `_`, as the server does to name a constraint.
    pub(crate) fn joined(parts: &[&str]) -> Self {
        let bare: Vec<String> = parts.iter().map(|part| bare(part)).collect();
        // PostgreSQL truncates longer names.
        const LONGEST: usize = 63;
        let (end, rest) = bare.split_last().map_or(("", &[][..]), |(end, rest)| (end.as_str(), rest));
        let mut start = rest.join("_");
        while start.len() + 1 + end.len() > LONGEST && start.pop().is_some() {}
        let name = if start.is_empty() { end.to_owned() } else { format!("{start}_{end}") };
        Self { schema: String::new(), last: quoted_where_needed(&name) }
    }

    /// This name with a number at its end, as the server chooses one if a name is taken.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        let last = quoted_where_needed(&format!("{}{number}", bare(&self.last)));
        Self { schema: self.schema.clone(), last }
    }

    /// Its last part.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    /// Whether a schema is written before it.
    pub(crate) fn has_schema(&self) -> bool {
        !self.schema.is_empty()
    }

    /// Its schema, as in [`Name::key`]. `None` for the usual one.
    fn schema(&self) -> Option<String> {
        let parts = self.schema.strip_suffix('.')?;
        let start = if parts.ends_with('"') { parts.trim_end_matches('"').rfind('"') } else { parts.rfind('.') };
        let last = key(&parts[start.map_or(0, |at| at + usize::from(!parts.ends_with('"')))..]);
        match last.as_str() {
            "public" | "main" => None,
            "temp" => Some(TEMPORARY.to_owned()),
            _ => Some(last),
        }
    }

    /// Another name in the same schema.
    pub(crate) fn beside(&self, last: &Self) -> Self {
        Self { schema: self.schema.clone(), last: last.last.clone() }
    }

    /// The object of this name in the schema of this name.
    pub(crate) fn within(&self, last: &Self) -> Self {
        Self { schema: format!("{self}."), last: last.last.clone() }
    }

    /// Adds a part, as the script writes it.
    fn push(&mut self, part: &str) {
        if !self.last.is_empty() {
            self.schema.push_str(&self.last);
            self.schema.push('.');
        }
        // Double quotes mean the same in every dialect that the rules know, and do not end a help's backticks.
        let is_foreign = part.starts_with(['[', '`', '\'']) || unescaped(part).is_some();
        self.last = if is_foreign { quoted(&bare(part)) } else { part.to_owned() };
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.schema, self.last)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted_where_needed(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain && !name.starts_with(|c: char| c.is_ascii_digit()) { name.to_owned() } else { quoted(name) }
}

/// Returns a name without its quotes; a name that has none, in lower case.
fn bare(name: &str) -> String {
    if let Some(name) = unescaped(name) {
        return name;
    }
    let mut chars = name.chars();
    let close = match chars.next() {
        Some('[') => ']',
        Some(quote @ ('"' | '`' | '\'')) => quote,
        _ => return name.to_lowercase(),
    };
    let inner = chars.as_str();
    inner.strip_suffix(close).unwrap_or(inner).replace(&format!("{close}{close}"), &close.to_string())
}

/// A position among the tokens of a statement, or of a part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a str,
    pub(crate) tokens: &'a [Token],
}

/// Returns the tokens of a statement without its terminator, up to a maximum number.
pub(crate) fn tokens(dialect: Dialect, text: &str, range: Range<usize>, max: usize) -> Vec<Token> {
    let mut lexer = Lexer::new(dialect, &text[..range.end], range.start);
    let mut tokens = Vec::new();
    while tokens.len() < max {
        let token = lexer.next();
        match token.kind {
            Kind::End | Kind::Terminator => break,
            Kind::CodeOpen | Kind::CodeClose => {}
            Kind::Name if dialect == Dialect::Postgres && begins_unicode(text, &tokens, token) => {
                tokens.pop();
                let prefix = tokens.pop().expect("`U` comes before the `&`");
                tokens.push(Token { start: prefix.start, ..token });
            }
            Kind::Text if dialect == Dialect::Postgres && sets_escape(text, &tokens) => {
                tokens.pop();
                let name = tokens.last_mut().expect("a name comes before `UESCAPE`");
                name.end = token.end;
            }
            _ => tokens.push(token),
        }
    }
    tokens
}

/// Whether `U&` stands right before this quoted name, so that it may have escapes.
fn begins_unicode(text: &str, before: &[Token], name: Token) -> bool {
    let [.., prefix, mark] = before else { return false };
    prefix.end == mark.start
        && mark.end == name.start
        && text[prefix.start..prefix.end].eq_ignore_ascii_case("u")
        && &text[mark.start..mark.end] == "&"
}

/// Whether `UESCAPE` stands after a name with escapes: the string after it says which character begins one.
fn sets_escape(text: &str, before: &[Token]) -> bool {
    let [.., name, word] = before else { return false };
    name.kind == Kind::Name
        && unescaped(&text[name.start..name.end]).is_some()
        && word.kind == Kind::Word
        && text[word.start..word.end].eq_ignore_ascii_case("uescape")
}

/// Returns the name in `U&"…"`, perhaps with `UESCAPE '…'` after it. What is no escape stays as it is.
fn unescaped(name: &str) -> Option<String> {
    let inner = name.strip_prefix(['U', 'u'])?.strip_prefix("&\"")?;
    let (inner, after) = inner.rsplit_once('"').unwrap_or((inner, ""));
    let escape = after.split('\'').nth(1).and_then(|quoted| quoted.chars().next()).unwrap_or('\\');
    let inner = inner.replace("\"\"", "\"");
    let mut units = Vec::new();
    let mut rest = inner.as_str();
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let (digits, length) = if after.starts_with('+') { (after.get(1..7), 7) } else { (after.get(..4), 4) };
        let code = digits.filter(|_| c == escape).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                match u16::try_from(code) {
                    Ok(unit) => units.push(unit),
                    Err(_) => units.extend(char::from_u32(code)?.encode_utf16(&mut [0; 2]).iter()),
                }
                rest = &after[length..];
            }
            None => {
                units.extend(c.encode_utf16(&mut [0; 2]).iter());
                // The escape twice is the character itself.
                let doubled = c == escape && after.starts_with(escape);
                rest = if doubled { &after[escape.len_utf8()..] } else { after };
            }
        }
    }
    Some(String::from_utf16_lossy(&units))
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self { text, tokens }
    }

    /// The text of these tokens.
    pub(crate) fn on(&self, tokens: &'a [Token]) -> Self {
        Self { tokens, ..*self }
    }

    pub(crate) fn first(&self) -> Option<Token> {
        self.tokens.first().copied()
    }

    pub(crate) fn ended(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(crate) fn next(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    /// The byte range from the first token to the last.
    pub(crate) fn range(&self) -> Range<usize> {
        match self.tokens {
            [] => 0..0,
            [first, .., last] => first.start..last.end,
            [one] => one.start..one.end,
        }
    }

    pub(crate) fn shown(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    pub(crate) fn is(&self, word: &str) -> bool {
        self.is_any(&[word])
    }

    pub(crate) fn is_any(&self, words: &[&str]) -> bool {
        let Some(token) = self.tokens.first().filter(|token| token.kind == Kind::Word) else { return false };
        let shown = &self.text.as_bytes()[token.start..token.end];
        // Without optimizations, a call costs more than a comparison.
        words.iter().any(|word| word.len() == shown.len() && word.as_bytes().eq_ignore_ascii_case(shown))
    }

    pub(crate) fn is_mark(&self, mark: &str) -> bool {
        self.first().is_some_and(|token| token.kind == Kind::Other && self.shown(token) == mark)
    }

    /// Moves past the words between CREATE and the kind of object. Returns whether the object is temporary.
    pub(crate) fn adjectives(&mut self) -> bool {
        const ADJECTIVES: [&str; 11] = [
            "global",
            "local",
            "temp",
            "temporary",
            "unlogged",
            "unique",
            "materialized",
            "recursive",
            "constraint",
            "virtual",
            "foreign",
        ];
        let mut temporary = false;
        while self.is_any(&ADJECTIVES) {
            temporary |= self.is_any(&["temp", "temporary"]);
            self.next();
        }
        temporary
    }

    /// Moves past these words if all of them follow here, and returns whether they did.
    pub(crate) fn take(&mut self, words: &str) -> bool {
        // Without optimizations, the rest is slow, and mostly the first letter already differs.
        match self.tokens.first() {
            Some(token) if token.kind == Kind::Word => {
                if !self.text.as_bytes()[token.start].eq_ignore_ascii_case(&words.as_bytes()[0]) {
                    return false;
                }
            }
            _ => return false,
        }
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

    /// Moves past the first of these words at this level, and returns whether there was one.
    pub(crate) fn seek(&mut self, words: &str) -> bool {
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

    /// Whether these words follow in a row somewhere at this level.
    pub(crate) fn has(&self, words: &str) -> bool {
        self.clone().seek(words)
    }

    /// Moves past a name.
    pub(crate) fn name(&mut self) -> Option<Name> {
        let start = self.first()?.start;
        let mut written = Written::default();
        loop {
            let token = self.first()?;
            if !matches!(token.kind, Kind::Word | Kind::Name | Kind::Text) {
                return None;
            }
            written.push(self.shown(token));
            self.next();
            if self.is_mark(".") {
                self.next();
                continue;
            }
            return Some(Name { key: key(self.shown(token)), range: start..token.end, written });
        }
    }

    /// Moves past the name of a table or a view.
    pub(crate) fn table(&mut self) -> Option<Name> {
        self.name().map(Name::of_table)
    }

    /// Moves past a name and returns it as the database stores it: with its schema, without quotes, and in lower case
    /// where it was not quoted. The default schema, `public` or `main`, is left out.
    pub(crate) fn path(&mut self) -> Option<String> {
        let before = self.tokens;
        let name = self.name()?;
        let tokens = before.iter().take_while(|token| token.end <= name.range.end);
        let parts = tokens.filter(|token| token.kind != Kind::Other).map(|token| {
            let shown = self.shown(*token);
            match shown.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
                Some(inner) => inner.replace("\"\"", "\""),
                None => unescaped(shown).unwrap_or_else(|| key(shown)),
            }
        });
        let parts: Vec<String> = parts.collect();
        let usual = parts.len() == 2 && ["public", "main"].contains(&&*parts[0]);
        Some(parts[usize::from(usual)..].join("."))
    }

    /// Reads a list of names.
    pub(crate) fn names(&mut self) -> Vec<Name> {
        let mut names = Vec::new();
        while let Some(name) = self.name() {
            names.push(name);
            // Skip the arguments of a function.
            self.group();
            if !self.is_mark(",") {
                break;
            }
            self.next();
        }
        names
    }

    /// Returns the contents of the parentheses that open here, and moves past them.
    pub(crate) fn group(&mut self) -> Option<Self> {
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

    /// Splits at the commas of this level.
    pub(crate) fn pieces(&self) -> Vec<Self> {
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

    /// Returns the tokens before the first of these words at this level, but at least one token. Moves to that
    /// word.
    pub(crate) fn before(&mut self, words: &[&str]) -> Self {
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

    /// Returns the tokens as written, without comments, with one blank for each piece of white space.
    pub(crate) fn written(&self) -> String {
        let mut written = String::new();
        let mut end = None;
        for token in self.tokens {
            if end.is_some_and(|end| end < token.start) {
                written.push(' ');
            }
            written.push_str(self.shown(*token));
            end = Some(token.end);
        }
        written
    }

    /// Returns the tokens in lower case, names without quotes, with a blank only between words.
    pub(crate) fn plain(&self) -> String {
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

/// Returns a name in lower case and without its quotes. The closing quote may be missing.
pub(crate) fn key(name: &str) -> String {
    if let Some(name) = unescaped(name) {
        return name.to_lowercase();
    }
    let close = match name.chars().next() {
        Some('[') => ']',
        Some(quote @ ('"' | '`' | '\'')) => quote,
        _ => return name.to_lowercase(),
    };
    let inner = &name[1..];
    inner.strip_suffix(close).unwrap_or(inner).to_lowercase()
}

impl<'a> Cursor<'a> {
    /// Returns the contents of the next parentheses at this level.
    pub(crate) fn seek_group(mut self) -> Option<Self> {
        while !self.ended() {
            if let Some(group) = self.group() {
                return Some(group);
            }
            self.next();
        }
        None
    }
}
