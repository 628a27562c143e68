//! The names that messages propose for files that have a wrong one: none that is taken, and none twice.

use std::collections::HashMap;

use lockgate_core::Version;
use lockgate_core::patch::{self as numbers, Patch};

use super::model::Folder;
use super::name::{self, Kind};
use super::policy::Numbering;
use super::read;
use crate::id::Id;

/// What is proposed so far.
pub(super) struct Free<'a> {
    folder: &'a Folder,
    /// The numbers given to files without one, by what their names begin with: an up and a down script share one.
    given: HashMap<String, String>,
    /// Whose each proposed version is.
    proposed: HashMap<(Option<String>, Version), Id>,
}

impl<'a> Free<'a> {
    pub(super) fn of(folder: &'a Folder) -> Self {
        Self { folder, given: HashMap::new(), proposed: HashMap::new() }
    }

    /// The help for this file, with a number that is free in the place of `{next}`, and of one that is taken.
    pub(super) fn put_in(&mut self, path: &str, help: &str) -> String {
        let file = path.rsplit('/').next().unwrap_or(path);
        let kinds = [Kind::Up, Kind::Down, Kind::OneWay, Kind::Rust];
        let stem = kinds.into_iter().find_map(|kind| file.strip_suffix(kind.suffix())).unwrap_or(file);
        let proposal = help.split("rename it to `").nth(1).and_then(|rest| rest.split('`').next());
        let Some(proposal) = proposal else { return help.replace("{next}", &next_number(self.folder, 0)) };
        let (before, after) = match proposal.split_once("{next}") {
            Some(parts) => parts,
            None if self.is_free(proposal) => {
                self.propose(proposal);
                return help.to_owned();
            }
            // The digits that it has are another one's.
            None => (&proposal[..0], proposal.trim_start_matches(|c: char| c.is_ascii_digit())),
        };
        // What stands before a patch's numbers, and patches with numbers of their own, stay as they are.
        if after.len() == proposal.len() {
            return help.to_owned();
        }
        let number = self.given.get(stem).cloned().unwrap_or_else(|| {
            let free = |at: &usize| self.is_free(&format!("{before}{}{after}", next_number(self.folder, *at)));
            // So many are taken at the most.
            let taken = self.proposed.len() + self.folder.migrations.len();
            next_number(self.folder, (0..=taken).find(free).unwrap_or(0))
        });
        self.given.insert(stem.to_owned(), number.clone());
        let right = format!("{before}{number}{after}");
        self.propose(&right);
        help.replace(proposal, &right)
    }

    fn propose(&mut self, file: &str) {
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

/// The user that a suggestion gives to a patch without one.
pub(super) fn last_user(folder: &Folder) -> String {
    let last = folder.migrations.last().and_then(|migration| Patch::parse(&migration.id));
    last.filter(|_| folder.databases().len() == 1).map_or("<user>", |patch| patch.user()).to_owned()
}

/// The number that a suggestion gives to a file without one, written as wide as the others: the first one, or so
/// many after it.
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
