//! SQLite's grammar, by a parser that is made from SQLite's own grammar file.

use std::sync::OnceLock;

use lockgate_core::Dialect;
use sqlite3_parser::lexer::sql::{Error, Parser, ParserError};
use sqlite3_parser::{Bump, FallibleIterator as _};

use super::{Wrong, repair, stuck, token_at};

/// What is wrong with one statement.
pub(super) fn check(text: &str) -> Option<Wrong> {
    let at = first(text)?;
    let mut wrong = stuck(Dialect::Sqlite, text, at, expected(text, at));
    wrong.repair = repair::find(Dialect::Sqlite, text, &wrong, keywords(), first);
    Some(wrong)
}

/// Where the text stops being SQLite.
fn first(text: &str) -> Option<usize> {
    let bump = Bump::new();
    let mut parser = Parser::new(&bump, text.as_bytes());
    loop {
        match parser.next() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => return place(text, error),
        }
    }
}

/// The byte of an error, of those that SQLite has too: what the parser finds beyond its grammar
/// (a column that occurs twice) is for SQLite to judge.
fn place(text: &str, error: Error) -> Option<usize> {
    let position = match error {
        Error::ParserError(ParserError::SyntaxError(_) | ParserError::UnexpectedEof, position)
        | Error::UnrecognizedToken(position)
        | Error::UnterminatedLiteral(position)
        | Error::UnterminatedBracket(position)
        | Error::BadNumber(position)
        | Error::ExpectedEqualsSign(position)
        | Error::MalformedBlobLiteral(position)
        | Error::MalformedHexInteger(position) => position?,
        // `$::name(x)` is a parameter to SQLite, and a comment may end with the text.
        _ => return None,
    };
    let line = text.split_inclusive('\n').take(position.line - 1).map(str::len).sum::<usize>();
    Some(text.floor_char_boundary((line + position.column - 1).min(text.len())))
}

/// What could stand here, found by trying; nothing where that would be a long list.
fn expected(text: &str, at: usize) -> Option<String> {
    const TRIED_MAX: usize = 2 << 10;
    const SHOWN_MAX: usize = 4;
    let at = token_at(Dialect::Sqlite, text, at).start;
    if at > TRIED_MAX {
        return None;
    }
    let before = &text[..at];
    let takes = |token: &str| first(&format!("{before} {token} ")).is_none_or(|stop| stop > at + 1);
    let (name, constant) = (takes("\"x\""), takes("1"));
    if name && constant {
        return Some("an expression".to_owned());
    } else if name {
        return Some("a name".to_owned());
    }
    let marks = ["(", ")", ",", "="].into_iter().filter(|mark| takes(mark)).map(str::to_owned);
    let words = keywords().iter().filter(|word| takes(word)).map(|word| word.to_uppercase());
    let mut all: Vec<String> = marks.chain(words).take(SHOWN_MAX + 1).map(|word| format!("`{word}`")).collect();
    if all.len() > SHOWN_MAX {
        return None;
    }
    let last = all.pop()?;
    Some(if all.is_empty() { last } else { format!("{} or {last}", all.join(", ")) })
}

/// Every keyword, in lower case.
fn keywords() -> &'static [String] {
    static KEYWORDS: OnceLock<Vec<String>> = OnceLock::new();
    KEYWORDS.get_or_init(|| WORDS.split_whitespace().map(str::to_owned).collect())
}

const WORDS: &str = "abort action add after all alter always analyze and as asc attach autoincrement before begin \
    between by cascade case cast check collate column commit conflict constraint create cross current current_date \
    current_time current_timestamp database default deferrable deferred delete desc detach distinct do drop each else \
    end escape except exclude exclusive exists explain fail filter first following for foreign from full generated \
    glob group groups having if ignore immediate in index indexed initially inner insert instead intersect into is \
    isnull join key last left like limit match materialized natural no not nothing notnull null nulls of offset on or \
    order others outer over partition plan pragma preceding primary query raise range recursive references regexp \
    reindex release rename replace restrict returning right rollback row rows savepoint select set strict table temp \
    temporary then ties to transaction trigger unbounded union unique update using vacuum values view virtual when \
    where window with without rowid";
