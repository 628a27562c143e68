//! Writes names, comments and SQL so that neither Markdown nor HTML mistakes them for markup.

/// Writes a text for HTML, in elements and in attributes.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes a text on one line of Markdown, also in a cell of a table.
pub(super) fn line(text: &str) -> String {
    let words: Vec<String> = text.lines().map(|line| escaped(line.trim())).filter(|line| !line.is_empty()).collect();
    words.join(" ")
}

/// Writes a text as a paragraph of Markdown that keeps its lines.
pub(super) fn paragraph(text: &str) -> String {
    let lines: Vec<String> = text.trim().lines().map(|line| escaped(line.trim())).collect();
    lines.join("<br>\n")
}

/// Writes a piece of SQL or a name on one line of Markdown, also in a cell of a table.
pub(super) fn code(text: &str) -> String {
    let is_simple = !text.is_empty()
        && text == text.trim()
        && !text.chars().any(|c| c.is_control() || matches!(c, '`' | '|' | '\\'));
    if is_simple {
        return format!("`{text}`");
    }
    // Between backquotes, a cell of a table has no way to write `|` and `\` that every reader understands.
    format!("<code>{}</code>", text.chars().map(entity).collect::<String>())
}

/// Writes lines of code.
pub(super) fn block(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end().replace('\r', ""))
}

fn escaped(line: &str) -> String {
    let mut escaped = String::new();
    let chars: Vec<char> = line.chars().collect();
    // What would begin a list or a heading.
    let starts_a_block = chars.first().is_some_and(|c| matches!(c, '-' | '+' | '=' | '#' | '>' | ':'));
    let digits = chars.iter().take_while(|c| c.is_ascii_digit()).count();
    let ends_a_number = (digits > 0 && matches!(chars.get(digits), Some('.' | ')'))).then_some(digits);
    for (index, &c) in chars.iter().enumerate() {
        let beside = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
        let is_in_a_word = beside(index.checked_sub(1)) && beside(Some(index + 1));
        match c {
            '_' if is_in_a_word => escaped.push(c),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' => {
                escaped.push_str(&entity(c));
            }
            c if index == 0 && starts_a_block || Some(index) == ends_a_number => escaped.push_str(&number(c)),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

fn number(c: char) -> String {
    format!("&#{};", u32::from(c))
}

fn entity(c: char) -> String {
    match c {
        c if c.is_control() => " ".to_owned(),
        c if c.is_alphanumeric() || matches!(c, ' ' | ',' | ';' | '\'' | '(' | ')' | '.' | ':') => c.to_string(),
        c => number(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        for (text, written) in [
            ("who signs in", "who signs in"),
            ("user_id, not _this_", "user_id, not &#95;this&#95;"),
            ("</script><script>alert(1)</script>", "&#60;/script&#62;&#60;script&#62;alert(1)&#60;/script&#62;"),
            ("a | b", "a &#124; b"),
            ("`a`", "&#96;a&#96;"),
            ("- no list", "&#45; no list"),
            ("1. no list", "1&#46; no list"),
            ("[no](link) ![x](y)", "&#91;no&#93;(link) !&#91;x&#93;(y)"),
            ("two\n\n lines", "two lines"),
            ("a\u{1b}b", "a\u{fffd}b"),
            ("", ""),
        ] {
            assert_eq!(line(text), written);
        }
        assert_eq!(paragraph("# one\ntwo\n"), "&#35; one<br>\ntwo");
    }

    #[test]
    fn code_stays_in_its_cell() {
        for (text, written) in [
            ("numeric(10,2)", "`numeric(10,2)`"),
            ("a || b", "<code>a &#124;&#124; b</code>"),
            ("'`'", "<code>'&#96;'</code>"),
            ("a\nb", "<code>a b</code>"),
            ("\\", "<code>&#92;</code>"),
            ("<b>", "`<b>`"),
            ("|</code>", "<code>&#124;&#60;&#47;code&#62;</code>"),
        ] {
            assert_eq!(code(text), written);
        }
        assert_eq!(block("sql", "SELECT 1"), "```sql\nSELECT 1\n```\n");
        assert_eq!(block("", "a\n````\nb"), "`````\na\n````\nb\n`````\n");
    }

    #[test]
    fn a_text_cannot_end_its_element() {
        assert_eq!(html("</script>\"'&\u{0}"), "&lt;/script&gt;&quot;&#39;&amp;\u{fffd}");
    }
}
