//! Runs the program at a pseudo terminal, as an operator sees it.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::{self, Pty};

/// Against a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program at a terminal of its own.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    child: std::process::Child,
    pieces: Receiver<Vec<u8>>,
    /// What it wrote and nobody has read yet.
    unread: Vec<u8>,
}

impl Terminal {
    /// Starts this command at a terminal of 24 lines and so many columns.
    pub(crate) fn start(command: &Command, columns: u16) -> Self {
        let (pty, side) = blocking::open().expect("this machine has pseudo terminals");
        pty.resize(Size::new(24, columns)).expect("its size can be set");
        let mut started = blocking::Command::new(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            started = started.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            started = match value {
                Some(value) => started.env(name, value),
                None => started.env_remove(name),
            };
        }
        let started = started.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        let child = started.spawn(side).expect("the program starts");
        let pty = Arc::new(pty);
        let (sender, pieces) = channel();
        let reader = Arc::clone(&pty);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The terminal ends with an error when the program has closed it.
            while let Ok(length @ 1..) = (&*reader).read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { pty, child, pieces, unread: Vec::new() }
    }

    /// Waits until it has written this text, and returns everything up to it that was not returned yet, without colours.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let shown = plain(&self.unread);
            if shown.contains(text) {
                self.unread.clear();
                return shown;
            }
            match self.pieces.recv_timeout(PATIENCE) {
                Ok(piece) => self.unread.extend(piece),
                Err(_) => panic!("no «{text}» in:\n{shown}"),
            }
        }
    }

    /// Types this. Enter is `\r`, Ctrl-C is `\x03`, and Ctrl-D on an empty line `\x04`.
    pub(crate) fn types(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).expect("the terminal takes it");
    }

    /// Waits until the program has ended, and returns its exit code and the rest of what it wrote.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        loop {
            match self.pieces.recv_timeout(PATIENCE) {
                Ok(piece) => self.unread.extend(piece),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", plain(&self.unread)),
            }
        }
        (self.child.wait().expect("it ended").code(), plain(&self.unread))
    }
}

/// The text without colours and carriage returns.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (mut shown, mut rest) = (String::new(), &*text);
    while let Some(escape) = rest.find('\x1b') {
        shown.push_str(&rest[..escape]);
        let after = rest[escape + 1..].strip_prefix('[').unwrap_or(&rest[escape + 1..]);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |end| end + 1);
        rest = &after[end..];
    }
    shown.push_str(rest);
    shown.replace('\r', "")
}
