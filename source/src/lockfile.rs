//! The lockfile `migrations.lock`: which migrations are released (`frozen`), with which checksums. It is
//! committed to version control. Each migration has one line. The head line has a hash over all lines, so
//! that two branches that both add a migration conflict on purpose.
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
//! An `amended` line follows the line of its migration and has the checksums from before the amendment. A
//! file with such a line has the format `v2`. Every other file is written as `v1`, which older releases of
//! Lockgate can read.
//!
//! A patch, `database.MAJOR.MINOR.user.description`, is identified by its first three parts. Its line keeps
//! the name that it was released under, even if the file is renamed later.

mod merge;
mod read;
mod unite;

use std::collections::HashMap;
use std::fmt;

use lockgate_core::{Checksum, Version};

use crate::checksum::sha256_hex;
use crate::id::Id;

pub use merge::merge;
pub use read::parse;

/// The name of the lockfile.
pub const FILE: &str = "migrations.lock";

const HEAD: &str = "lockgate-lock ";
const NOTE: &str = "# Written by `cargo xtask`; commit it and do not edit it.";

/// The contents of a lockfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockfile {
    pub(crate) lines: Vec<Line>,
}

/// What the lockfile records about one migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Version and name: `0001_create_users`. For a patch, the name that it was released under.
    pub id: Id,
    /// Whether it is released, and with which checksums.
    pub state: LineState,
    /// Its amendments since its release, oldest first.
    pub amendments: Vec<Amendment>,
}

/// A change to a released migration that no database had applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The checksum of the up script or the Rust step before the amendment.
    pub up: Checksum,
    /// The checksum of the down script before the amendment, if there was one.
    pub down: Option<Checksum>,
    /// The reason, on one line.
    pub reason: String,
}

/// The format of a lockfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    V1,
    /// With amendments.
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

/// Whether a migration is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// Not released: it may be edited.
    Draft,
    /// Released.
    Frozen {
        /// The checksum of the up script or of the Rust step.
        up: Checksum,
        /// The checksum of the down script, if there was one.
        down: Option<Checksum>,
    },
}

impl Lockfile {
    /// Returns the lines, sorted by database and version.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Creates a lockfile from lines in any order.
    pub(crate) fn of(mut lines: Vec<Line>) -> Self {
        lines.sort_by(|a, b| a.place().cmp(&b.place()));
        lines.dedup();
        Self { lines }
    }

    /// Returns the line of the migration with this id. A patch is also found by its key, under another name.
    pub fn find(&self, id: &str) -> Option<&Line> {
        let id = Id::parse(id).ok()?;
        let at = self.lines.partition_point(|line| line.id.place() < id.place());
        let of_it = || self.lines[at..].iter().take_while(|line| line.id.place() == id.place());
        of_it().find(|line| line.id == id).or_else(|| of_it().find(|_| id.database().is_some()))
    }

    /// Returns the newest released migration of a database; `None` stands for names without a database.
    pub fn newest_frozen(&self, database: Option<&str>) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.is_frozen() && line.id.database() == database)
    }

    /// Whether any migration is released.
    pub fn has_frozen(&self) -> bool {
        self.lines.iter().any(Line::is_frozen)
    }

    /// Renders the text of the file. The same lines always give the same text.
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

    /// Returns the newest released migration of each database.
    pub(crate) fn newest(&self) -> HashMap<Option<&str>, &Line> {
        // Lines are sorted, and the last line of each database wins.
        self.lines.iter().filter(|line| line.is_frozen()).map(|line| (line.id.database(), line)).collect()
    }
}

impl Line {
    /// Creates the line of a draft.
    pub(crate) fn draft(id: Id) -> Self {
        Self { id, state: LineState::Draft, amendments: Vec::new() }
    }

    /// Returns the sort key of the line.
    fn place(&self) -> (Option<&str>, Version, &str) {
        (self.id.database(), self.id.version(), &self.id)
    }

    /// Whether it is released.
    pub fn is_frozen(&self) -> bool {
        matches!(self.state, LineState::Frozen { .. })
    }

    /// Renders the line without its amendments.
    pub(crate) fn render(&self) -> String {
        match self.state {
            LineState::Draft => format!("draft {}", self.id),
            LineState::Frozen { up, down: None } => format!("frozen {} up={up}", self.id),
            LineState::Frozen { up, down: Some(down) } => format!("frozen {} up={up} down={down}", self.id),
        }
    }

    /// Renders the line and those of its amendments.
    fn render_all(&self) -> impl Iterator<Item = String> {
        let amended = self.amendments.iter().map(|amendment| {
            let Amendment { up, down, reason } = amendment;
            let down = down.map(|down| format!(" down={down}")).unwrap_or_default();
            format!("amended {} up={up}{down} reason={reason}", self.id)
        });
        std::iter::once(self.render()).chain(amended)
    }
}

fn chain<'a>(format: Format, lines: impl Iterator<Item = &'a str>) -> String {
    let mut all = format!("lockgate-lock:{format}\n");
    for line in lines {
        all.push_str(line);
        all.push('\n');
    }
    sha256_hex(&all)
}
