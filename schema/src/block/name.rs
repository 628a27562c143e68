//! Writes names, in quotes only if they could be misread.

use crate::model::Name;

/// Writes a name with its schema.
pub(crate) fn qualified(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", ident(schema), ident(&name.name)),
        None => ident(&name.name),
    }
}

/// Writes a name, in quotes unless it is a plain word in lower case.
pub(crate) fn ident(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { quoted(name, '"') }
}

/// Writes a value of an enum.
pub(super) fn literal(value: &str) -> String {
    quoted(value, '\'')
}

/// Writes the name of an object that is not on a table. Its arguments are written as they are, unless a part of the
/// name could be misread.
pub(super) fn routine(name: &str) -> String {
    let before_arguments = name.split('(').next().unwrap_or("");
    let misleading = name.is_empty()
        || name != name.trim()
        || name.starts_with('"')
        || before_arguments.contains('.')
        || name.contains(" on ")
        // `operator class` must not be read as an operator.
        || name.starts_with("class ")
        || name.starts_with("family ")
        || name.chars().any(|c| c.is_control() || c == '\\');
    if misleading { quoted(name, '"') } else { name.to_owned() }
}

/// Writes a word before ` = `, ` to ` or the end of its line.
pub(super) fn word(word: &str) -> String {
    let plain = !word.is_empty()
        && word == word.trim()
        && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.'))
        && !word.contains(" to ");
    if plain { word.to_owned() } else { quoted(word, '"') }
}

/// Quotes a text. Quotes in it are doubled, and control characters are escaped.
fn quoted(text: &str, quote: char) -> String {
    let mut written = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => written.push_str("\\\\"),
            c if c.is_control() => written.extend(c.escape_default()),
            c => {
                written.push(c);
                if c == quote {
                    written.push(c);
                }
            }
        }
    }
    written.push(quote);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_word_has_no_quotes() {
        for (name, written) in [
            ("users", "users"),
            ("_x9", "_x9"),
            ("Users", "\"Users\""),
            ("9a", "\"9a\""),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\\nb\""),
            ("a\\nb", "\"a\\\\nb\""),
        ] {
            assert_eq!(ident(name), written);
        }
    }

    #[test]
    fn arguments_are_shown_as_they_are() {
        for (name, written) in [
            ("add(integer, integer)", "add(integer, integer)"),
            ("uuid-ossp", "uuid-ossp"),
            ("at(pg_catalog.int4)", "at(pg_catalog.int4)"),
            ("a.b", "\"a.b\""),
            ("a on b", "\"a on b\""),
            ("class a", "\"class a\""),
            ("family a", "\"family a\""),
            (" a", "\" a\""),
            ("", "\"\""),
            ("a\nb()", "\"a\\nb()\""),
            ("a\\b", "\"a\\\\b\""),
            ("\"a\"", "\"\"\"a\"\"\""),
        ] {
            assert_eq!(routine(name), written);
        }
    }

    #[test]
    fn a_word_cannot_be_confused_with_what_follows() {
        for (name, written) in [
            ("fillfactor", "fillfactor"),
            ("security label for x", "security label for x"),
            ("a = b", "\"a = b\""),
            ("a to b", "\"a to b\""),
            ("", "\"\""),
            ("a ", "\"a \""),
        ] {
            assert_eq!(word(name), written);
        }
    }
}
