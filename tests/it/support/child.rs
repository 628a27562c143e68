//! A test in a process of its own, which another test starts, reads and kills.

use std::io::Write;
use std::process::{Child, Command, Stdio};

/// Starts the test of this name, which finds a value in this variable.
pub(crate) fn start(test: &str, variable: &str, value: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(variable, value)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Writes a line for the test that started this process, which may have killed the pipe already.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
