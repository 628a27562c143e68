//! Measures what embedding costs: `cargo check` over an empty folder, after an edit, and the size of the binary.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Instant, SystemTime};

use crate::Outcome;
use crate::arguments::Arguments;
use crate::contender::{Contender, succeed};
use crate::table::Table;

/// The number of migrations in the binary whose size is measured.
const WEIGHED: usize = 1000;
/// The number of drafts of two kilobytes that are read, parsed and linted.
const DRAFTS: usize = 100;

pub(crate) fn run(arguments: &Arguments) -> Outcome<Table> {
    let mut head = vec![String::new()];
    for count in &arguments.sizes {
        head.push(format!("check, N = {count}"));
        head.push("over N = 0".to_owned());
        head.push("after an edit".to_owned());
    }
    head.push("KB of binary per 1,000".to_owned());
    let title = format!("Seconds of `cargo check`, minimum of {} runs; stripped release binary", arguments.runs);
    let mut table = Table::new(title, head);
    for contender in arguments.only.iter().copied().filter(|contender| contender.embeds()) {
        match measure(contender, arguments) {
            Ok(cells) => table.row(std::iter::once(contender.name().to_owned()).chain(cells).collect()),
            Err(e) => table.note(format!("SKIPPED {}: {e}", contender.name())),
        }
    }
    if arguments.only.contains(&Contender::Lockgate) {
        table.note(match drafts(arguments.runs) {
            Ok(seconds) => format!("lockgate, {DRAFTS} drafts of 2 KB over an empty folder: {seconds:.2} s"),
            Err(e) => format!("SKIPPED {DRAFTS} drafts of lockgate: {e}"),
        });
    }
    table.note(
        "after an edit: the newest script, a draft, was edited; `not seen` means that Cargo did not compile again. \
         The size of the binary is that above N = 0."
            .to_owned(),
    );
    Ok(table)
}

fn measure(contender: Contender, arguments: &Arguments) -> Outcome<Vec<String>> {
    eprintln!("checking {} with 0 migrations", contender.name());
    let empty = check(contender, 0, arguments.runs)?;
    let mut cells = Vec::new();
    for &count in &arguments.sizes {
        eprintln!("checking {} with {count} migrations", contender.name());
        let full = check(contender, count, arguments.runs)?;
        cells.push(format!("{full:.2}"));
        cells.push(format!("{:.2}", full - empty));
        cells.push(after_edit(contender, count, arguments.runs)?.map_or("not seen".to_owned(), |s| format!("{s:.2}")));
    }
    let (empty, full) = (size(contender, 0)?, size(contender, WEIGHED)?);
    cells.push(format!("{:.0}", (full as f64 - empty as f64) / 1000.0));
    Ok(cells)
}

/// Returns the seconds of a check of only this crate, after it was touched.
fn check(contender: Contender, count: usize, runs: usize) -> Outcome<f64> {
    contender.lay_out(count)?;
    check_as_it_is(contender, count, runs)
}

/// Returns the seconds that drafts add to a check, which are spent in the macro and on its output.
fn drafts(runs: usize) -> Outcome<f64> {
    eprintln!("checking lockgate with {DRAFTS} drafts of 2 KB");
    let contender = Contender::Lockgate;
    let empty = check(contender, 0, runs)?;
    contender.lay_out(DRAFTS)?;
    let migrations = contender.folder(DRAFTS).join("migrations");
    crate::migrations::write_drafts(&migrations, DRAFTS)?;
    let full = check_as_it_is(contender, DRAFTS, runs);
    // Others want other migrations in it.
    fs::remove_dir_all(migrations)?;
    Ok(full? - empty)
}

fn check_as_it_is(contender: Contender, count: usize, runs: usize) -> Outcome<f64> {
    // What rustc remembers of the last time would hide what the first one costs.
    let cold = || succeed(contender.cargo("check", count).env("CARGO_INCREMENTAL", "0"));
    cold()?;
    let main = contender.folder(count).join("src/main.rs");
    let mut seconds = Vec::new();
    for _ in 0..runs {
        File::options().append(true).open(&main)?.set_modified(SystemTime::now())?;
        let start = Instant::now();
        let output = cold()?;
        seconds.push(start.elapsed().as_secs_f64());
        if !output.contains("Checking") {
            return Err("a touched main.rs was not compiled again".into());
        }
    }
    Ok(least(&seconds).expect("there is one run at least"))
}

/// Returns the seconds of a check after an edit of one script; `None` if Cargo did not notice the edit.
fn after_edit(contender: Contender, count: usize, runs: usize) -> Outcome<Option<f64>> {
    let script = contender.folder(count).join("migrations").join(contender.layout().newest(count));
    let original = fs::read(&script)?;
    succeed(&mut contender.cargo("check", count))?;
    let mut seconds = Vec::new();
    for run in 0..runs {
        writeln!(File::options().append(true).open(&script)?, "-- edited {run}")?;
        let start = Instant::now();
        let output = succeed(&mut contender.cargo("check", count));
        seconds.push(start.elapsed().as_secs_f64());
        if !output.as_ref().is_ok_and(|output| output.contains("Checking")) {
            fs::write(&script, original)?;
            return output.map(|_| None);
        }
    }
    fs::write(&script, original)?;
    Ok(least(&seconds))
}

fn size(contender: Contender, count: usize) -> Outcome<u64> {
    Ok(fs::metadata(contender.build(count)?)?.len())
}

/// Returns the minimum. Other programs on the machine only add to a compiler's time.
fn least(seconds: &[f64]) -> Option<f64> {
    seconds.iter().copied().reduce(f64::min)
}
