//! Bootstraps run if, and only if, their database does not exist.

use std::sync::{Arc, Mutex};

use lockgate::wait::Readiness;
use lockgate::{DatabasesMigrator, ErrorKind, Event};

use super::{PATCHES, Server, migrator};
use crate::support::set::databases;

const POLICY: (&str, &str) = ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n");

#[tokio::test]
async fn a_virgin_server_gets_everything_and_a_second_run_does_nothing() {
    let Some(server) = Server::new().await else { return };
    let migrator = migrator(&PATCHES);
    let plans = migrator.plan(&server.url()).await.unwrap();
    assert!(plans.iter().all(|plan| !plan.exists && plan.bootstraps.steps.len() == 1), "{plans:?}");
    assert!(!server.exists("audit").await, "a plan changes nothing");
    let report = migrator.apply(&server.url()).await.unwrap();
    assert_eq!(report.steps().count(), 9);
    assert_eq!(report.databases[1].steps[0].id, "billing.00000000.0001.postgres.create_database");
    assert_eq!(
        server.history("audit").await,
        [
            "default audit.00000001.0001.auditor.create_entry auditor",
            "default/bootstraps audit.00000000.0001.postgres.create_database auditor",
        ]
    );
    assert_eq!(
        server.history("postgres").await[0],
        "default/bootstraps of audit audit.00000000.0001.postgres.create_database postgres"
    );
    let again = migrator.apply(&server.url()).await.unwrap();
    assert!(again.is_empty() && again.databases.iter().all(|database| database.left_out.is_empty()), "{again:?}");
    // A database that was dropped is made again, by all of its bootstraps.
    server.admin("DROP DATABASE billing").await;
    let report = migrator.apply(&server.url()).await.unwrap();
    assert_eq!(report.steps().count(), 4);
    assert!(report.databases[1].steps[0].id.starts_with("billing.00000000.0001"));
}

#[tokio::test]
async fn bootstraps_run_for_the_missing_database_alone() {
    let Some(server) = Server::new().await else { return };
    server.admin("CREATE DATABASE billing OWNER billing_owner").await;
    let message = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&message);
    let migrator = migrator(&PATCHES).options(move |options| {
        options.on_event(move |event| {
            if let Event::BootstrapSkipped { id, .. } = event {
                seen.lock().unwrap().push(id.clone());
            }
        })
    });
    let report = migrator.apply(&server.url()).await.unwrap();
    assert_eq!(report.steps().count(), 8);
    let left_out = ["billing.00000000.0001.postgres.create_database"];
    assert_eq!(report.databases[1].left_out, left_out);
    assert_eq!(*message.lock().unwrap(), left_out);
    let stand = migrator.status(&server.url()).await.unwrap();
    assert_eq!(stand[1].left_out, left_out);
    assert!(stand[0].left_out.is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_not_taken_for_a_missing_database() {
    let Some(server) = Server::new().await else { return };
    let wrong = |role: &str| Some("wrong".to_owned()).filter(|_| role != "postgres");
    let error = DatabasesMigrator::new(&PATCHES).passwords(wrong).apply(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("as the role `auditor`"), "{error}");
    for database in ["audit", "billing", "catalog"] {
        assert!(!server.exists(database).await, "{database}");
    }
    server.admin("CREATE DATABASE audit OWNER auditor").await;
    let without_user = format!("postgres://127.0.0.1:{}", server.postgres.port());
    let error = DatabasesMigrator::new(&PATCHES).passwords(wrong).only("audit").apply(&without_user).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    // A stopped server is no missing database either.
    let nobody = "postgres://postgres:x@127.0.0.1:1";
    let error = migrator(&PATCHES).apply(nobody).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

/// Its row looks the same as that of a run that died.
#[tokio::test]
async fn a_bootstrap_that_a_run_is_working_on_is_not_called_stopped() {
    let Some(server) = Server::new().await else { return };
    let patches = databases(&[
        POLICY,
        (
            "audit.00000000.0001.postgres.make.sql",
            "-- lockgate: no-transaction\nCREATE DATABASE audit OWNER auditor;\nCREATE DATABASE other;\n",
        ),
        ("audit.00000001.0001.auditor.a.sql", "CREATE TABLE a (id INT);\n"),
    ]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    // Whoever looks between the two statements, in another session.
    let look = {
        let (seen, url) = (Arc::clone(&seen), server.url());
        move |event: &Event| {
            if let Event::StatementFinished { statements_done: 1, .. } = event {
                let ready = std::thread::scope(|scope| {
                    let look = async {
                        let status = migrator(patches).status(&url).await.unwrap().remove(0);
                        (migrator(patches).ready(&url).await.unwrap().remove(0), status)
                    };
                    scope.spawn(|| crate::support::app::wait(look)).join().unwrap()
                });
                seen.lock().unwrap().push(ready);
            }
        }
    };
    migrator(patches).options(|options| options.on_event(look)).apply(&server.url()).await.unwrap();
    let seen = seen.lock().unwrap();
    let [((database, Readiness::Working { id, by }), status)] = &seen[..] else { panic!("{seen:?}") };
    let at_work = status.begun.as_ref().and_then(|begun| begun.at_work.as_ref());
    assert_eq!(at_work.map(|at_work| at_work.id.as_str()), Some("audit.00000000.0001.postgres.make"), "{status:?}");
    assert_eq!((*database, id.as_str()), ("audit", "audit.00000000.0001.postgres.make"));
    assert!(by.starts_with("pid "), "{by}");
}

#[tokio::test]
async fn a_bootstrap_that_fails_leaves_those_before_it_recorded() {
    let Some(server) = Server::new().await else { return };
    let with = |second: &'static str| {
        migrator(databases(&[
            POLICY,
            ("shop.00000000.0001.postgres.role.sql", "CREATE ROLE shopkeeper LOGIN PASSWORD 'shopkeeper';"),
            ("shop.00000000.0002.postgres.database.sql", second),
            ("shop.00000000.0003.postgres.comment.sql", "COMMENT ON DATABASE shop IS 'goods';"),
            ("shop.00000001.0001.shopkeeper.good.sql", "CREATE TABLE good (id int);"),
        ]))
    };
    let error = with("-- lockgate: no-transaction\nCREATE DATABASE shop OWNER nobody_at_all;\n")
        .apply(&server.url())
        .await
        .unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("`shop.00000000.0002.postgres.database` failed at statement 1 of 1"), "{shown}");
    assert!(shown.contains("the database `postgres` as the role `postgres`"), "{shown}");
    for help in
        ["create the role on this server, as an administrator: `CREATE ROLE \"nobody_at_all\"`", "an earlier bootstrap"]
    {
        assert!(shown.contains(help), "{shown}");
    }
    assert!(!shown.contains("correct migrations/"), "{shown}");
    assert!(!server.exists("shop").await);
    let history = server.history("postgres").await;
    assert_eq!(history[0], "default/bootstraps of shop shop.00000000.0001.postgres.role postgres");
    // Corrected, it goes on with the second: the role would not be created twice.
    let report = with("-- lockgate: no-transaction\nCREATE DATABASE shop OWNER shopkeeper;\n")
        .apply(&server.url())
        .await
        .unwrap();
    let ids: Vec<&str> = report.steps().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "shop.00000000.0002.postgres.database",
            "shop.00000000.0003.postgres.comment",
            "shop.00000001.0001.shopkeeper.good",
        ]
    );
    assert!(server.owners("shop").await.contains(&"good shopkeeper".to_owned()));
    assert_eq!(server.history("shop").await.len(), 4);
}

#[tokio::test]
async fn a_bootstrap_that_comes_later_is_reported_and_never_run() {
    let Some(server) = Server::new().await else { return };
    const CREATE: (&str, &str) = (
        "audit.00000000.0001.postgres.create.sql",
        "-- lockgate: no-transaction\nCREATE DATABASE audit OWNER auditor;\n",
    );
    const LATER: (&str, &str) = ("audit.00000000.0002.postgres.role.sql", "CREATE ROLE latecomer;");
    const PATCH: (&str, &str) = ("audit.00000001.0001.auditor.entry.sql", "CREATE TABLE entry (id int);");
    migrator(databases(&[POLICY, CREATE, PATCH])).apply(&server.url()).await.unwrap();
    let later = migrator(databases(&[POLICY, CREATE, LATER, PATCH]));
    let left_out = ["audit.00000000.0002.postgres.role"];
    assert_eq!(later.plan(&server.url()).await.unwrap()[0].left_out, left_out);
    assert_eq!(later.status(&server.url()).await.unwrap()[0].left_out, left_out);
    let report = later.apply(&server.url()).await.unwrap();
    assert!(report.is_empty());
    assert_eq!(report.databases[0].left_out, left_out);
    assert!(
        server.texts("postgres", "SELECT rolname::text FROM pg_roles WHERE rolname = 'latecomer'").await.is_empty()
    );
}

#[tokio::test]
async fn bootstraps_that_make_no_database_are_named() {
    let Some(server) = Server::new().await else { return };
    let patches = databases(&[POLICY, ("shop.00000000.0001.postgres.role.sql", "CREATE ROLE shopkeeper;")]);
    let error = migrator(patches).apply(&server.url()).await.unwrap_err();
    assert!(
        error.to_string().contains("all bootstraps of `shop` have run, and the database does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn two_runs_at_once_make_each_database_once() {
    let Some(server) = Server::new().await else { return };
    let (one, other) = (migrator(&PATCHES), migrator(&PATCHES));
    let url = server.url();
    let (first, second) = tokio::join!(one.apply(&url), other.apply(&url));
    let (first, second) = (first.unwrap(), second.unwrap());
    let mut ids: Vec<&str> = first.steps().chain(second.steps()).map(|step| step.id.as_str()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!((count, ids.len()), (9, 9), "{first:?} {second:?}");
    for (database, scripts) in [("audit", 1), ("billing", 3), ("catalog", 2), ("postgres", 3)] {
        let applied = server.applied(database).await;
        assert!(applied.len() == scripts && applied.iter().all(|name| name.ends_with(" 1")), "{database}: {applied:?}");
    }
}
