//! A folder that reads like the user's, and an expectation that reads like the user's terminal.

use std::fs;
use std::path::PathBuf;

use lockgate_source::folder::{self, Loaded};
use lockgate_source::{Diagnostic, Severity, lockfile};
use tempfile::TempDir;

/// A crate's directory with a folder `migrations`.
pub(crate) struct Project {
    directory: TempDir,
}

impl Project {
    /// A folder of these files; a path that begins with `../` stands beside it.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(project.folder()).unwrap();
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.directory.path().join("migrations")
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub(crate) fn delete(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix("../") {
            Some(beside) => self.directory.path().join(beside),
            None => self.folder().join(path),
        }
    }

    pub(crate) fn load(&self) -> Loaded {
        folder::load(&self.folder(), "migrations")
    }

    /// Releases the existing migrations.
    pub(crate) fn freeze(&self) {
        let folder = self.load().folder;
        self.write(lockfile::FILE, folder::freeze(&folder, folder.lockfile.as_ref()).render());
    }

    /// Writes a line for every draft.
    pub(crate) fn lock(&self) {
        let folder = self.load().folder;
        self.write(lockfile::FILE, folder::with_drafts(&folder, folder.lockfile.as_ref()).render());
    }

    /// Compares what is wrong with the folder with one line each, and its ways out below it.
    #[track_caller]
    pub(crate) fn check(&self, expected: &str) {
        assert_eq!(show(&self.load().diagnostics), expected.trim_start());
    }
}

/// Compares what is wrong with a folder of these files.
#[track_caller]
pub(crate) fn check(files: &[(&str, &str)], expected: &str) {
    Project::new(files).check(expected);
}

pub(crate) fn show(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        assert_eq!(diagnostic.severity, Severity::Error);
        text.push_str(&format!("{} {}: {}\n", diagnostic.place(), diagnostic.code, diagnostic.message));
        for help in &diagnostic.help {
            text.push_str(&format!("  {help}\n"));
        }
    }
    text
}
