//! Parses rows in PostgreSQL's record format: `(1,"a ""b""",,t)`. A query returns all rows in one text, because reading
//! a thousand rows through the driver costs more than reading the catalogues.

use std::borrow::Cow;
use std::vec::IntoIter;

use lockgate_schema::Detail;

use crate::error::{Cause, Class};

/// Iterates over the rows of an answer.
pub(super) struct Rows<'a> {
    rest: &'a str,
}

/// The cells of one row, from left to right.
pub(super) struct Row<'a> {
    cells: IntoIter<Option<Cow<'a, str>>>,
}

/// Parses all rows of an answer.
pub(super) fn rows(text: &str) -> Rows<'_> {
    Rows { rest: text }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, Cause>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let row = self.row().ok_or_else(|| unreadable(self.rest));
        if row.is_err() {
            self.rest = "";
        }
        Some(row)
    }
}

impl<'a> Rows<'a> {
    /// Parsed by hand, byte by byte: most cells are empty or short, and users' tests are built without optimisation.
    fn row(&mut self) -> Option<Row<'a>> {
        let text = self.rest;
        let bytes = text.as_bytes();
        let mut cells = Vec::with_capacity(24);
        let mut at = 0;
        if *bytes.first()? != b'(' {
            return None;
        }
        loop {
            at += 1;
            match *bytes.get(at)? {
                b',' | b')' => cells.push(None),
                b'"' => {
                    let (cell, end) = unquoted(text, at + 1, true)?;
                    cells.push(Some(cell));
                    at = end;
                }
                _ => {
                    let start = at;
                    while !matches!(*bytes.get(at)?, b',' | b')') {
                        at += 1;
                    }
                    cells.push(Some(Cow::Borrowed(text.get(start..at)?)));
                }
            }
            match *bytes.get(at)? {
                b',' => {}
                b')' => break,
                _ => return None,
            }
        }
        self.rest = &text[at + 1..];
        Some(Row { cells: cells.into_iter() })
    }
}

impl<'a> Row<'a> {
    fn next(&mut self) -> Result<Option<Cow<'a, str>>, Cause> {
        self.cells.next().ok_or_else(|| unreadable("a row that is too short"))
    }

    pub(super) fn maybe(&mut self) -> Result<Option<String>, Cause> {
        Ok(self.next()?.map(Cow::into_owned))
    }

    pub(super) fn text(&mut self) -> Result<String, Cause> {
        self.maybe()?.ok_or_else(|| unreadable("NULL where a text was to be"))
    }

    /// A text that is null only if the object was dropped after the snapshot was taken.
    pub(super) fn definition(&mut self) -> Result<String, Cause> {
        self.maybe()?.ok_or_else(|| Cause::new(Class::Overtaken, "an object was dropped while it was read"))
    }

    pub(super) fn oid(&mut self) -> Result<u32, Cause> {
        self.number()
    }

    pub(super) fn int(&mut self) -> Result<i64, Cause> {
        self.number()
    }

    /// One letter, as in many catalogues. A blank for null.
    pub(super) fn letter(&mut self) -> Result<char, Cause> {
        Ok(self.next()?.and_then(|text| text.chars().next()).unwrap_or(' '))
    }

    pub(super) fn flag(&mut self) -> Result<bool, Cause> {
        Ok(self.next()?.is_some_and(|text| text == "t"))
    }

    /// An array of texts. Empty for NULL.
    pub(super) fn list(&mut self) -> Result<Vec<String>, Cause> {
        Ok(self.maybe_list()?.unwrap_or_default())
    }

    pub(super) fn maybe_list(&mut self) -> Result<Option<Vec<String>>, Cause> {
        let Some(text) = self.next()? else { return Ok(None) };
        let elements = elements(&text).ok_or_else(|| unreadable(&text))?;
        Ok(Some(elements.into_iter().flatten().collect()))
    }

    /// An array of alternating names and values, without NULL values.
    pub(super) fn pairs(&mut self) -> Result<Vec<Detail>, Cause> {
        let Some(text) = self.next()? else { return Ok(Vec::new()) };
        let elements = elements(&text).ok_or_else(|| unreadable(&text))?;
        let pairs = elements
            .chunks_exact(2)
            .filter_map(|pair| Some(Detail { name: pair[0].clone()?, value: pair[1].clone()? }));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort();
        Ok(pairs)
    }

    fn number<N: std::str::FromStr>(&mut self) -> Result<N, Cause> {
        let text = self.next()?.unwrap_or(Cow::Borrowed("NULL"));
        text.parse().map_err(|_| unreadable(&text))
    }
}

/// Reads a quoted text from this byte on, and returns the byte after it. A record doubles quotes and backslashes; an
/// array escapes both with a backslash.
fn unquoted(text: &str, from: usize, doubled: bool) -> Option<(Cow<'_, str>, usize)> {
    let bytes = text.as_bytes();
    let (mut start, mut at) = (from, from);
    let mut cell = Cow::Borrowed("");
    loop {
        let byte = *bytes.get(at)?;
        if byte != b'"' && byte != b'\\' {
            at += 1;
            continue;
        }
        let plain = text.get(start..at)?;
        cell = if cell.is_empty() { Cow::Borrowed(plain) } else { cell + plain };
        let escaped = if doubled { bytes.get(at + 1) == Some(&byte) } else { byte == b'\\' };
        if escaped {
            // The character after the escape is part of the text, whatever it is.
            start = at + 1;
            at += 2;
        } else {
            return (byte == b'"').then_some((cell, at + 1));
        }
    }
}

/// The elements of `{a,"b c",NULL}`.
fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let mut rest = text.strip_prefix('{')?;
    let mut found = Vec::new();
    while !rest.starts_with('}') {
        if rest.starts_with('"') {
            let (element, end) = unquoted(rest, 1, false)?;
            found.push(Some(element.into_owned()));
            rest = &rest[end..];
        } else {
            let end = rest.find([',', '}'])?;
            found.push((&rest[..end] != "NULL").then(|| rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(found)
}

fn unreadable(what: &str) -> Cause {
    let start: String = what.chars().take(60).collect();
    Cause::new(Class::Unknown, format!("the server's answer is not understood at `{start}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        let text =
            "(1,\"a \"\"b\"\" \\\\ (c),\",,t,\"\")(2,x,\"{a,\"\"b \\\\\"\"c\\\\\\\\\"\",NULL}\",f,\"two\nlines\")";
        let mut rows = rows(text);
        let mut row = rows.next().unwrap().unwrap();
        assert_eq!(row.oid().unwrap(), 1);
        assert_eq!(row.text().unwrap(), "a \"b\" \\ (c),");
        assert_eq!(row.maybe().unwrap(), None);
        assert!(row.flag().unwrap());
        assert_eq!(row.maybe().unwrap().unwrap(), "");
        assert!(row.maybe().is_err());
        let mut row = rows.next().unwrap().unwrap();
        assert_eq!((row.int().unwrap(), row.text().unwrap()), (2, "x".to_owned()));
        assert_eq!(row.list().unwrap(), ["a", "b \"c\\"]);
        assert!(!row.flag().unwrap());
        assert_eq!(row.text().unwrap(), "two\nlines");
        assert!(rows.next().is_none());
    }

    #[test]
    fn an_invalid_record_is_an_error_and_not_a_panic() {
        for text in ["(", "x", "(a", "(\"a", "(\"a\"", "(\"a\\", "(a,b)c"] {
            assert!(rows(text).any(|row| row.is_err()), "{text}");
        }
        for text in ["{", "{a", "{\"a", "a"] {
            assert_eq!(elements(text), None, "{text}");
        }
        assert_eq!(elements("{}"), Some(Vec::new()));
    }
}
