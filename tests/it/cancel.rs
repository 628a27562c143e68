//! Drops the future of a run at every await: no lock is left, nothing is half recorded, and a connection of the
//! caller's is restored.

use std::time::Duration;

use lockgate::__private::RustStep;
use lockgate::{Database, DownTo, Error, Migrations, Migrator, Report, StepResult, Transaction};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, SqliteConnection, SqlitePool};

use crate::support::database::Db;
use crate::support::polled;
use crate::support::set::with_steps;

async fn up(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("CREATE TABLE b (id INTEGER PRIMARY KEY)").await?;
    tx.execute("INSERT INTO b VALUES (1)").await?;
    Ok(())
}
async fn down(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("DROP TABLE b").await?;
    Ok(())
}
static STEPS: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(up(tx)), down: Some(|tx| Box::pin(down(tx))) }];

const RUST: &str = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n\
                    pub async fn down(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";

/// SQL, Rust, a script that changes its connection, SQL, and, if asked for, a repeatable script outside a
/// transaction.
fn set(db: &Db, outside: bool) -> &'static Migrations {
    let changes = match db.is_sqlite() {
        true => {
            "-- lockgate: foreign-keys off\nCREATE TABLE a_new (id INTEGER PRIMARY KEY);\nINSERT INTO a_new SELECT * FROM a;\nDROP TABLE a;\nALTER TABLE a_new RENAME TO a;"
        }
        false => "SET search_path = pg_catalog;\nSET work_mem = '1MB';\nSET lock_timeout = '1h';\nSELECT 1;",
    };
    let repeatable = match db.is_sqlite() {
        true => {
            "-- lockgate: no-transaction\nCREATE TABLE IF NOT EXISTS o (id INTEGER);\nVACUUM;\nCREATE INDEX IF NOT EXISTS oi ON o (id);"
        }
        false => {
            "-- lockgate: no-transaction\nSET work_mem = '2MB';\nCREATE TABLE IF NOT EXISTS o (id INTEGER);\nCREATE INDEX CONCURRENTLY IF NOT EXISTS oi ON o (id);\nVACUUM o;"
        }
    };
    let mut files = vec![
        ("0001_a.up.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\nINSERT INTO a VALUES (1);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.rs", RUST),
        ("0003_c.up.sql", changes),
        ("0003_c.down.sql", "SELECT 1;"),
        ("0005_e.up.sql", "CREATE TABLE e (id INTEGER);"),
        ("0005_e.down.sql", "DROP TABLE e;"),
    ];
    if outside {
        files.extend([("0004_o.up.sql", repeatable), ("0004_o.down.sql", "DROP TABLE o;")]);
    }
    with_steps(&files, STEPS)
}

/// The target of a verb.
enum Given {
    PgPool(PgPool),
    PgConnection(Box<PgConnection>),
    SqlitePool(SqlitePool),
    SqliteConnection(SqliteConnection),
    Database(Box<Database>),
}

impl Given {
    async fn apply(&mut self, migrator: &Migrator, polls: usize) -> Option<Result<Report, Error>> {
        match self {
            Self::PgPool(pool) => polled(migrator.apply(&*pool), polls).await,
            Self::PgConnection(connection) => polled(migrator.apply(&mut **connection), polls).await,
            Self::SqlitePool(pool) => polled(migrator.apply(&*pool), polls).await,
            Self::SqliteConnection(connection) => polled(migrator.apply(connection), polls).await,
            Self::Database(database) => polled(migrator.apply(&mut **database), polls).await,
        }
    }

    async fn revert(&mut self, migrator: &Migrator, polls: usize) -> Option<Result<Report, Error>> {
        let empty = DownTo::Empty;
        match self {
            Self::PgPool(pool) => polled(migrator.revert(&*pool, empty), polls).await,
            Self::PgConnection(connection) => polled(migrator.revert(&mut **connection, empty), polls).await,
            Self::SqlitePool(pool) => polled(migrator.revert(&*pool, empty), polls).await,
            Self::SqliteConnection(connection) => polled(migrator.revert(connection, empty), polls).await,
            Self::Database(database) => polled(migrator.revert(&mut **database, empty), polls).await,
        }
    }

    /// Checks that it is in no transaction and has its old settings.
    async fn is_as_before(&mut self, db: &Db) {
        match self {
            Self::PgPool(pool) => postgres_as_before(&mut pool.acquire().await.unwrap(), db, "5s").await,
            Self::PgConnection(connection) => {
                // sqlx returns the error of a dropped query to the next one.
                let left_over = connection.ping().await;
                if let Err(error) = left_over {
                    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
                    // No history table yet, or the interrupted statement found that the other run came first.
                    assert!(["42P01", "22012"].contains(&&*code), "{error:?}");
                }
                postgres_as_before(connection, db, "5s").await;
            }
            Self::SqlitePool(pool) => sqlite_as_before(&mut pool.acquire().await.unwrap(), db).await,
            Self::SqliteConnection(connection) => sqlite_as_before(connection, db).await,
            Self::Database(database) => {
                // Reconnecting has hundreds of awaits, which are not tested here.
                Migrator::new(set(db, false)).status(&mut **database).await.unwrap();
                if let Some(connection) = database.postgres() {
                    postgres_as_before(connection, db, "0").await;
                }
                if let Some(connection) = database.sqlite() {
                    sqlite_as_before(connection, db).await;
                }
            }
        }
    }
}

const HOOK: &str = "SET lock_timeout = '5s'; SET work_mem = '7MB'; SET app.tenant = 'ann'";

async fn postgres_as_before(connection: &mut PgConnection, db: &Db, lock_timeout: &str) {
    let sql = "SELECT current_setting('lock_timeout'), current_setting('synchronous_commit'), current_setting('search_path'), \
               current_setting('statement_timeout'), coalesce(current_setting('app.tenant', true), ''), current_setting('work_mem')";
    let row: (String, String, String, String, String, String) =
        sqlx::query_as(sql).fetch_one(&mut *connection).await.unwrap();
    let (timeout, commit, path, statement, tenant, memory) = row;
    let (own_tenant, own_memory) = if lock_timeout == "0" { ("", "4MB") } else { ("ann", "7MB") };
    assert_eq!((timeout.as_str(), commit.as_str(), statement.as_str()), (lock_timeout, "on", "0"));
    assert_eq!((path.as_str(), tenant.as_str(), memory.as_str()), ("\"$user\", public", own_tenant, own_memory));
    connection.execute("CREATE TABLE probe (id INTEGER)").await.unwrap();
    db.execute("DROP TABLE probe").await;
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(connection).await.unwrap(), 0);
}

async fn sqlite_as_before(connection: &mut SqliteConnection, db: &Db) {
    for (pragma, expected) in [("foreign_keys", 1), ("busy_timeout", 5000)] {
        let sql = AssertSqlSafe(format!("PRAGMA {pragma}"));
        assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *connection).await.unwrap(), expected, "{pragma}");
    }
    connection.execute("CREATE TABLE probe (id INTEGER)").await.unwrap();
    db.execute("DROP TABLE probe").await;
}

/// Drops runs on this target at their first, second, third … await, until one finishes.
async fn dropped_at_every_await(db: Db, mut given: Given, outside: bool) {
    let set = set(&db, outside);
    let versions: Vec<i64> = if outside { vec![1, 2, 3, 4, 5] } else { vec![1, 2, 3, 5] };
    let tables: &[&str] = if outside { &["a", "b", "e", "o", "oi"] } else { &["a", "b", "e"] };
    let migrator = Migrator::new(set).lock_wait(Duration::from_secs(60));
    let other = migrator.clone();
    let (mut up_at, mut down_at) = (Some(1), Some(1));
    while up_at.is_some() || down_at.is_some() {
        if let Some(polls) = up_at {
            let done = given.apply(&migrator, polls).await;
            if let Some(ran) = &done {
                assert_eq!(
                    ran.as_ref().unwrap_or_else(|error| panic!("{polls}: {error:?}")).steps.len(),
                    versions.len()
                );
            }
            up_at = if done.is_some() { None } else { Some(polls + 1) };
        }
        // Another run gets the lock and finds a history that matches the schema.
        let mut second = db.open().await;
        other.apply(&mut second).await.unwrap_or_else(|error| panic!("dropped up at {up_at:?}: {error:?}"));
        assert_eq!(db.objects().await, tables, "{up_at:?}");
        let applied: Vec<String> = versions.iter().map(|version| format!("{version}:applied")).collect();
        assert_eq!(db.history().await, applied, "{up_at:?}");
        assert_eq!(log(&db, "applied").await, versions, "each once, in order: {up_at:?}");
        given.is_as_before(&db).await;

        if let Some(polls) = down_at {
            let done = given.revert(&migrator, polls).await;
            if let Some(ran) = &done {
                assert_eq!(
                    ran.as_ref().unwrap_or_else(|error| panic!("{polls}: {error:?}")).steps.len(),
                    versions.len()
                );
            }
            down_at = if done.is_some() { None } else { Some(polls + 1) };
        }
        // The dropped run's statement may still be running and change the history after it was read.
        let reverted = loop {
            match other.revert(&mut second, DownTo::Empty).await {
                Err(error) if error.kind() == lockgate::ErrorKind::PlanStale => tokio::task::yield_now().await,
                reverted => break reverted,
            }
        };
        reverted.unwrap_or_else(|error| panic!("dropped down at {down_at:?}: {error:?}"));
        assert_eq!(db.objects().await, [""; 0], "{down_at:?}");
        assert_eq!(db.history().await, [""; 0], "{down_at:?}");
        let backwards: Vec<i64> = versions.iter().rev().copied().collect();
        assert_eq!(log(&db, "reverted").await, backwards, "{down_at:?}");
        given.is_as_before(&db).await;
        db.execute("DELETE FROM lockgate_log").await;
    }
}

async fn log(db: &Db, event: &str) -> Vec<i64> {
    let sql = format!("SELECT CAST(version AS TEXT) FROM lockgate_log WHERE event = '{event}' ORDER BY id");
    db.texts(&sql).await.iter().map(|version| version.parse().unwrap()).collect()
}

async fn pg_pool(db: &Db) -> Given {
    let pool = PgPoolOptions::new().max_connections(1).after_connect(|connection, _| {
        Box::pin(async move {
            connection.execute(HOOK).await?;
            Ok(())
        })
    });
    Given::PgPool(pool.connect(&db.url()).await.unwrap())
}

async fn pg_connection(db: &Db) -> Given {
    let mut connection = PgConnection::connect(&db.url()).await.unwrap();
    connection.execute(HOOK).await.unwrap();
    Given::PgConnection(Box::new(connection))
}

async fn sqlite_pool(db: &Db) -> Given {
    Given::SqlitePool(SqlitePoolOptions::new().max_connections(1).connect(&db.url()).await.unwrap())
}

async fn sqlite_connection(db: &Db) -> Given {
    Given::SqliteConnection(SqliteConnection::connect(&db.url()).await.unwrap())
}

async fn database(db: &Db) -> Given {
    Given::Database(Box::new(db.open().await))
}

macro_rules! dropped {
    ($($test:ident: $db:expr, $given:expr, $outside:expr;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let Some(db) = $db else { return };
                let given = $given(&db).await;
                dropped_at_every_await(db, given, $outside).await;
            }
        )+
    };
}

dropped! {
    a_pg_pool: Db::postgres(), pg_pool, false;
    a_pg_pool_with_a_script_outside: Db::postgres(), pg_pool, true;
    a_pg_connection: Db::postgres(), pg_connection, false;
    a_pg_connection_with_a_script_outside: Db::postgres(), pg_connection, true;
    a_postgres_database: Db::postgres(), database, false;
    a_postgres_database_with_a_script_outside: Db::postgres(), database, true;
    a_sqlite_pool: Db::sqlite(), sqlite_pool, false;
    a_sqlite_pool_with_a_script_outside: Db::sqlite(), sqlite_pool, true;
    a_sqlite_connection: Db::sqlite(), sqlite_connection, false;
    a_sqlite_connection_with_a_script_outside: Db::sqlite(), sqlite_connection, true;
    a_sqlite_database: Db::sqlite(), database, false;
    a_sqlite_database_with_a_script_outside: Db::sqlite(), database, true;
}
