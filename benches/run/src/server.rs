//! Where migrations go: a throwaway PostgreSQL with fsync on, and SQLite files, a new one for every
//! run. Nothing is deleted while we measure: ext4 is slow to create files for minutes after others
//! were deleted nearby, and a table is three files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lockgate_harness::server::{Options, Postgres};

use crate::Outcome;
use crate::arguments::Backend;
use crate::contender::{self, succeed, target};

/// How long one new file may take on a file system that is at ease.
const AT_EASE: Duration = Duration::from_micros(80);
/// How long ext4 remembers deleted files.
const MEMORY: Duration = Duration::from_secs(330);

/// All databases of one run of the benchmark.
#[derive(Debug)]
pub(crate) struct Server {
    postgres: Option<Postgres>,
    files: PathBuf,
}

/// A database that nobody has used before.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) backend: Backend,
    /// A `postgres://…` URL over the unix socket, or the path of a file.
    pub(crate) target: String,
    /// The same over TCP; of a file, the same.
    pub(crate) tcp: String,
}

impl Server {
    pub(crate) fn start(backends: &[Backend]) -> Outcome<Self> {
        let files = target().join(format!("databases-{}", std::process::id()));
        fs::create_dir_all(&files)?;
        let postgres = if backends.contains(&Backend::Postgres) {
            let options = Options::default().durable(true);
            let options = options.setting("max_wal_size", "8GB").setting("checkpoint_timeout", "1h");
            Some(Postgres::start(&options)?)
        } else {
            None
        };
        let server = Self { postgres, files };
        server.wait_until_at_ease()?;
        Ok(server)
    }

    /// What it is, for the table's head.
    pub(crate) fn describe(&self) -> String {
        let postgres = self.postgres.as_ref().map(|postgres| {
            let (major, minor) = postgres.version();
            format!("PostgreSQL {major}.{minor} with fsync on")
        });
        let sqlite = Command::new("sqlite3").arg("--version").output().ok();
        let sqlite = sqlite.and_then(|output| String::from_utf8(output.stdout).ok());
        let sqlite = sqlite.and_then(|text| Some(format!("the sqlite3 shell {}", text.split(' ').next()?)));
        [postgres, sqlite].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn fresh(&self, backend: Backend) -> Outcome<Database> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("bench_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        match backend {
            Backend::Sqlite => {
                let file = self.files.join(format!("{name}.db")).display().to_string();
                Ok(Database { backend, target: file.clone(), tcp: file })
            }
            Backend::Postgres => {
                let postgres = self.postgres.as_ref().expect("it was started for the backends that are measured");
                succeed(psql(&postgres.socket_url("postgres")).args([
                    "-c",
                    &format!("CREATE DATABASE {name} TEMPLATE template0"),
                    "-c",
                    "CHECKPOINT",
                ]))?;
                let target = socket_url(postgres, &name);
                Ok(Database { backend, target, tcp: postgres.url(&name) })
            }
        }
    }

    /// Waits until new files are as quick as they ought to be, or until it is no use.
    fn wait_until_at_ease(&self) -> Outcome<()> {
        let folder = self.postgres.as_ref().map_or(self.files.as_path(), |postgres| postgres.directory());
        let start = Instant::now();
        let mut told = false;
        loop {
            let each = time_of_a_file(folder)?;
            if each <= AT_EASE {
                return Ok(());
            }
            if start.elapsed() > MEMORY {
                let each = each.as_micros();
                eprintln!(
                    "warning: creating a file takes {each} µs: tables will be slow (is `TMPDIR` elsewhere quicker?)"
                );
                return Ok(());
            }
            if !told {
                eprintln!("waiting up to {} s: files were deleted lately, and new ones are slow", MEMORY.as_secs());
                told = true;
            }
            std::thread::sleep(Duration::from_secs(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.files) {
            eprintln!("warning: {} stays: {e}", self.files.display());
        }
    }
}

impl Database {
    /// How many of the migrations' tables are in it.
    pub(crate) fn tables(&self) -> Outcome<usize> {
        let output = match self.backend {
            Backend::Postgres => {
                let question = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^bench_[0-9]+$'";
                psql(&self.target).args(["-A", "-t", "-c", question]).output()?
            }
            Backend::Sqlite => {
                let question = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name GLOB 'bench_[0-9]*'";
                Command::new("sqlite3").arg(&self.target).arg(question).output()?
            }
        };
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        text.parse().map_err(|_| format!("`{}` cannot be looked at: {text}", self.target).into())
    }
}

/// libpq, tokio-postgres and sqlx agree on this form of a socket's URL.
fn socket_url(postgres: &Postgres, database: &str) -> String {
    let folder = postgres.directory().display();
    format!(
        "postgres:///{database}?host={folder}&port={}&user=postgres&password={}",
        postgres.port(),
        postgres.password()
    )
}

pub(crate) fn psql(url: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]);
    psql
}

/// Whether the shell of this backend is on the path; otherwise what is missing.
pub(crate) fn shell_is_missing(backend: Backend) -> Option<&'static str> {
    let (program, way_out) = match backend {
        Backend::Postgres => ("psql", "`psql` is not on the path: install `postgresql-client`"),
        Backend::Sqlite => ("sqlite3", "`sqlite3` is not on the path: install `sqlite3`"),
    };
    contender::succeed(Command::new(program).arg("--version")).err().map(|_| way_out)
}

/// The mean over some new folders, as each database is one: ext4 puts them in places of their own.
fn time_of_a_file(folder: &Path) -> Outcome<Duration> {
    const FOLDERS: u32 = 8;
    const FILES: u32 = 50;
    let mut sum = Duration::ZERO;
    for number in 0..FOLDERS {
        let folder = folder.join(format!("at-ease-{number}"));
        fs::create_dir(&folder)?;
        let start = Instant::now();
        for number in 0..FILES {
            File::create(folder.join(number.to_string()))?;
        }
        sum += start.elapsed();
        fs::remove_dir_all(&folder)?;
    }
    Ok(sum / (FOLDERS * FILES))
}
