//! A throwaway MariaDB: it answers, and it is gone with its value and with its process.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lockgate_harness::server::{ErrorKind, Mariadb};

/// `None` where this machine has none, which has been reported.
fn start() -> Option<Mariadb> {
    match Mariadb::start() {
        Ok(server) => Some(server),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            lockgate_harness::skipped("mariadb", &e.to_string()).unwrap();
            None
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn a_server_answers_and_stops_when_dropped() {
    let Some(server) = start() else { return };
    let mut greeting = [0; 64];
    let read = TcpStream::connect(("127.0.0.1", server.port())).unwrap().read(&mut greeting).unwrap();
    assert!(String::from_utf8_lossy(&greeting[..read]).contains("MariaDB"));
    assert!(server.url("mysql").starts_with("mysql://root:"));
    let (process, directory) = (server.pid().unwrap(), server.directory().to_owned());
    drop(server);
    assert!(!runs(&process.to_string()));
    assert!(!directory.exists());
}

/// Makes the test binary the process that is killed.
const VICTIM: &str = "LOCKGATE_TEST_VICTIM";

#[test]
fn kill_9_of_its_process_leaves_no_server() {
    if std::env::var_os(VICTIM).is_some() {
        let server = Mariadb::start().unwrap();
        writeln!(std::io::stdout(), "server={} {}", server.pid().unwrap(), server.directory().display()).unwrap();
        std::io::stdin().read_to_string(&mut String::new()).unwrap();
        return;
    }
    let Some(_there) = start() else { return };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kill_9_of_its_process_leaves_no_server", "--nocapture"]).env(VICTIM, "1");
    let mut victim = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map(Result::unwrap);
    let server = lines.find_map(|line| line.split_once("server=").map(|(_, server)| server.to_owned())).unwrap();
    let (process, directory) = server.split_once(' ').unwrap();
    assert!(runs(process));
    victim.kill().unwrap();
    victim.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while runs(process) || std::path::Path::new(directory).exists() {
        assert!(Instant::now() < deadline, "{server}: still there after a minute");
        std::thread::yield_now();
    }
}

/// Whether a process runs, and is not only waited for.
fn runs(process: &str) -> bool {
    let output = Command::new("ps").args(["-o", "state=", "-p", process]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.trim_start().starts_with('Z')
}
