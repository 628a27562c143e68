//! Refusals before anything runs.

use lockgate::{Action, Ahead, DownTo, ErrorKind, Migrator, OutOfOrder, UpTo, Version};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    a_newer_database_is_ahead_and_no_hole,
    a_deleted_or_renamed_one_is_refused,
    an_edited_one_is_refused,
    a_late_lower_number_is_never_silent,
    scripts_for_another_database_are_refused,
    a_history_of_an_unknown_format_is_reported,
    a_step_that_cannot_be_done_is_never_recorded,
}

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
const B: (&str, &str) = ("0002_b.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);");
const C: (&str, &str) = ("0003_c.sql", "CREATE TABLE c (id INTEGER PRIMARY KEY);");
const D: (&str, &str) = ("0004_d.sql", "CREATE TABLE d (id INTEGER PRIMARY KEY);");

/// Applying these files is refused with each of these messages, and leaves the database unchanged.
async fn refused(db: &Db, files: &[(&str, &str)], says: &[&str]) {
    let before = (db.objects().await, db.history().await, db.log().await);
    let mut database = db.open().await;
    let error = Migrator::new(migrations(files)).apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let values: Vec<String> = error.reasons().iter().map(ToString::to_string).collect();
    let lines: Vec<&str> = error.report().reasons().map(|(reason, _)| reason).collect();
    assert!(!values.is_empty());
    assert_eq!(values, lines);
    let shown = error.report().to_string();
    for text in says {
        assert!(shown.contains(text), "no «{text}» in:\n{shown}");
    }
    assert!(shown.contains("nothing was changed"), "{shown}");
    assert_eq!((db.objects().await, db.history().await, db.log().await), before);
}

/// Callers can make or change plans.
async fn a_step_that_cannot_be_done_is_never_recorded(db: Db) {
    db.apply(migrations(&[A, B])).await;
    let before = (db.objects().await, db.history().await, db.log().await);
    let mut database = db.open().await;
    let migrator = Migrator::new(migrations(&[A, B, C]));
    let pending = migrator.plan(&mut database, UpTo::Latest).await.unwrap();
    let cases = [
        (
            2,
            "0002_b",
            Action::Revert,
            "the plan has the step `revert` for `0002_b`, which has no script for that in this program",
        ),
        (2, "0002_b", Action::Apply, "the plan has the step `apply` for `0002_b`, which is applied"),
        (
            2,
            "0002_b",
            Action::ResumeRevert { statements_done: 1 },
            "the plan has the step `resume revert` for `0002_b`, which is applied",
        ),
        (3, "0003_c", Action::Forget, "the plan has the step `forget` for `0003_c`, which is not recorded"),
        (3, "0003_c", Action::Rewrite, "the plan has the step `repair` for `0003_c`, which is not recorded"),
        (
            3,
            "0003_c",
            Action::ResumeApply { statements_done: 0 },
            "the plan has the step `resume` for `0003_c`, which is not recorded",
        ),
        (9, "0009_x", Action::Apply, "the plan names `0009_x`, which is neither embedded nor recorded"),
    ];
    for (version, id, action, says) in cases {
        let mut plan = pending.clone();
        (plan.steps[0].version, plan.steps[0].action) = (Version::new(version).unwrap(), action);
        id.clone_into(&mut plan.steps[0].id);
        let error = migrator.apply_plan(&mut database, &plan).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Usage, says));
    }
    let mut foreign = pending.clone();
    (foreign.steps[0].version, foreign.steps[0].action) = (Version::new(2).unwrap(), Action::Revert);
    let older = Migrator::new(migrations(&[A]));
    let error = older.apply_plan(&mut database, &foreign).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error:?}");
    assert_eq!((db.objects().await, db.history().await, db.log().await), before);
}

async fn a_late_lower_number_is_never_silent(db: Db) {
    db.apply(migrations(&[A, C])).await;
    refused(&db, &[A, B, C, D], &["`0002_b` is pending, but the newer `0003_c` is applied", "renumber 0002_b"]).await;

    let mut database = db.open().await;
    let migrator = Migrator::new(migrations(&[A, B, C, D])).out_of_order(OutOfOrder::Allow);
    let report = migrator.apply(&mut database).await.unwrap();
    assert_eq!(report.steps.len(), 2);
    assert_eq!(report.tolerated[0].code(), "out-of-order");
    assert_eq!(db.objects().await, ["a", "b", "c", "d"]);
}

async fn a_deleted_or_renamed_one_is_refused(db: Db) {
    db.apply(migrations(&[A, B, C])).await;
    refused(&db, &[A, C, D], &["`2_b` is recorded as applied, but the program does not embed it"]).await;
    let renamed = ("0002_bee.sql", B.1);
    refused(&db, &[A, renamed, C, D], &["`0002_bee` was applied under the name `b`"]).await;
    let renumbered = ("0007_b.sql", B.1);
    refused(&db, &[A, C, renumbered], &["`2_b` is recorded as applied", "`0007_b` has exactly its text"]).await;
}

async fn an_edited_one_is_refused(db: Db) {
    db.apply(migrations(&[A, B])).await;
    let edited = ("0001_a.sql", "CREATE TABLE a (id BIGINT PRIMARY KEY);");
    refused(
        &db,
        &[edited, B, C],
        &["`0001_a` was applied with a different text", "restore the applied text of `0001_a`"],
    )
    .await;
    // Line endings, a byte order mark and a missing final newline do not count as edits.
    let same = ("0001_a.sql", "\u{feff}CREATE TABLE a (id INTEGER PRIMARY KEY);\r\n");
    db.apply(migrations(&[same, B, C])).await;
    assert_eq!(db.objects().await, ["a", "b", "c"]);
}

async fn a_newer_database_is_ahead_and_no_hole(db: Db) {
    db.apply(migrations(&[A, B, C])).await;
    let mut database = db.open().await;
    let old = Migrator::new(migrations(&[A, B]));
    let report = old.apply(&mut database).await.unwrap();
    assert!(report.is_empty());
    assert_eq!(
        report.tolerated[0].to_string(),
        "`3_c` is recorded as applied and is newer than every migration that the program embeds"
    );
    assert!(old.status(&mut database).await.unwrap().is_up_to_date());
    let error = old.clone().ahead(Ahead::Refuse).apply(&mut database).await.unwrap_err();
    assert!(error.report().to_string().contains("if this is an old build"), "{error:?}");
    let error = old.revert(&mut database, DownTo::Empty).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

async fn scripts_for_another_database_are_refused(db: Db) {
    let set = migrations(&[A, ("migrations.toml", "dialects = [\"mysql\"]\n")]);
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    assert!(error.to_string().contains("the migrations are written for MySQL, but the database is"), "{error}");
}

async fn a_history_of_an_unknown_format_is_reported(db: Db) {
    db.execute("CREATE TABLE lockgate_history (id INTEGER)").await;
    let mut database = db.open().await;
    let migrator = Migrator::new(migrations(&[A]));
    let error = migrator.apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HistoryFormat, "{error:?}");
    assert!(db.objects().await.is_empty());
    migrator.history_table("other_history").apply(&mut database).await.unwrap();

    let db = if db.is_sqlite() { Db::sqlite() } else { Db::postgres() };
    let Some(db) = db else { return };
    db.apply(migrations(&[A])).await;
    db.execute("UPDATE lockgate_history SET checksum = 'v9:00'").await;
    let mut database = db.open().await;
    let error = Migrator::new(migrations(&[A])).apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HistoryFormat);
    assert!(error.to_string().contains("this release does not know the checksum version `v9`"), "{error}");
}
