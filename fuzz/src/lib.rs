//! What the targets share: what holds for whatever is said of a user's file.

use std::ops::Range;

use lockgate_source::{Diagnostic, Color};

/// The bytes are there, and begin and end between characters.
pub fn is_inside(text: &str, range: &Range<usize>) {
    assert!(text.get(range.clone()).is_some(), "{range:?} is not a part of the text");
}

/// Each diagnostic has a fact, and can be shown.
pub fn can_be_shown(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        assert!(!diagnostic.message.is_empty(), "{diagnostic:?}");
        if let (Some(text), Some(range)) = (&diagnostic.text, &diagnostic.range) {
            is_inside(text, range);
        }
        assert!(!diagnostic.place().is_empty() && diagnostic.position() <= diagnostic.end_position());
        assert!(!diagnostic.render(Color::Off).is_empty());
    }
}
