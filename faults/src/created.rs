//! The cases with a create tree: a new database is made from it, a fault happens at some moment, and one further run
//! completes it. Its oracle reads the tables and the marks that the files make, and the rows of the history.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::databases::{Runner, Server};
use crate::oracle::{self, RunOutput};
use crate::outcome::{Outcome, PATIENCE};
use crate::proxy::How;
use crate::runner::{Failure, Order, Verb, Via};
use crate::strike;

/// A fault. Numbers are thousandths of the run, at which the fault happens.
#[derive(Clone, Debug)]
enum Fault {
    /// SIGKILL of the runner.
    Kill { far: u32, delay_us: u64 },
    /// A fault on the network connection.
    Wire { far: u32, how: How },
    /// The server terminates the session.
    Terminate { far: u32 },
    /// Several runners at once, of which one may be killed.
    Many { runners: usize, kill: bool },
}

/// One case, drawn from the seed.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) number: u64,
    files: u32,
    deployments: u32,
    fault: Fault,
}

pub(crate) fn draw(seed: u64, number: u64) -> Case {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ number.wrapping_mul(0xA076_1D64_78BD_642F));
    for _ in 0..8 {
        rng.u64(..);
    }
    let far = rng.u32(..1000);
    let fault = match rng.u8(..100) {
        0..=49 => Fault::Kill { far, delay_us: rng.u64(..6_000) },
        50..=69 => Fault::Wire { far, how: strike::draw_wire(&mut rng) },
        70..=79 => Fault::Terminate { far },
        _ => Fault::Many { runners: rng.usize(2..5), kill: rng.bool() },
    };
    Case { number, files: rng.u32(2..12), deployments: rng.u32(1..6), fault }
}

impl Case {
    pub(crate) fn fault(&self) -> String {
        match &self.fault {
            Fault::Kill { .. } => "kill the runner".to_owned(),
            Fault::Wire { how, .. } => how.name().to_owned(),
            Fault::Terminate { .. } => "session terminated".to_owned(),
            Fault::Many { runners, kill } => strike::name_of_many(*runners, *kill),
        }
    }

    fn name(&self) -> String {
        format!("created_{}", self.number)
    }

    fn write(&self, folder: &Path) {
        let write = |path: String, text: String| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
            fs::write(path, text).expect("a file can be written");
        };
        write("migrations.toml".to_owned(), "layout = \"trees\"\ndialects = [\"postgres\"]\n".to_owned());
        for file in 0..self.files {
            // None of them can run twice unnoticed.
            let text = format!("CREATE TABLE made_{file} (id int);\nINSERT INTO marks VALUES ({file}, 1);\n");
            write(format!("create/{}-part/made_{file:02}.sql", 1 + file / 4), text);
        }
        for number in 0..self.deployments {
            // The database is made without them.
            write(format!("deployment/{number:05}-step.sql"), format!("INSERT INTO marks VALUES ({number}, 2);\n"));
        }
    }
}

/// What is in the database.
#[derive(Debug, Default)]
struct Found {
    /// The files whose tables exist.
    tables: BTreeSet<u32>,
    /// The marks of the files, one for each time that it ran.
    marks: Vec<u32>,
    /// The marks of deployments, which must not run.
    deployed: usize,
    /// The number of rows of the files in the history.
    recorded: usize,
    /// The number of rows of the deployments.
    contained: usize,
}

async fn look(url: &str) -> Result<Found, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let mut numbers = async |sql: &str| -> Result<Vec<i32>, sqlx::Error> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await
    };
    let of_set =
        |set: &str| format!("SELECT 1 FROM public.lockgate_history WHERE set_name = '{set}' AND state = 'applied'");
    let unsigned = |numbers: Vec<i32>| numbers.into_iter().map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let made = "SELECT substr(relname, 6)::int FROM pg_class WHERE relname LIKE 'made\\_%' AND relkind = 'r'";
    let mut found = Found {
        tables: unsigned(numbers(made).await?).collect(),
        marks: unsigned(numbers("SELECT v FROM public.marks WHERE p = 1 ORDER BY v").await?).collect(),
        deployed: numbers("SELECT v FROM public.marks WHERE p = 2").await?.len(),
        ..Found::default()
    };
    if !numbers("SELECT 1 FROM pg_class WHERE relname = 'lockgate_history'").await?.is_empty() {
        found.recorded = numbers(&of_set("default/create")).await?.len();
        found.contained = numbers(&of_set("default")).await?.len();
    }
    connection.close().await?;
    Ok(found)
}

impl Found {
    /// What cannot be, at any moment.
    fn disagreements(&self, case: &Case) -> Vec<String> {
        let mut wrong = Vec::new();
        let marked: BTreeSet<u32> = self.marks.iter().copied().collect();
        if marked.len() != self.marks.len() || marked != self.tables {
            wrong.push(format!("the files {:?} made tables, and {:?} were run", self.tables, self.marks));
        }
        if self.deployed > 0 {
            wrong.push(format!("{} deployments have run", self.deployed));
        }
        let all = case.files as usize;
        match self.contained {
            0 if self.recorded != self.tables.len() => {
                wrong.push(format!("{} files are recorded, and {} have run", self.recorded, self.tables.len()));
            }
            0 => {}
            n if n != case.deployments as usize => {
                wrong.push(format!("{n} of {} deployments are recorded", case.deployments))
            }
            _ if self.tables.len() != all => {
                wrong.push(format!("the deployments are recorded, and {} of {all} files have run", self.tables.len()));
            }
            _ => {}
        }
        wrong
    }

    fn unfinished(&self, case: &Case) -> Vec<String> {
        let (all, contained) = (case.files as usize, case.deployments as usize);
        let is_over = self.tables.len() == all && self.contained == contained && self.recorded == 0;
        if is_over { Vec::new() } else { vec![format!("the database is not complete: {self:?}")] }
    }
}

/// Runs a case.
pub(crate) async fn run(case: &Case, place: &Path, server: &Server, outcome: &mut Outcome) -> Result<(), String> {
    let folder = place.join(case.name());
    case.write(&folder);
    let text = |error: sqlx::Error| error.to_string();
    server.of_everyone(&case.name(), "postgres").await.map_err(text)?;
    let ran = struck(case, &folder, server, outcome).await;
    let _ = server.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", case.name())).await;
    ran
}

async fn struck(case: &Case, folder: &Path, server: &Server, outcome: &mut Outcome) -> Result<(), String> {
    let text = |error: sqlx::Error| error.to_string();
    let url = server.admin_url(&case.name());
    let order = Order {
        folder: folder.to_owned(),
        url: url.clone(),
        verb: Verb::Create,
        target: Via::Database,
        whole_run: false,
        lock_wait_ms: 30_000,
        lock_timeout_ms: 3_000,
        statement_timeout_ms: None,
        drop_after_ms: None,
        pages_max: None,
    };
    let outputs = strike(case, &order, server, outcome).await?;
    let mut admin = PgConnection::connect(&server.admin_url("postgres")).await.map_err(text)?;
    outcome.violations.extend(oracle::quiet(&mut admin, &case.name(), Duration::from_secs(20)).await);
    admin.close().await.map_err(text)?;
    let after = look(&url).await.map_err(text)?;
    outcome.violations.extend(after.disagreements(case));
    for output in &outputs {
        outcome.story.push(format!("first: {}", output.end()));
        if output.done.is_some() {
            outcome.violations.extend(after.unfinished(case));
        }
    }
    if !outcome.violations.is_empty() {
        return Ok(());
    }
    let output = Runner::start(&order).end(PATIENCE).await;
    outcome.story.push(format!("further: {}", output.end()));
    let is_refused = output.failure.as_ref().is_some_and(|failure| failure.kind == "refused");
    let is_complete = after.contained > 0 && after.recorded == 0;
    if output.done.is_none() && !(is_refused && is_complete) {
        outcome.violations.push("one further run does not complete".to_owned());
        return Ok(());
    }
    let end = look(&url).await.map_err(text)?;
    outcome.violations.extend(end.disagreements(case));
    outcome.violations.extend(end.unfinished(case));
    Ok(())
}

async fn strike(case: &Case, order: &Order, server: &Server, outcome: &mut Outcome) -> Result<Vec<RunOutput>, String> {
    // A complete run reports at least two events for each file.
    let moment = |far: u32| 1 + (case.files as usize + 2) * 2 * far as usize / 1000;
    match &case.fault {
        Fault::Kill { far, delay_us } => Ok(vec![strike::kill(order, moment(*far), *delay_us, outcome).await]),
        Fault::Wire { far, how } => {
            // A login has some 25 messages of both directions, and a file some eight.
            let at = 25 + (case.files as usize + 6) * 8 * *far as usize / 1000;
            let url = strike::through(order, server);
            Ok(vec![strike::wire(order, server.cluster.port(), at, *how, url, outcome).await?])
        }
        Fault::Terminate { far } => {
            let databases = &case.name().replace('_', "\\_");
            Ok(vec![strike::terminate(order, server, moment(*far), databases, outcome).await?])
        }
        Fault::Many { runners, kill } => {
            // Who comes second finds the database complete, or waits in vain.
            let may_fail = |failure: &Failure| ["locked", "refused", "plan-stale"].contains(&failure.kind.as_str());
            strike::many(order, *runners, kill.then(|| moment(300)), may_fail, outcome).await
        }
    }
}
