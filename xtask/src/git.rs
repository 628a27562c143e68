//! What is asked of git: the root of the repository, the merge driver for lockfiles in this clone, and moves in its index.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;
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

/// A file that gets another name, or none; both are paths below the same folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: String,
    pub(crate) to: Option<String>,
}

/// Moves in git's index, not yet made.
#[derive(Debug)]
pub(crate) struct Staged {
    folder: PathBuf,
    /// The input of `git update-index -z --index-info`.
    lines: String,
    files: usize,
}

/// Plans moves as `git mv` makes them: the index gets the new name for what it has under the old one. Edits that are not
/// staged stay unstaged, and files that git does not track stay untracked. `None` if git tracks none of the files.
///
/// # Errors
///
/// `Refused` if one of the files has a conflict.
pub(crate) fn staged(folder: &Path, moves: &[Move]) -> Result<Option<Staged>, Failure> {
    let listed = Command::new("git").arg("-C").arg(folder).args(["ls-files", "-s", "-z", "--", "."]).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else { return Ok(None) };
    // The index knows paths from the root of the repository.
    let Some(prefix) = git(folder, &["rev-parse", "--show-prefix"]) else { return Ok(None) };
    // An entry is `<mode> <object> <stage>\t<path>`. Paths that are not UTF-8 are no migrations.
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let entries = listed.split('\0').filter_map(|entry| entry.split_once('\t')).map(|(object, path)| (path, object));
    let mut objects: HashMap<&str, Vec<&str>> = HashMap::new();
    entries.for_each(|(path, object)| objects.entry(path).or_default().push(object));
    let (mut gone, mut new, mut files) = (String::new(), String::new(), 0);
    for Move { from, to } in moves {
        let Some(objects) = objects.get(from.as_str()) else { continue };
        let [object] = objects.as_slice() else {
            return Err(Failure::refused(format!(
                "`{from}` has a conflict of a merge: resolve it and run `git add`, then run this command again"
            )));
        };
        if to.as_ref() == Some(from) {
            continue;
        }
        files += 1;
        let id = object.split(' ').nth(1).unwrap_or_default();
        gone.push_str(&format!("0 {}\t{prefix}{from}\0", "0".repeat(id.len())));
        if let Some(to) = to {
            new.push_str(&format!("{object}\t{prefix}{to}\0"));
        }
    }
    Ok((files > 0).then(|| Staged { folder: folder.to_owned(), lines: gone + &new, files }))
}

impl Staged {
    /// Makes the moves. Returns a line for the user.
    pub(crate) fn write(self) -> Option<String> {
        let make = || -> std::io::Result<bool> {
            let mut command = Command::new("git");
            command.arg("-C").arg(&self.folder).args(["update-index", "-z", "--index-info"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            child.stdin.take().expect("stdin is piped").write_all(self.lines.as_bytes())?;
            Ok(child.wait()?.success())
        };
        Some(match make() {
            Ok(true) => format!("moved   {} in git's index", files(self.files)),
            Ok(false) | Err(_) => {
                "git's index could not be changed: run `git add` on the folder, and git finds the renamed files by their \
                 contents"
                    .to_owned()
            }
        })
    }
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Runs git, and returns the first line of its output; `None` if it fails.
fn git(directory: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(directory).args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}
