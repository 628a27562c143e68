//! Scripts outside a transaction on PostgreSQL. No statement is sent twice unless it is known not to have taken effect,
//! whichever message is interrupted. Only one run at a time works on a script. Reports match the database.

use std::time::Duration;

use lockgate::{Database, DownTo, ErrorKind, Migrations, Migrator, Repair, UpTo, Version};
use sqlx::{Connection, PgConnection};

use lockgate_cli::clap; // for the derives

use super::{cut_at_each_message, reports};
use crate::support::database::Db;
use crate::support::postgres;
use crate::support::set::migrations;
use crate::support::wire::{Cut, Wire};

const GROUND: &str = "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0); CREATE TABLE m (m INTEGER);\n\
    CREATE SCHEMA app; CREATE TABLE app.m (m INTEGER);\n\
    CREATE TABLE account (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO account VALUES (1, 100), (2, 100);\n\
    CREATE INDEX old ON account (v); CREATE INDEX hidden ON app.m (m);";

const UP: &str = "-- lockgate: no-transaction\n\
    UPDATE n SET n = n + 1;\n\
    SET search_path = app, public;\n\
    INSERT INTO m VALUES (7);\n\
    CREATE UNIQUE INDEX CONCURRENTLY account_v ON account (id, v);\n\
    BEGIN;\nUPDATE account SET v = v - 10 WHERE id = 1;\nUPDATE account SET v = v + 10 WHERE id = 2;\nCOMMIT;\n\
    DROP INDEX CONCURRENTLY public.old;\n\
    DROP INDEX CONCURRENTLY hidden;\n\
    REINDEX TABLE CONCURRENTLY account;\n\
    UPDATE n SET n = n + 1;\n\
    SELECT 1;\n";

const DOWN: &str = "-- lockgate: no-transaction\n\
    CREATE INDEX CONCURRENTLY old ON account (v);\n\
    SELECT set_config('search_path', 'app, public', false);\n\
    DELETE FROM m;\n\
    DROP INDEX CONCURRENTLY public.account_v;\n\
    CREATE INDEX CONCURRENTLY hidden ON m (m);\n\
    UPDATE n SET n = n - 2;\n\
    START TRANSACTION;\nUPDATE account SET v = v - 10 WHERE id = 2;\nUPDATE account SET v = v + 10 WHERE id = 1;\nEND;\n";

fn set() -> &'static Migrations {
    migrations(&[("0001_ground.sql", GROUND), ("0002_x.up.sql", UP), ("0002_x.down.sql", DOWN)])
}

/// The counter, the rows of `app.m` and `public.m`, the accounts, and the valid indexes.
async fn state(connection: &mut PgConnection) -> String {
    let sql = "SELECT concat_ws(' ', (SELECT n FROM n), (SELECT count(*) FROM app.m), (SELECT count(*) FROM m), \
               (SELECT string_agg(v::text, ',' ORDER BY id) FROM account), \
               (SELECT string_agg(c.relname || CASE WHEN indisvalid THEN '' ELSE '!' END, ',' ORDER BY c.relname) \
               FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid IN ('account'::regclass, 'app.m'::regclass)))";
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

const BEFORE: &str = "0 0 0 100,100 account_pkey,hidden,old";
const AFTER: &str = "2 1 0 90,110 account_pkey,account_v";

/// Waits until no other session is connected to this database.
async fn alone(connection: &mut PgConnection) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut *connection).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
}

async fn cut_everywhere(up: bool) {
    let Some(database) = postgres::database() else { return };
    let migrator = Migrator::new(set());
    let to = |version| UpTo::Version(Version::new(version).unwrap());
    let down = DownTo::Version(Version::new(1).unwrap());
    let mut connection = database.connect().await;
    migrator.apply_to(&mut connection, to(if up { 1 } else { 2 })).await.unwrap();
    let ends = if up { AFTER } else { BEFORE };
    let run = async |database: &mut Database| match up {
        true => migrator.apply(database).await,
        false => migrator.revert(database, down).await,
    };
    let after = async |cut: Cut, ran: Result<_, _>| {
        alone(&mut connection).await;
        let again = match up {
            true => migrator.apply(&mut connection).await,
            false => migrator.revert(&mut connection, down).await,
        };
        again.unwrap_or_else(|error| panic!("{cut:?}: {error:?}\nafter {ran:?}"));
        assert_eq!(state(&mut connection).await, ends, "{cut:?}");
        // Go back for the next cut.
        match up {
            true => migrator.revert(&mut connection, down).await,
            false => migrator.apply(&mut connection).await,
        }
        .unwrap_or_else(|error| panic!("{cut:?}: {error:?}"));
    };
    let message = cut_at_each_message(&database.url(), run, after).await;
    assert!(message > 12, "{message} messages");
}

/// A resumed run must not write a row elsewhere because a setting made by code is gone with its session.
#[tokio::test]
async fn settings_made_by_code_are_restored_before_a_script_is_resumed() {
    let in_body = "SET search_path = app, public";
    for (code, sets) in [
        ("DO $$ BEGIN UPDATE n SET n = n + 1; PERFORM set_config('search_path', 'app, public', false); END $$;", true),
        (&*format!("DO $$ BEGIN UPDATE n SET n = n + 1; {in_body}; END $$;"), true),
        (&*format!("DO 'BEGIN UPDATE n SET n = n + 1; EXECUTE ''{in_body}''; END';"), true),
        // None of these lasts.
        ("DO $$ BEGIN UPDATE n SET n = n + 1; SET LOCAL search_path = app, public; END $$;", false),
        ("DO $$ BEGIN UPDATE n\nSET n = n + 1; PERFORM set_config('search_path', 'app', true); END $$;", false),
    ] {
        let Some(db) = Db::postgres() else { return };
        let script = |rest: &str| format!("-- lockgate: no-transaction\n{code}\n{rest}\nINSERT INTO m VALUES (7);");
        let set = |rest: &str| migrations(&[("0001_ground.sql", GROUND), ("0002_x.sql", &script(rest))]);
        let mut database = Database::connect(&db.url()).await.unwrap();
        let error = Migrator::new(set("SELECT 1 / 0;")).apply(&mut database).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["division by zero", "1 of its 3 statements have finished"]);
        let places = || async {
            let rows = "SELECT concat_ws(' ', (SELECT n FROM n), (SELECT count(*) FROM app.m), (SELECT count(*) FROM public.m))";
            db.texts(rows).await.remove(0)
        };
        let resumed = Migrator::new(set("SELECT 1;")).apply(&mut database).await;
        if !sets {
            resumed.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(places().await, "1 0 1", "{code}");
            continue;
        }
        let says =
            ["`0002_x` could not begin", "statement 1 changed the session by code", "`SET …`", "1 of its 3 statements"];
        reports(&resumed.unwrap_err(), ErrorKind::Failed, &says);
        assert_eq!(places().await, "1 0 0", "{code}");
        // Follow the message.
        let output = Migrator::new(set("SET search_path = app, public;")).apply(&mut database).await;
        output.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(places().await, "1 1 0", "{code}");
    }
}

/// A resumed run must not write elsewhere because a temporary table, or a setting made within a transaction or a query,
/// is gone with its session.
#[tokio::test]
async fn what_the_session_had_is_made_again_before_a_script_is_resumed() {
    for (code, total, says, answers) in [
        (
            "CREATE TEMP TABLE m (m int);",
            3,
            ["statement 1 made a temporary object", "`DISCARD TEMP`"],
            ["CREATE TEMP TABLE m (m int);", "DISCARD TEMP;"],
        ),
        (
            "BEGIN; SET search_path = app; COMMIT;",
            5,
            ["statement 2 changed settings of the session", "`RESET ALL`"],
            ["SET search_path = app;", "RESET ALL;"],
        ),
        (
            "SAVEPOINT a; SET search_path = app; RELEASE a;",
            5,
            ["statement 2 changed settings of the session", "`RESET ALL`"],
            ["SET search_path = app;", "RESET ALL;"],
        ),
        (
            "INSERT INTO public.n SELECT length(set_config('search_path', 'app', false));",
            3,
            ["statement 1 changed settings of the session", "`RESET ALL`"],
            ["SET search_path = app;", "RESET ALL;"],
        ),
        (
            "DO $$ BEGIN PERFORM set_config('search_path', 'app', false); END $$;",
            3,
            ["statement 1 changed the session by code", "`RESET ALL`"],
            ["SET search_path = app;", "RESET ALL;"],
        ),
    ] {
        for (answer, kept) in answers.into_iter().zip(["1", "0"]) {
            for up in [true, false] {
                let Some(db) = Db::postgres() else { return };
                let ground = format!("{GROUND} INSERT INTO m VALUES (1);");
                let script = |rest: &str| format!("-- lockgate: no-transaction\n{code}\n{rest}\nDELETE FROM m;");
                let set = |rest: &str| {
                    let script = script(rest);
                    match up {
                        true => migrations(&[("0001_ground.sql", &ground), ("0002_x.sql", &script)]),
                        false => migrations(&[
                            ("0001_ground.sql", &ground),
                            ("0002_x.up.sql", "SELECT 1;"),
                            ("0002_x.down.sql", &script),
                        ]),
                    }
                };
                let run = async |rest: &str| {
                    let mut database = db.open().await;
                    let migrator = Migrator::new(set(rest));
                    match up {
                        true => migrator.apply(&mut database).await,
                        false => migrator.revert(&mut database, DownTo::Version(Version::new(1).unwrap())).await,
                    }
                };
                if !up {
                    db.apply(set("SELECT 1;")).await;
                }
                let finished = format!("{} of its {total} statements have finished", total - 2);
                reports(&run("SELECT 1 / 0;").await.unwrap_err(), ErrorKind::Failed, &["division by zero", &finished]);
                // The second is another setting than the one that is lost.
                for rest in ["SELECT 1;", "SET lock_timeout = '5s';"] {
                    reports(&run(rest).await.unwrap_err(), ErrorKind::Failed, &says);
                    assert_eq!(db.texts("SELECT count(*)::text FROM public.m").await, ["1"], "{code} {rest}");
                }
                run(answer).await.unwrap_or_else(|error| panic!("{code} {answer}: {error:?}"));
                assert_eq!(db.texts("SELECT count(*)::text FROM public.m").await, [kept], "{code} {answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_script_cut_at_each_message_takes_effect_once() {
    cut_everywhere(true).await;
}

#[tokio::test]
async fn a_script_cut_at_each_message_is_undone_once() {
    cut_everywhere(false).await;
}

const CALLS: &str = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nCALL twice();\nUPDATE n SET n = n + 100;\n";

fn calls() -> &'static Migrations {
    let procedure = "CREATE PROCEDURE twice() LANGUAGE plpgsql AS $$ BEGIN UPDATE n SET n = n + 10; COMMIT; \
                     UPDATE n SET n = n + 10; COMMIT; END $$;";
    migrations(&[("0001_ground.sql", &format!("{GROUND}\n{procedure}")), ("0002_call.sql", CALLS)])
}

/// A database in which a CALL was interrupted, and the report of the next run.
async fn a_call_cut_off(cut: fn(usize) -> Cut) -> Option<(postgres::Database, PgConnection, lockgate::Error)> {
    let to_ground = UpTo::Version(Version::new(1).unwrap());
    let migrator = Migrator::new(calls());
    let (mut message, mut found) = (None, None);
    // The first run finds out which message it is, the second is cut there.
    for _ in 0..2 {
        let database = postgres::database()?;
        let mut connection = database.connect().await;
        migrator.apply_to(&mut connection, to_ground).await.unwrap();
        let wire = Wire::in_front_of(&database.url()).await;
        let mut through = Database::connect(&wire.url()).await.unwrap();
        wire.reset();
        if let Some(message) = message {
            wire.cut(cut(message));
        }
        let ran = migrator.apply(&mut through).await;
        assert_eq!(ran.is_ok(), message.is_none(), "{ran:?}");
        message = wire.counts().sql.iter().position(|sql| sql.starts_with("CALL")).map(|at| at + 1);
        found = Some((database, connection, wire, through));
    }
    let (database, mut connection, wire, through) = found?;
    drop((through, wire));
    alone(&mut connection).await;
    let error = migrator.apply(&mut connection).await.unwrap_err();
    Some((database, connection, error))
}

#[tokio::test]
async fn a_call_that_may_have_committed_is_a_persons_to_answer() {
    for (finished, counter) in [(true, "121"), (false, "121")] {
        let cut = if finished { Cut::AfterQuery } else { Cut::BeforeQuery };
        let Some((_database, mut connection, error)) = a_call_cut_off(cut).await else { return };
        reports(
            &error,
            ErrorKind::Refused,
            &[
                "it is unknown whether statement 2 of 3 of `0002_call` has finished",
                "migrations/0002_call.sql:3:1",
                "1 of its 3 statements have finished and stay",
                "`repair --finished 0002_call`",
                "`repair --again 0002_call`",
            ],
        );
        let migrator = Migrator::new(calls());
        let two = Version::new(2).unwrap();
        let repair = if finished { Repair::Finished(two) } else { Repair::Again(two) };
        migrator.repair(&mut connection, repair).await.unwrap();
        migrator.apply(&mut connection).await.unwrap();
        let n: i32 = sqlx::query_scalar("SELECT n FROM n").fetch_one(&mut connection).await.unwrap();
        assert_eq!(n.to_string(), counter);
        let again = migrator.repair(&mut connection, repair).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Refused);
        assert!(again.to_string().contains("`0002_call` has no statement with an unknown outcome"), "{again:?}");
    }
}

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    options: lockgate_cli::Options,
    #[command(subcommand)]
    verb: lockgate_cli::Verb,
}

#[tokio::test]
async fn the_commands_in_the_refusal_work() {
    let Some((database, mut connection, error)) = a_call_cut_off(Cut::AfterQuery).await else { return };
    let help = error.report_for(lockgate::Audience::CommandLine).help().join("\n");
    let typed = help.split('`').find(|words| words.starts_with("repair --finished")).unwrap().to_owned();
    let cli = lockgate_cli::Cli::new(calls());
    let url = database.url();
    let words: Vec<&str> = ["app", "--database-url", &url].into_iter().chain(typed.split(' ')).collect();
    let arguments: Arguments = cli.parse_from(words).unwrap();
    assert_eq!(cli.run(&arguments.options, &arguments.verb).await, lockgate_cli::Exit::Done);
    Migrator::new(calls()).apply(&mut connection).await.unwrap();
    let n: i32 = sqlx::query_scalar("SELECT n FROM n").fetch_one(&mut connection).await.unwrap();
    assert_eq!(n, 121);
}

#[tokio::test]
async fn a_call_that_the_server_refuses_is_sent_again() {
    let Some(db) = Db::postgres() else { return };
    let wrong = migrations(&[("0001_ground.sql", GROUND), ("0002_call.sql", CALLS)]);
    let mut database = db.open().await;
    let error = Migrator::new(wrong).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["procedure twice() does not exist", "1 of its 3 statements"]);
    db.execute("CREATE PROCEDURE twice() LANGUAGE SQL AS $$ UPDATE n SET n = n + 20 $$").await;
    Migrator::new(wrong).apply(&mut database).await.unwrap();
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["121"]);
}

#[tokio::test]
async fn a_block_that_fails_leaves_nothing_of_itself() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nBEGIN;\n\
                  UPDATE account SET v = v - 10 WHERE id = 1;\nUPDATE account SET w = v + 10 WHERE id = 2;\nCOMMIT;\nSELECT 1;";
    let mut database = db.open().await;
    let set = migrations(&[("0001_ground.sql", GROUND), ("0002_move.sql", script)]);
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "failed at statement 4 of 6",
            "migrations/0002_move.sql:5:20",
            "1 of its 6 statements have finished and stay",
        ],
    );
    let accounts = "SELECT string_agg(v::text, ',' ORDER BY id) FROM account";
    assert_eq!(db.texts(accounts).await, ["100,100"]);
    let set = migrations(&[("0001_ground.sql", GROUND), ("0002_move.sql", &script.replace("SET w", "SET v"))]);
    Migrator::new(set).apply(&mut database).await.unwrap();
    assert_eq!(db.texts(accounts).await, ["90,110"]);
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["1"]);
}

#[tokio::test]
async fn blocks_of_every_kind_run() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nBEGIN; UPDATE n SET n = 50; ROLLBACK;\n\
                  BEGIN ISOLATION LEVEL SERIALIZABLE; SET TRANSACTION READ ONLY; SELECT n FROM n; COMMIT;\n\
                  START TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION DEFERRABLE; SAVEPOINT a;\n\
                  UPDATE n SET n = n + 1; ROLLBACK TO a; UPDATE n SET n = n + 2; RELEASE a; END;\n\
                  SAVEPOINT b; UPDATE n SET n = n + 4; RELEASE b;\nCOMMIT;\nLOCK TABLE n;\n\
                  DO $$ BEGIN EXECUTE 'COM' || 'MIT'; EXCEPTION WHEN OTHERS THEN NULL; END $$;\nDISCARD ALL;\n";
    let set = migrations(&[("0001_ground.sql", GROUND), ("0002_blocks.sql", script)]);
    let mut database = db.open().await;
    Migrator::new(set).apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["6"]);
    for (block, says) in [
        ("BEGIN;\nSELECT 1;", "the transaction that begins here does not end in the script: add a COMMIT"),
        ("BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;", "progress cannot be recorded after `AND CHAIN`"),
    ] {
        let script = format!("-- lockgate: no-transaction\nUPDATE n SET n = 0;\n{block}");
        let fresh = Db::postgres().unwrap();
        let set = migrations(&[("0001_ground.sql", GROUND), ("0002_y.sql", &script)]);
        let mut database = fresh.open().await;
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &[says]);
        assert_eq!(fresh.history().await, ["1:applied"]);
    }
}

#[tokio::test]
async fn the_role_that_a_script_sets_does_not_write_its_row() {
    let Some(db) = Db::postgres() else { return };
    let role = format!("own_{}", std::process::id());
    db.execute(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role}")).await;
    let script = format!(
        "-- lockgate: no-transaction\nGRANT ALL ON n TO {role};\nSET ROLE {role};\nUPDATE n SET n = n + 1;\nSELECT 1;\n"
    );
    let set =
        migrations(&[("0001_ground.sql", GROUND), ("0002_role.sql", &script), ("0003_z.sql", "CREATE TABLE z ()")]);
    let mut database = db.open().await;
    Migrator::new(set).apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["1"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    db.execute(&format!("REVOKE ALL ON n FROM {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn runners_at_once_run_a_script_once() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nSELECT pg_sleep(0.05);\nVACUUM n;\nUPDATE n SET n = n + 1;";
    let set = migrations(&[("0001_ground.sql", GROUND), ("0002_x.sql", script)]);
    db.apply(migrations(&[("0001_ground.sql", GROUND)])).await;
    let runners = (0..4).map(|_| {
        let url = db.url();
        tokio::spawn(async move {
            let mut database = Database::connect(&url).await.unwrap();
            Migrator::new(set).apply(&mut database).await.map(|report| report.steps.len())
        })
    });
    let mut steps = 0;
    for runner in runners.collect::<Vec<_>>() {
        steps += runner.await.unwrap().unwrap_or_else(|error| panic!("{error:?}"));
    }
    assert_eq!(steps, 1, "one of them ran it");
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["2"]);
}

#[tokio::test]
async fn a_live_owner_is_waited_for_and_a_dead_one_is_not() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nVACUUM nowhere;\nUPDATE n SET n = n + 1;";
    let mut database = db.open().await;
    let set = migrations(&[("0001_ground.sql", GROUND), ("0002_x.sql", script)]);
    Migrator::new(set).apply(&mut database).await.unwrap_err();
    let right = migrations(&[("0001_ground.sql", GROUND), ("0002_x.sql", &script.replace("nowhere", "n"))]);
    let mut other = PgConnection::connect(&db.url()).await.unwrap();
    let claim = "UPDATE lockgate_history SET owner = (SELECT pid || '/' || to_char(backend_start AT TIME ZONE 'UTC', \
                 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM pg_stat_activity WHERE pid = pg_backend_pid()) WHERE version = 2";
    sqlx::raw_sql(claim).execute(&mut other).await.unwrap();
    let impatient = Migrator::new(right).lock_wait(Duration::from_millis(100));
    let error = impatient.apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Locked, &["held by pid ", "which is working on `0002_x`"]);
    other.close().await.unwrap();
    let mut watching = PgConnection::connect(&db.url()).await.unwrap();
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'UPDATE lockgate_history SET owner = (SELECT pid%'";
    while sqlx::query_scalar::<_, i64>(gone).fetch_one(&mut watching).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    impatient.apply(&mut database).await.unwrap();
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["2"]);
    // A process with the same pid but another start time is another session.
    let sql = "SELECT concat(owner, under_way) FROM lockgate_history";
    assert_eq!(db.texts(sql).await, ["", ""], "nobody is at work on what is applied");
}

#[tokio::test]
async fn a_history_of_an_earlier_release_is_extended() {
    let Some(db) = Db::postgres() else { return };
    db.apply(migrations(&[("0001_ground.sql", GROUND)])).await;
    db.execute("ALTER TABLE lockgate_history DROP COLUMN owner, DROP COLUMN under_way").await;
    let set = migrations(&[("0001_ground.sql", GROUND), ("0002_x.sql", "-- lockgate: no-transaction\nVACUUM n;")]);
    assert_eq!(db.apply(set).await.steps.len(), 1);
    assert_eq!(db.apply(set).await.steps.len(), 0);
}

#[tokio::test]
async fn a_history_that_accepts_no_row_is_reported() {
    let Some(db) = Db::postgres() else { return };
    db.apply(migrations(&[("0001_ground.sql", GROUND)])).await;
    db.execute(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
         CREATE TRIGGER swallow BEFORE INSERT OR UPDATE ON lockgate_history FOR EACH ROW EXECUTE FUNCTION swallow()",
    )
    .await;
    let script = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nVACUUM n;";
    let set = migrations(&[("0001_ground.sql", GROUND), ("0002_x.sql", script)]);
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["the history table did not take the row"]);
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["0"]);
}

/// A block that calls a procedure that commits does not show that: the server refuses it in a transaction, and it runs
/// alone.
#[tokio::test]
async fn a_block_that_calls_a_committing_procedure_takes_effect_once() {
    let Some(db) = Db::postgres() else { return };
    let procedure = "CREATE PROCEDURE moves() LANGUAGE plpgsql AS $$ BEGIN UPDATE n SET n = n + 1; COMMIT; \
                     UPDATE n SET n = n + 10; END $$;";
    let script = "-- lockgate: no-transaction\nUPDATE n SET n = n + 100;\nDO $$ BEGIN CALL moves(); END $$;\nUPDATE n SET n = n + 1000;";
    let set = migrations(&[("0001_ground.sql", GROUND), ("0002_p.sql", procedure), ("0003_x.sql", script)]);
    assert_eq!(db.apply(set).await.steps.len(), 3);
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["1111"]);
}

/// `SET TRANSACTION` outside a transaction has no effect, and a block is recorded before it becomes read-only.
#[tokio::test]
async fn a_script_that_sets_read_only_can_still_be_recorded() {
    let Some(database) = postgres::database() else { return };
    let more = "UPDATE n SET n = n + 1;";
    let script = format!(
        "-- lockgate: no-transaction\nSET TRANSACTION READ ONLY;\n{more}\nSET transaction_read_only = on;\n{more}\n\
         SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n{more}\n\
         BEGIN;\n{more}\nSET TRANSACTION READ ONLY;\nSELECT 1;\nCOMMIT;\n\
         BEGIN;\n{more}\nSET LOCAL transaction_read_only = on;\nSELECT 1;\nCOMMIT;\n\
         BEGIN READ ONLY;\nSET TRANSACTION READ WRITE;\n{more}\nCOMMIT;\n\
         BEGIN;\nSET transaction_read_only = on;\nSELECT 1;\nCOMMIT;\n\
         BEGIN READ ONLY;\nSELECT 1;\nCOMMIT;\n\
         BEGIN;\nSET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;\n{more}\nCOMMIT;\n"
    );
    let set =
        migrations(&[("0001_n.sql", "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0);"), ("0002_x.sql", &script)]);
    let migrator = Migrator::new(set);
    let mut connection = database.connect().await;
    migrator.apply_to(&mut connection, UpTo::Steps(1)).await.unwrap();
    let after = async |cut: Cut, _| {
        alone(&mut connection).await;
        migrator.apply(&mut connection).await.unwrap_or_else(|error| panic!("{cut:?}: {error:?}"));
        let n: i32 = sqlx::query_scalar("SELECT n FROM n").fetch_one(&mut connection).await.unwrap();
        assert_eq!(n, 7, "{cut:?}");
        let again = "UPDATE n SET n = 0; DELETE FROM lockgate_history WHERE version = 2";
        sqlx::raw_sql(again).execute(&mut connection).await.unwrap();
    };
    let run = async |database: &mut Database| migrator.apply(database).await;
    let message = cut_at_each_message(&database.url(), run, after).await;
    assert!(message > 10, "{message} messages");
}

/// The help for a session that may write does not advise another server.
#[tokio::test]
async fn a_script_that_makes_itself_read_only_is_reported() {
    let Some(db) = Db::postgres() else { return };
    for script in [
        "SET TRANSACTION READ ONLY;\nCREATE TABLE b (id INTEGER);",
        "SELECT 1;\nSET transaction_read_only = on;",
        "-- lockgate: no-transaction\nBEGIN;\nSELECT set_config('transaction_read_only', 'on', true);\nCOMMIT;",
    ] {
        let set = migrations(&[("0001_a.sql", "CREATE TABLE a (id INTEGER);"), ("0002_x.sql", script)]);
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["what ran made its transaction read-only", "25006"]);
        assert!(!error.report().to_string().contains("primary"), "{error:?}");
        Migrator::new(set).repair(&mut db.open().await, Repair::Forget(Version::new(2).unwrap())).await.ok();
    }
}

/// The record of a block is rolled back with it, wherever it is written.
#[tokio::test]
async fn a_block_that_cannot_be_recorded_is_rolled_back() {
    let more = "UPDATE n SET n = n + 1;";
    for block in [
        format!("BEGIN;\n{more}\nCOMMIT;"),
        format!("BEGIN;\n{more}\nSET TRANSACTION READ ONLY;\nSELECT 1;\nCOMMIT;"),
        format!("BEGIN READ ONLY;\nSET TRANSACTION READ WRITE;\n{more}\nCOMMIT;"),
        format!("BEGIN;\nSET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;\n{more}\nCOMMIT;"),
    ] {
        let Some(db) = Db::postgres() else { return };
        let ground = ("0001_n.sql", "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0);");
        db.apply(migrations(&[ground])).await;
        db.execute(
            "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$; \
             CREATE TRIGGER t BEFORE UPDATE ON lockgate_history FOR EACH ROW WHEN (NEW.statements_done > 0) \
             EXECUTE FUNCTION t()",
        )
        .await;
        let script = format!("-- lockgate: no-transaction\n{block}\nSELECT 1;");
        let set = migrations(&[ground, ("0002_x.sql", &script)]);
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["not now", "`0002_x` is partial: 0 of its"]);
        assert_eq!(db.texts("SELECT n::text FROM n").await, ["0"], "{block}");
        db.execute("DROP TRIGGER t ON lockgate_history").await;
        db.apply(set).await;
        assert_eq!(db.texts("SELECT n::text FROM n").await, ["1"], "{block}");
    }
}

/// A statement that finished but could not be recorded stays recorded as started.
#[tokio::test]
async fn a_statement_that_finished_and_could_not_be_recorded_is_not_sent_again() {
    let Some(db) = Db::postgres() else { return };
    let ground = ("0001_n.sql", "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0);");
    db.apply(migrations(&[ground])).await;
    db.execute(
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$; \
         CREATE TRIGGER t BEFORE UPDATE ON lockgate_history FOR EACH ROW WHEN (NEW.statements_done > 0) EXECUTE FUNCTION t()",
    )
    .await;
    let set =
        migrations(&[ground, ("0002_x.sql", "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY i ON n (n);")]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["`0002_x` could not be recorded", "not now"]);
    db.execute("DROP TRIGGER t ON lockgate_history").await;
    db.apply(set).await;
    assert_eq!(db.objects().await, ["i", "n"]);
}

/// Code that commits and then fails has done something, so it is not sent again by itself.
#[tokio::test]
async fn a_call_that_commits_and_fails_is_a_persons_to_answer() {
    let Some(db) = Db::postgres() else { return };
    let ground = (
        "0001_n.sql",
        "CREATE TABLE n (n INTEGER);\nINSERT INTO n VALUES (0);\nCREATE PROCEDURE bump() LANGUAGE plpgsql AS $$ BEGIN \
         UPDATE n SET n = n + 1; COMMIT; RAISE EXCEPTION 'and fails'; END $$;",
    );
    let set = migrations(&[ground, ("0002_x.sql", "-- lockgate: no-transaction\nCALL bump();")]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["and fails"]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Refused, &["it is unknown whether statement 1 of 1 of `0002_x` has finished"]);
    assert!(
        !error.report().to_string().contains("checks what the failed statement left"),
        "a person is asked: {error:?}"
    );
    assert_eq!(db.texts("SELECT n::text FROM n").await, ["1"]);
}

/// The next run completes an interrupted DETACH PARTITION.
/// The error of a deferred constraint names no place in the code, although the code has committed before.
#[tokio::test]
async fn code_that_fails_at_its_last_commit_is_a_persons_to_answer() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let ground = "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0); CREATE TABLE p (id INTEGER PRIMARY KEY);\n\
                  CREATE TABLE c (p INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED);";
    let code = "-- lockgate: no-transaction\nDO $$ BEGIN\nUPDATE n SET n = n + 1;\nCOMMIT;\nUPDATE n SET n = n + 10;\n\
                INSERT INTO c VALUES (9);\nEND $$;\n";
    let migrator = Migrator::new(migrations(&[("0001_a.sql", ground), ("0002_x.sql", code)]));
    let error = migrator.apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["violates foreign key constraint", "the next run checks what the failed"]);
    sqlx::query("INSERT INTO p VALUES (9)").execute(&mut connection).await.unwrap();
    let error = migrator.apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::Refused, &["it is unknown whether statement 1 of 1 of `0002_x` has finished"]);
    let n: i32 = sqlx::query_scalar("SELECT n FROM n").fetch_one(&mut connection).await.unwrap();
    assert_eq!(n, 1, "the code ran once");
    // A mistake in the call itself is none of the code's.
    let call = "-- lockgate: no-transaction\nCALL absent();\n";
    let set = [("0001_a.sql", ground), ("0002_x.sql", code), ("0003_y.sql", call)];
    migrator.repair(&mut connection, Repair::Finished(Version::new(2).unwrap())).await.unwrap();
    let error = Migrator::new(migrations(&set)).apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["procedure absent() does not exist"]);
    let error = Migrator::new(migrations(&set)).apply(&mut connection).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["procedure absent() does not exist"]);
}

/// Whoever corrects the script may write a statement before the one whose outcome is unknown.
#[tokio::test]
async fn nothing_is_sent_before_a_statement_whose_outcome_is_unknown() {
    let ground = "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0);";
    let script = |inserted: &str| {
        format!(
            "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\n{inserted}DO $$ BEGIN\nUPDATE n SET n = n + 10;\nCOMMIT;\n\
             PERFORM 1 / 0;\nEND $$;\nUPDATE n SET n = n + 100;\n"
        )
    };
    for inserted in ["UPDATE n SET n = n + 1000;\n", "SET lock_timeout = '5s';\n", "BEGIN;\nCOMMIT;\n"] {
        let Some(database) = postgres::database() else { return };
        let mut connection = database.connect().await;
        let set = |inserted| migrations(&[("0001_a.sql", ground), ("0002_x.sql", &script(inserted))]);
        Migrator::new(set("")).apply(&mut connection).await.unwrap_err();
        let edited = Migrator::new(set(inserted));
        for _ in 0..2 {
            let error = edited.apply(&mut connection).await.unwrap_err();
            reports(&error, ErrorKind::Refused, &["it is unknown whether statement 2"]);
        }
        // What is in its place now has never run.
        let error = edited.repair(&mut connection, Repair::Finished(Version::new(2).unwrap())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.report().to_string().contains("the script has another statement there now"), "{error:?}");
        let n: i32 = sqlx::query_scalar("SELECT n FROM n").fetch_one(&mut connection).await.unwrap();
        assert_eq!(n, 11, "{inserted}");
        Migrator::new(set("")).repair(&mut connection, Repair::Finished(Version::new(2).unwrap())).await.unwrap();
        Migrator::new(set("")).apply(&mut connection).await.unwrap();
        let n: i32 = sqlx::query_scalar("SELECT n FROM n").fetch_one(&mut connection).await.unwrap();
        assert_eq!(n, 111, "{inserted}");
    }
}

#[tokio::test]
async fn a_query_that_writes_and_sets_the_session_is_not_sent_again() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let ground = "CREATE TABLE n (n INTEGER); INSERT INTO n VALUES (0);";
    let script = "-- lockgate: no-transaction\n\
                  WITH u AS (UPDATE n SET n = n + 1 RETURNING n) SELECT set_config('my.x', n::text, false) FROM u;\n\
                  DO $$ BEGIN PERFORM 1; END $$;\nSELECT 1 / 0;\n";
    let migrator = Migrator::new(migrations(&[("0001_a.sql", ground), ("0002_x.sql", script)]));
    for _ in 0..3 {
        migrator.apply(&mut connection).await.unwrap_err();
        let n: i32 = sqlx::query_scalar("SELECT n FROM n").fetch_one(&mut connection).await.unwrap();
        assert_eq!(n, 1);
    }
}

#[tokio::test]
async fn a_partition_that_is_half_detached_is_detached_by_the_next_run() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let ground = (
        "0001_p.sql",
        "CREATE TABLE p (a INTEGER) PARTITION BY LIST (a);\nCREATE TABLE q PARTITION OF p FOR VALUES IN (1);",
    );
    let script = "-- lockgate: no-transaction\n-- lockgate: statement-timeout 100ms\nALTER TABLE p DETACH PARTITION q CONCURRENTLY;";
    let set = migrations(&[ground, ("0002_x.sql", script)]);
    Migrator::new(migrations(&[ground])).apply(&mut connection).await.unwrap();
    // The second half waits for readers of the table.
    let mut reader = database.connect().await;
    sqlx::raw_sql("BEGIN; SELECT * FROM p").execute(&mut reader).await.unwrap();
    let error = Migrator::new(set).apply(&mut connection).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &["`0002_x` is partial: 0 of its 1 statements", "the next run checks what the failed statement left"],
    );
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    assert_eq!(sqlx::query_scalar::<_, i64>(pending).fetch_one(&mut connection).await.unwrap(), 1);
    sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap();
    Migrator::new(set).apply(&mut connection).await.unwrap();
    let parents = "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'q'::regclass";
    assert_eq!(sqlx::query_scalar::<_, i64>(parents).fetch_one(&mut connection).await.unwrap(), 0);
}
