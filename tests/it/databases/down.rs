//! Patches of one database are reverted and redone, each as the role in its name.

use lockgate::{DownTo, ErrorKind};

use super::{Server, migrator};
use crate::support::set::databases;

#[tokio::test]
async fn each_patch_is_reverted_and_redone_as_its_role() {
    let Some(server) = Server::with_databases().await else { return };
    let patches = databases(&[
        ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n"),
        (
            "billing.00000001.0001.billing_owner.a.sql",
            "CREATE TABLE a (id int); GRANT ALL ON SCHEMA public TO reporter;",
        ),
        ("billing.00000001.0001.billing_owner.a.down.sql", "DROP TABLE a;"),
        ("billing.00000001.0002.reporter.b.sql", "CREATE TABLE b (id int);"),
        ("billing.00000001.0002.reporter.b.down.sql", "DROP TABLE b;"),
        ("billing.00000001.0003.billing_owner.c.sql", "CREATE TABLE c (id int);"),
        ("billing.00000001.0003.billing_owner.c.down.sql", "DROP TABLE c;"),
    ]);
    let (url, migrator) = (server.url(), migrator(patches).mirror("lockgate_state"));
    migrator.apply(&url).await.unwrap();
    let plan = migrator.plan_revert(&url, "billing", DownTo::Steps(2)).await.unwrap();
    assert_eq!(plan.steps.len(), 2);
    let report = migrator.redo(&url, "billing", 2).await.unwrap();
    assert_eq!(report.steps.len(), 4);
    assert_eq!(server.owners("billing").await[..3], ["a billing_owner", "b reporter", "c billing_owner"]);
    // A plan knows when it is out of date.
    migrator.revert(&url, "billing", DownTo::Steps(1)).await.unwrap();
    let stale = migrator.apply_plan(&url, "billing", &plan).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::PlanStale);
    migrator.apply(&url).await.unwrap();
    let report = migrator.revert(&url, "billing", DownTo::Steps(2)).await.unwrap();
    let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["billing.00000001.0003.billing_owner.c", "billing.00000001.0002.reporter.b"]);
    assert!(migrator.apply(&url).await.unwrap().steps().count() == 2, "the mirror knows what was reverted");
    migrator.clone().set_role().revert(&url, "billing", DownTo::Empty).await.unwrap();
    assert!(!server.owners("billing").await.iter().any(|owned| owned.starts_with("a ")));
    assert_eq!(migrator.revert(&url, "nothing", DownTo::Empty).await.unwrap_err().kind(), ErrorKind::Usage);
}
