//! Order, roles and reports.

use std::sync::{Arc, Mutex};

use lockgate::wait::Readiness;
use lockgate::{ErrorKind, Event, OutOfOrder};

use super::{PATCHES, Server, migrator};
use crate::support::set::databases;

const ALL: [&str; 6] = [
    "audit.00000001.0001.auditor.create_entry",
    "billing.00000001.0001.billing_owner.create_invoice",
    "billing.00000001.0002.reporter.create_total",
    "billing.00000001.0003.billing_owner.add_paid_at",
    "catalog.00000001.0001.librarian.create_book",
    "catalog.00000001.0002.librarian.add_isbn",
];

async fn everything_is_there(server: &Server) {
    assert_eq!(server.owners("audit").await[..1], ["entry auditor"]);
    let billing = server.owners("billing").await;
    assert!(billing.contains(&"invoice billing_owner".to_owned()), "{billing:?}");
    assert!(billing.contains(&"total reporter".to_owned()), "{billing:?}");
    assert_eq!(server.owners("catalog").await[0], "book librarian");
}

#[tokio::test]
async fn each_patch_runs_as_the_role_in_its_name() {
    let Some(server) = Server::with_databases().await else { return };
    let entered = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&entered);
    let migrator = migrator(&PATCHES).options(move |options| {
        options.on_event(move |event| {
            if let Event::DatabaseStarted { database, role } = event {
                seen.lock().unwrap().push(format!("{database} {}", role.as_deref().unwrap_or("-")));
            }
        })
    });
    let plans = migrator.plan(&server.url()).await.unwrap();
    let planned: Vec<&str> = plans.iter().flat_map(|plan| &plan.plan.steps).map(|step| step.id.as_str()).collect();
    assert_eq!(planned, ALL);
    let report = migrator.apply(&server.url()).await.unwrap();
    assert_eq!(report.steps().map(|step| step.id.as_str()).collect::<Vec<_>>(), ALL);
    assert!(report.to_string().ends_with(": 1 in `audit`, 3 in `billing`, 2 in `catalog`"), "{report}");
    let order =
        ["audit auditor", "billing billing_owner", "billing reporter", "billing billing_owner", "catalog librarian"];
    assert_eq!(*entered.lock().unwrap(), order);
    everything_is_there(&server).await;
    assert_eq!(
        server.history("billing").await,
        [
            "default billing.00000001.0001.billing_owner.create_invoice billing_owner",
            "default billing.00000001.0002.reporter.create_total reporter",
            "default billing.00000001.0003.billing_owner.add_paid_at billing_owner",
        ]
    );
    // Again: nothing.
    let again = migrator.apply(&server.url()).await.unwrap();
    assert!(again.is_empty(), "{again:?}");
    assert_eq!(again.to_string(), "nothing to do");
    let ready = migrator.ready(&server.url()).await.unwrap();
    assert!(ready.iter().all(|(_, readiness)| *readiness == Readiness::Ready), "{ready:?}");
    migrator.wait(&server.url(), std::time::Duration::ZERO, std::time::Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn one_login_becomes_each_role() {
    let Some(server) = Server::with_databases().await else { return };
    server.admin("CREATE ROLE deployer LOGIN PASSWORD 'deployer-secret'").await;
    server.admin("GRANT auditor, billing_owner, reporter TO deployer").await;
    let url = server.postgres.url("postgres").replacen(
        &format!("postgres:{}@", server.postgres.password()),
        "deployer:deployer-secret@",
        1,
    );
    for database in ["audit", "billing", "catalog"] {
        server.run(database, "GRANT USAGE, CREATE ON SCHEMA public TO deployer").await;
    }
    let migrator = migrator(&PATCHES).set_role();
    let error = migrator.apply(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let shown = error.report().to_string();
    assert!(
        shown.contains("the database `catalog`: `deployer` is not a member of the role `librarian`")
            && shown.contains("GRANT \"librarian\" TO \"deployer\""),
        "{shown}"
    );
    // It was found before anything ran.
    assert!(server.owners("audit").await.is_empty());
    server.admin("GRANT librarian TO deployer").await;
    let report = migrator.apply(&url).await.unwrap();
    assert_eq!(report.steps().map(|step| step.id.as_str()).collect::<Vec<_>>(), ALL);
    everything_is_there(&server).await;
    // The history belongs to the login, and the roles need no grant on it.
    assert!(server.owners("billing").await.contains(&"lockgate_history deployer".to_owned()));
    assert!(migrator.apply(&url).await.unwrap().is_empty());
}

#[tokio::test]
async fn one_database_can_be_chosen() {
    let Some(server) = Server::with_databases().await else { return };
    let report = migrator(&PATCHES).only("catalog").apply(&server.url()).await.unwrap();
    assert_eq!(report.databases.len(), 1);
    assert!(server.owners("audit").await.is_empty());
    let error = migrator(&PATCHES).only("catalogue").apply(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(format!("{error:?}").contains("name one of `audit`, `billing`, `catalog`"), "{error:?}");
}

#[tokio::test]
async fn a_late_patch_is_never_silent() {
    let Some(server) = Server::with_databases().await else { return };
    const POLICY: (&str, &str) = ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n");
    const FIRST: (&str, &str) = ("billing.00000001.0001.billing_owner.a.sql", "CREATE TABLE a (id int);");
    const LATE: (&str, &str) = ("billing.00000001.0002.reporter.b.sql", "CREATE TABLE b (id int);");
    const THIRD: (&str, &str) = ("billing.00000001.0003.billing_owner.c.sql", "CREATE TABLE c (id int);");
    server.run("billing", "GRANT CREATE ON SCHEMA public TO reporter").await;
    migrator(databases(&[POLICY, FIRST, THIRD])).apply(&server.url()).await.unwrap();
    let late = migrator(databases(&[POLICY, FIRST, LATE, THIRD]));
    let error = late.apply(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("billing.00000001.0002.reporter.b"), "{error}");
    let stand = late.status(&server.url()).await.unwrap();
    assert!(stand[0].up_refuses && stand[0].status.pending().count() == 1, "{stand:?}");
    let allowed = late.options(|options| options.out_of_order(OutOfOrder::Allow));
    let report = allowed.apply(&server.url()).await.unwrap();
    assert_eq!(report.steps().count(), 1);
    assert!(server.owners("billing").await.contains(&"b reporter".to_owned()));
}

#[tokio::test]
async fn a_script_outside_a_transaction_becomes_its_role_too() {
    let Some(server) = Server::with_databases().await else { return };
    let patches = databases(&[
        ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n"),
        (
            "billing.00000001.0001.billing_owner.a.sql",
            "-- lockgate: no-transaction\nCREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n",
        ),
        ("billing.00000001.0002.postgres.b.sql", "CREATE TABLE b (id int);"),
        ("billing.00000001.0003.postgres.c.sql", "-- lockgate: role billing_owner\nCREATE TABLE c (id int);\n"),
    ]);
    migrator(patches).set_role().apply(&server.url()).await.unwrap();
    let owners = server.owners("billing").await;
    for owned in ["a billing_owner", "b postgres", "c billing_owner", "lockgate_history postgres"] {
        assert!(owners.contains(&owned.to_owned()), "{owned}: {owners:?}");
    }
}
