//! Restores a backup of a SQLite database.
//!
//! The new file is made beside the old one, and takes its name in one step. No other program may have the old file
//! open: we take SQLite's exclusive lock, and on Linux we look at the open files of other processes of this user.

use std::path::{Path, PathBuf};

use lockgate::{Database, ErrorKind};
use tokio::io::AsyncWriteExt;

use super::{Obstacles, Options, Restored, compare, free_bytes, shown_bytes};
use crate::error::Error;
use crate::event::{Phase, Progress};
use crate::meta::Meta;
use crate::sqlite::{connection, examine, url_of};
use crate::subject::Subject;

/// The endings of the files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

fn file_of(subject: &Subject<'_>) -> Result<PathBuf, Error> {
    subject.name()?;
    let file = lockgate::__private::file_of(subject.url).unwrap_or_default();
    // If the name is a symbolic link, its target is replaced.
    Ok(file.canonicalize().unwrap_or(file))
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) async fn restore(subject: &Subject<'_>, options: &Options, meta: Meta) -> Result<Restored, Error> {
    let file = file_of(subject)?;
    let name = file.display().to_string();
    let exists = file.exists();
    let mut obstacles = Obstacles::default();
    if !folder_of(&file).is_dir() {
        let folder = folder_of(&file).display();
        obstacles.add(format!("the folder `{folder}` does not exist"), format!("make it: `mkdir -p {folder}`"));
    }
    let mut stage = options.stage;
    if exists {
        let mut database = Database::connect(&lockgate::__private::existing(subject.url)).await?;
        stage = lockgate::__private::may_replace(subject.migrator, &mut database).await?;
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
            .fetch_one(connection(&mut database)?)
            .await
            .map_err(|error| Error::of_driver("the database cannot be read", &error))?;
        database.close().await?;
        obstacles.add_stage(stage, tables == 0, options, &name);
        obstacles_of_others(&file, &mut obstacles);
        match lock(&file).await {
            Ok(database) => database.close().await?,
            Err(error) => obstacles.add(error.to_string(), "end the programs that use it, and try again"),
        }
    }
    if let Some(free) = free_bytes(folder_of(&file)).filter(|free| *free < meta.size) {
        obstacles.add(
            format!("{} are free on its disk, but {} are needed", shown_bytes(free), shown_bytes(meta.size)),
            "free some disk space there",
        );
    }
    obstacles.check(&name)?;
    let mut restored = Restored { meta, database: name, kept: None, ignored: Vec::new(), is_dry_run: options.dry_run };
    if options.dry_run {
        return Ok(restored);
    }
    let meta = &restored.meta;
    // An interrupted restore may have left this file.
    let new = with_ending(&file, ".lockgate-restoring");
    remove(&new)?;
    let made = make(subject, meta, &new, stage).await;
    let swapped = match made {
        Ok(()) => swap(subject, &file, &new, exists, meta).await,
        Err(error) => Err(error),
    };
    match swapped {
        Ok(kept) => {
            restored.kept = kept.map(|kept| kept.display().to_string());
            Ok(restored)
        }
        Err(error) => {
            remove(&new)?;
            Err(error.state(format!("`{}` was not changed", file.display())))
        }
    }
}

fn remove(file: &Path) -> Result<(), Error> {
    for ending in [""].into_iter().chain(BESIDE) {
        let path = with_ending(file, ending);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::failed(format!("`{}` cannot be deleted: {error}", path.display()))),
        }
    }
    Ok(())
}

/// Makes the new file, and compares it with the meta file of the backup.
async fn make(subject: &Subject<'_>, meta: &Meta, new: &Path, stage: Option<lockgate::Stage>) -> Result<(), Error> {
    fetch_into(subject, meta, new, Phase::Restore).await?;
    let found = check(subject, meta, new).await;
    found?;
    let mut database = Database::connect(&url_of(new)).await?;
    let id = stage.map_or(0, lockgate::Stage::application_id);
    let marked = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA application_id = {id}")));
    let marked = marked.execute(connection(&mut database)?).await;
    marked.map_err(|error| Error::of_driver("the stage cannot be written", &error))?;
    let detail = format!("replaced by the backup `{}`", meta.key);
    if stage.is_some_and(lockgate::Stage::is_protected) {
        lockgate::__private::log_replaced(subject.migrator, &mut database, &detail).await?;
    }
    database.close().await?;
    Ok(())
}

/// Fetches the dump into a file that only its owner can read.
pub(crate) async fn fetch_into(subject: &Subject<'_>, meta: &Meta, file: &Path, phase: Phase) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::failed(format!("`{}` cannot be written: {error}", file.display()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = tokio::fs::File::from_std(options.open(file).map_err(failed)?);
    let progress = Progress::begin(phase, &meta.key, Some(meta.size), subject.on_event);
    let take = async |piece: &[u8]| open.write_all(piece).await.map_err(failed);
    crate::fetch::read(subject.store, meta, progress, take).await?;
    open.sync_all().await.map_err(failed)
}

/// Compares a restored file with the meta file of the backup.
pub(crate) async fn check(subject: &Subject<'_>, meta: &Meta, file: &Path) -> Result<(), Error> {
    let progress = Progress::begin(Phase::Check, &meta.key, None, subject.on_event);
    // The file still has the stage of the backup, and not that of the database that it will replace.
    let migrator = lockgate::__private::of_any_stage(subject.migrator);
    let found = examine(&migrator, file).await?;
    let head = found.status.current().map(|entry| entry.id.clone());
    compare(meta, head.as_deref(), &found.tables, found.schema_sha256.as_deref())?;
    progress.end();
    Ok(())
}

/// Opens the old file exclusively, so that SQLite keeps no other files beside it.
async fn lock(file: &Path) -> Result<Database, Error> {
    let mut database = Database::connect(&url_of(file)).await?;
    let session = connection(&mut database)?;
    // Only the last connection that has the file open can leave WAL mode.
    let locked = async {
        sqlx::raw_sql("PRAGMA busy_timeout = 1000; PRAGMA locking_mode = EXCLUSIVE").execute(&mut *session).await?;
        sqlx::raw_sql("BEGIN EXCLUSIVE; COMMIT").execute(&mut *session).await?;
        Ok::<(), sqlx::Error>(())
    }
    .await;
    match locked {
        Ok(()) => Ok(database),
        Err(error) => {
            let _ = database.close().await;
            Err(Error::of_driver("another session uses it", &error))
        }
    }
}

/// Gives the new file the name of the old one, which is kept under another name.
async fn swap(
    subject: &Subject<'_>,
    file: &Path,
    new: &Path,
    exists: bool,
    meta: &Meta,
) -> Result<Option<PathBuf>, Error> {
    let failed = |error: std::io::Error| Error::failed(format!("the files cannot be swapped: {error}"));
    if !exists {
        // Somebody may have created the file meanwhile.
        std::fs::hard_link(new, file).map_err(failed)?;
        std::fs::remove_file(new).map_err(failed)?;
        return Ok(None);
    }
    let mut database = lock(file).await.map_err(|error| error.help("end the programs that use it, and try again"))?;
    let session = connection(&mut database)?;
    let read = |error: sqlx::Error| Error::of_driver("the database cannot be locked", &error);
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *session).await.map_err(read)?;
    // Without WAL, everything is in the file itself, and closing it cannot delete a file that belongs to the new one.
    sqlx::raw_sql("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").execute(&mut *session).await.map_err(read)?;
    if mode == "wal" {
        let mut other = Database::connect(&url_of(new)).await?;
        let set = sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(connection(&mut other)?).await;
        set.map_err(read)?;
        other.close().await?;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let kept = (now..).map(|time| with_ending(file, &format!(".before-{time}"))).find(|kept| !kept.exists());
    let kept = kept.expect("some second has no file");
    std::fs::hard_link(file, &kept).map_err(failed)?;
    std::fs::rename(new, file).map_err(failed)?;
    if let Ok(folder) = std::fs::File::open(folder_of(file)) {
        // Not every system can sync a folder; the files themselves are already on the disk.
        let _ = folder.sync_all();
    }
    let _ = database.close().await;
    subject.note(format!(
        "the backup `{}` is now in `{}`; the old file is kept as `{}`",
        meta.key,
        file.display(),
        kept.display()
    ));
    Ok(Some(kept))
}

/// On Linux, finds other processes that have the file open, even if they hold no lock on it.
fn obstacles_of_others(file: &Path, obstacles: &mut Obstacles) {
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for process in processes.flatten() {
        let id = process.file_name().to_string_lossy().into_owned();
        if id == own || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(open) = std::fs::read_dir(process.path().join("fd")) else { continue };
        if open.flatten().any(|open| std::fs::read_link(open.path()).is_ok_and(|path| path == file)) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            found.push(format!("{id} ({})", name.trim()));
        }
    }
    if !found.is_empty() {
        let what = format!("other processes have it open: {}", found.join(", "));
        obstacles.add(what, "end them, and start them again afterwards");
    }
}

pub(super) async fn drop_old(subject: &Subject<'_>, options: &Options) -> Result<Vec<String>, Error> {
    let file = file_of(subject)?;
    let start = format!("{}.before-", file.file_name().unwrap_or_default().to_string_lossy());
    let mut kept: Vec<PathBuf> = std::fs::read_dir(folder_of(&file))
        .map_err(|error| Error::new(ErrorKind::Unreachable, format!("the folder cannot be read: {error}")))?
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_prefix(&start).is_some_and(|time| !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit()))
        })
        .map(|entry| entry.path())
        .collect();
    kept.sort();
    for file in &kept {
        let mut obstacles = Obstacles::default();
        let mut database = Database::connect(&url_of(file)).await?;
        let stage = lockgate::__private::may_replace(subject.migrator, &mut database).await?;
        database.close().await?;
        obstacles.add_stage(stage, false, options, &file.display().to_string());
        obstacles_of_others(file, &mut obstacles);
        obstacles.check(&file.display().to_string())?;
    }
    for file in &kept {
        remove(file)?;
    }
    Ok(kept.into_iter().map(|file| file.display().to_string()).collect())
}
