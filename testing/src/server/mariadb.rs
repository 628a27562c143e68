//! A throwaway MariaDB server: a child process with its data and socket in a temporary directory, on a free loopback port.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::account::Account;
use super::process::{self, PORTS, command, free_port, wait_until};
use super::share::token;
use super::watchdog::{self, Watchdog};
use super::{Error, locate, place};

/// The variable that names a folder with `mariadbd` (or `mysqld`) in it.
pub const VARIABLE: &str = "LOCKGATE_MARIADB_BIN";

/// The pid file of the server, within its directory.
const PID_FILE: &str = "data/server.pid";

/// A running server. Dropping it stops it and removes its directory; if this process dies without dropping it, a watchdog
/// does. The server does not flush to disk.
#[derive(Debug)]
pub struct Mariadb {
    server: Option<Child>,
    watchdog: Watchdog,
    directory: TempDir,
    account: Account,
    programs: Programs,
    password: String,
    port: u16,
}

#[derive(Clone, Debug)]
struct Programs {
    server: PathBuf,
    install: PathBuf,
}

impl Mariadb {
    /// Starts a server and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// `NotFound` if there are no binaries, with the places that were searched; `Failed` if they do not work, with the end
    /// of the server's log.
    pub fn start() -> Result<Self, Error> {
        let programs = programs()?;
        let failed = |e: io::Error| Error::failed(format!("a directory for a MariaDB server cannot be created: {e}"));
        let (directory, account) = place::directory("mysql", false).map_err(failed)?;
        let watchdog = Watchdog::start(Some((directory.path(), PID_FILE)), None)
            .map_err(|e| Error::failed(format!("`sh`, which watches over the MariaDB server, does not start: {e}")))?;
        let password = token().map_err(|e| Error::failed(format!("/dev/urandom cannot be read: {e}")))?;
        let mut made = Self { server: None, watchdog, directory, account, programs, password, port: 0 };
        made.install()?;
        for _ in 0..PORTS {
            made.port = free_port()?;
            if made.run()? {
                return Ok(made);
            }
        }
        Err(made.failed("every free port was taken before the server could have it"))
    }

    /// Returns the URL of one of its databases, over TCP. `mysql` always exists.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Returns the path of its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Returns the loopback port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the password of its superuser `root`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the process id of the server, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Returns its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns its whole log.
    pub fn log(&self) -> String {
        process::log(&self.log_path())
    }

    fn install(&self) -> Result<(), Error> {
        let mut command = self.command(&self.programs.install);
        command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        command.arg(argument("--datadir", &self.data())).arg(argument("--tmpdir", self.directory.path()));
        let output =
            command.output().map_err(|e| Error::failed(format!("`mariadb-install-db` does not start: {e}")))?;
        if !output.status.success() {
            let message =
                String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            return Err(Error::failed(format!("`mariadb-install-db` fails as {}:\n{message}", self.account.name())));
        }
        let start = self.start_file();
        // The server runs these statements, one per line, before it accepts connections.
        let text = format!(
            "CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '{0}';\n\
             GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n\
             ALTER USER 'root'@'localhost' IDENTIFIED BY '{0}';\n",
            self.password
        );
        let write = || {
            fs::write(&start, text)?;
            self.account.own(&start)
        };
        write().map_err(|e| Error::failed(format!("{} cannot be written: {e}", start.display())))
    }

    /// Starts it on its port. Returns `false` if the port is taken.
    fn run(&mut self) -> Result<bool, Error> {
        let earlier = self.log().len();
        let spawn = || -> io::Result<Child> {
            let log = File::options().create(true).append(true).open(self.log_path())?;
            let mut command = self.command(&self.programs.server);
            command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]);
            command.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--sync-binlog=0"]);
            command.args(["--innodb-buffer-pool-size=64M", "--character-set-server=utf8mb4"]);
            command.arg(format!("--port={}", self.port)).arg(argument("--socket", &self.socket()));
            command.arg(argument("--datadir", &self.data())).arg(argument("--tmpdir", self.directory.path()));
            command.arg(argument("--pid-file", &self.directory.path().join(PID_FILE)));
            command.arg(argument("--init-file", &self.start_file()));
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            watchdog::own_group(&mut command).spawn()
        };
        let mut server = spawn().map_err(|e| Error::failed(format!("`mariadbd` does not start: {e}")))?;
        if let Err(e) = self.watchdog.watch(Some(server.id())) {
            let _ = server.kill();
            let _ = server.wait();
            return Err(Error::failed(format!("the watchdog of the MariaDB server has gone: {e}")));
        }
        let outcome = wait_until(|| match server.try_wait() {
            Ok(None) => self.log()[earlier..].contains("ready for connections").then_some(true),
            Ok(Some(_)) | Err(_) => Some(false),
        });
        if outcome == Some(true) {
            self.server = Some(server);
            return Ok(true);
        }
        let _ = server.kill();
        let _ = server.wait();
        let _ = self.watchdog.watch(None);
        match outcome {
            Some(_) if self.log()[earlier..].contains("Address already in use") => Ok(false),
            Some(_) => Err(self.failed("it ends at once")),
            None => Err(self.failed("it does not accept connections")),
        }
    }

    fn command(&self, program: &Path) -> Command {
        command(program, &self.account, self.directory.path())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn start_file(&self) -> PathBuf {
        self.directory.path().join("start.sql")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn failed(&self, what: &str) -> Error {
        let end = process::end_of(&self.log());
        let program = self.programs.server.display();
        Error::failed(format!("the MariaDB server {program} fails: {what}; its log ends:\n{end}"))
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        process::end(self.server.take(), &mut self.watchdog);
    }
}

fn argument(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// Finds the server and the program that installs its data, which distributions keep in different folders.
fn programs() -> Result<Programs, Error> {
    let places = match env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(folder) => vec![PathBuf::from(folder)],
        None => usual_places(),
    };
    let find = |names: &[&str], places: &[PathBuf]| {
        let paths = places.iter().flat_map(|place| names.iter().map(move |name| place.join(name)));
        paths.into_iter().find(|path| path.is_file())
    };
    let server = find(&["mariadbd", "mysqld"], &places);
    let mut around = places;
    if let Some(folder) = server.as_ref().and_then(|server| server.parent()) {
        around.extend([folder.to_owned(), folder.join("../bin"), folder.join("../scripts")]);
    }
    let install = find(&["mariadb-install-db", "mysql_install_db"], &around);
    match (server, install) {
        (Some(server), Some(install)) => Ok(Programs { server, install }),
        (Some(server), None) => Err(Error::not_found(format!(
            "{} is there, and no `mariadb-install-db` near it: it may be a MySQL",
            server.display()
        ))),
        (None, _) => Err(Error::not_found(format!(
            "no `mariadbd` in {VARIABLE}, PATH, /usr/sbin, /usr/libexec, /usr/local/mariadb or Homebrew's folders: install \
             it (`apt-get install mariadb-server`, `dnf install mariadb-server`, `brew install mariadb`)"
        ))),
    }
}

fn usual_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    places.extend(["/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/mariadb/bin"].map(PathBuf::from));
    for pattern in ["/opt/homebrew/opt/mariadb*/bin", "/usr/local/opt/mariadb*/bin"] {
        places.extend(locate::matching(Path::new(pattern)));
    }
    places
}
