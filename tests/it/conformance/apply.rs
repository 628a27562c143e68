//! Applying migrations.

use lockgate::{Action, Atomicity, Database, DownTo, ErrorKind, Event, Migrator, UpTo, Version};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    a_table_of_an_older_release_is_extended_by_what_writes_first,
    durable_work_is_reported_before_more_is_sent,
    an_up_to_date_start_writes_nothing,
    a_dropped_pool_verb_leaves_no_lock,
    each_migration_is_recorded_with_its_change,
    the_first_failure_stops_and_earlier_ones_stay,
    head_and_again_nothing,
    up_to_a_version_and_by_steps,
    two_runners_apply_each_once,
    two_sets_share_a_database,
    migrations_reported_as_committed_are_committed_once,
    a_limit_that_no_database_can_keep_is_refused,
    whole_run_leaves_nothing_after_a_failure,
    state_is_in_the_database,
    files_run_in_order,
    a_plan_changes_nothing,
}

const THREE: &[(&str, &str)] = &[
    ("0001_a.up.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n"),
    ("0001_a.down.sql", "DROP TABLE a;\n"),
    ("0002_b.up.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a (id));\n"),
    ("0002_b.down.sql", "DROP TABLE b;\n"),
    ("0003_c.up.sql", "-- an index\nCREATE INDEX c ON b (a_id);\nINSERT INTO a (id) VALUES (7);\n"),
    ("0003_c.down.sql", "DELETE FROM a WHERE id = 7;\nDROP INDEX c;\n"),
];

async fn head_and_again_nothing(db: Db) {
    let first = db.apply(migrations(&THREE[..2])).await;
    assert_eq!(first.steps.len(), 1);
    db.execute("INSERT INTO a (id) VALUES (1)").await;

    let report = db.apply(migrations(THREE)).await;
    let done: Vec<_> = report.steps.iter().map(|step| (step.id.as_str(), step.action)).collect();
    assert_eq!(done, [("0002_b", Action::Apply), ("0003_c", Action::Apply)]);
    assert_eq!(db.objects().await, ["a", "b", "c"]);
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a ORDER BY id").await, ["1", "7"], "older rows are kept");

    let again = db.apply(migrations(THREE)).await;
    assert!(again.is_empty());
    assert_eq!(again.to_string(), "nothing to do");
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert_eq!(db.log().await, ["1:applied", "2:applied", "3:applied"]);
}

async fn each_migration_is_recorded_with_its_change(db: Db) {
    db.apply(migrations(THREE)).await;
    let rows = db
        .texts(
            "SELECT set_name || '|' || name || '|' || substr(checksum, 1, 3) || '|' || CAST(statements_done AS TEXT) \
             || '|' || application || '|' || lockgate FROM lockgate_history ORDER BY version",
        )
        .await;
    let lockgate = env!("CARGO_PKG_VERSION");
    assert_eq!(
        rows,
        [
            format!("default|a|v1:|1|tests 1.2.3|{lockgate}"),
            format!("default|b|v1:|1|tests 1.2.3|{lockgate}"),
            format!("default|c|v1:|2|tests 1.2.3|{lockgate}"),
        ]
    );
}

async fn the_first_failure_stops_and_earlier_ones_stay(db: Db) {
    let set = migrations(&[
        ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"),
        (
            "0002_b.sql",
            "CREATE TABLE b (id INTEGER);\n\n  -- the second one fails\n  INSERT INTO a (id) VALUES (NULL), (1), (1);",
        ),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(error.report().place().as_deref(), Some("migrations/0002_b.sql:4:3"));
    let shown = error.report().to_string();
    assert!(shown.contains("error[failed]: `0002_b` failed at statement 2 of 2"), "{shown}");
    assert!(shown.contains("4 |   INSERT INTO a (id) VALUES (NULL), (1), (1);"), "{shown}");
    assert!(shown.contains("`0002_b` was rolled back: nothing of it is in the database"), "{shown}");
    assert!(shown.contains("applied and committed before it: 0001_a"), "{shown}");
    assert!(shown.contains("1 more was not tried"), "{shown}");
    assert_eq!(db.objects().await, ["a"]);
    assert_eq!(db.history().await, ["1:applied"]);
    assert_eq!(db.log().await, ["1:applied", "2:failed"]);

    // The fix: correct the file and run again.
    let corrected = migrations(&[
        ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"),
        ("0002_b.sql", "CREATE TABLE b (id INTEGER);\nINSERT INTO a (id) VALUES (1);"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    Migrator::new(corrected).apply(&mut database).await.unwrap();
    assert_eq!(db.objects().await, ["a", "b", "c"]);
}

async fn up_to_a_version_and_by_steps(db: Db) {
    let mut database = db.open().await;
    let migrator = Migrator::new(migrations(THREE));
    let one = UpTo::Version(Version::new(1).unwrap());
    assert_eq!(migrator.apply_to(&mut database, one).await.unwrap().steps.len(), 1);
    assert_eq!(migrator.apply_to(&mut database, one).await.unwrap().steps.len(), 0);
    assert_eq!(migrator.apply_to(&mut database, UpTo::Steps(1)).await.unwrap().steps[0].id, "0002_b");
    let unknown = UpTo::Version(Version::new(9).unwrap());
    let error = migrator.apply_to(&mut database, unknown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.to_string(), "`apply` refuses: the program embeds no migration of version 9");
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

async fn a_plan_changes_nothing(db: Db) {
    let mut database = db.open().await;
    let migrator = Migrator::new(migrations(THREE));
    let plan = migrator.plan(&mut database, UpTo::Latest).await.unwrap();
    let ids: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["0001_a", "0002_b", "0003_c"]);
    assert_eq!(migrator.status(&mut database).await.unwrap().pending().count(), 3);
    assert!(migrator.drift(&mut database).await.unwrap().is_empty());
    assert!(db.objects().await.is_empty());

    migrator.apply_plan(&mut database, &plan).await.unwrap();
    let error = migrator.apply_plan(&mut database, &plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PlanStale);
    assert_eq!(db.history().await.len(), 3);
}

async fn state_is_in_the_database(db: Db) {
    // A run keeps its state only in the database: another process with another value sees it.
    db.apply(migrations(&THREE[..2])).await;
    let mut other = db.open().await;
    let status = Migrator::new(migrations(THREE)).status(&mut other).await.unwrap();
    assert_eq!(status.current().unwrap().id, "0001_a");
    assert_eq!(status.pending().count(), 2);
    assert!(!status.is_up_to_date());
}

async fn files_run_in_order(db: Db) {
    let files: Vec<(String, String)> = (1..=12)
        .map(|n| {
            let sql = if n == 1 {
                "CREATE TABLE t1 (id INTEGER PRIMARY KEY)".to_owned()
            } else {
                format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t{} (id)); INSERT INTO t{n} (id) SELECT id FROM t{}", n - 1, n - 1)
            };
            (format!("{n}_t.sql"), sql)
        })
        .collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    files.reverse();
    let report = db.apply(migrations(&files)).await;
    let order: Vec<_> = report.steps.iter().map(|step| step.id.clone()).collect();
    assert_eq!(order, (1..=12).map(|n| format!("{n}_t")).collect::<Vec<_>>());
}

async fn two_runners_apply_each_once(db: Db) {
    let files: Vec<(String, String)> =
        (1..=40).map(|n| (format!("{n}_t.sql"), format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY)"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    let set = migrations(&files);
    let url = db.url();
    let runner = |url: String| async move {
        let mut database = Database::connect(&url).await.unwrap();
        Migrator::new(set).apply(&mut database).await.map(|report| report.steps.len())
    };
    let runs: Vec<_> = (0..8).map(|_| tokio::spawn(runner(url.clone()))).collect();
    let mut applied = Vec::new();
    for run in runs {
        applied.push(run.await.unwrap().unwrap());
    }
    // Between two transactions of one run, another run may apply the rest.
    assert_eq!(applied.iter().sum::<usize>(), 40, "{applied:?}");
    assert_eq!(db.log().await.len(), 40);
}

async fn two_sets_share_a_database(db: Db) {
    let other = migrations(&[("0001_other.sql", "CREATE TABLE other (id INTEGER)")]);
    let mut database = db.open().await;
    Migrator::new(migrations(&THREE[..2])).set_name("first").apply(&mut database).await.unwrap();
    Migrator::new(other).set_name("second").apply(&mut database).await.unwrap();
    assert!(Migrator::new(other).set_name("second").apply(&mut database).await.unwrap().is_empty());
    assert_eq!(
        db.texts("SELECT set_name || ':' || name FROM lockgate_history ORDER BY 1").await,
        ["first:a", "second:other"]
    );
}

/// Applies, and returns the events in short form.
async fn reports(db: &Db, migrator: Migrator) -> (bool, Vec<String>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let migrator = migrator.on_event(move |event| {
        let line = match event {
            Event::Started { id, .. } => format!("started {}", &id[..4]),
            Event::Ran { id, .. } => format!("ran {}", &id[..4]),
            Event::Committed { id, elapsed, .. } => {
                assert!(elapsed.is_some(), "how long {id} took is in the history");
                format!("committed {}", &id[..4])
            }
            Event::Planned { .. } => return,
            other => format!("{other:?}"),
        };
        seen.lock().unwrap().push(line);
    });
    let report = migrator.apply(&mut db.open().await).await;
    let committed: Vec<String> = report.iter().flat_map(|report| &report.steps).map(|step| step.id.clone()).collect();
    let lines = std::mem::take(&mut *events.lock().unwrap());
    let says: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("committed ")).collect();
    assert!(report.is_err() || committed.iter().map(|id| &id[..4]).eq(says), "{committed:?}: {lines:?}");
    (report.is_ok(), lines)
}

async fn migrations_reported_as_committed_are_committed_once(db: Db) {
    let three = ["ran 0001", "ran 0002", "ran 0003", "committed 0001", "committed 0002", "committed 0003"];
    let not_started = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| !line.starts_with("started ")).collect()
    };
    for atomicity in [Atomicity::PerMigration, Atomicity::WholeRun] {
        let set = format!("{atomicity:?}");
        let migrator = Migrator::new(migrations(THREE)).set_name(&set).atomicity(atomicity);
        let (ok, lines) = reports(&db, migrator.clone()).await;
        assert!(ok);
        assert_eq!(not_started(lines), three, "{atomicity:?}");
        migrator.revert(&mut db.open().await, DownTo::Empty).await.unwrap();
    }

    let failing =
        [THREE[0], THREE[2], ("0003_c.sql", "INSERT INTO nowhere (id) VALUES (1);"), ("0004_d.sql", "SELECT 1;")];
    let failing = migrations(&failing);
    let (ok, lines) = reports(&db, Migrator::new(failing).set_name("whole").atomicity(Atomicity::WholeRun)).await;
    assert!(!ok);
    assert_eq!(not_started(lines), ["ran 0001", "ran 0002"]);
    assert!(db.objects().await.is_empty());
    let (ok, lines) = reports(&db, Migrator::new(failing).set_name("each")).await;
    assert!(!ok);
    assert_eq!(not_started(lines), ["ran 0001", "ran 0002", "committed 0001", "committed 0002"]);
    assert_eq!(db.objects().await, ["a", "b"]);

    // A script outside a transaction makes the migrations before it durable.
    let outside =
        [("0001_x.sql", "CREATE TABLE x (id INTEGER);"), ("0002_v.sql", "-- lockgate: no-transaction\nVACUUM;")];
    let (ok, lines) = reports(&db, Migrator::new(migrations(&outside)).set_name("outside")).await;
    assert!(ok);
    let committed: Vec<&String> = lines.iter().filter(|line| line.starts_with("committed")).collect();
    assert_eq!(committed, ["committed 0001", "committed 0002"], "{lines:?}");
}

async fn a_limit_that_no_database_can_keep_is_refused(db: Db) {
    let mut database = db.open().await;
    let days = Duration::from_secs(25 * 86_400);
    for too_long in [Duration::MAX, days] {
        for (name, migrator) in [
            ("lock_timeout", Migrator::new(migrations(THREE)).lock_timeout(too_long)),
            ("statement_timeout", Migrator::new(migrations(THREE)).statement_timeout(too_long)),
        ] {
            let error = migrator.apply(&mut database).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            let says =
                format!("`{name}`: {} s is too long: the longest limit is 2147483647 ms (596 h)", too_long.as_secs());
            assert!(error.to_string().starts_with(&says), "{error}");
            assert_eq!(migrator.status(&mut database).await.unwrap_err().kind(), ErrorKind::Usage);
        }
    }
    for (name, migrator) in [
        ("lock_timeout", Migrator::new(migrations(THREE)).lock_timeout(Duration::ZERO)),
        ("statement_timeout", Migrator::new(migrations(THREE)).statement_timeout(Duration::ZERO)),
    ] {
        let error = migrator.apply(&mut database).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{name}`: zero is too short")), "{error}");
        assert_eq!(error.report().help(), [format!("`{name}(None)` is without a limit")]);
    }
    // A wait may have any length, and less than a millisecond does not mean for ever.
    let shortest = Duration::from_nanos(1);
    let migrator = Migrator::new(migrations(THREE)).lock_wait(Duration::MAX).lock_timeout(shortest);
    let migrator = migrator.statement_timeout(Duration::from_secs(596 * 3600));
    assert_eq!(migrator.apply(&mut database).await.unwrap().steps.len(), 3);
    let unlimited = migrator.lock_timeout(None).statement_timeout(None);
    assert!(unlimited.apply(&mut database).await.unwrap().is_empty());
    Database::connect_within(&db.url(), Duration::MAX).await.unwrap();
}

async fn whole_run_leaves_nothing_after_a_failure(db: Db) {
    let set = migrations(&[
        ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"),
        ("0002_b.sql", "INSERT INTO nowhere (id) VALUES (1);"),
    ]);
    let mut database = db.open().await;
    let migrator = Migrator::new(set).atomicity(Atomicity::WholeRun);
    let error = migrator.apply(&mut database).await.unwrap_err();
    assert!(error.report().to_string().contains("nothing of it was committed"), "{error:?}");
    assert!(db.objects().await.is_empty());

    let good = Migrator::new(migrations(THREE)).atomicity(Atomicity::WholeRun);
    assert_eq!(good.apply(&mut database).await.unwrap().steps.len(), 3);
    assert_eq!(db.history().await.len(), 3);

    let outside = migrations(&[("0001_v.sql", "-- lockgate: no-transaction\nVACUUM;")]);
    let error =
        Migrator::new(outside).set_name("x").atomicity(Atomicity::WholeRun).apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

async fn an_up_to_date_start_writes_nothing(db: Db) {
    db.apply(migrations(THREE)).await;
    let before = db.texts("SELECT applied_at || '' FROM lockgate_history ORDER BY version").await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let migrator = Migrator::new(migrations(THREE)).on_event(move |event| seen.lock().unwrap().push(event.clone()));
    let mut database = db.open().await;
    assert!(migrator.apply(&mut database).await.unwrap().is_empty());
    assert_eq!(*events.lock().unwrap(), Vec::<Event>::new(), "no lock was taken, nothing was planned");
    assert_eq!(db.texts("SELECT applied_at || '' FROM lockgate_history ORDER BY version").await, before);
}

async fn a_dropped_pool_verb_leaves_no_lock(db: Db) {
    let slow = match &db {
        Db::Sqlite(_) => {
            "CREATE TABLE slow AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) AS m FROM n;"
        }
        Db::Postgres(_) => "SELECT pg_sleep(0.7); CREATE TABLE slow (id INTEGER);",
    };
    let set = migrations(&[("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"), ("0002_slow.sql", slow)]);
    let started = Arc::new(tokio::sync::Notify::new());
    let notify = Arc::clone(&started);
    let migrator = Migrator::new(set).on_event(move |event| {
        if matches!(event, Event::Started { .. }) {
            notify.notify_one();
        }
    });
    let mut database = db.open().await;
    {
        let mut run = Box::pin(migrator.apply(&mut database));
        tokio::select! {
            () = started.notified() => {}
            done = &mut run => panic!("the run was to be slow: {done:?}"),
        }
    }
    // Dropped in the middle. Another run must get the lock and find a matching history.
    db.apply(set).await;
    assert_eq!(db.objects().await, ["a", "slow"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    // And the value of the interrupted run still works.
    assert!(migrator.apply(&mut database).await.unwrap().is_empty());
}

/// The statements of a script outside a transaction are reported as committed before the next one is sent.
async fn durable_work_is_reported_before_more_is_sent(db: Db) {
    let message = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&message);
    let set = migrations(&[
        ("0001_a.sql", "CREATE TABLE a (id INTEGER);"),
        ("0002_b.sql", "-- lockgate: no-transaction\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    let migrator = Migrator::new(set).on_event(move |event| {
        all.lock().unwrap().push(match event {
            Event::Started { id, .. } => format!("started {id}"),
            Event::Ran { id, .. } => format!("ran {id}"),
            Event::Committed { id, .. } => format!("committed {id}"),
            _ => return,
        });
    });
    let report = migrator.apply(&mut db.open().await).await.unwrap_or_else(|error| panic!("{error:?}"));
    let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["0001_a", "0002_b", "0003_c"]);
    let message = std::mem::take(&mut *message.lock().unwrap());
    let place = |what: &str| {
        message.iter().position(|message| message == what).unwrap_or_else(|| panic!("no {what}: {message:?}"))
    };
    assert!(place("committed 0001_a") < place("committed 0002_b"), "{message:?}");
    assert!(place("committed 0002_b") < place("started 0003_c"), "{message:?}");
    assert_eq!(message.iter().filter(|message| message.starts_with("committed")).count(), 3, "{message:?}");
}

/// The first releases had no `owner` and no `under_way`. The first write adds them; reads do not.
async fn a_table_of_an_older_release_is_extended_by_what_writes_first(db: Db) {
    let a = ("0001_a.sql", "CREATE TABLE a (id INTEGER);");
    let writes = [
        ("0002_b.sql", "INSERT INTO a VALUES (1);"),
        ("0003_c.sql", "-- lockgate: no-transaction\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);"),
    ];
    let mut files = vec![a];
    db.apply(migrations(&files)).await;
    for write in writes {
        db.execute(
            "ALTER TABLE lockgate_history DROP COLUMN owner; ALTER TABLE lockgate_history DROP COLUMN under_way",
        )
        .await;
        let mut database = db.open().await;
        assert!(Migrator::new(migrations(&files)).apply(&mut database).await.unwrap().is_empty());
        files.push(write);
        assert_eq!(db.apply(migrations(&files)).await.steps.len(), 1);
        assert_eq!(
            db.texts("SELECT 'both' FROM lockgate_history WHERE owner IS NULL AND under_way IS NULL").await.len(),
            files.len()
        );
    }
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM a").await, ["3"]);
}
