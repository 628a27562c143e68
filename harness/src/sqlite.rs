//! Throwaway databases of SQLite: a file in a folder of its own, so that what SQLite puts beside it
//! goes with it.

use tempfile::TempDir;

use crate::Error;

pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// No file yet: SQLite makes it.
    pub(crate) fn empty() -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("lockgate-").tempdir();
        let folder = folder.map_err(|e| Error::because("a folder for a database cannot be made", e))?;
        Ok(Self { folder })
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.folder.path().join("test.db").display())
    }

    pub(crate) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }
}
