//! What is wrong is found before anything runs, and named with its database and its role.

use std::sync::{Arc, Mutex};

use lockgate::{DatabasesMigrator, ErrorKind, Event};

use super::{PATCHES, ROLES, Server, migrator};
use crate::support::set::databases;

async fn nothing_ran(server: &Server) {
    for database in ["audit", "billing", "catalog"] {
        assert!(server.owners(database).await.is_empty(), "{database}");
    }
}

#[tokio::test]
async fn the_wrong_password_of_the_last_database_is_found_before_the_first_is_changed() {
    let Some(server) = Server::with_databases().await else { return };
    let wrong = DatabasesMigrator::new(&PATCHES).passwords(|role| match role {
        "librarian" => Some("not-the-Secret".to_owned()),
        role => Some(format!("{role}-secret")),
    });
    let error = wrong.apply(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let shown = format!("{error:?}");
    assert!(shown.contains("the database `catalog` as the role `librarian`: cannot connect to"), "{shown}");
    assert!(!shown.contains("not-the-Secret"), "{shown}");
    nothing_ran(&server).await;
}

#[tokio::test]
async fn a_missing_role_is_named() {
    let Some(server) = Server::with_databases().await else { return };
    server.admin("DROP ROLE reporter").await;
    let error = migrator(&PATCHES).apply(&server.url()).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("the database `billing` as the role `reporter`"), "{shown}");
    assert!(shown.contains("check that the role `reporter` exists"), "{shown}");
    nothing_ran(&server).await;
}

#[tokio::test]
async fn without_a_password_the_name_of_the_role_is_tried_and_said() {
    let Some(server) = Server::with_databases().await else { return };
    for role in ROLES {
        server.admin(&format!("ALTER ROLE {role} PASSWORD '{role}'")).await;
    }
    let assumed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&assumed);
    let migrator =
        DatabasesMigrator::new(&PATCHES).passwords_from_environment("NO_SUCH_PREFIX_").options(move |options| {
            options.on_event(move |event| {
                if let Event::PasswordAssumed { role, variable } = event {
                    seen.lock().unwrap().push(format!("{role} {}", variable.as_deref().unwrap_or("-")));
                }
            })
        });
    migrator.apply(&server.url()).await.unwrap();
    assert_eq!(
        *assumed.lock().unwrap(),
        [
            "auditor NO_SUCH_PREFIX_AUDITOR_PASSWORD",
            "billing_owner NO_SUCH_PREFIX_BILLING_OWNER_PASSWORD",
            "reporter NO_SUCH_PREFIX_REPORTER_PASSWORD",
            "librarian NO_SUCH_PREFIX_LIBRARIAN_PASSWORD",
        ]
    );
    server.admin("ALTER ROLE reporter PASSWORD 'another'").await;
    server.run("billing", "DELETE FROM lockgate_history WHERE version > 10001").await;
    let shown = format!("{:?}", migrator.apply(&server.url()).await.unwrap_err());
    assert!(shown.contains("password authentication failed for user \"reporter\""), "{shown}");
    assert!(shown.contains("set NO_SUCH_PREFIX_REPORTER_PASSWORD to its password"), "{shown}");
}

#[tokio::test]
async fn two_roles_with_one_variable_are_refused() {
    let patches = databases(&[
        ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n"),
        ("a.00000001.0001.app-owner.x.sql", "SELECT 1;"),
        ("b.00000001.0001.app_owner.x.sql", "SELECT 1;"),
    ]);
    let migrator = DatabasesMigrator::new(patches).passwords_from_environment("P_");
    // No server is asked.
    let error = migrator.apply("postgres://nobody@127.0.0.1:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("would share the variable P_APP_OWNER_PASSWORD"), "{error}");
    let error = migrator.apply("sqlite://app.db").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[tokio::test]
async fn a_database_that_nothing_makes_is_named() {
    let Some(server) = Server::new().await else { return };
    let patches = databases(&[
        ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n"),
        ("nowhere.00000001.0001.auditor.x.sql", "SELECT 1;"),
    ]);
    let error = migrator(patches).apply(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let shown = format!("{error:?}");
    assert!(shown.contains("`nowhere.00000000.0001.<role>.create_database.sql`"), "{shown}");
}

#[tokio::test]
async fn a_failure_stops_everything_and_what_was_applied_stays() {
    let Some(server) = Server::with_databases().await else { return };
    server.run("billing", "CREATE TABLE total (id int)").await;
    let error = migrator(&PATCHES).apply(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let shown = format!("{error:?}");
    for words in [
        "the database `billing` as the role `reporter`: `billing.00000001.0002.reporter.create_total` failed",
        "applied and committed before, in this run: audit.00000001.0001.auditor.create_entry",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains("nothing was committed before"), "{shown}");
    assert_eq!(server.history("billing").await.len(), 1);
    assert!(server.owners("catalog").await.is_empty());
    server.run("billing", "DROP TABLE total").await;
    let report = migrator(&PATCHES).apply(&server.url()).await.unwrap();
    assert_eq!(report.steps().count(), 4);
}

#[tokio::test]
async fn a_server_that_stops_between_two_databases_leaves_a_truth_to_go_on_from() {
    let Some(server) = Server::with_databases().await else { return };
    let server = Arc::new(Mutex::new(server));
    let url = server.lock().unwrap().url();
    let stopped = Arc::clone(&server);
    let killing = migrator(&PATCHES).options(move |options| {
        options.on_event(move |event| {
            if matches!(event, Event::DatabaseStarted { database, .. } if database == "catalog") {
                stopped.lock().unwrap().postgres.kill_9().unwrap();
            }
        })
    });
    let error = killing.apply(&url).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("the database `catalog` as the role `librarian`"), "{shown}");
    assert!(shown.contains("billing.00000001.0003.billing_owner.add_paid_at"), "{shown}");
    let url = {
        let mut server = server.lock().unwrap();
        server.postgres.restart().unwrap();
        server.url()
    };
    let report = migrator(&PATCHES).apply(&url).await.unwrap();
    let ids: Vec<&str> = report.steps().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["catalog.00000001.0001.librarian.create_book", "catalog.00000001.0002.librarian.add_isbn"]);
}
