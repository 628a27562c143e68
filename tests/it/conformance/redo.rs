//! `redo`: the newest migrations down and up again, as one plan under one lock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate::{Action, Atomicity, ErrorKind, Event, Migrations, Migrator};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    the_newest_go_down_and_up_again,
    an_edited_draft_is_applied_with_its_new_text,
    what_cannot_be_applied_again_stays_reverted_and_is_said,
    a_whole_run_that_fails_leaves_everything_as_it_was,
    a_failure_after_the_revert_is_shown_and_nothing_untrue_is_said,
    what_cannot_be_reverted_is_refused,
}

const A: [(&str, &str); 2] =
    [("0001_a.up.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"), ("0001_a.down.sql", "DROP TABLE a;")];
const B: [(&str, &str); 2] =
    [("0002_b.up.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);"), ("0002_b.down.sql", "DROP TABLE b;")];
const C_DOWN: (&str, &str) = ("0003_c.down.sql", "DROP TABLE c;");
const C: [(&str, &str); 2] = [("0003_c.up.sql", "CREATE TABLE c (id INTEGER PRIMARY KEY);"), C_DOWN];

/// These three, the last with this text.
fn with(c: &str) -> &'static Migrations {
    migrations(&[A[0], A[1], B[0], B[1], ("0003_c.up.sql", c), C_DOWN])
}

async fn the_newest_go_down_and_up_again(db: Db) {
    let set = with(C[0].1);
    db.apply(set).await;
    db.execute("INSERT INTO a (id) VALUES (1); INSERT INTO b (id) VALUES (1)").await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let migrator = Migrator::new(set).on_event(move |event| {
        if let Event::Planned { .. } | Event::Committed { .. } = event {
            heard.lock().unwrap().push(event.clone());
        }
    });
    let mut database = db.open().await;
    let planned = migrator.plan_redo(&mut database, 2).await.unwrap();
    assert_eq!(planned.steps.len(), 4);
    let report = migrator.redo(&mut database, 2).await.unwrap();
    let steps: Vec<_> = report.steps.iter().map(|step| (step.id.as_str(), step.action)).collect();
    let expected =
        [("0003_c", Action::Revert), ("0002_b", Action::Revert), ("0002_b", Action::Apply), ("0003_c", Action::Apply)];
    assert_eq!(steps, expected);
    assert_eq!(events.lock().unwrap()[0], Event::Planned { steps: 4 }, "one plan");
    assert_eq!(events.lock().unwrap().len(), 5, "{events:?}");
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    let log = db.log().await;
    assert_eq!(log[3..], ["3:reverted", "2:reverted", "2:applied", "3:applied"]);
    let rows = |table: &str| format!("SELECT CAST(count(*) AS TEXT) FROM {table}");
    assert_eq!(db.texts(&rows("a")).await, ["1"], "an older one keeps its rows");
    assert_eq!(db.texts(&rows("b")).await, ["0"]);
}

async fn an_edited_draft_is_applied_with_its_new_text(db: Db) {
    db.apply(with(C[0].1)).await;
    let edited = with("CREATE TABLE c (id INTEGER PRIMARY KEY); CREATE TABLE d (id INTEGER); DROP TABLE d;");
    let migrator = Migrator::new(edited);
    let mut database = db.open().await;
    migrator.redo(&mut database, 1).await.unwrap();
    assert!(migrator.status(&mut database).await.unwrap().is_up_to_date());
}

async fn what_cannot_be_applied_again_stays_reverted_and_is_said(db: Db) {
    db.apply(with(C[0].1)).await;
    let broken = with("CREATE TABLE c (id INTEGER PRIMARY KEY);\nINSERT INTO nowhere VALUES (1);");
    let mut database = db.open().await;
    let error = Migrator::new(broken).redo(&mut database, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let report = error.report().to_string();
    assert!(report.contains("migrations/0003_c.up.sql:2:"), "{report}");
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    assert_eq!(db.objects().await, ["a", "b"]);
    assert_eq!(db.log().await[3..], ["3:reverted", "2:reverted", "2:applied", "3:failed"]);
    assert!(report.contains("`0003_c`, `0002_b`") || report.contains("0003_c"), "{report}");
}

async fn a_whole_run_that_fails_leaves_everything_as_it_was(db: Db) {
    db.apply(with(C[0].1)).await;
    let broken = with("CREATE TABLE c (id INTEGER PRIMARY KEY);\nINSERT INTO nowhere VALUES (1);");
    let mut database = db.open().await;
    let error = Migrator::new(broken).atomicity(Atomicity::WholeRun).redo(&mut database, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert_eq!(db.objects().await, ["a", "b", "c"]);
}

/// The script is the same, and its data is in the way.
async fn a_failure_after_the_revert_is_shown_and_nothing_untrue_is_said(db: Db) {
    let set = migrations(&[
        ("0001_a.up.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.up.sql", "INSERT INTO a VALUES (1);"),
        ("0002_b.down.sql", "DELETE FROM a WHERE id = 9;"),
    ]);
    db.apply(set).await;
    let mut database = db.open().await;
    let whole = Migrator::new(set).atomicity(Atomicity::WholeRun).lock_wait(Duration::from_secs(60));
    let error = whole.redo(&mut database, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
    assert!(error.report().to_string().contains("`0002_b` was rolled back: it is applied, as before"), "{error:?}");
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    let error = Migrator::new(set).redo(&mut database, 1).await.unwrap_err();
    let report = error.report().to_string();
    assert!(report.contains("`0002_b` was rolled back: nothing of it is in the database"), "{report}");
    assert!(report.contains("reverted and committed before it: 0002_b"), "{report}");
    assert_eq!(db.history().await, ["1:applied"]);
}

async fn what_cannot_be_reverted_is_refused(db: Db) {
    let set = migrations(&[A[0], A[1], ("0002_seed.sql", "INSERT INTO a (id) VALUES (1);"), C[0], C[1]]);
    db.apply(set).await;
    let mut database = db.open().await;
    let error = Migrator::new(set).redo(&mut database, 2).await.unwrap_err();
    assert_eq!(error.to_string(), "`redo` refuses: `0002_seed` has no down script");
    let error = Migrator::new(set).redo(&mut database, 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(db.log().await.len(), 3, "nothing ran");
}
