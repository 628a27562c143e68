//! What the definition of a constraint or an index says about columns: the text form has only the definition.

use crate::model::{ConstraintKind, Name, References};

/// Returns the kind of a constraint by its definition. `None` if this crate does not know it.
pub(crate) fn kind(definition: &str) -> Option<ConstraintKind> {
    [
        ("PRIMARY KEY", ConstraintKind::PrimaryKey),
        ("UNIQUE", ConstraintKind::Unique),
        ("FOREIGN KEY", ConstraintKind::ForeignKey),
        ("CHECK", ConstraintKind::Check),
        ("EXCLUDE", ConstraintKind::Exclude),
        ("NOT NULL", ConstraintKind::NotNull),
    ]
    .into_iter()
    .find_map(|(words, kind)| definition.strip_prefix(words)?.starts_with([' ', '(']).then_some(kind))
}

/// Returns the columns of a constraint of a table with these columns, in the order of the constraint.
pub(crate) fn columns(kind: ConstraintKind, definition: &str, of_table: &[&str]) -> Vec<String> {
    let own = |name: String| of_table.contains(&name.as_str()).then_some(name);
    match kind {
        ConstraintKind::Check => mentioned(definition, of_table),
        ConstraintKind::NotNull => definition
            .strip_prefix("NOT NULL ")
            .and_then(first_name)
            .and_then(|(name, _)| own(name))
            .into_iter()
            .collect(),
        ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::ForeignKey | ConstraintKind::Exclude => {
            list(definition).0.iter().filter_map(|part| name_of_part(part)).filter_map(own).collect()
        }
    }
}

/// Returns what a foreign key refers to.
pub(crate) fn references(definition: &str) -> Option<References> {
    let rest = list(definition).1.strip_prefix(" REFERENCES ")?;
    let (first, mut rest) = first_name(rest)?;
    let mut table = Name::plain(first);
    if let Some(more) = rest.strip_prefix('.') {
        let (name, after) = first_name(more)?;
        table = Name { schema: Some(table.name), name };
        rest = after;
    }
    let columns = match rest.trim_start().starts_with('(') {
        true => list(rest).0,
        false => Vec::new(),
    };
    Some(References { table, columns: columns.iter().filter_map(|part| name_of_part(part)).collect() })
}

/// The column in a list; `None` if an expression is there.
fn name_of_part(part: &str) -> Option<String> {
    let (name, rest) = first_name(part.strip_prefix("PERIOD ").unwrap_or(part))?;
    (rest.is_empty() || rest.starts_with(' ')).then_some(name)
}

/// Returns the keys of `USING btree (a, lower(b) text_ops DESC)` without their order and operator class.
pub fn keys(definition: &str) -> Vec<&str> {
    list(definition).0.into_iter().map(|part| &part[..end_of_key(part)]).collect()
}

/// Returns the parts of the first list in brackets, and what follows it.
pub(crate) fn list(definition: &str) -> (Vec<&str>, &str) {
    let Some(open) = places(definition).find(|(_, c, _)| *c == '(').map(|(at, ..)| at) else {
        return (Vec::new(), "");
    };
    let inside = &definition[open + 1..];
    let (mut found, mut start) = (Vec::new(), 0);
    for (at, c, depth) in places(inside) {
        if depth == 0 && matches!(c, ',' | ')') {
            found.push(inside[start..at].trim_start());
            start = at + 1;
            if c == ')' {
                return (found, &inside[start..]);
            }
        }
    }
    (found, "")
}

/// Where a key ends: before the first blank that is in neither brackets nor quotes.
fn end_of_key(part: &str) -> usize {
    places(part).find(|(_, c, depth)| *depth == 0 && *c == ' ').map_or(part.len(), |(at, ..)| at)
}

/// Each character that is not in quotes, with its place and the number of brackets around it. A closing bracket counts as
/// outside.
fn places(text: &str) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let (mut depth, mut quote) = (0_usize, None);
    text.char_indices().filter_map(move |(at, c)| {
        match (quote, c) {
            (Some(mark), c) => {
                if mark == c {
                    quote = None;
                }
                return None;
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                return None;
            }
            (None, '(' | '[') => {
                depth += 1;
                return Some((at, c, depth - 1));
            }
            (None, ')' | ']') if depth > 0 => {
                depth -= 1;
                // It closes a bracket of this text, and not the list around it.
                return Some((at, ' ', depth + 1));
            }
            (None, _) => {}
        }
        Some((at, c, depth))
    })
}

/// Returns the name at the beginning of a text, without its quotes, and what follows it.
pub(crate) fn first_name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !is_of_word(c)).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

/// The columns that an expression mentions, each once, in the order in which it does. A name before a bracket is a function,
/// and one after `::` a type.
fn mentioned(expression: &str, of_table: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = expression;
    let mut is_type = false;
    while let Some(c) = rest.chars().next() {
        if c == '\'' {
            rest = rest[1..].split_once('\'').map_or("", |(_, after)| after);
        } else if let Some(after) = rest.strip_prefix("::") {
            (rest, is_type) = (after, true);
            continue;
        } else if c == '"' || (is_of_word(c) && !c.is_ascii_digit()) {
            let Some((name, after)) = first_name(rest) else { break };
            let is_other = is_type || (c != '"' && after.starts_with('('));
            if !is_other && of_table.contains(&name.as_str()) && !found.contains(&name) {
                found.push(name);
            }
            rest = after;
        } else {
            rest = match c.is_ascii_digit() {
                true => rest.trim_start_matches(is_of_word),
                false => &rest[c.len_utf8()..],
            };
        }
        is_type = false;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_is_indexed() {
        let check = |text, wanted: &[&str]| assert_eq!(keys(text), wanted, "{text}");
        check("USING btree (a)", &["a"]);
        check("USING btree (a DESC NULLS LAST, \"b, c\" text_ops) INCLUDE (d)", &["a", "\"b, c\""]);
        check(
            "USING gin (lower((b)::text) gin_ops (x='1'), ((a || ') , '::text)) DESC)",
            &["lower((b)::text)", "((a || ') , '::text))"],
        );
        check("USING btree (COALESCE(a, (1)::bigint), b)", &["COALESCE(a, (1)::bigint)", "b"]);
    }

    #[test]
    fn a_definition_says_its_columns() {
        let of = ["a", "b c", "lower", "text", "d"];
        let check = |definition: &str, wanted: &[&str]| {
            let kind = kind(definition).unwrap_or_else(|| panic!("{definition}"));
            assert_eq!(columns(kind, definition, &of), wanted, "{definition}");
        };
        check("PRIMARY KEY (\"b c\", a)", &["b c", "a"]);
        check("UNIQUE NULLS NOT DISTINCT (a) INCLUDE (d)", &["a"]);
        check("UNIQUE (a COLLATE RTRIM, d DESC) ON CONFLICT ROLLBACK", &["a", "d"]);
        check("PRIMARY KEY (a, d WITHOUT OVERLAPS)", &["a", "d"]);
        check("FOREIGN KEY (d, PERIOD a) REFERENCES public.t(x, PERIOD y)", &["d", "a"]);
        check("EXCLUDE USING gist (a WITH =, lower(d) WITH &&) WHERE ((d > 1))", &["a"]);
        check("CHECK (((d)::text ~ 'a'::text) AND (lower(\"b c\") <> 'x''a'::text) AND (d > 1))", &["d", "b c"]);
        check("NOT NULL \"b c\" NO INHERIT", &["b c"]);
        assert_eq!(kind("CHECKED (a)"), None);
        assert_eq!(kind("no constraint"), None);
    }

    #[test]
    fn a_foreign_key_says_what_it_refers_to() {
        let check = |definition: &str, table: Name, columns: &[&str]| {
            let columns = columns.iter().map(|column| (*column).to_owned()).collect();
            assert_eq!(references(definition), Some(References { table, columns }), "{definition}");
        };
        check(
            "FOREIGN KEY (a) REFERENCES public.t(id) ON DELETE SET NULL (a)",
            Name::qualified("public", "t"),
            &["id"],
        );
        check(
            "FOREIGN KEY (a, b) REFERENCES \"T x\".\"u\"\"v\"(c, \"D\")",
            Name::qualified("T x", "u\"v"),
            &["c", "D"],
        );
        check("FOREIGN KEY (a) REFERENCES t (id) ON UPDATE CASCADE", Name::plain("t"), &["id"]);
        check("FOREIGN KEY (a) REFERENCES t ON DELETE SET NULL", Name::plain("t"), &[]);
        assert_eq!(references("CHECK (a)"), None);
    }
}
