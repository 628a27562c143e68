//! Writes values into SQL as libpq does, and says which values can be written as they are.

/// A value as a string. As libpq, with `E''` if it has a backslash, so that no setting of the server changes it.
pub(super) fn literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    match value.contains('\\') {
        true => format!(" E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

/// A value as a name.
pub(super) fn identifier(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

/// Whether a value stays a part of the statement that it is written into: it ends neither the statement nor a quote of
/// its own, begins no comment, and has no variable and no backslash.
pub(super) fn stays_inside(value: &str) -> bool {
    let bytes = value.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        match (byte, next) {
            (b'\'' | b'"', _) => match bytes[at + 1..].iter().position(|found| *found == byte) {
                Some(end) if !bytes[at..at + 1 + end].contains(&b'\\') => at += end + 1,
                Some(_) | None => return false,
            },
            (b';' | b'\\' | b'\0' | b'$', _) | (b'-', Some(b'-')) | (b'/', Some(b'*')) => return false,
            (b'-' | b'/', None) => return false,
            (b':', Some(b':' | b'=')) => at += 1,
            (b':', _) => return false,
            _ => {}
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_as_libpq_does() {
        assert_eq!(literal("it's *"), "'it''s *'");
        assert_eq!(literal("a\\'\n"), " E'a\\\\''\n'");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn a_plain_value_cannot_leave_its_statement() {
        for value in ["1", "a, b", "'it''s'", "\"A;b\"", "x::int", "a := 1", "", "'--'", "a - b", "now()"] {
            assert!(stays_inside(value), "{value}");
        }
        for value in [";", "a; b", "'", "''' ", "\"", "--", "/*", "\\", "'\\'", "$$", ":x", "a:'b'", "x-", "x/", "\0"] {
            assert!(!stays_inside(value), "{value}");
        }
    }
}
