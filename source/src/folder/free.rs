//! The names that messages propose for files that have a wrong one: none that is taken, and none twice.

use std::collections::HashMap;

use lockgate_core::Version;

use super::name::{self, Kind};
use super::{Folder, read};

/// What is proposed so far.
pub(super) struct Free<'a> {
    folder: &'a Folder,
    /// The numbers given to files without one, by what their names begin with: an up and a down script share one.
    given: HashMap<String, String>,
    /// Whose each proposed version is.
    proposed: HashMap<(Option<String>, Version), String>,
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
        let Some(proposal) = proposal else { return help.replace("{next}", &self.folder.next_number(0)) };
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
            let free = |at: &usize| self.is_free(&format!("{before}{}{after}", self.folder.next_number(*at)));
            // So many are taken at the most.
            let taken = self.proposed.len() + self.folder.migrations.len();
            self.folder.next_number((0..=taken).find(free).unwrap_or(0))
        });
        self.given.insert(stem.to_owned(), number.clone());
        let right = format!("{before}{number}{after}");
        self.propose(&right);
        help.replace(proposal, &right)
    }

    fn propose(&mut self, file: &str) {
        if let Ok(name) = name::parse(file, self.folder.policy.numbering) {
            self.proposed.insert((name.database().map(str::to_owned), name.version), name.id);
        }
    }

    /// Whether no other migration has the version of this name, and no file the name itself.
    fn is_free(&self, file: &str) -> bool {
        let Ok(name) = name::parse(file, self.folder.policy.numbering) else { return true };
        let place = (name.database(), name.version);
        let mut others = self.folder.migrations.iter().filter(|other| (other.database(), other.version) == place);
        let released = self.folder.lockfile.iter().flat_map(|lockfile| lockfile.lines());
        let mut released = released.filter(|line| (line.database(), line.version) == place);
        let proposed = self.proposed.get(&(place.0.map(str::to_owned), place.1));
        others.all(|other| other.id == name.id)
            && released.all(|line| line.id == name.id)
            && proposed.is_none_or(|id| *id == name.id)
            && !read::names(&self.folder.root).contains(&file.to_owned())
    }
}
