//! Reads file names: version, name and kind. [`parse`] refuses a bad name and says which name would be
//! right. Whether the names of a folder fit together is decided in `order`.

mod patch;
mod plain;

use super::policy::Numbering;
use crate::Code;
use crate::id::Id;

pub use patch::bad_word;
pub use plain::parse;

/// The kind of a migration file, by its name.
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
    /// The ending of the file name.
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

impl Name {
    /// Whether it is that of a repeatable script, `R__active_users.sql`.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.id, Id::Named(_))
    }
}

/// Why a file name is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    /// `bad-name` for an SQL or Rust file, `unknown-file` for anything else.
    pub code: Code,
    /// What is wrong, as the rest of a sentence whose subject is the file.
    pub message: String,
    /// What to do about it.
    pub help: Help,
}

/// What to do about a file with a bad name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Help {
    /// A text that proposes no name.
    Text(String),
    /// The file should have another name.
    Rename {
        /// Whose naming this is, where another tool's was recognized.
        origin: Option<&'static str>,
        /// The name.
        to: ProposedName,
    },
    /// The file may not be a migration; if it is one, this is its name.
    IfMigration(ProposedName),
}

/// A proposed file name, as far as it follows from the wrong one. `render` gets the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposedName {
    /// The whole name.
    Complete(String),
    /// The next free number, followed by this.
    Numbered(String),
    /// The name of a patch.
    Patch {
        /// Database, major and minor; `None` for the next free ones.
        numbers: Option<String>,
        /// The user; `None` for that of the newest patch.
        user: Option<String>,
        /// The description and the ending.
        description: String,
    },
}

impl Help {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn rename(to: String) -> Self {
        Self::Rename { origin: None, to: ProposedName::Complete(to) }
    }

    /// Writes the help; `name` writes the proposed name.
    pub(crate) fn render(&self, name: impl FnOnce(&ProposedName) -> String) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Rename { origin: None, to } => format!("rename it to `{}`", name(to)),
            Self::Rename { origin: Some(origin), to } => {
                format!("{origin}; rename it to `{}`, {CONVERT}", name(to))
            }
            Self::IfMigration(to) => {
                format!("if it is a migration, name it `{}`; otherwise move it out of the folder", name(to))
            }
        }
    }
}

impl ProposedName {
    /// Whether the name lacks its number.
    pub(crate) fn needs_number(&self) -> bool {
        matches!(self, Self::Numbered(_) | Self::Patch { numbers: None, .. })
    }

    /// Writes the name with this number and this user where it lacks them.
    pub(crate) fn render(&self, number: &str, user: &str) -> String {
        match self {
            Self::Complete(name) => name.clone(),
            Self::Numbered(rest) => format!("{number}{rest}"),
            Self::Patch { numbers, user: own, description } => {
                let (numbers, user) = (numbers.as_deref().unwrap_or(number), own.as_deref().unwrap_or(user));
                format!("{numbers}.{user}.{description}")
            }
        }
    }
}

/// Whether Flyway or refinery would take this file for a script: `V1__users.sql`, `U1__users.sql`, `R__views.sql`.
pub(crate) fn is_flyway(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let Some((first, _)) = file.strip_suffix(".sql").and_then(|stem| stem.split_once("__")) else { return false };
    first == "r"
        || first.strip_prefix(['v', 'u', 'b']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a folder may hold this file although it is no migration: a dot-file or the readme.
pub fn is_ignored(file: &str) -> bool {
    file.starts_with('.') || file.eq_ignore_ascii_case("readme.md")
}

/// The character between version and name under this numbering; under `encoded` also the one between all parts.
pub(crate) const fn separator(numbering: Numbering) -> char {
    match numbering {
        Numbering::Ordinal => '-',
        Numbering::Encoded => '.',
        Numbering::Any | Numbering::Sequence | Numbering::Timestamp => '_',
    }
}

/// The end of a help: the command that renames the files of a whole folder.
pub(crate) const CONVERT: &str = "or type `cargo xtask adopt`: it shows how it would split and rename the files of this folder, and changes nothing \
     before you add `--write`";

/// Returns the last part of a name if it looks like `.up` or `.down`, and the ending that was meant.
pub(super) fn direction_word(name: &str) -> Option<(&str, &'static str)> {
    let (_, word) = name.rsplit_once('.')?;
    let meant = match word.to_ascii_lowercase().as_str() {
        "up" | "do" | "apply" | "forward" => ".up.sql",
        "down" | "undo" | "revert" | "rollback" | "backward" => ".down.sql",
        _ => return None,
    };
    Some((word, meant))
}

/// Returns the text as a name: characters that a name must not have become `_`.
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
