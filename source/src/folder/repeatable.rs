//! Repeatable scripts (`R__active_users.sql`): checks them, and finds the order in which they run from what each creates and
//! mentions.

use std::collections::BTreeSet;

use lockgate_core::table::BodyData;
use lockgate_core::{Checksum, CompanionKind, Dialect};

use super::directive;
use super::model::{CompanionFolder, Folder, Migration};
use super::name::Name;
use super::script::ReadScript;
use crate::checksum::checksum;
use crate::sql::objects::{Objects, objects};
use crate::sql::suggest;
use crate::{Code, Diagnostic};

/// The lints that do not concern scripts that run again and have no way back.
pub(super) const IS_USUAL: [&str; 3] = ["drop-cascade", "incomplete-down", "lossy-down"];

/// Makes the companion folder of these scripts.
pub(super) fn companion(
    folder: &Folder,
    scripts: Vec<(Name, ReadScript)>,
) -> (Option<CompanionFolder>, Vec<Diagnostic>) {
    let (scripts, mut diagnostics) = distinct(folder, scripts);
    if scripts.is_empty() {
        return (None, diagnostics);
    }
    for (name, read) in &scripts {
        diagnostics.extend(unfit(folder, name, read));
    }
    let (needs, problems) = needs(folder, &scripts);
    diagnostics.extend(problems);
    let order = match order(&scripts, &needs) {
        Ok(order) => order,
        Err(circle) => {
            diagnostics.push(circular(folder, &scripts, &circle));
            (0..scripts.len()).collect()
        }
    };
    let mut migrations: Vec<Migration> = Vec::with_capacity(scripts.len());
    let mut checksums: Vec<Option<Checksum>> = vec![None; scripts.len()];
    let (names, reads): (Vec<Name>, Vec<ReadScript>) = scripts.into_iter().unzip();
    let mut reads: Vec<Option<ReadScript>> = reads.into_iter().map(Some).collect();
    for (rank, at) in order.into_iter().enumerate() {
        let Some(read) = reads[at].take() else { continue };
        let mut migration = Migration::new(&names[at], read.script, None, None, read.profiles);
        let needed: Vec<(&str, Option<Checksum>)> =
            needs[at].iter().map(|needed| (&*names[*needed].id, checksums[*needed])).collect();
        migration.up.checksum = migration.up.checksum.map(|own| with_needed(own, &needed));
        checksums[at] = migration.up.checksum;
        migration.rank = Some(rank as u64);
        migrations.push(migration);
    }
    let part = Folder {
        migrations,
        lockfile: None,
        companions: Vec::new(),
        snapshots: Vec::new(),
        tracked: Vec::new(),
        ..folder.clone()
    };
    (Some(CompanionFolder { kind: CompanionKind::Repeatable, folder: part }), diagnostics)
}

/// The checksum of a script and of all that it needs: what needs something that has changed runs again. Otherwise a view
/// that was dropped with another one, by `DROP … CASCADE`, would be gone after a crash between the two.
fn with_needed(own: Checksum, needed: &[(&str, Option<Checksum>)]) -> Checksum {
    if needed.is_empty() {
        return own;
    }
    let mut text = own.to_string();
    for (id, needed) in needed {
        let needed = needed.map_or_else(String::new, |needed| needed.to_string());
        text.push_str(&format!("\n{id} {needed}"));
    }
    checksum(&text)
}

/// Keeps the first script of each name, and reports the others.
fn distinct(folder: &Folder, mut scripts: Vec<(Name, ReadScript)>) -> (Vec<(Name, ReadScript)>, Vec<Diagnostic>) {
    scripts.sort_by(|(a, read_a), (b, read_b)| (&*a.id, &read_a.script.path).cmp(&(&*b.id, &read_b.script.path)));
    let mut diagnostics = Vec::new();
    let mut kept: Vec<(Name, ReadScript)> = Vec::with_capacity(scripts.len());
    for (name, read) in scripts {
        match kept.iter().find(|(known, _)| known.id.version() == name.id.version()) {
            None => kept.push((name, read)),
            Some((known, first)) => {
                let (a, b) = (folder.show(&first.script.path), folder.show(&read.script.path));
                let message = if known.id == name.id {
                    format!("`{}` exists twice: as `{a}` and as `{b}`", name.id)
                } else {
                    format!("`{}` and `{}` have the same hash, by which a database knows them", known.id, name.id)
                };
                diagnostics.push(
                    folder
                        .error(Code::Duplicate, &read.script, message)
                        .help("folder names do not matter: delete or rename one of the two"),
                );
            }
        }
    }
    (kept, diagnostics)
}

/// Reports directives that a repeatable script cannot have.
fn unfit(folder: &Folder, name: &Name, read: &ReadScript) -> Vec<Diagnostic> {
    let id = &name.id;
    let (file, text) = (folder.show(&read.script.path), &read.script.text);
    let mut diagnostics = Vec::new();
    let mut error = |range: &std::ops::Range<usize>, message: String, help: &str| {
        diagnostics.push(Diagnostic::error(Code::BadDirective, &file, message).at(text, range.clone(), "").help(help));
    };
    if let Some(range) = &read.no_transaction {
        error(
            range,
            format!("`{id}` is repeatable, and runs in a transaction together with its history row"),
            "delete this line; what cannot run in a transaction belongs in a migration",
        );
    }
    if let Some((_, range)) = &read.irreversible {
        error(range, format!("`{id}` is repeatable, and nothing reverts it"), "delete this line");
    }
    diagnostics
}

/// Which scripts each needs, as indexes in ascending order.
fn needs(folder: &Folder, scripts: &[(Name, ReadScript)]) -> (Vec<BTreeSet<usize>>, Vec<Diagnostic>) {
    let found: Vec<Vec<Objects>> = scripts.iter().map(|(_, read)| objects_of(read)).collect();
    let mut diagnostics = Vec::new();
    let mut needs = Vec::with_capacity(scripts.len());
    for (at, (name, read)) in scripts.iter().enumerate() {
        let other = |one: &usize| *one != at;
        let by_name = |one: &usize| found[at].iter().zip(&found[*one]).any(|(this, other)| this.needs(other));
        let mut needed: BTreeSet<usize> = (0..scripts.len()).filter(other).filter(by_name).collect();
        for (after, range) in &read.after {
            let wanted = if after.starts_with(directive::REPEATABLE) {
                after.clone()
            } else {
                format!("{}{after}", directive::REPEATABLE)
            };
            match scripts.iter().position(|(known, _)| known.id == *wanted) {
                Some(found) if found != at => {
                    needed.insert(found);
                }
                found => {
                    let message = match found {
                        Some(_) => format!("`{}` cannot run after itself", name.id),
                        None => format!("there is no repeatable script `{wanted}`"),
                    };
                    let near = suggest::nearest(&wanted, scripts.iter().map(|(known, _)| &*known.id));
                    let help = match near.filter(|near| *near != &*name.id) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => {
                            "name another script of this folder that begins with `R__`, or delete this line".to_owned()
                        }
                    };
                    let file = folder.show(&read.script.path);
                    diagnostics.push(
                        Diagnostic::error(Code::BadDirective, file, message)
                            .at(&read.script.text, range.clone(), "")
                            .help(help),
                    );
                }
            }
        }
        needs.push(needed);
    }
    (needs, diagnostics)
}

/// The objects of a script in each dialect.
fn objects_of(read: &ReadScript) -> Vec<Objects> {
    let BodyData::Sql { readings, .. } = &read.script.body else { return Vec::new() };
    let of = |dialect: Dialect| {
        let reading = readings.iter().find(|reading| reading.dialects.contains(dialect));
        reading
            .map_or_else(Objects::default, |reading| objects(dialect, read.script.parsed_text(), &reading.statements))
    };
    Dialect::ALL.into_iter().map(of).collect()
}

/// The order in which they run: each after what it needs, otherwise by name. The error is a circle.
fn order(scripts: &[(Name, ReadScript)], needs: &[BTreeSet<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut order: Vec<usize> = Vec::with_capacity(scripts.len());
    let mut left: BTreeSet<usize> = (0..scripts.len()).collect();
    while !left.is_empty() {
        // They are sorted by name.
        let Some(next) = left.iter().copied().find(|one| needs[*one].is_disjoint(&left)) else {
            return Err(circle(&left, needs));
        };
        left.remove(&next);
        order.push(next);
    }
    Ok(order)
}

/// A circle among these, each of which needs another one of them.
fn circle(left: &BTreeSet<usize>, needs: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut path: Vec<usize> = Vec::new();
    let mut next = left.first().copied();
    while let Some(at) = next {
        if let Some(begin) = path.iter().position(|seen| *seen == at) {
            return path.split_off(begin);
        }
        path.push(at);
        next = needs[at].intersection(left).next().copied();
    }
    path
}

fn circular(folder: &Folder, scripts: &[(Name, ReadScript)], circle: &[usize]) -> Diagnostic {
    let id = |at: usize| &scripts[circle[at % circle.len()]].0.id;
    let links: Vec<String> = (0..circle.len()).map(|at| format!("`{}` needs `{}`", id(at), id(at + 1))).collect();
    let message = format!("repeatable scripts need each other: {}", links.join(", "));
    folder
        .error(Code::RepeatableCircle, &scripts[circle[0]].1.script, message)
        .help("put what belongs together into one script, in the right order; or move a part into a script of its own")
}
