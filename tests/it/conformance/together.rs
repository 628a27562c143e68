//! Concurrent runs: the history may change between the first read and the lock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate::__private::RustStep;
use lockgate::{Atomicity, DownTo, Drift, Error, ErrorKind, Event, Migrator, Report};

use crate::support::database::{Db, backends};
use crate::support::gate::{Gate, gate, waits};
use crate::support::set::{migrations, with_steps};

backends! {
    a_refusal_under_the_lock_is_returned,
    the_report_is_of_the_last_look,
    steps_down_are_counted_from_the_history_that_was_seen,
    a_failed_whole_run_is_logged,
    two_sets_wait_for_each_other_only_if_necessary,
}

const RUST: &str = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";

/// A run of another program on this database. It waits at a gate until the test opens it.
struct Other {
    gate: &'static Gate,
    running: tokio::task::JoinHandle<Result<Report, Error>>,
}

async fn other<const N: usize>(db: &Db, migrator: Migrator) -> Other {
    let mut database = db.open().await;
    let gate = gate::<N>(database.dialect());
    let running = tokio::spawn(async move { migrator.apply(&mut database).await });
    gate.reached().await;
    Other { gate, running }
}

impl Other {
    /// A run that lets the other one continue as soon as it waits for it. Returns its events in short form.
    fn is_let_go_by(&self, migrator: Migrator) -> (Migrator, Arc<Mutex<Vec<String>>>) {
        let message = Arc::new(Mutex::new(Vec::new()));
        let (gate, all, waited) = (self.gate, Arc::clone(&message), Mutex::new(false));
        let migrator = migrator.lock_wait(Duration::from_secs(60)).on_event(move |event| {
            all.lock().unwrap().push(match event {
                Event::LockWaiting { .. } => {
                    if !std::mem::replace(&mut waited.lock().unwrap(), true) {
                        gate.open();
                    }
                    "waits".to_owned()
                }
                Event::DriftTolerated(drift) => format!("tolerated {drift}"),
                Event::Committed { id, .. } => format!("committed {id}"),
                _ => return,
            });
        });
        (migrator, message)
    }

    async fn ended(self) -> Report {
        self.running.await.unwrap().unwrap()
    }
}

async fn a_refusal_under_the_lock_is_returned(db: Db) {
    static STEPS: &[RustStep] = &[RustStep { version: 1, up: |tx| waits::<0>(tx), down: None }];
    let theirs = with_steps(&[("0001_a.rs", RUST)], STEPS);
    let other = other::<0>(&db, Migrator::new(theirs)).await;
    let ours = migrations(&[
        ("0001_a.sql", "CREATE TABLE ours (id INTEGER);"),
        ("0002_b.sql", "CREATE TABLE ours_too (id INTEGER);"),
    ]);
    let (migrator, message) = other.is_let_go_by(Migrator::new(ours));
    let mut database = db.open().await;
    let error = migrator.apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(message.lock().unwrap().contains(&"waits".to_owned()), "it saw an empty history, and waited");
    assert_eq!(other.ended().await.steps.len(), 1);
    assert!(db.objects().await.is_empty(), "nothing of ours ran");
    assert_eq!(db.history().await, ["1:applied"]);
    // The lock is released, while the refused connection is still held.
    let more = with_steps(&[("0001_a.rs", RUST), ("0002_b.sql", "CREATE TABLE theirs (id INTEGER);")], STEPS);
    let report = Migrator::new(more).lock_wait(Duration::ZERO).apply(&mut db.open().await).await.unwrap();
    assert_eq!(report.steps.len(), 1);
    database.close().await.unwrap();
}

async fn the_report_is_of_the_last_look(db: Db) {
    static STEPS: &[RustStep] = &[RustStep { version: 1, up: |tx| waits::<1>(tx), down: None }];
    let newer = with_steps(&[("0001_a.rs", RUST), ("0002_b.sql", "CREATE TABLE b (id INTEGER);")], STEPS);
    let other = other::<1>(&db, Migrator::new(newer).atomicity(Atomicity::WholeRun)).await;
    let (migrator, message) = other.is_let_go_by(Migrator::new(with_steps(&[("0001_a.rs", RUST)], STEPS)));
    let report = migrator.apply(&mut db.open().await).await.unwrap();
    assert_eq!(other.ended().await.steps.len(), 2);
    assert!(report.steps.is_empty(), "the other one did all of it: {report:?}");
    let [Drift::Ahead { id, .. }] = &report.tolerated[..] else { panic!("{report:?}") };
    assert_eq!(id, "2_b", "what was found under the lock, not at the first look");
    let message = message.lock().unwrap();
    let tolerated: Vec<_> = message.iter().filter(|what| what.starts_with("tolerated")).collect();
    assert_eq!(tolerated.len(), 1, "{message:?}");
    assert_eq!(message.iter().filter(|what| *what == "waits").count(), 1, "{message:?}");
    assert!(!message.iter().any(|what| what.starts_with("committed")), "{message:?}");
}

async fn steps_down_are_counted_from_the_history_that_was_seen(db: Db) {
    static STEPS: &[RustStep] = &[RustStep { version: 3, up: |tx| waits::<2>(tx), down: Some(|tx| waits::<2>(tx)) }];
    let files = [
        ("0001_a.up.sql", "CREATE TABLE a (id INTEGER);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);"),
        ("0002_b.down.sql", "DROP TABLE b;"),
        ("0003_c.rs", RUST),
    ];
    let all = with_steps(&files, STEPS);
    db.apply(migrations(&files[..4])).await;
    let other = other::<2>(&db, Migrator::new(all)).await;
    let (migrator, message) = other.is_let_go_by(Migrator::new(all));
    let error = migrator.revert(&mut db.open().await, DownTo::Steps(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PlanStale, "{error:?}");
    assert!(message.lock().unwrap().contains(&"waits".to_owned()));
    assert_eq!(other.ended().await.steps.len(), 1);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert_eq!(db.objects().await, ["a", "b"]);
}

async fn a_failed_whole_run_is_logged(db: Db) {
    let files = [
        ("0001_a.sql", "CREATE TABLE a (id INTEGER);"),
        ("0002_b.sql", "CREATE TABLE b (id INTEGER);"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);\nINSERT INTO nowhere VALUES (1);"),
        ("0004_d.sql", "CREATE TABLE d (id INTEGER);"),
    ];
    let whole = |set| Migrator::new(set).atomicity(Atomicity::WholeRun);
    let log = "SELECT CAST(version AS TEXT) || ':' || event || ':' || CAST(detail LIKE '%`0003_c` failed at statement \
               2 of 2%nowhere%' AS TEXT) FROM lockgate_log ORDER BY id";
    // On a database without Lockgate's tables, which the run would have created.
    let error = whole(migrations(&files)).apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
    let yes = if db.is_sqlite() { "1" } else { "true" };
    let failed = format!("3:failed:{yes}");
    assert_eq!(db.texts(log).await, [failed]);
    assert!(db.history().await.is_empty());
    assert!(db.objects().await.is_empty());

    // And on one that has them.
    db.execute("DELETE FROM lockgate_log").await;
    db.apply(migrations(&files[..1])).await;
    whole(migrations(&files)).apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(db.log().await, ["1:applied", "3:failed"]);
    assert_eq!(db.history().await, ["1:applied"]);
    assert_eq!(db.objects().await, ["a"]);
}

async fn two_sets_wait_for_each_other_only_if_necessary(db: Db) {
    static STEPS: &[RustStep] = &[
        RustStep { version: 1, up: |tx| waits::<3>(tx), down: None },
        RustStep { version: 2, up: |tx| waits::<3>(tx), down: None },
    ];
    let theirs = with_steps(&[("0001_a.rs", RUST)], STEPS);
    let ours = |wait| {
        let set = migrations(&[("0001_ours.sql", "CREATE TABLE ours (id INTEGER);")]);
        Migrator::new(set).set_name("ours").lock_wait(wait)
    };
    // The other run also creates Lockgate's tables, in a transaction that lasts as long as the run.
    let other = other::<3>(&db, Migrator::new(theirs).set_name("theirs").atomicity(Atomicity::WholeRun)).await;
    let error = ours(Duration::from_millis(150)).apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    other.gate.open();
    other.ended().await;

    // Now the tables exist.
    let more = with_steps(&[("0001_a.rs", RUST), ("0002_b.rs", RUST)], STEPS);
    let other = self::other::<3>(&db, Migrator::new(more).set_name("theirs")).await;
    let applied = ours(Duration::ZERO).apply(&mut db.open().await).await;
    // SQLite has one writer.
    assert_eq!(applied.map_err(|error| error.kind()).is_err(), db.is_sqlite());
    other.gate.open();
    assert_eq!(other.ended().await.steps.len(), 1);
    let left = ours(Duration::from_secs(60)).apply(&mut db.open().await).await.unwrap();
    assert_eq!(left.steps.len(), usize::from(db.is_sqlite()));
    assert_eq!(db.objects().await, ["ours"]);
}
