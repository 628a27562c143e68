//! `cargo xtask oracle`: the grammar gate held against PostgreSQL's own grammar, on PostgreSQL's own tests
//! and on what becomes of them when one token is changed.
//!
//! The grammar takes some things that the server refuses right behind it, such as a list of tables in
//! `CREATE STATISTICS`: these are counted by themselves. A changed statement may be of that kind in ways that nobody has
//! listed, so only the statements as they were written decide whether anything valid is refused.
//!
//! For Lockgate's own workspace. The grammar is the Python package `pglast`, whose source package has the
//! tests too; both are fetched by pip into `.corpus/oracle`, and nothing of them is committed.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anstream::{eprintln, println};
use comfy_table::{Cell, CellAlignment, Table, presets};
use lockgate_source::core::{Dialect, StatementFlags};
use lockgate_source::sql;
use lockgate_source::sql::check::check;
use serde::Deserialize;

use crate::failure::Failure;
use crate::project::Project;

/// With the grammar of PostgreSQL 18.
const VERSION: &str = "8.7";
const SCRIPT: &str = include_str!("grammar.py.txt");

/// Of the statements that the grammar refuses, the gate is to find so many of a hundred.
const CAUGHT_MIN: f64 = 99.0;

/// What the grammar alone takes, and the server refuses as soon as it looks at the statement: so the gate may.
/// Parts of what the gate says.
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

/// The same: beginnings of statements, or what stands in them.
const REFUSED_SO: [&str; 4] = ["create statistics", "create unlogged materialized", "explain (", "as 'not even sql'"];

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the gate takes every statement that PostgreSQL's grammar takes, and refuses 99 % of \
                  those that it refuses; 1 it does not; 2 there is no Python or no package."
)]
pub(crate) struct Arguments {
    /// Files of SQL; without any, PostgreSQL's regression tests
    files: Vec<PathBuf>,
    /// Show the statements in which the two differ
    #[arg(long)]
    show: bool,
}

/// What the script says of a statement.
#[derive(Debug, Deserialize)]
struct Answer {
    valid: bool,
    said: String,
    mutants: Vec<(String, bool, String)>,
}

/// Statements of one kind, and in how many the gate agrees.
#[derive(Debug, Default)]
struct Tally {
    all: usize,
    agreed: usize,
    /// Valid for the grammar, and refused by the server all the same.
    behind: usize,
    /// Where the two differ: the statement, and why one of them refuses it.
    differs: Vec<(String, String)>,
}

impl Tally {
    fn count(&mut self, text: &str, valid: bool, said: &str) {
        self.all += 1;
        let refused = refusal(text);
        match (valid, refused) {
            (true, Some(why)) if is_refused_behind(text, &why) => self.behind += 1,
            (true, Some(why)) => self.differs.push((text.to_owned(), format!("Lockgate: {why}"))),
            (false, None) => self.differs.push((text.to_owned(), format!("PostgreSQL: {said}"))),
            (true, None) | (false, Some(_)) => self.agreed += 1,
        }
    }

    fn percent(&self) -> f64 {
        if self.all == 0 { 100.0 } else { 100.0 * self.agreed as f64 / self.all as f64 }
    }
}

fn is_refused_behind(text: &str, why: &str) -> bool {
    let text = text.to_lowercase();
    REFUSED_BEHIND.iter().any(|part| why.contains(part)) || REFUSED_SO.iter().any(|part| text.contains(part))
}

/// What the gate has against a statement.
fn refusal(text: &str) -> Option<String> {
    let split = sql::split(Dialect::Postgres, text);
    // Of a COPY only the command was sent.
    if let Some(problem) = split.problems.iter().find(|problem| problem.code != "unterminated-copy-data") {
        return Some(problem.message.clone());
    }
    let found = check(Dialect::Postgres, text, &split.statements, None);
    found.into_iter().find(|finding| finding.fact.is_refusal()).map(|finding| finding.fact.to_string())
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    if project.directory_of("lockgate").is_none() {
        return Err(Failure::impossible("`oracle` tries Lockgate itself: it runs in Lockgate's own workspace alone"));
    }
    let folder = project.root.join(".corpus").join("oracle");
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
    let answers = ask(&python, &statements)?;

    let kinds = ["as written, valid", "as written, invalid", "one token changed, valid", "one token changed, invalid"];
    let mut tallies: [Tally; 4] = Default::default();
    for (text, answer) in statements.iter().zip(&answers) {
        tallies[usize::from(!answer.valid)].count(text, answer.valid, &answer.said);
        for (text, valid, said) in &answer.mutants {
            tallies[2 + usize::from(!valid)].count(text, *valid, said);
        }
    }
    if arguments.show {
        for (kind, tally) in kinds.iter().zip(&tallies) {
            for (text, why) in &tally.differs {
                println!("{kind}: {why}\n{}\n", text.trim_end());
            }
        }
    }
    println!("{}", table(&kinds, &tallies));
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

fn table(kinds: &[&str], tallies: &[Tally]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "statements",
        "all",
        "the gate agrees",
        "refused behind the grammar",
        "differs",
        "% agree",
    ]);
    for (kind, tally) in kinds.iter().zip(tallies) {
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
    // Some tests are about other encodings: what is no UTF-8 in them is in a string.
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

/// Asks the script for each statement.
fn ask(python: &Path, statements: &[String]) -> Result<Vec<Answer>, Failure> {
    let failed = |e: String| Failure::impossible(format!("pglast: {e}"));
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
    let mut input = child.stdin.take().expect("it is piped");
    let mut said = String::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            for statement in statements {
                let line = serde_json::to_string(statement).expect("a text is JSON");
                // It says itself why it hears no more.
                if writeln!(input, "{line}").is_err() {
                    return;
                }
            }
        });
        child.stdout.take().expect("it is piped").read_to_string(&mut said)
    })
    .map_err(|e| failed(e.to_string()))?;
    child.wait().map_err(|e| failed(e.to_string()))?;
    let answers: Result<Vec<Answer>, _> = said.lines().map(serde_json::from_str).collect();
    let answers = answers.map_err(|e| failed(e.to_string()))?;
    match answers.len() == statements.len() {
        true => Ok(answers),
        false => Err(failed(format!("{} answers for {} statements", answers.len(), statements.len()))),
    }
}
