//! A separate process that stops a server and removes its directory after the process that started it has ended. It waits
//! for the end of a pipe from that process, which also closes when the process is killed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::share::Fresh;

/// The script of the watchdog. It reads process ids, one per line; an empty line means none, `now` means to clean up at
/// once. It acts at the end of the input; for a shared folder, when no process holds it any more (see `share`). Then it
/// sends the server an immediate shutdown, kills it after five seconds, and removes the directory. `kill -0` also succeeds
/// for a process that has ended but was not waited for, so the script checks the server's pid file.
///
/// Arguments: the directory, the server's pid file in it, the shared folder, its token, the seconds to wait. The pipe is
/// opened for reading and writing first, so that the script does not block on a process that died.
const SCRIPT: &str = r#"
trap '' HUP INT TERM QUIT
server= now=
if [ -n "$3" ]; then
    exec 4<>"$3/alive-$4" 3<"$3/alive-$4" 4>&-
fi
while IFS= read -r line; do
    case $line in now) now=1;; *) server=$line;; esac
done
if [ -n "$3" ] && [ -z "$now" ]; then
    while :; do
        cat <&3 >/dev/null
        rm -f -- "$3/joined"
        sleep "$5"
        [ -e "$3/joined" ] || break
    done
    token=$4
    [ ! -e "$3/state" ] || IFS= read -r token <"$3/state"
    if [ "$token" = "$4" ] && mv -- "$3" "$3.$4"; then
        cat <&3 >/dev/null
        rm -rf -- "$3.$4"
    else
        cat <&3 >/dev/null
    fi
fi
if [ -n "$server" ] && kill -QUIT "$server" 2>/dev/null; then
    tries=0
    while [ -e "$2" ] && kill -0 "$server" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then kill -KILL -- "-$server" "$server" 2>/dev/null; break; fi
        sleep 0.05
    done
fi
[ -n "$1" ] || exit 0
tries=0
until rm -rf -- "$1" 2>/dev/null || [ "$tries" -gt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
"#;

/// The watchdog process. It has its own process group, so that Ctrl-C in a terminal does not end it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts a watchdog for a directory with the pid file of a server, and for a shared folder.
    pub(crate) fn start(directory: Option<(&Path, &str)>, share: Option<&Fresh>) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "lockgate-watchdog"]).current_dir("/");
        match directory {
            Some((directory, pid_file)) => command.arg(directory).arg(directory.join(pid_file)),
            None => command.args(["", ""]),
        };
        if let Some(share) = share {
            command.arg(&share.folder).args([&share.token, &share.linger.to_string()]);
        }
        // It must not inherit our output: a test runner waits until its pipes are closed.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = own_group(&mut command).spawn()?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// Sets the server process to stop.
    pub(crate) fn watch(&mut self, process: Option<u32>) -> io::Result<()> {
        let line = process.map(|process| process.to_string()).unwrap_or_default();
        let pipe = self.pipe.as_mut().expect("the pipe is closed only when the watchdog is consumed");
        writeln!(pipe, "{line}")
    }

    /// Makes it clean up now, even if other processes share the folder. The caller must wait for the server meanwhile.
    pub(crate) fn release(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = writeln!(pipe, "now");
        }
    }

    /// Waits until it has cleaned up.
    pub(crate) fn wait(&mut self) {
        self.release();
        // Its exit status does not say whether it could remove everything.
        let _ = self.process.wait();
    }
}

/// Gives a command its own process group.
pub(crate) fn own_group(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command
}

/// Sends a signal to processes. One that has ended meanwhile is passed over.
pub(crate) fn send(signal: Signal, processes: &[u32]) -> io::Result<()> {
    for process in processes {
        let process = i32::try_from(*process).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        match kill_process(process, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Returns the living children of a process, from `/proc` or, if there is none, from `ps`.
pub(crate) fn children(parent: u32) -> io::Result<Vec<u32>> {
    let listed = if Path::new("/proc/self/stat").exists() {
        fs::read_dir("/proc")?.filter_map(|entry| stat(&entry.ok()?.file_name().to_string_lossy())).collect()
    } else {
        let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,state="]).output()?;
        String::from_utf8_lossy(&output.stdout).lines().filter_map(listed_by_ps).collect::<Vec<_>>()
    };
    Ok(listed.into_iter().filter(|process| process.parent == parent && !process.gone).map(|p| p.id).collect())
}

/// Whether all of these processes have ended.
pub(crate) fn all_gone(processes: &[u32]) -> bool {
    let lives = |process: &u32| {
        if Path::new("/proc/self/stat").exists() {
            stat(&process.to_string()).is_some_and(|process| !process.gone)
        } else {
            let output = Command::new("ps").args(["-o", "pid=,ppid=,state=", "-p", &process.to_string()]).output();
            output.is_ok_and(|output| {
                String::from_utf8_lossy(&output.stdout).lines().filter_map(listed_by_ps).any(|process| !process.gone)
            })
        }
    };
    !processes.iter().any(lives)
}

struct Process {
    id: u32,
    parent: u32,
    /// Dead, but not yet waited for.
    gone: bool,
}

fn stat(process: &str) -> Option<Process> {
    let id = process.parse().ok()?;
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // `id (name) state parent …`, where the name may contain anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let gone = matches!(fields.next()?, "Z" | "X");
    Some(Process { id, parent: fields.next()?.parse().ok()?, gone })
}

fn listed_by_ps(line: &str) -> Option<Process> {
    let mut fields = line.split_whitespace();
    let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Process { id, parent, gone: fields.next()?.starts_with('Z') })
}
