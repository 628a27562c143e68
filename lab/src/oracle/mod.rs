//! `cargo xtask oracle`: compares the grammar check with PostgreSQL's own grammar, on PostgreSQL's own tests, unchanged and
//! with one token changed.
//!
//! The grammar accepts some statements that the server refuses right after parsing, such as a list of tables in
//! `CREATE STATISTICS`. These are counted separately. A changed statement may be of that kind in unlisted ways, so only
//! unchanged statements decide whether a valid statement is refused.
//!
//! The grammar is the Python package `pglast`, whose source package also has the tests. Pip downloads both into
//! `.corpus/oracle`; they are not committed.

mod names;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anstream::{eprintln, println};
use comfy_table::{Cell, CellAlignment, Table, presets};
use lockgate_source::core::{Dialect, StatementFlags};
use lockgate_source::sql;
use lockgate_source::sql::check::check;
use serde::Deserialize;

use crate::workspace;
use lockgate_xtask::__private::Failure;

/// With the grammar of PostgreSQL 18.
const VERSION: &str = "8.7";
const SCRIPT: &str = include_str!("grammar.py.txt");

/// How often progress is reported: an unoptimised build takes minutes.
const PROGRESS: usize = 5_000;

/// The statements to compare.
const KINDS: [&str; 4] =
    ["as written, valid", "as written, invalid", "one token changed, valid", "one token changed, invalid"];

/// The percentage of the statements refused by the grammar that the check must find.
const CAUGHT_MIN: f64 = 99.0;

/// Statements that the grammar accepts and the server refuses right after parsing, so that the check may refuse them:
/// parts of the messages of the check.
const REFUSED_BEHIND: [&str; 9] = [
    "`SELECT` ... `INTO` is not allowed here",
    "is not a valid binary digit",
    "is not a valid hexadecimal digit",
    "trailing junk after positional parameter",
    "duplicate function body",
    "`VARIADIC` param must be last",
    "conflicting or redundant options",
    "type modifiers must be simple constants",
    "expected a target after `SELECT`",
];

/// The same: how such statements begin, or words that they contain.
const REFUSED_SO: [&str; 4] = ["create statistics", "create unlogged materialized", "explain (", "as 'not even sql'"];

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the gate takes every statement that PostgreSQL's grammar takes, and refuses 99 % of \
                  those that it refuses; 1 it does not; 2 there is no Python or no package."
)]
pub(crate) struct Arguments {
    /// Files of SQL; without any, PostgreSQL's regression tests
    files: Vec<PathBuf>,
    /// Show the statements on which the two differ
    #[arg(long)]
    show: bool,
    /// Compare with real servers, PostgreSQL and SQLite, which keywords are names at which place
    #[arg(long, conflicts_with = "files")]
    names: bool,
}

/// The answer of the script about a statement.
#[derive(Debug, Deserialize)]
struct Answer {
    valid: bool,
    output: String,
    mutants: Vec<(String, bool, String)>,
}

/// Statements of one kind, and in how many of them the check agrees.
#[derive(Debug, Default)]
struct Tally {
    all: usize,
    agreed: usize,
    /// Accepted by the grammar, but refused by the server.
    behind: usize,
    /// Where the two differ: the statement, and why one of them refuses it.
    differs: Vec<(String, String)>,
}

impl Tally {
    fn count(&mut self, text: &str, valid: bool, output: &str) {
        self.all += 1;
        let refused = refusal(Dialect::Postgres, text);
        match (valid, refused) {
            (true, Some(why)) if is_refused_behind(text, &why) => self.behind += 1,
            (true, Some(why)) => self.differs.push((text.to_owned(), format!("Lockgate: {why}"))),
            (false, None) => self.differs.push((text.to_owned(), format!("PostgreSQL: {output}"))),
            (true, None) | (false, Some(_)) => self.agreed += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.all += other.all;
        self.agreed += other.agreed;
        self.behind += other.behind;
        self.differs.extend(other.differs);
    }

    fn percent(&self) -> f64 {
        if self.all == 0 { 100.0 } else { 100.0 * self.agreed as f64 / self.all as f64 }
    }
}

fn is_refused_behind(text: &str, why: &str) -> bool {
    let text = text.to_lowercase();
    REFUSED_BEHIND.iter().any(|part| why.contains(part)) || REFUSED_SO.iter().any(|part| text.contains(part))
}

/// Returns the reason why the check refuses a statement, if it does.
fn refusal(dialect: Dialect, text: &str) -> Option<String> {
    let split = sql::split(dialect, text);
    // Only the command of a COPY was sent, without its data.
    if let Some(problem) = split.problems.iter().find(|problem| problem.code != "unterminated-copy-data") {
        return Some(problem.message.clone());
    }
    let found = check(dialect, text, &split.statements, None);
    found.into_iter().find(|finding| finding.kind.is_refusal()).map(|finding| finding.kind.to_string())
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.names {
        return names::run(arguments.show);
    }
    let folder = workspace::root().join(".corpus").join("oracle");
    let python = python(&folder)?;
    let files = match &*arguments.files {
        [] => regression_tests(&folder, &python)?,
        files => files.to_vec(),
    };
    let mut statements = Vec::new();
    for file in &files {
        statements.extend(statements_of(file)?);
    }
    eprintln!("{} statements of {} files", statements.len(), files.len());
    let tallies = compare(&python, &statements)?;
    if arguments.show {
        for (kind, tally) in KINDS.iter().zip(&tallies) {
            for (text, why) in &tally.differs {
                println!("{kind}: {why}\n{}\n", text.trim_end());
            }
        }
    }
    println!("{}", table(&tallies));
    match (tallies[0].differs.len(), tallies[3].percent()) {
        (0, caught) if caught >= CAUGHT_MIN => Ok(()),
        (0, caught) => {
            Err(Failure::refused(format!("of what is invalid {caught:.1} % are refused, and {CAUGHT_MIN} % are asked")))
        }
        (refused, _) => Err(Failure::refused(format!(
            "{refused} statements are refused that PostgreSQL's grammar takes: `--show` shows them"
        ))),
    }
}

/// Judges all statements in parallel, first with PostgreSQL's grammar and then with the check.
fn compare(python: &Path, statements: &[String]) -> Result<[Tally; 4], Failure> {
    let parts = thread::available_parallelism().map_or(1, NonZero::get);
    let judged = AtomicUsize::new(0);
    let part = |first: usize| -> Result<[Tally; 4], Failure> {
        let mut tallies: [Tally; 4] = Default::default();
        let mine = statements.iter().enumerate().skip(first).step_by(parts);
        ask(python, mine, |text, answer| {
            tallies[usize::from(!answer.valid)].count(text, answer.valid, &answer.output);
            for (text, valid, output) in &answer.mutants {
                tallies[2 + usize::from(!valid)].count(text, *valid, output);
            }
            let judged = judged.fetch_add(1, Ordering::Relaxed) + 1;
            if judged.is_multiple_of(PROGRESS) {
                eprintln!("{judged} of {} judged", statements.len());
            }
        })?;
        Ok(tallies)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..parts).map(|first| scope.spawn(move || part(first))).collect();
        let mut all: [Tally; 4] = Default::default();
        for thread in threads {
            let tallies = thread.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            all.iter_mut().zip(tallies).for_each(|(all, tally)| all.add(tally));
        }
        Ok(all)
    })
}

fn table(tallies: &[Tally]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "statements",
        "all",
        "the gate agrees",
        "refused behind the grammar",
        "differs",
        "% agree",
    ]);
    for (kind, tally) in KINDS.iter().zip(tallies) {
        let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(kind),
            number(tally.all.to_string()),
            number(tally.agreed.to_string()),
            number(tally.behind.to_string()),
            number(tally.differs.len().to_string()),
            number(format!("{:.2}", tally.percent())),
        ]);
    }
    table
}

/// The statements of a file, without the data of COPY and the lines of psql.
fn statements_of(file: &Path) -> Result<Vec<String>, Failure> {
    let bytes = fs::read(file).map_err(|e| Failure::impossible(format!("{}: {e}", file.display())))?;
    // Some tests are about other encodings. The bytes that are not UTF-8 are all in strings.
    let text = String::from_utf8_lossy(&bytes);
    let split = sql::split(Dialect::Postgres, &text);
    let sent = split.statements.iter().filter(|statement| !statement.flags.contains(StatementFlags::CLIENT_ONLY));
    Ok(sent.map(|statement| text[statement.command()].to_owned()).collect())
}

/// A Python with the package.
fn python(folder: &Path) -> Result<PathBuf, Failure> {
    let venv = folder.join(format!("venv-{VERSION}"));
    let python = venv.join("bin").join("python");
    if !venv.join("done").exists() {
        fs::create_dir_all(folder).map_err(|e| Failure::impossible(format!("{}: {e}", folder.display())))?;
        let mut command = Command::new("python3");
        ran(command.args(["-m", "venv", "--clear"]).arg(&venv))?;
        ran(Command::new(&python).args(["-m", "pip", "install", "--quiet", &format!("pglast=={VERSION}")]))?;
        fs::write(venv.join("done"), "").map_err(|e| Failure::impossible(format!("{}: {e}", venv.display())))?;
    }
    Ok(python)
}

/// PostgreSQL's regression tests, as the package's source has them.
fn regression_tests(folder: &Path, python: &Path) -> Result<Vec<PathBuf>, Failure> {
    let name = format!("pglast-{VERSION}");
    let tests = folder.join(&name).join("libpg_query/test/sql/postgres_regress");
    if !tests.is_dir() {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pglast", "--dest"]).arg(folder);
        ran(pip.arg(format!("pglast=={VERSION}")))?;
        let archive = folder.join(format!("{name}.tar.gz"));
        ran(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder))?;
    }
    let entries = fs::read_dir(&tests).map_err(|e| Failure::impossible(format!("{}: {e}", tests.display())))?;
    let files = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "sql")).collect();
    files.sort();
    Ok(files)
}

fn ran(command: &mut Command) -> Result<(), Failure> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|e| Failure::impossible(format!("{shown} cannot be run: {e}")))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::impossible(format!("{shown}: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}

/// Sends these statements to the script, and reads each answer as it comes.
fn ask<'a>(
    python: &Path,
    statements: impl Iterator<Item = (usize, &'a String)> + Clone + Send,
    mut hear: impl FnMut(&str, &Answer),
) -> Result<(), Failure> {
    let failed = |e: String| Failure::impossible(format!("pglast: {e}"));
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
    let mut input = child.stdin.take().expect("it is piped");
    let answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let asked = statements.clone();
    let heard = thread::scope(|scope| {
        scope.spawn(move || {
            for statement in asked {
                let line = serde_json::to_string(&statement).expect("a number and a text are JSON");
                // The script reports why it stopped reading.
                if writeln!(input, "{line}").is_err() {
                    return;
                }
            }
        });
        let mut unheard = statements;
        for answer in answers {
            let answer: Answer = answer
                .map_err(|e| e.to_string())
                .and_then(|line| serde_json::from_str(&line).map_err(|e| e.to_string()))?;
            let (_, statement) = unheard.next().ok_or("an answer to no statement")?;
            hear(statement, &answer);
        }
        match unheard.count() {
            0 => Ok(()),
            unheard => Err(format!("{unheard} statements have no answer")),
        }
    });
    child.wait().map_err(|e| failed(e.to_string()))?;
    heard.map_err(failed)
}
