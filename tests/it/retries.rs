//! Retries on PostgreSQL: each migration has its own attempts, and rolled back migrations are not reported as done.

use std::time::Duration;

use lockgate::__private::RustStep;
use lockgate::{Atomicity, ErrorKind, Event, Migrator, OutOfOrder};
use sqlx::{AssertSqlSafe, Executor};

use crate::support::gate::{gate, waits};
use crate::support::postgres;
use crate::support::set::{migrations, with_steps};

const AB: (&str, &str) = ("0001_ab.sql", "CREATE TABLE a (id INTEGER);\nCREATE TABLE b (id INTEGER);");

#[tokio::test]
async fn attempts_are_counted_per_migration() {
    let Some(database) = postgres::database() else { return };
    let a = ("0002_a.sql", "ALTER TABLE a ADD COLUMN note TEXT;");
    let b = ("0004_b.sql", "ALTER TABLE b ADD COLUMN note TEXT;");
    // Together with another in one message, after one that is sent alone, and after a full message.
    let between: [&[(&str, &str)]; 3] = [
        &[],
        &[("0003_o.sql", "-- lockgate: no-transaction\nANALYZE a;")],
        &[("0003_o.sql", "CREATE TABLE o (id INTEGER);")],
    ];
    for between in between {
        let mut admin = database.connect().await;
        admin.execute("DROP TABLE IF EXISTS a, b, o, lockgate_history, lockgate_log").await.unwrap();
        Migrator::new(migrations(&[AB])).apply(&mut admin).await.unwrap();
        let (mut on_a, mut on_b) = (database.connect().await, database.connect().await);
        on_a.execute("SET application_name = 'reads a'; BEGIN; LOCK TABLE a IN ACCESS SHARE MODE").await.unwrap();
        on_b.execute("SET application_name = 'reads b'; BEGIN; LOCK TABLE b IN ACCESS SHARE MODE").await.unwrap();

        let (message, mut retries) = tokio::sync::mpsc::unbounded_channel();
        let set = migrations(&[&[AB, a, b], between].concat());
        let migrator = Migrator::new(set).lock_timeout(Duration::from_millis(50)).on_event(move |event| {
            if let Event::Retrying { id, attempt, blockers, .. } = event {
                message.send((id.clone(), *attempt, blockers.clone())).unwrap();
            }
        });
        let running = tokio::spawn(async move { migrator.apply(&mut admin).await });
        let mut attempts = Vec::new();
        while let Some((id, attempt, blockers)) = retries.recv().await {
            let (gate, reader) = if id == "0002_a" { (&mut on_a, "reads a") } else { (&mut on_b, "reads b") };
            assert!(
                blockers.iter().any(|blocker| blocker.contains(reader)),
                "who is in the way is named: {blockers:?}"
            );
            attempts.push((id, attempt));
            if attempt == 3 {
                gate.execute("COMMIT").await.unwrap();
            }
        }
        running.await.unwrap().unwrap();
        let message: Vec<_> = attempts.iter().map(|(id, attempt)| (id.as_str(), *attempt)).collect();
        assert_eq!(message, [("0002_a", 2), ("0002_a", 3), ("0004_b", 2), ("0004_b", 3)]);
    }
}

/// A migration is tried at most five times.
#[tokio::test]
async fn a_lock_is_waited_for_five_times() {
    let Some(database) = postgres::database() else { return };
    let mut admin = database.connect().await;
    Migrator::new(migrations(&[AB])).apply(&mut admin).await.unwrap();
    let mut reader = database.connect().await;
    reader.execute("BEGIN; LOCK TABLE a IN ACCESS SHARE MODE").await.unwrap();
    let (message, mut retries) = tokio::sync::mpsc::unbounded_channel();
    let set = migrations(&[AB, ("0002_a.sql", "ALTER TABLE a ADD COLUMN note TEXT;")]);
    let migrator = Migrator::new(set).lock_timeout(Duration::from_millis(10)).on_event(move |event| {
        if let Event::Retrying { attempt, delay, .. } = event {
            message.send((*attempt, *delay)).unwrap();
        }
    });
    let error = migrator.apply(&mut admin).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    drop(migrator);
    let mut attempts = Vec::new();
    while let Ok((attempt, delay)) = retries.try_recv() {
        // Doubled each time, and shortened at random by up to half.
        let most = Duration::from_millis(250 << (attempt - 2));
        assert!(delay <= most && delay >= most / 2, "{attempt}: {delay:?}");
        attempts.push(attempt);
    }
    assert_eq!(attempts, [2, 3, 4, 5]);
}

/// Somebody edits the history during a whole run: the run is rolled back and nothing is reported as done. A
/// run that may apply late migrations then does the rest.
#[tokio::test]
async fn rolled_back_work_of_an_overtaken_run_is_not_reported() {
    static STEPS: &[RustStep] = &[RustStep { version: 3, up: |tx| waits::<14>(tx), down: None }];
    let Some(database) = postgres::database() else { return };
    let rust = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";
    let files = [
        AB,
        ("0002_c.sql", "CREATE TABLE c (id INTEGER);"),
        ("0003_d.rs", rust),
        ("0004_e.sql", "CREATE TABLE e (id INTEGER);"),
    ];
    let set = with_steps(&files, STEPS);
    let gate = gate::<14>(lockgate::Dialect::Postgres);
    for fills in [OutOfOrder::Refuse, OutOfOrder::Allow] {
        let mut admin = database.connect().await;
        admin.execute("DROP TABLE IF EXISTS a, b, c, e, lockgate_history, lockgate_log").await.unwrap();
        Migrator::new(migrations(&files[..1])).apply(&mut admin).await.unwrap();
        let mut through = database.connect().await;
        let migrator = Migrator::new(set).atomicity(Atomicity::WholeRun).out_of_order(fills);
        let running = tokio::spawn(async move { migrator.apply(&mut through).await });
        gate.reached().await;
        let checksum = set.iter().last().unwrap().checksum();
        let by_hand = format!(
            "INSERT INTO lockgate_history SELECT set_name, 4, 'e', '{checksum}', state, statements_done, \
             finished_checksum, applied_at, elapsed_ms, applied_by, application, lockgate FROM lockgate_history"
        );
        admin.execute(AssertSqlSafe(by_hand)).await.unwrap();
        gate.open();
        if fills == OutOfOrder::Allow {
            gate.reached().await;
            gate.open();
        }
        let ended = running.await.unwrap();
        let history: Vec<i64> =
            sqlx::query_scalar("SELECT version FROM lockgate_history ORDER BY 1").fetch_all(&mut admin).await.unwrap();
        match fills {
            OutOfOrder::Refuse => {
                let error = ended.unwrap_err();
                let shown = error.report().to_string();
                assert_eq!(error.kind(), ErrorKind::Refused, "{shown}");
                assert!(!shown.contains("committed before it"), "{shown}");
                assert_eq!(history, [1, 4]);
            }
            OutOfOrder::Allow => {
                let report = ended.unwrap();
                let done: Vec<_> = report.steps.iter().map(|step| step.id.as_str()).collect();
                assert_eq!(done, ["0002_c", "0003_d"], "each once, though one of them ran twice");
                assert_eq!(history, [1, 2, 3, 4]);
            }
        }
    }
}
