//! What `cargo xtask init` does to a folder that another tool laid out: shown first, tried on a copy, and
//! made with `--convert`.

use std::fs;
use std::path::Path;

use anstream::println;
use lockgate_source::convert::{self, Conversion, Converted, Piece};
use lockgate_source::core::Dialects;
use lockgate_source::folder::{self, Loaded, Tests};
use lockgate_source::{Folder, Policy};
use tempfile::TempDir;

use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::Package;

/// A folder that is to be laid out anew.
pub(super) struct Anew {
    conversion: Conversion,
    /// The folder as it is afterwards: a copy, which is gone with this.
    pub(super) loaded: Loaded,
    _copy: TempDir,
}

impl Anew {
    /// What is to be done to a folder; `None` where there is nothing.
    ///
    /// # Errors
    ///
    /// `Refused` where it cannot be done without losing something, `Impossible` where files cannot be read or copied.
    pub(super) fn plan(folder: &Folder, package: &Package, dialects: Dialects) -> Result<Option<Self>, Failure> {
        let conversion = convert::plan(folder, folder.policy.dialects.unwrap_or(dialects));
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

    /// Shows what would be done.
    pub(super) fn show(&self, package: &Package) {
        show(&self.conversion, package);
    }

    /// Adds what is to be done to what else is.
    pub(super) fn add_to(&self, package: &Package, changes: &mut Changes) {
        plan_in(&self.conversion, &package.folder, changes);
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

/// The changes to the files of this folder.
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
    println!("`{}` is laid out for another tool. For Lockgate its files would be these:", package.shown);
    for file in &conversion.files {
        println!("{}", line(file));
    }
    for (path, why) in &conversion.left {
        println!("  left    {path}: {why}");
    }
}

/// What becomes of a file, in a line.
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
