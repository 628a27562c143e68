//! Throwaway SQLite databases: each is a file in its own folder, which is removed with the files that SQLite puts next to
//! it. Templates are files that the processes of a test run share.

use std::fs::{self, File, TryLockError};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use lockgate::Dialect;
use tempfile::TempDir;

use crate::Error;
use crate::server::Folder;
use crate::template::Template;

/// How often to check whether another task or process has finished a template.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

pub(crate) struct DatabaseFile {
    folder: TempDir,
}

impl DatabaseFile {
    /// Copies a template. Without one there is no file yet: SQLite creates it.
    pub(crate) async fn like<R: Template>(template: Option<R>) -> Result<Self, Error> {
        // Get the template before making the folder: a process that is killed meanwhile leaves no folder.
        let from = match template {
            Some(template) => Some(shared(template).await?),
            None => None,
        };
        let folder = tempfile::Builder::new().prefix("lockgate-").tempdir();
        let folder = folder.map_err(|e| Error::because("a folder for a database cannot be created", e))?;
        let database = Self { folder };
        if let Some(from) = from {
            let copied = fs::copy(&from, database.file());
            copied.map_err(|e| Error::because(format!("{} cannot be copied", from.display()), e))?;
        }
        Ok(database)
    }

    pub(crate) fn url(&self) -> String {
        url(&self.file())
    }

    pub(crate) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }
}

/// Returns the file of a template, in the folder that the test processes share.
async fn shared<R: Template>(template: R) -> Result<PathBuf, Error> {
    static SHARED: OnceLock<Result<Folder, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Folder::join("sqlite").map_err(|e| e.to_string()));
    let folder = shared.as_ref().map_err(|e| Error::new(e.as_str()))?.path();
    ready(template, folder).await
}

/// Returns the file of a template in this folder, and makes it if it is missing. One task at a time makes it, under
/// another name: a file with the template's name is complete.
fn ready<'a, R: Template>(
    template: R,
    folder: &'a Path,
) -> Pin<Box<dyn Future<Output = Result<PathBuf, Error>> + Send + 'a>> {
    Box::pin(async move {
        let key = template.key(Dialect::Sqlite);
        let file = folder.join(format!("{key}.db"));
        if file.exists() {
            return Ok(file);
        }
        let before = match template.base() {
            Some(before) => Some(ready(before, folder).await?),
            None => None,
        };
        let failed = |e| Error::because(format!("the template {} cannot be created", file.display()), e);
        let lock = File::create(folder.join(format!("{key}.lock"))).map_err(failed)?;
        // Another future on this thread may hold the lock, so poll it instead of blocking.
        while let Err(e) = lock.try_lock() {
            match e {
                TryLockError::WouldBlock => tokio::time::sleep(POLL_INTERVAL).await,
                TryLockError::Error(e) => return Err(failed(e)),
            }
        }
        if file.exists() {
            return Ok(file);
        }
        let draft = tempfile::Builder::new().prefix("draft-").tempdir_in(folder).map_err(failed)?;
        let made = draft.path().join("draft.db");
        if let Some(before) = before {
            fs::copy(before, &made).map_err(failed)?;
        }
        template.build(&url(&made), Dialect::Sqlite).await?;
        // The last connection is closed, so SQLite has removed its files next to this one.
        fs::rename(&made, &file).map_err(failed)?;
        Ok(file)
    })
}

fn url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}
