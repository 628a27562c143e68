//! Strings such as `E'\x41'` whose escapes PostgreSQL refuses, because they make no text.

use lockgate_core::Dialect;

use crate::check::{FindingKind, ParserFinding};
use crate::lexer::{Kind, Lexer};

/// Finds the first such string of a statement.
pub(super) fn find(text: &str) -> Option<ParserFinding> {
    if !text.contains('\\') {
        return None;
    }
    let mut lexer = Lexer::new(Dialect::Postgres, text, 0);
    loop {
        let token = lexer.next();
        if token.kind == Kind::End {
            return None;
        }
        let string = &text[token.start..token.end];
        if token.kind != Kind::Text || !string.starts_with(['e', 'E']) {
            continue;
        }
        if let Err((at, length, message)) = read(string.as_bytes()) {
            let start = token.start + at;
            // An escape ends where its digits do, and those are ASCII.
            let end = (start + length).min(token.end);
            let found = text.get(start..end).unwrap_or(string);
            let message = message.replace("{}", found);
            return Some(ParserFinding::new(start..start + found.len(), FindingKind::Refused(message)));
        }
    }
}

type Wrong = (usize, usize, &'static str);

const NUL: &str = "`{}` is the character NUL, which no text of PostgreSQL may have";
const CODE: &str = "`{}` is no character of Unicode";
const DIGITS: &str = "`{}` is not complete: `\\u` has four hexadecimal digits, and `\\U` eight";
const PAIR: &str = "`{}` is half of a surrogate pair, and the other half is missing";
const UTF8: &str = "`{}` is not UTF-8: bytes such as these are written `'\\xff'::bytea`";

/// Reads an `E'…'`, and returns the place and the length of what is wrong with it.
fn read(bytes: &[u8]) -> Result<(), Wrong> {
    let mut value: Vec<u8> = Vec::with_capacity(bytes.len());
    // The escapes that made a byte of their own, each with its place in the value.
    let mut made: Vec<(usize, usize, usize)> = Vec::new();
    let mut high: Option<(u32, usize, usize)> = None;
    // After `E'`.
    let mut at = 2;
    while let Some(byte) = bytes.get(at).copied() {
        let half = high.filter(|_| !matches!(bytes.get(at..at + 2), Some([b'\\', b'u' | b'U'])));
        if let Some((_, at, length)) = half {
            return Err((at, length, PAIR));
        }
        match byte {
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => {
                value.push(byte);
                at += 2;
            }
            b'\'' => {
                // The string ends, or goes on in another line.
                let Some(next) = bytes[at + 1..].iter().position(|byte| *byte == b'\'') else { break };
                at += next + 2;
            }
            b'\\' => {
                let Some(escape) = bytes.get(at + 1).copied() else { break };
                let digits = |from: usize, most: usize, radix: u32| {
                    let digits = bytes[from.min(bytes.len())..].iter().take(most);
                    digits.take_while(|byte| char::from(**byte).is_digit(radix)).count()
                };
                let number = |from: usize, count: usize, radix: u32| {
                    let digits = bytes[from..from + count].iter();
                    digits.fold(0_u32, |number, byte| {
                        number.wrapping_mul(radix).wrapping_add(char::from(*byte).to_digit(radix).unwrap_or(0))
                    })
                };
                let (from, count, radix) = match escape {
                    b'0'..=b'7' => (at + 1, digits(at + 1, 3, 8), 8),
                    b'x' => (at + 2, digits(at + 2, 2, 16), 16),
                    b'u' => (at + 2, digits(at + 2, 4, 16), 16),
                    b'U' => (at + 2, digits(at + 2, 8, 16), 16),
                    _ => (at + 2, 0, 10),
                };
                let (code, length) = (number(from, count, radix), from + count - at);
                match escape {
                    b'u' | b'U' => {
                        if count < if escape == b'u' { 4 } else { 8 } {
                            return Err((at, length, DIGITS));
                        }
                        match (high.take(), code) {
                            (Some((first, ..)), 0xDC00..=0xDFFF) => {
                                let code = 0x10000 + ((first - 0xD800) << 10) + (code - 0xDC00);
                                push(&mut value, code);
                            }
                            (Some((_, at, length)), _) => return Err((at, length, PAIR)),
                            (None, 0xD800..=0xDBFF) => high = Some((code, at, length)),
                            (None, 0xDC00..=0xDFFF) => return Err((at, length, PAIR)),
                            (None, 0) => return Err((at, length, NUL)),
                            (None, 0x0011_0000..) => return Err((at, length, CODE)),
                            (None, _) => push(&mut value, code),
                        }
                    }
                    _ if count > 0 => {
                        // As in the server, only the last eight bits of `\777` count.
                        let byte = code.to_le_bytes()[0];
                        if byte == 0 {
                            return Err((at, length, NUL));
                        }
                        made.push((value.len(), at, length));
                        value.push(byte);
                    }
                    _ => value.push(escape),
                }
                at += length;
            }
            _ => {
                value.push(byte);
                at += 1;
            }
        }
    }
    if let Some((_, at, length)) = high {
        return Err((at, length, PAIR));
    }
    let Err(error) = std::str::from_utf8(&value) else { return Ok(()) };
    let wrong = error.valid_up_to();
    // What is wrong may begin with a byte that was written as it is only if an escape follows it.
    let escape = made.iter().find(|(place, ..)| *place >= wrong).or(made.last());
    escape.map_or(Ok(()), |(_, at, length)| Err((*at, *length, UTF8)))
}

fn push(value: &mut Vec<u8>, code: u32) {
    let mut buffer = [0; 4];
    value.extend(char::from_u32(code).unwrap_or('?').encode_utf8(&mut buffer).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_that_make_no_text_are_found() {
        for (text, expected) in [
            (r"SELECT E'\000';", r"\000"),
            (r"SELECT e'a\x00b';", r"\x00"),
            (r"SELECT E'\0';", r"\0"),
            (r"SELECT E'\400';", r"\400"),
            (r"SELECT E'\u0000';", r"\u0000"),
            (r"SELECT E'\U00110000';", r"\U00110000"),
            (r"SELECT E'\u12';", r"\u12"),
            (r"SELECT E'\U0001234';", r"\U0001234"),
            (r"SELECT E'\uD800x';", r"\uD800"),
            (r"SELECT E'\uD800';", r"\uD800"),
            (r"SELECT E'\uD800\u0041';", r"\uD800"),
            (r"SELECT E'\uDC00';", r"\uDC00"),
            (r"SELECT E'\xff';", r"\xff"),
            (r"SELECT E'é\xc3';", r"\xc3"),
            (r"SELECT E'\303x';", r"\303"),
            ("SELECT E'a'\n  'b\\xff';", r"\xff"),
            (r"SELECT '\xff', E'it\'s\xfe';", r"\xfe"),
        ] {
            let found = find(text).map(|wrong| text[wrong.range].to_owned());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        for text in [
            r"SELECT E'\n\t\\ \'x\' it''s \q \x41 \xZ \101 \u00e9 \U0001F600 \uD83D\uDE00 é';",
            r"SELECT E'\xc3\xa9', E'\303\251';",
            r"SELECT E'\\xff'::bytea, '\000', $$ E'\000' $$, B'0', U&'\0000';",
            "SELECT E'a\\n'\n 'it''s \\u0041';",
            "-- E'\\000'\nSELECT E'', E'\\",
            r"SELECT E'\uD83D\U0000DE00';",
        ] {
            assert!(find(text).is_none(), "{text}: {:?}", find(text));
        }
    }
}
