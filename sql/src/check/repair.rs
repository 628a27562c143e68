//! Finds "did you mean" repairs: small changes around the place where a parser stopped. Each is tried with
//! the parser, so every suggestion helps.

use lockgate_core::Dialect;

use super::{FindingKind, ParserFinding, foreign, token_at};
use crate::lexer::{Kind, Lexer, Token};
use crate::suggest;

/// No repair is looked for in longer statements, because each attempt parses the statement again.
const TRIED_MAX: usize = 16 << 10;

/// Looks for a repair. `keywords` are the dialect's, in lower case, and
/// `names_column` knows those that may be the name of a column; `parse` returns where a text first stops
/// being valid.
pub(super) fn find(
    dialect: Dialect,
    text: &str,
    mut wrong: ParserFinding,
    keywords: &[String],
    names_column: fn(&str) -> bool,
    parse: impl Fn(&str) -> Option<usize>,
) -> ParserFinding {
    if wrong.repair.is_some() || text.len() > TRIED_MAX {
        return wrong;
    }
    let found = token_at(dialect, text, wrong.range.start);
    let before = tokens_before(dialect, text, wrong.range.start);
    let expected = match &mut wrong.kind {
        FindingKind::Unexpected { expected, .. } => Some(expected),
        _ => None,
    };
    let could_end = expected.as_ref().is_some_and(|expected| expected.is_none());
    let repair = Repair { text, at: wrong.range.start, could_end, parse };
    if let Some(help) = foreign::help(dialect, text, found.start) {
        wrong.repair = Some(help.to_owned());
        return wrong;
    }
    if expected.as_ref().is_some_and(|expected| expected.as_deref() == Some("a name"))
        && let Some(quoted) = repair.quoted(dialect, found, keywords)
    {
        wrong.repair = Some(quoted);
        return wrong;
    }
    if let Some((token, word)) = repair.keyword(dialect, &before, found, keywords) {
        let word = format!("`{}`", word.to_uppercase());
        wrong.repair = Some(format!("did you mean {word}?"));
        if let Some(expected) = expected.filter(|_| token == found) {
            *expected = Some(word);
        }
        return wrong;
    }
    wrong.repair = repair.mark(dialect, &before, found);
    // Parsers of lists end the list where they find a reserved word: `CREATE TABLE t (a int, user text)`. A word that may
    // name a column is none: it is the type of one that the parser took for something else.
    if wrong.repair.is_none()
        && let Some(Some(other)) = &expected
        && other != "an expression"
        && !names_column(&text[found.start..found.end].to_lowercase())
        && let Some(quoted) = repair.quoted(dialect, found, keywords)
    {
        wrong.repair = Some(quoted);
        if let Some(expected) = expected {
            *expected = Some("a name".to_owned());
        }
        return wrong;
    }
    // Parsers of lists expect a comma at almost any mistake, so it is shown only if adding it helps.
    if let Some(expected) = expected.filter(|expected| expected.as_deref() == Some("`,`"))
        && wrong.repair.as_deref() != Some(COMMA)
    {
        *expected = None;
    }
    wrong
}

/// The repair of a reserved word.
pub(super) fn quote(word: &str) -> String {
    format!("write `\"{word}\"`, here and wherever it is used, or choose another name")
}

const COMMA: &str = "write a `,` before it";

/// Words that are common elsewhere, and the ones to use instead.
const SYNONYMS: [(&str, &str); 4] =
    [("delete", "drop"), ("remove", "drop"), ("modify", "alter"), ("substitute", "replace")];

struct Repair<'a, P> {
    text: &'a str,
    /// Where the parser stopped.
    at: usize,
    /// Whether the parser expected nothing in particular.
    could_end: bool,
    parse: P,
}

/// Returns the last tokens before this byte, nearest first.
fn tokens_before(dialect: Dialect, text: &str, at: usize) -> Vec<Token> {
    let mut lexer = Lexer::new(dialect, text, 0);
    let mut last = Vec::new();
    loop {
        let token = lexer.next();
        if token.kind == Kind::End || token.start >= at {
            last.reverse();
            last.truncate(3);
            return last;
        }
        last.push(token);
    }
}

impl<P: Fn(&str) -> Option<usize>> Repair<'_, P> {
    /// Returns the text with these bytes replaced.
    fn with(&self, start: usize, end: usize, new: &str) -> String {
        format!("{}{new}{}", &self.text[..start], &self.text[end..])
    }

    /// Tries a keyword as a name in quotes. It helps if the parser then gets beyond the next token.
    fn quoted(&self, dialect: Dialect, found: Token, keywords: &[String]) -> Option<String> {
        const QUOTES: usize = 2;
        let word = self.text[found.start..found.end].to_lowercase();
        if found.kind != Kind::Word || !keywords.contains(&word) {
            return None;
        }
        let next = token_at(dialect, self.text, found.end);
        let stop = (self.parse)(&self.with(found.start, found.end, &format!("\"{word}\"")));
        stop.is_none_or(|stop| stop >= next.end + QUOTES).then(|| quote(&word))
    }

    /// Looks for a misspelt keyword at the place or shortly before it.
    fn keyword<'k>(
        &self,
        dialect: Dialect,
        before: &[Token],
        found: Token,
        keywords: &'k [String],
    ) -> Option<(Token, &'k str)> {
        let mut further: Option<(usize, (Token, &str))> = None;
        for token in std::iter::once(found).chain(before.iter().copied()) {
            let word = &self.text[token.start..token.end];
            if let Some((_, meant)) = SYNONYMS.iter().find(|(written, _)| written.eq_ignore_ascii_case(word))
                && (self.parse)(&self.with(token.start, token.end, meant)).is_none()
            {
                return Some((token, meant));
            }
            if token.kind != Kind::Word
                || word.len() < 3
                || keywords.iter().any(|known| known.eq_ignore_ascii_case(word))
            {
                continue;
            }
            for meant in suggest::near(word, keywords.iter().map(String::as_str)).into_iter().take(4) {
                let changed = self.with(token.start, token.end, meant);
                let Some(stop) = (self.parse)(&changed) else { return Some((token, meant)) };
                // The statement may have another mistake after this one.
                let stop = (stop + word.len()).saturating_sub(meant.len());
                let beyond = token_at(dialect, self.text, found.end).end.max(self.at + 1);
                if stop > beyond && further.is_none_or(|(furthest, _)| stop > furthest) {
                    further = Some((stop, (token, meant)));
                }
            }
        }
        further.map(|(_, repair)| repair)
    }

    /// Tries to add or remove a comma, to add a `;` or a `)`, and to remove a word.
    fn mark(&self, dialect: Dialect, before: &[Token], found: Token) -> Option<String> {
        let right = |text: &str| (self.parse)(text).is_none();
        let last = before.first().copied();
        if let Some(comma) = last.filter(|last| &self.text[last.start..last.end] == ",")
            && right(&self.with(comma.start, comma.end, ""))
        {
            return Some("delete the `,` before it".to_owned());
        }
        if matches!(found.kind, Kind::End | Kind::Terminator) {
            return right(&self.with(found.start, found.start, ")")).then(|| "close a parenthesis with `)`".to_owned());
        }
        let line = self.text[..found.start].rfind('\n').map_or(0, |newline| newline + 1);
        let begins_line = self.text[line..found.start].trim().is_empty();
        if begins_line && line > 0 && found.kind == Kind::Word {
            let (first, second) = self.text.split_at(found.start);
            if right(&format!("{};", first.trim_end())) && (self.parse)(second).is_none_or(|stop| stop > 0) {
                return Some("end the statement before it with `;`".to_owned());
            }
        }
        if right(&self.with(found.start, found.start, ", ")) {
            return Some(COMMA.to_owned());
        }
        // Removing the word may be right if the parser expected nothing in particular.
        let starts = token_at(dialect, self.text, 0).start == found.start;
        (self.could_end && !starts && right(&self.with(found.start, found.end, ""))).then(|| "delete it".to_owned())
    }
}
