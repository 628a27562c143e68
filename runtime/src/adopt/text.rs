//! The texts that a file may have had when another tool read it: with other line endings, with or without a byte order
//! mark, and without the directives that only Lockgate knows.

/// How a file differs from the one that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// Not at all, or only in directives.
    Same,
    /// In line endings or a byte order mark.
    LineEndings,
    /// In other characters.
    Otherwise,
}

const MARK: char = '\u{feff}';

/// Compares a text with one that is known by its checksum alone.
pub(super) fn compare(text: &str, is_applied: impl Fn(&str) -> bool) -> Compared {
    let bare = without_directives(text);
    let texts = if bare == text { vec![text] } else { vec![text, bare.as_str()] };
    if texts.iter().any(|text| is_applied(text)) {
        return Compared::Same;
    }
    let variants = texts.into_iter().flat_map(variants);
    if variants.into_iter().any(|variant| is_applied(&variant)) { Compared::LineEndings } else { Compared::Otherwise }
}

/// The text with each kind of line ending, with and without a last one, and with and without a byte order mark; and
/// without the white space that a configuration of sqlx can leave out of the checksum.
fn variants(text: &str) -> Vec<String> {
    let lines = text.strip_prefix(MARK).unwrap_or(text).replace("\r\n", "\n");
    let bare = lines.trim_end_matches('\n').to_owned();
    let ends = [format!("{bare}\n"), bare, lines.clone()];
    let endings = ends.iter().flat_map(|text| [text.clone(), text.replace('\n', "\r\n"), text.replace('\n', "\r")]);
    let endings: Vec<String> = endings.collect();
    let mut found: Vec<String> = endings.iter().flat_map(|text| [text.clone(), format!("{MARK}{text}")]).collect();
    found.push(lines.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect());
    found
}

/// The text without its lines `-- lockgate: …`, which are written into a file after another tool has applied it.
fn without_directives(text: &str) -> String {
    let is_directive = |line: &&str| {
        let comment = line.trim_start_matches(MARK).trim_start().strip_prefix("--");
        comment.is_some_and(|comment| comment.trim_start().starts_with("lockgate:"))
    };
    text.split_inclusive('\n').filter(|line| !is_directive(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_endings_and_directives_are_not_edits() {
        let is = |applied: &'static str| move |text: &str| text == applied;
        let file = "-- lockgate: no-transaction\nCREATE TABLE a (id INT);\n-- end\n";
        assert_eq!(compare(file, is(file)), Compared::Same);
        assert_eq!(compare(file, is("CREATE TABLE a (id INT);\n-- end\n")), Compared::Same);
        assert_eq!(compare(file, is("CREATE TABLE a (id INT);\r\n-- end\r\n")), Compared::LineEndings);
        assert_eq!(compare("a\r\nb", is("\u{feff}a\nb")), Compared::LineEndings);
        assert_eq!(compare("\u{feff}a\nb", is("a\nb")), Compared::LineEndings);
        assert_eq!(compare("a b\r\nc", is("abc")), Compared::LineEndings);
        assert_eq!(compare("a b\n", is("a b")), Compared::LineEndings);
        assert_eq!(compare("a b", is("\u{feff}a b\r\n")), Compared::LineEndings);
        assert_eq!(compare("a b\n", is("a  b\n")), Compared::Otherwise);
        assert_eq!(compare("a;\n", is("b;\n")), Compared::Otherwise);
    }
}
