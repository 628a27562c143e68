//! The databases that are migrated: a throwaway PostgreSQL with fsync on, and SQLite files, with a new database for each
//! run. Nothing is deleted while a benchmark runs, because ext4 creates files slowly for minutes after files nearby were
//! deleted, and a table is three files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lockgate_testing::server::{Options, Postgres};

use crate::Outcome;
use crate::arguments::Backend;
use crate::contender::{self, succeed, target};

/// The time that creating a file takes at most on an idle file system.
const AT_EASE: Duration = Duration::from_micros(80);
/// The time for which ext4 does not reuse the inodes of deleted files.
const MEMORY: Duration = Duration::from_secs(330);

/// All databases of one run of the benchmark.
#[derive(Debug)]
pub(crate) struct Server {
    postgres: Option<Postgres>,
    files: PathBuf,
}

/// A new database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) backend: Backend,
    /// A `postgres://…` URL over the unix socket, or the path of a file.
    pub(crate) target: String,
    /// The same over TCP. For a file, the same path.
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

    /// Describes the servers for the title of a table.
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

    /// Waits until creating files is fast, or until waiting longer would not help.
    fn wait_until_at_ease(&self) -> Outcome<()> {
        let folder = self.postgres.as_ref().map_or(self.files.as_path(), |postgres| postgres.directory());
        let start = Instant::now();
        let mut reported = false;
        loop {
            let each = time_of_a_file(folder)?;
            if each <= AT_EASE {
                return Ok(());
            }
            if start.elapsed() > MEMORY {
                let each = each.as_micros();
                eprintln!(
                    "warning: creating a file takes {each} µs: tables will be slow (would another `TMPDIR` be faster?)"
                );
                return Ok(());
            }
            if !reported {
                eprintln!("waiting up to {} s: files were deleted recently, so new ones are slow", MEMORY.as_secs());
                reported = true;
            }
            std::thread::sleep(Duration::from_secs(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.files) {
            eprintln!("warning: {} cannot be deleted: {e}", self.files.display());
        }
    }
}

impl Database {
    /// Returns the number of the migrations' tables in it.
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
        text.parse().map_err(|_| format!("`{}` cannot be read: {text}", self.target).into())
    }
}

/// Returns the URL of a socket in a form that libpq, tokio-postgres and sqlx all understand.
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

/// Returns a message if the shell of this backend is not on the path.
pub(crate) fn shell_is_missing(backend: Backend) -> Option<&'static str> {
    let (program, way_out) = match backend {
        Backend::Postgres => ("psql", "`psql` is not on the path: install `postgresql-client`"),
        Backend::Sqlite => ("sqlite3", "`sqlite3` is not on the path: install `sqlite3`"),
    };
    contender::succeed(Command::new(program).arg("--version")).err().map(|_| way_out)
}

/// Returns the mean time to create a file, over several new folders, as each database is a folder.
fn time_of_a_file(folder: &Path) -> Outcome<Duration> {
    const FOLDERS: u32 = 8;
    const FILES: u32 = 50;
    let mut sum = Duration::ZERO;
    for number in 0..FOLDERS {
        let folder = folder.join(format!("file-times-{number}"));
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
