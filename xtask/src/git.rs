//! Queries of git: the root of the repository, and the merge driver for lockfiles in this clone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::invocation::Invocation;
use crate::project::Project;

/// The attribute of a lockfile in `.gitattributes`.
pub(crate) const ATTRIBUTE: &str = "merge=lockgate";
/// The git setting with the command of that merge driver.
pub(crate) const KEY: &str = "merge.lockgate.driver";

/// The git clone that contains a directory.
#[derive(Debug)]
pub(crate) struct Clone {
    top: PathBuf,
}

impl Clone {
    /// Finds the clone that contains this directory. `None` if there is no git, or no repository.
    pub(crate) fn around(directory: &Path) -> Option<Self> {
        let top = git(directory, &["rev-parse", "--show-toplevel"])?;
        Some(Self { top: PathBuf::from(top) })
    }

    /// Returns the command of the merge driver in this clone, if it is configured.
    pub(crate) fn driver(&self) -> Option<String> {
        git(&self.top, &["config", "--get", KEY])
    }

    /// Configures the merge driver in this clone. Returns whether that worked.
    pub(crate) fn set_driver(&self, driver: &str) -> bool {
        git(&self.top, &["config", KEY, driver]).is_some()
    }

    /// Returns the command of the merge driver for this clone. Git runs it at the root of the repository. If it fails, the
    /// command falls back to git's own merge with conflict markers, so that nothing of the other side is lost.
    pub(crate) fn command(&self, project: &Project, invocation: Invocation) -> String {
        let below = project.root.canonicalize().ok();
        let below = below.as_deref().unwrap_or(&project.root).strip_prefix(&self.top).ok();
        let command = match below.and_then(Path::to_str) {
            _ if invocation.is_installed() && !project.depends_on("lockgate-xtask") => "cargo lockgate".to_owned(),
            None | Some("") => "cargo xtask".to_owned(),
            // The alias works only inside its workspace.
            Some(below) => format!("cargo run --quiet --manifest-path '{below}/Cargo.toml' --package xtask --"),
        };
        format!("{command} merge-lockfile %O %A %B %P || git merge-file -L ours -L base -L theirs %A %O %B")
    }
}

/// Runs git, and returns the first line of its output; `None` if it fails.
fn git(directory: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(directory).args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}
