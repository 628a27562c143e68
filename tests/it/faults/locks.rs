//! Another session holds a lock that a run needs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate::{Atomicity, Database, Error, ErrorKind, Event, Migrations, Migrator, Report};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool, SqliteConnection, SqlitePool};
use tokio::sync::Notify;

use super::reports;
use crate::support::database::{Db, backends};
use crate::support::postgres;
use crate::support::set::migrations;

backends! {
    eight_runners_on_a_pool_apply_each_once,
}

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");

/// Collects the events of a run and signals each.
#[derive(Clone, Default)]
struct Events {
    all: Arc<Mutex<Vec<Event>>>,
    any: Arc<Notify>,
}

impl Events {
    fn of(&self, migrator: Migrator) -> Migrator {
        let events = self.clone();
        migrator.on_event(move |event| {
            events.all.lock().unwrap().push(event.clone());
            events.any.notify_one();
        })
    }

    /// Waits for an event that matches.
    async fn wait(&self, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            if let Some(event) = self.all.lock().unwrap().iter().find(|event| fits(event)) {
                return event.clone();
            }
            self.any.notified().await;
        }
    }
}

fn many(count: usize) -> &'static Migrations {
    let files: Vec<(String, String)> =
        (1..=count).map(|n| (format!("{n:03}_t.sql"), format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY)"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    migrations(&files)
}

#[tokio::test]
async fn the_holder_of_the_lock_is_named() {
    let Some(database) = postgres::database() else { return };
    // The other run is in a migration that waits for our lock.
    let mut gate = database.connect().await;
    gate.execute("SELECT pg_advisory_lock(1234)").await.unwrap();
    let slow =
        migrations(&[A, ("0002_slow.sql", "SELECT pg_advisory_xact_lock(1234); CREATE TABLE slow (id INTEGER);")]);
    let url = format!("{}?application_name=the%20other%20one", database.url());
    let other = Events::default();
    let migrator = other.of(Migrator::new(slow).lock_timeout(None));
    let running = tokio::spawn(async move {
        let mut holding = Database::connect(&url).await.unwrap();
        migrator.apply(&mut holding).await
    });
    other.wait(|event| matches!(event, Event::Started { .. })).await;
    waits_for_advisory(&mut gate, 1).await;

    let events = Events::default();
    let migrator = events.of(Migrator::new(slow).lock_wait(Duration::from_millis(150)));
    let mut second = Database::connect(&database.url()).await.unwrap();
    let error = migrator.apply(&mut second).await.unwrap_err();
    let pid: i32 = sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE application_name = 'the other one'")
        .fetch_one(&mut gate)
        .await
        .unwrap();
    let holder = format!("held by pid {pid}, application `the other one`, role postgres, connected since 20");
    reports(
        &error,
        ErrorKind::Locked,
        &[
            "another run held the lock for 150ms",
            &holder,
            "nothing was changed",
            "or allow more time with `--lock-wait 10min`",
        ],
    );
    let Event::LockWaiting { holder: Some(message) } =
        events.wait(|event| matches!(event, Event::LockWaiting { .. })).await
    else {
        panic!("the holder is not named");
    };
    assert!(message.contains("the other one"), "{message}");

    // A connection of the caller's also finds the lock held.
    let mut borrowed = database.connect().await;
    let error = migrator.apply(&mut borrowed).await.unwrap_err();
    reports(&error, ErrorKind::Locked, &[&holder]);
    // Read-only verbs do not wait for it.
    assert_eq!(migrator.status(&mut borrowed).await.unwrap().pending().count(), 1);

    gate.execute("SELECT pg_advisory_unlock(1234)").await.unwrap();
    assert_eq!(running.await.unwrap().unwrap().steps.len(), 2);
    assert!(migrator.apply(&mut second).await.unwrap().is_empty());
}

async fn waits_for_advisory(gate: &mut PgConnection, count: i64) {
    let question = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while sqlx::query_scalar::<_, i64>(question).fetch_one(&mut *gate).await.unwrap() < count {
        tokio::task::yield_now().await;
    }
}

/// Another transaction has locked a table that the run must change.
struct Blocked {
    blocker: PgConnection,
    events: Events,
    running: tokio::task::JoinHandle<(Result<Report, Error>, Database)>,
    _database: postgres::Database,
}

async fn blocked(name: &str) -> Option<Blocked> {
    let database = postgres::database()?;
    let first = migrations(&[A]);
    Migrator::new(first).apply(&mut database.connect().await).await.unwrap();
    let url = format!("{}?application_name={name}", database.url());
    let mut blocker = PgConnection::connect(&url).await.unwrap();
    blocker.execute("BEGIN; LOCK TABLE a IN ACCESS SHARE MODE").await.unwrap();
    let set = migrations(&[
        A,
        ("0002_b.sql", "CREATE TABLE b (id INTEGER);"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);\nALTER TABLE a ADD COLUMN note TEXT;"),
        ("0004_d.sql", "CREATE TABLE d (id INTEGER);"),
    ]);
    let events = Events::default();
    let migrator = events.of(Migrator::new(set).lock_timeout(Duration::from_millis(40)));
    let url = database.url();
    let running = tokio::spawn(async move {
        let mut database = Database::connect(&url).await.unwrap();
        (migrator.apply(&mut database).await, database)
    });
    Some(Blocked { blocker, events, running, _database: database })
}

#[tokio::test]
async fn a_table_lock_that_is_let_go_of_is_tried_again() {
    let Some(mut blocked) = blocked("the%20blocker").await else { return };
    let event = blocked.events.wait(|event| matches!(event, Event::Retrying { .. })).await;
    let Event::Retrying { id, attempt, blockers, .. } = event else { unreachable!() };
    assert_eq!((id.as_str(), attempt), ("0003_c", 2));
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    assert!(
        blockers[0].contains("application `the blocker`, role postgres, in a transaction since 20"),
        "{blockers:?}"
    );
    assert!(!blockers[0].contains("LOCK TABLE"), "a query may hold secrets: {blockers:?}");
    blocked.blocker.execute("COMMIT").await.unwrap();
    let (report, _) = blocked.running.await.unwrap();
    let ids: Vec<String> = report.unwrap().steps.into_iter().map(|step| step.id).collect();
    assert_eq!(ids, ["0002_b", "0003_c", "0004_d"], "each once");
    let log = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM lockgate_log").fetch_one(&mut blocked.blocker).await;
    assert_eq!(log.unwrap(), 4);
}

#[tokio::test]
async fn a_table_lock_that_is_never_let_go_of_names_the_blocker() {
    let Some(mut blocked) = blocked("the%20blocker").await else { return };
    let (error, mut database) = blocked.running.await.unwrap();
    reports(
        &error.unwrap_err(),
        ErrorKind::Failed,
        &[
            "`0003_c` failed at statement 2 of 2",
            "--> migrations/0003_c.sql:2:1",
            "canceling statement due to lock timeout (SQLSTATE 55P03)",
            "it needs ACCESS EXCLUSIVE on a",
            "may hold the lock that it needs: pid ",
            "application `the blocker`",
            "`0003_c` was rolled back",
            "applied and committed before it: 0002_b",
            "1 more was not tried",
            "end what holds it, or allow more time with `--lock-timeout 1min`",
        ],
    );
    let tries =
        blocked.events.all.lock().unwrap().iter().filter(|event| matches!(event, Event::Retrying { .. })).count();
    assert_eq!(tries, 4, "five attempts");
    // A longer wait succeeds once the lock is released.
    blocked.blocker.execute("COMMIT").await.unwrap();
    let connection = database.postgres().unwrap();
    let timeout: String = sqlx::query_scalar("SHOW lock_timeout").fetch_one(connection).await.unwrap();
    assert_eq!(timeout, "0");
}

/// The first migration of a run whose tables already exist. The second attempt must have its limits too.
#[tokio::test]
async fn a_retried_first_migration_has_its_limits_again() {
    let Some(database) = postgres::database() else { return };
    Migrator::new(migrations(&[A])).apply(&mut database.connect().await).await.unwrap();
    let mut blocker = database.connect().await;
    blocker.execute("BEGIN; LOCK TABLE a IN ACCESS SHARE MODE").await.unwrap();
    let set = migrations(&[A, ("0002_b.sql", "ALTER TABLE a ADD COLUMN note TEXT;")]);
    let pool = database.pool().await;
    let error = Migrator::new(set).lock_timeout(Duration::from_millis(30)).apply(&pool).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["lock timeout", "nothing was committed before it in this run"]);
    drop(blocker);
}

#[tokio::test]
async fn a_locked_sqlite_file_is_reported_in_time() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    let mut writer = SqliteConnection::connect(&db.url()).await.unwrap();
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    let events = Events::default();
    let migrator = events.of(Migrator::new(set).lock_wait(Duration::from_millis(100)));
    let mut borrowed = SqliteConnection::connect(&db.url()).await.unwrap();
    let error = migrator.apply(&mut borrowed).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Locked,
        &["another run held the lock for 100ms", "held by another connection that is writing to this database"],
    );
    assert!(matches!(events.all.lock().unwrap()[..], [Event::LockWaiting { .. }]));
    let timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut borrowed).await.unwrap();
    assert_eq!(timeout, 5000, "as the connection had it");

    let events = Events::default();
    let migrator = events.of(Migrator::new(set));
    let running = tokio::spawn(async move { migrator.apply(&mut borrowed).await });
    events.wait(|event| matches!(event, Event::LockWaiting { .. })).await;
    writer.execute("ROLLBACK").await.unwrap();
    assert_eq!(running.await.unwrap().unwrap().steps.len(), 1);
}

#[tokio::test]
async fn sqlite_waits_for_a_reader_before_it_commits() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    let mut reader = SqliteConnection::connect(&db.url()).await.unwrap();
    reader.execute("BEGIN; SELECT * FROM a").await.unwrap();
    let events = Events::default();
    let migrator = events.of(Migrator::new(set));
    let mut borrowed = SqliteConnection::connect(&db.url()).await.unwrap();
    borrowed.execute("PRAGMA busy_timeout = 1").await.unwrap();
    let running = tokio::spawn(async move { migrator.apply(&mut borrowed).await });
    // New readers are blocked once a COMMIT was tried and refused.
    let mut probe = SqliteConnection::connect(&db.url()).await.unwrap();
    probe.execute("PRAGMA busy_timeout = 0").await.unwrap();
    while probe.execute("SELECT * FROM a").await.is_ok() {
        tokio::task::yield_now().await;
    }
    let heard = events.all.lock().unwrap().clone();
    assert!(
        !heard.iter().any(|event| matches!(event, Event::Committed { .. })),
        "nothing is done that is not committed"
    );
    reader.execute("COMMIT").await.unwrap();
    assert_eq!(running.await.unwrap().unwrap().steps.len(), 1);

    // A reader that never ends: the run leaves nothing and says so.
    reader.execute("BEGIN; SELECT * FROM a").await.unwrap();
    let more = migrations(&[
        A,
        ("0002_b.sql", "CREATE TABLE b (id INTEGER);"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    let mut borrowed = SqliteConnection::connect(&db.url()).await.unwrap();
    borrowed.execute("PRAGMA busy_timeout = 1").await.unwrap();
    let error = Migrator::new(more).lock_wait(Duration::from_millis(100)).apply(&mut borrowed).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &["`0003_c` ran, but could not be committed", "database is locked", "nothing of it is in the database"],
    );
    reader.execute("COMMIT").await.unwrap();
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    assert_eq!(Migrator::new(more).apply(&mut borrowed).await.unwrap().steps.len(), 1);
}

/// The busy timeout of the caller's connection is not the run's lock wait, and is restored afterwards.
#[tokio::test]
async fn a_run_waits_for_a_reader_and_applies_no_migration_twice() {
    let own = "-- lockgate: no-transaction\nBEGIN;\nINSERT INTO a VALUES (1);\nCOMMIT;";
    for (script, atomicity, says) in [
        ("INSERT INTO a VALUES (1);", Atomicity::PerMigration, "`0002_b` ran, but could not be committed"),
        ("INSERT INTO a VALUES (1);", Atomicity::WholeRun, "the run could not be committed"),
        (own, Atomicity::PerMigration, "`0002_b` could not be recorded"),
    ] {
        let db = Db::sqlite().unwrap();
        db.execute("PRAGMA journal_mode = DELETE").await;
        db.apply(migrations(&[A])).await;
        let set = migrations(&[A, ("0002_b.sql", script), ("0003_c.sql", "CREATE TABLE c (id INTEGER);")]);
        let mut reader = SqliteConnection::connect(&db.url()).await.unwrap();
        reader.execute("BEGIN; SELECT * FROM a").await.unwrap();
        let events = Events::default();
        let migrator = events.of(Migrator::new(set).lock_wait(Duration::from_millis(20)).atomicity(atomicity));
        let mut lent = SqliteConnection::connect(&db.url()).await.unwrap();
        let began = std::time::Instant::now();
        let error = migrator.apply(&mut lent).await.unwrap_err();
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "the connection itself would have waited for five: {error:?}"
        );
        reports(&error, ErrorKind::Failed, &[says, "database is locked", "`--lock-wait 10min`"]);
        let heard = std::mem::take(&mut *events.all.lock().unwrap());
        let repeated = |event: &Event| matches!(event, Event::Retrying { .. } | Event::Committed { .. });
        assert!(!heard.iter().any(repeated), "{heard:?}");
        let timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut lent).await.unwrap();
        assert_eq!(timeout, 5000, "as the connection had it");
        reader.execute("COMMIT").await.unwrap();
        assert_eq!(db.history().await, ["1:applied"]);
        assert_eq!(migrator.apply(&mut lent).await.unwrap_or_else(|error| panic!("{error:?}")).steps.len(), 2);
        assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM a").await, ["1"], "{script}");
        let timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut lent).await.unwrap();
        assert_eq!(timeout, 5000, "as the connection had it");
    }
}

/// Migrations in one message are answered together, so only the history knows how long each took.
#[tokio::test]
async fn migrations_sent_together_have_their_own_times_in_the_history() {
    let Some(database) = postgres::database() else { return };
    let set =
        migrations(&[("0001_slow.sql", "SELECT pg_sleep(0.25);"), ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    let times = |report: &Report| report.steps.iter().map(|step| step.elapsed).collect::<Vec<_>>();
    let mut connection = database.connect().await;
    let quiet = Migrator::new(set).set_name("quiet").apply(&mut connection).await.unwrap();
    assert_eq!(times(&quiet), [None, None], "nobody listens, and nothing is asked");
    connection.execute("DROP TABLE b").await.unwrap();

    let events = Events::default();
    let heard = events.of(Migrator::new(set)).apply(&mut connection).await.unwrap();
    let [Some(slow), Some(quick)] = times(&heard)[..] else { panic!("{heard:?}") };
    assert!(slow >= Duration::from_millis(250) && quick < slow, "{heard:?}");
    let all = events.all.lock().unwrap().clone();
    let message = all.iter().filter_map(|event| match event {
        Event::Committed { elapsed, .. } => Some(*elapsed),
        _ => None,
    });
    assert_eq!(message.collect::<Vec<_>>(), [Some(slow), Some(quick)]);
}

async fn eight_runners_on_a_pool_apply_each_once(db: Db) {
    let migrator = Migrator::new(many(60));
    let mut runs = tokio::task::JoinSet::new();
    match &db {
        Db::Sqlite(_) => {
            let pool: SqlitePool = SqlitePoolOptions::new().max_connections(8).connect(&db.url()).await.unwrap();
            for _ in 0..8 {
                let (pool, migrator) = (pool.clone(), migrator.clone());
                runs.spawn(async move { migrator.apply(&pool).await.map(|report| report.steps.len()) });
            }
        }
        Db::Postgres(database) => {
            let pool: PgPool = database.pool().await;
            for _ in 0..8 {
                let (pool, migrator) = (pool.clone(), migrator.clone());
                runs.spawn(async move { migrator.apply(&pool).await.map(|report| report.steps.len()) });
            }
        }
    }
    let mut applied = Vec::new();
    while let Some(run) = runs.join_next().await {
        applied.push(run.unwrap().unwrap_or_else(|error| panic!("{error:?}")));
    }
    assert_eq!(applied.iter().sum::<usize>(), 60, "{applied:?}");
    assert_eq!(db.history().await.len(), 60);
    assert_eq!(db.log().await.len(), 60, "each once");
}

#[tokio::test]
async fn runners_with_a_connection_and_with_a_pool_do_not_meet() {
    let Some(database) = postgres::database() else { return };
    let migrator = Migrator::new(many(60));
    let pool = database.pool().await;
    let mut runs = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (pool, migrator) = (pool.clone(), migrator.clone());
        let mut connection = database.connect().await;
        runs.spawn(async move {
            let ran = if n % 2 == 0 { migrator.apply(&mut connection).await } else { migrator.apply(&pool).await };
            ran.map(|report| report.steps.len())
        });
    }
    let mut applied = Vec::new();
    while let Some(run) = runs.join_next().await {
        applied.push(run.unwrap().unwrap_or_else(|error| panic!("{error:?}")));
    }
    assert_eq!(applied.iter().sum::<usize>(), 60, "{applied:?}");
    let mut connection = database.connect().await;
    let log = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM lockgate_log").fetch_one(&mut connection).await;
    assert_eq!(log.unwrap(), 60);
}

#[tokio::test]
async fn a_commit_blocked_by_a_reader_leaves_nothing_in_a_lent_connection() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    let script = "PRAGMA ignore_check_constraints = 1;\nCREATE TABLE b (id INTEGER);";
    let set = migrations(&[A, ("0002_b.sql", script)]);
    let mut reader = SqliteConnection::connect(&db.url()).await.unwrap();
    reader.execute("BEGIN; SELECT * FROM a").await.unwrap();
    let mut borrowed = SqliteConnection::connect(&db.url()).await.unwrap();
    borrowed.execute("PRAGMA busy_timeout = 1").await.unwrap();
    let migrator = Migrator::new(set).lock_wait(Duration::ZERO);
    let error = migrator.apply(&mut borrowed).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["`0002_b` ran, but could not be committed"]);
    let pragma = "PRAGMA ignore_check_constraints";
    let left: i64 = sqlx::query_scalar(pragma).fetch_one(&mut borrowed).await.unwrap();
    assert_eq!(left, 0);
}

/// Only migrations that were rolled back are tried again. A whole run and a script outside a transaction are not
/// resumed at the migration that found a lock.
#[tokio::test]
async fn only_a_migration_in_its_own_transaction_is_retried() {
    for (head, atomicity) in [("", Atomicity::WholeRun), ("-- lockgate: no-transaction\n", Atomicity::PerMigration)] {
        let Some(database) = postgres::database() else { return };
        database.connect().await.execute("CREATE TABLE gate ()").await.unwrap();
        let mut reader = database.connect().await;
        reader.execute("BEGIN; LOCK TABLE gate IN ACCESS SHARE MODE").await.unwrap();
        let script = format!("{head}INSERT INTO a VALUES (1);\nALTER TABLE gate ADD COLUMN n INTEGER;");
        let set = migrations(&[A, ("0002_x.sql", &script)]);
        let events = Events::default();
        let migrator = Migrator::new(set).lock_timeout(Duration::from_millis(30)).atomicity(atomicity);
        let mut through = Database::connect(&database.url()).await.unwrap();
        let error = events.of(migrator.clone()).apply(&mut through).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["`0002_x` failed at statement 2 of 2", "lock timeout"]);
        let heard = std::mem::take(&mut *events.all.lock().unwrap());
        assert!(!heard.iter().any(|event| matches!(event, Event::Retrying { .. })), "{heard:?}");
        reader.execute("ROLLBACK").await.unwrap();
        migrator.apply(&mut through).await.unwrap_or_else(|error| panic!("{error:?}"));
        let rows: i64 =
            sqlx::query_scalar("SELECT count(*) FROM a").fetch_one(&mut database.connect().await).await.unwrap();
        assert_eq!(rows, 1);
    }
}
