//! The cases with several databases: patches of three databases and two roles, with bootstraps, a fault at some moment,
//! and one further run. The databases are one set for the oracle, because a run takes them in order.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::databases::{CaseDatabase, Runner, Server};
use crate::oracle::{self, DatabaseContents, RunOutput};
use crate::outcome::{Outcome, PATIENCE};
use crate::proxy::How;
use crate::runner::{Failure, Order, Verb, Via};
use crate::set::{self, Migration, Set, Statement};
use crate::{Backend, strike};

/// A fault. Numbers are thousandths of the run, at which the fault happens.
#[derive(Clone, Debug)]
enum Fault {
    /// SIGKILL of the runner.
    Kill { far: u32, delay_us: u64 },
    /// A fault on the network connection.
    Wire { far: u32, how: How },
    /// The server terminates the sessions of the roles.
    Terminate { far: u32 },
    /// A patch fails.
    Failing { far: u32 },
    /// Several runners at once, of which one may be killed.
    Many { runners: usize, kill: bool },
    /// The server is killed.
    ServerKill { far: u32 },
    /// The password of a role of the last database is wrong.
    Password,
}

/// One case, drawn from the seed.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) number: u64,
    seed: u64,
    set_role: bool,
    /// Whether their histories are kept in a mirror too, which the first run makes.
    mirror: bool,
    /// Which of the databases exist before the run.
    exist: [bool; 3],
    fault: Fault,
}

const LETTERS: [char; 3] = ['a', 'b', 'c'];

/// The database with the mirror.
const MIRROR: char = 'm';

pub(crate) fn draw(seed: u64, number: u64) -> Case {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.wrapping_mul(0xC2B2_AE3D_27D4_EB4F));
    for _ in 0..8 {
        rng.u64(..);
    }
    let far = rng.u32(..1000);
    let fault = match rng.u8(..100) {
        0..=34 => Fault::Kill { far, delay_us: rng.u64(..6_000) },
        35..=59 => Fault::Wire { far, how: strike::draw_wire(&mut rng) },
        60..=69 => Fault::Terminate { far },
        70..=77 => Fault::Failing { far },
        78..=85 => Fault::Many { runners: rng.usize(2..5), kill: rng.bool() },
        86..=93 => Fault::ServerKill { far },
        _ => Fault::Password,
    };
    let (seed, set_role, exist) = (rng.u64(..), rng.u8(..100) < 40, [rng.bool(), true, rng.bool()]);
    Case { number, seed, set_role, mirror: rng.u8(..100) < 40, exist, fault }
}

impl Case {
    pub(crate) fn fault(&self) -> String {
        let fault = self.fault_itself();
        if self.mirror { format!("{fault}, with a mirror") } else { fault }
    }

    fn fault_itself(&self) -> String {
        match &self.fault {
            Fault::Kill { .. } => "kill the runner".to_owned(),
            Fault::Wire { how, .. } => how.name().to_owned(),
            Fault::Terminate { .. } => "sessions terminated".to_owned(),
            Fault::Failing { .. } => "failing patch".to_owned(),
            Fault::Many { runners, kill } => strike::name_of_many(*runners, *kill),
            Fault::ServerKill { .. } => "kill the server".to_owned(),
            Fault::Password => "wrong password".to_owned(),
        }
    }

    pub(crate) fn kills_the_server(&self) -> bool {
        matches!(self.fault, Fault::ServerKill { .. })
    }

    /// The name of a database. The URL names `z`, which is not migrated.
    fn database(&self, letter: char) -> String {
        format!("several_{}_{letter}", self.number)
    }

    fn roles(&self) -> [String; 2] {
        [format!("ada_{}", self.number), format!("bob_{}", self.number)]
    }
}

/// Makes the patches and the bootstraps that must run, in the order of a run, each with a version of its own.
fn patches(case: &Case) -> Set {
    let mut rng = Rng::with_seed(case.seed);
    let roles = case.roles();
    let mut migrations = Vec::new();
    for ((major, letter), exists) in (1_i64..).zip(LETTERS).zip(case.exist) {
        if !exists {
            migrations.extend(bootstraps(case, major * 10_000 - 10, letter));
        }
        for minor in 1..=rng.i64(3..9) {
            // The first patch makes the history, whose owner grants the rest.
            let role = if minor == 1 { &roles[0] } else { rng.choice(&roles).expect("some") };
            let id = format!("{}.{major:08}.{minor:04}.{role}.step", case.database(letter));
            migrations.push(set::patch(major * 10_000 + minor, id, role, &mut rng));
        }
    }
    Set { backend: Backend::Postgres, migrations }
}

/// Makes the bootstraps of a database. None of their statements can run twice unnoticed.
fn bootstraps(case: &Case, below: i64, letter: char) -> Vec<Migration> {
    let (name, owner) = (case.database(letter), &case.roles()[0]);
    let mark = |part: u8| {
        let v = u32::from(letter);
        set::does(format!("INSERT INTO public.marks VALUES ({v}, {part})"), &[(&format!("mark:{v}:{part}"), 1)])
    };
    let create = set::plain(format!("CREATE DATABASE {name} OWNER {owner}"));
    let all = [("begin", vec![mark(1)]), ("create", vec![mark(2), create, mark(3)]), ("end", vec![mark(4)])];
    let one = |(minor, (what, up)): (i64, (&str, Vec<Statement>))| Migration {
        version: below + minor,
        id: format!("{name}.00000000.{minor:04}.postgres.{what}"),
        transactional: what != "create",
        rust: false,
        head: String::new(),
        up,
        down: None,
    };
    (1..).zip(all).map(one).collect()
}

fn is_bootstrap(migration: &Migration) -> bool {
    migration.id.contains(".00000000.")
}

/// The server of a case.
pub(crate) enum On<'a> {
    /// Other cases use it too.
    Shared(&'a Server),
    /// It may be killed.
    Own(&'a mut Server),
}

impl Deref for On<'_> {
    type Target = Server;

    fn deref(&self) -> &Server {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }
}

/// Runs a case.
pub(crate) async fn run(case: &Case, place: &Path, server: &mut On<'_>, outcome: &mut Outcome) -> Result<(), String> {
    let set = patches(case);
    let folder = place.join(format!("several-{}", case.number));
    let mut all = set.clone();
    for (letter, _) in LETTERS.into_iter().zip(case.exist).filter(|(_, exists)| *exists) {
        // Bootstraps of a database that exists must not run.
        all.migrations.extend(bootstraps(case, 0, letter));
    }
    all.write(&folder, "numbering = \"encoded\"\n");
    let text = |error: sqlx::Error| error.to_string();
    let roles = case.roles();
    for role in &roles {
        server.administer(&format!("CREATE ROLE {role} LOGIN PASSWORD '{role}'")).await.map_err(text)?;
    }
    let state = case.database('z');
    server.of_everyone(&state, "postgres").await.map_err(text)?;
    for (letter, _) in LETTERS.iter().zip(case.exist).filter(|(_, exists)| *exists) {
        server.of_everyone(&case.database(*letter), &roles[0]).await.map_err(text)?;
    }
    let ran = Box::pin(struck(case, &set, &folder, server, outcome)).await;
    for letter in LETTERS.into_iter().chain(['z', MIRROR]) {
        let _ = server.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", case.database(letter))).await;
    }
    let _ = server.administer(&format!("DROP ROLE IF EXISTS {}, {}", roles[0], roles[1])).await;
    ran
}

async fn struck(
    case: &Case,
    set: &Set,
    folder: &Path,
    server: &mut On<'_>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let order = Order {
        folder: folder.to_owned(),
        url: server.admin_url(&case.database('z')),
        verb: Verb::Databases { set_role: case.set_role, mirror: case.mirror.then(|| case.database(MIRROR)) },
        target: Via::Database,
        whole_run: false,
        lock_wait_ms: 30_000,
        lock_timeout_ms: 3_000,
        statement_timeout_ms: None,
        drop_after_ms: None,
        pages_max: None,
    };
    let before = look(case, set, server).await?;
    let outputs = strike(case, set, &order, server, outcome).await?;
    settle(case, server, outcome).await?;
    let after = look(case, set, server).await?;
    let found = &mut outcome.violations;
    found.extend(oracle::disagreements(set, &after));
    for output in &outputs {
        outcome.story.push(format!("first: {}", output.end()));
        found.extend(oracle::false_claims(set, output, &before, &after, false, outputs.len() == 1));
        if output.done.is_some() {
            found.extend(oracle::unfinished(set, &after, None));
        }
    }
    for migration in &set.migrations {
        let who = outputs.iter().filter(|output| output.finished.contains(&migration.id)).count();
        if who > 1 {
            found.push(format!("{who} runners say that they have run `{}`", migration.id));
        }
    }
    if !found.is_empty() {
        return Ok(());
    }
    let output = Runner::start(&order).end(PATIENCE).await;
    outcome.story.push(format!("further: {}", output.end()));
    let end = look(case, set, server).await?;
    // A statement whose outcome only a person can find out is none of the kinds in these patches.
    if output.done.is_none() {
        outcome.violations.push("one further run does not complete".to_owned());
        return Ok(());
    }
    outcome.violations.extend(oracle::disagreements(set, &end));
    outcome.violations.extend(oracle::false_claims(set, &output, &after, &end, false, true));
    outcome.violations.extend(oracle::unfinished(set, &end, None));
    if case.mirror {
        for letter in LETTERS {
            let name = case.database(letter);
            let (mirror, url) = (server.admin_url(&case.database(MIRROR)), server.admin_url(&name));
            let found = oracle::unmirrored(&mirror, &name, &url).await;
            outcome.violations.extend(found.map_err(|error| error.to_string())?);
        }
    }
    Ok(())
}

/// Reads what all of the databases have.
async fn look(case: &Case, set: &Set, server: &Server) -> Result<DatabaseContents, String> {
    let bootstraps: Vec<&Migration> = set.migrations.iter().filter(|migration| is_bootstrap(migration)).collect();
    let url = server.admin_url(&case.database('z'));
    let all = oracle::look_at_bootstraps(&url, &bootstraps).await;
    let mut all = all.map_err(|error| error.to_string())?;
    for letter in LETTERS {
        let name = case.database(letter);
        if exists(server, &name).await? {
            let url = server.admin_url(&name);
            all.merge(oracle::look(Backend::Postgres, &url).await.map_err(|error| error.to_string())?);
        }
    }
    Ok(all)
}

async fn exists(server: &Server, name: &str) -> Result<bool, String> {
    let count =
        count(server, "postgres", &format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")).await?;
    Ok(count > 0)
}

async fn count(server: &Server, database: &str, sql: &str) -> Result<i64, String> {
    let text = |error: sqlx::Error| error.to_string();
    let mut admin = PgConnection::connect(&server.admin_url(database)).await.map_err(text)?;
    let count = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut admin).await.map_err(text)?;
    admin.close().await.map_err(text)?;
    Ok(count)
}

/// Waits until the databases have no other session.
async fn settle(case: &Case, server: &Server, outcome: &mut Outcome) -> Result<(), String> {
    let text = |error: sqlx::Error| error.to_string();
    let mut admin = PgConnection::connect(&server.admin_url("postgres")).await.map_err(text)?;
    for letter in LETTERS.into_iter().chain(['z', MIRROR]) {
        let name = case.database(letter);
        outcome.violations.extend(oracle::quiet(&mut admin, &name, Duration::from_secs(20)).await);
    }
    admin.close().await.map_err(text)
}

async fn strike(
    case: &Case,
    set: &Set,
    order: &Order,
    server: &mut On<'_>,
    outcome: &mut Outcome,
) -> Result<Vec<RunOutput>, String> {
    let text = |error: sqlx::Error| error.to_string();
    // A complete run reports at least two events for each script.
    let moment = |far: u32| 1 + (set.migrations.len() + 3) * 2 * far as usize / 1000;
    match &case.fault {
        Fault::Kill { far, delay_us } => Ok(vec![strike::kill(order, moment(*far), *delay_us, outcome).await]),
        Fault::Wire { far, how } => {
            // A run has some twelve messages for each patch, of both directions and of all connections. Before, each database
            // is read and each role logs in, with some 25 messages each.
            let at = 100 + (200 + set.migrations.len() * 30) * *far as usize / 1000;
            let url = strike::through(order, server);
            Ok(vec![strike::wire(order, server.cluster.port(), at, *how, url, outcome).await?])
        }
        Fault::Terminate { far } => {
            let databases = &format!("several\\_{}\\_%", case.number);
            Ok(vec![strike::terminate(order, server, moment(*far), databases, outcome).await?])
        }
        Fault::Failing { far } => {
            // The second database exists, so its gate can be closed before the run.
            let second: Vec<_> = set
                .migrations
                .iter()
                .filter(|migration| migration.version / 10_000 == 2 && !is_bootstrap(migration))
                .collect();
            let version = second[second.len() * *far as usize / 1000].version;
            let place = |sql: String| {
                let url = server.admin_url(&case.database('b'));
                async move { CaseDatabase::run(&url, &sql).await.map_err(text) }
            };
            place(format!("INSERT INTO closed VALUES ({version})")).await?;
            let output = Runner::start(order).end(PATIENCE).await;
            outcome.landed = output.failure.is_some();
            place("DELETE FROM closed".to_owned()).await?;
            Ok(vec![output])
        }
        Fault::Many { runners, kill } => {
            let may_fail = |failure: &Failure| failure.kind == "locked";
            strike::many(order, *runners, kill.then(|| moment(300)), may_fail, outcome).await
        }
        Fault::ServerKill { far } => {
            let mut runner = Runner::start(order);
            let there = runner.until(moment(*far)).await;
            let On::Own(server) = server else { return Err("this server must not be killed".to_owned()) };
            server.cluster.kill_9().map_err(|error| error.to_string())?;
            let output = runner.end(PATIENCE).await;
            server.cluster.restart().map_err(|error| error.to_string())?;
            outcome.landed = there && output.done.is_none();
            Ok(vec![output])
        }
        Fault::Password => {
            let role = &case.roles()[1];
            server.administer(&format!("ALTER ROLE {role} PASSWORD 'another'")).await.map_err(text)?;
            let output = Runner::start(order).end(PATIENCE).await;
            server.administer(&format!("ALTER ROLE {role} PASSWORD '{role}'")).await.map_err(text)?;
            outcome.landed = output.failure.is_some();
            if output.failure.is_some() && !output.finished.is_empty() {
                outcome.violations.push("patches ran before the passwords were tried".to_owned());
            }
            Ok(vec![output])
        }
    }
}
