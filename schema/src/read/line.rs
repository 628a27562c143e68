//! Parses the lines of a text into a tree, and the names in them.

use super::Wrong;

/// A line and the lines below it.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// The line without its indentation.
    pub(super) text: &'a str,
    /// The position of its text.
    pub(super) start: usize,
    /// The lines below it that begin with `|`.
    pub(super) lines: Option<String>,
    /// The other lines below it.
    pub(super) below: Vec<Node<'a>>,
}

impl Node<'_> {
    pub(super) fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong(self.start..self.start + self.text.len(), message.into())
    }

    /// Refuses lines below a line that cannot have any.
    pub(super) fn is_all(&self) -> Result<(), Wrong> {
        match (self.below.first(), &self.lines) {
            (Some(node), _) => Err(node.wrong(format!("nothing can be below `{}`", self.text))),
            (None, Some(_)) => Err(self.wrong(format!("`{}` has no lines that begin with `|`", self.text))),
            (None, None) => Ok(()),
        }
    }
}

/// Returns the lines that are not indented, with the others below them.
pub(super) fn nodes(text: &str) -> Result<Vec<Node<'_>>, Wrong> {
    // A checkout may have changed the line endings.
    let has_returns = text.split_once('\n').is_some_and(|(first, _)| first.ends_with('\r'));
    let mut open: Vec<Node<'_>> = Vec::new();
    let mut found = Vec::new();
    let mut start = 0;
    for whole in text.split('\n') {
        let line = if has_returns { whole.strip_suffix('\r').unwrap_or(whole) } else { whole };
        let at = start;
        start += whole.len() + 1;
        if line.is_empty() {
            continue;
        }
        let indented = line.len() - line.trim_start_matches(' ').len();
        let (text, at, depth) = (&line[indented..], at + indented, indented / 2);
        let place = at..at + text.len();
        if indented % 2 == 1 || depth > open.len() {
            return Err(Wrong(
                place,
                "a line must be indented by two blanks more than the line that it belongs to".to_owned(),
            ));
        }
        close(&mut open, depth, &mut found);
        if let Some(rest) = text.strip_prefix('|') {
            let Some(owner) = open.last_mut() else {
                return Err(Wrong(place, "a line that begins with `|` must have a line above it".to_owned()));
            };
            let rest = match rest.strip_prefix(' ') {
                _ if !owner.below.is_empty() => None,
                Some(rest) => Some(rest),
                None if rest.is_empty() => Some(""),
                None => None,
            };
            let Some(rest) = rest else {
                return Err(Wrong(
                    place,
                    "a line that begins with `|` and a blank must follow the line that it belongs to".to_owned(),
                ));
            };
            owner.lines = Some(match owner.lines.take() {
                Some(before) => format!("{before}\n{rest}"),
                None => rest.to_owned(),
            });
            continue;
        }
        open.push(Node { text, start: at, lines: None, below: Vec::new() });
    }
    close(&mut open, 0, &mut found);
    Ok(found)
}

/// Moves the lines that are deeper than this below the lines that they belong to.
fn close<'a>(open: &mut Vec<Node<'a>>, depth: usize, found: &mut Vec<Node<'a>>) {
    while open.len() > depth {
        let Some(last) = open.pop() else { return };
        match open.last_mut() {
            Some(owner) => owner.below.push(last),
            None => found.push(last),
        }
    }
}

/// Returns the value of a property: the text after its words on the line, or the lines below `words:`. `None` if the
/// line is of another property.
pub(super) fn value(node: &Node<'_>, words: &str) -> Result<Option<String>, Wrong> {
    let Some(rest) = node.text.strip_prefix(words) else { return Ok(None) };
    if rest == ":" {
        return match (&node.lines, node.below.first()) {
            (_, Some(other)) => {
                Err(other.wrong(format!("only lines that begin with `|` can be below `{}`", node.text)))
            }
            (None, None) => Err(node.wrong(format!("`{}` has no line below it that begins with `|`", node.text))),
            (Some(lines), None) => Ok(Some(lines.clone())),
        };
    }
    let Some(value) = rest.strip_prefix(' ') else { return Ok(None) };
    node.is_all()?;
    Ok(Some(value.to_owned()))
}

/// Whether a line consists only of these words.
pub(super) fn is_flag(node: &Node<'_>, words: &str) -> Result<bool, Wrong> {
    if node.text != words {
        return Ok(false);
    }
    node.is_all().map(|()| true)
}

/// Takes a name from the beginning of a text.
pub(super) fn name(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
    (end > 0 && !text.starts_with(|c: char| c.is_ascii_digit())).then(|| (text[..end].to_owned(), &text[end..]))
}

/// Takes a quoted text from the beginning of another.
pub(super) fn quoted(text: &str, mark: char) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut rest = text.strip_prefix(mark)?;
    loop {
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let (c, after) = escaped(rest)?;
                found.push(c);
                rest = after;
            }
            c if c == mark => match rest.strip_prefix(mark) {
                Some(more) => {
                    found.push(mark);
                    rest = more;
                }
                None => return Some((found, rest)),
            },
            c => found.push(c),
        }
    }
}

/// The character that follows a backslash.
fn escaped(text: &str) -> Option<(char, &str)> {
    if let Some(rest) = text.strip_prefix("u{") {
        let (digits, rest) = rest.split_once('}')?;
        return Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, rest));
    }
    let c = match text.chars().next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '\\' => '\\',
        _ => return None,
    };
    Some((c, &text[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read_as_it_was_written() {
        for name in ["a", "A b", "a\"b", "a\nb\t\r", "\u{1b}\\n", "", "9", "ä"] {
            let written = crate::block::ident(name);
            assert_eq!(super::name(&format!("{written} x")), Some((name.to_owned(), " x")), "{written}");
        }
        for wrong in ["", "9a", "A", "\"a", "\"\\x\"", "\"\\u{110000}\"", "\\"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
