//! For a build script: builds the crate again when a migration is added, deleted or moved; and, if
//! asked, says what is wrong with the folder, and runs it on an SQLite in memory.
//!
//! The compiler knows by itself when a file that it has read was edited. That there is a *new* file
//! only a build script can tell, `build.rs`:
//!
//! ```no_run
//! lockgate_build::watch();
//! ```
//!
//! Without one, `cargo xtask new-migration` still makes the crate build again: it changes the
//! lockfile, which the compiler has read.
//!
//! With [`watch`] alone this crate stands on the standard library and nothing else, and what is wrong
//! with the folder `embed_migrations!` says. Two features add to it:
//!
//! | feature | function | what it does beside watching |
//! |---|---|---|
//! | `check` | `check()` | what the macro would say, the build script says: errors stop the build before the crate is compiled, and warnings, said here, are not said again by the macro |
//! | `replay` | `replay()` | the same, and the set runs up, down and up again on an SQLite in memory |
//!
//! All of it costs something only when the folder has changed: cargo does not run the script before.
//!
//! # A file that is replaced by an older one
//!
//! Cargo goes by the time at which a file was changed, for build scripts as for source files, and never by
//! contents. A migration that is replaced by one with an older time (`cp -p`, `tar`, `rsync -t`, a cache
//! that is restored in CI) builds nothing, and the old text stays in the program. No build script can help
//! there: cargo does not run it, and one that it always ran would build the crate anew each time. After
//! such a copy, type
//!
//! ```sh
//! find migrations -type f -exec touch {} +
//! ```
//!
//! The test `embedded_is_what_is_on_disk`, which `lockgate_harness::migration_tests!` makes, compares the
//! contents and names the files to touch.

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

/// Watches the folder `migrations` beside the crate's `Cargo.toml`, and `tests/migrations`.
///
/// Call it from `build.rs`; anywhere else it only prints.
pub fn watch() {
    watch_folder("migrations");
}

/// Watches another folder, named as in `embed_migrations!`: relative to the directory of the crate's
/// `Cargo.toml`. Its policy and lockfile are in it and watched too, and so is `tests/migrations`
/// beside it and beside the `Cargo.toml`, where there is one.
///
/// ```no_run
/// lockgate_build::watch_folder("../db/migrations");
/// ```
pub fn watch_folder(path: impl AsRef<Path>) {
    folder(path).watch();
}

/// A folder, named as in `embed_migrations!`, whose tests may be elsewhere than in `tests/migrations`.
///
/// ```no_run
/// // As in `embed_migrations!("migrations", tests = "tests/schema")`.
/// lockgate_build::folder("migrations").tests("tests/schema").watch();
/// ```
pub fn folder(path: impl AsRef<Path>) -> Folder {
    Folder { path: path.as_ref().to_owned(), tests: None }
}

/// A folder of migrations, and where its tests are: what [`folder`] gives.
#[derive(Clone, Debug)]
#[must_use = "nothing is done before `watch` or `check`"]
pub struct Folder {
    path: PathBuf,
    tests: Option<PathBuf>,
}

impl Folder {
    /// Where the tests of the migrations are, relative to the directory of the crate's `Cargo.toml`: what
    /// `embed_migrations!` and `migration_tests!` are told by `tests = "…"`.
    pub fn tests(mut self, path: impl AsRef<Path>) -> Self {
        self.tests = Some(path.as_ref().to_owned());
        self
    }

    /// Watches it, as [`watch`] does.
    pub fn watch(&self) {
        say(&self.instructions(&crate_directory()));
    }
}

/// The directory of the crate's `Cargo.toml`, of which cargo tells a build script.
fn crate_directory() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default().into()
}

/// Says this to cargo.
fn say(instructions: &str) {
    // A build script whose output nobody reads has nobody to tell.
    let _ = std::io::stdout().write_all(instructions.as_bytes());
}

impl Folder {
    /// What is printed for cargo. A directory stands for everything in it, at any depth.
    fn instructions(&self, crate_directory: &Path) -> String {
        let mut lines = String::new();
        let mut watch = |path: &Path| {
            writeln!(lines, "cargo::rerun-if-changed={}", path.display()).expect("writing to a string does not fail");
        };
        let folder = &self.path;
        // A path that is not there makes every build a new one. That is right for the folder, without
        // which the crate does not compile, and for nothing else.
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
        // The macro looks for the tests of a folder in its own crate, wherever the folder is.
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
