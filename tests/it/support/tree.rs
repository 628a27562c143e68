//! The files of the workspace: which are tracked, and their code without comments and unit tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}

/// Returns every file that git tracks or would track, as a path below the root. Without git, returns every file that is
/// not built.
pub(crate) fn files() -> &'static [String] {
    static FILES: OnceLock<Vec<String>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = listed().unwrap_or_else(|| {
            let mut found = Vec::new();
            walk(root(), &mut found);
            found
        });
        files.retain(|file| root().join(file).is_file());
        files.sort();
        files.dedup();
        files
    })
}

fn listed() -> Option<Vec<String>> {
    let git = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|listed| listed.status.success())?;
    let text = String::from_utf8(git.stdout).expect("paths are plain");
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if matches!(name.as_str(), "target" | ".git" | ".bench" | ".corpus" | "wip") {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else {
            let below = path.strip_prefix(root()).expect("the walk begins at the root");
            found.push(below.to_string_lossy().into_owned());
        }
    }
}

/// Returns the Rust files below a folder such as `runtime/src`.
pub(crate) fn rust_files(folder: &str) -> impl Iterator<Item = &'static str> {
    let below = format!("{folder}/");
    files().iter().map(String::as_str).filter(move |file| file.starts_with(&below) && file.ends_with(".rs"))
}

/// Returns the text of a file, or `None` if it is not text.
pub(crate) fn text(file: &str) -> Option<String> {
    String::from_utf8(fs::read(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))).ok()
}

/// Returns a Rust file without comments, and without the unit tests, which are always at its end.
pub(crate) fn code(file: &str) -> String {
    if file.ends_with("/tests.rs") {
        return String::new();
    }
    let text = text(file).unwrap_or_else(|| panic!("{file} is not text"));
    let built = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = built.lines().map(|line| match line.trim_start() {
        comment if comment.starts_with("//") => "",
        _ => line.split(" // ").next().unwrap_or_default(),
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Whether the code contains these words, and not only as a part of longer words.
pub(crate) fn says(code: &str, words: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(words).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let after = code[start + words.len()..].chars().next();
        let open = |edge: Option<char>, next: Option<char>| !(edge.is_some_and(part) && next.is_some_and(part));
        open(words.chars().next(), before) && open(words.chars().next_back(), after)
    })
}

fn path(file: &str) -> PathBuf {
    root().join(file)
}
