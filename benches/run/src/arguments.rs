//! Parses the command line.

use std::time::Duration;

use crate::contender::Contender;

pub(crate) const HELP: &str = "\
usage: cargo run --release --package lockgate-bench -- [WHAT] [OPTION]…

what (default: a fresh apply and an up-to-date start, as seconds and as ratios to lockgate)
  --startup            round trips, messages and commits of both, counted by a proxy
  --tests              the cost of a migrated database for each test
  --backup             backups and restores of a database of so many megabytes, and `pg_dump` and `pg_restore` alone
  --compile            `cargo check` over an empty folder, after an edit, and the size of the binary

options
  --latency 20ms       only PostgreSQL, through a proxy that makes each round trip this much longer
  -n 100,1000          the numbers of migrations (default 100,1000,5000; with --latency and --startup 100;
                       with --compile 5000, with --tests 12,100, with --backup 1000)
  --runs K             the median of K runs (default 5)
  --only NAME,NAME     of lockgate, sqlx, refinery, diesel, shell, include_str
  --backend NAME       only postgres or only sqlite
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Apply,
    Startup,
    Compile,
    Tests,
    Backup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Postgres,
    Sqlite,
}

impl Backend {
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::Sqlite];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) mode: Mode,
    pub(crate) latency: Option<Duration>,
    pub(crate) sizes: Vec<usize>,
    pub(crate) runs: usize,
    pub(crate) only: Vec<Contender>,
    pub(crate) backends: Vec<Backend>,
}

impl Arguments {
    /// `None` if help was asked for.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut mode = Mode::Apply;
        let (mut latency, mut sizes, mut runs) = (None, None, 5);
        let mut only = Contender::ALL.to_vec();
        let mut backends = Backend::ALL.to_vec();
        let mut rest = arguments;
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "--startup" => mode = Mode::Startup,
                "--compile" => mode = Mode::Compile,
                "--latency" => latency = Some(milliseconds(&value()?)?),
                "--backup" => mode = Mode::Backup,
                "--tests" => mode = Mode::Tests,
                "-n" => sizes = Some(numbers(&value()?)?),
                "--runs" => {
                    runs = numbers(&value()?)?[0];
                    if runs == 0 {
                        return Err("`--runs` must be at least 1".to_owned());
                    }
                }
                "--only" => only = named(&value()?, &Contender::ALL, Contender::name)?,
                "--backend" => backends = named(&value()?, &Backend::ALL, Backend::name)?,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("there is no option `{word}`")),
            }
        }
        if latency.is_some() {
            backends = vec![Backend::Postgres];
        }
        let sizes = sizes.unwrap_or_else(|| match mode {
            Mode::Apply if latency.is_none() => vec![100, 1000, 5000],
            Mode::Apply | Mode::Startup => vec![100],
            Mode::Compile => vec![5000],
            Mode::Tests => vec![12, 100],
            Mode::Backup => vec![1000],
        });
        Ok(Some(Self { mode, latency, sizes, runs, only, backends }))
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix("ms").and_then(|number| number.parse().ok());
    number.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is not a latency: write it like `20ms`"))
}

fn numbers(text: &str) -> Result<Vec<usize>, String> {
    text.split(',').map(|number| number.parse().map_err(|_| format!("`{text}` is not a list of numbers"))).collect()
}

fn named<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<Vec<T>, String> {
    let find = |word: &str| all.iter().copied().find(|one| name(*one) == word);
    text.split(',').map(|word| find(word).ok_or_else(|| format!("`{word}` cannot be measured"))).collect()
}
