//! Writes names and texts as SQL, and reads those of a dump back.

use std::fmt;

/// A table; on PostgreSQL with its schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl TableName {
    /// Whether this is a name of the table, with its schema or without.
    pub(crate) fn goes_by(&self, name: &str) -> bool {
        self.name == name || self.schema.is_some() && self.to_string() == name
    }

    /// Its name as SQL quotes it.
    pub(crate) fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", identifier(schema), identifier(&self.name)),
            None => identifier(&self.name),
        }
    }

    /// Reads a quoted name at the beginning of a text, and returns the rest.
    pub(crate) fn parse(text: &str) -> Option<(Self, &str)> {
        let (first, rest) = parse_identifier(text)?;
        match rest.strip_prefix('.') {
            Some(rest) => {
                let (name, rest) = parse_identifier(rest)?;
                Some((Self { schema: Some(first), name }, rest))
            }
            None => Some((Self { schema: None, name: first }, rest)),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// An identifier as SQL quotes it.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL quotes it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A list of columns: `("id", "name")`.
pub(crate) fn columns(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| identifier(name)).collect();
    format!("({})", names.join(", "))
}

/// Reads a quoted identifier at the beginning of a text, and returns the rest.
pub(crate) fn parse_identifier(text: &str) -> Option<(String, &str)> {
    parse_quoted(text, '"')
}

/// Reads a text in quotation marks at the beginning of a text, and returns the rest.
pub(crate) fn parse_literal(text: &str) -> Option<(String, &str)> {
    parse_quoted(text, '\'')
}

/// Reads a list of columns at the beginning of a text, and returns the rest.
pub(crate) fn parse_columns(text: &str) -> Option<(Vec<String>, &str)> {
    let mut rest = text.strip_prefix('(')?;
    let mut names = Vec::new();
    loop {
        let (name, after) = parse_identifier(rest)?;
        names.push(name);
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None => return Some((names, after.strip_prefix(')')?)),
        }
    }
}

fn parse_quoted(text: &str, mark: char) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix(mark)?;
    let mut read = String::new();
    loop {
        let end = rest.find(mark)?;
        read.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(mark) {
            Some(after) => {
                read.push(mark);
                rest = after;
            }
            None => return Some((read, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read() {
        let table = TableName { schema: Some("we\"ird".to_owned()), name: "a.b".to_owned() };
        let text = format!("{} rest", table.quoted());
        assert_eq!(TableName::parse(&text), Some((table, " rest")));
        let names = vec!["id".to_owned(), "x\", \"y".to_owned()];
        assert_eq!(parse_columns(&columns(&names)), Some((names, "")));
        assert_eq!(parse_literal("'it''s', 7"), Some(("it's".to_owned(), ", 7")));
        assert_eq!(parse_literal("'it''s"), None);
        assert_eq!(parse_columns("(\"id\"; DROP"), None);
    }
}
