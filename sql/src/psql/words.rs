//! The arguments of a command, as psql reads them.

use lockgate_core::psql::{Form, Piece, Place, Word};

/// Reads the words after a command. The error is a message and a help.
pub(super) fn read(text: &str) -> Result<Vec<Word>, (String, String)> {
    let bytes = text.as_bytes();
    let mut words: Vec<Word> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let mut word = Word::new();
        // An empty string in quotes is a word, too.
        push(&mut word, "");
        while at < bytes.len() && !bytes[at].is_ascii_whitespace() {
            at = piece(text, at, &mut word)?;
        }
        let is_empty = |piece: &Piece| matches!(piece, Piece::Text(text) if text.is_empty());
        if word.len() > 1 {
            word.retain(|piece| !is_empty(piece));
        }
        words.push(word);
    }
    Ok(words)
}

/// Reads a piece of a word, and returns where it ends.
fn piece(text: &str, at: usize, word: &mut Word) -> Result<usize, (String, String)> {
    let rest = &text[at..];
    let first = rest.chars().next().unwrap_or_default();
    match first {
        '\'' => quoted(text, at, word),
        '"' => {
            // psql keeps these quotes, and the blanks between them.
            let Some(len) = rest[1..].find('"') else { return Err(unterminated()) };
            push(word, &rest[..len + 2]);
            Ok(at + len + 2)
        }
        '`' => Err((
            "backquotes would start a shell, and no shell is started here".to_owned(),
            "give the script what it needs by `\\getenv name VARIABLE`".to_owned(),
        )),
        '\\' => Err((
            "something follows this command on its line".to_owned(),
            "put it on a line of its own; a backslash in a value is written `'\\\\'`".to_owned(),
        )),
        ':' => match Place::at(text, at) {
            Some(place) => {
                let end = place.range.end;
                word.push(Piece::Variable(place.variable));
                Ok(end)
            }
            None => {
                push(word, ":");
                // `::name` is no variable.
                let doubled = rest.starts_with("::");
                if doubled {
                    push(word, ":");
                }
                Ok(at + 1 + usize::from(doubled))
            }
        },
        _ => {
            push(word, &rest[..first.len_utf8()]);
            Ok(at + first.len_utf8())
        }
    }
}

fn push(word: &mut Word, text: &str) {
    match word.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        Some(Piece::Variable(_)) | None => word.push(Piece::Text(text.to_owned())),
    }
}

fn unterminated() -> (String, String) {
    (
        "this quote has no end on its line".to_owned(),
        "close the quote; a line break in a value is written `'\\n'`".to_owned(),
    )
}

/// Reads `'…'`, where `''` is a quote and a backslash begins an escape.
fn quoted(text: &str, at: usize, word: &mut Word) -> Result<usize, (String, String)> {
    let mut read: Vec<u8> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = at + 1;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (None, _) | (Some(b'\\'), None) => return Err(unterminated()),
            (Some(b'\''), Some(b'\'')) => {
                read.push(b'\'');
                at += 2;
            }
            (Some(b'\''), _) => break,
            (Some(b'\\'), Some(escaped)) => {
                let digits = |from: usize, most: usize, is: fn(&u8) -> bool| {
                    bytes[from..].iter().take(most).take_while(|byte| is(byte)).count()
                };
                let octal = digits(at + 1, 3, |byte| matches!(byte, b'0'..=b'7'));
                let hexadecimal = if *escaped == b'x' { digits(at + 2, 2, u8::is_ascii_hexdigit) } else { 0 };
                let number =
                    |from: usize, len: usize, base| u32::from_str_radix(&text[from..from + len], base).unwrap_or(0);
                let (byte, len) = match escaped {
                    b'n' => (b'\n', 2),
                    b't' => (b'\t', 2),
                    b'b' => (0x08, 2),
                    b'r' => (b'\r', 2),
                    b'f' => (0x0c, 2),
                    _ if octal > 0 => ((number(at + 1, octal, 8) & 0xff) as u8, 1 + octal),
                    b'x' if hexadecimal > 0 => (number(at + 2, hexadecimal, 16) as u8, 2 + hexadecimal),
                    other => (*other, 2),
                };
                read.push(byte);
                at += len;
            }
            (Some(byte), _) => {
                read.push(*byte);
                at += 1;
            }
        }
    }
    let Ok(read) = String::from_utf8(read) else {
        return Err(("this value is not UTF-8".to_owned(), "write its bytes as UTF-8".to_owned()));
    };
    push(word, &read);
    Ok(at + 1)
}

/// Whether a word is this text.
pub(super) fn is(word: &Word, text: &str) -> bool {
    matches!(word.as_slice(), [Piece::Text(found)] if found == text)
}

/// A word without double quotes, as psql reads names.
pub(super) fn without_quotes(word: &Word) -> Option<Word> {
    let [Piece::Text(text)] = word.as_slice() else {
        let is_plain = |piece: &Piece| matches!(piece, Piece::Variable(variable) if variable.form == Form::Plain);
        return word.iter().all(is_plain).then(|| word.clone());
    };
    let name = match quoted_name(text) {
        Some(name) => name?,
        None if text.contains('"') => return None,
        None => text.clone(),
    };
    (!name.is_empty() && !name.contains('=') && name != "-").then(|| vec![Piece::Text(name)])
}

/// What a text in double quotes is, in which two of them stand for one. `None` if it is not in quotes, and `Some(None)` if
/// there is a single one in it.
fn quoted_name(text: &str) -> Option<Option<String>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let name = inner.replace("\"\"", "\0");
    Some((!name.contains('"')).then(|| name.replace('\0', "\"")))
}

/// The database in `"dbname='…'"`.
pub(super) fn database_of(word: &Word) -> Option<Word> {
    let [Piece::Text(text)] = word.as_slice() else { return None };
    let unquoted = quoted_name(text)??;
    let inner = unquoted.strip_prefix("dbname='")?.strip_suffix('\'')?;
    let mut name = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?),
            '\'' => return None,
            c => name.push(c),
        }
    }
    Some(vec![Piece::Text(name)])
}
