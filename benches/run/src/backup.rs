//! Compares backups and restores of a large PostgreSQL database with `pg_dump -Fc` and `pg_restore` alone: seconds, and the
//! largest amount of memory that the program itself has used.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::arguments::{Arguments, Backend};
use crate::contender::{benches, succeed, target};
use crate::server::{Database, Server, psql};
use crate::table::{Table, median};

/// How often the memory of a running program is looked at.
const OFTEN: Duration = Duration::from_millis(50);

pub(crate) fn run(arguments: &Arguments) -> Outcome<Table> {
    let app = build()?;
    let server = Server::start(&[Backend::Postgres])?;
    let head = ["", "pg_dump -Fc", "backup create", "pg_restore", "restore", "memory of backup", "of restore"];
    let mut table = Table::new(
        format!(
            "Seconds, median of {} runs (and the ratio to the client alone); {}",
            arguments.runs,
            server.describe()
        ),
        head.map(str::to_owned).to_vec(),
    );
    for &megabytes in &arguments.sizes {
        table.row(measure(&app, &server, megabytes, arguments.runs)?);
    }
    table.note(
        "`backup create` also counts the rows, sums the dump, and reads it back; `restore` also checks what it finds, \
         compares rows and schema, and swaps the databases."
            .to_owned(),
    );
    Ok(table)
}

/// The example of the repository, as an operator has it.
fn build() -> Outcome<PathBuf> {
    eprintln!("building the example");
    let root = benches().parent().expect("benches/ is in the repository").to_owned();
    let target = target().join("app");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--release", "--package", "app"]).env("CARGO_TARGET_DIR", &target);
    succeed(cargo.env_remove("CARGO_MANIFEST_DIR"))?;
    Ok(target.join("release").join("app"))
}

fn measure(app: &Path, server: &Server, megabytes: usize, runs: usize) -> Outcome<Vec<String>> {
    let database = server.fresh(Backend::Postgres)?;
    let store = target().join("store");
    let dump = target().join("alone.dump");
    let _ = fs::remove_dir_all(&store);
    fs::create_dir_all(&store)?;
    let on = |words: &[&str]| {
        let mut command = Command::new(app);
        command.args(words).args(["--database-url", &database.tcp]).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    succeed(&mut on(&["up"]))?;
    succeed(&mut on(&["mark-stage", "development"]))?;
    fill(&database, megabytes)?;
    let store_words = ["--store", store.to_str().ok_or("the target folder is not UTF-8")?];
    let mut times: [Vec<Duration>; 4] = Default::default();
    let (mut of_backup, mut of_restore) = (0, 0);
    for run in 0..runs {
        eprintln!("{megabytes} MB, run {} of {runs}", run + 1);
        let mut alone = Command::new("pg_dump");
        alone.args(["-Fc", "-d", &database.target, "-f"]).arg(&dump);
        times[0].push(timed(&mut alone)?.0);
        let (time, memory) = timed(&mut on(&[&["backup", "create"], &store_words[..]].concat()))?;
        times[1].push(time);
        of_backup = of_backup.max(memory);
        let fresh = server.fresh(Backend::Postgres)?;
        times[2].push(timed(Command::new("pg_restore").args(["-d", &fresh.target]).arg(&dump))?.0);
        let restore = [&["restore", "--stage", "development"], &store_words[..]].concat();
        let (time, memory) = timed(&mut on(&restore))?;
        times[3].push(time);
        of_restore = of_restore.max(memory);
        succeed(&mut on(&[&restore[..], &["--drop-old"]].concat()))?;
    }
    let [dumped, backed_up, loaded, restored] = times.map(|times| median(&times).expect("it ran").as_secs_f64());
    Ok(vec![
        format!("{megabytes} MB"),
        format!("{dumped:.1}"),
        format!("{backed_up:.1} ({:.2})", backed_up / dumped),
        format!("{loaded:.1}"),
        format!("{restored:.1} ({:.2})", restored / loaded),
        format!("{of_backup} MB"),
        format!("{of_restore} MB"),
    ])
}

/// Makes a table of this size, half of which can be compressed, with an index.
fn fill(database: &Database, megabytes: usize) -> Outcome<()> {
    eprintln!("filling {megabytes} MB");
    let rows = megabytes * 1000;
    succeed(psql(&database.target).args([
        "-c",
        &format!(
            "CREATE TABLE payload AS SELECT i AS id, repeat(md5(i::text), 16) AS again, \
             (SELECT string_agg(md5(i::text || n::text), '') FROM generate_series(1, 14) AS n) AS random \
             FROM generate_series(1, {rows}) AS i"
        ),
        "-c",
        "ALTER TABLE payload ALTER again SET STORAGE plain, ALTER random SET STORAGE plain, ADD PRIMARY KEY (id)",
        "-c",
        "CHECKPOINT",
    ]))?;
    Ok(())
}

/// Runs a command to its end. Returns its time, and the most memory that its process has used, in MB.
fn timed(command: &mut Command) -> Outcome<(Duration, u64)> {
    let program = command.get_program().to_string_lossy().into_owned();
    let began = Instant::now();
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(|e| format!("`{program}` does not start: {e}"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let ended = loop {
        most = most.max(peak(&status).unwrap_or_default());
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        std::thread::sleep(OFTEN);
    };
    let time = began.elapsed();
    if !ended.success() {
        let output = child.wait_with_output()?;
        return Err(format!("`{program}` failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok((time, most / 1024))
}

/// The most memory of a process so far, in KB.
fn peak(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
