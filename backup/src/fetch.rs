//! Fetches a backup into a file.

use std::path::{Path, PathBuf};

use lockgate::ErrorKind;
use tokio::io::AsyncWriteExt;

use crate::error::Error;
use crate::event::{Phase, Progress};
use crate::list;
use crate::meta::Meta;
use crate::store::Store;
use crate::subject::{BackupChoice, Subject};

/// A backup in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// What it is.
    pub meta: Meta,
    /// The file.
    pub file: PathBuf,
}

/// Fetches a backup into a file, or into a folder under its own name. The file appears when it is complete and its
/// checksum matches the meta file. Only its owner can read it.
///
/// # Errors
///
/// Those of [`list::choose`]; [`ErrorKind::Refused`] if the file exists; [`ErrorKind::Failed`] if the dump does not
/// match its meta file.
pub async fn fetch(subject: &Subject<'_>, choice: &BackupChoice, to: &Path) -> Result<Fetched, Error> {
    let meta = list::choose(subject, choice).await?;
    let file = if to.is_dir() { to.join(meta.key.rsplit('/').next().unwrap_or("backup.dump")) } else { to.to_owned() };
    if file.exists() {
        let error = Error::refused(format!("the file `{}` exists", file.display())).state("nothing was fetched");
        return Err(error.help("delete it, or name another file: `backup fetch --to FILE`"));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| Error::failed(format!("`{}` cannot be written: {error}", file.display()));
    let temporary = tempfile::Builder::new().prefix(".lockgate-").tempfile_in(folder).map_err(failed)?;
    let (open, path) = temporary.into_parts();
    let mut open = tokio::fs::File::from_std(open);
    let progress = Progress::begin(Phase::Fetch, &meta.key, Some(meta.size), subject.on_event);
    read(subject.store, &meta, progress, async |piece| open.write_all(piece).await.map_err(failed)).await?;
    open.sync_all().await.map_err(failed)?;
    path.persist_noclobber(&file).map_err(|error| failed(error.error))?;
    Ok(Fetched { meta, file })
}

/// Reads the dump of a backup, and fails at the end if it does not match its meta file.
pub(crate) async fn read(
    store: &Store,
    meta: &Meta,
    mut progress: Progress<'_>,
    take: impl AsyncFnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let content = store.read(&meta.key, &mut progress, take).await?;
    if content.size != meta.size || content.sha256 != meta.sha256 {
        return Err(Error::new(ErrorKind::Failed, format!("the dump `{}` is damaged", meta.key))
            .state(format!("it should have {} bytes, with the SHA-256 {}", meta.size, meta.sha256))
            .state(format!("it has {} bytes, with the SHA-256 {}", content.size, content.sha256))
            .help("use another backup: `backup list` lists them, and `backup verify` checks one"));
    }
    progress.end();
    Ok(())
}
