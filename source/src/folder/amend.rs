//! A released migration that no database could apply, put right: the lockfile gets the new checksums, and keeps
//! those of before with the reason.

use lockgate_core::Checksum;

use super::model::{Folder, Migration};
use super::name::Kind;
use crate::lockfile::{Amendment, LineState, Lockfile};

/// A lockfile that records the text of now, and what it recorded before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// The lockfile as it is to be.
    pub lockfile: Lockfile,
    /// What was recorded for the up script, and what is now.
    pub up: (Checksum, Checksum),
    /// The same for the down script.
    pub down: (Option<Checksum>, Option<Checksum>),
}

/// Records the text that a released migration has now. The reason is in the lockfile afterwards, on one line.
///
/// # Errors
///
/// A message, where the migration is a draft, its text is the one that is recorded, or there is no reason.
pub fn amend(folder: &Folder, migration: &Migration, reason: &str) -> Result<Amended, String> {
    let id = &migration.id;
    let reason = reason.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let reason = reason.collect::<Vec<_>>().join(" ");
    if reason.is_empty() {
        return Err(format!("say why `{id}` is amended: `--reason \"…\"` stands in the lockfile"));
    }
    let line = folder.lockfile.as_ref().and_then(|lockfile| lockfile.find(id));
    let Some((lockfile, line, LineState::Frozen { up, down })) =
        folder.lockfile.as_ref().zip(line).map(|(lockfile, line)| (lockfile, line, line.state))
    else {
        return Err(format!("`{id}` is a draft: edit it, there is nothing to amend"));
    };
    let up_now = migration.up.checksum.ok_or_else(|| format!("`{id}` cannot be read"))?;
    let down_now = match migration.up.kind {
        Kind::Rust => None,
        Kind::Up | Kind::OneWay | Kind::Down => migration.down.as_ref().and_then(|down| down.checksum),
    };
    if (up, down) == (up_now, down_now) {
        return Err(format!("`{id}` is just as it was released: edit it first, then amend it"));
    }
    let mut amended = lockfile.clone();
    let of_it = amended.lines.iter_mut().find(|other| other.id == line.id).expect("it was found in this lockfile");
    of_it.state = LineState::Frozen { up: up_now, down: down_now };
    of_it.amendments.push(Amendment { up, down, reason });
    Ok(Amended { lockfile: amended, up: (up, up_now), down: (down, down_now) })
}
