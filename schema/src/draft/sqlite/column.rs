//! What a type and a default of SQLite mean.

use crate::model::Column;

/// What SQLite makes of a value that is stored in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

/// Returns the affinity of a type, by SQLite's five rules.
pub(super) fn affinity(data_type: &str) -> Affinity {
    let has = |words: &[&str]| words.iter().any(|word| data_type.contains(word));
    match () {
        () if has(&["INT"]) => Affinity::Integer,
        () if has(&["CHAR", "CLOB", "TEXT"]) => Affinity::Text,
        () if has(&["BLOB"]) || data_type.is_empty() => Affinity::Blob,
        () if has(&["REAL", "FLOA", "DOUB"]) => Affinity::Real,
        () => Affinity::Numeric,
    }
}

/// Returns a value that fits a type, for rows whose value nobody has said.
pub(super) fn placeholder(data_type: &str, is_strict: bool) -> String {
    let is_a_time = ["DATE", "TIME"].iter().any(|word| data_type.contains(word));
    match affinity(data_type) {
        Affinity::Text => "''".to_owned(),
        Affinity::Blob if is_strict || !data_type.is_empty() => "x''".to_owned(),
        Affinity::Blob => "''".to_owned(),
        Affinity::Numeric if is_a_time => "CURRENT_TIMESTAMP".to_owned(),
        // The type of a STRICT table that takes everything.
        Affinity::Numeric if data_type == "ANY" => "''".to_owned(),
        Affinity::Integer | Affinity::Real | Affinity::Numeric => "0".to_owned(),
    }
}

/// Returns a value that differs in each row.
pub(super) fn distinct_placeholder(data_type: &str) -> String {
    match affinity(data_type) {
        Affinity::Blob if data_type == "BLOB" => "CAST(row_number() OVER () AS BLOB)".to_owned(),
        Affinity::Integer | Affinity::Text | Affinity::Blob | Affinity::Real | Affinity::Numeric => {
            "row_number() OVER ()".to_owned()
        }
    }
}

/// Whether a default is a value that `ADD COLUMN` accepts on a table with rows, and not something that SQLite computes.
pub(super) fn is_constant(default: &str) -> bool {
    let unsigned = default.strip_prefix(['-', '+']).unwrap_or(default);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_')
        || unsigned.starts_with(|c: char| c.is_ascii_digit()) && unsigned.parse::<f64>().is_ok();
    is_number || is_text(default) || is_word(default, &["NULL", "TRUE", "FALSE"])
}

/// Whether a default can stand without brackets.
pub(super) fn is_plain(default: &str) -> bool {
    is_constant(default) || is_word(default, &["CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"])
}

/// Whether it is one string, or one blob.
fn is_text(default: &str) -> bool {
    let text = default.strip_prefix('x').unwrap_or(default);
    let inside = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    inside.is_some_and(|inside| !inside.replace("''", "").contains('\''))
}

fn is_word(default: &str, words: &[&str]) -> bool {
    words.iter().any(|word| default.eq_ignore_ascii_case(word))
}

/// Whether the column has a default that is not NULL.
pub(super) fn has_value_by_default(column: &Column) -> bool {
    column.default.as_ref().is_some_and(|default| !default.eq_ignore_ascii_case("NULL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_is_a_value() {
        for default in ["1", "-1.5", "+2", "'it''s'", "''", "x'00'", "NULL", "TRUE", "1e5", "1.5e-3", "0xff", ".5"] {
            assert!(is_constant(default), "{default}");
        }
        for default in ["CURRENT_TIMESTAMP", "1 + 1", "lower('A')", "'a' || 'b'", "-(1)", "random()"] {
            assert!(!is_constant(default), "{default}");
        }
        assert!(is_plain("CURRENT_DATE") && !is_plain("'a' || 'b'"));
    }

    #[test]
    fn a_type_has_the_affinity_of_its_words() {
        for (data_type, expected) in [
            ("BIGINT", Affinity::Integer),
            ("VARCHAR(40)", Affinity::Text),
            ("", Affinity::Blob),
            ("DOUBLE PRECISION", Affinity::Real),
            ("TIMESTAMP", Affinity::Numeric),
            ("CHARINT", Affinity::Integer),
        ] {
            assert_eq!(affinity(data_type), expected, "{data_type}");
        }
    }
}
