//! Merges two lockfiles. Keeps every frozen line of both, and refuses a migration that both froze with
//! different texts.

use std::collections::HashMap;

use super::read::parse;
use super::unite::{ConflictingFreeze, unite};
use super::{Line, Lockfile};
use crate::id::Id;
use crate::{Code, Diagnostic};

/// Merges the lockfiles of two branches, given the text of both and of their common ancestor `base`. `file` is
/// its path in messages.
///
/// A line that one branch deleted and the other did not change is dropped.
///
/// # Errors
///
/// Diagnostics if a text cannot be read, or if both branches froze a migration with different texts.
pub fn merge(base: &str, ours: &str, theirs: &str, file: &str) -> Result<Lockfile, Vec<Diagnostic>> {
    let read = |text: &str| -> Result<Vec<Line>, Vec<Diagnostic>> {
        // An empty base means that both branches created the file.
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let (lockfile, diagnostics) = parse(text, file);
        lockfile.map(|lockfile| lockfile.lines).ok_or(diagnostics)
    };
    let (base, ours, theirs) = (by_id(read(base)?), read(ours)?, read(theirs)?);
    let (of_ours, of_theirs) = (by_id(ours.clone()), by_id(theirs.clone()));
    let stays = |line: &Line, other: &HashMap<Id, Line>| {
        other.contains_key(&line.id) || base.get(&line.id).is_none_or(|before| before != line)
    };
    let ours = ours.into_iter().filter(|line| stays(line, &of_theirs));
    let theirs = theirs.into_iter().filter(|line| stays(line, &of_ours));
    let united = unite(ours.chain(theirs).map(|line| (line, 0..0)).collect());
    united.map(Lockfile::of).map_err(|conflicts| {
        let error = |ConflictingFreeze { ours, theirs, .. }: ConflictingFreeze| {
            let message = format!(
                "both branches froze `{}`, with different texts: {} and {}",
                ours.id,
                ours.sums(),
                theirs.sums()
            );
            Diagnostic::error(Code::MergeConflict, file, message)
        };
        conflicts.into_iter().map(error).collect()
    })
}

fn by_id(lines: Vec<Line>) -> HashMap<Id, Line> {
    lines.into_iter().map(|line| (line.id.clone(), line)).collect()
}
