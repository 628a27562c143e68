//! Changes of a migration to its session on PostgreSQL: none reach the next migration, the pool or the caller's
//! connection.

use lockgate::__private::RustStep;
use lockgate::{Atomicity, ErrorKind, Migrator, StepResult, Transaction};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::reports;
use crate::support::database::Db;
use crate::support::set::{migrations, with_steps};

/// The whole state of a session, as one text.
const STATE: &str = "concat_ws(' ', current_user, session_user, \
    (SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings WHERE name IN ('search_path', \
    'work_mem', 'session_replication_role', 'lock_timeout', 'statement_timeout', \
    'row_security', 'check_function_bodies', 'client_min_messages', 'default_transaction_isolation', 'DateStyle')), \
    (SELECT string_agg('lock ' || objid, ',') FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() \
    AND objid IN (1, 2, 3, 4, 5)), \
    (SELECT string_agg('prepared ' || name, ',') FROM pg_prepared_statements WHERE from_sql AND name !~ '^lockgate_'), \
    (SELECT string_agg('cursor ' || name, ',') FROM pg_cursors WHERE is_holdable), \
    (SELECT string_agg('listens ' || c, ',') FROM pg_listening_channels() c), \
    (SELECT string_agg('temporary ' || relname, ',') FROM pg_class WHERE relnamespace = pg_my_temp_schema()))";

/// The first migration records the state of the session before anything has changed it.
fn ground() -> String {
    format!(
        "CREATE TABLE public.note (id INTEGER GENERATED ALWAYS AS IDENTITY, note TEXT);\n\
         GRANT ALL ON public.note TO PUBLIC;\nCREATE TABLE public.n (n INTEGER);\nINSERT INTO public.n VALUES (0);\n\
         CREATE FUNCTION public.state() RETURNS text LANGUAGE SQL AS $$ SELECT {STATE} $$;\n\
         CREATE FUNCTION public.sets(a text, b text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM set_config(a, b, false); END $$;\n\
         CREATE PROCEDURE public.calls() LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '9MB', false); \
         PERFORM pg_advisory_lock(5); END $$;"
    )
}

/// The state that is recorded after each migration.
const NOTES: &str = "INSERT INTO public.note (note) VALUES (public.state());";

const CHANGES: [&str; 20] = [
    "SET work_mem = '1MB';",
    "SET search_path = pg_catalog;",
    "SET session_replication_role = replica;",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
    "SELECT set_config('work_mem', '2MB', false);",
    "SELECT public.sets('search_path', 'pg_catalog');",
    "DO $$ BEGIN PERFORM set_config('row_security', 'off', false); END $$;",
    "CALL public.calls();",
    "LISTEN channel;",
    "PREPARE prepared AS SELECT 1;",
    "DECLARE held CURSOR WITH HOLD FOR SELECT 1;",
    "SELECT pg_advisory_lock(1);",
    "DO $$ BEGIN PERFORM pg_advisory_lock(2), pg_advisory_lock_shared(3), pg_advisory_lock(0, 4); END $$;",
    "CREATE TEMP TABLE scratch (id INTEGER);",
    "SET ROLE ROLE_OF;",
    "SET SESSION AUTHORIZATION ROLE_OF;",
    "DO $$ BEGIN EXECUTE 'SET ROLE ROLE_OF'; END $$;",
    "SET LOCAL work_mem = '3MB';",
    "SET LOCAL ROLE ROLE_OF;",
    "SET client_min_messages = error;\nSET lock_timeout = '7s';\nSET statement_timeout = '7min';\nSET synchronous_commit = off;",
];

/// The role belongs to this test.
async fn role(db: &Db) -> String {
    let name = db.url().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let role = format!("role_{name}");
    db.execute(&format!("CREATE ROLE {role}; GRANT ALL ON SCHEMA public TO {role}")).await;
    role
}

#[tokio::test]
async fn session_changes_of_a_migration_do_not_stay() {
    for (whole, outside, lent) in [
        (false, false, false),
        (false, false, true),
        (true, false, false),
        (true, false, true),
        (false, true, false),
        (false, true, true),
    ] {
        let Some(db) = Db::postgres() else { return };
        let role = role(&db).await;
        let mut files = vec![("0001_ground.sql".to_owned(), ground()), ("0002_note.sql".to_owned(), NOTES.to_owned())];
        for (number, change) in CHANGES.iter().enumerate() {
            if outside && (change.contains("LOCAL") || change.contains("DECLARE")) {
                continue;
            }
            let head = if outside { "-- lockgate: no-transaction\n" } else { "" };
            let change = change.replace("ROLE_OF", &role);
            let at = 10 + 2 * number;
            files.push((format!("{at:04}_change.sql"), format!("{head}{change}")));
            files.push((format!("{:04}_note.sql", at + 1), NOTES.to_owned()));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let set = migrations(&files);
        let atomicity = if whole { Atomicity::WholeRun } else { Atomicity::PerMigration };
        let migrator = Migrator::new(set).atomicity(atomicity);
        let which = format!("whole {whole}, outside {outside}, lent {lent}");
        let mut connection = PgConnection::connect(&db.url()).await.unwrap();
        let question = format!("SELECT concat({STATE}, current_setting('synchronous_commit'))");
        let state = || AssertSqlSafe(question.clone());
        let before: String = sqlx::query_scalar(state()).fetch_one(&mut connection).await.unwrap();
        let ran = if lent {
            migrator.apply(&mut connection).await
        } else {
            // The pool's own connections too.
            let pool = PgPoolOptions::new().max_connections(1).connect(&db.url()).await.unwrap();
            let ran = migrator.apply(&pool).await;
            let after: String = sqlx::query_scalar(state()).fetch_one(&pool).await.unwrap();
            assert_eq!(after, before, "{which}: the pool");
            ran
        };
        ran.unwrap_or_else(|error| panic!("{which}: {error:?}"));
        let after: String = sqlx::query_scalar(state()).fetch_one(&mut connection).await.unwrap();
        assert_eq!(after, before, "{which}: the connection");
        let notes = "SELECT n.note || ' behind ' || n.id FROM public.note n, public.note f WHERE f.id = 1 AND n.note <> f.note \
                     ORDER BY n.id";
        assert_eq!(db.texts(notes).await, [""; 0], "{which}");
        let by = "SELECT DISTINCT applied_by FROM lockgate_history";
        assert_eq!(db.texts(by).await, ["postgres"], "{which}");
        db.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
    }
}

#[tokio::test]
async fn a_seed_is_set_once_and_not_before_each_statement() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nSET seed = 0.5;\nCREATE TABLE r (r float8);\n\
                  INSERT INTO r SELECT random();\nINSERT INTO r SELECT random();";
    Migrator::new(migrations(&[("0001_a.sql", script)])).apply(&mut db.open().await).await.unwrap();
    assert_eq!(db.texts("SELECT count(DISTINCT r)::text FROM r").await, ["2"]);
}

/// Changes of the session that the text of the second migration does not show, because a trigger or a view makes them.
const REACHES: [&str; 9] = [
    "INSERT INTO t VALUES (1);",
    "UPDATE t SET a = 2;",
    "DELETE FROM t;",
    "TRUNCATE t;",
    "SELECT * FROM v;",
    "TABLE v;",
    "CREATE TABLE copied AS TABLE v;",
    "EXPLAIN ANALYZE SELECT * FROM v;",
    "MERGE INTO t USING v ON true WHEN MATCHED THEN DELETE;",
];

#[tokio::test]
async fn code_behind_a_trigger_or_a_view_changes_the_session_of_no_later_migration() {
    let code = "CREATE SCHEMA app; CREATE TABLE app.n (n int); CREATE TABLE n (n int); CREATE TABLE t (a int); \
                INSERT INTO t VALUES (0); \
                CREATE FUNCTION sets() RETURNS text LANGUAGE plpgsql AS $$BEGIN \
                RETURN set_config('search_path', 'app', false); END$$; CREATE VIEW v AS SELECT public.sets(); \
                CREATE FUNCTION changes() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \
                SET search_path = app; RETURN coalesce(new, old); END$$; \
                CREATE TRIGGER changes BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION changes(); \
                CREATE TRIGGER empties BEFORE TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION changes();";
    for reaches in REACHES {
        for (before, atomicity) in
            [(true, Atomicity::PerMigration), (false, Atomicity::PerMigration), (false, Atomicity::WholeRun)]
        {
            let Some(db) = Db::postgres() else { return };
            let files = [("0001_a.sql", code), ("0002_b.sql", reaches), ("0003_c.sql", "INSERT INTO n VALUES (3);")];
            let mut database = db.open().await;
            if before {
                Migrator::new(migrations(&files[..1])).apply(&mut database).await.unwrap();
            }
            Migrator::new(migrations(&files)).atomicity(atomicity).apply(&mut database).await.unwrap();
            let rows = "SELECT 'public ' || n FROM public.n UNION ALL SELECT 'app ' || n FROM app.n";
            assert_eq!(db.texts(rows).await, ["public 3"], "{reaches} {before} {atomicity:?}");
        }
    }
}

#[tokio::test]
async fn nothing_temporary_hides_an_object_from_a_later_migration() {
    for (temporary, atomicity) in [
        ("CREATE TABLE pg_temp.n (n int);", Atomicity::PerMigration),
        ("SELECT 99 AS n INTO TEMP n;", Atomicity::PerMigration),
        ("SELECT 99 AS n INTO pg_temp.n;", Atomicity::PerMigration),
        ("CREATE TYPE pg_temp.mood AS ENUM ('scratch');", Atomicity::PerMigration),
        ("CREATE DOMAIN pg_temp.mood AS text;", Atomicity::PerMigration),
        ("CREATE TYPE pg_temp.mood AS (scratch int);", Atomicity::PerMigration),
        ("CREATE TEMP TABLE n ON COMMIT DROP AS SELECT 99 AS n;", Atomicity::WholeRun),
        ("CREATE TYPE pg_temp.mood AS ENUM ('scratch');", Atomicity::WholeRun),
    ] {
        let Some(db) = Db::postgres() else { return };
        let set = migrations(&[
            ("0001_a.sql", "CREATE TABLE n (n int); CREATE TYPE mood AS ENUM ('ok');"),
            ("0002_b.sql", temporary),
            ("0003_c.sql", "INSERT INTO n VALUES (3); CREATE TABLE t (id int, m mood);"),
        ]);
        Migrator::new(set).atomicity(atomicity).apply(&mut db.open().await).await.unwrap();
        let found = "SELECT n::text FROM public.n UNION ALL \
                     SELECT attname::text FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attnum > 0 AND NOT attisdropped";
        assert_eq!(db.texts(found).await, ["3", "id", "m"], "{temporary} {atomicity:?}");
    }
}

async fn changes(tx: &mut Transaction<'_>) -> StepResult {
    for sql in [
        "SET work_mem = '1MB'; SET search_path = pg_catalog; LISTEN channel; PREPARE prepared AS SELECT 1",
        "SELECT pg_advisory_lock(1); CREATE TEMP TABLE scratch (id INTEGER); SET session_replication_role = replica",
        "DECLARE held CURSOR WITH HOLD FOR SELECT 1",
    ] {
        tx.execute(sql).await?;
    }
    Ok(())
}
static CHANGES_IN_RUST: &[RustStep] = &[RustStep { version: 3, up: |tx| Box::pin(changes(tx)), down: None }];

async fn changes_and_fails(tx: &mut Transaction<'_>) -> StepResult {
    changes(tx).await?;
    Err("on purpose".into())
}
static CHANGES_AND_FAILS: &[RustStep] =
    &[RustStep { version: 3, up: |tx| Box::pin(changes_and_fails(tx)), down: None }];

const STEP: &str = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";

#[tokio::test]
async fn session_changes_of_a_step_do_not_stay_on_success_or_failure() {
    for (steps, works) in [(CHANGES_IN_RUST, true), (CHANGES_AND_FAILS, false)] {
        for whole in [false, true] {
            let Some(db) = Db::postgres() else { return };
            let first = ground();
            let files = [("0001_ground.sql", first.as_str()), ("0002_note.sql", NOTES)];
            db.apply(migrations(&files)).await;
            let set = with_steps(&[&files[..], &[("0003_step.rs", STEP), ("0004_note.sql", NOTES)]].concat(), steps);
            let atomicity = if whole { Atomicity::WholeRun } else { Atomicity::PerMigration };
            let migrator = Migrator::new(set).atomicity(atomicity);
            let mut lent = PgConnection::connect(&db.url()).await.unwrap();
            let state = "SELECT public.state()";
            let before: String = sqlx::query_scalar(state).fetch_one(&mut lent).await.unwrap();
            assert_eq!(migrator.apply(&mut lent).await.is_ok(), works);
            let after: String = sqlx::query_scalar(state).fetch_one(&mut lent).await.unwrap();
            assert_eq!(after, before, "{works} {whole}");
            if works {
                assert_eq!(db.texts("SELECT count(DISTINCT note)::text FROM note").await, ["1"], "{whole}");
            }
        }
    }
}

/// A script that fails after it changed the session leaves nothing either.
#[tokio::test]
async fn session_changes_of_a_failed_script_do_not_stay() {
    for change in CHANGES {
        if change.contains("ROLE_OF") {
            continue;
        }
        for head in ["", "-- lockgate: no-transaction\n"] {
            if !head.is_empty() && (change.contains("LOCAL") || change.contains("DECLARE")) {
                continue;
            }
            let Some(db) = Db::postgres() else { return };
            let first = ground();
            let files = [("0001_ground.sql", first.as_str())];
            db.apply(migrations(&files)).await;
            let script = format!("{head}{change}\nSELECT 1 / 0;");
            let set = migrations(&[files[0], ("0002_x.sql", &script)]);
            let mut lent = PgConnection::connect(&db.url()).await.unwrap();
            let state = "SELECT public.state()";
            let before: String = sqlx::query_scalar(state).fetch_one(&mut lent).await.unwrap();
            let error = Migrator::new(set).apply(&mut lent).await.unwrap_err();
            reports(&error, ErrorKind::Failed, &["division by zero"]);
            let after: String = sqlx::query_scalar(state).fetch_one(&mut lent).await.unwrap();
            assert_eq!(after, before, "{head}{change}");
        }
    }
}

/// A pool whose connections use another role than the login role keeps that role.
#[tokio::test]
async fn a_pool_s_session_authorization_stays() {
    let Some(db) = Db::postgres() else { return };
    let role = role(&db).await;
    let hook = format!("SET SESSION AUTHORIZATION {role}; SET app.tenant = 'ann'");
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .after_connect(move |connection, _| {
            let hook = AssertSqlSafe(hook.clone());
            Box::pin(async move {
                connection.execute(hook).await?;
                Ok(())
            })
        })
        .connect(&db.url())
        .await
        .unwrap();
    let look = "INSERT INTO public.note VALUES (concat(current_user, ' ', session_user));";
    let set = migrations(&[
        ("0001_note.sql", "CREATE TABLE public.note (note TEXT);"),
        ("0002_x.sql", &format!("SET work_mem = '1MB';\n{look}")),
        ("0003_do.sql", &format!("DO $$ BEGIN EXECUTE 'RESET ROLE'; END $$;\n{look}")),
        ("0004_outside.sql", &format!("-- lockgate: no-transaction\nSET work_mem = '1MB';\n{look}\nVACUUM note;")),
        ("0005_resets.sql", "RESET SESSION AUTHORIZATION;\nSELECT 1;"),
        ("0006_last.sql", look),
    ]);
    let who = "SELECT concat(current_user, ' ', session_user, ' ', current_setting('app.tenant', true))";
    let expected = format!("{role} {role} ann");
    Migrator::new(set).apply(&pool).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(sqlx::query_scalar::<_, String>(who).fetch_one(&pool).await.unwrap(), expected);
    let more = migrations(&[("0001_x.sql", "SET work_mem = '2MB';\nSELECT 1 / 0;")]);
    Migrator::new(more).set_name("more").apply(&pool).await.unwrap_err();
    assert_eq!(sqlx::query_scalar::<_, String>(who).fetch_one(&pool).await.unwrap(), expected);
    let by = "SELECT DISTINCT note FROM public.note UNION SELECT DISTINCT applied_by FROM lockgate_history ORDER BY 1";
    assert_eq!(db.texts(by).await, [role.clone(), format!("{role} {role}")]);
    pool.close().await;

    // The same with a connection of the caller's.
    let mut lent = PgConnection::connect(&db.url()).await.unwrap();
    lent.execute(AssertSqlSafe(format!("SET SESSION AUTHORIZATION {role}; SET app.tenant = 'ann'"))).await.unwrap();
    let again = migrations(&[
        ("0001_x.sql", "SET work_mem = '2MB';\nRESET ROLE;"),
        ("0002_y.sql", "-- lockgate: no-transaction\nSELECT 1;"),
    ]);
    Migrator::new(again).set_name("again").apply(&mut lent).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(sqlx::query_scalar::<_, String>(who).fetch_one(&mut lent).await.unwrap(), expected);
    drop(lent);
    db.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
}
