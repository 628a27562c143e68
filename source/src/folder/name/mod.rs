//! What the name of a file says: version, name and kind. After [`parse`] a bad name cannot exist.
//! Which names fit together is decided in `order`.

mod patch;
mod plain;

use super::policy::Numbering;
use crate::id::Id;

pub use patch::bad_word;
pub use plain::parse;

/// What a file of the folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `0001_create_users.up.sql`
    Up,
    /// `0001_create_users.sql`
    OneWay,
    /// `0001_create_users.rs`
    Rust,
    /// `0001_create_users.down.sql`
    Down,
}

impl Kind {
    /// The end of the file's name.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Up => ".up.sql",
            Self::OneWay => ".sql",
            Self::Rust => ".rs",
            Self::Down => ".down.sql",
        }
    }
}

/// A well-formed file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Version and name as the file writes them: `0001_create_users`.
    pub id: Id,
    /// What the file is.
    pub kind: Kind,
}

/// Why a file name says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    /// `bad-name` for an SQL or Rust file, `unknown-file` for anything else.
    pub code: &'static str,
    /// What is wrong, as the rest of a sentence that begins with the file.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Files that may stand in a folder and mean nothing to the migrations: dot-files and the readme.
pub fn is_ignored(file: &str) -> bool {
    file.starts_with('.') || file.eq_ignore_ascii_case("readme.md")
}

/// What between version and name stands under this numbering; under `encoded` before it too.
pub(crate) const fn separator(numbering: Numbering) -> char {
    match numbering {
        Numbering::Ordinal => '-',
        Numbering::Encoded => '.',
        Numbering::Any | Numbering::Sequence | Numbering::Timestamp => '_',
    }
}

/// The command that does it for a whole folder.
pub(crate) const CONVERT: &str = "or type `cargo xtask init`: it shows how it would split and rename the files of this folder, and changes nothing \
     before you add `--convert`";

/// The last part of a name that only looks like `.up` or `.down`, and the ending that was meant.
pub(super) fn direction_word(name: &str) -> Option<(&str, &'static str)> {
    let (_, word) = name.rsplit_once('.')?;
    let meant = match word.to_ascii_lowercase().as_str() {
        "up" | "do" | "apply" | "forward" => ".up.sql",
        "down" | "undo" | "revert" | "rollback" | "backward" => ".down.sql",
        _ => return None,
    };
    Some((word, meant))
}

/// A name made of what is allowed in one.
pub(crate) fn clean(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, '_' | '-') {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}
