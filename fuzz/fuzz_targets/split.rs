//! Fuzzes the splitter in each dialect: no byte is lost, each statement splits alone in the same way, and
//! concatenated scripts split like each of them alone.

#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::is_inside;
use lockgate_source::core::{Dialect, StatementFlags, StatementKind};
use lockgate_source::sql::{Split, head_comments, split};

fuzz_target!(|text: &str| {
    for range in head_comments(text) {
        is_inside(text, &range);
    }
    for dialect in Dialect::ALL {
        no_byte_is_lost(dialect, text);
        together_as_alone(dialect, text, text);
        let middle = text.floor_char_boundary(text.len() / 2);
        if let Some(line) = text[middle..].find('\n') {
            let (first, second) = text.split_at(middle + line + 1);
            together_as_alone(dialect, first, second);
        }
    }
});

/// Ranges are ordered and inside of the text; what is between them says nothing.
fn no_byte_is_lost(dialect: Dialect, text: &str) {
    let split = split(dialect, text);
    let mut delimiter = None;
    let mut end = if text.starts_with('\u{feff}') { 3 } else { 0 };
    for statement in &split.statements {
        let range = statement.range.clone();
        assert!(end <= range.start && range.start < range.end, "{dialect}: {range:?} behind {end}");
        is_inside(text, &range);
        is_trivia(dialect, delimiter, &text[end..range.start], false);
        end = range.end;
        let piece = &text[range];
        stands_for_itself(dialect, delimiter, piece, statement.kind);
        match statement.kind {
            StatementKind::PsqlLine if piece != "\\;" && !statement.flags.contains(StatementFlags::COPY_DATA) => {
                let rest = text[end..].split('\n').next().unwrap_or_default();
                let blank = rest.bytes().all(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
                assert!(blank, "{dialect}: a line of psql goes on: {rest:?}");
            }
            StatementKind::ClientCommand if dialect == Dialect::Mysql => delimiter = changed(delimiter, piece),
            _ => {}
        }
    }
    is_trivia(dialect, delimiter, &text[end..], true);
    for problem in &split.problems {
        is_inside(text, &problem.range);
        assert!(!problem.range.is_empty() && !problem.message.is_empty() && !problem.help.is_empty(), "{problem:?}");
    }
}

/// The delimiter after this `DELIMITER` line.
fn changed<'a>(before: Option<&'a str>, line: &'a str) -> Option<&'a str> {
    match line["delimiter".len()..].split_ascii_whitespace().next() {
        Some(";") => None,
        Some(word) if word.len() <= 15 => Some(word),
        _ => before,
    }
}

/// Reads white space, comments and terminators up to the end of a gap, without the lexer. The last
/// gap of a text may end in the middle of a comment.
fn is_trivia(dialect: Dialect, delimiter: Option<&str>, gap: &str, last: bool) {
    let (postgres, mysql) = (dialect == Dialect::Postgres, dialect == Dialect::Mysql);
    let mut rest = gap;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => 1,
            0x0b if dialect != Dialect::Sqlite => 1,
            _ if delimiter.is_some_and(|delimiter| rest.starts_with(delimiter)) => delimiter.map_or(0, str::len),
            b';' if delimiter.is_none() => 1,
            b'-' if rest.starts_with("--")
                && (!mysql || rest[2..].bytes().next().is_none_or(|b| b <= b' ' || b == 0x7f)) =>
            {
                line(rest, postgres)
            }
            b'#' if mysql => line(rest, false),
            b'/' if rest.starts_with("/*") => block(rest, postgres).unwrap_or_else(|| {
                assert!(last, "{dialect}: a comment without an end before a statement: {gap:?}");
                rest.len()
            }),
            _ => panic!("{dialect}: lost: {rest:?} of {gap:?}"),
        };
        rest = &rest[length..];
    }
}

fn line(rest: &str, returns: bool) -> usize {
    rest.find(|c| c == '\n' || (returns && c == '\r')).unwrap_or(rest.len())
}

fn block(rest: &str, nests: bool) -> Option<usize> {
    let mut at = 2;
    let mut depth = 1;
    while depth > 0 {
        let close = at + rest[at..].find("*/")?;
        match rest[at..].find("/*").filter(|open| nests && at + open < close) {
            Some(open) => (at, depth) = (at + open + 2, depth + 1),
            None => (at, depth) = (close + 2, depth - 1),
        }
    }
    Some(at)
}

/// A statement that is split again is one statement, of the same kind.
fn stands_for_itself(dialect: Dialect, delimiter: Option<&str>, piece: &str, kind: StatementKind) {
    // The one is not a letter at the head of a text, the others a comment at the end of one and, where no
    // comment follows it any more, a command of the client.
    let mysql = piece.ends_with("--") || piece.eq_ignore_ascii_case("delimiter");
    if piece.starts_with('\u{feff}') || (dialect == Dialect::Mysql && mysql) {
        return;
    }
    let head = delimiter.map_or(String::new(), |delimiter| format!("DELIMITER {delimiter}\n"));
    let statements = split(dialect, &format!("{head}{piece}")).statements;
    assert_eq!(statements.len(), 1 + usize::from(delimiter.is_some()), "{dialect}: {piece:?} is {statements:?}");
    let again = statements.last().map(|statement| (statement.range.clone(), statement.kind));
    assert_eq!(again, Some((head.len()..head.len() + piece.len(), kind)), "{dialect}: {piece:?}");
}

/// If the first text is complete, the second one is split after it as it is split alone.
fn together_as_alone(dialect: Dialect, first: &str, second: &str) {
    if second.starts_with('\u{feff}') {
        return;
    }
    let head = format!("{first}\n;\n");
    let alone = split(dialect, &head);
    let probe = split(dialect, &format!("{head}SELECT 1"));
    let probed = probe.statements.last().is_some_and(|last| last.range == (head.len()..head.len() + "SELECT 1".len()));
    if !alone.problems.is_empty() || !probed {
        return;
    }
    assert_eq!(pieces(&alone, 0), pieces(&probe, 0)[..alone.statements.len()], "{dialect}");
    let together = split(dialect, &format!("{head}{second}"));
    let second = split(dialect, second);
    let expected: Vec<_> = pieces(&alone, 0).into_iter().chain(pieces(&second, head.len())).collect();
    assert_eq!(pieces(&together, 0), expected, "{dialect}");
    let problems = |split: &Split, by: usize| -> Vec<(usize, &'static str)> {
        split.problems.iter().map(|problem| (problem.range.start + by, problem.code)).collect()
    };
    assert_eq!(problems(&together, 0), problems(&second, head.len()), "{dialect}");
}

fn pieces(split: &Split, by: usize) -> Vec<(Range<usize>, StatementKind)> {
    let moved = |range: &Range<usize>| range.start + by..range.end + by;
    split.statements.iter().map(|statement| (moved(&statement.range), statement.kind)).collect()
}
