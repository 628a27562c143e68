//! The connection is lost during a run: the history is right, and the next run resumes.

use lockgate::{Database, Error, ErrorKind, Migrations, Migrator};
use sqlx::{Connection, PgConnection};

use super::reports;
use crate::support::postgres;
use crate::support::set::migrations;
use crate::support::wire::{Cut, Wire};

const COUNT: usize = 12;

fn set() -> &'static Migrations {
    let files: Vec<(String, String)> = (1..=COUNT)
        .map(|n| {
            (
                format!("{n:03}_t.sql"),
                format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY);\nINSERT INTO t{n} VALUES (1);"),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    migrations(&files)
}

/// Waits until only our session is left. Then history and schema agree, the applied migrations are a prefix, and a next
/// run with the same value applies the rest, each once.
async fn apply_the_rest(database: &postgres::Database, same: &mut Database) -> i64 {
    let mut connection = database.connect().await;
    alone(&mut connection).await;
    let present = "SELECT to_regclass('lockgate_history') IS NOT NULL";
    let mut rows = 0;
    if sqlx::query_scalar(present).fetch_one(&mut connection).await.unwrap() {
        let both = "SELECT (SELECT count(*) FROM lockgate_history), (SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]'), \
                    (SELECT coalesce(max(version), 0) FROM lockgate_history)";
        let (recorded, tables, newest): (i64, i64, i64) =
            sqlx::query_as(both).fetch_one(&mut connection).await.unwrap();
        assert_eq!((recorded, newest), (tables, tables), "a prefix, and history and schema agree");
        rows = recorded;
    }
    let report = Migrator::new(set()).apply(same).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.steps.len(), COUNT - usize::try_from(rows).unwrap());
    let log = "SELECT count(*), count(DISTINCT version) FROM lockgate_log WHERE event = 'applied'";
    let (all, distinct): (i64, i64) = sqlx::query_as(log).fetch_one(&mut connection).await.unwrap();
    assert_eq!((all, distinct), (12, 12), "each once");
    rows
}

/// Waits until no other session is connected to this database.
async fn alone(connection: &mut PgConnection) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut *connection).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
}

#[track_caller]
fn interrupted(error: &Error) {
    reports(error, ErrorKind::Interrupted, &["look with `status`, then run again: what is recorded is not repeated"]);
}

#[tokio::test]
async fn a_run_resumes_after_a_cut_at_any_message() {
    // The read and the migrations: cut before and after each.
    for message in 1..=2 {
        for cut in [Cut::BeforeQuery(message), Cut::AfterQuery(message)] {
            let Some(database) = postgres::database() else { return };
            let wire = Wire::in_front_of(&database.url()).await;
            let mut through = Database::connect(&wire.url()).await.unwrap();
            wire.cut(cut);
            let ran = Migrator::new(set()).apply(&mut through).await;
            assert!(!wire.is_cut_pending(), "{cut:?} came");
            match (message, ran) {
                (1, Err(error)) => reports(&error, ErrorKind::Unreachable, &["the history cannot be read"]),
                (2, Err(error)) => {
                    interrupted(&error);
                    reports(
                        &error,
                        ErrorKind::Interrupted,
                        &[
                            "the connection was lost at `001_t`",
                            "the outcome is unknown. Run `status`: a migration is applied exactly if it is listed there as applied",
                        ],
                    );
                }
                (_, ran) => panic!("{cut:?}: {ran:?}"),
            }
            apply_the_rest(&database, &mut through).await;
        }
    }
}

#[tokio::test]
async fn a_run_resumes_after_a_cut_within_a_message() {
    for completions in [9, 15, 23, 41] {
        let Some(database) = postgres::database() else { return };
        let wire = Wire::in_front_of(&database.url()).await;
        let mut through = Database::connect(&wire.url()).await.unwrap();
        wire.cut(Cut::AfterCompletions(completions));
        let error = Migrator::new(set()).apply(&mut through).await.unwrap_err();
        interrupted(&error);
        assert!(error.report().summary().starts_with("the connection was lost at `0"), "{error:?}");
        apply_the_rest(&database, &mut through).await;
    }
}

#[tokio::test]
async fn a_terminated_session_reports_what_is_recorded() {
    let Some(database) = postgres::database() else { return };
    let mut gate = database.connect().await;
    let slow = "SELECT pg_advisory_xact_lock(77);\nCREATE TABLE slow (id INTEGER);";
    let first = "CREATE TABLE first (id INTEGER);";
    let set = migrations(&[
        ("0001_first.sql", first),
        ("0002_slow.sql", slow),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
    ]);
    sqlx::raw_sql("SELECT pg_advisory_lock(77)").execute(&mut gate).await.unwrap();
    let url = database.url();
    let running = tokio::spawn(async move {
        let mut through = Database::connect(&url).await.unwrap();
        (Migrator::new(set).apply(&mut through).await, through)
    });
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 77";
    while sqlx::query_scalar::<_, i64>(end).fetch_one(&mut gate).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let (ran, mut through) = running.await.unwrap();
    let error = ran.unwrap_err();
    interrupted(&error);
    reports(
        &error,
        ErrorKind::Interrupted,
        &["the connection was lost at `0002_slow`", "terminating connection due to administrator command"],
    );
    sqlx::raw_sql("SELECT pg_advisory_unlock(77)").execute(&mut gate).await.unwrap();
    let report = Migrator::new(set).apply(&mut through).await.unwrap();
    let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["0002_slow", "0003_c"], "what was committed before is not repeated");
}

#[tokio::test]
async fn a_cancelled_statement_is_reported_as_cancelled() {
    let Some(database) = postgres::database() else { return };
    let mut gate = database.connect().await;
    let set = migrations(&[("0001_slow.sql", "CREATE TABLE slow (id INTEGER);\nSELECT pg_advisory_xact_lock(78);")]);
    sqlx::raw_sql("SELECT pg_advisory_lock(78)").execute(&mut gate).await.unwrap();
    let url = database.url();
    let running = tokio::spawn(async move {
        let mut through = Database::connect(&url).await.unwrap();
        Migrator::new(set).lock_timeout(None).apply(&mut through).await
    });
    let end =
        "SELECT count(pg_cancel_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 78";
    while sqlx::query_scalar::<_, i64>(end).fetch_one(&mut gate).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let error = running.await.unwrap().unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "`0001_slow` failed at statement 2 of 2",
            "due to user request",
            "`0001_slow` was rolled back",
            "find out who",
        ],
    );
}

#[tokio::test]
async fn a_lost_lent_connection_is_reported_and_the_next_run_resumes() {
    let Some(database) = postgres::database() else { return };
    let wire = Wire::in_front_of(&database.url()).await;
    let mut borrowed = PgConnection::connect(&wire.url()).await.unwrap();
    wire.cut(Cut::AfterCompletions(20));
    let error = Migrator::new(set()).apply(&mut borrowed).await.unwrap_err();
    interrupted(&error);
    let error = Migrator::new(set()).apply(&mut borrowed).await.unwrap_err();
    reports(&error, ErrorKind::Unreachable, &[]);
    let mut other = Database::connect(&database.url()).await.unwrap();
    drop(borrowed);
    let mut connection = database.connect().await;
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut connection).await.unwrap() > 2 {
        tokio::task::yield_now().await;
    }
    Migrator::new(set()).apply(&mut other).await.unwrap();
}

/// Code in the server may report another server's error or raise any code: the session still exists.
#[tokio::test]
async fn a_code_of_a_lost_connection_does_not_say_that_ours_is() {
    let Some(database) = postgres::database() else { return };
    for code in ["08001", "08006", "08P01", "57P01", "57P02", "3D000", "57P03"] {
        let raises = format!("DO $$ BEGIN RAISE EXCEPTION 'the other one is away' USING ERRCODE = '{code}'; END $$;");
        for (head, state) in [
            ("", "`0002_x` was rolled back: nothing of it is in the database"),
            ("-- lockgate: no-transaction\n", "`0002_x` is partial: 0 of its 1 statements have finished and stay"),
        ] {
            let script = format!("{head}{raises}");
            let set =
                migrations(&[("0001_a.sql", "CREATE TABLE IF NOT EXISTS a (id INTEGER);"), ("0002_x.sql", &script)]);
            let mut same = Database::connect(&database.url()).await.unwrap();
            let error = Migrator::new(set).set_name(code).apply(&mut same).await.unwrap_err();
            let says = [
                "`0002_x` failed at statement 1 of 1",
                "the other one is away",
                state,
                "correct migrations/0002_x.sql",
            ];
            reports(&error, ErrorKind::Failed, &says);
            if !head.is_empty() {
                let forget = lockgate::Repair::Forget(lockgate::Version::new(2).unwrap());
                Migrator::new(set).set_name(code).repair(&mut same, forget).await.unwrap();
            }
        }
    }
}
