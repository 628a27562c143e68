//! A throwaway PostgreSQL cluster: a child process with its data and socket in a temporary directory, on a free loopback
//! port.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use rustix::process::Signal;

use super::account::Account;
use super::process::{self, GLANCE, PATIENCE, PORTS, command, free_port, wait_until};
use super::secret::write_secret;
use super::share::{self, Fresh, token};
use super::watchdog::{self, Watchdog};
use super::{Error, locate, place};

/// The pid file of the server, within the cluster's directory.
const PID_FILE: &str = "data/postmaster.pid";

/// Options of a cluster.
///
/// ```
/// use lockgate_testing::server::Options;
///
/// let options = Options::default().durable(true).setting("max_connections", "300");
/// assert!(options.is_durable());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    durable: bool,
    bin: Option<PathBuf>,
    major: Option<u32>,
    settings: Vec<(String, String)>,
}

impl Options {
    /// Sets whether commits are flushed to disk (`fsync`). Off by default: only tests of durability or speed need it.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Whether commits are flushed to disk.
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// Sets the folder of the binaries, instead of the first one that [`locate::folders`] finds.
    #[must_use]
    pub fn bin(mut self, folder: impl Into<PathBuf>) -> Self {
        self.bin = Some(folder.into());
        self
    }

    /// Sets the major version, if several are installed.
    #[must_use]
    pub fn major(mut self, major: u32) -> Self {
        self.major = Some(major);
        self
    }

    /// Adds a line to `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the folders whose binaries are tried.
    fn folders(&self) -> Vec<PathBuf> {
        match (&self.bin, self.major) {
            (Some(folder), _) => vec![folder.clone()],
            // To find a certain version, search all places.
            (None, Some(_)) => locate::all_folders(),
            (None, None) => locate::folders(),
        }
    }

    /// Returns a key that is equal for options that can share a cluster.
    pub(super) fn key(&self) -> String {
        let folders = self.folders().iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>();
        let configuration = self.configuration(Path::new(""));
        let major = self.major.map(|major| major.to_string()).unwrap_or_default();
        let target = share::target().display().to_string();
        let all = ["postgres", env!("CARGO_PKG_VERSION"), &target, &major, &configuration];
        share::key(all.into_iter().chain(folders.iter().map(String::as_str)))
    }

    pub(super) fn configuration(&self, socket_folder: &Path) -> String {
        let mut lines = vec![
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("unix_socket_directories", socket_folder.display().to_string()),
            ("max_connections", "200".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("log_timezone", "UTC".to_owned()),
            ("logging_collector", "off".to_owned()),
            // Use the cluster's directory: `/dev/shm` is small in containers, and files of a killed server would stay there.
            ("dynamic_shared_memory_type", "mmap".to_owned()),
        ];
        if !self.durable {
            let off = ["fsync", "full_page_writes"].map(|name| (name, "off".to_owned()));
            lines.extend(off);
            // Keep the write-ahead log small, as it takes memory and is never read.
            lines.extend([("min_wal_size", "32MB".to_owned()), ("max_wal_size", "256MB".to_owned())]);
        }
        let extra = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let line = |(name, value): (&str, String)| format!("{name} = '{}'\n", value.replace('\'', "''"));
        lines.into_iter().chain(extra).map(line).collect()
    }
}

/// A running cluster. Dropping it stops the server and removes its directory; if this process dies without dropping it, a
/// watchdog does.
#[derive(Debug)]
pub struct Postgres {
    // `Drop` tells the watchdog to clean up before any field is dropped.
    server: Option<Child>,
    watchdog: Watchdog,
    directory: TempDir,
    account: Account,
    bin: PathBuf,
    version: (u32, u32),
    password: String,
    port: u16,
}

impl Postgres {
    /// Starts a cluster and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// `NotFound` if there are no binaries, with the places that were searched; `Failed` if they do not work, with the end
    /// of the server's log.
    pub fn start(options: &Options) -> Result<Self, Error> {
        Self::start_with(options, None)
    }

    /// Returns the version of the server that would be started: `(15, 14)`.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn installed(options: &Options) -> Result<(u32, u32), Error> {
        let (_, account) = place::directory("postgres", options.durable)
            .map_err(|e| Error::failed(format!("a directory for a PostgreSQL cluster cannot be created: {e}")))?;
        binaries(options, &account).map(|(_, version)| version)
    }

    /// Starts a cluster that outlives this process if other processes share the folder.
    pub(super) fn start_with(options: &Options, share: Option<&Fresh>) -> Result<Self, Error> {
        let (directory, account) = place::directory("postgres", options.durable)
            .map_err(|e| Error::failed(format!("a directory for a PostgreSQL cluster cannot be created: {e}")))?;
        let (bin, version) = binaries(options, &account)?;
        let watchdog = Watchdog::start(Some((directory.path(), PID_FILE)), share).map_err(|e| {
            Error::failed(format!("`sh`, which watches over the PostgreSQL server, does not start: {e}"))
        })?;
        let password = token().map_err(|e| Error::failed(format!("/dev/urandom cannot be read: {e}")))?;
        let server = None;
        let mut cluster = Self { server, watchdog, directory, account, bin, version, password, port: 0 };
        cluster.initialise(options)?;
        cluster.listen()?;
        Ok(cluster)
    }

    /// Returns the URL of one of its databases, over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Returns the URL of one of its databases, over its socket.
    pub fn socket_url(&self, database: &str) -> String {
        let folder = self.directory.path().display().to_string().replace('%', "%25").replace('/', "%2F");
        format!("postgres://postgres:{}@{folder}:{}/{database}", self.password, self.port)
    }

    /// Returns the loopback port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the password of its superuser `postgres`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the major and minor version: `(15, 14)`.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Returns the folder of its binaries. Some packages also put client programs there.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// Returns its directory, with `data/`, the socket and the log.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the process id of the server, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Returns its whole log.
    pub fn log(&self) -> String {
        process::log(&self.log_path())
    }

    /// Kills the server and all its processes at once, as a power cut would.
    ///
    /// # Errors
    ///
    /// `Failed` if its processes cannot be listed or do not end.
    pub fn kill_9(&mut self) -> Result<(), Error> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let failed = |e: io::Error| Error::failed(format!("the PostgreSQL server cannot be killed: {e}"));
        // Stop the server first, so that it starts no process between listing and killing them.
        watchdog::send(Signal::STOP, &[server.id()]).map_err(failed)?;
        let mut processes = watchdog::children(server.id()).map_err(failed)?;
        processes.push(server.id());
        watchdog::send(Signal::KILL, &processes).map_err(failed)?;
        server.wait().map_err(failed)?;
        self.watchdog.watch(None).map_err(failed)?;
        wait_until(|| watchdog::all_gone(&processes).then_some(()))
            .ok_or_else(|| Error::failed("processes of the PostgreSQL server live on after SIGKILL"))
    }

    /// Restarts it on the same port and data, after [`Postgres::kill_9`] or while it runs (then it is shut down first).
    ///
    /// # Errors
    ///
    /// `Failed` with the end of the server's log.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop(Signal::INT)?;
        // Clients have URLs with this port, so wait until it is free again.
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.run()? {
                Start::Ready => return Ok(()),
                Start::PortTaken if Instant::now() < deadline => std::thread::sleep(GLANCE * 10),
                Start::PortTaken => return Err(self.failed("another process has taken its port")),
            }
        }
    }

    fn initialise(&mut self, options: &Options) -> Result<(), Error> {
        let secret = self.directory.path().join("password");
        let prepare = || {
            write_secret(&secret, &self.password)?;
            self.account.own(&secret)
        };
        prepare().map_err(|e| Error::failed(format!("{} cannot be written: {e}", secret.display())))?;

        let mut command = self.command("initdb");
        // Plain passwords, on loopback only: SCRAM takes an unoptimized client 60 ms, twice as long as everything else
        // that a test database needs. A durable server uses SCRAM, as a real one does.
        let auth = if options.durable { "--auth=scram-sha-256" } else { "--auth=password" };
        command.args(["--username=postgres", auth, "--encoding=UTF8", "--no-locale", "--no-sync"]);
        command.arg("--pgdata").arg(self.data()).arg("--pwfile").arg(&secret);
        let output = command.output().map_err(|e| Error::failed(format!("`initdb` does not start: {e}")))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            let who = self.account.name();
            return Err(Error::failed(format!("`initdb` of {} fails as {who}:\n{text}", self.bin.display())));
        }
        let configuration = self.data().join("postgresql.conf");
        let write = || -> io::Result<()> {
            fs::remove_file(&secret)?;
            let mut file = File::options().append(true).open(&configuration)?;
            file.write_all(options.configuration(self.directory.path()).as_bytes())
        };
        write().map_err(|e| Error::failed(format!("{} cannot be written: {e}", configuration.display())))
    }

    /// Starts the server on a free port.
    fn listen(&mut self) -> Result<(), Error> {
        for _ in 0..PORTS {
            self.port = free_port()?;
            if let Start::Ready = self.run()? {
                return Ok(());
            }
        }
        Err(self.failed("every free port was taken before the server could have it"))
    }

    fn run(&mut self) -> Result<Start, Error> {
        let earlier = self.log().len();
        let spawn = || -> io::Result<Child> {
            let log = File::options().create(true).append(true).open(self.log_path())?;
            let mut command = self.command("postgres");
            command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            watchdog::own_group(&mut command).spawn()
        };
        let mut server = spawn().map_err(|e| Error::failed(format!("`postgres` does not start: {e}")))?;
        if let Err(e) = self.watchdog.watch(Some(server.id())) {
            let _ = server.kill();
            let _ = server.wait();
            return Err(Error::failed(format!("the watchdog of the PostgreSQL server has gone: {e}")));
        }
        let outcome = wait_until(|| match server.try_wait() {
            Ok(None) => is_ready(self.directory.path(), server.id()).then_some(true),
            Ok(Some(_)) | Err(_) => Some(false),
        });
        if outcome == Some(true) {
            self.server = Some(server);
            return Ok(Start::Ready);
        }
        let _ = server.kill();
        let _ = server.wait();
        let _ = self.watchdog.watch(None);
        match outcome {
            Some(_) if self.log()[earlier..].contains("could not create any TCP/IP sockets") => Ok(Start::PortTaken),
            Some(_) => Err(self.failed("it ends at once")),
            None => Err(self.failed("it does not accept connections")),
        }
    }

    fn stop(&mut self, signal: Signal) -> Result<(), Error> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let failed = |e: io::Error| Error::failed(format!("the PostgreSQL server cannot be stopped: {e}"));
        watchdog::send(signal, &[server.id()]).map_err(failed)?;
        let gone = wait_until(|| server.try_wait().ok().flatten()).is_some();
        if !gone {
            let _ = server.kill();
            let _ = server.wait();
        }
        self.watchdog.watch(None).map_err(failed)?;
        if gone { Ok(()) } else { Err(self.failed("it does not stop when it is told to")) }
    }

    /// Returns a command for a program of the cluster: as its account, in its directory, with a clean environment.
    fn command(&self, program: &str) -> Command {
        command(&self.bin.join(program), &self.account, self.directory.path())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn failed(&self, what: &str) -> Error {
        let end = process::end_of(&self.log());
        Error::failed(format!("the PostgreSQL server of {} fails: {what}; its log ends:\n{end}", self.bin.display()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        process::end(self.server.take(), &mut self.watchdog);
    }
}

enum Start {
    Ready,
    PortTaken,
}

/// Returns the folder of the binaries to use, and their version.
pub(super) fn binaries(options: &Options, account: &Account) -> Result<(PathBuf, (u32, u32)), Error> {
    let folders = options.folders();
    if folders.is_empty() {
        return Err(Error::not_found(locate::places_in_words()));
    }
    let (mut refused, mut other_majors) = (Vec::new(), Vec::new());
    for folder in folders {
        // The account may not be able to read a folder that this process can.
        match command(&folder.join("postgres"), account, Path::new("/")).arg("--version").output() {
            Ok(output) => match version(&String::from_utf8_lossy(&output.stdout)) {
                Some((major, _)) if options.major.is_some_and(|wanted| wanted != major) => {
                    other_majors.push(major.to_string());
                }
                Some(version) if version.0 >= 10 => return Ok((folder, version)),
                Some((major, _)) => refused.push(format!("{}: version {major} is too old", folder.display())),
                None => {
                    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                    let way_out = locate::way_out(&folder, &text);
                    refused.push(format!("{}: `postgres --version` says: {text}{way_out}", folder.display()));
                }
            },
            Err(e) => refused.push(format!("{}: as {}: {e}", folder.display(), account.name())),
        }
    }
    if let (Some(wanted), []) = (options.major, refused.as_slice()) {
        let there = other_majors.join(", ");
        return Err(Error::not_found(format!("no PostgreSQL {wanted} is on this machine, but {there}")));
    }
    Err(Error::failed(format!("no PostgreSQL that was found can be used:\n{}", refused.join("\n"))))
}

/// `postgres (PostgreSQL) 15.14 (Debian …)`, `postgres (PostgreSQL) 19beta1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_once(") ")?.1.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// The server writes its state to the eighth line of its pid file, as for `pg_ctl`. Connecting would not be a reliable
/// check: on a port that is taken, another server answers.
pub(super) fn is_ready(directory: &Path, process: u32) -> bool {
    let text = fs::read_to_string(directory.join(PID_FILE)).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(&process.to_string()) && lines.nth(6) == Some("ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some((15, 14)));
        assert_eq!(version("postgres (PostgreSQL) 19beta1"), Some((19, 0)));
        assert_eq!(version(""), None);
    }

    #[test]
    fn settings_are_quoted() {
        let options = Options::default().setting("application_name", "it's");
        assert!(options.configuration(Path::new("/tmp/x")).contains("application_name = 'it''s'\n"));
        assert!(options.configuration(Path::new("/tmp/x")).contains("fsync = 'off'\n"));
        assert!(!options.durable(true).configuration(Path::new("/tmp/x")).contains("fsync"));
    }
}
