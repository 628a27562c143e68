//! `corpus --walk`: walks every migration of a set with the test harness, each in its own process and database, as under
//! `cargo nextest`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anstream::println;
use comfy_table::{Cell, CellAlignment, Table, presets};
use lockgate_testing::server::Postgres;
use serde::Deserialize;

use super::Set;
use super::build::Runner;
use super::database::Programs;
use lockgate_xtask::__private::Failure;

/// The result of one migration.
#[derive(Debug, Deserialize)]
struct Walk {
    /// `complete`, `irreversible`, or the phase in which the walk failed.
    outcome: String,
    /// The problem.
    text: String,
    /// The classes of the differences.
    classes: Vec<String>,
    /// How many comparisons were checked against two dumps, and in how many of them the dumps differ.
    dumped: usize,
    dumps_differ: usize,
    /// Where only one of the two finds a difference.
    disagree: Vec<String>,
}

/// The result of a set.
struct Outcome<'a> {
    set: &'a Set,
    walks: Vec<Walk>,
    elapsed: Duration,
}

pub(super) fn run(
    sets: &[Set],
    server: Option<&Postgres>,
    programs: &Programs,
    runner: &Runner,
    dump: bool,
) -> Result<(), Failure> {
    let mut outcomes = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        if let Some(output) = runner.refusal(index) {
            return Err(Failure::refused(format!("{}: the macro refuses it:\n{output}", set.name)));
        }
        if let Some(why) = programs.missing(set.dialect, server) {
            println!("{}: not walked: {why}", set.name);
            continue;
        }
        let outcome = walk(index, set, server, programs, runner, dump)?;
        for (script, walk) in set.ups.iter().zip(&outcome.walks) {
            println!("{}: {}: {}", set.name, script.path.display(), walk.outcome);
            walk.text.lines().for_each(|line| println!("  {line}"));
            walk.disagree.iter().for_each(|text| println!("  DISAGREES: {text}"));
        }
        outcomes.push(outcome);
    }
    println!("\n{}", table(&outcomes));
    let mut disagree = 0;
    for outcome in outcomes.iter().filter(|_| dump) {
        let sum = |count: fn(&Walk) -> usize| outcome.walks.iter().map(count).sum::<usize>();
        let (dumped, differ) = (sum(|walk| walk.dumped), sum(|walk| walk.dumps_differ));
        println!("{}: {dumped} comparisons, in {differ} of which the dumps differ", outcome.set.name);
        disagree += sum(|walk| walk.disagree.len());
    }
    if disagree > 0 {
        return Err(Failure::refused(format!("pg_dump and the comparison disagree {disagree} times")));
    }
    Ok(())
}

/// Walks all migrations of a set, as many at a time as there are cores.
fn walk<'a>(
    index: usize,
    set: &'a Set,
    server: Option<&Postgres>,
    programs: &Programs,
    runner: &Runner,
    dump: bool,
) -> Result<Outcome<'a>, Failure> {
    let one = |version: i64| -> Result<Walk, Failure> {
        let mut command = runner.command();
        command.args([&index.to_string(), set.dialect.word(), &version.to_string()]);
        if let Some(server) = server {
            programs.for_server(&mut command, server, dump);
        }
        let failed = |text: String| Failure::impossible(format!("the walk of {version} of {}: {text}", set.name));
        let output = command.output().map_err(|e| failed(e.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .map_err(|_| failed(format!("{text}{}", String::from_utf8_lossy(&output.stderr)).trim().to_owned()))
    };
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let walks = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((at, script)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, set.ups.get(at)?)))
                {
                    let walk = one(script.version);
                    walks.lock().expect("nobody panics with it").insert(at, walk);
                }
            });
        }
    });
    let walks = walks.into_inner().expect("nobody panics with it");
    Ok(Outcome { set, walks: walks.into_values().collect::<Result<_, _>>()?, elapsed: start.elapsed() })
}

/// Makes a row for each set: how its migrations ended, and in how many there are differences of each class.
fn table(outcomes: &[Outcome<'_>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["set", "dialect", "migrations", "complete", "irreversible", "with a problem", "seconds"]);
    let mut notes = String::new();
    for outcome in outcomes {
        let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
        let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
        for walk in &outcome.walks {
            *phases.entry(&walk.outcome).or_default() += 1;
            walk.classes.iter().for_each(|class| *classes.entry(class).or_default() += 1);
        }
        let [complete, irreversible] = ["complete", "irreversible"].map(|phase| phases.remove(phase).unwrap_or(0));
        let numbers = [outcome.walks.len(), complete, irreversible, phases.values().sum()];
        let mut row = vec![Cell::new(&outcome.set.name), Cell::new(outcome.set.dialect)];
        row.extend(numbers.map(|number| Cell::new(number).set_alignment(CellAlignment::Right)));
        row.push(Cell::new(format!("{:.1}", outcome.elapsed.as_secs_f64())).set_alignment(CellAlignment::Right));
        table.add_row(row);
        for (what, counts) in [("problems at", phases), ("differences", classes)] {
            if !counts.is_empty() {
                let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
                notes += &format!("{}: {what}: {}\n", outcome.set.name, counts.join(", "));
            }
        }
    }
    table.lines().map(|line| line.trim().to_owned() + "\n").collect::<String>() + "\n" + &notes
}
