//! `migrations.lock`: the frozen history of a folder, as a text that is checked in. Each migration
//! has one line with its own checksums, so that one edit changes one line; the head line chains all
//! of them, so that two branches that both add a migration conflict in version control on purpose.
//!
//! ```text
//! lockgate-lock v2 chain=5d1f…
//! # Written by `cargo xtask`; commit it and do not edit it.
//! frozen 0001_create_users up=v1:9c0a… down=v1:77be…
//! frozen 0002_unique_email up=v1:31e2…
//! amended 0002_unique_email up=v1:a07c… reason=two users have one email
//! draft 0003_add_tags
//! ```
//!
//! A line `amended` follows that of its migration and has the checksums from before the amendment. Only a file
//! with such a line has the format `v2`; every other is written as `v1`, which releases without amendments read.
//!
//! A patch, `database.MAJOR.MINOR.user.description`, is found by its first three parts: its line keeps
//! the name that it was released under, whatever it is called now.

mod amend;
mod merge;
mod read;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use lockgate_core::patch::Patch;
use lockgate_core::{Checksum, Version};

use crate::Diagnostic;
use crate::checksum::sha256_hex;
use crate::diagnostic::typed;
use crate::folder::name::Kind;
use crate::folder::{Folder, Migration, Script, order};

pub use amend::{Amended, amend};
pub use merge::merge;
pub use read::parse;

/// The name of the lockfile.
pub const FILE: &str = "migrations.lock";

const HEAD: &str = "lockgate-lock ";
const NOTE: &str = "# Written by `cargo xtask`; commit it and do not edit it.";

/// The frozen history of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockfile {
    lines: Vec<Line>,
}

/// What the lockfile says of one migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its version.
    pub version: Version,
    /// Version and name: `0001_create_users`; of a patch, those that it was released under.
    pub id: String,
    /// Whether it was released, and with which checksums.
    pub state: LineState,
    /// How it was amended since its release, the first time first.
    pub amendments: Vec<Amendment>,
}

/// A change to a released migration that no database had applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The checksum that the up script or the Rust step had before.
    pub up: Checksum,
    /// The checksum that the down script had before, where there was one.
    pub down: Option<Checksum>,
    /// Why, in one line.
    pub reason: String,
}

/// The format of a lockfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    V1,
    /// Has amendments.
    V2,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// Whether a migration was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// It may still be edited.
    Draft,
    /// It was released.
    Frozen {
        /// The checksum of the up script or of the Rust step.
        up: Checksum,
        /// The checksum of the down script, where there was one.
        down: Option<Checksum>,
    },
}

impl Lockfile {
    /// The lines in ascending order of databases and versions.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// A lockfile of these lines, in whatever order.
    pub(crate) fn of(mut lines: Vec<Line>) -> Self {
        lines.sort_by(|a, b| a.place().cmp(&b.place()));
        lines.dedup();
        Self { lines }
    }

    /// The line of the migration with this id; of a patch, whatever it was called then.
    pub fn find(&self, id: &str) -> Option<&Line> {
        let place = place_of(id)?;
        let at = self.lines.partition_point(|line| (line.database(), line.version) < place);
        let of_it = || self.lines[at..].iter().take_while(|line| (line.database(), line.version) == place);
        of_it().find(|line| line.id == id).or_else(|| of_it().find(|_| place.0.is_some()))
    }

    /// The newest released migration of a database, or of all where names do not say what they are for.
    pub fn newest_frozen(&self, database: Option<&str>) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.is_frozen() && line.database() == database)
    }

    /// Whether anything is released.
    pub fn has_frozen(&self) -> bool {
        self.lines.iter().any(Line::is_frozen)
    }

    /// The text of the file. The same lines always give the same text.
    pub fn render(&self) -> String {
        let lines: Vec<String> = self.lines.iter().flat_map(Line::render_all).collect();
        let amended = self.lines.iter().any(|line| !line.amendments.is_empty());
        let format = if amended { Format::V2 } else { Format::V1 };
        let mut text = format!("{HEAD}{format} chain={}\n{NOTE}\n", chain(format, lines.iter().map(String::as_str)));
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// Marks the migrations that are released.
    pub(crate) fn mark(&self, migrations: &mut [Migration]) {
        for line in &self.lines {
            let LineState::Frozen { up, .. } = line.state else { continue };
            let place = (line.database(), line.version);
            let start = migrations.partition_point(|known| (known.database(), known.version) < place);
            let end = migrations.partition_point(|known| (known.database(), known.version) <= place);
            let of_it = &mut migrations[start..end];
            let named = of_it.iter().position(|migration| migration.id == line.id);
            // A patch may have another name by now. Should there be two of its key, which is an error,
            // it is the one that has the text of then.
            let by_key = || place.0.map(|_| of_it.iter().position(|m| m.up.checksum == Some(up)).unwrap_or(0));
            if let Some(migration) = named.or_else(by_key).and_then(|index| of_it.get_mut(index)) {
                migration.frozen = true;
                migration.amended = line.amendments.iter().map(|amendment| amendment.up).collect();
            }
        }
    }

    /// The newest released migration of each database.
    pub(crate) fn newest(&self) -> HashMap<Option<&str>, &Line> {
        // Lines are in ascending order: of each database the last one stays.
        self.lines.iter().filter(|line| line.is_frozen()).map(|line| (line.database(), line)).collect()
    }

    /// The ids of the migrations that released ones were renamed to.
    pub(crate) fn renames<'a>(&self, folder: &'a Folder) -> HashSet<&'a str> {
        let unknown = Unknown::of(folder, self);
        let orphans = self.lines.iter().filter(|line| line.is_frozen() && folder.find(&line.id).is_none());
        orphans.filter_map(|line| unknown.renamed(line)).map(|to| to.id.as_str()).collect()
    }
}

impl Line {
    /// A draft of this id, which is well-formed and so has a version.
    pub(crate) fn draft(id: &str) -> Self {
        let (_, version) = place_of(id).expect("a well-formed id has a version");
        Self { version, id: id.to_owned(), state: LineState::Draft, amendments: Vec::new() }
    }

    pub(crate) fn database(&self) -> Option<&str> {
        Patch::parse(&self.id).map(|patch| patch.database())
    }

    /// What the lines are sorted by.
    fn place(&self) -> (Option<&str>, Version, &str) {
        (self.database(), self.version, &self.id)
    }

    fn is_frozen(&self) -> bool {
        matches!(self.state, LineState::Frozen { .. })
    }

    fn render(&self) -> String {
        match self.state {
            LineState::Draft => format!("draft {}", self.id),
            LineState::Frozen { up, down: None } => format!("frozen {} up={up}", self.id),
            LineState::Frozen { up, down: Some(down) } => format!("frozen {} up={up} down={down}", self.id),
        }
    }

    /// Its own line and those of its amendments.
    fn render_all(&self) -> impl Iterator<Item = String> {
        let amended = self.amendments.iter().map(|amendment| {
            let Amendment { up, down, reason } = amendment;
            let down = down.map(|down| format!(" down={down}")).unwrap_or_default();
            format!("amended {} up={up}{down} reason={reason}", self.id)
        });
        std::iter::once(self.render()).chain(amended)
    }
}

/// The version that an id says, and the database where it says one.
pub(crate) fn place_of(id: &str) -> Option<(Option<&str>, Version)> {
    if let Some(patch) = Patch::parse(id) {
        return Some((Some(patch.database()), patch.version()));
    }
    let version = id[..id.bytes().take_while(u8::is_ascii_digit).count()].parse().ok()?;
    Some((None, version))
}

fn chain<'a>(format: Format, lines: impl Iterator<Item = &'a str>) -> String {
    let mut all = format!("lockgate-lock:{format}\n");
    for line in lines {
        all.push_str(line);
        all.push('\n');
    }
    sha256_hex(&all)
}

/// Every difference between a folder and its lockfile. `text` is the lockfile's.
pub fn compare(folder: &Folder, lockfile: &Lockfile, text: &str) -> Vec<Diagnostic> {
    let lines = text.split_inclusive('\n').scan(0, |at, line| {
        let start = std::mem::replace(at, *at + line.len());
        Some((line.trim_end(), start))
    });
    let mut comparison = Comparison {
        folder,
        unknown: Unknown::of(folder, lockfile),
        text: text.into(),
        lines: lines.collect(),
        diagnostics: Vec::new(),
        taken: HashSet::new(),
    };
    let newest = lockfile.newest();
    for line in &lockfile.lines {
        match folder.find(&line.id) {
            Some(migration) => comparison.both(line, migration),
            None => comparison.line_alone(line),
        }
    }
    for migration in &folder.migrations {
        let newest = newest.get(&migration.database()).map(|line| line.version);
        // A duplicate and a misordered one have an error of their own, and one way out.
        let other_error = Some(migration.version) < newest || order::is_duplicate(folder, migration);
        if lockfile.find(&migration.id).is_none() && !comparison.taken.contains(migration.id.as_str()) && !other_error {
            comparison.file_alone(migration);
        }
    }
    comparison.diagnostics
}

struct Comparison<'a> {
    folder: &'a Folder,
    unknown: Unknown<'a>,
    text: Arc<str>,
    /// Where each line of the text begins.
    lines: HashMap<&'a str, usize>,
    diagnostics: Vec<Diagnostic>,
    /// Migrations that are what a line's migration was renamed to.
    taken: HashSet<&'a str>,
}

impl Comparison<'_> {
    fn both(&mut self, line: &Line, migration: &Migration) {
        let LineState::Frozen { up, down } = line.state else { return };
        let folder = self.folder;
        let lockfile = folder.show(FILE);
        let edited = |script: &Script, message: String| {
            let file = folder.show(&script.path);
            let file = typed(&file);
            folder
                .error("edited", script, message)
                .help(format!(
                    "undo the edit (`git checkout HEAD -- {file}` does, unless it is committed), and write a new \
                     migration: `cargo xtask new-migration \"what it changes\"`"
                ))
                .help(format!(
                    "or, if no database has applied `{}` yet, type `cargo xtask amend {} --reason \"why\"`",
                    migration.id,
                    migration.word()
                ))
        };
        if migration.up.checksum.is_some_and(|now| now != up) {
            let message =
                format!("`{}` was edited after its release: `{lockfile}` records another checksum", migration.id);
            self.diagnostics.push(edited(&migration.up, message));
        }
        if migration.up.kind == Kind::Rust {
            return;
        }
        match (down, &migration.down) {
            (Some(then), Some(script)) if script.checksum.is_some_and(|now| now != then) => {
                let message = format!(
                    "the down script of `{}` was edited after its release: `{lockfile}` records another checksum",
                    migration.id
                );
                self.diagnostics.push(edited(script, message));
            }
            (Some(_), None) => {
                let message = format!("`{}` was released with a down script, and it is gone", migration.id);
                self.diagnostics.push(
                    self.at_line(Diagnostic::error("deleted", lockfile, message), line)
                        .help(format!("bring `{}.down.sql` back from version control", migration.id)),
                );
            }
            (None, Some(script)) => {
                let message = format!(
                    "`{}` was released without a down script: `{lockfile}` does not record this one",
                    migration.id
                );
                self.diagnostics.push(
                    folder
                        .error("unlocked", script, message)
                        .help("run `cargo xtask freeze` to release it too, or delete the file"),
                );
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn line_alone(&mut self, line: &Line) {
        let lockfile = self.folder.show(FILE);
        let renamed = self.unknown.renamed(line);
        if let Some(now) = renamed {
            self.taken.insert(&now.id);
        }
        let error = match (line.is_frozen(), renamed) {
            (true, Some(now)) => {
                let message =
                    format!("`{}` was renamed after its release: the lockfile knows it as `{}`", now.id, line.id);
                let error = self.folder.error("renamed", &now.up, message).help(format!(
                    "give it its name back: `{}{}`",
                    line.id,
                    now.up.kind.suffix()
                ));
                self.diagnostics.push(error);
                return;
            }
            (true, None) => {
                Diagnostic::error("deleted", lockfile, format!("`{}` was deleted after its release", line.id))
                    .help("bring it back from version control: databases have it, and new ones need it")
            }
            (false, Some(now)) => {
                let message = format!("the lockfile has a draft `{}`, and the folder calls it `{}`", line.id, now.id);
                Diagnostic::error("unlocked", lockfile, message)
                    .help("run `cargo xtask check --write` to write the new name")
            }
            (false, None) => {
                let message = format!("the lockfile has a draft `{}`, and the folder has no such file", line.id);
                Diagnostic::error("vanished-draft", lockfile, message)
                    .help("run `cargo xtask check --write` to drop the line, or bring the file back")
            }
        };
        let error = self.at_line(error, line);
        self.diagnostics.push(error);
    }

    fn file_alone(&mut self, migration: &Migration) {
        let lockfile = self.folder.show(FILE);
        let message = format!("`{}` is not in the lockfile `{lockfile}`", migration.id);
        self.diagnostics.push(
            self.folder
                .error("unlocked", &migration.up, message)
                .help("run `cargo xtask check --write` to add it as a draft"),
        );
    }

    /// The diagnostic at the line of the lockfile.
    fn at_line(&self, error: Diagnostic, line: &Line) -> Diagnostic {
        let rendered = line.render();
        match self.lines.get(rendered.as_str()) {
            Some(at) => {
                let id = at + rendered.find(&line.id).unwrap_or(0);
                error.within(Arc::clone(&self.text), id..id + line.id.len())
            }
            None => error,
        }
    }
}

/// The migrations of a folder that its lockfile does not know, by what a line without a file may be renamed to.
/// Each is looked up, as all files of a folder may have been renamed.
struct Unknown<'a> {
    by_place: HashMap<(Option<&'a str>, Version), &'a Migration>,
    by_text: HashMap<Checksum, &'a Migration>,
}

impl<'a> Unknown<'a> {
    fn of(folder: &'a Folder, lockfile: &Lockfile) -> Self {
        let mut unknown = Self { by_place: HashMap::new(), by_text: HashMap::new() };
        for migration in folder.migrations.iter().filter(|migration| lockfile.find(&migration.id).is_none()) {
            unknown.by_place.entry((migration.database(), migration.version)).or_insert(migration);
            if let Some(checksum) = migration.up.checksum {
                unknown.by_text.entry(checksum).or_insert(migration);
            }
        }
        unknown
    }

    /// What the migration of a line without a file is called now: the one of the same version, or the one with
    /// the same text.
    fn renamed(&self, line: &Line) -> Option<&'a Migration> {
        let same_text = || match line.state {
            LineState::Frozen { up, .. } => self.by_text.get(&up).copied(),
            LineState::Draft => None,
        };
        self.by_place.get(&(line.database(), line.version)).copied().or_else(same_text)
    }
}

/// The lockfile with a line for every draft of the folder, and without lines of drafts that are
/// gone. What is released stays as it was recorded.
pub fn with_drafts(folder: &Folder, old: Option<&Lockfile>) -> Lockfile {
    let frozen = old.into_iter().flat_map(|old| old.lines.iter().filter(|line| line.is_frozen()).cloned());
    let mut lines: Vec<Line> = frozen.collect();
    let known: HashSet<String> = lines.iter().map(|line| line.id.clone()).collect();
    // A released patch may have another name than its line.
    let is_known = |migration: &Migration| known.contains(&migration.id) || (old.is_some() && migration.frozen);
    for migration in folder.migrations.iter().filter(|migration| !is_known(migration)) {
        lines.push(Line::draft(&migration.id));
    }
    Lockfile::of(lines)
}

/// The lockfile with every migration of the folder released. What was released before keeps the
/// checksums that were recorded then, and gets one for a down script that came later.
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
