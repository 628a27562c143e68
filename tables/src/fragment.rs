//! Pieces of SQL in an attribute: whether they are closed in themselves, so that they cannot swallow what follows.
//! Whether they are right is for the database to say.

/// Says what keeps this text from being an expression or a clause of its own.
pub(crate) fn problem(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    let mut open = 0_usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // A doubled quote closes a text and opens the next one, which amounts to the same.
        if matches!(c, '\'' | '"' | '`') && !chars.any(|other| other == c) {
            return Some(format!("has a `{c}` that is never closed"));
        }
        match (c, chars.peek()) {
            ('(', _) => open += 1,
            (')', _) => match open.checked_sub(1) {
                Some(less) => open = less,
                None => return Some("has a `)` without a `(`".to_owned()),
            },
            ('-', Some('-')) | ('/', Some('*')) => {
                return Some("has a comment: write it in Rust".to_owned());
            }
            (';', _) => return Some("has a `;`: it is a part of a statement, not a statement".to_owned()),
            ('\0', _) => return Some("has a NUL character".to_owned()),
            _ => {}
        }
    }
    (open > 0).then(|| "has a `(` that is never closed".to_owned())
}

/// Whether SQLite takes this as a default without parentheses: a literal or one of three keywords.
pub(crate) fn is_literal(text: &str) -> bool {
    let text = text.trim();
    let number = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | 'x' | 'X'));
    let inside = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    let is_text = inside.is_some_and(|inside| !inside.replace("''", "").contains('\''));
    let keywords = ["null", "true", "false", "current_timestamp", "current_date", "current_time"];
    is_number || is_text || keywords.contains(&text.to_ascii_lowercase().as_str())
}

/// Whether the text is in one pair of parentheses.
pub(crate) fn is_in_parentheses(text: &str) -> bool {
    let Some(inside) = text.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')')) else { return false };
    inside.trim().is_empty() || problem(inside).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_swallow_the_rest_is_found() {
        for text in ["now()", "'a''b'", "price > 0 AND (a OR b)", "'--;('", "\"a)\" = 1", "1 - -2"] {
            assert_eq!(problem(text), None, "{text}");
        }
        for text in ["", " ", "now(", "now())", "'new", "a -- b", "a /* b */", "1; DROP TABLE users", "\"a", "\0"] {
            assert!(problem(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_literal_is_told_from_an_expression() {
        for text in ["0", "-1.5", "0x1F", "'new'", "'it''s'", "NULL", "current_timestamp"] {
            assert!(is_literal(text), "{text}");
        }
        for text in ["now()", "'a' || 'b'", "1 + 1", "abs(-1)"] {
            assert!(!is_literal(text), "{text}");
        }
        assert!(is_in_parentheses("(1 + (2))") && !is_in_parentheses("(1) + (2)") && !is_in_parentheses("1"));
    }
}
