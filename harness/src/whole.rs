//! The tests of a set as a whole: from nothing to head and back, by one runner and by many.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use lockgate::{Body, Dialect, DownTo, Event, Migration, Migrator, UpTo};

use crate::db::Db;
use crate::failure::{Failure, shown_from};
use crate::ground::{Ground, Session, lent};
use crate::problem::{Problem, Step};
use crate::suite::Tests;
use crate::walk::At;

/// What a test of the whole says when it passes: nothing, or something worth a line.
pub(crate) type Note = Result<Option<String>, Problem>;

/// A ground to stand on, or the end of the test where this machine has no such database.
macro_rules! ground {
    ($ground:expr) => {
        match $ground.await? {
            Some(ground) => ground,
            None => return Ok(None),
        }
    };
}

/// From nothing to head in one run, and every migration is recorded.
pub(crate) async fn fresh_install(tests: &'static Tests, dialect: Dialect) -> Note {
    let ground = ground!(Ground::at(tests, dialect, None));
    let mut database = ground.connect().await.or_problem(Step::Whole, CONNECT)?;
    let report = ground.migrator.apply(&mut database).await.map_err(|e| failed("it fails from nothing", &e))?;
    let ran: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    let all: Vec<&str> = tests.migrations.iter().map(|migration| migration.id()).collect();
    if ran != all {
        return Err(Problem::new(Step::Whole, "not every migration ran, each once and in order").detail(ran.join("\n")));
    }
    let status = ground.migrator.status(&mut database).await.map_err(|e| failed("its status cannot be read", &e))?;
    if !status.is_up_to_date() {
        return Err(Problem::new(Step::Whole, "behind a run of all, the database is not up to date"));
    }
    Ok(None)
}

/// One run a migration, each in a session of its own, gives what one run of all gives.
pub(crate) async fn step_by_step_equals_all_at_once(tests: &'static Tests, dialect: Dialect) -> Note {
    let at_once = ground!(Ground::at(tests, dialect, None));
    let step_by_step = ground!(Ground::at(tests, dialect, None));
    let mut database = at_once.connect().await.or_problem(Step::Whole, CONNECT)?;
    // In one session, which is lent: a run of its own takes another behind what may have changed it.
    lent(&at_once.migrator, &mut database, UpTo::Latest).await.map_err(|e| failed("all at once fails", &e))?;
    let _ = database.close().await;
    for migration in tests.migrations.iter() {
        let applied = step_by_step.apply(migration.version(), Session::Plain).await;
        let of = |problem: Problem| problem.about(migration.id(), dialect);
        applied
            .or_problem(Step::Whole, "it fails in a run of its own, and not in a run with those before it")
            .map_err(of)?;
    }
    let (one, other) = (
        at_once.schema().await.or_problem(Step::Whole, READ)?,
        step_by_step.schema().await.or_problem(Step::Whole, READ)?,
    );
    if let Some(differences) = at_once.differences(&one, &other) {
        return Err(Problem::new(Step::Whole, "one run of all gives another schema than one run for each")
            .detail(differences)
            .help("a migration depends on what one before it left in the session, as with `SET search_path`"));
    }
    let (one, other) = (
        at_once.counts().await.or_problem(Step::Whole, READ)?,
        step_by_step.counts().await.or_problem(Step::Whole, READ)?,
    );
    if one != other {
        let rows: Vec<String> = one
            .iter()
            .zip(&other)
            .filter(|(one, other)| one != other)
            .map(|((table, one), (_, other))| format!("`{table}` has {one} rows at once and {other} step by step"))
            .collect();
        return Err(
            Problem::new(Step::Whole, "one run of all gives other rows than one run for each").detail(rows.join("\n"))
        );
    }
    Ok(None)
}

/// At head a run does nothing: no step, no event, no lock, and nothing is written even where it could
/// not be.
pub(crate) async fn second_run_does_nothing(tests: &'static Tests, dialect: Dialect) -> Note {
    let last = tests.migrations.set().last().map(|last| last.version());
    let ground = ground!(Ground::at(tests, dialect, last));
    if last.is_none() {
        return Ok(None);
    }
    let mut db = Db::new(ground.connect().await.or_problem(Step::Whole, CONNECT)?);
    let read_only = match dialect {
        Dialect::Sqlite => "PRAGMA query_only = ON",
        Dialect::Postgres | Dialect::Mysql => "SET default_transaction_read_only = on",
    };
    db.run(read_only).await.map_err(|e| Failure::of(&e, read_only)).or_problem(Step::Whole, CONNECT)?;
    let mut database = db.into_database();
    let (migrator, events) = listening(&ground.migrator);
    let report = migrator.apply(&mut database).await;
    let report = report.map_err(|e| failed("a second run fails where nothing can be written", &e))?;
    let events = events.lock().map(|events| events.clone()).unwrap_or_default();
    if !report.is_empty() || !events.is_empty() {
        return Err(
            Problem::new(Step::Whole, "a second run does something").detail(format!("{report}\n{}", events.join("\n")))
        );
    }
    // Locks of the session would still be there.
    let left = crate::session::left(&mut Db::new(database)).await.or_problem(Step::Whole, READ)?;
    match left.into_iter().find(|line| line.contains("advisory lock")) {
        Some(lock) => Err(Problem::new(Step::Whole, "a second run leaves a lock").detail(lock)),
        None => Ok(None),
    }
}

/// So many runners at once apply each migration exactly once.
pub(crate) async fn runners_apply_once(tests: &'static Tests, dialect: Dialect, runners: usize) -> Note {
    let ground = ground!(Ground::at(tests, dialect, None));
    let run = async || {
        let mut database = ground.connect().await?;
        let report = ground.migrator.apply(&mut database).await;
        report.map_err(|e| Failure::without_place(format!("{e:?}")))
    };
    let mut ran: Vec<String> = Vec::new();
    for report in join_all((0..runners).map(|_| run())).await {
        let report = report.or_problem(Step::Whole, "one of several runners fails")?;
        ran.extend(report.steps.into_iter().map(|step| step.id));
    }
    ran.sort();
    let mut all: Vec<&str> = tests.migrations.iter().map(|migration| migration.id()).collect();
    all.sort_unstable();
    if ran != all {
        return Err(Problem::new(Step::Whole, format!("{runners} runners did not apply each migration exactly once"))
            .detail(ran.join("\n")));
    }
    let mut db = Db::new(ground.connect().await.or_problem(Step::Whole, CONNECT)?);
    let logged = db.names("SELECT count(*) FROM lockgate_log").await.or_problem(Step::Whole, READ);
    let logged = if all.is_empty() { vec!["0".to_owned()] } else { logged? };
    if logged != [all.len().to_string()] {
        return Err(Problem::new(
            Step::Whole,
            format!("the log has {} lines for {} migrations", logged.join(""), all.len()),
        ));
    }
    Ok(None)
}

/// Under `Atomicity::WholeRun` a migration that fails at the end takes all others with it.
pub(crate) async fn whole_run_is_all_or_nothing(tests: &'static Tests, dialect: Dialect) -> Note {
    let ground = ground!(Ground::at(tests, dialect, None));
    let Some((migrator, last)) = crate::atomic::failing(tests.migrations, dialect) else { return Ok(None) };
    let mut database = ground.connect().await.or_problem(Step::Whole, CONNECT)?;
    if let Err(refusal) = migrator.plan(&mut database, UpTo::Latest).await {
        return Ok(Some(format!("one transaction for all is not offered: {refusal}")));
    }
    let empty = ground.schema().await.or_problem(Step::Whole, READ)?;
    match migrator.apply(&mut database).await {
        Ok(_) => return Err(Problem::new(Step::Whole, "a migration that cannot succeed succeeds")),
        Err(error) if error.to_string().contains(crate::atomic::TABLE) => {}
        Err(error) => return Err(failed("it fails in one transaction for all, and not in one for each", &error)),
    }
    let after = ground.schema().await.or_problem(Step::Whole, READ)?;
    let status = migrator.status(&mut database).await.map_err(|e| failed("its status cannot be read", &e))?;
    let kept = status.entries.iter().filter(|entry| entry.id != last).find(|entry| entry.row.is_some());
    if let Some(kept) = kept {
        return Err(Problem::new(Step::Whole, "a run that failed as one transaction left something")
            .detail(format!("`{}` is recorded as applied", kept.id)));
    }
    match ground.differences(&empty, &after) {
        Some(differences) => {
            Err(Problem::new(Step::Whole, "a run that failed as one transaction left something").detail(differences))
        }
        None => Ok(None),
    }
}

/// What is compiled in is what is in the folder, and so are the tests.
pub(crate) fn embedded_is_what_is_on_disk(tests: &'static Tests) -> Note {
    let folder = Path::new(tests.folder);
    let mut wrong = Vec::new();
    let mut edited = Vec::new();
    let mut known = Vec::new();
    for migration in tests.migrations.iter() {
        for script in [Some(migration.up()), migration.down()].into_iter().flatten() {
            let shown = script.path();
            let path = shown
                .strip_prefix(tests.migrations.set().folder())
                .unwrap_or(&shown)
                .trim_start_matches('/')
                .to_owned();
            match (fs::read_to_string(folder.join(&path)), script.body()) {
                (Ok(text), Body::Sql(embedded)) if as_embedded(&text) != embedded => {
                    wrong.push(format!("{shown} is not what is embedded"));
                    edited.push(folder.join(&path).display().to_string());
                }
                (Ok(_), Body::Sql(_) | Body::Rust) => {}
                (Err(e), _) => wrong.push(format!("{shown} is embedded and cannot be read: {e}")),
            }
            known.push(path);
        }
    }
    for path in scripts(folder, "") {
        if !known.contains(&path) {
            let shown = shown_from(tests.base(), &folder.join(path));
            wrong.push(format!("{shown} is in the folder and is not embedded"));
        }
    }
    let directory = || shown_from(tests.base(), Path::new(tests.directory));
    let names = fs::read_dir(tests.directory).into_iter().flatten().flatten().map(|entry| entry.file_name());
    for name in names.filter_map(|name| name.into_string().ok()) {
        let is_test =
            name.starts_with(|c: char| c.is_ascii_digit()) && (name.ends_with(".rs") || name.ends_with(".sql"));
        if is_test && !tests.files.contains(&name.as_str()) {
            wrong.push(format!("{}/{name} is among the tests and was not compiled", directory()));
        }
    }
    if wrong.is_empty() {
        return Ok(None);
    }
    wrong.sort();
    let problem = Problem::new(Step::Whole, "what is embedded is not what is on disk").detail(wrong.join("\n"));
    Err(if edited.is_empty() {
        problem.help(format!(
            "touch `{}/main.rs` and build again; with `lockgate_build::watch()` in a build script, files that come and \
             go are noticed",
            directory()
        ))
    } else {
        problem.help(format!(
            "type `touch {}`, and build again: cargo goes by the time at which a file was changed, and `cp -p` or a \
             restored cache gave these an older one than the build",
            edited.join(" ")
        ))
    })
}

/// A script as it is embedded: without a byte order mark, and with LF for CRLF.
fn as_embedded(text: &str) -> String {
    text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n")
}

/// The paths of scripts and steps below a folder.
fn scripts(folder: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            found.extend(scripts(&entry.path(), &format!("{path}/")));
        } else if name.ends_with(".sql") || name.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}

/// At head, with the rows of every fill, no table is empty that a migration has met: one without rows
/// proves nothing about data. What the newest migration makes, nothing has met yet, and its own `fill` runs
/// before it. A table that a migration without a test makes is not asked about.
pub(crate) async fn every_table_has_a_row(tests: &'static Tests, dialect: Dialect) -> Note {
    if tests.suites.is_empty() {
        return Ok(Some("no migration has a test: nothing is filled in".to_owned()));
    }
    let all: Vec<Migration> = tests.migrations.iter().collect();
    let newest = all.last();
    let ground = ground!(Ground::below(tests, dialect, newest));
    let met = ground.counts().await.or_problem(Step::Whole, READ)?;
    ground.bring(&all, newest.map_or(0, Migration::index)).await?;
    let counts = ground.counts().await.or_problem(Step::Whole, READ)?;
    let uncounted = ground.uncounted().await.or_problem(Step::Whole, READ)?;
    let is_met = |table: &str| met.iter().any(|(name, _)| name == table);
    let is_asked = |table: &str| !tests.empty_tables.contains(&table);
    let mut empty: Vec<&str> = counts
        .iter()
        .filter(|(_, count)| *count == 0)
        .map(|(table, _)| &**table)
        .filter(|table| is_met(table))
        .collect();
    empty.retain(|table| is_asked(table));
    if !empty.is_empty() {
        let tested = ground!(made_by_tested(tests, dialect));
        empty.retain(|table| tested.iter().any(|made| made == table));
    }
    let mut wrong: Vec<String> = empty.iter().map(|table| format!("`{table}` has no row")).collect();
    for table in tests.empty_tables.iter().filter(|table| !uncounted.iter().any(|name| name == **table)) {
        match counts.iter().find(|(name, _)| name == table) {
            Some((_, 0)) => {}
            Some((_, rows)) => wrong.push(format!("`{table}` is said to be empty, and has rows: {rows}")),
            None => wrong.push(format!("`{table}` is said to be empty, and is not there")),
        }
    }
    let left_out = || {
        let names: Vec<String> = uncounted.iter().map(|table| format!("`{table}`")).collect();
        format!("left out, as their rows are on another server or cannot be read: {}", names.join(", "))
    };
    if wrong.is_empty() {
        return Ok((!uncounted.is_empty()).then(left_out));
    }
    if empty.is_empty() {
        return Err(Problem::new(Step::Whole, "a table is not as `empty_tables` says").detail(wrong.join("\n")));
    }
    let named: Vec<String> = tests.empty_tables.iter().chain(&empty).map(|table| format!("{table:?}")).collect();
    Err(Problem::new(Step::Whole, "a table has no row at head: nothing is proven about its data")
        .detail(wrong.join("\n"))
        .help(format!(
            "put one in with a `fill`, in the test of a migration behind the one that makes it; or name it: \
             `migration_tests!(empty_tables = [{}])`",
            named.join(", ")
        )))
}

/// The tables that migrations with a test make. Who tests a few of many migrations need not know the tables of the
/// others. `None` where this machine has no such database.
async fn made_by_tested(tests: &'static Tests, dialect: Dialect) -> Result<Option<Vec<String>>, Problem> {
    let all: Vec<Migration> = tests.migrations.iter().collect();
    let Some(ground) = Ground::at(tests, dialect, None).await? else { return Ok(None) };
    let names = async || {
        let counts = ground.counts().await.or_problem(Step::Whole, READ)?;
        Ok::<Vec<String>, Problem>(counts.into_iter().map(|(table, _)| table).collect())
    };
    let apply = async |migration: &Migration| {
        let applied = ground.apply(migration.version(), Session::Plain).await.map(drop);
        applied
            .or_problem(Step::Whole, "it fails from nothing")
            .map_err(|problem| problem.about(migration.id(), dialect))
    };
    let mut made = Vec::new();
    for (at, migration) in all.iter().enumerate() {
        if tests.suite(migration.version()).is_none() {
            continue;
        }
        if let Some(below) = at.checked_sub(1) {
            apply(&all[below]).await?;
        }
        let before = names().await?;
        apply(migration).await?;
        made.extend(names().await?.into_iter().filter(|table| !before.contains(table)));
    }
    Ok(Some(made))
}

/// From head, with the rows of every fill, back to nothing, or to the last migration without a way back.
pub(crate) async fn back_to_nothing(tests: &'static Tests, dialect: Dialect) -> Note {
    let one_way: Vec<Migration> = tests.migrations.iter().filter(|migration| migration.down().is_none()).collect();
    let ground = ground!(Ground::below(tests, dialect, None));
    let bottom = one_way.last().map(|migration| migration.version());
    let wanted = ground!(Ground::at(tests, dialect, bottom));
    ground
        .revert(bottom.map_or(DownTo::Empty, DownTo::Version))
        .await
        .or_problem(Step::Whole, "the way back fails, from head and with rows")?;
    let (wanted, found) =
        (wanted.schema().await.or_problem(Step::Whole, READ)?, ground.schema().await.or_problem(Step::Whole, READ)?);
    if let Some(differences) = ground.differences(&wanted, &found) {
        return Err(Problem::new(Step::Whole, "the way back does not lead where the way began").detail(differences));
    }
    let ids: Vec<&str> = one_way.iter().map(|migration| migration.id()).collect();
    Ok((!ids.is_empty()).then(|| format!("irreversible: {}", ids.join(", "))))
}

/// The same migrator, and what it says.
fn listening(migrator: &Migrator) -> (Migrator, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let hear = move |event: &Event| {
        if let Ok(mut heard) = heard.lock() {
            heard.push(format!("{event:?}"));
        }
    };
    (migrator.clone().on_event(hear), events)
}

fn failed(fact: &str, error: &lockgate::Error) -> Problem {
    Problem::new(Step::Whole, fact).detail(format!("{error:?}"))
}

const CONNECT: &str = "the database cannot be connected to";
const READ: &str = "the database cannot be read";
