//! `cargo xtask merge-lockfile`: the merge driver that git runs for `migrations.lock`. It keeps the lines of both sides of
//! a merge, a rebase or a cherry-pick.

use std::fs;
use std::path::{Path, PathBuf};

use anstream::eprintln;
use lockgate_source::{Color, lockfile};

use crate::changes::Changes;
use crate::failure::Failure;
use crate::invocation;

#[derive(Debug, clap::Args)]
#[command(after_help = "`init` sets it up. Exit codes: 0 the merged file is in OURS; 1 a person must decide, and no \
                  file was changed; 2 the command failed.")]
pub(crate) struct Arguments {
    /// The common ancestor: git's %O
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// Our version, which is replaced by the merged one: git's %A
    #[arg(value_name = "OURS")]
    ours: PathBuf,
    /// Their version: git's %B
    #[arg(value_name = "THEIRS")]
    theirs: PathBuf,
    /// The name of the file in messages: git's %P
    #[arg(value_name = "NAME", default_value = lockfile::FILE)]
    name: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let [base, ours, theirs] = [&arguments.base, &arguments.ours, &arguments.theirs].map(|path| read(path));
    let name = &arguments.name;
    let merged = lockfile::merge(&base?, &ours?, &theirs?, name).map_err(|mut diagnostics| {
        invocation::rename_commands(&mut diagnostics);
        diagnostics.iter().for_each(|diagnostic| eprintln!("{}\n", diagnostic.render(Color::On)));
        Failure::refused(format!("{name} was not merged: run `cargo xtask check`"))
    })?;
    let mut changes = Changes::default();
    // Git passes a temporary file at the root of the repository, without a directory.
    let ours = std::path::absolute(&arguments.ours);
    let ours = ours.map_err(|e| Failure::impossible(format!("{}: {e}", arguments.ours.display())))?;
    changes.replace(ours, merged.render());
    changes.make()
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|e| Failure::impossible(format!("{} cannot be read: {e}", path.display())))
}
