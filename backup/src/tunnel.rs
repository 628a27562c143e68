//! A tunnel for a run: starts a command such as `ssh -N -L {port}:db:5432 host` on a free port, waits until it listens,
//! and ends it with the run, however the run ends.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::Error;

/// The placeholder for the port in a command.
const PLACEHOLDER: &str = "{port}";

/// How long the tunnel may take until it listens.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How many bytes of the command's output are kept.
const OUTPUT_KEPT: usize = 4 << 10;

/// Runs the command, and ends it when standard input ends. That is a pipe from this process, which closes even if the
/// process is killed. The words of the command are arguments, which the shell does not interpret. The first signal goes
/// to the whole process group; if the command does not end within two seconds, the whole group is killed.
const SCRIPT: &str = r#"
"$@" </dev/null >/dev/null &
tunnel=$!
exec 2>/dev/null
trap '' HUP INT TERM QUIT
while IFS= read -r line; do :; done
kill -TERM 0
tries=0
while kill -0 "$tunnel"; do
    tries=$((tries + 1))
    [ "$tries" -le 40 ] || break
    sleep 0.05
done
kill -KILL 0
"#;

/// A command that forwards a loopback port. Dropping it ends the command.
#[derive(Debug)]
pub struct Tunnel {
    watchdog: Child,
    port: u16,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Tunnel {
    /// Starts the command, with a free port for `{port}`, and waits until something listens there.
    ///
    /// The command is split into words and not run by a shell. It has no input, so it cannot ask for a password.
    ///
    /// # Errors
    ///
    /// If the command has no `{port}`, does not start, ends, or does not listen within 30 seconds. All of its processes
    /// are ended then.
    pub fn open(command: &str) -> Result<Self, Error> {
        let words = words(command)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = port.map_err(|error| Error::failed(format!("127.0.0.1 has no free port: {error}")))?.port();
        let words: Vec<String> = words.iter().map(|word| word.replace(PLACEHOLDER, &port.to_string())).collect();
        let mut tunnel = Self::start(&words, port)?;
        tunnel.wait(&words[0])?;
        Ok(tunnel)
    }

    /// The loopback port that it forwards.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn start(words: &[String], port: u16) -> Result<Self, Error> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "lockgate-tunnel"]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Its own process group: Ctrl-C ends the run first, and the run then ends the tunnel.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut watchdog = command.spawn().map_err(|error| {
            Error::failed(format!("`sh`, which watches over the tunnel, does not start: {error}"))
                .state("nothing was changed")
        })?;
        let said = Arc::new(Mutex::new(String::new()));
        let stream = watchdog.stderr.take();
        let kept = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let Some(mut stream) = stream else { return };
            let mut piece = [0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                let mut said = kept.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&String::from_utf8_lossy(&piece[..read]));
                let excess = said.len().saturating_sub(OUTPUT_KEPT);
                let start = (excess..=said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or(0);
                said.drain(..start);
            }
        });
        Ok(Self { watchdog, port, said, reader: Some(reader) })
    }

    /// Waits until something listens on the port.
    fn wait(&mut self, program: &str) -> Result<(), Error> {
        let deadline = Instant::now() + LISTEN_TIMEOUT;
        loop {
            // Only the command holds its standard error.
            let has_ended = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            let address = (Ipv4Addr::LOCALHOST, self.port).into();
            if !has_ended && TcpStream::connect_timeout(&address, POLL_INTERVAL * 10).is_ok() {
                return Ok(());
            }
            if has_ended || Instant::now() > deadline {
                let what = match has_ended {
                    true => format!("the tunnel `{program}` ended before it listened on port {}", self.port),
                    false => format!("the tunnel `{program}` does not listen on port {}", self.port),
                };
                let help = "run the command in a terminal, with a number for `{port}`, to see its messages; here it cannot ask \
                            for a password: `ssh -o BatchMode=yes` reports that";
                return Err(self
                    .said()
                    .into_iter()
                    .fold(Error::new(lockgate::ErrorKind::Unreachable, what), Error::state)
                    .help(help));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// The last lines that the command wrote.
    fn said(&self) -> Vec<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(5)..].iter().map(|line| format!("its output: {line}")).collect()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // It ends within three seconds, by killing itself.
        let _ = self.watchdog.wait();
    }
}

/// Splits a command into words like a shell, but without variables and other expansions.
fn words(command: &str) -> Result<Vec<String>, Error> {
    const FORM: &str = "write it like `ssh -N -L {port}:db:5432 host`";
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| Error::usage("`--tunnel` has no command, or an open quotation mark").help(FORM))?;
    if !words.iter().any(|word| word.contains(PLACEHOLDER)) {
        return Err(Error::usage("`--tunnel` has no `{port}` for the port that it forwards").help(FORM));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_becomes_words_without_a_shell() {
        let read = words("ssh -o 'ProxyCommand=nc %h' -L {port}:db:5432 \"a b\" $HOME").unwrap();
        assert_eq!(read, ["ssh", "-o", "ProxyCommand=nc %h", "-L", "{port}:db:5432", "a b", "$HOME"]);
        for (command, message) in [("", "no command"), ("ssh 'x", "open quotation mark"), ("ssh host", "no `{port}`")] {
            let report = words(command).unwrap_err().report();
            assert!(report.contains(message), "{report}");
        }
    }
}
