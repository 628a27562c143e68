//! A PostgreSQL cluster for development. It keeps running after the process that starts it has ended, and its data are
//! kept when it stops. It has no watchdog, because a command stops it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::account::Account;
use super::postgres::{binaries, is_ready};
use super::process::{self, PORTS, command, free_port, wait_until};
use super::secret::write_secret;
use super::share::token;
use super::{Error, Options, place, watchdog};

/// The first line of the state file. Another release may write another number.
const FORM: &str = "lockgate development server 1";

/// Further settings of the cluster: after a crash of the machine, the data are consistent, but the last second may be
/// lost.
const SETTINGS: (&str, &str) = ("synchronous_commit", "off");

/// A running cluster, whose data are kept in a folder. Dropping this value leaves it running.
///
/// It listens only on a loopback port, and keeps the same port unless another process takes it. The server never runs
/// as root: if root starts it, another account owns the data. If that account cannot enter the folder, the data are in
/// `/var/tmp`, and the state file in the folder has their path.
#[derive(Debug)]
pub struct Kept {
    state: State,
    version: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    port: u16,
    password: String,
    directory: PathBuf,
}

impl Kept {
    /// Starts the cluster of this folder, unless it is running. Creates it first if it does not exist.
    ///
    /// # Errors
    ///
    /// `NotFound` if there are no binaries of its version, with the places that were searched; `Failed` if they do not
    /// work, with the end of the server's log.
    pub fn start(folder: &Path) -> Result<Self, Error> {
        let _lock = lock(folder)?;
        if let Some(running) = Self::running(folder)? {
            return Ok(running);
        }
        let state = match State::of(folder)? {
            Some(state) => state,
            None => make(folder)?,
        };
        let account = account()?;
        let version = data_version(&state)?;
        let options = Options::default().major(version);
        let (bin, _) = binaries(&options, &account).map_err(|e| match e.kind() {
            super::ErrorKind::NotFound => {
                Error::not_found(format!("{} has data of PostgreSQL {version}: {e}", state.directory.display()))
            }
            super::ErrorKind::Failed | super::ErrorKind::Usage => e,
        })?;
        let mut state = state;
        state.forget_ended()?;
        for attempt in 0..=PORTS {
            if attempt > 0 {
                state.port = free_port()?;
                state.write(folder)?;
            }
            if serve(&bin, &account, &state)? {
                return Ok(Self { state, version });
            }
        }
        Err(failed(&state, "other processes took every free port before the server could use it"))
    }

    /// Returns the cluster of this folder if it is running.
    ///
    /// # Errors
    ///
    /// `Failed` if the folder cannot be read.
    pub fn running(folder: &Path) -> Result<Option<Self>, Error> {
        let Some(state) = State::of(folder)? else { return Ok(None) };
        match state.process() {
            Some(process) if is_ready(&state.directory, process) => {
                let version = data_version(&state)?;
                Ok(Some(Self { state, version }))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Stops the cluster of this folder and keeps its data. Returns whether it was running.
    ///
    /// # Errors
    ///
    /// `Failed` if it does not stop.
    pub fn stop(folder: &Path) -> Result<bool, Error> {
        if !folder.exists() {
            return Ok(false);
        }
        let _lock = lock(folder)?;
        let Some(state) = State::of(folder)? else { return Ok(false) };
        stop(&state)
    }

    /// Stops the cluster of this folder and deletes its data. Returns whether there were any.
    ///
    /// # Errors
    ///
    /// `Failed` if it does not stop, or if the data cannot be deleted.
    pub fn delete(folder: &Path) -> Result<bool, Error> {
        if !folder.exists() {
            return Ok(false);
        }
        let _lock = lock(folder)?;
        let Some(state) = State::of(folder)? else { return Ok(false) };
        stop(&state)?;
        let remove = || {
            remove_folder(&state.directory)?;
            fs::remove_file(State::file(folder))
        };
        remove().map_err(|e| Error::failed(format!("{} cannot be deleted: {e}", state.directory.display())))?;
        Ok(true)
    }

    /// Returns the URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.state.password, self.state.port)
    }

    /// Returns the major version of its data.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the loopback port that it listens on.
    pub fn port(&self) -> u16 {
        self.state.port
    }

    /// Returns its directory, with `data/` and the log.
    pub fn directory(&self) -> &Path {
        &self.state.directory
    }

    /// Returns the process id of the server.
    pub fn pid(&self) -> Option<u32> {
        self.state.process()
    }
}

impl State {
    fn file(folder: &Path) -> PathBuf {
        folder.join("server")
    }

    /// Reads the state in a folder. `None` if there is no cluster yet.
    fn of(folder: &Path) -> Result<Option<Self>, Error> {
        let file = Self::file(folder);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::failed(format!("{} cannot be read: {e}", file.display()))),
        };
        let state = Self::read(&text).ok_or_else(|| {
            let (file, folder) = (file.display(), folder.display());
            Error::failed(format!("{file} is of another release of Lockgate: stop its server, and delete {folder}"))
        })?;
        // The data may have been deleted by hand.
        Ok(state.directory.join("data").exists().then_some(state))
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FORM {
            return None;
        }
        let (port, password) = (lines.next()?.parse().ok()?, lines.next()?.to_owned());
        Some(Self { port, password, directory: lines.next()?.into() })
    }

    fn text(&self) -> String {
        format!("{FORM}\n{}\n{}\n{}\n", self.port, self.password, self.directory.display())
    }

    fn write(&self, folder: &Path) -> Result<(), Error> {
        let file = Self::file(folder);
        write_secret(&file, &self.text())
            .map_err(|e| Error::failed(format!("{} cannot be written: {e}", file.display())))
    }

    /// Removes the pid file of a server that has ended without removing it. A new server would not start while any
    /// process has that number, even a zombie. The new server itself checks, by their shared memory, whether processes
    /// of the old one still use the data.
    fn forget_ended(&self) -> Result<(), Error> {
        let file = self.directory.join("data/postmaster.pid");
        match self.process().map_or_else(|| fs::remove_file(&file), |_| Ok(())) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Error::failed(format!("{} cannot be deleted: {e}", file.display())))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns the process id of the server, if it is running. The pid file can be from before a reboot, and another
    /// process may have its number now.
    fn process(&self) -> Option<u32> {
        let data = self.directory.join("data");
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let process: u32 = text.lines().next()?.trim().parse().ok()?;
        let arguments = arguments_of(process)?;
        (arguments.contains(data.to_str()?) && !watchdog::all_gone(&[process])).then_some(process)
    }
}

/// Returns the arguments of a process, as one text.
fn arguments_of(process: u32) -> Option<String> {
    if Path::new("/proc/self/cmdline").exists() {
        let bytes = fs::read(format!("/proc/{process}/cmdline")).ok()?;
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
    }
    let output = Command::new("ps").args(["-ww", "-o", "command=", "-p", &process.to_string()]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Locks the folder, so that only one command at a time starts or stops its cluster.
fn lock(folder: &Path) -> Result<File, Error> {
    let take = || {
        fs::create_dir_all(folder)?;
        let file = File::options().create(true).append(true).open(folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    };
    take().map_err(|e: io::Error| Error::failed(format!("{} cannot be used: {e}", folder.display())))
}

fn account() -> Result<Account, Error> {
    Account::for_server("postgres").map_err(|e| Error::failed(e.to_string()))
}

/// Creates the cluster of a folder.
fn make(folder: &Path) -> Result<State, Error> {
    let account = account()?;
    let options = Options::default().durable(true).setting(SETTINGS.0, SETTINGS.1);
    let (bin, _) = binaries(&options, &account)?;
    let cannot = |e: io::Error| Error::failed(format!("the server's directory cannot be made: {e}"));
    // Deletes the remains of a run that was killed while it created the cluster.
    let beside = folder.join("postgres");
    remove_folder(&beside).map_err(cannot)?;
    let directory = if account == Account::Ours || place::is_open_to_all(folder) {
        fs::create_dir(&beside).map_err(cannot)?;
        beside
    } else {
        let made = tempfile::Builder::new().prefix("lockgate-dev-").tempdir_in("/var/tmp").map_err(cannot)?;
        made.keep()
    };
    account.own(&directory).map_err(cannot)?;
    let password = token().map_err(|e| Error::failed(format!("/dev/urandom cannot be read: {e}")))?;
    let state = State { port: free_port()?, password, directory };
    let made = initialise(&bin, &account, &options, &state).and_then(|()| state.write(folder));
    if made.is_err() {
        let _ = fs::remove_dir_all(&state.directory);
    }
    made.map(|()| state)
}

fn initialise(bin: &Path, account: &Account, options: &Options, state: &State) -> Result<(), Error> {
    let secret = state.directory.join("password");
    let prepare = || {
        write_secret(&secret, &state.password)?;
        account.own(&secret)
    };
    prepare().map_err(|e| Error::failed(format!("{} cannot be written: {e}", secret.display())))?;
    let data = state.directory.join("data");
    let mut program = command(&bin.join("initdb"), account, &state.directory);
    program.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]);
    program.arg("--pgdata").arg(&data).arg("--pwfile").arg(&secret);
    let output = program.output().map_err(|e| Error::failed(format!("`initdb` does not start: {e}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        return Err(Error::failed(format!("`initdb` of {} fails as {}:\n{text}", bin.display(), account.name())));
    }
    let configuration = data.join("postgresql.conf");
    let write = || -> io::Result<()> {
        fs::remove_file(&secret)?;
        let mut file = File::options().append(true).open(&configuration)?;
        // No socket: the path of a target folder can be longer than the path of a socket may be.
        file.write_all(options.configuration(Path::new("")).as_bytes())
    };
    write().map_err(|e| Error::failed(format!("{} cannot be written: {e}", configuration.display())))
}

/// Starts the server and waits until it accepts connections. Returns `false` if its port is taken.
fn serve(bin: &Path, account: &Account, state: &State) -> Result<bool, Error> {
    let path = state.directory.join("log");
    let earlier = process::log(&path).len();
    let spawn = || -> io::Result<std::process::Child> {
        let log = File::options().create(true).append(true).open(&path)?;
        let mut program = command(&bin.join("postgres"), account, &state.directory);
        program.arg("-D").arg(state.directory.join("data")).args(["-p", &state.port.to_string()]);
        program.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Its own process group: neither Ctrl-C nor the end of the shell stops it.
        watchdog::own_group(&mut program).spawn()
    };
    let mut server = spawn().map_err(|e| Error::failed(format!("`postgres` does not start: {e}")))?;
    let outcome = wait_until(|| match server.try_wait() {
        Ok(None) => is_ready(&state.directory, server.id()).then_some(true),
        Ok(Some(_)) | Err(_) => Some(false),
    });
    match outcome {
        Some(true) => return Ok(true),
        Some(false) => {}
        None => {
            let _ = server.kill();
            let _ = server.wait();
            return Err(failed(state, "it does not accept connections"));
        }
    }
    let log = process::log(&path);
    if log.get(earlier..).is_some_and(|new| new.contains("could not create any TCP/IP sockets")) {
        return Ok(false);
    }
    Err(failed(state, "it ends at once"))
}

/// Stops the server if it is running, as `pg_ctl stop` does. Returns whether it was running.
fn stop(state: &State) -> Result<bool, Error> {
    let Some(process) = state.process() else { return Ok(false) };
    watchdog::send(Signal::INT, &[process])
        .map_err(|e| Error::failed(format!("the PostgreSQL server (process {process}) cannot be stopped: {e}")))?;
    // The server deletes its pid file before it ends.
    match wait_until(|| (state.process().is_none() && watchdog::all_gone(&[process])).then_some(())) {
        Some(()) => Ok(true),
        None => Err(failed(state, "it does not stop")),
    }
}

fn data_version(state: &State) -> Result<u32, Error> {
    let file = state.directory.join("data/PG_VERSION");
    let text =
        fs::read_to_string(&file).map_err(|e| Error::failed(format!("{} cannot be read: {e}", file.display())))?;
    let version = text.trim().parse();
    version.map_err(|_| Error::failed(format!("{} contains {:?}, which is not a version", file.display(), text.trim())))
}

fn failed(state: &State, what: &str) -> Error {
    let log = state.directory.join("log");
    let end = process::end_of(&process::log(&log));
    Error::failed(format!("the development server fails: {what}; its log, {}, ends:\n{end}", log.display()))
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ErrorKind;

    #[test]
    fn what_is_written_is_read() {
        let state = State { port: 5432, password: "x".to_owned(), directory: "/tmp/a b".into() };
        assert_eq!(State::read(&state.text()), Some(state));
        assert_eq!(State::read("something else\n1\nx\n/tmp\n"), None);
    }

    #[test]
    fn a_server_is_kept_between_runs() {
        use std::os::unix::fs::PermissionsExt;

        // Root's server has another account, which can enter one of these folders alone.
        for mode in [0o755, 0o700] {
            let place = tempfile::tempdir().unwrap();
            fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).unwrap();
            is_kept(place.path());
        }
    }

    fn is_kept(place: &Path) {
        use std::os::unix::fs::PermissionsExt;

        let folder = place.join("dev");
        assert!(!Kept::stop(&folder).unwrap() && !Kept::delete(&folder).unwrap(), "there is none");
        let started = match Kept::start(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound && !crate::server::require::requires("postgres").unwrap() => {
                writeln!(io::stderr(), "skipped: {e}").unwrap();
                return;
            }
            started => started.unwrap(),
        };
        let (url, process) = (started.url("app"), started.pid().unwrap());
        let owner = fs::metadata(started.directory().join("data")).unwrap();
        assert_ne!(std::os::unix::fs::MetadataExt::uid(&owner), 0, "the server is not root's");
        assert_eq!(fs::metadata(folder.join("server")).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Kept::start(&folder).unwrap();
        assert_eq!((again.url("app"), again.pid()), (url.clone(), Some(process)), "the same server");

        assert!(Kept::stop(&folder).unwrap());
        assert!(watchdog::all_gone(&[process]) && Kept::running(&folder).unwrap().is_none());
        assert!(!Kept::stop(&folder).unwrap(), "it is stopped already");

        let restarted = Kept::start(&folder).unwrap();
        assert_eq!(restarted.url("app"), url, "the URL stays");
        // As after a crash: the pid file is left.
        let mut processes = watchdog::children(restarted.pid().unwrap()).unwrap();
        processes.push(restarted.pid().unwrap());
        watchdog::send(Signal::KILL, &processes).unwrap();
        wait_until(|| watchdog::all_gone(&processes).then_some(())).unwrap();
        assert!(Kept::running(&folder).unwrap().is_none());
        let port = restarted.port();
        // Whoever has the port meanwhile keeps it.
        let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let moved = Kept::start(&folder).unwrap();
        assert_ne!(moved.port(), port);
        drop(taken);

        let directory = moved.directory().to_owned();
        assert!(Kept::delete(&folder).unwrap());
        assert!(!directory.exists() && !Kept::delete(&folder).unwrap());
    }
}
