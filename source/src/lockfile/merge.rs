//! The lines of two lockfiles as one: nothing that is frozen in either is lost, and what is frozen in both with
//! different texts is refused.

use std::collections::HashMap;

use super::read::parse;
use super::unite::{Clash, united};
use super::{Line, Lockfile};
use crate::Diagnostic;
use crate::id::Id;

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
    let stays = |line: &Line, other: &HashMap<Id, Line>| {
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

fn by_id(lines: Vec<Line>) -> HashMap<Id, Line> {
    lines.into_iter().map(|line| (line.id.clone(), line)).collect()
}
