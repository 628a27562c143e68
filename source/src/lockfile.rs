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

/// The frozen history of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockfile {
    pub(crate) lines: Vec<Line>,
}

/// What the lockfile says of one migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Version and name: `0001_create_users`; of a patch, those that it was released under.
    pub id: Id,
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
        let id = Id::parse(id).ok()?;
        let at = self.lines.partition_point(|line| line.id.place() < id.place());
        let of_it = || self.lines[at..].iter().take_while(|line| line.id.place() == id.place());
        of_it().find(|line| line.id == id).or_else(|| of_it().find(|_| id.database().is_some()))
    }

    /// The newest released migration of a database, or of all where names do not say what they are for.
    pub fn newest_frozen(&self, database: Option<&str>) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.is_frozen() && line.id.database() == database)
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

    /// The newest released migration of each database.
    pub(crate) fn newest(&self) -> HashMap<Option<&str>, &Line> {
        // Lines are in ascending order: of each database the last one stays.
        self.lines.iter().filter(|line| line.is_frozen()).map(|line| (line.id.database(), line)).collect()
    }
}

impl Line {
    /// A draft of this id.
    pub(crate) fn draft(id: Id) -> Self {
        Self { id, state: LineState::Draft, amendments: Vec::new() }
    }

    /// What the lines are sorted by.
    fn place(&self) -> (Option<&str>, Version, &str) {
        (self.id.database(), self.id.version(), &self.id)
    }

    /// Whether it was released.
    pub fn is_frozen(&self) -> bool {
        matches!(self.state, LineState::Frozen { .. })
    }

    /// The line itself.
    pub(crate) fn render(&self) -> String {
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

fn chain<'a>(format: Format, lines: impl Iterator<Item = &'a str>) -> String {
    let mut all = format!("lockgate-lock:{format}\n");
    for line in lines {
        all.push_str(line);
        all.push('\n');
    }
    sha256_hex(&all)
}
