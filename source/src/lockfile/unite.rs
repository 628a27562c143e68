//! Lines of several lockfiles as one for each migration: nothing that is frozen in any of them is lost.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Line, LineState};
use crate::id::Id;

/// A migration that two branches froze with different texts.
pub(super) struct Clash {
    pub(super) ours: Line,
    pub(super) theirs: Line,
    /// Where the second is in the text.
    pub(super) range: Range<usize>,
}

/// One line for each migration.
pub(super) fn united(lines: Vec<(Line, Range<usize>)>) -> Result<Vec<Line>, Vec<Clash>> {
    let mut united: BTreeMap<Id, Line> = BTreeMap::new();
    let mut clashes = Vec::new();
    for (line, range) in lines {
        match united.get_mut(&line.id) {
            None => drop(united.insert(line.id.clone(), line)),
            Some(known) if known.continues(&line) => {}
            Some(known) if line.continues(known) => *known = line,
            Some(known) => clashes.push(Clash { ours: known.clone(), theirs: line, range }),
        }
    }
    if clashes.is_empty() { Ok(united.into_values().collect()) } else { Err(clashes) }
}

impl Line {
    /// Whether this is what the other line has become: by a release, by amendments, by a down script that came later.
    fn continues(&self, other: &Self) -> bool {
        let LineState::Frozen { up: up_then, down: down_then } = other.state else { return true };
        let LineState::Frozen { up, down } = self.state else { return false };
        let Some(since) = self.amendments.strip_prefix(other.amendments.as_slice()) else { return false };
        let (up, down) = since.first().map_or((up, down), |amendment| (amendment.up, amendment.down));
        up == up_then && (down == down_then || down_then.is_none())
    }

    /// The checksums of a frozen one, as its line has them.
    pub(super) fn sums(&self) -> String {
        let rendered = self.render();
        let sums = rendered.split_once(" up=").map_or("", |(_, sums)| sums);
        format!("`up={sums}`")
    }
}
