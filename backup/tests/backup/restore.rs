//! A backup takes the place of a database: the old one or the new one, and never half of either.

use lockgate::{Database, ErrorKind, Stage};
use lockgate_backup::restore::{Options, Restored};
use lockgate_backup::{BackupChoice, Error, Event, Store, Subject, restore};

use crate::support::{Place, cluster, execute, migrator, number};

async fn back(place: &Place, options: &Options) -> Result<Restored, Error> {
    let migrator = match options.stage {
        Some(stage) => migrator().expect_stage(stage),
        None => migrator(),
    };
    place.with(&migrator, &place.store(), async |subject| restore::restore(&subject, options).await).await
}

async fn mark(place: &Place, stage: Stage) {
    let mut database = Database::connect(&place.url).await.unwrap();
    migrator().mark_stage(&mut database, stage).await.unwrap();
    database.close().await.unwrap();
}

fn options(stage: Stage) -> Options {
    let mut options = Options::default();
    options.stage = Some(stage);
    options
}

/// The databases of the cluster whose names begin like this.
async fn databases(place: &Place) -> Vec<String> {
    let mut session =
        <sqlx::PgConnection as sqlx::Connection>::connect(&cluster().unwrap().url("postgres")).await.unwrap();
    let sql = "SELECT datname::text FROM pg_database WHERE datname LIKE $1 ORDER BY 1";
    sqlx::query_scalar(sql).bind(format!("{}%", place.name)).fetch_all(&mut session).await.unwrap()
}

/// Migrated, with rows, marked as development, and backed up.
async fn prepared(place: &Place) {
    place.migrate().await;
    place.fill(500).await;
    mark(place, Stage::Development).await;
    place.backup(&place.store()).await.unwrap();
}

#[tokio::test]
async fn a_deleted_row_is_back_after_a_restore() {
    for place in Place::each().await {
        prepared(&place).await;
        place.sql("DELETE FROM books WHERE id = 7; INSERT INTO loans VALUES (1, 8)").await;
        let asked = back(&place, &Options::default()).await.unwrap_err();
        assert!(asked.report().contains("`--stage development`"), "{asked:?}");
        let mut dry = options(Stage::Development);
        dry.dry_run = true;
        assert!(back(&place, &dry).await.unwrap().is_dry_run);
        assert_eq!(place.number("SELECT count(*) FROM books WHERE id = 7").await, 0);

        let restored = back(&place, &options(Stage::Development)).await.unwrap();
        assert_eq!(place.number("SELECT count(*) FROM books WHERE id = 7").await, 1);
        assert_eq!(place.number("SELECT count(*) FROM loans").await, 0);
        // The old one is kept, as it was.
        let kept = restored.kept.unwrap();
        let kept_url = if place.is_sqlite() { format!("sqlite://{kept}") } else { cluster().unwrap().url(&kept) };
        assert_eq!(number(&kept_url, "SELECT count(*) FROM books WHERE id = 7").await, 0);
        // The stage is that of the database, and another restore works.
        back(&place, &options(Stage::Development)).await.unwrap();
        let place_ref = &place;
        let dropped = async |options: Options| {
            let migrator = migrator();
            place_ref
                .with(&migrator, &place_ref.store(), async |subject| restore::drop_old(&subject, &options).await)
                .await
        };
        let unnamed = dropped(Options::default()).await.unwrap_err();
        assert!(unnamed.report().contains("`--stage development`"), "{unnamed:?}");
        let dropped = dropped(options(Stage::Development)).await.unwrap();
        assert_eq!(dropped.len(), 2, "{dropped:?}");
        assert!(dropped.contains(&kept), "{dropped:?}");
        assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
        if !place.is_sqlite() {
            assert_eq!(databases(&place).await, std::slice::from_ref(&place.name));
        }
    }
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_made_and_marked() {
    for place in Place::each().await {
        prepared(&place).await;
        if place.is_sqlite() {
            std::fs::remove_file(place.folder.path().join("library.db")).unwrap();
        } else {
            execute(&cluster().unwrap().url("postgres"), &format!("DROP DATABASE {} WITH (FORCE)", place.name)).await;
        }
        let restored = back(&place, &options(Stage::Test)).await.unwrap();
        assert_eq!(restored.kept, None);
        assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
        let mut database = Database::connect(&place.url).await.unwrap();
        assert_eq!(migrator().stage_of(&mut database).await.unwrap(), Some(Stage::Test));
        database.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_wrong_database_is_refused_and_nothing_changes() {
    for place in Place::each().await {
        place.migrate().await;
        place.fill(5).await;
        place.backup(&place.store()).await.unwrap();
        place.sql("DELETE FROM books").await;
        let unmarked = back(&place, &Options::default()).await.unwrap_err();
        assert!(unmarked.report().contains("is not empty, and is not marked with a stage"), "{unmarked:?}");
        let other = back(&place, &options(Stage::Development)).await.unwrap_err();
        assert!(other.report().contains("is not marked with a stage, but development was asked for"), "{other:?}");
        mark(&place, Stage::Production).await;
        let wrong = back(&place, &options(Stage::Development)).await.unwrap_err();
        assert!(wrong.report().contains("is marked as production, but development was asked for"), "{wrong:?}");
        let protected = back(&place, &options(Stage::Production)).await.unwrap_err();
        assert_eq!(protected.kind(), ErrorKind::Refused);
        assert!(protected.report().contains("--override-stage"), "{protected:?}");
        assert_eq!(place.number("SELECT count(*) FROM books").await, 0);

        let why = migrator().expect_stage(Stage::Production).override_stage("the rows are lost");
        place
            .with(&why, &place.store(), async |subject| restore::restore(&subject, &options(Stage::Production)).await)
            .await
            .unwrap();
        assert_eq!(place.number("SELECT count(*) FROM books").await, 5);
        let mut database = Database::connect(&place.url).await.unwrap();
        assert_eq!(migrator().stage_of(&mut database).await.unwrap(), Some(Stage::Production));
        let log = migrator().log(&mut database, 1).await.unwrap();
        let shown = format!("{log:?}");
        assert!(
            shown.contains("production: replaced by the backup") || shown.contains("replaced by the backup"),
            "{shown}"
        );
        assert!(shown.contains("the rows are lost"), "{shown}");
        database.close().await.unwrap();
    }
}

/// Changes a meta file.
fn edit(place: &Place, change: impl Fn(&mut serde_json::Value)) {
    let stored = place.stored().into_iter().find(|file| file.ends_with(".json")).unwrap();
    let path = place.store_folder().join(stored);
    let mut meta: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut meta);
    std::fs::write(path, meta.to_string()).unwrap();
}

#[tokio::test]
async fn what_stands_in_the_way_is_found_before_anything_changes() {
    use sqlx::Connection;

    let Some(place) = Place::postgres().await else { return };
    prepared(&place).await;
    edit(&place, |meta| {
        meta["server_version"] = "99.1".into();
        meta["roles"].as_array_mut().unwrap().push("no such role".into());
        meta["database_bytes"] = (1_u64 << 60).into();
    });
    let other = sqlx::PgConnection::connect(&place.url).await.unwrap();
    let report = back(&place, &options(Stage::Development)).await.unwrap_err().report();
    for said in [
        "other sessions use",
        "`--disconnect`",
        "is of PostgreSQL 99",
        "no role `no such role`",
        "`CREATE ROLE \"no such role\"`",
        "are free in",
        "nothing was changed",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
    assert_eq!(databases(&place).await, std::slice::from_ref(&place.name));
    drop(other);
}

#[tokio::test]
async fn other_sessions_are_ended_if_that_is_asked_for() {
    use sqlx::Connection;

    let Some(place) = Place::postgres().await else { return };
    prepared(&place).await;
    place.sql("DELETE FROM books").await;
    let mut other = sqlx::PgConnection::connect(&place.url).await.unwrap();
    let mut disconnect = options(Stage::Development);
    disconnect.disconnect = true;
    back(&place, &disconnect).await.unwrap();
    assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
    assert!(sqlx::query("SELECT 1").execute(&mut other).await.is_err());
}

#[tokio::test]
async fn settings_and_privileges_of_the_database_stay() {
    let Some(place) = Place::postgres().await else { return };
    prepared(&place).await;
    let name = &place.name;
    place
        .sql(&format!(
            "CREATE ROLE {name}_r; ALTER DATABASE {name} SET search_path TO \"$user\", public, \"O'x\"; \
             ALTER DATABASE {name} SET app.tenant TO 'it''s \\ 7'; ALTER ROLE {name}_r IN DATABASE {name} SET work_mem TO '9MB'; \
             REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {name}_r WITH GRANT OPTION; \
             ALTER DATABASE {name} CONNECTION LIMIT 17"
        ))
        .await;
    let facts = format!(
        "SELECT hashtext(string_agg(x, '|' ORDER BY x))::int8 FROM (\
         SELECT coalesce(r.rolname, '') || array_to_string(setconfig, ';') AS x FROM pg_db_role_setting s \
         JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE d.datname = '{name}' \
         UNION ALL SELECT a.grantee || a.privilege_type || a.is_grantable FROM pg_database, aclexplode(datacl) a WHERE datname = '{name}' \
         UNION ALL SELECT datconnlimit || shobj_description(oid, 'pg_database') || datcollate FROM pg_database WHERE datname = '{name}') f"
    );
    let admin = cluster().unwrap().url("postgres");
    let before = number(&admin, &facts).await;
    back(&place, &options(Stage::Development)).await.unwrap();
    assert_eq!(number(&admin, &facts).await, before);
}

#[tokio::test]
async fn an_error_on_the_list_is_noted_and_any_other_is_a_failure() {
    let Some(place) = Place::postgres().await else { return };
    place.migrate().await;
    mark(&place, Stage::Development).await;
    let role = format!("{}_owner", place.name);
    place.sql(&format!("CREATE ROLE {role}; CREATE TABLE extra (a INT); ALTER TABLE extra OWNER TO {role}")).await;
    place.backup(&place.store()).await.unwrap();
    place.sql(&format!("DROP TABLE extra; DROP ROLE {role}")).await;
    let missing = back(&place, &options(Stage::Development)).await.unwrap_err();
    let advice = format!("`--ignore-error 42704:{role}`");
    assert!(missing.report().contains(&advice), "{missing:?}");

    let mut ignoring = options(Stage::Development);
    ignoring.ignored = vec![format!("42704:{role}").parse().unwrap()];
    let restored = back(&place, &ignoring).await.unwrap();
    assert_eq!(restored.ignored.len(), 1, "{:?}", restored.ignored);
    assert!(restored.ignored[0].contains(&role), "{:?}", restored.ignored);
    assert_eq!(place.number("SELECT count(*) FROM extra").await, 0);

    // Without a list, the message says what to write.
    edit(&place, |meta| meta["roles"] = serde_json::json!([]));
    let failed = back(&place, &options(Stage::Development)).await.unwrap_err();
    assert!(failed.report().contains("`--ignore-error 42704:OBJECT`"), "{failed:?}");
    assert!(failed.report().contains(&role), "{failed:?}");

    // Another object is not on the list, although the code is.
    ignoring.ignored = vec!["42704:other".parse().unwrap()];
    let failed = back(&place, &ignoring).await.unwrap_err();
    assert!(failed.report().contains("`--ignore-error 42704:OBJECT`"), "{failed:?}");
    assert!(failed.report().contains("was not changed"), "{failed:?}");
    assert_eq!(place.number("SELECT count(*) FROM extra").await, 0);
}

#[tokio::test]
async fn a_damaged_dump_is_not_restored() {
    for place in Place::each().await {
        prepared(&place).await;
        let stored = place.stored().into_iter().find(|file| file.ends_with(".dump")).unwrap();
        let path = place.store_folder().join(stored);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
        place.sql("DELETE FROM books WHERE id > 3").await;
        let mut dry = options(Stage::Development);
        dry.dry_run = true;
        for options in [dry, options(Stage::Development)] {
            let error = back(&place, &options).await.unwrap_err();
            assert!(error.report().contains("is damaged"), "{error:?}");
            assert_eq!(place.number("SELECT count(*) FROM books").await, 3);
        }
        // A question is asked without reading the dump, which may take long.
        let development = options(Stage::Development);
        let find = async |subject: Subject<'_>| restore::find(&subject, &development).await;
        place.with(&migrator(), &place.store(), find).await.unwrap();
    }
}

#[tokio::test]
async fn a_dry_run_finds_a_dump_that_pg_restore_cannot_read() {
    use sha2::Digest;

    let Some(place) = Place::postgres().await else { return };
    prepared(&place).await;
    let mut dry = options(Stage::Development);
    dry.dry_run = true;
    back(&place, &dry).await.unwrap();
    // With the right size and checksum, but of no format that it knows.
    let stored = place.stored().into_iter().find(|file| file.ends_with(".dump")).unwrap();
    let text = "this was never a dump";
    std::fs::write(place.store_folder().join(stored), text).unwrap();
    edit(&place, |meta| {
        meta["size"] = text.len().into();
        meta["sha256"] = sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    });
    let report = back(&place, &dry).await.unwrap_err().report();
    assert!(report.contains("`pg_restore` failed with exit code 1"), "{report}");
    assert!(report.contains("it cannot read the dump") && report.contains("nothing was changed"), "{report}");
}

#[tokio::test]
async fn an_open_sqlite_file_is_not_replaced() {
    use sqlx::Connection;

    for mode in ["delete", "wal"] {
        let place = Place::sqlite();
        prepared(&place).await;
        place.sql(&format!("PRAGMA journal_mode = {mode}; DELETE FROM books")).await;
        let mut other = sqlx::SqliteConnection::connect(&place.url).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT count(*) FROM books").execute(&mut other).await.unwrap();
        let error = back(&place, &options(Stage::Development)).await.unwrap_err();
        assert!(error.report().contains("end the programs that use it"), "{error:?}");
        other.close().await.unwrap();
        back(&place, &options(Stage::Development)).await.unwrap();
        assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
        let mode_now = format!("SELECT journal_mode = '{mode}' FROM pragma_journal_mode");
        assert_eq!(place.number(&mode_now).await, 1);
    }
}

/// Drops the restore at its n-th event, as a signal does.
#[tokio::test]
async fn a_restore_that_is_interrupted_leaves_the_old_or_the_new_database() {
    for place in Place::each().await {
        prepared(&place).await;
        place.sql("DELETE FROM books WHERE id > 3").await;
        let mut finished = false;
        for stop in 1.. {
            let (sender, stopped) = tokio::sync::oneshot::channel();
            let state = std::sync::Mutex::new((0, Some(sender)));
            let on_event = |_: &Event| {
                let mut state = state.lock().unwrap();
                state.0 += 1;
                if state.0 == stop
                    && let Some(sender) = state.1.take()
                {
                    sender.send(()).unwrap();
                }
            };
            let (migrator, store) = (migrator().expect_stage(Stage::Development), place.store());
            let subject = Subject { url: &place.url, migrator: &migrator, store: &store, on_event: &on_event };
            let options = options(Stage::Development);
            tokio::select! {
                biased;
                Ok(()) = stopped => {}
                restored = restore::restore(&subject, &options) => {
                    restored.unwrap();
                    finished = true;
                }
            }
            let rows = place.number("SELECT count(*) FROM books").await;
            assert!(rows == if finished { 500 } else { 3 }, "{stop}: {rows}");
            if finished {
                assert!(stop > 3, "{stop}");
                break;
            }
        }
        assert!(finished);
    }
}

/// What an interrupted restore leaves, without the restore: a copy that nobody has finished.
async fn leave_unfinished(place: &Place) -> String {
    let unfinished = restore::names(&place.url).unwrap().unfinished;
    match place.is_sqlite() {
        true => std::fs::write(&unfinished, "unfinished").unwrap(),
        false => execute(&cluster().unwrap().url("postgres"), &format!("CREATE DATABASE \"{unfinished}\"")).await,
    }
    unfinished
}

#[tokio::test]
async fn what_an_interrupted_restore_leaves_is_named_and_dropped() {
    for place in Place::each().await {
        prepared(&place).await;
        let has = async |name: &str| match place.is_sqlite() {
            true => std::fs::exists(name).unwrap(),
            false => databases(&place).await.iter().any(|found| found == name),
        };
        let noted = |name: &str| {
            let mut events = place.events.lock().unwrap();
            let text = format!("{events:?}");
            events.clear();
            text.contains(&format!(
                "has left the unfinished {} `{name}`",
                if place.is_sqlite() { "file" } else { "database" }
            ))
        };
        let unfinished = leave_unfinished(&place).await;
        let mut dry = options(Stage::Development);
        dry.dry_run = true;
        back(&place, &dry).await.unwrap();
        assert!(noted(&unfinished) && has(&unfinished).await);
        let kept = back(&place, &options(Stage::Development)).await.unwrap().kept.unwrap();
        assert!(noted(&unfinished) && !has(&unfinished).await);
        assert!(kept.starts_with(&restore::names(&place.url).unwrap().kept), "{kept}");

        // Without another restore.
        leave_unfinished(&place).await;
        let development = options(Stage::Development);
        let drop = async |subject: Subject<'_>| restore::drop_old(&subject, &development).await;
        let dropped = place.with(&migrator(), &place.store(), drop).await.unwrap();
        assert_eq!(dropped, [kept, unfinished.clone()]);
        assert!(!has(&unfinished).await);
        back(&place, &options(Stage::Development)).await.unwrap();
        assert!(!noted(&unfinished));
    }
}

/// What the test below starts and kills.
#[tokio::test]
async fn child() {
    let Ok(url) = std::env::var("BACKUP_TEST_URL") else { return };
    let store = Store::open(&std::env::var("BACKUP_TEST_STORE").unwrap()).unwrap();
    let migrator = migrator().expect_stage(Stage::Development);
    let subject = Subject { url: &url, migrator: &migrator, store: &store, on_event: &|_| () };
    restore::restore(&subject, &options(Stage::Development)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_leaves_the_old_or_the_new_database() {
    for place in Place::each().await {
        prepared(&place).await;
        let start = || {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "restore::child"])
                .env("BACKUP_TEST_URL", &place.url)
                .env("BACKUP_TEST_STORE", place.store_folder())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap()
        };
        let begun = std::time::Instant::now();
        assert!(start().wait().unwrap().success());
        let whole = begun.elapsed();
        let mut were_old = 0;
        for step in 1..8 {
            place.sql("DELETE FROM books WHERE id > 3").await;
            let mut child = start();
            tokio::time::sleep(whole * step / 8).await;
            child.kill().unwrap();
            child.wait().unwrap();
            place.wait_for_other_sessions().await;
            let rows = place.number("SELECT count(*) FROM books").await;
            assert!(rows == 3 || rows == 500, "{rows}");
            were_old += usize::from(rows == 3);
        }
        assert!(were_old > 0);
        place.sql("DELETE FROM books WHERE id > 3").await;
        back(&place, &options(Stage::Development)).await.unwrap();
        assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
        if !place.is_sqlite() {
            assert!(!databases(&place).await.iter().any(|name| name.contains("_restoring")));
        }
    }
}

#[tokio::test]
async fn a_backup_of_another_kind_and_one_of_a_future_release_are_refused_by_name() {
    let place = Place::sqlite();
    prepared(&place).await;
    edit(&place, |meta| meta["dialect"] = "postgres".into());
    let error = back(&place, &options(Stage::Development)).await.unwrap_err();
    assert!(error.report().contains("is a backup of postgres, but the database URL is one of sqlite"), "{error:?}");
    edit(&place, |meta| meta["version"] = 2.into());
    let mut named = options(Stage::Development);
    let stored = place.stored().into_iter().find(|file| file.ends_with(".dump")).unwrap();
    named.choice = BackupChoice { key: Some(stored), ..BackupChoice::default() };
    let error = back(&place, &named).await.unwrap_err();
    assert!(error.report().contains("has the version 2, which this release does not know"), "{error:?}");
}

#[tokio::test]
async fn an_administrator_of_another_server_is_refused() {
    let Some(place) = Place::postgres().await else { return };
    prepared(&place).await;
    place.sql("DELETE FROM books").await;
    let other = lockgate_testing::server::Postgres::start(&lockgate_testing::server::Options::default()).unwrap();
    execute(&other.url("postgres"), &format!("CREATE DATABASE {}", place.name)).await;
    execute(&other.url(&place.name), "CREATE TABLE theirs AS SELECT 1 AS id").await;
    let mut elsewhere = options(Stage::Development);
    elsewhere.admin_url = Some(other.url("postgres"));
    let error = back(&place, &elsewhere).await.unwrap_err();
    assert!(error.report().contains("the administrator's URL is of another server"), "{error:?}");
    // The command line says where it got the URL.
    elsewhere.admin_url_given_by = Some("SHOP_ADMIN_URL".to_owned());
    let error = back(&place, &elsewhere).await.unwrap_err();
    assert!(error.report().contains("the URL of `SHOP_ADMIN_URL` is of another server"), "{error:?}");
    assert!(error.report().contains("name a role of the same server in `SHOP_ADMIN_URL`"), "{error:?}");
    let mut unreachable = elsewhere.clone();
    unreachable.admin_url = Some("postgres://postgres@localhost:1/postgres".to_owned());
    let error = back(&place, &unreachable).await.unwrap_err();
    assert!(error.report().contains("SHOP_ADMIN_URL") && !error.report().contains("DATABASE_"), "{error:?}");
    assert_eq!(number(&other.url(&place.name), "SELECT count(*) FROM theirs").await, 1);
    let dropped = place
        .with(&migrator(), &place.store(), async |subject| restore::drop_old(&subject, &elsewhere).await)
        .await
        .unwrap_err();
    assert!(dropped.report().contains("is of another server"), "{dropped:?}");

    // One of the same server replaces it.
    elsewhere.admin_url = Some(cluster().unwrap().url("template1"));
    back(&place, &elsewhere).await.unwrap();
    assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
}

#[tokio::test]
async fn two_restores_at_once_do_not_disturb_each_other() {
    for place in Place::each().await {
        prepared(&place).await;
        let (one, mut two) = (options(Stage::Development), options(Stage::Development));
        if !place.is_sqlite() {
            // Another maintenance database than that of the first.
            two.admin_url = Some(cluster().unwrap().url("template1"));
        }
        let (one, two) = tokio::join!(back(&place, &one), back(&place, &two));
        let (done, failed): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), failed.len()), (1, 1));
        let error = failed.into_iter().next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
        assert!(error.report().contains("is running"), "{error:?}");
        assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
        // The lock is gone.
        back(&place, &options(Stage::Development)).await.unwrap();
        assert!(!place.folder.path().join("library.db.lockgate-lock").exists());
    }
}

#[tokio::test]
async fn databases_and_files_of_others_with_similar_names_are_not_dropped() {
    for place in Place::each().await {
        prepared(&place).await;
        let kept = back(&place, &options(Stage::Development)).await.unwrap().kept.unwrap();
        let file = place.folder.path().join("library.db.before-2025010100");
        let database = format!("{}_before_2025010100", place.name);
        if place.is_sqlite() {
            std::fs::copy(place.folder.path().join("library.db"), &file).unwrap();
        } else {
            let admin = cluster().unwrap().url("postgres");
            execute(&admin, &format!("CREATE DATABASE {database} TEMPLATE {}", place.name)).await;
            let marked = cluster().unwrap().url(&database);
            let mut theirs = Database::connect(&marked).await.unwrap();
            migrator().mark_stage(&mut theirs, Stage::Development).await.unwrap();
            theirs.close().await.unwrap();
        }
        let development = options(Stage::Development);
        let dropped = place
            .with(&migrator().expect_stage(Stage::Development), &place.store(), async |subject| {
                restore::drop_old(&subject, &development).await
            })
            .await
            .unwrap();
        assert_eq!(dropped, [kept]);
        assert!(if place.is_sqlite() { file.exists() } else { databases(&place).await.contains(&database) });
    }
}

#[cfg(unix)]
#[tokio::test]
async fn owner_group_and_mode_of_a_file_stay() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let place = Place::sqlite();
    prepared(&place).await;
    let file = place.folder.path().join("library.db");
    // Only root may give a file away.
    let _ = std::os::unix::fs::chown(&file, Some(4711), Some(4712));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o664)).unwrap();
    let facts = || {
        let found = std::fs::metadata(&file).unwrap();
        (found.uid(), found.gid(), found.mode())
    };
    let before = facts();
    back(&place, &options(Stage::Development)).await.unwrap();
    assert_eq!(facts(), before);
}

#[tokio::test]
async fn after_a_restore_was_killed_while_it_swapped_the_file_is_as_it_was() {
    let place = Place::sqlite();
    prepared(&place).await;
    // What it leaves: the file is out of WAL mode, and has a second name.
    let file = place.folder.path().join("library.db");
    let link = place.folder.path().join("library.db.before-1764500000-12345678");
    place.sql("PRAGMA journal_mode = DELETE").await;
    std::fs::hard_link(&file, &link).unwrap();
    let lock = place.folder.path().join("library.db.lockgate-lock");
    std::fs::write(&lock, format!("wal {}", link.canonicalize().unwrap().display())).unwrap();
    let mut dry = options(Stage::Development);
    dry.dry_run = true;
    back(&place, &dry).await.unwrap();
    assert_eq!(place.number("SELECT journal_mode = 'wal' FROM pragma_journal_mode").await, 1);
    assert!(!link.exists() && !lock.exists());
    assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
    // The old file stays in WAL mode too.
    let kept = back(&place, &options(Stage::Development)).await.unwrap().kept.unwrap();
    let mode = "SELECT journal_mode = 'wal' FROM pragma_journal_mode";
    assert_eq!(number(&format!("sqlite://{kept}"), mode).await, 1);
}

#[tokio::test]
async fn a_dry_run_finds_a_folder_in_which_the_restore_cannot_write() {
    let place = Place::sqlite();
    prepared(&place).await;
    let mut dry = options(Stage::Development);
    dry.dry_run = true;
    std::fs::create_dir(place.folder.path().join("library.db.lockgate-lock")).unwrap();
    let error = back(&place, &dry).await.unwrap_err();
    assert!(error.report().contains("cannot be written"), "{error:?}");
    std::fs::remove_dir(place.folder.path().join("library.db.lockgate-lock")).unwrap();
    // No hard link can be made there.
    std::fs::create_dir(place.folder.path().join("library.db.lockgate-link")).unwrap();
    let error = back(&place, &dry).await.unwrap_err();
    assert!(error.report().contains("does not take hard links"), "{error:?}");
    assert!(!place.folder.path().join("library.db.lockgate-lock").exists());
}

#[tokio::test]
async fn a_damaged_file_is_moved_away_before_a_restore() {
    let place = Place::sqlite();
    prepared(&place).await;
    let file = place.folder.path().join("library.db");
    std::fs::write(&file, "this was a database once, but is not one now").unwrap();
    let error = back(&place, &options(Stage::Development)).await.unwrap_err();
    let command = format!("mv {0} {0}.damaged", file.canonicalize().unwrap().display());
    assert!(error.report().contains(&command), "{error:?}");
    assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
    // A log of the damaged file would be applied to the new one.
    let log = place.folder.path().join("library.db-wal");
    std::fs::write(&log, "left").unwrap();
    let error = back(&place, &options(Stage::Development)).await.unwrap_err();
    assert!(error.report().contains("although its database does not"), "{error:?}");
    std::fs::remove_file(log).unwrap();
    back(&place, &options(Stage::Development)).await.unwrap();
    assert_eq!(place.number("SELECT count(*) FROM books").await, 500);
}

#[tokio::test]
async fn tables_in_a_tablespace_and_of_a_predefined_role_are_verified() {
    use sqlx::{AssertSqlSafe, Connection};

    let Some(place) = Place::postgres().await else { return };
    place.migrate().await;
    mark(&place, Stage::Development).await;
    let space = format!("{}_space", place.name);
    let mut session = sqlx::PgConnection::connect(&place.url).await.unwrap();
    for sql in [
        "SET allow_in_place_tablespaces = on".to_owned(),
        format!("CREATE TABLESPACE {space} LOCATION ''"),
        format!("CREATE TABLE placed (a INT) TABLESPACE {space}"),
        "ALTER TABLE placed OWNER TO pg_monitor".to_owned(),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
    }
    session.close().await.unwrap();
    place.backup(&place.store()).await.unwrap();
    place
        .with(&migrator(), &place.store(), async |subject| {
            lockgate_backup::verify(&subject, &BackupChoice::default()).await
        })
        .await
        .unwrap();

    // A server without the tablespace: it is named, and can be ignored.
    place.sql("DROP TABLE placed").await;
    place.sql(&format!("DROP TABLESPACE {space}")).await;
    let error = back(&place, &options(Stage::Development)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.report().contains(&format!("the server has no tablespace `{space}`, which the backup needs")));
    assert!(error.report().contains(&format!("`--ignore-error 22023:{space}`")), "{error:?}");
    let mut ignoring = options(Stage::Development);
    ignoring.ignored = vec![format!("22023:{space}").parse().unwrap()];
    back(&place, &ignoring).await.unwrap();
    assert_eq!(place.number("SELECT count(*) FROM placed").await, 0);
}

#[tokio::test]
async fn an_error_that_depends_on_the_search_path_is_named_and_can_be_ignored() {
    let Some(place) = Place::postgres().await else { return };
    place.migrate().await;
    mark(&place, Stage::Development).await;
    place
        .sql(
            "CREATE FUNCTION twice(a INT) RETURNS INT IMMUTABLE LANGUAGE sql AS 'SELECT a * 2'; \
             CREATE FUNCTION more(a INT) RETURNS INT IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN twice(a); END'; \
             CREATE TABLE numbers (a INT); INSERT INTO numbers VALUES (1); CREATE INDEX uq ON numbers (more(a))",
        )
        .await;
    place.backup(&place.store()).await.unwrap();
    let error = back(&place, &options(Stage::Development)).await.unwrap_err();
    assert!(error.report().contains("`--ignore-error 42883:"), "{error:?}");
    assert!(error.report().contains("uq"), "{error:?}");
    assert!(!error.report().contains("``"), "{error:?}");
    let mut ignoring = options(Stage::Development);
    ignoring.ignored = vec!["42883:uq".parse().unwrap()];
    let restored = back(&place, &ignoring).await.unwrap();
    assert_eq!(restored.ignored.len(), 1, "{:?}", restored.ignored);
    assert_eq!(place.number("SELECT count(*) FROM numbers").await, 1);
}

#[tokio::test]
async fn a_backup_of_a_damaged_file_says_so() {
    let place = Place::sqlite();
    prepared(&place).await;
    place.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let file = place.folder.path().join("library.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xab);
    std::fs::write(&file, bytes).unwrap();
    let error = place.backup(&place.store()).await.unwrap_err();
    assert!(error.report().contains("restore a backup from before the damage"), "{error:?}");
    assert!(!error.report().contains("TMPDIR"), "{error:?}");
}

/// The URL of an ordinary role, which owns the tables of the place, and the database too if it `owns_database`.
async fn of_ordinary_role(place: &Place, owns_database: bool) -> String {
    let (name, role) = (&place.name, format!("{}_app", place.name));
    place
        .sql(&format!("CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'app'; GRANT CREATE ON SCHEMA public TO {role}"))
        .await;
    if owns_database {
        place.sql(&format!("ALTER DATABASE {name} OWNER TO {role}")).await;
    }
    let (_, host) = place.url.split_once('@').unwrap();
    let url = format!("postgres://{role}:app@{host}");
    let mut database = Database::connect(&url).await.unwrap();
    migrator().apply(&mut database).await.unwrap();
    database.close().await.unwrap();
    execute(&url, "INSERT INTO books (id, title) VALUES (1, 'x')").await;
    url
}

/// Restores with this URL, and returns the role that the database belongs to.
async fn restored_as(place: &Place, url: &str, options: &Options, why: Option<&str>) -> Result<String, Error> {
    use sqlx::Connection;

    let mut migrator = migrator().expect_stage(options.stage.unwrap());
    if let Some(why) = why {
        migrator = migrator.override_stage(why);
    }
    let store = place.store();
    let subject = Subject { url, migrator: &migrator, store: &store, on_event: &|_| () };
    restore::restore(&subject, options).await?;
    assert_eq!(place.number("SELECT count(*) FROM books").await, 1);
    let mut session = sqlx::PgConnection::connect(&place.url).await.unwrap();
    let sql = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()";
    let owner = sqlx::query_scalar(sql).fetch_one(&mut session).await.unwrap();
    session.close().await.unwrap();
    Ok(owner)
}

#[tokio::test]
async fn a_backup_whose_history_belongs_to_an_ordinary_role_is_verified() {
    for owns_database in [true, false] {
        let Some(place) = Place::postgres().await else { return };
        of_ordinary_role(&place, owns_database).await;
        place.sql(&format!("ALTER DATABASE {0} OWNER TO {0}_app", place.name)).await;
        place.backup(&place.store()).await.unwrap();
        let choice = BackupChoice::default();
        let verified = place
            .with(&migrator(), &place.store(), async |subject| lockgate_backup::verify(&subject, &choice).await)
            .await
            .unwrap();
        assert!(verified.has_compared_schema, "{verified:?}");
    }
}

#[tokio::test]
async fn a_backup_of_an_ordinary_role_is_restored_where_no_database_exists() {
    let Some(place) = Place::postgres().await else { return };
    let url = of_ordinary_role(&place, true).await;
    let role = format!("{}_app", place.name);
    place.backup(&place.store()).await.unwrap();
    let admin = cluster().unwrap().url("postgres");
    let drop = format!("DROP DATABASE {} WITH (FORCE)", place.name);
    let mut with_admin = options(Stage::Staging);
    with_admin.admin_url = Some(admin.clone());
    // The role itself, an administrator for the role, and an administrator alone.
    for (url, options) in
        [(&url, &options(Stage::Staging)), (&url, &with_admin), (&place.url, &options(Stage::Staging))]
    {
        execute(&admin, &drop).await;
        assert_eq!(restored_as(&place, url, options, None).await.unwrap(), role);
        for url in [url, &place.url] {
            let mut database = Database::connect(url).await.unwrap();
            assert_eq!(migrator().stage_of(&mut database).await.unwrap(), Some(Stage::Staging));
            assert!(migrator().status(&mut database).await.unwrap().current().is_some());
            database.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn tables_of_an_ordinary_role_in_the_database_of_a_superuser_are_restored() {
    let Some(place) = Place::postgres().await else { return };
    let url = of_ordinary_role(&place, false).await;
    place.sql(&format!("COMMENT ON DATABASE {} IS 'lockgate: production'", place.name)).await;
    let mut database = Database::connect(&url).await.unwrap();
    assert_eq!(migrator().stage_of(&mut database).await.unwrap(), Some(Stage::Production));
    database.close().await.unwrap();
    let (migrator, store) = (migrator(), place.store());
    let subject = Subject { url: &url, migrator: &migrator, store: &store, on_event: &|_| () };
    lockgate_backup::create(&subject, lockgate_backup::Purpose::Asked).await.unwrap();
    place.sql("DELETE FROM books").await;
    let mut options = options(Stage::Production);
    options.admin_url = Some(cluster().unwrap().url("postgres"));
    assert_eq!(restored_as(&place, &url, &options, Some("the rows are lost")).await.unwrap(), "postgres");
    let mut database = Database::connect(&url).await.unwrap();
    let log = format!("{:?}", migrator.log(&mut database, 1).await.unwrap());
    assert!(log.contains("the rows are lost"), "{log}");
    database.close().await.unwrap();
}

#[tokio::test]
async fn an_ordinary_role_restores_its_database() {
    let Some(place) = Place::postgres().await else { return };
    let url = of_ordinary_role(&place, true).await;
    let mut database = Database::connect(&url).await.unwrap();
    migrator().mark_stage(&mut database, Stage::Development).await.unwrap();
    database.close().await.unwrap();
    place.backup(&place.store()).await.unwrap();
    place.sql("DELETE FROM books").await;
    let owner = restored_as(&place, &url, &options(Stage::Development), None).await.unwrap();
    assert_eq!(owner, format!("{}_app", place.name));

    // In a tablespace that the role may not use, a dry run says so.
    let (name, space) = (&place.name, format!("{}_space", place.name));
    let admin = cluster().unwrap().url("postgres");
    let mut session = <sqlx::PgConnection as sqlx::Connection>::connect(&admin).await.unwrap();
    for sql in [
        "SET allow_in_place_tablespaces = on".to_owned(),
        format!("CREATE TABLESPACE {space} LOCATION ''"),
        format!("ALTER DATABASE {name} SET TABLESPACE {space}"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
    }
    let mut dry = options(Stage::Development);
    dry.dry_run = true;
    let error = restored_as(&place, &url, &dry, None).await.unwrap_err();
    assert!(error.report().contains(&format!("`GRANT CREATE ON TABLESPACE \"{space}\"")), "{error:?}");
    execute(&admin, &format!("GRANT CREATE ON TABLESPACE {space} TO {name}_app")).await;
    restored_as(&place, &url, &options(Stage::Development), None).await.unwrap();
    let placed = format!(
        "SELECT count(*) FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace \
         WHERE d.datname = '{name}' AND t.spcname = '{space}'"
    );
    assert_eq!(number(&admin, &placed).await, 1);
}
