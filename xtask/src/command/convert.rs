//! Converts a folder of another tool, for `cargo xtask init` and `adopt`: shows the changes, tries them on a copy, and
//! makes them.

use std::fs;
use std::path::Path;

use anstream::println;
use lockgate_source::convert::{self, Conversion, Converted, Options, Piece};
use lockgate_source::core::Dialects;
use lockgate_source::folder::{self, Loaded, Tests};
use lockgate_source::{Folder, Policy};
use tempfile::TempDir;

use crate::changes::Changes;
use crate::failure::Failure;
use crate::git::{self, Move, Staged};
use crate::project::Package;

/// A folder to convert.
pub(super) struct Convert {
    conversion: Conversion,
    /// A converted copy of the folder, which is deleted with this value.
    pub(super) loaded: Loaded,
    _copy: TempDir,
}

impl Convert {
    /// Plans the conversion of a folder; `None` if it needs none.
    ///
    /// # Errors
    ///
    /// `Refused` if the conversion would lose something, `Impossible` if files cannot be read or copied.
    pub(super) fn plan(
        folder: &Folder,
        package: &Package,
        dialects: Dialects,
        options: Options,
    ) -> Result<Option<Self>, Failure> {
        let conversion = convert::plan(folder, folder.policy.dialects.unwrap_or(dialects), options);
        if conversion.is_empty() {
            return Ok(None);
        }
        if !conversion.problems.is_empty() {
            show(&conversion, package);
            let problems: String = conversion.problems.iter().map(|problem| format!("\n  {problem}")).collect();
            return Err(Failure::refused(format!("this cannot be done, and nothing was changed:{problems}")));
        }
        let cannot = |e: std::io::Error| Failure::impossible(format!("`{}` cannot be copied: {e}", package.shown));
        let copy = tempfile::tempdir().map_err(cannot)?;
        copy_folder(&package.folder, copy.path()).map_err(cannot)?;
        let mut changes = Changes::default();
        plan_in(&conversion, copy.path(), &mut changes);
        changes.make()?;
        let tests = Tests { directory: package.tests.clone(), shown: package.shown_tests.clone() };
        let policy = Policy { dialects: Some(dialects), numbering: folder.policy.numbering, ..Policy::default() };
        let loaded = folder::load_as(copy.path(), &package.shown, tests, policy);
        Ok(Some(Self { conversion, loaded, _copy: copy }))
    }

    /// Shows the files that do not belong in a folder that needs no conversion.
    pub(super) fn show_left(folder: &Folder, dialects: Dialects, options: Options) {
        let conversion = convert::plan(folder, folder.policy.dialects.unwrap_or(dialects), options);
        conversion.left.iter().for_each(|(path, why)| println!("  left    {path}: {why}"));
    }

    /// Shows the conversion.
    pub(super) fn show(&self, package: &Package) {
        show(&self.conversion, package);
    }

    /// Adds the conversion to other changes.
    pub(super) fn add_to(&self, package: &Package, changes: &mut Changes) {
        plan_in(&self.conversion, &package.folder, changes);
    }

    /// Plans the same moves in git's index. `None` if git does not track the folder.
    ///
    /// # Errors
    ///
    /// `Refused` during a merge in which one of the files has a conflict.
    pub(super) fn staged_in(&self, package: &Package) -> Result<Option<Staged>, Failure> {
        let moves = self.conversion.files.iter().map(|file| {
            let kept = file.pieces.iter().find(|piece| piece.path == file.path).or(file.pieces.first());
            Move { from: file.path.clone(), to: kept.map(|piece| piece.path.clone()) }
        });
        git::staged(&package.folder, &moves.collect::<Vec<_>>())
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if fs::metadata(&from)?.is_dir() {
            fs::create_dir(&to)?;
            copy_folder(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Plans the changes to the files of this folder.
fn plan_in(conversion: &Conversion, folder: &Path, changes: &mut Changes) {
    for file in &conversion.files {
        let from = folder.join(&file.path);
        if file.is_renamed {
            changes.rename(from, folder.join(&file.pieces[0].path));
            continue;
        }
        if !file.pieces.iter().any(|piece| piece.path == file.path) {
            changes.remove(from);
        }
        for piece in &file.pieces {
            let path = folder.join(&piece.path);
            if piece.path == file.path {
                changes.replace(path, piece.text.clone());
            } else {
                changes.create(path, piece.text.clone());
            }
        }
    }
}

fn show(conversion: &Conversion, package: &Package) {
    println!("`{}` is laid out for another tool. Converted for Lockgate, its files are:", package.shown);
    for file in &conversion.files {
        println!("{}", line(file));
    }
    for (path, why) in &conversion.left {
        println!("  left    {path}: {why}");
    }
}

/// Describes what happens to a file.
fn line(file: &Converted) -> String {
    let verb = match file.pieces.as_slice() {
        [] => "deleted",
        [piece] if piece.path == file.path => "changed",
        [_] => "renamed",
        _ => "split  ",
    };
    let pieces = file.pieces.iter().filter(|piece| verb != "changed" || !piece.lines.is_empty());
    let pieces: Vec<String> = pieces.map(shown).collect();
    let becomes = if pieces.is_empty() { String::new() } else { format!(" -> {}", pieces.join(", ")) };
    let note = file.note.iter().map(|note| format!(": {note}")).collect::<String>();
    format!("  {verb} {}{becomes}{note}", file.path)
}

fn shown(piece: &Piece) -> String {
    let range =
        |(first, last): &(usize, usize)| if first == last { format!("{first}") } else { format!("{first} to {last}") };
    let lines: Vec<String> = piece.lines.iter().map(range).collect();
    match lines.as_slice() {
        [] => piece.path.clone(),
        [one] if !one.contains(' ') => format!("{} (line {one})", piece.path),
        _ => format!("{} (lines {})", piece.path, lines.join(", ")),
    }
}
