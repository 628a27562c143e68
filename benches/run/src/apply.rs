//! Fresh apply and up-to-date start: whole processes, from their start to their end, interleaved.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::Outcome;
use crate::arguments::{Arguments, Backend};
use crate::contender::{Contender, succeed, target};
use crate::migrations;
use crate::server::{Server, psql, shell_is_missing};
use crate::table::{Table, median};
use crate::wire::Wire;

/// The number of up-to-date starts in each run. They are short.
const STARTS: usize = 5;

/// The times in seconds of one contender on one backend with one number of migrations.
#[derive(Default)]
struct Times {
    fresh: Vec<f64>,
    current: Vec<f64>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<Table> {
    let (programs, mut skipped) = build(arguments);
    let server = Server::start(&arguments.backends)?;
    let runtime = Runtime::new()?;
    let mut times: BTreeMap<(usize, &str, &str), Times> = BTreeMap::new();
    for &count in &arguments.sizes {
        for round in 0..arguments.runs {
            eprintln!("{count} migrations, run {} of {}", round + 1, arguments.runs);
            for &backend in &arguments.backends {
                // Each comes first once, so that nobody profits from its place.
                let mut order: Vec<&Program> = programs.iter().filter(|p| p.count == count).collect();
                let rotation = round % order.len().max(1);
                order.rotate_left(rotation);
                for program in order {
                    let name = program.contender.name();
                    if skipped.contains_key(&(name, Some(backend.name()))) {
                        continue;
                    }
                    match measure(program, &server, backend, arguments, &runtime) {
                        Ok((fresh, current)) => {
                            eprintln!("  {} {name}: {fresh:.3}", backend.name());
                            let times = times.entry((count, backend.name(), name)).or_default();
                            times.fresh.push(fresh);
                            times.current.extend(current);
                        }
                        Err(e) => {
                            eprintln!("{name} on {}: {e}", backend.name());
                            skipped.insert((name, Some(backend.name())), format!("with {count} migrations: {e}"));
                        }
                    }
                }
            }
        }
    }
    Ok(table(arguments, &server, &times, &skipped))
}

/// A built program, with its number of migrations.
struct Program {
    contender: Contender,
    count: usize,
    /// The binary, or the script for a shell.
    path: std::path::PathBuf,
}

type Skipped = BTreeMap<(&'static str, Option<&'static str>), String>;

/// Builds all programs. The table names each program that cannot be built, with the reason.
fn build(arguments: &Arguments) -> (Vec<Program>, Skipped) {
    let mut programs = Vec::new();
    let mut skipped = Skipped::new();
    for contender in arguments.only.iter().copied().filter(|contender| contender.applies()) {
        for &count in &arguments.sizes {
            let path = match contender {
                Contender::Shell => script(count),
                _ => contender.build(count),
            };
            match path {
                Ok(path) => programs.push(Program { contender, count, path }),
                Err(e) => {
                    eprintln!("{} is skipped: {e}", contender.name());
                    skipped.insert((contender.name(), None), reason(contender, &e.to_string()));
                    break;
                }
            }
        }
    }
    if arguments.only.contains(&Contender::Shell) {
        for &backend in &arguments.backends {
            if let Some(missing) = shell_is_missing(backend) {
                skipped.insert((Contender::Shell.name(), Some(backend.name())), missing.to_owned());
            }
        }
    }
    (programs, skipped)
}

fn reason(contender: Contender, error: &str) -> String {
    if contender == Contender::Diesel && (error.contains("-lpq") || error.contains("libpq")) {
        return "libpq is missing: install `libpq-dev`".to_owned();
    }
    error.to_owned()
}

fn script(count: usize) -> Outcome<std::path::PathBuf> {
    let path = target().join(format!("all-{count}.sql"));
    std::fs::create_dir_all(target())?;
    migrations::keep(&path, &migrations::all(count))?;
    Ok(path)
}

/// Returns the time of one fresh apply, and the times of the starts after it, in seconds.
fn measure(
    program: &Program,
    server: &Server,
    backend: Backend,
    arguments: &Arguments,
    runtime: &Runtime,
) -> Outcome<(f64, Vec<f64>)> {
    let database = server.fresh(backend)?;
    let wire = arguments.latency.map(|latency| {
        let wire = runtime.block_on(Wire::in_front_of(&database.tcp));
        wire.delay(latency / 2);
        wire
    });
    let url = wire.as_ref().map_or_else(|| database.target.clone(), Wire::url);
    let fresh = time(program, backend, &url)?;
    let tables = database.tables()?;
    if tables != program.count {
        return Err(format!("{tables} of {} tables exist afterwards", program.count).into());
    }
    let starts = if program.contender == Contender::Shell { 0 } else { STARTS };
    let current = (0..starts).map(|_| time(program, backend, &url)).collect::<Outcome<_>>()?;
    Ok((fresh, current))
}

fn time(program: &Program, backend: Backend, url: &str) -> Outcome<f64> {
    let mut command = match (program.contender, backend) {
        (Contender::Shell, Backend::Postgres) => {
            let mut psql = psql(url);
            psql.arg("-1").arg("-f").arg(&program.path);
            psql
        }
        (Contender::Shell, Backend::Sqlite) => {
            let mut sqlite = Command::new("sqlite3");
            sqlite.arg("-bail").arg(url).arg("BEGIN").arg(format!(".read {}", program.path.display())).arg("COMMIT");
            sqlite
        }
        _ => {
            let mut command = Command::new(&program.path);
            command.arg(url);
            command
        }
    };
    command.stdin(Stdio::null());
    let start = Instant::now();
    succeed(&mut command)?;
    Ok(start.elapsed().as_secs_f64())
}

fn table(
    arguments: &Arguments,
    server: &Server,
    times: &BTreeMap<(usize, &str, &str), Times>,
    skipped: &Skipped,
) -> Table {
    let latency = arguments.latency.map(|latency| format!(", {} ms of latency", latency.as_millis()));
    let title = format!(
        "Seconds (and the ratio to lockgate), median of {} runs, whole processes, {} bytes per migration; {}{}",
        arguments.runs,
        migrations::BYTES,
        server.describe(),
        latency.unwrap_or_default(),
    );
    let mut head = vec![String::new()];
    head.extend(arguments.sizes.iter().map(|count| format!("fresh, N = {count}")));
    head.extend(arguments.sizes.iter().map(|count| format!("up to date, N = {count}")));
    let mut table = Table::new(title, head);
    for &backend in &arguments.backends {
        for contender in arguments.only.iter().copied().filter(|contender| contender.applies()) {
            let name = contender.name();
            let shown = match (contender, backend) {
                (Contender::Shell, Backend::Postgres) => "psql -1",
                (Contender::Shell, Backend::Sqlite) => "sqlite3, one transaction",
                _ => name,
            };
            let of = |contender: &'static str, count, fresh: bool| {
                let times = times.get(&(count, backend.name(), contender))?;
                median(if fresh { &times.fresh } else { &times.current })
            };
            let cell = |fresh| {
                move |&count: &usize| match (of(name, count, fresh), of("lockgate", count, fresh)) {
                    (Some(seconds), Some(ours)) => format!("{seconds:.3} ({:.2})", seconds / ours),
                    (Some(seconds), None) => format!("{seconds:.3}"),
                    (None, _) => "–".to_owned(),
                }
            };
            let mut row = vec![format!("{}: {shown}", backend.name())];
            row.extend(arguments.sizes.iter().map(cell(true)));
            row.extend(arguments.sizes.iter().map(cell(false)));
            table.row(row);
        }
    }
    for ((name, backend), why) in skipped {
        let place = backend.map(|backend| format!(" on {backend}")).unwrap_or_default();
        table.note(format!("SKIPPED {name}{place}: {why}"));
    }
    if arguments.sizes.iter().any(|&count| count > 1000) && arguments.only.contains(&Contender::Refinery) {
        table.note(
            "Above N = 1000, refinery's program is built without optimization, because rustc's time grows with the cube of N."
                .to_owned(),
        );
    }
    table
}
