//! For build scripts: rebuilds the crate when a migration is added, deleted or moved. With features, it also checks the
//! folder and runs it on an in-memory SQLite.
//!
//! Cargo notices edits of embedded files by itself. It notices a *new* file only with a build script, `build.rs`:
//!
//! ```no_run
//! lockgate_build::watch();
//! ```
//!
//! Even without a build script, `cargo xtask new-migration` causes a rebuild, as it changes the lockfile, which is embedded.
//!
//! [`watch`] needs only the standard library, and leaves the checks to `embed_migrations!`. Two features add functions:
//!
//! | feature | function | what it does in addition |
//! |---|---|---|
//! | `check` | `check()` | reports the errors and warnings of the macro: errors stop the build before the crate is compiled, and the macro does not repeat the warnings |
//! | `replay` | `replay()` | does the same, and runs the set up, down and up again on an in-memory SQLite |
//!
//! This takes time only when the folder has changed, as cargo does not run the script otherwise.
//!
//! # A file that is replaced by an older one
//!
//! Cargo compares modification times and never contents, for build scripts as for source files. A migration that is
//! replaced by a file with an older time (`cp -p`, `tar`, `rsync -t`, a cache that is restored in CI) does not cause a
//! rebuild, and the old text stays in the program. A build script cannot help: cargo does not run it, and one that always
//! runs would rebuild the crate each time. After such a copy, run
//!
//! ```sh
//! find migrations -type f -exec touch {} +
//! ```
//!
//! The test `embedded_is_what_is_on_disk` of `lockgate_harness::migration_tests!` compares the contents, and names the
//! files to touch.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

#[cfg(feature = "check")]
mod check;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

#[cfg(feature = "check")]
pub use check::{check, check_folder};
#[cfg(feature = "replay")]
pub use check::{replay, replay_folder};

/// Watches the folders `migrations` and `tests/migrations` next to the crate's `Cargo.toml`.
///
/// Call it from `build.rs`; anywhere else it only prints.
pub fn watch() {
    watch_folder("migrations");
}

/// Watches another folder, relative to the directory of the crate's `Cargo.toml`, as in `embed_migrations!`. It also
/// watches `tests/migrations` next to that folder and next to the `Cargo.toml`, where they exist.
///
/// ```no_run
/// lockgate_build::watch_folder("../db/migrations");
/// ```
pub fn watch_folder(path: impl AsRef<Path>) {
    folder(path).watch();
}

/// Names a folder, as in `embed_migrations!`, whose tests may be in another folder than `tests/migrations`.
///
/// ```no_run
/// // As in `embed_migrations!("migrations", tests = "tests/schema")`.
/// lockgate_build::folder("migrations").tests("tests/schema").watch();
/// ```
pub fn folder(path: impl AsRef<Path>) -> Folder {
    Folder { path: path.as_ref().to_owned(), tests: None }
}

/// A folder of migrations and the folder of its tests: see [`folder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is done before `watch` or `check`"]
pub struct Folder {
    path: PathBuf,
    tests: Option<PathBuf>,
}

impl Folder {
    /// Sets the folder of the tests, relative to the directory of the crate's `Cargo.toml`, as the option `tests = "…"` of
    /// `embed_migrations!` and `migration_tests!` does.
    pub fn tests(mut self, path: impl AsRef<Path>) -> Self {
        self.tests = Some(path.as_ref().to_owned());
        self
    }

    /// Does what [`watch`] does.
    pub fn watch(&self) {
        say(&self.instructions(&crate_directory()));
    }
}

/// Returns the directory of the crate's `Cargo.toml`, which cargo passes to a build script.
fn crate_directory() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default().into()
}

/// Prints instructions for cargo.
fn say(instructions: &str) {
    // If stdout is closed, nobody reads the instructions.
    let _ = std::io::stdout().write_all(instructions.as_bytes());
}

impl Folder {
    /// Returns the instructions for cargo, which watches a directory with everything in it.
    fn instructions(&self, crate_directory: &Path) -> String {
        let mut lines = String::new();
        let mut watch = |path: &Path| {
            writeln!(lines, "cargo::rerun-if-changed={}", path.display()).expect("writing to a string does not fail");
        };
        let folder = &self.path;
        // Cargo reruns the script in every build while a watched path is missing. That is right only for the folder, as the
        // crate does not compile without it.
        watch(folder);
        if let Some(tests) = &self.tests {
            if crate_directory.join(tests).is_dir() {
                watch(tests);
            }
            return lines;
        }
        let beside = match folder.components().next_back() {
            Some(Component::Normal(_)) => folder.parent().unwrap_or(Path::new("")).to_owned(),
            _ => folder.join(".."),
        };
        // The macro looks for the tests in its own crate, wherever the folder is.
        let own = Path::new("tests").join("migrations");
        let tests = beside.join(&own);
        if crate_directory.join(&tests).is_dir() {
            watch(&tests);
        }
        if tests != own && crate_directory.join(&own).is_dir() {
            watch(&own);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_watched_and_tests_only_where_they_are() {
        let directory = std::env::temp_dir().join(format!("lockgate-build-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("db/tests/migrations")).unwrap();
        let with_tests = folder("db/migrations").instructions(&directory);
        let without = folder("migrations").instructions(&directory);
        std::fs::create_dir_all(directory.join("tests/migrations")).unwrap();
        let with_both = folder("db/migrations").instructions(&directory);
        let with_own = folder("migrations").instructions(&directory);
        let named = folder("migrations").tests("db/tests").instructions(&directory);
        let nowhere = folder("migrations").tests("spec").instructions(&directory);
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(named, "cargo::rerun-if-changed=migrations\ncargo::rerun-if-changed=db/tests\n");
        assert_eq!(nowhere, "cargo::rerun-if-changed=migrations\n");
        let expected = "cargo::rerun-if-changed=db/migrations\ncargo::rerun-if-changed=db/tests/migrations\n";
        assert_eq!(with_tests, expected);
        assert_eq!(with_both, format!("{expected}cargo::rerun-if-changed=tests/migrations\n"));
        assert_eq!(without, "cargo::rerun-if-changed=migrations\n");
        assert_eq!(with_own, "cargo::rerun-if-changed=migrations\ncargo::rerun-if-changed=tests/migrations\n");
    }
}
