//! Who is at work on a script outside a transaction: whoever has the file beside the database locked. The lock ends
//! with its process, however that ends, so that a dead owner is told from a live one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The lock, held. Dropped, the file goes with it where it can be told afterwards that it went.
pub(super) struct Claim {
    _file: File,
    path: PathBuf,
}

/// The file that is locked for the database in this one.
pub(super) fn beside(database: &str) -> PathBuf {
    PathBuf::from(format!("{database}-lockgate"))
}

/// Locks the file, unless somebody else has.
pub(super) fn claim(path: &Path) -> io::Result<Option<Claim>> {
    loop {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it may have removed it between our two calls: then this is not the file that others see.
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
        // Elsewhere two files of one name cannot be told apart: there it stays, empty.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
