//! What is wrong with a folder: a code, a place, a fact and a way out, and how it is shown. What
//! each code means at length is in the [`catalogue`].

pub mod catalogue;
pub mod example;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

/// Whether a folder with this diagnostic still compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It does not compile.
    Error,
    /// It compiles, and the compiler says so.
    Warning,
    /// Nothing is wrong, and one should know it all the same.
    Note,
}

/// How a diagnostic is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// Text alone.
    Plain,
    /// With the colours of a terminal.
    Styled,
}

/// One thing that is wrong, or doubtful, in what the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kebab-case name of the rule, from the [`catalogue`].
    pub code: &'static str,
    /// Whether it stops the build.
    pub severity: Severity,
    /// The file as the user knows it: `migrations/0004_x.up.sql`.
    pub file: String,
    /// The bytes of `text` that it is about; without them it is about the file as a whole.
    pub range: Option<Range<usize>>,
    /// The whole text of the file, where a range points into it.
    pub text: Option<Arc<str>>,
    /// The fact, in lower case and without a final dot.
    pub message: String,
    /// What to write beside the caret; may be empty.
    pub label: String,
    /// The ways out, best first.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error about a file as a whole.
    pub fn error(code: &'static str, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            file: file.into(),
            range: None,
            text: None,
            message: message.into(),
            label: String::new(),
            help: Vec::new(),
        }
    }

    /// A warning about a file as a whole.
    pub fn warning(code: &'static str, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, file, message) }
    }

    /// The same about these bytes of the file's text, with a label beside the caret.
    #[must_use]
    pub fn at(mut self, text: &str, range: Range<usize>, label: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self.range = Some(range);
        self.label = label.into();
        self
    }

    /// The same about these bytes of a text that several diagnostics are about.
    #[must_use]
    pub(crate) fn within(mut self, text: Arc<str>, range: Range<usize>) -> Self {
        (self.text, self.range) = (Some(text), Some(range));
        self
    }

    /// The same with one more way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Line and column of its first character, counted from 1; columns are characters.
    pub fn position(&self) -> Option<(usize, usize)> {
        Some(line_and_column(self.text.as_ref()?, self.range.as_ref()?.start))
    }

    /// Line and column behind its last character, counted as [`position`](Self::position) is.
    pub fn end_position(&self) -> Option<(usize, usize)> {
        let range = self.range.as_ref()?;
        Some(line_and_column(self.text.as_ref()?, range.end.max(range.start)))
    }

    /// The place as one clicks on it: `migrations/0004_x.up.sql:3:1`.
    pub fn place(&self) -> String {
        match self.position() {
            Some((line, column)) => format!("{}:{line}:{column}", self.file),
            None => self.file.clone(),
        }
    }

    /// The diagnostic as the compiler would show it, over several lines, without a final newline.
    ///
    /// ```
    /// use lockgate_source::{Diagnostic, Style};
    ///
    /// let text = "-- lockgate: no-transation\nVACUUM;\n";
    /// let diagnostic = Diagnostic::error("unknown-directive", "migrations/0004_x.up.sql", "there is no directive `no-transation`")
    ///     .at(text, 13..26, "unknown")
    ///     .help("did you mean `no-transaction`?");
    /// assert_eq!(diagnostic.render(Style::Plain), "\
    /// error[unknown-directive]: there is no directive `no-transation`
    ///  --> migrations/0004_x.up.sql:1:14
    ///   |
    /// 1 | -- lockgate: no-transation
    ///   |              ^^^^^^^^^^^^^ unknown
    ///   |
    ///   = help: did you mean `no-transaction`?");
    /// ```
    pub fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Styled => Renderer::styled(),
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let excerpt = self.excerpt();
        let place: Element<'_> = match &excerpt {
            Some(excerpt) => {
                let annotation = AnnotationKind::Primary.span(excerpt.range.clone());
                let annotation = if self.label.is_empty() { annotation } else { annotation.label(self.label.as_str()) };
                Snippet::source(&*excerpt.text)
                    .line_start(excerpt.line)
                    .path(self.file.as_str())
                    .annotation(annotation)
                    .into()
            }
            None => Origin::path(self.file.as_str()).into(),
        };
        let help = self.help.iter().map(|help| Level::HELP.message(help.as_str()));
        let group: Group<'_> = level.primary_title(self.message.as_str()).id(self.code).element(place);
        let rendered = renderer.decor_style(DecorStyle::Ascii).term_width(120).render(&[group.elements(help)]);
        match excerpt.filter(|excerpt| excerpt.is_cut) {
            // It has counted the column in what it was given.
            Some(Excerpt { text, line, range, .. }) => {
                let counted = text[..range.start].chars().count() + 1;
                rendered.replacen(&format!("{}:{line}:{counted}", self.file), &self.place(), 1)
            }
            None => rendered,
        }
    }

    /// The diagnostic as text that stands behind a level which something else writes, such as the `error: `
    /// that the compiler and cargo write themselves.
    ///
    /// ```
    /// use lockgate_source::Diagnostic;
    ///
    /// let diagnostic = Diagnostic::error("gap", "m/2_x.sql", "version 1 is missing");
    /// assert_eq!(diagnostic.render_behind_level(), "[gap] version 1 is missing\n--> m/2_x.sql");
    /// ```
    pub fn render_behind_level(&self) -> String {
        let rendered = self.render(Style::Plain);
        let levels = ["error", "warning", "note"];
        let title = levels.iter().find_map(|level| rendered.strip_prefix(level)).unwrap_or(&rendered);
        title.replacen("]: ", "] ", 1)
    }

    /// The lines around the range: a whole dump need not be walked through to show one line of it.
    fn excerpt(&self) -> Option<Excerpt<'_>> {
        let text = self.text.as_deref()?;
        let range = self.range.clone()?;
        let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let start = floor(text, range.start).max(bom);
        // An annotation over many lines says less than one over the first.
        let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |newline| start + newline);
        let end = floor(text, range.end).clamp(start, line_end.max(start));
        let first = text[..start].rfind('\n').map_or(bom, |newline| newline + 1);
        let line = text[..first].matches('\n').count() + 1;
        // A line may be a whole dump, and the renderer looks at each of its characters.
        let line_end = line_end.min(text.ceil_char_boundary((start + BESIDE_MAX).min(text.len())));
        let end = end.min(line_end);
        let cut = floor(text, start.saturating_sub(BESIDE_MAX));
        if cut <= first {
            let range = start - first..end - first;
            return Some(Excerpt { text: text[first..line_end].into(), line, range, is_cut: false });
        }
        let before = "…".len();
        let range = before + start - cut..before + end - cut;
        Some(Excerpt { text: format!("…{}", &text[cut..line_end]).into(), line, range, is_cut: true })
    }
}

/// So many bytes of a line are shown on either side.
const BESIDE_MAX: usize = 2_000;

struct Excerpt<'a> {
    text: Cow<'a, str>,
    line: usize,
    range: Range<usize>,
    /// Whether the line's beginning is not there.
    is_cut: bool,
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..floor(text, at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

/// The nearest character boundary at or before this byte.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

/// A word as one types it in a shell: names of patches may have blanks.
pub(crate) fn typed(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@%+,".contains(c);
    if word.chars().all(is_plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")).into() }
}

/// Puts diagnostics in the order of their places.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| d.range.as_ref().map_or(0, |range| range.start);
        (&a.file, key(a), a.code, &a.message).cmp(&(&b.file, key(b), b.code, &b.message))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_has_no_line() {
        let diagnostic =
            Diagnostic::error("missing-down", "migrations/0007_tags.sql", "`0007_tags` has no down script")
                .help("add it")
                .help("or say why not");
        let expected = "\
error[missing-down]: `0007_tags` has no down script
--> migrations/0007_tags.sql
 = help: add it
 = help: or say why not";
        assert_eq!(diagnostic.render(Style::Plain), expected);
        assert_eq!(diagnostic.place(), "migrations/0007_tags.sql");
    }

    #[test]
    fn byte_order_mark_crlf_and_long_ranges_are_shown_well() {
        let text = "\u{feff}SELECT 'ä', x\r\n  FROM t;\r\n";
        let diagnostic =
            Diagnostic::error("unterminated-string", "m/1_x.sql", "this is bad").at(text, 16..30, "from here");
        let expected = "\
error[unterminated-string]: this is bad
 --> m/1_x.sql:1:13
  |
1 | SELECT 'ä', x
  |             ^ from here";
        assert_eq!(diagnostic.render(Style::Plain), expected);
        assert_eq!(diagnostic.place(), "m/1_x.sql:1:13");
        assert_eq!(diagnostic.end_position(), Some((3, 1)));
    }

    #[test]
    fn of_a_line_without_an_end_the_place_is_shown() {
        let text = format!("one\n{}oops{}", "ä".repeat(300_000), "(".repeat(3_000_000));
        let at = text.find("oops").unwrap();
        let diagnostic = Diagnostic::error("syntax", "m/1_x.sql", "fact").at(&text, at..text.len(), "");
        for style in [Style::Plain, Style::Styled] {
            let shown = diagnostic.render(style);
            assert!(shown.contains("m/1_x.sql:2:300001") && shown.contains("oops") && shown.len() < 2_000, "{shown}");
        }
        assert_eq!(diagnostic.place(), "m/1_x.sql:2:300001");
    }

    #[test]
    fn styled_has_colours_and_plain_has_none() {
        let diagnostic = Diagnostic::warning("gap", "m/1_x.sql", "fact").at("a", 0..1, "");
        assert!(diagnostic.render(Style::Styled).contains("\u{1b}["));
        assert!(!diagnostic.render(Style::Plain).contains('\u{1b}'));
        assert!(diagnostic.render(Style::Plain).starts_with("warning[gap]: fact"));
    }

    #[test]
    fn the_end_of_a_file_can_be_shown() {
        let diagnostic = Diagnostic::error("gap", "m/1_x.sql", "fact").at("a\nb\n", 4..4, "here");
        assert!(diagnostic.render(Style::Plain).contains("m/1_x.sql:3:1"), "{}", diagnostic.render(Style::Plain));
        assert_eq!(Diagnostic::error("gap", "m/1_x.sql", "fact").at("", 0..0, "").place(), "m/1_x.sql:1:1");
    }
}
