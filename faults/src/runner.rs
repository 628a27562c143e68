//! The runner process, which a fault may kill. It runs one verb on a set, and prints a line of JSON for each event; at the
//! end, it prints what is left in its sessions.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use lockgate::__private::RustStep;
use lockgate::{
    Atomicity, Database, Databases, DatabasesMigrator, DownTo, Migrations, Migrator, Report, StepResult, Transaction,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::session_state;
use crate::set::Set;

/// What a runner must do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
    pub(crate) verb: Verb,
    pub(crate) target: Via,
    pub(crate) whole_run: bool,
    pub(crate) lock_wait_ms: u64,
    pub(crate) lock_timeout_ms: u64,
    pub(crate) statement_timeout_ms: Option<u64>,
    /// Drop the future after this time.
    pub(crate) drop_after_ms: Option<u64>,
    /// SQLite: the most pages of the database.
    pub(crate) pages_max: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verb {
    Up,
    /// Everything above this version.
    Down(i64),
    /// One step.
    DownOne,
    /// What an operator types.
    Typed(Vec<String>),
    /// Up, on several databases. The folder is that of the patches.
    Databases {
        set_role: bool,
        /// The database with the mirror.
        mirror: Option<String>,
    },
    /// Makes a database from the create tree of the folder.
    Create,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Via {
    Database,
    Pool,
    Lent,
}

/// A line of a runner's output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum OutputLine {
    /// An event, with its name and its migration.
    Event(String, Option<String>),
    /// The run succeeded, with these steps.
    Done(Vec<(String, String)>),
    Failed(Failure),
    /// The future was dropped.
    Dropped,
    /// What the run left in its sessions.
    Left(String),
    /// The last line.
    End,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) state: Vec<String>,
    pub(crate) help: Vec<String>,
    pub(crate) code: Option<String>,
}

fn say(line: &OutputLine) {
    let line = serde_json::to_string(line).expect("what is said can be written") + "\n";
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes());
    let _ = out.flush();
}

static SET: OnceLock<Set> = OnceLock::new();

async fn step(tx: &mut Transaction<'_>, version: i64, up: bool) -> StepResult {
    let migration = SET.get().and_then(|set| set.of(version)).ok_or("the set has no such step")?;
    let statements = if up { Some(&migration.up) } else { migration.down.as_ref() };
    for statement in statements.ok_or("the step has no way back")? {
        tx.execute(&statement.sql).await?;
    }
    Ok(())
}

const fn rust_step<const N: i64>() -> RustStep {
    RustStep { version: N, up: |tx| Box::pin(step(tx, N, true)), down: Some(|tx| Box::pin(step(tx, N, false))) }
}

macro_rules! steps {
    ($($n:literal)+) => { &[$(rust_step::<$n>()),+] };
}
static STEPS: &[RustStep] = steps!(7 17 27 37 47 57 67 77 87 97 107 117 127 137 147 157 167 177 187 197 207 217 227 237 247 257 267 277 287 297);

/// Reads a folder as the macro does.
fn folder_at(path: &Path) -> lockgate_source::Folder {
    let loaded = lockgate_source::folder::load(path, "migrations");
    let problems: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.render(lockgate_source::diagnostic::Color::Off))
        .collect();
    assert!(!loaded.has_errors(), "the campaign's own set is wrong:\n{}", problems.join("\n"));
    loaded.folder
}

/// Writes a set, and what the macro would embed of it.
pub(crate) fn encode(set: &Set, folder: &Path) {
    let source = folder.join("migrations");
    set.write(&source, "");
    let embedded = folder_at(&source).encode();
    let texts: String = embedded.texts.iter().map(|script| script.text.as_str()).collect();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("an embedded set can be written");
    write("texts", texts.as_bytes());
    write("paths", embedded.encoded.paths.as_bytes());
    write("table", &embedded.encoded.table);
    write("set.json", &serde_json::to_vec(set).expect("a set can be written"));
}

fn embedded(folder: &Path) -> &'static Migrations {
    let text = |name: &str| fs::read_to_string(folder.join(name)).expect("an embedded set can be read");
    let table = fs::read(folder.join("table")).expect("an embedded set can be read");
    let read = serde_json::from_str(&text("set.json")).expect("a set that was written");
    SET.set(read).expect("a runner has one set");
    let set = lockgate::__private::Set::from_parts(
        "migrations",
        "faults 1.2.3",
        text("texts").leak(),
        text("paths").leak(),
        table.leak(),
    );
    Box::leak(Box::new(lockgate::__private::migrations(set, STEPS)))
}

/// Runs a runner to its end.
pub(crate) fn main(order: &str) -> ExitCode {
    let order: Order = serde_json::from_str(order).expect("an order that was written here");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    match &order.verb {
        Verb::Databases { set_role, mirror } => runtime.block_on(several(&order, *set_role, mirror.as_deref())),
        Verb::Create => runtime.block_on(create(&order)),
        Verb::Up | Verb::Down(_) | Verb::DownOne | Verb::Typed(_) => return one(&order, &runtime),
    }
    say(&OutputLine::End);
    ExitCode::SUCCESS
}

/// Runs a verb on one database.
fn one(order: &Order, runtime: &tokio::runtime::Runtime) -> ExitCode {
    let migrations = embedded(&order.folder);
    if let Verb::Typed(words) = &order.verb {
        return runtime.block_on(typed(migrations, words));
    }
    runtime.block_on(run(order, migrations));
    say(&OutputLine::End);
    ExitCode::SUCCESS
}

async fn typed(migrations: &'static Migrations, words: &[String]) -> ExitCode {
    use lockgate_cli::clap::{self, Parser};
    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: lockgate_cli::Options,
        #[command(subcommand)]
        verb: lockgate_cli::Verb,
    }
    let cli = lockgate_cli::Cli::new(migrations);
    let arguments: Result<Arguments, _> = cli.parse_from(words);
    match arguments {
        Ok(arguments) => cli.run(&arguments.options, &arguments.verb).await.into(),
        Err(exit) => exit.into(),
    }
}

/// Brings several databases up. Their roles have their own names as passwords.
async fn several(order: &Order, set_role: bool, mirror: Option<&str>) {
    let each = folder_at(&order.folder).each_database().expect("the names of patches have databases");
    let leaked = |folder: &lockgate_source::Folder| folder.leak("faults 1.2.3");
    let each = each.iter().map(|one| (one.name.clone(), leaked(&one.bootstraps), leaked(&one.patches)));
    let databases: &'static Databases = Box::leak(Box::new(Databases::leak(each)));
    let mut migrator = DatabasesMigrator::new(databases).options(|migrator| options(migrator, order));
    if set_role {
        migrator = migrator.set_role();
    }
    if let Some(mirror) = mirror {
        migrator = migrator.mirror(mirror);
    }
    match migrator.apply(&order.url).await {
        Ok(report) => {
            let steps = report.steps().map(|step| (step.id.clone(), step.action.past().to_owned()));
            say(&OutputLine::Done(steps.collect()));
        }
        Err(error) => failed(&error),
    }
}

/// Makes a database from a create tree. The tables that every case uses are in it before.
async fn create(order: &Order) {
    let set = folder_at(&order.folder).leak("faults 1.2.3");
    let migrations: &'static Migrations = Box::leak(Box::new(lockgate::__private::migrations(set, &[])));
    let migrator = options(Migrator::new(migrations), order).allow_other_tools();
    let created = async {
        let mut database = Database::connect(&order.url).await?;
        migrator.create(&mut database).await
    };
    match created.await {
        Ok(report) => say(&OutputLine::Done(steps(&report))),
        Err(error) => failed(&error),
    }
}

fn options(migrator: Migrator, order: &Order) -> Migrator {
    migrator
        .lock_wait(Duration::from_millis(order.lock_wait_ms))
        .lock_timeout(Duration::from_millis(order.lock_timeout_ms))
        .on_event(|event| {
            // The name is taken from the debug form, so that new events need no code here.
            let shown = format!("{event:?}");
            let name = shown.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
            let id = shown.split_once("id: \"").and_then(|(_, rest)| rest.split('"').next()).map(str::to_owned);
            say(&OutputLine::Event(name, id));
        })
}

async fn run(order: &Order, migrations: &'static Migrations) {
    let mut migrator = options(Migrator::new(migrations), order);
    if order.whole_run {
        migrator = migrator.atomicity(Atomicity::WholeRun);
    }
    if let Some(timeout) = order.statement_timeout_ms {
        migrator = migrator.statement_timeout(Duration::from_millis(timeout));
    }
    let postgres = order.url.starts_with("postgres");
    match order.target {
        Via::Database => match Database::connect(&order.url).await {
            Ok(mut database) => {
                if let (Some(pages), Some(connection)) = (order.pages_max, database.sqlite()) {
                    limit(connection, pages).await;
                }
                go(order, &migrator, &mut database).await;
            }
            Err(error) => failed(&error),
        },
        Via::Pool if postgres => {
            let options = PgPoolOptions::new().max_connections(2).min_connections(2);
            match options.connect(&order.url).await {
                Ok(pool) => {
                    let before = session_state::postgres_pool(&pool).await;
                    go(order, &migrator, &pool).await;
                    let after = session_state::postgres_pool(&pool).await;
                    session_state::compare(&before, &after)
                        .iter()
                        .for_each(|what| say(&OutputLine::Left(what.clone())));
                }
                Err(error) => unreachable(&error),
            }
        }
        Via::Pool => {
            let options = SqlitePoolOptions::new().max_connections(2).min_connections(2);
            match options.connect(&order.url).await {
                Ok(pool) => {
                    let before = session_state::sqlite_pool(&pool).await;
                    go(order, &migrator, &pool).await;
                    let after = session_state::sqlite_pool(&pool).await;
                    session_state::compare(&before, &after)
                        .iter()
                        .for_each(|what| say(&OutputLine::Left(what.clone())));
                }
                Err(error) => unreachable(&error),
            }
        }
        Via::Lent if postgres => match PgConnection::connect(&order.url).await {
            Ok(mut connection) => {
                let before = session_state::postgres(&mut connection).await;
                go(order, &migrator, &mut connection).await;
                let after = session_state::postgres(&mut connection).await;
                session_state::compare(&[before], &[after])
                    .iter()
                    .for_each(|what| say(&OutputLine::Left(what.clone())));
            }
            Err(error) => unreachable(&error),
        },
        Via::Lent => match SqliteConnection::connect(&order.url).await {
            Ok(mut connection) => {
                if let Some(pages) = order.pages_max {
                    limit(&mut connection, pages).await;
                }
                let before = session_state::sqlite(&mut connection).await;
                go(order, &migrator, &mut connection).await;
                let after = session_state::sqlite(&mut connection).await;
                session_state::compare(&[before], &[after])
                    .iter()
                    .for_each(|what| say(&OutputLine::Left(what.clone())));
            }
            Err(error) => unreachable(&error),
        },
    }
}

async fn limit(connection: &mut SqliteConnection, pages: u64) {
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    let _ = sqlx::raw_sql(sql).execute(connection).await;
}

async fn go(order: &Order, migrator: &Migrator, target: impl lockgate::Target) {
    let work = async {
        match &order.verb {
            Verb::Up | Verb::Typed(_) | Verb::Databases { .. } | Verb::Create => migrator.apply(target).await,
            Verb::Down(0) => migrator.revert(target, DownTo::Empty).await,
            Verb::Down(version) => {
                let version = lockgate::Version::new(*version).expect("a version is positive");
                migrator.revert(target, DownTo::Version(version)).await
            }
            Verb::DownOne => migrator.revert(target, DownTo::Steps(1)).await,
        }
    };
    let outcome = match order.drop_after_ms {
        Some(time) => match tokio::time::timeout(Duration::from_millis(time), work).await {
            Ok(outcome) => outcome,
            Err(_) => return say(&OutputLine::Dropped),
        },
        None => work.await,
    };
    match outcome {
        Ok(report) => say(&OutputLine::Done(steps(&report))),
        Err(error) => failed(&error),
    }
}

fn steps(report: &Report) -> Vec<(String, String)> {
    report.steps.iter().map(|step| (step.id.clone(), step.action.past().to_owned())).collect()
}

fn failed(error: &lockgate::Error) {
    // The report for operators, because the campaign types the commands that it advises.
    let report = error.report_for(lockgate::Audience::CommandLine);
    say(&OutputLine::Failed(Failure {
        kind: error.kind().to_string(),
        text: report.to_string(),
        state: report.state().to_vec(),
        help: report.help().iter().cloned().chain(report.reasons().map(|(_, help)| help.to_owned())).collect(),
        code: report.database_code().map(str::to_owned),
    }));
}

/// An error of the driver, which could not connect.
fn unreachable(error: &sqlx::Error) {
    say(&OutputLine::Failed(Failure { kind: "unreachable".to_owned(), text: error.to_string(), ..Failure::default() }));
}
