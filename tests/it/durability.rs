//! Everything that a run has committed survives a crash of the machine: its last commit waits for the disk, whatever
//! the last migration is and however the run ends. The commits before it do not wait.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate::__private::RustStep;
use lockgate::{Atomicity, Database, DownTo, ErrorKind, Event, Migrator, StepResult, Transaction, UpTo};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::gate::{gate, waits};
use crate::support::postgres;
use crate::support::set::{migrations, with_steps};
use crate::support::wire::{Cut, Wire};

const RUST: &str = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n\
                    pub async fn down(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";
const A: (&str, &str) = ("0001_a.up.sql", "CREATE TABLE a (id INTEGER);");
const NO_A: (&str, &str) = ("0001_a.down.sql", "DROP TABLE a;");

/// A database that records, at the end of each transaction that writes to the log, whether its commit waits for the
/// disk.
struct Witness {
    database: postgres::Database,
    connection: PgConnection,
}

impl Witness {
    async fn new() -> Option<Self> {
        let database = postgres::database()?;
        let mut connection = database.connect().await;
        Migrator::new(migrations(&[A, NO_A])).apply(&mut connection).await.unwrap();
        // Deferred, so that it sees the final setting.
        let witness = "CREATE SCHEMA witness;
            CREATE TABLE witness.commits (id SERIAL, waits TEXT, transaction TEXT);
            CREATE FUNCTION witness.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$ BEGIN
              INSERT INTO witness.commits (waits, transaction)
              VALUES (pg_catalog.current_setting('synchronous_commit'), pg_catalog.txid_current()::text);
              RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER see AFTER INSERT ON lockgate_log DEFERRABLE INITIALLY DEFERRED
              FOR EACH ROW EXECUTE FUNCTION witness.see();";
        connection.execute(witness).await.unwrap();
        Some(Self { database, connection })
    }

    async fn open(&self) -> Database {
        Database::connect(&self.database.url()).await.unwrap()
    }

    /// Returns and clears how each transaction of the run committed.
    async fn seen(&mut self) -> Vec<String> {
        let sql = "WITH gone AS (DELETE FROM witness.commits RETURNING *) SELECT min(waits) FROM gone \
                   GROUP BY transaction ORDER BY min(id)";
        sqlx::query_scalar(sql).fetch_all(&mut self.connection).await.unwrap()
    }
}

async fn up(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("CREATE TABLE by_rust (id INTEGER)").await?;
    tx.execute("SET synchronous_commit = off").await?;
    Ok(())
}

async fn down(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("SET LOCAL synchronous_commit = off").await?;
    tx.execute("DROP TABLE by_rust").await?;
    Ok(())
}

static STEPS: &[RustStep] = &[RustStep { version: 3, up: |tx| Box::pin(up(tx)), down: Some(|tx| Box::pin(down(tx))) }];

/// Last migrations of a run of every kind, and how each is reverted.
const LAST: &[(&str, &[(&str, &str)])] = &[
    ("plain", &[("0003_c.up.sql", "CREATE TABLE c (id INTEGER);"), ("0003_c.down.sql", "DROP TABLE c;")]),
    (
        "SET",
        &[
            ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);\nSET synchronous_commit = off;"),
            ("0003_c.down.sql", "SET synchronous_commit TO off;\nDROP TABLE c;"),
        ],
    ),
    (
        "SET LOCAL",
        &[
            ("0003_c.up.sql", "SET LOCAL synchronous_commit = off;\nCREATE TABLE c (id INTEGER);"),
            ("0003_c.down.sql", "DROP TABLE c;\nSET LOCAL synchronous_commit = off;"),
        ],
    ),
    (
        "set_config",
        &[
            ("0003_c.up.sql", "SELECT set_config('synchronous_commit', 'off', true);\nCREATE TABLE c (id INTEGER);"),
            ("0003_c.down.sql", "DROP TABLE c;\nSELECT set_config('synchronous_commit', 'off', false);"),
        ],
    ),
    (
        "DO",
        &[
            ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);\nDO $$ BEGIN SET LOCAL synchronous_commit = off; END $$;"),
            ("0003_c.down.sql", "DROP TABLE c;\nDO $$ BEGIN SET synchronous_commit = off; END $$;"),
        ],
    ),
    (
        "COPY",
        &[
            ("migrations.toml", "dialects = [\"postgres\"]\n"),
            ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);\nCOPY c FROM stdin;\n7\n\\.\n"),
            ("0003_c.down.sql", "COPY c FROM stdin;\n8\n\\.\nDROP TABLE c;"),
        ],
    ),
    ("Rust", &[("0003_c.rs", RUST)]),
];

/// A script outside a transaction: only its last commit matters.
const OUTSIDE: &[(&str, &str)] = &[
    (
        "0003_c.up.sql",
        "-- lockgate: no-transaction\nSET synchronous_commit = off;\nCREATE INDEX CONCURRENTLY a_id ON a (id);",
    ),
    ("0003_c.down.sql", "-- lockgate: no-transaction\nSET synchronous_commit = off;\nDROP INDEX CONCURRENTLY a_id;"),
];

#[tokio::test]
async fn the_last_commit_of_a_run_waits_for_the_disk_and_no_other_does() {
    let Some(mut witness) = Witness::new().await else { return };
    for (kind, last) in LAST {
        let b = [("0002_b.up.sql", "CREATE TABLE b (id INTEGER);"), ("0002_b.down.sql", "DROP TABLE b;")];
        let files = [&[A, NO_A], &b[..], last].concat();
        let set = with_steps(&files, STEPS);
        let mut lent = witness.database.connect().await;
        let mut own = witness.open().await;
        for lends in [false, true] {
            let migrator = Migrator::new(set);
            let to = DownTo::Version(lockgate::Version::new(1).unwrap());
            match lends {
                true => migrator.apply(&mut lent).await,
                false => migrator.apply(&mut own).await,
            }
            .unwrap_or_else(|error| panic!("{kind}: {error:?}"));
            assert_eq!(witness.seen().await, ["off", "on"], "{kind}, up, lent: {lends}");
            // When reverting, the last one comes first.
            match lends {
                true => migrator.revert(&mut lent, to).await,
                false => migrator.revert(&mut own, to).await,
            }
            .unwrap_or_else(|error| panic!("{kind}: {error:?}"));
            assert_eq!(witness.seen().await, ["off", "on"], "{kind}, down, lent: {lends}");
            // A single migration is the last in both directions.
            migrator.apply_to(&mut lent, UpTo::Version(lockgate::Version::new(2).unwrap())).await.unwrap();
            migrator.apply(&mut lent).await.unwrap();
            migrator.revert(&mut lent, DownTo::Steps(1)).await.unwrap();
            assert_eq!(witness.seen().await, ["on", "on", "on"], "{kind}, alone");
            migrator.revert(&mut lent, to).await.unwrap();
            witness.seen().await;

            let whole = Migrator::new(set).atomicity(Atomicity::WholeRun);
            whole.apply(&mut own).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"));
            assert_eq!(witness.seen().await, ["on"], "{kind}, all at once");
            whole.revert(&mut own, to).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"));
            assert_eq!(witness.seen().await, ["on"], "{kind}, all at once, down");
        }
    }
}

/// Checks in what went to the server that a durable write transaction came last.
fn waits_at_the_end(wire: &Wire) -> bool {
    let counts = wire.counts();
    let sent = counts.sql.join(";");
    let last = sent.trim_end_matches([';', ' ']).rsplit("BEGIN").next().unwrap_or_default();
    let flushes = ["pg_logical_emit_message", "INSERT INTO"].iter().any(|write| last.contains(write));
    flushes && last.contains("set_config('synchronous_commit', 'on', true)") && last.ends_with("COMMIT")
}

#[tokio::test]
async fn a_script_outside_a_transaction_ends_durably() {
    let Some(witness) = Witness::new().await else { return };
    let set = migrations(&[&[A, NO_A], OUTSIDE].concat());
    // Nothing is reported as committed too early.
    let wire = Arc::new(Wire::in_front_of(&witness.database.url()).await);
    let message = Arc::new(Mutex::new(Vec::new()));
    let (seen, looks) = (Arc::clone(&message), Arc::clone(&wire));
    let migrator = Migrator::new(set).on_event(move |event| {
        if let Event::Committed { .. } = event {
            seen.lock().unwrap().push(waits_at_the_end(&looks));
        }
    });
    let mut through = Database::connect(&wire.url()).await.unwrap();
    migrator.apply(&mut through).await.unwrap();
    migrator.revert(&mut through, DownTo::Steps(1)).await.unwrap();
    assert_eq!(*message.lock().unwrap(), [true, true]);
}

/// Another run takes the lock between two messages of a run.
#[tokio::test]
async fn work_before_a_concurrent_run_is_durable() {
    static STEPS: &[RustStep] = &[RustStep { version: 1, up: |tx| waits::<15>(tx), down: None }];
    let Some(database) = postgres::database() else { return };
    let files: Vec<(String, String)> =
        (2..=6).map(|n| (format!("{n:04}_t.sql"), format!("CREATE TABLE t{n} (id INTEGER);"))).collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    files.push(("0001_first.rs", RUST));
    let set = with_steps(&files, STEPS);

    let wire = Wire::in_front_of(&database.url()).await;
    let mut through = Database::connect(&wire.url()).await.unwrap();
    let waiting = Duration::from_millis(1);
    let running = tokio::spawn(async move { Migrator::new(set).lock_wait(waiting).apply(&mut through).await });
    let gate = gate::<15>(lockgate::Dialect::Postgres);
    gate.reached().await;
    // This transaction lock keeps a run out; whoever takes it next keeps the next one out.
    let mut other = database.connect().await;
    let key = "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let keys: Vec<i64> = sqlx::query_scalar(key).fetch_all(&mut other).await.unwrap();
    let [key] = keys[..] else { panic!("{keys:?}") };
    let mut taking = database.connect().await;
    let taken = tokio::spawn(async move {
        taking.execute(AssertSqlSafe(format!("SELECT pg_advisory_lock({key})"))).await.unwrap();
        taking
    });
    let queued = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while sqlx::query_scalar::<_, i64>(queued).fetch_one(&mut other).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    gate.open();
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    let shown = error.report().to_string();
    assert!(shown.contains("applied and committed before it: 0001_first"), "{shown}");
    assert!(!shown.contains("nothing was changed"), "{shown}");
    assert!(shown.contains("held by pid"), "{shown}");
    assert!(wire.counts().sql.iter().any(|sql| sql.contains("pg_logical_emit_message")), "nothing made it durable");
    taken.await.unwrap().close().await.unwrap();
    assert_eq!(Migrator::new(set).apply(&mut other).await.unwrap().steps.len(), 5);
}

#[tokio::test]
async fn work_before_a_failure_is_durable() {
    let Some(mut witness) = Witness::new().await else { return };
    let b = ("0002_b.sql", "CREATE TABLE b (id INTEGER);");
    let failing: [(&str, &[(&str, &str)]); 4] = [
        ("SQL", &[("0003_c.sql", "SET synchronous_commit = off;\nSELECT 1 / 0;")]),
        ("at once", &[("0003_c.sql", "SELEKT;")]),
        ("a block", &[("0003_c.sql", "DO $$ BEGIN SET synchronous_commit = off; RAISE 'no'; END $$;")]),
        ("Rust", &[("0003_c.rs", RUST)]),
    ];
    async fn fails(tx: &mut Transaction<'_>) -> StepResult {
        tx.execute("SET synchronous_commit = off").await?;
        Err("no such luck".into())
    }
    static FAILS: &[RustStep] = &[RustStep { version: 3, up: |tx| Box::pin(fails(tx)), down: None }];
    for (kind, last) in failing {
        let toml = ("migrations.toml", "dialects = [\"postgres\"]\n[lint]\nsyntax = \"allow\"\n");
        let set = with_steps(&[&[toml, A, NO_A, b], last].concat(), FAILS);
        let error = Migrator::new(set).apply(&mut witness.open().await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{kind}: {error:?}");
        assert_eq!(witness.seen().await, ["off", "on"], "{kind}: the row of 0002, and that 0003 failed");
        witness.connection.execute("DROP TABLE b; DELETE FROM lockgate_history WHERE version = 2").await.unwrap();
    }
}

/// The number of the message, counted from 1, that contains this.
fn message(wire: &Wire, says: &str) -> usize {
    let counts = wire.counts();
    let place = counts.sql.iter().position(|sql| sql.contains(says));
    place.unwrap_or_else(|| panic!("no message says {says}: {:?}", counts.sql)) + 1
}

/// Asynchronous commits are not reported as committed if the connection is lost before they are durable.
#[tokio::test]
async fn unsynced_work_is_not_reported_as_committed() {
    let quick = "-- lockgate: no-transaction\nSET synchronous_commit = off;\nINSERT INTO a VALUES (1);";
    let runs = migrations(&[A, ("0002_quick.sql", quick)]);
    let fails = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);"), ("0003_bad.sql", "SELECT 1 / 0;")]);
    for (set, says, text) in [
        (runs, "pg_logical_emit_message", "the outcome is unknown"),
        (fails, "'failed'", "a migration before it in this run is committed exactly if `status` lists it as applied"),
    ] {
        let mut place = None;
        for cut in [false, true] {
            let Some(database) = postgres::database() else { return };
            Migrator::new(migrations(&[A])).apply(&mut database.connect().await).await.unwrap();
            let wire = Wire::in_front_of(&database.url()).await;
            let mut through = Database::connect(&wire.url()).await.unwrap();
            wire.reset();
            if let Some(place) = place.filter(|_| cut) {
                wire.cut(Cut::BeforeQuery(place));
            }
            let ran = Migrator::new(set).apply(&mut through).await;
            place = place.or_else(|| Some(message(&wire, says)));
            if cut {
                let shown = ran.expect_err("nobody knows").report().to_string();
                assert!(shown.contains(text), "{shown}");
                assert!(!shown.contains("applied and committed"), "{shown}");
            }
        }
    }
}
