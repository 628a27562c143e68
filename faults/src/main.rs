//! The fault campaign: runs sets of migrations, causes faults, and checks the database with an oracle that shares no code
//! with the runtime. `cargo xtask faults` starts it.

#![forbid(unsafe_code)]

mod campaign;
mod created;
mod databases;
mod oracle;
mod outcome;
mod pooler;
mod proxy;
mod runner;
mod session_state;
mod set;
mod several;
mod strike;
mod table;

use std::io::Write;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// The database to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// The arguments.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) backends: Vec<Backend>,
    /// Whether there are cases with several databases.
    pub(crate) several: bool,
    /// Whether there are cases with a create tree.
    pub(crate) created: bool,
    pub(crate) count: u64,
    pub(crate) seed: u64,
    pub(crate) case: Option<u64>,
    pub(crate) record: bool,
    /// Sets without scripts that change the session.
    pub(crate) calm: bool,
    pub(crate) jobs: usize,
    /// Only faults whose name starts with this.
    pub(crate) only: Option<String>,
}

const USAGE: &str = "faults [--backend sqlite|postgres|databases|create] [--count N] [--seed S] [--case K] [--only FAULT] [--jobs N] [--calm] [--record]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, order] = words.as_slice()
        && first == "runner"
    {
        return runner::main(order);
    }
    match options(&words) {
        Ok(options) => campaign::main(&options),
        Err(why) => {
            say(&format!("{why}\nusage: {USAGE}"));
            ExitCode::from(2)
        }
    }
}

fn options(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        backends: vec![Backend::Sqlite, Backend::Postgres],
        several: true,
        created: true,
        count: 100,
        seed: 1,
        case: None,
        record: false,
        calm: false,
        jobs: 4,
        only: None,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--calm" {
            options.calm = true;
            continue;
        }
        if word == "--record" {
            options.record = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{word}` needs a number"));
        match word.as_str() {
            "--backend" => {
                (options.backends, options.several, options.created) = match value.as_str() {
                    "sqlite" => (vec![Backend::Sqlite], false, false),
                    "postgres" => (vec![Backend::Postgres], false, false),
                    "databases" => (Vec::new(), true, false),
                    "create" => (Vec::new(), false, true),
                    _ => return Err(format!("`{word} {value}` is not understood")),
                }
            }
            "--count" => options.count = number()?,
            "--seed" => options.seed = number()?,
            "--case" => options.case = Some(number()?),
            "--jobs" => options.jobs = usize::try_from(number()?.max(1)).unwrap_or(1),
            "--only" => options.only = Some(value.clone()),
            _ => return Err(format!("`{word} {value}` is not understood")),
        }
    }
    Ok(options)
}

/// Prints a progress line.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
