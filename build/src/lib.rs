//! For a build script: builds the crate again when a migration is added, deleted or moved.
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
//! What is wrong with the folder is not said here: `embed_migrations!` says it, all of it and once.

#![deny(missing_docs)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Component, Path};

/// Watches the folder `migrations` beside the crate's `Cargo.toml`, and `tests/migrations`.
///
/// Call it from `build.rs`; anywhere else it only prints.
pub fn watch() {
    watch_folder("migrations");
}

/// Watches another folder, named as in `embed_migrations!`: relative to the directory of the crate's
/// `Cargo.toml`. Its policy and lockfile are in it and watched too, and so is `tests/migrations`
/// beside it, if there is one.
///
/// ```no_run
/// lockgate_build::watch_folder("../db/migrations");
/// ```
pub fn watch_folder(path: impl AsRef<Path>) {
    let crate_directory = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let instructions = instructions(Path::new(&crate_directory), path.as_ref());
    // A build script whose output nobody reads has nobody to tell.
    let _ = std::io::stdout().write_all(instructions.as_bytes());
}

/// What is printed for cargo. A directory stands for everything in it, at any depth.
fn instructions(crate_directory: &Path, folder: &Path) -> String {
    let mut lines = String::new();
    let mut watch = |path: &Path| {
        writeln!(lines, "cargo::rerun-if-changed={}", path.display()).expect("writing to a string does not fail");
    };
    // A path that is not there makes every build a new one. That is right for the folder, without
    // which the crate does not compile, and for nothing else.
    watch(folder);
    let beside = match folder.components().next_back() {
        Some(Component::Normal(_)) => folder.parent().unwrap_or(Path::new("")).to_owned(),
        _ => folder.join(".."),
    };
    let tests = beside.join("tests").join("migrations");
    if crate_directory.join(&tests).is_dir() {
        watch(&tests);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_watched_and_tests_only_where_they_are() {
        let directory = std::env::temp_dir().join(format!("lockgate-build-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("db/tests/migrations")).unwrap();
        let with_tests = instructions(&directory, Path::new("db/migrations"));
        let without = instructions(&directory, Path::new("migrations"));
        std::fs::remove_dir_all(&directory).unwrap();
        let expected = "cargo::rerun-if-changed=db/migrations\n";
        assert_eq!(with_tests, format!("{expected}cargo::rerun-if-changed=db/tests/migrations\n"));
        assert_eq!(without, "cargo::rerun-if-changed=migrations\n");
    }
}
