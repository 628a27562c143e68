//! Compares a folder with its lockfile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lockgate_core::audience::shell_word;

use super::freeze::Unknown;
use super::model::{Folder, Migration, ScriptFile};
use super::name::Kind;
use super::order;
use crate::lockfile::{FILE, Line, LineState, Lockfile};
use crate::{Code, Diagnostic};

/// Reports every difference between a folder and its lockfile; `text` is the lockfile's text.
pub fn compare(folder: &Folder, lockfile: &Lockfile, text: &str) -> Vec<Diagnostic> {
    let lines = text.split_inclusive('\n').scan(0, |at, line| {
        let start = std::mem::replace(at, *at + line.len());
        Some((line.trim_end(), start))
    });
    let mut comparison = Comparison {
        folder,
        unknown: Unknown::of(folder, lockfile),
        text: text.into(),
        lines: lines.collect(),
        diagnostics: Vec::new(),
        taken: HashSet::new(),
    };
    let newest = lockfile.newest();
    for line in &lockfile.lines {
        match folder.find(&line.id) {
            Some(migration) => comparison.both(line, migration),
            None => comparison.line_alone(line),
        }
    }
    for migration in &folder.migrations {
        let newest = newest.get(&migration.database()).map(|line| line.id.version());
        // A duplicate or misordered migration already has an error, and one fix is enough.
        let other_error = Some(migration.version()) < newest || order::is_duplicate(folder, migration);
        if lockfile.find(&migration.id).is_none() && !comparison.taken.contains(migration.id.as_str()) && !other_error {
            comparison.file_alone(migration);
        }
    }
    comparison.diagnostics
}

/// The lockfile, as messages show it.
fn lockfile_of(folder: &Folder) -> String {
    folder.show(folder.lock_path().unwrap_or(FILE))
}

struct Comparison<'a> {
    folder: &'a Folder,
    unknown: Unknown<'a>,
    text: Arc<str>,
    /// Where each line of the text begins.
    lines: HashMap<&'a str, usize>,
    diagnostics: Vec<Diagnostic>,
    /// Migrations that a released one was renamed to.
    taken: HashSet<&'a str>,
}

impl Comparison<'_> {
    fn both(&mut self, line: &Line, migration: &Migration) {
        let LineState::Frozen { up, down } = line.state else { return };
        let folder = self.folder;
        let lockfile = lockfile_of(folder);
        let edited = |script: &ScriptFile, message: String| {
            let file = folder.show(&script.path);
            let file = shell_word(&file);
            // A deployment may have the same number.
            let (option, word) = match folder.kind {
                Some(_) => (" --manual", script.path.as_str()),
                None => ("", migration.id.word()),
            };
            folder
                .error(Code::Edited, script, message)
                .help(format!(
                    "undo the edit (`git checkout HEAD -- {file}` does, unless it is committed), and write a new \
                     migration: `cargo xtask new-migration{option} \"what it changes\"`"
                ))
                .help(format!(
                    "or, if no database has applied `{}` yet, type `cargo xtask amend {word} --reason \"why\"`",
                    migration.id
                ))
        };
        if migration.up.checksum.is_some_and(|now| now != up) {
            let message =
                format!("`{}` was edited after its release: `{lockfile}` records another checksum", migration.id);
            self.diagnostics.push(edited(&migration.up, message));
        }
        if migration.up.kind == Kind::Rust {
            return;
        }
        match (down, &migration.down) {
            (Some(then), Some(script)) if script.checksum.is_some_and(|now| now != then) => {
                let message = format!(
                    "the down script of `{}` was edited after its release: `{lockfile}` records another checksum",
                    migration.id
                );
                self.diagnostics.push(edited(script, message));
            }
            (Some(_), None) => {
                let message = format!("`{}` was released with a down script, which is gone", migration.id);
                self.diagnostics.push(
                    self.at_line(Diagnostic::error(Code::Deleted, lockfile, message), line)
                        .help(format!("bring `{}.down.sql` back from version control", migration.id)),
                );
            }
            (None, Some(script)) => {
                let message = format!(
                    "`{}` was released without a down script: `{lockfile}` does not record this one",
                    migration.id
                );
                self.diagnostics.push(
                    folder
                        .error(Code::Unlocked, script, message)
                        .help("run `cargo xtask freeze` to release it too, or delete the file"),
                );
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn line_alone(&mut self, line: &Line) {
        let lockfile = lockfile_of(self.folder);
        let renamed = self.unknown.renamed(line);
        if let Some(now) = renamed {
            self.taken.insert(&now.id);
        }
        let error = match (line.is_frozen(), renamed) {
            (true, Some(now)) => {
                let message =
                    format!("`{}` was renamed after its release: the lockfile records it as `{}`", now.id, line.id);
                let error = self.folder.error(Code::Renamed, &now.up, message).help(format!(
                    "give it its name back: `{}{}`",
                    line.id,
                    now.up.kind.suffix()
                ));
                self.diagnostics.push(error);
                return;
            }
            (true, None) => {
                Diagnostic::error(Code::Deleted, lockfile, format!("`{}` was deleted after its release", line.id))
                    .help("restore it from version control: existing databases have it, and new ones need it")
            }
            (false, Some(now)) => {
                let message = format!("the lockfile has a draft `{}`, which the folder calls `{}`", line.id, now.id);
                Diagnostic::error(Code::Unlocked, lockfile, message)
                    .help("run `cargo xtask check --write` to write the new name")
            }
            (false, None) => {
                let message = format!("the lockfile has a draft `{}`, but the folder has no such file", line.id);
                Diagnostic::error(Code::VanishedDraft, lockfile, message)
                    .help("run `cargo xtask check --write` to drop the line, or bring the file back")
            }
        };
        let error = self.at_line(error, line);
        self.diagnostics.push(error);
    }

    fn file_alone(&mut self, migration: &Migration) {
        let lockfile = lockfile_of(self.folder);
        let message = format!("`{}` is not in the lockfile `{lockfile}`", migration.id);
        self.diagnostics.push(
            self.folder
                .error(Code::Unlocked, &migration.up, message)
                .help("run `cargo xtask check --write` to add it as a draft"),
        );
    }

    /// Points a diagnostic at a line of the lockfile.
    fn at_line(&self, error: Diagnostic, line: &Line) -> Diagnostic {
        let rendered = line.render();
        match self.lines.get(rendered.as_str()) {
            Some(at) => {
                let id = at + rendered.find(line.id.as_str()).unwrap_or(0);
                error.within(Arc::clone(&self.text), id..id + line.id.len())
            }
            None => error,
        }
    }
}
