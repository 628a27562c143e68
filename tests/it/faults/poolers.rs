//! Concurrent runs, directly and through poolers: each migration takes effect once, and no shared session is changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate::__private::RustStep;
use lockgate::{Atomicity, Database, DownTo, ErrorKind, Migrations, Migrator, UpTo, Version};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use super::reports;
use crate::support::database::Db;
use crate::support::pooler::Pooler;
use crate::support::set::{migrations, with_steps};

const GROUND: (&str, &str) = ("0001_n.sql", "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0);");
const STEP: &str = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";

async fn counts(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {
    tx.execute("UPDATE n SET n = n + 1").await?;
    Ok(())
}
static COUNTS: &[RustStep] = &[RustStep { version: 40, up: |tx| Box::pin(counts(tx)), down: None }];

/// 44 migrations of all kinds, each of which counts once, but for the first and the one that counts thrice.
fn set() -> &'static Migrations {
    let mut files = vec![(GROUND.0.to_owned(), GROUND.1.to_owned())];
    for n in 2..40 {
        files.push((format!("{n:04}_t.sql"), format!("CREATE TABLE t{n} ();\nUPDATE n SET n = n + 1;")));
    }
    let of = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    files.push(of("0040_step.rs", STEP));
    files.push(of(
        "0041_settings.sql",
        "SET work_mem = '1MB';\nSET synchronous_commit = off;\nSET lock_timeout = '7s';\nUPDATE n SET n = n + 1;",
    ));
    let outside = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nVACUUM n;\nUPDATE n SET n = n + 1;\n\
                   CREATE INDEX CONCURRENTLY n_n ON n (n);\nUPDATE n SET n = n + 1;";
    files.push(of("0042_outside.sql", outside));
    files.push(of(
        "0043_do.sql",
        "DO $$ BEGIN PERFORM set_config('work_mem', '2MB', false); UPDATE n SET n = n + 1; END $$;",
    ));
    files.push(of("0044_last.sql", "UPDATE n SET n = n + 1;"));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    with_steps(&files, COUNTS)
}

/// The final counter of [`set`].
const COUNT: &str = "45";

/// Runs this many at once, each on its own connection. Returns how many migrations each applied.
async fn runs(url: &str, set: &'static Migrations, many: usize) -> Vec<usize> {
    let mut runs = JoinSet::new();
    for n in 0..many {
        let url = url.to_owned();
        runs.spawn(async move {
            let migrator = Migrator::new(set);
            let ran = if n % 2 == 0 {
                migrator.apply(&mut Database::connect(&url).await.unwrap()).await
            } else {
                migrator.apply(&mut PgConnection::connect(&url).await.unwrap()).await
            };
            ran.unwrap_or_else(|error| panic!("{error:?}")).steps.len()
        });
    }
    let mut applied = Vec::new();
    while let Some(run) = runs.join_next().await {
        applied.push(run.unwrap());
    }
    applied
}

/// Clients of the pooler that keep it busy until they are dropped.
struct Busy {
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Busy {
    async fn start(url: &str, many: usize) -> Self {
        let (stop, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for _ in 0..many {
            let (mut client, stop) = (PgConnection::connect(url).await.unwrap(), Arc::clone(&stop));
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    client.execute("BEGIN; SELECT pg_sleep(0.002); COMMIT").await.unwrap();
                }
            });
        }
        Self { stop, clients }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
    }
}

/// The changed settings of the sessions in a pool of this size.
async fn changed(url: &str, size: usize) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', \
               (SELECT string_agg(name || '=' || setting, ' ') FROM pg_settings WHERE source = 'session' \
               AND setting <> reset_val AND name NOT IN ('application_name', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable')), \
               (SELECT string_agg('lock ' || objid, ' ') FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), \
               (SELECT string_agg('prepared ' || name, ' ') FROM pg_prepared_statements WHERE from_sql), \
               (SELECT string_agg('cursor ' || name, ' ') FROM pg_cursors WHERE is_holdable), \
               (SELECT string_agg('listens ' || c, ' ') FROM pg_listening_channels() c), \
               (SELECT string_agg('temporary ' || relname, ' ') FROM pg_class WHERE relnamespace = pg_my_temp_schema()), \
               CASE WHEN current_user <> 'postgres' OR session_user <> 'postgres' THEN current_user END)";
    let mut clients = Vec::new();
    let mut found = Vec::new();
    for _ in 0..size {
        let mut client = PgConnection::connect(url).await.unwrap();
        // Held, so that the next query gets another session.
        client.execute("BEGIN").await.unwrap();
        let row: Vec<String> = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&mut client)
            .await
            .unwrap()
            .iter()
            .map(|row| sqlx::Row::get(row, 0))
            .collect();
        found.extend(row.into_iter().filter(|text| !text.is_empty()));
        clients.push(client);
    }
    found
}

#[tokio::test]
async fn each_migration_takes_effect_once_through_a_pooler() {
    for (mode, size, busy) in [("transaction", 1, 0), ("transaction", 3, 6), ("session", 12, 3)] {
        let Some(db) = Db::postgres() else { return };
        let Some(pooler) = Pooler::start(&db.url(), mode, size) else { return };
        let busy = Busy::start(&pooler.url(), busy).await;
        let applied = runs(&pooler.url(), set(), 8).await;
        busy.end().await;
        assert_eq!(applied.iter().sum::<usize>(), 44, "{mode} {size}: {applied:?}");
        assert_eq!(db.texts("SELECT n::text FROM n").await, [COUNT], "{mode} {size}");
        assert_eq!(db.log().await.len(), 44, "{mode} {size}: each once");
        assert_eq!(changed(&pooler.url(), size).await, [""; 0], "{mode} {size}");
    }
}

/// A script outside a transaction that changes its session needs its own: through a busy pooler it is refused, and its
/// effects match the history.
#[tokio::test]
async fn a_script_that_needs_a_session_is_refused_behind_a_pooler() {
    let Some(db) = Db::postgres() else { return };
    db.apply(migrations(&[GROUND])).await;
    let outside = ["-- lockgate: no-transaction\nSELECT pg_backend_pid(), set_config('search_path', 'public', false);"]
        .into_iter();
    let outside: Vec<&str> = outside.chain(["UPDATE n SET n = n + 1;"; 200]).collect();
    let set = migrations(&[GROUND, ("0002_outside.sql", &outside.join("\n"))]);
    let Some(pooler) = Pooler::start(&db.url(), "transaction", 3) else { return };
    let busy = Busy::start(&pooler.url(), 6).await;
    let error = Migrator::new(set).apply(&mut Database::connect(&pooler.url()).await.unwrap()).await.unwrap_err();
    busy.end().await;
    let says = ["a pooler in transaction mode", "connect to the server itself, or to a pool in session mode"];
    reports(&error, ErrorKind::Usage, &says);
    let done: i32 =
        db.texts("SELECT statements_done::text FROM lockgate_history WHERE version = 2").await[0].parse().unwrap();
    let n: i32 = db.texts("SELECT n::text FROM n").await[0].parse().unwrap();
    assert_eq!(n, (done - 1).max(0));
    if done == 0 {
        db.apply(set).await;
    } else {
        // The first statement's settings are gone with its session, and the message says how to resume.
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["changed the session by code", "`RESET ALL`"]);
        let mut corrected = outside.clone();
        corrected.insert(usize::try_from(done).unwrap(), "RESET ALL;");
        db.apply(migrations(&[GROUND, ("0002_outside.sql", &corrected.join("\n"))])).await;
    }
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["200"]);
}

/// A pooler in statement mode has no transactions.
#[tokio::test]
async fn a_pool_in_statement_mode_is_refused_by_name() {
    let Some(db) = Db::postgres() else { return };
    let Some(pooler) = Pooler::start(&db.url(), "statement", 2) else { return };
    // One message is one statement to the pooler, even with a transaction in it.
    let mut database = Database::connect(&pooler.url()).await.unwrap();
    Migrator::new(migrations(&[GROUND])).apply(&mut database).await.unwrap();
    assert!(Migrator::new(migrations(&[GROUND])).apply(&mut database).await.unwrap().is_empty());
    let (per, whole) = (Atomicity::PerMigration, Atomicity::WholeRun);
    let own = "-- lockgate: no-transaction\nBEGIN;\nUPDATE n SET n = n + 1;\nCOMMIT;";
    let copies = "-- lockgate: no-transaction\nBEGIN;\nCOPY n FROM stdin;\n1\n\\.\nCOMMIT;";
    for (files, atomicity) in [
        (vec![("0040_step.rs", STEP)], per),
        (vec![("0040_step.rs", STEP)], whole),
        (vec![("0002_x.sql", "UPDATE n SET n = n + 1;")], whole),
        (vec![("0002_copy.sql", "COPY n FROM stdin;\n1\n\\.\n")], per),
        (vec![("0002_x.sql", own), ("0040_step.rs", STEP)], per),
        (vec![("0002_x.sql", own), ("0003_copy.sql", copies)], per),
    ] {
        let toml = ("migrations.toml", "dialects = [\"postgres\"]\n");
        let set = with_steps(&[&[toml, GROUND], &files[..]].concat(), COUNTS);
        let migrator = Migrator::new(set).atomicity(atomicity);
        let says = ["the connection goes through a pooler in statement mode", "connect to the server itself"];
        let mut database = Database::connect(&pooler.url()).await.unwrap();
        let error = migrator.apply(&mut database).await.unwrap_err();
        reports(&error, ErrorKind::Usage, &says);
        let mut lent = PgConnection::connect(&pooler.url()).await.unwrap();
        let error = migrator.apply(&mut lent).await.unwrap_err();
        reports(&error, ErrorKind::Usage, &says);
        let recorded = db.history().await.iter().filter(|row| row.ends_with("applied")).count() - 1;
        assert_eq!(db.texts("SELECT n::text FROM n").await, [recorded.to_string()], "{files:?}");
    }
}

/// A failure leaves its transaction open and the pooler disconnects: earlier migrations stay, the failed one leaves
/// nothing.
#[tokio::test]
async fn failures_behind_a_pooler_in_statement_mode_are_reported_correctly() {
    let Some(db) = Db::postgres() else { return };
    let Some(pooler) = Pooler::start(&db.url(), "statement", 2) else { return };
    let once = ("0002_once.sql", "UPDATE n SET n = n + 1;");
    let set = migrations(&[GROUND, once, ("0003_bad.sql", "UPDATE n SET n = n + 100;\nSELECT 1 / 0;")]);
    for _ in 0..2 {
        let mut database = Database::connect(&pooler.url()).await.unwrap();
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        let shown = error.report().to_string();
        assert!(shown.contains("division by zero") || shown.contains("statement mode"), "{shown}");
        assert!(!shown.contains("nothing was committed"), "{shown}");
        assert_eq!(db.texts("SELECT n::text FROM n").await, ["1"]);
        assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    }
    let good = ("0003_bad.sql", "UPDATE n SET n = n + 100;");
    db.apply(migrations(&[GROUND, once, good])).await;
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["101"]);
}

/// No statement of a script can release the lock.
#[tokio::test]
async fn a_script_that_releases_all_advisory_locks_runs_once() {
    let unlock = "PERFORM pg_advisory_unlock_all(); UPDATE n SET n = n + 1;";
    for script in [
        "SELECT pg_advisory_unlock_all();\nUPDATE n SET n = n + 1;".to_owned(),
        format!("DO $$ BEGIN {unlock} END $$;"),
        format!("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {unlock} END $$;\nSELECT f();\nDROP FUNCTION f();"),
        "-- lockgate: no-transaction\nSELECT pg_advisory_unlock_all();\nUPDATE n SET n = n + 1;\nDISCARD ALL;\nSELECT pg_sleep(0.02);".to_owned(),
        "-- lockgate: no-transaction\nDISCARD ALL;\nSELECT pg_sleep(0.02);\nUPDATE n SET n = n + 1;".to_owned(),
        format!("-- lockgate: no-transaction\nDO $$ BEGIN {unlock} END $$;\nSELECT pg_sleep(0.02);"),
    ] {
        let Some(db) = Db::postgres() else { return };
        let set = migrations(&[GROUND, ("0002_x.sql", &script), ("0003_y.sql", "UPDATE n SET n = n + 1;")]);
        let applied = runs(&db.url(), set, 6).await;
        assert_eq!(applied.iter().sum::<usize>(), 3, "{script}: {applied:?}");
        assert_eq!(db.texts("SELECT n::text FROM n").await, ["2"], "{script}");
    }
}

const DOWNS: [(&str, &str); 8] = [
    ("0001_n.up.sql", GROUND.1),
    ("0001_n.down.sql", "DROP TABLE n;"),
    ("0002_x.up.sql", "UPDATE n SET n = n + 1;"),
    ("0002_x.down.sql", "UPDATE n SET n = n - 1; SELECT pg_sleep(0.05);"),
    ("0003_y.up.sql", "UPDATE n SET n = n + 1;"),
    ("0003_y.down.sql", "UPDATE n SET n = n - 1; SELECT pg_sleep(0.05);"),
    ("0004_z.up.sql", "UPDATE n SET n = n + 1;"),
    ("0004_z.down.sql", "UPDATE n SET n = n - 1; SELECT pg_sleep(0.05);"),
];

/// Two operators check the status, and both type `down 1`.
#[tokio::test]
async fn two_runs_of_one_step_down_revert_one_migration() {
    let outside: Vec<(&str, String)> = DOWNS
        .iter()
        .map(|(name, text)| match name.contains("z.down") {
            true => (*name, format!("-- lockgate: no-transaction\n{}", text.replace("; ", ";\n"))),
            false => (*name, (*text).to_owned()),
        })
        .collect();
    let outside: Vec<(&str, &str)> = outside.iter().map(|(name, text)| (*name, text.as_str())).collect();
    for files in [&DOWNS[..], &outside] {
        let Some(db) = Db::postgres() else { return };
        let set = migrations(files);
        db.apply(set).await;
        let migrator = Migrator::new(set);
        // All have read the history before any begins.
        let mut looked = Vec::new();
        for _ in 0..4 {
            let mut lent = PgConnection::connect(&db.url()).await.unwrap();
            let plan = migrator.plan_revert(&mut lent, DownTo::Steps(1)).await.unwrap();
            looked.push((lent, plan));
        }
        let mut runs = JoinSet::new();
        for (n, (mut lent, plan)) in looked.into_iter().enumerate() {
            let (url, migrator) = (db.url(), migrator.clone());
            runs.spawn(async move {
                match n % 2 {
                    0 => migrator.apply_plan(&mut lent, &plan).await,
                    _ => migrator.apply_plan(&mut Database::connect(&url).await.unwrap(), &plan).await,
                }
            });
        }
        let (mut reverted, mut stale) = (0, 0);
        while let Some(run) = runs.join_next().await {
            match run.unwrap() {
                Ok(report) => reverted += report.steps.len(),
                Err(error) => {
                    reports(&error, ErrorKind::PlanStale, &["the history changed since the plan was made"]);
                    stale += 1;
                }
            }
        }
        assert_eq!((reverted, stale), (1, 3));
        assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
        assert_eq!(db.texts("SELECT n::text FROM n").await, ["2"]);
    }
}

/// A plan is made before the lock is taken, for a script outside a transaction too.
#[tokio::test]
async fn one_step_up_on_lent_connections_is_applied_once() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nVACUUM n;\nUPDATE n SET n = n + 1;";
    let set = migrations(&[GROUND, ("0002_a.sql", script), ("0003_b.sql", script), ("0004_c.sql", script)]);
    db.apply(migrations(&[GROUND])).await;
    let mut runs = JoinSet::new();
    for _ in 0..6 {
        let mut lent = PgConnection::connect(&db.url()).await.unwrap();
        runs.spawn(async move { Migrator::new(set).apply_to(&mut lent, UpTo::Steps(1)).await });
    }
    let mut applied = 0;
    while let Some(run) = runs.join_next().await {
        match run.unwrap() {
            Ok(report) => applied += report.steps.len(),
            Err(error) => reports(&error, ErrorKind::PlanStale, &["nothing was changed"]),
        }
    }
    assert_eq!(db.history().await.len(), 1 + applied);
    assert_eq!(db.texts("SELECT n::text FROM n").await, [(2 * applied).to_string()]);
}

/// Several sets start on an empty database at the same time.
#[tokio::test]
async fn many_sets_begin_on_an_empty_database_at_once() {
    for (many, one_table) in [(2, true), (50, true), (50, false)] {
        let Some(db) = Db::postgres() else { return };
        let mut runs = JoinSet::new();
        for n in 0..many {
            let text = format!("CREATE TABLE t{n} ();");
            let outside = format!("-- lockgate: no-transaction\nCREATE TABLE u{n} (id INTEGER);\nVACUUM u{n};");
            let set = match n % 3 {
                0 => migrations(&[("0001_u.sql", &outside), ("0002_t.sql", &text)]),
                _ => migrations(&[("0001_t.sql", &text), ("0002_u.sql", &outside)]),
            };
            let table = if one_table { "lockgate_history".to_owned() } else { format!("ops.history_{n}") };
            let (url, migrator) = (db.url(), Migrator::new(set).set_name(format!("set {n}")).history_table(table));
            runs.spawn(async move { migrator.apply(&mut Database::connect(&url).await.unwrap()).await });
        }
        while let Some(run) = runs.join_next().await {
            assert_eq!(run.unwrap().unwrap_or_else(|error| panic!("{many}: {error:?}")).steps.len(), 2);
        }
        let made = "SELECT count(*)::text FROM pg_tables WHERE tablename ~ '^[tu][0-9]+$'";
        assert_eq!(db.texts(made).await, [(2 * many).to_string()]);
    }
}

/// This role may not take advisory locks, so a row is the lock.
#[tokio::test]
async fn without_advisory_locks_a_row_keeps_others_out() {
    let Some(db) = Db::postgres() else { return };
    let url = db.url();
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let role = format!("runner_{name}");
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'runner'; GRANT ALL ON SCHEMA public TO {role}; \
         REVOKE EXECUTE ON FUNCTION pg_try_advisory_xact_lock(bigint), pg_advisory_xact_lock(bigint), \
         pg_advisory_lock(bigint), pg_try_advisory_lock(bigint), pg_advisory_unlock_all() FROM PUBLIC"
    ))
    .await;
    let at = url.find('@').unwrap();
    let as_role = format!("postgres://{role}:runner{}", &url[at..]);
    let set = set();
    let applied = runs(&as_role, set, 8).await;
    assert_eq!(applied.iter().sum::<usize>(), 44, "{applied:?}");
    assert_eq!(db.texts("SELECT n::text FROM n").await, [COUNT]);
    let lock = "SELECT count(*)::text FROM lockgate_history WHERE state = 'lock'";
    assert_eq!(db.texts(lock).await, ["1"], "there is a row that is the lock");
    let mut database = Database::connect(&as_role).await.unwrap();
    let migrator = Migrator::new(set);
    assert!(migrator.status(&mut database).await.unwrap().is_up_to_date());
    assert!(migrator.apply(&mut database).await.unwrap().is_empty());

    // The holder keeps the next run out.
    let more = migrations(&[GROUND, ("0002_a.sql", "UPDATE n SET n = n + 1;")]);
    let other = Migrator::new(more).set_name("other").history_table("other_history");
    db.execute("DROP TABLE n").await;
    other.apply_to(&mut database, UpTo::Version(Version::new(1).unwrap())).await.unwrap();
    let mut holder = PgConnection::connect(&db.url()).await.unwrap();
    holder.execute("BEGIN; SELECT FROM other_history WHERE state = 'lock' FOR UPDATE").await.unwrap();
    let error = other.clone().lock_wait(std::time::Duration::from_millis(60)).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Locked, &["another run held the lock"]);
    holder.execute("ROLLBACK").await.unwrap();
    other.apply(&mut database).await.unwrap();

    // Reverts, and a script that stopped half way.
    let script = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nVACUUM nowhere;\nUPDATE n SET n = n + 1;";
    let down = "UPDATE n SET n = n - 2;";
    let files = |script| {
        let up = ("0003_b.up.sql", script);
        migrations(&[GROUND, ("0002_a.sql", "UPDATE n SET n = n + 1;"), up, ("0003_b.down.sql", down)])
    };
    let with = |set| Migrator::new(set).set_name("other").history_table("other_history");
    with(files(script)).apply(&mut database).await.unwrap_err();
    let right = script.replace("nowhere", "n");
    with(files(&right)).apply(&mut database).await.unwrap();
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["3"]);
    with(files(&right)).revert(&mut database, DownTo::Steps(1)).await.unwrap();
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["1"]);
    database.close().await.unwrap();
    db.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
}
