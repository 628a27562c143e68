//! The lines of two lockfiles as one: nothing that is frozen in either is lost, and what is frozen in both with
//! different texts is refused.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::read::parse;
use super::{Line, LineState, Lockfile};
use crate::Diagnostic;

/// A migration that two branches froze with different texts.
pub(super) struct Clash {
    pub(super) ours: Line,
    pub(super) theirs: Line,
    /// Where the second is in the text.
    pub(super) range: Range<usize>,
}

/// One line for each migration.
pub(super) fn united(lines: Vec<(Line, Range<usize>)>) -> Result<Vec<Line>, Vec<Clash>> {
    let mut united: BTreeMap<String, Line> = BTreeMap::new();
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

/// The lockfile of a merge: what both branches have made of the one that they began with, each given as a text.
/// `file` is how messages name it.
///
/// A line that one branch deleted and the other left as it was is gone.
///
/// # Errors
///
/// What is wrong where a text cannot be read, or both branches froze a migration with different texts.
pub fn merge(base: &str, ours: &str, theirs: &str, file: &str) -> Result<Lockfile, Vec<Diagnostic>> {
    let read = |text: &str| -> Result<Vec<Line>, Vec<Diagnostic>> {
        // Both branches may have begun the file.
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let (lockfile, diagnostics) = parse(text, file);
        lockfile.map(|lockfile| lockfile.lines).ok_or(diagnostics)
    };
    let (base, ours, theirs) = (by_id(read(base)?), read(ours)?, read(theirs)?);
    let (of_ours, of_theirs) = (by_id(ours.clone()), by_id(theirs.clone()));
    let stays = |line: &Line, other: &HashMap<String, Line>| {
        other.contains_key(&line.id) || base.get(&line.id).is_none_or(|before| before != line)
    };
    let ours = ours.into_iter().filter(|line| stays(line, &of_theirs));
    let theirs = theirs.into_iter().filter(|line| stays(line, &of_ours));
    let united = united(ours.chain(theirs).map(|line| (line, 0..0)).collect());
    united.map(Lockfile::of).map_err(|clashes| {
        let error = |Clash { ours, theirs, .. }: Clash| {
            let message = format!(
                "both branches froze `{}`, with different texts: {} and {}",
                ours.id,
                ours.sums(),
                theirs.sums()
            );
            Diagnostic::error("merge-conflict", file, message)
        };
        clashes.into_iter().map(error).collect()
    })
}

fn by_id(lines: Vec<Line>) -> HashMap<String, Line> {
    lines.into_iter().map(|line| (line.id.clone(), line)).collect()
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
