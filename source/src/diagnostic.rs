//! A problem in a folder of migrations: its code, place, message and help, and how it is rendered. The
//! [`catalogue`] has every code.

pub mod catalogue;
pub mod example;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

pub use self::catalogue::Code;

/// How serious a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The folder does not compile.
    Error,
    /// The folder compiles with a warning.
    Warning,
    /// Information; nothing is wrong.
    Note,
}

/// Whether a diagnostic is rendered with the colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Color {
    /// Plain text.
    Off,
    /// With ANSI escape sequences.
    On,
}

/// One problem in what the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The code, which the [`catalogue`] explains.
    pub code: Code,
    /// How serious it is.
    pub severity: Severity,
    /// The path of the file as messages show it: `migrations/0004_x.up.sql`.
    pub file: String,
    /// The byte range in `text` that it is about; `None` if it is about the whole file.
    pub range: Option<Range<usize>>,
    /// The whole text of the file, if there is a range.
    pub text: Option<Arc<str>>,
    /// What is wrong, in lower case and without a final dot.
    pub message: String,
    /// The text beside the caret; may be empty.
    pub label: String,
    /// How to fix it, the best fix first.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// Creates an error about a whole file.
    pub fn error(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
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

    /// Creates a warning about a whole file.
    pub fn warning(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, file, message) }
    }

    /// Points the diagnostic at a byte range of the file's text, with a label beside the caret.
    #[must_use]
    pub fn at(mut self, text: &str, range: Range<usize>, label: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self.range = Some(range);
        self.label = label.into();
        self
    }

    /// Points the diagnostic at a byte range of a text that it shares with other diagnostics.
    #[must_use]
    pub(crate) fn within(mut self, text: Arc<str>, range: Range<usize>) -> Self {
        (self.text, self.range) = (Some(text), Some(range));
        self
    }

    /// Adds a help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Returns the line and column of its first character, both counted from 1. Columns count characters.
    pub fn position(&self) -> Option<(usize, usize)> {
        Some(line_and_column(self.text.as_ref()?, self.range.as_ref()?.start))
    }

    /// Returns the line and column after its last character, counted as in [`position`](Self::position).
    pub fn end_position(&self) -> Option<(usize, usize)> {
        let range = self.range.as_ref()?;
        Some(line_and_column(self.text.as_ref()?, range.end.max(range.start)))
    }

    /// Returns the place in the form that editors and terminals link: `migrations/0004_x.up.sql:3:1`.
    pub fn place(&self) -> String {
        match self.position() {
            Some((line, column)) => format!("{}:{line}:{column}", self.file),
            None => self.file.clone(),
        }
    }

    /// Renders the diagnostic as the compiler does: several lines, without a final newline.
    ///
    /// ```
    /// use lockgate_source::{Code, Color, Diagnostic};
    ///
    /// let text = "-- lockgate: no-transation\nVACUUM;\n";
    /// let diagnostic = Diagnostic::error(Code::UnknownDirective, "migrations/0004_x.up.sql", "there is no directive `no-transation`")
    ///     .at(text, 13..26, "unknown")
    ///     .help("did you mean `no-transaction`?");
    /// assert_eq!(diagnostic.render(Color::Off), "\
    /// error[unknown-directive]: there is no directive `no-transation`
    ///  --> migrations/0004_x.up.sql:1:14
    ///   |
    /// 1 | -- lockgate: no-transation
    ///   |              ^^^^^^^^^^^^^ unknown
    ///   |
    ///   = help: did you mean `no-transaction`?");
    /// ```
    pub fn render(&self, color: Color) -> String {
        let renderer = match color {
            Color::Off => Renderer::plain(),
            Color::On => Renderer::styled(),
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
        let group: Group<'_> = level.primary_title(self.message.as_str()).id(self.code.as_str()).element(place);
        let rendered = renderer.decor_style(DecorStyle::Ascii).term_width(120).render(&[group.elements(help)]);
        match excerpt.filter(|excerpt| excerpt.is_cut) {
            // The renderer counted the column in the shortened line.
            Some(Excerpt { text, line, range, .. }) => {
                let counted = text[..range.start].chars().count() + 1;
                rendered.replacen(&format!("{}:{line}:{counted}", self.file), &self.place(), 1)
            }
            None => rendered,
        }
    }

    /// Renders the diagnostic without its level, for the compiler and cargo, which write `error: ` or
    /// `warning: ` themselves.
    ///
    /// ```
    /// use lockgate_source::{Code, Diagnostic};
    ///
    /// let diagnostic = Diagnostic::error(Code::Gap, "m/2_x.sql", "version 1 is missing");
    /// assert_eq!(diagnostic.render_behind_level(), "[gap] version 1 is missing\n--> m/2_x.sql");
    /// ```
    pub fn render_behind_level(&self) -> String {
        let rendered = self.render(Color::Off);
        let levels = ["error", "warning", "note"];
        let title = levels.iter().find_map(|level| rendered.strip_prefix(level)).unwrap_or(&rendered);
        title.replacen("]: ", "] ", 1)
    }

    /// Returns the line to show, so that the renderer does not walk through a whole dump for it.
    fn excerpt(&self) -> Option<Excerpt<'_>> {
        let text = self.text.as_deref()?;
        let range = self.range.clone()?;
        let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let start = floor(text, range.start).max(bom);
        // Only the first line of a longer range is marked, which is easier to read.
        let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |newline| start + newline);
        let end = floor(text, range.end).clamp(start, line_end.max(start));
        let first = text[..start].rfind('\n').map_or(bom, |newline| newline + 1);
        let line = text[..first].matches('\n').count() + 1;
        // A line may be a whole dump, and the renderer reads each of its characters.
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

/// The number of bytes of a line that are shown on either side of the range.
const BESIDE_MAX: usize = 2_000;

struct Excerpt<'a> {
    text: Cow<'a, str>,
    line: usize,
    range: Range<usize>,
    /// Whether the beginning of the line was cut off.
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

/// Sorts diagnostics by file and position.
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
    fn a_diagnostic_about_a_whole_file_shows_no_line() {
        let diagnostic =
            Diagnostic::error(Code::MissingDown, "migrations/0007_tags.sql", "`0007_tags` has no down script")
                .help("add it")
                .help("or say why not");
        let expected = "\
error[missing-down]: `0007_tags` has no down script
--> migrations/0007_tags.sql
 = help: add it
 = help: or say why not";
        assert_eq!(diagnostic.render(Color::Off), expected);
        assert_eq!(diagnostic.place(), "migrations/0007_tags.sql");
    }

    #[test]
    fn byte_order_mark_crlf_and_long_ranges_are_rendered() {
        let text = "\u{feff}SELECT 'ä', x\r\n  FROM t;\r\n";
        let diagnostic =
            Diagnostic::error(Code::UnterminatedString, "m/1_x.sql", "this is bad").at(text, 16..30, "from here");
        let expected = "\
error[unterminated-string]: this is bad
 --> m/1_x.sql:1:13
  |
1 | SELECT 'ä', x
  |             ^ from here";
        assert_eq!(diagnostic.render(Color::Off), expected);
        assert_eq!(diagnostic.place(), "m/1_x.sql:1:13");
        assert_eq!(diagnostic.end_position(), Some((3, 1)));
    }

    #[test]
    fn only_a_part_of_a_very_long_line_is_shown() {
        let text = format!("one\n{}oops{}", "ä".repeat(300_000), "(".repeat(3_000_000));
        let at = text.find("oops").unwrap();
        let diagnostic = Diagnostic::error(Code::Syntax, "m/1_x.sql", "fact").at(&text, at..text.len(), "");
        for style in [Color::Off, Color::On] {
            let shown = diagnostic.render(style);
            assert!(shown.contains("m/1_x.sql:2:300001") && shown.contains("oops") && shown.len() < 2_000, "{shown}");
        }
        assert_eq!(diagnostic.place(), "m/1_x.sql:2:300001");
    }

    #[test]
    fn colours_are_on_or_off() {
        let diagnostic = Diagnostic::warning(Code::Gap, "m/1_x.sql", "fact").at("a", 0..1, "");
        assert!(diagnostic.render(Color::On).contains("\u{1b}["));
        assert!(!diagnostic.render(Color::Off).contains('\u{1b}'));
        assert!(diagnostic.render(Color::Off).starts_with("warning[gap]: fact"));
    }

    #[test]
    fn the_end_of_a_file_can_be_shown() {
        let diagnostic = Diagnostic::error(Code::Gap, "m/1_x.sql", "fact").at("a\nb\n", 4..4, "here");
        assert!(diagnostic.render(Color::Off).contains("m/1_x.sql:3:1"), "{}", diagnostic.render(Color::Off));
        assert_eq!(Diagnostic::error(Code::Gap, "m/1_x.sql", "fact").at("", 0..0, "").place(), "m/1_x.sql:1:1");
    }
}
