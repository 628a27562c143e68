//! Verify, prune and deploy.

use lockgate::{ErrorKind, Migrations, Migrator, Stage, embed_migrations};
use lockgate_backup::prune::{self, Policy, Pruned};
use lockgate_backup::{BackupChoice, BackupStage, Error, Purpose, deploy, list};

use crate::support::{Place, migrator};

/// The migrations of the tests, and one more that fails.
static FAILS: Migrations = embed_migrations!("tests/failing");

async fn pruned(place: &Place, policy: Policy, change: impl Fn(&mut prune::Options)) -> Result<Pruned, Error> {
    let mut options = prune::Options::default();
    options.stage = Some(BackupStage::Unmarked);
    options.policy = policy;
    change(&mut options);
    place.with(&migrator(), &place.store(), async |subject| prune::prune(&subject, &options).await).await
}

/// Makes copies of the only backup, which were made so many seconds after 2026-01-01 00:00 UTC.
fn copies(place: &Place, times: &[u64]) {
    let stored = place.stored();
    let stem = stored[0].strip_suffix(".dump").unwrap();
    let root = place.store_folder();
    let meta: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root.join(format!("{stem}.json"))).unwrap()).unwrap();
    for time in times {
        let taken = 1_767_225_600 + time;
        let key = format!("library/unmarked/{taken}-0002_create_loans");
        let mut meta = meta.clone();
        meta["key"] = format!("{key}.dump").into();
        meta["taken_at"] = taken.into();
        std::fs::copy(root.join(&stored[0]), root.join(format!("{key}.dump"))).unwrap();
        std::fs::write(root.join(format!("{key}.json")), meta.to_string()).unwrap();
    }
    for ending in ["dump", "json"] {
        std::fs::remove_file(root.join(format!("{stem}.{ending}"))).unwrap();
    }
}

#[tokio::test]
async fn a_policy_keeps_the_newest_of_each_period() {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;

    let place = Place::sqlite();
    place.migrate().await;
    place.backup(&place.store()).await.unwrap();
    let times = [0, DAY, 31 * DAY, 59 * DAY, 59 * DAY + HOUR, 59 * DAY + HOUR + 60, 60 * DAY, 60 * DAY + 5];
    copies(&place, &times);
    let since = |meta: &lockgate_backup::Meta| meta.taken_at - 1_767_225_600;
    let policy = Policy { last: 1, hourly: 3, daily: 2, monthly: 3 };
    let dry = pruned(&place, policy, |options| options.dry_run = true).await.unwrap();
    assert_eq!(place.stored().len(), 16);
    let done = pruned(&place, policy, |_| ()).await.unwrap();
    assert_eq!((&dry.kept, &dry.deleted), (&done.kept, &done.deleted));
    let kept: Vec<_> = done.kept.iter().map(|(meta, why)| (since(meta), &why[..])).collect();
    assert_eq!(
        kept,
        [
            (DAY, &["monthly"][..]),
            (31 * DAY, &["monthly"]),
            (59 * DAY, &["hourly"]),
            (59 * DAY + HOUR + 60, &["hourly", "daily"]),
            (60 * DAY + 5, &["newest", "last", "hourly", "daily", "monthly"]),
        ]
    );
    assert_eq!(done.deleted.iter().map(since).collect::<Vec<_>>(), [0, 59 * DAY + HOUR, 60 * DAY]);
    assert_eq!(place.stored().len(), 10);
    // The only one that is left stays, whatever the policy says.
    let last = Policy { monthly: 1, ..Policy::default() };
    for _ in 0..2 {
        pruned(&place, last, |_| ()).await.unwrap();
        assert_eq!(list::list(&place.store(), "library", None).await.unwrap().backups.len(), 1);
    }
}

#[tokio::test]
async fn what_may_not_be_pruned_is_refused() {
    let place = Place::sqlite();
    place.migrate().await;
    place.backup(&place.store()).await.unwrap();
    let one = Policy { last: 1, ..Policy::default() };
    let nothing = pruned(&place, Policy::default(), |_| ()).await.unwrap_err();
    assert!(nothing.kind() == ErrorKind::Usage && nothing.report().contains("`--keep-last 7"), "{nothing:?}");
    let unnamed = pruned(&place, one, |options| options.stage = None).await.unwrap_err();
    assert!(unnamed.report().contains("`--of development`"), "{unnamed:?}");
    let production = |options: &mut prune::Options| options.stage = Some(BackupStage::Stage(Stage::Production));
    let protected = pruned(&place, one, production).await.unwrap_err();
    assert!(protected.report().contains("`--override-stage \"why\"`"), "{protected:?}");
    // An empty reason is none, and an empty name would mean every database.
    let blank = pruned(&place, one, |options| {
        production(options);
        options.why = Some(" ".to_owned());
    });
    assert!(blank.await.unwrap_err().report().contains("`--override-stage \"why\"`"));
    let nameless = pruned(&place, one, |options| options.database = Some(String::new())).await.unwrap_err();
    assert!(nameless.kind() == ErrorKind::Usage && nameless.report().contains("is empty"), "{nameless:?}");
    pruned(&place, one, |options| {
        production(options);
        options.why = Some("they are old".to_owned());
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_was_never_finished_is_deleted_a_day_later() {
    let place = Place::sqlite();
    place.migrate().await;
    place.backup(&place.store()).await.unwrap();
    let folder = place.store_folder().join("library/unmarked");
    let (old, new) = (folder.join("1-empty.dump"), folder.join("2-empty.dump"));
    // What a killed process leaves of a file.
    let part = folder.join("3-empty.dump#1");
    for path in [&old, &new, &part, &folder.join("1-empty.begun"), &folder.join("notes.txt")] {
        std::fs::write(path, "x").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 3600);
    for name in ["1-empty.dump", "1-empty.begun", "3-empty.dump#1"] {
        std::fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    let done = pruned(&place, Policy { last: 1, ..Policy::default() }, |_| ()).await.unwrap();
    let keys = |found: &[list::Broken]| found.iter().map(|broken| broken.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&done.remains), ["library/unmarked/1-empty.dump", "library/unmarked/3-empty.dump#1"]);
    assert_eq!(keys(&done.left), ["library/unmarked/2-empty.dump"]);
    assert!(!old.exists() && !part.exists() && new.exists() && folder.join("notes.txt").exists());
}

#[tokio::test]
async fn a_backup_is_tried_out_where_nobody_needs_it() {
    for place in Place::each().await {
        place.migrate().await;
        place.fill(300).await;
        if !place.is_sqlite() {
            place.sql(&format!("CREATE ROLE \"{}_v\"; GRANT SELECT ON books TO \"{0}_v\"", place.name)).await;
        }
        let store = place.store();
        let meta = place.backup(&store).await.unwrap();
        let verify = async || {
            place
                .with(&migrator(), &store, async |subject| {
                    lockgate_backup::verify(&subject, &BackupChoice::default()).await
                })
                .await
        };
        let verified = verify().await.unwrap();
        assert_eq!(verified.meta, meta);
        assert!(verified.has_compared_schema, "{verified:?}");
        // A meta file that says something else than what is in the dump.
        let path = place.store_folder().join(meta.key.replace(".dump", ".json"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            text.replace("\"rows\": 300", "\"rows\": 301").replace("0002_create_loans\",", "0003_x\","),
        )
        .unwrap();
        let report = verify().await.unwrap_err().report();
        assert!(report.contains("has 300 rows instead of 301"), "{report}");
        assert!(report.contains("the newest migration is `0002_create_loans` instead of `0003_x`"), "{report}");
        let altered = text.replace(meta.schema_sha256.as_deref().unwrap(), &"0".repeat(64));
        std::fs::write(&path, altered).unwrap();
        let report = verify().await.unwrap_err().report();
        assert!(report.contains("the schema is different"), "{report}");
    }
}

#[tokio::test]
async fn a_backup_is_the_newest_even_if_the_clock_was_put_back() {
    let place = Place::sqlite();
    place.migrate().await;
    place.backup(&place.store()).await.unwrap();
    let future = 60 * 365 * 24 * 3600;
    copies(&place, &[future]);
    let made = place.backup(&place.store()).await.unwrap();
    assert_eq!(made.taken_at, 1_767_225_600 + future + 1);
    let listing = list::list(&place.store(), "library", None).await.unwrap();
    assert_eq!(listing.backups.last(), Some(&made));
    let events = format!("{:?}", place.events.lock().unwrap());
    assert!(events.contains("behind the newest backup"), "{events}");
}

#[tokio::test]
async fn an_older_backup_never_stands_in_for_a_broken_one() {
    let place = Place::sqlite();
    place.migrate().await;
    place.backup(&place.store()).await.unwrap();
    copies(&place, &[0, 1]);
    let folder = place.store_folder().join("library/unmarked");
    let (old, new) = ("1767225600-0002_create_loans", "1767225601-0002_create_loans");
    let choose = async |key: Option<&str>| {
        let choice = BackupChoice { key: key.map(str::to_owned), ..BackupChoice::default() };
        place.with(&migrator(), &place.store(), async |subject| list::choose(&subject, &choice).await).await
    };
    let whole = std::fs::read(folder.join(format!("{new}.dump"))).unwrap();
    std::fs::write(folder.join(format!("{new}.dump")), &whole[1..]).unwrap();
    let damaged = choose(None).await.unwrap_err().report();
    assert!(damaged.contains(&format!("`library/unmarked/{new}.dump`, is broken: its dump has")), "{damaged}");
    std::fs::remove_file(folder.join(format!("{new}.dump"))).unwrap();
    let gone = choose(None).await.unwrap_err().report();
    assert!(gone.contains("its dump is missing") && gone.contains(&format!("library/unmarked/{old}.dump`")), "{gone}");
    // A meta file that says another time.
    let meta = folder.join(format!("{new}.json"));
    let text = std::fs::read_to_string(&meta).unwrap();
    std::fs::write(&meta, text.replace("\"taken_at\":1767225601", "\"taken_at\":1")).unwrap();
    let altered = choose(None).await.unwrap_err().report();
    assert!(altered.contains("has another time or stage than its name"), "{altered}");
    // Both ways out.
    assert_eq!(choose(Some(old)).await.unwrap().taken_at, 1_767_225_600);
    std::fs::remove_file(folder.join(format!("{new}.json"))).unwrap();
    assert_eq!(choose(None).await.unwrap().taken_at, 1_767_225_600);
}

#[tokio::test]
async fn a_backup_that_lost_its_meta_file_is_not_passed_over_in_silence() {
    let place = Place::sqlite();
    place.migrate().await;
    place.backup(&place.store()).await.unwrap();
    copies(&place, &[0, 1, 2]);
    let folder = place.store_folder().join("library/unmarked");
    let [old, middle, new] = [0, 1, 2].map(|at| format!("{}-0002_create_loans", 1_767_225_600 + at));
    let choose = async || {
        let choice = BackupChoice::default();
        place.with(&migrator(), &place.store(), async |subject| list::choose(&subject, &choice).await).await
    };
    // One that is running, or was interrupted: the one before it is taken, and that is said.
    std::fs::rename(folder.join(format!("{new}.json")), folder.join(format!("{new}.begun"))).unwrap();
    assert_eq!(choose().await.unwrap().taken_at, 1_767_225_601);
    let events = format!("{:?}", place.events.lock().unwrap());
    let said =
        format!("`library/unmarked/{new}.dump` is newer than `library/unmarked/{middle}.dump`, and is passed over");
    assert!(events.contains(&said) && events.contains("still running, or was interrupted"), "{events}");
    // One that had ended.
    std::fs::remove_file(folder.join(format!("{new}.begun"))).unwrap();
    let lost = choose().await.unwrap_err().report();
    assert!(lost.contains(&format!("`library/unmarked/{new}.dump`, is broken: its meta file is missing")), "{lost}");

    // The policy counts what can be restored, and nothing is deleted that only lacks its meta file.
    std::fs::write(folder.join(format!("{middle}.dump")), "damaged").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 3600);
    let dump = std::fs::File::options().write(true).open(folder.join(format!("{new}.dump"))).unwrap();
    dump.set_modified(long_ago).unwrap();
    let done = pruned(&place, Policy { last: 1, ..Policy::default() }, |_| ()).await.unwrap();
    assert_eq!(done.kept.iter().map(|(meta, _)| meta.taken_at).collect::<Vec<_>>(), [1_767_225_600]);
    assert_eq!((done.deleted, done.remains), (vec![], vec![]));
    assert_eq!(done.left.len(), 2);
    assert!(folder.join(format!("{old}.dump")).exists() && folder.join(format!("{new}.dump")).exists());
}

#[tokio::test]
async fn a_backup_made_while_the_schema_changes_is_verified() {
    let Some(place) = Place::postgres().await else { return };
    place.migrate().await;
    let store = place.store();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let changes = async {
        let mut number = 0;
        while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
            number += 1;
            place.sql(&format!("CREATE TABLE more_{number} (id INT)")).await;
        }
    };
    let backups = async {
        for _ in 0..2 {
            place.backup(&store).await.unwrap();
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(changes, backups);
    let verify =
        async |subject: lockgate_backup::Subject<'_>| lockgate_backup::verify(&subject, &BackupChoice::default()).await;
    place.with(&migrator(), &store, verify).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_a_backup() {
    use std::os::unix::fs::PermissionsExt;

    for place in Place::each().await {
        place.migrate().await;
        let folder = place.store_folder().join(&place.name).join("unmarked");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        place.backup(&place.store()).await.unwrap();
        let stored = place.stored();
        assert_eq!(stored.len(), 2);
        for file in stored {
            let mode = std::fs::metadata(place.store_folder().join(&file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}

async fn deployed(place: &Place, migrator: &Migrator, resume: bool) -> Result<deploy::Deployed, Error> {
    let mut options = deploy::Options::default();
    options.resume = resume;
    place.with(migrator, &place.store(), async |subject| deploy::deploy(&subject, options).await).await
}

#[tokio::test]
async fn a_deploy_is_backed_up_before_and_after() {
    for place in Place::each().await {
        if place.is_sqlite() {
            place.sql("PRAGMA user_version = 1").await;
        }
        let done = deployed(&place, &migrator(), false).await.unwrap();
        let before = done.before.unwrap();
        assert_eq!((before.head, before.purpose), (None, Purpose::BeforeDeploy));
        assert_eq!(done.report.steps.len(), 2);
        let after = done.after.unwrap();
        assert_eq!((after.head.as_deref(), after.purpose), (Some("0002_create_loans"), Purpose::AfterDeploy));
        let nothing = deployed(&place, &migrator(), true).await.unwrap_err();
        assert!(nothing.report().contains("there is no deploy to resume"), "{nothing:?}");
        let again = deployed(&place, &migrator(), false).await.unwrap();
        assert!(again.report.is_empty() && again.before.is_none() && again.after.is_none());
        let nothing = deployed(&place, &migrator(), true).await.unwrap_err();
        assert!(nothing.report().contains("has ended with the backup"), "{nothing:?}");
        // A deploy that is refused makes no backup, and so cannot be resumed.
        let before = place.stored();
        place.sql("UPDATE lockgate_history SET checksum = 'x'").await;
        deployed(&place, &Migrator::new(&FAILS), false).await.unwrap_err();
        assert_eq!(
            (place.stored(), &*format!("{:?}", place.events.lock().unwrap()).matches("goes back").count().to_string()),
            (before, "0")
        );
    }
}

#[tokio::test]
async fn a_deploy_that_was_killed_before_its_end_is_named_by_the_next_one() {
    for place in Place::each().await {
        if place.is_sqlite() {
            place.sql("PRAGMA user_version = 1").await;
        }
        let first = async |subject: lockgate_backup::Subject<'_>| {
            lockgate_backup::create(&subject, Purpose::BeforeDeploy).await.unwrap()
        };
        let before = place.with(&migrator(), &place.store(), first).await;
        let said = || std::mem::take(&mut *place.events.lock().unwrap());
        let begun = format!("the deploy that began with the backup `{}` has not ended", before.key);
        // Killed before the migrations.
        said();
        let done = deployed(&place, &migrator(), false).await.unwrap();
        assert_ne!(done.before.unwrap().key, before.key);
        let events = format!("{:?}", said());
        assert!(events.contains(&begun) && events.contains("begins again"), "{events}");

        // Killed before the second backup.
        let after = place.store_folder().join(done.after.unwrap().key);
        std::fs::remove_file(after.with_extension("json")).unwrap();
        std::fs::rename(&after, after.with_extension("begun")).unwrap();
        let nothing = deployed(&place, &migrator(), false).await.unwrap();
        assert!(nothing.before.is_none() && nothing.after.is_none());
        let events = format!("{:?}", said());
        assert!(events.contains("has not ended: the backup after the migrations is missing"), "{events}");
        assert!(events.contains("`deploy --resume` makes it"), "{events}");
        deployed(&place, &migrator(), true).await.unwrap();
        said();
        deployed(&place, &migrator(), false).await.unwrap();
        let events = format!("{:?}", said());
        assert!(!events.contains("has not ended"), "{events}");
    }
}

#[tokio::test]
async fn a_step_that_fails_stops_a_deploy_which_is_resumed_later() {
    for place in Place::each().await {
        place.migrate().await;
        let fails = Migrator::new(&FAILS);
        // Without a first backup, nothing is applied.
        let store_folder = place.store_folder();
        let aside = place.folder.path().join("aside");
        let store = place.store();
        std::fs::rename(&store_folder, &aside).unwrap();
        std::fs::write(&store_folder, "not a folder").unwrap();
        let on_event = |_: &lockgate_backup::Event| ();
        let subject =
            lockgate_backup::Subject { url: &place.url, migrator: &fails, store: &store, on_event: &on_event };
        deploy::deploy(&subject, deploy::Options::default()).await.unwrap_err();
        std::fs::remove_file(&store_folder).unwrap();
        std::fs::rename(&aside, &store_folder).unwrap();
        assert_eq!(place.number("SELECT count(*) FROM lockgate_history").await, 2);

        let failed = deployed(&place, &fails, false).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Failed);
        let advice = format!("{:?}", place.events.lock().unwrap());
        let back = format!(" --store {} --stage", store_folder.display());
        assert!(advice.contains("`deploy --resume`") && advice.contains(&back), "{advice}");
        // A scheduled backup between does not matter.
        let between =
            async |subject: lockgate_backup::Subject<'_>| lockgate_backup::create(&subject, Purpose::Asked).await;
        place.with(&fails, &place.store(), between).await.unwrap();
        // What stood in the way is gone: no second backup of the state before.
        place.sql("CREATE TABLE missing (id INT)").await;
        let resumed = deployed(&place, &fails, true).await.unwrap();
        assert_eq!(resumed.report.steps.len(), 1);
        assert_eq!(resumed.after.unwrap().head.as_deref(), Some("0003_fill_missing"));
        assert_eq!(list::list(&place.store(), &place.name, None).await.unwrap().backups.len(), 3);
    }
}
