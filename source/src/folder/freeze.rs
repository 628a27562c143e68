//! Marks the released migrations of a folder, adds drafts to the lockfile, and freezes drafts in it.

use std::collections::{HashMap, HashSet};

use lockgate_core::{Checksum, Version};

use super::model::{Folder, Migration};
use super::name::Kind;
use crate::id::Id;
use crate::lockfile::{Line, LineState, Lockfile};

/// Marks the migrations that the lockfile records as released.
pub(super) fn mark(lockfile: &Lockfile, migrations: &mut [Migration]) {
    for line in &lockfile.lines {
        let LineState::Frozen { up, .. } = line.state else { continue };
        let place = line.id.place();
        let start = migrations.partition_point(|known| (known.database(), known.version()) < place);
        let end = migrations.partition_point(|known| (known.database(), known.version()) <= place);
        let of_it = &mut migrations[start..end];
        let named = of_it.iter().position(|migration| migration.id == line.id);
        // A patch may have been renamed. If two have its key, which is an error, take the one whose text has not
        // changed.
        let by_key = || place.0.map(|_| of_it.iter().position(|m| m.up.checksum == Some(up)).unwrap_or(0));
        if let Some(migration) = named.or_else(by_key).and_then(|index| of_it.get_mut(index)) {
            migration.frozen = true;
            migration.amended = line.amendments.iter().map(|amendment| amendment.up).collect();
        }
    }
}

/// Returns the new ids of released migrations that were renamed.
pub(super) fn renames<'a>(lockfile: &Lockfile, folder: &'a Folder) -> HashSet<&'a str> {
    let unknown = Unknown::of(folder, lockfile);
    let orphans = lockfile.lines.iter().filter(|line| line.is_frozen() && folder.find(&line.id).is_none());
    orphans.filter_map(|line| unknown.renamed(line)).map(|to| to.id.as_str()).collect()
}

/// The migrations of a folder that are not in its lockfile, indexed by version and by text, to find the new name of a
/// lockfile line without a file.
pub(super) struct Unknown<'a> {
    by_place: HashMap<(Option<&'a str>, Version), &'a Migration>,
    by_text: HashMap<Checksum, &'a Migration>,
}

impl<'a> Unknown<'a> {
    pub(super) fn of(folder: &'a Folder, lockfile: &Lockfile) -> Self {
        let mut unknown = Self { by_place: HashMap::new(), by_text: HashMap::new() };
        for migration in &folder.migrations {
            let line = lockfile.find(&migration.id);
            if line.is_some_and(Line::is_frozen) {
                continue;
            }
            if line.is_none() {
                unknown.by_place.entry((migration.database(), migration.version())).or_insert(migration);
            }
            // A draft that one branch renamed and another released has a line of its own.
            if let Some(checksum) = migration.up.checksum {
                unknown.by_text.entry(checksum).or_insert(migration);
            }
        }
        unknown
    }

    /// Returns the migration that a line without a file was renamed to: the one with the same version, or the one with
    /// the same text.
    pub(super) fn renamed(&self, line: &Line) -> Option<&'a Migration> {
        let same_text = || match line.state {
            LineState::Frozen { up, .. } => self.by_text.get(&up).copied(),
            LineState::Draft => None,
        };
        self.by_place.get(&line.id.place()).copied().or_else(same_text)
    }
}

/// Returns the lockfile with a line for every draft of the folder, and without lines of deleted drafts. Frozen lines
/// stay as they are.
pub fn with_drafts(folder: &Folder, old: Option<&Lockfile>) -> Lockfile {
    let frozen = old.into_iter().flat_map(|old| old.lines().iter().filter(|line| line.is_frozen()).cloned());
    let mut lines: Vec<Line> = frozen.collect();
    let known: HashSet<Id> = lines.iter().map(|line| line.id.clone()).collect();
    // A released patch may have another name than its line.
    let is_known = |migration: &Migration| known.contains(&migration.id) || (old.is_some() && migration.frozen);
    for migration in folder.migrations.iter().filter(|migration| !is_known(migration)) {
        lines.push(Line::draft(migration.id.clone()));
    }
    Lockfile::of(lines)
}

/// Returns the lockfile with every migration of the folder frozen. Frozen lines keep their checksums, and get one for a
/// down script that was added later.
pub fn freeze(folder: &Folder, old: Option<&Lockfile>) -> Lockfile {
    let mut lockfile = with_drafts(folder, old);
    for line in &mut lockfile.lines {
        let Some(migration) = folder.find(&line.id) else { continue };
        let down_now = match migration.up.kind {
            Kind::Rust => None,
            Kind::Up | Kind::OneWay | Kind::Down => migration.down.as_ref().and_then(|down| down.checksum),
        };
        line.state = match (line.state, migration.up.checksum) {
            (LineState::Draft, Some(up)) => LineState::Frozen { up, down: down_now },
            (LineState::Draft, None) => LineState::Draft,
            (LineState::Frozen { up, down }, _) => LineState::Frozen { up, down: down.or(down_now) },
        };
    }
    lockfile
}
