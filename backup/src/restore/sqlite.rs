//! Restores a backup of a SQLite database.
//!
//! The new file is made beside the old one, and takes its name in one step. No other program may have the old file
//! open: we take SQLite's exclusive lock, and on Linux we look at the open files of other processes of this user.

use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use lockgate::__private::readable_size;
use lockgate::{Database, ErrorKind};
use tokio::io::AsyncWriteExt;

use super::{Extent, Names, Obstacles, Options, Restored, compare, free_bytes, mark};
use crate::error::Error;
use crate::event::{Phase, Progress};
use crate::meta::{Meta, now};
use crate::sqlite::{connection, examine, url_of};
use crate::subject::Subject;

/// The endings of the files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The ending of a file that is being restored. An interrupted restore leaves it, and the next one deletes it.
const RESTORING: &str = ".lockgate-restoring";

/// The text before the time in the name of an old file.
const KEPT: &str = ".before-";

fn file_of(url: &str) -> Result<PathBuf, Error> {
    crate::subject::name_of(url)?;
    let file = lockgate::__private::file_of(url).unwrap_or_default();
    // If the name is a symbolic link, its target is replaced.
    Ok(file.canonicalize().unwrap_or(file))
}

pub(super) fn names(url: &str) -> Result<Names, Error> {
    let file = file_of(url)?;
    let shown = |ending| with_ending(&file, ending).display().to_string();
    Ok(Names { unfinished: shown(RESTORING), kept: shown(KEPT), file: Some(file.display().to_string()) })
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The name under which the old file is kept.
fn kept_name(file: &Path, time: &str) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let ending = format!("{KEPT}{time}");
    with_ending(file, &format!("{ending}-{}", mark(&name, &ending)))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) async fn restore(
    subject: &Subject<'_>,
    options: &Options,
    extent: Extent,
    meta: Meta,
) -> Result<Restored, Error> {
    let file = file_of(subject.url)?;
    let name = file.display().to_string();
    let new = with_ending(&file, RESTORING);
    let exists = file.exists();
    let mut obstacles = Obstacles::default();
    let mut claim = None;
    if folder_of(&file).is_dir() {
        claim = Claim::of(&file, &mut obstacles)?;
        if new.exists() {
            super::note_unfinished(subject, "file", &new.display().to_string());
        }
    } else {
        let folder = folder_of(&file).to_string_lossy().into_owned();
        obstacles.add(
            format!("the folder `{folder}` does not exist"),
            format!("make it: `mkdir -p {}`", lockgate::shell_word(&folder)),
        );
    }
    let mut stage = options.stage;
    if exists {
        if let Some(claim) = &mut claim {
            claim.put_back(&file).await;
        }
        let (found, tables) = match content(subject, &file).await {
            Ok(content) => content,
            Err(error) if is_unreadable(&file, &error) => return Err(unreadable(&file)),
            Err(error) => return Err(error),
        };
        stage = found;
        obstacles.add_stage(stage, tables == 0, options, &name);
        obstacles_of_others(&file, &mut obstacles);
        match lock(&file).await {
            Ok(database) => database.close().await?,
            Err(error) => obstacles.add(error.to_string(), "end the programs that use it, and try again"),
        }
    }
    let beside: Vec<PathBuf> = BESIDE.iter().map(|ending| with_ending(&file, ending)).collect();
    if let Some(left) = beside.iter().find(|path| !exists && path.exists()) {
        // SQLite would apply it to the new file.
        obstacles.add(
            format!("`{}` exists, although its database does not", left.display()),
            format!("move it away: `{}`", move_away(left)),
        );
    }
    if let Some(free) = free_bytes(folder_of(&file)).filter(|free| *free < meta.size) {
        obstacles.add(
            format!("{} are free on its disk, but {} are needed", readable_size(free), readable_size(meta.size)),
            "free some disk space there",
        );
    }
    obstacles.check(&name)?;
    let mut claim = claim.expect("without it, there is an obstacle");
    let is_dry_run = extent != Extent::Whole;
    let mut restored = Restored { meta, database: name, kept: None, ignored: Vec::new(), is_dry_run };
    match extent {
        Extent::Obstacles => return Ok(restored),
        Extent::Dump => {
            let progress =
                Progress::begin(Phase::ReadBack, &restored.meta.key, Some(restored.meta.size), subject.on_event);
            let read = crate::fetch::read(subject.store, &restored.meta, progress, async |_| Ok(())).await;
            return read.map(|()| restored).map_err(|error| error.state("nothing was changed"));
        }
        Extent::Whole => {}
    }
    let meta = &restored.meta;
    // An interrupted restore may have left it.
    remove(&new)?;
    let made = make(subject, meta, &new, stage).await;
    let swapped = match made {
        Ok(()) => swap(subject, &file, &new, exists, meta, &mut claim).await,
        Err(error) => Err(error),
    };
    match swapped {
        Ok(kept) => {
            restored.kept = kept.map(|kept| kept.display().to_string());
            Ok(restored)
        }
        Err(error) => {
            if let Err(why) = remove(&new) {
                super::note_undropped(subject, "file", &new.display().to_string(), &why);
            }
            Err(error.state(format!("`{}` was not changed", file.display())))
        }
    }
}

/// The lock file of a restore, which keeps other restores of the same file away as long as it is locked.
///
/// A restore that is killed while it swaps the files leaves it with a line that says how the old file was.
struct Claim {
    path: PathBuf,
    open: std::fs::File,
    has_record: bool,
}

impl Claim {
    /// Locks the lock file, and with it checks what the restore needs from the folder.
    fn of(file: &Path, obstacles: &mut Obstacles) -> Result<Option<Self>, Error> {
        let path = with_ending(file, ".lockgate-lock");
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        loop {
            let open = match options.open(&path) {
                Ok(open) => open,
                Err(error) => {
                    obstacles.add(
                        format!("`{}` cannot be written: {error}", path.display()),
                        format!("allow this user to write in `{}`", folder_of(file).display()),
                    );
                    return Ok(None);
                }
            };
            match open.try_lock() {
                Ok(()) => {}
                Err(std::fs::TryLockError::WouldBlock) => {
                    let what = format!("another restore of `{}` is running", file.display());
                    let error = Error::new(ErrorKind::Locked, what);
                    return Err(error.state("nothing was changed").help("wait until it ends"));
                }
                Err(std::fs::TryLockError::Error(error)) => {
                    return Err(Error::failed(format!("`{}` cannot be locked: {error}", path.display()))
                        .state("nothing was changed")
                        .help("use a folder on a file system with locks"));
                }
            }
            // The restore before may have deleted the file after we opened it.
            if is_same(open.metadata(), std::fs::metadata(&path)) {
                let has_record = open.metadata().is_ok_and(|found| found.len() > 0);
                let claim = Self { path, open, has_record };
                claim.probe(file, obstacles);
                return Ok(Some(claim));
            }
        }
    }

    /// Checks with the lock file whether the files can be swapped.
    fn probe(&self, file: &Path, obstacles: &mut Obstacles) {
        if let Err(error) = keep_owner(file, &self.path) {
            obstacles.add(format!("its owner and group cannot be kept: {error}"), "restore as its owner, or as root");
        }
        let link = with_ending(file, ".lockgate-link");
        let linked = std::fs::remove_file(&link).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        let linked = linked.and_then(|()| std::fs::hard_link(&self.path, &link));
        if let Err(error) = linked.and_then(|()| std::fs::remove_file(&link)) {
            obstacles.add(
                format!("its folder does not take hard links: {error}"),
                "use a folder on a file system with hard links",
            );
        }
    }

    /// Writes down how the old file is, before it is changed.
    fn record(&mut self, mode: &str, kept: &Path) -> std::io::Result<()> {
        self.has_record = true;
        self.open.rewind()?;
        self.open.write_all(format!("{mode} {}", kept.display()).as_bytes())?;
        self.open.sync_all()
    }

    /// Makes the old file as it was before a restore that did not finish.
    async fn put_back(&mut self, file: &Path) {
        let mut record = String::new();
        if !self.has_record || self.open.rewind().is_err() || self.open.read_to_string(&mut record).is_err() {
            return;
        }
        let Some((mode, kept)) = record.split_once(' ') else { return };
        // Only our own link to the file, and no other file.
        let is_link = kept.starts_with(&*with_ending(file, KEPT).to_string_lossy());
        if is_link && is_same(std::fs::metadata(kept), std::fs::metadata(file)) {
            let _ = std::fs::remove_file(kept);
        }
        if mode != "wal" || set_wal(file).await.is_ok() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.has_record = self.open.set_len(0).is_err();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.has_record {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether both are the same file. `false` if the system does not say.
fn is_same(one: std::io::Result<std::fs::Metadata>, other: std::io::Result<std::fs::Metadata>) -> bool {
    let (Ok(one), Ok(other)) = (one, other) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        true
    }
}

/// Gives another file the owner, group and mode of this one, if it exists.
fn keep_owner(file: &Path, other: &Path) -> std::io::Result<()> {
    let Ok(found) = std::fs::metadata(file) else { return Ok(()) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let now = std::fs::metadata(other)?;
        if (found.uid(), found.gid()) != (now.uid(), now.gid()) {
            std::os::unix::fs::chown(other, Some(found.uid()), Some(found.gid()))?;
        }
    }
    // Last, because a new owner may reset a part of it.
    std::fs::set_permissions(other, found.permissions())
}

async fn set_wal(file: &Path) -> Result<(), Error> {
    let mut database = Database::connect(&url_of(file)).await?;
    let set = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL");
    let set = set.fetch_one(connection(&mut database)?).await;
    database.close().await?;
    match set {
        Ok(mode) if mode == "wal" => Ok(()),
        Ok(mode) => Err(Error::failed(format!("the journal mode of `{}` stays {mode}", file.display()))),
        Err(error) => Err(Error::of_driver("the journal mode cannot be set", &error)),
    }
}

/// The stage of the database to be replaced, and the number of its objects.
async fn content(subject: &Subject<'_>, file: &Path) -> Result<(Option<lockgate::Stage>, i64), Error> {
    let mut database = Database::connect(&url_of(file)).await?;
    let stage = lockgate::__private::may_replace(subject.migrator, &mut database).await?;
    let objects = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema");
    let objects = objects.fetch_one(connection(&mut database)?).await;
    database.close().await?;
    Ok((stage, objects.map_err(|error| Error::of_driver("the database cannot be read", &error))?))
}

/// Whether a file is not a database of SQLite, or no longer one.
fn is_unreadable(file: &Path, error: &Error) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(file).and_then(|open| open.take(16).read_to_end(&mut start));
    let has_start = start.is_empty() || start == b"SQLite format 3\0";
    let report = error.report();
    read.is_ok() && (!has_start || report.contains("malformed") || report.contains("not a database"))
}

fn unreadable(file: &Path) -> Error {
    let files: Vec<PathBuf> =
        BESIDE.iter().map(|ending| with_ending(file, ending)).filter(|path| path.exists()).collect();
    let error =
        Error::refused(format!("`{}` is damaged, or not a SQLite database: its stage cannot be read", file.display()));
    let error = error.state("nothing was changed");
    let error = error.help(format!("if it is the right file, move it away and restore again: `{}`", move_away(file)));
    files.iter().fold(error, |error, file| error.help(format!("move this one away too: `{}`", move_away(file))))
}

/// The command that moves a file away.
fn move_away(file: &Path) -> String {
    let name = file.to_string_lossy();
    format!("mv {} {}", lockgate::shell_word(&name), lockgate::shell_word(&format!("{name}.damaged")))
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
    claim: &mut Claim,
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
    if mode == "wal" {
        set_wal(new).await?;
    }
    keep_owner(file, new).map_err(failed)?;
    let now = now();
    let kept = (now..).map(|time| kept_name(file, &time.to_string())).find(|kept| !kept.exists());
    let kept = kept.expect("some second has no file");
    claim.record(&mode, &kept).map_err(failed)?;
    let swapped = async {
        // Without WAL, everything is in the file itself, and closing it cannot delete a file of the new one.
        sqlx::raw_sql("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").execute(&mut *session).await.map_err(read)?;
        std::fs::hard_link(file, &kept).map_err(failed)?;
        std::fs::rename(new, file).map_err(failed)
    }
    .await;
    if let Err(error) = swapped {
        let _ = database.close().await;
        claim.put_back(file).await;
        return Err(error);
    }
    claim.forget();
    if let Ok(folder) = std::fs::File::open(folder_of(file)) {
        // Not every system can sync a folder; the files themselves are already on the disk.
        let _ = folder.sync_all();
    }
    let _ = database.close().await;
    if mode == "wal" {
        let _ = set_wal(&kept).await;
    }
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
    let file = file_of(subject.url)?;
    let mut obstacles = Obstacles::default();
    let claim = Claim::of(&file, &mut obstacles)?;
    obstacles.check(&file.display().to_string())?;
    let mut claim = claim.expect("without it, there is an obstacle");
    if file.exists() {
        claim.put_back(&file).await;
    }
    let start = format!("{}{KEPT}", file.file_name().unwrap_or_default().to_string_lossy());
    let mut kept: Vec<PathBuf> = std::fs::read_dir(folder_of(&file))
        .map_err(|error| Error::new(ErrorKind::Unreachable, format!("the folder cannot be read: {error}")))?
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let time = name.strip_prefix(&start).and_then(|rest| rest.split_once('-')).map_or("", |(time, _)| time);
            entry.path().file_name() == kept_name(&file, time).file_name()
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
    let unfinished = with_ending(&file, RESTORING);
    if unfinished.exists() {
        kept.push(unfinished);
    }
    for file in &kept {
        remove(file)?;
    }
    Ok(kept.into_iter().map(|file| file.display().to_string()).collect())
}
