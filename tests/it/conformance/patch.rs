//! Patches (`numbering = "encoded"`): identified by database, major and minor; the rest of the name may change.

use lockgate::{ErrorKind, Migrations, Migrator, OutOfOrder, embed_migrations};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    a_moved_and_renamed_patch_is_not_run_again,
    a_patch_whose_content_changed_is_drift,
    patches_run_in_the_order_of_major_and_minor,
    a_late_patch_is_never_silent,
    the_history_of_another_database_is_reported,
    one_database_of_a_folder_is_embedded,
}

/// The patches of one database, from a folder with two.
static BILLING: Migrations = embed_migrations!("fixtures/patches", database = "billing");

const POLICY: (&str, &str) = ("migrations.toml", "numbering = \"encoded\"\n");
const A: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY);";
const B: &str = "CREATE TABLE b (id INTEGER PRIMARY KEY);";
const C: &str = "ALTER TABLE a ADD COLUMN c INTEGER;";

async fn a_moved_and_renamed_patch_is_not_run_again(db: Db) {
    db.apply(migrations(&[
        POLICY,
        ("billing.00000001.0001.owner.create_a.up.sql", A),
        ("billing.00000001.0001.owner.create_a.down.sql", "DROP TABLE a;"),
    ]))
    .await;
    let (history, log) = (db.history().await, db.log().await);
    let moved = migrations(&[
        POLICY,
        ("old/2025/billing.00000001.0001.ops.the_first_table.up.sql", A),
        ("old/2025/billing.00000001.0001.ops.the_first_table.down.sql", "DROP TABLE a;"),
    ]);
    let report = db.apply(moved).await;
    assert!(report.steps.is_empty() && report.tolerated.is_empty(), "{report:?}");
    assert_eq!((db.history().await, db.log().await), (history, log));
    let migrator = Migrator::new(moved);
    let mut database = db.open().await;
    let status = migrator.status(&mut database).await.unwrap();
    assert!(status.is_up_to_date() && status.drift.is_empty(), "{status:?}");
    // Reverted and applied again under its present name.
    migrator.revert(&mut database, lockgate::DownTo::Empty).await.unwrap();
    assert!(db.objects().await.is_empty());
    db.apply(moved).await;
    let names = db.texts("SELECT CAST(version AS TEXT) || ' ' || name FROM lockgate_history").await;
    assert_eq!(names, ["10001 billing.00000001.0001.ops.the_first_table"]);
}

async fn a_patch_whose_content_changed_is_drift(db: Db) {
    db.apply(migrations(&[POLICY, ("billing.00000001.0001.owner.create_a.sql", A)])).await;
    let edited = migrations(&[
        POLICY,
        ("billing.00000001.0001.owner.other_words.sql", B),
        ("billing.00000001.0002.owner.more.sql", C),
    ]);
    let error = Migrator::new(edited).apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let shown = error.report().to_string();
    assert!(shown.contains("`billing.00000001.0001.owner.other_words` was applied with a different text"), "{shown}");
    assert_eq!(db.objects().await, ["a"]);
}

async fn patches_run_in_the_order_of_major_and_minor(db: Db) {
    let report = db
        .apply(migrations(&[
            POLICY,
            ("a/billing.00000002.0001.a.drop.sql", "DROP TABLE a;"),
            ("z/billing.00000001.0001.z.create.sql", A),
            ("billing.00000001.0010.a.alter.sql", C),
        ]))
        .await;
    let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        ["billing.00000001.0001.z.create", "billing.00000001.0010.a.alter", "billing.00000002.0001.a.drop"]
    );
    assert_eq!(db.history().await, ["10001:applied", "10010:applied", "20001:applied"]);
}

async fn a_late_patch_is_never_silent(db: Db) {
    let (first, last) = (("billing.00000001.0001.u.a.sql", A), ("billing.00000002.0001.u.c.sql", C));
    let late = ("billing.00000001.0002.u.b.sql", B);
    db.apply(migrations(&[POLICY, first, last])).await;
    let set = migrations(&[POLICY, first, late, last]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    let shown = error.report().to_string();
    let says = "`billing.00000001.0002.u.b` is pending, but the newer `billing.00000002.0001.u.c` is applied";
    assert!(shown.contains(says), "{shown}");
    assert_eq!(db.objects().await, ["a"]);
    let report = Migrator::new(set).out_of_order(OutOfOrder::Allow).apply(&mut db.open().await).await.unwrap();
    assert_eq!(report.tolerated[0].code(), "out-of-order");
    assert_eq!(db.objects().await, ["a", "b"]);
}

async fn the_history_of_another_database_is_reported(db: Db) {
    db.apply(migrations(&[POLICY, ("audit.00000001.0001.u.a.sql", A)])).await;
    let billing = migrations(&[POLICY, ("billing.00000001.0001.u.b.sql", B)]);
    let error = Migrator::new(billing).apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let shown = error.report().to_string();
    assert!(shown.contains("`audit.00000001.0001.u.a` is recorded"), "{shown}");
    assert_eq!(db.objects().await, ["a"]);
    // With set names, each has its own history.
    Migrator::new(billing).set_name("billing").apply(&mut db.open().await).await.unwrap();
    assert_eq!(db.objects().await, ["a", "b"]);
}

async fn one_database_of_a_folder_is_embedded(db: Db) {
    assert_eq!(BILLING.set().database(), Some("billing"));
    let report = db.apply(&BILLING).await;
    let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "billing.00000001.0001.billing_owner.create_invoice",
            "billing.00000001.0002.billing_owner.fill",
            "billing.00000002.0001.billing_owner.add_total"
        ]
    );
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM invoice").await, ["1"]);
}
