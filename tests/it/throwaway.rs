//! Throwaway databases: independent copies of a template that is made once, dropped after their tests.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use lockgate::__private::{RustStep, StepFuture};
use lockgate::{Dialect, Migrations, Migrator, Transaction, UpTo, Version};
use lockgate_harness::Throwaway;
use sqlx::{AssertSqlSafe, Row};

use crate::support::{on_each, set};

on_each! {
    copies_of_a_template_are_alike_and_apart,
    every_version_can_be_had,
    a_half_made_template_is_made_again,
    several_at_once_make_one_template,
    a_kept_database_stays,
}

async fn copies_of_a_template_are_alike_and_apart(dialect: Dialect) {
    let set = numbered(3);
    let Some(one) = Throwaway::at_head(set, dialect).await.unwrap() else { return };
    let Some(two) = Throwaway::at_head(set, dialect).await.unwrap() else { return };
    assert_ne!(one.url(), two.url());
    // Applied at the same moment: the second was not migrated but copied.
    let question = "SELECT CAST(version AS TEXT) || ' ' || CAST(applied_at AS TEXT) FROM lockgate_history ORDER BY 1";
    let rows = texts(&one, question).await;
    assert_eq!(rows.len(), 3);
    assert_eq!(texts(&two, question).await, rows);

    texts(&one, "INSERT INTO t3 (name) VALUES ('a') RETURNING name").await;
    assert_eq!(texts(&two, "SELECT name FROM t3").await, [""; 0]);
    let mut database = two.connect().await.unwrap();
    assert!(Migrator::new(set).apply(&mut database).await.unwrap().is_empty());

    let url = two.url();
    database.close().await.unwrap();
    drop(two);
    // A throwaway server takes databases along when it goes.
    if dialect != Dialect::Postgres || std::env::var_os(SERVER).is_some() {
        assert!(!exists(&url, &one).await, "{dialect:?}");
    }
}

/// The variable with the URL of the user's own server.
const SERVER: &str = "LOCKGATE_TEST_POSTGRES";

#[test]
fn nothing_is_left_on_a_users_own_server() {
    let Some(database) = crate::support::postgres::database() else { return };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "throwaway::each::copies_of_a_template_are_alike_and_apart::postgres"]);
    let output = command.env(SERVER, database.url()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

async fn every_version_can_be_had(dialect: Dialect) {
    let set = numbered(70);
    for version in [None, Some(1), Some(32), Some(33), Some(69), Some(70)] {
        let wanted = version.map(|version| Version::new(version).unwrap());
        let Some(database) = Throwaway::at(set, wanted, dialect).await.unwrap() else { return };
        let mut connection = database.connect().await.unwrap();
        let report = Migrator::new(set).apply_to(&mut connection, UpTo::Latest).await.unwrap();
        let first = report.steps.first().map(|step| step.id.clone());
        let next = version.unwrap_or(0) + 1;
        assert_eq!(first, (next <= 70).then(|| format!("{next:04}_t{next}")), "{version:?}");
        connection.close().await.unwrap();
    }
}

async fn several_at_once_make_one_template(dialect: Dialect) {
    let set = numbered(5);
    let ask = || async { Throwaway::at_head(set, dialect).await.unwrap() };
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    let mut times = Vec::new();
    for database in [a, b, c].into_iter().flatten() {
        times.push(texts(&database, "SELECT CAST(max(applied_at) AS TEXT) FROM lockgate_history").await);
    }
    times.dedup();
    assert!(times.len() <= 1, "{times:?}");
}

/// Makes the test binary act as the process that is killed.
const VICTIM: &str = "LOCKGATE_TEST_VICTIM";

async fn a_half_made_template_is_made_again(dialect: Dialect) {
    static STEPS: &[RustStep] = &[RustStep { version: 2, up: wait_for_ever_if_a_victim, down: None }];
    // A set of this run's own: the template of the last run may be there still.
    let run = std::env::var(VICTIM).unwrap_or_else(|_| std::process::id().to_string());
    let first = format!("-- lockgate: irreversible \"a test\"\nCREATE TABLE first (name TEXT); -- of {run}\n");
    let set = set::with_steps(
        &[
            ("0001_first.sql", &first),
            (
                "0002_step.rs",
                "// lockgate: irreversible \"a test\"\npub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n",
            ),
        ],
        STEPS,
    );
    if std::env::var_os(VICTIM).is_some() {
        drop(Throwaway::at_head(set, dialect).await);
        return;
    }
    // So that there is a server, and it is the one that the victim finds.
    let Some(_server) = Throwaway::empty(dialect).await.unwrap() else { return };
    let thread = std::thread::current();
    let test = thread.name().expect("a test's thread has its name").to_owned();
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", &test, "--nocapture"]).env(VICTIM, run).stdout(Stdio::piped());
    let mut victim = victim.spawn().unwrap();
    let mut output = BufReader::new(victim.stdout.take().expect("piped")).lines().map(Result::unwrap);
    assert!(output.any(|line| line.contains("half way")), "the victim never came to its step");
    victim.kill().unwrap();
    victim.wait().unwrap();

    let database = Throwaway::at_head(set, dialect).await.unwrap().expect("there was one before");
    assert_eq!(texts(&database, "SELECT CAST(count(*) AS TEXT) FROM lockgate_history").await, ["2"]);
}

fn wait_for_ever_if_a_victim<'a>(_: &'a mut Transaction<'_>) -> StepFuture<'a> {
    Box::pin(async {
        if std::env::var_os(VICTIM).is_some() {
            writeln!(std::io::stdout(), "half way")?;
            std::future::pending::<()>().await;
        }
        Ok(())
    })
}

async fn a_kept_database_stays(dialect: Dialect) {
    let Some(mut kept) = Throwaway::empty(dialect).await.unwrap() else { return };
    let Some(other) = Throwaway::empty(dialect).await.unwrap() else { return };
    let url = kept.url();
    texts(&kept, "SELECT 'SQLite makes the file when it is asked something'").await;
    kept.keep();
    drop(kept);
    assert!(exists(&url, &other).await);
    remove(&url, &other).await;
}

/// Whether a throwaway database exists; the other one is on the same server.
async fn exists(url: &str, other: &Throwaway) -> bool {
    match other.dialect() {
        Dialect::Sqlite => std::path::Path::new(file(url)).exists(),
        _ => {
            let question = format!("SELECT datname::text FROM pg_database WHERE datname = '{}'", name(url));
            !texts(other, &question).await.is_empty()
        }
    }
}

async fn remove(url: &str, other: &Throwaway) {
    match other.dialect() {
        Dialect::Sqlite => {
            let folder = std::path::Path::new(file(url)).parent().expect("a file is in a folder");
            std::fs::remove_dir_all(folder).unwrap();
        }
        _ => {
            texts(other, &format!("DROP DATABASE {}", name(url))).await;
        }
    }
}

fn file(url: &str) -> &str {
    url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc")
}

fn name(url: &str) -> &str {
    url.rsplit('/').next().expect("a URL has a path")
}

/// The first column, as text.
async fn texts(database: &Throwaway, sql: &str) -> Vec<String> {
    let mut connection = database.connect().await.unwrap();
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    let texts = match database.dialect() {
        Dialect::Sqlite => {
            let rows = sql.fetch_all(connection.sqlite().expect("it is SQLite")).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
        _ => {
            let rows = sql.fetch_all(connection.postgres().expect("it is PostgreSQL")).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    };
    connection.close().await.unwrap();
    texts
}

/// A set of this many migrations, each with a table: `0003_t3` creates `t3`.
fn numbered(count: usize) -> &'static Migrations {
    let files: Vec<_> = (1..=count)
        .flat_map(|n| {
            [
                (format!("{n:04}_t{n}.up.sql"), format!("CREATE TABLE t{n} (name TEXT NOT NULL);\n")),
                (format!("{n:04}_t{n}.down.sql"), format!("DROP TABLE t{n};\n")),
            ]
        })
        .collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    set::migrations(&files)
}
