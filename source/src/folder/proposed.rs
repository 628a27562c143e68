//! The file names that messages propose for files with a wrong name. Each is free: no file, migration or
//! lockfile line has it, and no earlier message proposed it.

use std::collections::HashMap;

use lockgate_core::Version;
use lockgate_core::patch::{self as numbers, Patch};

use super::model::Folder;
use super::name::{self, Help, Kind, ProposedName};
use super::policy::Numbering;
use super::read;
use crate::id::Id;

/// The names proposed so far.
pub(super) struct ProposedNames<'a> {
    folder: &'a Folder,
    /// The user that a patch without one gets.
    user: String,
    /// The number given to each file stem without one. An up and a down script share a stem.
    given: HashMap<String, String>,
    /// The id proposed for each database and version.
    proposed: HashMap<(Option<String>, Version), Id>,
}

impl<'a> ProposedNames<'a> {
    pub(super) fn new(folder: &'a Folder) -> Self {
        Self { folder, user: last_user(folder), given: HashMap::new(), proposed: HashMap::new() }
    }

    /// Writes the help for the file at this path. A number that is missing, or that another migration has,
    /// becomes the next free one.
    pub(super) fn help_for(&mut self, path: &str, help: &Help) -> String {
        match help {
            Help::Rename { to, .. } => {
                let to = self.choose(path, to);
                help.render(|_| to.clone())
            }
            Help::Text(_) | Help::IfMigration(_) => {
                help.render(|name| name.render(&next_number(self.folder, 0), &self.user))
            }
        }
    }

    /// Chooses the name to propose for a file, and remembers it.
    fn choose(&mut self, path: &str, to: &ProposedName) -> String {
        let file = path.rsplit('/').next().unwrap_or(path);
        let kinds = [Kind::Up, Kind::Down, Kind::OneWay, Kind::Rust];
        let stem = kinds.into_iter().find_map(|kind| file.strip_suffix(kind.suffix())).unwrap_or(file);
        let rest = if to.needs_number() {
            to.render("", &self.user)
        } else {
            let name = to.render("", &self.user);
            if self.is_free(&name) {
                self.remember(&name);
                return name;
            }
            let rest = name.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.len() == name.len() {
                // The name of a patch, which has numbers of its own.
                return name;
            }
            rest.to_owned()
        };
        let number = self.given.get(stem).cloned().unwrap_or_else(|| {
            let is_free = |at: &usize| self.is_free(&format!("{}{rest}", next_number(self.folder, *at)));
            let taken_max = self.proposed.len() + self.folder.migrations.len();
            next_number(self.folder, (0..=taken_max).find(is_free).unwrap_or(0))
        });
        let name = format!("{number}{rest}");
        self.given.insert(stem.to_owned(), number);
        self.remember(&name);
        name
    }

    fn remember(&mut self, file: &str) {
        if let Ok(name) = name::parse(file, self.folder.policy.numbering) {
            self.proposed.insert((name.id.database().map(str::to_owned), name.id.version()), name.id);
        }
    }

    /// Whether no other migration has the version of this name, and no file the name itself.
    fn is_free(&self, file: &str) -> bool {
        let Ok(name) = name::parse(file, self.folder.policy.numbering) else { return true };
        let place = (name.id.database(), name.id.version());
        let mut others = self.folder.migrations.iter().filter(|other| (other.database(), other.version()) == place);
        let released = self.folder.lockfile.iter().flat_map(|lockfile| lockfile.lines());
        let mut released = released.filter(|line| line.id.place() == place);
        let proposed = self.proposed.get(&(place.0.map(str::to_owned), place.1));
        others.all(|other| other.id == name.id)
            && released.all(|line| line.id == name.id)
            && proposed.is_none_or(|id| *id == name.id)
            && !read::names(&self.folder.root).contains(&file.to_owned())
    }
}

/// The user of the newest patch, if the folder has one database.
fn last_user(folder: &Folder) -> String {
    let last = folder.migrations.last().and_then(|migration| Patch::parse(&migration.id));
    last.filter(|_| folder.databases().len() == 1).map_or("<user>", |patch| patch.user()).to_owned()
}

/// The number `after` places after the next one, as wide as the numbers of the folder. Under `encoded` it
/// has the database before it.
fn next_number(folder: &Folder, after: usize) -> String {
    let last = folder.migrations.last();
    let width = last.map_or(4, |last| last.id.word().len());
    let next = match (last, folder.policy.numbering) {
        (Some(last), _) => last.version().get().saturating_add(1),
        (None, Numbering::Ordinal) => 0,
        (None, _) => 1,
    };
    let next = next.saturating_add(i64::try_from(after).unwrap_or(i64::MAX));
    match folder.policy.numbering {
        Numbering::Encoded => {
            let (only, next) = match folder.databases()[..] {
                [only] => {
                    let next = last.and_then(|last| numbers::next(last.version()));
                    (only, (0..after).fold(next, |next, _| next.and_then(numbers::next)))
                }
                _ => ("<database>", numbers::version(1, 1)),
            };
            let numbers = next.map_or("<MAJOR>.<MINOR>".to_owned(), numbers::numbers);
            format!("{only}.{numbers}")
        }
        Numbering::Timestamp => "<YYYYMMDDhhmmss>".to_owned(),
        Numbering::Ordinal => format!("{next:05}"),
        Numbering::Any | Numbering::Sequence => format!("{next:0width$}"),
    }
}
