//! Characters that look like a blank or a quotation mark, or like nothing, and that databases take for letters: they come
//! with text that was copied from a web page or a word processor.

use std::ops::Range;

use lockgate_core::Dialect;

use super::{FindingKind, ParserFinding};
use crate::lexer::{Kind, Lexer};

/// Finds the first such character in a word of the statement. In strings, comments and quoted names they do no harm.
pub(super) fn find(dialect: Dialect, text: &str, statement: Range<usize>) -> Option<ParserFinding> {
    if text[statement.clone()].is_ascii() {
        return None;
    }
    let mut lexer = Lexer::new(dialect, text, statement.start);
    loop {
        let token = lexer.next();
        if token.kind == Kind::End || token.start >= statement.end {
            return None;
        }
        if token.kind != Kind::Word {
            continue;
        }
        let word = &text[token.start..token.end];
        let Some((at, char, look)) =
            word.char_indices().find_map(|(at, char)| Some((at, char, look(dialect, at, char)?)))
        else {
            continue;
        };
        let code = format!("U+{:04X}", u32::from(char));
        let (what, repair) = match look {
            Look::Blank => ("looks like a blank", "write a space instead"),
            Look::Nothing => ("cannot be seen", "delete it"),
            Look::Quote => {
                ("is a quotation mark of text, not of SQL", "write `'` around a string, and `\"` around a name")
            }
        };
        let message = format!("the character {code} {what}, and databases take it for a letter of a name");
        let start = token.start + at;
        let mut wrong = ParserFinding::new(start..start + char.len_utf8(), FindingKind::Refused(message));
        wrong.repair = Some(repair.to_owned());
        return Some(wrong);
    }
}

/// What a character looks like.
#[derive(Clone, Copy)]
enum Look {
    Blank,
    Nothing,
    Quote,
}

fn look(dialect: Dialect, at: usize, char: char) -> Option<Look> {
    match char {
        // SQLite skips it.
        '\u{feff}' if dialect == Dialect::Sqlite => None,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
            Some(Look::Nothing)
        }
        _ if !char.is_ascii() && char.is_whitespace() => Some(Look::Blank),
        '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{b4}' if at == 0 => Some(Look::Quote),
        _ => None,
    }
}
