//! A folder that the processes of a test run share. The first process creates it, the others find it by its key, and a
//! watchdog removes it after the last process has ended, even if that was killed.
//!
//! Each process keeps a named pipe in the folder open. The watchdog reads from it until the last process that has it open
//! ends. Then the watchdog waits some seconds, as the next test may be about to start, and renames the folder before it
//! removes anything. A process that came meanwhile keeps the folder; a later one finds none and creates another.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use sha2::{Digest, Sha256};

use super::secret::write_secret;

/// The variable with the number of seconds that the watchdog waits for another test process.
pub const LINGER: &str = "LOCKGATE_LINGER";

/// The default: long enough for a pause between two tests, and short enough not to waste memory.
const LINGER_SECONDS: u32 = 5;

/// How often a folder may vanish between finding and locking it. It does when another test run ends.
const TRIES: usize = 100;

/// A folder that this process shares. It exists at least as long as this value.
#[derive(Debug)]
pub(crate) struct Share {
    folder: PathBuf,
    _alive: File,
}

/// A new folder that other processes cannot use yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) folder: PathBuf,
    pub(crate) token: String,
    pub(crate) linger: u32,
    alive: File,
}

impl Share {
    /// Finds the folder of this key, or creates it.
    ///
    /// `good` says whether the text in an existing folder is still valid. If there is no such folder, one process at a time
    /// calls `make`, which starts the watchdog of the folder. It returns the text to write, and a value for this process
    /// only.
    pub(crate) fn join<T, E: From<io::Error>>(
        key: &str,
        good: impl Fn(&str) -> bool,
        mut make: impl FnMut(&Fresh) -> Result<(String, T), E>,
    ) -> Result<(Self, String, Option<T>), E> {
        for _ in 0..TRIES {
            let folder = folder(key)?;
            let Some(_lock) = lock(&folder)? else { continue };
            if let Some((alive, state)) = enter(&folder)?.filter(|(_, state)| good(state)) {
                return Ok((Self { folder, _alive: alive }, state, None));
            }
            let fresh = Fresh::new(folder)?;
            let made = make(&fresh).and_then(|(state, value)| Ok((fresh.publish(&state)?, state, value)));
            let (published, state, value) = match made {
                Ok(made) => made,
                Err(e) => {
                    // No other process is in it: the others wait for the lock, and then check whether the folder still exists.
                    let _ = fs::remove_dir_all(&fresh.folder);
                    return Err(e);
                }
            };
            if published {
                let Fresh { folder, alive, .. } = fresh;
                return Ok((Self { folder, _alive: alive }, state, Some(value)));
            }
        }
        Err(io::Error::other("the folder that tests share vanishes again and again").into())
    }

    /// Returns its path.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Fresh {
    fn new(folder: PathBuf) -> io::Result<Self> {
        let token = token()?;
        let pipe = folder.join(pipe(&token));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let linger = env::var(LINGER).ok().and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(LINGER_SECONDS);
        Ok(Self { alive: hold(&pipe)?, folder, token, linger })
    }

    /// Lets other processes in. Returns `false` if the folder is gone: the watchdog of a process that died before this point
    /// has removed it.
    fn publish(&self, state: &str) -> io::Result<bool> {
        let draft = self.folder.join("state.new");
        let write = || {
            write_secret(&draft, &format!("{}\n{state}", self.token))?;
            fs::rename(&draft, self.folder.join("state"))
        };
        match write() {
            Ok(()) => Ok(is_at(&self.alive, &self.folder.join(pipe(&self.token)))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// Returns a short key for what must be equal to share a folder.
pub(crate) fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the folder of cargo's profile that contains this program.
pub(crate) fn target() -> PathBuf {
    let mut folder = env::current_exe().unwrap_or_default();
    folder.pop();
    if folder.ends_with("deps") || folder.ends_with("examples") {
        folder.pop();
    }
    folder
}

/// Creates a folder that only this user may enter.
fn folder(key: &str) -> io::Result<PathBuf> {
    folder_in(&env::temp_dir(), key)
}

fn folder_in(place: &Path, key: &str) -> io::Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};

    let user = super::account::user()?;
    let folder = place.join(format!("lockgate-run-{user}-{key}"));
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let made = match fs::symlink_metadata(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(folder),
        made => made?,
    };
    if !made.is_dir() || made.uid() != user || made.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!("{} belongs to somebody else: remove it", folder.display())));
    }
    Ok(folder)
}

/// Takes the lock of a folder; `None` if the folder vanished meanwhile.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join("lock");
    let file = match File::options().create(true).append(true).open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    file.lock()?;
    Ok(is_at(&file, &path).then_some(file))
}

/// Joins a published folder, and reads its text. `None` if it is not published.
fn enter(folder: &Path) -> io::Result<Option<(File, String)>> {
    let mut text = String::new();
    match File::open(folder.join("state")).and_then(|mut file| file.read_to_string(&mut text)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let Some((token, state)) = text.split_once('\n') else { return Ok(None) };
    let pipe = folder.join(pipe(token));
    match hold(&pipe) {
        // The pipe was opened before this check, so a watchdog that renames the folder after it waits for this process.
        Ok(alive) if is_at(&alive, &pipe) => {
            File::create(folder.join("joined"))?;
            Ok(Some((alive, state.to_owned())))
        }
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Opens a pipe for reading and writing, which does not block.
fn hold(pipe: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(pipe)
}

fn pipe(token: &str) -> String {
    format!("alive-{token}")
}

/// Whether an open file is still the one at this path.
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let (Ok(open), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

/// Returns a random token.
pub(crate) fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_where_a_part_ends() {
        assert_eq!(key(["a", "b"]), key(["a", "b"]));
        assert_ne!(key(["ab", ""]), key(["a", "b"]));
        assert_eq!(key([]).len(), 16);
    }

    #[test]
    fn the_folder_of_a_stranger_is_not_entered() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

        let place = tempfile::tempdir().unwrap();
        let made = folder_in(place.path(), "mine").unwrap();
        assert_eq!(fs::metadata(&made).unwrap().mode() & 0o777, 0o700, "nobody else may enter it");
        assert_eq!(folder_in(place.path(), "mine").unwrap(), made, "nor does one's own stand in the way");
        let refused = |key: &str| {
            let error = folder_in(place.path(), key).unwrap_err();
            assert!(error.to_string().ends_with("belongs to somebody else: remove it"), "{key}: {error}");
        };
        let named = |key: &str| place.path().join(made.file_name().unwrap().to_str().unwrap().replace("mine", key));

        for (key, mode) in [("group", 0o710), ("all", 0o701), ("readers", 0o744), ("writers", 0o722)] {
            fs::create_dir(named(key)).unwrap();
            fs::set_permissions(named(key), fs::Permissions::from_mode(mode)).unwrap();
            refused(key);
        }
        symlink(&made, named("elsewhere")).unwrap();
        refused("elsewhere");
        fs::write(named("file"), "").unwrap();
        fs::set_permissions(named("file"), fs::Permissions::from_mode(0o600)).unwrap();
        refused("file");
        // Only root can give a folder to another user, so skip this test otherwise.
        let theirs = folder_in(place.path(), "theirs").unwrap();
        if chown(&theirs, Some(65534), None).is_ok() {
            refused("theirs");
        }
    }
}
