//! Which characters the reader's terminal can show.

use std::borrow::Cow;

/// The characters that may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    /// All of them.
    #[default]
    Unicode,
    /// Only ASCII, except in names and data of the user.
    Ascii,
}

impl Charset {
    /// Returns the charset of the locale that the environment names. `value` reads a variable.
    pub(crate) fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let named = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|name| !name.is_empty());
        match named {
            // A program without a locale may be in a container, and its reader elsewhere.
            None => Self::Unicode,
            Some(name) => {
                let name = name.to_ascii_lowercase();
                if name.contains("utf-8") || name.contains("utf8") { Self::Unicode } else { Self::Ascii }
            }
        }
    }

    /// Replaces our own punctuation with what this charset has. Names and data stay as they are.
    pub(crate) fn show(self, text: &str) -> Cow<'_, str> {
        if self == Self::Unicode || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '…' => shown.push_str("..."),
                '→' => shown.push_str("->"),
                '–' | '—' => shown.push('-'),
                '×' => shown.push('x'),
                c => shown.push(c),
            }
        }
        Cow::Owned(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_names_a_locale_counts() {
        let of = |all: &str, ctype: &str, lang: &str| {
            Charset::of_locale(|name| {
                let value = match name {
                    "LC_ALL" => all,
                    "LC_CTYPE" => ctype,
                    _ => lang,
                };
                Some(value.to_owned())
            })
        };
        assert_eq!(of("", "", "de_DE.UTF-8"), Charset::Unicode);
        assert_eq!(of("", "", "C.utf8"), Charset::Unicode);
        assert_eq!(of("C", "", "de_DE.UTF-8"), Charset::Ascii);
        assert_eq!(of("", "POSIX", "de_DE.UTF-8"), Charset::Ascii);
        assert_eq!(of("", "", "de_DE.ISO-8859-1"), Charset::Ascii);
        assert_eq!(of("", "", ""), Charset::Unicode);
    }

    #[test]
    fn only_our_own_punctuation_changes() {
        assert_eq!(Charset::Ascii.show("0001_a … 0002_é"), "0001_a ... 0002_é");
        assert_eq!(Charset::Unicode.show("0001_a … 0002_é"), "0001_a … 0002_é");
    }
}
