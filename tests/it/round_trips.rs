//! Counts the round trips of a run to PostgreSQL, and its commits that wait for the disk.

use std::path::Path;

use lockgate::{Database, Migrations, Migrator};
use sqlx::{Connection, PgConnection};

use crate::support::app::{Place, answer, command};
use crate::support::postgres;
use crate::support::set::migrations;
use crate::support::wire::Wire;

/// This many migrations, each with a script of about this size.
fn many(count: usize, bytes: usize) -> &'static Migrations {
    let files: Vec<(String, String)> = (1..=count)
        .map(|n| {
            let table = format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, note TEXT);\n");
            let padding = bytes.saturating_sub(table.len() + 60);
            let insert = format!("INSERT INTO t{n} VALUES (1, '{}');\n", "x".repeat(padding));
            (format!("{n:04}_t.sql"), table + &insert)
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    migrations(&files)
}

#[tokio::test]
async fn an_up_to_date_start_is_one_round_trip() {
    let Some(database) = postgres::database() else { return };
    let set = many(5, 100);
    let mut connection = database.connect().await;
    Migrator::new(set).apply(&mut connection).await.unwrap();

    let wire = Wire::in_front_of(&database.url()).await;
    let mut through = Database::connect(&wire.url()).await.unwrap();
    assert_eq!(wire.counts().connections, 1);
    assert_eq!(wire.counts().round_trips, 0, "connecting asks nothing");
    assert!(Migrator::new(set).apply(&mut through).await.unwrap().is_empty());
    assert_eq!(wire.counts().round_trips, 1, "{:#?}", wire.counts().sql);

    let mut borrowed = PgConnection::connect(&wire.url()).await.unwrap();
    wire.reset();
    assert!(Migrator::new(set).apply(&mut borrowed).await.unwrap().is_empty());
    assert_eq!(wire.counts().round_trips, 1, "{:#?}", wire.counts().sql);
    wire.reset();
    assert!(Migrator::new(set).status(&mut borrowed).await.unwrap().is_up_to_date());
    assert_eq!(wire.counts().round_trips, 1);
    // Where everything is applied, the server is not asked for the facts about the database.
    let rows_alone = wire.counts().bytes_received;
    wire.reset();
    assert_eq!(Migrator::new(many(6, 100)).status(&mut borrowed).await.unwrap().pending().count(), 1);
    let counts = wire.counts();
    assert_eq!(counts.round_trips, 1);
    assert!(counts.bytes_received > rows_alone + 500, "{} and {rows_alone} bytes", counts.bytes_received);
}

/// As a bare `SELECT 1` by the same driver.
#[tokio::test]
async fn a_command_that_looks_is_one_connection_and_one_round_trip() {
    let Some(place) = tokio::task::spawn_blocking(Place::postgres).await.unwrap() else { return };
    let wire = Wire::in_front_of(place.url()).await;
    let url = wire.url();
    let run = move |verb: &'static str| {
        let mut command = command(&[verb]);
        command.env("DATABASE_URL", &url);
        tokio::task::spawn_blocking(move || answer(command.output().unwrap()))
    };
    assert_eq!(run("up").await.unwrap().code, Some(0));
    for (verb, round_trips) in [("status", 1), ("drift", 1), ("ready", 1), ("up", 1), ("plan", 1), ("history", 2)] {
        wire.reset();
        let answer = run(verb).await.unwrap();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let counts = wire.counts();
        assert_eq!((counts.connections, counts.round_trips), (1, round_trips), "{verb}: {:#?}", counts.sql);
    }
}

/// The database compares the history itself and sends no rows.
#[tokio::test]
async fn an_up_to_date_start_reads_as_much_of_three_hundred_as_of_three() {
    let mut read = Vec::new();
    for count in [3, 300] {
        let Some(database) = postgres::database() else { return };
        let set = many(count, 100);
        let mut connection = database.connect().await;
        Migrator::new(set).apply(&mut connection).await.unwrap();
        let wire = Wire::in_front_of(&database.url()).await;
        let mut through = Database::connect(&wire.url()).await.unwrap();
        wire.reset();
        assert!(Migrator::new(set).apply(&mut through).await.unwrap().is_empty());
        let counts = wire.counts();
        assert_eq!(counts.round_trips, 1);
        read.push((counts.bytes_received / 64, counts.bytes_sent / 64));
    }
    assert_eq!(read[0], read[1], "in units of 64 bytes, as names of databases differ in length");
}

/// The rows of repeatable scripts are part of the digest.
#[tokio::test]
async fn an_up_to_date_start_with_repeatable_scripts_is_one_round_trip_of_as_many_bytes() {
    let set = |scripts: usize, id: &str| {
        let views = (1..=scripts).map(|n| {
            (
                format!("R__v{n}.sql"),
                format!("DROP VIEW IF EXISTS v{n};\nCREATE VIEW v{n} AS SELECT {id} AS id FROM t;\n"),
            )
        });
        let files = [("0001_t.sql".to_owned(), "CREATE TABLE t (id INTEGER);\n".to_owned())].into_iter().chain(views);
        let files: Vec<(String, String)> = files.collect();
        migrations(&files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect::<Vec<_>>())
    };
    let mut read = Vec::new();
    for scripts in [2, 200] {
        let Some(database) = postgres::database() else { return };
        let wire = Wire::in_front_of(&database.url()).await;
        let mut through = Database::connect(&wire.url()).await.unwrap();
        let first = Migrator::new(set(scripts, "id"));
        assert_eq!(first.apply(&mut through).await.unwrap().steps.len(), scripts + 1);
        assert!(wire.counts().round_trips <= 4, "{} round trips", wire.counts().round_trips);
        wire.reset();
        assert!(first.apply(&mut through).await.unwrap().is_empty());
        let counts = wire.counts();
        assert_eq!(counts.round_trips, 1, "{:#?}", counts.sql);
        read.push((counts.bytes_received, counts.bytes_sent));
        let changed = Migrator::new(set(scripts, "id + 1"));
        assert!(!changed.status(&mut through).await.unwrap().is_up_to_date());
        wire.reset();
        assert_eq!(changed.apply(&mut through).await.unwrap().steps.len(), scripts);
        assert!(wire.counts().round_trips <= 4, "{} round trips", wire.counts().round_trips);
        // Each cell of a row counts.
        let mut connection = database.connect().await;
        execute(
            &mut connection,
            "UPDATE lockgate_history SET checksum = 'v1:' || repeat('0', 64) WHERE name = 'R__v2'",
        )
        .await;
        assert_eq!(changed.apply(&mut through).await.unwrap().steps.len(), 1);
    }
    // Names of databases and digests differ in length.
    let differs = |one: usize, other: usize| one.abs_diff(other) > 64;
    assert!(!differs(read[0].0, read[1].0) && !differs(read[0].1, read[1].1), "{read:?}");
}

/// Each value that plans depend on is part of the digest, in each row.
#[tokio::test]
async fn an_up_to_date_start_notices_every_cell_that_was_changed() {
    let Some(database) = postgres::database() else { return };
    let set = many(3, 100);
    let mut connection = database.connect().await;
    Migrator::new(set).apply(&mut connection).await.unwrap();
    let relaxed = ["name", "checksum", "state"].map(|column| format!("ALTER COLUMN {column} DROP NOT NULL"));
    execute(&mut connection, &format!("ALTER TABLE lockgate_history {}", relaxed.join(", "))).await;
    execute(&mut connection, "CREATE TABLE kept AS SELECT * FROM lockgate_history").await;

    let in_a_row = [
        "UPDATE lockgate_history SET version = 9",
        "UPDATE lockgate_history SET name = 'other'",
        "UPDATE lockgate_history SET name = NULL",
        "UPDATE lockgate_history SET checksum = 'v1:' || repeat('0', 64)",
        "UPDATE lockgate_history SET checksum = (SELECT k.checksum FROM kept k WHERE k.version = 4 - lockgate_history.version)",
        "UPDATE lockgate_history SET checksum = NULL",
        "UPDATE lockgate_history SET state = 'partial'",
        "UPDATE lockgate_history SET state = 'reverting'",
        "UPDATE lockgate_history SET state = NULL",
        "UPDATE lockgate_history SET set_name = 'other'",
        "DELETE FROM lockgate_history",
    ];
    let mut changes: Vec<String> = Vec::new();
    for version in 1..=3 {
        changes.extend(in_a_row.iter().map(|change| format!("{change} WHERE version = {version}")));
    }
    // The middle row already has this checksum.
    changes.retain(|change| !(change.contains("4 - lockgate_history") && change.ends_with("= 2")));
    let columns = "statements_done, applied_at, elapsed_ms, applied_by, application, lockgate";
    for (name, checksum, state) in
        [("name", "checksum", "state"), ("NULL", "checksum", "state"), ("name", "NULL", "NULL")]
    {
        changes.push(format!(
            "INSERT INTO lockgate_history (set_name, version, name, checksum, state, {columns}) \
             SELECT set_name, 4, {name}, {checksum}, {state}, {columns} FROM kept WHERE version = 3"
        ));
    }
    changes.push(
        "UPDATE lockgate_history SET name = CASE version WHEN 2 THEN '1' ELSE '2' END WHERE version > 1".to_owned(),
    );
    for change in changes {
        execute(&mut connection, &change).await;
        let applied = Migrator::new(set).apply(&mut connection).await;
        let noticed = applied.as_ref().map_or(true, |report| !report.is_empty() || !report.tolerated.is_empty());
        assert!(noticed, "{change}: {applied:?}");
        execute(&mut connection, "DELETE FROM lockgate_history; INSERT INTO lockgate_history SELECT * FROM kept").await;
        assert!(Migrator::new(set).apply(&mut connection).await.unwrap().is_empty());
    }
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test]
async fn a_hundred_small_ones_are_three_round_trips_and_one_durable_commit() {
    let Some(database) = postgres::database() else { return };
    let wire = Wire::in_front_of(&database.url()).await;
    let mut through = Database::connect(&wire.url()).await.unwrap();
    let report = Migrator::new(many(100, 155)).apply(&mut through).await.unwrap();
    assert_eq!(report.steps.len(), 100);
    let counts = wire.counts();
    assert!(counts.round_trips <= 3, "{} round trips", counts.round_trips);
    assert_eq!(counts.of('P'), 0, "nothing is prepared");

    let commits = commits(&counts.sql);
    assert_eq!(commits.len(), counts.commits, "the server saw the commits that we read");
    assert_eq!(commits.iter().filter(|commit| commit.durable).count(), 1, "{commits:?}");
    assert!(commits.last().unwrap().durable, "the last one makes all of them durable");
    for n in 1..=100 {
        let created = format!("CREATE TABLE t{n} ");
        let of: Vec<&Commit> = commits.iter().filter(|commit| commit.sql.contains(&created)).collect();
        let [one] = of[..] else { panic!("t{n} is created in {} transactions", of.len()) };
        assert_eq!(one.sql.matches("CREATE TABLE t").count(), 1, "each is its own transaction");
        assert_eq!(one.sql.matches("EXECUTE lockgate_").count(), 1, "with its own row");
    }

    // A second run, now with the table: the same.
    wire.reset();
    let more = many(150, 155);
    assert_eq!(Migrator::new(more).apply(&mut through).await.unwrap().steps.len(), 50);
    assert!(wire.counts().round_trips <= 4, "{} round trips", wire.counts().round_trips);
    assert_eq!(self::commits(&wire.counts().sql).iter().filter(|commit| commit.durable).count(), 1);
}

#[tokio::test]
async fn a_borrowed_connection_has_one_durable_commit_too() {
    let Some(database) = postgres::database() else { return };
    let wire = Wire::in_front_of(&database.url()).await;
    let mut borrowed = PgConnection::connect(&wire.url()).await.unwrap();
    wire.reset();
    Migrator::new(many(100, 155)).apply(&mut borrowed).await.unwrap();
    let counts = wire.counts();
    assert!(counts.round_trips <= 4, "{} round trips", counts.round_trips);
    let commits = commits(&counts.sql);
    assert_eq!(commits.iter().filter(|commit| commit.durable).count(), 1, "{commits:?}");
    assert!(commits.last().unwrap().durable);
}

#[tokio::test]
async fn large_scripts_cost_one_round_trip_for_each_256_kib() {
    let Some(database) = postgres::database() else { return };
    let wire = Wire::in_front_of(&database.url()).await;
    let mut through = Database::connect(&wire.url()).await.unwrap();
    let set = many(100, 10 * 1024 + 480);
    let bytes: usize = set.iter().map(|migration| text_len(migration.up().body())).sum();
    assert!((1_000_000..1_100_000).contains(&bytes), "{bytes}");
    Migrator::new(set).apply(&mut through).await.unwrap();
    let most = 4 + bytes.div_ceil(256 * 1024);
    assert!(wire.counts().round_trips <= most, "{} round trips, {most} allowed", wire.counts().round_trips);
    assert_eq!(commits(&wire.counts().sql).iter().filter(|commit| commit.durable).count(), 1);
}

fn text_len(body: lockgate::Body) -> usize {
    match body {
        lockgate::Body::Sql(text) => text.len(),
        lockgate::Body::Rust => 0,
    }
}

/// One write transaction: its SQL, and whether its COMMIT waited for the disk.
#[derive(Debug)]
struct Commit {
    sql: String,
    durable: bool,
}

/// Interprets what a client sent like the server: the settings of session and transaction at each COMMIT. The scripts
/// of these tests have no semicolon inside a string.
fn commits(messages: &[String]) -> Vec<Commit> {
    let mut commits = Vec::new();
    let (mut session, mut local) = (true, None);
    let (mut at_begin, mut sql) = (true, String::new());
    for statement in messages.iter().flat_map(|message| message.split(';')).map(str::trim) {
        let on = |value: &str| value.trim_matches('\'') != "off";
        if statement.starts_with("BEGIN") {
            (local, at_begin) = (None, session);
            sql.clear();
        } else if let Some((_, value)) = statement.split_once("set_config('synchronous_commit', ") {
            local = Some(on(value.split_once(',').unwrap().0));
        } else if let Some(value) = statement.strip_prefix("SET synchronous_commit = ") {
            session = on(value);
        } else if statement == "ROLLBACK" {
            (session, local) = (at_begin, None);
        } else if statement == "COMMIT" {
            // Without a change, a commit has nothing to wait for.
            let wrote = ["INSERT", "CREATE", "UPDATE", "DELETE"].iter().any(|word| sql.contains(word));
            commits.push(Commit { durable: wrote && local.unwrap_or(session), sql: std::mem::take(&mut sql) });
            local = None;
        } else {
            sql.push_str(statement);
            sql.push('\n');
        }
    }
    commits
}

/// The change counter in the header of a SQLite file.
fn change_counter(path: &Path) -> u32 {
    let header = std::fs::read(path).unwrap_or_default();
    header.get(24..28).map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
}

#[tokio::test]
async fn sqlite_commits_once_a_run() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("once.db");
    let mut database = Database::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
    let before = change_counter(&path);
    let report = Migrator::new(many(100, 155)).apply(&mut database).await.unwrap();
    assert_eq!(report.steps.len(), 100);
    assert_eq!(change_counter(&path), before + 1, "a hundred migrations, one transaction of the file");

    assert!(Migrator::new(many(100, 155)).apply(&mut database).await.unwrap().is_empty());
    Migrator::new(many(100, 155)).status(&mut database).await.unwrap();
    assert_eq!(change_counter(&path), before + 1, "looking writes nothing");

    Migrator::new(many(150, 155)).apply(&mut database).await.unwrap();
    assert_eq!(change_counter(&path), before + 2);
}
