//! Measures how deeply a statement is nested, before a parser sees it. A recursive parser goes at most one
//! level deeper for each token, so counting tokens bounds its stack.

use std::ops::Range;

use lockgate_core::{Dialect, Statement, StatementKind};

use crate::lexer::{Kind, Lexer};

/// The limit for nested brackets. People write ten, generators fifty; PostgreSQL itself handles some
/// thousands.
const DEPTH_MAX: usize = 250;

/// The limit for the depth at any place: the tokens since the last comma, in every bracket that is open
/// there. A chain of operators is as deep as it is long, and parsing it takes quadratic time.
const TOKENS_MAX: usize = 4_000;

/// The limit for nested blocks in a body.
const BLOCKS_MAX: usize = 200;

/// Returns the greatest depth in a statement, in tokens.
///
/// # Errors
///
/// The token at which a limit is exceeded.
pub(super) fn depth(dialect: Dialect, text: &str, statement: &Statement) -> Result<usize, Range<usize>> {
    let has_body = matches!(statement.kind, StatementKind::CreateFunction | StatementKind::Do);
    measure(dialect, &text[..statement.range.end], statement.range.start, has_body && dialect == Dialect::Postgres)
}

fn measure(dialect: Dialect, text: &str, start: usize, bodies: bool) -> Result<usize, Range<usize>> {
    let mut lexer = Lexer::new(dialect, text, start);
    // Tokens since the last comma: in the innermost bracket, and in those around it.
    let mut here = 0_usize;
    let mut around: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    let mut deepest = 0_usize;
    loop {
        let token = lexer.next();
        let opens = token.kind == Kind::Open || lexer.is_byte(token, b'[');
        let closes = token.kind == Kind::Close || lexer.is_byte(token, b']');
        if token.kind == Kind::End {
            return Ok(deepest);
        } else if closes {
            depth -= here;
            here = around.pop().unwrap_or(0);
        } else if token.kind == Kind::Terminator || lexer.is_byte(token, b',') {
            depth -= here;
            here = 0;
        } else {
            here += 1;
            depth += 1;
            if opens {
                around.push(here);
                here = 0;
            } else if bodies && token.kind == Kind::Text {
                let inner = inside(lexer.bytes(token));
                let body = token.start + inner.start..token.start + inner.end;
                deepest = deepest.max(measure(dialect, &text[..body.end], body.start, false)?);
                if let Some(found) = blocks(text, body) {
                    return Err(found);
                }
            }
        }
        deepest = deepest.max(depth);
        if depth > TOKENS_MAX || around.len() > DEPTH_MAX {
            return Err(token.start..token.end);
        }
    }
}

/// Returns the range between the quotes of a string token, which may lack the last quote.
pub(super) fn inside(token: &[u8]) -> Range<usize> {
    let opener = match token.first() {
        Some(b'$') => token[1..].iter().position(|byte| *byte == b'$').map_or(1, |tag| tag + 2),
        Some(b'\'') => 1,
        _ => 2,
    };
    let start = opener.min(token.len());
    let closer: &[u8] = if token.first() == Some(&b'$') { &token[..start] } else { b"'" };
    let body = &token[start..];
    start..start + body.strip_suffix(closer).unwrap_or(body).len()
}

/// Returns the token at which the blocks of a body are nested too deep. Blocks have no brackets, and a `;`
/// does not end them.
fn blocks(text: &str, body: Range<usize>) -> Option<Range<usize>> {
    let mut lexer = Lexer::new(Dialect::Postgres, &text[..body.end], body.start);
    let mut depth = 0_usize;
    let (mut starts, mut ended) = (true, false);
    loop {
        let token = lexer.next();
        let is = |word| lexer.is(token, word);
        if token.kind == Kind::End {
            return None;
        } else if is("end") {
            depth = depth.saturating_sub(1);
        } else if !ended && (is("begin") || is("loop") || is("case") || (starts && is("if"))) {
            depth += 1;
            if depth > BLOCKS_MAX {
                return Some(token.start..token.end);
            }
        }
        ended = is("end");
        starts = token.kind == Kind::Terminator
            || lexer.is_byte(token, b'>')
            || ["begin", "then", "else", "loop"].into_iter().any(is);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split;

    fn is_too_deep(text: &str) -> bool {
        let statements = split(Dialect::Postgres, text).statements;
        statements.iter().any(|statement| depth(Dialect::Postgres, text, statement).is_err())
    }

    #[test]
    fn ordinary_statements_are_within_the_limits() {
        assert!(!is_too_deep(&format!("SELECT {}1{};", "(".repeat(100), ")".repeat(100))));
        assert!(!is_too_deep(&format!("INSERT INTO t VALUES (1, 'a'){};", ", (1 + 2, 'b')".repeat(100_000))));
        assert!(!is_too_deep(&format!("CREATE TABLE t (a int{});", ", b text NOT NULL DEFAULT ''".repeat(5_000))));
        assert!(!is_too_deep(&format!("SELECT 1 WHERE a = 1{};", " OR a = 2".repeat(500))));
        assert!(!is_too_deep(&format!("SELECT (1)){};", ")".repeat(1_000))));
        let body =
            "IF a THEN b := 1; END IF; FOR x IN 1..2 LOOP NULL; END LOOP; DROP TABLE IF EXISTS t; ".repeat(1_000);
        assert!(!is_too_deep(&format!("DO $$ BEGIN {body} END $$;")));
    }

    #[test]
    fn statements_nested_too_deep_are_found() {
        assert!(is_too_deep(&format!("SELECT {}1{};", "(".repeat(1_000), ")".repeat(1_000))));
        assert!(is_too_deep(&format!("SELECT ARRAY{}1{};", "[".repeat(1_000), "]".repeat(1_000))));
        assert!(is_too_deep(&format!("SELECT {}1;", "NOT ".repeat(10_000))));
        assert!(is_too_deep(&format!("SELECT 1{};", "+1".repeat(10_000))));
        assert!(is_too_deep(&format!(
            "DO $$ BEGIN {} NULL; {} END $$;",
            "IF a THEN x := 1; ".repeat(500),
            "END IF; ".repeat(500)
        )));
        assert!(is_too_deep(&format!("DO $x$ {} NULL; {} $x$;", "BEGIN ".repeat(500), "END; ".repeat(500))));
        let body = format!("SELECT {}1{}", "(".repeat(1_000), ")".repeat(1_000));
        assert!(is_too_deep(&format!("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ {body} $$;")));
        assert!(is_too_deep(&format!("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ' {body} ';")));
    }

    #[test]
    fn a_string_without_an_end_is_cut_between_characters() {
        for text in ["DO $x$ ੾", "DO $੾$ ੾", "DO '੾", "DO E'੾", "DO '", "DO E'", "DO $$"] {
            assert!(!is_too_deep(text), "{text}");
        }
    }

    #[test]
    fn a_million_brackets_take_no_time() {
        assert!(is_too_deep(&format!("SELECT {}1{};", "(".repeat(1_000_000), ")".repeat(1_000_000))));
    }
}
