//! Where backups are kept: a folder or a bucket. An object appears when it is complete, or not at all, and is read
//! back.
//!
//! The dump of a backup is written first, and its meta file last. A dump without a meta file is not a backup.

mod name;
mod open;
mod upload;

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::TryStreamExt;
use lockgate::ErrorKind;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::event::Progress;

pub(crate) use name::Name;
pub(crate) use upload::Upload;

/// How many bytes are read in one request.
const PIECE: u64 = 8 << 20;
/// How many bytes are summed before somebody else gets a turn.
const PART: usize = 64 << 10;

/// Where backups are kept.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// The prefix of all keys.
    prefix: Path,
    shown: String,
    /// The folder, if it is one.
    folder: Option<PathBuf>,
}

/// The size and the checksum of a dump in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl Store {
    /// A store of a kind that has no URL here.
    pub fn over(objects: Arc<dyn ObjectStore>, shown: impl Into<String>) -> Self {
        Self { objects, prefix: Path::default(), shown: shown.into(), folder: None }
    }

    /// The folder or the URL, as `--store` names it.
    pub(crate) fn place(&self) -> &str {
        &self.shown
    }

    /// Its folder, if it is a folder, for messages that say where a dump is.
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_deref()
    }

    fn path(&self, key: &str) -> Path {
        // Keys are used as they are listed: special characters in names are already escaped.
        let parts = Path::parse(key).unwrap_or_else(|_| Path::from(key));
        self.prefix.parts().chain(parts.parts()).collect()
    }

    /// Reserves a name, so that no other backup gets it. Returns `false` if another backup has it.
    pub(crate) async fn reserve(&self, name: &Name) -> Result<bool, Error> {
        self.make_private(name)?;
        // The time must be unique even if the newest migration differs, because the newest backup is found by its time.
        let found = self.objects_in(name.folder()).await?;
        if found.iter().filter_map(|(key, _)| Name::of_key(key)).any(|other| other.time() == name.time()) {
            return Ok(false);
        }
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let content = format!("process {}\n", std::process::id());
        match self.objects.put_opts(&self.path(&name.mark()), content.into(), options).await {
            Ok(_) => {
                self.close_to_others(&name.mark());
                Ok(true)
            }
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.failed("cannot be written", &error)),
        }
    }

    /// Marks a backup as unfinished before it is deleted.
    pub(crate) async fn mark(&self, name: &Name) -> Result<(), Error> {
        let written = self.objects.put(&self.path(&name.mark()), "deleted\n".into()).await;
        written.map_err(|error| self.failed("cannot be written", &error))?;
        self.close_to_others(&name.mark());
        Ok(())
    }

    /// The time in the newest name in a folder, whether its backup is finished or not.
    pub(crate) async fn newest(&self, folder: &Path) -> Result<Option<u64>, Error> {
        let found = self.objects_in(folder).await?;
        Ok(found.iter().filter_map(|(key, _)| Name::of_key(key)?.time().parse().ok()).max())
    }

    /// Makes the folder of a dump, readable only by its owner, because a dump contains all data of the database.
    fn make_private(&self, name: &Name) -> Result<(), Error> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let folder = name.folder().parts().fold(folder.clone(), |folder, part| folder.join(part.as_ref()));
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).map_err(|error| {
            Error::failed(format!("the folder `{}` cannot be made: {error}", folder.display()))
                .help("give this user write access to the folder of the store")
        })
    }

    /// Lets only the owner read a file, and the part of it that is being written, because the folder may be open to
    /// others. Some file systems have no such permissions, and then their mount decides.
    fn close_to_others(&self, key: &str) {
        #[cfg(unix)]
        if let Some(root) = &self.folder {
            use std::os::unix::fs::PermissionsExt;

            let path = root.join(key);
            let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else { return };
            let file = file.to_string_lossy();
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let rest = name.to_str().and_then(|name| name.strip_prefix(&*file));
                if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
                    let _ = std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(0o600));
                }
            }
        }
        #[cfg(not(unix))]
        let _ = key;
    }

    /// Starts to write a dump. `estimate` is its approximate size in bytes.
    pub(crate) async fn upload(&self, key: &str, estimate: u64) -> Result<Upload, Error> {
        let begun = self.objects.put_multipart(&self.path(key)).await;
        let begun = begun.map_err(|error| self.failed("cannot be written", &error))?;
        self.close_to_others(key);
        Ok(Upload::new(begun, estimate))
    }

    /// Writes a small file, which must not exist.
    pub(crate) async fn put(&self, key: &str, content: String) -> Result<(), Error> {
        let written = self.objects.put(&self.path(key), content.into()).await;
        written.map_err(|error| self.failed("cannot be written", &error))?;
        self.close_to_others(key);
        Ok(())
    }

    /// Reads a small file.
    pub(crate) async fn get(&self, key: &str) -> Result<Vec<u8>, Error> {
        let read = async { self.objects.get(&self.path(key)).await?.bytes().await }.await;
        read.map(|bytes| bytes.to_vec()).map_err(|error| self.failed("cannot be read", &error))
    }

    /// Reads a dump piece by piece, and returns its size and checksum. Each piece is one request, so no request takes
    /// long.
    pub(crate) async fn read(
        &self,
        key: &str,
        progress: &mut Progress<'_>,
        mut take: impl AsyncFnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Content, Error> {
        let path = self.path(key);
        let head = self.objects.head(&path).await.map_err(|error| self.failed("cannot be read", &error))?;
        let mut hash = Sha256::new();
        let mut at = 0;
        let mut next = self.piece(key, &path, at, head.size).await?;
        while let Some(piece) = next {
            at += piece.len() as u64;
            // While somebody takes one piece, which may last, it is summed and the next one is read.
            let summing = async {
                for part in piece.chunks(PART) {
                    hash.update(part);
                    tokio::task::yield_now().await;
                }
            };
            let ahead = self.piece(key, &path, at, head.size);
            let (taken, (), ahead) = tokio::join!(take(&piece), summing, ahead);
            taken?;
            progress.moved(piece.len());
            next = ahead?;
        }
        Ok(Content { size: head.size, sha256: hex(&hash.finalize()) })
    }

    /// The piece of an object that begins there. `None` at its end.
    async fn piece(
        &self,
        key: &str,
        path: &Path,
        at: u64,
        size: u64,
    ) -> Result<Option<impl Deref<Target = [u8]> + use<>>, Error> {
        let range = at..size.min(at + PIECE);
        if range.is_empty() {
            return Ok(None);
        }
        let piece = self.objects.get_range(path, range.clone()).await;
        let piece = piece.map_err(|error| self.failed("cannot be read", &error))?;
        if piece.len() as u64 != range.end - range.start {
            let what = format!("{self} returned {} of {} bytes of `{key}`", piece.len(), range.end - range.start);
            return Err(Error::new(ErrorKind::Interrupted, what).help("try again"));
        }
        Ok(Some(piece))
    }

    /// Deletes those of the objects that exist.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), Error> {
        match self.objects.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(&format!("cannot delete `{key}`"), &error)),
        }
    }

    /// Lists a folder of the store and its subfolders: each key with its size, and when it was written.
    pub(crate) async fn objects_in(&self, folder: &Path) -> Result<Vec<(String, ObjectMeta)>, Error> {
        let prefix: Path = self.prefix.parts().chain(folder.parts()).collect();
        let found: Vec<ObjectMeta> = self
            .objects
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|error| self.failed("cannot be listed", &error))?;
        let outside = self.prefix.parts().count();
        let key = |object: &ObjectMeta| object.location.parts().skip(outside).collect::<Path>().to_string();
        Ok(found.into_iter().map(|object| (key(&object), object)).collect())
    }

    /// Lists the incomplete uploads in a folder: each with its key, which other lists do not contain, its size, and
    /// when it was written. An upload that was killed leaves its file. Buckets do not list such parts.
    pub(crate) fn staged_in(&self, folder: &Path) -> Vec<(String, u64, u64)> {
        let Some(root) = &self.folder else { return Vec::new() };
        let mut found = Vec::new();
        let mut folders = vec![(folder.clone(), folder.parts().fold(root.clone(), |at, part| at.join(part.as_ref())))];
        while let Some((key, path)) = folders.pop() {
            for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
                let file = entry.file_name().to_string_lossy().into_owned();
                let Ok(data) = entry.metadata() else { continue };
                if data.is_dir() {
                    folders.push((key.clone().join(&*file), entry.path()));
                    continue;
                }
                let is_staged = file.rsplit_once('#').is_some_and(|(dump, number)| {
                    dump.ends_with(name::DUMP) && number.bytes().all(|byte| byte.is_ascii_digit())
                });
                if is_staged {
                    let time = data.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                    found.push((format!("{key}/{file}"), data.len(), time.map_or(0, |time| time.as_secs())));
                }
            }
        }
        found.sort();
        found
    }

    /// Deletes such a file.
    pub(crate) fn delete_staged(&self, key: &str) -> Result<(), Error> {
        let Some(root) = &self.folder else { return Ok(()) };
        match std::fs::remove_file(root.join(key)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::failed(format!("`{key}` cannot be deleted: {error}")))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, what: &str, error: &object_store::Error) -> Error {
        use object_store::Error as Cause;
        let (kind, help) = match error {
            Cause::NotFound { .. } => (ErrorKind::Unreachable, Some("`backup list` lists all backups")),
            Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => {
                (ErrorKind::Denied, Some("these credentials need permission to read, write, list and delete there"))
            }
            _ => (ErrorKind::Failed, None),
        };
        let error = Error::new(kind, format!("the store {self} {what}: {}", reason(error)));
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// The innermost cause. The outer ones repeat it, or contain internals of the library.
fn reason(error: &object_store::Error) -> String {
    if let object_store::Error::NotFound { path, .. } = error {
        return format!("`{path}` does not exist");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.shown)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.shown).finish()
    }
}
