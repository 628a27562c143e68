//! Hidden ends of Lockgate's transaction, and history tables that do not keep what is written into them, on PostgreSQL.

use lockgate::__private::RustStep;
use lockgate::{Atomicity, Database, DownTo, ErrorKind, Migrator, StepResult, Transaction};
use sqlx::{Connection, Executor, PgConnection};

use super::reports;
use crate::support::database::Db;
use crate::support::set::{migrations, with_steps};

const GROUND: (&str, &str) = ("0001_n.sql", "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0);");
const LAST: (&str, &str) = ("0003_last.sql", "UPDATE n SET n = n + 100;");
const STEP: (&str, &str) =
    ("0002_step.rs", "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n");
const ONE_MORE: &str = "UPDATE n SET n = n + 1";

/// A nested transaction, committed and rolled back by the driver.
async fn nests(tx: &mut Transaction<'_>) -> StepResult {
    let connection = tx.postgres().expect("it runs on PostgreSQL");
    let mut inner = connection.begin().await?;
    inner.execute(ONE_MORE).await?;
    inner.commit().await?;
    let mut inner = connection.begin().await?;
    inner.execute(ONE_MORE).await?;
    inner.rollback().await?;
    let mut inner = connection.begin().await?;
    inner.execute(ONE_MORE).await?;
    // Dropped.
    drop(inner);
    connection.execute(ONE_MORE).await?;
    Ok(())
}
static NESTS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(nests(tx)), down: None }];

async fn nests_and_fails(tx: &mut Transaction<'_>) -> StepResult {
    nests(tx).await?;
    Err("on purpose".into())
}
static NESTS_AND_FAILS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(nests_and_fails(tx)), down: None }];

async fn leaves_open(tx: &mut Transaction<'_>) -> StepResult {
    let connection = tx.postgres().expect("it runs on PostgreSQL");
    connection.execute("SAVEPOINT a").await?;
    connection.execute(ONE_MORE).await?;
    Ok(())
}
static LEAVES_OPEN: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(leaves_open(tx)), down: None }];

async fn commits_and_fails(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute(ONE_MORE).await?;
    tx.execute("COMMIT").await?;
    Err("on purpose".into())
}
static COMMITS_AND_FAILS: &[RustStep] =
    &[RustStep { version: 2, up: |tx| Box::pin(commits_and_fails(tx)), down: None }];

async fn commits_and_begins(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute(ONE_MORE).await?;
    tx.execute("COMMIT; BEGIN").await?;
    tx.execute(ONE_MORE).await?;
    Ok(())
}
static COMMITS_AND_BEGINS: &[RustStep] =
    &[RustStep { version: 2, up: |tx| Box::pin(commits_and_begins(tx)), down: None }];

async fn rolls_back_and_fails(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute(ONE_MORE).await?;
    tx.execute("ROLLBACK").await?;
    Err("on purpose".into())
}
static ROLLS_BACK_AND_FAILS: &[RustStep] =
    &[RustStep { version: 2, up: |tx| Box::pin(rolls_back_and_fails(tx)), down: None }];

async fn rolls_back(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute(ONE_MORE).await?;
    tx.execute("ROLLBACK").await?;
    tx.execute("BEGIN").await?;
    Ok(())
}
static ROLLS_BACK: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(rolls_back(tx)), down: None }];

async fn prepares(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute(ONE_MORE).await?;
    tx.execute("PREPARE TRANSACTION 'of a step'").await?;
    Ok(())
}
static PREPARES: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(prepares(tx)), down: None }];

/// A prepared transaction is neither committed nor rolled back, and keeps its locks until somebody ends it.
#[tokio::test]
async fn a_step_that_prepares_its_transaction_is_reported_correctly() {
    let options = lockgate_harness::server::Options::default().setting("max_prepared_transactions", "9");
    let Some(server) = crate::support::postgres::cluster(&options) else { return };
    let url = server.url("postgres");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let set = with_steps(&[GROUND, STEP, LAST], PREPARES);
    let migrator = Migrator::new(set).lock_wait(std::time::Duration::from_millis(200));
    let error = migrator.apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    let says = ["ended Lockgate's transaction", "it is unknown whether anything of `0002_step` is in the database"];
    reports(&error, ErrorKind::Failed, &says);
    let mut again = Database::connect(&url).await.unwrap();
    let error = migrator.apply(&mut again).await.unwrap_err();
    let holder = "the prepared transaction 'of a step', role postgres, prepared at 20";
    reports(&error, ErrorKind::Locked, &[holder, ": end it with COMMIT PREPARED or ROLLBACK PREPARED"]);
    // The same for the lock of a table that a script wants.
    connection.execute("ROLLBACK PREPARED 'of a step'").await.unwrap();
    connection.execute("BEGIN; LOCK TABLE n; PREPARE TRANSACTION 'of another'").await.unwrap();
    let set = migrations(&[GROUND, ("0002_b.sql", "ALTER TABLE n ADD COLUMN m INTEGER;")]);
    let migrator = Migrator::new(set).lock_timeout(std::time::Duration::from_millis(200));
    let error = migrator.apply(&mut again).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["the prepared transaction 'of another'"]);
    connection.execute("ROLLBACK PREPARED 'of another'").await.unwrap();
    assert_eq!(migrator.apply(&mut again).await.unwrap().steps.len(), 1);
}

/// The counter of a step if all of it is committed, the counter if it is caught, and whether some of its work is
/// committed.
struct Case {
    steps: &'static [RustStep],
    works: bool,
    counted: &'static str,
    committed: bool,
}

#[tokio::test]
async fn a_step_that_ends_transactions_is_committed_once_or_reported() {
    let case = |steps, works, counted, committed| Case { steps, works, counted, committed };
    let cases = [
        case(NESTS, true, "102", false),
        case(LEAVES_OPEN, true, "101", false),
        case(NESTS_AND_FAILS, false, "0", false),
        case(COMMITS_AND_FAILS, false, "1", true),
        case(COMMITS_AND_BEGINS, false, "1", true),
        case(ROLLS_BACK_AND_FAILS, false, "0", false),
        case(ROLLS_BACK, false, "0", false),
    ];
    for (number, case) in cases.iter().enumerate() {
        for (whole, lent) in [(false, false), (false, true), (true, false), (true, true)] {
            let Some(db) = Db::postgres() else { return };
            let set = with_steps(&[GROUND, STEP, LAST], case.steps);
            let atomicity = if whole { Atomicity::WholeRun } else { Atomicity::PerMigration };
            let migrator = Migrator::new(set).atomicity(atomicity);
            let which = format!("case {number}, {whole} {lent}");
            let ran = if lent {
                migrator.apply(&mut PgConnection::connect(&db.url()).await.unwrap()).await
            } else {
                migrator.apply(&mut Database::connect(&db.url()).await.unwrap()).await
            };
            if case.works {
                ran.unwrap_or_else(|error| panic!("{which}: {error:?}"));
                assert_eq!(db.texts("SELECT n::text FROM n").await, [case.counted], "{which}");
                continue;
            }
            let error = ran.unwrap_err();
            let shown = error.report().to_string();
            assert_eq!(error.kind(), ErrorKind::Failed, "{which}: {shown}");
            // A whole run is rolled back or committed together.
            let there = !db.texts("SELECT relname::text FROM pg_class WHERE relname = 'n'").await.is_empty();
            assert_eq!(there, !whole || case.committed, "{which}: {shown}");
            if there {
                assert_eq!(db.texts("SELECT n::text FROM n").await, [case.counted], "{which}: {shown}");
            }
            assert_eq!(shown.contains("rolled back"), !case.committed, "{which}: {shown}");
            let ended = "ended Lockgate's transaction";
            assert!(shown.contains(ended) || !case.committed, "{which}: {shown}");
            assert_eq!(shown.contains("nothing of it was committed"), whole && !case.committed, "{which}: {shown}");
            assert_eq!(
                shown.contains("before it ended the transaction is committed"),
                case.committed,
                "{which}: {shown}"
            );
            let is_log = "SELECT relname::text FROM pg_class WHERE relname = 'lockgate_history'";
            if !db.texts(is_log).await.is_empty() {
                let history = db.history().await;
                assert!(!history.iter().any(|row| row.starts_with("2:")), "{which}: {history:?}");
            }
        }
    }
}

/// Texts that databases lex differently.
#[tokio::test]
async fn the_server_receives_the_checked_text() {
    let scripts = [
        // A string whose meaning depends on a server setting.
        "UPDATE n SET n = n + 1;\nSELECT '\\', '; COMMIT; SELECT ';\n-- '\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\nSELECT E'\\'; COMMIT; -- ';\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\nSELECT 5 --1; COMMIT;\n;\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\nSELECT 5 --x\n;\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\n/* /* ; COMMIT; */ ; COMMIT; */\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\nSELECT $a$; COMMIT; $a$;\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\nSELECT $a$ $b$; COMMIT; $a$;\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\nSELECT U&'\\0041; COMMIT; ';\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\nSELECT 1 AS \"'; COMMIT; --\";\nUPDATE n SET n = n + 1;",
        "UPDATE n SET n = n + 1;\nSELECT 'a'\n'; COMMIT; ';\nUPDATE n SET n = n + 1;",
    ];
    for setting in ["on", "off"] {
        for (number, script) in scripts.iter().enumerate() {
            for head in ["", "-- lockgate: no-transaction\n"] {
                let Some(db) = Db::postgres() else { return };
                let name = db.url().rsplit('/').next().unwrap().to_owned();
                db.execute(&format!("ALTER DATABASE {name} SET standard_conforming_strings = {setting}")).await;
                let script = format!("{head}{script}");
                let set = migrations(&[
                    ("migrations.toml", "dialects = [\"postgres\"]\n"),
                    GROUND,
                    ("0002_x.sql", &script),
                    LAST,
                ]);
                let mut lent = PgConnection::connect(&db.url()).await.unwrap();
                let ran = match number % 2 {
                    0 => Migrator::new(set).apply(&mut lent).await,
                    _ => Migrator::new(set).apply(&mut Database::connect(&db.url()).await.unwrap()).await,
                };
                ran.unwrap_or_else(|error| panic!("{setting}: {script}: {error:?}"));
                assert_eq!(db.texts("SELECT n::text FROM n").await, ["102"], "{setting}: {script}");
                let shown: String =
                    sqlx::query_scalar("SHOW standard_conforming_strings").fetch_one(&mut lent).await.unwrap();
                assert_eq!(shown, setting, "a lent connection is as it was");
            }
        }
    }
}

/// A trigger on the history that drops every row.
#[tokio::test]
async fn a_history_that_discards_writes_is_reported() {
    let step: &'static [RustStep] = &[RustStep {
        version: 2,
        up: |tx| {
            Box::pin(async move {
                tx.execute(ONE_MORE).await?;
                Ok(())
            })
        },
        down: None,
    }];
    for (table, when) in [
        ("lockgate_history", "INSERT"),
        ("lockgate_history", "UPDATE"),
        ("lockgate_history", "DELETE"),
        ("lockgate_history", "INSERT OR UPDATE OR DELETE"),
    ] {
        for (kind, head) in [("script", ""), ("outside", "-- lockgate: no-transaction\n"), ("step", "")] {
            for whole in [false, true] {
                if whole && kind == "outside" {
                    continue;
                }
                let Some(db) = Db::postgres() else { return };
                let up = format!("{head}UPDATE n SET n = n + 1;");
                let down = format!("{head}UPDATE n SET n = n - 1;");
                let files: Vec<(&str, &str)> = match kind {
                    "step" => vec![GROUND, STEP],
                    _ => vec![GROUND, ("0002_x.up.sql", &up), ("0002_x.down.sql", &down)],
                };
                let set = with_steps(&files, if kind == "step" { step } else { &[] });
                let atomicity = if whole { Atomicity::WholeRun } else { Atomicity::PerMigration };
                let migrator = Migrator::new(set).atomicity(atomicity);
                db.apply(migrations(&[GROUND])).await;
                let goes_down = when == "DELETE" && kind != "step";
                if goes_down {
                    migrator.apply(&mut db.open().await).await.unwrap();
                }
                db.execute(&format!(
                    "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
                     CREATE TRIGGER swallow BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION swallow()"
                ))
                .await;
                let which = format!("{when}, {kind}, {whole}");
                let mut database = db.open().await;
                let before = db.history().await;
                let ran = match goes_down {
                    true => migrator.revert(&mut database, DownTo::Steps(1)).await,
                    false => migrator.apply(&mut database).await,
                };
                // In a transaction, apply inserts and revert deletes; outside a transaction, both also update.
                let swallowed = match (when, kind) {
                    ("UPDATE", "outside") | ("DELETE", "script" | "outside") => true,
                    ("UPDATE" | "DELETE", _) => false,
                    _ => true,
                };
                let n = db.texts("SELECT n::text FROM n").await;
                if !swallowed {
                    ran.unwrap_or_else(|error| panic!("{which}: {error:?}"));
                    assert_eq!(n, ["1"], "{which}");
                    continue;
                }
                let error = ran.unwrap_err();
                reports(&error, ErrorKind::Failed, &["the history table did not take", "trigger"]);
                assert_eq!(n, [if goes_down { "1" } else { "0" }], "{which}: {error:?}");
                let after = db.history().await;
                if kind != "outside" {
                    assert_eq!(after, before, "{which}");
                }
                // Without it, the run resumes, and everything is applied once.
                db.execute(&format!("DROP TRIGGER swallow ON {table}")).await;
                let again = match goes_down {
                    true => migrator.revert(&mut database, DownTo::Steps(1)).await,
                    false => migrator.apply(&mut database).await,
                };
                again.unwrap_or_else(|error| panic!("{which}: {error:?}"));
                assert_eq!(db.texts("SELECT n::text FROM n").await, [if goes_down { "0" } else { "1" }], "{which}");
            }
        }
    }
}
