//! `cargo xtask oracle --names`: compares the grammar check with real servers on keywords as names. Each keyword is put in
//! each place of `names_postgres.txt` and `names_sqlite.txt`; the servers say which of these statements are syntax.
//!
//! A statement is valid if one of the servers accepts it, since the check does not know the release either.

use std::collections::HashSet;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::process::{Command, Stdio};
use std::thread;
use std::{fmt::Write as _, fs};

use anstream::{eprintln, println};
use lockgate_source::core::Dialect;
use lockgate_testing::server::{ErrorKind, Options, Postgres};
use lockgate_xtask::__private::Failure;

/// The releases whose keywords are tried, where such a server is found.
const RELEASES: [u32; 2] = [15, 18];

/// Valid statements that the check refuses and nobody writes. `substring()` is refused after the
/// grammar; `f(a array)` is a function of an array of the type `a`.
const KNOWN: [(&str, &str); 3] = [
    ("SELECT {}()", "substring"),
    ("CREATE TABLE t (a int DEFAULT {}())", "substring"),
    ("CREATE FUNCTION f(a {}) RETURNS int LANGUAGE sql AS 'SELECT 1'", "array"),
];

/// Keywords that one release reserves and an older one does not, and one that the servers refuse after the grammar.
const SKIPPED: [&str; 2] = ["system_user", "default"];

const POSTGRES: &str = include_str!("names_postgres.txt");
const SQLITE: &str = include_str!("names_sqlite.txt");

/// Of the keywords that are names everywhere, one in so many is tried at each place.
const EVERY: usize = 7;

/// SQLite's keywords.
const SQLITE_WORDS: &str = "abort action add after all alter always analyze and as asc attach autoincrement before begin \
    between by cascade case cast check collate column commit conflict constraint create cross current current_date \
    current_time current_timestamp database default deferrable deferred delete desc detach distinct do drop each else end \
    escape except exclude exclusive exists explain fail filter first following for foreign from full generated glob group \
    groups having if ignore immediate in index indexed initially inner insert instead intersect into is isnull join key last \
    left like limit match materialized natural no not nothing notnull null nulls of offset on or order others outer over \
    partition plan pragma preceding primary query raise range recursive references regexp reindex release rename replace \
    restrict returning right rollback row rows savepoint select set table temp temporary then ties to transaction trigger \
    unbounded union unique update using vacuum values view virtual when where window with without";

/// A statement, and where it comes from.
struct Statement {
    place: &'static str,
    word: String,
    text: String,
}

impl Statement {
    fn new(place: &'static str, word: &str) -> Self {
        Self { place, word: word.to_owned(), text: place.replace("{}", word) }
    }
}

/// Compares them, and reports the statements on which the check and the servers disagree.
pub(super) fn run(show: bool) -> Result<(), Failure> {
    let mut refused = postgres(show)?;
    refused += sqlite(show)?;
    match refused {
        0 => Ok(()),
        refused => Err(Failure::refused(format!("{refused} statements are refused that a server accepts"))),
    }
}

fn postgres(show: bool) -> Result<usize, Failure> {
    let mut servers = Vec::new();
    for major in RELEASES {
        match Postgres::start(&Options::default().major(major)) {
            Ok(server) => servers.push(server),
            Err(e) if e.kind() == ErrorKind::NotFound => eprintln!("no PostgreSQL {major}: {e}"),
            Err(e) => return Err(e.into()),
        }
    }
    let newest = servers.last().ok_or_else(|| Failure::impossible("no PostgreSQL to ask"))?;
    let keywords =
        output_of(psql(newest).args(["-At", "-F", " ", "-c", "SELECT word, catcode FROM pg_get_keywords()"]))?;
    let mut statements = Vec::new();
    for (number, place) in POSTGRES.lines().enumerate() {
        statements.push(Statement::new(place, "x"));
        for (at, line) in keywords.lines().enumerate() {
            let (word, class) = line.split_once(' ').unwrap_or_default();
            if SKIPPED.contains(&word) {
                continue;
            }
            if class != "U" || (at + number).is_multiple_of(EVERY) {
                statements.push(Statement::new(place, word));
            }
        }
    }
    let mut valid = vec![false; statements.len()];
    for server in &servers {
        let mut script = String::from("\\set VERBOSITY sqlstate\n");
        for (number, statement) in statements.iter().enumerate() {
            let _ = write!(script, "\\warn @{number}\n{}\n\\g\n\\r\n", statement.text);
        }
        let invalid = numbers_before(&shell(psql(server).arg("-q"), &script)?, "42601");
        valid.iter_mut().enumerate().for_each(|(number, valid)| *valid |= !invalid.contains(&number));
    }
    report(Dialect::Postgres, &statements, &valid, show)
}

fn sqlite(show: bool) -> Result<usize, Failure> {
    let words = || SQLITE_WORDS.split_whitespace().chain(["x"]);
    let of_place = |place| words().map(move |word| Statement::new(place, word));
    let statements: Vec<_> = SQLITE.lines().flat_map(of_place).collect();
    let mut script = String::from(".bail off\nCREATE TABLE t (a int);\n");
    for (number, statement) in statements.iter().enumerate() {
        let _ = write!(script, "SELECT '@{number}';\nBEGIN;\n{};\nROLLBACK;\n", statement.text);
    }
    let output = shell(Command::new("sqlite3").args(["-batch", "-init", "/dev/null", ":memory:"]), &script)?;
    let invalid = numbers_before(&output, ": syntax error");
    let valid: Vec<bool> = (0..statements.len()).map(|number| !invalid.contains(&number)).collect();
    report(Dialect::Sqlite, &statements, &valid, show)
}

/// Prints the disagreements, and returns the number of valid statements that the check refuses.
fn report(dialect: Dialect, statements: &[Statement], valid: &[bool], show: bool) -> Result<usize, Failure> {
    let plain = |number: &usize| statements[*number].word == "x" && !valid[*number];
    if let Some(wrong) = (0..statements.len()).find(plain) {
        return Err(Failure::impossible(format!("`{}` is no place for a name", statements[wrong].place)));
    }
    let parts = thread::available_parallelism().map_or(1, NonZero::get);
    let judge = |first: usize| {
        let mine = (first..statements.len()).step_by(parts);
        mine.map(|number| {
            let text = format!("{};", statements[number].text);
            let Statement { place, word, .. } = &statements[number];
            let is_known = KNOWN.iter().any(|known| known.0 == *place && known.1 == word);
            let refused =
                !is_known && super::refusal(dialect, &text).is_some_and(|why| !super::is_refused_behind(&text, &why));
            (number, refused)
        })
        .filter(|(number, refused)| valid[*number] == *refused)
        .collect::<Vec<_>>()
    };
    let mut differs: Vec<(usize, bool)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..parts).map(|first| scope.spawn(move || judge(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    differs.sort_unstable();
    let refused = differs.iter().filter(|(_, refused)| *refused).count();
    let invalid = valid.iter().filter(|valid| !**valid).count();
    let missed = differs.len() - refused;
    println!(
        "{}: {} statements, {invalid} of them invalid; the check refuses {refused} valid ones and misses {missed} invalid ones",
        dialect.as_str(),
        statements.len()
    );
    if show {
        for (what, of) in [("refused", true), ("missed", false)] {
            let of: Vec<&Statement> =
                differs.iter().filter(|(_, is)| *is == of).map(|(n, _)| &statements[*n]).collect();
            for place in of.chunk_by(|a, b| a.place == b.place) {
                let words: Vec<&str> = place.iter().map(|statement| statement.word.as_str()).collect();
                println!("{what}: {}: {}", place[0].place, words.join(" "));
            }
        }
    }
    Ok(refused)
}

/// Returns the last number before each line that contains these words.
fn numbers_before(output: &str, words: &str) -> HashSet<usize> {
    let mut numbers = HashSet::new();
    let mut last: Option<usize> = None;
    for line in output.lines() {
        if let Some(number) = line.strip_prefix('@').and_then(|number| number.parse().ok()) {
            last = Some(number);
        } else if line.contains(words) {
            numbers.extend(last);
        }
    }
    numbers
}

fn psql(server: &Postgres) -> Command {
    let beside = server.bin().join("psql");
    let mut command = if beside.is_file() { Command::new(beside) } else { Command::new("psql") };
    command.arg("--no-psqlrc").env("PGHOST", "127.0.0.1").env("PGPORT", server.port().to_string());
    command.env("PGUSER", "postgres").env("PGPASSWORD", server.password()).env("PGDATABASE", "postgres");
    command.env("PGOPTIONS", "-c client_min_messages=error -c statement_timeout=1s");
    command
}

/// Runs a script, which goes on after errors, and returns what the shell prints.
fn shell(command: &mut Command, script: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::impossible(format!("{}: {e}", "a database shell"));
    let folder = tempfile::tempdir().map_err(failed)?;
    let (input, output) = (folder.path().join("script.sql"), folder.path().join("output"));
    fs::write(&input, script).map_err(failed)?;
    let into = fs::File::create(&output).map_err(failed)?;
    command.stdin(fs::File::open(&input).map_err(failed)?).stdout(into.try_clone().map_err(failed)?).stderr(into);
    command.status().map_err(failed)?;
    Ok(String::from_utf8_lossy(&fs::read(&output).map_err(failed)?).into_owned())
}

fn output_of(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| Failure::impossible(format!("psql: {e}")))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Failure::impossible(format!("psql: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}
