//! The cases of the campaign. Each has a set, a fault at some moment of a run, checks afterwards, and one further run.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex as Held};
use std::time::{Duration, Instant};

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::databases::{CaseDatabase, Runner, Server};
use crate::oracle::{self, DatabaseContents, RunOutput};
use crate::outcome::{Outcome, PATIENCE};
use crate::pooler::{self, Pooler};
use crate::proxy::{How, Proxy};
use crate::runner::{self, Failure, Order, Verb, Via};
use crate::set::{self, Flavour, Set};
use crate::several::On;
use crate::table::{self, Lines};
use crate::{Backend, Options, created, say, session_state, several, strike};

/// A fault. Numbers are thousandths of the run, at which the fault happens.
#[derive(Clone, Debug, PartialEq)]
enum Fault {
    /// SIGKILL of the runner.
    Kill {
        far: u32,
        delay_us: u64,
    },
    /// A fault on the network connection.
    Wire {
        far: u32,
        how: How,
    },
    /// The server terminates the session, or cancels its statement.
    Terminate {
        far: u32,
        cancel: bool,
    },
    /// The statement of one migration fails.
    Failing {
        far: u32,
    },
    /// Several runners at once, of which one may be killed.
    Many {
        runners: usize,
        kill: bool,
    },
    /// The future is dropped.
    Dropped {
        after_ms: u64,
    },
    /// An application holds a lock that the run needs, until the runner gives up or for a moment.
    Blocked {
        moment: bool,
    },
    StatementTimeout {
        ms: u64,
    },
    Deadlock,
    Connections,
    Pooler {
        mode: &'static str,
        size: usize,
    },
    Settings(usize),
    ServerKill {
        far: u32,
    },
    DiskFull {
        far: u32,
        /// The file system itself is small, rather than the database's limit.
        mounted: bool,
    },
    /// SQLite: another connection reads, until the runner gives up or for a moment.
    Reader {
        moment: bool,
    },
    Clock {
        far: u32,
    },
    /// The runner is stopped for a while, and another one starts.
    Paused {
        far: u32,
    },
}

impl Fault {
    fn name(&self) -> String {
        match self {
            Self::Kill { .. } => "kill the runner".to_owned(),
            Self::Wire { how, .. } => how.name().to_owned(),
            Self::Terminate { cancel: false, .. } => "session terminated".to_owned(),
            Self::Terminate { cancel: true, .. } => "statement cancelled".to_owned(),
            Self::Failing { .. } => "failing statement".to_owned(),
            Self::Many { runners, kill } => strike::name_of_many(*runners, *kill),
            Self::Dropped { .. } => "dropped future".to_owned(),
            Self::Blocked { .. } => "lock timeout".to_owned(),
            Self::StatementTimeout { .. } => "statement timeout".to_owned(),
            Self::Deadlock => "deadlock".to_owned(),
            Self::Connections => "out of connections".to_owned(),
            Self::Pooler { mode, .. } => format!("pooler, {mode} mode"),
            Self::Settings(_) => "database's settings".to_owned(),
            Self::ServerKill { .. } => "kill the server".to_owned(),
            Self::DiskFull { mounted: false, .. } => "disk full".to_owned(),
            Self::DiskFull { mounted: true, .. } => "file system full".to_owned(),
            Self::Reader { .. } => "reader".to_owned(),
            Self::Clock { .. } => "clock goes back".to_owned(),
            Self::Paused { .. } => "runner stopped".to_owned(),
        }
    }
}

const SETTINGS: [&str; 12] = [
    "search_path = '\"$user\", public, app'",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_isolation = 'repeatable read'",
    "default_transaction_read_only = on",
    "standard_conforming_strings = off",
    "DateStyle = 'German, DMY'",
    "client_encoding = 'LATIN1'",
    "synchronous_commit = off",
    "idle_in_transaction_session_timeout = '50ms'",
    "statement_timeout = '40ms'",
    "bytea_output = 'escape'",
    "plan_cache_mode = 'force_generic_plan'",
];

/// One case, drawn from the seed.
#[derive(Clone, Debug)]
struct Case {
    number: u64,
    backend: Backend,
    set: usize,
    down: bool,
    via: Via,
    whole_run: bool,
    /// SQLite: the file is in WAL mode.
    wal: bool,
    fault: Fault,
}

const SETS: usize = 12;
const SIZES: [usize; SETS] = [30, 45, 60, 30, 90, 30, 120, 40, 60, 300, 30, 50];

fn flavour(set: usize) -> Flavour {
    if set % 4 == 3 { Flavour::Transactional } else { Flavour::All }
}

fn draw(backend: Backend, seed: u64, number: u64) -> Case {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.wrapping_mul(0xD1B5_4A32_D192_ED03));
    // The first numbers of neighbouring seeds are alike.
    for _ in 0..8 {
        rng.u64(..);
    }
    let set = if rng.u8(..100) < 3 { 9 } else { *rng.choice(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11]).expect("some") };
    let far = rng.u32(..1000);
    let via = *rng.choice(&[Via::Database, Via::Database, Via::Pool, Via::Lent]).expect("some");
    let draw = rng.u8(..100);
    let fault = match backend {
        Backend::Postgres => match draw {
            0..=21 => Fault::Kill { far, delay_us: rng.u64(..6_000) },
            22..=45 => {
                let hows =
                    [How::CutBefore, How::CutAfter, How::Truncated, How::HalfClosed, How::Delayed(rng.u64(20..200))];
                Fault::Wire { far, how: *rng.choice(&hows).expect("some") }
            }
            46..=50 => Fault::Terminate { far, cancel: false },
            51..=54 => Fault::Terminate { far, cancel: true },
            55..=64 => Fault::Failing { far },
            65..=69 => Fault::Many { runners: 2, kill: rng.bool() },
            70 | 71 => Fault::Many { runners: 50, kill: false },
            72..=76 => Fault::Dropped { after_ms: rng.u64(2..150) },
            77..=79 => Fault::Blocked { moment: rng.bool() },
            80 | 81 => Fault::StatementTimeout { ms: rng.u64(5..15) },
            82 | 83 => Fault::Deadlock,
            84 => Fault::Connections,
            85..=88 => {
                let mode = *rng.choice(&["transaction", "session", "transaction", "statement"]).expect("some");
                Fault::Pooler { mode, size: *rng.choice(&[1, 3]).expect("some") }
            }
            89..=92 => Fault::Settings(rng.usize(..SETTINGS.len())),
            93 | 94 => Fault::ServerKill { far },
            95 => Fault::DiskFull { far, mounted: false },
            96 | 97 => Fault::Clock { far },
            _ => Fault::Paused { far },
        },
        Backend::Sqlite => match draw {
            0..=37 => Fault::Kill { far, delay_us: rng.u64(..6_000) },
            38..=52 => Fault::Failing { far },
            53..=62 => Fault::Many { runners: *rng.choice(&[2, 4]).expect("some"), kill: rng.bool() },
            63 | 64 => Fault::Many { runners: 50, kill: false },
            65..=74 => Fault::Dropped { after_ms: rng.u64(1..60) },
            75..=83 => Fault::DiskFull { far, mounted: rng.bool() },
            84..=87 => Fault::Blocked { moment: rng.bool() },
            88..=91 => Fault::Reader { moment: rng.bool() },
            92..=94 => Fault::Clock { far },
            _ => Fault::Paused { far },
        },
    };
    let can_go_down = matches!(
        fault,
        Fault::Kill { .. }
            | Fault::Wire { .. }
            | Fault::Terminate { .. }
            | Fault::Failing { .. }
            | Fault::Dropped { .. }
            | Fault::ServerKill { .. }
    );
    let down = can_go_down && rng.u8(..100) < 25;
    let whole_run = flavour(set) == Flavour::Transactional && rng.bool();
    let via = if matches!(fault, Fault::DiskFull { .. }) && via == Via::Pool { Via::Database } else { via };
    let wal = backend == Backend::Sqlite && rng.u8(..100) < 35;
    Case { number, backend, set, down, via, whole_run, wal, fault }
}

/// What a worker takes next.
enum Job {
    /// A case with one database.
    One(Case),
    /// A case with several databases.
    Several(several::Case),
    /// A case with a create tree.
    Created(created::Case),
}

impl Job {
    /// The cases that are asked for. Of those with several databases there are a quarter as many, and of those with a create
    /// tree a tenth.
    fn all(options: &Options) -> Vec<Self> {
        let numbers = |count: u64| options.case.map_or(0..count, |case| case..case + 1);
        let mut jobs = Vec::new();
        for backend in &options.backends {
            jobs.extend(numbers(options.count).map(|number| Self::One(draw(*backend, options.seed, number))));
        }
        if options.several {
            let numbers = numbers(options.count.div_ceil(4));
            jobs.extend(numbers.map(|number| Self::Several(several::draw(options.seed, number))));
        }
        if options.created {
            let numbers = numbers(options.count.div_ceil(10));
            jobs.extend(numbers.map(|number| Self::Created(created::draw(options.seed, number))));
        }
        jobs.retain(|job| options.only.as_ref().is_none_or(|only| job.fault().starts_with(only.as_str())));
        jobs
    }

    fn number(&self) -> u64 {
        match self {
            Self::One(case) => case.number,
            Self::Several(case) => case.number,
            Self::Created(case) => case.number,
        }
    }

    fn fault(&self) -> String {
        match self {
            Self::One(case) => case.fault.name(),
            Self::Several(case) => case.fault(),
            Self::Created(case) => case.fault(),
        }
    }

    /// Its word for `--backend`.
    fn backend(&self) -> String {
        match self {
            Self::One(case) => format!("{:?}", case.backend).to_lowercase(),
            Self::Several(_) => "databases".to_owned(),
            Self::Created(_) => "create".to_owned(),
        }
    }
}

struct Campaign {
    seed: u64,
    calm: bool,
    place: TempDir,
    sets: Held<BTreeMap<(bool, usize), Arc<Set>>>,
    server: Option<Server>,
    /// A server that is killed, for one case at a time.
    mortal: Mutex<Option<Server>>,
}

impl Campaign {
    fn folder(&self, backend: Backend, set: usize) -> std::path::PathBuf {
        self.place.path().join(format!("{backend:?}-{set}"))
    }

    fn set(&self, backend: Backend, index: usize) -> Arc<Set> {
        let mut sets = self.sets.lock().expect("nobody panics with the sets");
        Arc::clone(sets.entry((backend == Backend::Postgres, index)).or_insert_with(|| {
            let seed = self.seed.wrapping_mul(1_000).wrapping_add(index as u64);
            let set = set::make(backend, flavour(index), self.calm, SIZES[index], seed);
            let folder = self.folder(backend, index);
            std::fs::create_dir_all(&folder).expect("a folder for a set can be made");
            runner::encode(&set, &folder);
            Arc::new(set)
        }))
    }
}

pub(crate) fn main(options: &Options) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(campaign(options))
}

async fn campaign(options: &Options) -> ExitCode {
    let server = if options.several || options.created || options.backends.contains(&Backend::Postgres) {
        match Server::start(false).await {
            Ok(server) => Some(server),
            Err(why) => {
                say(&why);
                return ExitCode::from(2);
            }
        }
    } else {
        None
    };
    let campaign = Arc::new(Campaign {
        seed: options.seed,
        calm: options.calm,
        place: tempfile::tempdir().expect("a folder for the sets"),
        sets: Held::default(),
        server,
        mortal: Mutex::new(None),
    });
    let mut cases = Job::all(options);
    let began = Instant::now();
    cases.reverse();
    let cases = Arc::new(Held::new(cases));
    let lines: Arc<Held<Lines>> = Arc::default();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..options.jobs {
        let (campaign, cases, lines) = (Arc::clone(&campaign), Arc::clone(&cases), Arc::clone(&lines));
        workers.spawn(async move {
            loop {
                let Some(case) = cases.lock().expect("nobody panics with the cases").pop() else { return };
                let started = Instant::now();
                let outcome = one(&campaign, &case).await;
                report(&campaign, &case, &outcome, started.elapsed());
                let key = (case.backend(), case.fault());
                let mut lines = lines.lock().expect("nobody panics while counting");
                let line = lines.entry(key).or_default();
                line.cases += 1;
                line.landed += u64::from(outcome.landed);
                line.skipped += u64::from(outcome.skipped.is_some());
                line.violations += u64::from(!outcome.violations.is_empty());
            }
        });
    }
    let mut panicked = false;
    while let Some(worker) = workers.join_next().await {
        if let Err(error) = worker {
            panicked = true;
            say(&format!("a worker of the campaign panicked: {error}"));
        }
    }
    let lines = lines.lock().expect("nobody panics while counting").clone();
    let text = table::text(&lines, options.seed);
    say(&format!("\n{text}\n{} s", began.elapsed().as_secs()));
    if options.record {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        std::fs::write(path, &text).expect("the table can be written");
    }
    let found: u64 = lines.values().map(|line| line.violations).sum();
    let skipped: u64 = lines.values().map(|line| line.skipped).sum();
    let must = std::env::var_os("LOCKGATE_REQUIRE").is_some_and(|required| !required.is_empty());
    if skipped > 0 && must {
        say(&format!("{skipped} cases were skipped, and `LOCKGATE_REQUIRE` is set"));
    }
    if found == 0 && !panicked && (skipped == 0 || !must) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(campaign: &Campaign, job: &Job, outcome: &Outcome, took: Duration) {
    if let Some(why) = &outcome.skipped {
        say(&format!("case {} skipped: {why}", job.number()));
    }
    if outcome.violations.is_empty() {
        return;
    }
    let what = match job {
        Job::One(case) => format!("{case:?} ({} migrations, {took:.1?})", SIZES[case.set]),
        Job::Several(case) => format!("{case:?} ({took:.1?})"),
        Job::Created(case) => format!("{case:?} ({took:.1?})"),
    };
    let mut text =
        format!("VIOLATION --backend {} --seed {} --case {}: {what}\n", job.backend(), campaign.seed, job.number());
    for violation in outcome.violations.iter().take(8) {
        text.push_str(&format!("    - {violation}\n"));
    }
    if outcome.violations.len() > 8 {
        text.push_str(&format!("    - and {} more\n", outcome.violations.len() - 8));
    }
    for line in &outcome.story {
        text.push_str(&format!("    . {line}\n"));
    }
    say(text.trim_end());
}

async fn one(campaign: &Campaign, job: &Job) -> Outcome {
    let mut outcome = Outcome { landed: false, skipped: None, violations: Vec::new(), story: Vec::new() };
    let worked = async {
        let case = match job {
            Job::One(case) => case,
            Job::Several(case) if !case.kills_the_server() => {
                let server = campaign.server.as_ref().ok_or("there is no server")?;
                return Box::pin(several::run(case, campaign.place.path(), &mut On::Shared(server), &mut outcome))
                    .await;
            }
            Job::Created(case) => {
                let server = campaign.server.as_ref().ok_or("there is no server")?;
                return Box::pin(created::run(case, campaign.place.path(), server, &mut outcome)).await;
            }
            Job::Several(case) => {
                let mut mortal = campaign.mortal.lock().await;
                if mortal.is_none() {
                    *mortal = Some(Server::start(true).await?);
                }
                let server = mortal.as_mut().expect("it was just started");
                return Box::pin(several::run(case, campaign.place.path(), &mut On::Own(server), &mut outcome)).await;
            }
        };
        if matches!(case.fault, Fault::ServerKill { .. }) {
            let mut mortal = campaign.mortal.lock().await;
            if mortal.is_none() {
                *mortal = Some(Server::start(true).await?);
            }
            let server = mortal.as_mut().expect("it was just started");
            let place = server.database(&format!("faults_{}", case.number)).await.map_err(|e| e.to_string())?;
            let ran = Box::pin(on_place(campaign, case, &place, Some(server), &mut outcome)).await;
            server.drop(&place).await;
            return ran;
        }
        match case.backend {
            Backend::Postgres => {
                let server = campaign.server.as_ref().ok_or("there is no server")?;
                let place = server.database(&format!("faults_{}", case.number)).await.map_err(|e| e.to_string())?;
                let ran = Box::pin(on_place(campaign, case, &place, None, &mut outcome)).await;
                server.drop(&place).await;
                if matches!(case.fault, Fault::DiskFull { .. }) {
                    // PostgreSQL drops a tablespace when no database is in it.
                    let _ = server.administer(&format!("DROP TABLESPACE IF EXISTS small_{}", case.number)).await;
                    unmount(case.number);
                }
                ran
            }
            Backend::Sqlite => {
                let small = match case.fault {
                    Fault::DiskFull { far, mounted: true } => {
                        let room = campaign.set(case.backend, case.set).pages() * 4;
                        match Mounted::of(56 + room * u64::from(far) / 1000) {
                            Some(mounted) => Some(mounted),
                            None => {
                                outcome.skipped = Some("no file system of its own can be mounted".to_owned());
                                return Ok(());
                            }
                        }
                    }
                    _ => None,
                };
                let folder = small.as_ref().map_or(campaign.place.path(), |mounted| mounted.folder.path());
                let place = CaseDatabase::file(folder).await.map_err(|e| e.to_string())?;
                if case.wal {
                    place.execute("PRAGMA journal_mode = WAL").await.map_err(|e| e.to_string())?;
                }
                let ran = Box::pin(on_place(campaign, case, &place, None, &mut outcome)).await;
                drop((place, small));
                ran
            }
        }
    };
    if let Err(why) = worked.await {
        outcome.violations.push(format!("the campaign itself: {why}"));
    }
    outcome
}

async fn on_place(
    campaign: &Campaign,
    case: &Case,
    place: &CaseDatabase,
    server: Option<&mut Server>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let text = |error: sqlx::Error| error.to_string();
    let set = campaign.set(case.backend, case.set);
    let floor = set.floor();
    let verb = if case.down { Verb::Down(floor) } else { Verb::Up };
    let order = Order {
        folder: campaign.folder(case.backend, case.set),
        url: place.url.clone(),
        verb,
        target: case.via,
        whole_run: case.whole_run && set.is_transactional(),
        lock_wait_ms: 30_000,
        lock_timeout_ms: 3_000,
        statement_timeout_ms: None,
        drop_after_ms: None,
        pages_max: None,
    };
    let plain = Order { target: Via::Database, ..order.clone() };
    if case.down {
        let output = Runner::start(&Order { verb: Verb::Up, ..plain.clone() }).end(PATIENCE).await;
        if output.done.is_none() {
            outcome.violations.push(format!("the way up before the fault: {}", output.end()));
            return Ok(());
        }
    }
    let before = oracle::look(case.backend, &place.admin).await.map_err(text)?;

    let outputs = strike(case, place, &set, &order, server, outcome).await?;

    if case.backend == Backend::Postgres {
        let mut admin = PgConnection::connect(&place.admin).await.map_err(text)?;
        outcome.violations.extend(oracle::quiet(&mut admin, &place.name, Duration::from_secs(20)).await);
    }
    let facts = oracle::look(case.backend, &place.admin).await.map_err(text)?;
    outcome.violations.extend(oracle::disagreements(&set, &facts));
    let alone = outputs.len() == 1;
    let mut applied: BTreeMap<&str, usize> = BTreeMap::new();
    for output in &outputs {
        outcome.story.push(format!("first: {}", output.end()));
        outcome.violations.extend(oracle::false_claims(&set, output, &before, &facts, case.down, alone));
        let mut ids: Vec<&str> = output.finished.iter().map(String::as_str).collect();
        ids.extend(output.done.iter().flatten().map(|(id, _)| id.as_str()));
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            *applied.entry(id).or_default() += 1;
        }
        if output.done.is_some() {
            outcome.violations.extend(oracle::unfinished(&set, &facts, case.down.then_some(floor)));
        }
    }
    for (id, times) in applied.iter().filter(|(_, times)| **times > 1) {
        outcome.violations.push(format!("{times} runners say that they have run `{id}`"));
    }
    // Only the first run is described here; the further run has its own checks.
    if outcome.violations.is_empty() {
        further(case, place, &set, &plain, facts, floor, outcome).await?;
    }
    Ok(())
}

/// Checks that a further run completes, or is refused for the one reason that needs a person.
async fn further(
    case: &Case,
    place: &CaseDatabase,
    set: &Set,
    order: &Order,
    mut facts: DatabaseContents,
    floor: i64,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let text = |error: sqlx::Error| error.to_string();
    // A statement may be in doubt on the way down and on the way up again.
    for attempt in 0..3 {
        let output = Runner::start(order).end(PATIENCE).await;
        outcome.story.push(format!("further: {}", output.end()));
        let failure = match &output.failure {
            None if output.done.is_some() => {
                let after = oracle::look(case.backend, &place.admin).await.map_err(text)?;
                outcome.violations.extend(oracle::disagreements(set, &after));
                outcome.violations.extend(oracle::false_claims(set, &output, &facts, &after, case.down, true));
                outcome.violations.extend(oracle::unfinished(set, &after, case.down.then_some(floor)));
                return Ok(());
            }
            None => {
                outcome.violations.push("the further run has not ended".to_owned());
                return Ok(());
            }
            Some(failure) => failure,
        };
        let asks = failure.help.iter().chain([&failure.text]).any(|help| help.contains("repair --finished"));
        let doubtful = facts.history.values().find(|row| row.state != "applied").map(|row| row.version);
        if failure.kind != "refused" || !asks || attempt == 2 {
            outcome.violations.push("one further run does not complete".to_owned());
            return Ok(());
        }
        let Some(version) = doubtful else {
            outcome.violations.push("a question is asked where nothing is in doubt".to_owned());
            return Ok(());
        };
        let Some(took) = oracle::took_effect(set, &facts, version) else {
            outcome.violations.push("a question is asked of a statement that is not in doubt".to_owned());
            return Ok(());
        };
        let option = if took { "--finished" } else { "--again" };
        // As it is written in the message.
        let words = failure.help.iter().chain([&failure.text]).find_map(|help| {
            let command = help.split('`').find(|part| part.contains("repair ") && part.contains(option))?;
            let at = command.find("repair ")?;
            Some(command[at..].split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        });
        let Some(words) = words else {
            outcome.violations.push(format!("the message does not say how to answer with {option}"));
            return Ok(());
        };
        let typed = ["faults".to_owned(), "--database-url".to_owned(), place.url.clone()].into_iter().chain(words);
        Runner::start(&Order { verb: Verb::Typed(typed.collect()), ..order.clone() }).end(PATIENCE).await;
        facts = oracle::look(case.backend, &place.admin).await.map_err(text)?;
    }
    Ok(())
}

/// Returns the number of events before the fault, about this far into the run.
fn moment(set: &Set, far: u32) -> usize {
    // A complete run reports at least two events for each migration.
    1 + (set.migrations.len() * 2) * far as usize / 1000
}

async fn strike(
    case: &Case,
    place: &CaseDatabase,
    set: &Set,
    order: &Order,
    server: Option<&mut Server>,
    outcome: &mut Outcome,
) -> Result<Vec<RunOutput>, String> {
    let text = |error: sqlx::Error| error.to_string();
    match &case.fault {
        Fault::Kill { far, delay_us } => Ok(vec![strike::kill(order, moment(set, *far), *delay_us, outcome).await]),
        Fault::Clock { far } => {
            // The monotonic clock is not changed, as on a machine whose time is set.
            let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
            if !pooler::installed(&[library], "libfaketime") {
                outcome.skipped = Some("there is no libfaketime".to_owned());
                return Ok(Vec::new());
            }
            let preload = format!("LD_PRELOAD={library}");
            // Two days ahead, so that the further run is two days back.
            let before = ["env", &preload, "FAKETIME=+2d", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"];
            let mut runner = Runner::start_under(order, &before);
            runner.until(moment(set, *far)).await;
            // The program that changes the clock has become the runner.
            let (output, at_work) = runner.kill().await;
            outcome.landed = at_work;
            Ok(vec![output])
        }
        Fault::Wire { far, how } => {
            // Count the messages of a run on an equal database.
            let messages = wire_messages(place, set, order, case).await?;
            let at = 1 + messages * *far as usize / 1000;
            Ok(vec![strike::wire(order, place.port, at, *how, |port| place.through(port), outcome).await?])
        }
        Fault::Terminate { far, cancel } => {
            let mut runner = Runner::start(order);
            let there = runner.until(moment(set, *far)).await;
            let function = if *cancel { "pg_cancel_backend" } else { "pg_terminate_backend" };
            let mut admin = PgConnection::connect(&place.admin).await.map_err(text)?;
            // A session that is between two messages has nothing to cancel.
            let busy = if *cancel { "state = 'active'" } else { "true" };
            let sql = format!(
                "SELECT {function}(pid) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'runner' AND {busy}",
                place.name
            );
            for _ in 0..200 {
                if !sqlx::raw_sql(AssertSqlSafe(sql.clone())).fetch_all(&mut admin).await.map_err(text)?.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            admin.close().await.map_err(text)?;
            let output = runner.end(PATIENCE).await;
            outcome.landed = there && output.done.is_none();
            Ok(vec![output])
        }
        Fault::Failing { far } => {
            let candidates: Vec<_> = set
                .migrations
                .iter()
                .filter(|migration| !migration.rust && (!case.down || migration.version > set.floor()))
                .collect();
            let Some(migration) = candidates.get(candidates.len() * *far as usize / 1000) else {
                return Ok(Vec::new());
            };
            let version = if case.down { -migration.version } else { migration.version };
            place.execute(&format!("INSERT INTO closed VALUES ({version})")).await.map_err(text)?;
            let output = Runner::start(order).end(PATIENCE).await;
            outcome.landed = output.failure.is_some();
            place.execute("DELETE FROM closed").await.map_err(text)?;
            Ok(vec![output])
        }
        Fault::Many { runners, kill } => {
            // If other runners are active, a runner may only give up waiting.
            let may_fail = |failure: &Failure| {
                failure.kind == "locked" || failure.kind == "refused" && failure.text.contains("repair --finished")
            };
            strike::many(order, *runners, kill.then(|| moment(set, 300)), may_fail, outcome).await
        }
        Fault::Dropped { after_ms } => {
            let output = Runner::start(&Order { drop_after_ms: Some(*after_ms), ..order.clone() }).end(PATIENCE).await;
            outcome.landed = output.dropped && output.planned;
            Ok(vec![output])
        }
        Fault::Blocked { moment } => blocked(case, place, order, *moment, outcome).await,
        Fault::StatementTimeout { ms } => {
            let order = Order { statement_timeout_ms: Some(*ms), ..order.clone() };
            let output = Runner::start(&order).end(PATIENCE).await;
            outcome.landed = output.failure.is_some();
            Ok(vec![output])
        }
        Fault::Deadlock => {
            let url = place.admin.clone();
            let application = tokio::spawn(async move {
                let Ok(mut connection) = PgConnection::connect(&url).await else { return };
                for _ in 0..8 {
                    let sql =
                        "BEGIN; LOCK TABLE public.marks; SELECT pg_sleep(0.03); LOCK TABLE public.counter; COMMIT";
                    if sqlx::raw_sql(sql).execute(&mut connection).await.is_err() {
                        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut connection).await;
                    }
                }
                let _ = connection.close().await;
            });
            let output = Runner::start(order).end(PATIENCE).await;
            let _ = application.await;
            let mut admin = PgConnection::connect(&place.admin).await.map_err(text)?;
            let seen = "SELECT pg_stat_clear_snapshot(); SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
            for _ in 0..20 {
                let rows = sqlx::raw_sql(seen).fetch_all(&mut admin).await.map_err(text)?;
                let count = rows.iter().find_map(|row| sqlx::Row::try_get::<i64, _>(row, "deadlocks").ok());
                outcome.landed = count.unwrap_or(0) > 0;
                if outcome.landed {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            admin.close().await.map_err(text)?;
            Ok(vec![output])
        }
        Fault::Connections => {
            let limit = |most: i32| format!("ALTER DATABASE {} CONNECTION LIMIT {most}", place.name);
            let holder = PgConnection::connect(&place.url).await.map_err(text)?;
            place.execute(&limit(1)).await.map_err(text)?;
            let output = Runner::start(order).end(PATIENCE).await;
            outcome.landed = output.failure.is_some();
            place.execute(&limit(-1)).await.map_err(text)?;
            holder.close().await.map_err(text)?;
            Ok(vec![output])
        }
        Fault::Settings(index) => {
            let setting = SETTINGS[*index];
            place.execute(&format!("ALTER DATABASE {} SET {setting}", place.name)).await.map_err(text)?;
            let output = Runner::start(order).end(PATIENCE).await;
            outcome.landed = output.planned;
            place
                .execute(&format!("BEGIN READ WRITE; ALTER DATABASE {} RESET ALL; COMMIT", place.name))
                .await
                .map_err(text)?;
            outcome.story.push(setting.to_owned());
            Ok(vec![output])
        }
        Fault::Pooler { mode, size } => pooled(place, order, mode, *size, outcome).await,
        Fault::ServerKill { far } => {
            let server = server.ok_or("the server that is killed is missing")?;
            let mut runner = Runner::start(order);
            let there = runner.until(moment(set, *far)).await;
            server.cluster.kill_9().map_err(|error| error.to_string())?;
            let output = runner.end(PATIENCE).await;
            server.cluster.restart().map_err(|error| error.to_string())?;
            outcome.landed = there && output.done.is_none();
            Ok(vec![output])
        }
        Fault::Reader { moment } => read(place, order, *moment, outcome).await,
        Fault::DiskFull { far, mounted } => full(case, place, set, order, *far, *mounted, outcome).await,
        Fault::Paused { far } => {
            let mut first = Runner::start(order);
            let there = first.until(moment(set, *far)).await;
            first.signal("STOP");
            let other = Runner::start(&Order { lock_wait_ms: 300, target: Via::Database, ..order.clone() });
            let other = other.end(PATIENCE).await;
            first.signal("CONT");
            let output = first.end(PATIENCE).await;
            outcome.landed = there && output.planned;
            Ok(vec![output, other])
        }
    }
}

async fn wire_messages(place: &CaseDatabase, set: &Set, order: &Order, case: &Case) -> Result<usize, String> {
    let text = |error: sqlx::Error| error.to_string();
    let twin = format!("{}_twin", place.name);
    let base = place.admin.replace(&place.name, "postgres");
    let mut admin = PgConnection::connect(&base).await.map_err(text)?;
    let sql = format!("CREATE DATABASE {twin} OWNER runner TEMPLATE {}", place.name);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.map_err(text)?;
    let proxy = Proxy::start(place.port, 0, None).await.map_err(|error| error.to_string())?;
    let url = place.through(proxy.port()).replace(&place.name, &twin);
    let output = Runner::start(&Order { url, ..order.clone() }).end(PATIENCE).await;
    let seen = proxy.seen();
    let sql = format!("DROP DATABASE {twin} WITH (FORCE)");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.map_err(text)?;
    if output.done.is_none() {
        return Err(format!(
            "without a fault ({} migrations, down: {}): {}",
            set.migrations.len(),
            case.down,
            output.end()
        ));
    }
    Ok(seen)
}

/// Another program at work on the database.
enum Other {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Other {
    async fn connect(backend: Backend, place: &CaseDatabase) -> Result<Self, sqlx::Error> {
        Ok(match backend {
            Backend::Postgres => Self::Postgres(PgConnection::connect(&place.admin).await?),
            Backend::Sqlite => Self::Sqlite(SqliteConnection::connect(&place.admin).await?),
        })
    }

    async fn says(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            Self::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
        }
    }

    async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => connection.close().await,
            Self::Sqlite(connection) => connection.close().await,
        }
    }
}

/// Runs migrations while another program holds a transaction, for a while or until the run is over.
async fn beside(
    backend: Backend,
    place: &CaseDatabase,
    order: &Order,
    begun: &'static str,
    for_a_while: Option<Duration>,
) -> Result<RunOutput, String> {
    let text = |error: sqlx::Error| error.to_string();
    let mut other = Other::connect(backend, place).await.map_err(text)?;
    other.says(begun).await.map_err(text)?;
    let runner = Runner::start(order);
    if let Some(time) = for_a_while {
        tokio::time::sleep(time).await;
        other.says("COMMIT").await.map_err(text)?;
    }
    let output = runner.end(PATIENCE).await;
    other.close().await.map_err(text)?;
    Ok(output)
}

/// Runs migrations while an application holds a lock that they need.
async fn blocked(
    case: &Case,
    place: &CaseDatabase,
    order: &Order,
    moment: bool,
    outcome: &mut Outcome,
) -> Result<Vec<RunOutput>, String> {
    let order = Order { lock_timeout_ms: 60, lock_wait_ms: 600, ..order.clone() };
    let begun = match case.backend {
        Backend::Postgres => "BEGIN; LOCK TABLE public.marks",
        Backend::Sqlite => "BEGIN IMMEDIATE",
    };
    let output = beside(case.backend, place, &order, begun, moment.then_some(Duration::from_millis(250))).await?;
    // A runner that cannot write to the file fails before it plans anything.
    outcome.landed = output.planned || (case.backend == Backend::Sqlite && output.failure.is_some());
    Ok(vec![output])
}

/// Two runners through a pooler, and what they leave on its sessions.
async fn pooled(
    place: &CaseDatabase,
    order: &Order,
    mode: &str,
    size: usize,
    outcome: &mut Outcome,
) -> Result<Vec<RunOutput>, String> {
    let text = |error: sqlx::Error| error.to_string();
    if !pooler::is_there() {
        outcome.skipped = Some("there is no pgbouncer".to_owned());
        return Ok(Vec::new());
    }
    let (port, mode_text) = (place.port, mode.to_owned());
    let started =
        tokio::task::spawn_blocking(move || Pooler::start(("127.0.0.1", port), ("runner", "runner"), &mode_text, size))
            .await;
    let pooler = started.map_err(|error| error.to_string())??;
    let url = place.through(pooler.port);
    // In session mode, the pool of a program may be larger than that of the pooler.
    let target = if order.target == Via::Pool { Via::Database } else { order.target };
    let order = Order { url: url.clone(), target, ..order.clone() };
    let runners = [Runner::start(&order), Runner::start(&order)];
    let mut outputs = Vec::new();
    for runner in runners {
        outputs.push(runner.end(PATIENCE).await);
    }
    outcome.landed = outputs.iter().any(|output| output.planned);
    for output in &outputs {
        if let Some(failure) = &output.failure {
            // A pooler that cannot serve a run, or a script that needs its own session, is refused by name.
            let refused = mode != "session" && failure.kind == "usage";
            if !refused && failure.kind != "locked" {
                outcome.violations.push(format!("a runner behind a pooler in {mode} mode failed"));
            }
        }
    }
    let mut direct = PgConnection::connect(&place.url).await.map_err(text)?;
    let before = session_state::postgres(&mut direct).await;
    direct.close().await.map_err(text)?;
    if mode != "statement" {
        let mut after = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..size {
            let Ok(mut client) = PgConnection::connect(&url).await else { continue };
            if size > 1 {
                // So that each client has a session of its own.
                let _ = sqlx::raw_sql("BEGIN").execute(&mut client).await;
            }
            after.push(session_state::postgres(&mut client).await);
            clients.push(client);
        }
        let found = session_state::compare(&[before], &after).into_iter().filter(|what| {
            // The settings that the driver sends when it connects do not reach the session of the server.
            !what.starts_with("transaction") && !what.contains("extra_float_digits")
        });
        outcome.violations.extend(found.map(|what| format!("left on the pooler's session: {what}")));
    }
    drop(pooler);
    Ok(outputs)
}

/// The database or the disk is full.
async fn full(
    case: &Case,
    place: &CaseDatabase,
    set: &Set,
    order: &Order,
    far: u32,
    mounted: bool,
    outcome: &mut Outcome,
) -> Result<Vec<RunOutput>, String> {
    let text = |error: sqlx::Error| error.to_string();
    match case.backend {
        Backend::Sqlite => {
            // An empty one has some ten pages.
            let pages = (!mounted).then(|| 8 + set.pages() * u64::from(far) / 1000);
            let output = Runner::start(&Order { pages_max: pages, ..order.clone() }).end(PATIENCE).await;
            outcome.landed = output.failure.is_some() && output.planned;
            if mounted {
                let folder = std::path::Path::new(&place.name).parent().and_then(std::path::Path::parent);
                folder.filter(|folder| grow(folder)).ok_or("the small file system cannot be made larger")?;
            }
            Ok(vec![output])
        }
        Backend::Postgres => {
            let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
            let path = folder.path().display().to_string();
            let run = |words: &[&str]| {
                std::process::Command::new(words[0]).args(&words[1..]).status().is_ok_and(|status| status.success())
            };
            let size = format!("size={}k,mode=0777", 64 + far * 2);
            if !run(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs", &path]) {
                outcome.skipped = Some("no file system of its own can be mounted".to_owned());
                return Ok(Vec::new());
            }
            // The server's own account must own it.
            let own = run(&["chown", "postgres", &path]);
            let name = format!("small_{}", case.number);
            let made = place.execute(&format!("CREATE TABLESPACE {name} LOCATION '{path}'")).await;
            let output = async {
                made.map_err(text)?;
                place
                    .execute(&format!("GRANT CREATE ON TABLESPACE {name} TO runner, faults_owner"))
                    .await
                    .map_err(text)?;
                place
                    .execute(&format!("ALTER DATABASE {} SET default_tablespace = {name}", place.name))
                    .await
                    .map_err(text)?;
                Ok::<_, String>(Runner::start(order).end(PATIENCE).await)
            };
            let output = output.await;
            outcome.landed = output.as_ref().is_ok_and(|output| output.failure.is_some());
            let _ = place.execute(&format!("BEGIN READ WRITE; ALTER DATABASE {} RESET ALL; COMMIT", place.name)).await;
            let more = run(&["mount", "-o", "remount,size=64m", &path]);
            if !own || !more {
                outcome.skipped = Some("the small file system cannot be given".to_owned());
            }
            // It is unmounted when the database is dropped, whose files are in it.
            FULL.lock().expect("nobody panics with it").insert(case.number, folder.keep());
            Ok(vec![output?])
        }
    }
}

/// Another connection reads while the run commits.
async fn read(
    place: &CaseDatabase,
    order: &Order,
    moment: bool,
    outcome: &mut Outcome,
) -> Result<Vec<RunOutput>, String> {
    let order = Order { lock_timeout_ms: 60, lock_wait_ms: 400, ..order.clone() };
    let begun = "BEGIN; SELECT * FROM counter";
    let output = beside(Backend::Sqlite, place, &order, begun, moment.then_some(Duration::from_millis(150))).await?;
    outcome.landed = output.planned;
    Ok(vec![output])
}

/// A small file system in memory, mounted until this is dropped.
struct Mounted {
    folder: TempDir,
}

impl Mounted {
    /// Mounts a file system of this many KiB.
    fn of(size: u64) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let path = folder.path().display().to_string();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}k"), "tmpfs", &path]).then_some(Self { folder })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

fn grow(folder: &std::path::Path) -> bool {
    mount(&["-o", "remount,size=64m", &folder.display().to_string()])
}

fn mount(words: &[&str]) -> bool {
    std::process::Command::new("mount").args(words).status().is_ok_and(|status| status.success())
}

/// Numbers the small file systems, one for each case.
static FULL: Held<BTreeMap<u64, std::path::PathBuf>> = Held::new(BTreeMap::new());

fn unmount(case: u64) {
    let Some(path) = FULL.lock().expect("nobody panics with it").remove(&case) else { return };
    let done = std::process::Command::new("umount").arg(&path).status().is_ok_and(|status| status.success());
    if done {
        let _ = std::fs::remove_dir(path);
    }
}
