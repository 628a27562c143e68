//! A copy of the folder of migrations in a temporary directory, in which a draft is checked before anything is written.

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_source::folder::{self, Loaded, Tests};
use tempfile::TempDir;

use crate::failure::Failure;
use crate::project::Package;

/// The copy.
#[derive(Debug)]
pub(super) struct Copy {
    directory: TempDir,
    package: Package,
}

impl Copy {
    pub(super) fn of(package: &Package) -> Result<Self, Failure> {
        let impossible = |e: std::io::Error| Failure::impossible(format!("a temporary folder: {e}"));
        let directory = tempfile::tempdir().map_err(impossible)?;
        copy(&package.folder, directory.path()).map_err(impossible)?;
        Ok(Self { directory, package: package.clone() })
    }

    /// Writes a file: its path is relative to the folder.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let file = self.directory.path().join(path);
        let made = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text));
        made.map_err(|e| Failure::impossible(format!("a temporary file: {e}")))
    }

    /// Loads it. Messages name the folder that it is a copy of.
    pub(super) fn load(&self) -> Loaded {
        let package = &self.package;
        let tests = Tests { directory: package.tests.clone(), shown: package.shown_tests.clone() };
        folder::load_for(self.directory.path(), &package.shown, tests, package.backends)
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let path: PathBuf = entry?.path();
        let Some(name) = path.file_name() else { continue };
        let to = to.join(name);
        if path.is_dir() {
            fs::create_dir(&to)?;
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
        }
    }
    Ok(())
}
