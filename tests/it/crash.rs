//! Kills the program or the server with `kill -9` at any point. The applied migrations are a prefix of the plan,
//! history and schema agree, and the next run applies the rest, each exactly once.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lockgate::__private::RustStep;
use lockgate::{Database, ErrorKind, Event, Migrations, Migrator, StepResult, Transaction};
use lockgate_harness::server::Options;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::support::child::{self, say};
use crate::support::database::Db;
use crate::support::postgres;
use crate::support::set::with_steps;

const COUNT: usize = 30;
const STEP: usize = 17;

async fn step(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("CREATE TABLE t17 (id INTEGER PRIMARY KEY)").await?;
    tx.execute("INSERT INTO t17 VALUES (1)").await?;
    Ok(())
}
static STEPS: &[RustStep] = &[RustStep { version: 17, up: |tx| Box::pin(step(tx)), down: None }];

/// Thirty migrations, each with two statements and a slow one between them: a table `t<n>` with one row. Together they
/// are so large that they need several messages.
fn set(slow: &str, bytes: usize) -> &'static Migrations {
    let padding = "x".repeat(bytes);
    let files: Vec<(String, String)> = (1..=COUNT)
        .map(|n| {
            if n == STEP {
                let text = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";
                return (format!("{n:03}_t.rs"), text.to_owned());
            }
            let create = format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY);\n");
            (format!("{n:03}_t.sql"), format!("{create}{slow};\n-- {padding}\nINSERT INTO t{n} VALUES (1);\n"))
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    with_steps(&files, STEPS)
}

fn sqlite_set() -> &'static Migrations {
    set("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT max(i) FROM n", 0)
}

fn postgres_set() -> &'static Migrations {
    set("SELECT pg_sleep(0.01)", 60 * 1024)
}

const CHILD: &str = "LOCKGATE_TEST_CRASH_URL";

/// The killed processes run this test, each in its own process. In the test run itself it does nothing.
#[tokio::test]
async fn the_child() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let set = if url.starts_with("sqlite") { sqlite_set() } else { postgres_set() };
    let migrator = Migrator::new(set).on_event(move |event| match event {
        Event::Started { id, .. } => say(&format!("started {id}")),
        Event::Ran { id, .. } => say(&format!("ran {id}")),
        Event::Committed { id, .. } => say(&format!("committed {id}")),
        _ => {}
    });
    let mut database = Database::connect(&url).await.unwrap();
    migrator.apply(&mut database).await.unwrap();
    say("done");
}

fn child(url: &str) -> Child {
    child::start("crash::the_child", CHILD, url)
}

/// Kills a process with SIGKILL and waits until it is gone.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Checks that a prefix of the plan is recorded, and that exactly its tables exist, each with its row.
fn agree(recorded: &[i64], tables: &[i64], filled: &[i64]) -> usize {
    let prefix: Vec<i64> = (1..).take(recorded.len()).collect();
    assert_eq!(recorded, prefix, "what is recorded is a prefix of the plan");
    assert_eq!(tables, prefix, "the tables are those of what is recorded");
    assert_eq!(filled, prefix, "and each migration ran to its end");
    prefix.len()
}

fn numbers(mut names: Vec<String>) -> Vec<i64> {
    let mut numbers: Vec<i64> = names.drain(..).map(|name| name[1..].parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

async fn sqlite_state(url: &str) -> usize {
    let mut connection = SqliteConnection::connect(url).await.unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 't[0-9]*'";
    let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('lockgate_history', 'lockgate_log')";
    let own: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    if own == 0 {
        return agree(&[], &numbers(names), &[]);
    }
    assert_eq!(own, 2);
    let mut filled = Vec::new();
    for name in &names {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {name}"));
        if sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap() == 1 {
            filled.push(name.clone());
        }
    }
    let sql = "SELECT version FROM lockgate_history WHERE state = 'applied' ORDER BY version";
    let recorded: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    let sql = "SELECT version FROM lockgate_log WHERE event = 'applied' ORDER BY id";
    let log: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    assert_eq!(log, recorded);
    agree(&recorded, &numbers(names), &numbers(filled))
}

async fn postgres_state(connection: &mut PgConnection) -> usize {
    let sql = "SELECT tablename::text FROM pg_tables WHERE tablename ~ '^t[0-9]'";
    let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await.unwrap();
    let sql = "SELECT count(*) FROM pg_tables WHERE tablename IN ('lockgate_history', 'lockgate_log')";
    let own: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap();
    if own == 0 {
        return agree(&[], &numbers(names), &[]);
    }
    assert_eq!(own, 2);
    let mut filled = Vec::new();
    for name in &names {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {name}"));
        if sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *connection).await.unwrap() == 1 {
            filled.push(name.clone());
        }
    }
    let sql = "SELECT version FROM lockgate_history WHERE state = 'applied' ORDER BY version";
    let recorded: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await.unwrap();
    let sql = "SELECT version FROM lockgate_log WHERE event = 'applied' ORDER BY id";
    let log: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await.unwrap();
    assert_eq!(log, recorded, "each applied once, in order");
    agree(&recorded, &numbers(names), &numbers(filled))
}

/// Waits until the child prints this, and returns how many commits it reported before.
fn hear(child: &mut Child, line: &str) -> Option<usize> {
    let mut committed = 0;
    let mut out = BufReader::new(child.stdout.as_mut().unwrap());
    let mut heard = String::new();
    while out.read_line(&mut heard).unwrap() > 0 {
        if heard.trim_end().ends_with(line) {
            return Some(committed);
        }
        committed += usize::from(heard.starts_with("committed "));
        heard.clear();
    }
    None
}

#[tokio::test]
async fn a_killed_program_leaves_a_prefix_in_a_file() {
    for moment in [
        "started 001_t",
        "started 002_t",
        "ran 005_t",
        "started 011_t",
        "ran 016_t",
        "started 017_t",
        "ran 017_t",
        "started 024_t",
        "ran 029_t",
        "ran 030_t",
        "done",
    ] {
        let db = Db::sqlite().unwrap();
        let mut running = child(&db.url());
        let committed = hear(&mut running, moment).unwrap_or_else(|| panic!("{moment}"));
        kill(running);
        let applied = sqlite_state(&db.url()).await;
        assert!(committed <= applied, "{moment}: {committed} were told as committed, and {applied} are");
        if moment == "done" {
            assert_eq!((applied, committed), (COUNT, COUNT), "what was told as done is durable");
        }
        let report = db.apply(sqlite_set()).await;
        assert_eq!(report.steps.len(), COUNT - applied, "{moment}: the rest, and nothing twice");
        assert_eq!(sqlite_state(&db.url()).await, COUNT);
        assert!(!Path::new(&format!("{}-journal", db.url())).exists());
    }
}

#[tokio::test]
async fn a_killed_program_leaves_a_prefix_on_a_server() {
    for moment in [0, 1, 2, 4, 7, 12, 16, 17, 23, 29, 30] {
        let Some(database) = postgres::database() else { return };
        let mut connection = database.connect().await;
        let mut running = child(&database.url());
        if moment == 30 {
            assert_eq!(hear(&mut running, "done"), Some(COUNT));
        } else {
            assert!(hear(&mut running, "started 001_t").is_some());
            recorded(&mut connection, moment).await;
        }
        kill(running);
        // The server finishes what it has received.
        let others =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut connection).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
        let applied = postgres_state(&mut connection).await;
        assert!(applied >= moment.try_into().unwrap(), "what was seen is not lost");
        let report = Migrator::new(postgres_set()).apply(&mut connection).await.unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(report.steps.len(), COUNT - applied, "{moment}: the rest, and nothing twice");
        assert_eq!(postgres_state(&mut connection).await, COUNT);
    }
}

/// Waits until this many migrations are recorded.
async fn recorded(connection: &mut PgConnection, count: i64) {
    if count == 0 {
        return;
    }
    loop {
        let there = "SELECT to_regclass('lockgate_history') IS NOT NULL";
        if sqlx::query_scalar::<_, bool>(there).fetch_one(&mut *connection).await.unwrap() {
            let rows = "SELECT count(*) FROM lockgate_history";
            if sqlx::query_scalar::<_, i64>(rows).fetch_one(&mut *connection).await.unwrap() >= count {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_killed_server_leaves_a_prefix() {
    let Some(mut server) = postgres::cluster(&Options::default().durable(true)) else { return };
    for moment in [0, 6, 17, 26, 30] {
        let name = format!("crash_{moment}");
        let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
        drop(admin);
        let url = server.url(&name);
        let mut watching = PgConnection::connect(&url).await.unwrap();
        let mut through = Database::connect(&url).await.unwrap();
        let running = tokio::spawn(async move {
            let ran = Migrator::new(postgres_set()).apply(&mut through).await;
            (ran, through)
        });
        if moment < 30 {
            recorded(&mut watching, moment).await;
        }
        let (ran, mut through, server_back) = if moment == 30 {
            let (ran, through) = running.await.unwrap();
            server = killed(server).await;
            (ran, through, server)
        } else {
            server = killed(server).await;
            let (ran, through) = running.await.unwrap();
            (ran, through, server)
        };
        server = server_back;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let applied = postgres_state(&mut connection).await;
        match ran {
            Ok(_) => assert_eq!(applied, COUNT, "what was told as done is durable"),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Unreachable), "{error:?}");
                assert!(
                    format!("{error:?}").contains("then run again") || error.kind() == ErrorKind::Unreachable,
                    "{error:?}"
                );
            }
        }
        let report = match Migrator::new(postgres_set()).apply(&mut through).await {
            // The server has not noticed the end of the session yet.
            Err(error) if error.kind() == ErrorKind::Unreachable => {
                Migrator::new(postgres_set()).apply(&mut through).await
            }
            ran => ran,
        };
        assert_eq!(report.unwrap().steps.len(), COUNT - applied, "{moment}: the rest, and nothing twice");
        assert_eq!(postgres_state(&mut connection).await, COUNT);
    }
}

async fn killed(mut server: lockgate_harness::server::Postgres) -> lockgate_harness::server::Postgres {
    let work = tokio::task::spawn_blocking(move || {
        server.kill_9().unwrap();
        server.restart().unwrap();
        server
    });
    work.await.unwrap()
}

#[test]
fn the_child_prints_nothing_in_a_test_run() {
    let mut quiet = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_child", "--nocapture"])
        .env_remove(CHILD)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = String::new();
    quiet.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(quiet.wait().unwrap().success());
    assert!(output.contains("1 passed") && !output.contains("started"), "{output}");
}
