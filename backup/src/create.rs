//! Makes a backup: writes the dump, reads it back, and writes the meta file last.

use lockgate::{ErrorKind, Stage, Status};

use crate::error::Error;
use crate::event::{Phase, Progress};
use crate::meta::{Locale, Meta, Purpose, TableRows, VERSION, now};
use crate::store::{Content, Name};
use crate::subject::{BackupStage, Subject};

/// How many names are tried: a name contains a time in seconds, and each next name is one second later.
const TRIES: u64 = 60;

/// Makes a backup of the database, and returns its meta file.
///
/// The dump is of one snapshot. It is uploaded to the store in parts and read back. It becomes a backup when its meta
/// file is written beside it. If anything fails before that, there is no new backup, and existing backups are not
/// affected.
///
/// # Errors
///
/// [`ErrorKind::Refused`] if the database has another stage than the migrator asks for; the errors of
/// [`Migrator::status`]; and [`ErrorKind::Failed`] if the dump fails, or the store returns other data than was written.
///
/// [`Migrator::status`]: lockgate::Migrator::status
pub async fn create(subject: &Subject<'_>, purpose: Purpose) -> Result<Meta, Error> {
    let database = subject.name()?;
    match subject.url.split_once(':').map_or("", |(scheme, _)| scheme) {
        #[cfg(feature = "sqlite")]
        "sqlite" => of_sqlite(subject, &database, purpose).await,
        #[cfg(feature = "postgres")]
        _ => of_postgres(subject, &database, purpose).await,
        #[cfg(not(feature = "postgres"))]
        _ => unreachable!("such a database has no name"),
    }
}

#[cfg(feature = "postgres")]
async fn of_postgres(subject: &Subject<'_>, database: &str, purpose: Purpose) -> Result<Meta, Error> {
    // The schema is read outside the snapshot. If it is the same before and after, the snapshot has it too; if it
    // changed meanwhile, its digest is left out.
    let digest = async || {
        let mut second = lockgate::Database::connect(subject.url).await?;
        let digest = crate::schema::digest(subject.migrator, &mut second).await?;
        let _ = second.close().await;
        Ok::<_, Error>(digest)
    };
    let before = digest().await?;
    let snapshot = crate::postgres::snapshot(subject.url, subject.migrator).await?;
    let schema_sha256 =
        if before.is_some() { digest().await?.filter(|after| before.as_ref() == Some(after)) } else { None };
    let begun = Begun::reserve(subject, database, &snapshot.status).await?;
    let key = begun.name.dump();
    let progress = Progress::begin(Phase::Dump, &key, None, subject.on_event);
    let facts = Facts {
        dialect: "postgres",
        server_version: snapshot.server_version.clone(),
        database_bytes: snapshot.database_bytes,
        roles: snapshot.roles.clone(),
        tablespaces: snapshot.tablespaces.clone(),
        locale: Some(snapshot.locale.clone()),
        schema_sha256,
    };
    let dumped = match snapshot.dump(subject.url, subject.store, &key, progress).await {
        Ok(dumped) => dumped,
        Err(error) => return Err(begun.undo(subject, error).await),
    };
    begun.finish(subject, purpose, facts, dumped.content, dumped.tables, dumped.made_by).await
}

#[cfg(feature = "sqlite")]
async fn of_sqlite(subject: &Subject<'_>, database: &str, purpose: Purpose) -> Result<Meta, Error> {
    use tokio::io::AsyncReadExt;

    let folder = tempfile::Builder::new().prefix(FOLDER).tempdir();
    let folder = folder.map_err(|error| {
        Error::failed(format!("cannot make a folder for the snapshot: {error}"))
            .help("name a folder for temporary files in TMPDIR")
    })?;
    clean();
    let _lock = lock(folder.path())
        .map_err(|error| Error::failed(format!("cannot lock the folder for the snapshot: {error}")))?;
    let file = folder.path().join("snapshot.db");
    crate::sqlite::snapshot(subject.url, subject.migrator, &file).await?;
    let snapshot = crate::sqlite::examine(subject.migrator, &file).await?;
    let read = |error: std::io::Error| Error::failed(format!("the snapshot cannot be read: {error}"));
    let mut content = tokio::fs::File::open(&file).await.map_err(read)?;
    let size = content.metadata().await.map_err(read)?.len();
    let facts = Facts {
        dialect: "sqlite",
        server_version: snapshot.server_version,
        database_bytes: size,
        roles: Vec::new(),
        tablespaces: Vec::new(),
        locale: None,
        schema_sha256: snapshot.schema_sha256,
    };
    let begun = Begun::reserve(subject, database, &snapshot.status).await?;
    let key = begun.name.dump();
    let mut progress = Progress::begin(Phase::Dump, &key, Some(size), subject.on_event);
    let written = async {
        let mut upload = subject.store.upload(&key, size).await?;
        let mut buffer = vec![0; 256 << 10];
        let pumped = async {
            loop {
                match content.read(&mut buffer).await.map_err(read)? {
                    0 => return Ok::<(), Error>(()),
                    read => {
                        upload.write(&buffer[..read]).await?;
                        progress.moved(read);
                    }
                }
            }
        }
        .await;
        match pumped {
            Ok(()) => upload.finish().await,
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }
    .await;
    match written {
        Ok(content) => {
            progress.end();
            begun.finish(subject, purpose, facts, content, snapshot.tables, "VACUUM INTO".to_owned()).await
        }
        Err(error) => Err(begun.undo(subject, error).await),
    }
}

/// How the name of a folder for a snapshot begins.
#[cfg(feature = "sqlite")]
const FOLDER: &str = "lockgate-backup-";

/// Locks the folder of a snapshot until the process ends. The file gets its name when it is locked: whoever finds it
/// unlocked knows that its process is gone.
#[cfg(feature = "sqlite")]
fn lock(folder: &std::path::Path) -> std::io::Result<std::fs::File> {
    let new = folder.join("lock.new");
    let file = std::fs::File::create_new(&new)?;
    file.lock()?;
    std::fs::rename(new, folder.join("lock"))?;
    Ok(file)
}

/// Deletes the snapshots of this user that killed processes have left, which are as large as their databases.
#[cfg(feature = "sqlite")]
fn clean() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        // This does not follow a link that somebody else has put there.
        let is_folder = entry.metadata().is_ok_and(|data| {
            #[cfg(unix)]
            let is_own = std::os::unix::fs::MetadataExt::uid(&data) == rustix::process::geteuid().as_raw();
            #[cfg(not(unix))]
            let is_own = true;
            data.is_dir() && is_own
        });
        if !is_folder || !entry.file_name().to_string_lossy().starts_with(FOLDER) {
            continue;
        }
        if std::fs::File::open(entry.path().join("lock")).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// What is known of the database besides its history.
struct Facts {
    dialect: &'static str,
    server_version: String,
    database_bytes: u64,
    roles: Vec<String>,
    tablespaces: Vec<String>,
    locale: Option<Locale>,
    schema_sha256: Option<String>,
}

/// A backup whose name is reserved.
struct Begun {
    name: Name,
    taken_at: u64,
    database: String,
    stage: Option<Stage>,
    head: Option<String>,
    applied: usize,
}

impl Begun {
    async fn reserve(subject: &Subject<'_>, database: &str, status: &Status) -> Result<Self, Error> {
        let head = status.current().map(|entry| entry.id.clone());
        let now = now();
        // The newest backup is found by its time, so this one must be later than all others, even if the clock was put
        // back meanwhile.
        let newest = subject
            .store
            .newest(&Name::folder_of(database, BackupStage::from(status.stage)))
            .await?
            .unwrap_or_default();
        if newest > now + TRIES {
            subject.note(format!(
                "the clock of this machine is {} seconds behind the newest backup, so this backup has the time that \
                 follows it, {}",
                newest - now,
                newest.saturating_add(1)
            ));
        }
        let first = now.max(newest.saturating_add(1));
        for taken_at in first..first.saturating_add(TRIES) {
            let name = Name::new(database, BackupStage::from(status.stage), taken_at, head.as_deref());
            if subject.store.reserve(&name).await? {
                let applied = status.entries.iter().filter(|entry| entry.row.is_some()).count();
                let (database, stage) = (database.to_owned(), status.stage);
                return Ok(Self { name, taken_at, database, stage, head, applied });
            }
        }
        let what = format!("{TRIES} backups of `{database}` were started within a minute");
        Err(Error::new(ErrorKind::Locked, what).help("find out which program makes them; `backup list` lists them"))
    }

    async fn finish(
        self,
        subject: &Subject<'_>,
        purpose: Purpose,
        facts: Facts,
        content: Content,
        tables: Vec<TableRows>,
        made_by: String,
    ) -> Result<Meta, Error> {
        let key = self.name.dump();
        let meta = Meta {
            version: VERSION,
            key: key.clone(),
            taken_at: self.taken_at,
            size: content.size,
            sha256: content.sha256.clone(),
            database: self.database.clone(),
            stage: self.stage.map(|stage| stage.as_str().to_owned()),
            set: lockgate::__private::name_of_set(subject.migrator).to_owned(),
            head: self.head.clone(),
            applied: self.applied,
            dialect: facts.dialect.to_owned(),
            server_version: facts.server_version,
            made_by,
            program: subject.migrator.migrations().set().application().to_owned(),
            purpose,
            database_bytes: facts.database_bytes,
            roles: facts.roles,
            tablespaces: facts.tablespaces,
            tables,
            schema_sha256: facts.schema_sha256,
            locale: facts.locale,
        };
        let kept = async {
            let mut progress = Progress::begin(Phase::ReadBack, &key, Some(content.size), subject.on_event);
            let stored = subject.store.read(&key, &mut progress, async |_| Ok(())).await?;
            if stored != content {
                return Err(altered(subject, &key, &content, &stored));
            }
            progress.end();
            subject.store.put(&self.name.meta(), meta.text()).await?;
            let found = subject.store.get(&self.name.meta()).await?;
            if found != meta.text().into_bytes() {
                let what = format!("the store {} returned a different meta file than was written", subject.store);
                return Err(Error::failed(what).help("use another store"));
            }
            Ok(())
        }
        .await;
        match kept {
            Ok(()) => {
                // The mark only says that a backup was started, and this one has ended.
                let _ = subject.store.delete(&self.name.mark()).await;
                Ok(meta)
            }
            Err(error) => Err(self.undo(subject, error).await),
        }
    }

    /// Deletes what this backup wrote, the meta file first, and adds to the error what could not be deleted.
    async fn undo(self, subject: &Subject<'_>, error: Error) -> Error {
        let mut left = None;
        for key in [self.name.meta(), self.name.dump(), self.name.mark()] {
            if left.is_none()
                && let Err(error) = subject.store.delete(&key).await
            {
                left = Some(error);
            }
        }
        let error = error.state("there is no new backup, and existing backups were not changed");
        match left {
            None => error,
            Some(why) => error
                .state(format!("the unfinished `{}` could not be deleted: {why}", self.name.dump()))
                .help("`backup prune` deletes it later"),
        }
    }
}

fn altered(subject: &Subject<'_>, key: &str, written: &Content, stored: &Content) -> Error {
    let what = format!("the store {} returned a different `{key}` than was written", subject.store);
    Error::failed(what)
        .state(format!("{} bytes were written, with the SHA-256 {}", written.size, written.sha256))
        .state(format!("{} bytes were read back, with the SHA-256 {}", stored.size, stored.sha256))
        .help("find out why the store alters data, or use another store")
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_stays_only_as_long_as_its_process() {
        let folder = || tempfile::Builder::new().prefix(FOLDER).tempdir().unwrap().keep();
        let (running, killed, foreign) = (folder(), folder(), folder());
        let held = lock(&running).unwrap();
        drop(lock(&killed).unwrap());
        clean();
        assert!(running.exists() && !killed.exists() && foreign.exists());
        drop(held);
        clean();
        assert!(!running.exists());
        std::fs::remove_dir(foreign).unwrap();
    }
}
