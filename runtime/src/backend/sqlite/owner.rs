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

/// Describes the process that has the lock file of this database locked, as far as the system says it. Takes no lock.
#[cfg(target_os = "linux")]
pub(super) fn holder(database: &str) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(beside(database)).ok()?;
    let pid = locked_by(&fs::read_to_string("/proc/locks").ok()?, file.dev(), file.ino())?;
    Some(format!("pid {pid}"))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn holder(_: &str) -> Option<String> {
    None
}

/// The process that has a file locked, by the text of `/proc/locks`.
#[cfg(target_os = "linux")]
fn locked_by(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & 0xffff_ff00);
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        // A waiting process has `->` in the second place.
        let mut fields = line.split_whitespace().skip(1);
        let (kind, pid, of) = (fields.next()?, fields.nth(2)?, fields.next()?);
        (kind == "FLOCK" && of == file).then(|| pid.parse().ok())?
    })
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_holds_a_lock_is_found_without_a_lock() {
        let locks = "\
1: POSIX  ADVISORY  WRITE 41 08:01:7 0 EOF
2: FLOCK  ADVISORY  WRITE 42 08:01:7 0 EOF
2: -> FLOCK  ADVISORY  WRITE 43 08:01:7 0 EOF
3: FLOCK  ADVISORY  WRITE 44 103:100:8 0 EOF
";
        assert_eq!(locked_by(locks, 0x801, 7), Some(42));
        assert_eq!(locked_by(locks, 0x801, 8), None);
        // Device numbers above 255 are spread over the number.
        assert_eq!(locked_by(locks, 0x0011_0300, 8), Some(44));
        assert_eq!(locked_by("", 0x801, 7), None);
    }
}
