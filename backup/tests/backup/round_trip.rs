//! Migrate, insert, back up, list, fetch.

use lockgate::{ErrorKind, Stage};
use lockgate_backup::{BackupChoice, BackupStage, Event, Phase, Purpose, list};
use sha2::{Digest, Sha256};

use crate::support::{Place, migrator};

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_backup_is_fetched_as_it_was_stored() {
    for place in Place::each().await {
        place.migrate().await;
        place.fill(3000).await;
        let store = place.store();
        let meta = place.backup(&store).await.unwrap();
        let file = place.store_folder().join(&meta.key);
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!((meta.size, &*meta.sha256), (bytes.len() as u64, &*hex(&bytes)));
        assert_eq!(meta.key, format!("{}/unmarked/{}-0002_create_loans.dump", place.name, meta.taken_at));
        assert_eq!((meta.head.as_deref(), meta.applied), (Some("0002_create_loans"), 2));
        let books = meta.tables.iter().find(|table| table.table.contains("books")).unwrap();
        assert_eq!(books.rows, 3000);
        assert!(meta.schema_sha256.is_some());
        let stem = meta.key.strip_suffix(".dump").unwrap();
        assert_eq!(place.stored(), [format!("{stem}.dump"), format!("{stem}.json")]);

        let listing = list::list(&store, &place.name, None).await.unwrap();
        assert_eq!((&listing.backups[..], &listing.broken[..]), (&[meta.clone()][..], &[][..]));

        let target = place.folder.path().join("fetched.dump");
        let fetch = async |choice: BackupChoice| {
            place
                .with(&migrator(), &store, async |subject| lockgate_backup::fetch(&subject, &choice, &target).await)
                .await
        };
        let fetched = fetch(BackupChoice::default()).await.unwrap();
        assert_eq!(std::fs::read(&fetched.file).unwrap(), bytes);
        let again = fetch(BackupChoice::default()).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Refused);
        assert!(again.report().contains("`backup fetch --to FILE`"), "{}", again.report());

        let events = place.events.lock().unwrap();
        let ended = |phase| {
            events.iter().any(
                |event| matches!(event, Event::Ended { phase: p, bytes, .. } if *p == phase && *bytes == meta.size),
            )
        };
        assert!(ended(Phase::Dump) && ended(Phase::ReadBack) && ended(Phase::Fetch), "{events:?}");
    }
}

#[tokio::test]
async fn the_newest_is_fetched_or_the_one_that_is_named() {
    let place = Place::sqlite();
    place.migrate().await;
    let store = place.store();
    let mut metas = Vec::new();
    for rows in 1..=3 {
        place.sql(&format!("INSERT INTO books VALUES ({rows}, 'x')")).await;
        // The names of backups of the same second differ.
        metas.push(place.backup(&store).await.unwrap());
    }
    let choose = async |choice: BackupChoice| {
        place.with(&migrator(), &store, async |subject| list::choose(&subject, &choice).await).await
    };
    assert_eq!(choose(BackupChoice::default()).await.unwrap(), metas[2]);
    for meta in &metas {
        let last = meta.key.rsplit('/').next().unwrap();
        for key in [&*meta.key, last, last.strip_suffix(".dump").unwrap()] {
            assert_eq!(
                choose(BackupChoice { key: Some(key.to_owned()), ..BackupChoice::default() }).await.unwrap(),
                *meta
            );
        }
    }
    let missing = choose(BackupChoice { key: Some("17-x".to_owned()), ..BackupChoice::default() }).await.unwrap_err();
    assert!(missing.report().contains("has no backup `17-x` of `library`"), "{}", missing.report());
    let other =
        choose(BackupChoice { database: Some("shop".to_owned()), ..BackupChoice::default() }).await.unwrap_err();
    assert!(other.report().contains("has no backup of `shop`"), "{}", other.report());
}

#[tokio::test]
async fn the_stage_of_a_backup_is_that_of_the_database() {
    for place in Place::each().await {
        place.migrate().await;
        let store = place.store();
        place.backup(&store).await.unwrap();
        let mut database = lockgate::Database::connect(&place.url).await.unwrap();
        migrator().mark_stage(&mut database, Stage::Production).await.unwrap();
        let of_production = place.backup(&store).await.unwrap();
        assert!(of_production.key.contains("/production/"), "{}", of_production.key);
        let choose = async |choice: BackupChoice| {
            place.with(&migrator(), &store, async |subject| list::choose(&subject, &choice).await).await
        };
        let both = choose(BackupChoice::default()).await.unwrap_err();
        assert!(
            both.report().contains("production, unmarked") && both.report().contains("`--of production`"),
            "{both:?}"
        );
        let stage = Some(BackupStage::Stage(Stage::Production));
        assert_eq!(choose(BackupChoice { stage, ..BackupChoice::default() }).await.unwrap(), of_production);

        // Another stage than the one that is demanded: nothing is dumped.
        let before = place.stored();
        let test = migrator().expect_stage(Stage::Test);
        let wrong =
            place.with(&test, &store, async |subject| lockgate_backup::create(&subject, Purpose::Asked).await).await;
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(place.stored(), before);
    }
}

#[tokio::test]
async fn a_database_without_a_history_and_one_of_another_name_are_backed_up() {
    for place in Place::each().await {
        place.sql("CREATE TABLE \"a \"\"b\" (x INT)").await;
        let meta = place.backup(&place.store()).await.unwrap();
        assert_eq!((meta.head, meta.applied), (None, 0));
        assert!(meta.key.ends_with("-empty.dump"), "{}", meta.key);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_a_dump_in_a_folder() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::sqlite();
    place.migrate().await;
    place.backup(&place.store()).await.unwrap();
    let mode = std::fs::metadata(place.store_folder().join("library/unmarked")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[tokio::test]
async fn rows_keep_their_numbers_in_a_snapshot_of_sqlite() {
    let place = Place::sqlite();
    place.sql("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('a'), ('b'), ('c'); DELETE FROM t WHERE a = 'b'").await;
    let meta = place.backup(&place.store()).await.unwrap();
    let copy = format!("sqlite://{}", place.store_folder().join(&meta.key).display());
    assert_eq!(crate::support::number(&copy, "SELECT max(rowid) FROM t").await, 3);
}
