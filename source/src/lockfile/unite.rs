//! Combines the lines of several lockfiles into one line for each migration, keeping every frozen line.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Amendment, Line, LineState};
use crate::id::Id;

/// A migration that two branches froze with different texts.
pub(super) struct ConflictingFreeze {
    pub(super) ours: Line,
    pub(super) theirs: Line,
    /// The byte range of the second line.
    pub(super) range: Range<usize>,
}

/// Returns one line for each migration.
///
/// # Errors
///
/// The migrations that are frozen with different texts.
pub(super) fn unite(lines: Vec<(Line, Range<usize>)>) -> Result<Vec<Line>, Vec<ConflictingFreeze>> {
    let mut united: BTreeMap<Id, Line> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for (line, range) in lines {
        match united.get_mut(&line.id) {
            None => drop(united.insert(line.id.clone(), line)),
            Some(known) if known.continues(&line) => {}
            Some(known) if line.continues(known) => *known = line,
            Some(known) => conflicts.push(ConflictingFreeze { ours: known.clone(), theirs: line, range }),
        }
    }
    if conflicts.is_empty() { Ok(united.into_values().collect()) } else { Err(conflicts) }
}

impl Line {
    /// Whether this line is a later state of the other one: after a release, an amendment, or the addition of a
    /// down script.
    fn continues(&self, other: &Self) -> bool {
        let LineState::Frozen { up: up_then, down: down_then } = other.state else { return true };
        let LineState::Frozen { up, down } = self.state else { return false };
        // Two branches may have made the same change for different reasons.
        let sums = |amendment: &Amendment| (amendment.up, amendment.down);
        let (before, since) = match self.amendments.split_at_checked(other.amendments.len()) {
            Some((before, since)) => (before.iter().map(sums), since),
            None => return false,
        };
        if !before.eq(other.amendments.iter().map(sums)) {
            return false;
        }
        let (up, down) = since.first().map_or((up, down), |amendment| (amendment.up, amendment.down));
        up == up_then && (down == down_then || down_then.is_none())
    }

    /// Returns the checksums of a frozen line as the file writes them.
    pub(super) fn sums(&self) -> String {
        let rendered = self.render();
        let sums = rendered.split_once(" up=").map_or("", |(_, sums)| sums);
        format!("`up={sums}`")
    }
}
