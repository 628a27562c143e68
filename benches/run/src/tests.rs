//! Measures the cost of a migrated database for each test. Runs test binaries with and without forty more tests,
//! interleaved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use lockgate_testing::server::{Options, Postgres};

use crate::Outcome;
use crate::arguments::{Arguments, Backend};
use crate::contender::{Contender, target};
use crate::table::{Table, median};

/// The number of tests in the module `rest` of the contenders.
const TESTS: f64 = 40.0;

/// The numbers of tests that run at the same time.
const THREADS: [&str; 2] = ["1", "2"];

/// A way to have a database for each test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// On the server that the harness starts.
    Lockgate,
    /// On a server that a variable names.
    LockgateGiven,
    Sqlx,
}

impl Way {
    const ALL: [Self; 3] = [Self::Lockgate, Self::LockgateGiven, Self::Sqlx];

    const fn name(self) -> &'static str {
        match self {
            Self::Lockgate => "lockgate",
            Self::LockgateGiven => "lockgate, on the server of sqlx",
            Self::Sqlx => "sqlx",
        }
    }

    const fn contender(self) -> Contender {
        match self {
            Self::Lockgate | Self::LockgateGiven => Contender::LockgateTest,
            Self::Sqlx => Contender::SqlxTest,
        }
    }

    const fn is_for(self, backend: Backend) -> bool {
        match (self, backend) {
            (Self::LockgateGiven, Backend::Sqlite) => false,
            (Self::Lockgate | Self::LockgateGiven | Self::Sqlx, _) => true,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<Table> {
    let mut programs: BTreeMap<(Way, usize), PathBuf> = BTreeMap::new();
    for &count in &arguments.sizes {
        for way in Way::ALL {
            programs.insert((way, count), way.contender().build_tests(count)?);
        }
    }
    let files = target().join(format!("tests-{}", std::process::id()));
    fs::create_dir_all(&files)?;
    let server = Postgres::start(&Options::default())?;
    let mut times: BTreeMap<(Way, &str, usize, &str), Vec<f64>> = BTreeMap::new();
    for round in 0..arguments.runs {
        eprintln!("run {} of {}", round + 1, arguments.runs);
        for &count in &arguments.sizes {
            for &backend in &arguments.backends {
                for threads in THREADS {
                    let mut ways: Vec<Way> = Way::ALL.into_iter().filter(|way| way.is_for(backend)).collect();
                    // Each comes first in turn.
                    let rotation = round % ways.len();
                    ways.rotate_left(rotation);
                    for way in ways {
                        let program = &programs[&(way, count)];
                        let time = |tests| time(way, program, &files, &server, backend, tests, threads);
                        // The first makes the server and the template, which the others find.
                        time("warm")?;
                        let few = time("warm")?;
                        let all = time("")?;
                        let each = (all - few) * 1000.0 / TESTS;
                        eprintln!("  {} {}, {count}, {threads} at a time: {each:.1}", backend.name(), way.name());
                        times.entry((way, backend.name(), count, threads)).or_default().push(each);
                    }
                }
            }
        }
    }
    let _ = fs::remove_dir_all(&files);
    Ok(table(arguments, &server, &times))
}

/// Returns the seconds of a test binary with the tests of one module.
fn time(
    way: Way,
    program: &Path,
    files: &Path,
    server: &Postgres,
    backend: Backend,
    tests: &str,
    threads: &str,
) -> Outcome<f64> {
    let url = server.url("postgres");
    let mut command = Command::new(program);
    command.arg(format!("{}::{tests}", backend.name())).arg(format!("--test-threads={threads}"));
    // Their files are on one file system.
    command.current_dir(files).env("DATABASE_URL", &url);
    if backend == Backend::Sqlite {
        command.env("TMPDIR", files);
    }
    if way == Way::LockgateGiven {
        command.env("LOCKGATE_TEST_POSTGRES", &url);
    }
    command.stdin(Stdio::null());
    let start = Instant::now();
    let output = command.output()?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("{} fails:\n{}", program.display(), String::from_utf8_lossy(&output.stdout)).into());
    }
    Ok(seconds)
}

fn table(arguments: &Arguments, server: &Postgres, times: &BTreeMap<(Way, &str, usize, &str), Vec<f64>>) -> Table {
    let (major, minor) = server.version();
    let title = format!(
        "Milliseconds per test (and the ratio to lockgate), median of {} runs, dev profile; PostgreSQL {major}.{minor}, fsync off",
        arguments.runs
    );
    let mut head = vec![String::new()];
    for threads in THREADS {
        head.extend(arguments.sizes.iter().map(|count| match threads {
            "1" => format!("N = {count}"),
            _ => format!("N = {count}, {threads} tests at a time"),
        }));
    }
    let mut table = Table::new(title, head);
    for &backend in &arguments.backends {
        for way in Way::ALL.into_iter().filter(|way| way.is_for(backend)) {
            let mut row = vec![format!("{}: {}", backend.name(), way.name())];
            for threads in THREADS {
                for &count in &arguments.sizes {
                    let of = |way| times.get(&(way, backend.name(), count, threads)).and_then(|times| median(times));
                    row.push(match (of(way), of(Way::Lockgate)) {
                        (Some(each), Some(ours)) => format!("{each:.1} ({:.2})", each / ours),
                        _ => "–".to_owned(),
                    });
                }
            }
            table.row(row);
        }
    }
    table
}
