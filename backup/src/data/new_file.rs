//! A file for rows, which appears under its name when it is complete, and not before.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;

/// A file that does not exist yet. Until it is finished it has another name, and dropping it deletes it. Only its owner
/// may read it.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl NewFile {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](lockgate::ErrorKind::Usage) if the file exists,
    /// [`ErrorKind::Failed`](lockgate::ErrorKind::Failed) if the folder cannot be written to.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            return Err(exists(path));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut prefix = path.file_name().unwrap_or_default().to_owned();
        prefix.push(".");
        let file = tempfile::Builder::new().prefix(&prefix).suffix(".part").tempfile_in(folder);
        let file = file.map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Its name, once it is finished.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to write to.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name, after all of it is on the disk.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create), for a file that has appeared meanwhile or a disk that is full.
    pub fn finish(self) -> Result<(), Error> {
        let path = self.path;
        self.file.as_file().sync_all().map_err(|error| unwritable(&path, &error))?;
        match self.file.persist_noclobber(&path) {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&path)),
            Err(error) => Err(unwritable(&path, &error.error)),
        }
    }
}

fn exists(path: &Path) -> Error {
    Error::usage(format!("`{}` exists", path.display())).help("name another file, or move this one away")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("`{}` cannot be written: {error}", path.display()))
}
