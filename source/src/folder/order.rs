//! Groups files into migrations, and checks the order of the migrations.

use std::collections::HashMap;

use lockgate_core::CompanionKind;
use lockgate_core::audience::shell_word;

use super::freeze;
use super::model::{Folder, Migration, ScriptFile};
use super::name::{Kind, Name};
use super::policy::{self, Layout, Need, Numbering};
use super::read::join;
use super::script::ReadScript;
use crate::time::is_time;
use crate::{Code, Diagnostic, Policy, Severity};

type File = (Name, ReadScript);

/// Groups the files of each migration; the result is sorted by database, version and id.
pub(super) fn group(shown: &str, policy: &Policy, mut files: Vec<File>) -> (Vec<Migration>, Vec<Diagnostic>) {
    files.sort_by(|(a, read_a), (b, read_b)| {
        (a.id.database(), a.id.version(), &a.id, a.kind, &read_a.script.path).cmp(&(
            b.id.database(),
            b.id.version(),
            &b.id,
            b.kind,
            &read_b.script.path,
        ))
    });
    let migrations = Vec::with_capacity(files.len());
    let mut grouper = Grouper { shown, migrations, alone: Vec::new(), diagnostics: Vec::new() };
    let mut files = files.into_iter().peekable();
    while let Some(first) = files.next() {
        let mut same = vec![first];
        let place = |(name, _): &File| (name.id.database().map(str::to_owned), name.id.version());
        let of_first = place(&same[0]);
        while let Some(next) = files.next_if(|next| place(next) == of_first) {
            same.push(next);
        }
        grouper.version(same);
    }
    grouper.downs_alone(policy.down);
    (grouper.migrations, grouper.diagnostics)
}

struct Grouper<'a> {
    shown: &'a str,
    migrations: Vec<Migration>,
    /// Down scripts without an up script.
    alone: Vec<File>,
    diagnostics: Vec<Diagnostic>,
}

impl Grouper<'_> {
    fn error(&self, code: Code, script: &ScriptFile, message: String) -> Diagnostic {
        script.point(Diagnostic::error(code, join(self.shown, &script.path), message))
    }

    /// The files of one version.
    fn version(&mut self, files: Vec<File>) {
        let (downs, ups): (Vec<File>, Vec<File>) = files.into_iter().partition(|(name, _)| name.kind == Kind::Down);
        let mut downs = self.distinct(downs);
        let ups = self.distinct(ups);
        // `0001_a.up.sql` and `0001_b.down.sql` alone are a pair with a misspelt name.
        let slip = matches!((ups.as_slice(), downs.as_slice()), ([(up, _)], [(down, _)]) if up.id != down.id);
        for (name, up) in ups {
            let at = downs.iter().position(|(down, _)| slip || down.id == name.id);
            let down = at.map(|at| downs.remove(at));
            self.migration(&name, up, down);
        }
        self.alone.extend(downs);
    }

    /// Reports down scripts without an up script, which never run. Published folders have some, and other tools accept
    /// them, so it is an error only if the policy requires down scripts.
    fn downs_alone(&mut self, down: Need) {
        let mut without_down: HashMap<&str, &str> = HashMap::new();
        for migration in self.migrations.iter().filter(|migration| migration.down.is_none()) {
            without_down.entry(migration.name()).or_insert(&migration.id);
        }
        let mut diagnostics = Vec::new();
        for (name, read) in std::mem::take(&mut self.alone) {
            let message = format!("`{}` has a down script but no up script, so it is never run", name.id);
            let mut diagnostic = self.error(Code::DownWithoutUp, &read.script, message);
            if down == Need::Optional {
                diagnostic.severity = Severity::Warning;
            }
            let help = match without_down.get(name.id.name()) {
                Some(id) => format!("if it reverts `{id}`, rename it to `{id}.down.sql`; otherwise delete it"),
                None => format!("add `{}.up.sql`, or delete this file", name.id),
            };
            diagnostics.push(diagnostic.help(help));
        }
        self.diagnostics.extend(diagnostics);
    }

    /// Keeps the first file of each id, and reports the others.
    fn distinct(&mut self, files: Vec<File>) -> Vec<File> {
        let mut distinct: Vec<File> = Vec::with_capacity(1);
        for (name, read) in files {
            let Some((first, known)) = distinct.last().filter(|(known, _)| known.id == name.id) else {
                distinct.push((name, read));
                continue;
            };
            let (a, b) = (join(self.shown, &known.script.path), join(self.shown, &read.script.path));
            let help = if first.kind == name.kind {
                "folder names do not affect the order: delete or rename one of the two".to_owned()
            } else {
                "delete one of the two".to_owned()
            };
            let message = format!("`{}` exists twice: as `{a}` and as `{b}`", name.id);
            self.diagnostics.push(self.error(Code::Duplicate, &read.script, message).help(help));
        }
        distinct
    }

    fn migration(&mut self, name: &Name, up: ReadScript, down: Option<File>) {
        let irreversible = up.irreversible.map(|(reason, _)| reason);
        let (up, profiles, has_down) = (up.script, up.profiles, up.has_down);
        let Some((down_name, down)) = down else {
            let down = has_down.then(|| up.clone());
            return self.migrations.push(Migration::new(name, up, down, irreversible, profiles));
        };
        let (up_file, down_file) = (join(self.shown, &up.path), join(self.shown, &down.script.path));
        if down_name.id != name.id {
            let message = format!("{} is named differently in `{up_file}` and `{down_file}`", place_of(name));
            self.diagnostics.push(
                self.error(Code::MismatchedNames, &down.script, message)
                    .help(format!("rename this file to `{}.down.sql`", name.id)),
            );
        } else if name.kind == Kind::OneWay {
            // sqlx runs and reverts such a pair, so this is only a warning about the misleading name.
            let message = format!("`{up_file}` is named like a one-way script, but `{down_file}` reverts it");
            let mut diagnostic = self.error(Code::MismatchedNames, &up, message);
            diagnostic.severity = Severity::Warning;
            self.diagnostics.push(diagnostic.help(format!("rename this file to `{}.up.sql`", name.id)));
        } else if name.kind == Kind::Rust {
            let message = format!("`{up_file}` is a Rust step, and `{down_file}` is not part of it");
            self.diagnostics.push(
                self.error(Code::Duplicate, &down.script, message)
                    .help("write the down script as `pub async fn down` in the Rust file"),
            );
        }
        self.migrations.push(Migration::new(name, up, Some(down.script), irreversible, profiles));
    }
}

/// Names a migration whose files have different names, as the subject of a sentence.
fn place_of(name: &Name) -> String {
    match name.id.database() {
        Some(_) => format!("`{}`", name.id.key()),
        None => format!("version {}", name.id.version()),
    }
}

/// Checks the order of the migrations, and whether one lacks a down script.
pub(super) fn check(folder: &Folder) -> Vec<Diagnostic> {
    let mut diagnostics = duplicates(folder);
    match folder.kind {
        None => {}
        // An operator runs one of them when it is needed, whatever its number.
        Some(CompanionKind::Manual) => {
            diagnostics.extend(widths(folder));
            return diagnostics;
        }
        Some(CompanionKind::Create | CompanionKind::Repeatable | CompanionKind::Seed) => return diagnostics,
    }
    diagnostics.extend(match folder.policy.numbering {
        // `parse` has checked the digits of a patch, and a new major may begin anywhere.
        Numbering::Any | Numbering::Encoded => Vec::new(),
        Numbering::Sequence => gaps(folder, 1),
        Numbering::Ordinal => widths(folder).into_iter().chain(gaps(folder, 0)).collect(),
        Numbering::Timestamp => timestamps(folder),
    });
    diagnostics.extend(misordered(folder));
    diagnostics.extend(downs(folder));
    diagnostics
}

/// Reports two migrations with the same version.
fn duplicates(folder: &Folder) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for pair in folder.migrations.windows(2) {
        let [first, second] = pair else { continue };
        if (first.database(), first.id.version()) != (second.database(), second.id.version()) {
            continue;
        }
        // The released one keeps its number.
        let (stays, moves) = if second.frozen { (second, first) } else { (first, second) };
        let (a, b) = (folder.show(&first.up.path), folder.show(&second.up.path));
        let place = match first.database() {
            Some(_) => format!("`{}`", first.id.key()),
            None => format!("version {}", first.id.version()),
        };
        let message = format!("{place} exists twice: `{a}` and `{b}`");
        let error = folder.error(Code::Duplicate, &moves.up, message);
        let stem =
            |migration: &Migration| migration.id.rsplit_once('_').map(|(stem, end)| (stem.to_owned(), end.to_owned()));
        diagnostics.push(match (stem(first), stem(second)) {
            _ if folder.kind == Some(CompanionKind::Manual) => error.help("give one of the two another number"),
            _ if stays.frozen && moves.frozen => [first, second].into_iter().fold(error, |error, one| {
                error.help(format!(
                    "if no database has applied `{}`, run `cargo xtask renumber {} --thaw`: it gets another number, as \
                     a draft",
                    one.id,
                    shell_word(&one.id)
                ))
            }),
            (Some((one, down)), Some((other, up))) if one == other && down == "down" && up == "up" => {
                error.help(format!("if they belong together, name them `{one}.up.sql` and `{one}.down.sql`"))
            }
            // `0001_create.sql` and `0001_create_rollback.sql`
            _ if let Some((one, undo)) = undone(&first.id, &second.id) => error.help(format!(
                "if `{undo}` reverts `{one}`, name them `{one}.up.sql` and `{one}.down.sql`; otherwise run `cargo xtask \
                 renumber {}`",
                shell_word(&moves.id)
            )),
            _ => error.help(format!("run `cargo xtask renumber {}`", shell_word(&moves.id))),
        });
    }
    diagnostics
}

/// Tells which of two migrations with one version is named like the way back of the other.
fn undone<'a>(first: &'a str, second: &'a str) -> Option<(&'a str, &'a str)> {
    let is_undo = |one: &str, other: &str| {
        let word = other.strip_prefix(one).and_then(|rest| rest.strip_prefix(['_', '-', '.']));
        word.is_some_and(|word| ["down", "rollback", "revert", "undo"].contains(&word))
    };
    [(first, second), (second, first)].into_iter().find(|(one, other)| is_undo(one, other))
}

/// Reports missing numbers in a sequence that begins at `first`.
fn gaps(folder: &Folder, first: i64) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut expected = first;
    let mut before: Option<&Migration> = None;
    for migration in &folder.migrations {
        let version = migration.version().get();
        if version < first {
            let message = format!("`{}` has the number {version}: a sequence begins at {first}", migration.id);
            diagnostics.push(folder.error(Code::BadVersion, &migration.up, message).help(renumber(migration)));
        } else if version > expected {
            let missing = match version - 1 {
                last if last == expected => format!("version {expected} is missing"),
                last => format!("versions {expected} to {last} are missing"),
            };
            let follows = match before {
                Some(before) => format!("`{}` follows `{}`", migration.id, before.id),
                None => format!("`{}` is the first", migration.id),
            };
            let gap = folder.error(Code::Gap, &migration.up, format!("{missing}: {follows}")).help(renumber(migration));
            diagnostics.push(match folder.policy.layout {
                Layout::Trees => gap,
                Layout::Flat => gap.help(format!(
                    "or say `numbering = \"any\"` instead of \"{}\" in `{}`",
                    folder.policy.numbering.as_str(),
                    folder.show(policy::FILE)
                )),
            });
        }
        expected = expected.max(version.saturating_add(1));
        before = Some(migration);
    }
    diagnostics
}

fn renumber(migration: &Migration) -> String {
    if migration.frozen {
        "bring back what is missing: this one is released and keeps its number".to_owned()
    } else {
        format!("run `cargo xtask renumber {}`, or add what is missing", shell_word(&migration.id))
    }
}

/// Reports ordinals without five digits.
fn widths(folder: &Folder) -> Vec<Diagnostic> {
    let odd = folder.migrations.iter().filter(|migration| digits(migration).len() != 5);
    odd.map(|migration| {
        let message = format!("`{}` does not have the five digits of an ordinal", migration.id);
        folder.error(Code::BadVersion, &migration.up, message).help(format!(
            "name it `{:05}-{}`",
            migration.version().get(),
            migration.name()
        ))
    })
    .collect()
}

/// Reports versions that are not a time, under `timestamp`.
fn timestamps(folder: &Folder) -> Vec<Diagnostic> {
    let odd = folder.migrations.iter().filter(|migration| !is_time(digits(migration)));
    odd.map(|migration| {
        let message = format!("`{}` does not have a time as its version: 14 digits, YYYYMMDDhhmmss", migration.id);
        folder.error(Code::BadVersion, &migration.up, message).help(renumber_time(folder, migration))
    })
    .collect()
}

fn renumber_time(folder: &Folder, migration: &Migration) -> String {
    if migration.frozen {
        format!("it is released and keeps its number: say `numbering = \"any\"` in `{}`", folder.show(policy::FILE))
    } else {
        format!("run `cargo xtask renumber {}`", shell_word(&migration.id))
    }
}

fn digits(migration: &Migration) -> &str {
    migration.id.word()
}

/// Reports drafts that sort before a released migration: databases that have applied that one would run them in
/// another order.
fn misordered(folder: &Folder) -> Vec<Diagnostic> {
    let Some(lockfile) = &folder.lockfile else { return Vec::new() };
    let (newest, renames) = (lockfile.newest(), freeze::renames(lockfile, folder));
    let drafts = folder.migrations.iter().filter(|migration| !migration.frozen);
    let late = drafts.filter_map(|migration| {
        let newest = newest.get(&migration.database())?;
        // A bootstrap runs on a server without the database, and there always before the patches.
        if migration.is_bootstrap() && !newest.id.is_bootstrap() {
            return None;
        }
        let is_late = migration.version() < newest.id.version() && !renames.contains(migration.id.as_str());
        is_late.then_some((migration, newest))
    });
    late.map(|(migration, newest)| {
        let message = format!("`{}` is a draft and sorts before `{}`, which is released", migration.id, newest.id);
        folder
            .error(Code::Misordered, &migration.up, message)
            .help(format!("run `cargo xtask renumber {}`", shell_word(&migration.id)))
    })
    .collect()
}

/// Reports migrations without a required down script, and irreversible ones that have a down script.
fn downs(folder: &Folder) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for migration in &folder.migrations {
        match (&migration.irreversible, &migration.down) {
            (Some(_), Some(down)) if down.raises.is_none() => {
                let down = folder.show(&down.path);
                let message = format!("`{}` is marked irreversible, but has a down script in `{down}`", migration.id);
                diagnostics.push(
                    folder
                        .error(Code::IrreversibleDown, &migration.up, message)
                        .help("delete the directive, or delete the down script"),
                );
            }
            (None, None) if folder.policy.down == Need::Required && !migration.is_bootstrap() => {
                let message = format!("`{}` has no down script", migration.id);
                let error = folder.error(Code::MissingDown, &migration.up, message);
                diagnostics.push(match migration.up.kind {
                    Kind::Rust => error
                        .help("add `pub async fn down`, or mark it `// lockgate: irreversible \"why\"`"),
                    Kind::OneWay => error.help(format!(
                        "rename it to `{id}.up.sql` and add `{id}.down.sql`, or mark it `-- lockgate: irreversible \"why\"`",
                        id = migration.id
                    )),
                    Kind::Up | Kind::Down => error.help(format!(
                        "add `{}.down.sql`, or mark it `-- lockgate: irreversible \"why\"`",
                        migration.id
                    )),
                });
            }
            (Some(_) | None, None) | (Some(_) | None, Some(_)) => {}
        }
    }
    diagnostics
}

/// Whether another migration has the same version.
pub(crate) fn is_duplicate(folder: &Folder, migration: &Migration) -> bool {
    let place = (migration.database(), migration.version());
    let first = folder.migrations.partition_point(|other| (other.database(), other.version()) < place);
    folder.migrations[first..].iter().take_while(|other| (other.database(), other.version()) == place).nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for good in ["20260131093000", "20240229235959", "19700101000000"] {
            assert!(is_time(good), "{good}");
        }
        for bad in [
            "2026013109300",
            "20260229000000",
            "20261301000000",
            "20260100000000",
            "20260131240000",
            "20260131236000",
            "00010101000000",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }
}
