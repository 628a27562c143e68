//! The developers' commands, as real runs: servers that come and go, scratch workspaces.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lockgate_xtask::server::{Options, Postgres};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::postgres;

#[tokio::test]
async fn a_server_survives_kill_9_and_restart() {
    let Some(mut server) = postgres::cluster(&Options::default().durable(true)) else { return };
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    connection.execute("CREATE TABLE kept (x int)").await.unwrap();
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");

    server.kill_9().unwrap();
    assert_eq!(server.pid(), None);
    connection.execute("SELECT 1").await.unwrap_err();

    server.restart().unwrap();
    for url in [server.url("postgres"), server.socket_url("postgres")] {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute("SELECT * FROM kept").await.unwrap();
    }
    let directory = server.directory().to_owned();
    drop(server);
    assert!(!directory.exists());
}

#[test]
fn a_server_goes_with_a_starter_that_is_killed() {
    // The starter is this very test binary, with the next test alone.
    let mut starter = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "xtask::starter_for_the_test_that_kills_it", "--nocapture"])
        .env("LOCKGATE_TEST_STARTER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(starter.stdout.take().unwrap()).lines().map(Result::unwrap);
    let started = lines.filter_map(|line| line.split_once("starter: ").map(|(_, rest)| rest.to_owned())).next();
    let started = started.expect("the starter says what it has started");
    let Some((pid, directory)) = started.split_once(' ') else { return };
    let (pid, directory) = (pid.to_owned(), PathBuf::from(directory));
    assert!(is_alive(&pid));
    assert!(directory.exists());

    starter.kill().unwrap();
    starter.wait().unwrap();

    let deadline = Instant::now() + Duration::from_secs(30);
    while (is_alive(&pid) || directory.exists()) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(!is_alive(&pid), "the server lives on");
    assert!(!directory.exists(), "{} is left behind", directory.display());
}

#[test]
fn starter_for_the_test_that_kills_it() {
    if std::env::var_os("LOCKGATE_TEST_STARTER").is_none() {
        return;
    }
    let mut stdout = std::io::stdout();
    let Some(server) = postgres::cluster(&Options::default()) else {
        writeln!(stdout, "starter: skipped").unwrap();
        return;
    };
    let pid = server.pid().expect("it has just been started");
    writeln!(stdout, "\nstarter: {pid} {}", server.directory().display()).unwrap();
    stdout.flush().unwrap();
    std::thread::park();
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    let options = Options::default().setting("shared_buffers", "nonsense");
    let Err(error) = Postgres::start(&options) else { panic!("it starts") };
    if error.kind() == lockgate_xtask::server::ErrorKind::Failed {
        assert!(error.to_string().contains("shared_buffers"), "{error}");
    }
}
