//! Chooses the directory of a server: in memory if its data need not be durable and there is room, otherwise with the
//! temporary files.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::account::Account;

/// The variable that names the folder for the directories of servers.
pub const VARIABLE: &str = "LOCKGATE_SERVER_DIR";

/// The longest usable base path: on some systems a socket path has at most 103 bytes, of which the directory takes 40.
const LONGEST_BASE: usize = 60;

/// A file system in memory. Creating a database creates some three hundred files, which takes ten times as long on a busy
/// disk.
const MEMORY: &str = "/dev/shm";

/// The free space and memory that are needed: a cluster takes 60 MB, a database eight.
const ROOM_KB: u64 = 2 << 20;
const FREE_MEMORY_KB: u64 = 4 << 20;

/// Creates a directory, owned by the account of this name or its replacement, and returns both.
pub(super) fn directory(account: &str, durable: bool) -> io::Result<(TempDir, Account)> {
    let make = |base: &Path| -> io::Result<(TempDir, Account)> {
        let directory = tempfile::Builder::new().prefix("lockgate-").tempdir_in(base)?;
        let account = Account::for_server(account)?;
        account.own(directory.path())?;
        Ok((directory, account))
    };
    let base = base(durable);
    let (directory, account) = make(&base)?;
    if base.as_os_str().len() <= LONGEST_BASE && (account == Account::Ours || is_open_to_all(&base)) {
        return Ok((directory, account));
    }
    drop(directory);
    make(Path::new("/tmp"))
}

fn base(durable: bool) -> PathBuf {
    if let Some(folder) = env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        return folder.into();
    }
    if !durable && has_room() { MEMORY.into() } else { env::temp_dir() }
}

/// Whether there is enough room in memory: in containers `/dev/shm` is often tiny.
fn has_room() -> bool {
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_memory(&text));
    if memory.is_none_or(|memory| memory < FREE_MEMORY_KB) {
        return false;
    }
    let mut command = Command::new("df");
    command.args(["-Pk", MEMORY]).stdin(Stdio::null()).stderr(Stdio::null()).env("LC_ALL", "C");
    let message = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    message.ok().and_then(|text| room(&text)).is_some_and(|room| room >= ROOM_KB)
}

/// `MemAvailable:   47012345 kB`
fn available_memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Reads the free space from the output of `df`, if the file system is in memory.
fn room(text: &str) -> Option<u64> {
    let mut words = text.lines().nth(1)?.split_whitespace();
    if words.next()? == "tmpfs" { words.nth(2)?.parse().ok() } else { None }
}

/// Whether every user may enter a folder and its parents.
#[cfg(unix)]
pub(super) fn is_open_to_all(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    folder.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 1 == 1))
}

#[cfg(not(unix))]
pub(super) fn is_open_to_all(_: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_read() {
        let output = "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 65536 0 65530 0% /dev/shm\n";
        assert_eq!(room(output), Some(65530));
        assert_eq!(room(&output.replace("tmpfs", "/dev/vda")), None);
        assert_eq!(room(""), None);
        assert_eq!(available_memory("MemTotal: 9 kB\nMemAvailable:    8 kB\n"), Some(8));
    }
}
