//! Helpers to start a server: commands with a clean environment, free ports, waiting.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Error;
use super::account::Account;
use super::watchdog::Watchdog;

/// How long a server may take to start or stop.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often to check whether it has.
pub(super) const GLANCE: Duration = Duration::from_millis(10);
/// How many ports are tried, as another process may take a free port before the server does.
pub(super) const PORTS: usize = 10;

/// Returns a free loopback port.
pub(super) fn free_port() -> Result<u16, Error> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    Ok(free.map_err(|e| Error::failed(format!("127.0.0.1 has no free port: {e}")))?.port())
}

/// Returns a command that runs as this account, in this directory, with a clean environment.
pub(super) fn command(program: &Path, account: &Account, directory: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().starts_with("PG") || name.to_string_lossy().starts_with("MYSQL"))
    {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").current_dir(directory).stdin(Stdio::null());
    account.become_in(&mut command);
    command
}

/// Polls until there is a value, or until the timeout.
pub(super) fn wait_until<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(GLANCE);
    }
}

/// Returns the content of a log; empty if there is none.
pub(super) fn log(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Returns the last lines of a log, which say why a server failed.
pub(super) fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Stops a server and removes its directory. The watchdog does this, as it also does after a crash.
pub(super) fn end(server: Option<Child>, watchdog: &mut Watchdog) {
    watchdog.release();
    if let Some(mut server) = server
        && wait_until(|| server.try_wait().ok().flatten()).is_none()
    {
        let _ = server.kill();
        let _ = server.wait();
    }
    watchdog.wait();
}
