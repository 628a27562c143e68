//! Companions: the sets that a set brings along, of scripts that are not steps from one version to the next. Each has rows
//! of its own in the history, under the name of the set and [`CompanionKind::suffix`].

use crate::Version;

/// What the scripts of a companion set are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompanionKind {
    /// They run again whenever their text has changed: `R__active_users.sql`.
    Repeatable,
    /// Each runs once, when an operator asks for it.
    Manual,
    /// They create the desired state in an empty database.
    Create,
    /// Seeds in `seeds/`: data for new databases that fits the schema after one migration.
    Seed,
}

impl CompanionKind {
    /// What follows the name of the set in the history: `/repeatable`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Repeatable => "/repeatable",
            Self::Manual => "/manual",
            Self::Create => "/create",
            Self::Seed => "/seed",
        }
    }
}

/// Whether a script with this name, as its file has it, is repeatable: `R__active_users`. Those of migrations begin with a
/// digit, or have a dot in them.
pub fn is_repeatable(id: &str) -> bool {
    id.starts_with("R__") && !id.contains('.')
}

/// Whether a row with this name and this version is of a repeatable script, whose version follows from its name.
pub fn is_of_repeatable(name: &str, version: Version) -> bool {
    is_repeatable(name) && version.is_of_name(name)
}

/// What these scripts are, in words: `2 migrations and 1 repeatable script`, or `3 files` of `create/`.
pub fn counted<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let (mut migrations, mut repeatable, mut files) = (0_usize, 0_usize, 0_usize);
    for id in ids {
        // No other name has a slash than that of a file of `create/`.
        *(if is_repeatable(id) {
            &mut repeatable
        } else if id.contains('/') {
            &mut files
        } else {
            &mut migrations
        }) += 1;
    }
    let words = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    match (migrations, repeatable) {
        (0, 0) if files > 0 => words(files, "file"),
        (_, 0) => words(migrations, "migration"),
        (0, _) => words(repeatable, "repeatable script"),
        _ => format!("{} and {}", words(migrations, "migration"), words(repeatable, "repeatable script")),
    }
}
