//! Runs PgBouncer in front of a server, as an unprivileged account. The tests of the workspace use it too.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running pooler. Dropping it stops it.
pub(crate) struct Pooler {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PROGRAMS: [&str; 2] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];

/// Whether PgBouncer is available. It is installed first, if that is allowed.
pub(crate) fn is_there() -> bool {
    installed(&PROGRAMS, "pgbouncer")
}

/// Whether one of these files exists. Debian's package is installed first, if that is allowed.
pub(crate) fn installed(files: &[&str], package: &str) -> bool {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let there = || files.iter().any(|path| Path::new(path).is_file());
    let forbidden = std::env::var_os("LOCKGATE_NO_INSTALL").is_some_and(|value| !value.is_empty() && value != "0");
    let install = ["install", "-y", "--no-install-recommends", package];
    for words in [&["update"][..], &install] {
        if there() || forbidden {
            break;
        }
        let mut command = Command::new("apt-get");
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    there()
}

impl Pooler {
    /// Starts a pooler with this many sessions of a server. `mode` is `session`, `transaction` or `statement`; `login` is a
    /// user of the server and its password.
    pub(crate) fn start(upstream: (&str, u16), login: (&str, &str), mode: &str, size: usize) -> Result<Self, String> {
        let ((host, upstream), (user, password)) = (upstream, login);
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        drop(listener);
        let users = folder.path().join("users.txt");
        let configuration = format!(
            "[databases]\n* = host={host} port={upstream}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = plain\nauth_file = {}\npool_mode = {mode}\ndefault_pool_size = {size}\n\
             max_client_conn = 500\nignore_startup_parameters = extra_float_digits\nquery_wait_timeout = 100\n",
            users.display()
        );
        let file = folder.path().join("pgbouncer.ini");
        let write = || {
            fs::write(&users, format!("\"{user}\" \"{password}\"\n"))?;
            fs::write(&file, &configuration)?;
            // The account that it runs as must be able to read it.
            #[cfg(unix)]
            fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(|error| error.to_string())?;
        let program = PROGRAMS.iter().find(|path| Path::new(path).is_file()).ok_or("there is no pgbouncer")?;
        let mut command = Command::new(program);
        command.arg("-q");
        if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.args(["-u", "nobody"]);
        }
        let child = command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let pooler = Self { child: child.map_err(|error| error.to_string())?, port, _folder: folder };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                return Err("pgbouncer does not answer".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(pooler)
    }
}
