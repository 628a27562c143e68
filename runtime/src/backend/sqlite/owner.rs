//! The claim on scripts outside a transaction: a locked file beside the database. The lock ends with its process, so a
//! dead owner is never mistaken for a live one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A held lock. Dropping it removes the file on Unix.
pub(super) struct Claim {
    _file: File,
    path: PathBuf,
}

/// The lock file of the database in this file.
pub(super) fn beside(database: &str) -> PathBuf {
    PathBuf::from(format!("{database}-lockgate"))
}

/// Locks the file. Returns `None` if somebody else has it.
pub(super) fn claim(path: &Path) -> io::Result<Option<Claim>> {
    loop {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The previous owner may have removed it between the two calls. Then this is not the file that others see.
        if is_at(&file, path) {
            return Ok(Some(Claim { _file: file, path: path.to_owned() }));
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |one: &fs::Metadata, other: &fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if same(&one, &other))
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

impl Drop for Claim {
    fn drop(&mut self) {
        // On other systems `is_at` cannot tell two files of one name apart, so the empty file stays.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
