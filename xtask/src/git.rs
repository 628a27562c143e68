//! What is asked of git: where the repository begins, which driver merges lockfiles there, and whether this clone
//! knows it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::called::Called;
use crate::project::Project;

/// What `.gitattributes` says of a lockfile, after its name.
pub(crate) const ATTRIBUTE: &str = "merge=lockgate";
/// Where a clone says how that driver is run.
pub(crate) const KEY: &str = "merge.lockgate.driver";

/// The clone that a directory is in.
#[derive(Debug)]
pub(crate) struct Clone {
    top: PathBuf,
}

impl Clone {
    /// `None` where there is no git, or no repository.
    pub(crate) fn around(directory: &Path) -> Option<Self> {
        let top = ask(directory, &["rev-parse", "--show-toplevel"])?;
        Some(Self { top: PathBuf::from(top) })
    }

    /// How this clone runs the driver, if it knows it.
    pub(crate) fn driver(&self) -> Option<String> {
        ask(&self.top, &["config", "--get", KEY])
    }

    /// Tells this clone how to run the driver; whether that worked.
    pub(crate) fn set_driver(&self, driver: &str) -> bool {
        ask(&self.top, &["config", KEY, driver]).is_some()
    }

    /// The command that git runs in this clone, from the top of the repository. Where it cannot run, what git would
    /// have done by itself is left, with markers, so that nothing of the other side is lost.
    pub(crate) fn command(&self, project: &Project, called: Called) -> String {
        let below = project.root.canonicalize().ok();
        let below = below.as_deref().unwrap_or(&project.root).strip_prefix(&self.top).ok();
        let command = match below.and_then(Path::to_str) {
            _ if called.is_installed() && !project.depends_on("lockgate-xtask") => "cargo lockgate".to_owned(),
            None | Some("") => "cargo xtask".to_owned(),
            // An alias is known below its workspace only.
            Some(below) => format!("cargo run --quiet --manifest-path '{below}/Cargo.toml' --package xtask --"),
        };
        format!("{command} merge-lockfile %O %A %B %P || git merge-file -L ours -L base -L theirs %A %O %B")
    }
}

/// The first line of what git answers; `None` where it fails.
fn ask(directory: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(directory).args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}
