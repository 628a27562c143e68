//! The caller's connection is restored when a run ends: by success, by failure or by being dropped. In a whole run, the
//! settings of one script do not reach the next.

use std::time::Duration;

use lockgate::{Atomicity, ErrorKind, Migrations, Migrator};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::polled;
use crate::support::postgres;
use crate::support::set::migrations;

const TOML: (&str, &str) = ("migrations.toml", "dialects = [\"postgres\"]\n[lint]\nsyntax = \"allow\"\n");
const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE IF NOT EXISTS a (id INTEGER);\nGRANT ALL ON a TO PUBLIC;");

fn set(files: &[(&str, &str)]) -> &'static Migrations {
    migrations(&[&[TOML, A], files].concat())
}

/// A connection with many settings, and with a role other than the login role.
struct Lent {
    connection: PgConnection,
    role: String,
    _database: postgres::Database,
}

/// The whole state of a session.
const SESSION: &str = "SELECT name || ' = ' || setting FROM pg_settings WHERE setting <> reset_val AND source = 'session' \
                       UNION ALL SELECT concat('app.tenant = ', current_setting('app.tenant', true)) \
                       UNION ALL SELECT 'user ' || current_user || ', ' || session_user ORDER BY 1";

impl Lent {
    async fn new() -> Option<Self> {
        let database = postgres::database()?;
        let role = format!("lent_{}", database.url().rsplit('/').next().unwrap());
        let mut connection = database.connect().await;
        let setup = format!(
            "CREATE ROLE {role}; GRANT {role} TO postgres; GRANT ALL ON SCHEMA public TO {role}; \
             SET client_min_messages = 'warning'; SET statement_timeout = '71s'; SET lock_timeout = '17s'; \
             SET work_mem = '7MB'; SET app.tenant = 'ann'; SET search_path = public, pg_catalog; SET ROLE {role}"
        );
        connection.execute(AssertSqlSafe(setup)).await.unwrap();
        Some(Self { connection, role, _database: database })
    }

    async fn state(&mut self) -> Vec<String> {
        sqlx::query_scalar(SESSION).fetch_all(&mut self.connection).await.unwrap()
    }

    /// Checks that it is in no transaction, and that each query gets its own answer.
    async fn answers(&mut self) {
        for question in 0..3 {
            let answer: i32 =
                sqlx::query_scalar("SELECT $1").bind(question).fetch_one(&mut self.connection).await.unwrap();
            assert_eq!(answer, question);
        }
        let begun = self.connection.begin().await.unwrap();
        begun.rollback().await.unwrap();
        let now = "SELECT now()::text";
        let first: String = sqlx::query_scalar(now).fetch_one(&mut self.connection).await.unwrap();
        let then: String = sqlx::query_scalar(now).fetch_one(&mut self.connection).await.unwrap();
        assert_ne!(first, then, "a transaction is open");
    }

    async fn over(mut self) {
        let role = &self.role;
        let gone = format!("RESET ROLE; DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
        self.connection.execute(AssertSqlSafe(gone)).await.unwrap();
    }
}

#[tokio::test]
async fn a_lent_connection_is_put_back() {
    let Some(mut lent) = Lent::new().await else { return };
    let before = lent.state().await;
    assert!(before.iter().any(|line| line == "client_min_messages = warning"), "{before:?}");
    let as_writer = "-- lockgate: no-transaction\n-- lockgate: statement-timeout 3min\n-- lockgate: lock-timeout 3s\n";
    let copy = "COPY a FROM stdin;\n7\n\\.\n";
    let bad = "COPY a FROM stdin;\n7\nseven\n\\.\n";
    let scripts: &[(&str, bool, String)] = &[
        ("data", true, format!("{copy}SELECT 1;")),
        ("data at the end", true, format!("SELECT 1;\n{copy}")),
        ("bad data", false, format!("SELECT 1;\n{bad}SELECT 2;")),
        ("a failure behind data", false, format!("{copy}SELECT 1 / 0;")),
        ("limits", true, "-- lockgate: statement-timeout 3min\n-- lockgate: lock-timeout 3s\nSELECT 1;".to_owned()),
        ("a failure with limits", false, "-- lockgate: statement-timeout 3min\nSELECT 1 / 0;".to_owned()),
        ("a role", true, "SET ROLE NONE;\nSELECT 1;".to_owned()),
        ("a role and a failure", false, "SET ROLE NONE;\nSELECT 1 / 0;".to_owned()),
        ("local", true, "SET LOCAL ROLE NONE;\nSET LOCAL client_min_messages = debug;\nSELECT 1;".to_owned()),
        (
            "words",
            true,
            "SET client_min_messages = error;\nSET work_mem = '9MB';\nSET statement_timeout = '9h';\nSELECT 1;"
                .to_owned(),
        ),
        ("outside", true, format!("{as_writer}{copy}SELECT 1;")),
        ("outside, bad data", false, format!("{as_writer}{bad}SELECT 1;")),
        ("outside, a failure", false, format!("{as_writer}SELECT 1;\nSELECT 1 / 0;")),
        ("outside, words", true, format!("{as_writer}SET client_min_messages = error;\nSET ROLE NONE;\nSELECT 1;")),
    ];
    for (name, works, script) in scripts {
        let outside = script.contains("no-transaction");
        for atomicity in [Atomicity::PerMigration, Atomicity::WholeRun] {
            if outside && atomicity == Atomicity::WholeRun {
                continue;
            }
            // The tables belong to Lockgate: a script's role must not be able to write there.
            let migrator = Migrator::new(set(&[("0002_b.sql", script)])).atomicity(atomicity);
            let ran = migrator.apply(&mut lent.connection).await;
            match &ran {
                Ok(_) => assert!(works, "{name}"),
                Err(error) => {
                    assert!(!works, "{name}: {error:?}");
                    assert_eq!(error.kind(), ErrorKind::Failed, "{name}: {error:?}");
                }
            }
            lent.answers().await;
            assert_eq!(lent.state().await, before, "{name}, {atomicity:?}");
            lent.connection.execute("DELETE FROM lockgate_history").await.unwrap();
        }
    }
    lent.over().await;
}

#[tokio::test]
async fn a_lent_connection_is_put_back_wherever_a_run_is_dropped() {
    let Some(mut lent) = Lent::new().await else { return };
    let before = lent.state().await;
    let outside = "-- lockgate: no-transaction\n-- lockgate: statement-timeout 3min\nSET ROLE NONE;\nSET client_min_messages = error;\nANALYZE a;\nSET work_mem = '9MB';\nANALYZE a;";
    let within = "-- lockgate: statement-timeout 3min\nSET ROLE NONE;\nSET client_min_messages = error;\nSET work_mem = '9MB';\nSELECT 1;";
    for (script, atomicity) in
        [(outside, Atomicity::PerMigration), (within, Atomicity::PerMigration), (within, Atomicity::WholeRun)]
    {
        let migrator =
            Migrator::new(set(&[("0002_b.sql", script)])).atomicity(atomicity).lock_wait(Duration::from_secs(60));
        for polls in 1.. {
            let done = polled(migrator.apply(&mut lent.connection), polls).await;
            // sqlx returns the error of a dropped query to the next one.
            let _ = lent.connection.ping().await;
            lent.answers().await;
            assert_eq!(lent.state().await, before, "dropped at {polls}, {atomicity:?}: {script}");
            if let Some(ran) = done {
                ran.unwrap_or_else(|error| panic!("{polls}: {error:?}"));
                break;
            }
            migrator.apply(&mut lent.connection).await.unwrap_or_else(|error| panic!("dropped at {polls}: {error:?}"));
            lent.connection.execute("DELETE FROM lockgate_history").await.unwrap();
        }
        lent.connection.execute("DELETE FROM lockgate_history").await.unwrap();
    }
    lent.over().await;
}

/// Settings after the data of a script take effect, like those before it.
#[tokio::test]
async fn a_statement_error_after_copy_data_is_shown() {
    let Some(database) = postgres::database() else { return };
    let note = "INSERT INTO note SELECT current_setting('client_min_messages');\n";
    let copy = "COPY a FROM stdin;\n7\n\\.\n";
    let script = format!("CREATE TABLE note (level TEXT);\n{note}{copy}{note}{copy}{copy}{note}");
    let next = note.to_owned();
    for atomicity in [Atomicity::PerMigration, Atomicity::WholeRun] {
        let mut connection = database.connect().await;
        connection.execute("SET client_min_messages = 'log'").await.unwrap();
        let migrator = Migrator::new(set(&[("0002_b.sql", &script), ("0003_c.sql", &next)])).atomicity(atomicity);
        migrator.apply(&mut connection).await.unwrap_or_else(|error| panic!("{error:?}"));
        let levels: Vec<String> =
            sqlx::query_scalar("SELECT level FROM note").fetch_all(&mut connection).await.unwrap();
        assert_eq!(levels, ["log"; 4], "{atomicity:?}");
        connection.execute("DROP TABLE note; DELETE FROM lockgate_history").await.unwrap();
    }
}

/// A pool never gets back a session that a script has changed, even if a plain script came after it.
#[tokio::test]
async fn a_pool_is_given_nothing_that_a_whole_run_has_changed() {
    let Some(database) = postgres::database() else { return };
    let role = format!("pool_{}", database.url().rsplit('/').next().unwrap());
    database.connect().await.execute(AssertSqlSafe(format!("CREATE ROLE {role}"))).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url()).await.unwrap();
    let sets = format!("SET ROLE {role};\nSET work_mem = '9MB';\nSET app.tenant = 'bob';");
    let copy = "CREATE TABLE b (id INTEGER);\nCOPY b FROM stdin;\n7\n\\.\n";
    for (n, last) in ["SELECT 1;", copy].into_iter().enumerate() {
        let set = set(&[("0002_sets.sql", &sets), ("0003_last.sql", last)]);
        let migrator = Migrator::new(set).set_name(format!("set{n}")).atomicity(Atomicity::WholeRun);
        migrator.apply(&pool).await.unwrap_or_else(|error| panic!("{error:?}"));
        let state: Vec<String> = sqlx::query_scalar(SESSION).fetch_all(&pool).await.unwrap();
        assert_eq!(state.last().unwrap(), "user postgres, postgres", "{state:?}");
        assert!(!state.iter().any(|line| line.contains("bob")), "{state:?}");
    }
    pool.close().await;
    let gone = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
    database.connect().await.execute(AssertSqlSafe(gone)).await.unwrap();
}

/// In a whole run, the settings of a script end with it: directives, `SET LOCAL` and `set_config`.
#[tokio::test]
async fn in_a_whole_run_what_one_script_sets_is_not_the_next_ones() {
    let Some(database) = postgres::database() else { return };
    let look = "INSERT INTO note SELECT concat_ws(' ', current_setting('lock_timeout'), \
                current_setting('statement_timeout'), current_setting('work_mem'), current_setting('search_path'), \
                current_setting('synchronous_commit'), current_user);\n";
    let create =
        format!("CREATE TABLE note (said TEXT);\nCREATE SCHEMA elsewhere;\nGRANT ALL ON note TO PUBLIC;\n{look}");
    let role = format!("whole_{}", database.url().rsplit('/').next().unwrap());
    let heads = [
        "-- lockgate: lock-timeout 9s\n-- lockgate: statement-timeout 2min\nSELECT 1;\n".to_owned(),
        "SET LOCAL lock_timeout = '8s';\nSET LOCAL statement_timeout = '8min';\nSET LOCAL work_mem = '1MB';\n"
            .to_owned(),
        "SET search_path = elsewhere;\nSET work_mem = '2MB';\nSET synchronous_commit = off;\n".to_owned(),
        "SET LOCAL search_path = elsewhere;\nSET LOCAL work_mem = '2MB';\n".to_owned(),
        "SELECT set_config('search_path', 'elsewhere', true), Set_Config('work_mem', '3MB', true);\n".to_owned(),
        "SELECT set_config('search_path', 'elsewhere', false);\n".to_owned(),
        "DO $$ BEGIN SET LOCAL search_path = elsewhere; SET work_mem = '4MB'; END $$;\n".to_owned(),
        format!("SET LOCAL ROLE {role};\n"),
        format!("-- lockgate: role {role}\nSELECT 1;\n"),
        "COPY note FROM stdin;\n\\.\n".to_owned(),
    ];
    let mut files = vec![("0002_note.sql".to_owned(), create)];
    for (n, head) in heads.iter().enumerate() {
        files.push((format!("{:04}_sets.sql", 2 * n + 3), head.clone()));
        files.push((format!("{:04}_looks.sql", 2 * n + 4), look.to_owned()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    let mut connection = database.connect().await;
    let setup = format!("CREATE ROLE {role}; SET work_mem = '7MB'");
    connection.execute(AssertSqlSafe(setup)).await.unwrap();
    let migrator = Migrator::new(set(&files))
        .atomicity(Atomicity::WholeRun)
        .lock_timeout(Duration::from_millis(4500))
        .statement_timeout(Duration::from_secs(50));
    migrator.apply(&mut connection).await.unwrap_or_else(|error| panic!("{error:?}"));
    let output: Vec<String> = sqlx::query_scalar("SELECT said FROM note").fetch_all(&mut connection).await.unwrap();
    let expected = "4500ms 50s 7MB \"$user\", public on postgres";
    assert_eq!(output, vec![expected; heads.len() + 1]);
    connection.execute(AssertSqlSafe(format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))).await.unwrap();
}
