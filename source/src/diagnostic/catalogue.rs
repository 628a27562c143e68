//! Every diagnostic code with a paragraph on what it means, for `explain` and the manual.

/// One code of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code, in kebab-case.
    pub code: &'static str,
    /// What the rule is, why there is one, and the way out.
    pub explanation: &'static str,
}

/// The entry of this code.
pub fn find(code: &str) -> Option<&'static Entry> {
    CODES.iter().find(|entry| entry.code == code)
}

/// Every code, in alphabetical order.
pub static CODES: &[Entry] = &[];
