//! A script's changes to its session end with it, and a run leaves a session unchanged.

use std::time::Duration;

use lockgate::{Database, ErrorKind, Migrator};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool};

use super::reports;
use crate::support::database::Db;
use crate::support::set::migrations;
use crate::support::{polled, postgres};

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");

const SETTINGS: [&str; 8] = [
    "search_path",
    "role",
    "lock_timeout",
    "statement_timeout",
    "synchronous_commit",
    "work_mem",
    "default_transaction_isolation",
    "app.tenant",
];

async fn settings(connection: &mut PgConnection) -> Vec<String> {
    let mut all = Vec::new();
    for name in SETTINGS {
        let value: Option<String> = sqlx::query_scalar("SELECT nullif(current_setting($1, true), '')")
            .bind(name)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        all.push(format!("{name} = {}", value.unwrap_or_default()));
    }
    all
}

async fn pool(database: &postgres::Database) -> PgPool {
    let hook = "SET work_mem = '7MB'; SET statement_timeout = '71s'; SET lock_timeout = '17s'; SET app.tenant = 'ann'; \
                SET default_transaction_isolation = 'serializable'";
    PgPoolOptions::new()
        .max_connections(1)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(hook).await?;
                Ok(())
            })
        })
        .connect(&database.url())
        .await
        .unwrap()
}

async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') \
               AND schemaname NOT LIKE 'pg_temp%' ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn settings_end_with_their_script() {
    let Some(database) = postgres::database() else { return };
    let pool = pool(&database).await;
    let mut connection = pool.acquire().await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await.unwrap();
    let before = settings(&mut connection).await;
    drop(connection);
    let role = format!("role_{}", database.url().rsplit('/').next().unwrap());
    let create_role = format!("CREATE ROLE {role}; GRANT ALL ON SCHEMA public TO {role};");
    let set_role = format!("SET ROLE {role};\nCREATE TABLE by_role (id INTEGER);");
    let set = migrations(&[
        A,
        ("0002_elsewhere.sql", "CREATE SCHEMA elsewhere;\nSET search_path = elsewhere;\nCREATE TABLE b (id INTEGER);"),
        ("0003_here.sql", "CREATE TABLE c (id INTEGER);"),
        (
            "0004_config.sql",
            "SELECT set_config('search_path', '', false);\nSET work_mem = '1MB';;\nSET statement_timeout = '1h';\nSET synchronous_commit = off;\nCREATE TABLE public.d (id INTEGER);",
        ),
        ("0005_role.sql", &create_role),
        ("0006_as_role.sql", &set_role),
        (
            "0007_temp.sql",
            "CREATE TEMP TABLE lockgate_history (version INTEGER) ON COMMIT DROP;\nCREATE TEMP TABLE a (id INTEGER);\nINSERT INTO a VALUES (1);\nCREATE TEMP TABLE scratch AS SELECT * FROM a;\nDROP TABLE scratch;\nDROP TABLE pg_temp.a;",
        ),
        ("0008_last.sql", "CREATE TABLE e (id INTEGER);"),
        ("0009_isolated.sql", "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ;"),
    ]);
    Migrator::new(set)
        .lock_timeout(Duration::from_secs(5))
        .apply(&pool)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"));

    let mut connection = pool.acquire().await.unwrap();
    let same: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await.unwrap();
    assert_ne!(same, pid, "what scripts have changed is not given back");
    assert_eq!(settings(&mut connection).await, before);
    let expected = [
        "elsewhere.b",
        "public.a",
        "public.by_role",
        "public.c",
        "public.d",
        "public.e",
        "public.lockgate_history",
        "public.lockgate_log",
    ];
    assert_eq!(tables(&mut connection).await, expected);
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM public.lockgate_history").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(rows, 9);
    drop(connection);
    assert!(Migrator::new(set).apply(&pool).await.unwrap().is_empty());
    pool.close().await;
    let mut admin = database.connect().await;
    admin.execute(sqlx::AssertSqlSafe(format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))).await.unwrap();
}

#[tokio::test]
async fn a_lent_connection_keeps_its_settings_through_success_and_failure() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    connection
        .execute("SET search_path = public, pg_catalog; SET lock_timeout = '9s'; SET work_mem = '7MB'; SET app.tenant = 'ann'")
        .await
        .unwrap();
    let before = settings(&mut connection).await;
    let wander = "SET search_path = pg_catalog;\nSET work_mem = '1MB';\nSET lock_timeout = '1h';\nCREATE TABLE public.b (id INTEGER);";
    let set = migrations(&[A, ("0002_b.sql", wander), ("0003_c.sql", "CREATE TABLE c (id INTEGER);")]);
    Migrator::new(set).statement_timeout(Duration::from_secs(600)).apply(&mut connection).await.unwrap();
    assert_eq!(settings(&mut connection).await, before);

    let fails = "SET search_path = pg_catalog;\nSELECT 1 / 0;";
    let set =
        migrations(&[A, ("0002_b.sql", wander), ("0003_c.sql", "CREATE TABLE c (id INTEGER);"), ("0004_d.sql", fails)]);
    let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["`0004_d` failed at statement 2 of 2", "division by zero"]);
    assert_eq!(settings(&mut connection).await, before);

    let outside = "-- lockgate: no-transaction\nSET work_mem = '2MB';\nSET lock_timeout = '2h';\nCREATE INDEX CONCURRENTLY ci ON c (id);\nVACUUM nowhere;";
    let set = migrations(&[
        A,
        ("0002_b.sql", wander),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER);"),
        ("0004_d.sql", outside),
    ]);
    let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &["`0004_d` failed at statement 4 of 4", "`0004_d` is partial: 3 of its 4 statements have finished and stay"],
    );
    assert_eq!(settings(&mut connection).await, before);
    assert_eq!(locks(&mut connection).await, 0);
}

async fn locks(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn limits_and_roles_are_of_one_migration() {
    let Some(database) = postgres::database() else { return };
    let role = format!("writer_{}", database.url().rsplit('/').next().unwrap());
    let mut admin = database.connect().await;
    admin
        .execute(sqlx::AssertSqlSafe(format!("CREATE ROLE \"{role}\"; GRANT ALL ON SCHEMA public TO \"{role}\"")))
        .await
        .unwrap();
    let note = "CREATE TABLE IF NOT EXISTS note (who TEXT, lock_timeout TEXT, statement_timeout TEXT);\n\
                GRANT ALL ON note TO PUBLIC;\n";
    let look = "INSERT INTO note VALUES (current_user, current_setting('lock_timeout'), current_setting('statement_timeout'));\n";
    let one = format!("{note}{look}");
    let two =
        format!("-- lockgate: lock-timeout 9s\n-- lockgate: statement-timeout 2min\n-- lockgate: role {role}\n{look}");
    let set = migrations(&[("0001_one.sql", &one), ("0002_two.sql", &two), ("0003_three.sql", look)]);
    let migrator =
        Migrator::new(set).lock_timeout(Duration::from_millis(4500)).statement_timeout(Duration::from_secs(50));
    let mut through = Database::connect(&database.url()).await.unwrap();
    migrator.apply(&mut through).await.unwrap_or_else(|error| panic!("{error:?}"));
    let rows: Vec<(String, String, String)> = sqlx::query_as("SELECT * FROM note").fetch_all(&mut admin).await.unwrap();
    let row = |who: &str, lock: &str, statement: &str| (who.to_owned(), lock.to_owned(), statement.to_owned());
    let expected = [row("postgres", "4500ms", "50s"), row(&role, "9s", "2min"), row("postgres", "4500ms", "50s")];
    assert_eq!(rows, expected);
    let by: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT applied_by FROM lockgate_history").fetch_all(&mut admin).await.unwrap();
    assert_eq!(by, ["postgres"]);
    let timeouts: Vec<String> = settings(through.postgres().unwrap()).await[2..5].to_vec();
    assert_eq!(timeouts, ["lock_timeout = 0", "statement_timeout = 0", "synchronous_commit = on"]);
    through.close().await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""))).await.unwrap();

    let set = migrations(&[("0001_as.sql", "-- a head\n-- lockgate: role no_such_role\nCREATE TABLE x (id INTEGER);")]);
    let error = Migrator::new(set).set_name("x").apply(&mut admin).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &["`0001_as` could not begin", "role \"no_such_role\" does not exist", "correct migrations/0001_as.sql"],
    );
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_ended() {
    let Some(database) = postgres::database() else { return };
    let mut through = Database::connect(&database.url()).await.unwrap();
    let set = migrations(&[A, ("0002_slow.sql", "CREATE TABLE b (id INTEGER);\nSELECT pg_sleep(600);")]);
    let migrator = Migrator::new(set).statement_timeout(Duration::from_millis(100));
    let error = migrator.apply(&mut through).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "`0002_slow` failed at statement 2 of 2",
            "0002_slow.sql:2:1",
            "due to statement timeout",
            "applied and committed before it: 0001_a",
            "allow more time with `--statement-timeout 10min`",
        ],
    );
}

#[tokio::test]
async fn a_transaction_of_the_callers_is_not_committed_for_them() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let set = migrations(&[A]);
    let mut transaction = connection.begin().await.unwrap();
    transaction.execute("CREATE TABLE mine (id INTEGER)").await.unwrap();
    assert_eq!(Migrator::new(set).status(&mut *transaction).await.unwrap().pending().count(), 1);
    let error = Migrator::new(set).apply(&mut *transaction).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error:?}");
    transaction.execute("CREATE TABLE mine_too (id INTEGER)").await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(tables(&mut connection).await, [""; 0]);

    // A transaction that sqlx does not know.
    connection.execute("BEGIN; CREATE TABLE mine (id INTEGER)").await.unwrap();
    let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error:?}");
    assert!(error.to_string().contains("the connection is inside a transaction: end it first"), "{error}");
    connection.execute("ROLLBACK").await.unwrap();
    assert_eq!(tables(&mut connection).await, [""; 0]);
    Migrator::new(set).apply(&mut connection).await.unwrap();
}

#[tokio::test]
async fn the_history_table_may_be_anywhere() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let set = migrations(&[("0001_a.up.sql", A.1), ("0001_a.down.sql", "DROP TABLE a;")]);
    let ops = Migrator::new(set).history_table("ops.lockgate_history");
    assert_eq!(ops.status(&mut connection).await.unwrap().pending().count(), 1);
    ops.apply(&mut connection).await.unwrap();
    assert!(ops.apply(&mut connection).await.unwrap().is_empty());
    assert_eq!(tables(&mut connection).await, ["ops.lockgate_history", "ops.lockgate_log", "public.a"]);
    ops.revert(&mut connection, lockgate::DownTo::Empty).await.unwrap();

    let quoted = Migrator::new(set).history_table("Ops_Größe.Order");
    quoted.apply(&mut connection).await.unwrap();
    assert!(quoted.apply(&mut connection).await.unwrap().is_empty());
    let names = tables(&mut connection).await;
    assert!(
        names.contains(&"Ops_Größe.Order".to_owned()) && names.contains(&"Ops_Größe.Order_log".to_owned()),
        "{names:?}"
    );

    // It stays, wherever the search path finds it.
    connection.execute("CREATE SCHEMA later; SET search_path = later, ops, public").await.unwrap();
    let found = Migrator::new(set);
    assert_eq!(found.status(&mut connection).await.unwrap().pending().count(), 1);
    connection.execute("DROP TABLE public.a").await.unwrap();
    found.apply(&mut connection).await.unwrap();
    let names = tables(&mut connection).await;
    assert!(
        names.contains(&"later.a".to_owned()) && !names.contains(&"later.lockgate_history".to_owned()),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_script_may_reset_all_that_it_likes() {
    for reset in [
        "RESET ALL",
        "CLOSE ALL",
        "DISCARD PLANS",
        "DISCARD TEMP",
        "DEALLOCATE ALL",
        "UNLISTEN *",
        "RESET SESSION AUTHORIZATION",
    ] {
        let Some(database) = postgres::database() else { return };
        let script = format!("CREATE TABLE b (id INTEGER);\n{reset};\nINSERT INTO b VALUES (1);");
        let set = migrations(&[A, ("0002_b.sql", &script), ("0003_c.sql", "CREATE TABLE c (id INTEGER);")]);
        let mut through = Database::connect(&database.url()).await.unwrap();
        let report = Migrator::new(set).apply(&mut through).await;
        let report = report.unwrap_or_else(|error| panic!("{reset}: {}", error.report()));
        assert_eq!(report.steps.len(), 3, "{reset}");
        let mut connection = database.connect().await;
        assert!(Migrator::new(set).apply(&mut connection).await.unwrap().is_empty(), "{reset}");
    }
}

/// Code that resets every setting also removes the mark of its transaction.
#[tokio::test]
async fn a_script_outside_a_transaction_may_reset_all_in_code() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nCREATE TABLE b (id INTEGER);\n\
                  DO $$ BEGIN INSERT INTO b VALUES (1); RESET ALL; END $$;\nINSERT INTO b VALUES (2);";
    db.apply(migrations(&[A, ("0002_b.sql", script)])).await;
    assert_eq!(db.texts("SELECT id::text FROM b ORDER BY id").await, ["1", "2"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    // Other tests have locks in their databases.
    let left = "SELECT count(*)::text FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    assert_eq!(db.texts(left).await, ["0"]);
}

/// A run that is dropped anywhere leaves the string syntax of the caller's session unchanged.
#[tokio::test]
async fn a_dropped_run_leaves_strings_as_they_were_read() {
    let Some(db) = Db::postgres() else { return };
    let set = migrations(&[("0001_a.sql", "CREATE TABLE a (t TEXT);"), ("0002_b.sql", "INSERT INTO a VALUES ('\\');")]);
    let mut polls = 1;
    loop {
        let mut lent = PgConnection::connect(&db.url()).await.unwrap();
        lent.execute("SET standard_conforming_strings = off; SET escape_string_warning = off").await.unwrap();
        let ran = polled(
            Migrator::new(set).set_name(format!("s{polls}")).history_table(format!("h{polls}")).apply(&mut lent),
            polls,
        )
        .await;
        let reads: String = sqlx::query_scalar("SHOW standard_conforming_strings").fetch_one(&mut lent).await.unwrap();
        assert_eq!(reads, "off", "dropped at await {polls}");
        db.execute("DROP TABLE IF EXISTS a").await;
        if ran.is_some() {
            break;
        }
        polls += 1;
    }
    assert!(polls > 3, "{polls}");
}

/// A script can deallocate only the prepared statement of its own message.
#[tokio::test]
async fn a_script_that_deallocates_all_is_recorded_with_those_before_it() {
    let Some(db) = Db::postgres() else { return };
    let mut files: Vec<(String, String)> =
        (1..=6).map(|n| (format!("{n:04}_t.sql"), format!("CREATE TABLE t{n} ();"))).collect();
    files[5].1.push_str("\nDEALLOCATE ALL;");
    files.push(("0007_t.sql".to_owned(), "CREATE TABLE t7 ();".to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(db.apply(migrations(&files)).await.steps.len(), 7);
    assert_eq!(db.history().await.len(), 7);
}
