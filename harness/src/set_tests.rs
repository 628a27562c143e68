//! The tests of a whole set: from an empty database to the last migration and back, by one runner and by several.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use lockgate::__private::{Desired, Refused, load_seed, make};
use lockgate::{Body, CompanionKind, Dialect, DownTo, Event, Migration, Migrator, Repair, UpTo};

use crate::database::{Session, TestDatabase, apply_in_session};
use crate::db::Db;
use crate::failure::{Failure, shown_from};
use crate::migration_test::Tests;
use crate::problem::{Phase, Problem};
use crate::walk::OrProblem;

/// The result of such a test: a note to print when it passes, if any.
pub(crate) type Note = Result<Option<String>, Problem>;

/// Unwraps a prepared database. If this machine has no server of the dialect, the test ends here as skipped.
macro_rules! database_or_skip {
    ($database:expr) => {
        match $database.await? {
            Some(database) => database,
            None => return Ok(None),
        }
    };
}

/// One run on an empty database applies every migration and records it.
pub(crate) async fn fresh_install(tests: &'static Tests, dialect: Dialect) -> Note {
    let database = database_or_skip!(TestDatabase::at(tests, dialect, None));
    let mut connection = database.connect().await.or_problem(Phase::Set, CONNECT)?;
    let report =
        database.whole.apply(&mut connection).await.map_err(|e| failed("it fails on an empty database", &e))?;
    let ran: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    let all = all_ids(tests);
    if ran != all {
        return Err(
            Problem::new(Phase::Set, "the run did not apply every migration once and in order").detail(ran.join("\n"))
        );
    }
    let status = database.whole.status(&mut connection).await.map_err(|e| failed("its status cannot be read", &e))?;
    if !status.is_up_to_date() {
        return Err(Problem::new(Phase::Set, "after a run of all migrations, the database is not up to date"));
    }
    Ok(None)
}

/// A run for each migration, in a session of its own, gives the same as one run of all migrations.
pub(crate) async fn step_by_step_equals_all_at_once(tests: &'static Tests, dialect: Dialect) -> Note {
    let at_once = database_or_skip!(TestDatabase::at(tests, dialect, None));
    let step_by_step = database_or_skip!(TestDatabase::at(tests, dialect, None));
    let mut connection = at_once.connect().await.or_problem(Phase::Set, CONNECT)?;
    // Keep one session: an ordinary run opens a new one after a migration that may have changed it.
    apply_in_session(&at_once.migrator, &mut connection, UpTo::Latest)
        .await
        .map_err(|e| failed("one run of all migrations fails", &e))?;
    let _ = connection.close().await;
    for migration in tests.migrations.iter() {
        let applied = step_by_step.apply(migration.version(), Session::Plain).await;
        let of = |problem: Problem| problem.about(migration.id(), dialect);
        applied
            .or_problem(Phase::Set, "it fails in a run of its own, but not in one run with the migrations before it")
            .map_err(of)?;
    }
    let (one, other) = (
        at_once.schema().await.or_problem(Phase::Set, READ)?,
        step_by_step.schema().await.or_problem(Phase::Set, READ)?,
    );
    if let Some(differences) = at_once.difference_report(&one, &other) {
        return Err(Problem::new(Phase::Set, "one run of all migrations makes another schema than a run for each")
            .detail(differences)
            .help("a migration depends on what an earlier one left in the session, for example by `SET search_path`"));
    }
    let (one, other) = (
        at_once.counts().await.or_problem(Phase::Set, READ)?,
        step_by_step.counts().await.or_problem(Phase::Set, READ)?,
    );
    if one != other {
        let rows: Vec<String> = one
            .iter()
            .zip(&other)
            .filter(|(one, other)| one != other)
            .map(|((table, one), (_, other))| {
                format!("`{table}` has {one} rows after one run and {other} after a run for each")
            })
            .collect();
        return Err(Problem::new(Phase::Set, "one run of all migrations makes other rows than a run for each")
            .detail(rows.join("\n")));
    }
    Ok(None)
}

/// `create/` makes the same schema as all migrations in `deployment/`.
pub(crate) async fn create_equals_deployment(tests: &'static Tests, dialect: Dialect) -> Note {
    let last = tests.migrations.set().last().map(|last| last.version());
    let created = database_or_skip!(TestDatabase::at(tests, dialect, None));
    let deployed = database_or_skip!(TestDatabase::at(tests, dialect, last));
    let mut connection = created.connect().await.or_problem(Phase::Set, CONNECT)?;
    let made = created.whole.create(&mut connection).await;
    made.map_err(|e| failed("`create/` fails on an empty database", &e))?;
    let _ = connection.close().await;
    let (one, other) =
        (deployed.schema().await.or_problem(Phase::Set, READ)?, created.schema().await.or_problem(Phase::Set, READ)?);
    let differences = created.differences_that_count(&one, &other);
    if differences.is_empty() {
        return Ok(None);
    }
    let lines = lockgate::schema::between(&differences, "`deployment/`", "`create/`");
    Err(Problem::new(Phase::Set, "`create/` and `deployment/` make different schemas").detail(lines.join("\n")).help(
        "write into `create/` what the deployments have changed; or write the deployment that makes what `create/` has: \
         `cargo xtask new-migration \"what it changes\"`",
    ))
}

/// Each seed loads at its migration, and the later migrations run on its rows.
pub(crate) async fn seeds_load_and_survive(tests: &'static Tests, dialect: Dialect) -> Note {
    let seeds = tests.migrations.set().companion(CompanionKind::Seed);
    for seed in seeds.iter().flat_map(|seeds| seeds.iter()) {
        let database = database_or_skip!(TestDatabase::at(tests, dialect, None));
        let mut connection = database.connect().await.or_problem(Phase::Set, CONNECT)?;
        let loaded = load_seed(&database.whole, &mut connection, seed.id()).await;
        loaded.map_err(|e| {
            let fact = format!("`{}` does not load, or a migration after it fails on its rows", seed.up().path());
            failed(&fact, &e).help(
                "correct the seed or the migration; or write the seed as of a later migration, so that its rows come \
                 after it",
            )
        })?;
    }
    Ok(None)
}

/// The migrations make what `schema/` says.
pub(crate) async fn migrations_make_the_desired_schema(tests: &'static Tests, dialect: Dialect) -> Note {
    let Some(desired) = &tests.desired else { return Ok(None) };
    let last = tests.migrations.set().last().map(|last| last.version());
    let wanted = database_or_skip!(TestDatabase::at(tests, dialect, None));
    let made = database_or_skip!(TestDatabase::at(tests, dialect, last));
    let mut connection = wanted.connect().await.or_problem(Phase::Set, CONNECT)?;
    let of_dialect = desired.statements.iter().find(|(known, _)| *known == dialect);
    let statements = of_dialect.map_or(&[][..], |(_, statements)| statements);
    let to_run: Vec<Desired<'_>> =
        statements.iter().map(|(_, sql, session)| Desired { sql, session: session.to_vec() }).collect();
    let mut left: Vec<usize> = (0..to_run.len()).collect();
    if let Err(failed) = make(&mut connection, &to_run, &mut left).await {
        // Those that only wait for others say nothing.
        let is_cause = |(_, refused): &&(usize, Refused)| !refused.is_missing();
        let causes: Vec<&(usize, Refused)> = failed.iter().filter(is_cause).collect();
        let shown = if causes.is_empty() { failed.iter().collect() } else { causes };
        let lines: Vec<String> = shown.iter().map(|(at, why)| format!("{}: {why}", statements[*at].0)).collect();
        let fact = format!("`{}` cannot be made in an empty database", desired.shown);
        return Err(Problem::new(Phase::Set, fact).detail(lines.join("\n")));
    }
    let _ = connection.close().await;
    let (one, other) =
        (made.schema().await.or_problem(Phase::Set, READ)?, wanted.schema().await.or_problem(Phase::Set, READ)?);
    let mut differences = wanted.differences_that_count(&one, &other);
    // No statement changes that order.
    differences.retain(|found| dialect != Dialect::Postgres || found.class != lockgate::schema::Class::ColumnOrder);
    if differences.is_empty() {
        return Ok(None);
    }
    let lines = lockgate::schema::between(&differences, "the migrations", &format!("`{}`", desired.shown));
    let fact = format!("the migrations do not make what `{}` says", desired.shown);
    Err(Problem::new(Phase::Set, fact).detail(lines.join("\n")).help(format!(
        "if `{0}` is right, this drafts the migration: `cargo xtask generate \"what it changes\"`; otherwise write into \
         `{0}` what the migrations make",
        desired.shown
    )))
}

/// A run on an up-to-date database does nothing: no step, no event, no lock, and no write, as its session is read-only.
pub(crate) async fn second_run_does_nothing(tests: &'static Tests, dialect: Dialect) -> Note {
    let last = tests.migrations.set().last().map(|last| last.version());
    let database = database_or_skip!(TestDatabase::at(tests, dialect, last));
    if last.is_none() {
        return Ok(None);
    }
    let mut db = Db::new(database.connect().await.or_problem(Phase::Set, CONNECT)?);
    let read_only = match dialect {
        Dialect::Sqlite => "PRAGMA query_only = ON",
        Dialect::Postgres | Dialect::Mysql => "SET default_transaction_read_only = on",
    };
    db.run(read_only).await.map_err(|e| Failure::of(&e, read_only)).or_problem(Phase::Set, CONNECT)?;
    let mut connection = db.into_database();
    let (migrator, events) = listening(&database.migrator);
    let report = migrator.apply(&mut connection).await;
    let report = report.map_err(|e| failed("a second run fails in a read-only session", &e))?;
    let events = events.lock().map(|events| events.clone()).unwrap_or_default();
    if !report.is_empty() || !events.is_empty() {
        return Err(Problem::new(Phase::Set, "a second run does something, although nothing is pending")
            .detail(format!("{report}\n{}", events.join("\n"))));
    }
    // A session still holds its locks here.
    let left = crate::session::state(&mut Db::new(connection)).await.or_problem(Phase::Set, READ)?;
    match left.into_iter().find(|line| line.contains("advisory lock")) {
        Some(lock) => Err(Problem::new(Phase::Set, "a second run leaves a lock").detail(lock)),
        None => Ok(None),
    }
}

/// Several runners at the same time apply each migration exactly once.
pub(crate) async fn runners_apply_once(tests: &'static Tests, dialect: Dialect, runners: usize) -> Note {
    let database = database_or_skip!(TestDatabase::at(tests, dialect, None));
    let run = async || {
        let mut connection = database.connect().await?;
        let report = database.whole.apply(&mut connection).await;
        report.map_err(|e| Failure::without_place(format!("{e:?}")))
    };
    let mut ran: Vec<String> = Vec::new();
    for report in join_all((0..runners).map(|_| run())).await {
        let report = report.or_problem(Phase::Set, "one of several concurrent runners fails")?;
        ran.extend(report.steps.into_iter().map(|step| step.id));
    }
    ran.sort();
    let mut all = all_ids(tests);
    all.sort_unstable();
    if ran != all {
        return Err(Problem::new(
            Phase::Set,
            format!("{runners} concurrent runners did not apply each migration exactly once"),
        )
        .detail(ran.join("\n")));
    }
    let mut db = Db::new(database.connect().await.or_problem(Phase::Set, CONNECT)?);
    let logged = db.names("SELECT count(*) FROM lockgate_log").await.or_problem(Phase::Set, READ);
    let logged = if all.is_empty() { vec!["0".to_owned()] } else { logged? };
    if logged != [all.len().to_string()] {
        return Err(Problem::new(
            Phase::Set,
            format!("`lockgate_log` has {} rows for {} migrations", logged.join(""), all.len()),
        ));
    }
    Ok(None)
}

/// The names of all scripts, in the order in which they run.
fn all_ids(tests: &'static Tests) -> Vec<&'static str> {
    let scripts = tests.migrations.iter().chain(tests.migrations.set().repeatables());
    scripts.map(|script| script.id()).collect()
}

/// The repeatable scripts run after the last migration, and a second time with the same result.
pub(crate) async fn repeatable_scripts_run_twice(tests: &'static Tests, dialect: Dialect) -> Note {
    let scripts = tests.migrations.set().repeatables();
    // With the rows of each `fill`.
    let database = database_or_skip!(TestDatabase::before_migration(tests, dialect, None));
    let mut connection = database.connect().await.or_problem(Phase::Set, CONNECT)?;
    let run = database.whole.apply(&mut connection).await;
    run.map_err(|e| failed("a repeatable script fails after the last migration", &e))?;
    let first =
        (database.schema().await.or_problem(Phase::Set, READ)?, database.counts().await.or_problem(Phase::Set, READ)?);
    for script in &scripts {
        let forgotten = database.whole.repair(&mut connection, Repair::Forget(script.version())).await;
        forgotten.map_err(|e| failed("the row of a repeatable script cannot be removed", &e))?;
    }
    let again = database.whole.apply(&mut connection).await;
    let again = again.map_err(|e| {
        failed("a repeatable script fails when it runs a second time", &e).help(
            "it must work on a database where it has run: `CREATE OR REPLACE`, `DROP … IF EXISTS` before `CREATE`, `INSERT … ON \
             CONFLICT DO NOTHING`",
        )
    })?;
    if again.steps.len() != scripts.len() {
        return Err(Problem::new(Phase::Set, "not every repeatable script ran again").detail(again.to_string()));
    }
    let second =
        (database.schema().await.or_problem(Phase::Set, READ)?, database.counts().await.or_problem(Phase::Set, READ)?);
    if let Some(differences) = database.difference_report(&first.0, &second.0) {
        return Err(Problem::new(Phase::Set, "repeatable scripts make another schema when they run a second time")
            .detail(differences));
    }
    let differing = first.1.iter().zip(&second.1).filter(|(one, other)| one != other);
    let rows: Vec<String> = differing
        .map(|((table, one), (_, other))| {
            format!("`{table}` has {one} rows after the first run and {other} after the second")
        })
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    Err(Problem::new(Phase::Set, "repeatable scripts insert or delete rows when they run a second time")
        .detail(rows.join("\n"))
        .help("`INSERT … ON CONFLICT DO NOTHING` inserts a row once"))
}

/// Under `Atomicity::WholeRun` the failure of the last migration rolls back all others.
pub(crate) async fn whole_run_is_all_or_nothing(tests: &'static Tests, dialect: Dialect) -> Note {
    let database = database_or_skip!(TestDatabase::at(tests, dialect, None));
    let Some((migrator, last)) = crate::failing_set::with_failing_migration(tests.migrations, dialect) else {
        return Ok(None);
    };
    let mut connection = database.connect().await.or_problem(Phase::Set, CONNECT)?;
    if let Err(refusal) = migrator.plan(&mut connection, UpTo::Latest).await {
        return Ok(Some(format!("not tested, as this set cannot be applied in one transaction: {refusal}")));
    }
    let empty = database.schema().await.or_problem(Phase::Set, READ)?;
    match migrator.apply(&mut connection).await {
        Ok(_) => return Err(Problem::new(Phase::Set, "a migration that must fail succeeded")),
        Err(error) if error.to_string().contains(crate::failing_set::TABLE) => {}
        Err(error) => {
            return Err(failed(
                "it fails in one transaction for all migrations, but not in a transaction for each",
                &error,
            ));
        }
    }
    let after = database.schema().await.or_problem(Phase::Set, READ)?;
    let status = migrator.status(&mut connection).await.map_err(|e| failed("its status cannot be read", &e))?;
    let kept = status.entries.iter().filter(|entry| entry.id != last).find(|entry| entry.row.is_some());
    if let Some(kept) = kept {
        return Err(Problem::new(Phase::Set, "a run in one transaction failed, and was not rolled back as a whole")
            .detail(format!("`{}` is recorded as applied", kept.id)));
    }
    match database.difference_report(&empty, &after) {
        Some(differences) => {
            Err(Problem::new(Phase::Set, "a run in one transaction failed, and was not rolled back as a whole")
                .detail(differences))
        }
        None => Ok(None),
    }
}

/// The embedded scripts and the compiled tests are those on disk.
pub(crate) fn embedded_is_what_is_on_disk(tests: &'static Tests) -> Note {
    let folder = Path::new(tests.folder);
    let mut wrong = Vec::new();
    let mut edited = Vec::new();
    let mut known = Vec::new();
    let set = tests.migrations.set();
    let seeds = folder.parent().unwrap_or(folder).join("seeds");
    let companions = set.companions().iter().flat_map(|companion| {
        let place = if companion.kind == CompanionKind::Seed { seeds.as_path() } else { folder };
        companion.set.iter().map(move |script| (place, companion.set.folder(), script))
    });
    for (place, base, migration) in set.iter().map(|migration| (folder, set.folder(), migration)).chain(companions) {
        for script in [Some(migration.up()), migration.down()].into_iter().flatten() {
            let shown = script.path();
            let path = place.join(shown.strip_prefix(base).unwrap_or(&shown).trim_start_matches('/'));
            match (fs::read_to_string(&path), script.body()) {
                (Ok(text), Body::Sql(embedded)) if as_embedded(&text) != embedded => {
                    wrong.push(format!("{shown} differs from what is embedded"));
                    edited.push(path.display().to_string());
                }
                (Ok(_), Body::Sql(_) | Body::Rust) => {}
                (Err(e), _) => wrong.push(format!("{shown} is embedded but cannot be read: {e}")),
            }
            known.push(path);
        }
    }
    let present = |place: &Path| scripts(place, "").into_iter().map(|path| place.join(path)).collect::<Vec<_>>();
    for path in present(folder).into_iter().chain(present(&seeds)) {
        if !known.contains(&path) {
            let shown = shown_from(tests.base(), &path);
            wrong.push(format!("{shown} is in the folder but is not embedded"));
        }
    }
    let directory = || shown_from(tests.base(), Path::new(tests.directory));
    let names = fs::read_dir(tests.directory).into_iter().flatten().flatten().map(|entry| entry.file_name());
    for name in names.filter_map(|name| name.into_string().ok()) {
        let is_test =
            name.starts_with(|c: char| c.is_ascii_digit()) && (name.ends_with(".rs") || name.ends_with(".sql"));
        if is_test && !tests.files.contains(&name.as_str()) {
            wrong.push(format!("{}/{name} is a test but was not compiled", directory()));
        }
    }
    if let Some(desired) = &tests.desired {
        let present = sql_files(Path::new(desired.directory));
        for path in &present {
            if !desired.files.iter().any(|(known, _)| Path::new(known) == path) {
                wrong.push(format!(
                    "{} is in `{}` but was not compiled",
                    shown_from(tests.base(), path),
                    desired.shown
                ));
            }
        }
        for (known, length) in desired.files {
            match fs::metadata(known) {
                Ok(meta) if meta.len() == *length as u64 => {}
                Ok(_) => edited.push((*known).to_owned()),
                Err(e) => wrong.push(format!("{known} was compiled but cannot be read: {e}")),
            }
        }
        wrong.extend(
            edited
                .iter()
                .filter(|path| path.starts_with(desired.directory))
                .map(|path| format!("{} differs from what was compiled", shown_from(tests.base(), Path::new(path)))),
        );
    }
    if wrong.is_empty() {
        return Ok(None);
    }
    wrong.sort();
    let problem = Problem::new(Phase::Set, "the embedded files are not those on disk").detail(wrong.join("\n"));
    Err(if edited.is_empty() {
        problem.help(format!(
            "touch `{}/main.rs` and build again; a build script that calls `lockgate_build::watch()` notices new and \
             deleted files",
            directory()
        ))
    } else {
        problem.help(format!(
            "run `touch {}` and build again: cargo compares modification times, and `cp -p` or a restored cache gave \
             these files a time before the last build",
            edited.join(" ")
        ))
    })
}

/// Returns a script as it is embedded: without a byte order mark, and with LF for CRLF.
fn as_embedded(text: &str) -> String {
    text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n")
}

/// Returns the paths of the SQL files in a folder and its subfolders.
fn sql_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        match path.is_dir() {
            _ if is_hidden => {}
            true => found.append(&mut sql_files(&path)),
            false if path.extension().is_some_and(|ending| ending == "sql") => found.push(path),
            false => {}
        }
    }
    found
}

/// Returns the paths of the SQL and Rust files in a folder and its subfolders.
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

/// After the last migration, with the rows of each `fill`, every table that a later migration ran on has a row: an
/// empty table proves nothing about data.
///
/// No migration has run on the tables that the newest one creates. Tables that a migration without a test creates are
/// not checked.
pub(crate) async fn every_table_has_a_row(tests: &'static Tests, dialect: Dialect) -> Note {
    if tests.migration_tests.is_empty() {
        return Ok(Some("not tested, as no migration has a test that could insert rows".to_owned()));
    }
    let all: Vec<Migration> = tests.migrations.iter().collect();
    let newest = all.last();
    let database = database_or_skip!(TestDatabase::before_migration(tests, dialect, newest));
    let older = database.counts().await.or_problem(Phase::Set, READ)?;
    database.apply_with_fills(&all, newest.map_or(0, Migration::index)).await?;
    let counts = database.counts().await.or_problem(Phase::Set, READ)?;
    let uncounted = database.uncounted().await.or_problem(Phase::Set, READ)?;
    let is_older = |table: &str| older.iter().any(|(name, _)| name == table);
    let is_checked = |table: &str| !tests.empty_tables.contains(&table);
    let mut empty: Vec<&str> = counts
        .iter()
        .filter(|(_, count)| *count == 0)
        .map(|(table, _)| &**table)
        .filter(|table| is_older(table))
        .collect();
    empty.retain(|table| is_checked(table));
    if !empty.is_empty() {
        let tested = database_or_skip!(tables_of_tested_migrations(tests, dialect));
        empty.retain(|table| tested.iter().any(|made| made == table));
    }
    let mut wrong: Vec<String> = empty.iter().map(|table| format!("`{table}` has no row")).collect();
    for table in tests.empty_tables.iter().filter(|table| !uncounted.iter().any(|name| name == **table)) {
        match counts.iter().find(|(name, _)| name == table) {
            Some((_, 0)) => {}
            Some((_, rows)) => wrong.push(format!("`{table}` is in `empty_tables` but has rows: {rows}")),
            None => wrong.push(format!("`{table}` is in `empty_tables` but does not exist")),
        }
    }
    let left_out = || {
        let names: Vec<String> = uncounted.iter().map(|table| format!("`{table}`")).collect();
        format!("not tested, as their rows are on another server or cannot be read: {}", names.join(", "))
    };
    if wrong.is_empty() {
        return Ok((!uncounted.is_empty()).then(left_out));
    }
    if empty.is_empty() {
        return Err(Problem::new(Phase::Set, "`empty_tables` is wrong").detail(wrong.join("\n")));
    }
    let named: Vec<String> = tests.empty_tables.iter().chain(&empty).map(|table| format!("{table:?}")).collect();
    Err(Problem::new(Phase::Set, "a table has no row after the last migration, so nothing is proven about its data")
        .detail(wrong.join("\n"))
        .help(format!(
            "insert a row with a `fill`, in the test of a migration after the one that creates the table; or list the \
             table: `migration_tests!(empty_tables = [{}])`",
            named.join(", ")
        )))
}

/// Returns the tables that migrations with a test create. Whoever tests a few of many migrations need not know the
/// tables of the others. `None` if this machine has no server of the dialect.
async fn tables_of_tested_migrations(tests: &'static Tests, dialect: Dialect) -> Result<Option<Vec<String>>, Problem> {
    let all: Vec<Migration> = tests.migrations.iter().collect();
    let Some(database) = TestDatabase::at(tests, dialect, None).await? else { return Ok(None) };
    let names = async || {
        let counts = database.counts().await.or_problem(Phase::Set, READ)?;
        Ok::<Vec<String>, Problem>(counts.into_iter().map(|(table, _)| table).collect())
    };
    let apply = async |migration: &Migration| {
        let applied = database.apply(migration.version(), Session::Plain).await.map(drop);
        applied
            .or_problem(Phase::Set, "it fails on an empty database")
            .map_err(|problem| problem.about(migration.id(), dialect))
    };
    let mut made = Vec::new();
    for (at, migration) in all.iter().enumerate() {
        if tests.test_of(migration.version()).is_none() {
            continue;
        }
        if let Some(previous) = at.checked_sub(1) {
            apply(&all[previous]).await?;
        }
        let before = names().await?;
        apply(migration).await?;
        made.extend(names().await?.into_iter().filter(|table| !before.contains(table)));
    }
    Ok(Some(made))
}

/// Reverts everything, with the rows of each `fill`: to an empty database, or to the last migration without a down
/// script.
pub(crate) async fn back_to_nothing(tests: &'static Tests, dialect: Dialect) -> Note {
    let irreversible: Vec<Migration> = tests.migrations.iter().filter(|migration| migration.down().is_none()).collect();
    let database = database_or_skip!(TestDatabase::before_migration(tests, dialect, None));
    let bottom = irreversible.last().map(|migration| migration.version());
    let wanted = database_or_skip!(TestDatabase::at(tests, dialect, bottom));
    database
        .revert(bottom.map_or(DownTo::Empty, DownTo::Version))
        .await
        .or_problem(Phase::Set, "reverting all migrations fails, with the rows of each `fill`")?;
    let (wanted, found) =
        (wanted.schema().await.or_problem(Phase::Set, READ)?, database.schema().await.or_problem(Phase::Set, READ)?);
    if let Some(differences) = database.difference_report(&wanted, &found) {
        return Err(
            Problem::new(Phase::Set, "reverting all migrations does not restore the schema").detail(differences)
        );
    }
    let ids: Vec<&str> = irreversible.iter().map(|migration| migration.id()).collect();
    Ok((!ids.is_empty()).then(|| format!("irreversible: {}", ids.join(", "))))
}

/// Returns the same migrator, and the list of events that it will emit.
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
    Problem::new(Phase::Set, fact).detail(format!("{error:?}"))
}

const CONNECT: &str = "the database cannot be connected to";
const READ: &str = "the database cannot be read";
