//! `cargo xtask merge-lockfile`: the merge driver that git runs for `migrations.lock`, so that a merge, a rebase or
//! a cherry-pick keeps what both sides have.

use std::fs;
use std::path::{Path, PathBuf};

use anstream::eprintln;
use lockgate_source::{Color, lockfile};

use crate::called;
use crate::changes::Changes;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[command(after_help = "`init` sets it up. Exit codes: 0 the merged file is in OURS; 1 it is for a person to say, \
                  and no file was changed; 2 it could not be done.")]
pub(crate) struct Arguments {
    /// The version that both began with: git's %O
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// Our version, which is replaced by the merged one: git's %A
    #[arg(value_name = "OURS")]
    ours: PathBuf,
    /// Their version: git's %B
    #[arg(value_name = "THEIRS")]
    theirs: PathBuf,
    /// How messages name the file: git's %P
    #[arg(value_name = "NAME", default_value = lockfile::FILE)]
    name: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let [base, ours, theirs] = [&arguments.base, &arguments.ours, &arguments.theirs].map(|path| read(path));
    let name = &arguments.name;
    let merged = lockfile::merge(&base?, &ours?, &theirs?, name).map_err(|mut diagnostics| {
        called::name_in(&mut diagnostics);
        diagnostics.iter().for_each(|diagnostic| eprintln!("{}\n", diagnostic.render(Color::On)));
        Failure::refused(format!("{name} was not merged: see what `cargo xtask check` says"))
    })?;
    let mut changes = Changes::default();
    // Git names a file of its own at the top of the repository, without a directory.
    let ours = std::path::absolute(&arguments.ours);
    let ours = ours.map_err(|e| Failure::impossible(format!("{}: {e}", arguments.ours.display())))?;
    changes.replace(ours, merged.render());
    changes.make()
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|e| Failure::impossible(format!("{} cannot be read: {e}", path.display())))
}
