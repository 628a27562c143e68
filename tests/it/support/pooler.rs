//! `PgBouncer` in front of a test's database, in one of its modes.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::postgres;

/// A running pooler. Dropping it ends it.
pub(crate) struct Pooler {
    child: Child,
    url: String,
    _folder: TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PROGRAMS: [&str; 2] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];

/// The program, after it was installed where that may be done.
fn program() -> Option<&'static str> {
    static FOUND: OnceLock<Option<&str>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let find = || PROGRAMS.into_iter().find(|path| Path::new(path).is_file());
        let forbidden = std::env::var_os("LOCKGATE_NO_INSTALL").is_some_and(|value| !value.is_empty() && value != "0");
        find().or_else(|| {
            let install = ["install", "-y", "--no-install-recommends", "pgbouncer"];
            for words in [&["update"][..], &install].into_iter().filter(|_| !forbidden) {
                let mut command = Command::new("apt-get");
                command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
                let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
            find()
        })
    })
}

impl Pooler {
    /// Lends so many sessions of the server of this URL, each for as long as `mode` says: `session`, `transaction`
    /// or `statement`. None where this machine has no pooler: the test is over then, and has said so.
    pub(crate) fn start(database: &str, mode: &str, size: usize) -> Option<Self> {
        let Some(program) = program() else {
            postgres::skip("no `pgbouncer` on this machine (`apt-get install pgbouncer`)");
            return None;
        };
        let (login, place) = database.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let (address, name) = place.split_once('/').unwrap();
        let (host, upstream) = address.split_once(':').unwrap();
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users.txt");
        fs::write(&users, format!("\"{user}\" \"{password}\"\n")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "[databases]\n* = host={host} port={upstream}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = plain\nauth_file = {}\npool_mode = {mode}\ndefault_pool_size = {size}\n\
             max_client_conn = 500\nignore_startup_parameters = extra_float_digits\n",
            users.display()
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, configuration).unwrap();
        // The account that it runs as must be able to read them.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(program);
        command.arg("-q").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            command.args(["-u", "nobody"]);
        }
        let mut child = command.arg(&file).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "pgbouncer does not start");
            std::thread::yield_now();
        }
        let url = format!("postgres://{login}@127.0.0.1:{port}/{name}?sslmode=disable");
        Some(Self { child, url, _folder: folder })
    }

    /// The database, through it.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}
