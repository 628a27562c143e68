//! Amends a released migration that no database has applied: the lockfile gets the new checksums, and keeps the old
//! ones with the reason.

use lockgate_core::Checksum;

use super::model::{Folder, Migration};
use super::name::Kind;
use crate::lockfile::{Amendment, LineState, Lockfile};

/// The result of an amendment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// The new lockfile.
    pub lockfile: Lockfile,
    /// The old and the new checksum of the up script.
    pub up: (Checksum, Checksum),
    /// The old and the new checksum of the down script.
    pub down: (Option<Checksum>, Option<Checksum>),
}

/// Records the current text of a released migration in the lockfile, with the reason on one line.
///
/// # Errors
///
/// A message, if the migration is a draft, its text has not changed, or the reason is empty.
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
