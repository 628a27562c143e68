//! Changes that a migration or a trigger makes to the history itself are detected in the same transaction.

use lockgate::__private::RustStep;
use lockgate::{Atomicity, DownTo, ErrorKind, Migrator, StepResult, Transaction};

use super::reports;
use crate::support::database::{Db, backends};
use crate::support::set::{migrations, with_steps};

backends! {
    a_script_that_deletes_history_rows_is_reported,
    earlier_commits_of_the_same_run_are_reported,
    a_step_that_deletes_history_rows_is_reported,
    a_script_that_drops_the_history_is_reported,
    a_script_that_reads_the_history_runs,
    a_trigger_that_changes_the_history_after_its_row_is_reported,
    a_trigger_that_writes_elsewhere_is_allowed,
}

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER);");
const B: (&str, &str) = ("0002_b.sql", "INSERT INTO a VALUES (1);");
const ALTERED: &str = "the history table has other rows than this run found and wrote";

async fn rows(db: &Db) -> Vec<String> {
    db.texts("SELECT CAST(id AS TEXT) FROM a ORDER BY a.id").await
}

/// On PostgreSQL the run plans again before it fails. Work that it committed before counts too.
async fn earlier_commits_of_the_same_run_are_reported(db: Db) {
    let set = migrations(&[A, ("0002_b.sql", "DELETE FROM lockgate_history;"), ("0003_c.sql", "SELECT 1;")]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &[ALTERED, "applied and committed before it: 0001_a", "1 more was not tried"]);
    assert_eq!(db.history().await, ["1:applied"]);
}

async fn a_script_that_deletes_history_rows_is_reported(db: Db) {
    let mut deletes = vec!["DELETE FROM lockgate_history;", "DELETE FROM LOCKGATE_HISTORY WHERE version = 1;"];
    if !db.is_sqlite() {
        deletes.push("TRUNCATE lockgate_history;");
        // It also removes what the transaction has noted about the history.
        deletes.push("DO $$ BEGIN RESET ALL; TRUNCATE lockgate_history; END $$;");
        deletes.push("DO $$ BEGIN EXECUTE concat('DELETE FROM lock', 'gate_history'); END $$;");
    }
    db.apply(migrations(&[A, B])).await;
    for delete in deletes {
        for atomicity in [Atomicity::PerMigration, Atomicity::WholeRun] {
            let script = format!("INSERT INTO a VALUES (3);\n{delete}");
            let set = migrations(&[A, B, ("0003_c.sql", &script), ("0004_d.sql", "INSERT INTO a VALUES (4);")]);
            let error = Migrator::new(set).atomicity(atomicity).apply(&mut db.open().await).await.unwrap_err();
            reports(
                &error,
                ErrorKind::Failed,
                &["`0003_c` could not be recorded", ALTERED, "`0003_c` was rolled back"],
            );
            assert_eq!((db.history().await.len(), rows(&db).await), (2, vec!["1".to_owned()]), "{delete}");
        }
        // Outside a transaction, only the unit that does it is rolled back.
        let script =
            format!("-- lockgate: no-transaction\nINSERT INTO a VALUES (3);\n{delete}\nINSERT INTO a VALUES (5);");
        let set = migrations(&[A, B, ("0003_c.sql", &script)]);
        let mut database = db.open().await;
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        reports(
            &error,
            ErrorKind::Failed,
            &["`0003_c` could not be recorded", ALTERED, "1 of its 3 statements have finished"],
        );
        assert_eq!(db.history().await, ["1:applied", "2:applied", "3:partial"], "{delete}");
        let forget = lockgate::Repair::Forget(lockgate::Version::new(3).unwrap());
        Migrator::new(set).repair(&mut database, forget).await.unwrap();
        db.execute("DELETE FROM a WHERE id = 3").await;
    }
    // A revert deletes only its own row.
    let down = ("0003_c.down.sql", "DELETE FROM lockgate_history WHERE version = 2;");
    let set = migrations(&[A, B, ("0003_c.up.sql", "INSERT INTO a VALUES (3);"), down]);
    db.apply(set).await;
    let error = Migrator::new(set).revert(&mut db.open().await, DownTo::Steps(1)).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["`0003_c` could not be recorded", ALTERED]);
    assert_eq!(db.history().await.len(), 3);
}

async fn deletes(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("INSERT INTO a VALUES (3)").await?;
    tx.execute("DELETE FROM lockgate_history").await?;
    Ok(())
}
static DELETES: &[RustStep] = &[RustStep { version: 3, up: |tx| Box::pin(deletes(tx)), down: None }];

async fn a_step_that_deletes_history_rows_is_reported(db: Db) {
    let step = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";
    let set = with_steps(&[A, B, ("0003_c.rs", step)], DELETES);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["`0003_c` could not be recorded", ALTERED, "`0003_c` was rolled back"]);
    assert_eq!((db.history().await.len(), rows(&db).await), (2, vec!["1".to_owned()]));
}

async fn a_script_that_drops_the_history_is_reported(db: Db) {
    db.apply(migrations(&[A])).await;
    for sql in
        ["DROP TABLE lockgate_history;", "ALTER TABLE lockgate_history RENAME TO old;", "DROP TABLE lockgate_log;"]
    {
        let error = Migrator::new(migrations(&[A, ("0002_b.sql", sql)])).apply(&mut db.open().await).await.unwrap_err();
        let says =
            ["`0002_b` could not be recorded", "check what the migration does to the history table", "rolled back"];
        reports(&error, ErrorKind::Failed, &says);
        assert_eq!(db.history().await, ["1:applied"]);
    }
}

async fn a_script_that_reads_the_history_runs(db: Db) {
    let reads = ("0003_c.sql", "INSERT INTO a SELECT count(*) FROM lockgate_history;");
    let outside = ("0004_d.sql", "-- lockgate: no-transaction\nINSERT INTO a SELECT count(*) FROM lockgate_history;");
    db.apply(migrations(&[A, B, reads, outside])).await;
    assert_eq!(rows(&db).await, ["1", "2", "4"]);
}

/// Triggers on the history: they delete the row that was just written, move it to another set, or delete older rows.
async fn a_trigger_that_changes_the_history_after_its_row_is_reported(db: Db) {
    db.apply(migrations(&[A])).await;
    let does = [
        "DELETE FROM lockgate_history WHERE version = NEW.version",
        "UPDATE lockgate_history SET set_name = 'other' WHERE version = NEW.version",
        "DELETE FROM lockgate_history WHERE version < NEW.version",
    ];
    for body in does {
        let (make, drop) = match db.is_sqlite() {
            true => (format!("CREATE TRIGGER t AFTER INSERT ON lockgate_history BEGIN {body}; END"), "DROP TRIGGER t"),
            false => (
                format!(
                    "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$; \
                     CREATE TRIGGER t AFTER INSERT ON lockgate_history FOR EACH ROW EXECUTE FUNCTION t()"
                ),
                "DROP FUNCTION t CASCADE",
            ),
        };
        db.execute(&make).await;
        for head in ["", "-- lockgate: no-transaction\n"] {
            let script = format!("{head}INSERT INTO a VALUES (1);");
            let set = migrations(&[A, ("0002_b.sql", &script)]);
            let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
            reports(&error, ErrorKind::Failed, &["`0002_b` could not be recorded", "trigger"]);
            assert!(rows(&db).await.is_empty(), "{body}");
            assert_eq!(db.history().await, ["1:applied"], "{body}");
        }
        db.execute(drop).await;
    }
    if db.is_sqlite() {
        // The log row is written last.
        let make = "CREATE TRIGGER t AFTER INSERT ON lockgate_log BEGIN DELETE FROM lockgate_history WHERE version = NEW.version; END";
        db.execute(make).await;
    } else {
        db.execute(
            "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.set_name := 'other'; RETURN NEW; END $$; \
             CREATE TRIGGER t BEFORE INSERT ON lockgate_history FOR EACH ROW EXECUTE FUNCTION t()",
        )
        .await;
    }
    let error = Migrator::new(migrations(&[A, B])).apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["`0002_b` could not be recorded", "trigger"]);
    assert!(rows(&db).await.is_empty());
    assert_eq!(db.history().await, ["1:applied"]);
}

async fn a_trigger_that_writes_elsewhere_is_allowed(db: Db) {
    db.apply(migrations(&[A])).await;
    db.execute(match db.is_sqlite() {
        true => {
            "CREATE TRIGGER t AFTER INSERT ON lockgate_history BEGIN INSERT INTO a VALUES (100); END; \
             CREATE TRIGGER u AFTER DELETE ON lockgate_history BEGIN INSERT INTO a VALUES (200); END"
        }
        false => {
            "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO a VALUES (CASE TG_OP WHEN 'INSERT' THEN 100 ELSE 200 END); RETURN NULL; END $$; \
             CREATE TRIGGER t AFTER INSERT OR DELETE ON lockgate_history FOR EACH ROW EXECUTE FUNCTION t()"
        }
    })
    .await;
    let outside = [
        "-- lockgate: no-transaction\nINSERT INTO a VALUES (3);",
        "-- lockgate: no-transaction\nDELETE FROM a WHERE id = 3;",
    ];
    let set = migrations(&[
        A,
        ("0002_b.up.sql", "INSERT INTO a VALUES (1);"),
        ("0002_b.down.sql", "DELETE FROM a WHERE id = 1;"),
        ("0003_c.up.sql", outside[0]),
        ("0003_c.down.sql", outside[1]),
    ]);
    db.apply(set).await;
    assert_eq!(rows(&db).await, ["1", "3", "100", "100"]);
    let down = DownTo::Steps(2);
    Migrator::new(set).revert(&mut db.open().await, down).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(rows(&db).await, ["100", "100", "200", "200"]);
}
