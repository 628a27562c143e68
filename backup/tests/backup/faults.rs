//! Dumps and stores that fail: no older backup is lost, and no success is reported.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::BoxStream;
use lockgate_backup::object_store::local::LocalFileSystem;
use lockgate_backup::object_store::path::Path;
use lockgate_backup::object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult, UploadPart,
};
use lockgate_backup::{Event, Phase, Purpose, Store, Subject, list};

use crate::support::{Place, migrator};

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It has no room for any part after so many.
    FullAfter(usize),
    /// It has no room at the end.
    FullAtTheEnd,
    /// It keeps the first part, and nothing of the next one.
    CutsOff,
    /// It takes its time.
    Slow,
    /// It changes a byte.
    Alters,
    /// It has a shorter object than it was given.
    Shortens,
    /// It takes no meta file.
    RefusesMeta,
}

/// A folder with a fault.
#[derive(Debug)]
struct Faulty {
    folder: Arc<LocalFileSystem>,
    fault: Fault,
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    fault: Fault,
    parts: Arc<AtomicUsize>,
}

fn full() -> StoreError {
    StoreError::Generic { store: "test", source: std::io::Error::other("no space left on device").into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.fault)
    }
}

#[async_trait::async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.parts.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::FullAfter(parts) if part >= parts => Box::pin(async { Err(full()) }),
            Fault::CutsOff if part > 0 => Box::pin(async {
                let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                Err(StoreError::Generic { store: "test", source: source.into() })
            }),
            Fault::Slow => {
                let put = self.upload.put_part(data);
                Box::pin(async {
                    tokio::task::yield_now().await;
                    put.await
                })
            }
            Fault::Alters | Fault::Shortens => {
                let mut bytes: Vec<u8> = data.iter().flat_map(|piece| piece.to_vec()).collect();
                if self.fault == Fault::Alters {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                } else {
                    bytes.pop();
                }
                self.upload.put_part(bytes.into())
            }
            _ => self.upload.put_part(data),
        }
    }

    async fn complete(&mut self) -> StoreResult<PutResult> {
        if self.fault == Fault::FullAtTheEnd { Err(full()) } else { self.upload.complete().await }
    }

    async fn abort(&mut self) -> StoreResult<()> {
        self.upload.abort().await
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        if self.fault == Fault::RefusesMeta && at.as_ref().ends_with(".json") {
            return Err(full());
        }
        self.folder.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        let upload = self.folder.put_multipart_opts(at, options).await?;
        Ok(Box::new(FaultyUpload { upload, fault: self.fault, parts: Arc::default() }))
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.folder.get_opts(at, options).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<bytes::Bytes>> {
        self.folder.get_ranges(at, ranges).await
    }

    fn delete_stream(&self, at: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.folder.delete_stream(at)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.folder.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.folder.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.folder.copy_opts(from, to, options).await
    }
}

fn faulty(place: &Place, fault: Fault) -> Store {
    let folder = Arc::new(LocalFileSystem::new_with_prefix(place.store_folder()).unwrap());
    Store::over(Arc::new(Faulty { folder, fault }), "the store of the test")
}

#[tokio::test]
async fn a_store_that_fails_keeps_the_older_backups_and_gets_no_new_one() {
    for place in Place::each().await {
        place.migrate().await;
        // More than one part.
        place.fill(if place.is_sqlite() { 14_000 } else { 29_000 }).await;
        let older = place.backup(&place.store()).await.unwrap();
        assert!(older.size > 5 << 20, "{}", older.size);
        let before = place.stored();
        for (fault, said) in [
            (Fault::FullAfter(0), "no space left on device"),
            (Fault::FullAfter(1), "no space left on device"),
            (Fault::FullAtTheEnd, "no space left on device"),
            (Fault::CutsOff, "connection reset"),
            (Fault::Alters, "returned a different"),
            (Fault::Shortens, "returned a different"),
            (Fault::RefusesMeta, "no space left on device"),
        ] {
            // What the store does at the end is the same for both.
            if !place.is_sqlite() && !matches!(fault, Fault::FullAfter(1) | Fault::CutsOff) {
                continue;
            }
            let error = place.backup(&faulty(&place, fault)).await.unwrap_err();
            let report = error.report();
            assert!(report.contains(said), "{fault:?}: {report}");
            assert!(report.contains("there is no new backup, and existing backups were not changed"), "{report}");
            assert_eq!(place.stored(), before, "{fault:?}");
        }
        let slow = place.backup(&faulty(&place, Fault::Slow)).await.unwrap();
        let listing = list::list(&place.store(), &place.name, None).await.unwrap();
        assert_eq!(listing.backups, [older, slow]);
        assert_eq!(listing.broken, []);
    }
}

/// The process of `pg_dump` on this database, which a variable of its environment names.
#[cfg(target_os = "linux")]
pub(crate) fn process_on(database: &str, program: &str) -> Option<u32> {
    let wanted = format!("PGDATABASE={database}");
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let is_meant = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        (is_meant && String::from_utf8_lossy(&command).contains(program)).then_some(id)
    })
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_killed_anywhere_is_no_backup() {
    let Some(place) = Place::postgres().await else { return };
    place.migrate().await;
    place.fill(20_000).await;
    let store = place.store();
    let older = place.backup(&store).await.unwrap();
    let before = place.stored();
    let steps = older.size / (64 << 10);
    for step in [0, 1, steps / 2, steps - steps / 4] {
        let seen = AtomicUsize::new(0);
        let killed = AtomicUsize::new(0);
        let kill = |event: &Event| {
            let is_time = match event {
                Event::Moved { phase: Phase::Dump, bytes } => *bytes >= step * (64 << 10),
                _ => false,
            };
            if is_time
                && seen.fetch_add(1, Ordering::Relaxed) == 0
                && let Some(process) = process_on(&place.name, "pg_dump")
            {
                std::process::Command::new("kill").args(["-9", &process.to_string()]).status().unwrap();
                killed.store(1, Ordering::Relaxed);
            }
        };
        let (migrator, store) = (migrator(), &store);
        let subject = Subject { url: &place.url, migrator: &migrator, store, on_event: &kill };
        let made = lockgate_backup::create(&subject, Purpose::Asked).await;
        if killed.load(Ordering::Relaxed) == 0 {
            // It had ended already.
            let newer = made.unwrap();
            let stem = newer.key.strip_suffix(".dump").unwrap();
            for ending in ["dump", "json"] {
                std::fs::remove_file(place.store_folder().join(format!("{stem}.{ending}"))).unwrap();
            }
            continue;
        }
        let report = made.unwrap_err().report();
        assert!(report.contains("`pg_dump` was killed") && report.contains("no new backup"), "{report}");
        assert_eq!(place.stored(), before);
    }
    let listing = list::list(store_of(&place), &place.name, None).await.unwrap();
    assert_eq!(listing.backups, [older]);
}

fn store_of(place: &Place) -> &'static Store {
    Box::leak(Box::new(place.store()))
}

#[tokio::test]
async fn a_dump_that_fails_is_no_backup_and_shows_no_password() {
    let Some(place) = Place::postgres().await else { return };
    place.migrate().await;
    // The role may read the history, and not the books.
    place
        .sql(&format!(
            "CREATE ROLE {0}_r LOGIN PASSWORD 's3cret-{0}'; GRANT SELECT ON lockgate_history TO {0}_r",
            place.name
        ))
        .await;
    let store = place.store();
    let older = place.backup(&store).await.unwrap();
    let (_, host) = place.url.split_once('@').unwrap();
    let url = format!("postgres://{0}_r:s3cret-{0}@{host}", place.name);
    let migrator = migrator();
    let subject = Subject { url: &url, migrator: &migrator, store: &store, on_event: &|_| () };
    let error = lockgate_backup::create(&subject, Purpose::Asked).await.unwrap_err();
    let report = error.report();
    assert!(report.contains("permission denied for table") && !report.contains("s3cret"), "{report}");
    assert_eq!(list::list(&store, &place.name, None).await.unwrap().backups, [older]);
    assert_eq!(place.stored().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_at_the_same_time_are_all_kept() {
    for place in Place::each().await {
        place.migrate().await;
        place.fill(200).await;
        let store = place.store();
        let made: Vec<_> = futures_util::future::join_all((0..4).map(|_| place.backup(&store))).await;
        let mut keys: Vec<_> = made.into_iter().map(|made| made.unwrap().key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 4);
        let listing = list::list(&store, &place.name, None).await.unwrap();
        assert_eq!(listing.backups.iter().map(|meta| meta.key.clone()).collect::<Vec<_>>(), keys);
        assert_eq!(place.stored().len(), 8);
    }
}

#[tokio::test]
async fn what_has_no_meta_file_is_no_backup() {
    let place = Place::sqlite();
    place.migrate().await;
    let store = place.store();
    let first = place.backup(&store).await.unwrap();
    let second = place.backup(&store).await.unwrap();
    let third = place.backup(&store).await.unwrap();
    let file = |meta: &lockgate_backup::Meta, ending: &str| {
        place.store_folder().join(format!("{}.{ending}", meta.key.strip_suffix(".dump").unwrap()))
    };
    std::fs::remove_file(file(&second, "json")).unwrap();
    std::fs::remove_file(file(&third, "dump")).unwrap();
    let listing = list::list(&store, "library", None).await.unwrap();
    assert_eq!(listing.backups, [first]);
    let why: Vec<_> = listing.broken.iter().map(|broken| (broken.key.clone(), &*broken.why)).collect();
    assert_eq!(why, [(second.key, "its meta file is missing"), (third.key, "its dump is missing")]);
}
