//! Messages about failures on PostgreSQL: cause, position and state are right in every language and encoding of the
//! server. Messages also name other runs.

use std::time::Duration;

use lockgate::{Atomicity, Database, ErrorKind, Event, Migrator, Repair, UpTo, Version};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::mpsc;

use super::reports;
use crate::support::database::Db;
use crate::support::set::migrations;
use crate::support::wire::Wire;

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");

/// A whole run that fails at the beginning of a message.
#[tokio::test]
async fn a_run_in_one_transaction_reports_its_failure_at_every_message_boundary() {
    let Some(db) = Db::postgres() else { return };
    // Each is so large that it is sent alone.
    let large = |n: u32| format!("SELECT '{}';\nCREATE TABLE t{n} (id INTEGER);", "x".repeat(200 * 1024));
    let wrong = "CREATE TABLE w (id INTEGER);\nINSERT INTO a VALUES (1), (1);";
    let late = "CREATE TABLE c (a INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (7);\nSET CONSTRAINTS ALL IMMEDIATE;";
    for (script, says) in [
        (wrong.to_owned(), "duplicate key value"),
        ("SELECT 1 / 0;".to_owned(), "division by zero"),
        ("SELECT nothing;".to_owned(), "column \"nothing\" does not exist"),
        ("SELECT FROM FROM;".to_owned(), "syntax error"),
        (late.to_owned(), "violates foreign key constraint"),
        (format!("SELECT 1 / 0; SELECT '{}';", "x".repeat(300 * 1024)), "division by zero"),
        ("-- lockgate: role nobody_at_all\nSELECT 1;".to_owned(), "role \"nobody_at_all\" does not exist"),
    ] {
        for before in 0..4 {
            let mut files = vec![(A.0.to_owned(), A.1.to_owned())];
            files.extend((0..before).map(|n| (format!("{:04}_large.sql", n + 2), large(n))));
            files.push(("0009_wrong.sql".to_owned(), script.clone()));
            files.push(("0010_after.sql".to_owned(), "CREATE TABLE z ();".to_owned()));
            let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            let migrator = Migrator::new(migrations(&files)).atomicity(Atomicity::WholeRun);
            let error = migrator.apply(&mut db.open().await).await.unwrap_err();
            reports(&error, ErrorKind::Failed, &["`0009_wrong`", says, "nothing of it was committed"]);
            assert!(!error.report().to_string().contains("25P02"), "{error:?}");
            assert_eq!(db.objects().await, [""; 0], "{says}");
        }
    }
}

/// Servers that count bytes, or other characters than we do.
#[tokio::test]
async fn the_place_is_right_in_databases_of_other_encodings() {
    let Some(server) = crate::support::postgres::cluster(&lockgate_harness::server::Options::default()) else { return };
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    for (number, encoding) in ["SQL_ASCII", "LATIN1", "UTF8", "EUC_JP"].into_iter().enumerate() {
        let sql =
            format!("CREATE DATABASE e{number} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        admin.execute(AssertSqlSafe(sql)).await.unwrap();
        let mut database = Database::connect(&server.url(&format!("e{number}"))).await.unwrap();
        let text = "-- ÄÖÜäöüß, said four times: ÄÖÜäöüß ÄÖÜäöüß ÄÖÜäöüß\nCREATE TABLE b (id INTEGER);\nSELECT 'é', 1 AS één,\n  nothing;";
        let text = if encoding == "EUC_JP" { text.replace(|c: char| !c.is_ascii(), "日") } else { text.to_owned() };
        let other = ("0001_o.sql", "CREATE TABLE o (o TEXT); -- ÄÖ");
        let other = if encoding == "EUC_JP" { ("0001_o.sql", "CREATE TABLE o (o TEXT); -- 日本") } else { other };
        for outside in ["", "-- lockgate: no-transaction\n"] {
            let script = format!("{outside}{text}");
            let line = if outside.is_empty() { 4 } else { 5 };
            let set = migrations(&[other, ("0002_b.sql", &script)]);
            let migrator = Migrator::new(set).set_name(format!("set {}", outside.len()));
            let error = migrator.apply(&mut database).await.unwrap_err();
            let place = format!("--> migrations/0002_b.sql:{line}:3");
            reports(&error, ErrorKind::Failed, &["column \"nothing\" does not exist", &place]);
            let shown = error.report().to_string();
            assert!(!shown.contains("the history table could not be created"), "{shown}");
            database.postgres().unwrap().execute("DROP TABLE IF EXISTS o, b").await.unwrap();
        }
    }
    // The script contains characters that the database cannot encode.
    let mut latin = Database::connect(&server.url("e1")).await.unwrap();
    let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);\nINSERT INTO b SELECT 1 WHERE 'a' = '→';")]);
    let error = Migrator::new(set).set_name("arrow").history_table("arrow").apply(&mut latin).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["`0002_b`", "--> migrations/0002_b.sql:2:"]);
}

/// The language of a server's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    AsSet,
    /// Unreadable: no letter is left, so that no decision can depend on a message.
    Garbled,
    /// German, if this machine has the locale (`localedef -i de_DE -f UTF-8 de_DE.UTF-8`).
    German,
}

/// No decision depends on the server's messages: unreadable ones have the same results.
#[tokio::test]
async fn the_words_of_the_server_decide_nothing() {
    let index = "-- lockgate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY a_v ON v (v);";
    let again = "-- lockgate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_v ON v (v);";
    let ground = ("0001_v.sql", "CREATE TABLE v (v INTEGER); INSERT INTO v VALUES (1), (1);");
    type Case<'a> = (Vec<(&'a str, &'a str)>, ErrorKind, &'a [&'a str]);
    let cases: [Case<'_>; 8] = [
        (vec![ground, ("0002_x.sql", index)], ErrorKind::Failed, &["a_v is INVALID", "`up` drops it"]),
        (vec![ground, ("0002_x.sql", again)], ErrorKind::Failed, &["a_v is INVALID"]),
        (vec![ground, ("0002_x.sql", "SELECT pg_sleep(60);")], ErrorKind::Failed, &["`--statement-timeout 10min`"]),
        (
            vec![ground, ("0002_x.sql", "SELECT FROM FROM;")],
            ErrorKind::Failed,
            &["0002_x.sql:1:13", "correct migrations/0002_x.sql"],
        ),
        (vec![ground, ("0002_x.sql", "SELECT * FROM nowhere;")], ErrorKind::Failed, &["0002_x.sql:1:15"]),
        (
            vec![ground, ("0002_x.sql", "-- lockgate: role nobody_at_all\nSELECT 1;")],
            ErrorKind::Failed,
            &["`0002_x` could not begin"],
        ),
        (
            vec![ground, ("0002_x.sql", "-- lockgate: no-transaction\nDO $$ BEGIN COMMIT; END $$;\nVACUUM nowhere;")],
            ErrorKind::Failed,
            &["1 of its 2 statements"],
        ),
        (
            vec![ground, ("0002_x.sql", "LOCK TABLE gate;")],
            ErrorKind::Failed,
            &["may hold the lock that it needs", "`--lock-timeout 1min`"],
        ),
    ];
    for (number, (files, kind, says)) in cases.into_iter().enumerate() {
        for speaks in [Speaks::AsSet, Speaks::Garbled, Speaks::German] {
            let Some(db) = Db::postgres() else { return };
            if speaks == Speaks::German {
                let german = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lc_messages = %L', current_database(), \
                              'de_DE.UTF-8'); END $$";
                if PgConnection::connect(&db.url()).await.unwrap().execute(german).await.is_err() {
                    continue;
                }
            }
            db.execute("CREATE TABLE gate ()").await;
            let mut gate = PgConnection::connect(&db.url()).await.unwrap();
            gate.execute("BEGIN; LOCK TABLE gate").await.unwrap();
            let wire = Wire::in_front_of(&db.url()).await;
            if speaks == Speaks::Garbled {
                wire.garble();
            }
            let set = migrations(&files);
            let migrator = Migrator::new(set)
                .lock_timeout(Duration::from_millis(30))
                .statement_timeout(Duration::from_millis(300))
                .atomicity(if files[1].1.contains("TABLE gate") {
                    Atomicity::WholeRun
                } else {
                    Atomicity::PerMigration
                });
            let mut database = Database::connect(&wire.url()).await.unwrap();
            let error = migrator.apply(&mut database).await.unwrap_err();
            reports(&error, kind, says);
            let garbled = error.report().to_string().contains("xxxxx");
            assert_eq!(garbled, speaks == Speaks::Garbled, "{number}: {error:?}");
        }
    }
    // Another run has created the tables, holds the lock, or came first.
    let Some(db) = Db::postgres() else { return };
    let wire = Wire::in_front_of(&db.url()).await;
    wire.garble();
    let files: Vec<(String, String)> =
        (1..20).map(|n| (format!("{n:04}_t.sql"), format!("CREATE TABLE t{n} ();"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let set = migrations(&files);
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = wire.url();
        runs.spawn(async move { Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await });
    }
    let mut applied = 0;
    while let Some(run) = runs.join_next().await {
        applied += run.unwrap().unwrap_or_else(|error| panic!("{error:?}")).steps.len();
    }
    assert_eq!(applied, 19);
}

/// The row of a script outside a transaction that stopped half way and belongs to this session.
async fn own(connection: &mut PgConnection) {
    let claim = "UPDATE lockgate_history SET under_way = 2, owner = (SELECT concat(pid, '/', to_char(backend_start AT TIME ZONE \
                 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '/0123/x') FROM pg_stat_activity WHERE pid = pg_backend_pid()) \
                 WHERE version = 2";
    connection.execute(claim).await.unwrap();
}

/// A run waits for the live owner of a script outside a transaction, and does not repair its row meanwhile.
#[tokio::test]
async fn a_live_owner_is_reported_and_its_row_is_not_repaired() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nINSERT INTO a VALUES (1);\nVACUUM nowhere;\nINSERT INTO a VALUES (2);";
    let wrong = migrations(&[A, ("0002_x.sql", script)]);
    let right_script = script.replace("nowhere", "a");
    let right = migrations(&[A, ("0002_x.sql", &right_script)]);
    let mut database = db.open().await;
    Migrator::new(wrong).apply(&mut database).await.unwrap_err();
    let mut owner = PgConnection::connect(&db.url()).await.unwrap();
    own(&mut owner).await;
    let before = db.texts("SELECT lockgate_history::text FROM lockgate_history ORDER BY version").await;

    let (tell, mut heard) = mpsc::unbounded_channel();
    let impatient = Migrator::new(right).lock_wait(Duration::from_millis(400)).on_event(move |event| {
        if let Event::LockWaiting { holder } = event {
            let _ = tell.send(holder.clone());
        }
    });
    let error = impatient.apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Locked, &["held by pid ", "which is working on `0002_x`"]);
    let holder = heard.try_recv().unwrap().unwrap();
    assert!(holder.contains("which is working on `0002_x`"), "{holder}");
    assert!(heard.try_recv().is_err(), "it is told once that it waits");
    let two = Version::new(2).unwrap();
    for repair in [Repair::Finished(two), Repair::Again(two), Repair::MarkApplied(two), Repair::Forget(two)] {
        let error = impatient.repair(&mut database, repair).await.unwrap_err();
        reports(&error, ErrorKind::Locked, &["held by pid ", "which is working on `0002_x`"]);
        heard.try_recv().unwrap();
    }
    let after = db.texts("SELECT lockgate_history::text FROM lockgate_history ORDER BY version").await;
    assert_eq!(after, before);
    // The owner is gone: now a person must decide.
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut owner).await.unwrap();
    owner.close().await.unwrap();
    let gone = format!("SELECT count(*)::text FROM pg_stat_activity WHERE pid = {pid}");
    while db.texts(&gone).await != ["0"] {
        tokio::task::yield_now().await;
    }
    impatient.repair(&mut database, Repair::Again(two)).await.unwrap();
    impatient.apply(&mut database).await.unwrap();
    assert_eq!(db.texts("SELECT id::text FROM a ORDER BY id").await, ["1", "2"]);
    impatient.apply_to(&mut database, UpTo::Latest).await.unwrap();
}
