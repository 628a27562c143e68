//! SQLite: scripts outside a transaction whose run was killed, and statements with an unknown outcome.

use std::sync::Mutex;
use std::time::Duration;

use lockgate::{DownTo, ErrorKind, Event, Migrations, Migrator, Repair, Version};
use sqlx::{Connection, Executor, SqliteConnection};

use super::reports;
use crate::support::database::Db;
use crate::support::polled;
use crate::support::set::migrations;

const N: (&str, &str) = ("0001_n.sql", "CREATE TABLE n (n INTEGER);\nINSERT INTO n VALUES (0);");

async fn n(db: &Db) -> Vec<String> {
    db.texts("SELECT CAST(n AS TEXT) FROM n").await
}

fn counts() -> &'static Migrations {
    migrations(&[
        N,
        (
            "0002_c.up.sql",
            "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nSELECT 1;\nVACUUM;\nUPDATE n SET n = n + 10;\nBEGIN;\nUPDATE n SET n = n + 100;\nUPDATE n SET n = n + 100;\nCOMMIT;\nSAVEPOINT x;\nUPDATE n SET n = n + 1000;\nRELEASE x;",
        ),
        (
            "0002_c.down.sql",
            "-- lockgate: no-transaction\nUPDATE n SET n = n - 11;\nSELECT 1;\nVACUUM;\nUPDATE n SET n = n - 200;\nSAVEPOINT x;\nUPDATE n SET n = n - 1000;\nRELEASE x;",
        ),
    ])
}

/// At whatever moment the run is killed, no statement takes effect twice, up and down.
#[tokio::test]
async fn a_script_takes_effect_once_if_its_runner_dies_anywhere() {
    let (set, one) = (counts(), DownTo::Version(Version::new(1).unwrap()));
    let mut polls = 1;
    loop {
        let db = Db::sqlite().unwrap();
        db.apply(migrations(&[N])).await;
        let mut database = db.open().await;
        let up = polled(Migrator::new(set).apply(&mut database), polls).await;
        drop(database);
        db.apply(set).await;
        assert_eq!(n(&db).await, ["1211"], "gone at await {polls}");
        assert_eq!(db.history().await, ["1:applied", "2:applied"]);

        let mut database = db.open().await;
        let down = polled(Migrator::new(set).revert(&mut database, one), polls).await;
        drop(database);
        let mut database = db.open().await;
        let reverted = loop {
            // The statement of the killed run may finish only now.
            match Migrator::new(set).revert(&mut database, one).await {
                Err(error) if error.kind() == ErrorKind::PlanStale => tokio::task::yield_now().await,
                reverted => break reverted,
            }
        };
        reverted.unwrap_or_else(|error| panic!("{polls}: {error:?}"));
        assert_eq!(n(&db).await, ["0"], "gone at await {polls} of the way down");
        assert_eq!(db.history().await, ["1:applied"]);
        if let (Some(up), Some(down)) = (up, down) {
            assert_eq!((up.unwrap().steps.len(), down.unwrap().steps.len()), (1, 1));
            break;
        }
        polls += 1;
    }
    assert!(polls > 30, "{polls}");
}

/// A resumed script must not empty the permanent table because its temporary one is gone with the session, nor run
/// without a setting that was made within a transaction.
#[tokio::test]
async fn what_the_session_had_is_made_again_before_a_script_is_resumed() {
    for (code, says, answers) in [
        (
            "CREATE TEMP TABLE n (n int);",
            "statement 1 made a temporary object",
            ["CREATE TEMP TABLE n (n int);", "DROP TABLE IF EXISTS temp.n;"],
        ),
        (
            "BEGIN; PRAGMA ignore_check_constraints = ON; COMMIT;",
            "statement 2 changed settings of the session",
            ["PRAGMA ignore_check_constraints = ON;", "PRAGMA ignore_check_constraints = OFF;"],
        ),
    ] {
        for answer in answers {
            let db = Db::sqlite().unwrap();
            let script = |rest: &str| format!("-- lockgate: no-transaction\n{code}\n{rest}\nDELETE FROM n;");
            let run = async |rest: &str| {
                let mut database = db.open().await;
                Migrator::new(migrations(&[N, ("0002_x.sql", &script(rest))])).apply(&mut database).await
            };
            reports(&run("INSERT INTO nowhere VALUES (1);").await.unwrap_err(), ErrorKind::Failed, &["nowhere"]);
            reports(&run("SELECT 1;").await.unwrap_err(), ErrorKind::Failed, &[says, "Begin the rest of the script"]);
            assert_eq!(n(&db).await, ["0"], "{code}");
            run(answer).await.unwrap_or_else(|error| panic!("{code} {answer}: {error:?}"));
            assert_eq!(n(&db).await.len(), usize::from(answer.starts_with("CREATE")), "{code} {answer}");
        }
    }
}

fn copy(db: &Db) -> std::path::PathBuf {
    let Db::Sqlite(folder) = db else { panic!("a file") };
    folder.path().join("copy.db")
}

/// A copy of the database can be made only once, so a person must decide about a started copy.
#[tokio::test]
async fn a_a_copy_that_may_have_been_made_is_a_persons_to_answer() {
    for finished in [true, false] {
        let db = Db::sqlite().unwrap();
        let file = copy(&db);
        let script = format!(
            "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nVACUUM INTO '{}';\nUPDATE n SET n = n + 10;",
            file.display()
        );
        let set = migrations(&[N, ("0002_copy.sql", &script)]);
        let mut database = db.open().await;

        // It failed by itself, so it has not taken effect and is sent again.
        std::fs::write(&file, "something else").unwrap();
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Failed,
            &["`0002_copy` failed at statement 2 of 3", "1 of its 3 statements have finished and stay"],
        );
        assert_eq!(
            db.texts("SELECT ifnull(CAST(under_way AS TEXT), '-') FROM lockgate_history WHERE version = 2").await,
            ["-"]
        );
        std::fs::remove_file(&file).unwrap();

        // The run is killed between recording its start and its end.
        db.execute("UPDATE lockgate_history SET under_way = 2 WHERE version = 2").await;
        if finished {
            db.execute(&format!("VACUUM INTO '{}'", file.display())).await;
        }
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Refused,
            &[
                "it is unknown whether statement 2 of 3 of `0002_copy` has finished",
                "`repair --finished 0002_copy`",
                "`repair --again 0002_copy`",
            ],
        );
        assert_eq!(n(&db).await, ["1"]);
        let two = Version::new(2).unwrap();
        let repair = if finished { Repair::Finished(two) } else { Repair::Again(two) };
        Migrator::new(set).repair(&mut database, repair).await.unwrap();
        Migrator::new(set).apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(n(&db).await, ["11"]);
        assert!(file.is_file());
        assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    }
}

/// Its start is recorded before it is sent.
#[tokio::test]
async fn a_a_copy_is_announced_before_it_is_sent() {
    let mut doubtful = 0;
    let mut polls = 1;
    loop {
        let db = Db::sqlite().unwrap();
        let file = copy(&db);
        let script = format!("-- lockgate: no-transaction\nVACUUM INTO '{}';", file.display());
        let set = migrations(&[N, ("0002_copy.sql", &script)]);
        let mut database = db.open().await;
        let done = polled(Migrator::new(set).apply(&mut database), polls).await.is_some();
        database.close().await.unwrap();
        if done {
            break;
        }
        let mut database = db.open().await;
        match Migrator::new(set).apply(&mut database).await {
            Ok(_) => {}
            Err(error) => {
                reports(
                    &error,
                    ErrorKind::Refused,
                    &["it is unknown whether statement 1 of 1 of `0002_copy` has finished"],
                );
                doubtful += 1;
            }
        }
        polls += 1;
    }
    assert!(doubtful > 0, "it went away {polls} times, and never in between");
}

/// A repair waits for the run that is working on a script, blocks no writer meanwhile, and continues when that
/// run has ended.
#[tokio::test]
async fn b_a_repair_waits_for_the_owner_of_a_script() {
    let db = Db::sqlite().unwrap();
    let script = "-- lockgate: no-transaction\nUPDATE n SET n = n + 1;\nSELECT * FROM gone;";
    let set = migrations(&[N, ("0002_x.sql", script)]);
    let mut database = db.open().await;
    Migrator::new(set).apply(&mut database).await.unwrap_err();
    let file = db.texts("SELECT file FROM pragma_database_list WHERE name = 'main'").await.remove(0);
    let owner = std::fs::File::create(format!("{file}-lockgate")).unwrap();
    owner.lock().unwrap();
    let forget = Repair::Forget(Version::new(2).unwrap());
    let impatient = Migrator::new(set).lock_wait(Duration::from_millis(30));
    let error = impatient.repair(&mut database, forget).await.unwrap_err();
    reports(&error, ErrorKind::Locked, &["another run, in the middle of a script outside a transaction"]);

    let url = db.url();
    let owner = Mutex::new(Some(owner));
    let patient = Migrator::new(set).on_event(move |event| {
        if matches!(event, Event::LockWaiting { .. })
            && let Some(owner) = owner.lock().unwrap().take()
        {
            // Other connections can write.
            std::thread::scope(|scope| {
                let writes = || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        let mut writer = SqliteConnection::connect(&url).await.unwrap();
                        writer.execute("PRAGMA busy_timeout = 0; UPDATE n SET n = n + 10").await.unwrap();
                    });
                };
                scope.spawn(writes).join().unwrap();
            });
            drop(owner);
        }
    });
    patient.repair(&mut database, forget).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(n(&db).await, ["11"]);
    assert_eq!(db.history().await, ["1:applied"]);
}
