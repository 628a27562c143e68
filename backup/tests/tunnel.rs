//! Tunnels: rows go through them, and no process is left of them, however a run ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lockgate_backup::tunnel::Tunnel;

/// What makes the test `forwards` a forwarder: its port, and where it leads.
const FORWARD: &str = "LOCKGATE_TEST_FORWARD";
/// What makes the test `opens_a_tunnel` open one.
const OPENER: &str = "LOCKGATE_TEST_OPENER";

/// A command that forwards a port, as `ssh -L` does: this program.
fn command(target: u16) -> String {
    let program = std::env::current_exe().unwrap();
    format!("env {FORWARD}={{port}}:{target} '{}' --exact forwards --nocapture", program.display())
}

/// A server that answers with what it gets.
fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut back);
            });
        }
    });
    port
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[track_caller]
fn is_closed(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while listens(port) {
        assert!(Instant::now() < deadline, "something still listens on {port}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn forwards() {
    let Ok(ports) = std::env::var(FORWARD) else { return };
    let (own, target) = ports.split_once(':').unwrap();
    let (own, target): (u16, u16) = (own.parse().unwrap(), target.parse().unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own)).unwrap();
    for stream in listener.incoming() {
        std::thread::spawn(move || {
            let mut here = stream.unwrap();
            let mut there = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).unwrap();
            let (mut from, mut to) = (there.try_clone().unwrap(), here.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut here, &mut there);
        });
    }
}

#[test]
fn opens_a_tunnel() {
    let Ok(target) = std::env::var(OPENER) else { return };
    let tunnel = Tunnel::open(&command(target.parse().unwrap())).unwrap();
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\ntunnel: {}", tunnel.port()).unwrap();
    stdout.flush().unwrap();
    std::thread::park();
}

#[test]
fn bytes_go_through_and_it_ends_with_the_value() {
    let tunnel = Tunnel::open(&command(echo())).unwrap();
    let port = tunnel.port();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(b"row").unwrap();
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"row");
    drop(tunnel);
    assert!(!listens(port), "it has ended when it is dropped");

    let panicked = std::panic::catch_unwind(|| {
        let tunnel = Tunnel::open(&command(echo())).unwrap();
        std::panic::panic_any(tunnel.port());
    });
    let port = *panicked.unwrap_err().downcast::<u16>().unwrap();
    assert!(!listens(port), "a panic ends it too");
}

#[test]
fn it_ends_with_a_run_that_is_killed() {
    let mut opener = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "opens_a_tunnel", "--nocapture"])
        .env(OPENER, echo().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(opener.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = lines.filter_map(|line| line.strip_prefix("tunnel: ").map(str::to_owned)).next();
    let port: u16 = port.expect("the opener says its port").parse().unwrap();
    assert!(listens(port));
    opener.kill().unwrap();
    opener.wait().unwrap();
    is_closed(port);
}

#[test]
fn a_command_that_does_not_listen_is_reported() {
    let report = Tunnel::open("sh -c 'echo {port} is refused >&2; exit 1'").unwrap_err().report();
    for words in ["the tunnel `sh` ended before it listened", "is refused", "cannot ask for a password"] {
        assert!(report.contains(words), "{report}");
    }
    let report = Tunnel::open("lockgate-no-such-program {port}").unwrap_err().report();
    assert!(report.contains("the tunnel `lockgate-no-such-program` ended"), "{report}");
    assert!(report.contains("not found"), "{report}");
}
