//! "Did you mean": small changes around the place where a parser stopped, each tried on the parser
//! itself. What is suggested is therefore known to help.

use lockgate_core::Dialect;

use super::{Wrong, token_at};
use crate::sql::lexer::{Kind, Lexer, Token};
use crate::suggest;

/// Statements above this size are not tried again and again.
const TRIED_MAX: usize = 16 << 10;

/// Looks for a repair. `keywords` are those of the dialect, in lower case; `parse` says where a text
/// is wrong first.
pub(super) fn find(
    dialect: Dialect,
    text: &str,
    wrong: &Wrong,
    keywords: &[String],
    parse: impl Fn(&str) -> Option<usize>,
) -> Option<String> {
    if text.len() > TRIED_MAX {
        return None;
    }
    let repair = Repair { text, at: wrong.range.start, parse };
    let found = token_at(dialect, text, wrong.range.start);
    let before = tokens_before(dialect, text, wrong.range.start);
    repair.keyword(dialect, &before, found, keywords).or_else(|| repair.mark(dialect, &before, found))
}

struct Repair<'a, P> {
    text: &'a str,
    /// Where the parser stopped.
    at: usize,
    parse: P,
}

/// The last tokens before this byte, the nearest first.
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
    /// The text with these bytes replaced.
    fn with(&self, start: usize, end: usize, new: &str) -> String {
        format!("{}{new}{}", &self.text[..start], &self.text[end..])
    }

    /// A keyword with a typing mistake, at the place or shortly before it.
    fn keyword(&self, dialect: Dialect, before: &[Token], found: Token, keywords: &[String]) -> Option<String> {
        let mut further: Option<(usize, &str)> = None;
        for token in std::iter::once(found).chain(before.iter().copied()) {
            let word = &self.text[token.start..token.end];
            if token.kind != Kind::Word || word.len() < 3 || keywords.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                continue;
            }
            for meant in suggest::near(word, keywords.iter().map(String::as_str)).into_iter().take(4) {
                let changed = self.with(token.start, token.end, meant);
                let Some(stop) = (self.parse)(&changed) else { return Some(did_you_mean(meant)) };
                // The statement may have another mistake behind this one.
                let stop = (stop + word.len()).saturating_sub(meant.len());
                let beyond = token_at(dialect, self.text, found.end).end.max(self.at + 1);
                if stop > beyond && further.is_none_or(|(furthest, _)| stop > furthest) {
                    further = Some((stop, meant));
                }
            }
        }
        further.map(|(_, meant)| did_you_mean(meant))
    }

    /// A comma too many or too few, a missing `;`, a word too many.
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
            return Some("write a `,` before it".to_owned());
        }
        let starts = token_at(dialect, self.text, 0).start == found.start;
        (!starts && right(&self.with(found.start, found.end, ""))).then(|| "delete it".to_owned())
    }
}

fn did_you_mean(word: &str) -> String {
    format!("did you mean `{}`?", word.to_uppercase())
}
