//! Finds the comments in a script, and the tokens between them.

use std::ops::Range;

use lockgate_core::{Dialect, StatementKind};

use super::lexer::{Kind, Lexer};
use super::split;

/// Where the comments and the tokens of a script begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Where each comment begins.
    pub comments: Vec<usize>,
    /// Where each token of a statement begins.
    pub tokens: Vec<usize>,
}

/// Finds the comments of a script. Skips what only looks like one: in a string, in a function's body, within
/// another comment, or in the data of a `COPY`.
pub fn layout(dialect: Dialect, text: &str) -> Layout {
    let statements = split::split(dialect, text).statements;
    // Ranges that the lexer cannot read: psql commands and COPY data may have unpaired quotation marks.
    let mut opaque: Vec<Range<usize>> = Vec::new();
    for statement in statements {
        match statement.data {
            Some(data) => opaque.push(data),
            None if statement.kind == StatementKind::PsqlLine => opaque.push(statement.range),
            None => {}
        }
    }
    let mut opaque = opaque.into_iter().peekable();
    let mut lexer = Lexer::new(dialect, text, 0);
    let mut layout = Layout::default();
    loop {
        let before = layout.comments.len();
        let token = lexer.next_after(|start| layout.comments.push(start));
        if token.kind == Kind::End {
            return layout;
        }
        if let Some(skipped) = opaque.next_if(|range| token.start >= range.start) {
            let kept = layout.comments[before..].iter().filter(|start| **start < skipped.start).count();
            layout.comments.truncate(before + kept);
            layout.tokens.push(skipped.start);
            lexer = Lexer::new(dialect, text, skipped.end);
        } else if token.kind != Kind::Terminator {
            layout.tokens.push(token.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: Dialect, text: &str, expected: &[&str]) {
        let comments = layout(dialect, text).comments;
        let lines: Vec<&str> = comments.iter().map(|at| text[*at..].lines().next().unwrap_or_default()).collect();
        assert_eq!(lines, expected, "{text}");
    }

    #[test]
    fn comments_are_those_of_the_dialect() {
        use Dialect::{Mysql, Postgres, Sqlite};
        let text = "--a\nSELECT '\n--b\n' /* \n--c\n*/ -- d\n;";
        for dialect in [Postgres, Sqlite] {
            check(dialect, text, &["--a", "/* ", "-- d"]);
        }
        check(Mysql, text, &["/* ", "-- d"]);
        check(Postgres, "SELECT $$\n-- a\n$$;\n-- b", &["-- b"]);
        check(Postgres, "\\echo it's\n-- a\nCOPY t FROM stdin;\n-- b\nit's\n\\.\n-- c\n", &["-- a", "-- c"]);
    }
}
